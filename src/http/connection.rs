//! One HTTP connection.
//!
//! hyper reads requests and writes answers. Its buffers and state are some 20 KB, so it has the socket only while it
//! has something to do: before the first byte, and while a request waits long (a held poll), the socket is watched
//! here, with nothing around it.
//!
//! ```text
//!   watched ── first bytes ──► hyper ── request does not finish at once ──► held
//!                                ▲                                            │
//!                                └──── a fresh hyper, given the answer ───────┘
//! ```
//!
//! hyper does not tell which bytes it has read and not used. So it gets the socket as a [`Lease`], which follows the
//! bytes. The socket is taken back only when hyper holds none: a client that pipelines keeps its hyper.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, UPGRADE};
use http::{Method, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use stellar_transports::{Behind, Body, BodyError, Lease, Progress, Socket};
use tokio::io::ReadBuf;
use tokio_util::sync::CancellationToken;

use super::crowd::Group;
use super::gate;
use super::places::{Full, Place};
use super::router::Router;
use super::secure::Security;
use super::site::Settings;
use crate::address::{self, Forwarding};

/// Most header bytes that a request may have; hyper answers 431 above. It does so above 100 headers, too, and is not told:
/// a limit that is set makes it keep the places of headers on the heap.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Most bytes that a client may send while its request is held. One that sends more is cut off: what is not read would
/// hide that it has gone.
const MAX_AHEAD: usize = 64 * 1024;

type Request = hyper::Request<Incoming>;
type Response = hyper::Response<Body>;
type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Serves one socket until it is closed or upgraded.
pub(super) async fn serve(
    socket: Socket,
    place: Arc<Place>,
    remote: SocketAddr,
    router: Arc<Router>,
    settings: Settings,
    (group, stop): (Arc<Group>, CancellationToken),
) {
    let socket = Arc::new(socket);
    let mut ahead = BytesMut::new();
    let first = poll_fn(|cx| poll_ahead(&socket, &mut ahead, cx));
    let has_begun = tokio::select! {
        has_begun = tokio::time::timeout(settings.header_timeout, first) => has_begun.is_ok_and(|read| read),
        () = group.asked_to_go() => false,
    };
    if !has_begun {
        return;
    }
    router.context.turnstile.turn().await;
    let in_flight = Arc::new(InFlight::default());
    let mut ahead = ahead.freeze();
    loop {
        let service = Requests {
            router: Arc::clone(&router),
            place: Arc::clone(&place),
            remote,
            is_secure: !matches!(settings.security, Security::Plain),
            trusted: Arc::clone(&settings.trusted_proxies),
            in_flight: Arc::clone(&in_flight),
            progress: Arc::default(),
        };
        let held = exchange(
            Arc::clone(&socket),
            ahead,
            service,
            &settings,
            (&group, &stop),
        )
        .await;
        let Some(held) = held else {
            return;
        };
        let Some((answer, read)) = hold(held.answering, &socket).await else {
            return;
        };
        *in_flight.answer.lock() = Some(answer);
        ahead = [held.head.replay(stop.is_cancelled()), &read]
            .concat()
            .into();
    }
}

/// A connection's request and answer in flight, shared by the service inside of hyper and the loop around it.
#[derive(Default)]
struct InFlight {
    /// The request that is being answered. HTTP/1 has one at a time.
    current: Mutex<Option<Current>>,
    /// The answer to the request that is about to be read for the second time.
    answer: Mutex<Option<Response>>,
}

impl InFlight {
    fn is_idle(&self) -> bool {
        self.current.lock().is_none() && self.answer.lock().is_none()
    }
}

struct Current {
    answering: Answering,
    head: Head,
}

/// As much of a request's head as decides how an answer is written.
struct Head {
    version: Version,
    keeps_alive: bool,
    /// Nothing more of it is to come, and nothing is going to take over the socket.
    may_be_held: bool,
}

impl Head {
    fn of(request: &Request) -> Self {
        let headers = request.headers();
        let says = |token: &str| {
            let values = headers.get_all(CONNECTION).iter();
            let mut tokens = values
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','));
            tokens.any(|candidate| candidate.trim().eq_ignore_ascii_case(token))
        };
        let version = request.version();
        Self {
            version,
            keeps_alive: !says("close") && (version == Version::HTTP_11 || says("keep-alive")),
            may_be_held: request.method() == Method::GET
                && request.body().is_end_stream()
                && !headers.contains_key(UPGRADE),
        }
    }

    /// A request that is answered in the same way.
    const fn replay(&self, is_last: bool) -> &'static [u8] {
        match (self.version, self.keeps_alive && !is_last) {
            (Version::HTTP_11, true) => b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            (Version::HTTP_11, false) => b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            (_, true) => b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
            (_, false) => b"GET / HTTP/1.0\r\n\r\n",
        }
    }
}

/// Lets hyper have the socket until it is closed, or until a request waits; then that is returned.
async fn exchange(
    socket: Arc<Socket>,
    ahead: Bytes,
    service: Requests,
    settings: &Settings,
    (group, stop): (&Group, &CancellationToken),
) -> Option<Current> {
    let remote = service.remote;
    let in_flight = Arc::clone(&service.in_flight);
    let progress = Arc::clone(&service.progress);
    let lease = Lease::new(socket, ahead, settings.write_timeout, Arc::clone(&progress));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(lease), service)
        .with_upgrades();
    // In a box, so that what holds a request later does not have its size.
    let mut connection = Box::pin(connection);
    let mut asked_to_go = Box::pin(group.asked_to_go());
    // Until its group is asked, nobody is told to stop.
    let mut stopping = None;
    let mut is_told = false;
    poll_fn(|cx| {
        if stopping.is_none() && asked_to_go.as_mut().poll(cx).is_ready() {
            if !stop.is_cancelled() && in_flight.is_idle() {
                connection.as_mut().graceful_shutdown();
            }
            stopping = Some(Box::pin(stop.cancelled()));
        }
        let is_stopping = is_told
            || stopping
                .as_mut()
                .is_some_and(|stopping| stopping.as_mut().poll(cx).is_ready());
        loop {
            // An answer that is ready goes out first: hyper would take its request for one that has not begun.
            if is_stopping && !is_told && in_flight.answer.lock().is_none() {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            match connection.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(None),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%remote, %error, "HTTP connection ended");
                    return Poll::Ready(None);
                }
                // It is out now.
                Poll::Pending if is_stopping && !is_told && in_flight.answer.lock().is_none() => {}
                Poll::Pending if progress.is_all_handed_on() => {
                    let mut current = in_flight.current.lock();
                    return match &*current {
                        Some(waiting) if waiting.head.may_be_held => Poll::Ready(current.take()),
                        _ => Poll::Pending,
                    };
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Waits for the answer, and for the client to go. Returns the answer and what the client has sent meanwhile; dropping
/// the request tells its owner that the client is gone.
async fn hold(mut answering: Answering, socket: &Socket) -> Option<(Response, BytesMut)> {
    let mut read = BytesMut::new();
    let answer = poll_fn(|cx| {
        if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        while let Poll::Ready(is_there) = poll_ahead(socket, &mut read, cx) {
            if !is_there || read.len() > MAX_AHEAD {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    })
    .await?;
    Some((answer, read))
}

/// Reads a little. Ready with false when the client is gone.
fn poll_ahead(socket: &Socket, into: &mut BytesMut, cx: &mut Context<'_>) -> Poll<bool> {
    let mut scratch = [0; 2048];
    let mut buf = ReadBuf::new(&mut scratch);
    socket.poll_read(cx, &mut buf).map(|outcome| {
        into.extend_from_slice(buf.filled());
        outcome.is_ok() && !buf.filled().is_empty()
    })
}

/// The service of one connection.
struct Requests {
    router: Arc<Router>,
    place: Arc<Place>,
    remote: SocketAddr,
    is_secure: bool,
    trusted: Arc<[ipnet::IpNet]>,
    in_flight: Arc<InFlight>,
    progress: Arc<Progress>,
}

impl Service<Request> for Requests {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request) -> Answer {
        let in_flight = Arc::clone(&self.in_flight);
        self.progress.count_request(Behind {
            body: request.body().size_hint().exact(),
            may_switch: request.extensions().get::<OnUpgrade>().is_some(),
        });
        if in_flight.answer.lock().is_none() {
            let head = Head::of(&request);
            let answering = match gate::refusal(&mut request) {
                None => self.answer(request),
                Some(refused) => Box::pin(std::future::ready(refused)),
            };
            *in_flight.current.lock() = Some(Current { answering, head });
        }
        Answer(in_flight)
    }
}

impl Requests {
    fn answer(&self, mut request: Request) -> Answering {
        let peer = address::of(
            self.remote,
            self.is_secure,
            request.headers(),
            &self.trusted,
            &Forwarding::XForwardedFor,
        );
        if let Some(hosts) = address::hosts(self.remote.ip(), request.headers(), &self.trusted) {
            request.extensions_mut().insert(hosts);
        }
        let place = self.place.is_for(peer.ip);
        if let Err(full) = place
            && !Router::is_operation(&request)
        {
            let metrics = &self.router.context.metrics;
            match full {
                Full::Requests(_) => metrics.count_limited(full.limit()),
                Full::All | Full::Address | Full::Connects(_) => {
                    metrics.count_refusal(full.limit());
                }
            }
            return Box::pin(std::future::ready(gate::full(full)));
        }
        let request = request.map(|body| body.map_err(BodyError::new).boxed_unsync());
        let answering = self.router.route(request, peer);
        match place {
            Ok(()) => answering,
            // Others are to ask, too.
            Err(_) => Box::pin(async { gate::last(answering.await) }),
        }
    }
}

/// The answer to the request in flight.
struct Answer(Arc<InFlight>);

impl Future for Answer {
    type Output = Result<Response, std::convert::Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(answer) = self.0.answer.lock().take() {
            return Poll::Ready(Ok(answer));
        }
        let mut current = self.0.current.lock();
        let Some(waiting) = &mut *current else {
            return Poll::Pending;
        };
        let answer = waiting.answering.as_mut().poll(cx).map(Ok);
        if answer.is_ready() {
            *current = None;
        }
        answer
    }
}

impl Drop for Answer {
    /// hyper lets go of it when the client has gone. A request that is held was taken out before.
    fn drop(&mut self) {
        let abandoned = self.0.current.lock().take();
        drop(abandoned);
    }
}
