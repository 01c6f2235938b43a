//! Where a program's log goes, so that it cannot hurt the program.

use std::io::{self, Write};

use prometheus_client::metrics::counter::Counter;

/// Standard error, for a log: what cannot be written, because the disk is full or nobody reads any more, is lost and
/// counted, and whoever had something to say goes on. Clones count together.
///
/// ```
/// let log = stellar::LogWriter::default();
/// let writer = log.clone();
/// tracing_subscriber::fmt()
///     .with_writer(move || writer.clone())
///     .init();
/// # let app = stellar::app::App::builder().build().unwrap();
/// let server = stellar::Server::new(app).log(&log); // `stellar_log_writes_lost_total` in its metrics
/// ```
#[derive(Clone, Debug, Default)]
pub struct LogWriter {
    lost: Counter,
}

impl LogWriter {
    /// Counts a write that has failed.
    pub fn note(&self, written: &io::Result<()>) {
        if written.is_err() {
            self.lost.inc();
        }
    }

    /// How many writes were lost.
    pub(crate) fn lost(&self) -> Counter {
        self.lost.clone()
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whole, so that a line is lost as a whole: half of one and the next would make a third.
        self.note(&io::stderr().lock().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
