//! What reaches the model, and how its answers are told.

use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};
use spatial_reward_serve::Limits;

use crate::client::*;
use crate::model::*;

#[test]
fn a_question_with_all_that_it_may_have_reaches_the_model() {
    // given a conversation about a picture with a box, a mask and depth
    let serving = serving(Limits::default());
    let body = json!({
        "model": "nano",
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "How wide is <region0>?"},
                {"type": "image_url", "image_url": {"url": picture(64, 48), "detail": "high"}},
            ]},
            {"role": "assistant", "content": "[0] is wide.", "refusal": null, "tool_calls": null},
            {"role": "user", "content": "And <region1>?", "name": "me"},
        ],
        "regions": [[1, 2, 11.5, 22]],
        "masks": [mask(64, 48)],
        "depth": picture(64, 48),
        "max_tokens": 9,
        "max_completion_tokens": 7,
        "temperature": 0.0,
        "n": 1,
        "stop": null,
        "seed": 3,
        "user": "me",
        "tools": [],
        "response_format": {"type": "text"},
    });
    // when it is asked
    let heard = asked(serving.address, &body);
    // then the answer is OpenAI's, with what ask tells beside it
    assert_eq!(heard.status, 200, "{}", heard.body);
    let told = heard.json();
    assert_eq!(told["object"], "chat.completion");
    assert_eq!(told["model"], "nano");
    let choice = &told["choices"][0];
    assert_eq!(choice["message"]["content"], "so: And <region1>?");
    assert_eq!(choice["message"]["role"], "assistant");
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(
        told["usage"],
        json!({"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34})
    );
    assert_eq!(told["spatial_reward"]["distance_m"], 0.25);
    // as `ask --json` writes it
    assert!(
        heard.body.contains(r#""confidence":0.9,"#),
        "{}",
        heard.body
    );
    // and the model was asked about all of it
    let all = serving.script.asked.lock().unwrap().clone();
    let asked = &all[0][0];
    assert_eq!(asked.question, "And <region1>?");
    let history = [(
        "How wide is <region0>?".to_owned(),
        "[0] is wide.".to_owned(),
    )];
    assert_eq!(asked.history, history);
    assert_eq!(asked.max_new_tokens, Some(7));
    assert_eq!(
        (asked.picture.color.width, asked.picture.color.height),
        (64, 48)
    );
    assert!(asked.picture.depth.is_some());
    let inside = |mask: usize| {
        asked.picture.masks[mask]
            .data
            .iter()
            .filter(|pixel| **pixel == 1)
    };
    assert_eq!(inside(0).count(), 10 * 20);
    assert_eq!(inside(1).count(), 64 * 48);
}

#[test]
fn a_stream_is_the_answer_in_events() {
    let serving = serving(Limits::default());
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let heard = asked(serving.address, &with(question("How far?"), options));
    assert_eq!(heard.status, 200);
    assert!(
        heard
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let events: Vec<&str> = heard.body.split_terminator("\n\n").collect();
    let events = events
        .iter()
        .map(|event| event.strip_prefix("data: ").unwrap());
    let mut events: Vec<&str> = events.collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = events
        .iter()
        .map(|one| serde_json::from_str(one).unwrap())
        .collect();
    assert_eq!(chunks.len(), 3);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk")
    );
    assert_eq!(chunks[0]["choices"][0]["delta"]["content"], "so: How far?");
    assert_eq!(chunks[0]["spatial_reward"]["distance_m"], 0.25);
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[2]["usage"]["total_tokens"], 34);
    // and what is wrong is no stream
    let heard = asked(
        serving.address,
        &with(question("refuse"), json!({"stream": true})),
    );
    assert_eq!(heard.status, 400);
    assert_eq!(heard.error()["message"], "nobody can say");
}

#[test]
fn pictures_may_be_jpeg_png_or_webp() {
    let serving = serving(Limits::default());
    for (format, kind) in [
        (ImageFormat::Jpeg, "jpeg"),
        (ImageFormat::Png, "PNG"),
        (ImageFormat::WebP, "webp"),
    ] {
        let url = encoded(DynamicImage::new_rgb8(30, 20), format, kind);
        assert_eq!(
            asked(serving.address, &about(&url, "What?")).status,
            200,
            "{kind}"
        );
    }
    // an address alone, as some clients send it
    let mut bare = question("What?");
    bare["messages"][0]["content"][0]["image_url"] = json!(picture(8, 8));
    assert_eq!(asked(serving.address, &bare).status, 200);
}

#[test]
fn a_model_that_fails_does_so_once() {
    let serving = serving(Limits::default());
    for (what, status, words) in [
        ("refuse", 400, "nobody can say"),
        ("fail", 500, "out of memory"),
        ("panic", 500, "on purpose"),
        ("How far?", 200, "so: How far?"),
    ] {
        let heard = asked(serving.address, &question(what));
        assert_eq!(heard.status, status, "{what}");
        assert!(heard.body.contains(words), "{}", heard.body);
    }
    let failed = asked(serving.address, &question("fail")).error();
    assert_eq!(failed["type"], "server_error");
    assert_eq!(serving.end().0, 1);
}

#[test]
fn models_health_and_figures_are_told() {
    let serving = serving(Limits::default());
    let address = serving.address;
    let models = get(address, "/v1/models").json();
    assert_eq!(models["data"][0]["id"], "nano");
    assert_eq!(get(address, "/v1/models/nano").json()["object"], "model");
    let other = get(address, "/v1/models/gpt");
    assert_eq!(
        (other.status, &other.error()["code"]),
        (404, &json!("model_not_found"))
    );
    assert_eq!(
        get(address, "/health").json(),
        json!({"status": "ok", "model": "nano"})
    );
    asked(address, &question("How far?"));
    assert_eq!(figure(address, "spatial_reward_answers_total"), 1.0);
    assert_eq!(figure(address, "spatial_reward_prompt_tokens_total"), 30.0);
    assert_eq!(
        figure(address, "spatial_reward_requests_total{status=\"404\"}"),
        1.0
    );
    assert_eq!(figure(address, "spatial_reward_held_bytes"), 0.0);
    assert!(figure(address, "process_resident_memory_bytes") > 1e6);
}
