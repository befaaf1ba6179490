//! The lengths in an answer, with what is said of each.

use super::ABOUT;
use super::measure::Measure;
use super::reader::Reader;
use super::statement::Length;

/// So many words behind a length tell what it is of.
const WORDS_BEHIND: usize = 6;

/// So many tokens before a relative clause may name what it is said of.
const RELATIVE_REACH: usize = 4;

/// Words behind "a foot" that do not make it a part of somebody.
const BEFORE_ARTICLE: [&str; 12] = [
    "is", "be", "are", "as", "say", "only", "just", "maybe", "perhaps", "probably", "than", "or",
];

/// What a length is said to be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    Distance,
    Width,
    Height,
    OtherSize,
    FromViewer,
}

/// Along which axis a distance is said to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Direct,
    Horizontal,
    Vertical,
}

/// How a length stands in its sentence; the later the likelier meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    /// No bound: "less than 2 m".
    is_no_bound: bool,
    /// Not in parentheses.
    is_open: bool,
    /// Of all there is: "total height".
    is_total: bool,
    /// Of so many regions that are named before it, in its sentence and behind other lengths.
    regions: usize,
}

/// A length of the answer, with what is said of it.
pub(super) struct Candidate {
    pub(super) measure: Measure,
    pub(super) start: usize,
    pub(super) quantity: Option<Quantity>,
    axis: Option<Axis>,
    /// Which of several comes first that suit equally well.
    pub(super) standing: Standing,
}

impl Candidate {
    /// How well it suits, from 0 to 4; below 2 something else is said of it.
    pub(super) fn fit(&self, wanted: Length) -> u8 {
        let axis = match wanted {
            Length::Distance => Axis::Direct,
            Length::HorizontalDistance => Axis::Horizontal,
            Length::VerticalDistance => Axis::Vertical,
            Length::Width => return self.fit_of_size(Quantity::Width),
            Length::Height => return self.fit_of_size(Quantity::Height),
        };
        match (self.quantity, self.axis) {
            (Some(Quantity::FromViewer), _) => 0,
            (Some(Quantity::Width | Quantity::Height | Quantity::OtherSize), None) => 0,
            (_, Some(said)) if said == axis => 4,
            (_, Some(_)) if axis == Axis::Direct => 1,
            (_, Some(Axis::Horizontal | Axis::Vertical)) => 0,
            (_, Some(Axis::Direct)) => 1,
            (Some(Quantity::Distance), None) => 3,
            _ => 2,
        }
    }

    fn fit_of_size(&self, wanted: Quantity) -> u8 {
        match self.quantity {
            Some(said) if said == wanted => 4,
            Some(Quantity::OtherSize) => 1,
            Some(_) => 0,
            None => 2,
        }
    }
}

/// The lengths of an answer, in its order.
pub(super) fn candidates(reader: &Reader) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let (mut at, mut last_end) = (0, 0);
    while at < reader.len() {
        let named = reader.region(at).filter(|_| reader.word(at).is_some());
        if let Some((_, next)) = named.filter(|_| reader.measure_begins_not(at)) {
            at = next;
            continue;
        }
        // "0.8 x 2 m": a width and a height.
        if let Some([width, height]) = reader.two_sides(at) {
            let (start, next) = (at, height.next);
            (at, last_end) = (next, clause_end(reader, next));
            let labels = reader.labels_of_sides(next);
            let [first, second] = labels.unwrap_or([Quantity::Width, Quantity::Height]);
            for (measure, quantity) in [(width, first), (height, second)] {
                candidates.push(Candidate {
                    measure,
                    start,
                    quantity: Some(quantity),
                    axis: None,
                    standing: Standing::default(),
                });
            }
            continue;
        }
        let measure = (!reader.is_in_list_of_regions(at))
            .then(|| reader.range(at).or_else(|| reader.headed(at)));
        let Some(measure) = measure.flatten() else {
            at += reader.length_of_bare_number(at);
            continue;
        };
        let (quantity, axis) = said_of(reader, last_end, at, measure.next);
        let before = at.checked_sub(1).map(|before| reader.word(before));
        let stands_alone = before.is_none_or(|word| {
            word.is_none_or(|word| ABOUT.contains(&word) || BEFORE_ARTICLE.contains(&word))
        });
        let is_length = !measure.by_article || quantity.is_some() || stands_alone;
        let next_end = reader
            .label_behind(measure.next)
            .map_or(measure.next, |(_, next)| next);
        let standing = reader.standing(last_end, at);
        let (start, next) = (at, measure.next);
        (at, last_end) = (next, clause_end(reader, next_end));
        if is_length {
            candidates.push(Candidate {
                measure,
                start,
                quantity,
                axis,
                standing,
            });
        }
    }
    candidates
}

/// By the words behind a length in its clause, else by the nearest telling one since the last length.
fn said_of(
    reader: &Reader,
    last_end: usize,
    start: usize,
    end: usize,
) -> (Option<Quantity>, Option<Axis>) {
    if let Some((quantity, _)) = reader.label_behind(end) {
        return (Some(quantity), None);
    }
    // The dot of an abbreviation: "3 in. apart".
    let abbreviated = reader.word_before(end).is_some_and(|unit| unit.len() < 3);
    let dot = usize::from(
        reader.mark(end) == Some('.') && abbreviated && reader.goes_on_in_lower_case(end + 1),
    );
    let end = behind_repeat(reader, end + dot);
    let behind = (end..reader.len())
        .take_while(|at| !ends_clause(reader, *at))
        .take(WORDS_BEHIND);
    let behind: Vec<&str> = behind.filter_map(|at| reader.word(at)).collect();
    let before = (last_end..start)
        .rev()
        .take_while(|at| !matches!(reader.mark(*at), Some('.' | '!' | '?')));
    let before = before.filter_map(|at| Some((at, reader.word(at)?)));
    // "Its width is between 2 and 3 m": that is the range's own.
    let is_range =
        |(at, word): &(usize, &str)| at + 1 == start && matches!(*word, "between" | "from");
    let before: Vec<&str> = before
        .filter(|word| !is_range(word))
        .map(|(_, word)| word)
        .collect();
    let find = |words: &[&str]| words.iter().find_map(|word| quantity(word));
    let axis = |words: &[&str]| words.iter().find_map(|word| axis_of(word));
    let begin = (last_end..start)
        .rev()
        .find(|at| ends_clause(reader, *at) && reader.mark(*at) != Some(':'));
    let begin = begin.map_or(last_end, |at| at + usize::from(reader.word(at).is_none()));
    let clause: Vec<&str> = (begin..start).filter_map(|at| reader.word(at)).collect();
    let viewer = [&behind, &clause]
        .into_iter()
        .any(|words| is_of_viewer(words));
    let each = matches!(behind.first(), Some(&"each" | &"apiece")) || is_above_ground(reader, end);
    let quantity = match viewer {
        true => Some(Quantity::FromViewer),
        false if each => Some(Quantity::OtherSize),
        false => find(&behind).or_else(|| find(&before)),
    };
    let axis = axis(&behind).or_else(|| axis(&before));
    (
        quantity,
        axis.filter(|_| quantity != Some(Quantity::OtherSize) || !each),
    )
}

/// The token behind the same length in other units: "10 inches (25.4 cm) wide".
fn behind_repeat(reader: &Reader, end: usize) -> usize {
    let repeat = (reader.mark(end) == Some('('))
        .then(|| (end + 1..end + 4).find_map(|at| reader.range(at)))
        .flatten();
    match repeat {
        Some(repeat) if reader.mark(repeat.next) == Some(')') => repeat.next + 1,
        _ => end,
    }
}

/// "1.8 m above the ground" is where one thing is.
fn is_above_ground(reader: &Reader, end: usize) -> bool {
    let words = [reader.word(end), reader.word(end + 1), reader.word(end + 2)];
    let [
        Some("above" | "off" | "from"),
        Some("the"),
        Some("ground" | "floor"),
    ] = words
    else {
        return false;
    };
    reader
        .word(end + 3)
        .is_none_or(|word| matches!(word, "and" | "while" | "but" | "so"))
}

/// How far something is from whoever looks is never asked for.
fn is_of_viewer(words: &[&str]) -> bool {
    let viewer = |word: &&&str| matches!(**word, "camera" | "viewer" | "observer" | "us" | "lens");
    let perspective =
        |word: &&str| matches!(*word, "perspective" | "view" | "viewpoint" | "standpoint");
    words.iter().find(viewer).is_some() && !words.iter().any(perspective)
}

/// Where the clause of a length ends, whose words are its own.
fn clause_end(reader: &Reader, next: usize) -> usize {
    let goes_on = (next..reader.len()).take(WORDS_BEHIND);
    let end = goes_on.clone().find(|at| ends_clause(reader, *at));
    match end {
        Some(end) if reader.figure(end).is_none() => end,
        _ => next,
    }
}

fn ends_clause(reader: &Reader, at: usize) -> bool {
    matches!(
        reader.mark(at),
        Some('.' | ',' | ';' | ':' | '(' | ')' | '!' | '?' | '/' | '|')
    ) || matches!(
        reader.word(at),
        Some("and" | "while" | "but" | "whereas" | "so")
    ) || reader.figure(at).is_some()
        || reader.begins_line(at)
}

fn quantity(word: &str) -> Option<Quantity> {
    Some(match word {
        "apart" | "away" | "from" | "between" | "separate" | "separates" | "separated"
        | "separating" | "separation" | "distance" | "distances" | "gap" | "far" | "distant"
        | "space" | "spacing" | "difference" | "offset" => Quantity::Distance,
        "wide" | "width" | "across" | "breadth" | "broad" | "wideness" | "w" => Quantity::Width,
        "tall" | "height" | "high" | "tallness" | "h" => Quantity::Height,
        "long" | "length" | "lengths" | "deep" | "depth" | "thick" | "thickness" | "diameter"
        | "size" | "radius" | "l" => Quantity::OtherSize,
        _ => return None,
    })
}

fn axis_of(word: &str) -> Option<Axis> {
    Some(match word {
        "horizontal" | "horizontally" | "left" | "right" | "sideways" | "laterally" | "lateral"
        | "dx" => Axis::Horizontal,
        "vertical" | "vertically" | "above" | "below" | "higher" | "lower" | "beneath"
        | "underneath" | "dy" => Axis::Vertical,
        "direct" | "directly" | "straight" | "overall" | "total" | "euclidean" | "diagonal" => {
            Axis::Direct
        }
        _ => return None,
    })
}

impl Reader<'_> {
    /// "(length × width)" behind two sides.
    fn labels_of_sides(&self, at: usize) -> Option<[Quantity; 2]> {
        let first = self.word(at + 1).and_then(quantity)?;
        let second = self.word(at + 3).and_then(quantity)?;
        let stands_alone = self.mark(at) == Some('(') && self.mark(at + 4) == Some(')');
        stands_alone.then_some([first, second])
    }

    /// "(W)", "(height)" behind a length, and the token behind it.
    fn label_behind(&self, at: usize) -> Option<(Quantity, usize)> {
        let quantity = self.word(at + 1).and_then(quantity)?;
        let stands_alone = self.mark(at) == Some('(') && self.mark(at + 2) == Some(')');
        stands_alone.then_some((quantity, at + 3))
    }

    /// How a length stands that begins at a token, behind the last one's clause.
    fn standing(&self, last_end: usize, start: usize) -> Standing {
        let hedges = (last_end..start)
            .rev()
            .take_while(|at| self.word(*at).is_some_and(|word| ABOUT.contains(&word)));
        let start = start - hedges.count();
        let is_bound = matches!(self.word_before(start), Some("than" | "least" | "most"));
        let in_parentheses = start
            .checked_sub(1)
            .is_some_and(|at| self.mark(at) == Some('('));
        let total = |at: usize| {
            matches!(
                self.word(at),
                Some("total" | "overall" | "full" | "altogether")
            )
        };
        Standing {
            is_no_bound: !is_bound,
            is_open: !in_parentheses,
            is_total: (self.sentence_start(start).max(last_end)..start).any(total),
            regions: self.regions_asked(last_end, start),
        }
    }

    /// How many regions, of those that the question names if it is known, the sentence names between two tokens.
    fn regions_asked(&self, from: usize, to: usize) -> usize {
        // ", which is 3.6 m wide" is said of what stands right before it.
        let relates = |at: &usize| {
            self.mark(*at) == Some(',')
                && matches!(self.word(at + 1), Some("which" | "who" | "whose"))
        };
        let start = self.sentence_start(to).max(from);
        let relative = (start..to).rev().find(relates);
        let start = relative.map_or(start, |comma| {
            start.max(comma.saturating_sub(RELATIVE_REACH))
        });
        let regions = self.regions(start, to);
        let regions = regions.into_iter().map(|(region, _)| region);
        let mut regions: Vec<u32> = regions
            .filter(|region| self.asked.is_empty() || self.asked.contains(region))
            .collect();
        regions.sort_unstable();
        regions.dedup();
        let is_its = || (start..to).any(|at| self.word(at) == Some("its"));
        regions.len().max(usize::from(is_its()))
    }

    /// Whether a word stands here that is not written as the first of a sentence is.
    fn goes_on_in_lower_case(&self, at: usize) -> bool {
        let token = self.tokens.get(at).filter(|_| self.word(at).is_some());
        let text = token.and_then(|token| self.text.get(token.range.clone()));
        text.is_some_and(|text| text.starts_with(char::is_lowercase))
    }

    /// Whether a word like "first" begins no length of its own.
    fn measure_begins_not(&self, at: usize) -> bool {
        self.range(at).is_none_or(|measure| measure.by_article)
    }
}
