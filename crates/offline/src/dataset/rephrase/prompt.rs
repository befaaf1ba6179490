//! What the model is told, in our words, and the key of what is asked.

use serde_json::json;
use spatial_reward_core::digest;

use super::pair::{Pair, tag};
use super::refusal::Refusal;

/// The original's (`dataset_pipeline`, its rephrasing of facts).
const TEMPERATURE: f64 = 0.2;

const TASK: &str = "You put a question about a picture, and its answer, into other words. Regions of the picture are named \
by tags such as <region0>. Reply with one JSON object and nothing else: {\"Question\": \"...\", \"Answer\": \"...\"}. \
The new question asks for the same thing, and the same way round. It holds every tag that is listed exactly once, no other \
tag, and no number. The new answer is one whole sentence with the same facts. It holds every tag that is listed and no \
other, it begins with yes or no where the given answer does, and it keeps a number with all its digits and in its unit, \
without any other number. Copy tags letter by letter, do not guess what the regions show, and add nothing to the facts.";

/// One of these is asked for, by chance: a model that is nearly cold words equal facts alike.
const MANNERS: [&str; 8] = [
    "plain and short",
    "like a colleague in a conversation",
    "like a technician who writes a report",
    "polite, as a request",
    "like somebody who plans to move things",
    "like a teacher who asks a pupil",
    "precise and formal",
    "like a spoken command to a robot",
];

/// The body of a request. `refused` is what was wrong with the try before.
pub(super) fn request(model: &str, pair: &Pair, refused: Option<Refusal>) -> String {
    let tags: Vec<String> = (0..pair.mentions.len()).map(tag).collect();
    let manner = usize::try_from(pair.draw % MANNERS.len() as u64).unwrap_or_default();
    let mut told = format!(
        "Question: {}\nAnswer: {}\nTags: {}\nManner: {}",
        pair.question,
        pair.answer,
        tags.join(", "),
        MANNERS.get(manner).unwrap_or(&""),
    );
    if let Some(advice) = refused.and_then(Refusal::advice) {
        told.push_str(&format!("\nYour last reply could not be used: {advice}."));
    }
    json!({
        "model": model,
        "temperature": TEMPERATURE,
        "messages": [
            {"role": "system", "content": TASK},
            {"role": "user", "content": told},
        ],
    })
    .to_string()
}

/// What every endpoint that works answers.
pub(super) fn greeting(model: &str) -> String {
    let messages = json!([{"role": "user", "content": "Say hello."}]);
    json!({"model": model, "messages": messages}).to_string()
}

/// By all that is asked, model, words and pair: whoever asks it again has the answer already.
pub(super) fn key(model: &str, pair: &Pair) -> String {
    digest::sha256(request(model, pair, None).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(draw: u64) -> Pair {
        Pair {
            category: "width".into(),
            question: "How wide is <region0>?".into(),
            answer: "4.87 inches".into(),
            mentions: vec![3],
            draw,
        }
    }

    #[test]
    fn a_request_has_the_pair_its_tags_and_what_was_wrong() {
        // Given a pair whose last try was refused
        let body = request("m", &pair(1), Some(Refusal::Tags));
        // When it is read
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        // Then
        let told = body["messages"][1]["content"].as_str().unwrap();
        for words in [
            "How wide is <region0>?",
            "4.87 inches",
            "Tags: <region0>\n",
            "each tag once",
        ] {
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(
            (&body["model"], &body["temperature"]),
            (&"m".into(), &0.2.into())
        );
    }

    #[test]
    fn a_key_is_of_the_model_the_words_and_the_pair() {
        let known = key("m", &pair(1));
        assert_eq!(known, key("m", &pair(1)));
        assert_eq!(known, key("m", &pair(1 + MANNERS.len() as u64)));
        assert_ne!(known, key("n", &pair(1)));
        assert_ne!(known, key("m", &pair(2)));
        let other = Pair {
            answer: "4.88 inches".into(),
            ..pair(1)
        };
        assert_ne!(known, key("m", &other));
    }
}
