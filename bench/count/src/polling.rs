//! A client of engine.io 4 that polls: a GET is held while it posts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};

use crate::client;

/// Asks `times`, each time with a GET held by the server when the request comes.
pub(crate) fn ask(address: SocketAddr, request: &str, times: u64) -> Result<()> {
    let mut gets = client::connect(address)?;
    let mut posts = client::connect(address)?;
    let opened = exchange(&mut gets, &get(address, ""))?;
    let (_, rest) = opened.split_once(r#""sid":""#).context("no sid")?;
    let (sid, _) = rest.split_once('"').context("no sid")?;
    let sid = format!("&sid={sid}");
    let welcome = exchange(&mut gets, &get(address, &sid))?;
    ensure!(welcome.contains("welcome"), "not welcome: {welcome}");
    let body = format!("4{request}");
    let post = format!(
        "POST /engine.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: {address}\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let get = get(address, &sid);
    for _ in 0..times {
        gets.write_all(get.as_bytes())?;
        exchange(&mut posts, &post)?;
        let answer = read(&mut gets)?;
        ensure!(
            answer.contains(r#""context":"response""#),
            "no answer: {answer}"
        );
    }
    Ok(())
}

fn get(address: SocketAddr, sid: &str) -> String {
    format!("GET /engine.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: {address}\r\n\r\n")
}

fn exchange(stream: &mut TcpStream, request: &str) -> Result<String> {
    stream.write_all(request.as_bytes())?;
    read(stream)
}

/// The body of the next answer, which must be a good one.
fn read(stream: &mut TcpStream) -> Result<String> {
    let mut bytes = Vec::new();
    loop {
        let mut more = [0; 16 * 1024];
        let count = stream.read(&mut more).context("no answer")?;
        ensure!(count > 0, "the server hung up");
        bytes.extend(&more[..count]);
        let text = std::str::from_utf8(&bytes)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        ensure!(head.starts_with("HTTP/1.1 200"), "refused: {text}");
        let head = head.to_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").context("no length")?;
        let length = length.split("\r\n").next().unwrap_or_default();
        if body.len() == length.parse::<usize>()? {
            return Ok(body.to_owned());
        }
    }
}
