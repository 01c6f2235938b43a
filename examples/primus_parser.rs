//! A parser of one's own: JSON with a checksum in front, for both ends. A message that was changed on its way is an
//! error, on the server as well as in the page, and the connection goes on.
//!
//!     cargo run --example primus_parser
//!
//! Then, in another terminal, the generated client in Node (one without WebSocket polls):
//!
//!     curl -s http://127.0.0.1:8080/primus/primus.js > primus.js
//!     node -e "
//!       const primus = new (require('./primus.js'))('http://127.0.0.1:8080');
//!       primus.on('outgoing::data', (raw) => console.log('sent', raw));
//!       primus.on('data', (data, raw) => console.log('got ', raw));
//!       primus.write({ hello: 'wörld' });"
//!
//! prints
//!
//!     sent bc83{"hello":"wörld"}
//!     got  bc83{"hello":"wörld"}
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::borrow::Cow;

use stellar::engine::{IncomingPayload, Payload};
use stellar::primus::parser::{Json, Parser};
use stellar::primus::{ParserError, Primus, Spark, Value};

/// What stands in front of the JSON, in characters.
const DIGITS: usize = 4;

/// JSON behind the four hexadecimal digits of its checksum.
#[derive(Clone, Copy, Debug)]
struct Checked;

impl Parser for Checked {
    fn encode(&self, value: &Value) -> Result<Payload, ParserError> {
        // The built-in parser knows what JSON has no place for, and what old scripts stumble over.
        match Json.encode(value)? {
            Payload::Text(json) => Ok(Payload::Text(
                format!("{:04x}{json}", checksum(&json)).into(),
            )),
            Payload::Binary(_) => Err(ParserError::new("JSON is text")),
        }
    }

    fn decode(&self, message: IncomingPayload<'_>) -> Result<Value, ParserError> {
        // Text from anybody: the cut may fall into the middle of a character, which `split_at_checked` notices.
        let IncomingPayload::Text(text) = message else {
            return Err(ParserError::new("bytes have no checksum"));
        };
        let (sum, json) = text
            .split_at_checked(DIGITS)
            .ok_or_else(|| ParserError::new("too short for a checksum"))?;
        if u16::from_str_radix(sum, 16) != Ok(checksum(json)) {
            return Err(ParserError::new("the checksum is wrong"));
        }
        Json.decode(IncomingPayload::Text(json))
    }

    // `string` keeps its default, which decodes: a short cut past the checksum would let changed control strings in.

    fn client(&self) -> Option<Cow<'static, str>> {
        Some(CLIENT.into())
    }
}

/// Fletcher's checksum of the UTF-16 code units, because these are what a script sees.
fn checksum(text: &str) -> u16 {
    let (mut low, mut high) = (0_u16, 0_u16);
    for unit in text.encode_utf16() {
        low = (low + unit % 255) % 255;
        high = (high + low) % 255;
    }
    high << 8 | low
}

/// The same in a page, as one expression. It is put into the generated client as it stands, so it uses what the browsers
/// have that it is meant for; this one is ES5, like the rest of the script.
///
/// The client escapes U+2028 and U+2029 behind the encoder. Here that has to come first, or the sum would be that of
/// another text.
const CLIENT: &str = r"(function () {
  function checksum(text) {
    var low = 0, high = 0, i;
    for (i = 0; i < text.length; i++) {
      low = (low + text.charCodeAt(i) % 255) % 255;
      high = (high + low) % 255;
    }
    return ('000' + (high * 256 + low).toString(16)).slice(-4);
  }

  return {
    name: 'checked',
    binary: false,
    encoder: function (data, fn) {
      var json;
      try {
        json = JSON.stringify(data);
      } catch (error) {
        return fn(error);
      }
      if (json === undefined) return fn(null, undefined);
      json = json.replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029');
      fn(null, checksum(json) + json);
    },
    decoder: function (data, fn) {
      var json = String(data).slice(4), value;
      if (String(data).slice(0, 4) !== checksum(json)) return fn(new Error('the checksum is wrong'));
      try {
        value = JSON.parse(json);
      } catch (error) {
        return fn(error);
      }
      fn(null, value);
    }
  };
})()";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let primus = Primus::builder()
        .parser(Checked)
        .on_connection(|spark: Spark| async move {
            spark.on_data(|spark, packet| {
                let _closed_meanwhile = spark.write(packet.data);
            });
        })
        .on_error(|spark, error| println!("{}: {error}", spark.id()))
        .build()?;
    let bound = primus.bind(([127, 0, 0, 1], 8080)).await?;
    println!(
        "the client: http://{}/primus/primus.js",
        bound.local_addr()?
    );
    bound.serve().await;
    Ok(())
}
