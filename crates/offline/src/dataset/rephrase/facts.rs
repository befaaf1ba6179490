//! Whether a rephrased pair says what the pair says: the same numbers, the same unit, the same yes, the same region, as the
//! reader of answers (`core::answer`) takes both.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::templates::{self, Poles, Template};

    fn pair(category: &str, question: &str, answer: &str) -> Pair {
        Pair {
            category: category.into(),
            question: question.into(),
            answer: answer.into(),
            mentions: (0..2).filter(|at| question.contains(&tag(*at))).collect(),
            draw: 0,
        }
    }

    fn said(pair: &Pair, question: &str, answer: &str) -> Result<(), Refusal> {
        let worded = Worded {
            question: question.into(),
            answer: answer.into(),
        };
        same(pair, &worded)
    }

    fn tagged(text: &str) -> String {
        let named = text
            .replace("Region [0]", &tag(0))
            .replace("Region [1]", &tag(1));
        named.replace("{0}", &tag(0)).replace("{1}", &tag(1))
    }

    /// Every question of a photo with every answer.
    fn templates() -> Vec<Pair> {
        let measured: [(&str, &[Template], &str); 6] = [
            ("direct_distance", templates::DIRECT_DISTANCE, "4.87 inches"),
            (
                "horizontal_distance",
                templates::SIDEWAYS_DISTANCE,
                "1.20 meters",
            ),
            (
                "vertical_distance",
                templates::VERTICAL_DISTANCE,
                "50.00 centimeters",
            ),
            ("width", templates::WIDTH, "4.92 feet"),
            ("height", templates::HEIGHT, "12.00 inches"),
            ("direction", templates::DIRECTION, "4"),
        ];
        let mut pairs = Vec::new();
        for (category, templates, said) in measured {
            for template in templates {
                for answer in template.answers {
                    let answer = tagged(&answer.replace("{m}", said));
                    pairs.push(pair(category, &tagged(template.question), &answer));
                }
            }
        }
        let compared: [(&str, &Poles); 6] = [
            ("left_right", &templates::LEFT_RIGHT),
            ("above_below", &templates::ABOVE_BELOW),
            ("front_behind", &templates::FRONT_BEHIND),
            ("big_small", &templates::BIG_SMALL),
            ("tall_short", &templates::TALL_SHORT),
            ("wide_thin", &templates::WIDE_THIN),
        ];
        for (category, poles) in compared {
            for (pole, other) in [(poles.more, poles.less), (poles.less, poles.more)] {
                for question in templates::YES_OR_NO {
                    let question = tagged(&question.replace("{p}", pole));
                    for (yes, is) in [("Yes", pole), ("No", other)] {
                        let answer = tagged(&format!("{yes}, Region [0] is {is} Region [1]."));
                        pairs.push(pair(category, &question, &answer));
                    }
                }
            }
            for pole in [poles.most, poles.least] {
                for question in templates::WHICH_ONE {
                    let question = tagged(&question.replace("{p}", pole));
                    for which in 0..2 {
                        let answer = tagged(&format!("Region [{which}] is {pole}."));
                        pairs.push(pair(category, &question, &answer));
                    }
                }
            }
        }
        pairs
    }

    #[test]
    fn every_template_states_what_itself_states() {
        let refused: Vec<_> = templates()
            .into_iter()
            .filter(|pair| said(pair, &pair.question, &pair.answer).is_err())
            .map(|pair| (pair.question, pair.answer))
            .collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }

    #[test]
    fn a_question_that_is_turned_round_is_another_one() {
        let choices = [
            ("tall_short", "taller", "shorter"),
            ("left_right", "further to the left", "further to the right"),
            ("above_below", "higher up", "lower down"),
        ];
        for (category, pole, other) in choices {
            let question = |pole: &str| format!("Which one is {pole}, <region0> or <region1>?");
            let pair = pair(category, &question(pole), &format!("<region1> is {pole}."));
            assert_eq!(
                said(&pair, &question(other), &pair.answer),
                Err(Refusal::Facts),
                "{pole}"
            );
        }
        let pair = pair(
            "above_below",
            "Is <region0> above <region1>?",
            "Yes, <region0> is above <region1>.",
        );
        for other in [
            "Is <region0> below <region1>?",
            "Does <region1> lie above <region0>?",
        ] {
            assert_eq!(
                said(&pair, other, &pair.answer),
                Err(Refusal::Facts),
                "{other}"
            );
        }
    }

    #[test]
    fn other_words_for_the_same_facts_are_taken() {
        let distance = pair(
            "direct_distance",
            "How far is <region0> from <region1>?",
            "4.87 inches",
        );
        let across = pair(
            "horizontal_distance",
            "How far apart are <region0> and <region1> horizontally?",
            "1.20 meters",
        );
        let upright = pair(
            "vertical_distance",
            "How much higher or lower is <region0> than <region1>?",
            "50.00 centimeters",
        );
        let width = pair("width", "How wide is <region0>?", "4.92 feet");
        let height = pair(
            "height",
            "Give the height of <region0>.",
            "It is 12.00 inches tall.",
        );
        let hour = pair(
            "direction",
            "Standing at <region0>, in which direction is <region1>?",
            "4 o'clock",
        );
        let left = pair(
            "left_right",
            "Is <region0> to the left of <region1>?",
            "No, <region0> is to the right of <region1>.",
        );
        let front = pair(
            "front_behind",
            "Would you say that <region0> is behind <region1>?",
            "Yes, <region0> is behind <region1>.",
        );
        let tall = pair(
            "tall_short",
            "Which one is taller, <region0> or <region1>?",
            "<region1> is taller.",
        );
        let high = pair(
            "above_below",
            "Of <region0> and <region1>, which is lower down?",
            "<region0> is lower down.",
        );
        let big = pair(
            "big_small",
            "Is <region0> bigger than <region1>?",
            "Yes, <region0> is bigger than <region1>.",
        );
        for (pair, question, answer) in [
            (
                &distance,
                "What gap lies between <region0> and <region1>?",
                "There are 4.87 inches between <region0> and <region1>.",
            ),
            (
                &distance,
                "Could you tell me the distance from <region1> to <region0>?",
                "<region0> and <region1> are 4.87 inches apart.",
            ),
            (
                &distance,
                "How close is <region0> to <region1>?",
                "The distance between <region0> and <region1> measures 4.87 in.",
            ),
            (
                &across,
                "By how much are <region0> and <region1> set apart sideways?",
                "<region0> and <region1> are 1.20 meters apart horizontally.",
            ),
            (
                &across,
                "What is the sideways offset of <region0> and <region1>?",
                "The horizontal distance between <region0> and <region1> is 1.20 meters.",
            ),
            (
                &upright,
                "What is the difference in height of <region0> and <region1>?",
                "<region0> and <region1> are vertically 50.00 centimeters apart.",
            ),
            (
                &width,
                "What does <region0> measure from side to side?",
                "<region0> is 4.92 feet wide.",
            ),
            (
                &width,
                "Please tell me the width of <region0>.",
                "The width of <region0> comes to 4.92 feet.",
            ),
            (
                &height,
                "How tall is <region0>?",
                "<region0> has a height of 12.00 inches.",
            ),
            (
                &hour,
                "If I stand at <region0>, where on the clock is <region1>?",
                "From <region0>, <region1> lies at 4 o'clock.",
            ),
            (
                &hour,
                "Seen from <region0>, at what hour lies <region1>?",
                "<region1> is at four o'clock as seen from <region0>.",
            ),
            (
                &left,
                "Does <region0> lie on the left of <region1>?",
                "No, <region0> lies on the right of <region1>.",
            ),
            (
                &left,
                "Can <region0> be found to the left of <region1>?",
                "No, you will find <region0> to the right of <region1>.",
            ),
            (
                &front,
                "Is it <region0> that lies behind <region1>?",
                "Yes, <region0> lies behind <region1>.",
            ),
            (
                &tall,
                "Which has the greater height, <region0> or <region1>?",
                "<region1> is taller than <region0>.",
            ),
            (
                &tall,
                "Between <region0> and <region1>, which one stands taller?",
                "<region1> stands taller than <region0>.",
            ),
            (
                &high,
                "Which of the two is lower, <region0> or <region1>?",
                "<region0> is lower than <region1>.",
            ),
            (
                &big,
                "Is <region0> the larger one compared with <region1>?",
                "Yes, <region0> is larger than <region1>.",
            ),
        ] {
            assert_eq!(said(pair, question, answer), Ok(()), "{question} {answer}");
        }
    }

    #[test]
    fn other_facts_are_refused() {
        let distance = pair(
            "direct_distance",
            "How far is <region0> from <region1>?",
            "4.87 inches",
        );
        let width = pair("width", "How wide is <region0>?", "4.92 feet");
        let hour = pair(
            "direction",
            "Standing at <region0>, in which direction is <region1>?",
            "4 o'clock",
        );
        let left = pair(
            "left_right",
            "Is <region0> to the left of <region1>?",
            "No, <region0> is to the right of <region1>.",
        );
        let tall = pair(
            "tall_short",
            "Which one is taller, <region0> or <region1>?",
            "<region1> is taller.",
        );
        let asked = "How far do <region0> and <region1> lie apart?";
        let (numbers, facts) = (Refusal::Numbers, Refusal::Facts);
        for (pair, question, answer, why) in [
            (
                &distance,
                asked,
                "<region0> and <region1> are 4.9 inches apart.",
                numbers,
            ),
            (
                &distance,
                asked,
                "<region0> and <region1> are about five inches apart.",
                numbers,
            ),
            (
                &distance,
                asked,
                "<region0> and <region1> are 4.87 inches (12.37 cm) apart.",
                numbers,
            ),
            (
                &distance,
                "Are <region0> and <region1> 4.87 inches apart?",
                "Yes, <region0> and <region1> are 4.87 inches apart.",
                numbers,
            ),
            (
                &distance,
                asked,
                "<region0> and <region1> are 4.87 feet apart.",
                facts,
            ),
            (
                &distance,
                asked,
                "<region0> and <region1> are 4.87 apart.",
                facts,
            ),
            (
                &distance,
                asked,
                "<region0> and <region1>, each 4.87 inches wide.",
                facts,
            ),
            (
                &distance,
                "How far apart are <region0> and <region1> vertically?",
                "<region0> and <region1> are 4.87 inches apart.",
                facts,
            ),
            (
                &width,
                "What is the width of <region0>?",
                "<region0> is 4.92 feet tall.",
                facts,
            ),
            (
                &hour,
                "From <region0>, where is <region1>?",
                "<region1> is at 5 o'clock from <region0>.",
                numbers,
            ),
            (
                &hour,
                "From <region0>, where is <region1>?",
                "<region1> is at five o'clock from <region0>.",
                facts,
            ),
            (
                &left,
                "Is <region0> left of <region1>?",
                "Yes, <region0> is to the left of <region1>.",
                facts,
            ),
            (
                &left,
                "Is <region0> left of <region1>?",
                "No, <region1> is to the right of <region0>.",
                facts,
            ),
            (
                &left,
                "Is <region0> left of <region1>?",
                "<region0> and <region1> are both there.",
                facts,
            ),
            (
                &tall,
                "Which is taller, <region0> or <region1>?",
                "<region0> is taller than <region1>.",
                facts,
            ),
        ] {
            assert_eq!(
                said(pair, question, answer),
                Err(why),
                "{question} {answer}"
            );
        }
        let unknown = pair("colour", "Is <region0> red?", "Yes, <region0> is red.");
        assert_eq!(
            said(&unknown, &unknown.question, &unknown.answer),
            Err(facts)
        );
    }
}
