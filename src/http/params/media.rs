//! What a body claims to be.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::BadRequest;

/// How to read a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Form,
    Multipart,
    /// Anything else, or not said.
    Other,
}

/// The `Content-Type` of a request.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) format: Format,
    pub(super) content_type: String,
}

impl Media {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let name = content_type.split(';').next().unwrap_or_default();
        let format = match name.trim().to_ascii_lowercase().as_str() {
            "application/json" | "text/json" => Format::Json,
            name if name.ends_with("+json") => Format::Json,
            "application/x-www-form-urlencoded" => Format::Form,
            "multipart/form-data" => Format::Multipart,
            _ => Format::Other,
        };
        Self {
            format,
            content_type,
        }
    }

    /// Refuses every other charset: reading its bytes as UTF-8 would garble the text without a word.
    pub(super) fn must_be_utf8(&self) -> Result<(), BadRequest> {
        let charset = self.content_type.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_charset = name.trim().eq_ignore_ascii_case("charset");
            is_charset.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
        });
        match charset.as_deref() {
            None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
            Some(_) => Err(BadRequest::NotUtf8),
        }
    }
}
