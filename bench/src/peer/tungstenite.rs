//! The peer on plain tokio-tungstenite: a task per connection that selects over
//! what is read and what the room says, and one flush per message.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::packets::{self, Deed, Record};
use super::room::{self, Room};

/// The default, 128 KiB, is held by each connection from its first moment.
const READ_BUFFER: usize = 4 * 1024;

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

async fn converse(stream: TcpStream, address: SocketAddr, room: &Room<Utf8Bytes>) -> Result<()> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    let mut record = Record::new(address);
    let (outbox, mut said) = Room::outbox();
    socket
        .send(Message::Text(text(packets::WELCOME.to_vec())?))
        .await?;
    loop {
        tokio::select! {
            Some(push) = said.recv() => socket.send(Message::Text(push)).await?,
            message = socket.next() => match message {
                Some(Ok(Message::Text(packet))) => {
                    let mut answer = Vec::new();
                    let deed = record.answer(&packet, &mut answer);
                    if deed == Some(Deed::Join) {
                        // Whoever has the answer is in the room.
                        room.join(address, &outbox);
                    }
                    socket.send(Message::Text(text(answer)?)).await?;
                    match deed {
                        Some(Deed::Say(message)) => {
                            let mut push = Vec::new();
                            record.write_push(message, packets::unix_millis(), &mut push);
                            room.say(&text(push)?);
                        }
                        Some(Deed::Nothing | Deed::Join) => {}
                        None => return Ok(()),
                    }
                }
                Some(Ok(Message::Close(_))) => return Ok(socket.close(None).await?),
                Some(Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            }
        }
    }
}

fn text(json: Vec<u8>) -> Result<Utf8Bytes> {
    Ok(Utf8Bytes::from(String::from_utf8(json)?))
}
