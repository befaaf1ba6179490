//! Standard deviations of distances, from an estimator that tells them to all that is written and said of them; and bags
//! that were labelled before there were any.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use mcap::records::MessageHeader;
use spatial_reward::estimator::Scripted;
use spatial_reward::frame::{Measurement, Reason};
use spatial_reward::label::output::IfExists;
use spatial_reward::label::{Cause, Labelled};
use spatial_reward::messages::Float64;

use crate::fixtures::*;

const STEPS: i64 = 10;

/// An estimator that says the true gap of each frame and 1 cm more, with this standard deviation.
fn estimator(std_m: impl Fn(i64) -> Option<f64>) -> Scripted {
    Scripted::new((0..STEPS).map(|index| {
        let measurement = Measurement {
            surface_m: Some(gap_m(index, STEPS) + 0.01),
            surface_std_m: std_m(index),
            own_confidence: Some(1.0),
            ..Measurement::default()
        };
        (START + index * PERIOD, Ok(measurement))
    }))
}

/// An approach with its truth, labelled as `out` in the folder.
fn labelled(folder: &Path, settings: &str, estimator: &Scripted) -> Labelled {
    labelled_by(folder, "out", IfExists::Overwrite, settings, estimator)
}

#[test]
fn a_standard_deviation_is_in_the_bag_and_evaluated() {
    // given distances 1 cm too far, of which the first four say 2 cm, the next four 1 mm, and the last two nothing
    let std_m = |index| match index {
        0..4 => Some(0.02),
        4..8 => Some(0.001),
        _ => None,
    };
    let (_guard, folder) = folder_with(&approach(STEPS).with_truth(STEPS));

    let done = labelled(&folder, "", &estimator(std_m));

    let stds: Vec<f64> = (rewards(&folder.join("out")).iter())
        .map(|(_, reward)| reward.distance_std_m)
        .collect();
    assert_eq!(
        stds[..8],
        [0.02, 0.02, 0.02, 0.02, 0.001, 0.001, 0.001, 0.001]
    );
    assert!(stds[8..].iter().all(|std| std.is_nan()));
    assert!(!done.limit_without_effect);
    // then half of eight intervals hold the truth, and those of one width would need 1 cm each way for that
    let metrics = run(&folder, &["evaluate", "out", "--json"])
        .expect_code(0)
        .json();
    let figure = |key: &str| metrics[key].as_f64().unwrap();
    let is = |key: &str, expected: f64| {
        assert!((figure(key) - expected).abs() < 1e-9, "{key}: {metrics}");
    };
    is("interval_coverage", 0.5);
    is("interval_width_m", 2.0 * 1.645 * (0.02 + 0.001) / 2.0);
    is("interval_width_constant_m", 0.02);
    is("interval_within_5mm", 0.5);
    is("interval_within_5mm_off_by_15mm", 0.0);
    assert!(metrics["baseline_constant"]["interval_coverage"].is_null());
    let table = run(&folder, &["evaluate", "out"]).expect_code(0);
    assert!(
        table.stdout.contains("truth in the 90 % interval"),
        "{table}"
    );
    let page = std::fs::read_to_string(&done.files.html).unwrap();
    assert!(page.contains("90 % interval"));
}

#[test]
fn without_a_standard_deviation_nothing_is_said_of_intervals() {
    let (_guard, folder) = folder_with(&approach(STEPS).with_truth(STEPS));
    let done = labelled(&folder, "", &estimator(|_| None));
    let metrics = run(&folder, &["evaluate", "out", "--json"])
        .expect_code(0)
        .json();
    assert!(metrics["interval_coverage"].is_null(), "{metrics}");
    let table = run(&folder, &["evaluate", "out"]).expect_code(0);
    assert!(!table.stdout.contains("interval"), "{table}");
    let page = std::fs::read_to_string(&done.files.html).unwrap();
    assert!(!page.contains("90 % interval</text>"));
}

#[test]
fn too_uncertain_steps_are_invalid_and_the_advice_names_the_median_and_the_setting() {
    let (_guard, folder) = folder_with(&approach(STEPS));
    let grows = estimator(|index| Some(0.001 * index as f64));

    let done = labelled(&folder, "reward: {max_std_m: 0.0045}", &grows);

    assert_eq!(done.invalid, BTreeMap::from([(Reason::Uncertain, 5)]));
    let reasons: Vec<String> = (rewards(&folder.join("out")).into_iter())
        .map(|(_, reward)| reward.reason)
        .collect();
    assert_eq!(reasons.concat(), "uncertain".repeat(5));
    let advice = done.advice.unwrap();
    let [cause] = &advice.causes[..] else {
        panic!("{advice:?}");
    };
    let expected = Cause::TooUncertain {
        median_std_m: 0.007,
        max_std_m: 0.0045,
    };
    assert_eq!(*cause, expected);
    assert_eq!(cause.settings(), ["reward.max_std_m"]);
}

#[test]
fn a_limit_on_standard_deviations_that_nobody_tells_is_without_effect() {
    let (_guard, folder) = folder_with(&approach(STEPS));
    let silent = estimator(|_| None);
    let limited = labelled(&folder, "reward: {max_std_m: 0.001}", &silent);
    assert!(limited.invalid.is_empty() && limited.limit_without_effect);
    assert!(!labelled(&folder, "", &silent).limit_without_effect);
    // and one that refuses every step has all the effect there is
    let certain_of_nothing = estimator(|_| Some(f64::INFINITY));
    let refused = labelled(&folder, "reward: {max_std_m: 0.001}", &certain_of_nothing);
    assert!(!refused.limit_without_effect);
}

/// A bag with rewards as they were before standard deviations, 5 mm from their truth.
fn old_bag(definition: &[u8]) -> Vec<u8> {
    let reward = include_bytes!("../fixtures/cdr/step_reward_before_std.cdr");
    let truth = cdr(&Float64 { data: 0.12 });
    let topics: [(&str, &str, &[u8], &[u8]); 2] = [
        (REWARDS, "spatial_reward/msg/StepReward", definition, reward),
        (
            "/ground_truth/surface_distance",
            "std_msgs/msg/Float64",
            b"float64 data\n",
            &truth,
        ),
    ];
    let mut writer = mcap::Writer::new(Cursor::new(Vec::new())).unwrap();
    for (topic, type_name, definition, data) in topics {
        let encoding = if definition.is_empty() { "" } else { "ros2msg" };
        let schema = writer.add_schema(type_name, encoding, definition).unwrap();
        let channel_id = (writer.add_channel(schema, topic, "cdr", &BTreeMap::new())).unwrap();
        let header = MessageHeader {
            channel_id,
            sequence: 0,
            log_time: START.cast_unsigned(),
            publish_time: START.cast_unsigned(),
        };
        writer.write_to_known_channel(&header, data).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().into_inner()
}

#[test]
fn a_bag_labelled_before_standard_deviations_could_not_be_evaluated() {
    let with_definition = include_bytes!("../fixtures/cdr/StepRewardBeforeStd.msg");
    for definition in [&with_definition[..], b""] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old.mcap"), old_bag(definition)).unwrap();

        let ended = run(folder.path(), &["evaluate", "old.mcap", "--json"]).expect_code(0);

        let metrics = ended.json();
        assert_eq!(metrics["steps"], 1, "{ended}");
        assert!(
            (metrics["mae_m"].as_f64().unwrap() - 0.005).abs() < 1e-12,
            "{ended}"
        );
        assert!(metrics["interval_coverage"].is_null(), "{ended}");
    }
}
