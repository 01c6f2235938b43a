//! What texts of a configuration have to be: what is none of it would be taken, and never work.

use super::words::shortened;
use super::{Config, ConfigError};
use crate::app;

/// A text, and what it has to be.
struct Rule<'a> {
    key: &'static str,
    value: &'a str,
    is_right: fn(&str) -> bool,
    expected: &'static str,
}

impl Config {
    /// Checks the texts that stand for something.
    pub(super) fn check_texts(&self) -> Result<(), ConfigError> {
        let (web, client) = (&self.web, &self.client);
        let rules = [
            Rule {
                key: "general.server_name",
                value: &self.general.server_name,
                is_right: |text| !text.contains(char::is_control),
                expected: "a text without control characters, for it is a header's",
            },
            Rule {
                key: "web.url_path_for_actions",
                value: &web.url_path_for_actions,
                is_right: is_segment,
                expected: "one segment of a path without slashes and escapes, such as api",
            },
            Rule {
                key: "web.url_path_for_files",
                value: &web.url_path_for_files,
                is_right: |text| text.is_empty() || is_segment(text),
                expected: "one segment of a path without slashes and escapes, such as public, or nothing",
            },
            Rule {
                key: "web.cookie_key",
                value: &web.cookie_key,
                is_right: is_token,
                expected: "the name of a cookie: letters, digits and any of !#$%&'*+-.^_`|~",
            },
            Rule {
                key: "client.url",
                value: client.url.as_deref().unwrap_or("http://host"),
                is_right: is_base,
                expected: "http:// or https:// and a host, such as https://realtime.example.com; a port and a path may follow",
            },
            Rule {
                key: "client.name",
                value: &client.name,
                is_right: |text| text.is_empty() || is_name_of_a_script(text),
                expected: "a path without a slash in front, escapes, and .js at its end, such as stellar-client, or nothing",
            },
            Rule {
                key: "client.global",
                value: &client.global,
                is_right: is_identifier,
                expected: "a name as JavaScript has them, such as StellarClient",
            },
        ];
        if let Some(wrong) = rules.iter().find(|rule| !(rule.is_right)(rule.value)) {
            return Err(ConfigError::Value(format!(
                "{}: expected {}, but found \"{}\"",
                wrong.key,
                wrong.expected,
                shortened(wrong.value)
            )));
        }
        self.check_names()?;
        for (code, text) in &self.errors.texts {
            if let Err(wrong) = app::ErrorFormat::check(code, text) {
                let code = shortened(code);
                return Err(ConfigError::Value(format!("errors.texts.{code}: {wrong}")));
            }
        }
        Ok(())
    }

    /// Checks that no name is that of something else, which would answer in its place.
    fn check_names(&self) -> Result<(), ConfigError> {
        const OPERATIONS: &str = "a page of operations";
        let mut taken = vec![
            ("healthz", OPERATIONS),
            ("readyz", OPERATIONS),
            ("metrics", OPERATIONS),
        ];
        for (key, name) in [
            ("web.url_path_for_actions", &self.web.url_path_for_actions),
            ("web.url_path_for_files", &self.web.url_path_for_files),
            ("client.name", &self.client.name),
        ] {
            if let Some((_, whose)) = taken.iter().find(|(taken, _)| taken == name) {
                return Err(ConfigError::Value(format!(
                    "{key}: /{name} is that of {whose}: choose another"
                )));
            }
            if !name.is_empty() {
                taken.push((name, key));
            }
        }
        Ok(())
    }
}

/// Whether it is a segment of a path that stands for itself (RFC 3986 §3.3, without escapes).
fn is_segment(text: &str) -> bool {
    let is_of_a_segment =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(is_of_a_segment)
}

/// Whether it is a token of HTTP (RFC 9110 §5.6.2), as names of cookies are.
fn is_token(text: &str) -> bool {
    let is_of_a_token =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_a_token)
}

fn is_name_of_a_script(text: &str) -> bool {
    let has_ending = [".js", ".mjs"].iter().any(|end| text.ends_with(end));
    !has_ending && text.split('/').all(is_segment)
}

/// Whether paths can be put behind it: nothing but a path may be there.
fn is_base(text: &str) -> bool {
    let is_web = |scheme: &str| ["http", "https"].contains(&scheme);
    let Ok(uri) = text.parse::<http::Uri>() else {
        return false;
    };
    let host = uri
        .authority()
        .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    let path = uri.path().trim_matches('/');
    uri.scheme_str().is_some_and(is_web)
        && host
        && !text.contains(['?', '#'])
        && (path.is_empty() || path.split('/').all(is_segment))
}

fn is_identifier(text: &str) -> bool {
    let is_of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '$' | '_');
    let begins_right = !text.starts_with(|c: char| c.is_numeric());
    !text.is_empty() && begins_right && text.chars().all(is_of_a_name)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn check(key: &str, value: &str) -> Result<(), String> {
        let (section, name) = key.rsplit_once('.').unwrap();
        let value = toml::Value::from(value);
        let text = format!("[{section}]\n{name} = {value}\n");
        let config = Config::parse(&text, "x.toml").unwrap();
        config.check_values().map_err(|error| error.to_string())
    }

    #[test]
    fn texts_that_could_never_work_are_refused() {
        for (key, values, says) in [
            (
                "client.url",
                &[
                    "",
                    "foo",
                    "/path",
                    "//host",
                    "ws://host",
                    "ftp://host",
                    "http://",
                    "https:///x",
                    "http://a b",
                    "http://host?x",
                    "http://host/#x",
                    "http://user@host",
                    "http://host/\"x",
                    "javascript:alert(1)",
                ][..],
                "expected http:// or https:// and a host",
            ),
            (
                "client.name",
                &[
                    "/x",
                    "x/",
                    "a//b",
                    "../x",
                    "a b",
                    "a?b",
                    "a#b",
                    "caf\u{e9}",
                    "a%20b",
                    "client.js",
                    "client.mjs",
                ],
                "expected a path without a slash in front",
            ),
            (
                "client.global",
                &["", "9x", "a-b", "a.b", "a b", "x\"", "</script>", "a\nb"],
                "expected a name as JavaScript has them",
            ),
            (
                "web.cookie_key",
                &[
                    "",
                    "a b",
                    "a=b",
                    "a;b",
                    "a,b",
                    "\"a\"",
                    "caf\u{e9}",
                    "a\r\nb",
                    "(a)",
                    "a/b",
                ],
                "expected the name of a cookie",
            ),
            (
                "web.url_path_for_actions",
                &[
                    "",
                    "a/b",
                    "/api",
                    "api/",
                    ".",
                    "..",
                    "a b",
                    "a?b",
                    "a#b",
                    "a%62",
                    "caf\u{e9}",
                    "<a>",
                    "a\\b",
                ],
                "expected one segment of a path",
            ),
            (
                "web.url_path_for_files",
                &["a/b", "/files", "..", "a b", "a?b", "a%62"],
                "expected one segment of a path",
            ),
            (
                "general.server_name",
                &["a\nb", "a\r\nX-Evil: 1", "\u{0}", "\u{7f}"],
                "expected a text without control characters",
            ),
            (
                "errors.texts.777",
                &["x"],
                "there is no such error; there are 001, 002, ",
            ),
            ("errors.texts.19", &["x"], "there is no such error"),
            (
                "errors.texts.019",
                &["no {rom}", "{}{room}{id}", "{Room}"],
                "}` stands for nothing; choose of {room}",
            ),
            (
                "errors.texts.021",
                &["{room}"],
                "`{room}` stands for nothing",
            ),
            (
                "web.url_path_for_actions",
                &["metrics", "healthz"],
                "is that of a page of operations",
            ),
            (
                "web.url_path_for_files",
                &["api"],
                "/api is that of web.url_path_for_actions",
            ),
            (
                "client.name",
                &["api"],
                "/api is that of web.url_path_for_actions",
            ),
            (
                "client.name",
                &["readyz"],
                "is that of a page of operations",
            ),
        ] {
            for value in values {
                let Err(error) = check(key, value) else {
                    panic!("{key} = {value:?} is taken");
                };
                assert!(error.starts_with(&format!("{key}: ")), "{value:?}: {error}");
                assert!(error.contains(says), "{value:?}: {error}");
                assert!(!error.contains(char::is_control), "{value:?}: {error:?}");
            }
        }
    }

    #[test]
    fn the_value_is_shown_and_cut() {
        let error = check("web.cookie_key", &format!("a b{}", "x".repeat(100))).unwrap_err();
        assert!(error.contains("but found \"a bxxx"), "{error}");
        assert!(error.ends_with("x…\""), "{error}");
    }

    #[test]
    fn texts_that_work_are_taken() {
        for (key, values) in [
            (
                "client.url",
                &[
                    "http://localhost",
                    "https://realtime.example.com",
                    "http://127.0.0.1:8080/",
                    "http://[::1]:8080",
                    "https://example.com/behind/a/path",
                    "HTTPS://Example.com",
                ][..],
            ),
            (
                "client.name",
                &["", "client", "my-client.v2", "scripts/client"],
            ),
            ("client.global", &["Mine", "$", "_x9", "Caf\u{e9}"]),
            ("web.cookie_key", &["sid", "__Host-sid", "a.b|c~"]),
            ("web.url_path_for_actions", &["call", "v1.0", "a+b", "~api"]),
            ("web.url_path_for_files", &["", "files"]),
            ("general.server_name", &["", "Caf\u{e9} \u{1F600}", "a\"b"]),
            ("client.default_room", &["", "</script>", "a\nb"]),
            (
                "errors.texts.019",
                &["", "{room}, {{room}} { room } {", "{\"room\": \"{room}\"}"],
            ),
            ("errors.texts.029", &["slower: {limit}"]),
            ("errors.texts.016", &["{id} {room}"]),
        ] {
            for value in values {
                assert_eq!(check(key, value), Ok(()), "{key} = {value:?}");
            }
        }
    }
}
