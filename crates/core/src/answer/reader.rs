//! An answer's tokens, and what each one is.

use super::lexer::{Kind, Number, TAG, Token, lex};

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<Token>,
}

impl<'a> Reader<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text,
            tokens: lex(text),
        }
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
