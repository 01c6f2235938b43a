use super::*;

const REFERENCE: &str = include_str!("../../stellar.toml");

/// The reference with every commented option switched on.
fn uncommented() -> String {
    REFERENCE
        .lines()
        .filter_map(|line| match line.strip_prefix("#: ") {
            Some(option) => Some(option),
            None => (!line.starts_with('#')).then_some(line),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_reference_shows_the_defaults() {
    assert_eq!(
        Config::parse(REFERENCE, "stellar.toml").unwrap(),
        Config::default()
    );
    assert_eq!(
        Config::parse(&uncommented(), "stellar.toml").unwrap(),
        Config::default()
    );
}

#[test]
fn the_reference_mentions_every_option() {
    // Options without a default value do not serialize; the reference shows them as examples.
    let mut all = Config {
        public: Some("x".into()),
        ..Config::default()
    };
    all.tls.cert = Some("x".into());
    all.tls.key = Some("x".into());
    all.tls.ticket_key = Some("x".into());
    all.client.url = Some("x".into());
    all.socketio.client_dir = Some("x".into());
    let all = toml::to_string(&all).unwrap();
    for line in all.lines().filter(|line| !line.is_empty()) {
        let name = line.split_once(" = ").map_or(line, |(name, _)| name);
        assert!(
            REFERENCE.lines().any(|line| line
                .trim_start_matches(['#', ':', ' '])
                .trim_start_matches("e.g. ")
                .starts_with(name)),
            "`{name}` is missing in stellar.toml"
        );
    }
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    let error = Config::parse(
        "listen = \"127.0.0.1:1\"\n[general]\nsimultanous_actions = 3\n",
        "x.toml",
    );
    let text = error.unwrap_err().to_string();
    assert!(
        text.starts_with(
            "x.toml: line 3: general.simultanous_actions: unknown field `simultanous_actions`"
        ),
        "{text}"
    );
    assert!(!text.contains('\n'));
}

#[test]
fn transports_are_checked_by_name() {
    let check = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        check_transports(&names).map_err(|error| error.to_string())
    };
    assert!(check(&[]).unwrap_err().contains("--transport"));
    assert!(
        check(&["telepathy"])
            .unwrap_err()
            .contains("unknown transport `telepathy`")
    );
    #[cfg(feature = "ws")]
    {
        assert_eq!(check(&["ws"]), Ok(()));
        assert!(check(&["ws", "ws"]).unwrap_err().contains("twice"));
    }
    #[cfg(all(feature = "ws", not(feature = "socketio")))]
    assert!(
        check(&["ws", "socketio"])
            .unwrap_err()
            .contains("not built in")
    );
}
