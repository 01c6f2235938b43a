//! What HTTP says about a file, and the answers made of that.

use std::fs::Metadata;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED,
};
use http::{HeaderMap, Response, StatusCode};
use sha1::{Digest, Sha1};
use stellar_transports::{Body, body};

use super::range::Wanted;
use super::{StaticOptions, set};
use crate::app::files::Found;

/// A file as its headers describe it.
#[derive(Debug)]
pub(super) struct Served {
    mime: &'static str,
    /// In bytes.
    pub(super) length: u64,
    /// In quotes, without the mark of weak tags.
    tag: Option<String>,
    /// Seconds since 1970, as far as HTTP has dates for them.
    modified: Option<u64>,
}

impl Served {
    pub(super) fn new(found: &Found, options: &StaticOptions) -> Self {
        match found {
            Found::Disk { metadata, mime, .. } => Self::disk(metadata, mime, options),
            Found::Embedded { bytes, mime } => Self::embedded(bytes, mime, options),
        }
    }

    fn disk(metadata: &Metadata, mime: &'static str, options: &StaticOptions) -> Self {
        let length = metadata.len();
        let modified = metadata.modified().ok();
        let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        let tag = since
            .filter(|_| options.etag)
            .map(|since| format!("\"{length:x}-{:x}\"", since.as_nanos()));
        Self {
            mime,
            length,
            tag,
            modified: since
                .map(|since| since.as_secs())
                .filter(|seconds| *seconds <= LAST_DATE),
        }
    }

    fn embedded(bytes: &[u8], mime: &'static str, options: &StaticOptions) -> Self {
        let hash = || STANDARD_NO_PAD.encode(Sha1::digest(bytes));
        Self {
            mime,
            length: bytes.len() as u64,
            tag: options.etag.then(|| format!("\"{}\"", hash())),
            modified: None,
        }
    }

    /// Whether the conditions of the request say that the peer has this very file.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(IF_NONE_MATCH) {
            return !values(headers, &CACHE_CONTROL).any(|it| it.eq_ignore_ascii_case("no-cache"))
                && values(headers, &IF_NONE_MATCH).any(|tag| tag == "*" || self.has_tag(tag));
        }
        let since = headers.get(IF_MODIFIED_SINCE).and_then(parse_date);
        matches!((self.modified, since), (Some(modified), Some(since)) if modified <= since)
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.tag.as_deref() == Some(tag.strip_prefix("W/").unwrap_or(tag))
    }

    pub(super) fn wanted(&self, headers: &HeaderMap) -> Wanted {
        // A range of a file that has changed meanwhile would not fit to what the peer has. Weak tags do not count
        // here (RFC 9110 §13.1.5), and ours all are.
        let is_current = headers.get(IF_RANGE).is_none_or(|validator| {
            self.modified.is_some() && parse_date(validator) == self.modified
        });
        if is_current {
            Wanted::of(headers, self.length)
        } else {
            Wanted::Whole
        }
    }

    pub(super) fn whole(&self, content: Body, options: &StaticOptions) -> Response<Body> {
        let mut response = self.found(StatusCode::OK, options);
        self.describe(&mut response, self.length);
        *response.body_mut() = content;
        response
    }

    pub(super) fn part(
        &self,
        range: &Range<u64>,
        content: Body,
        options: &StaticOptions,
    ) -> Response<Body> {
        let (start, end, length) = (range.start, range.end, self.length);
        let mut response = self.found(StatusCode::PARTIAL_CONTENT, options);
        self.describe(&mut response, end - start);
        let content_range = format!("bytes {start}-{}/{length}", end - 1);
        set(&mut response, CONTENT_RANGE, content_range);
        *response.body_mut() = content;
        response
    }

    pub(super) fn nothing(&self) -> Response<Body> {
        const TEXT: &str = "The file has no such range";
        let mut response = body::text(StatusCode::RANGE_NOT_SATISFIABLE, TEXT);
        set(
            &mut response,
            CONTENT_RANGE,
            format!("bytes */{}", self.length),
        );
        set(&mut response, CONTENT_LENGTH, TEXT.len().to_string());
        response
    }

    pub(super) fn not_modified(&self, options: &StaticOptions) -> Response<Body> {
        self.found(StatusCode::NOT_MODIFIED, options)
    }

    /// What every answer about a file says that was found.
    fn found(&self, status: StatusCode, options: &StaticOptions) -> Response<Body> {
        let mut response = Response::new(body::full(Bytes::new()));
        *response.status_mut() = status;
        let seconds = options.max_age.as_secs();
        let cache = format!("max-age={seconds}, must-revalidate, public");
        set(&mut response, CACHE_CONTROL, cache);
        if let Some(tag) = &self.tag {
            set(&mut response, ETAG, format!("W/{tag}"));
        }
        if let Some(seconds) = self.modified {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            set(&mut response, LAST_MODIFIED, date);
        }
        response
    }

    fn describe(&self, response: &mut Response<Body>, length: u64) {
        let is_text = self.mime.starts_with("text/")
            || matches!(self.mime, "application/javascript" | "application/json");
        if is_text {
            let mime = format!("{}; charset=utf-8", self.mime);
            set(response, CONTENT_TYPE, mime);
        } else {
            set(response, CONTENT_TYPE, self.mime);
        }
        set(response, CONTENT_LENGTH, length.to_string());
        set(response, ACCEPT_RANGES, "bytes");
    }
}

/// The members of a list, over all headers called `name`.
fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lists = headers.get_all(name).iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(',').map(str::trim))
}

/// The last second of the year 9999. Years of HTTP's dates have four digits, and `httpdate` panics beyond.
const LAST_DATE: u64 = 253_402_300_799;

/// A date as seconds since 1970.
fn parse_date(value: &HeaderValue) -> Option<u64> {
    let date = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}
