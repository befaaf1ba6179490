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
        // What a number equals is for numbers alone: "(x = 480)".
        let announces = |at: &usize| self.mark(*at) != Some('=');
        let announced = (0..self.len()).rev().filter(announces);
        let ends = announced.filter_map(|at| self.announcement(at));
        ends.max().filter(|end| *end < self.len())
    }

    /// The token behind words that announce a result, where they begin at this one.
    fn announcement(&self, at: usize) -> Option<usize> {
        let next = at + 1;
        let (word, following) = (self.word(at), self.word(next));
        let is_colon = |at: usize| self.mark(at) == Some(':');
        let is_verb = |at: usize| matches!(self.word(at), Some("is" | "would" | "was"));
        let comma = |at: usize| self.mark(at) == Some(',');
        let is_former = matches!(self.word_before(at), Some("initial" | "first" | "original"));
        Some(match (word, following) {
            (None, _) => {
                return matches!(self.mark(at), Some('=' | '⇒' | '→')).then_some(next);
            }
            (Some("therefore" | "thus" | "hence" | "consequently" | "ultimately"), _) => next,
            (Some("in"), Some("conclusion" | "summary" | "total")) if self.begins_clause(at) => {
                next + 1
            }
            (Some("to"), Some("conclude" | "summarize" | "summarise")) => next + 1,
            (Some("answer" | "conclusion" | "result" | "estimate" | "guess" | "correction"), _)
                if (is_colon(next) || is_verb(next)) && !is_former =>
            {
                next + 1
            }
            (Some("i"), _) if self.estimates(next).is_some() => self.estimates(next)?,
            (Some("finally" | "overall"), _) if comma(next) => next + 1,
            (Some("so"), word) if self.begins_clause(at) && word != Some("far") => next,
            _ => return None,
        })
    }

    /// The token behind the last words that take back what stands before them: "actually", "sorry", "no, wait".
    pub(super) fn correction(&self) -> Option<usize> {
        let behind = |at: usize| match (self.word(at)?, self.word(at + 1)) {
            ("actually" | "sorry" | "correction" | "rather" | "wait", _) => Some(at + 1),
            ("in", Some("reality" | "fact" | "truth")) => Some(at + 2),
            ("scratch" | "make", Some("that")) | ("hold", Some("on")) | ("or", Some("rather")) => {
                Some(at + 2)
            }
            ("on", Some("second" | "closer" | "further")) => Some(at + 3),
            ("let", Some("me")) => matches!(
                self.word(at + 2),
                Some("revise" | "refine" | "rethink" | "reconsider")
            )
            .then_some(at + 3),
            _ => None,
        };
        let turns = |at: &usize| self.begins_clause(*at) || self.word_before(*at) == Some("but");
        let begins = (0..self.len()).rev().filter(turns);
        begins.filter_map(behind).find(|end| *end < self.len())
    }

    /// As [`Self::correction`], where a "no" is no answer but takes back a number: "1 m - no, 2 m".
    pub(super) fn correction_of_number(&self) -> Option<usize> {
        let is_no = |at: &usize| {
            self.word(*at) == Some("no") && self.begins_clause(*at) && self.word(at + 1).is_none()
        };
        let no = (1..self.len()).rev().find(is_no).map(|at| at + 1);
        self.correction().max(no.filter(|end| *end < self.len()))
    }

    /// The tokens behind words that announce a result or take one back, the last one first.
    pub(super) fn turns_of_number(&self) -> Vec<usize> {
        let announced = (0..self.len()).filter_map(|at| self.announcement(at));
        let mut turns: Vec<usize> = announced.chain(self.correction_of_number()).collect();
        turns.sort_unstable_by(|one, other| other.cmp(one));
        turns
    }

    /// Where an answer comes to its point or takes back what it said, whichever is later.
    pub(super) fn turn(&self) -> Option<usize> {
        self.conclusion().max(self.correction())
    }

    /// The token behind words that carry on to what follows from what stands before: "which makes", "i.e.", "say".
    pub(super) fn carries_on(&self, at: usize) -> Option<usize> {
        let next = at + 1;
        match (self.word(at)?, self.word(next)) {
            ("makes" | "making" | "gives" | "giving" | "yields" | "yielding" | "equals", _) => {
                Some(next)
            }
            ("means" | "meaning", _) => Some(next),
            (
                "comes" | "amounts" | "adds" | "leads" | "corresponds" | "corresponding",
                Some("to" | "out"),
            ) => Some(next + 1),
            ("results" | "resulting", Some("in")) => Some(next + 1),
            ("i", None) if self.mark(next) == Some('.') && self.word(next + 1) == Some("e") => {
                Some(next + 2)
            }
            ("ie" | "totaling" | "totalling", _) => Some(next),
            ("total", Some("of")) => Some(next + 1),
            ("say", _) if self.begins_clause(at) => Some(next),
            _ => None,
        }
    }

    /// The token behind "would say", "'d guess", "estimate", which stand behind "I".
    fn estimates(&self, at: usize) -> Option<usize> {
        let mark = usize::from(matches!(self.mark(at), Some('\'' | '’')));
        let verb = match self.word(at + mark) {
            Some("would" | "d" | "will" | "ll") => at + mark + 1,
            _ => at,
        };
        let says = matches!(
            self.word(verb),
            Some("say" | "estimate" | "guess" | "put" | "go")
        );
        says.then_some(verb + 1)
    }

    /// Nothing of its clause stands before a token.
    pub(super) fn begins_clause(&self, at: usize) -> bool {
        at.checked_sub(1).is_none_or(|before| {
            matches!(
                self.mark(before),
                Some('.' | ',' | ';' | ':' | '!' | '?' | '(' | '—' | '–' | '-' | '…')
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
                let place = counts.then(|| number as usize - 1)?;
                let region = self.asked.get(place).copied().unwrap_or(place as u32);
                return Some((region, at + 2));
            }
        };
        let value = self.asked.get(value as usize).copied().unwrap_or(value);
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
