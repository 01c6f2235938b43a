use super::*;

fn judge(policy: &Origins, origin: &str, host: &str) -> Verdict {
    judge_behind(policy, origin, host, &[])
}

fn judge_behind(policy: &Origins, origin: &str, host: &str, forwarded: &[&str]) -> Verdict {
    let mut headers = HeaderMap::new();
    headers.insert(ORIGIN, origin.parse().unwrap());
    headers.insert(HOST, host.parse().unwrap());
    let mut extensions = Extensions::new();
    if !forwarded.is_empty() {
        let hosts = forwarded.iter().copied().map(str::to_owned);
        extensions.insert(ForwardedHosts(hosts.collect()));
    }
    policy.judge(&headers, &extensions)
}

fn allow(origins: &[&str]) -> Origins {
    Origins::allow(origins).unwrap()
}

#[test]
fn same_origin_compares_host_and_port() {
    let policy = Origins::same_origin();
    let nothing = policy.judge(&HeaderMap::new(), &Extensions::new());
    assert_eq!(nothing, Verdict::NoPage);
    for (origin, host) in [
        ("http://localhost:8080", "localhost:8080"),
        ("https://example.com", "example.com"),
        ("https://example.com", "example.com:443"),
        ("https://example.com:443", "example.com"),
        ("https://Example.com", "example.COM"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://[::1]", "[::1]"),
    ] {
        assert_eq!(
            judge(&policy, origin, host),
            Verdict::Allowed,
            "{origin} on {host}"
        );
    }
    for (origin, host) in [
        ("http://localhost:8081", "localhost:8080"),
        ("https://example.com.evil.test", "example.com"),
        ("https://evil-example.com", "example.com"),
        ("http://example.com", "example.com:443"),
        ("null", "example.com"),
        ("NULL", "example.com"),
        ("file://", "example.com"),
        ("https://", ""),
        ("", "example.com"),
        ("https://example.com@evil.test", "example.com"),
        ("https://example.com:443:443", "example.com"),
        ("https://example.com:+443", "example.com"),
        ("https://example.com:70000", "example.com"),
        ("https://[::1", "[::1"),
        ("://example.com", "example.com"),
        ("//example.com", "example.com"),
        ("javascript://example.com", "example.com"),
    ] {
        assert_eq!(
            judge(&policy, origin, host),
            Verdict::Refused,
            "{origin} on {host}"
        );
    }
}

#[test]
fn what_no_browser_sends_is_no_page_at_the_servers_own_address() {
    let policy = Origins::same_origin();
    for (origin, host) in [
        ("ws://example.com", "example.com"),
        ("wss://example.com", "example.com:443"),
        ("WSS://Example.com:8443", "example.com:8443"),
        ("ws://[::1]:8080/ws", "[::1]:8080"),
        ("http://example.com/", "example.com"),
        ("https://example.com/some/path?query", "example.com"),
        ("example.com", "example.com"),
        ("Example.com:8080", "example.com:8080"),
        ("*", "example.com"),
    ] {
        assert_eq!(
            judge(&policy, origin, host),
            Verdict::NoPage,
            "{origin} on {host}"
        );
    }
    for (origin, host) in [
        ("ws://evil.test", "example.com"),
        ("ws://example.com", "example.com:8080"),
        ("ws://example.com.evil.test", "example.com"),
        ("ws://evil.test/example.com", "example.com"),
        ("ws://example.com@evil.test", "example.com"),
        ("ws://evil.test@example.com", "example.com"),
        ("http://evil.test/", "example.com"),
        ("http://evil.test#example.com", "example.com"),
        ("http://evil.test\\@example.com/", "example.com"),
        ("http://example.com\\.evil.test/", "example.com"),
        ("http:/example.com/", "example.com"),
        ("evil.test", "example.com"),
        ("example.com:8080", "example.com"),
        ("file:///example.com", "example.com"),
        ("**", "example.com"),
        ("*.com", "example.com"),
        ("https://*", "example.com"),
    ] {
        assert_eq!(
            judge(&policy, origin, host),
            Verdict::Refused,
            "{origin} on {host}"
        );
    }
}

#[test]
fn the_hosts_of_a_trusted_proxy_are_own_ones() {
    let policy = Origins::same_origin();
    let forwarded = ["public.test", "other.test:8443"];
    for (origin, verdict) in [
        ("https://public.test", Verdict::Allowed),
        ("http://public.test", Verdict::Allowed),
        ("https://other.test:8443", Verdict::Allowed),
        ("http://internal:8080", Verdict::Allowed),
        ("wss://public.test", Verdict::NoPage),
        ("https://public.test:8443", Verdict::Refused),
        ("https://public.test.evil.test", Verdict::Refused),
        ("https://evil.test", Verdict::Refused),
    ] {
        let judged = judge_behind(&policy, origin, "internal:8080", &forwarded);
        assert_eq!(judged, verdict, "{origin}");
    }
}

#[test]
fn an_allow_list_is_exact() {
    let policy = allow(&[
        "https://app.example.com/",
        "null",
        "http://[0:0:0:0:0:0:0:1]:80",
    ]);
    for origin in [
        "https://app.example.com",
        "https://APP.example.com",
        "https://app.example.com:443",
        "null",
        "http://[::1]",
    ] {
        assert_eq!(
            judge(&policy, origin, "api.test"),
            Verdict::Allowed,
            "{origin}"
        );
    }
    for origin in [
        "http://app.example.com",
        "https://app.example.com.evil.test",
        "https://app.example.com:8443",
        "https://app.example.com/",
        "https://app.example.com.",
        "NULL",
    ] {
        assert_eq!(
            judge(&policy, origin, "api.test"),
            Verdict::Refused,
            "{origin}"
        );
    }
    let all = allow(&["*"]);
    assert_eq!(
        judge(&all, "https://anything.test", "api.test"),
        Verdict::Allowed
    );
    assert_eq!(judge(&all, "null", "api.test"), Verdict::Allowed);
}

#[test]
fn lists_take_what_pages_have_and_leave_hosts_and_ports_open() {
    for (listed, yes, no) in [
        (
            "file://",
            &["file://", "FILE://"][..],
            &["null", "file://x", "content://"][..],
        ),
        ("file:///", &["file://"], &["file:"]),
        ("content://", &["content://"], &["file://"]),
        (
            "capacitor://localhost",
            &["capacitor://localhost"],
            &["capacitor://localhost.evil", "ionic://localhost"],
        ),
        (
            "chrome-extension://abcdef",
            &["chrome-extension://abcdef"],
            &["chrome-extension://abcdeg"],
        ),
        ("app://.", &["app://."], &["app://"]),
        (
            "https://a.test:443",
            &["https://a.test", "https://a.test:443"],
            &["https://a.test:80", "http://a.test"],
        ),
        (
            "http://a.test:80",
            &["http://a.test"],
            &["http://a.test:443", "https://a.test"],
        ),
        ("HTTPS://A.Test", &["https://a.test"], &["https://b.test"]),
        (
            "https://*.a.test",
            &["https://x.a.test", "https://x.y.a.test", "https://X.A.TEST"],
            &[
                "https://a.test",
                "https://.a.test",
                "https://evila.test",
                "https://x.a.test.evil.test",
                "https://x.a.test:8443",
                "http://x.a.test",
                "https://x@.a.test",
                "https://evil.test/.a.test",
                "https://evil.test?.a.test",
                "https://evil.test#.a.test",
                "https://evil.test\\.a.test",
                "https://evil.test%00.a.test",
                "https://*.a.test",
            ],
        ),
        (
            "http://localhost:*",
            &[
                "http://localhost",
                "http://localhost:1",
                "http://localhost:65535",
            ],
            &[
                "https://localhost",
                "http://localhost:",
                "http://localhost:65536",
                "http://localhost:x",
                "http://localhost.evil:80",
                "http://localhost:*",
            ],
        ),
        (
            "https://*.a.test:*",
            &["https://x.a.test:8443"],
            &["https://a.test:8443", "https://x.b.test"],
        ),
    ] {
        let policy = allow(&[listed]);
        for origin in yes {
            assert_eq!(
                judge(&policy, origin, "api.test"),
                Verdict::Allowed,
                "{origin} by {listed}"
            );
        }
        for origin in no {
            assert_eq!(
                judge(&policy, origin, "api.test"),
                Verdict::Refused,
                "{origin} by {listed}"
            );
        }
    }
}

#[test]
fn what_can_be_no_origin_is_refused_in_one_line() {
    for (listed, expected) in [
        ("example.com", "has no scheme: write https://example.com"),
        (
            "*.example.com",
            "has no scheme: write https://*.example.com",
        ),
        (
            "localhost:3000",
            "has no scheme: write https://localhost:3000",
        ),
        ("https://a.test, https://b.test", "is a list"),
        ("https://a.test,https://b.test", "is a list"),
        ("https://a.test https://b.test", "is a list"),
        (
            "https://a.test/path",
            "has a path, which browsers do not send: write https://a.test",
        ),
        ("https://a.test?x", "has a path"),
        ("https://a.test#x", "has a path"),
        ("https://me@a.test", "has a user name"),
        ("https://me:secret@a.test", "has a user name"),
        ("https://bücher.example", "is not in ASCII"),
        ("https://例え.jp", "is not in ASCII"),
        (
            "wss://a.test",
            "is of a scheme that no page has: write https://a.test",
        ),
        (
            "ws://a.test:80",
            "is of a scheme that no page has: write http://a.test:80",
        ),
        ("https://", "has no host"),
        ("https://:443", "has no host"),
        ("https://a.test:", "has a port"),
        ("https://a.test:0", "has a port"),
        ("https://a.test:70000", "has a port"),
        ("https://a.test:+1", "has a port"),
        ("https://a.test:8*", "has a port"),
        ("https://*", "has a `*`"),
        ("https://*a.test", "has a `*`"),
        ("https://**.a.test", "has a `*`"),
        ("https://a.*.test", "has a `*`"),
        ("*://a.test", "has a scheme that is none"),
        ("://a.test", "has a scheme that is none"),
        ("https://a b.test", "is a list"),
        ("https://a%20b.test", "has a host that is none"),
        ("https://[::1", "has a host that is none"),
        ("https://[fe80::1%25eth0]", "has a host that is none"),
        ("https://a.test\nx", "is a list"),
        ("", "has no scheme"),
    ] {
        let error = Origins::allow([listed]).unwrap_err().to_string();
        assert!(error.contains(expected), "{listed}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn two_origin_headers_are_refused() {
    let mut headers = HeaderMap::new();
    headers.append(ORIGIN, "http://a.test".parse().unwrap());
    headers.append(ORIGIN, "http://a.test".parse().unwrap());
    headers.insert(HOST, "a.test".parse().unwrap());
    for policy in [Origins::same_origin(), allow(&["*"])] {
        assert_eq!(policy.judge(&headers, &Extensions::new()), Verdict::Refused);
    }
}
