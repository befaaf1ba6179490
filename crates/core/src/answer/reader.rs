//! An answer's tokens, and what each one is.

use super::lexer::{Kind, Number, TAG, Token, lex};

/// No sentence is looked at farther back than so many tokens, so that long texts are read in time.
const SENTENCE_REACH: usize = 100;

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<Token>,
    /// The regions of the question in its order, where it is known: which one "the first" is.
    pub(super) asked: Vec<u32>,
}

impl<'a> Reader<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text,
            tokens: lex(text),
            asked: Vec::new(),
        }
    }

    pub(super) fn asked(self, asked: Vec<u32>) -> Self {
        Self { asked, ..self }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn word(&self, at: usize) -> Option<&str> {
        match &self.tokens.get(at)?.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn word_before(&self, at: usize) -> Option<&str> {
        at.checked_sub(1).and_then(|before| self.word(before))
    }

    pub(super) fn mark(&self, at: usize) -> Option<char> {
        match self.tokens.get(at)?.kind {
            Kind::Mark(mark) if mark != TAG => Some(mark),
            _ => None,
        }
    }

    pub(super) fn figure(&self, at: usize) -> Option<Number> {
        match self.tokens.get(at)?.kind {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Whether nothing stands between a token and the one before it.
    pub(super) fn is_adjoining(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.tokens.get(before));
        let token = self.tokens.get(at);
        before
            .zip(token)
            .is_some_and(|(before, token)| before.range.end == token.range.start)
    }

    /// Whether a line ends between a token and the one before it.
    pub(super) fn begins_line(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.tokens.get(before));
        let between = before.zip(self.tokens.get(at));
        let between =
            between.and_then(|(before, token)| self.text.get(before.range.end..token.range.start));
        between.is_some_and(|between| between.contains('\n'))
    }

    /// Whether a sentence ends before a token: behind a mark that ends one, or with a line.
    pub(super) fn ends_sentence(&self, at: usize) -> bool {
        self.ends_sentence_by_mark(at) || self.begins_line(at)
    }

    fn ends_sentence_by_mark(&self, at: usize) -> bool {
        match self.mark(at) {
            // "approx. 2 m"
            Some('.') => !matches!(
                self.word_before(at),
                Some("approx" | "ca" | "est" | "i" | "e" | "vs")
            ),
            Some('!' | '?' | ';') => true,
            _ => false,
        }
    }

    /// The first token of the sentence in which a token stands.
    pub(super) fn sentence_start(&self, at: usize) -> usize {
        let ended =
            |before: &usize| self.begins_line(before + 1) || self.ends_sentence_by_mark(*before);
        let reach = at.saturating_sub(SENTENCE_REACH);
        let start = (reach..at).rev().find(ended);
        start.map_or(reach, |before| before + 1)
    }

    /// How many tokens to pass where no length begins. Of two bare numbers in a row nobody knows
    /// whether the first belongs to the second ("1 234 mm"), so both go.
    pub(super) fn length_of_bare_number(&self, at: usize) -> usize {
        let bare = self.figure(at).is_some() && !self.is_label(at);
        if bare && self.figure(at + 1).is_some() {
            2
        } else {
            1
        }
    }

    /// Whether a number names a thing: "region 1", "D435".
    pub(super) fn is_label(&self, at: usize) -> bool {
        let named = matches!(self.word_before(at), Some("region" | "regions"));
        named || self.figure(at).is_some_and(|number| number.is_name)
    }
}
