//! Where an answer says that it does not know: what is named in that clause is no answer.

use super::reader::Reader;

/// What an answer that refuses cannot do.
const FINDING_OUT: [&str; 18] = [
    "determine",
    "know",
    "tell",
    "provide",
    "measure",
    "say",
    "estimate",
    "compare",
    "judge",
    "see",
    "give",
    "infer",
    "answer",
    "assess",
    "identify",
    "find",
    "assist",
    "help",
];

impl Reader<'_> {
    /// Whether words that refuse an answer begin at a token: "cannot determine", "not sure", "hard to say".
    fn refuses_at(&self, at: usize) -> bool {
        let next = self.word(at + 1);
        match self.word(at) {
            Some("unable" | "impossible" | "unknown" | "unclear" | "uncertain" | "unsure") => true,
            Some("cannot") => self.begins_finding_out(at + 1),
            Some("not") => {
                self.begins_finding_out(at + 1)
                    || matches!(
                        next,
                        Some(
                            "possible"
                                | "sure"
                                | "able"
                                | "enough"
                                | "visible"
                                | "clear"
                                | "certain"
                        )
                    )
            }
            Some("hard" | "difficult" | "tough" | "tricky") => {
                matches!(next, Some("to")) && self.begins_finding_out(at + 2)
            }
            _ => false,
        }
    }

    /// "determine", "reliably tell", "be measured".
    fn begins_finding_out(&self, at: usize) -> bool {
        let finds_out = |word: &str| {
            let is_of = |verb: &str| {
                let ending = word.strip_prefix(verb);
                matches!(ending, Some("" | "d" | "ed" | "red"))
            };
            FINDING_OUT.iter().any(|verb| is_of(verb))
                || matches!(word, "known" | "told" | "said" | "seen" | "given")
        };
        // An adverb or "be" may stand between.
        (at..at + 3)
            .map_while(|at| self.word(at))
            .take_while(|word| !matches!(*word, "that" | "if" | "whether" | "which"))
            .any(finds_out)
    }

    /// Whether an answer refuses anywhere; what is only hard may follow.
    pub(super) fn refuses(&self) -> bool {
        let is_hard = |at: usize| {
            matches!(
                self.word(at),
                Some("hard" | "difficult" | "tough" | "tricky")
            )
        };
        (0..self.len())
            .any(|at| self.refuses_at(at) && !is_hard(at) || self.word(at) == Some("sorry"))
    }

    /// Whether a token stands behind words that refuse, in their clause.
    pub(super) fn is_in_refusal(&self, at: usize) -> bool {
        let parts = |at: usize| {
            matches!(
                self.mark(at),
                Some('.' | ',' | ';' | '!' | '?' | ':' | '—' | '–')
            ) || matches!(
                self.word(at),
                Some("but" | "however" | "though" | "although" | "yet")
            )
        };
        let sentence = (self.sentence_start(at)..at).rev();
        let mut clause = sentence.take_while(|at| !parts(*at));
        clause.any(|at| self.refuses_at(at))
    }
}
