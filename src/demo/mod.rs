//! The demo: actions to try, and a page that tries them.

use std::hash::{BuildHasher, RandomState};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::app::{Action, ActionError, AppBuilder, Context, Input, PublicFiles};

/// Rooms that the page offers besides `defaultRoom`.
pub const ROOMS: [&str; 2] = ["lobby", "random"];

/// The page and what it shows, embedded.
pub fn files() -> PublicFiles {
    PublicFiles::new()
        .embed("index.html", include_bytes!("public/index.html"))
        .embed("demo.css", include_bytes!("public/demo.css"))
        .embed("demo.js", include_bytes!("public/demo.js"))
        .embed("simple.html", include_bytes!("public/simple.html"))
        .embed("images/logo.png", include_bytes!("public/images/logo.png"))
}

/// Adds the demo's actions.
pub fn actions(builder: AppBuilder) -> AppBuilder {
    builder
        .action(random_number())
        .action(sleep())
        .action(cache_test())
        .action(sum_a_number())
        .action(formatted_sum())
        .action(isolated())
        .action(versioned(1))
        .action(versioned(2))
}

fn random_number() -> Action {
    Action::new("randomNumber", |_context, _: IgnoredAny| async move {
        // 53 random bits, as many as a double holds. Nobody's secret, so the keys of a hash map are random enough.
        let bits = RandomState::new().hash_one(()) >> 11;
        Ok(json!({ "number": bits as f64 / (1_u64 << 53) as f64 }))
    })
    .description("A random number from 0 to 1")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sleep {
    sleep_duration: u64,
}

fn sleep() -> Action {
    Action::new("sleep", |_context, params: Sleep| async move {
        tokio::time::sleep(std::time::Duration::from_millis(params.sleep_duration)).await;
        Ok(json!({ "sleepDuration": params.sleep_duration }))
    })
    .description("Answers after `sleepDuration` ms")
    .input(
        Input::new("sleepDuration")
            .integer()
            .default_value(1000)
            .rules("min:0"),
    )
}

#[derive(Deserialize)]
struct CacheTest {
    key: String,
    value: Value,
}

/// Shows what an action that writes, reads and deletes an entry of a cache reports.
fn cache_test() -> Action {
    let cache = std::sync::Arc::new(parking_lot::Mutex::new(std::collections::HashMap::new()));
    Action::new("cacheTest", move |_context, params: CacheTest| {
        let cache = std::sync::Arc::clone(&cache);
        async move {
            let key = format!("cache_test_{}", params.key);
            let created_at = crate::app::now();
            let mut cache = cache.lock();
            let is_new = cache
                .insert(key.clone(), (params.value, created_at))
                .is_none();
            let size = cache.len();
            let (value, created_at) = cache.remove(&key).ok_or("the entry is gone")?;
            Ok(json!({
                "cacheTestResults": {
                    "saveResp": is_new,
                    "sizeResp": size,
                    "loadResp": {
                        "key": key,
                        "value": value,
                        "expireTimestamp": null,
                        "createdAt": created_at,
                        "readAt": null,
                    },
                    "deleteResp": true,
                }
            }))
        }
    })
    .description("Saves, loads and deletes an entry of a cache")
    .input(Input::new("key").required())
    .input(Input::new("value").required())
}

#[derive(Deserialize)]
struct Sum {
    a: i64,
    b: i64,
}

fn sum_a_number() -> Action {
    Action::new("sumANumber", |_context, params: Sum| async move {
        let sum = params.a.checked_add(params.b).ok_or("the sum is too big")?;
        Ok(json!({ "result": sum }))
    })
    .description("Adds two integers; only for other actions")
    .input(Input::new("a").integer().required())
    .input(Input::new("b").integer().required())
    .private()
}

fn formatted_sum() -> Action {
    Action::new("formattedSum", |context: Context, params: Sum| async move {
        let Sum { a, b } = params;
        let sum = context
            .call("sumANumber", json!({ "a": a, "b": b }))
            .await?;
        let sum = sum
            .get("result")
            .ok_or_else(|| ActionError::from("there is no sum"))?;
        Ok(json!({ "formatted": format!("{a} + {b} = {sum}") }))
    })
    .description("Adds two integers and shows how")
    .input(Input::new("a").integer().required())
    .input(Input::new("b").integer().required())
}

fn isolated() -> Action {
    Action::new("isolated.action", |_context, _: IgnoredAny| async move {
        Ok(json!({ "success": "ok" }))
    })
    .description("An action with a dot in its name")
}

fn versioned(version: u32) -> Action {
    Action::new(
        "versionedAction",
        move |_context, _: IgnoredAny| async move { Ok(json!({ "version": version })) },
    )
    .version(f64::from(version))
    .description("Tells which of its versions ran")
}
