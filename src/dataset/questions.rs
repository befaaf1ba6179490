//! From a scene to the turns of a conversation about it: which facts are asked for, in which words, and
//! what the answer is. What is asked follows from the scene and a seed alone.

use std::collections::BTreeSet;

use super::scene::{Comparison, Scene};
use super::templates::{self, Poles, Template};
use super::wording::Unit;
use crate::random::Random;

/// In so many of a hundred direct distances that are not the first the product's question is asked too.
const DEFAULT_WORDING_PERCENT: u64 = 50;
/// In so many of a hundred answers the first form is given where there are several.
const FIRST_FORM_PERCENT: u64 = 60;
/// In so many of a hundred comparisons the answer is yes or no, else one of the two.
const YES_OR_NO_PERCENT: u64 = 50;

/// What a question is about; the paper's categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    DirectDistance,
    HorizontalDistance,
    VerticalDistance,
    Width,
    Height,
    Direction,
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
    pub fn name(self) -> &'static str {
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
    pub fn needs_gravity(self) -> bool {
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
pub struct Turn {
    pub category: Category,
    /// With `{0}` and `{1}` for the regions mentioned.
    pub question: String,
    /// The regions' numbers in the order of their mentions.
    pub mentions: Vec<usize>,
    pub answer: String,
}

/// How much is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Turns a frame, at most.
    pub questions: usize,
    /// The share of direct distances among them, where there are enough pairs.
    pub direct: f64,
}

/// The turns about a scene. The first asks, in the product's words, for the direct distance between
/// `first` (or any two regions); no two ask the same.
pub fn ask(
    scene: &Scene,
    first: Option<[usize; 2]>,
    wanted: Wanted,
    random: &mut Random,
) -> Vec<Turn> {
    let direct = (wanted.questions as f64 * wanted.direct).round() as usize;
    let mut turns = direct_distances(scene, first, direct.min(wanted.questions), random);
    let others = wanted.questions - direct.min(wanted.questions);
    turns.extend(other_facts(scene, others, random));
    let behind_first = usize::from(direct > 0).min(turns.len());
    shuffle(&mut turns[behind_first..], random);
    turns
}

/// Each pair at most once: a second answer would only repeat what the conversation says already.
fn direct_distances(
    scene: &Scene,
    first: Option<[usize; 2]>,
    count: usize,
    random: &mut Random,
) -> Vec<Turn> {
    let mut pairs = pairs(scene.regions());
    shuffle(&mut pairs, random);
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
        let default = is_first || random.below(100) < DEFAULT_WORDING_PERCENT;
        let (template, said) = if default {
            // One form of answer, so one unit too.
            (&templates::DEFAULT_QUESTION, Unit::Inches.say(metres))
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
            shuffle(&mut open, random);
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
    shuffle(&mut subjects, random);
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
            templates::HORIZONTAL_DISTANCE,
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
    let asks_for_more = random.below(2) == 0;
    let (question, answer) = if random.below(100) < YES_OR_NO_PERCENT {
        let asked = if asks_for_more {
            poles.more
        } else {
            poles.less
        };
        let (yes, is) = (
            if more == asks_for_more { "Yes" } else { "No" },
            if more { poles.more } else { poles.less },
        );
        let question = pick(templates::YES_OR_NO, random).replace("{p}", asked);
        (question, format!("{yes}, Region [0] is {is} Region [1]."))
    } else {
        let asked = if asks_for_more {
            poles.most
        } else {
            poles.least
        };
        let which = usize::from(more != asks_for_more);
        let question = pick(templates::WHICH_ONE, random).replace("{p}", asked);
        (question, format!("Region [{which}] is {asked}."))
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

/// Fisher and Yates.
fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for last in (1..list.len()).rev() {
        list.swap(last, random.below(last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Cloud;
    use super::super::shape::Axes;
    use super::super::wording::tests::rounding_m;
    use super::*;
    use crate::answer::parse_distance;
    use crate::geometry::Point;

    /// A scene of small faces at chance places before a level camera.
    fn scene(regions: usize, gravity: bool, random: &mut Random) -> Scene {
        let mut unit = || random.unit() as f32;
        let clouds = (0..regions).map(|_| {
            let center = Point::new(unit() - 0.5, unit() - 0.5, unit() + 0.5);
            let (width, height) = (0.02 + 0.1 * unit(), 0.02 + 0.1 * unit());
            let at = |n: usize, side: f32| side * (n as f32 / 9.0 - 0.5);
            let offset = |i: usize| Point::new(at(i % 10, width), at(i / 10, height), 0.0);
            Cloud::of((0..100).map(|i| center + offset(i)).collect())
        });
        let up = gravity.then(|| Point::new(0.0, -9.81, 0.0));
        Scene::new(clouds.collect(), Axes::new(up))
    }

    const WANTED: Wanted = Wanted {
        questions: 8,
        direct: 0.5,
    };

    #[test]
    fn every_direct_distance_is_read_back_from_its_answer() {
        let mut random = Random(11);
        let mut seen = BTreeSet::new();
        for _ in 0..500 {
            // given what is asked about a scene
            let scene = scene(5, true, &mut random);
            let turns = ask(&scene, Some([0, 1]), WANTED, &mut random);
            for turn in turns {
                if turn.category != Category::DirectDistance {
                    continue;
                }
                // when the answer is read as the labeller reads a model's
                let read = parse_distance(&turn.answer);
                // then it is the distance, within the rounding of the coarsest unit
                let read = read.unwrap_or_else(|| panic!("{}", turn.answer)).distance_m;
                let true_m = f64::from(scene.direct_m(turn.mentions[0], turn.mentions[1]));
                let rounding = if turn.answer.contains("meters") && !turn.answer.contains("centi") {
                    rounding_m(Unit::Metres)
                } else {
                    rounding_m(Unit::Feet)
                };
                assert!(
                    (read - true_m).abs() <= rounding,
                    "{true_m}: {}",
                    turn.answer
                );
                seen.insert(turn.question);
            }
        }
        assert_eq!(seen.len(), templates::DIRECT_DISTANCE.len() + 1, "{seen:?}");
    }

    #[test]
    fn lengths_of_all_categories_are_read_back_from_their_answers() {
        let lists = [
            templates::DIRECT_DISTANCE,
            templates::HORIZONTAL_DISTANCE,
            templates::VERTICAL_DISTANCE,
            templates::WIDTH,
            templates::HEIGHT,
        ];
        let units = [Unit::Centimetres, Unit::Inches, Unit::Feet, Unit::Metres];
        let mut random = Random(5);
        for template in lists.into_iter().flatten() {
            for form in template.answers {
                for unit in units {
                    let metres = 3.0 * random.unit();
                    let answer = form.replace("{m}", &unit.say(metres));
                    let read = parse_distance(&answer).unwrap_or_else(|| panic!("{answer}"));
                    let off = (read.distance_m - metres).abs();
                    assert!(off <= rounding_m(unit), "{metres}: {answer}");
                }
            }
        }
    }

    #[test]
    fn the_first_question_is_the_products_and_has_one_form_of_answer() {
        let mut random = Random(2);
        for _ in 0..200 {
            let scene = scene(4, false, &mut random);
            let turns = ask(&scene, Some([0, 1]), WANTED, &mut random);
            let first = &turns[0];
            assert_eq!(first.question, "How far is {0} from {1}?");
            assert_eq!(first.mentions, [0, 1]);
            for turn in turns.iter().filter(|turn| turn.question == first.question) {
                let number = turn.answer.strip_suffix(" inches").unwrap();
                let (_, decimals) = number.split_once('.').unwrap();
                assert!(
                    number.parse::<f64>().is_ok() && decimals.len() == 2,
                    "{number}"
                );
            }
        }
    }

    #[test]
    fn half_of_the_questions_are_direct_distances_and_none_is_asked_twice() {
        let mut random = Random(9);
        let scene = scene(5, true, &mut random);
        let turns = ask(&scene, Some([0, 1]), WANTED, &mut random);
        let direct = turns
            .iter()
            .filter(|turn| turn.category == Category::DirectDistance);
        assert_eq!((turns.len(), direct.count()), (8, 4));
        let asked: BTreeSet<_> = (turns.iter())
            .map(|turn| {
                let mut regions = turn.mentions.clone();
                regions.sort_unstable();
                (turn.category, regions)
            })
            .collect();
        assert_eq!(asked.len(), turns.len());
    }

    #[test]
    fn two_regions_are_asked_about_as_far_as_there_is_something_to_ask() {
        let mut random = Random(4);
        let scene = scene(2, false, &mut random);
        let turns = ask(
            &scene,
            None,
            Wanted {
                questions: 100,
                direct: 0.5,
            },
            &mut random,
        );
        let direct = turns
            .iter()
            .filter(|turn| turn.category == Category::DirectDistance);
        assert_eq!(direct.count(), 1);
        assert!(turns.len() > 2 && turns.len() < 20, "{}", turns.len());
    }

    #[test]
    fn without_gravity_nothing_is_asked_that_needs_it() {
        let mut random = Random(6);
        let mut categories = BTreeSet::new();
        for _ in 0..100 {
            let scene = scene(4, false, &mut random);
            let turns = ask(&scene, None, WANTED, &mut random);
            categories.extend(turns.iter().map(|turn| turn.category));
        }
        assert!(categories.iter().all(|category| !category.needs_gravity()));
        assert!(categories.len() >= 4, "{categories:?}");
    }

    #[test]
    fn answers_to_comparisons_are_true() {
        let mut random = Random(8);
        // given a region left of the other
        let face = |x: f32| {
            let offset =
                |i: usize| Point::new(x + (i % 5) as f32 * 0.01, (i / 5) as f32 * 0.01, 1.0);
            Cloud::of((0..25).map(offset).collect())
        };
        let scene = Scene::new(vec![face(0.0), face(0.4)], Axes::new(None));
        let category = Category::Comparison(Comparison::LeftRight);
        for _ in 0..200 {
            // when it is asked which is where
            let mentions = either_way([0, 1], &mut random);
            let turn = turn(&scene, category, &mentions, &mut random).unwrap();
            // then the answer names it rightly, in the numbers of the mentions
            let left = mentions.iter().position(|&region| region == 0).unwrap();
            let expected = match turn.answer.as_str() {
                "Region [0] is further to the left." => left == 0,
                "Region [1] is further to the left." => left == 1,
                "Region [0] is further to the right." => left == 1,
                "Region [1] is further to the right." => left == 0,
                "Yes, Region [0] is to the left of Region [1]."
                | "No, Region [0] is to the left of Region [1]." => left == 0,
                "Yes, Region [0] is to the right of Region [1]."
                | "No, Region [0] is to the right of Region [1]." => left == 1,
                other => panic!("{other}"),
            };
            assert!(expected, "{turn:?}");
            if let Some((yes_or_no, said)) = turn.answer.split_once(", ") {
                let side = |text: &str| text.contains("to the left of");
                assert_eq!(
                    yes_or_no == "Yes",
                    side(said) == side(&turn.question),
                    "{turn:?}"
                );
            }
        }
    }
}
