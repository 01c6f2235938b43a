use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::engineio::{Carrier, Jsonp, Misfit, Protocol, Timing};
use crate::polling::clock::Clock;
use crate::polling::table::Table;
use crate::polling::{poll, speaker::Subprotocol};
use crate::{Bus, Event, Handshake, Limits, Metrics, Origins, Payload, Peer, Refusal};

/// Takes everything and says nothing.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl Bus for Silent {
    async fn admit(&self, _: &mut Handshake) -> Result<(), Refusal> {
        Ok(())
    }

    fn dispatch(&self, _: &Arc<Connection>, _: Event<'_>) {}
}

/// A session that polls.
async fn session() -> Arc<Session> {
    let context = Context::start(
        Arc::new(Silent),
        Limits::default(),
        Origins::same_origin(),
        Metrics::default(),
    );
    let timing = Timing {
        interval: 25_000,
        timeout: 20_000,
    };
    let peer = Peer {
        ip: [127, 0, 0, 1].into(),
        port: 1,
        secure: false,
    };
    let table = Table::new(1, 1);
    let json = crate::polling::dialect::Json;
    let paths = crate::Paths::default();
    let (parts, ()) = http::Request::new(()).into_parts();
    let opening = Opening {
        transport: "polling",
        protocol: Protocol::V4,
        base64: false,
        speaker: json
            .admit(Protocol::V4, parts, peer, &context, &paths)
            .await
            .unwrap(),
        may_upgrade: true,
        timing,
        max_payload: 1_000_000,
        close_grace: 30_000,
        place: table.reserve(peer.ip).unwrap(),
        table,
        clock: Clock::start(timing),
    };
    let (session, _) = Session::open(opening, None, &context).unwrap();
    session.start();
    session
}

/// What the client sends is there before it is read. Returns its end of the socket.
async fn socket(text: &str) -> (Arc<Socket>, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    // Masked with zeros.
    let head = [0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    theirs.write_all(&head).await.unwrap();
    theirs.write_all(text.as_bytes()).await.unwrap();
    (Arc::new(Socket::layered(ours)), theirs)
}

/// What the client is told, once the server has let go of the socket.
async fn told(mut theirs: DuplexStream) -> Vec<u8> {
    let mut told = Vec::new();
    theirs.read_to_end(&mut told).await.unwrap();
    told
}

/// The end may come at any point of its way while the probe is read: once it is asked for, once it is taken up, and once
/// it is done.
#[tokio::test]
async fn a_session_that_ends_while_it_is_probed_does_not_answer_the_probe() {
    let asked: fn(&Arc<Session>) = |session| session.connection().close(CloseReason::Ended);
    let taken_up: fn(&Arc<Session>) = |session| {
        session.connection().close(CloseReason::Ended);
        session.connection().take_closing().unwrap();
    };
    let done: fn(&Arc<Session>) = |session| session.end(CloseReason::Ended);
    for end in [asked, taken_up, done] {
        let session = session().await;
        let _ended = session.begin_upgrade().unwrap();
        end(&session);
        let (socket, theirs) = socket("2probe").await;
        assert!(probe(&session, socket, Bytes::new()).await.is_none());
        assert!(told(theirs).await.is_empty(), "no `3probe`");
        assert_eq!(session.carrier(), Carrier::Polling);
    }
}

#[tokio::test]
async fn what_was_said_last_is_there_for_a_client_whose_probe_was_too_late() {
    let session = session().await;
    let _ended = session.begin_upgrade().unwrap();
    session.send_message(&Payload::Text("\"bye\"".into()));
    session.end(CloseReason::Ended);
    let (socket, theirs) = socket("2probe").await;
    assert!(probe(&session, socket, Bytes::new()).await.is_none());
    assert!(told(theirs).await.is_empty());
    session.abandon_upgrade();
    let answer = poll::poll(&session, 1_000_000, None::<Jsonp>)
        .await
        .unwrap();
    assert_eq!(answer.body, "4\"bye\"\u{1e}1");
}

/// The other order: a client that has its answer stops polling, and so the end waits for its socket.
#[tokio::test]
async fn an_end_after_the_answer_waits_for_the_socket() {
    let session = session().await;
    let _ended = session.begin_upgrade().unwrap();
    let (socket, mut theirs) = socket("2probe").await;
    let probing = probe(&session, socket, Bytes::new());
    let client = async {
        let mut answer = [0; 8];
        theirs.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"\x81\x063probe");
        session.end(CloseReason::Ended);
        theirs.write_all(b"\x81\x81\0\0\0\x005").await.unwrap();
    };
    let (sip, ()) = tokio::join!(probing, client);
    assert_eq!(session.finish_upgrade(sip.unwrap().socket), Ok(()));
    assert_eq!(session.carrier(), Carrier::Socket);
    assert_eq!(session.begin_upgrade().unwrap_err(), Misfit::Elsewhere);
}
