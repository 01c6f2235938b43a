//! What can be chosen about an app.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::ErrorFormat;
use super::rates::Rates;

/// The options of an app; the defaults are those of the Stellar specification, §13.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Shown in HTTP answers and as `X-Powered-By`. Default `Stellar API`.
    pub server_name: String,
    /// Shown in HTTP answers. Default `0.0.1`.
    pub api_version: String,
    /// The text of the greeting. Default `Hello human! Welcome to Stellar`.
    pub welcome_message: String,
    /// When the greeting is sent. Default at once.
    pub welcome: Welcome,
    /// Rooms that exist from the start. Default `defaultRoom`.
    pub starting_rooms: Vec<String>,
    /// Actions that one connection may have running. Default 5. One more is answered 007.
    pub simultaneous_actions: u32,
    /// How long an action may take. Default 30 s. After that it is answered 022 and its result is discarded.
    pub action_timeout: Duration,
    /// Largest file that the `file` verb sends, in bytes. Default 5 MiB. Larger ones are answered 011.
    pub max_file: usize,
    /// Largest payload of one request, in bytes: an action's params, an event's data, what is said. Default 1 MiB.
    /// Larger ones are answered 023: params can take a hundred times their size in memory, and what is said waits in
    /// the outbox of every member.
    pub max_payload: usize,
    /// Rooms that one connection may be in. Default 1,000. One more is answered 029.
    pub max_rooms: usize,
    /// How often one connection may do what.
    pub rates: Rates,
    /// The cookie and query parameter that carry a browser's fingerprint. Default `sessionID`.
    pub fingerprint_key: String,
    /// Verbs that clients may not use, by any of their names. Default none. They are answered 014.
    pub refused_verbs: BTreeSet<String>,
    /// How errors are put into words.
    pub errors: ErrorFormat,
}

/// When a new connection is greeted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Welcome {
    /// Before anything else.
    #[default]
    AtOnce,
    /// After a delay.
    After(Duration),
    /// Not at all.
    Never,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_name: "Stellar API".into(),
            api_version: "0.0.1".into(),
            welcome_message: "Hello human! Welcome to Stellar".into(),
            welcome: Welcome::default(),
            starting_rooms: vec!["defaultRoom".into()],
            simultaneous_actions: 5,
            action_timeout: Duration::from_secs(30),
            max_file: 5 * 1024 * 1024,
            max_payload: 1024 * 1024,
            max_rooms: 1000,
            rates: Rates::default(),
            fingerprint_key: "sessionID".into(),
            refused_verbs: BTreeSet::new(),
            errors: ErrorFormat::default(),
        }
    }
}
