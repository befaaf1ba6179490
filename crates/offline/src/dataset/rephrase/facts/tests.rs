//! Every template and other words for it are taken; what changes a fact is refused.

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

fn distance() -> Pair {
    pair(
        "direct_distance",
        "How far is <region0> from <region1>?",
        "4.87 inches",
    )
}

fn width() -> Pair {
    pair("width", "How wide is <region0>?", "4.92 feet")
}

fn hour() -> Pair {
    pair(
        "direction",
        "Standing at <region0>, in which direction is <region1>?",
        "4 o'clock",
    )
}

fn left() -> Pair {
    pair(
        "left_right",
        "Is <region0> to the left of <region1>?",
        "No, <region0> is to the right of <region1>.",
    )
}

fn tall() -> Pair {
    pair(
        "tall_short",
        "Which one is taller, <region0> or <region1>?",
        "<region1> is taller.",
    )
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
    let distance = distance();
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
    let width = width();
    let height = pair(
        "height",
        "Give the height of <region0>.",
        "It is 12.00 inches tall.",
    );
    let hour = hour();
    let left = left();
    let front = pair(
        "front_behind",
        "Would you say that <region0> is behind <region1>?",
        "Yes, <region0> is behind <region1>.",
    );
    let tall = tall();
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
    let distance = distance();
    let width = width();
    let hour = hour();
    let left = left();
    let tall = tall();
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
