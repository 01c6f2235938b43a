//! What can be chosen about an app.

use std::collections::BTreeSet;
use std::time::Duration;

use stellar_transports::json::Bounds;

use super::error::ErrorFormat;
use super::rates::Rates;

/// The options of an app; the defaults are those of `stellar.toml`.
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
    /// Larger ones are answered 023: what is said waits in the outbox of every member.
    pub max_payload: usize,
    /// Rooms that one connection may be in. Default 1,000. One more is answered 029.
    pub max_rooms: usize,
    /// Most values in what a request has the server parse: params, an event's data, and what is said where hooks are told of
    /// it. Members of lists, keys and members of objects count. Default 20,000, of about 200 bytes each. Over it the answer
    /// is 023.
    pub max_values: usize,
    /// How deep params may nest. Default 32. Deeper ones are answered 023.
    pub max_depth: usize,
    /// Largest `messageId`, as it is written. Default 256 bytes. A larger one is not given back, and the answer is 023.
    pub max_message_id: usize,
    /// Most members that one answer to `roomView` shows, and most rooms of `detailsView`. Default 1,000. Where there are
    /// more, it says how many, and where the next page begins.
    pub max_view: usize,
    /// How often one connection may do what.
    pub rates: Rates,
    /// The cookie and query parameter that carry a browser's fingerprint. Default `sessionID`.
    pub fingerprint_key: String,
    /// Verbs that clients may not use, by any of their names. Default none. They are answered 014.
    pub refused_verbs: BTreeSet<String>,
    /// How errors are put into words.
    pub errors: ErrorFormat,
}

impl Options {
    /// What params may unfold to.
    pub(crate) const fn bounds(&self) -> Bounds {
        Bounds {
            max_depth: self.max_depth,
            max_values: self.max_values,
        }
    }
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
            max_values: 20_000,
            max_depth: 32,
            max_message_id: 256,
            max_view: 1000,
            rates: Rates::default(),
            fingerprint_key: "sessionID".into(),
            refused_verbs: BTreeSet::new(),
            errors: ErrorFormat::default(),
        }
    }
}
