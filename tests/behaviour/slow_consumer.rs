//! Members that do not read are disconnected with a reason; everybody else gets everything.

use std::time::{Duration, Instant};

use serde_json::json;
use stellar::app::App;
use tokio::net::TcpSocket;

use crate::support::server::{Running, config, start};
use crate::support::{Client, PATIENCE};

/// A member whose system takes little on its behalf. It reads only when it is asked to.
async fn sluggish(server: &Running, path: &str) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let host = server.address.to_string();
    let client = Client::over(Box::new(stream), &host, path, &[]).await;
    let mut client = client.unwrap();
    client.expect_welcome().await;
    client.join("defaultRoom").await;
    client
}

#[tokio::test]
async fn a_member_that_does_not_read_is_cut_with_4001() {
    let config = config(|config| {
        config.limits.max_outbox_bytes = 64 * 1024;
        // Time for the test to begin to read what was left.
        config.limits.close_timeout_ms = 30_000;
    });
    for path in ["/primus", "/ws"] {
        let server = start(App::builder(), config.clone()).await;
        let mut slow = sluggish(&server, path).await;
        let mut speaker = server.primus().await;
        let mut listener = server.plain().await;
        speaker.join("defaultRoom").await;
        listener.join("defaultRoom").await;

        // Each message is heard before the next is said, so only one member can fall behind.
        let message = "x".repeat(16 * 1024);
        let deadline = Instant::now() + 3 * PATIENCE;
        let mut said = 0;
        while server.hub.members_count("defaultRoom") == Some(3) {
            assert!(Instant::now() < deadline, "{said} messages did not fill it");
            assert_eq!(speaker.say("defaultRoom", &*message).await["status"], "OK");
            said += 1;
            for member in [&mut speaker, &mut listener] {
                let packet = member.hears().await;
                assert_eq!(packet["seq"], said, "others get everything");
                assert_eq!(packet["message"].as_str().unwrap().len(), message.len());
            }
        }

        // It finds what was on its way, whole and in order, and then the reason.
        let close = slow.closed().await;
        assert_eq!(close.code, 4001, "{path}");
        assert_eq!(close.reason, "messages are not read fast enough");
        let mut heard = 0;
        while let crate::support::Event::Packet(packet) = slow.next().await {
            heard += 1;
            assert_eq!(packet["seq"], heard);
        }
        assert!(0 < heard && heard < said, "{heard} of {said}");
        assert!(
            !slow.controls.contains(&"primus::server::close".to_owned()),
            "it may return"
        );

        // The room goes on.
        assert_eq!(speaker.say("defaultRoom", "on").await["status"], "OK");
        assert_eq!(listener.hears().await["message"], "on");
    }
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_cut_with_4002() {
    let config = config(|config| {
        config.limits.max_outbox_bytes = 256 * 1024 * 1024;
        config.limits.write_timeout_ms = 500;
        config.limits.close_timeout_ms = 30_000;
    });
    let server = start(App::builder(), config).await;
    let mut slow = sluggish(&server, "/ws").await;
    let id = server.app.connections()[0].id().to_owned();
    let connection = server.app.connection(&id).unwrap();
    let spark = connection.spark().unwrap().clone();
    // More than the system buffers for both ends together.
    let message = "x".repeat(1024 * 1024);
    for _ in 0..32 {
        assert!(connection.send_message(json!({"message": message})));
    }
    crate::support::eventually("the deadline", || !spark.is_open()).await;
    let close = slow.closed().await;
    assert_eq!(close.code, 4002);
    assert_eq!(close.reason, "socket took no data in time");
}

#[tokio::test]
async fn a_slow_reader_that_keeps_up_is_kept() {
    let config = config(|config| {
        config.limits.max_outbox_bytes = 64 * 1024;
        config.limits.write_timeout_ms = 10_000;
    });
    let server = start(App::builder(), config).await;
    let mut slow = sluggish(&server, "/ws").await;
    let mut speaker = server.primus().await;
    speaker.join("defaultRoom").await;
    let message = "x".repeat(16 * 1024);
    for said in 1..=200 {
        speaker.say("defaultRoom", &*message).await;
        speaker.hears().await;
        assert_eq!(slow.hears().await["seq"], said);
        if said % 50 == 0 {
            slow.read_for(Duration::from_millis(20)).await;
        }
    }
}
