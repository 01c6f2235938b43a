//! Standard error and output that take nothing: a full disk, a pipe whose reader has gone, no file at all. Each line that
//! the server wants to say is lost then, and nothing else is.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::json;

use crate::raw::Raw;
use crate::support::binary::stellar;
use crate::support::{Binary, Client, within};
use crate::{Arena, DOORS};

/// Where both go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Full,
    ReadByNobody,
    Closed,
}

/// The program with both of them there.
fn mute(place: Place) -> Command {
    let redirect = match place {
        Place::Full => "exec \"$0\" \"$@\" >/dev/full 2>&1",
        // Opened for reading too, or the shell would wait for a reader. Then that one goes.
        Place::ReadByNobody => {
            "f=$(mktemp -u); mkfifo \"$f\"; exec 3<>\"$f\" >\"$f\" 2>&1 3>&-; rm \"$f\"; exec \"$0\" \"$@\""
        }
        Place::Closed => "exec \"$0\" \"$@\" >&- 2>&-",
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", redirect]).arg(stellar().get_program());
    shell
}

/// Until the room has so many members.
async fn members(client: &mut Client, count: u64) {
    within("the number of members", async {
        loop {
            let view = json!({"event": "roomView", "room": "defaultRoom"});
            if client.request(view).await["data"]["membersCount"] == count {
                return;
            }
        }
    })
    .await;
}

/// What the server counts, as soon as it has a place for somebody who asks.
async fn metrics(address: SocketAddr) -> String {
    within("a place", async {
        loop {
            let mut socket = Raw::connect(address).await;
            let ask = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            let _hung_up = socket.try_write(ask).await;
            let answer = String::from_utf8_lossy(&socket.rest().await).into_owned();
            if answer.ends_with("# EOF\n") {
                return answer;
            }
        }
    })
    .await
}

async fn everything_works(place: Place) {
    let config = "[access]\nmax_connections = 12\n";
    let arguments = ["--demo", "--log", "trace"];
    let server = Binary::spawn_unheard(mute(place), &arguments, config);
    let mut arena = Arena::around(server).await;
    arena.bystander.join("defaultRoom").await;
    // Members leave their rooms, however they go.
    for door in DOORS {
        for is_orderly in [true, false] {
            let mut member = Client::greeted(arena.address(), door).await;
            member.join("defaultRoom").await;
            members(&mut arena.bystander, 2).await;
            if is_orderly {
                member.close().await;
            } else {
                member.drop_abruptly();
            }
            members(&mut arena.bystander, 1).await;
        }
        // Pages of other sites are told that they may not connect.
        let origin = [("Origin", "https://evil.test")];
        let refused = Client::connect(arena.address(), door, &origin).await;
        assert_eq!(refused.map(drop).unwrap_err().status, 403);
    }
    // What is no HTTP, and what goes away in the middle of it.
    let mut nonsense = Raw::connect(arena.address()).await;
    nonsense.write("nonsense\r\n\r\n").await;
    nonsense.rest().await;
    let mut half = Raw::connect(arena.address()).await;
    half.write("POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        .await;
    drop(half);
    // One client more than there are places, and then fewer. Sockets that say nothing would make room.
    let mut crowd = Vec::new();
    while let Ok(client) = Client::connect(arena.address(), "/ws", &[]).await {
        crowd.push(client);
    }
    drop(crowd);
    let metrics = metrics(arena.address()).await;
    let count = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    let refused = "stellar_handshakes_refused_total{reason=\"max_connections\"}";
    assert!(count(refused) > 0, "{metrics}");
    // Without a file there is nothing that could fail: the system is asked for one that takes everything.
    let lost = count("stellar_log_writes_lost_total");
    assert_eq!(lost > 0, place != Place::Closed, "{lost}");
    arena.serves().await;
    assert!(arena.server.is_running());
    arena.server.terminate();
    assert_eq!(arena.server.finished().await.code, Some(0));
}

#[tokio::test]
async fn a_full_disk_is_no_harm() {
    everything_works(Place::Full).await;
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_any_more_is_no_harm() {
    everything_works(Place::ReadByNobody).await;
}

#[tokio::test]
async fn no_standard_error_at_all_is_no_harm() {
    everything_works(Place::Closed).await;
}
