use std::net::SocketAddr;

use serde_json::json;
use stellar::config::Config;

use crate::support::Client;
use crate::support::server::start_app;
use crate::web::{Reply, request, send};

#[path = "../../examples/login.rs"]
#[allow(dead_code, reason = "its `main` is not run here")]
mod example;

async fn post(at: SocketAddr, action: &str, body: &'static str, cookie: &str) -> Reply {
    let form = "application/x-www-form-urlencoded";
    let request = request("POST", &format!("/api/{action}"))
        .header("content-type", form)
        .header("cookie", cookie);
    send(at, request, body).await
}

#[tokio::test]
async fn who_logs_in_over_http_is_known_over_the_socket() {
    let server = start_app(example::app(Config::default()).unwrap()).await;
    let at = server.address;
    let wrong = post(at, "login", "name=ann&password=yellow", "").await;
    assert_eq!(wrong.json()["error"], "wrong name or password");
    let mut cookies = Vec::new();
    for form in ["name=ann&password=violet", "name=bob&password=yellow"] {
        let reply = post(at, "login", form, "").await;
        let cookie = reply.all("set-cookie").into_iter();
        let mut cookie = cookie.filter_map(|set| set.split(';').next());
        let cookie = cookie.find(|pair| pair.starts_with("session=")).unwrap();
        cookies.push(cookie.to_owned());
    }

    // Over HTTP.
    assert_eq!(
        post(at, "whoami", "", &cookies[0]).await.json()["name"],
        "ann"
    );
    let nobody = post(at, "whoami", "", "session=guessed").await;
    assert_eq!(nobody.json()["error"], "log in first");

    // Over the socket.
    let open = async |path: &str, cookie: &str| {
        let headers = [("cookie", cookie)];
        let mut client = Client::connect(at, path, &headers).await.unwrap();
        client.expect_welcome().await;
        client
    };
    let mut ann = open("/ws", &cookies[0]).await;
    let mut bob = open("/primus", &cookies[1]).await;
    let mut guest = Client::greeted(at, "/ws").await;
    assert_eq!(ann.action("whoami", json!({})).await["name"], "ann");
    assert_eq!(bob.details().await["name"], "bob");
    assert_eq!(guest.details().await.get("name"), None);
    let refused = guest
        .request(json!({"event": "roomAdd", "room": "members"}))
        .await;
    assert_eq!(refused["status"], "log in first");

    ann.join("members").await;
    bob.join("members").await;
    ann.say("members", "hello").await;
    assert_eq!(
        bob.hears().await["message"],
        json!({"name": "ann", "text": "hello"})
    );
}
