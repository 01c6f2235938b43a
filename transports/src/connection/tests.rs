use async_trait::async_trait;

use super::*;
use crate::half::Part;
use crate::{Bus, Handshake, Limits, Metrics, Origins, Payload, Refusal};

/// An engine that lets everyone in and does nothing.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Bus for Silent {
    async fn admit(&self, _: &mut Handshake) -> Result<(), Refusal> {
        Ok(())
    }

    fn dispatch(&self, _: &Arc<Connection>, _: Event<'_>) {}
}

/// Messages as they are.
#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn encode(&self, message: &Message) -> Bytes {
        match message.payload() {
            Payload::Text(text) => text.as_bytes().clone(),
            Payload::Binary(bytes) => bytes.clone(),
        }
    }

    fn ping(&self, _: u64, _: &dyn crate::primus::Controls) -> Option<Bytes> {
        None
    }
}

/// A connection whose transport fetches what waits.
fn fetched(limits: Limits) -> Arc<Connection> {
    let context = Context::start(
        Arc::new(Silent),
        limits,
        Origins::same_origin(),
        Metrics::default(),
    );
    Connection::new(&context, "test", &Plain)
}

#[tokio::test]
async fn what_waits_has_to_be_fetched_in_time() {
    let patient = fetched(Limits::default());
    assert_eq!(patient.check_fetched(), None, "nothing waits");
    patient.send(&Message::text("a")).unwrap();
    patient.send(&Message::text("b")).unwrap();
    assert_eq!(patient.check_fetched(), Some(true));
    assert!(patient.is_open());
    assert!(patient.take_frame().is_some());
    assert_eq!(patient.outbox.lock().unfetched_since, 0, "it begins anew");
    assert_eq!(patient.check_fetched(), Some(true));
    assert!(patient.take_frame().is_some());
    assert_eq!(patient.check_fetched(), None);

    let hasty = fetched(Limits {
        write_timeout: Duration::ZERO,
        ..Limits::default()
    });
    hasty.check_deadlines();
    assert!(hasty.is_open(), "nothing waits");
    hasty.send(&Message::text("a")).unwrap();
    hasty.check_deadlines();
    assert_eq!(hasty.take_closing(), Some(CloseReason::SlowConsumer));
}

#[tokio::test]
async fn what_waits_is_counted_until_it_is_fetched_or_let_go() {
    let connection = fetched(Limits {
        max_memory: 1024 * 1024,
        ..Limits::default()
    });
    let budget = connection.context().budget.clone();
    let large = Message::binary(vec![0; 100_000]);
    connection.send(&large).unwrap();
    assert!(budget.held() >= 90_000);
    assert!(connection.take_frame().is_some());
    assert_eq!(budget.held(), 0);

    let mut broadcast = crate::Broadcast::new(&large);
    let other = Connection::new(connection.context(), "test", &Plain);
    for member in [&connection, &other] {
        broadcast.send_to(member).unwrap();
    }
    drop(broadcast);
    assert_eq!(budget.held(), 100_000, "once for both");
    connection.let_go();
    assert_eq!(budget.held(), 100_000);
    assert_eq!(connection.take_closing(), Some(CloseReason::Overloaded));
    assert!(other.take_frame().is_some());
    assert_eq!(budget.held(), 0);

    // What there is no memory for is not sent, and this is the end.
    let huge = Message::binary(vec![0; 2 * 1024 * 1024]);
    assert_eq!(other.send(&huge), Err(SendError::Overloaded));
    assert_eq!(other.take_closing(), Some(CloseReason::Overloaded));
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn as_many_are_let_go_as_it_takes_and_no_more() {
    let honest = fetched(Limits {
        max_memory: 1024 * 1024,
        ..Limits::default()
    });
    honest.send(&Message::binary(vec![0; 50_000])).unwrap();
    let context = Arc::clone(honest.context());
    let large: Vec<_> = (0..3)
        .map(|_| Connection::new(&context, "test", &Plain))
        .collect();
    for connection in &large {
        assert!(connection.hold_half(Part::Message, 300_000));
    }
    let one_more = Connection::new(&context, "test", &Plain);
    assert!(!one_more.hold_half(Part::Message, 200_000));
    // Their tasks have not come to it before the next are looked at.
    context.sweep.relieve(&context.budget);
    assert_eq!(large.iter().filter(|it| !it.is_open()).count(), 1);
    assert!(honest.is_open());
}
