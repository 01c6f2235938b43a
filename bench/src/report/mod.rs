//! The report: medians, ratios of adjacent runs, and whether they reach what
//! they are to reach.

mod document;
mod markdown;
mod plot;
mod results;
#[cfg(test)]
mod testing;

pub(crate) use self::document::write;
pub(crate) use self::markdown::text;
pub(crate) use self::results::{Table, failures};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
    /// Tells how to read the others; has no ratio.
    Neither,
}

#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) label: &'static str,
    pub(crate) better: Better,
}

/// Three significant digits, or all of a whole number.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        large if large >= 99.95 => grouped(value),
        medium if medium >= 9.995 => format!("{value:.1}"),
        small if small >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Whole, with commas.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_or_more() {
        let shown = [1_234_567.8, 123.4, 12.34, 1.234, 0.1234, 0.0, -2_048.0].map(number);
        assert_eq!(
            shown,
            ["1,234,568", "123", "12.3", "1.23", "0.123", "0", "-2,048"]
        );
    }
}
