//! The public folder: finding a file by the name a peer gave, and reading it for the verb `file`.
//!
//! HTTP and the verb ask the same [`PublicFiles`], so a name means the same file, and the same refusal, to both. A name
//! is split into its segments before the disk sees any of it. `..` is resolved on the segments and cannot climb out of
//! the root, so every joined path lies below its root. Only symbolic links can lead elsewhere; [`Links`] says whether
//! they may.
//!
//! Names that begin with a dot are not served, but for `.well-known`, and nor is what a link calls
//! otherwise.
//!
//! Everything that is not to be served looks the same from outside: not found. A name is never a
//! path of the disk, so nobody learns where the roots are. Files are read from disk at each request,
//! there is no cache.

mod body;
mod open;
mod place;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub use self::body::{FileBody, FileError};
pub use self::place::Place;
pub(crate) use self::place::Places;
use crate::config::Config;

/// The MIME type of a file whose extension says nothing.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// How often the index file's name is appended before giving up. Once is the rule. Twice means that a folder has the
/// name of an index file, more that a link leads to its own folder.
const MAX_INDEX_STEPS: usize = 8;

/// What to do with symbolic links that lead out of their root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Follow every link. Whoever can create links in a root then decides what is public.
    Follow,
    /// Follow links within a root; a file that lies elsewhere in truth, or whose name there begins
    /// with a dot, is not found.
    ///
    /// This holds however links and folders are changed meanwhile: the real path is looked up, and
    /// then opened step by step from its root, without following any link. Hard links and mounted
    /// folders are inside; a folder that is moved out while it is walked through was inside.
    /// Elsewhere than on Unix the path is opened as a whole, and a change in between is not seen.
    #[default]
    StayInside,
}

impl Links {
    /// As `web.follow_links` says.
    pub(crate) const fn configured(config: &Config) -> Self {
        match config.web.follow_links {
            true => Self::Follow,
            false => Self::StayInside,
        }
    }
}

/// The files open to everyone: folders searched in order, then files embedded in the binary.
///
/// A clone shares the settings and is cheap. The default serves nothing; the methods that return
/// `Self` chain.
#[derive(Clone, Debug, Default)]
pub struct PublicFiles {
    shelf: Arc<Shelf>,
}

#[derive(Clone, Debug)]
struct Shelf {
    roots: Vec<PathBuf>,
    embedded: BTreeMap<String, &'static [u8]>,
    links: Links,
    index: String,
    places: Arc<Places>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            embedded: BTreeMap::new(),
            links: Links::default(),
            index: "index.html".to_owned(),
            places: Arc::default(),
        }
    }
}

/// A file that was found.
#[derive(Debug)]
pub enum Found {
    /// A regular file below a root, open.
    Disk {
        /// Its content.
        file: File,
        /// As it was when it was opened.
        metadata: Metadata,
        /// To be kept for as long as it is open.
        place: Place,
        /// Its MIME type by extension, without a charset.
        mime: &'static str,
    },
    /// A file of the binary.
    Embedded {
        /// All of its content.
        bytes: &'static [u8],
        /// Its MIME type by extension, without a charset.
        mime: &'static str,
    },
}

impl PublicFiles {
    /// Nothing to serve yet. Index files are called `index.html`, and links are followed within their root. An eighth
    /// of the process's file limit may be open at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder, searched after those added before. It need not exist yet.
    ///
    /// A relative path is taken from the working directory of this moment.
    pub fn root(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // Fails where the working directory is gone, or for an empty path: nothing is found then.
        let path = std::path::absolute(&path).unwrap_or(path);
        self.shelf_mut().roots.push(path);
        self
    }

    /// Adds a file of the binary as `name` (`"css/site.css"`), found when no root has one.
    ///
    /// A name that no peer could ask for, such as `"../x"`, is never found.
    pub fn embed(mut self, name: &str, bytes: &'static [u8]) -> Self {
        let name = name.trim_start_matches('/').to_owned();
        self.shelf_mut().embedded.insert(name, bytes);
        self
    }

    /// Says what to do with links that leave their root; [`Links::StayInside`] unless set.
    pub fn links(mut self, links: Links) -> Self {
        self.shelf_mut().links = links;
        self
    }

    /// How many files may be open at once, in all clones together.
    pub fn max_open(mut self, files: usize) -> Self {
        self.shelf_mut().places = Arc::new(Places::new(files));
        self
    }

    /// Counts open files together with somebody else's.
    pub(crate) fn sharing(mut self, places: &Arc<Places>) -> Self {
        self.shelf_mut().places = Arc::clone(places);
        self
    }

    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.shelf.places
    }

    /// The name of the file that stands for its folder; `index.html` unless set.
    pub fn index(mut self, name: impl Into<String>) -> Self {
        self.shelf_mut().index = name.into();
        self
    }

    /// Finds and opens the regular file that a peer calls `name`.
    ///
    /// The name is a path below the roots, a leading slash or not. Segments are separated by `/`
    /// alone, `.` and empty ones do not count. A folder stands for its index file, and a trailing
    /// slash asks for a folder. The name is taken as it is: decode an URL's path first, with
    /// [`decode_path`].
    ///
    /// The disk is only touched on a blocking thread; dropping the future abandons the answer and
    /// leaves nothing open.
    ///
    /// # Errors
    ///
    /// [`FileError::Missing`] for an empty name, a NUL, a `..` above the root (even if the name comes back in),
    /// devices, sockets, pipes, files without permission, and under [`Links::StayInside`] links to elsewhere.
    /// [`FileError::Busy`] if too many files are open, here or in the whole process. [`FileError::Io`] if the disk
    /// fails.
    pub async fn find(&self, name: &str) -> Result<Found, FileError> {
        let name = Arc::new(Name::parse(name).ok_or(FileError::Missing)?);
        let look = async |place| {
            let (shelf, name) = (Arc::clone(&self.shelf), Arc::clone(&name));
            tokio::task::spawn_blocking(move || shelf.find(&name, place))
                .await
                .unwrap_or_else(|error| Err(FileError::Io(error.into())))
        };
        let places = self.places();
        let found = match look(places.take()).await {
            Err(FileError::Busy) => match places.wait().await {
                Some(place) => look(Some(place)).await,
                None => Err(FileError::Busy),
            },
            found => found,
        };
        if matches!(found, Err(FileError::Busy)) {
            places.count_refusal();
        }
        found
    }

    /// Reads the whole of a found file, if it has at most `limit` bytes.
    ///
    /// The limit holds whatever the file's metadata say: files grow, and some systems' files report
    /// no length at all. Base64 makes the content a third longer than the limit. The file is read
    /// and closed on a blocking thread, also when the future is dropped.
    ///
    /// # Errors
    ///
    /// [`FileError`] if the file is too large or unreadable.
    pub async fn read(&self, found: Found, limit: usize) -> Result<FileBody, FileError> {
        match found {
            Found::Disk {
                file,
                metadata,
                place,
                mime,
            } => tokio::task::spawn_blocking(move || {
                let body = FileBody::read(file, &metadata, mime, limit);
                drop(place);
                body
            })
            .await
            .unwrap_or_else(|error| Err(FileError::Io(error.into()))),
            Found::Embedded { bytes, mime } => FileBody::new(bytes.to_vec(), mime, limit),
        }
    }

    fn shelf_mut(&mut self) -> &mut Shelf {
        Arc::make_mut(&mut self.shelf)
    }
}

impl Found {
    /// The MIME type by extension, without a charset.
    pub fn mime(&self) -> &'static str {
        match self {
            Self::Disk { mime, .. } | Self::Embedded { mime, .. } => mime,
        }
    }
}

/// A name taken apart: segments that are neither empty nor `.` nor `..`.
#[derive(Debug)]
struct Name {
    segments: Vec<String>,
    /// Whether it can only mean a folder.
    is_folder: bool,
}

impl Name {
    fn parse(name: &str) -> Option<Self> {
        if name.is_empty() || name.contains('\0') {
            return None;
        }
        let mut segments = Vec::new();
        let mut is_folder = false;
        for segment in name.split('/') {
            is_folder = matches!(segment, "" | "." | "..");
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop()?;
                }
                _ if is_plain(segment) => segments.push(segment.to_owned()),
                _ => return None,
            }
        }
        Some(Self {
            segments,
            is_folder,
        })
    }
}

/// Whether the system, too, takes the segment for one name: elsewhere than on Unix a backslash
/// separates and `C:` is a drive.
fn is_plain(segment: &str) -> bool {
    let mut parts = Path::new(segment).components();
    matches!(parts.next(), Some(Component::Normal(part)) if part == segment)
        && parts.next().is_none()
}

/// Whether a name is meant for the owner of the folder (`.env`, `.git`), not for the public.
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") && name != ".well-known"
}

impl Shelf {
    /// Finds a file, and opens it if there is a place for it.
    fn find(&self, name: &Name, mut place: Option<Place>) -> Result<Found, FileError> {
        let below: PathBuf = name.segments.iter().collect();
        for root in &self.roots {
            match self.find_on_disk(root, &below, name.is_folder, &mut place) {
                Err(FileError::Missing) => {}
                outcome => return outcome,
            }
        }
        self.find_embedded(name).ok_or(FileError::Missing)
    }

    fn find_on_disk(
        &self,
        root: &Path,
        below: &Path,
        is_folder: bool,
        place: &mut Option<Place>,
    ) -> Result<Found, FileError> {
        if below.iter().any(is_hidden) {
            return Err(FileError::Missing);
        }
        let mut path = root.join(below);
        let mut metadata = path.metadata().map_err(FileError::of)?;
        if is_folder && !metadata.is_dir() {
            return Err(FileError::Missing);
        }
        for _ in 0..MAX_INDEX_STEPS {
            if !metadata.is_dir() {
                break;
            }
            path.push(&self.index);
            metadata = path.metadata().map_err(FileError::of)?;
        }
        // Asked before opening, which for some devices is to do something.
        if !metadata.is_file() {
            return Err(FileError::Missing);
        }
        if place.is_none() {
            return Err(FileError::Busy);
        }
        let opened = match self.links {
            Links::Follow => open::anywhere(&path),
            Links::StayInside => open::inside(root, &path, |below| {
                // What the root itself is called is its owner's business.
                !below.iter().any(is_hidden)
            }),
        };
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(FileError::of)?;
        if !metadata.is_file() {
            return Err(FileError::Missing);
        }
        let place = place.take().ok_or(FileError::Busy)?;
        Ok(Found::Disk {
            file,
            metadata,
            place,
            mime: mime_of(&path),
        })
    }

    fn find_embedded(&self, name: &Name) -> Option<Found> {
        let mut path = name.segments.join("/");
        let found = if name.is_folder {
            None
        } else {
            self.embedded.get(&path)
        };
        let bytes = found.or_else(|| {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(&self.index);
            self.embedded.get(&path)
        })?;
        Some(Found::Embedded {
            bytes,
            mime: mime_of(Path::new(&path)),
        })
    }
}

/// Decodes the percent escapes of an URL's path, once: `%252e` becomes `%2e`, not a dot.
///
/// `None` for an escape that is none (`%zz`), for a NUL, and for what is not UTF-8 afterwards. A
/// plus sign is a plus sign in a path. Cut off the query before.
pub fn decode_path(path: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => digit(bytes.next()?)? * 16 + digit(bytes.next()?)?,
            _ => byte,
        };
        if byte == 0 {
            return None;
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

fn mime_of(path: &Path) -> &'static str {
    // Source maps, which the table does not know.
    if path.extension().is_some_and(|end| end == "map") {
        return "application/json";
    }
    mime_guess::from_path(path)
        .first_raw()
        .unwrap_or(UNKNOWN_TYPE)
}
