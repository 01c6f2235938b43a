//! Actions: async functions with typed params, rules for what comes in, versions, private helpers.
//!
//!     cargo run --example actions
//!
//! Then, over HTTP or as packets over `ws://127.0.0.1:8080/ws`:
//!
//!     curl 'http://127.0.0.1:8080/api/order.place?item=tea&count=3'
//!     curl 'http://127.0.0.1:8080/api/order.place?item=tea&count=zero'
//!     {"event":"action","params":{"action":"order.place","item":"tea","count":3}}
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stellar::Server;
use stellar::app::{Action, App, Context, Input};

#[derive(Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Serialize)]
struct Receipt {
    item: String,
    count: u32,
    total: u32,
}

type Stock = Arc<Mutex<BTreeMap<String, u32>>>;

/// Only other actions may call it.
fn price() -> Action {
    Action::new("price", |_context, params: Value| async move {
        let price = match params["item"].as_str() {
            Some("tea") => 3,
            Some("cake") => 5,
            _ => return Err("we do not sell that".into()),
        };
        Ok(json!({ "price": price }))
    })
    .private()
}

fn place_order(stock: Stock) -> Action {
    Action::new("order.place", move |context: Context, order: Order| {
        let stock = Arc::clone(&stock);
        async move {
            let price = context.call("price", json!({ "item": order.item })).await?;
            let price = price["price"].as_u64().unwrap_or_default() as u32;
            let mut stock = stock.lock();
            let left = stock.get_mut(&order.item).ok_or("we do not sell that")?;
            *left = left
                .checked_sub(order.count)
                .ok_or_else(|| format!("only {left} left"))?;
            Ok(Receipt {
                total: order.count * price,
                item: order.item,
                count: order.count,
            })
        }
    })
    .description("Orders something")
    .input(Input::new("item").required().rules("alpha"))
    .input(
        Input::new("count")
            .integer()
            .default_value(1)
            .rules("between:1,20"),
    )
}

fn stock_v1(stock: Stock) -> Action {
    Action::new("stock", move |_context, _: Value| {
        let total: u32 = stock.lock().values().sum();
        async move { Ok(total) }
    })
    .description("How much there is; the old answer is one number")
}

fn stock_v2(stock: Stock) -> Action {
    Action::new("stock", move |_context, _: Value| {
        let stock = stock.lock().clone();
        async move { Ok(stock) }
    })
    .version(2.0)
    .description("How much there is of each item")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stock = Stock::new(Mutex::new([("tea".into(), 40), ("cake".into(), 8)].into()));
    let app = App::builder()
        .action(price())
        .action(place_order(Arc::clone(&stock)))
        .action(stock_v1(Arc::clone(&stock)))
        .action(stock_v2(stock))
        .build()?;
    for (name, description) in app.actions() {
        println!("{name:<12} http://127.0.0.1:8080/api/{name}  {description}");
    }
    Server::new(app).run().await?;
    Ok(())
}
