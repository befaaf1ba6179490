//! Lengths in an answer: a number and its unit, feet and inches, ranges.

use std::ops::Range;

use super::number::Read;
use super::reader::Reader;

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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    Metre,
    Centimetre,
    Millimetre,
    Foot,
    Inch,
}

impl Unit {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "m" | "meter" | "meters" | "metre" | "metres" => Self::Metre,
            "cm" | "cms" | "centimeter" | "centimeters" | "centimetre" | "centimetres" => {
                Self::Centimetre
            }
            "mm" | "mms" | "millimeter" | "millimeters" | "millimetre" | "millimetres" => {
                Self::Millimetre
            }
            "ft" | "foot" | "feet" => Self::Foot,
            "in" | "inch" | "inches" => Self::Inch,
            _ => return None,
        })
    }

    fn metres(self) -> f64 {
        match self {
            Self::Metre => 1.0,
            Self::Centimetre => 0.01,
            Self::Millimetre => 0.001,
            Self::Foot => 0.3048,
            Self::Inch => 0.0254,
        }
    }

    fn is_metric(self) -> bool {
        !matches!(self, Self::Foot | Self::Inch)
    }
}

/// After "in" these make it the preposition: "2 in front", "3 in total".
const AFTER_PREPOSITION: [&str; 14] = [
    "the", "a", "an", "this", "that", "these", "front", "image", "picture", "total", "width",
    "height", "length", "depth",
];

impl Reader<'_> {
    /// A length or a range of lengths, which is its middle.
    pub(super) fn range(&self, at: usize) -> Option<Measure> {
        let first = match self.measure(at) {
            Some(first) => first,
            None => return self.range_with_one_unit(at),
        };
        let joiner = self.joiner(at, first.next);
        let second = joiner.and_then(|(_, next)| self.measure(next));
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
        let second = self.measure(next)?;
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

    fn joiner(&self, start: usize, at: usize) -> Option<(Joiner, usize)> {
        match (self.mark(at), self.word(at)) {
            (Some('-' | '–' | '~'), _) | (_, Some("to")) => Some((Joiner::To, at + 1)),
            (Some('±'), _) => Some((Joiner::PlusMinus, at + 1)),
            (Some('+'), _) if self.mark(at + 1) == Some('/') && self.mark(at + 2) == Some('-') => {
                Some((Joiner::PlusMinus, at + 3))
            }
            (_, Some("or")) => Some((Joiner::Or, at + 1)),
            (_, Some("and")) if self.is_after_between(start) => Some((Joiner::To, at + 1)),
            _ => None,
        }
    }

    /// "between", perhaps with "about" behind it.
    fn is_after_between(&self, at: usize) -> bool {
        let before = (0..at)
            .rev()
            .map(|at| self.word(at))
            .find(|word| !matches!(word, Some("about" | "approximately" | "roughly" | "around")));
        before.flatten() == Some("between")
    }

    /// A length of one unit, or of a unit and smaller ones: "5 feet 3 inches", "a foot and a half".
    fn measure(&self, at: usize) -> Option<Measure> {
        let mut measure = self.simple(at)?;
        if self.is_and_a_half(measure.next) {
            measure.metres += 0.5 * measure.unit.metres();
            measure.next += 3;
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
        next += usize::from(self.mark(next) == Some('&') || self.word(next) == Some("and"));
        let follows = |smaller: &Measure| {
            smaller.unit.is_metric() == unit.is_metric()
                && smaller.unit.metres() < unit.metres()
                && smaller.metres < unit.metres()
                && value.fract() == 0.0
        };
        // 5'3 leaves the mark of the inches away.
        let marked = next == at && self.is_adjoining(at) && unit == Unit::Foot;
        let after_mark = at
            .checked_sub(1)
            .is_some_and(|before| self.mark(before).is_some());
        let bare = || {
            let number = self.figure(at).filter(|_| marked && after_mark)?;
            let value = number.value.filter(|value| *value < 12.0)?;
            Some(Measure {
                metres: value * Unit::Inch.metres(),
                negative: false,
                by_article: false,
                numbers: vec![self.tokens.get(at)?.range.clone()],
                next: at + 1,
                unit: Unit::Inch,
                value,
            })
        };
        self.simple(next)
            .filter(|part| !part.by_article)
            .or_else(bare)
            .filter(follows)
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

    /// A minus belongs to its number and stands apart from what is before it.
    fn is_negative(&self, at: usize) -> bool {
        let Some(sign) = at.checked_sub(1) else {
            return false;
        };
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
        let Some(word) = self.word(at) else {
            return self.marked_unit(at, number);
        };
        let unit = Unit::of(word)?;
        let next = self.word(at + 1);
        let preposition = word == "in" && next.is_some_and(|w| AFTER_PREPOSITION.contains(&w));
        // Neither areas nor speeds are lengths.
        let derived = self.is_adjoining(at + 1)
            && matches!(self.mark(at + 1), Some('²' | '³' | '^' | '/'))
            || self.is_adjoining(at + 1) && self.figure(at + 1).is_some();
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
