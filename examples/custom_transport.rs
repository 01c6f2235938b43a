//! A transport of one's own: server-sent events for what comes down, POST for what goes up. Its clients are in the
//! same rooms as everyone else's.
//!
//!     cargo run --example custom_transport
//!
//! Then, in two terminals:
//!
//!     curl -N http://127.0.0.1:8080/sse                        (prints the address to post to, then events)
//!     curl -d '{"event":"detailsView"}' http://127.0.0.1:8080/sse/SESSION
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Frame;
use stellar::Server;
use stellar::app::App;
use stellar::engine::{CloseReason, Handshake, Incoming, Message, Payload, Peer};
use stellar::transports::primus::Controls;
use stellar::transports::{Body, Connection, Context, Dialect, Origins, Outgoing, Transport, body};

/// Each message is one event; text only.
#[derive(Debug)]
struct EventStream;

impl Dialect for EventStream {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn encode(&self, message: &Message) -> Bytes {
        match message.payload() {
            Payload::Text(json) => format!("data: {json}\n\n").into(),
            Payload::Binary(_) => {
                Bytes::from_static(b": binary messages do not fit an event stream\n\n")
            }
        }
    }

    fn ping(&self, _now: u64, _controls: &dyn Controls) -> Option<Bytes> {
        Some(Bytes::from_static(b": ping\n\n"))
    }
}

/// By a secret of their own: a connection's public id is known to others.
type Sessions = Arc<Mutex<HashMap<String, Upstream>>>;

/// Where reports of one session are made. The lock keeps two POSTs, and a POST and the end, from overlapping.
type Upstream = Arc<Mutex<Arc<Connection>>>;

/// The transport.
#[derive(Debug, Default)]
pub(crate) struct Sse {
    sessions: Sessions,
}

/// The end of a session, however it comes: the stream is dropped when its reader goes away.
struct Session {
    secret: String,
    connection: Arc<Connection>,
    upstream: Upstream,
    sessions: Sessions,
}

impl Session {
    fn end(&self, reason: CloseReason) {
        lock(&self.upstream).report_closed(reason);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        lock(&self.sessions).remove(&self.secret);
        self.connection.close(CloseReason::PeerGone);
        if let Some(reason) = self.connection.take_closing() {
            self.end(reason);
        }
    }
}

/// What a lock holds is whole, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Transport for Sse {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn claims(&self, request: &Request<Body>) -> bool {
        stellar::transports::is_under(request.uri().path(), "/sse")
    }

    async fn serve(
        &self,
        request: Request<Body>,
        peer: Peer,
        context: &Arc<Context>,
    ) -> Response<Body> {
        match (request.method(), request.uri().path().strip_prefix("/sse/")) {
            (&Method::GET, None) => self.open(request, peer, context).await,
            (&Method::POST, Some(_)) => self.post(request, context).await,
            _ => body::text(
                StatusCode::NOT_FOUND,
                "GET /sse opens a stream, POST /sse/SESSION sends a message\n",
            ),
        }
    }
}

impl Sse {
    async fn open(
        &self,
        request: Request<Body>,
        peer: Peer,
        context: &Arc<Context>,
    ) -> Response<Body> {
        if !context.permits_origin(&request) {
            return body::text(StatusCode::FORBIDDEN, Origins::REFUSED);
        }
        let (parts, _) = request.into_parts();
        let handshake = Handshake::new("sse", EventStream.name(), peer, parts);
        let admitted = match context.admit(handshake).await {
            Ok(admitted) => admitted,
            Err(refusal) => return body::refusal(&refusal),
        };
        let connection = Connection::new(context, "sse", &EventStream);
        let secret = uuid::Uuid::new_v4().to_string();
        let upstream = Arc::new(Mutex::new(Arc::clone(&connection)));
        lock(&self.sessions).insert(secret.clone(), Arc::clone(&upstream));
        connection.report_opened(admitted);

        let mut greeting = Some(Bytes::from(format!(": POST /sse/{secret}\n\n")));
        let session = Session {
            secret,
            connection,
            upstream,
            sessions: Arc::clone(&self.sessions),
        };
        let mut is_over = false;
        let events = futures_util::stream::poll_fn(move |cx| {
            if let Some(greeting) = greeting.take() {
                return std::task::Poll::Ready(Some(Ok::<_, Infallible>(Frame::data(greeting))));
            }
            if !is_over {
                match std::task::ready!(session.connection.poll_outgoing(cx)) {
                    Outgoing::Frame(frame) => {
                        // Whoever takes what it is sent is alive.
                        session.connection.heard();
                        return std::task::Poll::Ready(Some(Ok(Frame::data(frame))));
                    }
                    Outgoing::Close(reason) => {
                        is_over = true;
                        session.end(reason);
                    }
                }
            }
            // What was sent before the end.
            std::task::Poll::Ready(
                session
                    .connection
                    .take_frame()
                    .map(|frame| Ok(Frame::data(frame))),
            )
        });
        let stream = StreamBody::new(events)
            .map_err(|never| match never {})
            .boxed_unsync();
        let mut response = Response::new(stream);
        let content_type = HeaderValue::from_static("text/event-stream");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, content_type);
        response
    }

    async fn post(&self, request: Request<Body>, context: &Arc<Context>) -> Response<Body> {
        let secret = request.uri().path().trim_start_matches("/sse/").to_owned();
        let upstream = lock(&self.sessions).get(&secret).cloned();
        let Some(upstream) = upstream else {
            return body::text(StatusCode::NOT_FOUND, "no such session\n");
        };
        let limited = Limited::new(request.into_body(), context.limits.max_message);
        let Ok(message) = limited.collect().await else {
            return body::text(StatusCode::PAYLOAD_TOO_LARGE, "message too big\n");
        };
        let connection = lock(&upstream);
        connection.heard();
        match std::str::from_utf8(&message.to_bytes()) {
            // Nothing follows the end.
            Ok(_) if !connection.is_open() => body::text(StatusCode::GONE, "it is over\n"),
            Ok(_) if connection.is_paused() => body::text(
                StatusCode::TOO_MANY_REQUESTS,
                "too much is waiting: send it again later\n",
            ),
            Ok(text) => {
                connection.report_received(Incoming::text(text));
                body::text(StatusCode::ACCEPTED, "")
            }
            Err(_) => body::text(StatusCode::BAD_REQUEST, "text is expected\n"),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = App::builder().build()?;
    println!("curl -N http://127.0.0.1:8080/sse");
    Server::new(app).transport(Sse::default()).run().await?;
    Ok(())
}
