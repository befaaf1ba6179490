//! Live, a frame waits for the transforms of regions at TF frames, and for what depth of a camera of its own is
//! registered with.

use super::*;
use crate::messages::{Header, Time, TransformStamped};

const CAMERA: &str = "camera_color_optical_frame";

/// A fingertip at a frame, a target that a detector sees, and transforms that hold for 50 ms beyond their ends.
const TIP: &str =
    "regions: {fingertip: {frame: tip}}\nmatching: {wait_s: 0.5, box_max_age_s: 0.05}";

fn at_tip() -> Script {
    let streams = Streams {
        depth: false,
        camera_info: false,
        fingertip: false,
        target: true,
    };
    Script::new(TIP, streams, false)
}

fn sent(parent: &str, child: &str, ms: i64, x: f64) -> TransformStamped {
    TransformStamped {
        header: Header {
            stamp: Time::from_nanos(ms * MS),
            frame_id: parent.to_owned(),
        },
        child_frame_id: child.to_owned(),
        translation: [x, 0.0, 0.5],
        rotation: [0.0, 0.0, 0.0, 1.0],
    }
}

fn moving(transforms: Vec<TransformStamped>) -> Input {
    Input::Transforms {
        transforms,
        is_static: false,
    }
}

fn fixed(parent: &str, child: &str, x: f64) -> Input {
    Input::Transforms {
        transforms: vec![sent(parent, child, 0, x)],
        is_static: true,
    }
}

/// Where the fingertip is along the camera's x axis, in metres, or in words why nobody knows.
fn tip_x(frame: &MatchedFrame) -> Result<f64, String> {
    let tip = frame.places.as_ref().unwrap().fingertip.clone().unwrap();
    tip.map(|place| place.point.x)
}

#[test]
fn an_image_waits_for_the_transform_past_its_stamp() {
    // given a tip that moves by a metre a second, and an image between two of its transforms
    let mut script = at_tip();
    script.push(1000, moving(vec![sent(CAMERA, "tip", 1000, 0.0)]));
    script.push(1010, image(1010));
    script.push(1011, target(1010, &[BOX]));
    // then it waits, though the one before would hold that long
    assert!(script.settled().is_empty());
    // when the next one comes
    script.push(1020, moving(vec![sent(CAMERA, "tip", 1020, 0.02)]));
    // then it is between the two
    let frames = script.settled();
    let x = tip_x(&frames[0]).unwrap();
    assert!((x - 0.01).abs() < 1e-12, "{x}");
    assert_eq!(frames[0].info.reason, None);
}

#[test]
fn a_transform_that_does_not_come_is_waited_for_as_long_as_boxes_are() {
    // given one image a little behind the last transform, and one far behind it
    let mut script = at_tip();
    script.push(1000, moving(vec![sent(CAMERA, "tip", 1000, 0.25)]));
    for ms in [1040, 1200] {
        script.push(ms, image(ms));
        script.push(ms, target(ms, &[BOX]));
    }
    script.matcher.advance(1540 * MS);
    assert!(script.settled().is_empty());
    // when the wait is over
    script.matcher.advance(1701 * MS);
    // then the first has the last transform, and the second says how old that is
    let frames = script.settled();
    assert_eq!(tip_x(&frames[0]), Ok(0.25));
    let why = tip_x(&frames[1]).unwrap_err();
    assert!(
        why.contains("'tip'") && why.contains("0.200 s old"),
        "{why}"
    );
    assert_eq!(script.matcher.unplaced(), Some(why));
}

#[test]
fn a_frame_that_nobody_ever_named_is_told_before_any_image() {
    let mut script = at_tip();
    let why = script.matcher.unplaced().unwrap();
    assert!(
        why.contains("'tip'") && why.contains("no transform has come"),
        "{why}"
    );
    // when others come
    script.push(1000, fixed("base", CAMERA, 0.0));
    let why = script.matcher.unplaced().unwrap();
    assert!(
        why.contains("there are base, camera_color_optical_frame"),
        "{why}"
    );
    // and, late, the frame itself, then nothing is missing
    script.push(1001, image(1001));
    script.push(1002, target(1001, &[BOX]));
    script.push(1300, fixed("base", "tip", 0.5));
    assert_eq!(tip_x(&script.settled()[0]), Ok(0.5));
    assert_eq!(script.matcher.unplaced(), None);
}

#[test]
fn a_loop_and_two_parents_are_no_transform_and_say_so() {
    let circle = [("tip", "wrist"), ("wrist", "tip")];
    let parents = [("base", "tip"), ("map", "tip")];
    for (links, words) in [(circle, "circle"), (parents, "two parents")] {
        let mut script = at_tip();
        script.push(1000, fixed("base", CAMERA, 0.0));
        for ms in [1000, 1010, 1020] {
            let links = links.map(|(parent, child)| sent(parent, child, ms, 0.1));
            for link in links {
                script.push(ms, moving(vec![link]));
            }
        }
        script.push(1010, image(1010));
        script.push(1010, target(1010, &[BOX]));
        let frame = script.only();
        let why = tip_x(&frame).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn transforms_of_before_the_clock_was_set_back_were_taken_for_later_ones() {
    // given a simulator that starts over, with a tip that was at 9 m and is at 1 m then
    let mut script = at_tip();
    for (log_ms, ms, x) in [
        (0, 60_000, 9.0),
        (100, 60_100, 9.0),
        (200, 10, 1.0),
        (300, 110, 1.0),
    ] {
        script.push(log_ms, moving(vec![sent(CAMERA, "tip", ms, x)]));
        script.push(log_ms, image(ms));
        script.push(log_ms, target(ms, &[BOX]));
    }
    // then each epoch has its own
    let places: Vec<_> = script.flushed().iter().map(tip_x).collect();
    assert_eq!(places, [Ok(9.0), Ok(9.0), Ok(1.0), Ok(1.0)]);
}

#[test]
fn what_is_no_transform_is_counted_and_the_others_of_its_message_count() {
    let mut script = at_tip();
    let mut broken = sent(CAMERA, "tip", 1000, f64::NAN);
    script.push(
        1000,
        moving(vec![broken.clone(), sent(CAMERA, "tip", 1000, 0.5)]),
    );
    broken.translation = [0.0; 3];
    broken.rotation = [0.0; 4];
    script.push(1000, moving(vec![broken]));
    script.push(1000, image(1000));
    script.push(1000, target(1000, &[BOX]));
    assert_eq!(tip_x(&script.only()), Ok(0.5));
    let refused = script.matcher.refused_transforms().join("; ");
    assert!(
        refused.contains("not finite") && refused.contains("length 0"),
        "{refused}"
    );
}

#[test]
fn names_without_end_do_not_fill_the_memory() {
    let mut script = at_tip();
    for number in 0..20_000 {
        let name = format!("marker_{number}");
        script.push(1000, moving(vec![sent(CAMERA, &name, 1000, 0.0)]));
    }
    let refused = script.matcher.refused_transforms().join("; ");
    assert!(refused.contains("10000 frames already"), "{refused}");
    // and a known one still moves
    assert!(!refused.contains("marker_1 "), "{refused}");
    // and what is told of them is short
    let why = script.matcher.unplaced().unwrap();
    assert!(why.len() < 1000 && why.contains("and 9970 more"), "{why}");
}

fn depth_camera(ms: i64) -> Input {
    match camera_info(ms, 400.0) {
        Input::CameraInfo {
            stamp_nanos,
            intrinsics,
        } => Input::DepthCameraInfo {
            stamp_nanos,
            intrinsics,
        },
        other => other,
    }
}

fn own_depth(ms: i64) -> Input {
    Input::Depth {
        stamp_nanos: ms * MS,
        frame_id: "camera_depth_optical_frame".into(),
        payload: payload(ms),
    }
}

fn with_own_depth(yaml: &str) -> Script {
    let streams = Streams {
        camera_info: false,
        ..Streams::ALL
    };
    let mut script = Script::new(yaml, streams, true);
    script.push(1000, image(1000));
    for input in [fingertip, target] {
        script.push(1000, input(1000, &[BOX]));
    }
    script.push(1000, own_depth(1000));
    script
}

#[test]
fn depth_of_a_camera_of_its_own_is_registered_once_that_is_known() {
    let between = || fixed(CAMERA, "camera_depth_optical_frame", 0.04);
    // given an image whose depth is of another coordinate frame
    let mut script = with_own_depth("");
    for input in [depth_camera(1001), between()] {
        assert!(script.settled().is_empty());
        // when the depth camera's info and the static transform come
        script.push(1002, input);
    }
    // then its depth is registered with both
    let frame = script.settled().remove(0);
    let registration = frame.registration.unwrap();
    assert_eq!(registration.camera.color_from_depth().translation.x, 0.04);
    assert_eq!(registration.camera.intrinsics().fx, 400.0);
    assert!(!registration.whole && frame.info.reason.is_none());
    // and extrinsics that somebody gave count in the place of /tf_static
    let mut script = with_own_depth("depth: {extrinsics: '0.05 0 0 0 0 0 1'}");
    script.push(1002, between());
    script.push(1002, depth_camera(1001));
    let registration = script.settled().remove(0).registration.unwrap();
    assert_eq!(registration.camera.color_from_depth().translation.x, 0.05);
    // and depth that is registered all the same is taken as it is
    let mut script = with_own_depth("depth: {registered: true}");
    let frame = script.settled().remove(0);
    assert!(frame.registration.is_none() && frame.depth.is_some());
}

#[test]
fn who_needs_no_depth_does_not_wait_for_its_registration() {
    let streams = Streams {
        camera_info: false,
        ..Streams::ALL
    };
    let mut script = Script::new("", streams, false);
    script.push(1000, image(1000));
    script.both(1000);
    script.push(1000, own_depth(1000));
    // then the frame is there at once, and has no depth that would be wrong
    let frame = script.settled().remove(0);
    assert!(frame.depth.is_none() && frame.info.reason.is_none());
    assert_eq!(script.matcher.unregistered(), None);
}

#[test]
fn depth_that_cannot_be_registered_was_measured_as_it_was() {
    for (inputs, words) in [
        (vec![], "no camera info of the depth"),
        (vec![depth_camera(1001)], "/tf_static does not tell"),
        // What moves does not register.
        (
            vec![
                depth_camera(1001),
                moving(vec![sent(CAMERA, "camera_depth_optical_frame", 1000, 0.0)]),
            ],
            "/tf_static does not tell",
        ),
    ] {
        let mut script = with_own_depth("");
        for input in inputs {
            script.push(1001, input);
        }
        assert!(script.settled().is_empty());
        // when the wait is over
        script.matcher.advance(1501 * MS);
        // then the frame has no depth, and it is told why
        let frame = script.settled().remove(0);
        assert_eq!(frame.info.reason, Some(Reason::NoDepth));
        assert!(frame.depth.is_none());
        let why = script.matcher.unregistered().unwrap();
        assert!(why.contains("'camera_depth_optical_frame'"), "{why}");
        assert!(why.contains(words), "{why}");
    }
}
