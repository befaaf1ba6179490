//! Numbers in an answer, in digits or in words.

use std::ops::Range;

use super::reader::Reader;
use super::unit::is_unit;

const SMALL_NUMBERS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

/// A number, where it stands, and the token behind it.
pub(super) struct Read {
    pub value: f64,
    pub numbers: Vec<Range<usize>>,
    pub by_article: bool,
    pub next: usize,
}

impl Reader<'_> {
    /// A number in digits or in words.
    pub(super) fn number(&self, at: usize) -> Option<Read> {
        let mut number = self.figures(at).or_else(|| self.number_words(at))?;
        if !number.by_article
            && let Some((part, next)) = self.and_a_part(number.next)
        {
            number.value += part;
            number.next = next;
        }
        Some(number)
    }

    /// "and a half", "and three quarters", "and 1/2": what it adds, and the token behind it.
    pub(super) fn and_a_part(&self, at: usize) -> Option<(f64, usize)> {
        let hyphen = |at: usize| at + usize::from(self.mark(at) == Some('-'));
        let and = hyphen(at);
        if self.word(and) != Some("and") {
            return None;
        }
        let at = hyphen(and + 1) - 1;
        let figure = || {
            let figure = self.figure(at + 1).filter(|figure| figure.is_fraction)?;
            Some((figure.value.filter(|value| *value < 1.0)?, at + 2))
        };
        self.part(at + 1).or_else(figure)
    }

    /// "a half", "one quarter", "three-quarters", "two thirds", and the token behind it.
    fn part(&self, at: usize) -> Option<(f64, usize)> {
        let count = match self.word(at)? {
            "a" | "an" | "one" => 1.0,
            "two" => 2.0,
            "three" => 3.0,
            _ => return None,
        };
        let next = at + 1 + usize::from(self.mark(at + 1) == Some('-'));
        let part = match self.word(next)? {
            "half" => 0.5,
            "third" | "thirds" => 1.0 / 3.0,
            "quarter" | "quarters" | "fourth" | "fourths" => 0.25,
            "fifth" | "fifths" => 0.2,
            "eighth" | "eighths" => 0.125,
            "tenth" | "tenths" => 0.1,
            _ => return None,
        };
        let value = count * part;
        (value < 1.0).then_some((value, next + 1))
    }

    /// Digits, with a fraction behind a whole number.
    pub(super) fn figures(&self, at: usize) -> Option<Read> {
        let number = self.figure(at).filter(|_| !self.is_label(at))?;
        let mut value = number.value?;
        let mut range = self.tokens.get(at)?.range.clone();
        let mut next = at + 1;
        let fraction = self
            .figure(next)
            .filter(|f| f.is_fraction && !number.is_fraction);
        if let Some(fraction) = fraction.and_then(|f| f.value).filter(|f| *f < 1.0) {
            value += fraction;
            range.end = self.tokens.get(next)?.range.end;
            next += 1;
        }
        let numbers = vec![range];
        Some(Read {
            value,
            numbers,
            by_article: false,
            next,
        })
    }

    /// "two", "twenty-five", "one hundred twenty", "two point five", "half a", "three quarters of a", "a".
    fn number_words(&self, at: usize) -> Option<Read> {
        let (value, next) = match self.word(at)? {
            "half" => (0.5, self.of_a(at + 1)?),
            _ => match self.part(at) {
                Some((value, next)) => (value, self.of_a(next)?),
                None => self.count(at)?,
            },
        };
        let by_article = matches!(self.word(at), Some("a" | "an")) && next == at + 1;
        let last = next.checked_sub(1).filter(|last| *last >= at)?;
        let range = self.tokens.get(at)?.range.start..self.tokens.get(last)?.range.end;
        Some(Read {
            value,
            numbers: vec![range],
            by_article,
            next,
        })
    }

    /// What stands between a part and its unit: "a", "of a", a hyphen or nothing.
    fn of_a(&self, at: usize) -> Option<usize> {
        let next = at + usize::from(self.word(at) == Some("of"));
        let article = |at: usize| matches!(self.word(at), Some("a" | "an"));
        // "half-a-meter"
        let joined =
            self.mark(next) == Some('-') && article(next + 1) && self.mark(next + 2) == Some('-');
        if joined {
            return is_unit(self.word(next + 3)?).then_some(next + 3);
        }
        let next = next + usize::from(article(next));
        let hyphen = usize::from(next == at && self.mark(at) == Some('-'));
        // Half of anything else is no length.
        is_unit(self.word(next + hyphen)?).then_some(next)
    }

    /// A whole number or a decimal one in words, "a hundred", "a couple of", or "a" alone.
    fn count(&self, at: usize) -> Option<(f64, usize)> {
        if self.word(at) == Some("point") {
            return self.decimals(0.0, at);
        }
        if matches!(self.word(at), Some("a" | "an")) {
            let of = |at: usize| at + usize::from(self.word(at) == Some("of"));
            return Some(match self.word(at + 1) {
                Some("couple") => (2.0, of(at + 2)),
                Some("dozen") => (12.0, at + 2),
                Some("hundred" | "thousand") => self.scaled((1.0, at + 1)),
                _ => (1.0, at + 1),
            });
        }
        let (value, next) = self.scaled(self.below_hundred(at)?);
        Some(self.decimals(value, next).unwrap_or((value, next)))
    }

    /// "hundred" and "thousand" behind a number, with what follows them.
    fn scaled(&self, first: (f64, usize)) -> (f64, usize) {
        let ((mut part, mut at), mut value, mut before) = (first, 0.0, f64::INFINITY);
        loop {
            let scale = match self.word(at) {
                Some("hundred") => 100.0,
                Some("thousand") => 1000.0,
                _ => return (value + part, at),
            };
            // "one thousand two hundred", and not the other way round: what follows is another number.
            if scale >= before {
                return (value + part, at);
            }
            before = scale;
            value += part * scale;
            let next = at + 1;
            let more = next + usize::from(self.word(next) == Some("and"));
            match self.below_hundred(more) {
                Some(rest) => (part, at) = rest,
                None => return (value, next),
            }
        }
    }

    /// "point two five" behind a whole number.
    fn decimals(&self, whole: f64, at: usize) -> Option<(f64, usize)> {
        if self.word(at) != Some("point") {
            return None;
        }
        let (mut value, mut next, mut place) = (whole, at + 1, 0.1);
        while let Some(digit) = self.small(next).filter(|digit| *digit < 10) {
            value += f64::from(digit) * place;
            place /= 10.0;
            next += 1;
        }
        (next > at + 1).then_some((value, next))
    }

    /// A number below twenty in one word.
    pub(super) fn small(&self, at: usize) -> Option<u8> {
        let word = self.word(at)?;
        let mut names = SMALL_NUMBERS.iter().zip(0u8..);
        names.find(|(name, _)| **name == word).map(|(_, n)| n)
    }

    pub(super) fn below_hundred(&self, at: usize) -> Option<(f64, usize)> {
        if let Some(count) = self.small(at) {
            return Some((f64::from(count), at + 1));
        }
        let word = self.word(at)?;
        let (_, tens) = TENS.iter().zip(2u8..).find(|(name, _)| **name == word)?;
        let ones = at + 1 + usize::from(self.mark(at + 1) == Some('-'));
        match self.small(ones).filter(|ones| (1..10).contains(ones)) {
            Some(count) => Some((f64::from(10 * tens + count), ones + 1)),
            None => Some((f64::from(10 * tens), at + 1)),
        }
    }
}
