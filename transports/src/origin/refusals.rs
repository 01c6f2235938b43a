//! What the operator is told of pages that were refused.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Origin;

/// How long nothing more is said of an origin.
const PAUSE: Duration = Duration::from_secs(60);
/// Origins that are told apart within that time. All others are one.
const REMEMBERED: usize = 100;
/// Characters of an origin that are shown.
const SHOWN: usize = 200;

/// What was said within the last minute.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    origins: HashMap<String, Seen>,
    others: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    last_said: Instant,
    /// Refusals since then.
    suppressed: u64,
}

/// What there is to say.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    /// Refusals of the same that nothing was said about.
    suppressed: u64,
}

impl Refusals {
    pub(super) fn warn(&self, origin: &[u8]) {
        let line = self.0.lock().note(origin, Instant::now());
        if let Some(Line { text, suppressed }) = line {
            tracing::warn!(suppressed, "{text}");
        }
    }
}

impl Said {
    fn note(&mut self, origin: &[u8], now: Instant) -> Option<Line> {
        let shown = shown(origin);
        if !self.origins.contains_key(&shown) && self.origins.len() >= REMEMBERED {
            self.origins.retain(|_, seen| !seen.is_over(now));
        }
        if let Some(seen) = self.origins.get_mut(&shown) {
            let suppressed = seen.again(now)?;
            let text = text(origin, &shown);
            return Some(Line { text, suppressed });
        }
        if self.origins.len() >= REMEMBERED {
            let suppressed = match &mut self.others {
                Some(others) => others.again(now)?,
                others => others.insert(Seen::new(now)).suppressed,
            };
            let text = "refused pages of so many origins that they are not named one by one";
            return Some(Line {
                text: text.to_owned(),
                suppressed,
            });
        }
        let text = text(origin, &shown);
        self.origins.insert(shown, Seen::new(now));
        Some(Line {
            text,
            suppressed: 0,
        })
    }
}

impl Seen {
    const fn new(now: Instant) -> Self {
        Self {
            last_said: now,
            suppressed: 0,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_said) >= PAUSE
    }

    /// How many were suppressed, if there is something to say again.
    fn again(&mut self, now: Instant) -> Option<u64> {
        if !self.is_over(now) {
            self.suppressed += 1;
            return None;
        }
        let suppressed = self.suppressed;
        *self = Self::new(now);
        Some(suppressed)
    }
}

/// In quotes. Anybody can send anything, so it is a command to copy only if it is an origin.
fn text(origin: &[u8], shown: &str) -> String {
    let named = std::str::from_utf8(origin).ok();
    match named
        .filter(|origin| origin.len() <= SHOWN)
        .and_then(Origin::parse)
    {
        Some(Origin::Opaque) => {
            "refused a page of origin \"null\", as sandboxed pages and local files have it; to let \
                                 in all of those: --origin null"
                .to_owned()
        }
        Some(Origin::Named { .. }) => {
            format!("refused a page of origin \"{shown}\"; to let it in: --origin {shown}")
        }
        None => {
            format!("refused a client that gives \"{shown}\" for its origin, which no page has")
        }
    }
}

fn shown(origin: &[u8]) -> String {
    let mut shown = String::new();
    for byte in origin {
        let escaped = byte.escape_ascii();
        if shown.len() + escaped.len() >= SHOWN {
            shown.push('…');
            break;
        }
        let _infallible = write!(shown, "{escaped}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, suppressed: u64) -> Option<Line> {
        let text = format!("refused a page of origin \"{text}\"; to let it in: --origin {text}");
        Some(Line { text, suppressed })
    }

    #[test]
    fn each_origin_is_named_once_a_minute_with_the_number_in_between() {
        let mut said = Said::default();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(
            said.note(b"https://a.test", at(0)),
            line("https://a.test", 0)
        );
        assert_eq!(
            said.note(b"https://b.test", at(1)),
            line("https://b.test", 0)
        );
        for second in 2..60 {
            assert_eq!(said.note(b"https://a.test", at(second)), None);
        }
        assert_eq!(
            said.note(b"https://a.test", at(60)),
            line("https://a.test", 58)
        );
        assert_eq!(said.note(b"https://a.test", at(61)), None);
        assert_eq!(
            said.note(b"https://b.test", at(61)),
            line("https://b.test", 0)
        );
    }

    #[test]
    fn a_flood_of_origins_takes_no_memory_and_few_lines() {
        let mut said = Said::default();
        let began = Instant::now();
        let mut lines = 0;
        for number in 0..10_000 {
            let origin = format!("https://{number}.test");
            lines += usize::from(said.note(origin.as_bytes(), began).is_some());
        }
        assert_eq!((lines, said.origins.len()), (REMEMBERED + 1, REMEMBERED));
        let later = began + PAUSE;
        assert_eq!(
            said.note(b"https://new.test", later),
            line("https://new.test", 0)
        );
        assert_eq!(said.origins.len(), 1);
    }

    #[test]
    fn what_is_no_origin_is_quoted_and_not_to_be_copied() {
        for (origin, expected) in [
            (&b"$(reboot)"[..], "$(reboot)"),
            (b"https://a.test; reboot", "https://a.test; reboot"),
            (b"a\"b", "a\\\"b"),
            (b"\x1b[31m\xff", "\\x1b[31m\\xff"),
            (b"", ""),
        ] {
            let text = text(origin, &shown(origin));
            let expected = format!(
                "refused a client that gives \"{expected}\" for its origin, which no page has"
            );
            assert_eq!(text, expected);
        }
        for long in [
            format!("https://{}.test", "x".repeat(300)),
            "\u{1}".repeat(300),
        ] {
            let shown = shown(long.as_bytes());
            assert!(
                shown.chars().count() <= SHOWN && shown.ends_with('…'),
                "{shown}"
            );
            assert!(!text(long.as_bytes(), &shown).contains("--origin"));
        }
    }
}
