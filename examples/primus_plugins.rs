//! The four plugins that come along, in one server: events with acknowledgements, rooms, channels on one connection, and
//! requests in both directions.
//!
//!     cargo run --example primus_plugins
//!
//! The client is at `http://127.0.0.1:8080/primus/primus.js`; npm's `primus` with the plugins `primus-emitter` (or
//! `primus-emit`), `primus-multiplex` and `primus-responder` will do as well. In a page:
//!
//! ```js
//! var primus = new Primus('http://127.0.0.1:8080');
//! primus.send('sum', 1, 2, function (sum) { console.log(sum); });
//! primus.send('join', 'lobby', function (rooms) { primus.send('say', 'lobby', 'hello'); });
//! primus.on('said', function (room, text) { console.log(room, text); });
//! primus.writeAndWait('what do you say?', function (echo) { console.log(echo); });
//! var news = primus.channel('news');
//! news.on('data', function (data) { console.log(data); });
//! news.write('to myself');
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::net::SocketAddr;

use stellar::primus::plugins::multiplex::ChannelSpark;
use stellar::primus::plugins::responder::Request;
use stellar::primus::plugins::{CallError, Emit, Multiplex, Responder, Rooms, emit, responder};
use stellar::primus::{Destroy, End, Primus, Spark, Value};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter("warn").init();
    let address = std::env::args().nth(1);
    let address: SocketAddr = address.as_deref().unwrap_or("127.0.0.1:8080").parse()?;

    let rooms = Rooms::new();
    let channels = Multiplex::new();
    channels.channel("news").on_connection(enter_news);
    let primus = Primus::builder()
        .plugin(events(&rooms))
        .plugin(channels)
        .plugin(Responder::new().on_request(answer))
        .plugin(rooms)
        .on_data(|spark, packet| drop(spark.write(packet.data)))
        .build()?;

    let bound = primus.bind(address).await?;
    println!(
        "Primus on http://{}{}",
        bound.local_addr()?,
        primus.pathname()
    );
    let stopping = primus.clone();
    tokio::spawn(async move {
        stellar::asked_to_stop().await;
        stopping.destroy(Destroy::new().reconnect()).await;
    });
    bound.serve().await;
    Ok(())
}

/// Events of all connections. An answer to one that has gone meanwhile has nobody to reach.
fn events(rooms: &Rooms) -> Emit {
    let (join, leave, say) = (rooms.clone(), rooms.clone(), rooms.clone());
    Emit::new()
        .on("sum", |args, ack| {
            let sum = args.parse::<(i64, i64)>().map(|(a, b)| a + b);
            let _gone = ack.send((sum.ok(),));
        })
        .on("join", move |args, ack| {
            join.join(ack.spark(), args[0].as_str().unwrap_or("lobby"));
            let _gone = answer_rooms(&join, ack);
        })
        .on("leave", move |args, ack| {
            leave.leave(ack.spark(), args[0].as_str().unwrap_or("lobby"));
            let _gone = answer_rooms(&leave, ack);
        })
        .on("say", move |args, ack| {
            let Some(room) = args[0].as_str() else { return };
            let others = say.room(room).except(ack.spark());
            if let Err(error) = others.send("said", (room, args[1].clone())) {
                println!("{error}");
            }
        })
        .on("ask me", |args, ack| {
            // It waits for the client, and others must not wait for it.
            tokio::spawn(async move {
                let answer = emit::call(ack.spark(), "question", (args[0].clone(),)).await;
                let _gone = ack.send((answer.unwrap_or_default(),));
            });
        })
        .on("drop me", |_, ack| {
            ack.spark().end_with(End::new().reconnect())
        })
}

fn answer_rooms(rooms: &Rooms, ack: emit::Ack) -> Result<(), stellar::primus::WriteError> {
    let names = rooms.rooms(ack.spark()).into_iter().map(Value::from);
    ack.send((names.collect::<Vec<_>>(),))
}

/// Requests: an object with `ask` is answered with what the client itself says to that, all else is echoed.
fn answer(request: Request) {
    tokio::spawn(async move {
        let data = match request.data.get("ask") {
            None => request.data.clone(),
            Some(question) => ask(request.spark(), question).await.unwrap_or_default(),
        };
        let _gone = request.respond(data);
    });
}

async fn ask(spark: &Spark, question: &Value) -> Result<Value, CallError> {
    responder::write_and_wait(spark, question.clone()).await
}

/// The channel `news` echoes, doubles numbers, and ends when it is told to.
fn enter_news(spark: &ChannelSpark) {
    spark.on_data(|spark, data| match data.as_str() {
        Some("end") => spark.end(),
        _ => drop(spark.write(data)),
    });
    emit::on(spark, "double", |args, ack| {
        let _gone = ack.send((args[0].as_i64().map(|number| number * 2),));
    });
}
