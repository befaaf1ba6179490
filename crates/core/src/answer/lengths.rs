//! Which of the lengths in an answer is the one that was asked for.

use super::aside::leave_out_asides;
use super::candidate::{Candidate, Quantity, candidates};
use super::reader::Reader;
use super::statement::{Length, Unread};
use super::unit::{Unit, is_unit};
use super::{ABOUT, MAX_DISTANCE_M};

/// Units in which nobody is to answer here.
const OTHER_UNITS: [&str; 14] = [
    "yard",
    "yards",
    "yd",
    "mile",
    "miles",
    "km",
    "kilometer",
    "kilometers",
    "kilometre",
    "kilometres",
    "pixel",
    "pixels",
    "px",
    "decimeters",
];

/// Metres, of the length that suits best what was asked for: first where the answer comes to its point, then where it is no
/// more than a length, then anywhere.
pub(super) fn read(reader: &Reader, wanted: Length) -> Result<f64, Unread> {
    let mut candidates = candidates(reader);
    leave_out_asides(reader, &mut candidates, wanted);
    let is_of_viewer = |length: &Candidate| length.quantity == Some(Quantity::FromViewer);
    candidates.retain(|length| !is_of_viewer(length));
    let best = concluded(reader, &candidates, wanted)
        .or_else(|| candidates.first().filter(|first| leads(reader, first)))
        .or_else(|| restated(reader, &candidates, wanted))
        .or_else(|| best_of(&mut candidates.iter(), wanted));
    let Some(best) = best else {
        return under_heading(reader).map_err(|()| why_none(reader));
    };
    if best.fit(wanted) < 2 && reader.refuses() {
        return Err(Unread::Refusal);
    }
    match best.measure.metres {
        _ if best.measure.negative => Err(Unread::Negative),
        metres if (0.0..=MAX_DISTANCE_M).contains(&metres) => Ok(metres),
        _ => Err(Unread::Implausible),
    }
}

/// The first of those that suit best, one that is said of a region before others.
fn best_of<'a>(
    candidates: &mut dyn Iterator<Item = &'a Candidate>,
    wanted: Length,
) -> Option<&'a Candidate> {
    let suits = |candidate: &Candidate| (candidate.fit(wanted), candidate.standing);
    candidates.reduce(|best, candidate| match suits(candidate) > suits(best) {
        true => candidate,
        false => best,
    })
}

/// The best behind the words that announce a result, in their own sentence if it has one.
fn concluded<'a>(
    reader: &Reader,
    candidates: &'a [Candidate],
    wanted: Length,
) -> Option<&'a Candidate> {
    let behind = |turn: usize, end: usize| {
        let suits = move |candidate: &&Candidate| {
            (turn..end).contains(&candidate.start) && candidate.fit(wanted) > 1
        };
        best_of(&mut candidates.iter().filter(suits), wanted)
    };
    reader.turns_of_number().into_iter().find_map(|turn| {
        let end = (turn + 1..reader.len()).find(|at| reader.ends_sentence(*at));
        let end = end.unwrap_or(reader.len());
        let found = behind(turn, end).or_else(|| behind(turn, reader.len()))?;
        // "1.6 meters = 5.25 feet": the first counts of the same length in two units.
        let equals = turn
            .checked_sub(1)
            .filter(|at| reader.mark(*at) == Some('='));
        let equal = candidates
            .iter()
            .find(|before| Some(before.measure.next) == equals);
        let first = equal.filter(|first| first.measure.is_repeated_by(&found.measure));
        Some(first.unwrap_or(found))
    })
}

/// An answer whose first sentence is a length and nothing else: what follows explains it.
fn leads(reader: &Reader, first: &Candidate) -> bool {
    let end = first.measure.next;
    let only = (0..first.start).all(|at| match reader.word(at) {
        Some(word) => ABOUT.contains(&word),
        None => true,
    });
    let marks = (0..first.start).all(|at| reader.figure(at).is_none());
    only && marks && (end >= reader.len() || reader.ends_sentence(end))
}

/// A length behind words that carry on to it ("which makes", "i.e."), unless it is the one before in another unit.
fn restated<'a>(
    reader: &Reader,
    candidates: &'a [Candidate],
    wanted: Length,
) -> Option<&'a Candidate> {
    let last = candidates.len().checked_sub(1)?;
    let carried = (0..reader.len()).rev().find_map(|at| reader.carries_on(at));
    let behind = |from: usize| {
        candidates
            .iter()
            .position(|candidate| candidate.start >= from)
    };
    let found = carried
        .and_then(behind)
        .or_else(|| {
            (0..last)
                .rev()
                .map(|at| at + 1)
                .find(|at| is_equated(reader, candidates, *at))
        })
        .or_else(|| Some(last).filter(|_| is_last_word(reader, candidates)))?;
    let restated = candidates
        .get(found)
        .filter(|length| length.fit(wanted) > 1)?;
    let mut before = candidates.iter().take(found);
    let is_repeat = before.any(|before| before.measure.is_repeated_by(&restated.measure));
    (!is_repeat).then_some(restated)
}

/// "Half of 1.8 m is 0.9 m"
fn is_equated(reader: &Reader, candidates: &[Candidate], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| candidates.get(before));
    let Some((before, candidate)) = before.zip(candidates.get(at)) else {
        return false;
    };
    let (verb, start) = (before.measure.next, candidate.start);
    reader.word(verb) == Some("is")
        && (verb + 1..start).all(|at| reader.word(at).is_some_and(|word| ABOUT.contains(&word)))
}

/// The answer ends with a colon and a length of which nothing else is said.
fn is_last_word(reader: &Reader, candidates: &[Candidate]) -> bool {
    candidates.last().is_some_and(|last| {
        let behind = (last.measure.next..reader.len()).all(|at| reader.mark(at).is_some());
        let hedges = (0..last.start)
            .rev()
            .take_while(|at| reader.word(*at).is_some_and(|word| ABOUT.contains(&word)));
        let colon = (last.start - hedges.count()).checked_sub(1);
        let colon = colon.filter(|at| reader.mark(*at) == Some(':'));
        // "D: 30 cm" is a side.
        let is_side = |at| reader.word_before(at).is_some_and(|word| word.len() == 1);
        behind && last.quantity.is_none() && colon.is_some_and(|at| !is_side(at))
    })
}

/// A single number whose unit stands before it: "Width (m): 2.5", "in meters: 2.5".
fn under_heading(reader: &Reader) -> Result<f64, ()> {
    let numbers: Vec<usize> = (0..reader.len())
        .filter(|at| reader.figure(*at).is_some() && !reader.is_name(*at))
        .collect();
    let [at] = numbers.as_slice() else {
        return Err(());
    };
    let value = reader
        .figure(*at)
        .and_then(|number| number.value)
        .ok_or(())?;
    let is_heading = |unit: &usize| {
        let before = unit.checked_sub(1);
        let introduced = before.is_some_and(|before| {
            matches!(reader.mark(before), Some('(' | '[' | '_'))
                || reader.word(before) == Some("in")
        });
        let ends = matches!(
            reader.mark(unit + 1),
            Some(':' | '=' | ')' | ']' | '"' | ',')
        ) || reader.word(unit + 1) == Some("is");
        reader.word(*unit).is_some_and(is_unit) && (introduced || ends)
    };
    // {"answer": 2.5, "unit": "m"}
    let is_field = |unit: &usize| {
        let label = (1..=4).filter_map(|back| reader.word(unit.checked_sub(back)?));
        reader.word(*unit).is_some_and(is_unit)
            && label.take(1).any(|word| matches!(word, "unit" | "units"))
    };
    let unit = (0..*at).rev().find(is_heading);
    let unit = unit
        .or_else(|| (*at..reader.len()).find(is_field))
        .ok_or(())?;
    let metres = reader
        .word(unit)
        .and_then(Unit::of)
        .map(|unit| value * unit.metres());
    let metres = metres.filter(|metres| (0.0..=MAX_DISTANCE_M).contains(metres));
    metres.ok_or(())
}

fn why_none(reader: &Reader) -> Unread {
    let numbers = (0..reader.len()).filter(|at| {
        let counted = reader.figure(*at).is_some() && !reader.is_name(*at);
        counted
            || reader.small(*at).is_some()
                && !reader.is_name(*at)
                && reader.word(*at) != Some("one")
    });
    let numbers: Vec<usize> = numbers.collect();
    let other = numbers.iter().find_map(|at| {
        let word = reader.word(at + 1)?;
        OTHER_UNITS.contains(&word).then(|| word.to_owned())
    });
    match other {
        Some(unit) => Unread::OtherUnit(unit),
        None if reader.refuses() => Unread::Refusal,
        None if numbers.is_empty() => Unread::NoNumber,
        None => Unread::NoUnit,
    }
}
