//! Files over HTTP (docs/protocol/http.md#files): what [`PublicFiles`] finds, with caching headers,
//! conditional requests and ranges.
//!
//! A file on disk is in memory as a whole only if it is small. It is closed when its last byte was read, when the peer
//! goes away, and at once if the answer needs none of it.

mod range;
mod served;

use std::io::{ErrorKind, SeekFrom};
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{
    ALLOW, CONTENT_LENGTH, HeaderName, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use stellar_transports::{Body, BodyError, body};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use self::range::Wanted;
use self::served::Served;
use crate::app::files::{FileError, Found, Place, PublicFiles, decode_path};
use crate::app::{Error, ErrorFormat};

/// Bytes read from disk at a time.
const CHUNK: usize = 64 * 1024;

/// How files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StaticOptions {
    /// How long a copy counts as fresh; 60 s unless set, to the second. Zero makes caches ask each time.
    pub(crate) max_age: Duration,
    /// Whether to send an `ETag`; true unless set. `Last-Modified` is always sent.
    pub(crate) etag: bool,
    /// The body of a 404: the text of error 010.
    pub(crate) missing: Bytes,
}

impl Default for StaticOptions {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(60),
            etag: true,
            missing: Error::FileMissing.message(&ErrorFormat::default()).into(),
        }
    }
}

/// Answers a request for the file at `path`: the path of the URL without query, still percent-encoded.
///
/// Only GET and HEAD read files. A missing file is 404, whatever the method and the conditions. A file that cannot be
/// opened now is 503, or 500 if the disk fails. Other methods get 405 for a file that is there. `If-None-Match` goes
/// before `If-Modified-Since`, both before `Range`.
pub(crate) async fn serve(
    files: &PublicFiles,
    options: &StaticOptions,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
) -> Response<Body> {
    let mut response = match find(files, path).await {
        Err(error) => failed(&error, options),
        Ok(_) if !matches!(*method, Method::GET | Method::HEAD) => not_allowed(),
        Ok(found) => {
            let file = Served::new(&found, options);
            if file.is_known(headers) {
                file.not_modified(options)
            } else if method == Method::HEAD {
                file.whole(body::full(Bytes::new()), options)
            } else {
                send(found, &file, headers, options).await
            }
        }
    };
    if method == Method::HEAD {
        *response.body_mut() = body::full(Bytes::new());
    }
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

async fn find(files: &PublicFiles, path: &str) -> Result<Found, FileError> {
    let name = decode_path(path).ok_or(FileError::Missing)?;
    // Of no path at all, the root's.
    files.find(&format!("/{name}")).await
}

/// Answers GET with the file, or with the part of it that is wanted.
async fn send(
    found: Found,
    file: &Served,
    headers: &HeaderMap,
    options: &StaticOptions,
) -> Response<Body> {
    let wanted = file.wanted(headers);
    let range = match &wanted {
        Wanted::Whole => 0..file.length,
        Wanted::Part(range) => range.clone(),
        Wanted::Nothing => return file.nothing(),
    };
    let content = match found {
        Found::Embedded { bytes, .. } => {
            let bytes = Bytes::from_static(bytes);
            Ok(body::full(
                bytes.slice(range.start as usize..range.end as usize),
            ))
        }
        Found::Disk { file, place, .. } => content(file, place, range).await,
    };
    match (content, wanted) {
        (Ok(content), Wanted::Part(range)) => file.part(&range, content, options),
        (Ok(content), _) => file.whole(content, options),
        (Err(error), _) => failed(&FileError::Io(error), options),
    }
}

/// The bytes of a file. Few are read at once, and the file is closed whoever is to get them, and however slowly.
async fn content(file: std::fs::File, place: Place, range: Range<u64>) -> std::io::Result<Body> {
    let mut file = File::from_std(file);
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start)).await?;
    }
    let left = range.end - range.start;
    if left > CHUNK as u64 {
        return Ok(stream(file, place, left));
    }
    let mut bytes = BytesMut::with_capacity(left as usize);
    let mut file = file.take(left);
    while file.limit() > 0 {
        if file.read_buf(&mut bytes).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(body::full(bytes.freeze()))
}

/// The next `length` bytes of a file, which is closed with the last of them. A file that became shorter ends in an
/// error, so that the peer does not take a part for the whole.
fn stream(file: File, place: Place, length: u64) -> Body {
    let begin = Some((file, place, length));
    let chunks = stream::try_unfold(begin, async |state| {
        let Some((mut file, place, left)) = state else {
            return Ok(None);
        };
        let mut chunk = BytesMut::with_capacity(CHUNK.min(usize::try_from(left).unwrap_or(CHUNK)));
        let read = (&mut file).take(left).read_buf(&mut chunk).await? as u64;
        if read == 0 {
            return Err(std::io::Error::from(ErrorKind::UnexpectedEof));
        }
        let frame = Frame::data(chunk.freeze());
        let rest = (left > read).then_some((file, place, left - read));
        Ok(Some((frame, rest)))
    });
    StreamBody::new(chunks)
        .map_err(BodyError::new)
        .boxed_unsync()
}

/// Why a file is not sent, which is not the same as that it is not there: caches and crawlers would take it for gone.
fn failed(error: &FileError, options: &StaticOptions) -> Response<Body> {
    let (status, text) = match error {
        FileError::Missing => return not_found(options),
        FileError::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many files are being sent; try again",
        ),
        FileError::TooLarge { .. } | FileError::Io(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "The file cannot be read")
        }
    };
    let mut response = body::text(status, text);
    set(&mut response, CONTENT_LENGTH, text.len().to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        set(&mut response, RETRY_AFTER, "1");
    }
    response
}

fn not_found(options: &StaticOptions) -> Response<Body> {
    let text = options.missing.clone();
    let length = text.len().to_string();
    let mut response = body::answer(StatusCode::NOT_FOUND, "text/html", text);
    set(&mut response, CONTENT_LENGTH, length);
    response
}

fn not_allowed() -> Response<Body> {
    const TEXT: &str = "Files can only be read";
    let mut response = body::text(StatusCode::METHOD_NOT_ALLOWED, TEXT);
    set(&mut response, ALLOW, "GET, HEAD, OPTIONS");
    set(&mut response, CONTENT_LENGTH, TEXT.len().to_string());
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: impl TryInto<HeaderValue>) {
    if let Ok(value) = value.try_into() {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests;
