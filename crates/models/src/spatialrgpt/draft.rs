//! What an answer is expected to be: the one before it, to which the frames of an episode mostly hold but for some digits.
//!
//! The model reads the expected answer in one pass and says after each token what it would have written there. As far as the two
//! agree the answer is made. At a digit some others are read beside the expected one, so that where it has changed
//! the token after it is known as well. (Speculative decoding, Leviathan et al. 2023, with a draft that costs nothing, and a
//! tree of it as in SpecInfer, Miao et al. 2024.)

use super::rows::Node;

/// Tokens that are read ahead in one pass, at most.
pub(super) const MOST_NODES: usize = 96;
/// Digits that are read beside the expected one.
const OTHERS: usize = 2;
/// So far ahead in the draft it is looked for a token that is not the next one.
const AHEAD: usize = 4;

/// An answer that is expected.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Draft {
    tokens: Vec<Expected>,
}

#[derive(Debug, Clone, PartialEq)]
struct Expected {
    id: i64,
    /// What else may stand there, the likeliest first. None where it is no digit.
    others: Vec<i64>,
}

impl Draft {
    /// Expects an answer. `others` says of each of its tokens which digits may stand in its place.
    pub(super) fn new(ids: &[i64], others: impl Fn(usize) -> Vec<i64>) -> Self {
        let tokens = ids.iter().enumerate().map(|(index, id)| {
            let mut others = others(index);
            others.retain(|other| other != id);
            others.truncate(OTHERS);
            Expected { id: *id, others }
        });
        Self {
            tokens: tokens.collect(),
        }
    }

    /// What is expected from token `at` on, behind a token that is node 0 of the pass: nodes 1 and so on, of `most` tokens
    /// behind each other at most.
    fn nodes(&self, at: usize, most: usize) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut parent = 0;
        for expected in self.tokens.iter().skip(at).take(most) {
            let here = std::iter::once(&expected.id).chain(&expected.others);
            let first = nodes.len() + 1;
            nodes.extend(here.map(|token| Node {
                token: *token,
                parent: Some(parent),
            }));
            parent = first;
            if nodes.len() >= MOST_NODES {
                nodes.truncate(MOST_NODES);
                break;
            }
        }
        nodes
    }
}

/// How far an answer has come in its draft.
#[derive(Debug, Default)]
pub(super) struct Following<'a> {
    draft: Option<&'a Draft>,
    at: usize,
    /// Tokens since the last one that was expected.
    missed: usize,
}

impl<'a> Following<'a> {
    pub(super) fn new(draft: &'a Draft) -> Self {
        Self {
            draft: Some(draft),
            at: 0,
            missed: 0,
        }
    }

    /// The answer's next token. One that is not expected either stands in the place of what is, as a digit does, or the draft goes
    /// on behind the next one like it, or it is one more.
    pub(super) fn wrote(&mut self, token: i64, is_digit: impl Fn(i64) -> bool) {
        let rest = self.draft.and_then(|draft| draft.tokens.get(self.at..));
        let Some(rest) = rest else { return };
        let Some(next) = rest.first() else { return };
        let same = || rest.iter().take(AHEAD + 1).position(|it| it.id == token);
        let is_other = || next.others.contains(&token) || (is_digit(token) && is_digit(next.id));
        self.missed = match next.id == token || next.others.contains(&token) {
            true => 0,
            false => self.missed + 1,
        };
        self.at += match next.id == token || is_other() {
            true => 1,
            false => same().map_or(0, |ahead| ahead + 1),
        };
    }

    /// What is expected after the last token: see [`Draft::nodes`]. A draft that failed several times in a row is believed ever
    /// less: what is read in vain of a large network takes longer than a token.
    pub(super) fn nodes(&self, most: usize) -> Vec<Node> {
        let believed = match self.missed {
            0 | 1 => most,
            missed => 16_usize.checked_shr(missed as u32 - 1).unwrap_or(0).max(1),
        };
        self.draft
            .map_or_else(Vec::new, |draft| draft.nodes(self.at, most.min(believed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words are their first letters' codes here, and digits themselves.
    fn ids(text: &str) -> Vec<i64> {
        text.bytes().map(i64::from).collect()
    }

    fn is_digit(id: i64) -> bool {
        (i64::from(b'0')..=i64::from(b'9')).contains(&id)
    }

    /// The draft of a text whose digits may be one more or one less.
    fn draft(text: &str) -> Draft {
        let ids = ids(text);
        Draft::new(&ids, |index| match is_digit(ids[index]) {
            true => vec![ids[index] + 1, ids[index] - 1, ids[index]],
            false => Vec::new(),
        })
    }

    fn texts(nodes: &[Node]) -> Vec<String> {
        let path = |node: &Node| {
            let (mut text, mut at) = (String::new(), Some(*node));
            while let Some(node) = at {
                text.insert(0, node.token as u8 as char);
                let parent = node.parent.and_then(|parent| parent.checked_sub(1));
                at = parent.map(|parent| nodes[parent]);
            }
            text
        };
        nodes.iter().map(path).collect()
    }

    #[test]
    fn other_digits_are_read_beside_the_expected_ones() {
        let draft = draft("a5m");
        let nodes = Following::new(&draft).nodes(10);
        assert_eq!(texts(&nodes), ["a", "a5", "a6", "a4", "a5m"]);
        let two = Following::new(&draft).nodes(2);
        assert_eq!(texts(&two), ["a", "a5", "a6", "a4"]);
    }

    #[test]
    fn a_draft_goes_on_where_the_answer_is() {
        for (written, rest) in [
            ("is 0.", "13 m"),  // as expected
            ("is 0.2", "3 m"),  // a digit in the place of another one
            ("is 10", ".13 m"), // one more
            ("is .", "13 m"),   // one less
            ("is 0.13 m", ""),
            ("is 0.13 m and", ""),
        ] {
            // given
            let draft = draft("is 0.13 m");
            let mut following = Following::new(&draft);
            // when
            for id in ids(written) {
                following.wrote(id, is_digit);
            }
            // then
            let nodes = following.nodes(100);
            let text = texts(&nodes);
            assert_eq!(text.last().map_or("", String::as_str), rest, "{written}");
        }
    }

    #[test]
    fn a_draft_that_goes_on_failing_is_believed_ever_less() {
        // given a draft of forty tokens that are no digits
        let expected: Vec<i64> = (100..140).collect();
        let draft = Draft::new(&expected, |_| Vec::new());
        let mut following = Following::new(&draft);
        let lengths = |following: &Following| following.nodes(64).len();
        assert_eq!(lengths(&following), 40);
        // when nothing of it comes
        let mut after = Vec::new();
        for token in 0..6 {
            following.wrote(token, |_| false);
            after.push(lengths(&following));
        }
        // then
        assert_eq!(after, [40, 8, 4, 2, 1, 1]);
        // and what was expected comes after all
        following.wrote(100, |_| false);
        assert_eq!(lengths(&following), 39);
    }

    #[test]
    fn nothing_is_expected_without_a_draft() {
        let mut following = Following::default();
        following.wrote(1, is_digit);
        assert!(following.nodes(5).is_empty());
    }
}
