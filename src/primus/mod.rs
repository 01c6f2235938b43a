//! Primus for Rust: its server API, parsers, transforms, plugins, middleware and client library, on the
//! [engine](crate::engine). For those who want connections and messages, and no app.
//!
//! ```no_run
//! use stellar::primus::{Primus, Spark};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let primus = Primus::builder()
//!     .on_connection(|spark: Spark| async move {
//!         spark.on_data(|spark, packet| {
//!             let _closed_meanwhile = spark.write(packet.data);
//!         });
//!     })
//!     .build()?;
//! primus.listen(([127, 0, 0, 1], 8080)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Any Primus 8 client connects to it, and `/primus/primus.js` is one. What arrives goes this way:
//!
//! ```text
//! message ─► Parser::decode ─► transforms ─► plugins ─► Spark::on_data or Spark::data
//! Spark::write ─► transforms ─► Parser::encode ─► message
//! ```

mod builder;
mod destroy;
mod dispatch;
mod error;
mod inbox;
mod lane;
pub mod layer;
mod library;
pub mod parser;
mod plugin;
pub mod plugins;
mod server;
mod service;
mod spark;
mod streams;
mod transform;
mod value;

pub use crate::service::Service;
pub use builder::{Builder, Outcome};
pub use destroy::Destroy;
pub use error::{PrimusError, SparkError, WriteError};
pub use inbox::Data;
pub(crate) use library::Libraries;
pub use library::app_library;
pub use parser::{Parser, ParserError};
pub use plugin::{ClientPart, Plugin};
pub use server::{Bound, Primus};
pub(crate) use service::Endpoint;
pub use spark::{End, HIGH_WATER, ReadyState, Spark, Written};
pub use streams::{Connections, Disconnections};
pub use transform::{BoxError, Direction, Packet, Transform, Verdict};
pub use value::{Object, Value};

pub use crate::engine::{CloseReason, Handshake, Origins, Peer, Refusal};

/// What applications must not send: clients would obey it instead of reading it.
fn check(data: &Value) -> Result<(), WriteError> {
    match data {
        Value::String(text) if text.starts_with(stellar_transports::primus::PREFIX) => {
            Err(WriteError::Reserved)
        }
        _ => Ok(()),
    }
}
