//! Members that read as fast as their links let them, in rooms where others speak as fast as they can: they hear everything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Arena;
use crate::raw::{self, Raw, TEXT};
use crate::support::engineio::{ENGINE, Half, Opening, PRIMUS, Packet, Request, Session, Version};
use crate::support::socketio::{self, Kind, Peer};
use crate::support::{Client, within};

const SLOW: &str = "stellar_connections_closed_total{reason=\"slow_consumer\"}";

/// The rate of the links, in bytes per second: 40 Mbit/s.
const RATE: f64 = 5_000_000.0;

/// How late a task may wake up on a busy machine.
const LATE: Duration = Duration::from_millis(50);

/// However slow this machine is today, it is the links that make members slow, and no lag is too long.
const UNHURRIED: &str = "ping_interval_ms = 0\nlag_timeout_ms = 600000\nwrite_timeout_ms = 600000\n\
    [polling]\nping_interval_ms = 3600000\n[socketio]\nping_interval_ms = 3600000\n";

/// A sixteenth of the usual limits, so that fewer messages are as much.
const SMALL: &str = "max_outbox_bytes = 524288\nlag_bytes = 131072\n";

/// A link to the server that brings its bytes no faster than that, however many connections share it.
async fn link(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let free_at = Arc::new(Mutex::new(Instant::now()));
        while let Ok((client, _)) = listener.accept().await {
            let socket = TcpSocket::new_v4().unwrap();
            // What is under way on such a link is little.
            socket.set_recv_buffer_size(32 * 1024).unwrap();
            let server = socket.connect(server).await.unwrap();
            let (mut from_client, to_client) = client.into_split();
            let (from_server, mut to_server) = server.into_split();
            tokio::spawn(async move {
                let _broken = tokio::io::copy(&mut from_client, &mut to_server).await;
            });
            tokio::spawn(bring(from_server, to_client, Arc::clone(&free_at)));
        }
    });
    address
}

/// Brings bytes at the rate of a link, one piece after the other.
async fn bring(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, free_at: Arc<Mutex<Instant>>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut piece).await {
        let mut free_at = free_at.lock().await;
        // A machine that is late catches up, but a link does not save up time for later.
        let begins = (*free_at).max(Instant::now() - LATE);
        *free_at = begins + Duration::from_secs_f64(len as f64 / RATE);
        tokio::time::sleep_until(*free_at).await;
        drop(free_at);
        if to.write_all(&piece[..len]).await.is_err() {
            return;
        }
    }
}

/// How clients come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Socket(&'static str),
    Polling(&'static str),
    SocketIo(Kind),
}

const WS: Door = Door::Socket("/ws");
const PRIMUS_SOCKET: Door = Door::Socket("/primus");
const ENGINEIO: Door = Door::Polling(ENGINE);
const PRIMUS_POLLING: Door = Door::Polling(PRIMUS);
const SOCKETIO_POLLING: Door = Door::SocketIo(Kind::PLAIN[0]);
const SOCKETIO_SOCKET: Door = Door::SocketIo(Kind::PLAIN[1]);

/// A member that hears.
enum Reader {
    Socket(Box<Client>),
    Polling(Box<Session>),
    SocketIo(Box<Peer>),
}

impl Reader {
    async fn join(door: Door, address: SocketAddr) -> Self {
        match door {
            Door::Socket(path) => {
                let mut client = Client::greeted(address, path).await;
                client.join("defaultRoom").await;
                Self::Socket(Box::new(client))
            }
            Door::Polling(path) => {
                let opening = Opening::new(address, Version::V4).door(path);
                let mut session = opening.session().await;
                session.expect_welcome().await;
                session.join("defaultRoom").await;
                Self::Polling(Box::new(session))
            }
            Door::SocketIo(kind) => {
                let mut peer = Peer::connected(address, kind).await;
                peer.join("defaultRoom").await;
                Self::SocketIo(Box::new(peer))
            }
        }
    }

    async fn hears(&mut self) -> Value {
        match self {
            Self::Socket(client) => client.hears().await,
            Self::Polling(session) => session.hears().await,
            Self::SocketIo(peer) => peer.hears().await,
        }
    }
}

/// A member that speaks as fast as it can, and takes what it hears as fast as it comes.
enum Speaker {
    Socket(Door, OwnedWriteHalf),
    Polling(Door, Box<Half>),
}

impl Speaker {
    /// Joins. The task takes what is heard, as long as the speaker is connected.
    async fn join(door: Door, address: SocketAddr) -> (Self, JoinHandle<()>) {
        match door {
            Door::Socket(_) | SOCKETIO_SOCKET => {
                let (hears, speaks) = joined_socket(door, address).await.into_split();
                (Self::Socket(door, speaks), tokio::spawn(take_all(hears)))
            }
            Door::Polling(_) | Door::SocketIo(_) => {
                let (mut polls, posts) = joined_session(door, address).await.split();
                let polling = tokio::spawn(async move {
                    let request = Request::get(&polls.target);
                    loop {
                        polls.line.send(&request).await;
                        let reply = polls.line.wait_reply().await;
                        if reply.is_none_or(|reply| reply.status != 200) {
                            return;
                        }
                    }
                });
                (Self::Polling(door, Box::new(posts)), polling)
            }
        }
    }

    /// Says so many messages of this size.
    async fn speak(&mut self, name: usize, count: usize, size: usize) {
        let pad = "x".repeat(size);
        let text = |door, number| {
            let message = json!({"name": name, "number": number, "pad": pad});
            packet(
                door,
                "say",
                &json!({"room": "defaultRoom", "message": message}),
            )
        };
        match self {
            Self::Socket(door, stream) => {
                for number in 0..count {
                    let frame = raw::frame(TEXT, text(*door, number));
                    stream.write_all(&frame).await.unwrap();
                }
            }
            Self::Polling(door, posts) => {
                // As many in a POST as a client that has fallen behind would send.
                let numbers: Vec<_> = (0..count).collect();
                for numbers in numbers.chunks((200_000 / size).max(1)) {
                    let packets: Vec<_> = numbers
                        .iter()
                        .map(|number| Packet::Text(text(*door, *number)))
                        .collect();
                    let payload = Version::V4.payload(&packets);
                    let request = Request::post(&posts.target, payload);
                    assert_eq!(posts.line.exchange(&request).await.status, 200);
                }
            }
        }
    }
}

/// A request as clients of a door write it.
fn packet(door: Door, verb: &str, argument: &Value) -> String {
    let mut all = argument.clone();
    all["event"] = verb.into();
    match door {
        Door::Socket(_) => all.to_string(),
        Door::Polling(_) => format!("4{all}"),
        Door::SocketIo(_) => format!("42[\"{verb}\",{argument}]"),
    }
}

/// Requests and the first words of what answers them.
fn joining(door: Door) -> [(String, &'static str); 2] {
    let (first, greeting, joined) = match door {
        Door::Socket(_) | Door::Polling(_) => ("", "{\"welcome\"", "\"messageCount\":1"),
        Door::SocketIo(_) => ("40", "42[\"welcome\"", "42[\"response\""),
    };
    let join = packet(door, "roomAdd", &json!({"room": "defaultRoom"}));
    [(first.to_owned(), greeting), (join, joined)]
}

async fn joined_socket(door: Door, address: SocketAddr) -> TcpStream {
    let path = match door {
        Door::Socket(path) => path.to_owned(),
        _ => socketio::opening(address, Version::V4).target("websocket"),
    };
    let mut socket = Raw::upgraded(address, &path).await;
    for (request, answer) in joining(door) {
        if !request.is_empty() {
            socket.send(TEXT, request).await;
        }
        loop {
            let payload = socket.frame().await.unwrap().payload;
            if String::from_utf8_lossy(&payload).contains(answer) {
                break;
            }
        }
    }
    let socket = socket.into_blocking();
    socket.set_nonblocking(true).unwrap();
    TcpStream::from_std(socket).unwrap()
}

async fn joined_session(door: Door, address: SocketAddr) -> Session {
    let opening = Opening::new(address, Version::V4);
    let opening = match door {
        Door::Polling(path) => opening.door(path),
        _ => opening.door(socketio::DOOR),
    };
    let mut session = opening.session().await;
    for (request, answer) in joining(door) {
        if !request.is_empty() {
            session.send_text(&request).await;
        }
        loop {
            if let Packet::Text(text) = session.next().await
                && text.contains(answer)
            {
                break;
            }
        }
    }
    session
}

async fn take_all(mut stream: OwnedReadHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

/// Has speakers say so many messages of this size together, and a member at the end of a link hear them all, in order.
async fn all_is_heard(door: Door, speakers: usize, (count, size): (usize, usize), limits: &str) {
    let arena = Arena::configured(&format!("[limits]\n{limits}{UNHURRIED}")).await;
    let mut reader = Reader::join(door, link(arena.address()).await).await;
    let mut speaking = Vec::new();
    let mut hearing = Vec::new();
    for name in 0..speakers {
        let (mut speaker, hears) = Speaker::join(door, arena.address()).await;
        hearing.push(hears);
        speaking.push(tokio::spawn(async move {
            speaker.speak(name, count / speakers, size).await;
            speaker
        }));
    }
    let mut heard = vec![0; speakers];
    for seq in 1..=(count / speakers) * speakers {
        let packet = reader.hears().await;
        assert_eq!(packet["seq"], seq);
        let message = &packet["message"];
        let name = message["name"].as_u64().unwrap() as usize;
        assert_eq!(message["number"], heard[name], "{door:?}, speaker {name}");
        heard[name] += 1;
    }
    let mut done = Vec::new();
    for speaking in speaking {
        done.push(within("the last word", speaking).await.unwrap());
    }
    assert!(!hearing.iter().any(JoinHandle::is_finished), "{door:?}");
    assert_eq!(arena.metric(SLOW).await, 0);
    hearing.iter().for_each(JoinHandle::abort);
    arena.survives().await;
}

/// As [`all_is_heard`], with large messages and with small ones. More than a member may have waiting, and than the systems of
/// both ends take.
async fn all_is_heard_by_members_of(door: Door) {
    all_is_heard(door, 2, (7000, 1000), SMALL).await;
    all_is_heard(door, 3, (120, 64_000), SMALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_messages_of_a_megabyte_are_heard() {
    all_is_heard(WS, 2, (40, 1_000_000), "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_thousand_messages_of_a_kilobyte_are_heard() {
    all_is_heard(ENGINEIO, 3, (30_000, 1000), "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_plain_websockets_hear_all() {
    all_is_heard_by_members_of(WS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_primus_hear_all() {
    all_is_heard_by_members_of(PRIMUS_SOCKET).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_engineio_hear_all() {
    all_is_heard_by_members_of(ENGINEIO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_primus_that_polls_hear_all() {
    all_is_heard_by_members_of(PRIMUS_POLLING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_socketio_that_polls_hear_all() {
    all_is_heard_by_members_of(SOCKETIO_POLLING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_socketio_hear_all() {
    all_is_heard_by_members_of(SOCKETIO_SOCKET).await;
}
