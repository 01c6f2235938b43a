//! A text that was cut inside an emoji is a text like any other (`"\ud83d"`): it is taken everywhere. Where it has to be
//! a name or a param, U+FFFD stands for the half.

use serde_json::{Value, json};
use stellar::app::{Action, App, ChatMiddleware, Verdict};
use stellar::config::Config;

use crate::support::Client;
use crate::support::engineio::{Packet, Session, Version};
use crate::support::server::{Running, start};

/// What `'nice 😀'.slice(0, -1)` is in JSON, and in a string of Rust.
const HALF: &str = "nice \\ud83d";
const MENDED: &str = "nice \u{FFFD}";

fn echo() -> Action {
    Action::new("echo", |_, params: Value| async move {
        Ok(json!({ "params": params }))
    })
}

/// A server with rooms of both names, and a client of each dialect.
async fn with_clients(builder: stellar::app::AppBuilder) -> (Running, [Client; 2]) {
    let server = start(builder.action(echo()), Config::default()).await;
    server.app.chat().create(MENDED).unwrap();
    let clients = [server.primus().await, server.plain().await];
    (server, clients)
}

/// Sends a packet as it is written, and waits for its answer.
async fn ask(client: &mut Client, number: u64, packet: &str) -> Value {
    client.send_text(&packet.replace("HALF", HALF)).await;
    client.count(1);
    client.answer(number).await
}

#[tokio::test]
async fn every_request_takes_them() {
    let (_server, clients) = with_clients(App::builder()).await;
    for mut ann in clients {
        let joined = ask(&mut ann, 1, r#"{"event":"roomAdd","room":"HALF"}"#).await;
        assert_eq!(joined["status"], "OK", "{joined}");
        let view = ask(&mut ann, 2, r#"{"event":"roomView","room":"HALF"}"#).await;
        assert_eq!(view["data"]["room"], MENDED);

        let action = r#"{"event":"action","params":{"action":"echo","a":"HALF","HALF":["HALF"]}}"#;
        let answer = ask(&mut ann, 3, action).await;
        assert_eq!(answer["params"]["a"], MENDED, "{answer}");
        assert_eq!(answer["params"][MENDED], json!([MENDED]));

        let event = r#"{"event":"event","params":{"room":"HALF","event":"HALF","data":{"HALF":"HALF"},"HALF":1}}"#;
        let answer = ask(&mut ann, 4, event).await;
        assert_eq!(answer["status"], "OK", "{answer}");
        let heard = ann.hears().await;
        assert_eq!(heard["room"], MENDED);
        assert_eq!(
            heard["message"],
            json!({"event": MENDED, "data": {MENDED: MENDED}})
        );

        let file = ask(&mut ann, 5, r#"{"event":"file","file":"HALF"}"#).await;
        assert_eq!(file["error"]["code"], "010", "{file}");
        let verb = ask(&mut ann, 6, r#"{"event":"HALF"}"#).await;
        assert_eq!(
            verb["status"],
            format!("Verb not found or not allowed ({MENDED})")
        );
        let unknown = ask(
            &mut ann,
            7,
            r#"{"event":"action","params":{"action":"HALF"}}"#,
        )
        .await;
        assert_eq!(unknown["error"]["code"], "004", "{unknown}");
        let missing = ask(&mut ann, 8, r#"{"event":"roomAdd","room":"\udfff"}"#).await;
        assert_eq!(missing["error"]["code"], "019", "{missing}");
        let words = ask(
            &mut ann,
            9,
            r#"{"event":"say","room":"HALF","x":"HALF","HALF":"y"}"#,
        )
        .await;
        assert_eq!(words["status"], "OK", "{words}");
        assert_eq!(ann.hears().await["message"], format!("{MENDED} y"));
        let left = ask(&mut ann, 10, r#"{"event":"roomLeave","room":"HALF"}"#).await;
        assert_eq!(left["status"], "OK", "{left}");
    }
}

#[tokio::test]
async fn what_is_said_and_ids_keep_the_escape() {
    let (server, _clients) = with_clients(App::builder()).await;
    for version in Version::BOTH {
        let mut ann = Session::greeted(server.address, version).await;
        ann.join(MENDED).await;
        let say = r#"{"event":"say","room":"HALF","message":{"HALF":"HALF"},"messageId":"HALF"}"#;
        ann.send(&[Packet::message(say.replace("HALF", HALF))])
            .await;
        let packets = [ann.next().await, ann.next().await];
        let texts = packets.map(|packet| packet.as_message().unwrap().to_owned());
        let texts = texts.join("\n");
        assert!(
            texts.contains(&format!("\"messageId\":\"{HALF}\"")),
            "{texts}"
        );
        let message = format!("\"message\":{{\"{HALF}\":\"{HALF}\"}}");
        assert!(texts.contains(&message), "{texts}");
    }
}

#[tokio::test]
async fn hooks_are_told_and_members_hear_what_they_leave() {
    let hooks = ChatMiddleware::new("loud")
        .on_say_receive(|_, message| async move {
            assert_eq!(message.message, MENDED);
            Verdict::Replace(message)
        })
        .on_say(|_, message| async move { Verdict::Replace(message) });
    let (_server, clients) = with_clients(App::builder().chat_middleware(hooks)).await;
    for mut ann in clients {
        ann.join(MENDED).await;
        let said = ask(
            &mut ann,
            2,
            r#"{"event":"say","room":"HALF","message":"HALF"}"#,
        )
        .await;
        assert_eq!(said["status"], "OK", "{said}");
        assert_eq!(ann.hears().await["message"], MENDED);
    }
}

#[tokio::test]
async fn what_hooks_cannot_be_told_is_refused_and_not_lost() {
    let hooks = ChatMiddleware::new("quiet").on_say(|_, _| async { Verdict::Keep });
    let (_server, clients) = with_clients(App::builder().chat_middleware(hooks)).await;
    for mut ann in clients {
        ann.join(MENDED).await;
        let said = ask(
            &mut ann,
            2,
            r#"{"event":"say","room":"HALF","message":[1e999]}"#,
        )
        .await;
        assert_eq!(said["error"]["code"], "023", "{said}");
    }
}
