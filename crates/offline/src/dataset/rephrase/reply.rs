//! What a model says, to a question and an answer: a JSON object, bare, in a code fence or with words around it.

use serde::{Deserialize, Serialize};

/// Longer texts are no rephrasing.
const MOST_BYTES: usize = 1000;

/// As the model is asked to write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Worded {
    /// With tags for regions.
    #[serde(rename = "Question", alias = "question")]
    pub question: String,
    /// The same.
    #[serde(rename = "Answer", alias = "answer")]
    pub answer: String,
}

/// The question and the answer in what a model said.
pub(super) fn worded(said: &str) -> Option<Worded> {
    let begin = said.find('{')?;
    let end = said.rfind('}')?;
    let found: Worded = serde_json::from_str(said.get(begin..=end)?).ok()?;
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let worded = Worded {
        question: plain(&found.question),
        answer: plain(&found.answer),
    };
    let suits = |text: &str| (1..=MOST_BYTES).contains(&text.len());
    (suits(&worded.question) && suits(&worded.answer)).then_some(worded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_in_a_fence_and_between_words() {
        let object = r#"{"Question": "How far?", "Answer": "Far\n away."}"#;
        for said in [
            object.to_owned(),
            format!("```json\n{object}\n```"),
            format!("Here you are:\n{object}\nAnything else?"),
        ] {
            let worded = worded(&said).unwrap();
            assert_eq!(worded.question, "How far?");
            assert_eq!(worded.answer, "Far away.");
        }
    }

    #[test]
    fn what_is_no_such_object_is_none() {
        let long = format!(r#"{{"Question": "{}", "Answer": "b"}}"#, "a".repeat(1001));
        for said in [
            "",
            "How far?",
            r#"{"Question": "How f"#,
            r#"{"Question": "How far?"}"#,
            r#"{"Question": "How far?", "Answer": "  "}"#,
            r#"{"Question": "How far?", "Answer": 3}"#,
            r#"["How far?", "Far."]"#,
            "} {",
            long.as_str(),
        ] {
            assert_eq!(worded(said), None, "{said}");
        }
    }
}
