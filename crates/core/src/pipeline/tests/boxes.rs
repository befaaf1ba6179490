//! Which detection counts, which message it is taken from, and what the tracker bridges.

use super::*;
use crate::frame::Mask;

fn is_bridged(frame: &MatchedFrame) -> bool {
    BoxSource::any_bridged([frame.info.fingertip_source, frame.info.target_source])
}

fn shared(ms: i64, boxes: Vec<Detection>) -> Input {
    Input::Boxes {
        role: BoxRole::Both,
        stamp_nanos: ms * MS,
        boxes,
    }
}

/// The boxes that a shared topic's one message gives.
fn chosen(
    yaml: &str,
    detections: Vec<Detection>,
) -> (Option<BoundingBox>, Option<BoundingBox>, Option<Reason>) {
    let mut script = Script::boxes_only(yaml);
    script.image(0);
    script.push(0, shared(0, detections));
    let info = script.only().info;
    (info.fingertip, info.target, info.reason)
}

#[test]
fn a_shared_topic_is_told_apart_by_class() {
    let (fingertip, target, reason) = chosen(
        "",
        vec![
            detection("cup", 1.0, box_at(9.0)),
            detection("target", 0.5, box_at(20.0)),
            detection("fingertip", 0.5, box_at(10.0)),
        ],
    );
    assert_eq!(
        (fingertip, target),
        (Some(box_at(10.0)), Some(box_at(20.0)))
    );
    assert_eq!(reason, None);
}

#[test]
fn configured_classes_replace_the_default_ones() {
    let yaml = "topics: {fingertip_class: [gripper, hand], target_class: [cup]}";
    let (fingertip, target, reason) = chosen(
        yaml,
        vec![
            detection("target", 1.0, box_at(1.0)),
            detection("hand", 0.4, box_at(2.0)),
            detection("gripper", 0.6, box_at(3.0)),
        ],
    );
    assert_eq!((fingertip, target), (Some(box_at(3.0)), None));
    assert_eq!(reason, Some(Reason::NoTargetBox));
}

#[test]
fn the_best_score_wins_the_first_of_equals_and_the_minimum_counts() {
    let yaml = "matching: {min_score: 0.5}";
    let best = |scores: [f64; 3]| {
        let detections = (1u8..)
            .zip(scores)
            .map(|(i, score)| detection("fingertip", score, box_at(f64::from(i))))
            .collect();
        chosen(yaml, detections).0.map(|b| b.center()[0])
    };
    assert_eq!(best([0.6, 0.9, 0.7]), Some(2.0));
    assert_eq!(best([0.8, 0.8, 0.7]), Some(1.0));
    assert_eq!(best([0.49, 0.5, f64::NAN]), Some(2.0));
    assert_eq!(best([0.1, 0.2, f64::NAN]), None);
}

#[test]
fn a_track_was_left_for_a_better_score() {
    // given a tracked object, and another of its class that scores higher from the second message on
    let tracked = |track_id: &str, score, x| Detection {
        track_id: Some(track_id.to_owned()),
        ..detection("fingertip", score, box_at(x))
    };
    let mut script = Script::boxes_only("");
    let target = detection("target", 1.0, box_at(90.0));
    for (ms, boxes) in [
        (0, vec![tracked("7", 0.6, 10.0), tracked("8", 0.5, 20.0)]),
        (100, vec![tracked("8", 0.9, 20.0), tracked("7", 0.3, 11.0)]),
        // The tracker has lost it, and what comes in its place is a new object
        (
            200,
            vec![
                tracked("8", 0.4, 20.0),
                detection("fingertip", 0.3, box_at(30.0)),
            ],
        ),
        (300, vec![tracked("9", 0.9, 40.0), tracked("8", 0.4, 21.0)]),
        (
            400,
            vec![
                detection("fingertip", 0.9, box_at(50.0)),
                tracked("9", 0.8, 40.0),
            ],
        ),
        (
            500,
            vec![
                detection("fingertip", 0.9, box_at(50.0)),
                tracked("8", 0.1, 22.0),
            ],
        ),
    ] {
        script.image(ms);
        script.push(ms, shared(ms, [boxes, vec![target.clone()]].concat()));
    }
    // when the boxes are chosen, then a track is kept as long as it is there
    let chosen: Vec<_> = (script.flushed().iter())
        .map(|frame| frame.info.fingertip.unwrap().center()[0])
        .collect();
    // (through a message without it, too)
    assert_eq!(chosen, [10.0, 11.0, 20.0, 21.0, 50.0, 22.0]);
}

#[test]
fn a_mask_is_of_the_image_that_the_detector_looked_at_alone() {
    // given outlined objects at 0 and 200 ms, images there and between, and a class that does not count
    let outlined = |class_id: &str, x: f32| {
        let mask = Mask::new(vec![[x, 45.0], [x + 5.0, 45.0], [x, 55.0]], None);
        Detection {
            mask,
            ..detection(class_id, 0.9, box_at(x.into()))
        }
    };
    let both = |x| {
        vec![
            outlined("cup", 70.0),
            outlined("fingertip", x),
            detection("target", 0.9, box_at(90.0)),
        ]
    };
    for recorded in [false, true] {
        let streams = Streams {
            depth: false,
            camera_info: false,
            ..Streams::ALL
        };
        let yaml = "matching: {box_max_age_s: 0.5}";
        let mut script = match recorded {
            true => Script::recorded(yaml, streams, false),
            false => Script::new(yaml, streams, false),
        };
        for ms in [0, 100, 200] {
            script.image(ms);
            if ms != 100 {
                script.push(ms, shared(ms, both(10.0 + ms as f32)));
            }
        }
        // when frames are made, then each has its own object's outline, and one whose box was moved or reused has none
        let frames = script.flushed();
        let first: Vec<_> = (frames.iter())
            .map(|frame| Some(frame.masks.fingertip.as_ref()?.points()[0][0]))
            .collect();
        assert_eq!(first, [Some(10.0), None, Some(210.0)], "{recorded}");
        assert!(frames.iter().all(|frame| frame.info.fingertip.is_some()));
        assert!(frames.iter().all(|frame| frame.masks.target.is_none()));
    }
}

#[test]
fn a_region_that_is_no_detector_s_has_no_mask() {
    for yaml in [
        "regions: {fingertip: {frame: tip}}",
        "regions: {fingertip: {fixed: '1,2,3,4'}}",
    ] {
        let mut script = Script::boxes_only(yaml);
        let mask = Mask::new(vec![[5.0, 45.0], [9.0, 45.0], [5.0, 55.0]], None);
        let seen = Detection {
            mask,
            ..detection("fingertip", 0.9, box_at(10.0))
        };
        script.image(0);
        script.push(
            0,
            shared(0, vec![seen, detection("target", 0.9, box_at(9.0))]),
        );
        assert_eq!(script.only().masks, Masks::default(), "{yaml}");
    }
}

#[test]
fn a_topic_of_its_own_takes_any_class() {
    let mut script = Script::boxes_only("");
    script.image(0);
    script.both(0);
    assert_eq!(script.only().info.reason, None);
}

#[test]
fn two_messages_of_one_stamp_count_as_one() {
    // given a detector that sends one message for each class, and depth that comes later
    let streams = Streams {
        camera_info: false,
        ..Streams::ALL
    };
    let mut script = Script::new("", streams, true);
    script.image(0);
    script.push(1, shared(0, vec![detection("fingertip", 0.9, box_at(1.0))]));
    script.push(2, shared(0, vec![detection("target", 0.9, box_at(2.0))]));
    script.push(3, depth(0));
    assert_eq!(script.only().info.reason, None);
}

/// The reason of an image at 1000 ms whose target is there and whose fingertip messages are these.
fn reason_with(yaml: &str, fingertips: &[(i64, &[BoundingBox])]) -> Option<Reason> {
    let mut script = Script::boxes_only(yaml);
    for (ms, seen) in fingertips {
        script.push(*ms, fingertip(*ms, seen));
    }
    script.image(1000);
    script.push(1000, target(1000, &[BOX]));
    script.only().info.reason
}

#[test]
fn a_box_is_used_within_the_tolerance_then_within_its_age() {
    // defaults: tolerance 20 ms, box_max_age 100 ms
    assert_eq!(reason_with("", &[(1020, &[BOX])]), None);
    assert_eq!(
        reason_with("", &[(1021, &[BOX])]),
        Some(Reason::NoFingertipBox),
        "a later box is not from this image"
    );
    assert_eq!(reason_with("", &[(900, &[BOX])]), None);
    assert_eq!(reason_with("", &[(899, &[BOX])]), Some(Reason::StaleBox));
    assert_eq!(reason_with("", &[]), Some(Reason::NoFingertipBox));
}

#[test]
fn an_age_of_zero_forbids_older_boxes_but_not_the_images_own() {
    let yaml = "matching: {box_max_age_s: 0}";
    assert_eq!(reason_with(yaml, &[(980, &[BOX])]), None);
    assert_eq!(reason_with(yaml, &[(979, &[BOX])]), Some(Reason::StaleBox));
}

#[test]
fn an_empty_message_says_that_there_is_no_box() {
    // given a box 50 ms ago, but a detector that has since looked and seen nothing
    let gone: &[(i64, &[BoundingBox])] = &[(950, &[BOX]), (990, &[])];
    assert_eq!(reason_with("", gone), Some(Reason::NoFingertipBox));
    let gone_before: &[(i64, &[BoundingBox])] = &[(920, &[BOX]), (950, &[])];
    assert_eq!(reason_with("", gone_before), Some(Reason::NoFingertipBox));
}

#[test]
fn the_fingertip_is_reported_before_the_target() {
    let mut script = Script::boxes_only("");
    script.push(0, target(0, &[BOX]));
    script.image(500);
    let info = script.only().info;
    assert_eq!(info.reason, Some(Reason::NoFingertipBox), "not stale_box");
    assert_eq!(info.regions(), Err(Reason::NoFingertipBox));
}

#[test]
fn the_other_box_is_kept_for_the_record() {
    let mut script = Script::boxes_only("");
    script.image(0);
    script.push(0, target(0, &[BOX]));
    let info = script.only().info;
    assert_eq!((info.fingertip, info.target), (None, Some(BOX)));
}

const TRACKING: &str = "tracker: {enabled: true, max_bridged_frames: 2}";

#[test]
fn the_tracker_bridges_missing_boxes_marks_them_and_gives_up() {
    // given a fingertip seen in two images and missed in the next three
    let mut script = Script::boxes_only(TRACKING);
    for ms in [0, 50, 100, 150, 200, 250] {
        let seen: &[BoundingBox] = match ms {
            0 => &[box_at(100.0)],
            50 => &[box_at(105.0)],
            250 => &[box_at(125.0)],
            _ => &[],
        };
        script.image(ms);
        script.push(ms, fingertip(ms, seen));
        script.push(ms, target(ms, &[BOX]));
    }
    let frames = script.flushed();
    // then two are bridged, moving on, and the third has the original reason
    let gone = Some(Reason::NoFingertipBox);
    assert_eq!(reasons(&frames), [None, None, None, None, gone, None]);
    let bridged: Vec<bool> = frames.iter().map(is_bridged).collect();
    assert_eq!(bridged, [false, false, true, true, false, false]);
    let x = |i: usize| frames[i].info.fingertip.unwrap().center()[0];
    assert!(x(2) > 105.0 && x(3) > x(2));
    assert_eq!(x(5), 125.0, "a detection passes through as it is");
}

#[test]
fn the_tracker_bridges_a_detector_that_fell_silent() {
    let mut script = Script::boxes_only(TRACKING);
    script.both(0);
    for ms in [0, 200, 400, 600] {
        script.image(ms);
    }
    let stale = Some(Reason::StaleBox);
    assert_eq!(reasons(&script.flushed()), [None, None, None, stale]);
}

#[test]
fn without_the_tracker_nothing_is_bridged() {
    let mut script = Script::boxes_only("");
    script.both(0);
    script.image(0);
    script.image(200);
    let frames = script.flushed();
    assert_eq!(reasons(&frames), [None, Some(Reason::StaleBox)]);
    assert!(!frames.iter().any(is_bridged));
}

#[test]
fn regions_are_clipped_to_the_image_or_refused() {
    let check = |fingertip, target| check_regions(&Regions::of_boxes(fingertip, target), 64, 48);
    let reaching_out = BoundingBox::new(-5.0, 40.0, 10.0, 60.0);
    let inside = BoundingBox::new(0.0, 40.0, 10.0, 48.0);
    assert_eq!(check(BOX, reaching_out).unwrap().target, inside);
    assert_eq!(check(BOX, BOX).unwrap().fingertip, BOX);
    for outside in [
        BoundingBox::new(64.0, 0.0, 70.0, 10.0), // begins where the image ends
        BoundingBox::new(-9.0, 0.0, 0.0, 10.0),
        BoundingBox::new(5.0, 5.0, 5.0, 9.0), // no area
        BoundingBox::new(9.0, 5.0, 5.0, 9.0), // inside out
        BoundingBox::new(f64::NAN, 5.0, 9.0, 9.0),
        BoundingBox::new(5.0, 5.0, f64::INFINITY, 9.0),
    ] {
        assert_eq!(check(outside, BOX), Err(Reason::BoxOutsideImage));
        assert_eq!(check(BOX, outside), Err(Reason::BoxOutsideImage));
    }
}
