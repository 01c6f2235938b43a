//! Fuzz targets: every decoder of this crate, with its invariants. `fuzz/README.md` tells how.
//!
//! A target panics when something does not hold.

use bytes::Bytes;
use http::header::{HOST, ORIGIN, REFERER};
use http::{Extensions, HeaderMap, HeaderValue};

use crate::{Origins, json, primus};

mod engineio;
mod session;
mod ws;

/// A target. It is called with bytes, and panics if they break an invariant.
pub type Target = fn(&[u8]);

/// A decoder by name. The names are those of the folders in `fuzz/corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("engineio_payload", engineio::payload),
    ("engineio_packet", engineio::packet),
    ("engineio_request", engineio::request),
    ("engineio_session", session::sequence),
    #[cfg(feature = "socketio")]
    ("socketio_event", crate::socketio::fuzz::event),
    #[cfg(feature = "socketio")]
    ("socketio_msgpack", crate::socketio::fuzz::msgpack),
    ("ws_frames", ws::frames),
    ("json_text", json_text),
    ("primus_control", primus_control),
    ("origin", origin),
];

/// Takes bytes apart that say how a target is to be called.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// The next byte; 0 when there is none left.
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn rest(self) -> &'a [u8] {
        self.0
    }
}

fn json_text(data: &[u8]) {
    let text = json::utf8(data);
    let is_utf8 = std::str::from_utf8(data).is_ok();
    assert!(text.is_some() || !is_utf8);
    let Some(text) = text else { return };
    let mended = json::mended(&text);
    let read = serde_json::from_str::<serde_json::Value>(&text);
    if let Some(mended) = &mended {
        assert_eq!(mended.len(), text.len(), "mending keeps the length");
        assert_eq!(json::mended(mended), None, "what was mended is whole");
        // A half character outside of a text is no JSON at all, before and after.
        assert!(read.is_err(), "a half character was read");
    }
    let value = json::from_str::<serde_json::Value>(&text);
    if let Ok(read) = read {
        let same = value.expect("what can be read as it is can be read");
        assert_eq!(same, read);
        if let serde_json::Value::String(string) = read {
            assert_eq!(json::string(&text).as_deref(), Some(&*string));
        }
    }
}

fn primus_control(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let string = primus::json_string(text).map(std::borrow::Cow::into_owned);
    let read = serde_json::from_str::<String>(text);
    if let Ok(read) = &read {
        assert_eq!(string.as_ref(), Some(read));
    }
    for text in [Some(text), string.as_deref()].into_iter().flatten() {
        let control = primus::Control::parse(text);
        assert_eq!(control.is_some(), text.starts_with(primus::PREFIX));
        if let Some(answer) = control.and_then(|control| control.answer("id")) {
            assert!(answer.starts_with(primus::PREFIX));
            assert!(answer.len() <= text.len() + 32, "an answer is no larger");
        }
    }
    if read.is_ok() {
        let escaped = primus::escape(text);
        assert_eq!(primus::json_string(&escaped).as_deref(), string.as_deref());
    }
}

/// The first line is a list of origins, the next ones are headers of a request.
fn origin(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let listed = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let listed = Origins::allow(listed.split(' ').filter(|origin| !origin.is_empty()));
    let mut headers = HeaderMap::new();
    for (name, line) in [ORIGIN, REFERER, HOST].into_iter().zip(lines) {
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(line)) {
            headers.insert(name, value);
        }
    }
    let own = Origins::same_origin();
    let extensions = Extensions::new();
    for origins in listed.iter().chain([&own]) {
        let _ = origins.judge(&headers, &extensions);
        if let Some(page) = headers.get(ORIGIN).and_then(|page| page.to_str().ok()) {
            let _ = origins.allows_page(page, &headers, &extensions);
        }
    }
}
