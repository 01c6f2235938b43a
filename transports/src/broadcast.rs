//! One message to many connections, encoded once per dialect.

use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;

use crate::connection::PushError;
use crate::{Connection, Message, SendError};

/// A message on its way to several connections. Each encoding of it is made at the first connection that needs it,
/// and shared by all others.
#[derive(Debug)]
pub struct Broadcast<'m> {
    message: &'m Message,
    /// Few enough that a scan beats a map.
    encoded: Vec<(&'static str, Bytes)>,
    /// Counted here and added up at the end: a shared counter per member would be the dearest part of a delivery.
    sent: Option<(Counter, u64)>,
}

impl<'m> Broadcast<'m> {
    /// Prepares `message`; nothing is encoded yet.
    pub const fn new(message: &'m Message) -> Self {
        Self {
            message,
            encoded: Vec::new(),
            sent: None,
        }
    }

    /// Sends it to one connection.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send_to(&mut self, connection: &Arc<Connection>) -> Result<(), SendError> {
        loop {
            let is_linked = connection.is_linked();
            let frame = self.frame_for(connection);
            match connection.push(frame, true, is_linked) {
                Ok(()) => break,
                Err(PushError::Send(error)) => return Err(error),
                Err(PushError::Outdated) => {}
            }
        }
        match &mut self.sent {
            Some((_, count)) => *count += 1,
            None => self.sent = Some((connection.context().metrics.sent.clone(), 1)),
        }
        Ok(())
    }

    fn frame_for(&mut self, connection: &Connection) -> Bytes {
        let dialect = connection.dialect();
        let encoding = dialect.encoding();
        if let Some((_, frame)) = self.encoded.iter().find(|(known, _)| *known == encoding) {
            return frame.clone();
        }
        connection.context().metrics.encoded.inc();
        let frame = dialect.encode(self.message);
        let frame = connection.context().budget.share_out(frame);
        self.encoded.push((encoding, frame.clone()));
        frame
    }
}

impl Drop for Broadcast<'_> {
    fn drop(&mut self) {
        if let Some((sent, count)) = &self.sent {
            sent.inc_by(*count);
        }
    }
}
