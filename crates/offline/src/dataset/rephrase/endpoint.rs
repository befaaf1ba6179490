//! A chat endpoint in OpenAI's form, without its transport: what its replies mean.

use serde::Deserialize;

/// So much of a server's own words is told.
const WORDS: usize = 200;

/// Posts a request to a chat endpoint. Whoever has a network gives it here.
pub trait Chat: Sync {
    /// Post a JSON body to `/chat/completions`, and wait.
    ///
    /// # Errors
    /// Where nothing came, or not all.
    fn post(&self, body: &str) -> Result<Reply, Trouble>;
}

/// Who words questions and answers anew.
#[derive(Clone, Copy)]
pub struct Rephrase<'a> {
    /// The transport.
    pub chat: &'a dyn Chat,
    /// Where it leads, for errors.
    pub url: &'a str,
    /// The model's name there.
    pub model: &'a str,
    /// Requests at a time; at least one.
    pub requests: usize,
}

impl std::fmt::Debug for Rephrase<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Rephrase({} of {})", self.model, self.url)
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Of HTTP.
    pub status: u16,
    /// All of it.
    pub body: String,
    /// The header Retry-After as it is, where there is one.
    pub retry_after: Option<String>,
}

/// Nothing came. Each says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There is nobody.
    Unreachable(String),
    /// There is somebody who says nothing, or stops in the middle.
    Silent(String),
}

/// What a reply means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// The model said something.
    Said(Said),
    /// It is busy.
    Later {
        /// Seconds, where it says when to ask again.
        after_s: Option<f64>,
        /// In words.
        why: String,
    },
    /// An error that another try or another pair may not meet; in words.
    Failed(String),
    /// The key is wrong or missing; in words.
    Forbidden(String),
    /// There is no such model or no such address; in words.
    NotThere(String),
}

/// A model's words, and what they cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Empty where the reply has none.
    pub words: String,
    /// As the endpoint counts.
    pub prompt_tokens: u64,
    /// The same.
    pub completion_tokens: u64,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    /// Read as far as it can be: words are not lost for what was not counted.
    #[serde(default)]
    usage: serde_json::Value,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

/// What a reply means.
pub(super) fn heard(reply: &Reply) -> Heard {
    let told = || told(reply);
    match reply.status {
        200..=299 => match said(&reply.body) {
            Some(said) => Heard::Said(said),
            None => Heard::Failed(format!("{}, which is no chat completion", told())),
        },
        429 | 503 => Heard::Later {
            after_s: reply.retry_after.as_deref().and_then(seconds),
            why: told(),
        },
        401 | 403 => Heard::Forbidden(told()),
        300..=399 => Heard::NotThere(format!(
            "leads elsewhere, which is not followed: it {}",
            told()
        )),
        404 | 405 => Heard::NotThere(told()),
        _ => Heard::Failed(told()),
    }
}

/// `None` where no message of a model is in it.
fn said(body: &str) -> Option<Said> {
    let Completion { choices, usage } = serde_json::from_str(body).ok()?;
    let message = choices.into_iter().next()?.message;
    let counted = |what: &str| usage.get(what).and_then(serde_json::Value::as_u64);
    Some(Said {
        words: message.content.unwrap_or_default(),
        prompt_tokens: counted("prompt_tokens").unwrap_or(0),
        completion_tokens: counted("completion_tokens").unwrap_or(0),
    })
}

/// A number of seconds; a date is none.
fn seconds(header: &str) -> Option<f64> {
    let seconds: f64 = header.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

/// The status and the beginning of the server's own words.
fn told(reply: &Reply) -> String {
    #[derive(Deserialize)]
    struct Problem {
        error: Detail,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Detail {
        Words(String),
        Object { message: String },
    }
    let words = match serde_json::from_str::<Problem>(&reply.body) {
        Ok(Problem {
            error: Detail::Words(words) | Detail::Object { message: words },
        }) => words,
        Err(_) => reply.body.clone(),
    };
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: String = words.chars().filter(|c| !c.is_control()).collect();
    let mut shown: String = words.chars().take(WORDS).collect();
    if shown.len() < words.len() {
        shown.push('…');
    }
    match shown.is_empty() {
        true => format!("answers {}", reply.status),
        false => format!("answers {}: {shown}", reply.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            body: body.into(),
            retry_after: Some(" 2 ".into()),
        }
    }

    #[test]
    fn the_models_words_and_their_cost_are_taken() {
        let body = r#"{"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}}"#;
        let expected = Said {
            words: "Hello".into(),
            prompt_tokens: 12,
            completion_tokens: 3,
        };
        assert_eq!(heard(&reply(200, body)), Heard::Said(expected));
        let mute = r#"{"choices": [{"message": {"content": null}}]}"#;
        assert_eq!(heard(&reply(200, mute)), Heard::Said(Said::default()));
        for nothing in ["", "{", "[]", "<html>", r#"{"choices": []}"#] {
            let heard = heard(&reply(200, nothing));
            assert!(matches!(&heard, Heard::Failed(why) if why.contains("no chat completion")));
        }
    }

    #[test]
    fn words_whose_cost_was_not_counted_were_lost() {
        for usage in [
            "null",
            r#"{"prompt_tokens": null, "completion_tokens": 3}"#,
            r#"{"prompt_tokens": "12", "completion_tokens": 3.5}"#,
            "[]",
        ] {
            let body = format!(
                r#"{{"choices": [{{"message": {{"content": "Hello"}}}}], "usage": {usage}}}"#
            );
            let heard = heard(&reply(200, &body));
            assert!(
                matches!(&heard, Heard::Said(said) if said.words == "Hello" && said.prompt_tokens == 0),
                "{usage}: {heard:?}"
            );
        }
    }

    #[test]
    fn statuses_say_what_to_do() {
        let date = Reply {
            retry_after: Some("Wed, 21 Oct 2026 07:28:00 GMT".into()),
            ..reply(429, "")
        };
        for (reply, expected) in [
            (reply(429, ""), Some(2.0)),
            (reply(503, ""), Some(2.0)),
            (date, None),
        ] {
            let heard = heard(&reply);
            assert!(
                matches!(heard, Heard::Later { after_s, .. } if after_s == expected),
                "{heard:?}"
            );
        }
        let wrong = heard(&reply(
            401,
            r#"{"error": {"message": "wrong\nkey", "code": 1}}"#,
        ));
        assert_eq!(wrong, Heard::Forbidden("answers 401: wrong key".into()));
        let unknown = heard(&reply(404, r#"{"error": "no such model"}"#));
        assert_eq!(
            unknown,
            Heard::NotThere("answers 404: no such model".into())
        );
        assert!(matches!(heard(&reply(307, "")), Heard::NotThere(_)));
        let Heard::Failed(long) = heard(&reply(500, &"x".repeat(5000))) else {
            panic!("500 is a failure");
        };
        assert!(long.chars().count() < WORDS + 20 && long.ends_with('…'));
    }
}
