//! A server with Primus's API and without an app: what a client says is echoed, and objects with a key `do` make the
//! server do what they say. Try it with any Primus client, or with the page at `/`… of your own:
//!
//!     cargo run --example primus
//!     cargo run --example primus -- --parser msgpack --ping-interval 1000 --token secret
//!
//! `{"do":"end"}`, `{"do":"reconnect"}`, `{"do":"retry","after":500}`, `{"do":"who"}`, `{"do":"all","data":…}`,
//! `{"do":"connected"}`, `{"do":"count","to":100}`, `{"do":"destroy","within":500}`. With `data` in it, `end` and
//! `reconnect` say that first.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use serde_json::json;
use stellar::primus::parser::{BinaryPack, Ejson, Json, MsgPack, Raw};
use stellar::primus::{
    Builder, Destroy, Direction, End, Packet, Primus, Refusal, Spark, Transform, Value,
};

#[derive(Debug, clap::Parser)]
struct Options {
    /// Address and port.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where clients come in.
    #[arg(long, default_value = "/primus")]
    pathname: String,
    /// json, msgpack, binary, ejson or raw.
    #[arg(long, default_value = "json")]
    parser: String,
    /// Transports to open, in order.
    #[arg(long, value_delimiter = ',', default_value = "ws,polling,socketio")]
    transport: Vec<String>,
    /// Ms between two pings; 0 for none.
    #[arg(long, default_value_t = 30_000)]
    ping_interval: u64,
    /// Ms between two pings of engine.io.
    #[arg(long, default_value_t = 25_000)]
    session_ping_interval: u64,
    /// Largest message, in bytes.
    #[arg(long)]
    max_length: Option<usize>,
    /// Admits only clients whose query has `token=` this.
    #[arg(long)]
    token: Option<String>,
    /// Other origins that may connect.
    #[arg(long)]
    origin: Vec<String>,
    /// Gives connections the ids `spark-1`, `spark-2` and so on.
    #[arg(long)]
    number_ids: bool,
    /// Ms that the connection handler takes.
    #[arg(long, default_value_t = 0)]
    slow_handler: u64,
    /// Ms that a transform takes with each message that is an even number.
    #[arg(long, default_value_t = 0)]
    slow_transform: u64,
}

fn with_parser(builder: Builder, name: &str) -> Builder {
    match name {
        "msgpack" => builder.parser(MsgPack),
        "binary" => builder.parser(BinaryPack),
        "ejson" => builder.parser(Ejson),
        "raw" => builder.parser(Raw),
        _ => builder.parser(Json),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter("warn").init();
    let options = Options::parse();
    let mut of_transports = stellar::transports::Options::default();
    of_transports.polling.ping_interval = Duration::from_millis(options.session_ping_interval);
    let mut builder = with_parser(Primus::builder(), &options.parser)
        .pathname(&options.pathname)
        .transports(&options.transport)
        .transport_options(of_transports)
        .origins(&options.origin)
        .ping_interval(
            (options.ping_interval > 0).then(|| Duration::from_millis(options.ping_interval)),
        );
    if let Some(bytes) = options.max_length {
        builder = builder.max_length(bytes);
    }
    if let Some(token) = options.token {
        builder = builder.authorize(move |handshake| {
            let query = form_urlencoded::parse(handshake.query().as_bytes());
            let knows = query
                .into_iter()
                .any(|(name, value)| name == "token" && value == *token);
            Box::pin(async move {
                let refusal = Refusal::new("a token is needed").with_authenticate("Bearer");
                knows.then_some(()).ok_or(refusal)
            })
        });
    }
    if options.number_ids {
        let next = std::sync::atomic::AtomicU64::new(1);
        builder = builder.id_generator(move |_| {
            format!(
                "spark-{}",
                next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            )
        });
    }
    if options.slow_transform > 0 {
        let pause = Duration::from_millis(options.slow_transform);
        for direction in [Direction::Incoming, Direction::Outgoing] {
            let transform = Transform::waiting(move |packet: Packet| async move {
                if packet.data.as_i64().is_some_and(|number| number % 2 == 0) {
                    tokio::time::sleep(pause).await;
                }
                Ok(Some(packet))
            });
            builder = builder.transform(direction, transform);
        }
    }
    let pause = Duration::from_millis(options.slow_handler);
    let primus = builder
        .on_connection(move |spark: Spark| async move {
            tokio::time::sleep(pause).await;
            spark.on_data(answer);
        })
        .on_disconnection(|spark, reason| async move {
            println!("{} left: {}", spark.id(), reason.label());
        })
        .build()?;
    let bound = primus.bind(options.listen).await?;
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

fn answer(spark: &Spark, packet: Packet) {
    let primus = spark.primus();
    let data = &packet.data;
    let end = match &data["data"] {
        Value::Null => End::new(),
        last => End::new().data(last.clone()),
    };
    let millis = |value: &Value| Duration::from_millis(value.as_i64().map_or(0, i64::unsigned_abs));
    match data["do"].as_str() {
        Some("end") => spark.end_with(end),
        Some("reconnect") => spark.end_with(end.reconnect()),
        Some("retry") => spark.end_with(end.retry_after(millis(&data["after"]))),
        Some("who") => {
            let address = spark.address();
            let query: Vec<_> = spark.queries().collect();
            let headers = spark.headers().iter();
            let headers: serde_json::Map<_, _> = headers
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    (name.to_string(), value.into())
                })
                .collect();
            let _closed = spark.write(json!({
                "id": spark.id(),
                "address": { "ip": address.ip, "port": address.port, "secure": address.secure },
                "transport": spark.transport(),
                "query": query,
                "headers": headers,
            }));
        }
        Some("all") => {
            if let Err(error) = primus.write(data["data"].clone()) {
                println!("{error}");
            }
        }
        Some("connected") => {
            let _closed = spark.write(primus.connected() as u64);
        }
        Some("count") => {
            for number in 1..=data["to"].as_i64().unwrap_or(0) {
                let _closed = spark.write(number);
            }
        }
        Some("destroy") => {
            let how = Destroy::new().retry_within(millis(&data["within"]));
            tokio::spawn(async move { primus.destroy(how).await });
        }
        _ => {
            if let Err(error) = spark.write(packet.data) {
                println!("{error}");
            }
        }
    }
}
