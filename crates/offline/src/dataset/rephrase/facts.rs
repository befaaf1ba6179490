//! Whether a rephrased pair says what the pair says: the same numbers, the same unit, the same yes, the same region, as the
//! reader of answers (`core::answer`) takes both.

#[cfg(test)]
mod tests;

use spatial_reward_core::answer::read;
use spatial_reward_core::answer::statement::{Length, Relation, Statement, Wanted};

use super::pair::{Pair, tag};
use super::refusal::Refusal;
use super::reply::Worded;

/// Readings of the same digits in the same unit differ by rounding alone.
const SAME: f64 = 1e-9;

/// # Errors
/// `Refusal::Numbers` or `Refusal::Facts`.
pub(super) fn same(pair: &Pair, worded: &Worded) -> Result<(), Refusal> {
    if !keeps_numbers(pair, worded) {
        return Err(Refusal::Numbers);
    }
    let is_same = match Kind::of(pair) {
        Some(Kind::Measured(wanted)) => {
            states_the_same(wanted, pair, worded) && measures_the_same(wanted, worded)
        }
        Some(Kind::Choice(relation)) => {
            states_the_same(Wanted::Choice(relation), pair, worded)
                && leans_the_same(relation, pair, worded)
        }
        Some(Kind::YesOrNo { asked, relation }) => {
            states_the_same(Wanted::YesOrNo(asked), pair, worded)
                && states_the_same(Wanted::Choice(relation), pair, worded)
                && claims_the_same(relation, pair, worded)
        }
        // Nothing that the reader knows is not taken on trust.
        None => false,
    };
    is_same.then_some(()).ok_or(Refusal::Facts)
}

/// What is asked, and how.
enum Kind {
    Measured(Wanted),
    /// Which one; the relation by which both are read.
    Choice(Relation),
    /// Whether the first is `asked` to the second.
    YesOrNo {
        asked: Relation,
        relation: Relation,
    },
}

impl Kind {
    fn of(pair: &Pair) -> Option<Self> {
        let length = |length| Some(Self::Measured(Wanted::Length(length)));
        let (relation, opposite) = match pair.category.as_str() {
            "direct_distance" => return length(Length::Distance),
            "horizontal_distance" => return length(Length::HorizontalDistance),
            "vertical_distance" => return length(Length::VerticalDistance),
            "width" => return length(Length::Width),
            "height" => return length(Length::Height),
            "direction" => return Some(Self::Measured(Wanted::Direction)),
            "left_right" => (Relation::Left, Relation::Right),
            "above_below" => (Relation::Above, Relation::Below),
            "front_behind" => (Relation::Front, Relation::Behind),
            "big_small" => (Relation::Big, Relation::Small),
            "tall_short" => (Relation::Tall, Relation::Short),
            "wide_thin" => (Relation::Wide, Relation::Thin),
            _ => return None,
        };
        let yes = match pair.answer.split([',', '.', ' ']).next()? {
            "Yes" => true,
            "No" => false,
            _ => return Some(Self::Choice(relation)),
        };
        let claimed = read(&pair.answer, Wanted::Choice(relation), None).ok()?;
        let is_so = claimed == Statement::Region(0);
        let asked = if is_so == yes { relation } else { opposite };
        Some(Self::YesOrNo { asked, relation })
    }
}

/// Both answers read, and alike.
fn states_the_same(wanted: Wanted, pair: &Pair, worded: &Worded) -> bool {
    let given = read(&pair.answer, wanted, Some(&pair.question));
    let said = read(&worded.answer, wanted, Some(&worded.question));
    match (given, said) {
        (Ok(Statement::Metres(given)), Ok(Statement::Metres(said)))
        | (Ok(Statement::Hours(given)), Ok(Statement::Hours(said))) => {
            (given - said).abs() <= SAME * given.abs().max(1.0)
        }
        (Ok(given), Ok(said)) => given == said,
        _ => false,
    }
}

/// The reader takes the only length of an answer whatever it is said to be. What is measured is not to change, though.
fn measures_the_same(wanted: Wanted, worded: &Worded) -> bool {
    let others: &[&str] = match wanted {
        Wanted::Length(Length::Distance) => &[
            "wide",
            "width",
            "tall",
            "height",
            "horizontal",
            "horizontally",
            "vertical",
            "vertically",
            "sideways",
            "higher",
            "lower",
        ],
        Wanted::Length(Length::HorizontalDistance) => &[
            "wide",
            "width",
            "tall",
            "height",
            "vertical",
            "vertically",
            "higher",
            "lower",
            "above",
            "below",
        ],
        Wanted::Length(Length::VerticalDistance) => &[
            "wide",
            "width",
            "tall",
            "horizontal",
            "horizontally",
            "sideways",
        ],
        Wanted::Length(Length::Width) => &[
            "tall", "height", "high", "deep", "apart", "away", "distance",
        ],
        Wanted::Length(Length::Height) => &["wide", "width", "deep", "apart", "away", "distance"],
        _ => &[],
    };
    let text = format!("{} {}", worded.question, worded.answer).to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphabetic());
    !words.any(|word| others.contains(&word))
}

/// A question whether one is more so than the other, read as if it were said.
fn claims_the_same(relation: Relation, pair: &Pair, worded: &Worded) -> bool {
    let claim = |question: &str| read(question, Wanted::Choice(relation), None);
    agree(claim(&pair.question).ok(), claim(&worded.question).ok())
}

/// A question which one is more so: what it asks for, said of one region.
fn leans_the_same(relation: Relation, pair: &Pair, worded: &Worded) -> bool {
    let lean = |question: &str| {
        let bare = (0..pair.mentions.len()).fold(question.to_owned(), |text, number| {
            text.replace(&tag(number), " ")
        });
        let bare = bare.replace([',', ':', '?'], " ");
        read(
            &format!("{} is {bare}", tag(0)),
            Wanted::Choice(relation),
            None,
        )
        .ok()
    };
    agree(lean(&pair.question), lean(&worded.question))
}

/// What cannot be read of a question is the model's to word; what reads otherwise is another question.
fn agree(given: Option<Statement>, said: Option<Statement>) -> bool {
    match (given, said) {
        (Some(given), Some(said)) => given == said,
        _ => true,
    }
}

/// A length's digits are kept. An hour may be in words. Nothing else has a number, and no question.
fn keeps_numbers(pair: &Pair, worded: &Worded) -> bool {
    let without_tags = |text: &str| {
        (0..pair.mentions.len()).fold(text.to_owned(), |text, number| {
            text.replace(&tag(number), " ")
        })
    };
    let (given, said) = (
        numbers(&without_tags(&pair.answer)),
        numbers(&without_tags(&worded.answer)),
    );
    let is_kept = given.iter().all(|number| said.contains(number));
    let is_new = said.iter().any(|number| !given.contains(number));
    let may_be_words = pair.category == "direction";
    (is_kept || may_be_words) && !is_new && numbers(&without_tags(&worded.question)).is_empty()
}

/// The numbers that are written in digits.
fn numbers(text: &str) -> Vec<f64> {
    let mut found = Vec::new();
    for run in text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ',') {
        let run = run.trim_matches(['.', ',']).replace(',', "");
        if let Ok(number) = run.parse() {
            found.push(number);
        } else if !run.is_empty() {
            // "1.2.3": nobody's number.
            found.push(f64::NAN);
        }
    }
    found
}
