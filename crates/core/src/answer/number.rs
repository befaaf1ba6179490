//! Numbers in an answer, in digits or in words.

use std::ops::Range;

use super::reader::Reader;

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
        if !number.by_article && self.is_and_a_half(number.next) {
            number.value += 0.5;
            number.next += 3;
        }
        Some(number)
    }

    pub(super) fn is_and_a_half(&self, at: usize) -> bool {
        let words = [self.word(at), self.word(at + 1), self.word(at + 2)];
        words == [Some("and"), Some("a"), Some("half")]
    }

    /// Digits, with a fraction behind a whole number.
    fn figures(&self, at: usize) -> Option<Read> {
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

    /// "two", "twenty-five", "one hundred twenty", "half a", "a".
    fn number_words(&self, at: usize) -> Option<Read> {
        let (mut value, mut next) = (0.0, at);
        let mut by_article = false;
        match self.word(at)? {
            "a" | "an" if self.word(at + 1) != Some("half") => {
                (value, next, by_article) = (1.0, at + 1, true);
            }
            "half" if matches!(self.word(at + 1), Some("a" | "an")) => {
                (value, next) = (0.5, at + 2)
            }
            _ => {
                if let Some((count, after)) = self.below_hundred(at) {
                    (value, next) = (count, after);
                }
                if next > at && self.word(next) == Some("hundred") {
                    (value, next) = (value * 100.0, next + 1);
                    if let Some((count, after)) = self.below_hundred(next) {
                        (value, next) = (value + count, after);
                    }
                }
            }
        }
        let last = next.checked_sub(1).filter(|last| *last >= at)?;
        let range = self.tokens.get(at)?.range.start..self.tokens.get(last)?.range.end;
        Some(Read {
            value,
            numbers: vec![range],
            by_article,
            next,
        })
    }

    fn below_hundred(&self, at: usize) -> Option<(f64, usize)> {
        let small = |at: usize| {
            let word = self.word(at)?;
            SMALL_NUMBERS
                .iter()
                .zip(0u8..)
                .find(|(name, _)| **name == word)
                .map(|(_, n)| n)
        };
        if let Some(count) = small(at) {
            return Some((f64::from(count), at + 1));
        }
        let word = self.word(at)?;
        let (_, tens) = TENS.iter().zip(2u8..).find(|(name, _)| **name == word)?;
        let ones = at + 1 + usize::from(self.mark(at + 1) == Some('-'));
        match small(ones).filter(|ones| (1..10).contains(ones)) {
            Some(count) => Some((f64::from(10 * tens + count), ones + 1)),
            None => Some((f64::from(10 * tens), at + 1)),
        }
    }
}
