//! Where the matcher ends one episode and begins the next.

use super::*;

/// The episodes of images at these milliseconds, with splits logged at those.
fn split_at(yaml: &str, images: &[i64], splits: &[i64]) -> Vec<u64> {
    let mut script = Script::images_only(yaml);
    let mut inputs: Vec<(i64, Input)> = splits
        .iter()
        .map(|ms| (*ms, Input::EpisodeSplit))
        .chain(images.iter().map(|ms| (*ms, image(*ms))))
        .collect();
    inputs.sort_by_key(|(ms, _)| *ms);
    for (ms, input) in inputs {
        script.push(ms, input);
    }
    episodes(&script.flushed())
}

#[test]
fn one_stream_is_one_episode() {
    assert_eq!(split_at("", &[0, 50, 90_000], &[]), [0, 0, 0]);
}

#[test]
fn a_split_begins_an_episode_with_the_next_image_its_own_instant_included() {
    assert_eq!(split_at("", &[0, 50, 100], &[40]), [0, 1, 1]);
    assert_eq!(split_at("", &[0, 50, 100], &[50]), [0, 1, 1]);
    assert_eq!(split_at("", &[0, 50, 100], &[51]), [0, 0, 1]);
}

#[test]
fn splits_make_no_empty_episode() {
    assert_eq!(split_at("", &[50, 100], &[10, 20]), [0, 0]);
    assert_eq!(split_at("", &[0, 50, 100], &[60, 70, 80]), [0, 0, 1]);
    assert_eq!(split_at("", &[0, 50], &[60]), [0, 0]);
}

#[test]
fn a_split_counts_by_log_time_though_frames_are_still_pending() {
    // given frames that wait for boxes, so that the split overtakes them
    let mut script = Script::boxes_only("");
    script.image(0);
    script.image(50);
    script.push(60, Input::EpisodeSplit);
    script.image(100);
    script.push(120, Input::EpisodeSplit);
    script.image(150);
    assert_eq!(episodes(&script.flushed()), [0, 0, 1, 2]);
}

#[test]
fn a_gap_longer_than_the_limit_begins_an_episode() {
    let yaml = "episodes: {split_gap_s: 0.2}";
    assert_eq!(split_at(yaml, &[0, 200, 401, 450], &[]), [0, 0, 1, 1]);
}

#[test]
fn a_late_image_begins_nothing() {
    let mut script = Script::images_only("");
    script.image(100);
    script.push(110, Input::EpisodeSplit);
    script.push(120, image(50));
    script.push(150, image(150));
    let frames = script.flushed();
    assert_eq!(stamps_ms(&frames), [100, 50, 150]);
    assert_eq!(episodes(&frames), [0, 0, 1]);
}

#[test]
fn no_box_is_carried_into_a_new_episode() {
    let reason = |split: bool, box_ms: i64| {
        let mut script = Script::boxes_only("");
        script.image(0);
        script.both(box_ms);
        if split {
            script.push(60, Input::EpisodeSplit);
        }
        script.image(80);
        script.flushed()[1].info.reason
    };
    assert_eq!(reason(false, 59), None, "held within one episode");
    assert_eq!(reason(true, 59), Some(Reason::StaleBox));
    assert_eq!(
        reason(true, 60),
        None,
        "within the tolerance it is the image's own"
    );
}

#[test]
fn the_tracker_restarts_with_the_episode() {
    let yaml = "tracker: {enabled: true}";
    let mut script = Script::boxes_only(yaml);
    script.image(0);
    script.both(0);
    script.push(10, Input::EpisodeSplit);
    script.image(200);
    let frames = script.flushed();
    assert_eq!(reasons(&frames), [None, Some(Reason::StaleBox)]);
}

#[test]
fn a_live_node_knows_which_episode_a_split_would_begin() {
    // given a matcher that has settled nothing yet
    let mut script = Script::images_only("");
    assert_eq!(script.matcher.next_episode(), 0);
    // when an order to begin comes before the first image, and another after it
    script.push(0, Input::EpisodeSplit);
    script.image(10);
    assert_eq!(episodes(&script.settled()), [0]);
    assert_eq!(script.matcher.next_episode(), 1);
    script.push(20, Input::EpisodeSplit);
    script.image(30);
    // then the frame after it is of the episode that was foretold
    assert_eq!(episodes(&script.settled()), [1]);
}

#[test]
fn a_stream_that_shows_up_is_waited_for_from_then_on() {
    // given a matcher that knows of no depth
    let mut script = Script::images_only("");
    script.image(0);
    assert_eq!(script.settled().len(), 1);
    // when depth turns out to exist
    script.matcher.expect(Streams {
        depth: true,
        camera_info: false,
        fingertip: false,
        target: false,
    });
    script.image(100);
    assert!(script.settled().is_empty());
    script.push(101, depth(100));
    // then frames have it
    let frames = script.settled();
    assert!(frames[0].depth.is_some());
}
