//! The scripts of socket.io's client, where its users' pages expect them: below the door, as Node's servers have them.
//! They are the npm package's and not ours, so they are served from where that is installed.

use std::path::Path;
use std::sync::Arc;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use stellar_transports::{Body, body};

use super::statics::{self, StaticOptions};
use crate::app::files::{Links, Places, PublicFiles};

/// What Node's servers serve of the package's folder `dist`, and their source maps. Nothing else of it is found.
const NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

/// The script in place of one that is not there.
const MISSING: &str = "console.error('This server has no socket.io client of its own. Install the npm package \
    socket.io-client and name its folder in the configuration: [socketio] client_dir = \
    \"node_modules/socket.io-client/dist\" (or load the script from where you have it).');\n";

/// The folder that was chosen for the scripts, if one was.
#[derive(Debug)]
pub(crate) struct SocketIoClient {
    files: Option<PublicFiles>,
    options: StaticOptions,
}

impl SocketIoClient {
    pub(crate) fn new(
        folder: Option<&Path>,
        links: Links,
        places: &Arc<Places>,
        options: StaticOptions,
    ) -> Self {
        let files = |folder: &Path| {
            let files = PublicFiles::new().root(folder);
            files.links(links).sharing(places)
        };
        Self {
            files: folder.map(files),
            options,
        }
    }

    /// Whether a folder is one that scripts could come from.
    pub(crate) fn is_in(folder: &Path) -> bool {
        NAMES.iter().any(|name| folder.join(name).is_file())
    }

    /// The script that a path means, on a server with this door.
    pub(crate) fn named(&self, door: &str, path: &str) -> Option<&'static str> {
        let wanted = path.strip_prefix(door)?.strip_prefix('/')?;
        NAMES.into_iter().find(|name| *name == wanted)
    }

    /// Answers with a script of the folder; `None` if it is not there.
    pub(crate) async fn answer(
        &self,
        name: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response<Body>> {
        let files = self.files.as_ref()?;
        let mut response = statics::serve(files, &self.options, method, headers, name).await;
        // Pages of other origins may load it as a module; it holds nothing that is not public.
        let anyone = HeaderValue::from_static("*");
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
        (response.status() != StatusCode::NOT_FOUND).then_some(response)
    }

    /// The 404 that tells the author of a page what to do; `None` for what is no script.
    pub(crate) fn missing(name: &str, method: &Method) -> Option<Response<Body>> {
        let is_asked = matches!(*method, Method::GET | Method::HEAD);
        if !is_asked || !name.ends_with(".js") {
            return None;
        }
        let text = if method == Method::HEAD { "" } else { MISSING };
        let mime = "text/javascript; charset=utf-8";
        Some(body::answer(StatusCode::NOT_FOUND, mime, text))
    }
}
