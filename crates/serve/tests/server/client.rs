//! A client that says what it is told to, byte by byte.

use std::io::{Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};

pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// A header of it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn error(&self) -> Value {
        self.json()["error"].clone()
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    stream
}

/// What is answered, up to its end; `None` where the connection ends without a word.
pub(crate) fn hear(stream: &mut TcpStream) -> Option<Heard> {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(0) | Err(_) => return None,
            Ok(_) => said.push(byte[0]),
        }
    }
    let head = String::from_utf8(said).unwrap();
    let heard = Heard {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: String::new(),
        head,
    };
    let length = heard.header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some(Heard {
        body: String::from_utf8(body).unwrap(),
        ..heard
    })
}

/// A request with these headers.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        text.push_str("Host: 127.0.0.1\r\n");
    }
    if method == "POST" && !headers.iter().any(|(name, _)| *name == "Content-Type") {
        text.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" && !headers.iter().any(|(name, _)| *name == "Transfer-Encoding") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [text.as_bytes(), b"\r\n", body].concat()
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Heard {
    get_with(address, path, &[])
}

pub(crate) fn get_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Heard {
    let mut stream = connect(address);
    stream
        .write_all(&request("GET", path, headers, b""))
        .unwrap();
    hear(&mut stream).unwrap()
}

/// Asks without waiting for the answer.
pub(crate) fn ask(address: SocketAddr, body: &Value) -> TcpStream {
    ask_with(address, &[], body.to_string().as_bytes())
}

pub(crate) fn ask_with(address: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut stream = connect(address);
    let said = request("POST", "/v1/chat/completions", headers, body);
    stream.write_all(&said).unwrap();
    stream
}

pub(crate) fn asked(address: SocketAddr, body: &Value) -> Heard {
    hear(&mut ask(address, body)).unwrap()
}

/// A value of the server's figures.
pub(crate) fn figure(address: SocketAddr, name: &str) -> f64 {
    let text = get(address, "/metrics").body;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .parse()
        .unwrap()
}

/// A picture of one colour as a data URL.
pub(crate) fn picture(width: u32, height: u32) -> String {
    encoded(
        DynamicImage::new_rgb8(width, height),
        ImageFormat::Png,
        "png",
    )
}

/// A mask all of which is inside.
pub(crate) fn mask(width: u32, height: u32) -> String {
    let mut picture = DynamicImage::new_luma8(width, height);
    picture.invert();
    encoded(picture, ImageFormat::Png, "png")
}

pub(crate) fn encoded(picture: DynamicImage, format: ImageFormat, kind: &str) -> String {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    format!(
        "data:image/{kind};base64,{}",
        STANDARD.encode(bytes.get_ref())
    )
}

/// A question about a picture of 64x48 pixels.
pub(crate) fn question(text: &str) -> Value {
    about(&picture(64, 48), text)
}

pub(crate) fn about(url: &str, text: &str) -> Value {
    json!({"model": "nano", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": text},
    ]}]})
}

/// The same with other fields in it.
pub(crate) fn with(mut body: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}
