//! The `polling` transport: polling in both versions, and after the upgrade.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use stellar::Server;
use stellar::config::Config;
use stellar::engine::Engine;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::{Client, Got, Plug};

mod v4 {
    crate::conforms!(super::PollingPlug<4>);
}

mod v3 {
    crate::conforms!(super::PollingPlug<3>);
}

mod upgraded {
    crate::conforms!(super::UpgradedPlug);
}

pub(crate) async fn start(engine: Engine) -> SocketAddr {
    let mut config = Config::default();
    config.polling.ping_interval_ms = 1000;
    config.polling.ping_timeout_ms = 5000;
    // One of the suite's messages is a little larger than the default.
    config.polling.max_payload_bytes = 2_000_000;
    config.socketio.ping_interval_ms = 1000;
    config.socketio.ping_timeout_ms = 5000;
    config.socketio.max_payload_bytes = 2_000_000;
    let server = Server::for_engine(engine, config);
    let server = server.listen(([127, 0, 0, 1], 0));
    let bound = server.bind().await.unwrap();
    let address = bound.local_addr().unwrap();
    tokio::spawn(bound.serve(std::future::pending()));
    address
}

type Http = SendRequest<Full<Bytes>>;

/// One HTTP connection. It ends with `tasks`.
async fn http(address: SocketAddr, tasks: &mut JoinSet<()>) -> Http {
    let socket = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(socket)).await.unwrap();
    tasks.spawn(async move { drop(connection.await) });
    sender
}

/// A request and its answer: status and body. `None` when the connection is gone.
async fn ask(http: &mut Http, method: Method, path: &str, body: String) -> Option<(u16, String)> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(Full::from(body))
        .unwrap();
    http.ready().await.ok()?;
    let response = http.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8(body.to_vec()).unwrap()))
}

/// Opens a session at a door. Returns the path for its requests.
async fn open(http: &mut Http, door: &str, version: u8, query: &str) -> Result<String, u16> {
    let base64 = if version == 3 { "&b64=1" } else { "" };
    let path = format!("{door}?EIO={version}&transport=polling{base64}&{query}");
    let (status, body) = ask(http, Method::GET, &path, String::new()).await.unwrap();
    if status != 200 {
        return Err(status);
    }
    let (_, rest) = body.split_once("\"sid\":\"").unwrap();
    let (sid, _) = rest.split_once('"').unwrap();
    Ok(format!("{path}&sid={sid}"))
}

fn payload(version: u8, packets: &[String]) -> String {
    match version {
        4 => packets.join("\x1e"),
        _ => packets
            .iter()
            .map(|packet| format!("{}:{packet}", packet.encode_utf16().count()))
            .collect(),
    }
}

fn packets(version: u8, payload: &str) -> Vec<String> {
    if version == 4 {
        return payload.split('\x1e').map(str::to_owned).collect();
    }
    let mut packets = Vec::new();
    let mut rest = payload;
    while let Some((length, after)) = rest.split_once(':') {
        let units: Vec<u16> = after.encode_utf16().collect();
        let (packet, left) = units.split_at(length.parse().unwrap());
        let packet = String::from_utf16(packet).unwrap();
        rest = &after[packet.len()..];
        assert_eq!(rest.encode_utf16().count(), left.len());
        packets.push(packet);
    }
    packets
}

struct PollingPlug<const EIO: u8>(SocketAddr);

/// Polls and posts in tasks of its own, as a browser does. A client that does not receive stops polling.
pub(crate) struct PollingClient {
    received: mpsc::Receiver<Got>,
    outgoing: mpsc::Sender<String>,
    tasks: JoinSet<()>,
    binary_prefix: &'static str,
}

impl<const EIO: u8> Plug for PollingPlug<EIO> {
    const TRANSPORT: &'static str = "polling";
    const MAY_GO_UNSEEN: bool = true;
    type Client = PollingClient;

    async fn start(engine: Engine) -> Self {
        Self(start(engine).await)
    }

    async fn connect(&self, query: &str) -> Result<PollingClient, u16> {
        PollingClient::connect(self.0, "/engine.io/", EIO, query).await
    }
}

impl PollingClient {
    pub(crate) async fn connect(
        address: SocketAddr,
        door: &str,
        version: u8,
        query: &str,
    ) -> Result<Self, u16> {
        let mut tasks = JoinSet::new();
        let mut poller = http(address, &mut tasks).await;
        let poster = http(address, &mut tasks).await;
        let path = open(&mut poller, door, version, query).await?;
        let (outgoing, queue) = mpsc::channel(1000);
        let (sender, received) = mpsc::channel(1);
        tasks.spawn(post(version, poster, path.clone(), queue));
        tasks.spawn(poll(version, poller, path, sender, outgoing.clone()));
        Ok(Self {
            received,
            outgoing,
            tasks,
            binary_prefix: if version == 4 { "b" } else { "b4" },
        })
    }
}

/// Posts what there is, as few requests as possible, one at a time.
async fn post(version: u8, mut http: Http, path: String, mut queue: mpsc::Receiver<String>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, 100).await > 0 {
        let body = payload(version, &batch);
        batch.clear();
        if ask(&mut http, Method::POST, &path, body).await.is_none() {
            return;
        }
    }
}

async fn poll(
    version: u8,
    mut http: Http,
    path: String,
    received: mpsc::Sender<Got>,
    outgoing: mpsc::Sender<String>,
) {
    while let Some((200, body)) = ask(&mut http, Method::GET, &path, String::new()).await {
        for packet in packets(version, &body) {
            let got = match packet.split_at(1) {
                ("4", text) => Got::Text(text.to_owned()),
                ("b", digits) => {
                    let digits = digits.strip_prefix(if version == 3 { "4" } else { "" });
                    Got::Binary(BASE64_STANDARD.decode(digits.unwrap()).unwrap())
                }
                ("2", _) => {
                    outgoing.send("3".into()).await.unwrap();
                    continue;
                }
                ("1", _) => return,
                _ => continue,
            };
            if received.send(got).await.is_err() {
                return;
            }
        }
    }
}

impl Client for PollingClient {
    async fn send_text(&mut self, text: &str) {
        self.outgoing.send(format!("4{text}")).await.unwrap();
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        let digits = BASE64_STANDARD.encode(bytes);
        let packet = format!("{}{digits}", self.binary_prefix);
        self.outgoing.send(packet).await.unwrap();
    }

    async fn receive(&mut self) -> Got {
        self.received.recv().await.unwrap_or(Got::Closed)
    }

    async fn close(mut self) {
        self.outgoing.send("1".into()).await.unwrap();
        while self.received.recv().await.is_some() {}
        self.tasks.shutdown().await;
    }
}

/// A session that has moved to WebSocket.
struct UpgradedPlug(SocketAddr);

pub(crate) struct UpgradedClient(WebSocketStream<TcpStream>);

impl Plug for UpgradedPlug {
    const TRANSPORT: &'static str = "polling";
    type Client = UpgradedClient;

    async fn start(engine: Engine) -> Self {
        Self(start(engine).await)
    }

    async fn connect(&self, query: &str) -> Result<UpgradedClient, u16> {
        UpgradedClient::connect(self.0, "/engine.io/", query).await
    }
}

impl UpgradedClient {
    pub(crate) async fn connect(address: SocketAddr, door: &str, query: &str) -> Result<Self, u16> {
        let mut tasks = JoinSet::new();
        let mut poller = http(address, &mut tasks).await;
        let path = open(&mut poller, door, 4, query).await?;
        let path = path.replace("transport=polling", "transport=websocket");
        let socket = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}{path}");
        let (mut socket, _) = tokio_tungstenite::client_async(url, socket).await.unwrap();
        for (say, hear) in [("2probe", Some("3probe")), ("5", None)] {
            socket.send(Message::text(say)).await.unwrap();
            if let Some(hear) = hear {
                let heard = socket.next().await.unwrap().unwrap();
                assert_eq!(heard, Message::text(hear));
            }
        }
        Ok(Self(socket))
    }
}

impl Client for UpgradedClient {
    async fn send_text(&mut self, text: &str) {
        let _closed = self.0.send(Message::text(format!("4{text}"))).await;
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        let _closed = self.0.send(Message::binary(bytes.to_vec())).await;
    }

    async fn receive(&mut self) -> Got {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => match text.split_at(1) {
                    ("4", text) => return Got::Text(text.to_owned()),
                    ("2", _) => drop(self.0.send(Message::text("3")).await),
                    _ => {}
                },
                Some(Ok(Message::Binary(bytes))) => return Got::Binary(bytes.to_vec()),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Got::Closed,
            }
        }
    }

    async fn close(mut self) {
        WebSocketStream::close(&mut self.0, None).await.unwrap();
        while let Some(Ok(_)) = self.0.next().await {}
    }
}
