//! The plugins that Primus's users expect, each speaking what its clients on npm speak.
//!
//! | plugin | on npm | what it adds |
//! | --- | --- | --- |
//! | [`Emit`] | `primus-emit`, `primus-emitter` | named events in both directions, with acknowledgements |
//! | [`Multiplex`] | `primus-multiplex` | channels on one connection |
//! | [`Responder`] | `primus-responder` | requests with one response each, in both directions |
//! | [`Rooms`] | `primus-rooms` | groups of connections that messages are written to |
//!
//! Their client parts are in the generated client, with the methods that the npm plugins have, and npm's clients work as
//! well. A call that the client can no longer answer fails, on both sides; npm's forget it.
//!
//! ```
//! use stellar::primus::plugins::{Emit, Multiplex, Responder, Rooms};
//! use stellar::primus::Primus;
//!
//! let rooms = Rooms::new();
//! let news = Multiplex::new();
//! let primus = Primus::builder()
//!     .plugin(Emit::new())
//!     .plugin(news.clone())
//!     .plugin(Responder::new())
//!     .plugin(rooms.clone())
//!     .build()?;
//! # let _ = primus;
//! # Ok::<(), stellar::primus::PrimusError>(())
//! ```

mod call;
pub mod emit;
pub mod multiplex;
pub mod responder;
pub mod rooms;

pub use call::{CallError, MAX_CALLS};
pub use emit::Emit;
pub use multiplex::Multiplex;
pub use responder::Responder;
pub use rooms::Rooms;
