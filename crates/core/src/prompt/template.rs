//! The conversation templates of the original: how turns are written down, and what ends an answer.

use crate::error::{Error, Result};

/// A question that has been answered, both as they stand in the prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// With a placeholder for each region.
    pub question: String,
    /// As it was generated.
    pub answer: String,
}

/// The manner in which a language model was taught to see a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// `llama_3`: turns between header tokens, with a system's text.
    Llama3,
    /// `vicuna_v1`: USER and ASSISTANT after Vicuna's text.
    VicunaV1,
    /// `v1`: the same under the original's other name.
    V1,
    /// `vicuna_v1_nosys`: the same without a text before the first turn.
    VicunaV1WithoutSystem,
    /// `llava_v1`: the same with LLaVA's text.
    LlavaV1,
    /// `llama_2`: questions in `[INST]`, the first with a system's text.
    Llama2,
    /// `mistral`: questions in `[INST]`.
    Mistral,
    /// `hermes-2`: ChatML.
    Hermes2,
    /// `plain`: one question a line, without a history.
    Plain,
}

const LLAMA_3_SYSTEM: &str = "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist the user with a variety of tasks using natural language.";
const VICUNA_SYSTEM: &str = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.";
const LLAVA_SYSTEM: &str = "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions.";
const LLAMA_2_SYSTEM: &str = "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that your responses are socially unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually coherent, explain why instead of answering something not correct. If you don't know the answer to a question, please don't share false information.";

impl Template {
    /// Every template.
    pub const ALL: [Self; 9] = [
        Self::Llama3,
        Self::VicunaV1,
        Self::V1,
        Self::VicunaV1WithoutSystem,
        Self::LlavaV1,
        Self::Llama2,
        Self::Mistral,
        Self::Hermes2,
        Self::Plain,
    ];

    /// The original's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama3 => "llama_3",
            Self::VicunaV1 => "vicuna_v1",
            Self::V1 => "v1",
            Self::VicunaV1WithoutSystem => "vicuna_v1_nosys",
            Self::LlavaV1 => "llava_v1",
            Self::Llama2 => "llama_2",
            Self::Mistral => "mistral",
            Self::Hermes2 => "hermes-2",
            Self::Plain => "plain",
        }
    }

    /// The template of a name.
    ///
    /// # Errors
    /// `Error::UnknownTemplate` with the names there are.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::ALL
            .into_iter()
            .find(|template| template.name() == name);
        found.ok_or_else(|| Error::UnknownTemplate {
            name: name.to_string(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }

    /// The template of a published checkpoint, told by whether its tokenizer has a token: LLaMA 3 ends
    /// its turns with one of its own, and the LLaMA 2 variants are all of Vicuna's kind.
    pub fn infer(has_token: impl Fn(&str) -> bool) -> Self {
        if has_token(Self::Llama3.stop()) {
            Self::Llama3
        } else {
            Self::VicunaV1
        }
    }

    /// The text that ends an answer; empty where only the end-of-sequence token does.
    pub fn stop(self) -> &'static str {
        match self {
            Self::Llama3 => "<|eot_id|>",
            Self::VicunaV1 | Self::V1 | Self::VicunaV1WithoutSystem | Self::LlavaV1 => "</s>",
            Self::Llama2 => "<s>",
            Self::Mistral => "",
            Self::Hermes2 => "<|im_end|>",
            Self::Plain => "\n",
        }
    }

    /// Everything that was said and the question, up to where the model goes on.
    ///
    /// # Errors
    /// `Error::SingleQuestionTemplate`: `plain` has no place for a history.
    pub fn render(self, history: &[Exchange], question: &str) -> Result<String> {
        if self == Self::Plain && !history.is_empty() {
            return Err(Error::SingleQuestionTemplate {
                template: self.name(),
            });
        }
        let mut text = self.opening().to_string();
        for (turn, exchange) in history.iter().enumerate() {
            text.push_str(&self.question(turn, &exchange.question));
            text.push_str(&self.answer(&exchange.answer));
        }
        text.push_str(&self.question(history.len(), question));
        Ok(text)
    }

    /// What stands before the first turn.
    fn opening(self) -> String {
        match self {
            Self::Llama3 => {
                format!("<|start_header_id|>system<|end_header_id|>\n\n{LLAMA_3_SYSTEM}<|eot_id|>")
            }
            Self::VicunaV1 | Self::V1 => format!("{VICUNA_SYSTEM} "),
            Self::VicunaV1WithoutSystem => " ".into(),
            Self::LlavaV1 => format!("{LLAVA_SYSTEM} "),
            Self::Mistral => "<s>".into(),
            Self::Hermes2 => "<|im_start|>system\nAnswer the questions.<|im_end|>".into(),
            Self::Llama2 | Self::Plain => String::new(),
        }
    }

    /// One question, and how its answer begins.
    fn question(self, turn: usize, question: &str) -> String {
        match self {
            Self::Llama3 => format!(
                "<|start_header_id|>user<|end_header_id|>\n\n{question}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
            ),
            Self::VicunaV1 | Self::V1 | Self::VicunaV1WithoutSystem | Self::LlavaV1 => {
                format!("USER: {question} ASSISTANT:")
            }
            // The system's text is part of the first question.
            Self::Llama2 if turn == 0 => {
                format!("[INST] <<SYS>>\n{LLAMA_2_SYSTEM}\n<</SYS>>\n\n{question} [/INST]")
            }
            Self::Llama2 => format!("<s>[INST] {question} [/INST]"),
            Self::Mistral => format!("[INST] {question} [/INST]"),
            Self::Hermes2 => {
                format!("<|im_start|>user\n{question}<|im_end|><|im_start|>assistant\n")
            }
            Self::Plain => format!("{question}\n"),
        }
    }

    /// One answer, and how it ends.
    pub fn answer(self, answer: &str) -> String {
        match self {
            Self::Llama3 => format!("{answer}<|eot_id|>"),
            Self::VicunaV1 | Self::V1 | Self::VicunaV1WithoutSystem | Self::LlavaV1 => {
                format!(" {answer}</s>")
            }
            Self::Llama2 => format!(" {answer} </s>"),
            Self::Mistral => format!("{answer}</s>"),
            Self::Hermes2 => format!("{answer}<|im_end|>"),
            Self::Plain => format!("{answer}\n"),
        }
    }

    /// What a model generated, without white space around it and without one stop text at its end.
    pub fn clean(self, generated: &str) -> &str {
        let generated = strip(generated);
        match self.stop() {
            "" => generated,
            stop => strip(generated.strip_suffix(stop).unwrap_or(generated)),
        }
    }
}

/// Python's white space has four control characters that Unicode's has not.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}
