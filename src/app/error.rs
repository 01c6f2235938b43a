//! The errors of the Stellar protocol, by code (docs/protocol/errors.md#the-table).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A failure that is reported to a client.
///
/// `docs/protocol/errors.md#the-table` lists codes and default texts. Three texts differ from the original servers'
/// ([`ErrorFormat::with_original_texts`]).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// 001: something broke on the server. Details are in its log only.
    Internal,
    /// 002: the action may be called by the server only.
    PrivateAction(String),
    /// 003: a param cannot be read as what it should be.
    InvalidType {
        /// The param.
        param: String,
        /// What it should be.
        expected: String,
    },
    /// 004: no action has this name and version.
    UnknownAction(String),
    /// 005: the action is closed to this type of connection.
    BlockedConnectionType(&'static str),
    /// 006: the server takes no new actions.
    ShuttingDown,
    /// 007: too many actions of this connection are running.
    TooManyPending,
    /// 010: no such file.
    FileMissing,
    /// 011: the file cannot be sent.
    FileUnreadable(String),
    /// 013: the verb is allowed but nothing implements it.
    VerbMissing(String),
    /// 014: the verb is unknown or not allowed.
    VerbRefused(String),
    /// 015: a room or a message is missing.
    RoomAndMessageRequired,
    /// 016: the connection is not in the room.
    NotInRoom {
        /// The connection.
        id: String,
        /// The room.
        room: String,
    },
    /// 016 in the words of `roomView`.
    NotMember {
        /// The connection.
        id: String,
        /// The room.
        room: String,
    },
    /// 017: the connection is in the room already.
    AlreadyInRoom {
        /// The connection.
        id: String,
        /// The room.
        room: String,
    },
    /// 018: the room was destroyed.
    RoomDeleted(String),
    /// 019: no such room.
    RoomMissing(String),
    /// 020: the room exists already.
    RoomExists(String),
    /// 021: no room was named.
    RoomRequired,
    /// 022: the action did not finish in time.
    ActionTimeout(String),
    /// 023: what was received is not a JSON packet.
    InvalidPacket(String),
    /// 029: too many requests of this kind in a short time.
    TooManyRequests {
        /// When the next one is taken, in ms.
        retry_after: u64,
    },
    /// 029: there are as many of something as may be. Waiting alone does not help.
    LimitReached(&'static str),
    /// Whatever an action, a rule or a middleware says: a text, or any other JSON value.
    Custom(Value),
}

/// How errors are put into words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorFormat {
    /// Templates by code that replace the default texts. `{…}` placeholders are those of the default text.
    pub texts: BTreeMap<String, String>,
    /// Sends `error` as bare text instead of `{code, message}`, as servers of 2016 did.
    pub as_text: bool,
}

impl ErrorFormat {
    /// Checks that there is an error with this code, and that all placeholders of the text are among those that it has.
    pub(crate) fn check(code: &str, text: &str) -> Result<(), String> {
        let Some((_, default)) = TEXTS.iter().find(|(known, _)| *known == code) else {
            let codes: Vec<_> = TEXTS.iter().map(|(code, _)| *code).collect();
            return Err(format!(
                "there is no such error; there are {}",
                codes.join(", ")
            ));
        };
        // Of 029 only one of its two default texts has one.
        let more = if code == "029" { LIMIT_REACHED } else { "" };
        let known: Vec<_> = placeholders(default).chain(placeholders(more)).collect();
        match placeholders(text).find(|placeholder| !known.contains(placeholder)) {
            Some(unknown) if known.is_empty() => {
                Err(format!("`{unknown}` stands for nothing here"))
            }
            Some(unknown) => {
                let known = known.join(", ");
                Err(format!("`{unknown}` stands for nothing; choose of {known}"))
            }
            None => Ok(()),
        }
    }

    /// Uses the texts of the original servers where they are others than the default ones, and none was chosen: 010,
    /// 013 and 019, for clients that compare texts.
    #[must_use]
    pub fn with_original_texts(mut self) -> Self {
        for (code, text) in ORIGINAL_TEXTS {
            let chosen = self.texts.entry((*code).to_owned());
            chosen.or_insert_with(|| (*text).to_owned());
        }
        self
    }
}

/// What the original servers say instead.
const ORIGINAL_TEXTS: &[(&str, &str)] = &[
    ("010", "The requested file not exists"),
    ("013", "The verb non't exists ({verb})"),
    ("019", "Room ({room}) does not exists"),
];

/// The default text of 029 where waiting does not help.
const LIMIT_REACHED: &str = "Too many requests: {limit} is reached";

/// What is to be filled in: words in braces.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{').filter_map(|(start, _)| {
        let (word, _) = text[start + 1..].split_once('}')?;
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_word.then(|| &text[start..start + word.len() + 2])
    })
}

/// The default texts.
const TEXTS: &[(&str, &str)] = &[
    ("001", "The server experienced an internal error"),
    ("002", "The action '{action}' is private"),
    (
        "003",
        "Param '{param}' has an invalid type, expected {type}",
    ),
    ("004", "Unknown action ({action}) or invalid apiVersion"),
    (
        "005",
        "This action does not support the {type} connection type",
    ),
    ("006", "The server is shutting down"),
    ("007", "You have too many pending requests"),
    ("010", "The requested file does not exist"),
    ("011", "Error reading file: {detail}"),
    ("013", "The verb does not exist ({verb})"),
    ("014", "Verb not found or not allowed ({verb})"),
    ("015", "Both room and message are required"),
    ("016", "Connection ({id}) not in room ({room})"),
    ("017", "Connection ({id}) already in room ({room})"),
    ("018", "Room ({room}) has been deleted"),
    ("019", "Room ({room}) does not exist"),
    ("020", "Room ({room}) already exists"),
    ("021", "A room is required"),
    ("022", "Response timeout for action '{action}'"),
    ("023", "The packet is not valid: {detail}"),
    ("029", "Too many requests"),
];

impl Error {
    /// An error with a text of the application's own.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Custom(Value::String(text.into()))
    }

    /// 029, until a time has passed.
    pub fn too_many_requests(retry_after: std::time::Duration) -> Self {
        // Rounded up: whoever comes back then is not too early.
        let ms = retry_after.as_nanos().div_ceil(1_000_000);
        Self::TooManyRequests {
            retry_after: u64::try_from(ms).unwrap_or(u64::MAX),
        }
    }

    /// The code in the table; `None` for the application's own errors.
    pub const fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Internal => "001",
            Self::PrivateAction(_) => "002",
            Self::InvalidType { .. } => "003",
            Self::UnknownAction(_) => "004",
            Self::BlockedConnectionType(_) => "005",
            Self::ShuttingDown => "006",
            Self::TooManyPending => "007",
            Self::FileMissing => "010",
            Self::FileUnreadable(_) => "011",
            Self::VerbMissing(_) => "013",
            Self::VerbRefused(_) => "014",
            Self::RoomAndMessageRequired => "015",
            Self::NotInRoom { .. } | Self::NotMember { .. } => "016",
            Self::AlreadyInRoom { .. } => "017",
            Self::RoomDeleted(_) => "018",
            Self::RoomMissing(_) => "019",
            Self::RoomExists(_) => "020",
            Self::RoomRequired => "021",
            Self::ActionTimeout(_) => "022",
            Self::InvalidPacket(_) => "023",
            Self::TooManyRequests { .. } | Self::LimitReached(_) => "029",
            Self::Custom(_) => return None,
        })
    }

    fn placeholders(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Internal
            | Self::ShuttingDown
            | Self::TooManyPending
            | Self::TooManyRequests { .. }
            | Self::FileMissing
            | Self::RoomAndMessageRequired
            | Self::RoomRequired
            | Self::Custom(_) => Vec::new(),
            Self::PrivateAction(action)
            | Self::UnknownAction(action)
            | Self::ActionTimeout(action) => {
                vec![("{action}", action)]
            }
            Self::InvalidType { param, expected } => vec![("{param}", param), ("{type}", expected)],
            Self::BlockedConnectionType(kind) => vec![("{type}", kind)],
            Self::FileUnreadable(detail) | Self::InvalidPacket(detail) => {
                vec![("{detail}", detail)]
            }
            Self::LimitReached(limit) => vec![("{limit}", limit)],
            Self::VerbMissing(verb) | Self::VerbRefused(verb) => vec![("{verb}", verb)],
            Self::NotInRoom { id, room }
            | Self::NotMember { id, room }
            | Self::AlreadyInRoom { id, room } => {
                vec![("{id}", id), ("{room}", room)]
            }
            Self::RoomDeleted(room) | Self::RoomMissing(room) | Self::RoomExists(room) => {
                vec![("{room}", room)]
            }
        }
    }

    /// The text for people.
    pub fn message(&self, format: &ErrorFormat) -> String {
        let Some(code) = self.code() else {
            return match self {
                Self::Custom(Value::String(text)) => text.clone(),
                Self::Custom(Value::Object(fields)) => {
                    match fields.get("message").or_else(|| fields.get("error")) {
                        Some(Value::String(text)) => text.clone(),
                        Some(_) | None => Value::Object(fields.clone()).to_string(),
                    }
                }
                Self::Custom(other) => other.to_string(),
                _ => String::new(),
            };
        };
        let template = match (self, format.texts.get(code)) {
            (Self::NotMember { .. }, None) => "not member of room {room}",
            (Self::LimitReached(_), None) => LIMIT_REACHED,
            (_, Some(text)) => text,
            (_, None) => TEXTS
                .iter()
                .find(|(known, _)| *known == code)
                .map_or("", |(_, text)| text),
        };
        fill(template, &self.placeholders())
    }

    /// The value of `error` on the wire.
    pub fn to_value(&self, format: &ErrorFormat) -> Value {
        match self {
            Self::Custom(value) => value.clone(),
            _ if format.as_text => Value::String(self.message(format)),
            _ => self.to_object(format),
        }
    }

    /// `{code, message}`; with `retryAfter`, in ms, where it helps to come back later.
    pub fn to_object(&self, format: &ErrorFormat) -> Value {
        let mut object = Map::new();
        if let Some(code) = self.code() {
            object.insert("code".into(), json!(code));
        }
        object.insert("message".into(), Value::String(self.message(format)));
        if let Self::TooManyRequests { retry_after } = self {
            object.insert("retryAfter".into(), json!(retry_after));
        }
        Value::Object(object)
    }
}

/// Longest piece of a peer's own text that an error gives back, in bytes.
const MAX_ECHO: usize = 256;

/// Fills a template in one pass, so that a value which looks like a placeholder stays what it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let value = values.iter().find(|(name, _)| rest.starts_with(name));
        match value {
            Some((name, value)) => {
                let mut end = value.len().min(MAX_ECHO);
                while !value.is_char_boundary(end) {
                    end -= 1;
                }
                filled.push_str(&value[..end]);
                if end < value.len() {
                    filled.push('…');
                }
                rest = &rest[name.len()..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message(&ErrorFormat::default()))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_text() {
        let format = ErrorFormat::default();
        assert_eq!(
            Error::RoomMissing("x".into()).to_value(&format),
            json!({"code": "019", "message": "Room (x) does not exist"})
        );
        assert_eq!(
            Error::NotMember {
                id: "i".into(),
                room: "x".into()
            }
            .message(&format),
            "not member of room x"
        );
        let in_room = Error::AlreadyInRoom {
            id: "{room}".into(),
            room: "r".into(),
        };
        assert_eq!(
            in_room.message(&format),
            "Connection ({room}) already in room (r)"
        );
    }

    #[test]
    fn what_is_too_much_names_the_limit_or_says_when_to_come_back() {
        let format = ErrorFormat::default();
        let often = Error::too_many_requests(std::time::Duration::from_micros(1500));
        assert_eq!(
            often.to_value(&format),
            json!({"code": "029", "message": "Too many requests", "retryAfter": 2})
        );
        let many = Error::LimitReached("limits.max_rooms_per_connection");
        assert_eq!(
            many.to_value(&format),
            json!({
                "code": "029",
                "message": "Too many requests: limits.max_rooms_per_connection is reached",
            })
        );
    }

    #[test]
    fn a_long_name_is_not_given_back_whole() {
        let error = Error::VerbRefused("é".repeat(1_000_000));
        let text = error.message(&ErrorFormat::default());
        assert!(
            text.len() < 400 && text.ends_with("…)"),
            "{} bytes",
            text.len()
        );
    }

    #[test]
    fn texts_and_shape_are_configurable() {
        let format = ErrorFormat {
            texts: [("019".to_owned(), "no {room}, {nothing}".to_owned())].into(),
            as_text: true,
        };
        assert_eq!(
            Error::RoomMissing("x".into()).to_value(&format),
            json!("no x, {nothing}")
        );
    }

    #[test]
    fn the_texts_of_the_original_are_a_choice() {
        let format = ErrorFormat {
            texts: [("010".to_owned(), "gone".to_owned())].into(),
            ..ErrorFormat::default()
        };
        let format = format.with_original_texts();
        let missing = Error::RoomMissing("x".into());
        assert_eq!(missing.message(&format), "Room (x) does not exists");
        let verb = Error::VerbMissing("v".into());
        assert_eq!(verb.message(&format), "The verb non't exists (v)");
        assert_eq!(Error::FileMissing.message(&format), "gone");
    }

    #[test]
    fn application_errors_pass_unchanged() {
        let format = ErrorFormat::default();
        let value = json!({"error": "broken", "reason": "stuff"});
        assert_eq!(Error::Custom(value.clone()).to_value(&format), value);
        assert_eq!(Error::Custom(value).message(&format), "broken");
        assert_eq!(Error::text("broken").to_value(&format), json!("broken"));
    }
}
