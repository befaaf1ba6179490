//! What an answer claims of two regions, in words or by their measures, and where it only says that they are alike.

use super::reader::Reader;
use super::relation::Assertion;
use super::statement::{Relation, Unread};

impl Reader<'_> {
    /// The first thing that is said of named regions, else what their measures say, from a token on.
    pub(super) fn claim(&self, relation: Relation, from: usize) -> Option<Assertion> {
        let said = self.assertion(relation, from, self.len());
        said.filter(Assertion::names_a_region)
            .or_else(|| self.compared(relation, from))
            .or(said)
    }

    /// The token from which on an answer prefers a region: behind what says that they are alike, if it says so.
    ///
    /// # Errors
    /// It says nothing else.
    pub(super) fn behind_equality(&self, relation: Relation, from: usize) -> Result<usize, Unread> {
        let Some(equal) = (from..self.len()).find(|at| self.is_equality(*at)) else {
            return Ok(from);
        };
        let turns = |at: &usize| {
            matches!(
                self.word(*at),
                Some("but" | "however" | "though" | "although" | "yet")
            )
        };
        if let Some(turn) = (equal..self.len()).find(turns) {
            return Ok(turn);
        }
        let begin = self.sentence_start(equal).max(from);
        let comma = (equal..self.len()).find(|at| self.mark(*at) == Some(','));
        let end = (equal + 1..self.len()).find(|at| self.ends_sentence(*at));
        let end = end.unwrap_or(self.len());
        let claims = |from: usize, to: usize| {
            let said = self.assertion(relation, from, to);
            said.is_some_and(|said| said.names_a_region() && !said.is_denied)
        };
        if claims(from, begin) {
            return Ok(from);
        }
        let behind = comma
            .into_iter()
            .chain([end])
            .find(|at| claims(*at, self.len()));
        behind.ok_or(Unread::Neither)
    }

    /// "Neither is taller": what is asked for is neither's.
    pub(super) fn denies_both(&self, relation: Relation) -> bool {
        let neither = (0..self.len()).find(|at| self.word(*at) == Some("neither"));
        neither.is_some_and(|at| self.assertion(relation, at, self.len()).is_some())
    }

    /// Whether a word says that two regions are alike, and not only that they may be ("shorter or the same height") or that both
    /// were looked at ("comparing both").
    fn is_equality(&self, at: usize) -> bool {
        let alternative = (1..=3).any(|back| {
            let before = at.checked_sub(back);
            before.is_some_and(|before| self.word(before) == Some("or"))
        });
        match self.word(at) {
            Some("same" | "equal" | "equally" | "identical" | "similar") => !alternative,
            Some("both") => !matches!(
                self.word_before(at),
                Some(
                    "between"
                        | "comparing"
                        | "of"
                        | "in"
                        | "at"
                        | "given"
                        | "considering"
                        | "for"
                        | "from"
                        | "with"
                )
            ),
            Some("neither" | "depends") => true,
            _ => false,
        }
    }
}

impl Assertion {
    fn names_a_region(&self) -> bool {
        self.subject.is_some() || self.object.is_some()
    }
}
