//! Doors: which requests are for which transport.

use serde::{Deserialize, Serialize};

/// A door: a path prefix (of whole segments), and what else tells its requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// Which of the [`Paths`] it is at.
    pub place: Place,
    /// Whether requests must carry an `EIO` parameter (`Some(true)`), must not (`Some(false)`), or may.
    pub engineio: Option<bool>,
    /// Whether scripts below the path are public files: servers of the kind bring their client's along.
    pub has_scripts: bool,
    /// Who comes in here.
    pub clients: &'static str,
}

/// A place for doors, whose path can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Primus's clients and the generated one, over any transport that they speak.
    Primus,
    /// Plain WebSocket clients.
    Ws,
    /// Bare engine.io clients.
    EngineIo,
    /// socket.io clients.
    SocketIo,
}

/// The path of each place: it begins with a slash and does not end with one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    /// Where Primus's clients and the generated one come in. Default `/primus`.
    pub primus: String,
    /// Where plain WebSocket clients come in. Default `/ws`.
    pub ws: String,
    /// Where bare engine.io clients come in. Default `/engine.io`.
    pub engineio: String,
    /// Where socket.io clients come in. Default `/socket.io`.
    pub socketio: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            primus: "/primus".into(),
            ws: "/ws".into(),
            engineio: "/engine.io".into(),
            socketio: "/socket.io".into(),
        }
    }
}

/// What is wrong with a choice of paths.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathsError {
    /// Not a path.
    #[error(
        "`{path}` is no path of a door: write {expected}, of letters, digits and the signs - . _ ~ / alone"
    )]
    Invalid {
        /// The place's name.
        place: &'static str,
        /// Its path.
        path: String,
        /// What could be meant.
        expected: String,
    },
    /// Two doors at, or one below the other's path.
    #[error("`{path}` is {place_of} `{other}`, which is that of `{taken_by}`: choose another path")]
    Taken {
        /// The place's name.
        place: &'static str,
        /// Its path.
        path: String,
        /// How the two are to each other.
        place_of: &'static str,
        /// The path that it meets.
        other: String,
        /// Whose that is.
        taken_by: String,
    },
}

impl PathsError {
    /// The name of the place whose path is wrong: the field of [`Paths`].
    pub const fn place(&self) -> &'static str {
        match self {
            Self::Invalid { place, .. } | Self::Taken { place, .. } => place,
        }
    }
}

impl Paths {
    /// The path of a place.
    pub fn of(&self, place: Place) -> &str {
        match place {
            Place::Primus => &self.primus,
            Place::Ws => &self.ws,
            Place::EngineIo => &self.engineio,
            Place::SocketIo => &self.socketio,
        }
    }

    /// Checks that each is a path and a different one, none below another, and none at or around what others have:
    /// paths, and whose they are.
    ///
    /// # Errors
    ///
    /// [`PathsError`] for the first that is wrong.
    pub fn check(&self, reserved: &[(String, &str)]) -> Result<(), PathsError> {
        let places = [
            ("primus", &self.primus),
            ("ws", &self.ws),
            ("engineio", &self.engineio),
            ("socketio", &self.socketio),
        ];
        for (at, (place, path)) in places.into_iter().enumerate() {
            if !is_path(path) {
                let segments = path.split('/').filter(|segment| is_segment(segment));
                let expected: String = segments.map(|segment| format!("/{segment}")).collect();
                return Err(PathsError::Invalid {
                    place,
                    path: path.clone(),
                    expected: if expected.is_empty() {
                        format!("a slash and a name, such as /{place}")
                    } else {
                        expected
                    },
                });
            }
            let doors = places[..at]
                .iter()
                .map(|(other, path)| (path.as_str(), format!("doors.{other}")));
            let reserved = reserved
                .iter()
                .map(|(path, whose)| (path.as_str(), (*whose).to_owned()));
            for (other, taken_by) in doors.chain(reserved) {
                let place_of = if path == other {
                    "the same as"
                } else if is_under(path, other) {
                    "below"
                } else if is_under(other, path) {
                    "above"
                } else {
                    continue;
                };
                return Err(PathsError::Taken {
                    place,
                    path: path.clone(),
                    place_of,
                    other: other.to_owned(),
                    taken_by,
                });
            }
        }
        Ok(())
    }
}

fn is_path(path: &str) -> bool {
    path.strip_prefix('/')
        .is_some_and(|segments| segments.split('/').all(is_segment))
}

/// What no client or proxy writes differently.
fn is_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

impl Door {
    /// Its path, on a server with these.
    pub fn path<'a>(&self, paths: &'a Paths) -> &'a str {
        paths.of(self.place)
    }

    /// Whether a request for `path` with `query` is at this door, on a server with these paths.
    pub fn is_for(&self, path: &str, query: &str, paths: &Paths) -> bool {
        let is_script = self.has_scripts && (path.ends_with(".js") || path.ends_with(".js.map"));
        is_under(path, self.path(paths))
            && !is_script
            && self
                .engineio
                .is_none_or(|wanted| wanted == has_parameter(query, "EIO"))
    }
}

/// Whether a request for `uri` is at a door of the built-in transport `name`, on a server with these paths.
pub fn is_at_door(name: &str, uri: &http::Uri, paths: &Paths) -> bool {
    let query = uri.query().unwrap_or_default();
    crate::entry(name).is_some_and(|entry| {
        entry
            .doors
            .iter()
            .any(|door| door.is_for(uri.path(), query, paths))
    })
}

/// Whether `path` is `prefix` or below it, by whole segments: `/primusfoo` is not under `/primus`.
pub fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the query has a parameter called `name`.
pub fn has_parameter(query: &str, name: &str) -> bool {
    query
        .split('&')
        .any(|pair| pair.split('=').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry;

    #[test]
    fn doors_match_whole_segments() {
        let ws = entry("ws").unwrap();
        let at = &Paths::default();
        let live = &Paths {
            primus: "/live/now".into(),
            ..Paths::default()
        };
        let polling = entry("polling").unwrap();
        assert!(ws.doors[0].is_for("/primus", "", at));
        assert!(ws.doors[0].is_for("/primus/", "_primuscb=1", at));
        assert!(!ws.doors[0].is_for("/primusfoo", "", at));
        assert!(!ws.doors[0].is_for("/primus/", "EIO=4", at));
        assert!(polling.doors[0].is_for("/primus/", "x=1&EIO=4", at));
        assert!(!polling.doors[1].is_for("/engine.iox", "EIO=4", at));
        assert!(ws.doors[0].is_for("/live/now", "", live));
        assert!(!ws.doors[0].is_for("/primus", "", live));
        assert!(ws.doors[1].is_for("/ws", "", live));
        let socketio = entry("socketio").unwrap().doors[0];
        assert!(socketio.is_for("/socket.io/", "EIO=4&transport=polling", at));
        assert!(!socketio.is_for("/socket.io/socket.io.min.js", "", at));
    }

    fn choose(primus: &str, ws: &str) -> Result<(), String> {
        let paths = Paths {
            primus: primus.into(),
            ws: ws.into(),
            ..Paths::default()
        };
        let reserved = [("/api".to_owned(), "the actions")];
        paths.check(&reserved).map_err(|error| error.to_string())
    }

    #[test]
    fn paths_may_be_chosen() {
        for (primus, ws) in [
            ("/primus", "/ws"),
            ("/rt/primus", "/rt/ws"),
            ("/primus-2", "/primus"),
            ("/apis", "/v1.0/~ws_"),
        ] {
            assert_eq!(choose(primus, ws), Ok(()), "{primus} {ws}");
        }
    }

    #[test]
    fn paths_that_meet_are_refused() {
        for (primus, ws, says) in [
            (
                "/ws",
                "/ws",
                "the same as `/ws`, which is that of `doors.primus`",
            ),
            ("/x", "/x/ws", "`/x/ws` is below `/x`"),
            ("/x/primus", "/x", "`/x` is above `/x/primus`"),
            ("/primus", "/socket.io", "`doors.ws`"),
            (
                "/api",
                "/ws",
                "the same as `/api`, which is that of `the actions`",
            ),
            ("/api/primus", "/ws", "below `/api`"),
        ] {
            let error = choose(primus, ws).unwrap_err();
            assert!(error.contains(says), "{primus} {ws}: {error}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_what_could_be_meant() {
        for (path, says) in [
            ("", "such as /primus"),
            ("/", "such as /primus"),
            ("live", "write /live,"),
            ("/live/", "write /live,"),
            ("/a//b", "write /a/b,"),
            ("/a/../b", "write /a/b,"),
            ("/a?b", "such as /primus"),
            ("/caf\u{e9}", "such as /primus"),
            ("/a b", "such as /primus"),
            ("/%61", "such as /primus"),
            ("http://x/y", "write /x/y,"),
        ] {
            let error = choose(path, "/ws").unwrap_err();
            assert!(error.contains(says), "{path}: {error}");
        }
    }
}
