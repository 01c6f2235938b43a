//! Plugins: what adds to both ends of a connection (docs/protocol/primus.md#plugins).

use std::borrow::Cow;
use std::fmt;

use super::{Builder, CloseReason, Packet, Primus, Spark};

/// Adds something to a server, and to the clients that it generates.
///
/// All parts are optional. [`install`](Self::install) comes once, before there is a server; then the events of each
/// connection, in the order in which plugins were added.
///
/// ```
/// use stellar::primus::{ClientPart, Packet, Plugin, Primus, Spark, Value};
///
/// /// Answers `"ping?"` by itself. The client has `primus.ask(fn)`.
/// #[derive(Debug)]
/// struct Ask;
///
/// impl Plugin for Ask {
///     fn name(&self) -> &str {
///         "ask"
///     }
///
///     fn received(&self, spark: &Spark, packet: Packet) -> Option<Packet> {
///         if packet.data.as_str() != Some("ping?") {
///             return Some(packet);
///         }
///         let _closed_meanwhile = spark.write("pong!");
///         None
///     }
///
///     fn client(&self) -> Option<ClientPart> {
///         Some(ClientPart::new(
///             "function (primus) { primus.ask = function () { primus.write('ping?'); }; }",
///         ))
///     }
/// }
///
/// let primus = Primus::builder().plugin(Ask).build()?;
/// # let _: Primus = primus;
/// # Ok::<(), stellar::primus::PrimusError>(())
/// ```
pub trait Plugin: fmt::Debug + Send + Sync + 'static {
    /// The name, by which clients know it, too. No two plugins of a server have the same.
    fn name(&self) -> &str;

    /// Adds transforms, layers and handlers to the server that is about to be built.
    fn install(&self, builder: Builder) -> Builder {
        builder
    }

    /// The server has been built.
    fn built(&self, primus: &Primus) {
        let _ = primus;
    }

    /// A connection is open. Comes before the application's handler.
    fn connected(&self, spark: &Spark) {
        let _ = spark;
    }

    /// A message has come through the transforms. Returns it, for the next plugin and the application, or keeps it.
    fn received(&self, spark: &Spark, packet: Packet) -> Option<Packet> {
        let _ = spark;
        Some(packet)
    }

    /// A connection is over. Comes before the application's handler.
    fn disconnected(&self, spark: &Spark, reason: &CloseReason) {
        let _ = (spark, reason);
    }

    /// What the generated client gets.
    fn client(&self) -> Option<ClientPart> {
        None
    }
}

/// A plugin's part of the generated client.
#[derive(Clone, Debug)]
pub struct ClientPart(pub(super) Cow<'static, str>);

impl ClientPart {
    /// A JavaScript function expression, `function (primus, options) {}`. It is called for each client that is made, with
    /// the client as `this`, too.
    pub fn new(function: impl AsRef<str>) -> Self {
        Self(format!("{{ client: {}, library: null }}", function.as_ref()).into())
    }

    /// A JavaScript object expression, `{ client: function (primus, options) {}, library: function (Primus) {} }`. The
    /// library is called once, when the script is loaded. Either may be `null`.
    pub fn with_library(object: impl Into<Cow<'static, str>>) -> Self {
        Self(object.into())
    }
}
