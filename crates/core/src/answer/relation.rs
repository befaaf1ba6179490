//! What an answer says of two regions: which one is wider, behind, to the left.

use super::reader::Reader;
use super::statement::Relation;
use super::unit::is_unit;

/// So many words may stand between a negation and what it denies.
const NEGATION_REACH: usize = 5;

/// That a region is on one side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Assertion {
    /// The region of which it is said, if one is named.
    pub subject: Option<u32>,
    /// The region to which it is compared, if one is named.
    pub object: Option<u32>,
    /// It is what was asked for, and not the other side.
    pub holds: bool,
    /// It is only said what is not so.
    pub is_denied: bool,
}

impl Relation {
    /// Whether a word is this side of the comparison (`true`) or the other; `None` if it is of another comparison.
    fn side(self, word: &str) -> Option<bool> {
        let (these, others): (&[&str], &[&str]) = match self {
            Self::Left | Self::Right => (
                &["left", "leftmost", "leftward"],
                &["right", "rightmost", "rightward"],
            ),
            Self::Above | Self::Below => (
                &[
                    "above", "over", "higher", "highest", "atop", "top", "upper", "up",
                ],
                &[
                    "below",
                    "under",
                    "beneath",
                    "underneath",
                    "lower",
                    "lowest",
                    "bottom",
                    "down",
                ],
            ),
            Self::Tall | Self::Short => (
                &[
                    "tall", "taller", "tallest", "higher", "high", "highest", "tower", "towers",
                ],
                &["short", "shorter", "shortest", "lower", "lowest"],
            ),
            Self::Wide | Self::Thin => (
                &[
                    "wide", "wider", "widest", "broad", "broader", "broadest", "thicker", "thick",
                ],
                &[
                    "thin",
                    "thinner",
                    "thinnest",
                    "narrow",
                    "narrower",
                    "narrowest",
                    "slim",
                    "slimmer",
                    "slender",
                ],
            ),
            Self::Big | Self::Small => (
                &[
                    "big", "bigger", "biggest", "large", "larger", "largest", "bulkier",
                ],
                &[
                    "small", "smaller", "smallest", "little", "tiny", "tinier", "compact",
                ],
            ),
            Self::Behind | Self::Front => (
                &[
                    "behind",
                    "farther",
                    "further",
                    "farthest",
                    "furthest",
                    "back",
                    "rear",
                    "distant",
                    "background",
                    "deeper",
                ],
                &[
                    "front",
                    "closer",
                    "closest",
                    "nearer",
                    "nearest",
                    "forward",
                    "ahead",
                    "foreground",
                ],
            ),
        };
        let of_size = matches!(
            self,
            Self::Tall | Self::Short | Self::Wide | Self::Thin | Self::Big | Self::Small
        );
        let first = if these.contains(&word) {
            true
        } else if others.contains(&word) {
            false
        } else if of_size {
            degree(word)?
        } else {
            return None;
        };
        let is_first = matches!(
            self,
            Self::Left | Self::Above | Self::Tall | Self::Wide | Self::Big | Self::Behind
        );
        Some(first == is_first)
    }
}

/// Words of more or less of anything, a size among it.
fn degree(word: &str) -> Option<bool> {
    match word {
        "greater" | "greatest" | "larger" | "largest" | "bigger" | "more" | "most" | "exceeds"
        | "exceed" | "surpasses" | "surpass" | "outsizes" => Some(true),
        "lesser" | "less" | "least" | "smaller" | "smallest" | "fewer" => Some(false),
        _ => None,
    }
}

impl Reader<'_> {
    /// The first thing that is said of regions in a comparison, from one token to before
    /// another.
    pub(super) fn assertion(
        &self,
        relation: Relation,
        from: usize,
        to: usize,
    ) -> Option<Assertion> {
        let tells = |at: &usize| self.sides(*at, relation).is_some() && !self.is_in_refusal(*at);
        let is_meant = |at: &usize| tells(at) && !self.is_conceded(*at);
        let at = (from..to)
            .find(is_meant)
            .or_else(|| (from..to).find(tells))?;
        let side = self.sides(at, relation)?;
        let end = (at..to)
            .find(|at| matches!(self.mark(*at), Some('.' | ';' | '!' | '?')))
            .unwrap_or(to);
        let before = self.regions(from, at);
        let behind = self.regions(at, end);
        let object = behind
            .iter()
            .chain(&before)
            .find(|region| self.is_object(region.1));
        let object = object.map(|region| region.0);
        let subject = (before.iter().rev())
            .chain(&behind)
            .find(|region| !self.is_object(region.1))
            .map(|region| region.0);
        // "The one on the left is [0]": said behind it, and what stood before was only listed.
        let named = behind.iter().find(|region| self.is_named_by(region.1));
        let subject = named.map(|region| region.0).or(subject);
        let object = object.or_else(|| {
            let other = behind.iter().find(|region| Some(region.0) != subject);
            other.map(|region| region.0)
        });
        let subject = subject.filter(|subject| Some(*subject) != object);
        let is_denied = self.is_denied(from, at);
        Some(Assertion {
            subject,
            object,
            holds: side != is_denied,
            is_denied,
        })
    }

    /// Whether a word only says what is set against something else: "although it looks taller", "it looks taller, but".
    fn is_conceded(&self, at: usize) -> bool {
        let parts =
            |at: usize| matches!(self.mark(at), Some('.' | ',' | ';' | '!' | '?' | '(' | ':'));
        let sentence = (self.sentence_start(at)..at).rev();
        let clause: Vec<usize> = sentence.take_while(|at| !parts(*at)).collect();
        let says = |words: &[&str]| {
            clause
                .iter()
                .any(|at| self.word(*at).is_some_and(|word| words.contains(&word)))
        };
        let first = clause.last().copied();
        let whiles = first.is_some_and(|first| {
            self.word(first) == Some("while") && self.sentence_start(first) == first
        });
        if whiles || says(&["although", "though", "despite"]) {
            return true;
        }
        let end = (at..self.len()).find(|at| parts(*at) || self.word(*at) == Some("but"));
        let turns = end.is_some_and(|end| {
            self.word(end) == Some("but")
                || self.mark(end) == Some(',') && self.word(end + 1) == Some("but")
        });
        turns && says(&["looks", "look", "appears", "appear", "seems", "seem"])
    }

    /// Which side of the comparison stands at a token, where it is no other word's part.
    fn sides(&self, at: usize, relation: Relation) -> Option<bool> {
        let word = self.word(at)?;
        let next = self.word(at + 1);
        // "more to the left", "much less than", "at most", "less wide": the word behind counts.
        if matches!(word, "more" | "less" | "most" | "least") {
            let counts = (at + 1..at + 3).find_map(|at| relation.side(self.word(at)?));
            return match counts {
                Some(side) if matches!(word, "less" | "least") => Some(!side),
                Some(_) => None,
                None => relation.side(word),
            };
        }
        // "half as wide as", "twice as wide as"; "as wide as" prefers none, unless it is denied.
        if self.word_before(at) == Some("as") {
            let factor = at.checked_sub(2).and_then(|at| self.word(at));
            return match factor {
                Some("half" | "third" | "quarter") => relation.side(word).map(|side| !side),
                Some("twice" | "times" | "not") => relation.side(word),
                _ => None,
            };
        }
        // "2 m tall" compares nothing.
        let measured = matches!(word, "tall" | "high" | "wide" | "broad" | "thick")
            && self.word_before(at).is_some_and(is_unit);
        if measured {
            return None;
        }
        // "less wide" was told by its first word.
        let lessened = matches!(self.word_before(at), Some("less" | "least"));
        let over_there = word == "right" && matches!(next, Some("now" | "answer"));
        if lessened || over_there || word == "back" && next == Some("to") {
            return None;
        }
        // "at a greater distance from the camera"
        if matches!(relation, Relation::Behind | Relation::Front) && next == Some("distance") {
            let is_greater = degree(word).or_else(|| matches!(word, "shorter").then_some(false))?;
            return Some(is_greater == (relation == Relation::Behind));
        }
        // "higher width": a degree for any size.
        relation.side(word)
    }

    /// The regions named from one token to before another, with their tokens.
    pub(super) fn regions(&self, from: usize, to: usize) -> Vec<(u32, usize)> {
        let mut found = Vec::new();
        let mut at = from;
        while at < to {
            match self.region(at) {
                Some((region, next)) => {
                    found.push((region, at));
                    at = next;
                }
                None => {
                    // "regions 0 and 1"
                    if self.is_in_list_of_regions(at)
                        && let Some((region, _)) = self.small_whole(at)
                    {
                        found.push((region, at));
                    }
                    at += 1;
                }
            }
        }
        found
    }

    /// Whether a region is what another is compared to: `than [1]`, `to the left of [1]`, `exceeds [1]`.
    pub(super) fn is_object(&self, at: usize) -> bool {
        let articles = (0..at).rev().take_while(|at| {
            matches!(
                self.word(*at),
                Some("the" | "that" | "of" | "region" | "one")
            )
        });
        let of = self.word_before(at) == Some("of") || self.word_before(at) == Some("the");
        let before = at - articles.count();
        let word = self.word_before(before);
        let compares = matches!(
            word,
            Some(
                "than"
                    | "to"
                    | "with"
                    | "exceeds"
                    | "exceed"
                    | "surpasses"
                    | "surpass"
                    | "behind"
                    | "above"
                    | "below"
                    | "under"
                    | "beneath"
                    | "underneath"
                    | "over"
                    | "atop"
                    | "as"
                    | "from"
                    | "against"
                    | "outsizes"
                    | "beyond"
                    | "unlike"
            )
        );
        let side = of
            && matches!(
                word,
                Some("left" | "right" | "front" | "side" | "ahead" | "top")
            );
        compares || side && self.word_before(at) != Some("between")
    }

    /// `... is [0]`, `...: [0]`
    fn is_named_by(&self, at: usize) -> bool {
        let before = at.checked_sub(1);
        let article = usize::from(self.word_before(at) == Some("the"));
        let verb = at.checked_sub(1 + article).and_then(|at| self.word(at));
        matches!(verb, Some("is" | "be" | "was"))
            || before.is_some_and(|before| matches!(self.mark(before), Some(':')))
    }

    /// A negation stands before a word, in its clause.
    fn is_denied(&self, from: usize, at: usize) -> bool {
        let words = (from..at).rev().take(NEGATION_REACH);
        let mut words = words.take_while(|at| {
            !matches!(self.mark(*at), Some('.' | ';' | ',')) && self.word(*at) != Some("but")
        });
        words.any(|at| {
            matches!(
                self.word(at),
                Some("not" | "never" | "hardly" | "neither" | "nor")
            )
        })
    }
}
