//! An answer in OpenAI's form: whole, or as the events of a stream. What `ask --json` tells stands beside it, as
//! `spatial_reward`.

use serde::Serialize;
use serde_json::{Value, json};

use crate::chat::Stream;
use crate::refusal::Refusal;
use crate::shared::{Shared, now_s};
use spatial_reward_core::question::{Reply, Told};

/// An answer with what is known of it.
pub(crate) struct Completion<'a> {
    pub(crate) id: &'a str,
    pub(crate) model: &'a str,
    pub(crate) question: &'a str,
    pub(crate) reply: &'a Reply,
}

/// OpenAI's object with ours in it. Written at once, for a JSON value has other digits of a number of 32 bits.
#[derive(Serialize)]
struct Extended<'a> {
    #[serde(flatten)]
    openai: Value,
    spatial_reward: Told<'a>,
}

impl Completion<'_> {
    /// As one object.
    pub(crate) fn whole(&self) -> String {
        let openai = json!({
            "id": self.id,
            "object": "chat.completion",
            "created": now_s(),
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": self.reply.text, "refusal": null},
                "logprobs": null,
                "finish_reason": self.finish_reason(),
            }],
            "usage": self.usage(),
        });
        self.extended(openai)
    }

    fn extended(&self, openai: Value) -> String {
        let extended = Extended {
            openai,
            spatial_reward: Told::new(self.question, self.reply),
        };
        // Nothing in it can fail to be written.
        serde_json::to_string(&extended).unwrap_or_default()
    }

    /// As server-sent events. The answer is there already, and comes as one.
    pub(crate) fn events(&self, stream: Stream) -> String {
        let created = now_s();
        let chunk = |choices: Value| {
            json!({
                "id": self.id,
                "object": "chat.completion.chunk",
                "created": created,
                "model": self.model,
                "choices": choices,
            })
        };
        let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        let text = json!({"role": "assistant", "content": self.reply.text});
        let end = json!(self.finish_reason());
        let mut chunks = vec![
            self.extended(chunk(choice(text, Value::Null))),
            chunk(choice(json!({}), end)).to_string(),
        ];
        if stream.include_usage {
            let mut last = chunk(json!([]));
            last["usage"] = self.usage();
            chunks.push(last.to_string());
        }
        chunks.push("[DONE]".to_owned());
        let events = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
        events.collect()
    }

    fn finish_reason(&self) -> &'static str {
        match self.reply.complete {
            true => "stop",
            false => "length",
        }
    }

    fn usage(&self) -> Value {
        let (prompt, answer) = (self.reply.prompt_tokens, self.reply.answer_tokens);
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        })
    }
}

/// The one model that there is.
pub(crate) fn model(shared: &Shared) -> Value {
    json!({
        "id": shared.options.model,
        "object": "model",
        "created": shared.began_s,
        "owned_by": "spatial_reward",
    })
}

/// Whether a name means that model.
///
/// # Errors
/// For every other.
pub(crate) fn check_model(shared: &Shared, name: &str) -> Result<(), Refusal> {
    let own = &shared.options.model;
    match name == own {
        true => Ok(()),
        false => {
            let why = format!("there is no model '{name}' here, but '{own}'");
            Err(Refusal::field("model", why)
                .code("model_not_found")
                .with_status(hyper::StatusCode::NOT_FOUND))
        }
    }
}
