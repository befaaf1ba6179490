//! Which of the lengths in an answer is the one that was asked for.

use super::measure::Measure;
use super::reader::Reader;
use super::statement::{Length, Unread};
use super::unit::{Unit, is_unit};
use super::{ABOUT, MAX_DISTANCE_M};

/// So many words behind a length tell what it is of.
const WORDS_BEHIND: usize = 6;

/// Words behind "a foot" that do not make it a part of somebody.
const BEFORE_ARTICLE: [&str; 12] = [
    "is", "be", "are", "as", "say", "only", "just", "maybe", "perhaps", "probably", "than", "or",
];

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

/// What a length is said to be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Distance,
    Width,
    Height,
    OtherSize,
    FromViewer,
}

/// Along which axis a distance is said to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Direct,
    Horizontal,
    Vertical,
}

/// A length of the answer, with what is said of it.
struct Candidate {
    measure: Measure,
    start: usize,
    quantity: Option<Quantity>,
    axis: Option<Axis>,
}

/// Metres, of the length that suits best what was asked for: first where the answer comes to its point, then anywhere.
pub(super) fn read(reader: &Reader, wanted: Length) -> Result<f64, Unread> {
    let mut candidates = candidates(reader);
    let is_denied = |candidate: &Candidate| reader.word_before(candidate.start) == Some("not");
    if !candidates.iter().all(is_denied) {
        candidates.retain(|candidate| !is_denied(candidate));
    }
    let conclusion = reader.conclusion().unwrap_or(0).max(correction(reader));
    let concluded: Vec<&Candidate> = (candidates.iter())
        .filter(|candidate| candidate.start >= conclusion && candidate.fit(wanted) > 1)
        .collect();
    let from: Vec<&Candidate> = match concluded.is_empty() {
        true => candidates.iter().collect(),
        false => concluded,
    };
    let mut best: Option<&Candidate> = None;
    for candidate in from {
        if best.is_none_or(|best| candidate.fit(wanted) > best.fit(wanted)) {
            best = Some(candidate);
        }
    }
    let Some(best) = best else {
        return under_heading(reader).map_err(|()| why_none(reader));
    };
    if best.fit(wanted) < 2 && refuses(reader) {
        return Err(Unread::Refusal);
    }
    match best.measure.metres {
        _ if best.measure.negative => Err(Unread::Negative),
        metres if (0.0..=MAX_DISTANCE_M).contains(&metres) => Ok(metres),
        _ => Err(Unread::Implausible),
    }
}

impl Candidate {
    /// How well it suits, from 0 to 4; below 2 something else is said of it.
    fn fit(&self, wanted: Length) -> u8 {
        let axis = match wanted {
            Length::Distance => Axis::Direct,
            Length::HorizontalDistance => Axis::Horizontal,
            Length::VerticalDistance => Axis::Vertical,
            Length::Width => return self.fit_of_size(Quantity::Width),
            Length::Height => return self.fit_of_size(Quantity::Height),
        };
        match (self.quantity, self.axis) {
            (Some(Quantity::FromViewer), _) => 0,
            (Some(Quantity::Width | Quantity::Height | Quantity::OtherSize), None) => 0,
            (_, Some(said)) if said == axis => 4,
            (_, Some(_)) if axis == Axis::Direct => 1,
            (_, Some(Axis::Horizontal | Axis::Vertical)) => 0,
            (Some(Quantity::Distance), _) => 3,
            _ => 2,
        }
    }

    fn fit_of_size(&self, wanted: Quantity) -> u8 {
        match self.quantity {
            Some(said) if said == wanted => 4,
            Some(Quantity::OtherSize) => 1,
            Some(_) => 0,
            None => 2,
        }
    }
}

fn candidates(reader: &Reader) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let (mut at, mut last_end) = (0, 0);
    while at < reader.len() {
        let named = reader.region(at).filter(|_| reader.word(at).is_some());
        if let Some((_, next)) = named.filter(|_| reader.measure_begins_not(at)) {
            at = next;
            continue;
        }
        // "0.8 x 2 m": a width and a height.
        if let Some([width, height]) = reader.two_sides(at) {
            let (start, next) = (at, height.next);
            (at, last_end) = (next, clause_end(reader, next));
            for (measure, quantity) in [(width, Quantity::Width), (height, Quantity::Height)] {
                candidates.push(Candidate {
                    measure,
                    start,
                    quantity: Some(quantity),
                    axis: None,
                });
            }
            continue;
        }
        let measure = (!reader.is_in_list_of_regions(at)).then(|| reader.range(at));
        let Some(measure) = measure.flatten() else {
            at += reader.length_of_bare_number(at);
            continue;
        };
        let (quantity, axis) = said_of(reader, last_end, at, measure.next);
        let before = at.checked_sub(1).map(|before| reader.word(before));
        let stands_alone = before.is_none_or(|word| {
            word.is_none_or(|word| ABOUT.contains(&word) || BEFORE_ARTICLE.contains(&word))
        });
        let is_length = !measure.by_article || quantity.is_some() || stands_alone;
        let (start, next) = (at, measure.next);
        (at, last_end) = (next, clause_end(reader, next));
        if is_length {
            candidates.push(Candidate {
                measure,
                start,
                quantity,
                axis,
            });
        }
    }
    candidates
}

/// By the words behind a length in its clause, else by the nearest telling one since the last length.
fn said_of(
    reader: &Reader,
    last_end: usize,
    start: usize,
    end: usize,
) -> (Option<Quantity>, Option<Axis>) {
    // The dot of an abbreviation: "3 in. apart".
    let abbreviated = reader.word_before(end).is_some_and(|unit| unit.len() < 3);
    let dot =
        usize::from(reader.mark(end) == Some('.') && abbreviated && reader.word(end + 1).is_some());
    let end = behind_repeat(reader, end + dot);
    let behind = (end..reader.len())
        .take_while(|at| !ends_clause(reader, *at))
        .take(WORDS_BEHIND);
    let behind: Vec<&str> = behind.filter_map(|at| reader.word(at)).collect();
    let before = (last_end..start)
        .rev()
        .take_while(|at| !matches!(reader.mark(*at), Some('.' | '!' | '?')));
    let before = before.filter_map(|at| Some((at, reader.word(at)?)));
    // "Its width is between 2 and 3 m": that is the range's own.
    let is_range =
        |(at, word): &(usize, &str)| at + 1 == start && matches!(*word, "between" | "from");
    let before: Vec<&str> = before
        .filter(|word| !is_range(word))
        .map(|(_, word)| word)
        .collect();
    let find = |words: &[&str]| words.iter().find_map(|word| quantity(word));
    let axis = |words: &[&str]| words.iter().find_map(|word| axis_of(word));
    let clause = (last_end..start).rev();
    let clause = clause.take_while(|at| !ends_clause(reader, *at));
    let clause: Vec<&str> = clause.filter_map(|at| reader.word(at)).collect();
    let viewer = [&behind, &clause]
        .into_iter()
        .any(|words| is_of_viewer(words));
    let quantity = match viewer {
        true => Some(Quantity::FromViewer),
        false => find(&behind).or_else(|| find(&before)),
    };
    (quantity, axis(&behind).or_else(|| axis(&before)))
}

/// The token behind the same length in other units: "10 inches (25.4 cm) wide".
fn behind_repeat(reader: &Reader, end: usize) -> usize {
    let repeat = (reader.mark(end) == Some('('))
        .then(|| (end + 1..end + 4).find_map(|at| reader.range(at)))
        .flatten();
    match repeat {
        Some(repeat) if reader.mark(repeat.next) == Some(')') => repeat.next + 1,
        _ => end,
    }
}

/// How far something is from whoever looks is never asked for.
fn is_of_viewer(words: &[&str]) -> bool {
    let viewer = |word: &&&str| matches!(**word, "camera" | "viewer" | "observer" | "us" | "lens");
    let perspective =
        |word: &&str| matches!(*word, "perspective" | "view" | "viewpoint" | "standpoint");
    words.iter().find(viewer).is_some() && !words.iter().any(perspective)
}

/// Where the clause of a length ends, whose words are its own.
fn clause_end(reader: &Reader, next: usize) -> usize {
    let goes_on = (next..reader.len()).take(WORDS_BEHIND);
    let end = goes_on.clone().find(|at| ends_clause(reader, *at));
    match end {
        Some(end) if reader.figure(end).is_none() => end,
        _ => next,
    }
}

fn ends_clause(reader: &Reader, at: usize) -> bool {
    matches!(
        reader.mark(at),
        Some('.' | ',' | ';' | ':' | '(' | ')' | '!' | '?' | '/' | '|')
    ) || matches!(
        reader.word(at),
        Some("and" | "while" | "but" | "whereas" | "so")
    ) || reader.figure(at).is_some()
}

fn quantity(word: &str) -> Option<Quantity> {
    Some(match word {
        "apart" | "away" | "from" | "between" | "separate" | "separates" | "separated"
        | "separating" | "separation" | "distance" | "distances" | "gap" | "far" | "distant"
        | "space" | "spacing" | "difference" | "offset" => Quantity::Distance,
        "wide" | "width" | "across" | "breadth" | "broad" | "wideness" => Quantity::Width,
        "tall" | "height" | "high" | "tallness" => Quantity::Height,
        "long" | "length" | "deep" | "depth" | "thick" | "thickness" | "diameter" | "size"
        | "radius" => Quantity::OtherSize,
        _ => return None,
    })
}

fn axis_of(word: &str) -> Option<Axis> {
    Some(match word {
        "horizontal" | "horizontally" | "left" | "right" | "sideways" | "laterally" | "lateral" => {
            Axis::Horizontal
        }
        "vertical" | "vertically" | "above" | "below" | "higher" | "lower" | "beneath"
        | "underneath" => Axis::Vertical,
        "direct" | "directly" | "straight" | "overall" | "total" | "euclidean" | "diagonal" => {
            Axis::Direct
        }
        _ => return None,
    })
}

/// Behind "actually" or "sorry" stands what is meant, if a length does.
fn correction(reader: &Reader) -> usize {
    let corrects = |at: &usize| {
        matches!(
            reader.word(*at),
            Some("actually" | "sorry" | "correction" | "rather" | "wait")
        ) && reader.begins_clause(*at)
    };
    (0..reader.len()).rev().find(corrects).unwrap_or(0)
}

fn refuses(reader: &Reader) -> bool {
    (0..reader.len()).any(|at| match reader.word(at) {
        Some("cannot" | "unable" | "impossible" | "unknown" | "unclear" | "sorry") => true,
        Some("ca" | "can" | "could" | "do" | "does" | "did" | "not") => {
            let behind = reader.word(at + 1);
            let can = matches!(reader.word(at), Some("not"));
            can && matches!(
                behind,
                Some(
                    "determine"
                        | "possible"
                        | "sure"
                        | "know"
                        | "able"
                        | "enough"
                        | "provide"
                        | "measure"
                        | "visible"
                )
            ) || behind == Some("not")
                && matches!(
                    reader.word(at + 2),
                    Some(
                        "determine" | "know" | "tell" | "provide" | "measure" | "say" | "estimate"
                    )
                )
        }
        _ => false,
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
    let unit = (0..*at).rev().find(is_heading).ok_or(())?;
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
        None if refuses(reader) => Unread::Refusal,
        None if numbers.is_empty() => Unread::NoNumber,
        None => Unread::NoUnit,
    }
}

impl Reader<'_> {
    /// Whether a word like "first" begins no length of its own.
    fn measure_begins_not(&self, at: usize) -> bool {
        self.range(at).is_none_or(|measure| measure.by_article)
    }
}
