//! Uploaded files: stored while the request is served, deleted after.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// An uploaded file in the system's folder for temporary files, deleted when this is dropped.
///
/// Only the server's own user may read it. Move the file away to keep it.
#[derive(Debug)]
pub(crate) struct Upload {
    path: PathBuf,
}

impl Upload {
    /// Creates an empty file under a name that nobody can foresee; blocks.
    pub(super) fn create() -> io::Result<(File, Self)> {
        let name = format!("stellar-upload-{}", Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        // Others may write to the same folder: a link that lies there must not be followed.
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok((file, Self { path }))
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Whoever moved it away took charge of it; nothing else can be done about a failure here.
        let _ = std::fs::remove_file(&self.path);
    }
}
