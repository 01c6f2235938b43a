//! `Accept-Encoding` (RFC 9110 §12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// Whether a client takes answers in `coding`. One that does not say so by name is not asked to.
pub fn takes(headers: &HeaderMap, coding: &str) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|offer| {
            let (name, weight) = offer.split_once(';').unwrap_or((offer, ""));
            name.trim()
                .eq_ignore_ascii_case(coding)
                .then_some(weight.trim())
        })
        .any(|weight| !matches!(weight, "q=0" | "q=0." | "q=0.0" | "q=0.00" | "q=0.000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_zero_is_a_no() {
        for (value, takes_gzip) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("identity", false),
            ("xgzip", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(takes(&headers, "gzip"), takes_gzip, "{value}");
        }
        assert!(!takes(&HeaderMap::new(), "gzip"));
    }
}
