//! Custom routes: which action a path of the API means (docs/protocol/http.md#routes).
//!
//! A path is compared segment by segment. A literal segment is compared without case. `:name` takes any one segment as
//! the param `name`. `:name(regex)` takes it if the regular expression describes the whole of it.

use http::Method;
use regex::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::app::Registry;
use crate::app::files::decode_path;

/// The method of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteMethod {
    /// GET, and HEAD with it.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// Every method.
    All,
}

/// A path of the API that means an action.
///
/// In TOML, where `method` may also be a list, and all but the first three may be left out:
///
/// ```toml
/// [[routes]]
/// method = "get"
/// path = "/users/:id(^[0-9]+$)"
/// action = "user.show"
/// api_version = 1
/// match_trailing = false
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    #[serde(rename = "method", deserialize_with = "one_or_more")]
    methods: Vec<RouteMethod>,
    path: String,
    action: String,
    #[serde(default)]
    api_version: Option<Value>,
    #[serde(default, rename = "match_trailing")]
    matches_trailing: bool,
}

impl Route {
    /// Requests with this method for `path`, below the API's own segment, mean `action`.
    pub fn new(method: RouteMethod, path: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            methods: vec![method],
            path: path.into(),
            action: action.into(),
            api_version: None,
            matches_trailing: false,
        }
    }

    /// Lets the route serve this method as well.
    pub fn also(mut self, method: RouteMethod) -> Self {
        self.methods.push(method);
        self
    }

    /// Pins the version of the action, a number or a string; the param `apiVersion` decides unless set.
    pub fn api_version(mut self, version: impl Into<Value>) -> Self {
        self.api_version = Some(version.into());
        self
    }

    /// Lets the route match longer paths too. If its last segment is a capture, that takes all the rest, slashes
    /// included; if it is a literal, the rest does not matter.
    pub fn match_trailing(mut self) -> Self {
        self.matches_trailing = true;
        self
    }

    fn serves(&self, method: &Method) -> bool {
        self.methods.iter().any(|served| served.includes(method))
    }
}

impl RouteMethod {
    /// By its name in a configuration, in any case.
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "get" => Some(Self::Get),
            "post" => Some(Self::Post),
            "put" => Some(Self::Put),
            "patch" => Some(Self::Patch),
            "delete" => Some(Self::Delete),
            "all" => Some(Self::All),
            _ => None,
        }
    }

    fn includes(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(*method, Method::GET | Method::HEAD),
            Self::Post => *method == Method::POST,
            Self::Put => *method == Method::PUT,
            Self::Patch => *method == Method::PATCH,
            Self::Delete => *method == Method::DELETE,
            Self::All => true,
        }
    }
}

/// Why a route cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    /// It serves no method.
    #[error("route {path}: no method")]
    NoMethod {
        /// The path of the route.
        path: String,
    },
    /// It names no action.
    #[error("route {path}: no action")]
    NoAction {
        /// The path of the route.
        path: String,
    },
    /// It leads nowhere.
    #[error("route {path}: there is no {missing}; the actions are {known}")]
    UnknownAction {
        /// The path of the route.
        path: String,
        /// The action, or its version.
        missing: String,
        /// The names of those that there are.
        known: String,
    },
    /// Something between two slashes is neither a literal nor `:name` nor `:name(regex)`.
    #[error("route {path}: `{segment}` is no segment, expected text, :name or :name(regex)")]
    Segment {
        /// The path of the route.
        path: String,
        /// What is wrong.
        segment: String,
    },
    /// Two captures have the same name.
    #[error("route {path}: more than one :{name}")]
    Duplicate {
        /// The path of the route.
        path: String,
        /// The name of both.
        name: String,
    },
    /// A regular expression is wrong, or uses what takes more than linear time, such as backreferences.
    #[error("route {path}: :{name} has a wrong regular expression")]
    Pattern {
        /// The path of the route.
        path: String,
        /// The name of the capture.
        name: String,
        /// What is wrong with it.
        source: Box<regex::Error>,
    },
    /// The version is neither a number nor a string.
    #[error("route {path}: an api version is a number or a string")]
    ApiVersion {
        /// The path of the route.
        path: String,
    },
}

/// The routes table. The first route that fits is taken, in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    entries: Vec<Entry>,
}

/// What a path means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matched<'r> {
    /// The name of the action.
    pub(crate) action: &'r str,
    /// The captures in their order in the path, percent escapes decoded.
    pub(crate) params: Vec<(String, String)>,
    /// The version that the route pins.
    pub(crate) api_version: Option<&'r Value>,
}

impl Routes {
    /// Checks the routes and compiles their patterns.
    ///
    /// # Errors
    ///
    /// [`RouteError`] for the first route that cannot be used.
    pub(crate) fn new(routes: Vec<Route>) -> Result<Self, RouteError> {
        let entries = routes.into_iter().map(Entry::new);
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Checks that each route leads to an action.
    ///
    /// # Errors
    ///
    /// [`RouteError::UnknownAction`] for the first that does not.
    pub(crate) fn check_actions(&self, registry: &Registry) -> Result<(), RouteError> {
        let mut routes = self.entries.iter().map(|entry| &entry.route);
        let Some(lost) = routes.find(|route| {
            let version = route.api_version.as_ref();
            registry.find(&route.action, version).is_none()
        }) else {
            return Ok(());
        };
        let action = &lost.action;
        let missing = match &lost.api_version {
            Some(version) if registry.contains(action) => {
                format!("version {version} of the action `{action}`")
            }
            _ => format!("action `{action}`"),
        };
        let mut known: Vec<_> = registry.iter().map(|action| action.name()).collect();
        known.dedup();
        Err(RouteError::UnknownAction {
            path: lost.path.clone(),
            missing,
            known: known.join(", "),
        })
    }

    /// Finds the action for the segments of a path, below the API's own, still percent-encoded.
    ///
    /// Empty segments at either end do not count. A path with a malformed escape has no action.
    pub(crate) fn find(&self, method: &Method, segments: &[&str]) -> Option<Matched<'_>> {
        let mut candidates = self
            .entries
            .iter()
            .filter(|entry| entry.route.serves(method))
            .peekable();
        candidates.peek()?;
        let mut segments = segments;
        while let [rest @ .., ""] | ["", rest @ ..] = segments {
            segments = rest;
        }
        let segments = segments
            .iter()
            .map(|segment| decode_path(segment))
            .collect::<Option<Vec<_>>>()?;
        candidates.find_map(|entry| {
            Some(Matched {
                params: entry.captures(&segments)?,
                action: &entry.route.action,
                api_version: entry.route.api_version.as_ref(),
            })
        })
    }
}

/// A route, ready to be compared.
#[derive(Clone, Debug)]
struct Entry {
    route: Route,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// In lower case.
    Literal(String),
    Capture {
        name: String,
        rule: Option<Regex>,
    },
}

impl Entry {
    fn new(route: Route) -> Result<Self, RouteError> {
        let path = route.path.clone();
        if route.methods.is_empty() {
            return Err(RouteError::NoMethod { path });
        }
        if route.action.is_empty() {
            return Err(RouteError::NoAction { path });
        }
        if !matches!(
            route.api_version,
            None | Some(Value::Number(_) | Value::String(_))
        ) {
            return Err(RouteError::ApiVersion { path });
        }
        let mut parts = Vec::new();
        for segment in split(&path) {
            let part = Part::new(segment, &path)?;
            if let Part::Capture { name, .. } = &part
                && parts.iter().any(|part: &Part| part.is_capture(name))
            {
                let name = name.clone();
                return Err(RouteError::Duplicate { path, name });
            }
            parts.push(part);
        }
        Ok(Self { route, parts })
    }

    /// What the captures take from `segments`; `None` if the path does not fit.
    fn captures(&self, segments: &[String]) -> Option<Vec<(String, String)>> {
        let fits = if self.route.matches_trailing {
            segments.len() >= self.parts.len()
        } else {
            segments.len() == self.parts.len()
        };
        if !fits {
            return None;
        }
        let mut captures = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => {
                    let segment = segments[index].chars().flat_map(char::to_lowercase);
                    if !segment.eq(literal.chars()) {
                        return None;
                    }
                }
                Part::Capture { name, rule } => {
                    let takes_rest = self.route.matches_trailing && index + 1 == self.parts.len();
                    let end = if takes_rest {
                        segments.len()
                    } else {
                        index + 1
                    };
                    let value = segments[index..end].join("/");
                    if value.is_empty() || rule.as_ref().is_some_and(|rule| !rule.is_match(&value))
                    {
                        return None;
                    }
                    captures.push((name.clone(), value));
                }
            }
        }
        Some(captures)
    }
}

impl Part {
    fn new(segment: &str, path: &str) -> Result<Self, RouteError> {
        let wrong = || RouteError::Segment {
            path: path.to_owned(),
            segment: segment.to_owned(),
        };
        let Some(capture) = segment.strip_prefix(':') else {
            if segment.is_empty() {
                return Err(wrong());
            }
            let lower = segment.chars().flat_map(char::to_lowercase);
            return Ok(Self::Literal(lower.collect()));
        };
        let (name, pattern) = match capture.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or_else(wrong)?)),
            None => (capture, None),
        };
        let is_name_char = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.');
        if name.is_empty() || !name.chars().all(is_name_char) {
            return Err(wrong());
        }
        let rule = pattern.map(whole).transpose();
        Ok(Self::Capture {
            rule: rule.map_err(|error| RouteError::Pattern {
                path: path.to_owned(),
                name: name.to_owned(),
                source: Box::new(error),
            })?,
            name: name.to_owned(),
        })
    }

    fn is_capture(&self, called: &str) -> bool {
        matches!(self, Self::Capture { name, .. } if name == called)
    }
}

/// The segments of a route's path. A slash within the parentheses of a capture belongs to its regular expression.
fn split(path: &str) -> Vec<&str> {
    let mut rest = path.trim_matches('/');
    let mut segments = Vec::new();
    while !rest.is_empty() {
        let slash = rest.find('/').unwrap_or(rest.len());
        let opens = rest.starts_with(':') && rest[..slash].contains('(');
        let end = if opens {
            rest.find(")/")
                .map_or(rest.len(), |parenthesis| parenthesis + 1)
        } else {
            slash
        };
        segments.push(&rest[..end]);
        rest = rest[end..].strip_prefix('/').unwrap_or_default();
    }
    segments
}

/// Compiles a pattern so that it has to describe the whole of a text.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // Alone first: `a)|(b` would be correct between the parentheses, and mean something else.
    Regex::new(pattern)?;
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RouteMethod>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a method or a list of methods")]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    let names = match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(name) => vec![name],
        OneOrMore::More(names) => names,
    };
    let methods = names.iter().map(|name| {
        RouteMethod::named(name).ok_or_else(|| {
            serde::de::Error::custom(format_args!(
                "unknown method `{name}`, expected one of get, post, put, patch, delete, all"
            ))
        })
    });
    methods.collect()
}

#[cfg(test)]
mod tests;
