//! One wild stamp is one bad frame; a clock that is set anew is not.

use super::recorded::by_stamp;
use super::*;

/// Images at 20 Hz, steadily logged, with the boxes of each. `stamp` says what each one's header has, `boxes` what those
/// of its boxes have.
fn recording(
    count: i64,
    stamp: impl Fn(i64) -> i64,
    boxes: impl Fn(i64) -> i64,
) -> Vec<(i64, Input)> {
    let one = |tick: i64| {
        let (log, ms) = (tick * 50, boxes(tick));
        let x = tick as f64;
        [
            (log, image(stamp(tick))),
            (log + 20, fingertip(ms, &[box_at(x)])),
            (log + 20, target(ms, &[BOX])),
        ]
    };
    (0..count).flat_map(one).collect()
}

const BOXES: Streams = Streams {
    depth: false,
    camera_info: false,
    fingertip: true,
    target: true,
};

/// Live, of a recording in one pass, and by stamps alone.
fn frames(inputs: &[(i64, Input)]) -> [Vec<MatchedFrame>; 3] {
    let run = |mut script: Script| {
        for (log_ms, input) in inputs {
            script.push(*log_ms, input.clone());
        }
        script.flushed()
    };
    [
        run(Script::new("", BOXES, false)),
        run(Script::recorded("", BOXES, false)),
        by_stamp("", false, inputs),
    ]
}

fn wild() -> Option<Reason> {
    Some(Reason::WildStamp)
}

#[test]
fn a_wild_stamp_ended_an_episode() {
    // given recordings in which the tenth of twenty images lies far off
    for off_ms in [10_000, -10_000, 1_500, 1_000_000_000, -1_000_000] {
        let stamp = |tick| tick * 50 + 20_000_000 + if tick == 10 { off_ms } else { 0 };
        let steady = |tick| tick * 50 + 20_000_000;
        let [live, one_pass, stamped] = frames(&recording(20, stamp, steady));
        // or it with its boxes, which a node can measure before it knows better
        let [_, with_boxes, stamped_with_boxes] = frames(&recording(20, stamp, stamp));
        // when they are matched, in each way
        for frames in [live, one_pass, stamped, with_boxes, stamped_with_boxes] {
            // then it alone is invalid, in its place, and the others have their own boxes
            let expected: Vec<_> = (0..20)
                .map(|tick| if tick == 10 { wild() } else { None })
                .collect();
            assert_eq!(reasons(&frames), expected, "{off_ms}");
            assert_eq!(episodes(&frames), [0; 20], "{off_ms}");
            assert_eq!(stamps_ms(&frames), (0..20).map(stamp).collect::<Vec<_>>());
            let timeline: Vec<i64> = frames.iter().map(|f| f.info.timeline_nanos).collect();
            assert!(timeline.is_sorted(), "{off_ms}: {timeline:?}");
            for (tick, frame) in frames.iter().enumerate().filter(|(tick, _)| *tick != 10) {
                assert_eq!(
                    frame.info.fingertip,
                    Some(box_at(tick as f64)),
                    "{off_ms} {tick}"
                );
            }
        }
    }
}

#[test]
fn two_wild_stamps_that_differ_are_two_bad_frames() {
    let stamp = |tick| match tick {
        10 => 90_000,
        11 => 5_000_000,
        _ => 20_000 + tick * 50,
    };
    let [_, one_pass, stamped] = frames(&recording(20, stamp, |tick| 20_000 + tick * 50));
    for frames in [one_pass, stamped] {
        let bad: Vec<usize> = (0..20)
            .filter(|i| frames[*i].info.reason.is_some())
            .collect();
        assert_eq!(bad, [10, 11]);
        assert_eq!(episodes(&frames), [0; 20]);
    }
}

#[test]
fn the_first_and_the_last_stamp_of_a_recording_may_be_the_wild_one() {
    for (at, off_ms) in [(0, 10_000), (0, -10_000), (19, 10_000), (19, -10_000)] {
        let stamp = |tick| 20_000 + tick * 50 + if tick == at { off_ms } else { 0 };
        let inputs = recording(20, stamp, stamp);
        let [_, in_one_pass, stamped] = frames(&inputs);
        // A first one is found out too late for one pass.
        let ways = if at == 0 {
            vec![stamped]
        } else {
            vec![in_one_pass, stamped]
        };
        for frames in ways {
            let bad: Vec<i64> = (0..)
                .zip(&frames)
                .filter(|(_, f)| f.info.reason.is_some())
                .map(|(i, _)| i)
                .collect();
            assert_eq!((bad, frames.len()), (vec![at], 20), "{at} {off_ms}");
            assert_eq!(frames[at as usize].info.reason, wild());
            assert_eq!(episodes(&frames), [0; 20], "{at} {off_ms}");
        }
    }
}

#[test]
fn a_clock_that_is_set_back_for_good_begins_an_episode() {
    for back_ms in [1_050, 10_000, 20_400] {
        let stamp = |tick| 20_000 + tick * 50 - if tick >= 10 { back_ms } else { 0 };
        for frames in frames(&recording(20, stamp, stamp)) {
            assert_eq!(reasons(&frames), [None; 20], "{back_ms}");
            let expected: Vec<u64> = (0..20).map(|tick| u64::from(tick >= 10)).collect();
            assert_eq!(episodes(&frames), expected, "{back_ms}");
        }
    }
}

#[test]
fn a_clock_that_is_set_ahead_for_good_goes_on() {
    let stamp = |tick| 20_000 + tick * 50 + if tick >= 10 { 10_000 } else { 0 };
    for frames in frames(&recording(20, stamp, stamp)) {
        assert_eq!(reasons(&frames), [None; 20]);
        assert_eq!(episodes(&frames), [0; 20]);
    }
}

#[test]
fn stamps_that_only_ascend_were_called_wild_where_log_times_say_nothing() {
    // given a camera that pauses for seconds between pictures, and log times of a converter
    let gaps_ms = [2_000, 5_500, 3_100, 9_000, 2_400, 7_000, 1_900, 4_000];
    let mut ms = 1_000;
    let mut inputs = Vec::new();
    for (tick, gap_ms) in (0..).zip(gaps_ms.iter().cycle().take(20)) {
        ms += gap_ms;
        let log = tick * 66;
        inputs.extend([
            (log, image(ms)),
            (log, fingertip(ms, &[BOX])),
            (log, target(ms, &[BOX])),
        ]);
    }
    // then no frame is invalid
    for frames in frames(&inputs) {
        assert_eq!(reasons(&frames), [None; 20]);
        assert_eq!(episodes(&frames), [0; 20]);
    }
}

#[test]
fn a_simulator_may_be_faster_or_slower_than_its_recording() {
    // given stamps ten times and a tenth as fast as the log times, and seldom images
    for (interval_ms, log_ms) in [(500, 50), (50, 500), (5_000, 500)] {
        let inputs: Vec<_> = (0..20)
            .flat_map(|tick| {
                let (log, ms) = (tick * log_ms, tick * interval_ms);
                [
                    (log, image(ms)),
                    (log, fingertip(ms, &[BOX])),
                    (log, target(ms, &[BOX])),
                ]
            })
            .collect();
        for frames in frames(&inputs) {
            assert_eq!(reasons(&frames), [None; 20], "{interval_ms} {log_ms}");
        }
    }
}

#[test]
fn a_live_image_whose_stamp_leapt_is_not_waited_with() {
    // given a simulator that is stepped: its next image comes once this one has its step
    let mut script = Script::images_only("");
    for ms in [0, 50, 10_050, 10_100, 60, 110] {
        let log_ms = 40;
        // when its clock goes on by ten seconds, or back, with hardly any time between
        script.push(log_ms, image(ms));
        // then each image is settled at once
        assert_eq!(stamps_ms(&script.settled()), [ms]);
    }
}

#[test]
fn a_complete_live_image_with_a_wild_stamp_does_not_make_the_next_ones_late() {
    // given images that wait for nothing, of which one is wild
    let mut script = Script::images_only("");
    script.both(0);
    for (log_ms, ms) in [(0, 0), (50, 50), (100, 90_000), (150, 150), (200, 200)] {
        script.push(log_ms, image(ms));
    }
    let frames = script.flushed();
    // then the others are as they were
    assert_eq!(stamps_ms(&frames), [0, 50, 90_000, 150, 200]);
    let late = Some(Reason::Late);
    assert!(frames.iter().all(|frame| frame.info.reason != late));
    assert_eq!(episodes(&frames), [0; 5]);
}
