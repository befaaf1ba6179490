//! What is refused, with which status, and by which name.

use std::io::Write;

use serde_json::{Value, json};
use spatial_reward_serve::Limits;

use crate::client::*;
use crate::model::*;

#[test]
fn what_is_no_request_is_a_clear_status() {
    let serving = serving(Limits::default());
    let address = serving.address;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{\"messages\": 5}",
        "{\"messages\": [{\"role\": \"user\", \"content\": 7}]}",
        "{\"messages\": [], \"messages\": []}",
        "\u{0}",
    ] {
        let heard = hear(&mut ask_with(address, &[], body.as_bytes())).unwrap();
        assert_eq!(
            (heard.status, &heard.error()["code"]),
            (400, &json!("invalid_json")),
            "{body}"
        );
        assert_eq!(heard.error()["type"], "invalid_request_error");
    }
    let deep = "[".repeat(200_000);
    assert_eq!(
        hear(&mut ask_with(address, &[], deep.as_bytes()))
            .unwrap()
            .status,
        400
    );
    assert_eq!(
        hear(&mut ask_with(address, &[], b"\xff\xfe"))
            .unwrap()
            .status,
        400
    );
    // other paths and ways
    for (method, path, status) in [
        ("GET", "/", 404),
        ("POST", "/v1/completions", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("OPTIONS", "/v1/chat/completions", 405),
    ] {
        let mut stream = connect(address);
        stream
            .write_all(&request(method, path, &[], b"{}"))
            .unwrap();
        assert_eq!(hear(&mut stream).unwrap().status, status, "{method} {path}");
    }
    // what is no HTTP
    let mut stream = connect(address);
    stream.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
    assert!(hear(&mut stream).is_none_or(|heard| heard.status == 400));
    assert!(serving.questions().is_empty());
    assert_eq!(asked(address, &question("And now?")).status, 200);
}

#[test]
fn a_field_that_would_change_the_answer_is_refused_by_name() {
    let serving = serving(Limits::default());
    for (field, value) in [
        ("temperature", json!(0.7)),
        ("temperature", json!("cold")),
        ("n", json!(2)),
        ("stop", json!("\n")),
        ("logit_bias", json!({"5": 1})),
        ("logprobs", json!(true)),
        ("presence_penalty", json!(0.1)),
        ("tools", json!([{"type": "function"}])),
        ("tool_choice", json!("auto")),
        ("response_format", json!({"type": "json_object"})),
        ("modalities", json!(["text", "audio"])),
        ("reasoning_effort", json!("high")),
        ("region", json!([[1, 2, 3, 4]])),
        ("max_tokens", json!(0)),
        ("regions[0]", json!(null)),
    ] {
        let body = match field {
            "regions[0]" => with(question("What?"), json!({"regions": [[5, 5, 5, 9]]})),
            field => with(question("What?"), json!({ field: value })),
        };
        let heard = asked(serving.address, &body);
        assert_eq!(heard.status, 400, "{field}");
        let error = heard.error();
        assert_eq!(error["param"], field);
        assert!(
            error["message"].as_str().unwrap().starts_with(field),
            "{error}"
        );
    }
    let heard = asked(
        serving.address,
        &with(question("What?"), json!({"model": "gpt"})),
    );
    assert_eq!(
        (heard.status, &heard.error()["param"]),
        (404, &json!("model"))
    );
    assert!(serving.questions().is_empty());
}

#[test]
fn a_conversation_that_cannot_be_led_is_refused_where_it_goes_wrong() {
    let serving = serving(Limits::default());
    let image = || json!({"type": "image_url", "image_url": {"url": picture(8, 8)}});
    let user = |content: Value| json!({"role": "user", "content": content});
    let first = || user(json!([image(), {"type": "text", "text": "a"}]));
    for (messages, param) in [
        (json!([]), "messages"),
        (json!([user(json!("a"))]), "messages"),
        (
            json!([first(), {"role": "assistant", "content": "b"}]),
            "messages",
        ),
        (
            json!([{"role": "system", "content": "be short"}, first()]),
            "messages[0].role",
        ),
        (json!([first(), first()]), "messages[1].role"),
        (
            json!([{"role": "assistant", "content": "b"}]),
            "messages[0].role",
        ),
        (
            json!([{"role": "tool", "content": "b"}]),
            "messages[0].role",
        ),
        (
            json!([first(), {"role": "assistant", "content": "b"}, first()]),
            "messages[2]",
        ),
        (
            json!([user(json!([image(), image()]))]),
            "messages[0].content[1]",
        ),
        (
            json!([user(json!([{"type": "input_audio"}]))]),
            "messages[0].content[0]",
        ),
        (
            json!([user(json!([{"type": "text"}]))]),
            "messages[0].content[0]",
        ),
        (
            json!([{"role": "assistant", "tool_calls": [{}]}]),
            "messages[0]",
        ),
    ] {
        let heard = asked(serving.address, &json!({ "messages": messages }));
        assert_eq!(
            (heard.status, &heard.error()["param"]),
            (400, &json!(param)),
            "{messages}"
        );
    }
    let words = with(question(&"a".repeat(70_000)), json!({}));
    assert_eq!(asked(serving.address, &words).error()["param"], "messages");
    let many = with(question("a"), json!({"regions": vec![[1, 1, 5, 5]; 33]}));
    assert_eq!(asked(serving.address, &many).error()["param"], "regions");
}

#[test]
fn what_is_no_picture_is_told_and_nothing_is_fetched() {
    let serving = serving(Limits::default());
    for url in [
        "http://127.0.0.1/a.png",
        "https://example.org/a.png",
        "file:///etc/passwd",
        "",
        "data",
        "data:image/png;base64",
        "data:image/png,abc",
        "data:image/png;base64,a b",
        "data:text/html;base64,YQ==",
        "data:image/png;base64,YWJj",
    ] {
        let heard = asked(serving.address, &about(url, "What?"));
        assert_eq!(heard.status, 400, "{url}");
        assert!(
            heard.error()["message"]
                .as_str()
                .unwrap()
                .contains("image_url")
        );
    }
    // a head of a picture without the rest
    let whole = picture(40, 30);
    let (begin, data) = whole.split_once(',').unwrap();
    let cut = about(&format!("{begin},{}", &data[..data.len() / 8 * 4]), "What?");
    assert_eq!(
        asked(serving.address, &cut).error()["code"],
        "invalid_image"
    );
    // others than the picture are named
    for (fields, name) in [
        (
            json!({"masks": [mask(64, 48), "data:image/png;base64,YWJj"]}),
            "masks[1]",
        ),
        (json!({"masks": [mask(64, 47)]}), "masks[0]"),
        (json!({"masks": [picture(64, 48)]}), "masks[0]"),
        (json!({"depth": picture(63, 48)}), "depth"),
        (json!({"depth": "http://example.org/"}), "depth"),
        (json!({"regions": [[100, 100, 120, 120]]}), "64x48"),
    ] {
        let heard = asked(serving.address, &with(question("What?"), fields));
        assert_eq!(heard.status, 400, "{name}");
        assert!(
            heard.error()["message"].as_str().unwrap().contains(name),
            "{}",
            heard.body
        );
    }
    assert!(serving.questions().is_empty());
}

#[test]
fn what_is_too_large_is_told_before_it_is_decoded() {
    let serving = serving(Limits {
        body_bytes: 100_000,
        pixels: 10_000,
        held_bytes: 400_000,
        ..Limits::default()
    });
    let address = serving.address;
    // a picture of few bytes and many pixels
    let heard = asked(address, &about(&picture(101, 100), "What?"));
    assert_eq!(
        (heard.status, &heard.error()["code"]),
        (413, &json!("image_too_large"))
    );
    assert_eq!(
        asked(address, &about(&picture(100, 100), "What?")).status,
        200
    );
    let heard = asked(
        address,
        &with(question("a"), json!({"masks": [mask(200, 100)]})),
    );
    assert_eq!(
        (heard.status, &heard.error()["param"]),
        (413, &json!("masks[0]"))
    );
    // more regions than there is memory for
    let many = with(
        about(&picture(100, 100), "a"),
        json!({"regions": vec![[1, 1, 50, 50]; 32]}),
    );
    let heard = asked(address, &many);
    assert_eq!(
        (heard.status, &heard.error()["code"]),
        (413, &json!("request_too_large"))
    );
    // a long body, heard by a client that goes on sending; also where its length is not told
    let long = vec![b' '; 350_000];
    let heard = hear(&mut ask_with(address, &[], &long)).unwrap();
    assert_eq!(
        (heard.status, &heard.error()["code"]),
        (413, &json!("request_too_large"))
    );
    let chunk = [
        format!("{:x}\r\n", 90_000).as_bytes(),
        &long[..90_000],
        b"\r\n",
    ]
    .concat();
    let chunks = [&chunk[..], &chunk, b"0\r\n\r\n"].concat();
    let chunked = ("Transfer-Encoding", "chunked");
    let heard = hear(&mut ask_with(address, &[chunked], &chunks)).unwrap();
    assert_eq!(heard.status, 413);
    // and a short one of untold length is fine
    let body = question("In pieces?").to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let heard = hear(&mut ask_with(address, &[chunked], chunks.as_bytes())).unwrap();
    assert_eq!(heard.status, 200, "{}", heard.body);
    assert_eq!(figure(address, "spatial_reward_held_bytes"), 0.0);
}
