//! The sections of what is served over HTTP.

use serde::{Deserialize, Serialize};

/// Actions and files over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// First path segment of actions.
    pub url_path_for_actions: String,
    /// First path segment of files. Files are served below the root as well.
    pub url_path_for_files: String,
    /// Whether every action answers at `/api/<name>`.
    pub simple_routing: bool,
    /// Whether `?action=<name>` chooses the action.
    pub query_routing: bool,
    /// Whether `?callback=<name>` has the answer passed to a function: JSONP, for pages of other origins in browsers that
    /// know nothing better. Every page can read the answers then.
    pub jsonp: bool,
    /// Whether answers carry `serverInformation`.
    pub server_information: bool,
    /// Whether answers carry `requesterInformation`.
    pub requester_information: bool,
    /// Whether errors change the HTTP status. Otherwise it is always 200.
    pub return_error_codes: bool,
    /// Spaces of indentation in JSON answers. Those that it would make more than twice as large, beyond a start of 16 KiB, are
    /// sent without.
    pub padding: u8,
    /// Most bytes of params that `receivedParams` gives back. Of larger ones it gives none.
    pub max_echo_bytes: usize,
    /// The same for requests that fail.
    pub max_failed_echo_bytes: usize,
    /// `Cache-Control: max-age` of files, in seconds.
    pub file_cache_seconds: u64,
    /// Whether files have an `ETag`. `Last-Modified` is always sent.
    pub enable_etag: bool,
    /// Whether HTTP clients without a fingerprint are given one as a cookie.
    pub set_cookie: bool,
    /// The cookie and query parameter that carry the fingerprint.
    pub cookie_key: String,
    /// Life of the cookie.
    pub cookie_expires_ms: u64,
    /// Whether symbolic links in the public folder, and in `socketio.client_dir`, may lead out of it, and to names that
    /// begin with a dot.
    pub follow_links: bool,
    /// Custom routes.
    #[serde(skip_serializing)]
    pub routes: Vec<crate::http::Route>,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            url_path_for_actions: "api".into(),
            url_path_for_files: "public".into(),
            simple_routing: true,
            query_routing: true,
            jsonp: false,
            server_information: true,
            requester_information: true,
            return_error_codes: true,
            padding: 2,
            max_echo_bytes: 4096,
            max_failed_echo_bytes: 256,
            file_cache_seconds: 60,
            enable_etag: true,
            set_cookie: true,
            cookie_key: "sessionID".into(),
            cookie_expires_ms: 3_600_000,
            follow_links: false,
            routes: Vec::new(),
        }
    }
}

/// The generated client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// Where the client connects. None: the origin of the page that loads it.
    pub url: Option<String>,
    /// The path of the script, without slash and extension. Empty: none is served.
    pub name: String,
    /// The name of the global that the script defines.
    pub global: String,
    /// The room of `emit` and of `say` without a room.
    pub default_room: String,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            url: None,
            name: "stellar-client".into(),
            global: "StellarClient".into(),
            default_room: "defaultRoom".into(),
        }
    }
}
