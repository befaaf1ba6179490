//! Yes or no, and which of two.

use super::reader::Reader;
use super::relation::Assertion;
use super::statement::{Relation, Unread};

/// Words before an answer that say nothing of it.
const PREAMBLE: [&str; 27] = [
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
/// `first` is the region that the question asks about.
pub(super) fn yes(reader: &Reader, relation: Relation, first: Option<u32>) -> Result<bool, Unread> {
    let conclusion = reader.conclusion();
    if let Some(at) = conclusion
        && let Some(yes) = lead(reader, at).or_else(|| judged(reader, relation, at, first))
    {
        return Ok(yes);
    }
    let corrects = corrects(reader);
    if let Some(yes) = lead(reader, corrects.unwrap_or(0)) {
        return Ok(yes);
    }
    let anywhere: Vec<bool> = (0..reader.len())
        .filter_map(|at| match reader.word(at)? {
            "yes" => Some(true),
            "no" if !matches!(
                reader.word(at + 1),
                Some("way" | "clear" | "information" | "visible" | "difference")
            ) && reader.begins_clause_or_says(at) =>
            {
                Some(false)
            }
            _ => None,
        })
        .collect();
    match anywhere.as_slice() {
        [] => {}
        [yes, others @ ..] if others.iter().all(|other| other == yes) => return Ok(*yes),
        _ => return Err(Unread::YesAndNo),
    }
    if says_equal(reader, 0) {
        return Err(Unread::Neither);
    }
    if let Some(yes) = judged(reader, relation, corrects.unwrap_or(0), first) {
        return Ok(yes);
    }
    match corrects {
        Some(at) if at < reader.len() => Ok(false),
        _ => Err(Unread::NoYesOrNo),
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
fn judged(reader: &Reader, relation: Relation, from: usize, first: Option<u32>) -> Option<bool> {
    let Assertion {
        subject,
        object,
        holds,
    } = reader.assertion(relation, from)?;
    // Without the question, a comparison asks about the region with the lower number.
    let asked = first.unwrap_or(match (subject, object) {
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

fn says_equal(reader: &Reader, from: usize) -> bool {
    let equal = (from..reader.len()).find(|at| {
        matches!(
            reader.word(*at),
            Some(
                "same"
                    | "equal"
                    | "equally"
                    | "identical"
                    | "neither"
                    | "similar"
                    | "both"
                    | "depends"
                    | "cannot"
                    | "unable"
            )
        )
    });
    equal.is_some_and(|equal| {
        !(equal..reader.len()).any(|at| {
            matches!(
                reader.word(at),
                Some("but" | "however" | "though" | "although")
            )
        })
    })
}

/// Which region an answer names. `others` are those of the question, where it is known.
pub(super) fn choice(reader: &Reader, relation: Relation, others: &[u32]) -> Result<u32, Unread> {
    let conclusion = reader.conclusion();
    if let Some(at) = conclusion
        && let Ok(region) = chosen(reader, relation, at, others)
    {
        return Ok(region);
    }
    let turn = (0..reader.len()).find(|at| matches!(reader.word(*at), Some("but" | "however")));
    let equal = says_equal(reader, 0);
    let from = match turn {
        Some(turn) if says_equal_before(reader, turn) => turn,
        _ if equal => return Err(Unread::Neither),
        _ => 0,
    };
    chosen(reader, relation, from, others)
}

fn says_equal_before(reader: &Reader, turn: usize) -> bool {
    (0..turn).any(|at| {
        matches!(
            reader.word(at),
            Some("same" | "equal" | "equally" | "identical" | "neither" | "similar" | "both")
        )
    })
}

fn chosen(reader: &Reader, relation: Relation, from: usize, others: &[u32]) -> Result<u32, Unread> {
    let regions = reader.regions(from, reader.len());
    let named = |region: &&(u32, usize)| {
        let before = region.1.checked_sub(1).and_then(|at| reader.word(at));
        before != Some("not")
    };
    let named: Vec<(u32, usize)> = regions.iter().filter(named).copied().collect();
    let other_than = |region: u32| {
        let mentioned = regions
            .iter()
            .map(|(other, _)| *other)
            .chain(others.iter().copied());
        let mut rest: Vec<u32> = mentioned.filter(|other| *other != region).collect();
        rest.dedup();
        match rest.as_slice() {
            [other] => Some(*other),
            [] if region < 2 => Some(1 - region),
            _ => None,
        }
    };
    if let Some(assertion) = reader.assertion(relation, from) {
        let Assertion {
            subject,
            object,
            holds,
        } = assertion;
        let region = match (subject, object) {
            (Some(subject), _) if holds => Some(subject),
            (Some(subject), object) => object.or_else(|| other_than(subject)),
            (None, Some(object)) if holds => other_than(object),
            (None, object) => object,
        };
        if let Some(region) = region {
            return Ok(region);
        }
    }
    let subjects: Vec<u32> = (named.iter())
        .filter(|region| !reader.is_object(region.1))
        .map(|region| region.0)
        .collect();
    let mut distinct: Vec<u32> = named.iter().map(|(region, _)| *region).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if let ([_, _], [subject]) = (distinct.as_slice(), subjects.as_slice()) {
        // "[1] towers over [0]"
        return Ok(*subject);
    }
    match (distinct.as_slice(), named.last()) {
        ([region], _) => Ok(*region),
        // "Between [0] and [1], [0]."
        (_, Some(last)) if named.len() > 2 => Ok(last.0),
        ([], _) => only_number(reader, from),
        _ => Err(Unread::SeveralRegions),
    }
}

/// "1", "The answer is 1."
fn only_number(reader: &Reader, from: usize) -> Result<u32, Unread> {
    let numbers: Vec<u32> = (from..reader.len())
        .filter(|at| reader.figure(*at).is_some())
        .filter_map(|at| reader.small_whole(at).map(|(value, _)| value))
        .collect();
    match numbers.as_slice() {
        [region] => Ok(*region),
        [] => Err(Unread::NoRegion),
        _ => Err(Unread::SeveralRegions),
    }
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
