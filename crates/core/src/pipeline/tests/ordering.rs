//! The order of arrival, late images and clocks that are set back.

use super::*;
use crate::random::Random;

/// The frames without what depends on the order of arrival by its nature.
fn without_log_times(mut frames: Vec<MatchedFrame>) -> Vec<MatchedFrame> {
    for frame in &mut frames {
        frame.info.log_time_nanos = 0;
    }
    frames
}

/// Four streams over three seconds: jittery stamps, missing and empty messages.
fn recording(random: &mut Random) -> [Vec<(i64, Input)>; 5] {
    let (mut images, mut depths, mut fingertips, mut targets) = (vec![], vec![], vec![], vec![]);
    for i in 0..60 {
        let ms = 1000 + i * 50;
        images.push((ms, image(ms)));
        let mut near = || ms + random.below(31) as i64 - 15;
        let (d, f, t) = (near(), near(), near());
        if random.below(10) > 0 {
            depths.push((d, depth(d)));
        }
        let seen = [box_at(i as f64)];
        let mut boxes = |at: i64, role| match random.below(8) {
            0 => None,
            1 => Some((at, super::boxes(role, at, &[]))),
            _ => Some((at, super::boxes(role, at, &seen))),
        };
        fingertips.extend(boxes(f, BoxRole::Fingertip));
        targets.extend(boxes(t, BoxRole::Target));
    }
    let infos = vec![(980, camera_info(980, 500.0))];
    [images, depths, fingertips, targets, infos]
}

/// The recording with each stream's messages delayed at random, in their own order, by less than
/// the wait. At one instant the streams come in random order.
fn delayed(streams: &[Vec<(i64, Input)>], most_ms: u64, random: &mut Random) -> Vec<(i64, Input)> {
    let mut arrivals = Vec::new();
    for stream in streams {
        let turn = random.next_u64();
        let mut last = i64::MIN;
        for (ms, input) in stream {
            last = last.max(ms + random.below(most_ms) as i64);
            arrivals.push((last, turn, input.clone()));
        }
    }
    arrivals.sort_by_key(|(log, turn, _)| (*log, *turn));
    (arrivals.into_iter())
        .map(|(log, _, input)| (log, input))
        .collect()
}

#[test]
fn any_order_of_arrival_within_the_wait_gives_the_same_frames() {
    let yaml = "tracker: {enabled: true, max_bridged_frames: 1}";
    let mut random = Random(2024);
    for round in 0..40 {
        // given a recording, once with every message logged at its stamp
        let streams = recording(&mut random);
        let run = |arrivals: Vec<(i64, Input)>| {
            let mut script = Script::new(yaml, Streams::ALL, true);
            for (log_ms, input) in arrivals {
                script.push(log_ms, input);
            }
            without_log_times(script.flushed())
        };
        let expected = run(delayed(&streams, 1, &mut random));
        assert_eq!(expected.len(), 60);
        // when the streams are delayed against each other, in many ways
        for _ in 0..10 {
            let got = run(delayed(&streams, 480, &mut random));
            // then the frames are the same
            assert_eq!(got, expected, "round {round}");
        }
    }
}

#[test]
fn frames_come_out_in_the_order_of_their_stamps() {
    let mut script = Script::boxes_only("");
    for ms in [100, 0, 50] {
        script.push(200, image(ms));
    }
    assert_eq!(stamps_ms(&script.flushed()), [0, 50, 100]);
}

#[test]
fn an_image_behind_the_last_frame_is_late_and_keeps_its_place_in_the_count() {
    let mut script = Script::images_only("");
    script.both(950);
    script.both(1000);
    script.both(1050);
    for ms in [1000, 950, 1, 1050] {
        script.push(1050, image(ms));
    }
    let frames = script.flushed();
    let late = Some(Reason::Late);
    assert_eq!(stamps_ms(&frames), [1000, 950, 1, 1050]);
    assert_eq!(reasons(&frames), [None, late, late, None]);
    assert_eq!(episodes(&frames), [0; 4]);
    assert_eq!(frames[1].info.fingertip, None);
}

#[test]
fn two_images_of_one_stamp_were_two_steps() {
    // given images of which two have one stamp, once while the first of them waits and once when it is settled
    let mut script = Script::boxes_only("");
    script.image(0);
    script.image(0);
    script.both(0);
    script.image(0);
    script.image(50);
    script.both(50);
    // then each stamp is one frame, and the others are counted
    assert_eq!(stamps_ms(&script.flushed()), [0, 50]);
    assert_eq!(script.matcher.duplicates(), 2);
}

#[test]
fn a_second_back_is_a_new_episode_and_nothing_is_matched_across() {
    // given a simulator that ran to 5 s and was reset to 4 s
    let mut script = Script::boxes_only("");
    for ms in [4000, 4950, 5000] {
        script.image(ms);
        script.both(ms);
    }
    script.push(5010, image(4000));
    // when the detectors have not looked at the new image yet, it waits
    assert_eq!(script.settled().len(), 3);
    script.push(5511, fingertip(5000, &[BOX]));
    // then it does not get the box of the earlier 4 s, nor one from before the reset
    let frames = script.flushed();
    assert_eq!(reasons(&frames), [Some(Reason::NoFingertipBox)]);
    assert_eq!(episodes(&frames), [1]);
}

/// A simulator's run from 0 to 6 s and again from 0 to 2 s, 10 Hz, logged on a steady clock.
fn reset_recording() -> [Vec<(i64, Input)>; 4] {
    let times = (0..=60).chain(0..20).zip(0..);
    let of = |make: &dyn Fn(i64, f64) -> Input| {
        (times.clone())
            .map(|(tick, step): (i64, i64)| (step * 100, make(tick * 100, step as f64)))
            .collect()
    };
    [
        of(&|ms, _| image(ms)),
        of(&|ms, _| depth(ms)),
        of(&|ms, x| fingertip(ms, &[box_at(x)])),
        of(&|ms, x| target(ms, &[box_at(x)])),
    ]
}

#[test]
fn a_reset_reaches_every_stream_in_whatever_order() {
    let mut random = Random(5);
    let streams = Streams {
        camera_info: false,
        ..Streams::ALL
    };
    for round in 0..50 {
        // given streams that jump back one after the other, up to 400 ms apart
        let mut script = Script::new("", streams, true);
        for (log_ms, input) in delayed(&reset_recording(), 400, &mut random) {
            script.push(log_ms, input);
        }
        // then each frame still has its very own boxes
        let frames = script.flushed();
        assert_eq!(frames.len(), 81);
        for (frame, step) in frames.iter().zip(0..) {
            let own = Some(box_at(f64::from(step)));
            assert_eq!(frame.info.reason, None, "round {round} step {step}");
            assert_eq!(frame.info.fingertip, own, "round {round} step {step}");
            assert_eq!(frame.info.target, own, "round {round} step {step}");
            assert_eq!(frame.info.episode, u64::from(step > 60));
        }
    }
}

#[test]
fn one_wild_stamp_in_a_stream_spoils_one_message_only() {
    let mut script = Script::boxes_only("");
    for ms in [0, 50, 100, 150] {
        script.image(ms);
        let stamp = if ms == 50 { 1_000_000_000 } else { ms };
        script.push(ms, fingertip(stamp, &[box_at(ms as f64)]));
        script.push(ms, target(ms, &[BOX]));
    }
    let frames = script.flushed();
    assert_eq!(reasons(&frames), [None; 4], "50 ms is held from 0 ms");
    let x = |i: usize| frames[i].info.fingertip.unwrap().center()[0];
    assert_eq!([x(0), x(1), x(2), x(3)], [0.0, 0.0, 100.0, 150.0]);
}

#[test]
fn a_stream_that_starts_over_alone_is_not_hoarded() {
    // given depth whose clock is set back to 0 while the images go on
    let streams = Streams {
        camera_info: false,
        ..Streams::ALL
    };
    let mut script = Script::new("", streams, true);
    let mut most = 0;
    for ms in (0..60_000).step_by(50) {
        script.image(ms);
        script.both(ms);
        script.push(ms, depth(if ms < 5000 { ms } else { ms - 5000 }));
        most = most.max(script.matcher.held_bytes());
        for frame in script.settled() {
            let lost = frame.info.stamp_nanos >= 5000 * MS;
            let expected = lost.then_some(Reason::NoDepth);
            assert_eq!(frame.info.reason, expected, "{:?}", frame.info);
        }
    }
    assert!(most < 10_000, "{most} bytes held");
}

#[test]
fn hostile_stamps_neither_panic_nor_lose_an_image() {
    let extremes = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let mut random = Random(3);
    let mut pick = move || extremes[random.below(7) as usize];
    for _ in 0..200 {
        let mut script = Script::new("episodes: {split_gap_s: 1}", Streams::ALL, true);
        let mut images = 0;
        let mut frames = 0;
        for i in 0..60 {
            let stamp_nanos = pick();
            let input = match i % 6 {
                0 | 1 => Input::Image {
                    stamp_nanos,
                    frame_id: String::new(),
                    payload: payload(0),
                },
                2 => Input::Depth {
                    stamp_nanos,
                    frame_id: String::new(),
                    payload: payload(0),
                },
                3 => Input::Boxes {
                    role: BoxRole::Both,
                    stamp_nanos,
                    boxes: vec![detection("target", f64::NAN, BOX)],
                },
                4 => camera_info(0, f64::NAN),
                _ => Input::EpisodeSplit,
            };
            images += usize::from(i % 6 < 2);
            script.matcher.push(pick(), input);
            frames += script.settled().len();
        }
        let duplicates = script.matcher.duplicates() as usize;
        assert_eq!(frames + script.flushed().len() + duplicates, images);
    }
}
