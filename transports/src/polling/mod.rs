//! engine.io long polling (versions 4 and 3), with its upgrade to WebSocket: `/primus/?EIO=…` for Primus clients,
//! `/engine.io/` for others.
//!
//! ```text
//! GET without sid ─► admit ─► Session::open ─► open packet
//! GET   ─► poll ─► held ─► frames of the outbox ─► Answer::join
//! POST  ─► post ─► Body::packets ─► Session::receive ─► bus
//! WebSocket ─► take_over ─► 2probe, 3probe, 5 ─► the outbox moves to the socket
//! ```
//!
//! The protocol itself is in `engineio`; here are its sockets, its clock and its table of sessions.

mod clock;
mod compression;
mod cors;
mod delivery;
mod dialect;
mod form;
mod plan;
mod poll;
mod post;
mod session;
mod speaker;
mod table;
mod upgrade;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, ready};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::upgrade::OnUpgrade;

use self::clock::Clock;
use self::compression::Coding;
use self::delivery::Delivery;
#[cfg(feature = "socketio")]
pub(crate) use self::form::Form;
use self::plan::{Plan, Refused};
use self::session::Opening;
pub(crate) use self::session::Session;
#[cfg(feature = "socketio")]
pub(crate) use self::speaker::Speaker;
pub(crate) use self::speaker::Subprotocol;
use self::table::Table;
use crate::engineio::{Answer, Fault, Jsonp, Misfit, Protocol, Timing};
use crate::ws::handshake::Accept;
use crate::{Body, Context, Cors, Paths, Peer, Transport, body};

/// Bytes of a refused request's body that HTTP reads away by itself.
const SMALL_BODY: u64 = 4096;

/// Options of the `polling` transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Time between two engine.io pings. Default 25 s.
    pub ping_interval: Duration,
    /// How long an answer to a ping may take. Default 20 s. Then [`CloseReason::HeartbeatMissed`](crate::CloseReason).
    pub ping_timeout: Duration,
    /// How long a WebSocket may take from its handshake to taking over from polling. Default 10 s.
    /// Then it is closed, and the session polls on.
    pub upgrade_timeout: Duration,
    /// Most bytes in one POST, and in one answer unless a single packet is larger. Default 1,000,000. Over it: 413.
    pub max_payload: usize,
    /// Most packets in one POST. Default 100,000. Over it:
    /// [`CloseReason::TooManyPackets`](crate::CloseReason::TooManyPackets).
    pub max_packets: usize,
    /// Most sessions in all. Default 100,000. Over it: 503.
    pub max_sessions: usize,
    /// Most sessions of one IPv4 address or IPv6 /64. Default 10,000. Over it: 429.
    pub max_sessions_per_address: usize,
    /// How long the last packets of a session that the server has closed can be fetched. Default 30 s.
    pub close_grace: Duration,
    /// Size from which an answer is compressed, for clients that take it. Default 1,024; `None` turns it off.
    pub compression: Option<usize>,
    /// Bytes that are read at once from a WebSocket. Default 4,096.
    pub read_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            max_packets: 100_000,
            max_sessions: 100_000,
            max_sessions_per_address: 10_000,
            close_grace: Duration::from_secs(30),
            compression: Some(1024),
            read_buffer: 4096,
        }
    }
}

/// The long polling transport.
#[derive(Debug)]
pub struct Polling {
    options: Options,
    /// Whether WebSockets are let in: for sessions that begin on one, and as upgrades.
    has_websocket: bool,
    subprotocol: Box<dyn Subprotocol>,
    paths: Paths,
    table: Arc<Table>,
    /// Started with the first session, because that takes a runtime.
    clock: OnceLock<Arc<Clock>>,
}

impl Polling {
    /// Builds it. `has_websocket` lets sessions move to a WebSocket, or begin on one.
    pub fn new(options: Options, has_websocket: bool) -> Self {
        let subprotocol = dialect::Json;
        Self::speaking(Box::new(subprotocol), options, has_websocket)
    }

    /// Chooses where the doors are.
    #[must_use]
    pub fn with_paths(mut self, paths: &Paths) -> Self {
        self.paths.clone_from(paths);
        self
    }

    /// Builds one whose sessions speak something else.
    pub(crate) fn speaking(
        subprotocol: Box<dyn Subprotocol>,
        options: Options,
        has_websocket: bool,
    ) -> Self {
        Self {
            subprotocol,
            paths: Paths::default(),
            table: Table::new(options.max_sessions, options.max_sessions_per_address),
            options,
            has_websocket,
            clock: OnceLock::new(),
        }
    }

    fn timing(&self) -> Timing {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timing {
            interval: ms(self.options.ping_interval),
            timeout: ms(self.options.ping_timeout),
        }
    }

    fn clock(&self) -> &Arc<Clock> {
        self.clock.get_or_init(|| Clock::start(self.timing()))
    }

    /// Asks the engine for a new session.
    async fn admit(
        &self,
        parts: Parts,
        peer: Peer,
        (protocol, base64): (Protocol, bool),
        context: &Arc<Context>,
    ) -> Result<Opening, Refused> {
        let place = self.table.reserve(peer.ip)?;
        let subprotocol = &self.subprotocol;
        let opening = Opening {
            transport: subprotocol.transport(),
            protocol,
            base64,
            speaker: subprotocol
                .admit(protocol, parts, peer, context, &self.paths)
                .await?,
            may_upgrade: self.has_websocket,
            timing: self.timing(),
            max_payload: self.options.max_payload,
            close_grace: u64::try_from(self.options.close_grace.as_millis()).unwrap_or(u64::MAX),
            table: Arc::clone(&self.table),
            clock: Arc::clone(self.clock()),
            place,
        };
        Ok(opening)
    }

    async fn open(
        &self,
        parts: Parts,
        peer: Peer,
        (protocol, base64): (Protocol, bool),
        jsonp: Option<Jsonp>,
        context: &Arc<Context>,
    ) -> Result<(Answer, Arc<Session>), Refused> {
        let opening = self.admit(parts, peer, (protocol, base64), context).await?;
        let (session, opened) = Session::open(opening, None, context).ok_or(Fault::INTERNAL)?;
        session.start();
        let packet = session.form(false).text('0', &opened);
        let answer = Answer::join(protocol, vec![packet], base64, jsonp);
        Ok((answer, session))
    }

    async fn open_websocket(
        &self,
        mut request: Request<Body>,
        peer: Peer,
        opens: (Protocol, bool),
        accept: Accept,
        context: &Arc<Context>,
    ) -> Result<Response<Body>, Refused> {
        let upgrade = hyper::upgrade::on(&mut request);
        accept.note(&mut request);
        let (parts, _) = request.into_parts();
        let opening = self.admit(parts, peer, opens, context).await?;
        let read_buffer = self.options.read_buffer;
        let open = upgrade::open(upgrade, opening, read_buffer, Arc::clone(context));
        context.tasks.spawn(open);
        Ok(accept.response())
    }

    fn take_over(
        &self,
        upgrade: OnUpgrade,
        session: Arc<Session>,
        accept: Accept,
        context: &Context,
    ) -> Result<Response<Body>, Fault> {
        match session.begin_upgrade() {
            Ok(ended) => {
                let options = self.options.clone();
                let take_over = upgrade::take_over(upgrade, session, ended, options);
                context.tasks.spawn(take_over);
            }
            Err(Misfit::Over) => return Err(Misfit::Over.fault()),
            // It has one, or is about to: as in Node, only the socket is told, and the session knows nothing of it.
            Err(Misfit::Elsewhere | Misfit::Overlap) => {
                context.metrics.count_refusal("handshake");
                let limit = context.limits.close_timeout;
                context.tasks.spawn(upgrade::turn_away(upgrade, limit));
            }
        }
        Ok(accept.response())
    }

    /// Holds a GET until there is something to tell.
    async fn hold(
        &self,
        session: Arc<Session>,
        jsonp: Option<Jsonp>,
        coding: Option<Coding>,
    ) -> Result<Response<Body>, Refused> {
        let answer = poll::poll(&session, self.options.max_payload, jsonp).await?;
        Ok(self.respond(answer, session, coding).await)
    }

    /// Turns packets into an answer, compressed if that is worth it.
    async fn respond(
        &self,
        answer: Answer,
        session: Arc<Session>,
        coding: Option<Coding>,
    ) -> Response<Body> {
        let Answer { content_type, body } = answer;
        let is_large = self
            .options
            .compression
            .is_some_and(|from| body.len() >= from);
        let coding = coding.filter(|_| is_large);
        // From here on, whatever becomes of the answer, the session learns of it.
        let mut delivery = Delivery::new(body, session);
        let is_compressed = match coding {
            Some(coding) => delivery.compress(coding).await,
            None => false,
        };
        let mut response = Response::new(delivery.boxed_unsync());
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let (true, Some(coding)) = (is_compressed, coding) {
            let name = HeaderValue::from_static(coding.name());
            headers.insert(CONTENT_ENCODING, name);
        }
        if is_large {
            headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        response
    }

    /// Carries out the plan. Each has a box of its own: a held GET keeps nothing but what it needs.
    fn carry_out<'a>(
        &'a self,
        plan: Plan,
        mut request: Request<Body>,
        peer: Peer,
        context: &'a Arc<Context>,
    ) -> BoxFuture<'a, Result<Response<Body>, Refused>> {
        let coding = Coding::accepted(request.headers());
        match plan {
            Plan::Poll(session, jsonp) => Box::pin(self.hold(session, jsonp, coding)),
            Plan::Post(session, is_jsonp) => Box::pin(async move {
                let (parts, body) = request.into_parts();
                post::post(session, &parts.headers, body, is_jsonp, &self.options).await?;
                Ok(body::answer(StatusCode::OK, "text/html", "ok"))
            }),
            Plan::Open {
                protocol,
                base64,
                jsonp,
                is_known,
            } => Box::pin(async move {
                let (mut parts, _) = request.into_parts();
                if !is_known {
                    crate::origin::forget_identity(&mut parts.headers);
                }
                let open = self.open(parts, peer, (protocol, base64), jsonp, context);
                let (answer, session) = open.await?;
                Ok(self.respond(answer, session, coding).await)
            }),
            Plan::OpenWebsocket {
                protocol,
                base64,
                accept,
            } => {
                let opens = (protocol, base64);
                Box::pin(self.open_websocket(request, peer, opens, accept, context))
            }
            Plan::TakeOver(session, accept) => {
                let upgrade = hyper::upgrade::on(&mut request);
                let taken = self.take_over(upgrade, session, accept, context);
                Box::pin(ready(taken.map_err(Refused::from)))
            }
            Plan::Invalid(invalid) => Box::pin(ready(Ok(invalid.response()))),
        }
    }
}

#[async_trait]
impl Transport for Polling {
    fn name(&self) -> &'static str {
        self.subprotocol.transport()
    }

    fn claims(&self, request: &Request<Body>) -> bool {
        crate::is_at_door(self.name(), request.uri(), &self.paths)
    }

    async fn serve(
        &self,
        request: Request<Body>,
        peer: Peer,
        context: &Arc<Context>,
    ) -> Response<Body> {
        let cors = Cors::of(&context.origins, request.headers(), request.extensions());
        // Before anything else: who asks whether it may ask has no session yet.
        let mut response = if request.method() == Method::OPTIONS {
            cors::preflight(request.headers())
        } else {
            let is_upgrade = plan::wants_websocket(request.headers());
            // What is small is read with the rest of the request.
            let announced = request.body().size_hint().exact();
            let is_large = announced.is_none_or(|size| size > SMALL_BODY);
            let plan = self.plan(&request, context);
            let carried_out = match plan {
                Ok(plan) => self.carry_out(plan, request, peer, context).await,
                Err(fault) => Err(fault.into()),
            };
            carried_out.unwrap_or_else(|refused| {
                refused.count(&context.metrics);
                // A connection with an unread body cannot be used again, and a WebSocket's is not to be
                // (docs/protocol/engineio.md#errors).
                refused.response(is_upgrade, is_upgrade || is_large)
            })
        };
        cors.apply(response.headers_mut());
        response
    }
}
