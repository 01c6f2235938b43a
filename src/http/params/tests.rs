mod body;
mod hostile;
mod multipart;
mod wire;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream;
use http::header::CONTENT_TYPE;
use http_body_util::{Empty, Full, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use stellar_transports::{Address, Budget, Holding};

use super::*;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// As much as there is.
fn memory() -> Reservation {
    Budget::new(0, 0).nothing(Holding::Body, Address::NOBODY)
}

/// A request, built up by each test.
struct Ask {
    method: Method,
    uri: String,
    headers: HeaderMap,
    limits: BodyLimits,
    store: Arc<Store>,
}

impl Ask {
    fn post(uri: &str) -> Self {
        Self {
            method: Method::POST,
            uri: uri.to_owned(),
            headers: HeaderMap::new(),
            limits: BodyLimits::default(),
            store: Arc::new(Store::new(1000, 1 << 30)),
        }
    }

    fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn header(mut self, name: http::header::HeaderName, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    fn content_type(self, value: &str) -> Self {
        self.header(CONTENT_TYPE, value)
    }

    fn limits(mut self, limits: BodyLimits) -> Self {
        self.limits = limits;
        self
    }

    fn store(mut self, store: &Arc<Store>) -> Self {
        self.store = Arc::clone(store);
        self
    }

    fn max_body(self, max_body: usize) -> Self {
        self.limits(BodyLimits {
            max_body,
            ..BodyLimits::default()
        })
    }

    async fn send<B>(self, body: B) -> Result<Params, BadRequest>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let uri = self.uri.parse().unwrap();
        let (limits, store) = (&self.limits, &self.store);
        read(
            &self.method,
            &uri,
            &self.headers,
            body,
            limits,
            store,
            memory(),
        )
        .await
    }

    async fn bytes(self, body: impl Into<Bytes>) -> Result<Params, BadRequest> {
        self.send(Full::new(body.into())).await
    }

    /// The params of a body that is as it should be.
    async fn values(self, body: impl Into<Bytes>) -> Value {
        Value::Object(self.bytes(body).await.unwrap().values)
    }

    /// The status for a body that is not.
    async fn status(self, body: impl Into<Bytes>) -> u16 {
        self.bytes(body).await.unwrap_err().status().as_u16()
    }
}

async fn query(query: &str) -> Result<Value, BadRequest> {
    let ask = Ask::post(&format!("/api?{query}")).method(Method::GET);
    let params = ask.send(Empty::<Bytes>::new()).await?;
    Ok(Value::Object(params.values))
}

/// A body in these chunks, with a pause before each.
fn chunked<'c>(
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> impl Body<Data = Bytes, Error = Infallible> + Send {
    let chunks: Vec<_> = chunks.into_iter().map(Bytes::copy_from_slice).collect();
    let frames = stream::unfold(chunks.into_iter(), async |mut chunks| {
        tokio::task::yield_now().await;
        let frame = Frame::data(chunks.next()?);
        Some((Ok(frame), chunks))
    });
    StreamBody::new(Box::pin(frames))
}

/// Fails the test that reads it.
struct Untouchable;

impl Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was read");
    }
}

#[tokio::test]
async fn the_query_is_read() {
    assert_eq!(query("").await.unwrap(), json!({}));
    assert_eq!(query("key=value").await.unwrap(), json!({ "key": "value" }));
    assert_eq!(
        query("a=1&&b=two+words&c&d=&=e&f=g=h&").await.unwrap(),
        json!({ "a": "1", "b": "two words", "c": "", "d": "", "": "e", "f": "g=h" })
    );
    assert_eq!(
        query("n%C3%A4me=%26%3d%2B%25").await.unwrap(),
        json!({ "n\u{e4}me": "&=+%" })
    );
}

#[tokio::test]
async fn a_repeated_name_has_all_its_values() {
    assert_eq!(
        query("a=1&b=x&a=2&%61=3").await.unwrap(),
        json!({ "a": ["1", "2", "3"], "b": "x" })
    );
    let form = Ask::post("/api?a=0&a=00").content_type(FORM);
    assert_eq!(form.values("a=1&a=2").await, json!({ "a": ["1", "2"] }));
}

#[tokio::test]
async fn junk_in_the_query_is_refused() {
    for junk in ["a=%", "a=%4", "a=%zz", "%g0=1", "a=%+1", "b&a=100%&c"] {
        let error = query(junk).await.unwrap_err();
        assert!(matches!(error, BadRequest::Escape), "{junk}: {error}");
        assert_eq!(error.status(), 400);
    }
    for junk in ["a=%ff", "%c3=1", "a=%ed%a0"] {
        let error = query(junk).await.unwrap_err();
        assert!(matches!(error, BadRequest::NotUtf8), "{junk}: {error}");
        assert_eq!(error.status(), 400);
    }
}

#[tokio::test]
async fn fields_are_counted_over_query_and_form() {
    let fields = |count: usize| vec!["a=1"; count].join("&");
    assert!(query(&fields(1000)).await.is_ok());
    let error = query(&fields(1001)).await.unwrap_err();
    assert_eq!(error.status(), 413);
    assert_eq!(
        error.to_string(),
        "The request has more than 1000 fields (limits.max_fields)"
    );

    let uri = format!("/api?{}", fields(400));
    let ask = Ask::post(&uri).content_type(FORM);
    assert!(ask.bytes(fields(600)).await.is_ok());
    let ask = Ask::post(&uri).content_type(FORM);
    assert_eq!(ask.status(fields(601)).await, 413);
}

#[tokio::test]
async fn the_body_wins_over_the_query() {
    let ask = Ask::post("/api?action=x&a=query").content_type(FORM);
    assert_eq!(
        ask.values("a=form").await,
        json!({ "action": "x", "a": "form" })
    );
    let ask = Ask::post("/api?a=query&payload=q").content_type(JSON);
    assert_eq!(
        ask.values(r#"{"a":[1]}"#).await,
        json!({ "a": [1], "payload": "q" })
    );
    let ask = Ask::post("/api?payload=query").content_type(JSON);
    assert_eq!(ask.values("[1]").await, json!({ "payload": [1] }));
}

#[tokio::test]
async fn get_and_head_have_no_body() {
    for method in [Method::GET, Method::HEAD] {
        let ask = Ask::post("/api?a=1")
            .method(method)
            .content_type("multipart/form-data")
            .header(CONTENT_LENGTH, "99999999999");
        let params = ask.send(Untouchable).await.unwrap();
        assert_eq!(Value::Object(params.values), json!({ "a": "1" }));
    }
}

#[tokio::test]
async fn every_other_method_has_one() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
        let ask = Ask::post("/api")
            .method(method.parse().unwrap())
            .content_type(JSON);
        assert_eq!(ask.values(r#"{"a":1}"#).await, json!({ "a": 1 }));
    }
}

#[tokio::test]
async fn a_proto_is_an_ordinary_name() {
    let expected = json!({ "__proto__": "x", "constructor": "y" });
    let encoded = "__proto__=x&constructor=y";
    assert_eq!(query(encoded).await.unwrap(), expected);
    let ask = Ask::post("/api").content_type(FORM);
    assert_eq!(ask.values(encoded).await, expected);
    let ask = Ask::post("/api").content_type(JSON);
    assert_eq!(ask.values(expected.to_string()).await, expected);
}
