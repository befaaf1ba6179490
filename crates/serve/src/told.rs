//! An answer in OpenAI's form: whole, or as the events of a stream. What `ask --json` tells stands beside it, as
//! `spatial_reward`.

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

impl Completion<'_> {
    /// As one object.
    pub(crate) fn whole(&self) -> Value {
        json!({
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
            "spatial_reward": Told::new(self.question, self.reply),
        })
    }

    /// As server-sent events. The answer is there already, and comes as one.
    pub(crate) fn events(&self, stream: Stream) -> String {
        let created = now_s();
        let chunk = |choices: Value, more: Option<(&str, Value)>| {
            let mut chunk = json!({
                "id": self.id,
                "object": "chat.completion.chunk",
                "created": created,
                "model": self.model,
                "choices": choices,
            });
            if let Some((name, value)) = more {
                chunk[name] = value;
            }
            chunk
        };
        let choice = |delta: Value, finish: Value| {
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}])
        };
        let told = json!(Told::new(self.question, self.reply));
        let text = json!({"role": "assistant", "content": self.reply.text});
        let mut chunks = vec![
            chunk(choice(text, Value::Null), Some(("spatial_reward", told))),
            chunk(choice(json!({}), json!(self.finish_reason())), None),
        ];
        if stream.include_usage {
            chunks.push(chunk(json!([]), Some(("usage", self.usage()))));
        }
        let chunks = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
        chunks.chain(["data: [DONE]\n\n".to_owned()]).collect()
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
