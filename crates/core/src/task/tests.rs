//! Tasks by hand: cameras that agree and contradict each other, conditions in doubt, phases, ends, and what is not known.

use std::collections::BTreeMap;

use super::{Machine, Observed, Observer, Outcome, Seen, TaskRewarder, Value, fused};
use crate::estimator::Profile;
use crate::frame::{
    DistanceKind, Measurement, Reason, RegionInSpace, RegionsInSpace, StandingPlane,
};
use crate::pipeline::{FrameInfo, Rewarder};
use crate::settings::{Config, Pair, Quantity, Settings};
use crate::step::Latency;

const SECOND: i64 = 1_000_000_000;

fn settings(task: &str) -> Settings {
    let text = format!("reward: {{kind: task, gamma: 1.0}}\ntask: {task}");
    Settings::new(Config::from_yaml(&text).unwrap(), Profile::GEOMETRY).unwrap()
}

fn pair() -> Pair {
    "fingertip-target".parse().unwrap()
}

fn seen(camera: &str, surface_m: f64, std_m: f64) -> Seen {
    Seen {
        camera: camera.to_owned(),
        pair: pair(),
        measured: Ok(Measurement {
            surface_m: Some(surface_m),
            surface_std_m: Some(std_m),
            ..Measurement::default()
        }),
    }
}

fn lost(camera: &str, reason: Reason) -> Seen {
    Seen {
        measured: Err(reason),
        ..seen(camera, 0.0, 0.0)
    }
}

fn fuse(seen: &[Seen]) -> Result<super::PairReading, Reason> {
    fused(
        &seen.iter().collect::<Vec<_>>(),
        DistanceKind::Surface,
        10.0,
    )
}

#[test]
fn cameras_that_agree_are_weighted_by_inverse_variance() {
    // Given one camera that is twice as sure as the other
    let reading = fuse(&[seen("front", 0.10, 0.01), seen("side", 0.13, 0.02)]).unwrap();
    // Then it counts four times as much, and both together are surer than each
    assert!((reading.distance_m - 0.106).abs() < 1e-12);
    assert!((reading.std_m.unwrap() - 0.01 / 1.25_f64.sqrt()).abs() < 1e-12);
    assert_eq!(reading.cameras, ["front", "side"]);
    assert!(reading.disagreeing.is_empty());
}

#[test]
fn a_camera_that_contradicts_the_others_is_named_and_not_averaged() {
    // Given two cameras that agree and a third that is 20 cm off, and sure of it
    let three = [
        seen("a", 0.10, 0.01),
        seen("b", 0.30, 0.005),
        seen("c", 0.11, 0.01),
    ];
    let reading = fuse(&three).unwrap();
    // Then the third is named
    assert_eq!(reading.disagreeing, ["b"]);
    assert!((reading.distance_m - 0.105).abs() < 1e-12);
    // and of two that contradict each other the one that sees the surfaces nearer to each other is taken
    let two = fuse(&[seen("a", 0.10, 0.01), seen("b", 0.30, 0.005)]).unwrap();
    assert_eq!(
        (two.distance_m, two.disagreeing),
        (0.10, vec!["b".to_owned()])
    );
}

#[test]
fn rounding_decides_between_no_two_cameras() {
    // Given two cameras whose contradictions differ in the last bit
    let two = fuse(&[seen("a", 0.002, 0.002), seen("b", 0.046, 0.009)]).unwrap();
    // Then the nearer surfaces count, as always
    assert_eq!(two.distance_m, 0.002);
}

#[test]
fn of_two_centres_that_contradict_each_other_the_surer_one_is_taken() {
    // Given two cameras whose centres are 20 cm apart
    let center = |camera: &str, center_m: f64, std_m: f64| Seen {
        measured: Ok(Measurement {
            center_m: Some(center_m),
            center_std_m: Some(std_m),
            ..Measurement::default()
        }),
        ..seen(camera, 0.0, 0.0)
    };
    let two = [center("a", 0.10, 0.01), center("b", 0.30, 0.005)];
    // When they are made one
    let one = super::fused(&two.each_ref(), DistanceKind::Center, 10.0).unwrap();
    // Then
    assert_eq!(
        (one.distance_m, one.disagreeing),
        (0.30, vec!["a".to_owned()])
    );
}

#[test]
fn what_one_camera_lost_the_other_carries() {
    let reading = fuse(&[lost("front", Reason::LostBox), seen("side", 0.2, 0.01)]).unwrap();
    assert_eq!(
        (reading.distance_m, reading.cameras),
        (0.2, vec!["side".to_owned()])
    );
    // and where all of them lost it, the first one's reason counts
    let both = fuse(&[
        lost("front", Reason::LostBox),
        lost("side", Reason::NoDepth),
    ]);
    assert_eq!(both, Err(Reason::LostBox));
    // and a distance that cannot be is none
    let far = fuse(&[seen("front", 11.0, 0.1)]);
    assert_eq!(far, Err(Reason::ImplausibleDistance));
}

/// Moments at which the pair's distance is known or not, in tenths of a second.
fn walk(settings: &Settings, moments: &[Option<(f64, f64)>]) -> Vec<Outcome> {
    let mut machine = Machine::new(settings);
    let quantity = Quantity::Distance(pair());
    let each = moments.iter().zip(0..).map(|(known, at)| {
        let value = known.map(|(value, std)| Value {
            value,
            std: Some(std),
        });
        let observed = Observed {
            quantities: [(quantity.clone(), value.ok_or(Reason::LostBox))].into(),
            pairs: Vec::new(),
        };
        machine.push(at * SECOND / 10, &observed)
    });
    each.collect()
}

const REACH: &str = "{phases: [{name: reach, potential: {distance: fingertip-target, from: 0.5},
    next: [{to: success, when: [{distance: fingertip-target, below: 0.02}]}]}]}";

#[test]
fn a_condition_in_doubt_holds_after_its_hold_and_a_sure_one_at_once() {
    let settings = settings(REACH);
    // Given a distance below the limit by less than two standard deviations
    let doubtful = [
        Some((0.3, 0.01)),
        Some((0.015, 0.01)),
        Some((0.015, 0.01)),
        Some((0.015, 0.01)),
    ];
    let phases: Vec<String> = walk(&settings, &doubtful)
        .into_iter()
        .map(|outcome| outcome.phase)
        .collect();
    // Then it takes 0.2 s
    assert_eq!(phases, ["reach", "reach", "reach", "success"]);
    // and one that is below by more is believed
    let sure = walk(&settings, &[Some((0.3, 0.01)), Some((0.015, 0.002))]);
    assert!(sure[1].success && sure[1].entered_end && !sure[0].success);
    assert!(
        (sure[1].reward - (2.0 - 0.4)).abs() < 1e-12,
        "{}",
        sure[1].reward
    );
}

#[test]
fn an_unknown_distance_gives_no_reward_and_breaks_no_hold() {
    let settings = settings(REACH);
    // Given a hold in which one moment is not seen
    let moments = [
        Some((0.3, 0.01)),
        Some((0.015, 0.01)),
        None,
        Some((0.019, 0.01)),
    ];
    let outcomes = walk(&settings, &moments);
    // Then that moment has its reason and no reward, and the hold is over in time
    assert_eq!(outcomes[2].progress, Err(Reason::LostBox));
    assert!(outcomes[2].reward.is_nan() && outcomes[2].potential.is_nan());
    assert!(outcomes[3].success);
    // and what the others were worth adds up as if it had not been there
    let sum: f64 = [0, 1, 3]
        .iter()
        .map(|at: &usize| outcomes[*at].reward)
        .sum();
    assert!((sum - (2.0 - 0.4)).abs() < 1e-12, "{sum}");
}

#[test]
fn hysteresis_keeps_what_holds_from_flickering() {
    let settings = settings(REACH);
    // Given a distance that trembles around the limit
    let trembling = [0.019, 0.0235, 0.019, 0.0235].map(|distance| Some((distance, 0.01)));
    assert!(
        walk(&settings, &trembling)[2].success,
        "0.0235 is within a fifth of the limit"
    );
    let leaving = [0.019, 0.025, 0.019, 0.019].map(|distance| Some((distance, 0.01)));
    assert!(!walk(&settings, &leaving)[3].success);
}

#[test]
fn what_must_last_lasts_however_sure_it_is() {
    // Given a task that asks for a touch of 0.2 s
    let settings = settings(
        "{phases: [{name: reach, next: [{to: success, when: [{distance: fingertip-target, below: 0.02, for_s: 0.2}]}]}]}",
    );
    // When the touch is beyond doubt from its first moment
    let sure = [0.3, 0.01, 0.01, 0.01].map(|distance| Some((distance, 0.001)));
    // Then it counts no earlier
    let solved: Vec<bool> = (walk(&settings, &sure).into_iter())
        .map(|outcome| outcome.success)
        .collect();
    assert_eq!(solved, [false, false, false, true]);
}

#[test]
fn a_condition_on_what_may_not_be_known_stands_in_nobodys_way() {
    // Given a touch with a gripper that is to be closed, where that is known
    let task = |if_known: &str| {
        format!(
            "{{gripper_topic: /joints, phases: [{{name: reach, next: [{{to: success, when: [
             {{distance: fingertip-target, below: 0.02, hold_s: 0}}, {{opening: gripper, below: 0.05, hold_s: 0{if_known}}}]}}]}}]}}"
        )
    };
    // When nobody tells how far it is open
    let touch = [0.3, 0.01].map(|distance| Some((distance, 0.001)));
    let solves = |if_known: &str| walk(&settings(&task(if_known)), &touch)[1].success;
    // Then only a condition that asks for it in any case is not met
    assert!(solves(", if_known: true"));
    assert!(!solves(""));

    // And where it was told that it is open, a moment without it does not close it
    let settings = settings(&task(", if_known: true"));
    let opening = Quantity::Opening(crate::settings::Gripper::Gripper);
    let known = |value| {
        Ok(Value {
            value,
            std: Some(0.0),
        })
    };
    let moment = |distance, opening_m: Result<Value, Reason>| Observed {
        quantities: BTreeMap::from([
            (Quantity::Distance(pair()), known(distance)),
            (opening.clone(), opening_m),
        ]),
        pairs: Vec::new(),
    };
    let mut machine = Machine::new(&settings);
    machine.push(0, &moment(0.3, known(0.08)));
    let gap = machine.push(SECOND, &moment(0.01, Err(Reason::NoTransform)));
    assert!(!gap.success);
}

#[test]
fn a_frame_with_a_wild_stamp_moves_nothing() {
    // Given a task that is solved by a touch
    let settings = settings(REACH);
    let mut rewarder = Rewarder::new(&settings);
    let mut task = TaskRewarder::new(&settings);
    let mut push = |at: i64, reason: Option<Reason>, surface_m: f64| {
        let info = FrameInfo {
            reason,
            ..FrameInfo::at(at * SECOND / 10)
        };
        let seen = seen("", surface_m, 0.001);
        let own = reason.map_or_else(|| seen.measured.clone(), Err);
        let mut step = rewarder.push(info, own, Latency::default());
        task.push(&mut step, &[seen], None);
        step
    };
    push(0, None, 0.3);
    // When a picture of some other time shows the touch
    let wild = push(90, Some(Reason::WildStamp), 0.01);
    // Then it is no success and has no reward, and the next one goes on from before
    assert!(!wild.success && wild.reward.is_nan());
    assert_eq!(wild.reason, Some(Reason::WildStamp));
    assert_eq!(wild.task.unwrap().phase, "reach");
    let next = push(1, None, 0.25);
    assert!(
        next.reward.is_finite() && next.reward > 0.0,
        "{}",
        next.reward
    );
}

#[test]
fn a_phase_falls_back_and_the_potential_with_it() {
    // Given a task in which what is carried may be dropped
    let settings = settings(
        "{phases: [
        {name: reach, potential: {distance: fingertip-target, from: 0.5},
         next: [{to: carry, when: [{distance: fingertip-target, below: 0.02, hold_s: 0}]}]},
        {name: carry, next: [{to: reach, when: [{distance: fingertip-target, above: 0.1, hold_s: 0}]},
                             {to: success, when: [{distance: fingertip-target, above: 5, hold_s: 0}]}]}],
        anywhere: [{to: failure, when: [{distance: fingertip-target, above: 1, hold_s: 0}]}]}",
    );
    let outcomes = walk(
        &settings,
        &[0.25, 0.01, 0.01, 0.25, 2.0, 0.01].map(|distance| Some((distance, 0.0))),
    );
    let phases: Vec<&str> = outcomes
        .iter()
        .map(|outcome| outcome.phase.as_str())
        .collect();
    assert_eq!(
        phases,
        ["reach", "carry", "carry", "reach", "failure", "failure"]
    );
    // Then what was won is lost again, and the end has no potential
    assert!((outcomes[1].reward + outcomes[3].reward).abs() < 1e-12);
    assert_eq!(
        (
            outcomes[4].potential,
            outcomes[4].failure,
            outcomes[4].entered_end
        ),
        (0.0, true, true)
    );
    assert_eq!((outcomes[5].reward, outcomes[5].entered_end), (0.0, false));
}

/// A thing of 4 cm seen by a camera that looks straight down on a table 1 m below: its middle, and its lowest part's height.
fn thing(x: f32, y: f32, bottom_m: f32) -> RegionInSpace {
    column(x, y, bottom_m, 0.04)
}

/// One of so many metres' height.
fn column(x: f32, y: f32, bottom_m: f32, height_m: f32) -> RegionInSpace {
    let at = |dx: f32, dy: f32, height: f32| [x + dx, y + dy, 1.0 - height];
    let mut points = Vec::new();
    for dx in [-0.02, 0.0, 0.02] {
        for dy in [-0.02, 0.0, 0.02] {
            let heights = (0..=20).map(|step| height_m * step as f32 / 20.0);
            points.extend(heights.map(|above| at(dx, dy, bottom_m + above)));
        }
    }
    RegionInSpace {
        center: at(0.0, 0.0, bottom_m + height_m / 2.0),
        points,
        stands_on: Some(StandingPlane {
            up: [0.0, 0.0, -1.0],
            camera_m: 1.0,
        }),
        axis: None,
    }
}

fn in_space(first: RegionInSpace, second: RegionInSpace, surface_m: f64) -> Seen {
    let mut seen = seen("", surface_m, 0.003);
    if let Ok(measured) = &mut seen.measured {
        let regions = RegionsInSpace {
            fingertip: first,
            target: second,
        };
        measured.in_space = Some(Box::new(regions));
    }
    seen
}

#[test]
fn heights_and_what_lies_on_what_are_told_against_the_table_of_the_beginning() {
    // Given a task that speaks of them
    let settings = settings(
        "{phases: [{name: a, next: [{to: success, when: [{height: fingertip, above: 0.05}, {moved: fingertip, above: 0.1},
          {rests_on: fingertip-target}, {inside: fingertip-target, is: false}, {beside: fingertip-target, below: 1}]}]}]}",
    );
    let mut observer = Observer::new(&settings);
    let mut of = |seen: Seen| {
        let observed = observer.observe(&[seen], None);
        let value = |name: &str| {
            let found = observed
                .quantities
                .iter()
                .find(|(quantity, _)| quantity.to_string().starts_with(name));
            found.unwrap().1.unwrap().value
        };
        ["height", "moved", "rests_on", "inside", "beside"].map(value)
    };
    let near = |own: [f64; 5], expected: [f64; 5]| {
        let apart = own
            .iter()
            .zip(expected)
            .map(|(own, expected)| (own - expected).abs());
        assert!(
            apart.fold(0.0, f64::max) < 1e-3,
            "{own:?}, expected {expected:?}"
        );
    };
    // When it stands beside the other
    near(
        of(in_space(thing(0.0, 0.0, 0.0), thing(0.2, 0.0, 0.0), 0.16)),
        [0.0, 0.0, 0.0, 0.0, 0.2],
    );
    // and is lifted, the table out of sight
    let mut lifted = thing(0.1, 0.0, 0.1);
    lifted.stands_on = None;
    near(
        of(in_space(lifted, thing(0.2, 0.0, 0.0), 0.09)),
        [0.1, 0.02_f64.sqrt(), 0.0, 0.0, 0.1],
    );
    // and put on the other
    near(
        of(in_space(thing(0.2, 0.0, 0.04), thing(0.2, 0.0, 0.0), 0.0)),
        [0.04, 0.0416_f64.sqrt(), 1.0, 0.0, 0.0],
    );
    // and into it, then over it without touching
    near(
        of(in_space(thing(0.2, 0.0, 0.01), thing(0.2, 0.0, 0.0), 0.0))[..4]
            .try_into()
            .map(|[a, b, c, d]: [f64; 4]| [a, b, c, d, 0.0])
            .unwrap(),
        [0.01, 0.0401_f64.sqrt(), 0.0, 1.0, 0.0],
    );
    near(
        of(in_space(thing(0.2, 0.0, 0.12), thing(0.2, 0.0, 0.0), 0.08)),
        [0.12, 0.0544_f64.sqrt(), 0.0, 0.0, 0.0],
    );
}

#[test]
fn what_was_hidden_by_the_box_that_it_is_in_was_on_it() {
    // Given a peg of 10 cm that stands beside a box of 7 cm
    let settings = settings(
        "{phases: [{name: a, next: [{to: success, when: [{inside: fingertip-target}]}]}]}",
    );
    let mut observer = Observer::new(&settings);
    let goal = || column(0.2, 0.0, 0.0, 0.07);
    let mut is_inside = |own: RegionInSpace| {
        let observed = observer.observe(&[in_space(own, goal(), 0.0)], None);
        let (_, value) = observed.quantities.into_iter().next().unwrap();
        value.unwrap().value > 0.5
    };
    let shown = |bottom_m: f32, from_m: f32, to_m: f32| {
        let mut peg = column(0.2, 0.0, bottom_m, 0.1);
        let is_shown = |point: &[f32; 3]| (from_m..=to_m).contains(&(1.0 - point[2]));
        peg.points.retain(is_shown);
        peg
    };
    for _ in 0..4 {
        assert!(!is_inside(column(0.0, 0.0, 0.0, 0.1)));
    }
    // When it is held above it, its upper part hidden by a hand
    assert!(!is_inside(shown(0.085, 0.0, 1.0)));
    assert!(!is_inside(shown(0.085, 0.0, 0.15)));
    // and lowered into it, so that the box hides the lower part
    let lowered = [0.06, 0.03, 0.01, 0.0].map(|bottom_m| is_inside(shown(bottom_m, 0.069, 1.0)));
    // Then it is inside once its middle is
    assert_eq!(lowered, [false, false, true, true]);
}

#[test]
fn the_tilt_is_of_the_surest_camera_that_sees_the_region() {
    // Given a bottle that one camera sees, and of which another one knows the frame
    let settings = settings(
        "{phases: [{name: pour, next: [{to: success, when: [{tilt: target, above: 1}]}]}], pairs: [fingertip-target]}",
    );
    let mut observer = Observer::new(&settings);
    let mut tilt = |axes: [Option<[f64; 3]>; 2]| {
        let seen = ["front", "side"]
            .into_iter()
            .zip(axes)
            .map(|(camera, axis)| {
                let mut bottle = column(0.2, 0.1, 0.0, 0.12);
                bottle.axis = axis;
                // Its far sides and its inside are not seen.
                let is_seen = |[x, y, z]: &[f32; 3]| *x < 0.19 || *y < 0.09 || *z < 0.881;
                bottle.points.retain(is_seen);
                let mut seen = in_space(thing(0.0, 0.0, 0.0), bottle, 0.1);
                seen.camera = camera.to_owned();
                seen
            });
        let seen: Vec<Seen> = seen.collect();
        let observed = observer.observe(&seen, None);
        observed.quantities.into_values().next().unwrap()
    };
    let upright = tilt([None, Some([0.0, 0.0, -1.0])]).unwrap();
    assert_eq!((upright.value, upright.std), (0.0, Some(0.0)));
    // When the frame leans, and when it is not known
    let leaning = tilt([None, Some([0.6, 0.0, -0.8])]).unwrap();
    let alone = tilt([None, None]).unwrap();
    // Then it is the frame's tilt, and what the points tell
    assert!((leaning.value - 0.6_f64.asin()).abs() < 1e-9);
    assert!(alone.value < 0.1 && alone.std.unwrap() > 0.0, "{alone:?}");
}

#[test]
fn a_task_that_speaks_of_what_there_is_not_is_refused_by_name() {
    let refused = |yaml: &str, words: &str| {
        let text = Config::from_yaml(yaml).unwrap_err().to_string();
        assert!(text.contains(words), "{yaml}: {text}");
    };
    let phase =
        |rest: &str| format!("reward: {{kind: task}}\ntask: {{phases: [{{name: a, {rest}}}]}}");
    refused("reward: {kind: task}", "task.phases");
    refused("task: {pairs: [fingertip-cube]}", "regions.cube");
    refused("task: {pairs: [cube]}", "is no pair");
    refused(
        "task: {pairs: ['fingertip-target:middle']}",
        "center, surface or cloud",
    );
    refused("regions: {cube: {topic: /b}}", "regions.cube");
    refused(
        "regions: {cube: {}}\ntask: {pairs: [fingertip-cube]}",
        "without a source",
    );
    refused(
        "regions: {Cube: {topic: /b}}\ntask: {pairs: [fingertip-target]}",
        "small letters",
    );
    refused("regions: {fingertip: {frme: x}}", "frme");
    refused(
        "regions: {cube: {topic: /b, frme: x}}\ntask: {pairs: [fingertip-cube]}",
        "frme",
    );
    refused(
        &phase("next: [{to: b, when: [{contact: fingertip-target}]}]"),
        "next.to is b",
    );
    refused(
        &phase("next: [{to: success, when: []}]"),
        "what leads to success",
    );
    refused(&phase("next: []"), "a transition to success");
    refused(
        &phase("next: [{to: success, when: [{distance: fingertip-target}]}]"),
        "below and above",
    );
    refused(
        &phase("next: [{to: success, when: [{contact: fingertip-target, below: 1}]}]"),
        "is: true",
    );
    refused(
        &phase("next: [{to: success, when: [{opening: gripper, below: 1}]}]"),
        "gripper_topic",
    );
    for quantity in ["height", "tilt"] {
        refused(
            &phase(&format!(
                "next: [{{to: success, when: [{{{quantity}: cup, above: 1}}]}}]"
            )),
            "task.pairs",
        );
    }
    refused(
        &phase(
            "potential: {contact: fingertip-target, from: 1}, next: [{to: success, when: [{contact: fingertip-target}]}]",
        ),
        "potential",
    );
    refused(
        &phase(
            "next: [{to: success, when: [{contact: fingertip-target, rests_on: fingertip-target}]}]",
        ),
        "on",
    );
    refused(&format!("task: {REACH}"), "unless reward.kind is task");
    refused(
        "reward: {kind: task}\ntask: {gripper_topic: /j, phases: [{name: a, next: [{to: success, when: [{opening: gripper, below: 1}]}]}]}",
        "task.pairs",
    );
}

#[test]
fn a_pair_is_measured_by_each_camera_that_sees_both_regions() {
    // Given two cameras, of which one does not see the goal
    let text = "
topics: {fingertip: /front/boxes, fingertip_class: [tip]}
regions: {cube: {topic: /front/boxes}, goal: {frame: goal}, mark: {topic: /front/boxes, class: [m]}}
cameras:
  front: {image: /front/image, depth: /front/depth}
  wrist: {image: /wrist/image, regions: {cube: {topic: /wrist/boxes, class: [c]}}}
task: {pairs: [fingertip-cube, 'cube-goal:center', cube-mark]}";
    let config = Config::from_yaml(text).unwrap();
    // When pairs are planned
    let planned = config.planned();
    // Then each is of the cameras that know where its regions are
    let names: Vec<(String, String)> = planned
        .iter()
        .map(|plan| (plan.camera.clone(), plan.pair.name()))
        .collect();
    let expected = [
        ("front", "fingertip-cube"),
        ("front", "cube-goal"),
        ("front", "cube-mark"),
        ("wrist", "cube-goal"),
    ];
    assert_eq!(
        names,
        expected.map(|(camera, pair)| (camera.to_owned(), pair.to_owned()))
    );
    // with its own topics, and a class that is the region's name unless another is said
    let [first, goal, mark, wrist] = &planned[..] else {
        panic!()
    };
    assert_eq!(first.config.topics.fingertip_class, ["tip"]);
    assert_eq!(first.config.topics.target_class, ["cube"]);
    assert_eq!(goal.config.regions.target.frame.as_deref(), Some("goal"));
    assert_eq!(mark.config.topics.target_class, ["m"]);
    assert_eq!(wrist.config.topics.image.as_deref(), Some("/wrist/image"));
    assert_eq!(
        wrist.config.topics.fingertip.as_deref(),
        Some("/wrist/boxes")
    );
    assert_eq!(wrist.config.topics.fingertip_class, ["c"]);
    // and each can be measured with
    for plan in planned {
        plan.config.validate().unwrap();
    }
}

#[test]
fn a_task_is_in_the_digest_and_in_the_settings_that_are_kept() {
    let text = "regions: {cube: {topic: /boxes}}\ntask: {pairs: [fingertip-cube]}\ncameras: {a: {image: /i}}";
    let config = Config::from_yaml(text).unwrap();
    let changed: Vec<String> = config.changed().into_keys().collect();
    assert_eq!(changed, ["cameras.a", "regions.cube", "task.pairs"]);
    let kept = config.changed_yaml().unwrap();
    assert_eq!(Config::from_yaml(&kept).unwrap(), config, "{kept}");
}
