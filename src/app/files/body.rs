//! Reading a whole file into the form that a packet carries.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use time::OffsetDateTime;

/// A whole file, as the packet of the verb `file` carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBody {
    /// The file's text, or its bytes in base64 where they are not UTF-8.
    pub content: String,
    /// `Some("base64")` if that is what the content is in.
    pub encoding: Option<&'static str>,
    /// The size of the file in bytes, however the content is encoded.
    pub length: u64,
    /// The MIME type by extension, without a charset.
    pub mime: String,
    /// When the file was last changed, as `2016-08-02T10:00:00.000Z`; absent for embedded files.
    pub last_modified: Option<String>,
}

/// Why there is no file, or none that can be read.
///
/// But for [`Missing`](Self::Missing), the text is the detail of error 011, `Error reading file: <detail>`. It names no
/// path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is none of this name.
    #[error("not there")]
    Missing,
    /// Too many files are open. Another time it may work.
    #[error("too many files are open")]
    Busy,
    /// The file is larger than the caller wants to hold.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The operating system failed.
    #[error("{}", .0.kind())]
    Io(#[source] io::Error),
}

impl FileError {
    /// What a failure to look at a name or to open it means.
    pub(super) fn of(error: io::Error) -> Self {
        use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied};
        match error.kind() {
            NotFound | NotADirectory | PermissionDenied | InvalidFilename | InvalidInput => {
                Self::Missing
            }
            ErrorKind::OutOfMemory => Self::Busy,
            _ => super::open::fault(error),
        }
    }
}

impl FileBody {
    /// Reads a regular file of at most `limit` bytes; blocks.
    pub(super) fn read(
        file: File,
        metadata: &Metadata,
        mime: &str,
        limit: usize,
    ) -> Result<Self, FileError> {
        let expected = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if expected > limit {
            return Err(FileError::TooLarge { limit });
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(expected)
            .map_err(|_| FileError::Io(ErrorKind::OutOfMemory.into()))?;
        // One byte more than allowed tells a file that ends at the limit from one that goes on.
        file.take((limit as u64).saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(FileError::Io)?;
        let mut body = Self::new(bytes, mime, limit)?;
        body.last_modified = metadata.modified().ok().and_then(iso_8601);
        Ok(body)
    }

    /// The body of a file without a date.
    pub(super) fn new(bytes: Vec<u8>, mime: &str, limit: usize) -> Result<Self, FileError> {
        if bytes.len() > limit {
            return Err(FileError::TooLarge { limit });
        }
        let length = bytes.len() as u64;
        let (content, encoding) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => (BASE64.encode(error.as_bytes()), Some("base64")),
        };
        Ok(Self {
            content,
            encoding,
            length,
            mime: mime.to_owned(),
            last_modified: None,
        })
    }
}

/// The time as JavaScript's `toISOString` writes it; `None` beyond the calendar's four digits.
pub(super) fn iso_8601(time: SystemTime) -> Option<String> {
    let nanoseconds = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()).ok()?,
        Err(error) => -i128::try_from(error.duration().as_nanos()).ok()?,
    };
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second, millisecond) = time.to_hms_milli();
    let month = u8::from(month);
    (0..=9999).contains(&year).then(|| {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    })
}
