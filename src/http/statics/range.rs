//! The header `Range` (RFC 9110 §14.2): one range of bytes.

use std::ops::Range;

use http::HeaderMap;
use http::header::RANGE;

/// What a request wants of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes: at least one, and none beyond the end.
    Part(Range<u64>),
    /// Nothing that is there.
    Nothing,
}

impl Wanted {
    /// Reads the header for a file of `length` bytes.
    ///
    /// A malformed header, another unit, and more than one range are no errors. The answer is the whole file. Several
    /// ranges would need a body in parts, which hardly any client asks for and which is a known way to make a server
    /// send a file many times over.
    pub(super) fn of(headers: &HeaderMap, length: u64) -> Self {
        let mut values = headers.get_all(RANGE).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Self::Whole;
        };
        value
            .to_str()
            .ok()
            .and_then(|value| Self::parse(value, length))
            .unwrap_or(Self::Whole)
    }

    fn parse(value: &str, length: u64) -> Option<Self> {
        let (unit, range) = value.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        let (start, end) = match (first, last) {
            ("", last) => (length.saturating_sub(number(last)?), length),
            (first, "") => (number(first)?, length),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return None;
                }
                (first, last.saturating_add(1).min(length))
            }
        };
        Some(if start < end {
            Self::Part(start..end)
        } else {
            Self::Nothing
        })
    }
}

/// Digits and nothing else. More than fit are beyond the end of any file.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}
