//! Where realtime clients come in: open doors, closed ones, and paths that only look like them.

use crate::support::Binary;
use crate::web::{self, request};

#[tokio::test]
async fn a_plain_request_at_a_door_is_426() {
    let server = Binary::demo();
    for path in [
        "/primus",
        "/primus/",
        "/primus?_primuscb=1",
        "/primus/any/thing",
        "/ws",
        "/ws/",
    ] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, 426, "{path}");
        assert_eq!(reply.text(), "Upgrade Required");
        assert_eq!(reply.header("content-type"), "text/plain");
        assert_eq!(reply.header("upgrade"), "websocket");
        assert_eq!(reply.header("connection").to_ascii_lowercase(), "upgrade");
    }
}

#[tokio::test]
async fn the_spec_has_its_five_keys_in_order() {
    let server = Binary::demo();
    let reply = web::get(server.address, "/primus/spec").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "application/json")
    );
    let expected = "{\"pingInterval\":30000,\"pathname\":\"/primus\",\"version\":\"8.0.9\",\"parser\":\"json\",\"transformer\":\"websockets\"}";
    assert_eq!(reply.text(), expected);
    for (interval, told) in [("1234", "1234"), ("0", "false")] {
        let server = Binary::configured(&format!("[limits]\nping_interval_ms = {interval}\n"));
        let reply = web::get(server.address, "/primus/spec?x=y").await;
        assert!(
            reply
                .text()
                .starts_with(&format!("{{\"pingInterval\":{told},")),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_client_of_primus_kind_is_where_primus_has_it() {
    let server = Binary::demo();
    for (path, sign) in [
        ("/primus/primus.js", "root[\"Primus\"] = Primus"),
        (
            "/primus/primus.js?transport=polling",
            "\"transports\":[\"polling\"]",
        ),
        ("/primus/primus.min.js", "\"pingTimeout\":45000"),
        ("/primus/primus.mjs", "export default"),
    ] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.text().contains(sign), "{path}");
    }
    let reply = web::get(server.address, "/primus/primus.js?transport=pigeon").await;
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains("ws,polling"), "{}", reply.text());
    let server = Binary::serve(&["--transport", "socketio"], "");
    let reply = web::get(server.address, "/primus/primus.js").await;
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn closed_doors_say_what_is_open() {
    let server = Binary::serve(&["--transport", "ws"], "");
    for (path, transport) in [
        ("/socket.io/?EIO=4&transport=polling", "socketio"),
        ("/socket.io/?EIO=3", "socketio"),
        ("/socket.io/", "socketio"),
        ("/engine.io/?EIO=4&transport=polling", "polling"),
        ("/engine.io", "polling"),
        ("/primus/?EIO=4&transport=polling", "polling"),
        ("/primus?EIO=3&transport=websocket", "polling"),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let reply = web::send(server.address, request(method, path), "").await;
            assert_eq!(reply.status, 400, "{method} {path}");
            assert_eq!(reply.header("content-type"), "application/json");
            let answer = reply.json();
            // What an engine.io client reads.
            assert_eq!(
                (&answer["code"], &answer["message"]),
                (&0.into(), &"Transport unknown".into())
            );
            // What a person reads.
            let expected = format!(
                "the transport `{transport}` is not open on this server; open: ws (/primus, /ws)"
            );
            assert_eq!(answer["error"], expected);
        }
    }
}

#[tokio::test]
async fn a_client_of_socket_io_may_be_a_public_file_at_its_usual_place() {
    let public = tempfile::tempdir().unwrap();
    let folder = public.path().join("socket.io");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("socket.io.min.js"), "io = 1;").unwrap();
    let public = public.path().to_str().unwrap();
    for transports in ["ws,polling,socketio", "ws"] {
        let server = Binary::serve(&["--public", public, "--transport", transports], "");
        let reply = web::get(server.address, "/socket.io/socket.io.min.js").await;
        assert_eq!((reply.status, reply.text()), (200, "io = 1;"));
        let missing = web::get(server.address, "/socket.io/socket.io.js").await;
        assert_eq!(missing.status, 404);
        assert!(missing.text().starts_with("console.error('"));
        assert_eq!(
            missing.header("content-type"),
            "text/javascript; charset=utf-8"
        );
        let map = web::get(server.address, "/socket.io/socket.io.js.map").await;
        assert_eq!(map.status, 404);
        assert!(!map.text().contains("console"));
        let door = web::get(server.address, "/socket.io/?EIO=4&transport=pigeon").await;
        assert_eq!(door.status, 400);
    }
}

#[tokio::test]
async fn only_the_scripts_of_a_client_folder_are_served() {
    let package = tempfile::tempdir().unwrap();
    let dist = package.path().join("dist");
    std::fs::create_dir(&dist).unwrap();
    for (name, content) in [
        ("dist/socket.io.js", "io = 2;"),
        ("dist/index.js", "secret"),
        ("package.json", "secret"),
        ("socket.io.min.js", "secret"),
    ] {
        std::fs::write(package.path().join(name), content).unwrap();
    }
    let config = format!("[socketio]\nclient_dir = {:?}\n", dist.to_str().unwrap());
    let server = Binary::serve(&["--transport", "ws,socketio"], &config);
    let get = async |path: &str| web::get(server.address, path).await;
    let script = get("/socket.io/socket.io.js?v=4").await;
    assert_eq!((script.status, script.text()), (200, "io = 2;"));
    assert_eq!(
        script.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(script.header("access-control-allow-origin"), "*");
    assert_eq!(
        script.header("cache-control"),
        "max-age=60, must-revalidate, public"
    );
    let tag = script.header("etag").to_owned();
    let again = request("GET", "/socket.io/socket.io.js").header("If-None-Match", tag);
    assert_eq!(web::send(server.address, again, "").await.status, 304);
    for path in [
        "/socket.io/index.js",
        "/socket.io/package.json",
        "/socket.io/../package.json",
        "/socket.io/..%2fsocket.io.min.js",
        "/socket.io/%2e%2e/socket.io.min.js",
        "/socket.io/socket.io.js/../../package.json",
        "/socket.io//socket.io.js",
        "/socket.io/./index.js",
        "/socket.io/socket.io.min.js",
        "/socket.io/dist/socket.io.js",
    ] {
        let reply = get(path).await;
        assert!(
            matches!(reply.status, 400 | 404),
            "{path}: {}",
            reply.status
        );
        assert!(!reply.text().contains("secret"), "{path}");
    }
    let post = web::send(
        server.address,
        request("POST", "/socket.io/socket.io.js"),
        "",
    )
    .await;
    assert_eq!(post.status, 405);
    let head = web::send(
        server.address,
        request("HEAD", "/socket.io/socket.io.js"),
        "",
    )
    .await;
    assert_eq!((head.status, head.text()), (200, ""));
}

/// The announcement, closed doors and scripts say where the doors are; what has moved away is a path like any other.
#[tokio::test]
async fn doors_are_where_they_are_chosen() {
    let doors = "[doors]\nprimus = \"/live\"\nws = \"/plain/ws\"\nengineio = \"/eio\"\nsocketio = \"/sio\"\n";
    let server = Binary::serve(&["--demo", "--transport", "ws,socketio"], doors);
    let text = server.announcement.join("\n");
    for part in ["/live (", "/plain/ws (", "/sio ("] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for (path, status) in [
        ("/live", 426),
        ("/plain/ws", 426),
        ("/live/?EIO=4", 400),
        ("/eio/?EIO=4", 400),
        ("/sio/?EIO=4&transport=polling", 200),
        ("/live/spec", 200),
        ("/live/primus.js", 200),
        ("/primus", 404),
        ("/primus/spec", 404),
        ("/primus/primus.js", 404),
        ("/ws", 404),
        ("/engine.io/?EIO=4", 404),
        ("/socket.io/?EIO=4", 404),
        ("/live/primus.jsx", 426),
    ] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, status, "{path}");
    }
    let closed = web::get(server.address, "/eio/?EIO=4").await.json();
    assert_eq!(
        closed["error"],
        "the transport `polling` is not open on this server; open: ws (/live, /plain/ws); socketio (/sio)"
    );
    let spec = web::get(server.address, "/live/spec").await.json();
    assert_eq!(spec["pathname"], "/live");
    let script = web::get(server.address, "/stellar-client.js").await;
    assert!(script.text().contains("\"path\":\"/live\""));
    let script = web::get(server.address, "/stellar-client.js?transport=socketio").await;
    assert!(script.text().contains("\"path\":\"/sio\""));
    let script = web::get(server.address, "/live/primus.js").await;
    assert!(script.text().contains("\"pathname\":\"/live\""));
    let missing = web::get(server.address, "/sio/socket.io.js").await;
    assert!(missing.text().starts_with("console.error('"));
}

#[tokio::test]
async fn paths_that_only_begin_like_a_door_are_404() {
    let server = Binary::demo();
    for path in [
        "/primusfoo",
        "/primus.js",
        "/primusfoo?EIO=4",
        "/wsx",
        "/ws.html",
        "/engine.iox/?EIO=4",
        "/socket.io.js",
        "/PRIMUS",
        "/x/primus",
        "//primus",
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
async fn unknown_paths_are_404_at_once() {
    let server = Binary::demo();
    for path in [
        "/nothing-here",
        "/favicon.ico",
        "/.well-known/none",
        "/a/b/c/d",
        "/index.php",
        "/apix",
        "/apix/status",
        "/healthzz",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "BREW"] {
            let reply = web::send(server.address, request(method, path), "").await;
            assert_eq!(reply.status, 404, "{method} {path}");
        }
    }
}
