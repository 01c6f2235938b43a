//! The plan for a request, made before anything waits, and the answer to a refused one.

use std::sync::Arc;

use http::header::{CONNECTION, HeaderValue, ORIGIN, RETRY_AFTER, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::Polling;
use super::session::Session;
use crate::engineio::{Fault, Jsonp, Protocol, Query, TransportName};
use crate::ws::handshake::{self, Accept, Invalid};
use crate::{Body, Context, Metrics, Provenance, Refusal, Verdict, body};

/// What a request is going to be.
pub(super) enum Plan {
    Open {
        protocol: Protocol,
        base64: bool,
        jsonp: Option<Jsonp>,
        /// Whether it surely comes from a page that may act for its user.
        is_known: bool,
    },
    Poll(Arc<Session>, Option<Jsonp>),
    Post(Arc<Session>, bool),
    OpenWebsocket {
        protocol: Protocol,
        base64: bool,
        accept: Accept,
    },
    TakeOver(Arc<Session>, Accept),
    Invalid(Invalid),
}

/// Why a request came to nothing: by the rules of the protocol, or by the application's decision.
#[derive(Debug)]
pub(super) enum Refused {
    Fault(Fault),
    Refusal(Refusal),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl Refused {
    pub(super) fn count(&self, metrics: &Metrics) {
        let reason = match self {
            // Counted where it was decided.
            Self::Refusal(_) => return,
            Self::Fault(fault) if *fault == Fault::ORIGIN => return,
            Self::Fault(fault) if *fault == Fault::FULL => "max_sessions",
            Self::Fault(fault) if *fault == Fault::FULL_FOR_ADDRESS => "max_sessions_per_address",
            Self::Fault(fault) if *fault == Fault::SESSION => "session",
            Self::Fault(fault) if *fault == Fault::TOO_LARGE => "payload",
            Self::Fault(fault) if *fault == Fault::OVERLOADED => "memory",
            Self::Fault(_) => "handshake",
        };
        metrics.count_refusal(reason);
    }

    /// The answer. Where a WebSocket was asked for it is a text (docs/protocol/engineio.md#errors). With `ends` it is
    /// the last of its connection.
    pub(super) fn response(&self, is_upgrade: bool, ends: bool) -> Response<Body> {
        let mut response = match self {
            Self::Refusal(refusal) => body::refusal_with(refusal, |error| {
                let message = error.as_str().unwrap_or("Forbidden");
                serde_json::json!({ "code": 4, "message": message, "error": error })
            }),
            Self::Fault(fault) if is_upgrade => {
                body::answer(fault.status, "text/html", fault.message)
            }
            Self::Fault(fault) => body::json(fault.status, fault.json()),
        };
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, soon);
        }
        if ends {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }
}

/// Whether the client asks for a WebSocket. Other upgrades, which some proxies and clients offer, are left alone.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    let wanted = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    wanted.is_some_and(|wanted| wanted.to_ascii_lowercase().contains("websocket"))
}

impl Polling {
    /// The session that a request names.
    fn session(&self, sid: &str) -> Result<Arc<Session>, Fault> {
        let session = self.table.find(sid).ok_or(Fault::SESSION)?;
        session.is_usable().then_some(session).ok_or(Fault::SESSION)
    }

    /// Checks what can be checked without waiting.
    pub(super) fn plan(&self, request: &Request<Body>, context: &Context) -> Result<Plan, Fault> {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let headers = request.headers();
        let transport = query
            .transport
            .filter(|transport| *transport == TransportName::Polling || self.has_websocket)
            .ok_or(Fault::TRANSPORT)?;
        if headers
            .get(ORIGIN)
            .is_some_and(|origin| origin.to_str().is_err())
        {
            return Err(Fault::REQUEST);
        }
        let provenance = match query.jsonp {
            Some(_) => Provenance::of(&context.origins, headers, request.extensions()),
            None => match context.origins.judge(headers, request.extensions()) {
                Verdict::Refused => Provenance::Foreign,
                Verdict::Allowed | Verdict::NoPage => Provenance::Allowed,
            },
        };
        if provenance == Provenance::Foreign {
            context.refuse_origin(headers);
            return Err(Fault::ORIGIN);
        }
        if transport == TransportName::Websocket || wants_websocket(headers) {
            return self.plan_websocket(request, &query, transport, context);
        }
        let Some(sid) = &query.sid else {
            if request.method() != Method::GET {
                return Err(Fault::METHOD);
            }
            return Ok(Plan::Open {
                protocol: query.protocol.ok_or(Fault::PROTOCOL)?,
                base64: query.base64,
                jsonp: query.jsonp,
                is_known: provenance == Provenance::Allowed,
            });
        };
        let session = self.session(sid)?;
        match *request.method() {
            Method::GET => Ok(Plan::Poll(session, query.jsonp)),
            Method::POST => Ok(Plan::Post(session, query.jsonp.is_some())),
            _ => Err(Fault::METHOD),
        }
    }

    fn plan_websocket(
        &self,
        request: &Request<Body>,
        query: &Query,
        transport: TransportName,
        context: &Context,
    ) -> Result<Plan, Fault> {
        let session = match &query.sid {
            Some(sid) => Some(self.session(sid)?),
            None if request.method() != Method::GET => return Err(Fault::METHOD),
            None => None,
        };
        let protocol = query.protocol.ok_or(Fault::PROTOCOL);
        if session.is_none() {
            protocol?;
        }
        let accept = match handshake::check(request, context) {
            _ if transport != TransportName::Websocket => return Err(Fault::REQUEST),
            Ok(accept) => accept,
            Err(Invalid::NotAnUpgrade) => return Err(Fault::REQUEST),
            Err(invalid) => return Ok(Plan::Invalid(invalid)),
        };
        match session {
            Some(session) => Ok(Plan::TakeOver(session, accept)),
            None => Ok(Plan::OpenWebsocket {
                protocol: protocol?,
                base64: query.base64,
                accept,
            }),
        }
    }
}
