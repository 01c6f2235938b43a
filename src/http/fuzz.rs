//! What a fuzzer calls: the params of a request.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::Full;
use stellar_transports::json::Bounds;
use stellar_transports::{Address, Budget, Holding};
use tokio::runtime::{Builder, Runtime};

use super::params::{BodyLimits, Store, read};

const TYPES: [&str; 5] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/json; charset=utf-16",
];

const LIMITS: BodyLimits = BodyLimits {
    max_body: 64 * 1024,
    max_fields: 32,
    bounds: Bounds {
        max_values: 256,
        max_depth: 16,
    },
    max_uploads: 4,
    deadline: Duration::from_secs(3600),
};

thread_local! {
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// The first byte chooses the type, the first line is the query, the rest the body.
pub(crate) fn params(data: &[u8]) {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    let media = TYPES[usize::from(*first) % TYPES.len()];
    let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (query, body) = rest.split_at(line);
    let uri = [b"/?".as_slice(), query].concat();
    let uri = Uri::from_maybe_shared(Bytes::from(uri)).unwrap_or_default();
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))]);
    let memory = Budget::new(0, 0).nothing(Holding::Body, Address::NOBODY);
    let store = Arc::new(Store::new(4, 64 * 1024));
    let body = Full::new(Bytes::copy_from_slice(body));
    RUNTIME.with_borrow_mut(|runtime| {
        let runtime = runtime.get_or_insert_with(|| {
            let mut builder = Builder::new_current_thread();
            builder.enable_time().build().expect("a runtime")
        });
        let params = runtime.block_on(read(
            &Method::POST,
            &uri,
            &headers,
            body,
            &LIMITS,
            &store,
            memory,
        ));
        if let Ok(params) = params {
            let keys = params.values.keys().map(String::len).sum::<usize>();
            assert!(
                keys <= 3 * data.len() + "payload".len(),
                "names are no longer than the request"
            );
        }
    });
}
