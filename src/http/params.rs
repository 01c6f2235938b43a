//! The params of an HTTP request: its query and its body as one JSON object (docs/protocol/http.md#params).
//!
//! ```text
//! query ─► fields ──────────────┐
//! body ─► Source (size, errors) ├─► Params
//!           ├─► JSON ───────────┤
//!           ├─► form ─► fields ─┤
//!           └─► multipart ──────┘
//! ```
//!
//! The order is that of precedence: what comes later replaces what came before. The captures of a route come last
//! and are the caller's to add.

mod fields;
mod media;
mod multipart;
mod source;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Method, StatusCode, Uri};
use hyper::body::Body;
use serde_json::{Map, Value};
use stellar_transports::json::{self, Bounds, Excess};
use stellar_transports::{OverBudget, Reservation};

use self::fields::Fields;
use self::media::{Format, Media};
use self::multipart::Uploads;
use self::source::Source;
pub(crate) use self::upload::{Store, Upload};

/// Where a JSON array goes, which has no names of its own.
const PAYLOAD: &str = "payload";

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What one request may carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyLimits {
    /// Bytes of the body, uploads included; 10 MiB unless set. Guards memory (JSON and forms) and disk (uploads).
    pub(crate) max_body: usize,
    /// Fields of query, form and multipart body together; 1000 unless set. The keys of a JSON body do not count.
    pub(crate) max_fields: usize,
    /// What JSON may unfold to; of values, fields count too. 20,000 values and 32 levels unless set. Guards memory.
    pub(crate) bounds: Bounds,
    /// Files of a form; 100 unless set. Each takes a name on the disk, however small it is.
    pub(crate) max_uploads: usize,
    /// Time for the whole body to arrive and be stored; 30 s unless set. Guards against peers that trickle.
    pub(crate) deadline: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            max_body: 10 * 1024 * 1024,
            max_fields: 1000,
            bounds: crate::app::Options::default().bounds(),
            max_uploads: 100,
            deadline: Duration::from_secs(30),
        }
    }
}

/// What a request says, and the uploads that some of it is about.
#[derive(Debug, Default)]
pub(crate) struct Params {
    /// The params by name. A file is an object of `path`, `name`, `type` and `size`.
    pub(crate) values: Map<String, Value>,
    /// The files that arrived. Each is deleted when its guard is dropped, so keep them while the action runs.
    ///
    /// A JSON body can hold an object that looks like a file and names any path: only what is listed here was
    /// really uploaded.
    pub(crate) uploads: Vec<Upload>,
}

/// Why a request has no params.
///
/// The text may be shown to the peer: it says nothing about the server but its limits. After most of these the rest
/// of the body was not read, so the connection is of no use for another request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRequest {
    /// The body is, or claims to be, too long.
    #[error("The request body is larger than {limit} bytes (limits.max_body_bytes)")]
    TooLarge {
        /// [`BodyLimits::max_body`].
        limit: usize,
    },
    /// Too many fields in query, form or multipart body.
    #[error("The request has more than {limit} fields (limits.max_fields)")]
    TooManyFields {
        /// [`BodyLimits::max_fields`].
        limit: usize,
    },
    /// Too many files in a form.
    #[error("The request has more than {limit} files (limits.max_uploads)")]
    TooManyUploads {
        /// [`BodyLimits::max_uploads`].
        limit: usize,
    },
    /// What all requests together have stored leaves no room for another file. Nothing is wrong with the request.
    #[error("Too much is being uploaded; try again")]
    StoreFull,
    /// The body did not arrive in time.
    #[error("The request body did not arrive within {deadline:?}")]
    TooSlow {
        /// [`BodyLimits::deadline`].
        deadline: Duration,
    },
    /// There is no memory for it.
    #[error("The server has no memory left for the request body")]
    OverBudget(#[from] OverBudget),
    /// The body is compressed or otherwise encoded.
    #[error("The content encoding of the request body is not supported")]
    Encoded,
    /// The body declares a charset other than UTF-8, or a field is not UTF-8.
    #[error("The request is not encoded in UTF-8")]
    NotUtf8,
    /// A percent sign in query or form without two hexadecimal digits after it.
    #[error("The request has a malformed percent escape")]
    Escape,
    /// The body is JSON, and does not say so. A page of another site may send it then without asking.
    #[error(
        "The request body is JSON, but its Content-Type does not say so: send application/json"
    )]
    Untyped,
    /// The body claims to be JSON.
    #[error("The request body is not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// The body may be JSON, but was not read to its end.
    #[error("The request body nests deeper than {limit} levels (limits.max_depth)")]
    TooDeep {
        /// [`Bounds::max_depth`].
        limit: usize,
    },
    /// The request would unfold to too much.
    #[error("The request has more than {limit} values (limits.max_values)")]
    TooManyValues {
        /// [`Bounds::max_values`].
        limit: usize,
    },
    /// The body is JSON, but a lone value.
    #[error("The request body is neither a JSON object nor a JSON array")]
    Nameless,
    /// The body claims to be multipart.
    #[error("The request body is not valid multipart/form-data: {0}")]
    Multipart(String),
    /// The peer went away, or broke the framing of HTTP.
    #[error("The request body ended early")]
    Interrupted(#[source] BoxError),
    /// An upload could not be written. Nothing is wrong with the request.
    #[error("The upload could not be stored")]
    Storage(#[source] std::io::Error),
}

impl BadRequest {
    /// The status to answer with.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. }
            | Self::TooManyFields { .. }
            | Self::TooManyValues { .. }
            | Self::TooManyUploads { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::StoreFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Encoded | Self::Untyped => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotUtf8
            | Self::Escape
            | Self::Json(_)
            | Self::TooDeep { .. }
            | Self::Nameless
            | Self::Multipart(_)
            | Self::Interrupted(_) => StatusCode::BAD_REQUEST,
            Self::OverBudget(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Reads the params of a request.
///
/// The body is read by its `Content-Type`: JSON, form or multipart. A body of another type, or of none, is ignored. It
/// is refused if it is JSON all the same, because its sender would wonder. GET and HEAD have no body, whatever they
/// carry.
///
/// A name given more than once in the query, or in the form, has all its values in an array. A JSON array becomes
/// `payload`, as does an object whose keys are 0 to n-1. An input for files that was left empty is absent.
///
/// What is read is taken from `memory`, which is nothing yet. Dropping the future deletes what was uploaded so far.
///
/// # Errors
///
/// [`BadRequest`] if the request is over a limit or not what it claims to be.
pub(crate) async fn read<B>(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: B,
    limits: &BodyLimits,
    store: &Arc<Store>,
    memory: Reservation,
) -> Result<Params, BadRequest>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let mut fields = Fields::new(limits.max_fields, limits.bounds.max_values);
    fields.add_encoded(uri.query().unwrap_or_default().as_bytes())?;
    let mut params = Params {
        values: fields.take(),
        uploads: Vec::new(),
    };
    if matches!(*method, Method::GET | Method::HEAD) || body.is_end_stream() {
        return Ok(params);
    }
    if declared_length(headers) > limits.max_body as u64 {
        let limit = limits.max_body;
        return Err(BadRequest::TooLarge { limit });
    }
    if is_encoded(headers) {
        return Err(BadRequest::Encoded);
    }
    let body = std::pin::pin!(body);
    let mut source = Source::new(body, limits.max_body, memory);
    let media = Media::of(headers);
    let uploads = Uploads {
        stored: &mut params.uploads,
        limit: limits.max_uploads,
        store,
    };
    let reading = read_body(
        &mut source,
        &media,
        limits.bounds,
        &mut fields,
        &mut params.values,
        uploads,
    );
    let deadline = limits.deadline;
    tokio::time::timeout(deadline, reading)
        .await
        .unwrap_or(Err(BadRequest::TooSlow { deadline }))?;
    Ok(params)
}

async fn read_body<B>(
    source: &mut Source<'_, B>,
    media: &Media,
    bounds: Bounds,
    fields: &mut Fields,
    params: &mut Map<String, Value>,
    mut uploads: Uploads<'_>,
) -> Result<(), BadRequest>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let values = match media.format {
        Format::Json => {
            media.must_be_utf8()?;
            parse_json(&source.collect().await?, bounds)?
        }
        Format::Form => {
            media.must_be_utf8()?;
            fields.add_encoded(&source.collect().await?)?;
            fields.take()
        }
        Format::Multipart => {
            multipart::read(source, media, fields, &mut uploads).await?;
            fields.take()
        }
        Format::Other => {
            // It never claimed to be JSON: a text that begins with a bracket is no mistake of the peer.
            if is_json(&source.collect().await?) {
                return Err(BadRequest::Untyped);
            }
            Map::new()
        }
    };
    params.extend(values);
    Ok(())
}

/// What the peer says about the length. Only good for refusing early: what arrives is counted.
fn declared_length(headers: &HeaderMap) -> u64 {
    let length = headers.get(CONTENT_LENGTH).map(|length| length.to_str());
    match length {
        Some(Ok(length)) => length.parse().unwrap_or_default(),
        Some(Err(_)) | None => 0,
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn parse_json(bytes: &[u8], bounds: Bounds) -> Result<Map<String, Value>, BadRequest> {
    let text = json_text(bytes);
    if text.is_empty() {
        return Ok(Map::new());
    }
    bounds.check(text).map_err(|excess| match excess {
        Excess::Depth => BadRequest::TooDeep {
            limit: bounds.max_depth,
        },
        Excess::Values => BadRequest::TooManyValues {
            limit: bounds.max_values,
        },
    })?;
    let value = json::from_slice(text).map_err(BadRequest::Json)?;
    match value {
        Value::Array(list) => Ok(payload(list)),
        Value::Object(mut object) => {
            let count = object.len();
            let is_list = count > 0 && (0..count).all(|key| object.contains_key(&key.to_string()));
            if !is_list {
                return Ok(object);
            }
            let list = (0..count).filter_map(|key| object.remove(&key.to_string()));
            Ok(payload(list.collect()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(BadRequest::Nameless)
        }
    }
}

/// Whether it is an object or array.
fn is_json(bytes: &[u8]) -> bool {
    let text = json_text(bytes);
    matches!(text.first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// The body without white space around it, and without the byte order mark that some editors put before it.
fn json_text(bytes: &[u8]) -> &[u8] {
    bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii()
}

fn payload(list: Vec<Value>) -> Map<String, Value> {
    Map::from_iter([(PAYLOAD.to_owned(), Value::Array(list))])
}

#[cfg(test)]
mod tests;
