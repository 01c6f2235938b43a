//! The program's exit codes, its one line on standard error, and `stellar client`.

use std::net::TcpListener;

use crate::support::Binary;
use crate::support::binary::{Finished, run, write_config};

/// It has failed with one line that says all of this.
#[track_caller]
fn assert_one_line(finished: &Finished, code: i32, says: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.starts_with("stellar: "), "{finished:?}");
    assert!(finished.stderr.ends_with('\n'), "{finished:?}");
    for part in says {
        assert!(finished.stderr.contains(part), "{part} in {finished:?}");
    }
}

/// `serve` with these arguments fails before it opens a port.
async fn serve(arguments: &[&str]) -> Finished {
    run(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat()).await
}

#[tokio::test]
async fn a_bad_flag_is_2() {
    let finished = run(&["serve", "--bogus"]).await;
    assert_one_line(&finished, 2, &["--bogus"]);
    let finished = run(&["serve", "--listen", "nonsense"]).await;
    assert_one_line(
        &finished,
        2,
        &["--listen", "nonsense", "expected ADDRESS:PORT", "no port"],
    );
    let finished = run(&["bogus"]).await;
    assert_one_line(&finished, 2, &["bogus"]);
    let finished = serve(&["--log-format", "xml"]).await;
    assert_one_line(&finished, 2, &["--log-format", "xml", "text, json"]);
    let finished = serve(&["--lisen", "127.0.0.1:0"]).await;
    assert_one_line(&finished, 2, &["--lisen", "--listen"]);
    let finished = serve(&["--log", "stellar=loud"]).await;
    assert_one_line(&finished, 2, &["--log", "stellar=loud"]);
    let finished = serve(&["--log", "verbose"]).await;
    assert_one_line(&finished, 2, &["--log", "`verbose` is no level", "info"]);
}

#[tokio::test]
async fn no_command_is_2_and_tells_which_there_are() {
    let finished = run(&[]).await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    let is_in_word = |c: char| c.is_alphanumeric();
    let mut words = finished.stderr.split(|c| !is_in_word(c));
    assert!(words.any(|word| word == "serve"), "{finished:?}");
}

#[tokio::test]
async fn help_and_version_are_no_errors() {
    for flag in ["--help", "--version"] {
        let finished = run(&[flag]).await;
        assert_eq!(finished.code, Some(0));
        assert!(finished.stdout.contains("stellar"), "{finished:?}");
        assert_eq!(finished.stderr, "");
    }
}

#[tokio::test]
async fn a_transport_that_is_unknown_or_named_twice_is_2() {
    let finished = serve(&["--transport", "telepathy"]).await;
    assert_one_line(&finished, 2, &["unknown transport `telepathy`", "ws"]);
    let finished = serve(&["--transport", "ws,ws"]).await;
    assert_one_line(&finished, 2, &["`ws`", "twice"]);
    let finished = serve(&["--transport", ""]).await;
    assert_one_line(&finished, 2, &["transport"]);
}

#[tokio::test]
async fn blanks_in_a_list_of_transports_mean_nothing() {
    let server = Binary::serve(&["--transport", "ws, polling"], "");
    assert!(
        server
            .announcement
            .iter()
            .any(|it| it.contains("/engine.io"))
    );
    let client = run(&["client", "--transport", "ws, polling"]).await;
    assert_eq!(
        client.stdout,
        run(&["client", "--transport", "ws,polling"]).await.stdout
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_2() {
    let with = async |text: &str| {
        let file = write_config(text);
        let path = file.path().to_str().unwrap();
        (serve(&["--config", path]).await, path.to_owned())
    };
    let (finished, path) = with("[general]\nsimultanous_actions = 3\n").await;
    let says = [
        &*path,
        "line 2",
        "general.",
        "`simultanous_actions`",
        "`simultaneous_actions`",
    ];
    assert_one_line(&finished, 2, &says);
    let (finished, path) = with("[limits]\nping_interval_ms = \"often\"\n").await;
    let says = [
        &*path,
        "line 2",
        "limits.ping_interval_ms",
        "milliseconds",
        "20 to 3600000",
        "\"often\"",
    ];
    assert_one_line(&finished, 2, &says);
    let (finished, path) = with("this is not TOML\n").await;
    assert_one_line(&finished, 2, &[&path, "line 1"]);
    let (finished, _) = with("[limits]\nping_interval_ms = 7\n").await;
    assert_one_line(&finished, 2, &["limits.ping_interval_ms", "20"]);
    let (finished, _) =
        with("[[web.routes]]\nmethod = \"get\"\npath = \"/x/:id(\"\naction = \"status\"\n").await;
    assert_one_line(&finished, 2, &["/x/:id("]);
    let (finished, _) =
        with("[[web.routes]]\nmethod = \"get\"\npath = \"/x\"\naction = \"statsu\"\n").await;
    assert_one_line(&finished, 2, &["web.routes", "/x", "`statsu`", "status"]);
    let (finished, _) = with(
        "[[web.routes]]\nmethod = \"get\"\npath = \"/x\"\naction = \"status\"\napi_version = 9\n",
    )
    .await;
    assert_one_line(
        &finished,
        2,
        &["web.routes", "/x", "version 9 of the action `status`"],
    );
    for (text, says) in [
        ("[doors]\nprimus = \"/api\"\n", "web.url_path_for_actions"),
        ("[doors]\nws = \"/primus/ws\"\n", "below `/primus`"),
        ("[doors]\nws = \"/healthz\"\n", "operations"),
        ("[doors]\nws = \"/stellar-client.js\"\n", "client.name"),
        (
            "[doors]\nengineio = \"/public/eio\"\n",
            "web.url_path_for_files",
        ),
        ("[doors]\nsocketio = \"sio/\"\n", "write /sio"),
        ("[client]\nname = \"ws\"\n", "client.name"),
        ("[web]\nurl_path_for_actions = \"primus\"\n", "doors.primus"),
        (
            "[socketio]\nclient_dir = \"/nowhere/dist\"\n",
            "node_modules/socket.io-client/dist",
        ),
    ] {
        let (finished, _) = with(text).await;
        let key = text.split(['[', ']']).nth(1).unwrap();
        let key = if key == "socketio" {
            "socketio.client_dir"
        } else {
            "doors."
        };
        assert_one_line(&finished, 2, &[key, says]);
    }
    for (text, key, says) in [
        ("[client]\nurl = \"foo\"\n", "client.url", "\"foo\""),
        (
            "[errors.texts]\n\"999\" = \"x\"\n",
            "errors.texts.999",
            "029",
        ),
    ] {
        let (finished, _) = with(text).await;
        assert_one_line(&finished, 2, &[key, says]);
    }
    let finished = serve(&["--config", "/nowhere/stellar.toml"]).await;
    assert_one_line(&finished, 2, &["/nowhere/stellar.toml"]);
    let finished = serve(&["--public", "/nowhere/public"]).await;
    assert_one_line(&finished, 2, &["/nowhere/public", "--public"]);
}

#[tokio::test]
async fn a_bad_tls_file_is_2() {
    let garbage = write_config("this is not PEM\n");
    let garbage = garbage.path().to_str().unwrap();
    let finished = serve(&["--tls-cert", garbage, "--tls-key", garbage]).await;
    assert_one_line(&finished, 2, &[garbage, "PEM", "certificate"]);
    let missing = "/nowhere/cert.pem";
    let finished = serve(&["--tls-cert", missing, "--tls-key", garbage]).await;
    assert_one_line(&finished, 2, &[missing]);
    let finished = serve(&["--tls-cert", garbage]).await;
    assert_one_line(&finished, 2, &["--tls-key"]);
}

#[tokio::test]
async fn a_port_in_use_is_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = run(&["serve", "--listen", &address]).await;
    assert_one_line(
        &finished,
        1,
        &[&address, "another program has this port", "--listen"],
    );
}

#[tokio::test]
async fn listen_takes_names_and_ports() {
    for listen in ["localhost:0", "0", ":0", "127.0.0.1:0"] {
        let server = Binary::serve(&["--listen", listen], "");
        let mut client = server.primus().await;
        client.details().await;
    }
}

#[tokio::test]
async fn the_version_names_commit_and_features() {
    let finished = run(&["--version"]).await;
    let line = finished.stdout.trim_end();
    let (version, rest) = line.split_once(" (commit ").expect(line);
    assert_eq!(version, concat!("stellar ", env!("CARGO_PKG_VERSION")));
    let (commit, features) = rest.split_once(", features: ").expect(line);
    let is_hash = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown", "{line}");
    for feature in ["ws", "polling", "socketio"] {
        let is_on = features
            .trim_end_matches(')')
            .split(' ')
            .any(|name| name == feature);
        let is_built = stellar::transports::entry(feature).unwrap().build.is_some();
        assert_eq!(is_on, is_built, "{line}");
    }
}

#[tokio::test]
async fn the_announcement_names_what_is_open() {
    let server = Binary::demo();
    let text = server.announcement.join("\n");
    let base = format!("http://{}", server.address);
    for part in [
        format!("{base}/\n"),
        format!("{base}/stellar-client "),
        format!("{base}/primus "),
        format!("ws://{}/ws ", server.address),
        format!("{base}/api"),
    ] {
        assert!(text.contains(&part), "{part} in {text}");
    }
}

#[tokio::test]
async fn the_client_is_written_to_standard_output() {
    let readable = run(&["client"]).await;
    assert_eq!((readable.code, &*readable.stderr), (Some(0), ""));
    assert!(readable.stdout.contains("\"StellarClient\""));
    assert!(readable.stdout.contains("\"/primus\""));
    let minified = run(&["client", "--minify"]).await;
    assert_eq!((minified.code, &*minified.stderr), (Some(0), ""));
    assert!(minified.stdout.contains("\"StellarClient\""));
    assert!(minified.stdout.len() * 10 < readable.stdout.len() * 7);
    let all = [
        "client",
        "--transport",
        "ws,polling",
        "--global",
        "Realtime",
    ];
    let named = run(&all).await;
    let expected = readable.stdout.replace("\"StellarClient\"", "\"Realtime\"");
    assert_eq!(named.stdout, expected);
    for alone in ["ws", "polling"] {
        let client = run(&["client", "--transport", alone]).await;
        assert_eq!(client.code, Some(0));
        assert!(client.stdout.len() < readable.stdout.len());
        let transports = format!("\"transports\":[\"{alone}\"]");
        assert!(client.stdout.contains(&transports), "{alone}");
    }
}

#[tokio::test]
async fn the_client_takes_its_settings_from_flags_and_file() {
    let config = write_config(
        "[general]\nsimultaneous_actions = 9\n[client]\ndefault_room = \"lobby\"\nglobal = \"Mine\"\n",
    );
    let config = config.path().to_str().unwrap();
    let url = "https://realtime.example.com";
    let client = run(&["client", "--config", config, "--url", url]).await;
    assert_eq!(client.code, Some(0));
    for part in [
        "\"url\":\"https://realtime.example.com\"",
        "\"simultaneousActions\":9",
        "\"defaultRoom\":\"lobby\"",
        "\"Mine\"",
    ] {
        assert!(client.stdout.contains(part), "{part}");
    }
    for (option, wrong) in [
        ("--url", "</script><script>alert(1)//"),
        ("--global", "a b"),
    ] {
        let finished = run(&["client", option, wrong]).await;
        let key = option.replacen("--", "client.", 1);
        assert_one_line(&finished, 2, &[&key, wrong]);
    }
}

#[tokio::test]
async fn the_client_is_written_to_a_file_and_its_name_chooses_the_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (script, module) = (path("client.js"), path("client.mjs"));
    for file in [&script, &module] {
        let finished = run(&["client", "-o", file]).await;
        assert_eq!(finished.code, Some(0));
        assert_eq!((&*finished.stdout, &*finished.stderr), ("", ""));
    }
    let script = std::fs::read_to_string(script).unwrap();
    assert_eq!(script, run(&["client"]).await.stdout);
    assert!(!script.contains("export "));
    let module = std::fs::read_to_string(module).unwrap();
    assert!(module.contains("export "), "{module}");
}

#[tokio::test]
async fn a_client_that_cannot_be_written_says_why() {
    let finished = run(&["client", "--transport", "telepathy"]).await;
    assert_one_line(&finished, 2, &["unknown transport `telepathy`"]);
    let finished = run(&["client", "-o", "/nowhere/client.js"]).await;
    assert_one_line(&finished, 1, &["/nowhere/client.js"]);
}
