//! HTTP: the one port that everything comes in by.

pub(crate) mod address;
mod api;
mod connection;
mod listener;
mod params;
mod router;
mod routes;
mod statics;

pub(crate) use api::Api;
pub use listener::{Bound, ServeError};
pub(crate) use listener::{Security, Settings};
pub(crate) use params::BodyLimits;
pub(crate) use router::{Router, serve_script};
pub(crate) use routes::Routes;
pub use routes::{Route, RouteMethod};
pub(crate) use statics::StaticOptions;
