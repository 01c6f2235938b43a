//! What every request goes through before a transport has it (docs/protocol/primus.md#layers).

mod cors;
mod forwarded;
mod standard;

use std::fmt;
use std::sync::Arc;

pub use crate::address::Forwarding;
use async_trait::async_trait;
pub use cors::Cors;
pub(crate) use forwarded::Forwarded;
use http::request::Parts;
use http::{HeaderMap, Response};
use parking_lot::RwLock;
use stellar_transports::{Body, Origins, Peer, Refusal};

/// The layer before which all others are: the last one decides who may connect.
const LAST: &str = "authorization";

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// An answer.
    Http,
    /// Another protocol: a WebSocket handshake.
    Upgrade,
}

/// A request on its way to a transport.
#[derive(Debug)]
pub struct Exchange {
    /// Its head. What a layer puts into the extensions is found again with the
    /// [spark](super::Spark::request_extensions).
    pub head: Parts,
    /// Where it comes from, as far as is known by now.
    pub peer: Peer,
    /// Headers that the answer is to have, whoever gives it. They replace those that it has; `Vary` is added to.
    pub headers: HeaderMap,
    /// What it wants.
    pub kind: RequestKind,
}

/// Where a request goes from here.
#[derive(Debug)]
pub enum Next {
    /// To the next layer.
    Continue,
    /// Nowhere: this is the answer.
    Answer(Box<Response<Body>>),
}

impl Next {
    /// This answer, and no further.
    pub fn answer(response: Response<Body>) -> Self {
        Self::Answer(Box::new(response))
    }
}

/// One layer. Functions from `&mut Exchange` to a result are layers, too.
#[async_trait]
pub trait Layer: Send + Sync + 'static {
    /// Whether it has to do with requests of this kind.
    fn is_for(&self, kind: RequestKind) -> bool {
        let _ = kind;
        true
    }

    /// Looks at a request, changes it, or answers it.
    ///
    /// # Errors
    ///
    /// A refusal is the answer: its status, and its error as JSON.
    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal>;
}

#[async_trait]
impl<F> Layer for F
where
    F: Fn(&mut Exchange) -> Result<Next, Refusal> + Send + Sync + 'static,
{
    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        self(exchange)
    }
}

/// The layers of a server, in their order.
///
/// | name | requests | does |
/// | --- | --- | --- |
/// | `forwarded` | all | finds the client's address behind [proxies that are trusted](super::Builder::trusted_proxies) |
/// | `cors` | HTTP | refuses pages of [other origins](super::Builder::origins), answers their browsers' questions |
/// | `primus.js` | HTTP | the client library at `<pathname>/primus.js` |
/// | `spec` | HTTP | the description at `<pathname>/spec` |
/// | `x-xss` | HTTP | switches off the broken filter of old browsers |
/// | `no-cache` | HTTP | has nothing cached |
/// | `authorization` | all | asks [`Builder::authorize`](super::Builder::authorize), once per connection |
///
/// Layers of your own come before `authorization`, so that it sees what they found. Transports check the origin of every
/// handshake by themselves, also where `cors` is disabled: browsers do not ask before they open a WebSocket.
#[derive(Debug, Default)]
pub struct Layers(RwLock<Arc<Vec<Entry>>>);

#[derive(Clone)]
struct Entry {
    name: String,
    layer: Arc<dyn Layer>,
    is_enabled: bool,
}

impl Layers {
    pub(super) fn standard(forwarded: Forwarded, cors: Cors, origins: Origins) -> Self {
        let layers = Self::default();
        layers.add_shared(LAST.into(), Arc::new(standard::Authorization));
        layers.add_shared("forwarded".into(), Arc::new(forwarded));
        layers.add_shared("cors".into(), Arc::new(cors.for_origins(origins)));
        layers.add_shared("primus.js".into(), Arc::new(standard::Library));
        layers.add_shared("spec".into(), Arc::new(standard::Spec));
        layers.add_shared("x-xss".into(), Arc::new(standard::Xss));
        layers.add_shared("no-cache".into(), Arc::new(standard::NoCache));
        layers
    }

    /// Adds a layer behind all others but `authorization`. One of the same name is replaced in its place.
    pub fn add(&self, name: impl Into<String>, layer: impl Layer) {
        self.add_shared(name.into(), Arc::new(layer));
    }

    pub(super) fn add_shared(&self, name: String, layer: Arc<dyn Layer>) {
        self.insert_shared(usize::MAX, name, layer);
    }

    /// Adds a layer at this place, counted from 0; `authorization` stays the last. One of the same name is replaced in its
    /// own place instead.
    pub fn insert(&self, at: usize, name: impl Into<String>, layer: impl Layer) {
        self.insert_shared(at, name.into(), Arc::new(layer));
    }

    pub(super) fn insert_shared(&self, at: usize, name: String, layer: Arc<dyn Layer>) {
        self.change(|layers| {
            if let Some(known) = layers.iter_mut().find(|entry| entry.name == name) {
                known.layer = layer;
                return;
            }
            let end = layers.iter().position(|entry| entry.name == LAST);
            let at = at.min(end.unwrap_or(layers.len()));
            let entry = Entry {
                name,
                layer,
                is_enabled: true,
            };
            layers.insert(at, entry);
        });
    }

    /// Removes a layer. False if there is none of this name.
    pub fn remove(&self, name: &str) -> bool {
        self.change(|layers| {
            let before = layers.len();
            layers.retain(|entry| entry.name != name);
            layers.len() < before
        })
    }

    /// Has requests go through a layer again. False if there is none of this name.
    pub fn enable(&self, name: &str) -> bool {
        self.switch(name, true)
    }

    /// Has requests pass by a layer. False if there is none of this name.
    pub fn disable(&self, name: &str) -> bool {
        self.switch(name, false)
    }

    fn switch(&self, name: &str, is_enabled: bool) -> bool {
        self.change(|layers| {
            let entry = layers.iter_mut().find(|entry| entry.name == name);
            entry.map(|entry| entry.is_enabled = is_enabled).is_some()
        })
    }

    /// Whether requests go through a layer.
    pub fn is_enabled(&self, name: &str) -> bool {
        let layers = self.0.read();
        layers
            .iter()
            .any(|entry| entry.name == name && entry.is_enabled)
    }

    /// The place of a layer, counted from 0.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.read().iter().position(|entry| entry.name == name)
    }

    /// The names of all layers, in their order.
    pub fn names(&self) -> Vec<String> {
        self.0
            .read()
            .iter()
            .map(|entry| entry.name.clone())
            .collect()
    }

    /// Takes a request through the layers. `Some` is an answer.
    pub(super) async fn run(&self, exchange: &mut Exchange) -> Option<Response<Body>> {
        let layers = Arc::clone(&self.0.read());
        for entry in layers.iter() {
            if !entry.is_enabled || !entry.layer.is_for(exchange.kind) {
                continue;
            }
            match entry.layer.call(exchange).await {
                Ok(Next::Continue) => {}
                Ok(Next::Answer(response)) => return Some(*response),
                Err(refusal) => return Some(stellar_transports::body::refusal(&refusal)),
            }
        }
        None
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        change(Arc::make_mut(&mut self.0.write()))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off = if self.is_enabled { "" } else { " (disabled)" };
        write!(f, "{}{off}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> Layers {
        Layers::standard(Forwarded::default(), Cors::default(), Origins::default())
    }

    fn nothing(_: &mut Exchange) -> Result<Next, Refusal> {
        Ok(Next::Continue)
    }

    #[test]
    fn the_order_is_that_of_primus_and_authorization_comes_last() {
        let layers = layers();
        layers.add("mine", nothing);
        layers.insert(1, "early", nothing);
        layers.insert(99, "late", nothing);
        assert_eq!(
            layers.names(),
            [
                "forwarded",
                "early",
                "cors",
                "primus.js",
                "spec",
                "x-xss",
                "no-cache",
                "mine",
                "late",
                "authorization"
            ]
        );
        assert_eq!(layers.position("early"), Some(1));
        layers.insert(0, "early", nothing);
        assert_eq!(layers.position("early"), Some(1), "replaced in its place");
    }

    #[test]
    fn layers_are_switched_and_removed_by_name() {
        let layers = layers();
        assert!(layers.disable("spec") && !layers.is_enabled("spec"));
        assert!(layers.enable("spec") && layers.is_enabled("spec"));
        assert!(layers.remove("spec") && !layers.remove("spec"));
        assert!(!layers.enable("spec") && !layers.disable("nothing"));
        assert_eq!(layers.position("spec"), None);
    }
}
