//! The peer on bare `socketioxide`, without a web framework: verbs are events,
//! answers go through acks, and the rooms are those of the library.
//!
//! Handlers are synchronous. The library starts a task for each call of an
//! asynchronous one, and a client's messages would overtake each other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::handler::{FromMessageParts, MessageHandler, Value};
use socketioxide::socket::Socket;
use socketioxide::{ParserConfig, SocketIo};
use tokio::net::TcpListener;

use super::packets::unix_millis;

/// What npm `socket.io` allows a message.
const MAX_MESSAGE: usize = 1_000_000;
const MAX_ATTACHMENTS: usize = 10;

/// Packets that may wait for one client: enough that none of this load is
/// refused. It costs nothing until they wait.
const MAX_WAITING: usize = 4_096;

const ROOM: &str = "defaultRoom";

pub(super) async fn serve() -> Result<()> {
    let parser = ParserConfig::common()
        .max_incoming_binaries(MAX_ATTACHMENTS)
        .max_incoming_binary_buf_size(MAX_MESSAGE);
    let (service, io) = SocketIo::builder()
        .max_payload(MAX_MESSAGE as u64)
        .ws_max_message_size(MAX_MESSAGE)
        .ws_max_frame_size(MAX_MESSAGE)
        .max_buffer_size(MAX_WAITING)
        .with_parser(parser)
        .build_svc();
    let handle = io.clone();
    io.ns("/", async move |socket: SocketRef| {
        let member = Arc::new(Member::new(&socket, handle));
        socket.on("detailsView", DetailsView(Arc::clone(&member)));
        socket.on("roomAdd", RoomAdd(Arc::clone(&member)));
        socket.on("say", Say(member));
        report(socket.emit("welcome", &WELCOME));
    });

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(address);
            service.call(request)
        });
        tokio::spawn(
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades(),
        );
    }
}

/// Shows what was not sent: it is printed with the load's complaint that it did not come.
fn report<E: std::fmt::Display>(sent: Result<(), E>) {
    if let Err(error) = sent {
        eprintln!("not sent: {error}");
    }
}

/// What the server keeps of one open connection.
struct Member {
    io: SocketIo,
    id: String,
    address: Option<SocketAddr>,
    connected_at: u64,
    message_count: AtomicU64,
    rooms: Mutex<Vec<String>>,
}

impl Member {
    fn new(socket: &SocketRef, io: SocketIo) -> Self {
        Self {
            io,
            id: socket.id.to_string(),
            address: socket.req_parts().extensions.get().copied(),
            connected_at: unix_millis(),
            message_count: AtomicU64::new(0),
            rooms: Mutex::default(),
        }
    }

    fn rooms(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Serialize>(&self, call: Call, status: &'static str, data: Option<T>) {
        let response = Response {
            status,
            context: "response",
            data,
            message_count: 1 + self.message_count.fetch_add(1, Ordering::Relaxed),
        };
        report(call.ack.send(&response));
    }
}

/// One event of a client.
struct Call {
    socket: Arc<Socket>,
    arguments: Value,
    ack: AckSender,
}

impl Call {
    fn new(socket: Arc<Socket>, mut arguments: Value, ack_id: Option<i64>) -> Self {
        let Ok(ack) = AckSender::from_message_parts(&socket, &mut arguments, &ack_id);
        Self {
            socket,
            arguments,
            ack,
        }
    }

    fn argument<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        Data::from_message_parts(&self.socket, &mut self.arguments, &None)
            .map(|Data(argument)| argument)
            .inspect_err(|error| eprintln!("not read: {error}"))
            .ok()
    }
}

#[derive(Deserialize)]
struct Target {
    room: String,
}

#[derive(Deserialize)]
struct Saying {
    room: String,
    message: String,
}

#[derive(Serialize)]
struct Welcome {
    welcome: &'static str,
    context: &'static str,
}

const WELCOME: Welcome = Welcome {
    welcome: "Hello human! Welcome to Stellar",
    context: "api",
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<T> {
    status: &'static str,
    context: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    message_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    id: &'a str,
    fingerprint: Option<&'a str>,
    #[serde(rename = "remoteIP")]
    remote_ip: Option<std::net::IpAddr>,
    remote_port: Option<u16>,
    params: Params,
    connected_at: u64,
    rooms: &'a [String],
    total_actions: u64,
    pending_actions: u64,
}

#[derive(Serialize)]
struct Params {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Push<'a> {
    message: &'a str,
    room: &'a str,
    from: &'a str,
    context: &'static str,
    sent_at: u64,
}

struct DetailsView(Arc<Member>);

impl MessageHandler<LocalAdapter, ()> for DetailsView {
    fn call(&self, socket: Arc<Socket>, arguments: Value, ack_id: Option<i64>) {
        let call = Call::new(socket, arguments, ack_id);
        let rooms = self.0.rooms();
        let details = Details {
            id: &self.0.id,
            fingerprint: None,
            remote_ip: self.0.address.map(|address| address.ip()),
            remote_port: self.0.address.map(|address| address.port()),
            params: Params {},
            connected_at: self.0.connected_at,
            rooms: &rooms,
            total_actions: 0,
            pending_actions: 0,
        };
        self.0.answer(call, "OK", Some(details));
    }
}

struct RoomAdd(Arc<Member>);

impl MessageHandler<LocalAdapter, ()> for RoomAdd {
    fn call(&self, socket: Arc<Socket>, arguments: Value, ack_id: Option<i64>) {
        let mut call = Call::new(socket, arguments, ack_id);
        match call.argument() {
            Some(Target { room }) if room == ROOM => {
                call.socket.join(ROOM);
                self.0.rooms().push(room);
                self.0.answer(call, "OK", Some(true));
            }
            _ => self.0.answer(call, "Room not exists", None::<bool>),
        }
    }
}

struct Say(Arc<Member>);

impl MessageHandler<LocalAdapter, ()> for Say {
    fn call(&self, socket: Arc<Socket>, arguments: Value, ack_id: Option<i64>) {
        let mut call = Call::new(socket, arguments, ack_id);
        match call.argument() {
            Some(Saying { room, message }) if self.0.rooms().contains(&room) => {
                self.0.answer(call, "OK", None::<bool>);
                let push = Push {
                    message: &message,
                    room: &room,
                    from: &self.0.id,
                    context: "user",
                    sent_at: unix_millis(),
                };
                // Without other nodes it is done at its first poll, in order.
                let emitted = self.0.io.to(room.clone()).emit("say", &push).now_or_never();
                report(emitted.unwrap_or(Ok(())));
            }
            _ => self.0.answer(call, "Connection not in room", None::<bool>),
        }
    }
}
