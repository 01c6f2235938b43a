//! The peer on plain fastwebsockets: two loops in one task per connection, one
//! that reads and answers and one that writes what the room says, and one write
//! per message.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocketError, WebSocketWrite};
use futures_util::future::select;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Mutex, mpsc};

use super::handshake::{self, Head};
use super::packets::{self, Deed, Record};
use super::room::{self, Room};

type Shared = Arc<[u8]>;

type Writer = Mutex<WebSocketWrite<OwnedWriteHalf>>;

pub(super) async fn serve() -> Result<()> {
    let room = Arc::new(Room::new());
    room::accept(|stream, address| {
        let room = Arc::clone(&room);
        tokio::spawn(async move {
            // A client that is gone is no news.
            let _ended = converse(stream, address, &room).await;
            room.leave(address);
        });
    })
    .await
}

async fn converse(mut stream: TcpStream, address: SocketAddr, room: &Room<Shared>) -> Result<()> {
    shake_hands(&mut stream).await?;
    let (reader, writer) = stream.into_split();
    let (mut reader, mut writer) =
        fastwebsockets::after_handshake_split(reader, writer, Role::Server);
    reader.set_auto_close(true);
    reader.set_auto_pong(true);
    // Packets this short are copied behind their header: one buffer to write.
    writer.set_writev(true);
    let writer = Mutex::new(writer);
    let (outbox, said) = Room::outbox();
    let reading = async {
        let mut record = Record::new(address);
        write(&writer, packets::WELCOME).await?;
        loop {
            let mut obligated = async |frame| writer.lock().await.write_frame(frame).await;
            let frame = reader.read_frame(&mut obligated).await?;
            match frame.opcode {
                OpCode::Text => {
                    let text = std::str::from_utf8(&frame.payload)?;
                    answer(text, &mut record, address, &writer, room, &outbox).await?;
                }
                OpCode::Close => return anyhow::Ok(()),
                _ => {}
            }
        }
    };
    select(pin!(reading), pin!(repeat(said, &writer)))
        .await
        .factor_first()
        .0
}

async fn answer(
    text: &str,
    record: &mut Record,
    address: SocketAddr,
    writer: &Writer,
    room: &Room<Shared>,
    outbox: &mpsc::Sender<Shared>,
) -> Result<()> {
    let mut answer = Vec::new();
    let deed = record.answer(text, &mut answer);
    if deed == Some(Deed::Join) {
        // Whoever has the answer is in the room.
        room.join(address, outbox);
    }
    write(writer, &answer).await?;
    match deed {
        Some(Deed::Say(message)) => {
            let mut push = Vec::new();
            record.write_push(message, packets::unix_millis(), &mut push);
            room.say(&push.into());
        }
        Some(Deed::Nothing | Deed::Join) => {}
        None => bail!("no packet"),
    }
    Ok(())
}

async fn repeat(mut said: mpsc::Receiver<Shared>, writer: &Writer) -> Result<()> {
    while let Some(push) = said.recv().await {
        write(writer, &push).await?;
    }
    Ok(())
}

async fn write(writer: &Writer, text: &[u8]) -> Result<(), WebSocketError> {
    let frame = Frame::text(Payload::Borrowed(text));
    writer.lock().await.write_frame(frame).await
}

/// The crate's own handshake needs hyper, whose buffers would stay.
async fn shake_hands(stream: &mut TcpStream) -> Result<()> {
    let mut request = Vec::with_capacity(512);
    loop {
        let count = stream.read_buf(&mut request).await?;
        ensure!(count > 0, "closed during the handshake");
        match handshake::read(&request) {
            Head::Incomplete => {}
            Head::Refused => bail!("no handshake"),
            Head::Upgrade(length, accept) => {
                ensure!(length == request.len(), "frames before the answer");
                let mut answer = Vec::new();
                handshake::write_answer(&mut answer, &accept);
                return Ok(stream.write_all(&answer).await?);
            }
        }
    }
}
