//! Opening a file, and nothing else that lies at its path by then.

use std::fs::File;
use std::io;
use std::path::Path;

use super::FileError;

/// Opens what is at `path`, wherever it lies in truth. It may be no file: nothing waits for that.
#[cfg(unix)]
pub(super) fn anywhere(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, FILE, Mode::empty())?.into())
}

/// Opens what is at `path` if it lies in `root` in truth, at a place there that `is_open` to everybody.
#[cfg(unix)]
pub(super) fn inside(
    root: &Path,
    path: &Path,
    is_open: impl Fn(&Path) -> bool,
) -> io::Result<File> {
    let root = root.canonicalize()?;
    let path = path.canonicalize()?;
    let below = below(&root, &path).filter(|below| is_open(below));
    let below = below.ok_or(io::ErrorKind::NotFound)?;
    let mut at = rustix::fs::open(&root, FOLDER, Mode::empty())?;
    let mut steps = below.iter().peekable();
    while let Some(step) = steps.next() {
        // There was no link in it, so one that is there now was put there meanwhile.
        let flags = if steps.peek().is_some() { FOLDER } else { FILE };
        at = rustix::fs::openat(&at, step, flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(at.into())
}

/// A file, read and not waited for: a pipe would wait for a writer.
#[cfg(unix)]
const FILE: OFlags = OFlags::CLOEXEC
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// A folder that is gone through, which may be allowed where it may not be read.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::CLOEXEC.union(OFlags::DIRECTORY).union(OFlags::PATH);
#[cfg(all(unix, not(target_os = "linux")))]
const FOLDER: OFlags = OFlags::CLOEXEC.union(OFlags::DIRECTORY);

#[cfg(unix)]
use rustix::fs::{Mode, OFlags};

#[cfg(not(unix))]
pub(super) fn anywhere(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(not(unix))]
pub(super) fn inside(
    root: &Path,
    path: &Path,
    is_open: impl Fn(&Path) -> bool,
) -> io::Result<File> {
    let path = path.canonicalize()?;
    match below(&root.canonicalize()?, &path) {
        Some(below) if is_open(below) => File::open(&path),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The part of a path that is below a root.
fn below<'p>(root: &Path, path: &'p Path) -> Option<&'p Path> {
    // By component: `/public-old` does not begin with `/public`.
    path.strip_prefix(root)
        .ok()
        .filter(|below| *below != Path::new(""))
}

/// What an error means that the standard library has no word for.
#[cfg(unix)]
pub(super) fn fault(error: io::Error) -> FileError {
    use rustix::io::Errno;
    match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => FileError::Busy,
        // Sockets, and devices without a driver.
        Some(Errno::NXIO | Errno::NODEV | Errno::LOOP) => FileError::Missing,
        _ => FileError::Io(error),
    }
}

#[cfg(not(unix))]
pub(super) fn fault(error: io::Error) -> FileError {
    FileError::Io(error)
}
