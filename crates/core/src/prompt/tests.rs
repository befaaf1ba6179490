//! Prompts and answers against those of the original program.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Facts {
    templates: BTreeMap<String, TemplateFacts>,
    postprocess: Vec<Processed>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct TemplateFacts {
    stop: String,
    prompts: Vec<String>,
}

#[derive(Deserialize)]
struct Processed {
    conv: String,
    input: String,
    decoded: String,
    result: Outcome,
}

/// The original either answered or failed.
#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Text(String),
    Failed { exception: String },
}

#[derive(Deserialize)]
struct Case {
    checkpoint: String,
    depth: bool,
    boxes: usize,
    turns: Vec<String>,
    prompts: Vec<String>,
    texts: Vec<String>,
    region_indices_len: usize,
}

fn facts() -> Facts {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/fixtures/spatialrgpt"
    );
    let json = std::fs::read_to_string(format!("{folder}/misc.json")).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn conversation(regions: usize) -> Conversation {
    Conversation::new(Template::Llama3, true, regions)
}

#[test]
fn prompts_of_all_templates_are_the_originals() {
    let facts = facts().templates;
    assert_eq!(facts.len(), Template::ALL.len());
    for (name, facts) in facts {
        // Given a conversation of two turns in each template
        let template = Template::from_name(&name).unwrap();
        assert_eq!(template.name(), name);
        assert_eq!(template.stop(), facts.stop, "{name}");
        let mut conversation = Conversation::new(template, true, 1);
        // When it is led, then its prompts are the original's
        let first = conversation.ask("Is <region0> wide?").unwrap();
        assert_eq!(first.text, facts.prompts[0], "{name}");
        conversation.answered("Yes [0].");
        match conversation.ask("Why?") {
            Ok(second) => {
                assert_eq!(second.text, facts.prompts[1], "{name}");
                assert_eq!(
                    second.mentions,
                    [0],
                    "the first turn's mention is still in the text"
                );
            }
            // and where the original fails, so does ours, in words
            Err(error) => {
                assert!(facts.prompts[1].starts_with("TypeError"), "{name}: {error}");
                assert!(error.to_string().contains("plain"), "{error}");
            }
        }
    }
}

#[test]
fn golden_conversations_have_the_originals_prompts_and_answers() {
    for case in facts().cases {
        let template = Template::infer(|token| case.checkpoint == "a" && token == "<|eot_id|>");
        let mut conversation = Conversation::new(template, case.depth, case.boxes);
        let mut mentions = 0;
        for ((turn, expected), text) in case.turns.iter().zip(&case.prompts).zip(&case.texts) {
            let prompt = conversation.ask(turn).unwrap();
            assert_eq!(prompt.text, *expected);
            mentions = prompt.mentions.len();
            assert_eq!(conversation.answered(&format!("{text}\n")).text, *text);
        }
        assert_eq!(mentions, case.region_indices_len, "{:?}", case.turns);
    }
}

#[test]
fn answers_are_processed_as_in_the_original() {
    for case in facts().postprocess {
        let template = Template::from_name(&case.conv).unwrap();
        let regions = if case.input.contains("<region") { 9 } else { 0 };
        let mut conversation = Conversation::new(template, true, regions);
        conversation.ask(&case.input).unwrap();
        let answer = conversation.answered(&case.decoded);
        let context = format!("{} {:?} -> {answer:?}", case.input, case.decoded);
        match case.result {
            Outcome::Text(text) => {
                assert_eq!(answer.text, text, "{context}");
                assert!(!answer.unknown_regions, "{context}");
            }
            // Where the original fails over a number, ours keeps the text and says so.
            Outcome::Failed { exception } => {
                let number = exception.split('\'').nth(1).unwrap();
                assert!(answer.unknown_regions, "{context}");
                assert!(answer.text.contains(&format!("[{number}]")), "{context}");
            }
        }
    }
}

#[test]
fn known_regions_are_renumbered_beside_unknown_ones() {
    let mut conversation = conversation(6);
    conversation.ask("<region2> <region2> <region5>").unwrap();
    let answer = conversation.answered("[0][1][2] [a] [ 1] [01] [3] [99999999999999999999999] [");
    assert_eq!(
        answer.text,
        "[2][2][5] [a] [ 1] [01] [3] [99999999999999999999999] ["
    );
    assert!(answer.unknown_regions);
}

#[test]
fn numbers_in_an_answer_count_the_mentions_of_its_own_turn() {
    // Given a first turn about regions 1 and 0, and a second about region 2
    let mut conversation = conversation(3);
    conversation.ask("Is <region1> left of <region0>?").unwrap();
    assert_eq!(conversation.answered("[0] is.").text, "[1] is.");
    let prompt = conversation.ask("And how far is <region2>?").unwrap();
    // Then the prompt has the mentions of both, and the first answer in the model's own numbers
    assert_eq!(prompt.mentions, [1, 0, 2]);
    assert!(
        prompt.text.contains("\n\n[0] is.<|eot_id|>"),
        "{}",
        prompt.text
    );
    assert_eq!(prompt.text.matches("<image>").count(), 1);
    // and the answer's numbers begin anew
    assert_eq!(
        conversation.answered("[0] is 2 m away.").text,
        "[2] is 2 m away."
    );
}

#[test]
fn without_depth_a_region_is_one_placeholder() {
    let mut conversation = Conversation::new(Template::VicunaV1, false, 2);
    let prompt = conversation
        .ask("Is <region1><region0> <region x> <region>?")
        .unwrap();
    assert!(
        prompt.text.contains("Is <mask><mask> <region x> <region>?"),
        "{}",
        prompt.text
    );
    assert_eq!(prompt.mentions, [1, 0]);
}

#[test]
fn an_unanswered_question_is_forgotten() {
    let mut conversation = conversation(2);
    conversation.ask("Is <region1> red?").unwrap();
    assert!(conversation.ask("Is <region7> red?").is_err());
    let prompt = conversation.ask("Is <region0> red?").unwrap();
    assert_eq!(prompt.mentions, [0]);
    assert_eq!(prompt.text.matches("red").count(), 1);
}

#[test]
fn questions_that_cannot_be_asked_say_why() {
    for (regions, question, words) in [
        (2, "How far is <region2>?", "<region2>"),
        (
            2,
            "How far is <region99999999999999999999>?",
            "<region99999999999999999999>",
        ),
        (0, "How far is <region0>?", "<region0>"),
        (2, "How far is it?", "<region0>"),
        (1, "<region0> in <image>?", "<image>"),
        (1, "<region0> and <mask>?", "<mask>"),
        (1, "<region0> and <depth>?", "<depth>"),
    ] {
        let error = conversation(regions).ask(question).unwrap_err().to_string();
        assert!(error.contains(words), "{question}: {error}");
    }
    let error = Template::from_name("llama_4").unwrap_err().to_string();
    assert!(
        error.contains("llama_4") && error.contains("vicuna_v1_nosys"),
        "{error}"
    );
}

#[test]
fn a_placeholder_that_the_model_spelled_out_does_not_reach_the_next_prompt() {
    let mut conversation = conversation(1);
    conversation.ask("What is <region0>?").unwrap();
    assert_eq!(
        conversation.answered("A <mask> in the <image>.").text,
        "A <mask> in the <image>."
    );
    let prompt = conversation.ask("Why?").unwrap();
    assert_eq!(prompt.text.matches("<image>").count(), 1);
    assert_eq!(prompt.text.matches("<mask>").count(), prompt.mentions.len());
}

#[test]
fn only_the_answers_ends_are_cleaned() {
    for (template, generated, cleaned) in [
        (Template::VicunaV1, " \u{1f}2 m </s> \n", "2 m"),
        (Template::VicunaV1, "2 m</s></s>", "2 m</s>"),
        (Template::Mistral, " 2 m ", "2 m"),
        (Template::Llama3, "", ""),
    ] {
        assert_eq!(template.clean(generated), cleaned);
    }
}

#[test]
fn a_conversation_goes_on_from_what_was_said_elsewhere() {
    // given a conversation, and what came out of its first turn
    let first = "Is <region2> left of <region0>? [5]";
    let mut whole = conversation(3);
    whole.ask(first).unwrap();
    let said = whole.answered("[1] is right of [0], [7] is not.").text;
    assert_eq!(said, "[0] is right of [2], [7] is not.");
    // when another one goes on from that
    let mut other = conversation(3);
    other.go_on(first, &said).unwrap();
    // then both ask the same
    let second = "And how far is <region1>?";
    assert_eq!(other.ask(second).unwrap(), whole.ask(second).unwrap());
    // and a question that cannot be asked was not
    assert!(other.go_on("Is <region3> tall?", "Yes").is_err());
}
