//! Sub-protocols (RFC 6455 §1.9): a client may name what it means to speak, and browsers hang up if none of it comes back.

use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};

/// What makes a name of these a carrier of a secret: `stellar.bearer.eyJ…`. Browsers have no better place for one.
const SECRETS: [&str; 2] = ["bearer", "token"];

/// The header is not a list of different names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The sub-protocol that a handshake is answered with: the first that is offered, or the first of those that are `wanted`
/// if there are such. One that carries a secret is never said back.
pub(super) fn choose(
    headers: &HeaderMap,
    wanted: &[String],
) -> Result<Option<HeaderValue>, Malformed> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Ok(None);
    }
    let mut offered = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let list = value.to_str().map_err(|_| Malformed)?;
        let names = list.split(',').map(|name| name.trim_matches([' ', '\t']));
        offered.extend(names);
    }
    let is_wanted =
        |name: &str| !is_secret(name) && (wanted.is_empty() || wanted.iter().any(|it| it == name));
    let chosen = offered.iter().copied().find(|name| is_wanted(name));
    // Sorted, because a header has room for ten thousand names.
    offered.sort_unstable();
    let is_repeated = offered.windows(2).any(|pair| pair[0] == pair[1]);
    if is_repeated || !offered.iter().all(|name| is_token(name)) {
        return Err(Malformed);
    }
    Ok(chosen.and_then(|name| HeaderValue::from_str(name).ok()))
}

/// Has offers that carry a secret left out wherever headers are shown.
pub(super) fn hide_secrets(headers: &mut HeaderMap) {
    let http::header::Entry::Occupied(mut offers) = headers.entry(SEC_WEBSOCKET_PROTOCOL) else {
        return;
    };
    for value in offers.iter_mut() {
        let list = value.to_str().unwrap_or_default();
        if list.split(',').any(is_secret) {
            value.set_sensitive(true);
        }
    }
}

/// Whether a server may want it: a name, and not one that carries a secret.
pub(crate) fn can_be_wanted(name: &str) -> bool {
    is_token(name) && !is_secret(name)
}

fn is_secret(name: &str) -> bool {
    let mut segments = name.trim().split('.');
    segments.any(|segment| SECRETS.iter().any(|it| segment.eq_ignore_ascii_case(it)))
        && segments.next().is_some()
}

fn is_token(name: &str) -> bool {
    let is_of_a_token =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_of_a_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(offers: &[&str], wanted: &[&str]) -> Result<Option<String>, Malformed> {
        let mut headers = HeaderMap::new();
        for offer in offers {
            let offer = HeaderValue::from_bytes(offer.as_bytes()).unwrap();
            headers.append(SEC_WEBSOCKET_PROTOCOL, offer);
        }
        let wanted: Vec<_> = wanted.iter().copied().map(str::to_owned).collect();
        let chosen = choose(&headers, &wanted)?;
        Ok(chosen.map(|name| name.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_first_that_is_wanted_is_the_answer() {
        for (offers, wanted, expected) in [
            (&[][..], &[][..], None),
            (&["json"], &[], Some("json")),
            (&["a, b"], &[], Some("a")),
            (&["a \t,\tb", "c"], &[], Some("a")),
            (&["a,b"], &["b", "a"], Some("a")),
            (&["a,b"], &["b"], Some("b")),
            (&["a,b"], &["B"], None),
            (&["A"], &[], Some("A")),
            (&["stellar.bearer.abc, stellar"], &[], Some("stellar")),
            (&["stellar, stellar.bearer.abc"], &[], Some("stellar")),
            (&["stellar.bearer.abc"], &[], None),
            (&["stellar.bearer.abc"], &["stellar.bearer.abc"], None),
            (&["Stellar.Bearer.abc"], &[], None),
            (&["bearer.abc"], &[], None),
            (&["stellar.token.abc"], &[], None),
            (
                &["base64url.bearer.authorization.k8s.io.abc", "x"],
                &[],
                Some("x"),
            ),
            (&["bearer"], &[], Some("bearer")),
            (&["tokens.v1"], &[], Some("tokens.v1")),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(
                answer(offers, wanted),
                Ok(expected),
                "{offers:?} {wanted:?}"
            );
        }
    }

    #[test]
    fn what_is_no_list_of_names_is_malformed() {
        for offers in [
            &[""][..],
            &[","],
            &["a,"],
            &[",a"],
            &["a,,b"],
            &["a b"],
            &["a,a"],
            &["a", "b", "a"],
            &["a", ""],
            &["a\"b"],
            &["a/b"],
            &["a;q=1"],
            &["\u{e9}"],
        ] {
            assert_eq!(answer(offers, &[]), Err(Malformed), "{offers:?}");
        }
    }

    #[test]
    fn ten_thousand_names_are_a_list() {
        let mut names: Vec<_> = (0..10_000).map(|number| format!("n{number}")).collect();
        let list = names.join(",");
        assert_eq!(answer(&[&list], &["n9999"]), Ok(Some("n9999".into())));
        names.push("n5000".into());
        assert_eq!(answer(&[&names.join(",")], &[]), Err(Malformed));
    }

    #[test]
    fn secrets_are_shown_to_nobody() {
        let mut headers = HeaderMap::new();
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("stellar"));
        let secret = HeaderValue::from_static("x, stellar.bearer.hush");
        headers.append(SEC_WEBSOCKET_PROTOCOL, secret);
        hide_secrets(&mut headers);
        let shown = format!("{headers:?}");
        assert!(
            shown.contains("stellar") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
