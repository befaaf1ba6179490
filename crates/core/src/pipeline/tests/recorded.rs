//! A recording: stamps decide, in one pass where nothing came too late, else with everything known.

use super::*;
use crate::frame::BoxOrigin;
use crate::random::Random;

/// The frames that stamps alone give, with their pictures.
pub(super) fn by_stamp(
    yaml: &str,
    needs_depth: bool,
    inputs: &[(i64, Input)],
) -> Vec<MatchedFrame> {
    let config = Config::from_yaml(yaml).unwrap();
    let mut matcher = StampMatcher::new(&config, needs_depth);
    let mut pictures = Vec::new();
    for (log_ms, input) in inputs {
        let input = input.clone().with_payload(|payload| {
            pictures.push(payload);
            pictures.len() as u64 - 1
        });
        matcher.push(log_ms * MS, input);
    }
    let picture = |ordinal: u64| pictures[ordinal as usize].clone();
    (matcher.frames())
        .map(|frame| MatchedFrame {
            image: picture(frame.image),
            depth: frame.depth.map(picture),
            info: frame.info,
            intrinsics: frame.intrinsics,
            masks: frame.masks,
            places: frame.places,
            registration: frame.registration,
        })
        .collect()
}

fn without_log_times(mut frames: Vec<MatchedFrame>) -> Vec<MatchedFrame> {
    for frame in &mut frames {
        frame.info.log_time_nanos = 0;
    }
    frames
}

/// A camera at 20 Hz with depth, and detectors of another rate that miss things, each message with its stamp.
fn streams(random: &mut Random) -> Vec<(usize, i64, Input)> {
    let mut inputs = vec![(4, 980, camera_info(980, 500.0))];
    for i in 0..80 {
        let ms = 1000 + i * 50;
        inputs.push((0, ms, image(ms)));
        if random.below(12) > 0 {
            let at = ms + random.below(11) as i64 - 5;
            inputs.push((1, at, depth(at)));
        }
    }
    for (stream, role) in [(2, BoxRole::Fingertip), (3, BoxRole::Target)] {
        for i in 0..50 {
            let ms = 1000 + i * 80 + random.below(9) as i64;
            let seen: &[BoundingBox] = match random.below(8) {
                0 => continue,
                1 => &[],
                _ => &[box_at(i as f64)],
            };
            inputs.push((stream, ms, boxes(role, ms, seen)));
        }
    }
    inputs
}

/// Each stream logged later by its own delay.
fn logged(inputs: &[(usize, i64, Input)], delays_ms: [i64; 5]) -> Vec<(i64, Input)> {
    let mut logged: Vec<(i64, Input)> = (inputs.iter())
        .map(|(stream, ms, input)| (ms + delays_ms[*stream], input.clone()))
        .collect();
    logged.sort_by_key(|(log_ms, _)| *log_ms);
    logged
}

fn in_one_pass(inputs: &[(i64, Input)]) -> (Vec<MatchedFrame>, bool) {
    let mut script = Script::recorded("", Streams::ALL, true);
    for (log_ms, input) in inputs {
        script.push(*log_ms, input.clone());
    }
    let frames = script.flushed();
    (frames, script.matcher.has_missed())
}

#[test]
fn what_was_recorded_late_was_lost() {
    let mut random = Random(16);
    for round in 0..40 {
        // given a recording, as it is by its stamps
        let inputs = streams(&mut random);
        let expected = without_log_times(by_stamp("", true, &logged(&inputs, [0; 5])));
        assert_eq!(expected.len(), 80);
        // when streams are logged later, by up to a day
        for most_ms in [1, 300, 600, 10_000, 86_400_000] {
            let delays = [0, 1, 2, 3, 4].map(|_| random.below(most_ms) as i64);
            let inputs = logged(&inputs, delays);
            // then stamps give the same frames
            let stamped = without_log_times(by_stamp("", true, &inputs));
            assert_eq!(stamped, expected, "round {round}: {delays:?}");
            // and so does one pass, or it says that something came too late
            let (frames, missed) = in_one_pass(&inputs);
            if !missed {
                assert_eq!(
                    without_log_times(frames),
                    expected,
                    "round {round}: {delays:?}"
                );
            }
            if most_ms == 1 {
                assert!(!missed, "round {round}: nothing was late");
            }
        }
    }
}

#[test]
fn boxes_that_came_after_the_wait_are_missed_live_and_told_of_a_recording() {
    // given boxes 0.6 s after their image
    let inputs: Vec<(i64, Input)> = (0..40)
        .flat_map(|i| {
            let ms = i * 50;
            [
                (ms, image(ms)),
                (ms + 600, fingertip(ms, &[BOX])),
                (ms + 600, target(ms, &[BOX])),
            ]
        })
        .collect();
    let mut inputs = inputs;
    inputs.sort_by_key(|(log_ms, _)| *log_ms);
    let mut live = Script::boxes_only("");
    let mut recorded = Script::recorded("", BOXES, false);
    for (log_ms, input) in &inputs {
        live.push(*log_ms, input.clone());
        recorded.push(*log_ms, input.clone());
    }
    assert!(!live.matcher.has_missed() && recorded.matcher.has_missed());
    let mut matcher = StampMatcher::new(&Config::default(), false);
    for (log_ms, input) in inputs {
        matcher.push(log_ms * MS, input.with_payload(|_| 0));
    }
    let missed = matcher.frames().missed();
    assert_eq!(missed.boxes, 80);
    assert_eq!(missed.latest_nanos, 600 * MS);
}

const BOXES: Streams = Streams {
    depth: false,
    camera_info: false,
    fingertip: true,
    target: true,
};

/// Where the fingertip of an image at 1050 ms is, its detector having looked at these.
fn fingertip_at_1050(recorded: bool, seen: &[(i64, &[BoundingBox])]) -> (FrameInfo, f64) {
    let mut script = match recorded {
        true => Script::recorded("", BOXES, false),
        false => Script::new("", BOXES, false),
    };
    script.image(920);
    script.image(1000);
    script.image(1050);
    for ms in [920, 1000, 1050] {
        script.push(1100, target(ms, &[BOX]));
    }
    for (ms, seen) in seen {
        script.push(1100, fingertip(*ms, seen));
    }
    let info = script.flushed().remove(2).info;
    let x = info.fingertip.map_or(f64::NAN, |bbox| bbox.center()[0]);
    (info, x)
}

fn origin(info: &FrameInfo) -> Option<(BoxOrigin, f64)> {
    info.fingertip_source
        .map(|source| (source.origin, source.age_s))
}

#[test]
fn a_box_between_two_detections_lies_between_them_or_where_it_was_heading() {
    let between: &[(i64, &[BoundingBox])] = &[
        (920, &[box_at(92.0)]),
        (1000, &[box_at(100.0)]),
        (1080, &[box_at(108.0)]),
    ];
    // a recording knows the later one
    let (info, x) = fingertip_at_1050(true, between);
    assert_eq!(origin(&info), Some((BoxOrigin::Interpolated, 0.03)));
    assert!((x - 105.0).abs() < 1e-9, "{x}");
    // a node goes on from the earlier ones
    let (info, x) = fingertip_at_1050(false, between);
    assert_eq!(origin(&info), Some((BoxOrigin::Extrapolated, 0.05)));
    assert!((101.0..109.0).contains(&x), "{x}");
    // and reuses the last one if there was but one
    let (info, x) = fingertip_at_1050(false, &between[1..]);
    assert_eq!((origin(&info), x), (Some((BoxOrigin::Reused, 0.05)), 100.0));
}

#[test]
fn a_box_is_not_drawn_towards_a_detection_that_saw_nothing_or_is_too_far() {
    for later in [(1080, &[] as &[BoundingBox]), (1151, &[box_at(300.0)])] {
        let (info, _) = fingertip_at_1050(true, &[(1000, &[box_at(100.0)]), later]);
        let reused = origin(&info).map(|(origin, _)| origin);
        assert_eq!(reused, Some(BoxOrigin::Reused), "{later:?}");
    }
}

#[test]
fn a_box_of_the_image_itself_is_seen_however_near_others_are() {
    let own = [
        (1045, &[box_at(7.0)] as &[BoundingBox]),
        (1100, &[box_at(9.0)]),
    ];
    let (info, x) = fingertip_at_1050(true, &own);
    assert_eq!((origin(&info), x), (Some((BoxOrigin::Seen, 0.005)), 7.0));
}

#[test]
fn boxes_stamped_later_than_their_image_are_taken_back_by_the_regions_delay() {
    // given a fingertip's detector that stamps 230 ms late and moves, and a target's that does not
    let frames = |yaml: &str| {
        let mut script = Script::recorded(yaml, BOXES, false);
        for i in 0..20 {
            let ms = i * 100;
            script.image(ms);
            script.push(ms + 240, fingertip(ms + 230, &[box_at(i as f64)]));
            script.push(ms + 10, target(ms, &[BOX]));
        }
        script.flushed()
    };
    // when the setting says so, then each image has its own box
    let corrected = frames("regions: {fingertip: {delay_s: 0.23}}");
    for (i, frame) in corrected.iter().enumerate() {
        assert_eq!(frame.info.fingertip, Some(box_at(i as f64)));
        assert_eq!(frame.info.fingertip_source, Some(BoxSource::SEEN));
    }
    // and without it, another one's
    assert_ne!(frames("")[10].info.fingertip, Some(box_at(10.0)));
}

#[test]
fn late_boxes_of_a_recording_whose_clock_was_set_back_were_given_to_the_wrong_half() {
    // given two runs of a simulator over the same stamps, and boxes and depth a day late: of both runs, or of the first
    for late_until in [80, 40] {
        let mut inputs = Vec::new();
        for tick in 0..80_i64 {
            let (log, ms) = (tick * 50, tick % 40 * 50);
            inputs.push((log, image(ms)));
            let late = log + if tick < late_until { 86_400_000 } else { 0 };
            inputs.push((late, fingertip(ms, &[box_at(tick as f64)])));
            inputs.push((late, target(ms, &[BOX])));
            inputs.push((late, depth(ms)));
        }
        inputs.sort_by_key(|(log_ms, _)| *log_ms);
        // when stamps decide
        let frames = by_stamp("", true, &inputs);
        // then each image has its own half's
        assert_eq!(reasons(&frames), [None; 80], "{late_until}");
        for (tick, frame) in frames.iter().enumerate() {
            assert_eq!(
                frame.info.fingertip,
                Some(box_at(tick as f64)),
                "{late_until}"
            );
            assert_eq!(frame.info.episode, u64::from(tick >= 40));
        }
    }
}

#[test]
fn a_live_matcher_misses_nothing_that_can_be_read_again() {
    let mut script = Script::images_only("");
    for ms in [0, 100, 50, 150] {
        script.push(150, image(ms));
    }
    assert!(!script.matcher.has_missed());
}

#[test]
fn an_image_logged_behind_later_ones_is_in_its_place_by_its_stamp() {
    let inputs: Vec<(i64, Input)> = [(0, 0), (50, 50), (100, 100), (900, 75)]
        .into_iter()
        .flat_map(|(log, ms)| {
            [
                (log, image(ms)),
                (log, fingertip(ms, &[BOX])),
                (log, target(ms, &[BOX])),
            ]
        })
        .collect();
    let frames = by_stamp("", false, &inputs);
    assert_eq!(stamps_ms(&frames), [0, 50, 75, 100]);
    assert_eq!(reasons(&frames), [None; 4]);
}
