//! Bodies and params: what HTTP and actions are asked to hold.

use serde_json::{Value, json};

use crate::raw::{self, Raw};
use crate::{Held, MIB, UNHURRIED, web};

/// A body of which `sent` bytes come, from a client that a proxy names.
async fn begun(held: &Held, client: &str, sent: u64) -> Raw {
    let mut raw = Raw::connect(held.address()).await;
    let head = format!(
        "POST /api/sleep HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nContent-Length: {MIB}\r\n\r\n"
    );
    raw.write(head).await;
    let _cut = raw.try_write(crate::text(sent)).await;
    raw
}

#[tokio::test]
async fn bodies_over_the_budget_are_refused_with_the_time_to_come_back() {
    let mut held = Held::with(&format!("memory_budget_bytes = {}\n{UNHURRIED}", 2 * MIB)).await;
    let mut first = Vec::new();
    for client in ["203.0.113.1", "203.0.113.2"] {
        first.push(begun(&held, client, 900_000).await);
    }
    crate::within("the bodies to be held", async {
        while held.held("body").await < 1_750_000 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut third = begun(&held, "203.0.113.3", 900_000).await;
    let answer = third.answer().await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.header("retry-after"), Some("1"));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["error"]["code"], "029");
    assert_eq!(held.refused("body").await, 1);
    held.serves().await;
    drop((first, third));
    held.until_at_most(0).await;
    held.survives().await;
}

#[tokio::test]
async fn one_address_cannot_take_all() {
    let shares = format!(
        "memory_budget_bytes = {}\nmemory_per_address_bytes = {}\n{UNHURRIED}",
        64 * MIB,
        MIB
    );
    let mut held = Held::with(&shares).await;
    let _first = begun(&held, "2001:db8::1", 900_000).await;
    crate::within("the body to be held", async {
        while held.held("body").await < 850_000 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    // The same network is the same client.
    let mut neighbour = begun(&held, "2001:db8::2:3", 900_000).await;
    assert_eq!(neighbour.answer().await.status, 503);
    let params = json!({"sleepDuration": 1, "padding": crate::text(400_000)});
    let request = web::request("POST", "/api/sleep")
        .header("x-forwarded-for", "2001:db8:0:1::1")
        .header("content-type", "application/json");
    let other = web::send(held.address(), request, params.to_string()).await;
    assert_eq!(other.status, 200);
    held.serves().await;
    held.survives().await;
}

#[tokio::test]
async fn params_are_held_while_their_action_runs_and_no_longer() {
    let mut held = Held::with(&format!("memory_budget_bytes = {}\n", 4 * MIB)).await;
    let params =
        json!({"action": "sleep", "sleepDuration": 600_000, "padding": crate::text(700_000)});
    let call = json!({"event": "action", "params": params}).to_string();
    let mut raw = Raw::upgraded(held.address(), "/ws").await;
    raw.packet().await;
    for _ in 0..2 {
        raw.send(raw::TEXT, &call).await;
    }
    crate::within("the params to be held", async {
        while held.held("params").await < 2_700_000 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    raw.send(raw::TEXT, &call).await;
    let refused = raw.packet().await;
    assert_eq!(refused["error"]["code"], "029");
    assert_eq!(refused["error"]["retryAfter"], 1000);
    assert_eq!(refused["messageCount"], 3);
    // Over HTTP too.
    let request = web::request("POST", "/api/sleep").header("content-type", "application/json");
    let answer = web::send(held.address(), request, params.to_string()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["code"], "029");
    held.serves().await;
    held.survives().await;
}
