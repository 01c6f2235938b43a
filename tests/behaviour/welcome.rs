//! The greeting, as configured.

use serde_json::{Value, json};

use crate::support::{Binary, Client};

#[tokio::test]
async fn the_text_of_the_greeting_can_be_chosen() {
    let server = Binary::configured("[general]\nwelcome_message = \"Olá \\\"you\\\"\"\n");
    let mut ann = Client::open(server.address, "/primus").await;
    let expected = json!({"welcome": "Olá \"you\"", "context": "api"});
    assert_eq!(ann.next_packet().await, expected);
}

#[tokio::test]
async fn the_greeting_can_be_left_out() {
    let server = Binary::configured("[general]\nsend_welcome = false\n");
    let mut ann = Client::open(server.address, "/primus").await;
    assert_eq!(ann.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_greeting_can_come_later_than_answers() {
    let server = Binary::configured("[general]\nwelcome_delay_ms = 2000\n");
    let mut ann = Client::open(server.address, "/primus").await;
    assert_eq!(ann.so_far().await, Vec::<Value>::new());
    ann.expect_welcome().await;
}
