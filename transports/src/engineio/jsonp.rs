//! JSONP, for browsers whose pages cannot send or read requests to other origins in any other way
//! (docs/protocol/engineio.md#jsonp).

use std::borrow::Cow;

use super::Malformed;

/// The slot of a JSONP client: `j=<digits>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Jsonp(u64);

impl Jsonp {
    /// Reads the parameter. Everything but digits is dropped, so that nothing else reaches the script.
    pub(crate) fn parse(value: &str) -> Self {
        let digits = value.bytes().filter(u8::is_ascii_digit).take(18);
        Self(digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
    }

    /// The script that hands `payload` to the client.
    pub(super) fn script(self, payload: &str) -> String {
        let json = serde_json::Value::from(payload).to_string();
        // In older JavaScript these two end a line, also inside strings.
        let json = json
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029");
        format!("___eio[{}]({json});", self.0)
    }

    /// Takes the payload out of a posted form. Line ends come in escaped, because forms change them on their way:
    /// `\n` is a line end, `\\n` a backslash and an `n`.
    pub(crate) fn payload(form: &[u8]) -> Result<String, Malformed> {
        let (_, value) = form_urlencoded::parse(form)
            .find(|(name, _)| name == "d")
            .ok_or(Malformed)?;
        Ok(unescape(value))
    }
}

fn unescape(value: Cow<'_, str>) -> String {
    if !value.contains('\\') {
        return value.into_owned();
    }
    let mut text = String::with_capacity(value.len());
    let mut rest = &*value;
    while let Some(at) = rest.find('\\') {
        let (plain, escaped) = rest.split_at(at);
        text.push_str(plain);
        rest = if let Some(after) = escaped.strip_prefix("\\\\n") {
            text.push_str("\\n");
            after
        } else if let Some(after) = escaped.strip_prefix("\\n") {
            text.push('\n');
            after
        } else {
            text.push('\\');
            &escaped[1..]
        };
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_one_call_with_one_string() {
        assert_eq!(
            Jsonp::parse("7").script("6:4\"a\u{2028}"),
            "___eio[7](\"6:4\\\"a\\u2028\");"
        );
        assert_eq!(
            Jsonp::parse("1];alert(2)//").script(""),
            "___eio[12](\"\");"
        );
    }

    #[test]
    fn posted_forms_are_unescaped() {
        for (form, payload) in [
            ("d=2%3A4a", "2:4a"),
            ("x=1&d=a+b", "a b"),
            ("d=a%5Cnb", "a\nb"),
            ("d=a%5C%5Cnb", "a\\nb"),
            ("d=%5C%5C%5Cn", "\\\\n"),
            ("d=%5Cx%5C", "\\x\\"),
        ] {
            assert_eq!(
                Jsonp::payload(form.as_bytes()).as_deref(),
                Ok(payload),
                "{form}"
            );
        }
        assert_eq!(Jsonp::payload(b"e=1"), Err(Malformed));
    }
}
