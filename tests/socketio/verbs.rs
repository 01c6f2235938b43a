//! Events in, answers out: the name is the verb, the argument the rest of the packet
//! (docs/protocol/socketio.md#stellar-packets-as-events).

use serde_json::{Value, json};

use crate::support::Binary;
use crate::support::socketio::{Kind, Peer, text};

/// Requests that a newcomer can make in this order, and the answers, byte for byte. `#` is the number.
const DIALOGUE: [(&str, &str, &str); 9] = [
    (
        "say",
        "{\"room\":\"defaultRoom\",\"message\":\"too early\"}",
        "{\"status\":\"Connection (ID) not in room (defaultRoom)\",\"error\":{\"code\":\"016\",\"message\":\"Connection (ID) not in room (defaultRoom)\"},\"context\":\"response\",\"messageCount\":#}",
    ),
    (
        "roomAdd",
        "{\"room\":\"defaultRoom\"}",
        "{\"status\":\"OK\",\"context\":\"response\",\"data\":true,\"messageCount\":#}",
    ),
    (
        "roomJoin",
        "{\"room\":\"defaultRoom\"}",
        "{\"status\":\"Connection (ID) already in room (defaultRoom)\",\"error\":{\"code\":\"017\",\"message\":\"Connection (ID) already in room (defaultRoom)\"},\"context\":\"response\",\"data\":false,\"messageCount\":#}",
    ),
    (
        "say",
        "{\"message\":\"hi\",\"room\":\"defaultRoom\"}",
        "{\"status\":\"OK\",\"context\":\"response\",\"messageCount\":#}",
    ),
    (
        "event",
        "{\"params\":{\"room\":\"defaultRoom\",\"event\":\"moved\",\"data\":[1,2]}}",
        "{\"status\":\"OK\",\"context\":\"response\",\"messageCount\":#}",
    ),
    (
        "roomLeave",
        "{\"room\":\"defaultRoom\"}",
        "{\"status\":\"OK\",\"context\":\"response\",\"data\":true,\"messageCount\":#}",
    ),
    (
        "action",
        "{\"params\":{\"action\":\"isolated.action\"}}",
        "{\"success\":\"ok\",\"context\":\"response\",\"messageCount\":#}",
    ),
    (
        "file",
        "{\"file\":\"../secret.txt\"}",
        "{\"error\":{\"code\":\"010\",\"message\":\"The requested file does not exist\"},\"content\":null,\"mime\":\"text/html\",\"length\":33,\"context\":\"response\",\"messageCount\":#}",
    ),
    (
        "nope",
        "{\"room\":\"defaultRoom\"}",
        "{\"status\":\"Verb not found or not allowed (nope)\",\"error\":{\"code\":\"014\",\"message\":\"Verb not found or not allowed (nope)\"},\"context\":\"response\",\"data\":null,\"messageCount\":#}",
    ),
];

/// How a client asks.
#[derive(Clone, Copy, Debug)]
enum Way {
    Ack,
    NoAck,
    WholePacket,
    WholePacketNoAck,
}

impl Way {
    const ALL: [Self; 4] = [
        Self::Ack,
        Self::NoAck,
        Self::WholePacket,
        Self::WholePacketNoAck,
    ];

    /// The packet that asks for `verb`, and what the answer stands between. `ack` is an id that is free.
    fn write(self, verb: &str, argument: &str, ack: u64) -> (String, String, &'static str) {
        let whole = format!("{{\"event\":\"{verb}\",{}", &argument[1..]);
        let response = "42[\"response\",".to_owned();
        let answer = format!("43{ack}[");
        match self {
            Self::Ack => (format!("42{ack}[\"{verb}\",{argument}]"), answer, "]"),
            Self::NoAck => (format!("42[\"{verb}\",{argument}]"), response, "]"),
            Self::WholePacket => (format!("42{ack}[\"message\",{whole}]"), answer, "]"),
            Self::WholePacketNoAck => (format!("42[\"message\",{whole}]"), response, "]"),
        }
    }
}

#[tokio::test]
async fn every_verb_is_answered_byte_for_byte() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        for way in Way::ALL {
            let mut ann = Peer::connected(server.address, kind).await;
            let id = ann.details().await["id"].as_str().unwrap().to_owned();
            for (number, (verb, argument, answer)) in (2..).zip(DIALOGUE) {
                let (packet, before, after) = way.write(verb, argument, number);
                ann.send(packet).await;
                let answer = answer.replace("ID", &id);
                let answer = answer.replace('#', &number.to_string());
                let expected = format!("{before}{answer}{after}");
                let prefix = &expected[..before.len()];
                assert_eq!(ann.wait_for(prefix).await, expected, "{kind:?} {way:?}");
            }
        }
    }
}

#[tokio::test]
async fn details_views_and_files() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let details = ann.call("detailsView", Value::Null).await;
        assert_eq!(details["status"], "OK");
        assert_eq!(details["data"]["rooms"], json!(["defaultRoom"]));
        let view = ann.call("roomView", json!({"room": "defaultRoom"})).await;
        assert_eq!(view["data"]["room"], "defaultRoom");
        let id = details["data"]["id"].as_str().unwrap();
        assert_eq!(view["data"]["members"][id]["id"], id, "{kind:?}");
        let file = ann.call("file", json!({"file": "simple.html"})).await;
        assert_eq!(file["error"], Value::Null);
        assert_eq!(file["mime"], "text/html");
        let content = file["content"].as_str().unwrap();
        assert_eq!(file["length"], content.len(), "{kind:?}");
        let params = json!({"action": "randomNumber"});
        let random = ann.call("action", json!({ "params": params })).await;
        assert!(random["number"].is_number(), "{kind:?}");
        ann.call("roomLeave", json!({"room": "defaultRoom"})).await;
        let view = ann.call("roomView", json!({"room": "defaultRoom"})).await;
        assert_eq!(view["error"]["code"], "016");
    }
}

#[tokio::test]
async fn the_argument_may_be_left_out() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for (id, packet) in [
            "420[\"detailsView\"]",
            "421[\"detailsView\",{}]",
            "42/,2[\"detailsView\"]",
            "423[ \"detailsView\" , { } ]",
        ]
        .into_iter()
        .enumerate()
        {
            ann.send(packet).await;
            let answer = ann.answer(id as u64).await;
            assert_eq!(answer["status"], "OK", "{kind:?}");
            assert_eq!(answer["messageCount"], id + 1);
        }
    }
}

#[tokio::test]
async fn the_name_wins_over_an_event_in_the_argument() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let argument = json!({"event": "quit", "room": "defaultRoom"});
        let answer = ann.call("roomAdd", argument).await;
        assert_eq!(answer["data"], true, "{kind:?}");
        let argument = json!({"event": "nope", "room": "defaultRoom", "message": "hi"});
        let answer = ann.call("say", argument).await;
        assert_eq!(answer["status"], "OK", "{kind:?}");
        assert_eq!(ann.hears().await["message"], "hi");
        // Behind other keys too, and more than once.
        ann.send(
            "429[\"roomLeave\",{\"room\":\"defaultRoom\",\"event\":\"quit\",\"event\":\"say\"}]",
        )
        .await;
        assert_eq!(ann.answer(9).await["data"], true, "{kind:?}");
        ann.details().await;
    }
}

/// Asserts that this is what is told about packet `number`, which goes no further.
fn assert_invalid(answer: &Value, what: &str, number: u64) {
    assert_eq!(answer["error"]["code"], "023", "{what}: {answer}");
    let text = answer["error"]["message"].as_str().unwrap();
    assert!(text.starts_with("The packet is not valid: "), "{text}");
    assert_eq!(answer["context"], "response", "{what}");
    assert_eq!(answer["messageCount"], number, "{what}: {answer}");
}

#[tokio::test]
async fn arguments_that_are_no_packet_are_023() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let mut number = 0;
        for arguments in [
            "\"defaultRoom\"",
            "7",
            "true",
            "[[]]",
            "[{\"room\":\"defaultRoom\"}]",
            "{\"room\":\"defaultRoom\"},{}",
            "{\"room\":\"defaultRoom\"},\"hi\"",
            "\"defaultRoom\",\"hi\"",
            "1,2,3,4,5,6,7,8,9,10",
            "null,{\"room\":\"defaultRoom\"}",
        ] {
            ann.send(format!("427[\"roomAdd\",{arguments}]")).await;
            assert_invalid(&ann.answer(7).await, arguments, number + 1);
            ann.send(format!("42[\"roomAdd\",{arguments}]")).await;
            number += 2;
            assert_invalid(&ann.event("response").await, arguments, number);
        }
        let answer = ann.call("detailsView", Value::Null).await;
        assert_eq!(answer["messageCount"], number + 1, "{kind:?}");
        assert_eq!(answer["data"]["rooms"], json!([]));
    }
}

#[tokio::test]
async fn messages_that_are_no_packet_are_refused() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for (arguments, codes) in [
            (",\"detailsView\"", ["014", "023"]),
            (",7", ["014", "023"]),
            (",[]", ["014", "023"]),
            (",{}", ["014", "014"]),
            (",{\"event\":\"nope\"}", ["014", "014"]),
            (",{\"event\":7}", ["014", "014"]),
            (",{\"event\":\"detailsView\"},{}", ["014", "023"]),
            ("", ["014", "023"]),
        ] {
            ann.send(format!("427[\"message\"{arguments}]")).await;
            let answer = ann.answer(7).await;
            let code = answer["error"]["code"].as_str();
            assert!(codes.contains(&code.unwrap_or("")), "{arguments}: {answer}");
        }
        ann.details().await;
    }
}

#[tokio::test]
async fn names_that_are_no_verb_are_014() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for name in [
            "nope",
            "Say",
            "say ",
            "",
            "paramAdd",
            "response",
            "welcome",
            "alert",
            "api",
            "error",
            "__proto__",
            "constructor",
            "connected",
            "CONNECT",
            "ping",
            "\u{20ac}\u{1f600}",
            "primus::id::",
        ] {
            let text = format!("Verb not found or not allowed ({name})");
            let expected = json!({
                "status": text,
                "error": {"code": "014", "message": text},
                "context": "response",
                "data": null,
            });
            let mut answer = ann.call(name, json!({"room": "defaultRoom"})).await;
            answer.as_object_mut().unwrap().shift_remove("messageCount");
            assert_eq!(answer, expected, "{kind:?}");
            ann.send(format!("42[\"{name}\"]")).await;
            let mut answer = ann.event("response").await;
            answer.as_object_mut().unwrap().shift_remove("messageCount");
            assert_eq!(answer, expected, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn text_of_all_kinds_passes_unharmed() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        for message in [
            json!("\u{20ac} \u{1f600} \u{e9}"),
            json!("\u{1e}\u{0}\u{2028}\u{2029}\"\\/\n\r\t"),
            json!("42[\"say\"]"),
            json!({"_placeholder": true, "num": 0}),
            json!([1, 1.5, -0.25, 1e100, null, true, {"a": []}]),
            json!({"event": "quit", "context": "alert"}),
        ] {
            let say = json!({"room": "defaultRoom", "message": message});
            let answer = ann.call("say", say).await;
            assert_eq!(answer["status"], "OK");
            assert_eq!(bob.hears().await["message"], message);
            assert_eq!(ann.hears().await["message"], message, "{kind:?}");
        }
        ann.rest_after("1").await;
    }
}

#[tokio::test]
async fn a_message_id_is_echoed() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let answer = ann.call("detailsView", json!({"messageId": "m7"})).await;
        assert_eq!(answer["messageId"], "m7", "{kind:?}");
    }
}

#[tokio::test]
async fn json_that_nests_too_deep_is_023() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let say = format!("427[\"say\",{{\"room\":\"defaultRoom\",\"message\":{deep}}}]");
        ann.send(say).await;
        assert_invalid(&ann.answer(7).await, "a deep message", 2);
        ann.details().await;
    }
}

#[tokio::test]
async fn requests_in_one_write_are_numbered_in_order() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let packets = [
            text("420[\"detailsView\"]"),
            text("42[\"nope\"]"),
            text("421[\"roomAdd\",7]"),
            text("422[\"message\",{\"event\":\"detailsView\"}]"),
        ];
        ann.send_all(&packets).await;
        assert_eq!(ann.answer(0).await["messageCount"], 1);
        assert_eq!(ann.event("response").await["messageCount"], 2);
        assert_invalid(&ann.answer(1).await, "no packet", 3);
        assert_eq!(ann.answer(2).await["messageCount"], 4, "{kind:?}");
    }
}

/// PHP's `json_encode([])`, by which its clients mean no params.
#[tokio::test]
async fn an_empty_array_is_an_argument_without_keys() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for (number, array) in ["[]", "[ ]", "[\n]"].into_iter().enumerate() {
            ann.send(format!("427[\"detailsView\",{array}]")).await;
            let answer = ann.answer(7).await;
            assert_eq!(answer["status"], "OK", "{kind:?}");
            assert_eq!(answer["messageCount"], 2 * number + 1);
            // What is missing is told as it is for an empty object.
            ann.send(format!("427[\"roomAdd\",{array}]")).await;
            assert_eq!(ann.answer(7).await["error"]["code"], "021", "{kind:?}");
        }
        ann.send("427[\"action\",{\"params\":[]}]").await;
        assert_eq!(ann.answer(7).await["error"]["code"], "004", "{kind:?}");
        ann.send("42[\"detailsView\",[]]").await;
        assert_eq!(ann.event("response").await["status"], "OK", "{kind:?}");
    }
}

/// An event that is no verb and has the name of an action calls it, with its argument as params.
#[tokio::test]
async fn the_name_of_an_action_calls_it() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for (packet, answer) in [
            (
                "421[\"formattedSum\",{\"a\":3,\"b\":4}]",
                "431[{\"formatted\":\"3 + 4 = 7\",\"context\":\"response\",\"messageCount\":1}]",
            ),
            // Without an acknowledgement, as a verb's.
            (
                "42[\"formattedSum\",{\"a\":1,\"b\":1}]",
                "42[\"response\",{\"formatted\":\"1 + 1 = 2\",\"context\":\"response\",\"messageCount\":2}]",
            ),
            // The name wins over what the argument says; no argument is no params.
            (
                "423[\"isolated.action\",{\"action\":\"formattedSum\"}]",
                "433[{\"success\":\"ok\",\"context\":\"response\",\"messageCount\":3}]",
            ),
            (
                "424[\"isolated.action\"]",
                "434[{\"success\":\"ok\",\"context\":\"response\",\"messageCount\":4}]",
            ),
            (
                "425[\"isolated\\u002eaction\",[]]",
                "435[{\"success\":\"ok\",\"context\":\"response\",\"messageCount\":5}]",
            ),
        ] {
            ann.send(packet).await;
            let prefix = &answer[..answer.find('{').unwrap()];
            assert_eq!(ann.wait_for(prefix).await, answer, "{kind:?}");
        }
        let missing = ann.call("formattedSum", json!({"a": 3})).await;
        assert_eq!(
            missing["error"]["b"], "The b field is required.",
            "{kind:?}"
        );
        for argument in [json!(7), json!([1]), json!("text")] {
            let answer = ann.call("formattedSum", argument).await;
            assert_eq!(answer["error"]["code"], "023", "{kind:?}");
        }
        for neither in [
            "formattedsum",
            "FormattedSum",
            "formattedSum ",
            "",
            "action ",
        ] {
            let answer = ann.call(neither, json!({})).await;
            assert_eq!(answer["error"]["code"], "014", "{kind:?} {neither:?}");
        }
        // A verb stays what it is: it has its action among its params.
        let answer = ann.call("action", json!({"a": 3, "b": 4})).await;
        assert!(answer["error"].is_object(), "{answer}");
        let details = ann.details().await;
        assert_eq!(details["pendingActions"], 0);
    }
}

#[tokio::test]
async fn where_actions_are_refused_their_names_are_too() {
    let server = Binary::configured("[general]\nrefused_verbs = [\"action\"]\n");
    for kind in Kind::PLAIN {
        let mut ann = Peer::connected(server.address, kind).await;
        let answer = ann.call("formattedSum", json!({"a": 3, "b": 4})).await;
        let status = "Verb not found or not allowed (formattedSum)";
        assert_eq!(answer["status"], status, "{kind:?}");
    }
}
