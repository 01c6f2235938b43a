//! A client's way to the namespaces of the program: a WebSocket in memory, at whose other end is the library. There is one
//! from the first CONNECT to such a namespace on.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::client::Client;
use super::dialect;
use super::msgpack;
use super::packet::{Kind, Packet, Parser};
use super::plain::plain;
use super::queue::{Owned, Queue};
use super::state::NEVER;
use crate::engineio::Protocol;
use crate::polling::Session;
use crate::{CloseReason, IncomingPayload};

/// Bytes that are read or written at once.
pub(super) const BUFFER: usize = 4096;

/// What engine.io 3 writes in front of a binary message.
const MARKER: u8 = 4;

/// The client's side of a link.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// What the library has not been given.
    pub(super) queue: Queue,
    /// The namespaces that were asked for, and whether the client is in them.
    namespaces: HashMap<String, bool>,
    /// Wakes the task of the link.
    wake: Arc<Notify>,
    /// The session is over: what is left is given to the library, and then the end.
    is_ending: bool,
}

impl Link {
    pub(super) fn is_in(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).copied().unwrap_or_default()
    }

    /// Whether the client is in the namespace, or about to be.
    pub(super) fn knows(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// The client is in the namespace no more. Returns whether it was, or was about to be.
    pub(super) fn leave(&mut self, namespace: &str) -> bool {
        self.namespaces.remove(namespace).is_some()
    }

    /// There is nothing more to come from the client.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        self.wake.notify_one();
    }

    fn push(&mut self, message: Owned) {
        self.queue.push(message);
        self.wake.notify_one();
    }
}

/// Passes on a packet for another namespace than `/`, which came as `message`. Without such namespaces, and so without
/// a library, a CONNECT to one is refused.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn pass(
    client: &Arc<Client>,
    session: &Arc<Session>,
    packet: &Packet<'_>,
    message: IncomingPayload<'_>,
    attachments: &[Bytes],
) -> Result<(), &'static str> {
    let namespace = &*packet.namespace;
    if packet.kind == Kind::Connect {
        super::client::read_auth(packet.data)?;
    }
    let mut state = client.state.lock();
    let Some(library) = &client.shared.library else {
        let parser = state.parser.unwrap_or(Parser::Json);
        drop(state);
        client.send(session, |form| dialect::unknown(form, parser, namespace));
        return Ok(());
    };
    let parser = state.parser.unwrap_or(Parser::Json);
    if state.link.is_none() {
        let Some(handshake) = &state.handshake else {
            return Ok(());
        };
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        library.open(parser, client.protocol, theirs, handshake);
        let link = Box::<Link>::default();
        let task = carry(
            Arc::clone(client),
            Arc::downgrade(session),
            ours,
            Arc::clone(&link.wake),
        );
        tokio::spawn(task);
        state.link = Some(link);
    }
    let Some(link) = &mut state.link else {
        return Ok(());
    };
    if packet.kind == Kind::Connect {
        link.namespaces.entry(namespace.to_owned()).or_default();
    }
    let marker: &[u8] = match client.protocol {
        Protocol::V4 => &[],
        Protocol::V3 => &[MARKER],
    };
    match message {
        IncomingPayload::Text(text) => {
            let packet = plain(text, packet.kind == Kind::Event);
            link.push(Owned::Text(format!("4{packet}")));
        }
        IncomingPayload::Binary(bytes) => {
            let mended = msgpack::mended(bytes);
            link.push(Owned::Binary(mended.unwrap_or_else(|| bytes.to_owned())));
        }
    }
    for attachment in attachments {
        link.push(Owned::Binary([marker, attachment].concat()));
    }
    client.note_room(&state);
    Ok(())
}

/// The task of a link: carries messages both ways until one side ends.
async fn carry(
    client: Arc<Client>,
    session: Weak<Session>,
    stream: DuplexStream,
    wake: Arc<Notify>,
) {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(None)
        .max_frame_size(None);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
    let mut group = None;
    'open: loop {
        while let Some(message) = next(&client, &session) {
            let message = match message {
                Owned::Text(text) => Message::Text(text.into()),
                Owned::Binary(bytes) => Message::Binary(bytes.into()),
            };
            if socket.send(message).await.is_err() {
                break 'open;
            }
        }
        let is_ending = client
            .state
            .lock()
            .link
            .as_ref()
            .is_none_or(|link| link.is_ending);
        if is_ending {
            break;
        }
        tokio::select! {
            () = wake.notified() => {}
            frame = socket.next() => match (frame, session.upgrade()) {
                (Some(Ok(Message::Text(text))), Some(session)) => {
                    // All others are of the library's engine.io, which nobody needs.
                    if let Some(packet) = text.strip_prefix('4') {
                        take_text(&client, &session, packet, &mut group);
                    }
                }
                (Some(Ok(Message::Binary(bytes))), Some(session)) => {
                    take_binary(&client, &session, &bytes, &mut group);
                }
                (Some(Ok(Message::Close(_)) | Err(_)) | None, _) | (_, None) => break,
                (Some(Ok(_)), Some(_)) => {}
            },
        }
    }
    let link = client.state.lock().link.take();
    // Whoever was in a namespace has broken its rules, if the library ends. It lets go of others after a while.
    let was_in =
        link.is_some_and(|link| !link.is_ending && link.namespaces.values().any(|is_in| *is_in));
    if let (true, Some(session)) = (was_in, session.upgrade()) {
        let reason =
            CloseReason::ProtocolError("a packet that makes no sense in its namespace".into());
        session.connection().close(reason);
    }
}

/// The next message for the library.
fn next(client: &Client, session: &Weak<Session>) -> Option<Owned> {
    let next = client.state.lock().link.as_mut()?.queue.pop()?;
    if let Some(session) = session.upgrade() {
        client.make_room(&session);
    }
    Some(next)
}

/// A packet of the library whose attachments follow.
struct Group {
    /// The packet, if the client is to have it.
    text: Option<String>,
    attachments: Vec<Bytes>,
    missing: usize,
}

fn take_text(client: &Client, session: &Session, text: &str, group: &mut Option<Group>) {
    let Ok(packet) = Packet::from_text(text) else {
        return;
    };
    let is_for_client = is_for_client(client, &packet);
    if packet.attachments > 0 {
        *group = Some(Group {
            text: is_for_client.then(|| text.to_owned()),
            attachments: Vec::with_capacity(packet.attachments),
            missing: packet.attachments,
        });
    } else if is_for_client {
        client.send(session, |form| form.message(text));
    }
}

fn take_binary(client: &Client, session: &Session, bytes: &Bytes, group: &mut Option<Group>) {
    let bytes = match client.protocol {
        Protocol::V4 => bytes.clone(),
        Protocol::V3 => bytes.slice(bytes.len().min(1)..),
    };
    let Some(open) = group else {
        let packet = Packet::from_msgpack(&bytes);
        if packet.is_ok_and(|packet| is_for_client(client, &packet)) {
            client.send(session, |form| form.binary(&bytes));
        }
        return;
    };
    open.attachments.push(bytes);
    if open.attachments.len() == open.missing
        && let Some(Group {
            text: Some(text),
            attachments,
            ..
        }) = group.take()
    {
        client.send(session, |form| form.group(&text, &attachments));
    }
}

/// Notes what the library says of its namespaces. In `/` we speak for ourselves.
fn is_for_client(client: &Client, packet: &Packet<'_>) -> bool {
    let namespace = &*packet.namespace;
    if namespace == "/" {
        return false;
    }
    let mut state = client.state.lock();
    if packet.kind == Kind::Connect {
        state.connect_by = NEVER;
    }
    let Some(link) = &mut state.link else {
        return false;
    };
    match packet.kind {
        Kind::Connect => {
            link.namespaces.insert(namespace.to_owned(), true);
        }
        Kind::Disconnect => {
            link.leave(namespace);
        }
        Kind::ConnectError if !link.is_in(namespace) => {
            link.leave(namespace);
        }
        Kind::ConnectError | Kind::Event | Kind::Ack => {}
    }
    true
}
