//! Files over HTTP (Stellar specification, §9 and §10.7): what [`PublicFiles`] finds, with caching headers,
//! conditional requests and ranges.
//!
//! A file on disk is never in memory as a whole, and is closed when its last byte was sent, when the peer goes away,
//! and at once if the answer needs none of it.

mod date;
mod range;
mod served;

use std::fs::Metadata;
use std::io::{ErrorKind, SeekFrom};
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{ALLOW, CONTENT_LENGTH, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use stellar_transports::{Body, BodyError, body};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use self::range::Wanted;
use self::served::Served;
use crate::app::files::{Found, PublicFiles, decode_path};
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
    /// What is said of a file that is not there: the text of error 010.
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
/// Only GET and HEAD read files. A missing file is 404 for every method and whatever the conditions; other methods
/// get 405 for a file that is there. `If-None-Match` goes before `If-Modified-Since`, both before `Range`.
pub(crate) async fn serve(
    files: &PublicFiles,
    options: &StaticOptions,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
) -> Response<Body> {
    let mut response = match find(files, path).await {
        None => not_found(options),
        Some(_) if !matches!(*method, Method::GET | Method::HEAD) => not_allowed(),
        Some(found) => {
            let file = Served::new(&found, options);
            if file.is_known(headers) {
                file.not_modified(options)
            } else if method == Method::HEAD {
                file.whole(body::full(Bytes::new()), options)
            } else {
                send(found, file, headers, options).await
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

async fn find(files: &PublicFiles, path: &str) -> Option<Found> {
    // With a dot in front nothing is a full path of the disk: URLs must not tell where the roots are.
    let name = format!("./{}", decode_path(path)?);
    files.find(&name).await
}

/// Answers GET with the file, or with the part of it that is wanted.
async fn send(
    found: Found,
    file: Served,
    headers: &HeaderMap,
    options: &StaticOptions,
) -> Response<Body> {
    match found {
        Found::Embedded { bytes, .. } => {
            let bytes = Bytes::from_static(bytes);
            match file.wanted(headers) {
                Wanted::Whole => file.whole(body::full(bytes), options),
                Wanted::Part(range) => {
                    let part = bytes.slice(range.start as usize..range.end as usize);
                    file.part(&range, body::full(part), options)
                }
                Wanted::Nothing => file.nothing(),
            }
        }
        Found::Disk { path, mime, .. } => {
            let Ok((mut disk, metadata)) = open(&path).await else {
                return not_found(options);
            };
            // The file may have been replaced since it was found: headers have to describe what is sent.
            let file = Served::disk(&metadata, mime, options);
            match file.wanted(headers) {
                Wanted::Whole => file.whole(stream(disk, file.length), options),
                Wanted::Part(range) => match disk.seek(SeekFrom::Start(range.start)).await {
                    Ok(_) => file.part(&range, stream(disk, range.end - range.start), options),
                    Err(_) => not_found(options),
                },
                Wanted::Nothing => file.nothing(),
            }
        }
    }
}

async fn open(path: &Path) -> std::io::Result<(File, Metadata)> {
    let file = File::open(path).await?;
    let metadata = file.metadata().await?;
    if metadata.is_file() {
        Ok((file, metadata))
    } else {
        Err(ErrorKind::NotFound.into())
    }
}

/// The next `length` bytes of a file. One that became shorter ends in an error, so that the peer does not take what
/// it has for the whole.
fn stream(file: File, length: u64) -> Body {
    let chunks = stream::try_unfold((file, length), async |(mut file, left)| {
        if left == 0 {
            return Ok(None);
        }
        let mut chunk = BytesMut::with_capacity(CHUNK.min(usize::try_from(left).unwrap_or(CHUNK)));
        let read = (&mut file).take(left).read_buf(&mut chunk).await? as u64;
        if read == 0 {
            return Err(std::io::Error::from(ErrorKind::UnexpectedEof));
        }
        let frame = Frame::data(chunk.freeze());
        Ok(Some((frame, (file, left - read))))
    });
    StreamBody::new(chunks)
        .map_err(BodyError::new)
        .boxed_unsync()
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
