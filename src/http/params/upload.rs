//! Uploaded files: stored while the request is served, deleted after.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use prometheus_client::metrics::counter::Counter;
use uuid::Uuid;

use super::BadRequest;

/// How much the requests of a server may have stored at one time, all together.
#[derive(Debug)]
pub(crate) struct Store {
    files: Share,
    bytes: Share,
    refused: Counter,
}

/// Something of which there is so much.
#[derive(Debug)]
struct Share {
    left: AtomicUsize,
}

impl Share {
    fn take(&self, count: usize) -> bool {
        let taken = self
            .left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(count));
        taken.is_ok()
    }

    fn give_back(&self, count: usize) {
        self.left.fetch_add(count, Relaxed);
    }
}

impl Store {
    pub(crate) fn new(files: usize, bytes: usize) -> Self {
        let share = |left| Share {
            left: AtomicUsize::new(left),
        };
        Self {
            files: share(files),
            bytes: share(bytes),
            refused: Counter::default(),
        }
    }

    /// How often there was no room.
    pub(crate) fn refused(&self) -> Counter {
        self.refused.clone()
    }

    fn full(&self) -> BadRequest {
        self.refused.inc();
        BadRequest::StoreFull
    }
}

/// An uploaded file in the system's folder for temporary files, deleted when this is dropped.
///
/// Only the server's own user may read it. Move the file away to keep it.
#[derive(Debug)]
pub(crate) struct Upload {
    path: PathBuf,
    size: usize,
    store: Arc<Store>,
}

impl Upload {
    /// Creates an empty file under a name that nobody can foresee; blocks.
    pub(super) fn create(store: Arc<Store>) -> Result<(File, Self), BadRequest> {
        if !store.files.take(1) {
            return Err(store.full());
        }
        let name = format!("stellar-upload-{}", Uuid::new_v4().simple());
        // The guard comes first: what it took is given back if there is no file.
        let upload = Self {
            path: std::env::temp_dir().join(name),
            size: 0,
            store,
        };
        let file = upload.open().map_err(BadRequest::Storage)?;
        Ok((file, upload))
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        // Others may write to the same folder: a link that lies there must not be followed.
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path)
    }

    /// Takes room for so many bytes more, before they are written.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), BadRequest> {
        if !self.store.bytes.take(bytes) {
            return Err(self.store.full());
        }
        self.size += bytes;
        Ok(())
    }

    /// How many bytes it has.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A file that was moved away belongs to whoever moved it. Another failure cannot be mended here.
        let _ = std::fs::remove_file(&self.path);
        self.store.bytes.give_back(self.size);
        self.store.files.give_back(1);
    }
}
