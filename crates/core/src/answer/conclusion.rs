//! Where an answer of several sentences comes to its point, and which regions it names.

use super::lexer::{Kind, TAG};
use super::reader::Reader;

/// What a numbered thing in a picture is called.
const THINGS: [&str; 8] = [
    "region", "object", "box", "mask", "mark", "item", "area", "label",
];

impl Reader<'_> {
    /// The token behind the last words that announce a result, if anything stands behind them.
    pub(super) fn conclusion(&self) -> Option<usize> {
        let ends = (0..self.len()).rev().filter_map(|at| self.announcement(at));
        ends.max().filter(|end| *end < self.len())
    }

    /// The token behind words that announce a result, where they begin at this one.
    fn announcement(&self, at: usize) -> Option<usize> {
        let next = at + 1;
        let (word, following) = (self.word(at), self.word(next));
        let is_colon = |at: usize| self.mark(at) == Some(':');
        let is_verb = |at: usize| matches!(self.word(at), Some("is" | "would" | "was"));
        let comma = |at: usize| self.mark(at) == Some(',');
        Some(match (word, following) {
            (None, _) => {
                return matches!(self.mark(at), Some('=' | '⇒' | '→')).then_some(next);
            }
            (Some("therefore" | "thus" | "hence" | "consequently" | "ultimately"), _) => next,
            (Some("in"), Some("conclusion" | "summary" | "total")) => next + 1,
            (Some("to"), Some("conclude" | "summarize" | "summarise")) => next + 1,
            (Some("answer" | "conclusion" | "result" | "estimate" | "guess" | "correction"), _)
                if is_colon(next) || is_verb(next) =>
            {
                next + 1
            }
            (Some("finally" | "overall"), _) if comma(next) => next + 1,
            (Some("so"), word) if self.begins_clause(at) && word != Some("far") => next,
            _ => return None,
        })
    }

    /// Nothing of its clause stands before a token.
    pub(super) fn begins_clause(&self, at: usize) -> bool {
        at.checked_sub(1).is_none_or(|before| {
            matches!(
                self.mark(before),
                Some('.' | ',' | ';' | ':' | '!' | '?' | '(' | '—' | '–')
            )
        })
    }

    /// The region that is named at a token, and the token behind its name.
    pub(super) fn region(&self, at: usize) -> Option<(u32, usize)> {
        let token = self.tokens.get(at)?;
        if matches!(token.kind, Kind::Mark(TAG)) {
            let text = self.text.get(token.range.clone())?;
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            return Some((digits.parse().ok()?, at + 1));
        }
        if let Some(ordinal) = self.ordinal(at) {
            return Some(ordinal);
        }
        let thing = self.word(at)?;
        let is_plural = thing
            .strip_suffix('s')
            .is_some_and(|thing| THINGS.contains(&thing));
        if !THINGS.contains(&thing) && !is_plural {
            return None;
        }
        let between = |at: usize| matches!(self.mark(at), Some('#' | '(' | '_' | '-' | ':' | '['));
        let number = (at + 1..).find(|at| !between(*at) && self.word(*at) != Some("number"))?;
        if let Some(Kind::Mark(TAG)) = self.tokens.get(number).map(|token| &token.kind) {
            return self.region(number);
        }
        let (value, next) = self.small_whole(number)?;
        let close = usize::from(matches!(self.mark(next), Some(')' | ']')) && number > at + 1);
        Some((value, next + close))
    }

    /// The second of two numbers behind a plural: "regions 0 and 1".
    pub(super) fn is_in_list_of_regions(&self, at: usize) -> bool {
        let Some(joined) = at.checked_sub(1) else {
            return false;
        };
        let joins =
            matches!(self.word(joined), Some("and" | "or")) || self.mark(joined) == Some(',');
        let before = joined.checked_sub(1);
        joins
            && before.is_some_and(|before| {
                self.figure(before).is_some()
                    && before.checked_sub(1).is_some_and(|thing| {
                        let word = self.word(thing).and_then(|word| word.strip_suffix('s'));
                        word.is_some_and(|word| THINGS.contains(&word))
                    })
            })
    }

    /// "the second one", "the former": numbers of regions that are counted from 0.
    fn ordinal(&self, at: usize) -> Option<(u32, usize)> {
        let value = match self.word(at) {
            Some("first" | "former") => 0,
            Some("second" | "latter") => 1,
            Some("third") => 2,
            Some("fourth") => 3,
            Some(_) => return None,
            // "1st": the lexer makes a number and a word of it.
            None => {
                let number = self.figure(at)?.value?;
                let suffix = matches!(self.word(at + 1), Some("st" | "nd" | "rd"));
                let counts = suffix && self.is_adjoining(at + 1) && (1.0..5.0).contains(&number);
                return counts.then(|| ((number - 1.0) as u32, at + 2));
            }
        };
        let named = |word: &str| word == "one" || THINGS.contains(&word);
        let noun = self.word(at + 1).is_some_and(named);
        Some((value, at + 1 + usize::from(noun)))
    }

    /// A whole number below 20 in digits or in one word.
    pub(super) fn small_whole(&self, at: usize) -> Option<(u32, usize)> {
        if let Some(value) = self.small(at) {
            return Some((u32::from(value), at + 1));
        }
        let number = self.figure(at)?;
        let value = number
            .value
            .filter(|value| value.fract() == 0.0 && *value < 1000.0)?;
        (!number.is_fraction).then_some((value as u32, at + 1))
    }

    /// Whether a number names a region or counts a line of a list.
    pub(super) fn is_name(&self, at: usize) -> bool {
        let named = (at.saturating_sub(3)..at).any(|before| {
            self.region(before).is_some_and(|(_, next)| next > at) && self.word(before).is_some()
        });
        named || self.is_label(at) || self.is_in_list_of_regions(at) || self.counts_lines(at)
    }

    /// "1." or "2)" where a line begins.
    fn counts_lines(&self, at: usize) -> bool {
        let Some(token) = self.tokens.get(at) else {
            return false;
        };
        let before = self.text.get(..token.range.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        line.trim().is_empty()
            && matches!(self.mark(at + 1), Some('.' | ')'))
            && self.is_adjoining(at + 1)
            && self.tokens.get(at + 2).is_some()
    }
}
