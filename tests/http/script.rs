//! The generated client, under its names.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::support::Binary;
use crate::web::{self, Reply, request};

const NAMES: [&str; 4] = [
    "/stellar-client",
    "/stellar-client.js",
    "/stellar-client.min.js",
    "/stellar-client.mjs",
];

async fn get_with(server: &Binary, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = headers
        .iter()
        .fold(request("GET", path), |request, (name, value)| {
            request.header(*name, *value)
        });
    web::send(server.address, request, "").await
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn check_081_the_client_is_a_script_that_defines_stellar_client() {
    let server = Binary::demo();
    for path in NAMES {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(
            reply.header("content-type"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(
            reply.header("cache-control"),
            "max-age=60, must-revalidate, public"
        );
        assert_eq!(reply.header("vary"), "Accept-Encoding");
        assert_eq!(reply.header("content-encoding"), "");
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        assert!(reply.text().contains("StellarClient"), "{path}");
        assert!(
            reply.text().contains("\"defaultRoom\":\"defaultRoom\""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn each_name_has_its_form() {
    let server = Binary::demo();
    let mut bodies = Vec::new();
    for path in NAMES {
        bodies.push(web::get(server.address, path).await.body);
    }
    let [page, readable, minified, module] = &bodies[..] else {
        unreachable!()
    };
    assert_eq!(page, minified, "pages load the small one");
    assert!(readable.len() > minified.len());
    let module = std::str::from_utf8(module).unwrap();
    assert!(module.contains("export"), "it is an ES module");
    assert!(!std::str::from_utf8(minified).unwrap().contains("export "));
}

#[tokio::test]
async fn the_script_is_compressed_for_whoever_takes_it() {
    let server = Binary::demo();
    for path in NAMES {
        let plain = web::get(server.address, path).await;
        for accepted in [
            "gzip",
            "deflate, gzip;q=0.5, br",
            "gzip, identity",
            "br,gzip",
        ] {
            let reply = get_with(&server, path, &[("accept-encoding", accepted)]).await;
            assert_eq!(reply.header("content-encoding"), "gzip", "{accepted}");
            assert_eq!(reply.header("vary"), "Accept-Encoding");
            assert!(reply.body.len() < plain.body.len());
            assert_eq!(unzip(&reply.body), plain.body);
            assert_ne!(
                reply.header("etag"),
                plain.header("etag"),
                "two forms, two tags"
            );
        }
        for accepted in [
            "",
            "identity",
            "deflate, br",
            "gzip;q=0",
            "gzip; q=0.000",
            "xgzip",
        ] {
            let reply = get_with(&server, path, &[("accept-encoding", accepted)]).await;
            assert_eq!(reply.header("content-encoding"), "", "{accepted}");
            assert_eq!(reply.body, plain.body);
        }
    }
}

#[tokio::test]
async fn a_known_script_is_304() {
    let server = Binary::demo();
    for path in NAMES {
        for encoding in ["identity", "gzip"] {
            let first = get_with(&server, path, &[("accept-encoding", encoding)]).await;
            let tag = first.header("etag").to_owned();
            assert!(tag.starts_with('"') && tag.len() > 10, "{tag}");
            let weak = format!("W/{tag}");
            let list = format!("\"other\", {tag}");
            for condition in [&*tag, &*weak, &*list, "*"] {
                let headers = [("accept-encoding", encoding), ("if-none-match", condition)];
                let reply = get_with(&server, path, &headers).await;
                assert_eq!(reply.status, 304, "{condition}");
                assert!(reply.body.is_empty());
                assert_eq!(reply.header("etag"), tag);
            }
            let headers = [
                ("accept-encoding", encoding),
                ("if-none-match", "\"other\""),
            ];
            assert_eq!(get_with(&server, path, &headers).await.status, 200);
        }
    }
    let tag = |path: &'static str| {
        let address = server.address;
        async move { web::get(address, path).await.header("etag").to_owned() }
    };
    assert_ne!(tag(NAMES[0]).await, tag(NAMES[1]).await);
}

#[tokio::test]
async fn a_transport_may_be_chosen() {
    let server = Binary::demo();
    let own = web::get(server.address, "/stellar-client").await;
    let chosen = web::get(
        server.address,
        "/stellar-client?transport=ws%2Cpolling%2Csocketio&_=123",
    );
    let chosen = chosen.await;
    assert_eq!((chosen.status, &chosen.body), (200, &own.body));
    for alone in ["ws", "polling"] {
        let path = format!("/stellar-client?transport={alone}");
        let chosen = web::get(server.address, &path).await;
        let transports = format!("\"transports\":[\"{alone}\"]");
        assert!(chosen.text().contains(&transports), "{alone}");
        assert!(chosen.body.len() < own.body.len(), "{alone}");
    }
    let socketio = web::get(server.address, "/stellar-client?transport=socketio").await;
    assert!(socketio.text().contains("\"path\":\"/socket.io\""));
    for closed in ["socketio,ws", "polling,ws", "nope"] {
        let reply = web::get(
            server.address,
            &format!("/stellar-client?transport={closed}"),
        )
        .await;
        assert_eq!(reply.status, 404);
        assert_eq!(
            reply.text(),
            "there is no client script for this transport; choose ws,polling,socketio or ws or polling or socketio\n"
        );
    }
}

#[tokio::test]
async fn the_script_holds_the_settings_of_its_server() {
    let config = "[client]\nurl = \"https://realtime.example.com\"\nname = \"mine\"\nglobal = \"Mine\"\n\
                  default_room = \"lobby\"\n[limits]\nping_interval_ms = 1000\n[general]\nsimultaneous_actions = 3\n\
                  [web]\nurl_path_for_actions = \"call\"\ncookie_key = \"who\"\n";
    let server = Binary::configured(config);
    let script = web::get(server.address, "/mine").await;
    for setting in [
        "\"url\":\"https://realtime.example.com\"",
        "\"apiPath\":\"/call\"",
        "\"path\":\"/primus\"",
        "\"defaultRoom\":\"lobby\"",
        "\"simultaneousActions\":3",
        "\"transports\":[\"ws\",\"polling\"]",
        "\"pingTimeout\":1500",
        "\"cookieKey\":\"who\"",
        "\"Mine\"",
    ] {
        assert!(script.text().contains(setting), "{setting}");
    }
    assert_eq!(web::get(server.address, "/mine.js").await.status, 200);
    assert_eq!(
        web::get(server.address, "/stellar-client").await.status,
        404
    );
}

#[tokio::test]
async fn the_script_can_be_switched_off() {
    let server = Binary::configured("[client]\nname = \"\"\n");
    for path in NAMES {
        assert_eq!(web::get(server.address, path).await.status, 404, "{path}");
    }
    // Nothing is the script now, and "/" is still the page.
    let page = web::get(server.address, "/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
}

#[tokio::test]
async fn names_are_matched_whole() {
    let server = Binary::demo();
    for path in [
        "/stellar-clientx",
        "/stellar-client/",
        "/stellar-client.min",
        "/stellar-client.js.map",
        "/x/stellar-client",
        "/Stellar-Client",
    ] {
        let reply = web::get(server.address, path).await;
        assert_eq!(
            (reply.status, reply.text()),
            (404, "The requested file does not exist"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_client_is_among_the_public_files_too() {
    let server = Binary::demo();
    for path in ["/public/stellar-client.js", "/public/stellar-client.min.js"] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.text().contains("StellarClient"));
    }
}
