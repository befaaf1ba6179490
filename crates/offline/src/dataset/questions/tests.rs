//! What is asked about made-up scenes, and whether the answers are true.

use super::*;
use crate::dataset::scene::Cloud;
use crate::dataset::shape::Axes;
use spatial_reward_core::answer::parse_distance;
use spatial_reward_core::geometry::Point;

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
    default_wording: 0.5,
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
                Unit::Metres.rounding_m()
            } else {
                Unit::Feet.rounding_m()
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
                assert!(off <= unit.rounding_m(), "{metres}: {answer}");
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
            let (whole, decimals) = number.split_once('.').unwrap();
            assert!(number.parse::<f64>().is_ok(), "{number}");
            assert_eq!((whole.len(), decimals.len()), (2, 2), "{number}");
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
fn direct_distances_are_asked_in_one_wording_if_so_wanted() {
    // Given a scene about which nothing but distances is asked, in the product's words
    let mut random = Random(2);
    let scene = scene(5, true, &mut random);
    let wanted = Wanted {
        direct: 1.0,
        default_wording: 1.0,
        ..WANTED
    };

    let turns = ask(&scene, Some([0, 1]), wanted, &mut random);

    // Then all questions are the same but for their regions, and all answers in one unit
    assert_eq!(turns.len(), 8);
    for turn in &turns {
        assert_eq!(turn.question, templates::DEFAULT_QUESTION.question);
        assert!(turn.answer.ends_with(" inches"), "{}", turn.answer);
    }
    let mixed = ask(
        &scene,
        Some([0, 1]),
        Wanted {
            direct: 1.0,
            ..WANTED
        },
        &mut random,
    );
    let asked: BTreeSet<_> = mixed.iter().map(|turn| &turn.question).collect();
    assert!(asked.len() > 1);
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
            ..WANTED
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
        let offset = |i: usize| Point::new(x + (i % 5) as f32 * 0.01, (i / 5) as f32 * 0.01, 1.0);
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
