//! A handler that writes down what happens.

use std::sync::Arc;

use parking_lot::Mutex;
use stellar::engine::{
    CloseReason, Handler, Handshake, Incoming, IncomingPayload, Message, Refusal, Spark,
};
use tokio::sync::Notify;

/// What the engine was told, by connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Opened { transport: String, query: String },
    Text(String),
    Binary(Vec<u8>),
    Closed(CloseReason),
}

/// Writes everything down, and echoes texts that begin with `echo `.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    told: Mutex<Vec<(Spark, Told)>>,
    changed: Notify,
}

impl Recorder {
    fn note(&self, spark: &Spark, told: Told) {
        self.0.told.lock().push((spark.clone(), told));
        self.0.changed.notify_waiters();
    }

    /// Everything so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.0
            .told
            .lock()
            .iter()
            .map(|(_, told)| told.clone())
            .collect()
    }

    /// Waits until `is_so`.
    pub(crate) async fn until(&self, is_so: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let told = self.told();
            if is_so(&told) {
                return told;
            }
            changed.await;
        }
    }

    /// Waits until the number of connections that opened is `count`, and returns their sparks.
    pub(crate) async fn opened(&self, count: usize) -> Vec<Spark> {
        let is_opened = |told: &Told| matches!(told, Told::Opened { .. });
        self.until(|told| told.iter().filter(|told| is_opened(told)).count() >= count)
            .await;
        let told = self.0.told.lock();
        let opened = told.iter().filter(|(_, told)| is_opened(told));
        opened.map(|(spark, _)| spark.clone()).collect()
    }

    /// Waits for the first close.
    pub(crate) async fn closed(&self) -> CloseReason {
        let told = self
            .until(|told| told.iter().any(|told| matches!(told, Told::Closed(_))))
            .await;
        let reason = told.into_iter().find_map(|told| match told {
            Told::Closed(reason) => Some(reason),
            _ => None,
        });
        reason.unwrap()
    }
}

impl Handler for Recorder {
    fn authorize<'a>(
        &'a self,
        handshake: &'a mut Handshake,
    ) -> futures_util::future::BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            if handshake.query().contains("refuse") {
                return Err(Refusal::new("not you"));
            }
            Ok(())
        })
    }

    fn opened(&self, spark: &Spark, handshake: &Handshake) {
        assert_eq!(handshake.transport, spark.transport());
        self.note(
            spark,
            Told::Opened {
                transport: spark.transport().to_owned(),
                query: handshake.query().to_owned(),
            },
        );
    }

    fn received(&self, spark: &Spark, message: Incoming<'_>) {
        match message.payload {
            IncomingPayload::Text(text) => {
                if let Some(echo) = text.strip_prefix("\"echo ") {
                    let _closed_meanwhile = spark.send(&Message::text(format!("\"{echo}")));
                }
                self.note(spark, Told::Text(text.to_owned()));
            }
            IncomingPayload::Binary(bytes) => {
                let _closed_meanwhile = spark.send(&Message::binary(bytes.to_vec()));
                self.note(spark, Told::Binary(bytes.to_vec()));
            }
        }
    }

    fn closed(
        &self,
        spark: &Spark,
        reason: &CloseReason,
    ) -> Option<futures_util::future::BoxFuture<'static, ()>> {
        self.note(spark, Told::Closed(reason.clone()));
        None
    }
}
