//! Limits, and bodies meant to break something.

use std::future::pending;
use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_unread() {
    let ask = Ask::post("/api").content_type(JSON).max_body(100);
    let error = ask.header(CONTENT_LENGTH, "101").send(Untouchable).await;
    let error = error.unwrap_err();
    assert_eq!(error.status(), 413);
    let text = "The request body is larger than 100 bytes (limits.max_body_bytes)";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn the_limit_is_exact() {
    let body = format!("\"{}\"", "x".repeat(96));
    let list = format!("[{body}]");
    assert_eq!(list.len(), 100);
    for media in [JSON, "application/x+json", FORM] {
        let ask = |limit| Ask::post("/api").content_type(media).max_body(limit);
        assert!(ask(100).bytes(list.clone()).await.is_ok());
        assert_eq!(ask(99).status(list.clone()).await, 413);
    }
}

#[tokio::test]
async fn bytes_are_counted_whatever_was_declared() {
    for declared in [None, Some("5"), Some("-1"), Some("99999999999999999999")] {
        let mut ask = Ask::post("/api").content_type(FORM).max_body(64);
        if let Some(declared) = declared {
            ask = ask.header(CONTENT_LENGTH, declared);
        }
        let mut sent = 0;
        // Endless: only a reader that counts comes to an end.
        let frames = stream::repeat_with(|| {
            sent += 1;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"a=1&")))
        });
        let error = ask.send(StreamBody::new(frames)).await.unwrap_err();
        assert_eq!(error.status(), 413);
        assert_eq!(sent, 17);
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let limits = BodyLimits {
        deadline: Duration::from_millis(30),
        ..BodyLimits::default()
    };
    for media in [JSON, FORM, "multipart/form-data; boundary=b", "x/y"] {
        let frames = stream::once(pending::<Result<Frame<Bytes>, Infallible>>());
        let ask = Ask::post("/api").content_type(media);
        let start = Instant::now();
        let error = ask.limits(limits.clone()).send(StreamBody::new(frames));
        assert_eq!(error.await.unwrap_err().status(), 408);
        assert!(start.elapsed() >= limits.deadline);
    }
}

#[tokio::test]
async fn a_peer_that_trickles_does_not_move_the_deadline() {
    let limits = BodyLimits {
        deadline: Duration::from_millis(60),
        ..BodyLimits::default()
    };
    let frames = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))),
            (),
        ))
    });
    let ask = Ask::post("/api").content_type(FORM).limits(limits);
    let error = ask.send(StreamBody::new(Box::pin(frames))).await;
    assert_eq!(error.unwrap_err().status(), 408);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    for media in [JSON, FORM, "multipart/form-data; boundary=b", "x/y"] {
        let frames = stream::iter([
            Ok(Frame::data(Bytes::from_static(b"--b\r\n"))),
            Err(std::io::Error::other("reset")),
        ]);
        let ask = Ask::post("/api").content_type(media);
        let error = ask.send(StreamBody::new(frames)).await.unwrap_err();
        assert!(matches!(error, BadRequest::Interrupted(_)), "{error:?}");
        assert_eq!(error.status(), 400);
    }
}

#[tokio::test]
async fn trailers_do_not_end_a_body() {
    let frames = stream::iter([
        Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"{\"a\""))),
        Ok(Frame::trailers(HeaderMap::new())),
        Ok(Frame::data(Bytes::new())),
        Ok(Frame::data(Bytes::from_static(b":1}"))),
    ]);
    let ask = Ask::post("/api").content_type(JSON);
    let params = ask.send(StreamBody::new(frames)).await.unwrap();
    assert_eq!(Value::Object(params.values), json!({ "a": 1 }));
}

#[tokio::test]
async fn deep_json_does_not_reach_the_end_of_the_stack() {
    for deep in ["[".repeat(1_000_000), "{\"a\":".repeat(1_000_000)] {
        let ask = Ask::post("/api").content_type(JSON);
        assert_eq!(ask.status(deep.clone()).await, 400);
        assert_eq!(Ask::post("/api").values(deep).await, json!({}));
    }
}

#[tokio::test]
async fn nothing_panics() {
    let seeds: [(&str, &[u8]); 4] = [
        (JSON, br#"{"a":[1,{"0":"\u00e9"}],"b":-1e9,"c":null}"#),
        (FORM, b"a=1&b=%C3%A9&c=+&d&=e&&f=%25"),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n",
        ),
        ("text/plain", b"[1, 2, {\"0\": 1}]"),
    ];
    // Marsaglia's xorshift: the same junk at each run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..2000 {
        let (media, seed) = seeds[round % seeds.len()];
        let mut body = seed.to_vec();
        for _ in 0..=random(4) {
            // So that there is always something to remove.
            body.insert(0, b' ');
            let at = random(body.len());
            match random(3) {
                0 => body[at] = b"\0\"%&-:;=\r\n[]{}\xff"[random(15)],
                1 => drop(body.remove(at)),
                _ => body.truncate(at.max(1)),
            }
        }
        let middle = random(body.len() + 1);
        let (first, last) = body.split_at(middle);
        let ask = Ask::post("/api").content_type(media);
        if let Err(error) = ask.send(chunked([first, last])).await {
            let untyped = matches!(error, BadRequest::Untyped);
            assert_eq!(error.status(), if untyped { 415 } else { 400 }, "{error:?}");
        }
    }
}
