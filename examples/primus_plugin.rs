//! A plugin of one's own, with a part for the server and one for the page: who is here.
//!
//!     cargo run --example primus_plugin
//!
//! Then open http://127.0.0.1:8080/primus/page in two windows.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, HeaderValue};
use parking_lot::Mutex;
use serde_json::json;
use stellar::engine::{ConnectionId, Refusal};
use stellar::primus::layer::{Exchange, Next};
use stellar::primus::{Builder, ClientPart, CloseReason, Packet, Plugin, Primus, Spark, Value};
use stellar::transports::body;

/// Keeps a list of names. In a page, `primus.presence.enter('ann')` puts one on it, and `primus.on('presence', …)` hears
/// the whole list whenever it has changed.
///
/// On the wire: `{"presence":"ann"}` from a client, `{"presence":["ann","bob"]}` to all. Neither is seen by the
/// application on either side.
#[derive(Debug, Default)]
struct Presence {
    /// By connection, not by spark: a plugin that holds sparks has to let go of them in time.
    names: Mutex<BTreeMap<ConnectionId, String>>,
}

impl Presence {
    fn list(&self) -> Value {
        let names = self.names.lock();
        json!({ "presence": names.values().collect::<Vec<_>>() }).into()
    }

    /// The list is made before anything is sent: no lock is held meanwhile.
    fn tell_all(&self, primus: &Primus) {
        if let Err(error) = primus.write(self.list()) {
            println!("nobody was told: {error}");
        }
    }
}

impl Plugin for Presence {
    fn name(&self) -> &str {
        "presence"
    }

    /// Before the server is built: what the plugin wants of it.
    fn install(&self, builder: Builder) -> Builder {
        builder.layer("presence page", page)
    }

    fn connected(&self, spark: &Spark) {
        let _closed_meanwhile = spark.write(self.list());
    }

    /// `None` keeps the message from the application.
    fn received(&self, spark: &Spark, packet: Packet) -> Option<Packet> {
        let Some(name) = packet.data.get("presence") else {
            return Some(packet);
        };
        if let Some(name) = name.as_str() {
            // What a client says goes to all others, so it has a limit.
            let name = name.chars().take(40).collect();
            self.names.lock().insert(spark.connection_id(), name);
            self.tell_all(&spark.primus());
        }
        None
    }

    fn disconnected(&self, spark: &Spark, _reason: &CloseReason) {
        let left = self.names.lock().remove(&spark.connection_id());
        if left.is_some() {
            self.tell_all(&spark.primus());
        }
    }

    /// Runs in every client that the generated script makes. A transform that answers `false` keeps the message back.
    fn client(&self) -> Option<ClientPart> {
        Some(ClientPart::new(
            "function (primus) {
               var mine;
               // `primus.emit` may belong to a plugin that sends events to the server.
               var raise = Object.getPrototypeOf(primus).emit;
               primus.presence = {
                 enter: function (name) { primus.write({ presence: mine = name }); }
               };
               // After a loss the server has forgotten the name.
               primus.on('reconnected', function () {
                 if (mine !== undefined) primus.presence.enter(mine);
               });
               primus.transform('incoming', function (packet) {
                 if (!packet.data || !packet.data.presence) return;
                 raise.call(primus, 'presence', packet.data.presence);
                 return false;
               });
             }",
        ))
    }
}

/// A layer may answer what is below the pathname. Pages usually come from elsewhere; this one is here to be short.
fn page(exchange: &mut Exchange) -> Result<Next, Refusal> {
    if exchange.head.uri.path() != "/primus/page" {
        return Ok(Next::Continue);
    }
    let mut response = http::Response::new(body::full(PAGE));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    Ok(Next::answer(response))
}

const PAGE: &str = "<!doctype html>
<title>Who is here?</title>
<p><input id=name placeholder='your name' autofocus> <button id=enter>I am here</button>
<ul id=list></ul>
<script src=/primus/primus.js></script>
<script>
  var primus = new Primus();
  document.getElementById('enter').onclick = function () {
    primus.presence.enter(document.getElementById('name').value);
  };
  primus.on('presence', function (names) {
    var list = document.getElementById('list');
    list.textContent = '';
    names.forEach(function (name) {
      list.appendChild(document.createElement('li')).textContent = name;
    });
  });
</script>
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let primus = Primus::builder().plugin(Presence::default()).build()?;
    let bound = primus.bind(([127, 0, 0, 1], 8080)).await?;
    println!("http://{}/primus/page", bound.local_addr()?);
    bound.serve().await;
    Ok(())
}
