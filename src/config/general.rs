//! The sections of rooms and actions, and of errors.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Config;
use crate::app;

/// Rooms, actions and greeting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct General {
    /// Shown in HTTP answers and as `X-Powered-By`.
    pub server_name: String,
    /// Shown in HTTP answers.
    pub api_version: String,
    /// The text of the greeting.
    pub welcome_message: String,
    /// Whether new connections are greeted.
    pub send_welcome: bool,
    /// Delay of the greeting. 0: before anything else.
    pub welcome_delay_ms: u64,
    /// Rooms that exist from the start.
    pub starting_rooms: Vec<String>,
    /// Actions that one connection may have running. One more is answered 007.
    pub simultaneous_actions: u32,
    /// How long an action may take. Then it is answered 022.
    pub action_timeout_ms: u64,
    /// Verbs that clients may not use. They are answered 014.
    pub refused_verbs: BTreeSet<String>,
    /// Tells clients at a shutdown not to come back, instead of to come back.
    pub destroy_clients_on_shutdown: bool,
    /// Within how long clients are to come back after a shutdown, each at a random time. 0: as they choose. Primus's own
    /// clients and those that do not speak Primus choose for themselves.
    pub shutdown_retry_within_ms: u64,
    /// How long `/readyz` says 503, while everything else goes on, before a shutdown refuses connections.
    pub shutdown_delay_ms: u64,
    /// How long a shutdown waits for running actions.
    pub shutdown_timeout_ms: u64,
}

impl Default for General {
    fn default() -> Self {
        let app = app::Options::default();
        Self {
            server_name: app.server_name,
            api_version: app.api_version,
            welcome_message: app.welcome_message,
            send_welcome: true,
            welcome_delay_ms: 0,
            starting_rooms: app.starting_rooms,
            simultaneous_actions: app.simultaneous_actions,
            action_timeout_ms: 30_000,
            refused_verbs: BTreeSet::new(),
            destroy_clients_on_shutdown: false,
            shutdown_retry_within_ms: 0,
            shutdown_delay_ms: 0,
            shutdown_timeout_ms: 5000,
        }
    }
}

/// How errors are put into words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Errors {
    /// Sends `error` as bare text instead of `{code, message}`.
    pub as_text: bool,
    /// Uses the original servers' texts of 010, 013 and 019, for clients that compare texts.
    pub original_texts: bool,
    /// Texts by code that replace the default ones; `{room}` and the like are filled in.
    pub texts: BTreeMap<String, String>,
}

impl Config {
    /// The options of the app.
    pub(crate) fn app_options(&self) -> app::Options {
        // No `..`: an option that nobody reads is a warning here, and so a failure in CI.
        let General {
            server_name,
            api_version,
            welcome_message,
            send_welcome,
            welcome_delay_ms,
            starting_rooms,
            simultaneous_actions,
            action_timeout_ms,
            refused_verbs,
            destroy_clients_on_shutdown: _,
            shutdown_retry_within_ms: _,
            shutdown_delay_ms: _,
            shutdown_timeout_ms: _,
        } = self.general.clone();
        let Errors {
            as_text,
            original_texts,
            texts,
        } = self.errors.clone();
        let mut errors = app::ErrorFormat { texts, as_text };
        if original_texts {
            errors = errors.with_original_texts();
        }
        app::Options {
            server_name,
            api_version,
            welcome_message,
            welcome: match (send_welcome, welcome_delay_ms) {
                (false, _) => app::Welcome::Never,
                (true, 0) => app::Welcome::AtOnce,
                (true, delay) => app::Welcome::After(Duration::from_millis(delay)),
            },
            starting_rooms,
            simultaneous_actions,
            action_timeout: Duration::from_millis(action_timeout_ms),
            max_file: self.limits.max_file_bytes,
            max_payload: self.limits.max_payload_bytes,
            max_rooms: self.limits.max_rooms_per_connection,
            max_values: self.limits.max_values,
            max_depth: self.limits.max_depth,
            max_message_id: self.limits.max_message_id_bytes,
            max_view: self.limits.max_view,
            rates: self.rates.options(),
            fingerprint_key: self.web.cookie_key.clone(),
            refused_verbs,
            errors,
        }
    }
}
