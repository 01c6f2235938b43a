//! How many files may be open at once.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The part of the process's open files that may be files for peers.
const SHARE: u64 = 8;
/// The least and the most of them, where nothing else was chosen.
const LEAST: u64 = 16;
const MOST: u64 = 4096;

/// How long to wait for a place: long enough for files that are read at once, and not for peers that read slowly.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Room for open files.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// How often there was none.
    refused: Counter,
}

/// Leave to have one file open.
#[derive(Debug)]
pub struct Place(#[allow(dead_code, reason = "given back when dropped")] OwnedSemaphorePermit);

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            refused: Counter::default(),
        }
    }

    /// What the file limit of the process allows.
    pub(crate) fn by_file_limit() -> usize {
        let files = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1024, |(soft, _)| soft);
        usize::try_from((files / SHARE).clamp(LEAST, MOST)).unwrap_or(usize::MAX)
    }

    pub(super) fn take(&self) -> Option<Place> {
        let place = Arc::clone(&self.free).try_acquire_owned();
        place.ok().map(Place)
    }

    pub(super) async fn wait(&self) -> Option<Place> {
        let place = Arc::clone(&self.free).acquire_owned();
        let place = tokio::time::timeout(MAX_WAIT, place).await;
        place.ok()?.ok().map(Place)
    }

    pub(super) fn count_refusal(&self) {
        self.refused.inc();
    }

    /// How often a file was not opened because too many were.
    pub(crate) fn refused(&self) -> Counter {
        self.refused.clone()
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::new(Self::by_file_limit())
    }
}
