//! Lengths in an answer: a number and its unit, feet and inches, ranges.

use std::ops::Range;

use super::number::Read;
use super::reader::Reader;
use super::unit::{Unit, is_unit};

/// A length from one token to before another.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    pub metres: f64,
    pub negative: bool,
    /// Its number is only "a".
    pub by_article: bool,
    pub numbers: Vec<Range<usize>>,
    /// The token behind it.
    pub next: usize,
    unit: Unit,
    /// Its value in that unit.
    value: f64,
}

/// By such a share people round where they give the same length in another unit.
const REPEAT_TOLERANCE: f64 = 0.05;

/// Words that only say how sure a number is.
const HEDGES: [&str; 9] = [
    "about",
    "approximately",
    "around",
    "roughly",
    "maybe",
    "perhaps",
    "possibly",
    "nearly",
    "almost",
];

/// What may stand behind "5 feet 3", where the inches have no unit.
const AFTER_BARE_PART: [&str; 12] = [
    "tall",
    "wide",
    "high",
    "long",
    "deep",
    "apart",
    "away",
    "from",
    "in",
    "across",
    "horizontally",
    "vertically",
];

/// After "in" these make it the preposition: "2 in front", "3 in total".
const AFTER_PREPOSITION: [&str; 14] = [
    "the", "a", "an", "this", "that", "these", "front", "image", "picture", "total", "width",
    "height", "length", "depth",
];

impl Measure {
    /// Whether another one says the same in other units.
    pub(super) fn is_repeated_by(&self, other: &Self) -> bool {
        let difference = (self.metres - other.metres).abs();
        self.unit != other.unit && difference <= REPEAT_TOLERANCE * self.metres.max(other.metres)
    }
}

impl Reader<'_> {
    /// A length or a range of lengths, which is its middle.
    pub(super) fn range(&self, at: usize) -> Option<Measure> {
        let first = match self.measure(at) {
            Some(first) => first,
            None => return self.range_with_one_unit(at),
        };
        let joiner = self.joiner(at, first.next);
        let second = joiner.and_then(|(_, next)| self.measure(self.after_hedges(next)));
        let (Some((joiner, _)), Some(second)) = (joiner, second) else {
            return Some(first);
        };
        match joiner {
            // Behind "or" may stand the same length in another unit.
            Joiner::Or if first.unit != second.unit => Some(first),
            Joiner::Or | Joiner::To => Some(middle(first, second)),
            Joiner::PlusMinus => Some(Measure {
                next: second.next,
                ..first
            }),
        }
    }

    /// "10 to 12 inches".
    fn range_with_one_unit(&self, at: usize) -> Option<Measure> {
        let number = self.number(at).filter(|number| !number.by_article)?;
        let (joiner, next) = self.joiner(at, number.next)?;
        let second = self.measure(self.after_hedges(next))?;
        let first = Measure {
            metres: number.value * second.unit.metres(),
            negative: self.is_negative(at),
            by_article: false,
            numbers: number.numbers,
            next: second.next,
            unit: second.unit,
            value: number.value,
        };
        match joiner {
            Joiner::PlusMinus => Some(first),
            Joiner::Or | Joiner::To => Some(middle(first, second)),
        }
    }

    /// Two sides of a thing: "0.8 x 2 m", "2 m by 3 m".
    pub(super) fn two_sides(&self, at: usize) -> Option<[Measure; 2]> {
        let first = self.simple(at);
        let number = self.number(at).filter(|number| !number.by_article)?;
        let next = first.as_ref().map_or(number.next, |first| first.next);
        let times = matches!(self.word(next), Some("x" | "by")) || self.mark(next) == Some('×');
        let second = self.simple(next + 1).filter(|_| times)?;
        let first = first.unwrap_or_else(|| Measure {
            metres: number.value * second.unit.metres(),
            negative: false,
            by_article: false,
            numbers: number.numbers,
            next,
            unit: second.unit,
            value: number.value,
        });
        Some([first, second])
    }

    fn joiner(&self, start: usize, at: usize) -> Option<(Joiner, usize)> {
        match (self.mark(at), self.word(at)) {
            (Some('-' | '–' | '—' | '−' | '~'), _) | (_, Some("to")) => {
                Some((Joiner::To, at + 1))
            }
            (Some('±'), _) => Some((Joiner::PlusMinus, at + 1)),
            (Some('+'), _) if self.mark(at + 1) == Some('/') && self.mark(at + 2) == Some('-') => {
                Some((Joiner::PlusMinus, at + 3))
            }
            // "from 10 cm up to 20 cm"
            (_, Some("up")) if self.word(at + 1) == Some("to") => Some((Joiner::To, at + 2)),
            (_, Some("or")) => Some((Joiner::Or, at + 1)),
            (_, Some("and")) | (Some('&'), _) if self.is_after_between(start) => {
                Some((Joiner::To, at + 1))
            }
            // "more than 1 but less than 2 meters"
            (_, Some("and" | "but")) if self.is_after_bound(start) => {
                Some((Joiner::To, self.bound(at + 1)?))
            }
            _ => None,
        }
    }

    /// The token behind words that only say how sure a number is.
    fn after_hedges(&self, at: usize) -> usize {
        let hedges = (at..).take_while(|at| {
            let word = self.word(*at);
            word.is_some_and(|word| HEDGES.contains(&word)) || self.mark(*at) == Some('~')
        });
        at + hedges.count()
    }

    /// The token behind "less than", "at least" and their like.
    fn bound(&self, at: usize) -> Option<usize> {
        let at = at + usize::from(matches!(self.word(at), Some("no" | "not")));
        match (self.word(at)?, self.word(at + 1)) {
            ("less" | "more" | "greater" | "fewer" | "shorter" | "longer", Some("than"))
            | ("at", Some("least" | "most"))
            | ("up", Some("to")) => Some(at + 2),
            ("under" | "below" | "over" | "above", _) => Some(at + 1),
            _ => None,
        }
    }

    fn is_after_bound(&self, start: usize) -> bool {
        (1..=3).any(|back| {
            let at = start.checked_sub(back);
            at.is_some_and(|at| self.bound(at) == Some(start))
        })
    }

    /// "between", perhaps with "about" behind it.
    fn is_after_between(&self, at: usize) -> bool {
        let before = (0..at)
            .rev()
            .map(|at| self.word(at))
            .find(|word| !word.is_some_and(|word| HEDGES.contains(&word)));
        before.flatten() == Some("between")
    }

    /// A length of one unit, or of a unit and smaller ones: "5 feet 3 inches", "a foot and a half".
    fn measure(&self, at: usize) -> Option<Measure> {
        let mut measure = self.simple(at)?;
        if let Some((part, next)) = self.and_a_part(measure.next) {
            measure.metres += part * measure.unit.metres();
            measure.next = next;
            return Some(measure);
        }
        let mut larger = (measure.unit, measure.value);
        while let Some(smaller) = self.smaller_part(larger, measure.next) {
            larger = (smaller.unit, smaller.value);
            measure.metres += smaller.metres;
            measure.numbers.extend(smaller.numbers);
            measure.next = smaller.next;
        }
        Some(measure)
    }

    /// What continues a length in a smaller unit and is less than one of the larger.
    fn smaller_part(&self, (unit, value): (Unit, f64), at: usize) -> Option<Measure> {
        let mut next = at;
        // "5 ft. 3 in.": the dot of an abbreviation.
        let abbreviated = matches!(self.word_before(at), Some("ft" | "m" | "cm"));
        next += usize::from(abbreviated && self.mark(next) == Some('.'));
        next += usize::from(self.mark(next) == Some(','));
        // 3'-8", "6-foot-3"
        let hyphen = usize::from(self.mark(next) == Some('-') && self.is_adjoining(next));
        let is_bare =
            next == at || unit == Unit::Foot && next == at + 1 && self.mark(at) == Some('.');
        let bare_at = next;
        next += hyphen + usize::from(self.mark(next) == Some('+'));
        next += usize::from(self.mark(next) == Some('&') || self.word(next) == Some("and"));
        let follows = |smaller: &Measure| {
            smaller.unit.is_metric() == unit.is_metric()
                && smaller.unit.metres() < unit.metres()
                && smaller.metres < unit.metres()
                && value.fract() == 0.0
        };
        let bare = || (self.bare_part(unit, bare_at + hyphen)).filter(|_| is_bare);
        // What stands in another line is another length.
        if (at..=next).any(|at| self.begins_line(at)) {
            return None;
        }
        self.simple(next)
            .filter(|part| !part.by_article)
            .or_else(bare)
            .filter(follows)
    }

    /// The smaller part of which the unit is left away: 5'3, "5 feet 3", "1 meter 20".
    fn bare_part(&self, unit: Unit, at: usize) -> Option<Measure> {
        let after_mark = at
            .checked_sub(1)
            .is_some_and(|before| self.mark(before).is_some_and(|mark| mark != '.'));
        let figure = self.figure(at).filter(|figure| !figure.is_fraction);
        let value = figure.and_then(|figure| figure.value);
        let in_words = || self.below_hundred(at);
        let (value, next) = value.map(|value| (value, at + 1)).or_else(in_words)?;
        let ends = match self.word(next) {
            Some(word) => AFTER_BARE_PART.contains(&word) && !is_unit(word),
            None => self.figure(next).is_none() && self.mark(next) != Some('-'),
        };
        let (smaller, fits) = match unit {
            Unit::Foot if after_mark => (Unit::Inch, self.is_adjoining(at) && value < 12.0),
            Unit::Foot => (Unit::Inch, ends && value < 12.0),
            Unit::Metre => (
                Unit::Centimetre,
                ends && (1.0..100.0).contains(&value) && value.fract() == 0.0,
            ),
            _ => return None,
        };
        let last = self.tokens.get(next.checked_sub(1)?)?.range.end;
        let range = self.tokens.get(at)?.range.start..last;
        fits.then(|| Measure {
            metres: value * smaller.metres(),
            negative: false,
            by_article: false,
            numbers: vec![range],
            next,
            unit: smaller,
            value,
        })
    }

    /// A number with its unit.
    fn simple(&self, at: usize) -> Option<Measure> {
        let number = self.number(at)?;
        let (unit, next) = self.unit(number.next, &number)?;
        Some(Measure {
            metres: number.value * unit.metres(),
            negative: self.is_negative(at),
            by_article: number.by_article,
            numbers: number.numbers,
            next,
            unit,
            value: number.value,
        })
    }

    /// A number whose unit stands in what it is called: `"width_m": 0.48`, "Width (m): 0.48".
    pub(super) fn headed(&self, at: usize) -> Option<Measure> {
        let number = self.figures(at)?;
        let marks = (0..at).rev().take_while(|at| self.mark(*at).is_some());
        let unit = marks.last()?.checked_sub(1)?;
        let before = unit.checked_sub(1)?;
        let is_introduced =
            matches!(self.mark(before), Some('(' | '[' | '_')) || self.word(before) == Some("in");
        let is_heading = (unit..at).any(|at| matches!(self.mark(at), Some(':' | '=')));
        let unit = self.word(unit).and_then(Unit::of)?;
        (is_introduced && is_heading).then(|| Measure {
            metres: number.value * unit.metres(),
            negative: self.is_negative(at),
            by_article: false,
            numbers: number.numbers,
            next: number.next,
            unit,
            value: number.value,
        })
    }

    /// A minus belongs to its number and stands apart from what is before it.
    fn is_negative(&self, at: usize) -> bool {
        let Some(sign) = at.checked_sub(1) else {
            return false;
        };
        if matches!(self.word(sign), Some("minus" | "negative")) {
            return true;
        }
        let is_minus = matches!(self.mark(sign), Some('-' | '−')) && self.is_adjoining(at);
        let start = self.tokens.get(sign).map_or(0, |token| token.range.start);
        let before = self
            .text
            .get(..start)
            .and_then(|text| text.chars().next_back());
        is_minus && before.is_none_or(|c| !c.is_alphanumeric())
    }

    /// The unit behind a number: a word, perhaps with a hyphen before it, or a mark right behind it.
    fn unit(&self, at: usize, number: &Read) -> Option<(Unit, usize)> {
        let hyphen =
            self.mark(at) == Some('-') && self.is_adjoining(at) && self.is_adjoining(at + 1);
        let at = at + usize::from(hyphen);
        // "2 (two) meters"
        let repeated = (self.mark(at) == Some('('))
            .then(|| self.number(at + 1))
            .flatten()
            .filter(|number| self.mark(number.next) == Some(')'));
        let at = repeated.map_or(at, |number| number.next + 1);
        // "2+ meters", "2 (meters)", "2 or so meters"
        let between = match (self.mark(at), self.word(at), self.word(at + 1)) {
            (Some('+'), _, _) => 1,
            (Some('('), _, Some(unit)) if is_unit(unit) && self.mark(at + 2) == Some(')') => 1,
            (Some('('), _, Some("in")) if self.word(at + 2).is_some_and(is_unit) => 2,
            (Some('['), _, Some(unit)) if is_unit(unit) && self.mark(at + 2) == Some(']') => 1,
            (_, Some("or"), Some("so")) => 2,
            (_, Some("full" | "ish"), _) => 1,
            (_, Some("of"), Some("a" | "an")) if !number.by_article => 2,
            _ => 0,
        };
        let at = at + between;
        let Some(word) = self.word(at) else {
            return self.marked_unit(at, number);
        };
        let unit = Unit::of(word)?;
        let next = self.word(at + 1);
        // "2.1 in meters"
        if word == "in"
            && between == 0
            && let Some(unit) = next.and_then(Unit::of)
        {
            return Some((unit, at + 2));
        }
        let preposition = word == "in" && next.is_some_and(|w| AFTER_PREPOSITION.contains(&w));
        // Neither areas nor speeds are lengths.
        let per =
            self.mark(at + 1) == Some('/') && self.word(at + 2).is_some_and(|word| !is_unit(word));
        let power = matches!(self.mark(at + 1), Some('²' | '³' | '^'));
        let numbered = (self.figure(at + 1)).is_some_and(|number| number.is_name);
        let derived = self.is_adjoining(at + 1) && (per || power || numbered);
        // "A m" is no English, and "an in" is none either.
        let short = number.by_article && word.len() < 4;
        (!preposition && !derived && !short).then_some((unit, at + 1))
    }

    /// 5' or 5" (in any of their shapes), unless the number stands in quotes.
    fn marked_unit(&self, at: usize, number: &Read) -> Option<(Unit, usize)> {
        let mark = self.mark(at).filter(|_| self.is_adjoining(at))?;
        let start = number.numbers.first()?.start;
        let before = self
            .text
            .get(..start)
            .and_then(|text| text.chars().next_back());
        let (unit, next) = match mark {
            '\'' if self.mark(at + 1) == Some('\'') && self.is_adjoining(at + 1) => {
                return Some((Unit::Inch, at + 2));
            }
            '\'' | '’' | '′' => (Unit::Foot, at + 1),
            '"' | '”' | '″' => (Unit::Inch, at + 1),
            _ => return None,
        };
        let quoted = before.is_some_and(|c| c == mark || matches!(c, '“' | '‘'));
        let letter_follows = self.is_adjoining(next) && self.word(next).is_some();
        (!quoted && !letter_follows).then_some((unit, next))
    }
}

/// What stands between the two numbers of a range.
#[derive(Clone, Copy)]
enum Joiner {
    To,
    Or,
    PlusMinus,
}

fn middle(first: Measure, second: Measure) -> Measure {
    Measure {
        metres: (first.metres + second.metres) / 2.0,
        negative: first.negative || second.negative,
        by_article: first.by_article || second.by_article,
        numbers: [first.numbers, second.numbers].concat(),
        next: second.next,
        ..first
    }
}
