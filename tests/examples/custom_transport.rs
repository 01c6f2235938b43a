use std::net::SocketAddr;

use serde_json::{Value, json};
use stellar::Server;
use stellar::app::App;
use stellar::engine::Refusal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::engineio::{Opening, Version};
use crate::support::server::{Running, start_server};
use crate::support::socketio::{self, Carrier, Kind, Peer};
use crate::support::{Client, within};
use crate::web::{get, request, send};

#[path = "../../examples/custom_transport.rs"]
#[allow(dead_code, reason = "its `main` is not run here")]
mod example;

/// Whoever says a name gets it as the id; "nobody" is not let in.
fn app() -> App {
    let builder = App::builder().authorize(|handshake| {
        Box::pin(async move {
            handshake.id = handshake.query_param("name");
            if handshake.id.as_deref() == Some("nobody") {
                return Err(Refusal::new("who are you?"));
            }
            Ok(())
        })
    });
    builder.build().unwrap()
}

async fn serve() -> Running {
    let app = app();
    let server = Server::new(app.clone()).transport(example::Sse::default());
    start_server(app, server).await
}

async fn metric(address: SocketAddr, line: &str) -> Option<String> {
    let metrics = get(address, "/metrics").await;
    let mut lines = metrics.text().lines();
    lines.find_map(|found| Some(found.strip_prefix(line)?.trim().to_owned()))
}

/// A reader of the example's event stream.
struct Reader(BufReader<TcpStream>);

impl Reader {
    async fn open(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// What follows `prefix` in the next line that begins with it.
    async fn line(&mut self, prefix: &str) -> String {
        within(prefix, async {
            loop {
                let mut line = String::new();
                assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "it ended");
                if let Some(rest) = line.strip_prefix(prefix) {
                    return rest.trim().to_owned();
                }
            }
        })
        .await
    }

    async fn packet(&mut self) -> Value {
        serde_json::from_str(&self.line("data: ").await).unwrap()
    }
}

#[tokio::test]
async fn a_transport_by_the_notes_is_counted_and_takes_the_id_that_was_chosen() {
    let server = serve().await;
    let at = server.address;
    let mut reader = Reader::open(at, "/sse?name=ann").await;
    let inbox = reader.line(": POST ").await;
    assert_eq!(reader.packet().await["context"], "api");
    let open = "stellar_connections{transport=\"sse\"}";
    assert_eq!(metric(at, open).await.as_deref(), Some("1"));

    let post = async |packet: Value| {
        let sent = send(at, request("POST", &inbox), packet.to_string()).await;
        assert_eq!(sent.status, 202);
    };
    post(json!({"event": "detailsView"})).await;
    assert_eq!(reader.packet().await["data"]["id"], "ann");
    let received = metric(at, "stellar_messages_received_total").await;
    assert_eq!(received.as_deref(), Some("1"));

    // Others know it by that name, and the program finds it by that.
    post(json!({"event": "roomAdd", "room": "defaultRoom"})).await;
    assert_eq!(reader.packet().await["status"], "OK");
    let mut bob = Client::greeted(at, "/ws").await;
    bob.join("defaultRoom").await;
    let view = bob
        .request(json!({"event": "roomView", "room": "defaultRoom"}))
        .await;
    assert_eq!(view["data"]["members"]["ann"]["id"], "ann");
    assert!(server.app.connection("ann").is_some());

    server.app.connection("ann").unwrap().destroy();
    let ended = "stellar_connections_closed_total{reason=\"ended\"}";
    within("the end to be counted", async {
        while metric(at, ended).await.as_deref() != Some("1") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(metric(at, open).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_transport_by_the_notes_has_its_refusals_counted() {
    let server = serve().await;
    let at = server.address;
    let refused = get(at, "/sse?name=nobody").await;
    assert_eq!(
        (refused.status, refused.json()),
        (401, json!({"error": "who are you?"}))
    );
    let foreign = request("GET", "/sse").header("origin", "https://elsewhere.example");
    assert_eq!(send(at, foreign, "").await.status, 403);
    for reason in ["authorization", "origin"] {
        let line = format!("stellar_handshakes_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(at, &line).await.as_deref(), Some("1"), "{reason}");
    }
}

#[tokio::test]
async fn each_transport_takes_the_id_that_was_chosen_and_gives_it_once() {
    let server = serve().await;
    for path in ["/ws?name=ws", "/primus?name=primus"] {
        let mut client = Client::greeted(server.address, path).await;
        let name = path.split('=').next_back().unwrap();
        assert_eq!(client.id().await, name);
        let taken = Client::connect(server.address, path, &[]).await;
        assert_eq!(taken.unwrap_err().status, 500);
    }
    let opening = Opening::new(server.address, Version::V4).query("name=polling");
    let mut client = opening.session().await;
    client.expect_welcome().await;
    assert_eq!(client.details().await["id"], "polling");
    for carrier in [Carrier::Polling, Carrier::Socket] {
        let kind = Kind::new(Version::V4, carrier);
        let name = format!("io {carrier:?}");
        let query = format!("name={}", name.replace(' ', "+"));
        let opening = socketio::opening(server.address, Version::V4).query(&query);
        let mut client = Peer::with(opening, kind).await;
        client.connect().await;
        assert_eq!(client.details().await["id"], *name);
        assert_eq!(client.id, name);
    }
}
