//! Yes or no.

use super::reader::Reader;
use super::relation::Assertion;
use super::statement::{Relation, Unread};

/// Words before an answer that say nothing of it.
pub(super) const PREAMBLE: [&str; 27] = [
    "well",
    "hmm",
    "i",
    "would",
    "say",
    "think",
    "believe",
    "that",
    "it",
    "seems",
    "appears",
    "looks",
    "like",
    "probably",
    "likely",
    "the",
    "answer",
    "is",
    "final",
    "my",
    "d",
    "a",
    "m",
    "afraid",
    "statement",
    "this",
    "claim",
];

/// Yes or no: by the word that begins the conclusion or the answer, then by one anywhere, then by what is said of the regions.
pub(super) fn yes(reader: &Reader, relation: Relation) -> Result<bool, Unread> {
    if let Some(at) = reader.turn()
        && let Some(yes) = lead(reader, at).or_else(|| judged(reader, relation, at))
    {
        return Ok(yes);
    }
    let corrects = corrects(reader);
    if let Some(yes) = lead(reader, corrects.unwrap_or(0)) {
        return Ok(yes);
    }
    if let Some(yes) = said_anywhere(reader)? {
        return Ok(yes);
    }
    let from = match reader.behind_equality(relation, corrects.unwrap_or(0)) {
        // "Neither is behind the other."
        Err(_) if reader.denies_both(relation) => return Ok(false),
        from => from?,
    };
    if let Some(yes) = judged(reader, relation, from) {
        return Ok(yes);
    }
    match corrects {
        Some(at) if at < reader.len() => Ok(false),
        _ if reverses(reader) => Ok(false),
        _ if reader.refuses() => Err(Unread::Refusal),
        _ => Err(Unread::NoYesOrNo),
    }
}

/// "It is the other way round."
fn reverses(reader: &Reader) -> bool {
    (0..reader.len()).any(|at| match reader.word(at) {
        Some("opposite" | "reverse") => true,
        Some("way") => {
            reader.word_before(at) == Some("other")
                && matches!(reader.word(at + 1), Some("round" | "around"))
        }
        _ => false,
    })
}

/// A yes or a no that does not begin the answer.
fn said_anywhere(reader: &Reader) -> Result<Option<bool>, Unread> {
    let said = |at: usize| match reader.word(at)? {
        "yes" => Some(true),
        "no" if !matches!(
            reader.word(at + 1),
            Some("way" | "clear" | "information" | "visible" | "difference")
        ) && reader.begins_clause_or_says(at) =>
        {
            Some(false)
        }
        _ => None,
    };
    let anywhere: Vec<bool> = (0..reader.len()).filter_map(said).collect();
    match anywhere.as_slice() {
        [] => Ok(None),
        [yes, others @ ..] if others.iter().all(|other| other == yes) => Ok(Some(*yes)),
        _ => Err(Unread::YesAndNo),
    }
}

/// The token behind "actually" or "in fact" at the beginning.
fn corrects(reader: &Reader) -> Option<usize> {
    match (reader.word(0), reader.word(1)) {
        (Some("actually" | "rather"), _) => Some(1),
        (Some("in"), Some("fact" | "reality")) => Some(2),
        (Some("on"), Some("the")) if reader.word(2) == Some("contrary") => Some(3),
        _ => None,
    }
}

/// Yes or no in the word or two that stand at a token.
fn lead(reader: &Reader, at: usize) -> Option<bool> {
    let mut at = at;
    while reader.mark(at).is_some() {
        at += 1;
    }
    let next = reader.word(at + 1);
    let word = reader.word(at)?;
    let ends = |at: usize| reader.word(at).is_none() && reader.region(at).is_none();
    let sure = matches!(next, Some("doubt" | "question"));
    match word {
        "no" if sure => return Some(true),
        "yes" if next == Some("and") && reader.word(at + 2) == Some("no") => return None,
        "yes" | "yeah" | "yep" | "yup" | "indeed" | "correct" | "true" | "certainly"
        | "definitely" | "absolutely" | "affirmative" | "sure" | "exactly" | "precisely"
        | "surely" | "undoubtedly" | "agreed" | "positive" => {
            return Some(next != Some("not"));
        }
        "right" | "y" if ends(at + 1) => return Some(true),
        "n" if ends(at + 1) => return Some(false),
        "quite" if next == Some("the") && reader.word(at + 2) == Some("opposite") => {
            return Some(false);
        }
        "no" | "nope" | "nah" | "incorrect" | "false" | "wrong" | "negative" | "never"
        | "untrue" => return Some(false),
        "not" => {
            let unsure = matches!(
                next,
                Some("sure" | "enough" | "clear" | "possible" | "certain")
            );
            return (!unsure).then_some(false);
        }
        "of" if next == Some("course") => return Some(reader.word(at + 2) != Some("not")),
        "it" | "they" | "this" | "that" | "he" | "she" | "you"
            if matches!(next, Some("is" | "does" | "are" | "has" | "do" | "s")) =>
        {
            return verb(reader, at + 2);
        }
        _ => {}
    }
    match (word, next, reader.word(at + 2)) {
        ("without", _, _) if [next, reader.word(at + 2)].contains(&Some("doubt")) => {
            return Some(true);
        }
        ("i", Some("disagree" | "doubt"), _) => return Some(false),
        ("i", Some("agree"), _) => return Some(true),
        ("it", Some("appears" | "seems" | "looks"), Some("so")) => return Some(true),
        ("i", Some("do" | "would"), Some("not")) if reader.word(at + 4) == Some("so") => {
            return Some(false);
        }
        ("i", Some("think" | "believe"), Some("so")) => return Some(true),
        ("i", Some("think" | "believe"), Some("not")) => return Some(false),
        _ => {}
    }
    let passed = (at..reader.len()).take_while(|at| {
        reader
            .word(*at)
            .is_some_and(|word| PREAMBLE.contains(&word))
            || matches!(reader.mark(*at), Some(',' | ':' | '\'' | '’' | '"' | '-'))
    });
    let passed = passed.count();
    let behind = at + passed;
    if passed == 0 {
        return None;
    }
    match reader.word(behind)? {
        "yes" | "correct" | "true" | "indeed" => Some(true),
        "no" | "incorrect" | "false" | "wrong" => Some(false),
        "not"
            if ends(behind + 1) || matches!(reader.word(behind + 1), Some("correct" | "true")) =>
        {
            Some(false)
        }
        _ => None,
    }
}

/// "It is." and "it is not", "that is correct": what stands behind the verb.
fn verb(reader: &Reader, at: usize) -> Option<bool> {
    let ends = |at: usize| reader.word(at).is_none() && reader.region(at).is_none();
    match reader.word(at) {
        None if ends(at) => Some(true),
        Some("indeed") => Some(true),
        Some("the") if reader.word(at + 1) == Some("case") => Some(true),
        Some("correct" | "true" | "right" | "so") if ends(at + 1) => Some(true),
        Some("incorrect" | "false" | "wrong") => Some(false),
        Some("not")
            if ends(at + 1)
                || matches!(
                    reader.word(at + 1),
                    Some("correct" | "true" | "right" | "the")
                ) =>
        {
            Some(false)
        }
        _ => None,
    }
}

/// By what is said of the regions: whether it is what was asked.
fn judged(reader: &Reader, relation: Relation, from: usize) -> Option<bool> {
    let Assertion {
        subject,
        object,
        holds,
        ..
    } = reader.claim(relation, from)?;
    // Without the question, a comparison asks about the region with the lower number.
    let asked = reader
        .asked
        .first()
        .copied()
        .unwrap_or(match (subject, object) {
            (Some(subject), Some(object)) => subject.min(object),
            _ => 0,
        });
    let of_asked = match (subject, object) {
        (Some(subject), _) => subject == asked,
        (None, Some(object)) => object != asked,
        (None, None) => true,
    };
    Some(holds == of_asked)
}

impl Reader<'_> {
    /// "no" as an answer and not as in "no sign of it": it begins a clause or follows a verb that tells.
    fn begins_clause_or_says(&self, at: usize) -> bool {
        let ends = self.word(at + 1).is_none();
        self.begins_clause(at)
            || ends
                && matches!(
                    self.word_before(at),
                    Some("is" | "say" | "be" | "so" | "answer" | "and")
                )
    }
}
