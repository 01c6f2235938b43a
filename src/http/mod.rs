//! HTTP: the one port that everything comes in by.

mod api;
mod connection;
mod crowd;
mod drain;
#[cfg(feature = "testing")]
mod fuzz;
mod gate;
mod listener;
mod params;
mod places;
mod router;
mod routes;
mod secure;
mod site;
mod socketio_client;
mod statics;
mod visits;

pub(crate) use api::Api;
#[cfg(feature = "testing")]
pub(crate) use fuzz::params as fuzz_params;
pub use listener::{Bound, Drain, ServeError};
pub(crate) use params::{BodyLimits, Store};
pub(crate) use router::Router;
pub use routes::{Route, RouteMethod};
pub(crate) use routes::{RouteError, Routes};
pub(crate) use secure::Security;
pub(crate) use site::{Settings, Site};
pub(crate) use socketio_client::SocketIoClient;
pub(crate) use statics::StaticOptions;
pub(crate) use visits::VisitRates;
