//! From a scene to the turns of a conversation about it: which facts are asked for, in which words, and
//! what the answer is. What is asked follows from the scene and a seed alone.

mod paper;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use paper::ask_paper;

use super::scene::{Comparison, Scene};
use super::templates::{self, Poles, Template};
use super::wording::Unit;
use spatial_reward_core::random::Random;

/// In so many of a hundred answers the first form is given where there are several.
const FIRST_FORM_PERCENT: u64 = 60;
/// In so many of a hundred comparisons the answer is yes or no, else one of the two.
const YES_OR_NO_PERCENT: u64 = 50;

/// What a question is about; the paper's categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Category {
    /// Between two clouds.
    DirectDistance,
    /// Between two centres as seen from above.
    HorizontalDistance,
    /// Between the heights of two centres.
    VerticalDistance,
    /// The longer level side of a region.
    Width,
    /// The upright side of a region.
    Height,
    /// The hour of the clock at which one region is for another.
    Direction,
    /// Which of two is more so.
    Comparison(Comparison),
}

impl Category {
    /// All but direct distance, whose share is set apart.
    const OTHERS: [Self; 11] = [
        Self::HorizontalDistance,
        Self::VerticalDistance,
        Self::Width,
        Self::Height,
        Self::Direction,
        Self::Comparison(Comparison::LeftRight),
        Self::Comparison(Comparison::AboveBelow),
        Self::Comparison(Comparison::FrontBehind),
        Self::Comparison(Comparison::BigSmall),
        Self::Comparison(Comparison::TallShort),
        Self::Comparison(Comparison::WideThin),
    ];

    /// As it stands in the data set.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DirectDistance => "direct_distance",
            Self::HorizontalDistance => "horizontal_distance",
            Self::VerticalDistance => "vertical_distance",
            Self::Width => "width",
            Self::Height => "height",
            Self::Direction => "direction",
            Self::Comparison(Comparison::LeftRight) => "left_right",
            Self::Comparison(Comparison::AboveBelow) => "above_below",
            Self::Comparison(Comparison::FrontBehind) => "front_behind",
            Self::Comparison(Comparison::BigSmall) => "big_small",
            Self::Comparison(Comparison::TallShort) => "tall_short",
            Self::Comparison(Comparison::WideThin) => "wide_thin",
        }
    }

    /// It means nothing unless it is known which way is up.
    pub(crate) fn needs_gravity(self) -> bool {
        matches!(
            self,
            Self::HorizontalDistance
                | Self::VerticalDistance
                | Self::Height
                | Self::Direction
                | Self::Comparison(Comparison::AboveBelow | Comparison::TallShort)
        )
    }

    fn of_one_region(self) -> bool {
        matches!(self, Self::Width | Self::Height)
    }
}

/// A question about some regions, and its answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    /// What it is about.
    pub category: Category,
    /// With `{0}` and `{1}` for the regions mentioned.
    pub question: String,
    /// The regions' numbers in the order of their mentions.
    pub mentions: Vec<usize>,
    /// With `[0]` and `[1]` for the regions mentioned.
    pub answer: String,
}

/// How much is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wanted {
    /// Turns a frame, at most.
    pub questions: usize,
    /// The share of direct distances among them, where there are enough pairs.
    pub direct: f64,
    /// The share of direct distances that are asked in the product's words, beside the first, which always is.
    pub default_wording: f64,
}

/// The turns about a scene. The first asks, in the product's words, for the direct distance between
/// `first` (or any two regions); no two ask the same.
pub(crate) fn ask(
    scene: &Scene,
    first: Option<[usize; 2]>,
    wanted: Wanted,
    random: &mut Random,
) -> Vec<Turn> {
    let direct = (wanted.questions as f64 * wanted.direct).round() as usize;
    let direct = direct.min(wanted.questions);
    let mut turns = direct_distances(scene, first, direct, wanted.default_wording, random);
    turns.extend(other_facts(scene, wanted.questions - direct, random));
    let behind_first = usize::from(direct > 0).min(turns.len());
    random.shuffle(&mut turns[behind_first..]);
    turns
}

/// Each pair at most once: a second answer would only repeat what the conversation says already.
fn direct_distances(
    scene: &Scene,
    first: Option<[usize; 2]>,
    count: usize,
    default_wording: f64,
    random: &mut Random,
) -> Vec<Turn> {
    let default_percent = (100.0 * default_wording).round() as u64;
    let mut pairs = pairs(scene.regions());
    random.shuffle(&mut pairs);
    if let Some(first) = first {
        pairs.retain(|pair| !(pair.contains(&first[0]) && pair.contains(&first[1])));
        pairs.insert(0, first);
    }
    let turn = |(index, pair): (usize, [usize; 2])| {
        let is_first = index == 0;
        let mentions = match first {
            Some(_) if is_first => pair,
            _ => either_way(pair, random),
        };
        let metres = f64::from(scene.direct_m(mentions[0], mentions[1]));
        let default = is_first || random.below(100) < default_percent;
        let (template, said) = if default {
            // One form of answer, so one unit too.
            (
                &templates::DEFAULT_QUESTION,
                Unit::Inches.say_in_columns(metres),
            )
        } else {
            let template = pick(templates::DIRECT_DISTANCE, random);
            (template, Unit::drawn(metres, random).say(metres))
        };
        worded(Category::DirectDistance, template, &mentions, &said, random)
    };
    pairs
        .into_iter()
        .take(count)
        .enumerate()
        .map(turn)
        .collect()
}

/// Facts of all categories that the scene has, as evenly as it has them.
fn other_facts(scene: &Scene, count: usize, random: &mut Random) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut asked = BTreeSet::new();
    let mut open: Vec<Category> = Vec::new();
    let known = |category: &Category| scene.has_gravity() || !category.needs_gravity();
    let mut exhausted = false;
    while turns.len() < count && !exhausted {
        if open.is_empty() {
            open = Category::OTHERS.into_iter().filter(known).collect();
            random.shuffle(&mut open);
            exhausted = true;
        }
        while let Some(category) = open.pop() {
            if turns.len() == count {
                break;
            }
            if let Some(turn) = fact(scene, category, &mut asked, random) {
                turns.push(turn);
                exhausted = false;
            }
        }
    }
    turns
}

/// One fact of a category that was not asked for yet.
fn fact(
    scene: &Scene,
    category: Category,
    asked: &mut BTreeSet<(Category, Vec<usize>)>,
    random: &mut Random,
) -> Option<Turn> {
    let mut subjects: Vec<Vec<usize>> = if category.of_one_region() {
        (0..scene.regions()).map(|region| vec![region]).collect()
    } else {
        pairs(scene.regions()).into_iter().map(Vec::from).collect()
    };
    random.shuffle(&mut subjects);
    subjects.into_iter().find_map(|subject| {
        if asked.contains(&(category, subject.clone())) {
            return None;
        }
        let mentions = match *subject {
            [a, b] => either_way([a, b], random).to_vec(),
            _ => subject.clone(),
        };
        let turn = turn(scene, category, &mentions, random)?;
        asked.insert((category, subject));
        Some(turn)
    })
}

fn turn(
    scene: &Scene,
    category: Category,
    mentions: &[usize],
    random: &mut Random,
) -> Option<Turn> {
    let (a, b) = (*mentions.first()?, *mentions.last()?);
    let length = |metres: f32, random: &mut Random| {
        let metres = f64::from(metres);
        Unit::drawn(metres, random).say(metres)
    };
    let (templates, said) = match category {
        Category::DirectDistance => (
            templates::DIRECT_DISTANCE,
            length(scene.direct_m(a, b), random),
        ),
        Category::HorizontalDistance => (
            match scene.is_of_paper() {
                true => templates::SIDEWAYS_DISTANCE,
                false => templates::HORIZONTAL_DISTANCE,
            },
            length(scene.horizontal_m(a, b), random),
        ),
        Category::VerticalDistance => (
            templates::VERTICAL_DISTANCE,
            length(scene.vertical_m(a, b), random),
        ),
        Category::Width => (templates::WIDTH, length(scene.width_m(a), random)),
        Category::Height => (templates::HEIGHT, length(scene.height_m(a), random)),
        Category::Direction => (templates::DIRECTION, scene.clock_hour(a, b)?.to_string()),
        Category::Comparison(comparison) => {
            let more = scene.compare(comparison, a, b)?;
            return Some(compared(
                category,
                poles(comparison),
                more,
                mentions,
                random,
            ));
        }
    };
    let template = pick(templates, random);
    Some(worded(category, template, mentions, &said, random))
}

fn worded(
    category: Category,
    template: &Template,
    mentions: &[usize],
    said: &str,
    random: &mut Random,
) -> Turn {
    let answer = match template.answers {
        [first, others @ ..] if others.is_empty() || random.below(100) < FIRST_FORM_PERCENT => {
            first
        }
        [_, others @ ..] => pick(others, random),
        [] => "{m}",
    };
    Turn {
        category,
        question: template.question.to_owned(),
        mentions: mentions.to_vec(),
        answer: answer.replace("{m}", said),
    }
}

fn poles(comparison: Comparison) -> &'static Poles {
    match comparison {
        Comparison::LeftRight => &templates::LEFT_RIGHT,
        Comparison::AboveBelow => &templates::ABOVE_BELOW,
        Comparison::FrontBehind => &templates::FRONT_BEHIND,
        Comparison::BigSmall => &templates::BIG_SMALL,
        Comparison::TallShort => &templates::TALL_SHORT,
        Comparison::WideThin => &templates::WIDE_THIN,
    }
}

/// `more`: the first region mentioned is more so than the second.
fn compared(
    category: Category,
    poles: &Poles,
    more: bool,
    mentions: &[usize],
    random: &mut Random,
) -> Turn {
    let for_more = random.below(2) == 0;
    let asked = Asked {
        for_more,
        as_predicate: random.below(100) < YES_OR_NO_PERCENT,
    };
    said(category, poles, more, mentions, asked, random)
}

/// How a comparison is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// By the pole that is more, or that is less.
    for_more: bool,
    /// Whether one is so, or which one is.
    as_predicate: bool,
}

fn said(
    category: Category,
    poles: &Poles,
    more: bool,
    mentions: &[usize],
    asked: Asked,
    random: &mut Random,
) -> Turn {
    let (question, answer) = if asked.as_predicate {
        let pole = match asked.for_more {
            true => poles.more,
            false => poles.less,
        };
        let (yes, is) = (
            if more == asked.for_more { "Yes" } else { "No" },
            if more { poles.more } else { poles.less },
        );
        let question = pick(templates::YES_OR_NO, random).replace("{p}", pole);
        (question, format!("{yes}, Region [0] is {is} Region [1]."))
    } else {
        let pole = match asked.for_more {
            true => poles.most,
            false => poles.least,
        };
        let which = usize::from(more != asked.for_more);
        let question = pick(templates::WHICH_ONE, random).replace("{p}", pole);
        (question, format!("Region [{which}] is {pole}."))
    };
    Turn {
        category,
        question,
        mentions: mentions.to_vec(),
        answer,
    }
}

fn pairs(regions: usize) -> Vec<[usize; 2]> {
    let with_later = |a: usize| (a + 1..regions).map(move |b| [a, b]);
    (0..regions).flat_map(with_later).collect()
}

fn either_way([a, b]: [usize; 2], random: &mut Random) -> [usize; 2] {
    if random.below(2) == 0 { [a, b] } else { [b, a] }
}

/// One of a list that is written out above, so not empty.
fn pick<'a, T>(list: &'a [T], random: &mut Random) -> &'a T {
    &list[random.below(list.len() as u64) as usize]
}
