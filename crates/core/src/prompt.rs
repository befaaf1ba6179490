//! From a question about numbered regions to the prompt that the model was trained on, and from what
//! it generates back to an answer in the caller's numbers.

pub mod format;
mod template;
#[cfg(test)]
mod tests;

pub use template::{Exchange, Template};

use crate::error::{Error, Result};

/// What the prompt holds in an image's or a region's place, until features replace it.
const PLACEHOLDERS: [&str; 3] = [format::IMAGE, format::MASK, format::DEPTH];

/// What goes into the model for one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// The whole conversation in the template's words, with placeholders.
    pub text: String,
    /// The caller's region numbers, one for each `<mask>` of the text, in its order: all turns, with
    /// repeats.
    pub mentions: Vec<usize>,
}

/// What came out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerText {
    /// With `[n]` as the caller's region number n.
    pub text: String,
    /// The text has an `[n]` that means no mention of its question; it stands there as generated.
    pub unknown_regions: bool,
}

/// Questions and answers about one image and its regions.
#[derive(Clone, Debug)]
pub struct Conversation {
    template: Template,
    with_depth: bool,
    regions: usize,
    history: Vec<Exchange>,
    mentions: Vec<usize>,
    /// The question that waits for its answer.
    asked: Option<Question>,
}

/// A question in the model's words.
#[derive(Clone, Debug)]
struct Question {
    text: String,
    mentions: Vec<usize>,
}

impl Conversation {
    /// Begins a conversation about an image with `regions` regions, numbered from 0; `with_depth` if
    /// the model is shown its depth as well.
    pub fn new(template: Template, with_depth: bool, regions: usize) -> Self {
        Self {
            template,
            with_depth,
            regions,
            history: Vec::new(),
            mentions: Vec::new(),
            asked: None,
        }
    }

    /// The prompt for a question in which `<regionN>` stands for region N. A question that was never
    /// answered is forgotten.
    ///
    /// # Errors
    /// - `Error::ReservedText`: the question itself has one of the prompt's placeholders.
    /// - `Error::RegionWithoutBox`: it mentions a region that does not exist.
    /// - `Error::NoRegionMentioned`: there are regions, but no turn so far mentions any.
    /// - `Error::SingleQuestionTemplate`: the template has no place for a second question.
    pub fn ask(&mut self, question: &str) -> Result<Prompt> {
        self.asked = None;
        let mut asked = parse(question, self.with_depth, self.regions)?;
        let mentions = [&self.mentions[..], &asked.mentions[..]].concat();
        if mentions.is_empty() && self.regions > 0 {
            return Err(Error::NoRegionMentioned {
                regions: self.regions,
            });
        }
        if self.history.is_empty() {
            asked.text = format::with_image(&asked.text);
        }
        let text = self.template.render(&self.history, &asked.text)?;
        self.asked = Some(asked);
        Ok(Prompt { text, mentions })
    }

    /// Takes the text that the model generated for the last question, and remembers it for the next.
    pub fn answered(&mut self, generated: &str) -> AnswerText {
        let said = self.template.clean(generated);
        let asked = self.asked.take();
        let mentions = asked.as_ref().map_or(&[][..], |asked| &asked.mentions);
        let answer = with_callers_numbers(said, mentions);
        if let Some(asked) = asked {
            self.mentions.extend(asked.mentions);
            self.history.push(Exchange {
                question: asked.text,
                // In the model's own numbers, as it was trained.
                answer: without_placeholders(said),
            });
        }
        answer
    }

    /// A question that was answered elsewhere, and the answer as [`answered`](Self::answered) gave it: what is asked next
    /// follows on both. Of a region that the question mentions twice the answer is taken to mean the first mention.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn go_on(&mut self, question: &str, answer: &str) -> Result<()> {
        self.ask(question)?;
        let mentions = self.asked.as_ref().map_or(&[][..], |asked| &asked.mentions);
        let said = with_own_numbers(answer, mentions);
        self.answered(&said);
        Ok(())
    }
}

/// Replaces each `[n]` by the first mention of region n: the way back from [`with_callers_numbers`].
fn with_own_numbers(said: &str, mentions: &[usize]) -> String {
    renumbered(said, |region| {
        mentions.iter().position(|mention| *mention == region)
    })
    .0
}

/// Replaces each `<regionN>` by its placeholders.
fn parse(question: &str, with_depth: bool, regions: usize) -> Result<Question> {
    if let Some(text) = PLACEHOLDERS.into_iter().find(|p| question.contains(p)) {
        return Err(Error::ReservedText { text });
    }
    let placeholder = format::region(with_depth);
    let mut text = String::with_capacity(question.len());
    let mut mentions = Vec::new();
    let mut parts = question.split("<region");
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match number_before(part, '>') {
            Some((digits, rest)) => {
                let region = digits.parse().ok().filter(|region| *region < regions);
                mentions.push(region.ok_or_else(|| Error::RegionWithoutBox {
                    region: digits.to_string(),
                    regions,
                })?);
                text.push_str(placeholder);
                text.push_str(rest);
            }
            None => {
                text.push_str("<region");
                text.push_str(part);
            }
        }
    }
    Ok(Question { text, mentions })
}

/// Replaces each `[n]` by the region that the question's n-th mention is of.
fn with_callers_numbers(said: &str, mentions: &[usize]) -> AnswerText {
    let (text, unknown_regions) = renumbered(said, |mention| mentions.get(mention).copied());
    AnswerText {
        text,
        unknown_regions,
    }
}

/// Replaces the number of each `[n]`, and says whether there was one that has no other.
fn renumbered(said: &str, other: impl Fn(usize) -> Option<usize>) -> (String, bool) {
    let mut text = String::with_capacity(said.len());
    let mut has_unknown = false;
    let mut parts = said.split('[');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        text.push('[');
        let Some((digits, rest)) = number_before(part, ']') else {
            text.push_str(part);
            continue;
        };
        // The model writes numbers without leading zeros: "[01]" is none of them.
        let plain = digits == "0" || !digits.starts_with('0');
        let number = digits.parse::<usize>().ok().filter(|_| plain);
        match number.and_then(&other) {
            Some(number) => text.push_str(&number.to_string()),
            None => {
                has_unknown = true;
                text.push_str(digits);
            }
        }
        text.push(']');
        text.push_str(rest);
    }
    (text, has_unknown)
}

/// Splits `12>rest` into its digits and the rest, if there are digits and then `end`.
fn number_before(text: &str, end: char) -> Option<(&str, &str)> {
    let (digits, rest) = text.split_once(end)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some((digits, rest))
}

/// A model may spell a placeholder out letter by letter. In the next prompt that would be taken for an
/// image or a region of which there are no features.
fn without_placeholders(said: &str) -> String {
    PLACEHOLDERS
        .iter()
        .fold(said.to_string(), |text, placeholder| {
            text.replace(placeholder, placeholder.trim_matches(['<', '>']))
        })
}
