//! engine.io: decoding takes time in proportion to what is decoded. Time is what the server's threads have had of the
//! processors, so that it matters little what else they do.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::Arena;
use crate::support::engineio::{Line, Opening, Request, Version};

/// The smallest body. The others are twice and four times as large.
const SIZE: usize = 1_000_000;
/// How often each is measured; the fastest counts, because what is in the way only ever adds.
const TIMES: usize = 3;
/// Four times the body may take so many times as long. In proportion it is 4, by the square of the size 16.
const MOST: u32 = 9;
/// A time that says nothing.
const NOISE: Duration = Duration::from_millis(20);

/// Nothing is ended for being slow: what is measured may take minutes on a busy machine.
const CONFIG: &str = "[limits]\nping_interval_ms = 0\nbody_timeout_ms = 600000\nreceive_timeout_ms = 600000\n[polling]\nping_timeout_ms = 600000\nmax_payload_bytes = 8000000\nmax_packets = 8000000\n";

const TEXT: &str = "text/plain;charset=UTF-8";
const BYTES: &str = "application/octet-stream";
const FORM: &str = "application/x-www-form-urlencoded";

/// How much time each thread of a process has had so far.
fn processor_times(pid: u32) -> HashMap<PathBuf, Duration> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let each = threads.filter_map(|thread| {
        let thread = thread.unwrap().path();
        // It may have ended meanwhile.
        let told = std::fs::read_to_string(thread.join("schedstat")).ok()?;
        let time = told.split(' ').next()?.parse().unwrap();
        Some((thread, Duration::from_nanos(time)))
    });
    each.collect()
}

/// How long the server takes to answer a POST of this body to a session of its own.
async fn time(arena: &Arena, version: Version, kind: &'static str, body: &[u8]) -> Duration {
    let session = Opening::new(arena.address(), version).session().await;
    let slot = if kind == FORM { "&j=0" } else { "" };
    let target = format!("{}{slot}", session.target("polling"));
    let request = Request::post(&target, body).header("Content-Type", kind);
    let mut line = Line::connect(arena.address()).await;
    let pid = arena.server.pid();
    let before = processor_times(pid);
    let reply = line.exchange(&request).await;
    let after = processor_times(pid);
    let taken = after.iter().map(|(thread, time)| {
        let before = before.get(thread).copied();
        *time - before.unwrap_or_default()
    });
    let took = taken.sum();
    assert!([200, 400].contains(&reply.status), "{}", reply.status);
    took
}

/// The fastest of several.
async fn fastest(arena: &Arena, version: Version, kind: &'static str, body: &[u8]) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..TIMES {
        fastest = fastest.min(time(arena, version, kind, body).await);
    }
    fastest
}

async fn is_linear(version: Version, kind: &'static str, body: impl Fn(usize) -> Vec<u8>) {
    let mut arena = Arena::configured(CONFIG).await;
    let mut times = Vec::new();
    for factor in [1, 2, 4] {
        let body = body(SIZE * factor);
        times.push(fastest(&arena, version, kind, &body).await);
        arena.serves().await;
    }
    assert!(times[2] < times[0] * MOST + NOISE, "{times:?}");
    arena.survives().await;
}

/// As many of `unit` as fit.
fn many(unit: &'static [u8]) -> impl Fn(usize) -> Vec<u8> {
    move |size| {
        let mut body = unit.repeat(size / unit.len());
        if body.ends_with(b"\x1e") {
            body.pop();
        }
        body
    }
}

#[tokio::test]
async fn many_packets_of_v4() {
    is_linear(Version::V4, TEXT, many(b"6\x1e")).await;
}

#[tokio::test]
async fn one_large_packet_of_v4() {
    is_linear(Version::V4, TEXT, |size| {
        [b"6", &b"x".repeat(size)[..]].concat()
    })
    .await;
}

#[tokio::test]
async fn one_large_packet_of_bytes_of_v4() {
    is_linear(Version::V4, TEXT, |size| {
        [b"b", &b"AAAA".repeat(size / 4)[..]].concat()
    })
    .await;
}

#[tokio::test]
async fn many_packets_of_v3() {
    is_linear(Version::V3, TEXT, many(b"2:6x")).await;
}

#[tokio::test]
async fn one_large_packet_of_v3_whose_length_is_not_in_bytes() {
    is_linear(Version::V3, TEXT, |size| {
        let text = "\u{20ac}\u{1f600}".repeat(size / 7);
        format!("{}:6{text}", text.encode_utf16().count() + 1).into_bytes()
    })
    .await;
}

#[tokio::test]
async fn a_length_of_v3_that_is_never_there() {
    is_linear(Version::V3, TEXT, |size| {
        [&b"1:6".repeat(size / 3)[..], b"99999999:4"].concat()
    })
    .await;
}

#[tokio::test]
async fn many_packets_of_bytes_of_v3() {
    is_linear(Version::V3, BYTES, many(b"\x00\x02\xff6x")).await;
}

#[tokio::test]
async fn digits_without_end() {
    is_linear(Version::V3, TEXT, many(b"1")).await;
    is_linear(Version::V3, BYTES, |size| {
        [b"\x00", &[1].repeat(size)[..]].concat()
    })
    .await;
}

#[tokio::test]
async fn forms_full_of_escapes() {
    is_linear(Version::V3, FORM, |size| {
        // A newline each: a backslash, itself escaped, and an n.
        let escapes = size / 4;
        format!("d={}%3A6{}", escapes + 1, "%5Cn".repeat(escapes)).into_bytes()
    })
    .await;
    is_linear(Version::V3, FORM, |size| {
        [b"d=", &b"\\".repeat(size)[..]].concat()
    })
    .await;
    is_linear(Version::V3, FORM, many(b"a=1&")).await;
}
