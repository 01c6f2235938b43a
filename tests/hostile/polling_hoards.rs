//! engine.io: sessions that are opened and abandoned, and upgrades that are begun and not finished.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Arena;
use crate::support::PATIENCE;
use crate::support::engineio::{ENGINE, Line, PRIMUS, Packet, Request, Session, Socket, Version};

/// Sessions that nobody cares for end within half a second. Nobody is over a limit by their number.
const QUICK: &str = "[polling]\nping_interval_ms = 300\nping_timeout_ms = 200\nupgrade_timeout_ms = 300\nmax_sessions = 1000000\nmax_sessions_per_address = 1000000\n";

const OPEN: &str = "stellar_connections{transport=\"polling\"}";
const REAPED: &str = "stellar_connections_closed_total{reason=\"heartbeat_missed\"}";

/// Waits until no session is left.
async fn all_are_reaped(arena: &Arena) {
    let began = Instant::now();
    while arena.metric(OPEN).await > 0 {
        assert!(began.elapsed() < PATIENCE, "some are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Opens sessions, several requests at a time on one connection, and never comes back. Returns how often it was
/// answered with each status.
async fn hoard(address: SocketAddr, count: usize) -> [usize; 2] {
    const AT_A_TIME: usize = 50;
    let mut line = Line::connect(address).await;
    let requests: Vec<u8> = (0..AT_A_TIME)
        .flat_map(|number| {
            let door = if number % 2 == 0 { ENGINE } else { PRIMUS };
            let version = 3 + number % 3 / 2;
            let target = format!("{door}?EIO={version}&transport=polling");
            Request::get(&target).bytes()
        })
        .collect();
    let (mut opened, mut refused) = (0, 0);
    while opened + refused < count {
        line.write(&requests).await;
        for _ in 0..AT_A_TIME {
            match line.reply().await.status {
                200 => opened += 1,
                429 => refused += 1,
                other => panic!("{other}"),
            }
        }
    }
    [opened, refused]
}

/// Several of them at once.
async fn hoards(address: SocketAddr, count: usize) -> [usize; 2] {
    const LINES: usize = 8;
    let tasks = (0..LINES).map(|_| tokio::spawn(hoard(address, count / LINES)));
    let mut total = [0, 0];
    for counts in futures_util::future::join_all(tasks).await {
        let counts = counts.unwrap();
        total = [total[0] + counts[0], total[1] + counts[1]];
    }
    total
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_abandoned_sessions_leave_nothing_behind() {
    const COUNT: usize = 100_000;
    const SWEEP: Duration = Duration::from_secs(3);
    /// What the allocator may keep of the busiest moment, in kB.
    const MARGIN: u64 = 24 * 1024;
    /// What fifty thousand sessions may leave behind once the allocator has what it needs, in kB: 100 bytes each
    /// would be more.
    const SLOPE: u64 = 4 * 1024;
    let config = format!("{QUICK}[limits]\nping_interval_ms = 3000\n");
    let mut arena = Arena::configured(&config).await;
    let before = arena.memory();
    let mut halves = Vec::new();
    let mut most = (0, 0);
    for _ in 0..2 {
        let hoarding = hoards(arena.address(), COUNT / 2);
        tokio::pin!(hoarding);
        let opened = loop {
            tokio::select! {
                total = &mut hoarding => break total,
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    most = most.max((arena.metric(OPEN).await, arena.memory()));
                    arena.serves().await;
                }
            }
        };
        assert_eq!(opened, [COUNT / 2, 0]);
        all_are_reaped(&arena).await;
        // What the heartbeats of all transports still remember of them is forgotten within an interval of theirs.
        let forgotten = Instant::now() + SWEEP;
        while Instant::now() < forgotten {
            arena.serves().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        halves.push(arena.memory());
    }
    assert_eq!(arena.metric(REAPED).await, COUNT as u64);
    let (sessions, with) = most;
    println!(
        "{before} kB before, {with} kB with {sessions} sessions, {} kB and {} kB after",
        halves[0], halves[1]
    );
    // They did pile up before they were reaped, or this test shows nothing.
    assert!(sessions > 200, "{sessions}");
    assert!(
        halves[1] < before + MARGIN,
        "{before} kB, then {} kB",
        halves[1]
    );
    assert!(halves[1] < halves[0] + SLOPE, "{halves:?} kB");
    arena.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_session_costs_little() {
    const COUNT: usize = 10_000;
    /// Per session, in bytes.
    const MOST: u64 = 8 * 1024;
    // They stay for the length of this test.
    let mut arena = Arena::configured("[polling]\nmax_sessions_per_address = 20000\n").await;
    let before = arena.memory();
    assert_eq!(hoards(arena.address(), COUNT).await, [COUNT, 0]);
    assert_eq!(arena.metric(OPEN).await, COUNT as u64);
    let each = arena.memory().saturating_sub(before) * 1024 / COUNT as u64;
    println!("{each} bytes for each abandoned session");
    assert!(each < MOST, "{each} bytes");
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_an_address_holds_and_places_come_back() {
    const LIMIT: usize = 500;
    let config = QUICK.replace("per_address = 1000000", "per_address = 500");
    let mut arena = Arena::configured(&config).await;
    for _ in 0..2 {
        let hoarding = hoards(arena.address(), 10_000);
        tokio::pin!(hoarding);
        let [opened, refused] = loop {
            tokio::select! {
                total = &mut hoarding => break total,
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    let open = arena.metric(OPEN).await;
                    assert!(open <= LIMIT as u64, "{open}");
                }
            }
        };
        assert!(opened >= LIMIT && refused > 0, "{opened} {refused}");
        arena.serves().await;
        all_are_reaped(&arena).await;
        // There is room again.
        Session::greeted(arena.address(), Version::V4)
            .await
            .send_text("1")
            .await;
    }
    let counted = "stellar_handshakes_refused_total{reason=\"max_sessions_per_address\"}";
    assert!(arena.metric(counted).await > 0);
    arena.survives().await;
}

/// One way to begin an upgrade and not to finish it. On a busy machine its time, or the session's, may be up in the
/// middle of it, which leaves nothing behind either.
async fn abandon_an_upgrade(address: SocketAddr, way: usize) {
    let mut session = Session::open(address, Version::BOTH[way % 2]).await;
    let is_polling = way.is_multiple_of(3);
    if is_polling {
        let _greeting = session.poll_reply().await;
        session.start_poll().await;
    }
    let Ok(mut socket) = session.try_socket().await else {
        return;
    };
    let texts: &[&str] = match way % 12 {
        0 | 8 | 11 => &[],
        1 | 2 | 7 | 9 => &["2probe"],
        3 => &["5"],
        4 | 10 => &["2probe", "5"],
        5 => &["5", "2probe"],
        _ => &["2probe", "2probe", "4{}"],
    };
    for text in texts {
        let _sent = socket.try_send(text).await;
    }
    match way % 12 {
        2 => is_answered(&mut socket).await,
        7 => drop(session.post_reply("1").await),
        8 => {
            if let Ok(mut second) = session.try_socket().await {
                while second.next().await.is_some() {}
            }
        }
        9 => {
            // The GET is let go while the upgrade is half done.
            is_answered(&mut socket).await;
            let _released = session.polled_or_cut().await;
        }
        10 => drop(session.post_reply("9").await),
        11 => {
            let probe = Packet::Binary(b"2probe".to_vec());
            let _sent = socket.try_send_all(&[probe]).await;
            socket.close().await;
        }
        _ => {}
    }
}

/// The probe is answered, or there was no time left for it.
async fn is_answered(socket: &mut Socket) {
    let answer = socket.next().await;
    assert!(answer.is_none_or(|answer| answer == "3probe"));
}

fn open_files(arena: &Arena) -> usize {
    let folder = format!("/proc/{}/fd", arena.server.pid());
    std::fs::read_dir(folder).unwrap().count()
}

/// Begins upgrades in every way, some at a time, and waits until nothing is left of them.
async fn abandon_upgrades(arena: &Arena, cycles: usize) {
    const AT_ONCE: usize = 12;
    let address = arena.address();
    for first in (0..cycles).step_by(AT_ONCE) {
        let ways = (first..first + AT_ONCE).map(|way| abandon_an_upgrade(address, way));
        futures_util::future::join_all(ways).await;
    }
    all_are_reaped(arena).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_that_are_not_finished_leave_nothing_behind() {
    const CYCLES: usize = 2400;
    /// What may be left of the second half when the first has warmed up everything, in kB.
    const SLOPE: u64 = 4 * 1024;
    let mut arena = Arena::configured(QUICK).await;
    let files = open_files(&arena);
    abandon_upgrades(&arena, CYCLES).await;
    let warm = arena.memory();
    abandon_upgrades(&arena, CYCLES).await;
    arena.serves().await;
    let after = arena.memory();
    println!("{warm} kB after {CYCLES} cycles, {after} kB after twice as many");
    assert!(after < warm + SLOPE, "{warm} kB, then {after} kB");
    assert_eq!(arena.metric(OPEN).await, 0);
    // Upgrades were under way, or this test shows nothing.
    let failed = "stellar_upgrades_total{result=\"failed\"}";
    assert!(arena.metric(failed).await > 0);
    // The sockets are gone with their sessions.
    crate::support::eventually("the end of all sockets", || open_files(&arena) <= files).await;
    arena.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_upgrades_of_sessions_that_poll_on_are_cut_again_and_again() {
    let mut arena = Arena::configured("[polling]\nupgrade_timeout_ms = 1000\n").await;
    let files = open_files(&arena);
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(Session::greeted(arena.address(), Version::V4).await);
    }
    for round in 0..5 {
        let rounds = sessions.iter_mut().map(|session| async move {
            let mut socket = session.socket().await;
            if round % 2 == 0 {
                socket.send("2probe").await;
                assert_eq!(socket.packet().await, "3probe");
            }
            socket.closed().await;
            session.details().await;
        });
        futures_util::future::join_all(rounds).await;
        arena.serves().await;
    }
    assert_eq!(arena.metric(OPEN).await, 20);
    let failed = "stellar_upgrades_total{result=\"failed\"}";
    assert_eq!(arena.metric(failed).await, 100);
    for session in &mut sessions {
        session.upgrade().await.close().await;
    }
    all_are_reaped(&arena).await;
    drop(sessions);
    crate::support::eventually("the end of all sockets", || open_files(&arena) <= files).await;
    arena.survives().await;
}
