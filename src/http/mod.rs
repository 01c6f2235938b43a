//! HTTP: the one port that everything comes in by.

mod api;
mod connection;
mod crowd;
#[cfg(feature = "testing")]
mod fuzz;
mod gate;
mod listener;
mod params;
mod places;
mod router;
mod routes;
mod socketio_client;
mod statics;
mod visits;

pub(crate) use api::Api;
#[cfg(feature = "testing")]
pub(crate) use fuzz::params as fuzz_params;
pub use listener::{Bound, Drain, ServeError};
pub(crate) use listener::{Security, Settings, Site};
pub(crate) use params::{BodyLimits, Store};
pub(crate) use router::Router;
pub use routes::{Route, RouteMethod};
pub(crate) use routes::{RouteError, Routes};
pub(crate) use socketio_client::SocketIoClient;
pub(crate) use statics::StaticOptions;
pub(crate) use visits::VisitRates;
