//! How a server ends: running actions are finished, clients are told whether to come back, the exit code is 0.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use stellar::app::{Action, App, ChatMiddleware, Context, Verdict};
use stellar::config::Config;

use crate::support::{Binary, Client, Close, Event, eventually, server};

fn sleep(ms: u64) -> Value {
    json!({"event": "action", "params": {"action": "sleep", "sleepDuration": ms}})
}

async fn refuses_connections(address: SocketAddr) {
    eventually("the port to be closed", || {
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err()
    })
    .await;
}

fn going_away() -> Event {
    Event::Closed(Close {
        code: 1001,
        reason: "server is going away".to_owned(),
    })
}

#[tokio::test]
async fn sigterm_answers_running_actions_and_tells_clients_to_come_back() {
    let server = Binary::configured("[general]\nshutdown_timeout_ms = 600000\n");
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    // Long enough to be still running once the port is closed, and all has been asked.
    let running = ann.send(sleep(8000)).await;
    assert_eq!(ann.details().await["pendingActions"], 1);
    server.terminate();
    refuses_connections(server.address).await;

    // New actions are refused, verbs still work, also for others.
    for client in [&mut ann, &mut bob] {
        let answer = client.action("randomNumber", json!({})).await;
        let message = "The server is shutting down";
        assert_eq!(answer["error"], json!({"code": "006", "message": message}));
        client.join("defaultRoom").await;
    }

    let answer = ann.answer(running).await;
    assert_eq!(answer["sleepDuration"], 8000, "{answer}");
    assert_eq!(ann.next().await, going_away());
    assert_eq!(bob.next().await, going_away());
    assert!(!ann.controls.contains(&"primus::server::close".to_owned()));
    let finished = server.finished().await;
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.stderr, "");
}

#[tokio::test]
async fn an_idle_server_ends_at_once_also_by_sigint() {
    for signal in ["TERM", "INT"] {
        // The limits are longer than the test waits; the server waits for none of them in vain.
        let server = Binary::configured(
            "[general]\nshutdown_timeout_ms = 600000\n[limits]\nclose_timeout_ms = 600000\n",
        );
        let mut ann = server.primus().await;
        server.signal(signal);
        assert_eq!(ann.next().await, going_away(), "{signal}");
        assert_eq!(server.finished().await.code, Some(0), "{signal}");
    }
}

#[tokio::test]
async fn an_action_that_does_not_end_is_not_waited_for_beyond_the_limit() {
    let server =
        Binary::configured("[general]\nshutdown_timeout_ms = 300\naction_timeout_ms = 600000\n");
    let mut ann = server.primus().await;
    ann.send(sleep(600_000)).await;
    assert_eq!(ann.details().await["pendingActions"], 1);
    let asked = Instant::now();
    server.terminate();
    assert_eq!(ann.next().await, going_away());
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert_eq!(server.finished().await.code, Some(0));
}

/// An hour's drain, with an action that takes as long.
async fn drains_for_ever() -> (Binary, Client) {
    let server = Binary::serve(
        &["--demo", "--log", "info"],
        "[general]\nshutdown_timeout_ms = 3600000\naction_timeout_ms = 3600000\n",
    );
    let mut ann = server.primus().await;
    ann.send(sleep(3_600_000)).await;
    assert_eq!(ann.details().await["pendingActions"], 1);
    server.terminate();
    refuses_connections(server.address).await;
    (server, ann)
}

#[tokio::test]
async fn who_asks_again_does_not_want_to_wait() {
    for signal in ["TERM", "INT"] {
        let (server, _ann) = drains_for_ever().await;
        server.signal(signal);
        let finished = server.finished().await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let last = finished.stderr.lines().last().unwrap();
        let says = format!("stellar: asked again to stop, by SIG{signal}");
        assert!(last.starts_with(&says), "{last}");
    }
}

/// The end of a terminal is told by the kernel and by the shell, and means nothing where there is none.
#[tokio::test]
async fn a_hangup_is_not_asking_again() {
    let (mut server, mut ann) = drains_for_ever().await;
    server.signal("HUP");
    assert_eq!(ann.details().await["pendingActions"], 1);
    assert!(server.is_running());
}

#[tokio::test]
async fn a_hangup_does_not_end_a_server_without_a_terminal() {
    let server = Binary::serve(&["--log", "info"], "");
    for times in 1..=2 {
        server.signal("HUP");
        eventually("the signal to be heard", || {
            server.log().matches("SIGHUP: ").count() == times
        })
        .await;
        server.primus().await.details().await;
    }
    server.terminate();
    let finished = server.finished().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("asked to stop by SIGTERM"));
}

/// As `nohup` starts it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    let mut shell = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_stellar");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", program]);
    let server = Binary::spawn(shell, &["--log", "info"], "");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    };
    assert_eq!((mask("SigIgn:") & 1, mask("SigCgt:") & 1), (1, 0));
    server.signal("HUP");
    server.primus().await.details().await;
    server.terminate();
    let finished = server.finished().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(!finished.stderr.contains("SIGHUP"), "{finished:?}");
}

/// As when somebody closes the window: what it logs goes nowhere from then on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_terminal_that_is_closed_ends_its_server_within_the_limits() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = openpt(flags).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let mut shell = std::process::Command::new("sh");
    let started = "exec setsid -c \"$0\" \"$@\" <>\"$TERMINAL\" 2>&0";
    shell.args(["-c", started, env!("CARGO_BIN_EXE_stellar")]);
    shell.env("TERMINAL", name.to_str().unwrap());
    let server = Binary::spawn(
        shell,
        &["--demo", "--log", "info"],
        "[general]\nshutdown_timeout_ms = 200\naction_timeout_ms = 3600000\n",
    );
    let mut ann = server.primus().await;
    ann.send(sleep(3_600_000)).await;
    assert_eq!(ann.details().await["pendingActions"], 1);
    drop(terminal);
    assert_eq!(ann.closed().await.code, 1001);
    let finished = server.finished().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

/// Its limits, one after the other: all that can hold up a drain is there, and it ends.
#[tokio::test]
async fn a_drain_takes_no_longer_than_its_limits() {
    let server = Binary::configured(
        "[general]\nshutdown_delay_ms = 100\nshutdown_timeout_ms = 200\naction_timeout_ms = 3600000\n\
         [limits]\nclose_timeout_ms = 200\nbody_timeout_ms = 3600000\nheader_timeout_ms = 3600000\n",
    );
    // An action, a client that does not answer, and a request that does not go on.
    let mut ann = server.primus().await;
    ann.send(sleep(3_600_000)).await;
    assert_eq!(ann.details().await["pendingActions"], 1);
    let bob = server.plain().await;
    bob.go_silent();
    let halves = [
        "GET / HT",
        "POST /api/status HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ];
    let halves = halves.map(|half| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut stream, half.as_bytes()).unwrap();
        stream
    });
    server.terminate();
    assert_eq!(server.finished().await.code, Some(0));
    drop((ann, bob, halves));
}

#[tokio::test]
async fn clients_can_be_told_not_to_come_back() {
    let server = Binary::configured("[general]\ndestroy_clients_on_shutdown = true\n");
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    server.terminate();
    assert!(matches!(ann.next().await, Event::Closed(_)));
    assert_eq!(ann.controls, ["primus::server::close"]);
    assert_eq!(bob.closed().await.code, 1000);
    assert_eq!(server.finished().await.code, Some(0));
}

#[tokio::test]
async fn clients_can_be_told_when_to_come_back() {
    let server = Binary::configured("[general]\nshutdown_retry_within_ms = 90000\n");
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    server.terminate();
    assert_eq!(ann.next().await, going_away());
    assert_eq!(bob.next().await, going_away());
    let [hint] = &ann.controls[..] else {
        panic!("{:?}", ann.controls);
    };
    let after = hint.strip_prefix("primus::server::retry::").unwrap();
    assert!(after.parse::<u32>().unwrap() <= 90_000, "{hint}");
    assert!(bob.controls.is_empty(), "{:?}", bob.controls);
    assert_eq!(server.finished().await.code, Some(0));
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_holds_up_nothing() {
    let server = Binary::configured("[limits]\nclose_timeout_ms = 300\n");
    let ann = server.primus().await;
    // It neither reads nor writes from here on, but stays connected.
    ann.go_silent();
    server.terminate();
    assert_eq!(server.finished().await.code, Some(0));
    drop(ann);
}

/// The normal end of a connection is run for each of them, hooks included.
#[tokio::test]
async fn the_end_waits_for_hooks_of_members_that_leave() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&left);
    let hooks = ChatMiddleware::new("leaving").on_leave(move |connection, room| {
        let seen = Arc::clone(&seen);
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            seen.lock().push((connection.id().to_owned(), room));
            Verdict::Keep
        }
    });
    let builder = App::builder().chat_middleware(hooks);
    let server = server::start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    let id = ann.id().await;
    let hub = Arc::clone(&server.hub);
    let reading = tokio::spawn(async move { ann.closed().await });
    server.stop().await;
    // No waiting here: a program would be gone by now.
    assert_eq!(*left.lock(), [(id, "defaultRoom".to_owned())]);
    assert_eq!(hub.members_count("defaultRoom"), Some(0));
    assert_eq!(reading.await.unwrap().code, 1001);
}

#[tokio::test]
async fn a_running_action_may_call_others_until_it_is_done() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let outer = Action::new("outer", move |context: Context, _: Value| {
        let gate = Arc::clone(&closed);
        async move {
            gate.acquire().await.unwrap().forget();
            context.call("inner", json!({})).await
        }
    });
    let inner = Action::new("inner", |_, _: Value| async { Ok(json!({"inner": true})) });
    let builder = App::builder().action(outer).action(inner.private());
    let mut server = server::start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    let running = ann
        .send(json!({"event": "action", "params": {"action": "outer"}}))
        .await;
    assert_eq!(ann.details().await["pendingActions"], 1);
    server.begin_stop();
    let app = server.app.clone();
    eventually("the drain", || !app.is_running()).await;
    gate.add_permits(1);
    let answer = ann.answer(running).await;
    assert_eq!(answer["inner"], true, "{answer}");
}
