//! `serve` with the tiny random checkpoint: its answers are those of `ask`, with boxes, masks, depth and what was said before;
//! and how it begins and ends. crates/serve tests the server with a scripted model, tests/python/test_serve.py with OpenAI's
//! client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{GrayImage, Luma};
use serde_json::{Value, json};

use crate::fixtures::*;
use crate::model_fixtures::*;

const LENGTH: [&str; 2] = ["--max-new-tokens", "24"];

/// A server that is ended when the test is.
struct Serving {
    child: Child,
    address: String,
}

fn serve(folder: &Path, arguments: &[&str]) -> Serving {
    let model = checkpoint();
    let fixed = ["serve", "--listen", "127.0.0.1:0", "--model", text(&model)];
    let mut child = program(folder)
        .args([&fixed[..], &LENGTH, arguments].concat())
        .env_remove("SPATIAL_REWARD_TOKEN")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap();
    let address = address.strip_suffix("/v1").unwrap().to_owned();
    Serving { child, address }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// Status and body.
    fn asked(&self, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let said = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(said.as_bytes()).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    /// What the answer tells, as `ask --json` does.
    fn told(&self, body: &Value) -> Value {
        let (status, answer) = self.asked(body);
        assert_eq!(status, 200, "{answer}");
        let told = answer["spatial_reward"].clone();
        assert_eq!(answer["choices"][0]["message"]["content"], told["answer"]);
        without_time(told)
    }
}

fn without_time(mut told: Value) -> Value {
    assert!(told["seconds"].take().as_f64().unwrap() > 0.0);
    told
}

fn data_url(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap();
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

fn message(picture: &Path, question: &str) -> Value {
    json!({"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": data_url(picture)}},
        {"type": "text", "text": question},
    ]})
}

/// What `ask` says, each question after the other.
fn ask(picture: &Path, arguments: &[&str], questions: &[&str]) -> Vec<Value> {
    let model = checkpoint();
    let fixed = [
        "ask",
        text(picture),
        "--model",
        text(&model),
        "--json",
        "--chat",
    ];
    let talk = questions.join("\n");
    let ended = run_saying(&talk, &[&fixed[..], &LENGTH, arguments].concat()).expect_code(0);
    let lines = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.map(without_time).collect()
}

#[test]
fn an_answer_is_that_of_ask_with_all_that_ask_takes() {
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    // boxes, with depth and without
    let boxes = [
        "--box",
        "120.7,30.2,330.9,250.6",
        "--box",
        "10,200,200.5,299.9",
    ];
    let regions = json!([[120.7, 30.2, 330.9, 250.6], [10, 200, 200.5, 299.9]]);
    let question = "Is <region0> behind <region1>?";
    let depth = fixture("inputs/depth0.png");
    let (picture0, messages) = (picture(0), json!([message(&picture(0), question)]));
    let body = json!({"messages": messages, "regions": regions});
    assert_eq!(serving.told(&body), ask(&picture0, &boxes, &[question])[0]);
    let body = json!({"messages": messages, "regions": regions, "depth": data_url(&depth)});
    let with_depth = [&boxes[..], &["--depth", text(&depth)]].concat();
    assert_eq!(
        serving.told(&body),
        ask(&picture0, &with_depth, &[question])[0]
    );
    // a mask in the place of the second box
    let file = folder.path().join("mask.png");
    let inside = |x: u32, y: u32| (10..200).contains(&x) && (200..299).contains(&y);
    let pixel = |x, y| Luma([if inside(x, y) { 255 } else { 0 }]);
    GrayImage::from_fn(451, 300, pixel).save(&file).unwrap();
    let body = json!({"messages": messages, "regions": [regions[0]], "masks": [data_url(&file)]});
    let with_mask = [&boxes[..2], &["--mask", text(&file)]].concat();
    assert_eq!(
        serving.told(&body),
        ask(&picture0, &with_mask, &[question])[0]
    );
    // a picture alone
    let question = "Describe the image in détail — 2 sentences.";
    let body = json!({"messages": [message(&picture(4), question)]});
    assert_eq!(serving.told(&body), ask(&picture(4), &[], &[question])[0]);
}

#[test]
fn a_conversation_goes_on_as_a_chat_does() {
    // given two questions, the second of which follows on the answer to the first
    let folder = tempfile::tempdir().unwrap();
    let serving = serve(folder.path(), &[]);
    let (picture, depth) = (picture(5), fixture("inputs/depth5.png"));
    let first = "Is <region1> to the left of <region0>?";
    let second = "And how far is <region0> from the camera?";
    let boxes = [
        "--box",
        "94.4,210,260,330.5",
        "--box",
        "500,180.9,700.2,420.8",
    ];
    let regions = json!([[94.4, 210, 260, 330.5], [500, 180.9, 700.2, 420.8]]);
    let chat = ask(
        &picture,
        &[&boxes[..], &["--depth", text(&depth)]].concat(),
        &[first, second],
    );
    let mut body = json!({
        "messages": [message(&picture, first)],
        "regions": regions,
        "depth": data_url(&depth),
    });
    // when they are asked with what was said
    let said = serving.told(&body);
    body["messages"] = json!([
        message(&picture, first),
        {"role": "assistant", "content": said["answer"]},
        {"role": "user", "content": second},
    ]);
    // then the model reads and says what it does in a chat
    assert_eq!(said, chat[0]);
    assert_eq!(serving.told(&body), chat[1]);
}

#[test]
fn a_question_that_ask_refuses_is_refused_in_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = serve(folder.path(), &[]);
    let about = |question: &str| json!({"messages": [message(&picture(0), question)], "regions": [[1, 1, 9, 9]]});
    for (question, words) in [
        ("Is <region1> tall?", "<region1>"),
        ("Is <mask> tall?", "<mask>"),
        ("Is it tall?", "mentions none"),
    ] {
        let (status, answer) = serving.asked(&about(question));
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!("invalid_question"))
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(serving.asked(&about("Is <region0> tall?")).0, 200);
    // and a signal ends it well
    let id = serving.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
    let mut log = String::new();
    serving
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(log.contains("1 answer given"), "{log}");
}

#[test]
fn what_is_wrong_with_the_address_or_the_token_is_told_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let model = checkpoint();
    let serve = |arguments: &[&str]| {
        let mut command = program(folder.path());
        command
            .args(["serve", "--model", text(&model)])
            .args(arguments);
        Ended::of(&command.env_remove("SPATIAL_REWARD_TOKEN").output().unwrap())
    };
    serve(&["--listen", "0.0.0.0:0"]).expect_error(&["0.0.0.0:0", "--token-file", "127.0.0.1"]);
    std::fs::write(folder.path().join("token"), "short\n").unwrap();
    serve(&["--token-file", "token"]).expect_error(&["token", "too short", "16"]);
    serve(&["--token-file", "nowhere"]).expect_error(&["nowhere", "No such file"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    serve(&["--listen", &address]).expect_error(&[&address, "--listen"]);
    serve(&["--listen", "localhost"]).expect_code(2);
    // and the model's errors are those of ask
    serve(&["--listen", "127.0.0.1:0", "--device", "cuda:7"]).expect_error(&["cuda:7"]);
}
