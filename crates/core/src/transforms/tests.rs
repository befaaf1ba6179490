//! The tree of frames by hand: each rule of tf2, and each thing that can be missing.

use std::f64::consts::{FRAC_PI_2, PI};

use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};

use super::*;

const SECOND: i64 = 1_000_000_000;
const HOLD_NANOS: i64 = SECOND / 10;

fn at(x: f64, y: f64, z: f64) -> Isometry3<f64> {
    Isometry3::translation(x, y, z)
}

fn turned(angle: f64, translation: [f64; 3]) -> Isometry3<f64> {
    let [x, y, z] = translation;
    let rotation = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), angle);
    Isometry3::from_parts(Translation3::new(x, y, z), rotation)
}

/// A tree of `(parent, child, seconds, transform)`.
fn tree(moving: &[(&str, &str, i64, Isometry3<f64>)]) -> TransformTree {
    let mut tree = TransformTree::new(HOLD_NANOS);
    for (parent, child, seconds, transform) in moving {
        let stamp_nanos = seconds * SECOND;
        tree.insert(parent, child, stamp_nanos, *transform, false)
            .unwrap();
    }
    tree
}

fn assert_near(transform: &Isometry3<f64>, expected: &Isometry3<f64>) {
    let off = (transform.inverse() * expected).translation.vector.norm();
    let angle = transform.rotation.angle_to(&expected.rotation);
    assert!(off < 1e-9 && angle < 1e-7, "{transform} is not {expected}");
}

#[test]
fn coordinates_are_mapped_through_the_common_ancestor() {
    // given a gripper on an arm and a camera on a mast, both on one base
    let mut tree = tree(&[("arm", "gripper", 1, turned(FRAC_PI_2, [1.0, 0.0, 0.0]))]);
    tree.insert("base", "arm", 0, at(0.0, 0.0, 2.0), true)
        .unwrap();
    tree.insert("base", "camera", 0, at(0.0, -5.0, 0.0), true)
        .unwrap();
    // when the gripper is asked for in the camera's coordinates
    let camera_from_gripper = tree.lookup("camera", "gripper", SECOND).unwrap();
    // then a point of the gripper goes up through arm and base, and down to the camera
    let point = camera_from_gripper * Point3::new(1.0, 0.0, 0.0);
    assert!(
        (point - Point3::new(1.0, 6.0, 2.0)).norm() < 1e-12,
        "{point}"
    );
    // and the other way round is the inverse
    let gripper_from_camera = tree.lookup("gripper", "camera", SECOND).unwrap();
    assert_near(&gripper_from_camera.inverse(), &camera_from_gripper);
    // and a frame is in itself where it is, and in an ancestor directly
    assert_near(
        &tree.lookup("gripper", "gripper", SECOND).unwrap(),
        &Isometry3::identity(),
    );
    assert_near(
        &tree.lookup("base", "arm", SECOND).unwrap(),
        &at(0.0, 0.0, 2.0),
    );
}

#[test]
fn a_leading_slash_does_not_count() {
    let tree = tree(&[("/base", "tip", 1, at(1.0, 0.0, 0.0))]);
    assert_near(
        &tree.lookup("base", "/tip", SECOND).unwrap(),
        &at(1.0, 0.0, 0.0),
    );
    assert_eq!(tree.frames(), ["base", "tip"]);
    assert!(tree.has("/tip") && !tree.has("tap"));
}

#[test]
fn between_two_samples_it_is_interpolated() {
    // given a frame that moves two metres and turns a quarter within a second
    let tree = tree(&[
        ("base", "tip", 1, at(0.0, 0.0, 0.0)),
        ("base", "tip", 2, turned(FRAC_PI_2, [2.0, 0.0, 0.0])),
    ]);
    // when it is asked for a quarter of a second on
    let looked = tree.look("base", "tip", SECOND + SECOND / 4).unwrap();
    // then a quarter of both is gone, and the nearer sample is that far
    assert_near(&looked.into_from, &turned(FRAC_PI_2 / 4.0, [0.5, 0.0, 0.0]));
    assert_eq!(looked.age_nanos, SECOND / 4);
    // and at a sample's own stamp it is that sample
    assert_near(
        &tree.lookup("base", "tip", 2 * SECOND).unwrap(),
        &turned(FRAC_PI_2, [2.0, 0.0, 0.0]),
    );
}

#[test]
fn a_rotation_takes_the_short_way_whatever_the_sign_of_its_quaternion() {
    // given a quarter turn whose quaternion is written with the other sign
    let half = (FRAC_PI_2 / 2.0).sin();
    let quarter = transform_of([0.0; 3], [0.0, 0.0, -half, -(FRAC_PI_2 / 2.0).cos()]).unwrap();
    let tree = tree(&[
        ("base", "tip", 1, Isometry3::identity()),
        ("base", "tip", 2, quarter),
    ]);
    // when it is asked for half way
    let middle = tree.lookup("base", "tip", SECOND + SECOND / 2).unwrap();
    // then it has turned by an eighth, not by three eighths the other way
    assert_near(&middle, &turned(FRAC_PI_2 / 2.0, [0.0; 3]));
}

#[test]
fn half_a_turn_has_no_shortest_way_and_is_no_error() {
    let tree = tree(&[
        ("base", "tip", 1, Isometry3::identity()),
        ("base", "tip", 2, turned(PI, [0.0; 3])),
    ]);
    let middle = tree.lookup("base", "tip", SECOND + SECOND / 3).unwrap();
    assert!(
        middle
            .rotation
            .coords
            .iter()
            .all(|number| number.is_finite())
    );
}

#[test]
fn samples_may_come_in_any_order_and_the_first_of_a_stamp_counts() {
    let tree = tree(&[
        ("base", "tip", 3, at(3.0, 0.0, 0.0)),
        ("base", "tip", 1, at(1.0, 0.0, 0.0)),
        ("base", "tip", 2, at(2.0, 0.0, 0.0)),
        ("base", "tip", 2, at(9.0, 0.0, 0.0)),
    ]);
    assert_near(
        &tree.lookup("base", "tip", SECOND + SECOND / 2).unwrap(),
        &at(1.5, 0.0, 0.0),
    );
    assert_near(
        &tree.lookup("base", "tip", 2 * SECOND).unwrap(),
        &at(2.0, 0.0, 0.0),
    );
}

#[test]
fn at_the_ends_the_nearest_sample_holds_up_to_the_limit() {
    // given samples from one second to two
    let tree = tree(&[
        ("base", "tip", 1, at(1.0, 0.0, 0.0)),
        ("base", "tip", 2, at(2.0, 0.0, 0.0)),
    ]);
    let look = |stamp_nanos| tree.look("base", "tip", stamp_nanos);
    // then up to the limit the ends hold, with their age
    let before = look(SECOND - HOLD_NANOS).unwrap();
    assert_near(&before.into_from, &at(1.0, 0.0, 0.0));
    assert_eq!(before.age_nanos, HOLD_NANOS);
    assert_near(
        &look(2 * SECOND + HOLD_NANOS).unwrap().into_from,
        &at(2.0, 0.0, 0.0),
    );
    // and beyond it the error says by how much
    let [parent, child] = ["base", "tip"].map(str::to_owned);
    let early = TransformError::BeforeFirst {
        parent: parent.clone(),
        child: child.clone(),
        by_nanos: HOLD_NANOS + 1,
    };
    assert_eq!(look(SECOND - HOLD_NANOS - 1), Err(early));
    let late = TransformError::AfterLast {
        parent,
        child,
        by_nanos: SECOND,
    };
    assert_eq!(
        late.to_string(),
        "the last transform of \"tip\" in \"base\" is 1.000 s old"
    );
    assert_eq!(look(3 * SECOND), Err(late));
    // and stamps at the ends of what a number holds are no overflow
    assert!(look(i64::MAX).is_err() && look(i64::MIN).is_err());
}

#[test]
fn a_static_frame_holds_at_all_times_and_its_newest_word_counts() {
    let mut tree = TransformTree::new(HOLD_NANOS);
    for x in [1.0, 2.0] {
        tree.insert("base", "camera", 5 * SECOND, at(x, 0.0, 0.0), true)
            .unwrap();
    }
    for stamp_nanos in [0, 5 * SECOND, i64::MAX] {
        let looked = tree.look("base", "camera", stamp_nanos).unwrap();
        assert_near(&looked.into_from, &at(2.0, 0.0, 0.0));
        assert_eq!(looked.age_nanos, 0);
    }
}

#[test]
fn a_static_sample_beside_moving_ones_stands_in_where_those_end() {
    let mut tree = tree(&[("base", "tip", 1, at(1.0, 0.0, 0.0))]);
    tree.insert("base", "tip", 0, at(0.0, 0.0, 0.0), true)
        .unwrap();
    let x_at = |seconds| {
        let transform = tree.lookup("base", "tip", seconds * SECOND).unwrap();
        transform.translation.x
    };
    assert_eq!((x_at(1), x_at(5)), (1.0, 0.0));
}

#[test]
fn quaternions_are_normalised_and_those_without_a_direction_refused() {
    // given a quaternion four times too long
    let long = transform_of([1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 4.0]).unwrap();
    assert_near(&long, &at(1.0, 2.0, 3.0));
    // and none at all, and numbers that are none
    assert_eq!(
        transform_of([0.0; 3], [0.0; 4]),
        Err("a quaternion of length 0")
    );
    let nan = Err("a number that is not finite");
    assert_eq!(transform_of([0.0; 3], [f64::NAN, 0.0, 0.0, 1.0]), nan);
    assert_eq!(
        transform_of([f64::INFINITY, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]),
        nan
    );
}

#[test]
fn what_is_no_transform_is_refused_and_changes_nothing() {
    let mut tree = TransformTree::new(HOLD_NANOS);
    let refused = [
        tree.insert("", "tip", 0, at(0.0, 0.0, 0.0), false),
        tree.insert("base", "/", 0, at(0.0, 0.0, 0.0), true),
        tree.insert("base", "tip", 0, at(f64::NAN, 0.0, 0.0), false),
        tree.insert("tip", "/tip", 0, at(0.0, 0.0, 0.0), false),
    ];
    let words = refused.map(|refused| refused.unwrap_err().to_string());
    assert_eq!(
        words,
        [
            "a transform names no frame for its parent",
            "a transform names no frame for its child",
            "the transform of \"tip\" in \"base\" has a number that is not finite",
            "the frames tip -> tip go round in a circle: each is the next one's child",
        ]
    );
    assert!(tree.frames().is_empty());
}

#[test]
fn a_frame_that_nobody_named_is_unknown() {
    let tree = tree(&[("base", "tip", 1, at(0.0, 0.0, 0.0))]);
    let frame = "cup".to_owned();
    assert_eq!(
        tree.lookup("base", "/cup", SECOND),
        Err(TransformError::UnknownFrame { frame })
    );
}

#[test]
fn a_broken_chain_names_both_roots() {
    // given a robot and a camera that nobody calibrated to it
    let tree = tree(&[
        ("base", "arm", 1, at(0.0, 0.0, 0.0)),
        ("arm", "tip", 1, at(0.0, 0.0, 0.0)),
        ("mast", "camera", 1, at(0.0, 0.0, 0.0)),
    ]);
    // when the tip is asked for in the camera
    let error = tree.lookup("camera", "tip", SECOND).unwrap_err();
    // then the ends of both chains are named: between these a transform is missing
    assert_eq!(
        error.to_string(),
        "\"tip\" and \"camera\" are not connected: the chain of the one ends in \"base\", that of the other in \
         \"mast\", and no transform leads from there on"
    );
}

#[test]
fn a_link_that_ended_is_named_where_it_breaks_the_chain() {
    // given an arm whose samples end before its gripper's
    let tree = tree(&[
        ("base", "arm", 1, at(0.0, 0.0, 0.0)),
        ("arm", "tip", 1, at(0.0, 0.0, 0.0)),
        ("arm", "tip", 3, at(0.0, 0.0, 0.0)),
        ("base", "camera", 3, at(0.0, 0.0, 0.0)),
    ]);
    let error = tree.lookup("camera", "tip", 3 * SECOND).unwrap_err();
    assert!(
        matches!(&error, TransformError::AfterLast { parent, child, by_nanos } if parent == "base" && child == "arm" && *by_nanos == 2 * SECOND),
        "{error:?}"
    );
    // and what broke above the common ancestor does not matter
    assert!(tree.lookup("arm", "tip", 3 * SECOND).is_ok());
}

#[test]
fn a_frame_that_appears_late_says_how_much_later() {
    let tree = tree(&[
        ("base", "camera", 0, at(0.0, 0.0, 0.0)),
        ("base", "cup", 7, at(0.0, 0.0, 0.0)),
    ]);
    let error = tree.lookup("camera", "cup", 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the first transform of \"cup\" in \"base\" comes 7.000 s later"
    );
}

#[test]
fn frames_in_a_circle_are_named() {
    // given three frames, each the next one's child, and a tip on one of them
    let tree = tree(&[
        ("b", "a", 1, at(0.0, 0.0, 0.0)),
        ("c", "b", 1, at(0.0, 0.0, 0.0)),
        ("a", "c", 1, at(0.0, 0.0, 0.0)),
        ("a", "tip", 1, at(0.0, 0.0, 0.0)),
    ]);
    for [into, from] in [["c", "tip"], ["tip", "c"]] {
        let error = tree.lookup(into, from, SECOND).unwrap_err();
        let TransformError::Loop { frames } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(frames.len(), 4, "{error}");
        assert_eq!(frames.first(), frames.last());
    }
}

#[test]
fn a_parent_that_changes_once_is_fine() {
    // given a cup that stands in the world, and from the third second on in a gripper
    let tree = tree(&[
        ("world", "gripper", 1, at(10.0, 0.0, 0.0)),
        ("world", "gripper", 5, at(10.0, 0.0, 0.0)),
        ("world", "cup", 1, at(1.0, 0.0, 0.0)),
        ("world", "cup", 2, at(2.0, 0.0, 0.0)),
        ("gripper", "cup", 3, at(0.0, 1.0, 0.0)),
        ("gripper", "cup", 4, at(0.0, 1.0, 0.0)),
    ]);
    let cup_at = |stamp_nanos| tree.lookup("world", "cup", stamp_nanos).unwrap();
    // then each parent's samples count in their time, and in between the earlier one's
    assert_near(&cup_at(SECOND + SECOND / 2), &at(1.5, 0.0, 0.0));
    assert_near(&cup_at(2 * SECOND + SECOND / 2), &at(2.0, 0.0, 0.0));
    assert_near(&cup_at(3 * SECOND), &at(10.0, 1.0, 0.0));
}

#[test]
fn a_cup_that_is_picked_up_and_put_down_is_no_contradiction() {
    let mut samples = vec![
        ("world", "gripper", 0, at(10.0, 0.0, 0.0)),
        ("world", "gripper", 15, at(10.0, 0.0, 0.0)),
    ];
    for second in 0..15 {
        let parent = if (5..10).contains(&second) {
            "gripper"
        } else {
            "world"
        };
        samples.push((parent, "cup", second, at(0.0, 0.0, 0.0)));
    }
    let tree = tree(&samples);
    for tenth in 0..140 {
        let looked = tree.lookup("world", "cup", tenth * SECOND / 10);
        assert!(looked.is_ok(), "{looked:?}");
    }
}

#[test]
fn two_parents_that_take_turns_are_named() {
    // given two publishers, one of which hangs the tip on the base and the other on the tool
    let tree = tree(&[
        ("base", "tip", 1, at(0.0, 0.0, 0.0)),
        ("tool", "tip", 2, at(0.0, 0.0, 0.0)),
        ("base", "tip", 3, at(0.0, 0.0, 0.0)),
        ("tool", "tip", 4, at(0.0, 0.0, 0.0)),
    ]);
    let error = tree.lookup("base", "tip", 2 * SECOND).unwrap_err();
    let TransformError::TwoParents { child, mut parents } = error else {
        panic!("{error:?}");
    };
    parents.sort();
    assert_eq!(
        (child.as_str(), parents),
        ("tip", ["base".to_owned(), "tool".to_owned()])
    );
}

#[test]
fn two_parents_with_the_same_stamps_are_a_contradiction_too() {
    let mut samples = Vec::new();
    for second in 1..4 {
        samples.push(("base", "tip", second, at(0.0, 0.0, 0.0)));
        samples.push(("tool", "tip", second, at(1.0, 0.0, 0.0)));
    }
    let error = tree(&samples)
        .lookup("base", "tip", 2 * SECOND)
        .unwrap_err();
    assert!(
        matches!(error, TransformError::TwoParents { .. }),
        "{error:?}"
    );
}

#[test]
fn a_static_parent_and_another_one_are_a_contradiction() {
    // given a frame that is static in two parents, and one that is static in one and moves in another
    let mut tree = tree(&[("tool", "tip", 1, at(0.0, 0.0, 0.0))]);
    for (parent, child) in [("base", "tip"), ("base", "lamp"), ("wall", "lamp")] {
        tree.insert(parent, child, 0, at(0.0, 0.0, 0.0), true)
            .unwrap();
    }
    // then both contradict themselves
    for (child, parents) in [("tip", ["tool", "base"]), ("lamp", ["base", "wall"])] {
        let error = tree.lookup("base", child, SECOND).unwrap_err();
        let expected = TransformError::TwoParents {
            child: child.to_owned(),
            parents: parents.map(str::to_owned),
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn history_is_bounded_by_time() {
    // given a live tree that keeps two seconds
    let mut tree = TransformTree::new(HOLD_NANOS).with_history(2 * SECOND);
    let mut insert = |second: i64, stamp_nanos| {
        tree.advance(second * SECOND);
        let transform = at(second as f64, 0.0, 0.0);
        (tree.insert("base", "tip", stamp_nanos, transform, false)).unwrap();
    };
    (0..9).for_each(|second| insert(second, second * SECOND));
    // when one comes whose stamp is of another century
    insert(9, 3_000_000_000 * SECOND);
    // then what came earlier than two seconds ago is gone, and the rest is not
    assert!(tree.lookup("base", "tip", 7 * SECOND).is_ok());
    let gone = tree.lookup("base", "tip", 6 * SECOND).unwrap_err();
    assert!(
        matches!(gone, TransformError::BeforeFirst { by_nanos, .. } if by_nanos == SECOND),
        "{gone:?}"
    );
    // and the wild one is, too, in its time
    for second in 10..13 {
        tree.advance(second * SECOND);
        let transform = at(second as f64, 0.0, 0.0);
        (tree.insert("base", "tip", second * SECOND, transform, false)).unwrap();
    }
    assert!(tree.lookup("base", "tip", 14 * SECOND).is_err());
    // and once the clock was set back it can be emptied
    tree.clear();
    assert!(tree.frames().is_empty());
}

#[test]
fn a_transform_is_final_once_every_link_that_moves_has_come_past_the_stamp() {
    // given a camera that is fixed in a base that moves in a map, and a tip that moves in the base
    let mut tree = TransformTree::new(SECOND);
    let mut insert = |parent: &str, child: &str, stamp_nanos, is_static| {
        (tree.insert(parent, child, stamp_nanos, at(1.0, 0.0, 0.0), is_static)).unwrap();
    };
    insert("base", "camera", 0, true);
    insert("map", "base", 0, false);
    insert("base", "tip", 0, false);
    let ahead_nanos = SECOND;
    let reached = |tree: &TransformTree| tree.has_reached("camera", "tip", 5, ahead_nanos);
    // then at a later stamp the last sample holds, but another may come
    assert!(tree.lookup("camera", "tip", 5).is_ok() && !reached(&tree));
    // and one of another century is none that has come past it
    let wild = 3_000_000_000 * SECOND;
    (tree.insert("base", "tip", wild, at(1.0, 0.0, 0.0), false)).unwrap();
    assert!(!reached(&tree));
    // and the next one is, whatever moves above the frame where both chains meet
    (tree.insert("base", "tip", 5, at(1.0, 0.0, 0.0), false)).unwrap();
    assert!(reached(&tree) && !tree.has_reached("map", "tip", 5, ahead_nanos));
    // and a frame that nobody named is waited for, and one is there for itself
    assert!(!tree.has_reached("camera", "cup", 5, ahead_nanos));
    assert!(tree.has_reached("camera", "camera", 5, ahead_nanos));
}

#[test]
fn a_static_transform_that_changed_was_not_noticed() {
    let mut tree = TransformTree::new(0);
    for (child, x) in [
        ("camera", 1.0),
        ("wrist", 2.0),
        ("camera", 1.0),
        ("wrist", 2.5),
    ] {
        (tree.insert("base", child, 0, at(x, 0.0, 0.0), true)).unwrap();
    }
    // then the one that says something else is told, and the newest counts
    assert_eq!(tree.changed(), ["wrist"]);
    let wrist = tree.lookup("base", "wrist", 7).unwrap();
    assert_eq!(wrist.translation.x, 2.5);
}
