//! From measurements to steps: what is valid, what an invalid step leaves alone, how episodes end.

use super::*;
use crate::estimator::Scripted;
use crate::frame::{Answer, ColorImage, LazyColorImage};
use crate::messages::StepReward;
use crate::messages::step_reward::StepMeta;
use crate::random::Random;

fn info(ms: i64, episode: u64) -> FrameInfo {
    FrameInfo {
        log_time_nanos: ms * MS + 7,
        frame_id: "camera".into(),
        episode,
        fingertip: Some(BOX),
        target: Some(box_at(50.0)),
        ..FrameInfo::at(ms * MS)
    }
}

fn surface(distance_m: f64) -> Result<Measurement, Reason> {
    Ok(Measurement {
        surface_m: Some(distance_m),
        own_confidence: Some(0.8),
        ..Measurement::default()
    })
}

/// Steps 100 ms apart in one matcher's episode.
fn run(yaml: &str, measured: &[Result<Measurement, Reason>]) -> Vec<Step> {
    let mut rewarder = Rewarder::new(&settings(yaml));
    (measured.iter().zip(0..))
        .map(|(m, i)| rewarder.push(info(i * 100, 0), m.clone(), Latency::default()))
        .collect()
}

fn reason_of(yaml: &str, measured: Result<Measurement, Reason>) -> Option<Reason> {
    run(yaml, &[measured])[0].reason
}

#[test]
fn a_valid_step_carries_everything_it_was_computed_from() {
    let mut rewarder = Rewarder::new(&Settings::geometry());
    let latency = Latency {
        estimate_s: 0.003,
        ..Latency::default()
    };
    let step = rewarder.push(info(1, 0), surface(0.25), latency);
    assert!(step.is_valid());
    assert_eq!((step.distance_m, step.surface_m), (0.25, 0.25));
    assert!(step.center_m.is_nan() && step.cloud_m.is_nan());
    assert_eq!((step.reward, step.shaped_reward), (-0.25, -0.25));
    assert_eq!((step.potential, step.confidence), (-0.25, 0.8));
    assert_eq!((step.stamp_nanos, step.log_time_nanos), (MS, MS + 7));
    assert_eq!(
        (step.fingertip, step.target),
        (Some(BOX), Some(box_at(50.0)))
    );
    assert_eq!((step.frame_id.as_str(), step.latency), ("camera", latency));
}

#[test]
fn an_invalid_step_has_nan_and_no_success() {
    let step = &run("", &[Err(Reason::DepthInvalid)])[0];
    assert_eq!(step.reason, Some(Reason::DepthInvalid));
    for value in [
        step.distance_m,
        step.reward,
        step.shaped_reward,
        step.potential,
    ] {
        assert!(value.is_nan());
    }
    assert!(!step.success && !step.terminated);
    assert_eq!(step.confidence, 0.0);
}

#[test]
fn implausible_distances_are_refused_at_the_bound() {
    let yaml = "estimator: {max_distance_m: 2.0}";
    let implausible = Some(Reason::ImplausibleDistance);
    assert_eq!(reason_of(yaml, surface(2.0)), None);
    assert_eq!(reason_of(yaml, surface(0.0)), None);
    for distance in [2.000_001, -0.001, f64::NAN, f64::INFINITY] {
        assert_eq!(reason_of(yaml, surface(distance)), implausible);
    }
}

#[test]
fn a_distance_of_another_kind_is_none() {
    let yaml = "estimator: {distance: cloud}";
    assert_eq!(reason_of(yaml, surface(0.2)), Some(Reason::DepthInvalid));
}

#[test]
fn an_answer_without_the_distance_is_unparsed_and_its_text_is_kept() {
    let spoken = Ok(Measurement {
        answer: Some(Answer {
            text: "Quite far.".into(),
            ..Answer::default()
        }),
        ..Measurement::default()
    });
    let step = &run("", &[spoken])[0];
    assert_eq!(step.reason, Some(Reason::UnparsedAnswer));
    assert_eq!(step.answer, "Quite far.");
}

#[test]
fn a_models_answer_does_not_hide_what_geometry_measured_beside_it() {
    let config = settings("estimator: {distance: cloud}");
    let mut rewarder = Rewarder::new(&config);
    let says = |distance_m| Measurement {
        cloud_m: Some(0.25),
        surface_m: Some(0.2),
        answer: Some(Answer {
            text: "Some words.".into(),
            distance_m,
            ..Answer::default()
        }),
        ..Measurement::default()
    };

    let told = rewarder.push(info(0, 0), Ok(says(Some(0.3))), Latency::default());
    let untold = rewarder.push(info(100, 0), Ok(says(None)), Latency::default());

    assert_eq!(told.distance_m, 0.3);
    assert_eq!(untold.reason, Some(Reason::UnparsedAnswer));
    for step in [told, untold] {
        assert_eq!((step.surface_m, step.cloud_m), (0.2, 0.25));
        assert!(step.center_m.is_nan());
    }
}

fn surface_with_std(distance_m: f64, std_m: f64) -> Result<Measurement, Reason> {
    Ok(Measurement {
        surface_std_m: Some(std_m),
        cloud_m: Some(0.5),
        cloud_std_m: Some(0.02),
        ..surface(distance_m)?
    })
}

#[test]
fn a_standard_deviation_is_published_with_its_distance() {
    let step = &run("", &[surface_with_std(0.3, 0.01)])[0];
    assert_eq!((step.distance_std_m, step.surface_std_m), (0.01, 0.01));
    assert_eq!(step.cloud_std_m, 0.02);
    assert!(step.center_std_m.is_nan());
    // the interval is 1.645 of it each way, cut at 0
    let (low, high) = step.interval_90().unwrap();
    assert!((low - 0.28355).abs() < 1e-12 && (high - 0.31645).abs() < 1e-12);
    let near = &run("", &[surface_with_std(0.01, 0.01)])[0];
    assert_eq!(near.interval_90().unwrap().0, 0.0);
    // and of an estimator that tells none, or nonsense, there is none
    for unknown in [surface(0.3), surface_with_std(0.3, -1.0)] {
        let step = &run("", &[unknown])[0];
        assert!(step.is_valid() && step.distance_std_m.is_nan());
        assert_eq!(step.interval_90(), None);
    }
}

#[test]
fn an_answers_standard_deviation_counts_where_the_answer_does() {
    let spoken = Measurement {
        answer: Some(Answer {
            text: "0.3 m".into(),
            distance_m: Some(0.3),
            distance_std_m: Some(0.05),
        }),
        ..surface_with_std(0.25, 0.01).unwrap()
    };
    let step = &run("", &[Ok(spoken)])[0];
    assert_eq!((step.distance_m, step.distance_std_m), (0.3, 0.05));
    assert_eq!((step.surface_m, step.surface_std_m), (0.25, 0.01));
}

#[test]
fn a_distance_is_uncertain_above_the_limit_and_never_without_one() {
    let yaml = "reward: {max_std_m: 0.01}";
    assert_eq!(reason_of(yaml, surface_with_std(0.3, 0.01)), None);
    for std_m in [0.010_001, f64::INFINITY] {
        let uncertain = surface_with_std(0.3, std_m);
        assert_eq!(reason_of(yaml, uncertain.clone()), Some(Reason::Uncertain));
        assert_eq!(reason_of("", uncertain), None);
    }
    // where no standard deviation is known, the limit has no effect
    assert_eq!(reason_of(yaml, surface(0.3)), None);
    // and an implausible distance stays one
    let implausible = surface_with_std(7.0, 1.0);
    assert_eq!(
        reason_of(yaml, implausible),
        Some(Reason::ImplausibleDistance)
    );
}

#[test]
fn an_uncertain_step_has_no_distance_and_says_how_uncertain_it_was() {
    let meta = StepMeta {
        reward_kind: "dense",
        estimator: "scripted",
    };
    let step = &run("reward: {max_std_m: 0.01}", &[surface_with_std(0.3, 0.2)])[0];
    assert!(step.distance_m.is_nan() && step.reward.is_nan());
    assert_eq!((step.surface_m, step.distance_std_m), (0.3, 0.2));
    assert_eq!(step.interval_90(), None);
    // the message of an invalid step has no standard deviation of a distance that does not count
    let message = StepReward::new(step, &meta);
    assert!(message.distance_std_m.is_nan());
    assert_eq!(
        (message.surface_std_m, message.reason.as_str()),
        (0.2, "uncertain")
    );
}

#[test]
fn the_matchers_reason_comes_first() {
    let mut rewarder = Rewarder::new(&Settings::geometry());
    let late = FrameInfo {
        reason: Some(Reason::Late),
        ..info(0, 0)
    };
    let step = rewarder.push(late, Err(Reason::NoImage), Latency::default());
    assert_eq!(step.reason, Some(Reason::Late));
}

#[test]
fn invalid_steps_leave_the_valid_ones_as_they_were() {
    let mut random = Random(11);
    for filter in ["none", "median", "exponential", "kalman"] {
        let yaml = format!(
            "reward: {{kind: shaped, base: progress}}\nfilter: {{kind: {filter}}}\n\
             success: {{enter_m: 0.3, exit_m: 0.5, hold_s: 0.1, votes: {{needed: 2, of: 3}}}}"
        );
        let config = settings(&yaml);
        for _ in 0..20 {
            // given a series of valid steps, and the same one with invalid steps among them
            let (mut clean, mut mixed) = (Rewarder::new(&config), Rewarder::new(&config));
            for i in 0..40 {
                let measured = surface(random.unit());
                let expected = clean.push(info(i * 100, 0), measured.clone(), Latency::default());
                for k in 0..random.below(3) as i64 {
                    let invalid = [Err(Reason::NoDepth), surface(99.0)][k as usize].clone();
                    let step = mixed.push(info(i * 100 - 5, 0), invalid, Latency::default());
                    assert!(!step.is_valid() && step.reward.is_nan());
                }
                let got = mixed.push(info(i * 100, 0), measured, Latency::default());
                // then the valid steps are worth the same
                let worth = |s: &Step| (s.reward, s.shaped_reward, s.potential, s.success);
                assert_eq!(worth(&got), worth(&expected), "{filter}");
            }
        }
    }
}

#[test]
fn the_reward_is_of_the_filtered_distance_and_the_raw_one_is_published() {
    let yaml = "filter: {kind: median, window: 3}";
    let steps = run(yaml, &[surface(0.4), surface(0.3), surface(2.0)]);
    assert_eq!((steps[2].distance_m, steps[2].reward), (2.0, -0.4));
}

#[test]
fn everything_restarts_with_the_matchers_episode() {
    let yaml = "reward: {kind: progress}\nfilter: {kind: exponential, alpha: 0.1}";
    let mut rewarder = Rewarder::new(&settings(yaml));
    let mut push =
        |ms, episode, d| rewarder.push(info(ms, episode), surface(d), Latency::default());
    push(0, 0, 0.4);
    push(100, 0, 0.2);
    let first = push(200, 1, 0.8);
    assert_eq!((first.index, first.episode, first.frame), (2, 1, 0));
    assert_eq!((first.reward, first.potential), (0.0, -0.8));
    assert_eq!(first.shaped_reward, 0.0, "no transition leads here");
    assert_eq!(push(300, 1, 0.8).frame, 1);
}

const ENDING: &str = "episodes: {end_on_success: true}\nsuccess: {hold_s: 0.1}";

#[test]
fn a_success_ends_the_episode_and_the_next_frame_begins_one() {
    let d = [0.4, 0.0, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0].map(surface);
    let steps = run(ENDING, &d);
    let place: Vec<_> = steps.iter().map(|s| (s.episode, s.frame)).collect();
    let expected = [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 0),
    ];
    assert_eq!(place, expected);
    let ends: Vec<bool> = steps.iter().map(|s| s.terminated).collect();
    let expected = [false, false, true, false, false, false, true, false];
    assert_eq!(ends, expected);
    assert_eq!(steps[2].potential, 0.0);
}

#[test]
fn one_long_touch_ends_one_episode() {
    let steps = run(ENDING, &[0.0; 40].map(surface));
    assert_eq!(steps.iter().filter(|s| s.terminated).count(), 1);
    assert_eq!(steps[39].episode, 1);
}

#[test]
fn an_episode_of_its_own_may_begin_at_the_target() {
    // given a touch that ended an episode, and a recording that was split there
    let mut rewarder = Rewarder::new(&settings(ENDING));
    let ends: Vec<_> = [(0, 0), (100, 0), (200, 1), (300, 1), (400, 1)]
        .map(|(ms, episode)| rewarder.push(info(ms, episode), surface(0.0), Latency::default()))
        .map(|step| (step.episode, step.terminated))
        .to_vec();
    // then the new episode succeeds by itself, and the split has not counted twice
    assert_eq!(
        ends,
        [(0, false), (0, true), (1, false), (1, true), (2, false)]
    );
}

#[test]
fn estimate_checks_the_boxes_before_it_asks() {
    let estimator = Scripted::distances([(0, 0.2)]);
    let frame = |stamp_nanos| Frame {
        episode: 0,
        stamp_nanos,
        color: LazyColorImage::from(ColorImage {
            width: 64,
            height: 48,
            rgb: vec![0; 64 * 48 * 3].into(),
        }),
        depth: None,
        intrinsics: None,
    };
    let regions = |target| Regions::of_boxes(BOX, target);
    let measured = estimate(&estimator, &frame(0), &regions(BOX)).unwrap();
    assert_eq!(measured.surface_m, Some(0.2));
    assert_eq!(
        estimate(&estimator, &frame(0), &regions(box_at(99.0))),
        Err(Reason::BoxOutsideImage)
    );
    assert_eq!(
        estimate(&estimator, &frame(1), &regions(BOX)),
        Err(Reason::ModelError)
    );
}
