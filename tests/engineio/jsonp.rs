//! JSONP: answers as scripts, and POSTs of forms (docs/protocol/engineio.md#jsonp).

use serde_json::{Value, json};

use crate::echo;
use crate::support::Binary;
use crate::support::engineio::{
    Opening, PRIMUS, Packet, Reply, Request, Session, Version, exchange, framed,
};

/// The payload in an answer that calls slot `slot`.
fn payload(reply: &Reply, slot: &str) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let script = reply.text();
    let begin = format!("___eio[{slot}](");
    let text = script
        .strip_prefix(&*begin)
        .and_then(|rest| rest.strip_suffix(");"));
    let text = text.unwrap_or_else(|| panic!("{begin}…) and not {script}"));
    serde_json::from_str(text).expect("the payload is a JSON string")
}

/// A session by JSONP, opened with these headers. Its slot is 0.
struct Jsonp {
    opening: Opening,
    sid: String,
    version: Version,
}

impl Jsonp {
    async fn open(opening: Opening, version: Version) -> Self {
        let opening = opening.query("j=0");
        let reply = opening.reply().await;
        let packets = version.packets(&payload(&reply, "0"));
        let Packet::Text(open) = &packets[0] else {
            panic!("an open packet is text");
        };
        let offer: Value = serde_json::from_str(&open[1..]).unwrap();
        Self {
            opening,
            sid: offer["sid"].as_str().unwrap().to_owned(),
            version,
        }
    }

    fn target(&self) -> String {
        format!("{}&sid={}", self.opening.target("polling"), self.sid)
    }

    async fn poll(&self) -> Vec<Packet> {
        let reply = exchange(self.opening.address, &Request::get(&self.target())).await;
        self.version.packets(&payload(&reply, "0"))
    }

    /// Posts the payload as the client's form does: newlines escaped, and what looks like one escaped once more.
    async fn post(&self, payload: &str) -> Reply {
        let escaped = payload.replace("\\n", "\\\\n").replace('\n', "\\n");
        self.post_form(&form(&escaped)).await
    }

    async fn post_form(&self, form: &str) -> Reply {
        let request = Request::post(&self.target(), form);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        exchange(self.opening.address, &request).await
    }

    async fn details(&self) -> Value {
        let packet = Packet::message(json!({"event": "detailsView"}));
        let reply = self.post(&self.version.payload(&[packet])).await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        loop {
            for packet in self.poll().await {
                let value: Value = serde_json::from_str(packet.as_message().unwrap()).unwrap();
                if value["context"] == "response" {
                    return value["data"].clone();
                }
            }
        }
    }
}

/// A form with the one field `d`.
fn form(value: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("d", value).finish()
}

async fn echoing() -> Jsonp {
    Jsonp::open(Opening::new(echo("").await, Version::V3), Version::V3).await
}

#[tokio::test]
async fn answers_call_the_slot_with_the_payload() {
    let server = Binary::demo();
    for version in Version::BOTH {
        for slot in ["0", "7", "123"] {
            let opening = Opening::new(server.address, version);
            let reply = opening.query(&format!("j={slot}")).reply().await;
            let payload = payload(&reply, slot);
            let packets = version.packets(&payload);
            assert!(matches!(&packets[..], [Packet::Text(open)] if open.starts_with("0{")));
            let content_type = reply.header("content-type").unwrap();
            assert!(
                content_type.starts_with("text/javascript"),
                "{content_type}"
            );
            // To the byte, but for the sid.
            let quoted = serde_json::to_string(&payload).unwrap();
            assert_eq!(reply.text(), format!("___eio[{slot}]({quoted});"));
        }
    }
}

#[tokio::test]
async fn a_whole_session() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let session = Jsonp::open(Opening::new(server.address, version), version).await;
        let welcome = session.poll().await;
        assert!(
            welcome[0]
                .as_message()
                .unwrap()
                .contains("Welcome to Stellar")
        );
        assert_eq!(session.details().await["totalActions"], 0);
        let reply = session
            .post(&version.payload(&[Packet::Text("1".to_owned())]))
            .await;
        assert_eq!(reply.text(), "ok");
        let reply = exchange(server.address, &Request::get(&session.target())).await;
        assert_eq!(reply.fault(), (400, 1));
    }
}

#[tokio::test]
async fn a_post_is_answered_ok_as_html() {
    let session = echoing().await;
    let reply = session.post("6:4hello").await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    assert_eq!(reply.header("content-type"), Some("text/html"));
    assert_eq!(session.poll().await, ["4hello"]);
}

#[tokio::test]
async fn each_answer_calls_the_slot_of_its_own_request() {
    let session = echoing().await;
    for slot in ["3", "4", "4294967296"] {
        session.post("6:4hello").await;
        let target = session.target().replace("j=0", &format!("j={slot}"));
        let reply = exchange(session.opening.address, &Request::get(&target)).await;
        assert_eq!(payload(&reply, slot), "6:4hello");
    }
}

#[tokio::test]
async fn of_a_slot_only_the_digits_are_taken() {
    let server = Binary::demo();
    for (slot, digits) in [("1a2", "12"), ("%22%29%3Balert(1)%2F%2F", "1"), ("-5", "5")] {
        let opening = Opening::new(server.address, Version::V3);
        let reply = opening.query(&format!("j={slot}")).reply().await;
        payload(&reply, digits);
    }
}

#[tokio::test]
async fn payloads_are_escaped_as_scripts_need_it() {
    let session = echoing().await;
    for text in [
        "\"quoted\" and \\ and '",
        "a\nb\r\tc",
        "\0\u{1f}\u{7f}",
        "€ 😀",
        "</script><script>alert(1)</script>",
    ] {
        session.post(&framed(&format!("4{text}"))).await;
        let reply = exchange(session.opening.address, &Request::get(&session.target())).await;
        let script = reply.text();
        for raw in ['\n', '\r', '\u{2028}', '\u{2029}', '\0', '\u{1f}'] {
            assert!(!script.contains(raw), "{script:?}");
        }
        assert_eq!(payload(&reply, "0"), framed(&format!("4{text}")));
    }
}

#[tokio::test]
async fn escaped_newlines_of_a_form_are_restored() {
    let session = echoing().await;
    for (value, text) in [
        // A newline stands as backslash and n, and a backslash and n as two of the one and an n.
        ("4:4a\\nb", "a\nb"),
        ("5:4a\\\\nb", "a\\nb"),
        ("6:4\\n\\\\n\\nx", "\n\\n\nx"),
        ("5:4a\\tb", "a\\tb"),
        ("3:4\\\\", "\\\\"),
        ("4:4a\nb", "a\nb"),
    ] {
        let reply = session.post_form(&form(value)).await;
        assert_eq!((reply.status, reply.text()), (200, "ok"), "{value:?}");
        assert_eq!(session.poll().await, [Packet::message(text)], "{value:?}");
    }
}

#[tokio::test]
async fn json_with_escaped_newlines_arrives_as_it_was() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for version in Version::BOTH {
        let ann = Jsonp::open(Opening::new(server.address, version), version).await;
        let text = "one\ntwo\\nthree \u{2028} € + & = % \\\\n";
        for packet in [
            json!({"event": "roomAdd", "room": "defaultRoom"}),
            json!({"event": "say", "room": "defaultRoom", "message": text}),
        ] {
            let payload = version.payload(&[Packet::message(packet)]);
            assert_eq!(ann.post(&payload).await.text(), "ok");
        }
        assert_eq!(bob.hears().await["message"], text, "{version:?}");
    }
}

#[tokio::test]
async fn forms_that_are_none_close_the_session() {
    for form in [
        "",
        "d",
        "d=",
        "x=6:4hello",
        "6:4hello",
        "d=6:4hell",
        "d=%ff",
        "d[]=6:4hello",
    ] {
        let session = echoing().await;
        let reply = session.post_form(form).await;
        assert_eq!(reply.fault(), (400, 3), "{form}");
        let reply = exchange(session.opening.address, &Request::get(&session.target())).await;
        assert_eq!(reply.fault(), (400, 1), "{form}");
    }
}

#[tokio::test]
async fn bytes_come_in_base64() {
    let session = echoing().await;
    session.post("10:b4AQIDBA==").await;
    let reply = exchange(session.opening.address, &Request::get(&session.target())).await;
    assert_eq!(payload(&reply, "0"), "10:b4AQIDBA==");
}

#[tokio::test]
async fn errors_are_json_as_for_everybody() {
    let server = Binary::demo();
    for (query, code) in [
        ("EIO=3&transport=x&j=1", 0),
        ("EIO=3&transport=polling&sid=x&j=1", 1),
    ] {
        let request = Request::get(&format!("{PRIMUS}?{query}"));
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.fault(), (400, code));
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
}

/// A fingerprint as the server gives them out, and the cookie that it comes back in.
const FINGERPRINT: &str = "0fa35909a293f657b5953cbe6493f7d074c6566e";
const COOKIE: &str = "sessionID=0fa35909a293f657b5953cbe6493f7d074c6566e";

/// What an application sees of the cookie of a session that was opened with this header.
async fn fingerprint(server: &Binary, header: Option<(&str, &str)>) -> Value {
    let opening = Opening::new(server.address, Version::V3).header("Cookie", COOKIE);
    let opening = header.into_iter().fold(opening, |opening, (name, value)| {
        opening.header(name, value)
    });
    let session = Jsonp::open(opening, Version::V3).await;
    session.details().await["fingerprint"].clone()
}

#[tokio::test]
async fn cookies_are_shown_only_if_the_origin_is_known() {
    let server = Binary::serve(&["--demo", "--origin", "https://app.example.com"], "");
    // A script tag of any page sends the cookies, and no `Origin`.
    assert_eq!(fingerprint(&server, None).await, Value::Null);
    for header in [
        ("Origin", "http://localhost"),
        ("Referer", "http://localhost/page?x=y"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Origin", "https://app.example.com"),
        ("Referer", "https://app.example.com/page"),
    ] {
        let fingerprint = fingerprint(&server, Some(header)).await;
        assert_eq!(fingerprint, FINGERPRINT, "{header:?}");
    }
    // Without JSONP a page cannot read the answer, so it needs no proof.
    let opening = Opening::new(server.address, Version::V3).header("Cookie", COOKIE);
    let mut session: Session = opening.session().await;
    assert_eq!(session.details().await["fingerprint"], FINGERPRINT);
}

#[tokio::test]
async fn a_foreign_page_is_refused() {
    let server = Binary::demo();
    for (name, value) in [
        ("Origin", "https://elsewhere.test"),
        ("Origin", "null"),
        ("Referer", "https://elsewhere.test/localhost"),
        ("Referer", "http://localhost.elsewhere.test/"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let opening = Opening::new(server.address, Version::V3).query("j=0");
        let opening = opening.header("Cookie", "sessionID=mine");
        let reply = opening.header(name, value).reply().await;
        assert_eq!(reply.fault(), (403, 4), "{name}: {value}");
        assert!(!reply.text().contains("sid"), "{}", reply.text());
    }
}
