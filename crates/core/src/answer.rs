//! From what a model says to a distance: `[0] and [1] are 12.3 inches apart` is 0.31242 m. A number
//! without a unit is no distance, and what cannot be one is not made into one.

mod aside;
mod candidate;
mod choice;
mod claim;
mod compared;
mod conclusion;
mod hours;
mod lengths;
mod lexer;
mod measure;
mod number;
mod plain;
mod reader;
mod refusal;
mod relation;
mod spread;
#[cfg(test)]
mod spread_tests;
mod stated;
pub mod statement;
#[cfg(test)]
mod statement_tests;
#[cfg(test)]
mod tests;
mod unit;
mod verdict;

use std::ops::Range;

use measure::Measure;
use reader::Reader;

pub use spread::{Alternative, WrittenToken};
pub use stated::read;

/// No camera that sees a robot's fingertip sees farther; beyond it an answer is nonsense.
const MAX_DISTANCE_M: f64 = 1000.0;

/// A distance that an answer states.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedDistance {
    /// Metres, from 0 to 1000.
    pub distance_m: f64,
    /// The byte ranges of the numbers that made it (digits with their separators, or number words), in
    /// the order of the answer: two for feet and inches or for a range.
    pub numbers: Vec<Range<usize>>,
}

/// Words that follow or lead up to a distance between things.
const AFTER_DISTANCE: [&str; 7] = [
    "apart",
    "away",
    "from",
    "between",
    "separate",
    "separates",
    "separating",
];
const BEFORE_DISTANCE: [&str; 9] = [
    "distance",
    "distances",
    "apart",
    "separated",
    "separation",
    "gap",
    "far",
    "away",
    "distant",
];

/// Words that follow or lead up to the size of one thing.
const AFTER_SIZE: [&str; 6] = ["tall", "wide", "high", "long", "deep", "thick"];
const BEFORE_SIZE: [&str; 8] = [
    "width",
    "height",
    "length",
    "size",
    "thickness",
    "diameter",
    "tall",
    "wide",
];

/// Words that make "a foot" a length.
const ABOUT: [&str; 9] = [
    "about",
    "approximately",
    "around",
    "roughly",
    "nearly",
    "almost",
    "exactly",
    "under",
    "over",
];

/// The distance that an answer states, if it states one.
///
/// Metres, centimetres, millimetres, feet and inches are taken in words, abbreviations and marks
/// (`5'3"`, `2 ft 3 in`, `12.5cm`), numbers with thousands separators (`1,234.5 mm`), fractions
/// (`1 1/2 inches`) and as words (`two and a half feet`, `half a meter`). A range (`10 to 12 inches`)
/// is its middle. Among several lengths one that is said to be a distance comes before others, and
/// a size last (`2 feet wide and 3 feet away` is 3 feet); then the first counts. Negative lengths and
/// those beyond a kilometre give `None`. Any text is fine; none panics.
pub fn parse_distance(answer: &str) -> Option<ParsedDistance> {
    let reader = Reader::of(answer);
    let mut best: Option<(Role, Measure)> = None;
    let (mut at, mut last_end) = (0, 0);
    while at < reader.len() {
        let Some(measure) = reader.range(at) else {
            at += reader.length_of_bare_number(at);
            continue;
        };
        let role = role(&reader, last_end, at, measure.next);
        // "A foot" may be a part of somebody.
        let about = reader
            .word_before(at)
            .is_some_and(|word| ABOUT.contains(&word));
        let is_length = !measure.by_article || role == Role::Distance || about;
        at = measure.next;
        last_end = at;
        if is_length && best.as_ref().is_none_or(|(known, _)| role > *known) {
            best = Some((role, measure));
        }
    }
    let (_, measure) = best?;
    let plausible = (0.0..=MAX_DISTANCE_M).contains(&measure.metres) && !measure.negative;
    plausible.then_some(ParsedDistance {
        distance_m: measure.metres,
        numbers: measure.numbers,
    })
}

/// What a length is said to be, the likelier meant the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Size,
    Unsaid,
    Distance,
}

/// Goes by the word behind a length, else by the nearest telling word since the last one.
fn role(reader: &Reader, last_end: usize, start: usize, end: usize) -> Role {
    // The dot of an abbreviation: "3 in. apart".
    let dot = usize::from(reader.mark(end) == Some('.'));
    let after = reader.word(end + dot).unwrap_or_default();
    if AFTER_SIZE.contains(&after) {
        return Role::Size;
    }
    if AFTER_DISTANCE.contains(&after) {
        return Role::Distance;
    }
    let mut before = (last_end..start).rev().filter_map(|at| reader.word(at));
    let telling = before.find_map(|word| match word {
        word if BEFORE_DISTANCE.contains(&word) => Some(Role::Distance),
        word if BEFORE_SIZE.contains(&word) => Some(Role::Size),
        _ => None,
    });
    telling.unwrap_or(Role::Unsaid)
}
