//! Depth, camera info, waiting and memory.

use super::*;

fn with_depth(yaml: &str) -> Script {
    let streams = Streams {
        camera_info: false,
        fingertip: false,
        target: false,
        ..Streams::ALL
    };
    let mut script = Script::new(yaml, streams, true);
    script.both(100);
    script
}

#[test]
fn the_nearest_depth_within_the_tolerance_is_taken_the_earlier_of_two() {
    let taken = |depths: &[i64]| {
        let mut script = with_depth("");
        depths.iter().for_each(|ms| script.push(*ms, depth(*ms)));
        script.push(100, image(100));
        let frame = script.only();
        (frame.depth, frame.info.reason)
    };
    assert_eq!(taken(&[90, 105, 118]), (Some(payload(105)), None));
    assert_eq!(taken(&[90, 110]), (Some(payload(90)), None));
    assert_eq!(taken(&[80]), (Some(payload(80)), None), "the limit itself");
    assert_eq!(taken(&[79, 121]), (None, Some(Reason::NoDepth)));
}

#[test]
fn one_depth_image_serves_every_image_it_is_near_to() {
    let mut script = with_depth("");
    for ms in [90, 110, 130] {
        script.push(ms, image(ms));
    }
    script.push(130, depth(110));
    let expected = Some(payload(110));
    assert!(script.flushed().iter().all(|frame| frame.depth == expected));
}

#[test]
fn a_missing_box_is_reported_before_missing_depth() {
    let mut script = Script::new("", Streams::ALL, true);
    script.image(0);
    script.push(0, fingertip(0, &[BOX]));
    assert_eq!(script.only().info.reason, Some(Reason::NoTargetBox));
}

#[test]
fn depth_is_no_reason_for_an_estimator_that_needs_none() {
    let mut script = Script::new("", Streams::ALL, false);
    script.both(0);
    script.image(0);
    assert_eq!(script.only().info.reason, None);
}

#[test]
fn intrinsics_are_the_newest_up_to_the_image_or_the_first_ever() {
    let streams = Streams {
        camera_info: true,
        depth: false,
        fingertip: false,
        target: false,
    };
    let mut script = Script::new("", streams, false);
    // given images before the first camera info: they wait for it
    script.image(0);
    script.image(40);
    assert!(script.settled().is_empty());
    let fx_of = |frames: Vec<MatchedFrame>| -> Vec<f64> {
        let fx = |frame: &MatchedFrame| frame.intrinsics.map(|i| i.fx);
        frames.iter().filter_map(fx).collect()
    };
    script.push(60, camera_info(50, 500.0));
    assert_eq!(fx_of(script.settled()), [500.0, 500.0]);
    // and a camera that is set up anew
    script.push(100, camera_info(100, 600.0));
    script.image(100);
    script.image(140);
    script.push(180, camera_info(180, 700.0));
    assert_eq!(fx_of(script.flushed()), [600.0, 600.0]);
}

#[test]
fn a_camera_without_info_is_left_to_the_estimator() {
    let mut script = Script::new("", Streams::ALL, false);
    script.both(0);
    script.image(0);
    let frame = script.only();
    assert_eq!((frame.intrinsics, frame.info.reason), (None, None));
}

#[test]
fn a_frame_waits_until_every_stream_has_come_to_it() {
    let mut script = Script::new("", Streams::ALL, true);
    script.push(0, camera_info(0, 500.0));
    script.image(0);
    script.push(10, depth(3));
    script.push(30, fingertip(0, &[BOX]));
    assert!(script.settled().is_empty());
    script.push(40, target(0, &[BOX]));
    assert_eq!(reasons(&script.settled()), [None]);
}

#[test]
fn a_frame_waits_for_the_configured_time_and_not_longer() {
    // given an image whose target never comes (wait_s 0.5)
    let mut script = Script::boxes_only("");
    script.image(1000);
    script.push(1000, fingertip(1000, &[BOX]));
    // when exactly the wait has passed, it still waits
    script.matcher.advance(1500 * MS);
    assert!(script.settled().is_empty());
    // and what comes at that moment is taken; past it, it is not
    script.matcher.advance(1500 * MS + 1);
    assert_eq!(reasons(&script.settled()), [Some(Reason::NoTargetBox)]);
}

#[test]
fn what_comes_at_the_end_of_the_wait_still_counts_and_after_it_does_not() {
    let reason = |log_ms| {
        let mut script = Script::boxes_only("");
        script.image(1000);
        script.push(1000, fingertip(1000, &[BOX]));
        script.push(log_ms, target(1000, &[BOX]));
        script.only().info.reason
    };
    assert_eq!(reason(1500), None);
    assert_eq!(reason(1501), Some(Reason::NoTargetBox));
}

#[test]
fn streams_that_do_not_exist_are_not_waited_for() {
    let mut script = Script::images_only("");
    script.image(0);
    assert_eq!(script.settled().len(), 1);
}

#[test]
fn frames_carry_what_was_pushed() {
    let mut script = with_depth("");
    script.push(107, image(100));
    script.push(108, depth(101));
    let frame = script.only();
    assert_eq!(frame.info.stamp_nanos, 100 * MS);
    assert_eq!(frame.info.log_time_nanos, 107 * MS);
    assert_eq!(frame.info.frame_id, "camera_color_optical_frame");
    assert_eq!(
        (frame.image, frame.depth),
        (payload(100), Some(payload(101)))
    );
}

fn heavy(stamp_ms: i64, is_depth: bool) -> Input {
    let stamp_nanos = stamp_ms * MS;
    let payload: Bytes = vec![0; 1000].into();
    match is_depth {
        true => Input::Depth {
            stamp_nanos,
            frame_id: String::new(),
            payload,
        },
        false => Input::Image {
            stamp_nanos,
            frame_id: String::new(),
            payload,
        },
    }
}

#[test]
fn memory_stays_flat_over_a_long_recording() {
    let mut script = Script::new("", Streams::ALL, true);
    let mut most = 0;
    for i in 0..3000 {
        let ms = i * 33;
        script.push(ms, camera_info(ms, 500.0));
        script.push(ms, heavy(ms, false));
        script.push(ms, heavy(ms, true));
        script.both(ms);
        assert_eq!(script.settled().len(), 1);
        most = most.max(script.matcher.held_bytes());
    }
    assert!(most < 5_000, "{most} bytes held");
}

#[test]
fn the_bound_on_bytes_settles_early_but_loses_no_frame() {
    let mut script = Script::new("matching: {wait_s: 60}", Streams::ALL, true);
    script.matcher = script.matcher.with_max_held_bytes(10_000);
    for i in 0..100 {
        script.push(i, heavy(i * 33, false));
        assert!(script.matcher.held_bytes() <= 10_000);
    }
    assert_eq!(script.flushed().len(), 100);
}

#[test]
fn without_images_nothing_piles_up() {
    let mut script = Script::new("", Streams::ALL, true);
    script.matcher = script.matcher.with_max_held_bytes(10_000);
    for i in 0..1000 {
        script.push(i, heavy(i * 33, true));
        script.both(i * 33);
        script.push(i, camera_info(i * 33, 500.0));
        script.push(i, Input::EpisodeSplit);
        assert!(script.matcher.held_bytes() <= 10_000);
    }
    assert!(script.flushed().is_empty());
}
