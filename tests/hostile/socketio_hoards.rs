//! socket.io: sessions that are opened, or half opened, and abandoned (B4).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Arena;
use crate::support::PATIENCE;
use crate::support::engineio::{Line, Packet, Request, Version};
use crate::support::socketio::{DOOR, Kind, Peer, text};

/// Sessions that nobody cares for end soon, but not before a client on a busy machine has done what it came for. Nobody is
/// over a limit by their number.
const QUICK: &str = "[socketio]\nping_interval_ms = 1000\nping_timeout_ms = 4000\nupgrade_timeout_ms = 4000\nconnect_timeout_ms = 4000\nmax_sessions = 1000000\nmax_sessions_per_address = 1000000\n[limits]\nping_interval_ms = 5000\nreceive_timeout_ms = 4000\n";

/// What is still remembered of a connection is forgotten within an interval of the sweep.
const SWEEP: Duration = Duration::from_secs(5);

const OPEN: &str = "stellar_connections{transport=\"socketio\"}";
/// Sessions, connected or not, hold a file while they have a socket, and a place in the table. Whoever is not
/// connected is seen in neither of the metrics, so the test waits for its deadline.
const DEADLINES: Duration = Duration::from_secs(5);

/// Waits until nobody is connected any more, nobody can be who was not, and nobody is remembered.
async fn all_are_forgotten(arena: &mut Arena) {
    let began = Instant::now();
    while arena.metric(OPEN).await > 0 {
        assert!(began.elapsed() < PATIENCE, "some are left");
        serve_for(arena, Duration::from_millis(50)).await;
    }
    serve_for(arena, DEADLINES + SWEEP).await;
}

/// Waits until the server takes less than this many kB. What is let go may be late on a busy machine.
async fn shrinks_below(arena: &mut Arena, bound: u64, levels: &[u64]) {
    let began = Instant::now();
    while arena.memory() >= bound {
        let now = arena.memory();
        assert!(
            began.elapsed() < PATIENCE,
            "{now} kB, and not below {bound}, after {levels:?}"
        );
        serve_for(arena, Duration::from_millis(100)).await;
    }
}

/// The bystander has to show signs of life while a test waits for a time.
async fn serve_for(arena: &mut Arena, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        arena.serves().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn open_files(arena: &Arena) -> usize {
    let folder = format!("/proc/{}/fd", arena.server.pid());
    std::fs::read_dir(folder).unwrap().count()
}

/// How far an abandoned session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opened,
    Connected,
}

/// Opens sessions by polling, several requests at a time on one connection, and never comes back.
async fn hoard(address: SocketAddr, count: usize, stage: Stage) {
    const AT_A_TIME: usize = 50;
    let mut line = Line::connect(address).await;
    for _ in 0..count / AT_A_TIME {
        let mut opened = Vec::new();
        let target = |number: usize| {
            let version = Version::BOTH[number % 2].number();
            format!("{DOOR}?EIO={version}&transport=polling")
        };
        let requests = (0..AT_A_TIME).flat_map(|number| Request::get(&target(number)).bytes());
        line.write(requests.collect::<Vec<_>>()).await;
        for _ in 0..AT_A_TIME {
            let reply = line.reply().await;
            assert_eq!(reply.status, 200);
            opened.push(reply.text().to_owned());
        }
        if stage == Stage::Opened {
            continue;
        }
        for (number, text) in opened.iter().enumerate() {
            let sid = text.split("\"sid\":\"").nth(1).unwrap();
            let sid = sid.split('"').next().unwrap();
            let body = Version::BOTH[number % 2].payload(&[connect()]);
            line.write(Request::post(&format!("{}&sid={sid}", target(number)), body).bytes())
                .await;
        }
        for _ in 0..AT_A_TIME {
            // On a busy machine the time of the first may be up by then.
            let status = line.reply().await.status;
            assert!([200, 400].contains(&status), "{status}");
        }
    }
}

fn connect() -> Packet {
    text("40{\"token\":\"x\"}")
}

/// Several of them at once.
async fn hoards(address: SocketAddr, count: usize, stage: Stage) {
    const LINES: usize = 4;
    let tasks = (0..LINES).map(|_| tokio::spawn(hoard(address, count / LINES, stage)));
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap();
    }
}

async fn leave_nothing_behind(stage: Stage) -> String {
    const COUNT: usize = 8000;
    const PARTS: usize = 4;
    /// What the allocator may keep of the busiest moment, in kB.
    const MARGIN: u64 = 48 * 1024;
    /// What four thousand sessions may leave behind once the allocator has what it needs, in kB: 2 KiB each, less than
    /// half of a session, would be more.
    const SLOPE: u64 = 8 * 1024;
    let mut arena = Arena::configured(QUICK).await;
    let before = arena.memory();
    let mut parts = Vec::new();
    let mut most = 0;
    for _ in 0..PARTS {
        let hoarding = hoards(arena.address(), COUNT / PARTS, stage);
        tokio::pin!(hoarding);
        loop {
            tokio::select! {
                () = &mut hoarding => break,
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    most = most.max(arena.memory());
                    arena.serves().await;
                }
            }
        }
        all_are_forgotten(&mut arena).await;
        parts.push(arena.memory());
    }
    let told =
        format!("{stage:?}: {before} kB before, {most} kB at most, {parts:?} kB after each part");
    // The allocator may give back more after one part than after another.
    let warm = parts[0].max(parts[1]);
    shrinks_below(&mut arena, (before + MARGIN).min(warm + SLOPE), &parts).await;
    arena.survives().await;
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_never_connect_leave_nothing_behind() {
    println!("{}", leave_nothing_behind(Stage::Opened).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connected_sessions_that_are_abandoned_leave_nothing_behind() {
    println!("{}", leave_nothing_behind(Stage::Connected).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_session_costs_little() {
    const COUNT: usize = 4000;
    /// Per session, in bytes: the library's part of it included.
    const MOST: u64 = 40 * 1024;
    // They stay for the length of this test.
    let mut arena = Arena::demo().await;
    let before = arena.memory();
    hoards(arena.address(), COUNT, Stage::Connected).await;
    // A POST is answered before the application has let its client in.
    arena.reaches(OPEN, COUNT as u64).await;
    let each = arena.memory().saturating_sub(before) * 1024 / COUNT as u64;
    println!("{each} bytes for each abandoned session");
    assert!(each < MOST, "{each} bytes");
    arena.serves().await;
    arena.survives().await;
}

/// One way to begin something and not to finish it.
async fn abandon(address: SocketAddr, way: usize) {
    let versions = [Kind::PLAIN[0], Kind::PLAIN[2]];
    let mut ann = Peer::open(address, versions[way % 2]).await;
    let header = "451-[\"say\",{\"message\":{\"_placeholder\":true,\"num\":0}}]";
    if way.is_multiple_of(3) {
        ann.connect().await;
    }
    match way % 9 {
        0 => drop(ann.session().socket().await),
        1 => {
            let mut socket = ann.session().socket().await;
            socket.send("2probe").await;
        }
        2 => {
            let mut socket = ann.session().socket().await;
            socket.send("2probe").await;
            // On a busy machine its time is up by then.
            let answer = socket.next().await;
            assert!(answer.is_none_or(|answer| answer == "3probe"));
            ann.try_send_all(&[connect()]).await;
        }
        3 => {
            let mut socket = ann.session().socket().await;
            socket.send("2probe").await;
            socket.send("5").await;
        }
        4 => {
            let mut socket = ann.session().socket().await;
            socket.send("5").await;
            let _closed = socket.try_send("40").await;
        }
        5 => {
            let mut socket = ann.session().socket().await;
            socket.send("2probe").await;
            socket.send("5").await;
            let _closed = socket.try_send("40").await;
            let _closed = socket.try_send(header).await;
        }
        6 => {
            ann.try_send_all(&[text(header)]).await;
            ann.upgrade().await;
        }
        7 => {
            ann.try_send_all(&[connect(), text("41")]).await;
        }
        _ => {
            let mut socket = ann.session().socket().await;
            socket.send("2probe").await;
            ann.try_send_all(&[connect(), text("42[")]).await;
        }
    }
}

/// Begins in every way, some at a time, and waits until nothing is left of it.
async fn abandon_all(arena: &mut Arena, cycles: usize) {
    const AT_ONCE: usize = 18;
    let address = arena.address();
    for first in (0..cycles).step_by(AT_ONCE) {
        let ways = (first..first + AT_ONCE).map(|way| abandon(address, way));
        futures_util::future::join_all(ways).await;
        arena.serves().await;
    }
    all_are_forgotten(arena).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_begun_and_not_finished_leaves_nothing_behind() {
    const CYCLES: usize = 1800;
    /// What may be left of the second half when the first has warmed up everything, in kB.
    const SLOPE: u64 = 4 * 1024;
    let mut arena = Arena::configured(QUICK).await;
    let files = open_files(&arena);
    abandon_all(&mut arena, CYCLES).await;
    let warm = arena.memory();
    abandon_all(&mut arena, CYCLES).await;
    arena.serves().await;
    let after = arena.memory();
    println!("{warm} kB after {CYCLES} cycles, {after} kB after twice as many");
    shrinks_below(&mut arena, warm + SLOPE, &[warm, after]).await;
    assert_eq!(arena.metric(OPEN).await, 0);
    crate::support::eventually("the end of all sockets", || open_files(&arena) <= files).await;
    arena.survives().await;
}

/// Ends a session in the moment in which its client is let in, in one way or another.
async fn leave_at_once(address: SocketAddr, way: usize) {
    let kind = Kind::CONNECTING[way % 3];
    let mut ann = Peer::open(address, kind).await;
    let last = ["41", "42[", "1", "42[\"quit\"]"][way / 3 % 4];
    ann.try_send_all(&[connect(), text(last)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_while_they_connect_leave_nothing_behind() {
    const CLIENTS: usize = 1200;
    const AT_ONCE: usize = 12;
    const SLOPE: u64 = 4 * 1024;
    let mut arena = Arena::configured(QUICK).await;
    let mut levels = Vec::new();
    for _ in 0..3 {
        for _ in 0..CLIENTS / AT_ONCE {
            let address = arena.address();
            let ways = (0..AT_ONCE).map(|way| leave_at_once(address, way));
            futures_util::future::join_all(ways).await;
            arena.serves().await;
        }
        all_are_forgotten(&mut arena).await;
        levels.push(arena.memory());
    }
    println!("{levels:?} kB");
    shrinks_below(&mut arena, levels[1] + SLOPE, &levels).await;
    arena.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_come_and_go_leave_nothing_behind() {
    const ROUNDS: usize = 600;
    const SLOPE: u64 = 4 * 1024;
    let mut arena = Arena::configured(QUICK).await;
    let files = open_files(&arena);
    let mut levels = Vec::new();
    for _ in 0..2 {
        for round in 0..ROUNDS {
            let kind = Kind::ALL[round % 6];
            let mut ann = Peer::connected(arena.address(), kind).await;
            ann.join("defaultRoom").await;
            match round % 3 {
                0 => drop(ann.rest_after("41").await),
                1 => drop(ann.rest_after("42[\"quit\"]").await),
                _ => drop(ann),
            }
            arena.serves().await;
        }
        all_are_forgotten(&mut arena).await;
        levels.push(arena.memory());
    }
    println!("{levels:?} kB");
    shrinks_below(&mut arena, levels[0] + SLOPE, &levels).await;
    crate::support::eventually("the end of all sockets", || open_files(&arena) <= files).await;
    arena.serves().await;
    arena.survives().await;
}
