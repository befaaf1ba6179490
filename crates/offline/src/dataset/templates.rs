//! The words of questions and answers. `{0}` and `{1}` are the regions of a question in the order of its
//! mentions, `{m}` a length or a clock hour in the answer; `[0]` and `[1]` in an answer are those mentions.

/// A question with the answers that suit it. Where it has several, the first is given most often.
pub(crate) struct Template {
    /// With `{0}` and `{1}` for the regions.
    pub question: &'static str,
    /// With `{m}` for what is said.
    pub answers: &'static [&'static str],
}

const fn template(question: &'static str, answers: &'static [&'static str]) -> Template {
    Template { question, answers }
}

const APART: &[&str] = &[
    "{m}",
    "{m} apart.",
    "Region [0] and Region [1] are {m} apart.",
    "They are {m} apart.",
];
const AWAY: &[&str] = &[
    "{m}",
    "{m} away.",
    "Region [0] is {m} away from Region [1].",
];

/// The question that the product asks, with one form of answer alone: a small model then says it the same
/// way each time.
pub(crate) const DEFAULT_QUESTION: Template = template("How far is {0} from {1}?", &["{m}"]);

/// Between two regions.
pub(crate) const DIRECT_DISTANCE: &[Template] = &[
    template("What is the distance between {0} and {1}?", APART),
    template("How far apart are {0} and {1}?", APART),
    template("How much space separates {0} and {1}?", APART),
    template("Estimate the distance from {0} to {1}.", AWAY),
    template("How close does {0} come to {1}?", AWAY),
    template("Could you measure how far {0} is from {1}?", AWAY),
    template("{0} and {1}: what is the distance between the two?", APART),
];

/// Between two regions as seen from above.
pub(crate) const HORIZONTAL_DISTANCE: &[Template] = &[
    template(
        "How far apart are {0} and {1} horizontally?",
        &["{m}", "{m} apart horizontally."],
    ),
    template(
        "What is the horizontal distance between {0} and {1}?",
        &["{m}", "The horizontal distance is {m}."],
    ),
    template(
        "Seen from above, how far is {0} from {1}?",
        &["{m}", "Region [0] is {m} from Region [1], seen from above."],
    ),
];

/// Between two regions, to the side alone.
pub(crate) const SIDEWAYS_DISTANCE: &[Template] = &[
    template(
        "How far apart are {0} and {1} horizontally?",
        &["{m}", "{m} apart horizontally."],
    ),
    template(
        "What is the horizontal distance between {0} and {1}?",
        &["{m}", "The horizontal distance is {m}."],
    ),
    template(
        "How far to the side of {0} is {1}?",
        &["{m}", "Region [1] is {m} to the side of Region [0]."],
    ),
];

/// Between the heights of two regions.
pub(crate) const VERTICAL_DISTANCE: &[Template] = &[
    template(
        "How far apart are {0} and {1} vertically?",
        &["{m}", "{m} apart vertically."],
    ),
    template(
        "What is the vertical distance between {0} and {1}?",
        &["{m}", "The vertical distance is {m}."],
    ),
    template(
        "How much higher or lower is {0} than {1}?",
        &["{m}", "They are {m} apart in height."],
    ),
];

/// Of one region.
pub(crate) const WIDTH: &[Template] = &[
    template("How wide is {0}?", &["{m}", "Region [0] is {m} wide."]),
    template(
        "What is the width of {0}?",
        &["{m}", "The width of Region [0] is {m}."],
    ),
    template("Give the width of {0}.", &["{m}", "It is {m} wide."]),
];

/// Of one region.
pub(crate) const HEIGHT: &[Template] = &[
    template("How tall is {0}?", &["{m}", "Region [0] is {m} tall."]),
    template(
        "What is the height of {0}?",
        &["{m}", "The height of Region [0] is {m}."],
    ),
    template("Give the height of {0}.", &["{m}", "It is {m} tall."]),
];

/// The first region is where one stands, facing as the camera does.
pub(crate) const DIRECTION: &[Template] = &[
    template(
        "Standing at {0}, in which direction is {1}?",
        &["{m} o'clock", "Region [1] is at {m} o'clock."],
    ),
    template(
        "Seen from {0}, at which hour of the clock is {1}?",
        &["{m} o'clock", "At {m} o'clock from Region [0]."],
    ),
    template(
        "If {0} is the middle of a clock, towards which hour does {1} lie?",
        &["{m} o'clock", "Region [1] lies towards {m} o'clock."],
    ),
];

/// A comparison from both of its sides.
pub(crate) struct Poles {
    /// What the first region is to the second if it is more so.
    pub more: &'static str,
    /// What it is to the second if it is less so.
    pub less: &'static str,
    /// "Which one is ...?"
    pub most: &'static str,
    /// The other side of the same question.
    pub least: &'static str,
}

/// By place in the picture.
pub(crate) const LEFT_RIGHT: Poles = Poles {
    more: "to the left of",
    less: "to the right of",
    most: "further to the left",
    least: "further to the right",
};
/// By height against gravity.
pub(crate) const ABOVE_BELOW: Poles = Poles {
    more: "above",
    less: "below",
    most: "higher up",
    least: "lower down",
};
/// By distance from the camera.
pub(crate) const FRONT_BEHIND: Poles = Poles {
    more: "in front of",
    less: "behind",
    most: "nearer to the camera",
    least: "farther from the camera",
};
/// By volume.
pub(crate) const BIG_SMALL: Poles = Poles {
    more: "bigger than",
    less: "smaller than",
    most: "bigger",
    least: "smaller",
};
/// By height.
pub(crate) const TALL_SHORT: Poles = Poles {
    more: "taller than",
    less: "shorter than",
    most: "taller",
    least: "shorter",
};
/// By width.
pub(crate) const WIDE_THIN: Poles = Poles {
    more: "wider than",
    less: "thinner than",
    most: "wider",
    least: "thinner",
};

/// `{p}` is one of both poles.
pub(crate) const YES_OR_NO: &[&str] = &[
    "Is {0} {p} {1}?",
    "Would you say that {0} is {p} {1}?",
    "Is it right that {0} is {p} {1}?",
];
/// `{p}` is one of both superlatives.
pub(crate) const WHICH_ONE: &[&str] = &[
    "Which one is {p}, {0} or {1}?",
    "Of {0} and {1}, which is {p}?",
];

#[cfg(test)]
mod tests {
    use spatial_reward_core::prompt::format::DISTANCE_QUESTION;

    use super::DEFAULT_QUESTION;

    #[test]
    fn the_default_wording_is_what_bags_are_labelled_with() {
        let asked = DISTANCE_QUESTION
            .replace("<region0>", "{0}")
            .replace("<region1>", "{1}");
        assert_eq!(DEFAULT_QUESTION.question, asked);
    }
}
