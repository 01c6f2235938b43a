//! The small ones of the layers that every server has.

use async_trait::async_trait;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, PRAGMA, USER_AGENT};
use stellar_transports::Refusal;

use super::{Exchange, Layer, Next, RequestKind};
use crate::primus::service::Facts;

/// Stands for the question whether a client may connect. It is asked by the transports, once per connection, because some
/// clients show who they are only in their own protocol.
pub(super) struct Authorization;

#[async_trait]
impl Layer for Authorization {
    async fn call(&self, _exchange: &mut Exchange) -> Result<Next, Refusal> {
        Ok(Next::Continue)
    }
}

/// The client library.
pub(super) struct Library;

#[async_trait]
impl Layer for Library {
    fn is_for(&self, kind: RequestKind) -> bool {
        kind == RequestKind::Http
    }

    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        let facts = exchange.head.extensions.get::<Facts>();
        Ok(facts
            .and_then(|facts| facts.library(&exchange.head))
            .map_or(Next::Continue, Next::answer))
    }
}

/// The description.
pub(super) struct Spec;

#[async_trait]
impl Layer for Spec {
    fn is_for(&self, kind: RequestKind) -> bool {
        kind == RequestKind::Http
    }

    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        let facts = exchange.head.extensions.get::<Facts>();
        Ok(facts
            .and_then(|facts| facts.spec(&exchange.head))
            .map_or(Next::Continue, Next::answer))
    }
}

/// The filter of Internet Explorer breaks pages and protects nobody.
pub(super) struct Xss;

#[async_trait]
impl Layer for Xss {
    fn is_for(&self, kind: RequestKind) -> bool {
        kind == RequestKind::Http
    }

    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        let agent = exchange.head.headers.get(USER_AGENT);
        let agent = agent
            .and_then(|agent| agent.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if agent.contains(";msie") || agent.contains("trident/") {
            let name = HeaderName::from_static("x-xss-protection");
            exchange.headers.insert(name, HeaderValue::from_static("0"));
        }
        Ok(Next::Continue)
    }
}

/// Keeps caches away: an answer is for one connection, and for once.
pub(super) struct NoCache;

#[async_trait]
impl Layer for NoCache {
    fn is_for(&self, kind: RequestKind) -> bool {
        kind == RequestKind::Http
    }

    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        const NEVER: HeaderValue =
            HeaderValue::from_static("no-store, no-cache, must-revalidate, max-age=0");
        exchange.headers.insert(CACHE_CONTROL, NEVER);
        let no_cache = HeaderValue::from_static("no-cache");
        exchange.headers.insert(PRAGMA, no_cache);
        Ok(Next::Continue)
    }
}
