//! Messages of which the rest does not come.

use crate::raw::{self, Raw, TEXT};
use crate::{Held, MIB, OVER, UNHURRIED};

/// A message of `whole` bytes of which only `sent` come.
async fn half(held: &Held, path: &str, whole: u64, sent: u64) -> Raw {
    let mut raw = Raw::upgraded(held.address(), path).await;
    raw.write(raw::header(TEXT, whole)).await;
    // The server may have had enough before the last of it.
    let _cut = raw.try_write(crate::text(sent)).await;
    raw
}

#[tokio::test]
async fn a_large_one_that_does_not_go_on_is_cut_long_before_its_time() {
    let held = Held::with("receive_stall_ms = 500\n").await;
    for (number, path) in ["/ws", "/primus"].into_iter().enumerate() {
        let _large = half(&held, path, MIB, MIB / 2).await;
        held.until_closed("receive_timeout", number as u64 + 1)
            .await;
        held.until_at_most(0).await;
    }
    held.survives().await;
}

#[tokio::test]
async fn they_take_from_the_budget_and_those_over_it_are_cut() {
    let budget = 4 * MIB;
    let mut held = Held::with(&format!("memory_budget_bytes = {budget}\n{UNHURRIED}")).await;
    let mut halves = Vec::new();
    for _ in 0..16 {
        halves.push(half(&held, "/ws", 10 * MIB, MIB / 2).await);
        let all = held.all().await;
        assert!(all as f64 <= budget as f64 * OVER, "{all}");
        held.serves().await;
    }
    // Eight have room. Whoever has no room is cut, and so are those who hold the most.
    held.until_closed("overloaded", 8).await;
    assert!(held.refused("message").await >= 1);
    drop(halves);
    held.until_at_most(0).await;
    held.survives().await;
}
