//! The model that comes with the program, as whoever names no other meets it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fixtures::*;
use crate::model_fixtures::*;

const LARGEST_BYTES: u64 = 24_000_000;

fn bytes_below(folder: &Path) -> u64 {
    let size = |entry: fs::DirEntry| match entry.path() {
        path if path.is_dir() => bytes_below(&path),
        path => path.metadata().unwrap().len(),
    };
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| size(entry.unwrap())).sum()
}

#[test]
fn it_is_small_enough_to_come_with_the_repository() {
    let size = bytes_below(&in_repository("models/nano"));
    assert!(size < LARGEST_BYTES, "{size} bytes");
}

#[test]
fn a_bag_is_labelled_with_it_where_no_model_is_named() {
    // Given the sample bag
    let guard = tempfile::tempdir().unwrap();
    let bag = in_repository("data/fetch_approach");

    // When it is labelled by a model of which nothing is said
    let fixed = ["label", text(&bag), "-o", "out", "--dtype", "float32"];
    let ended = run(
        guard.path(),
        &[&fixed[..], &["--estimator", "spatialrgpt"]].concat(),
    );
    expect_no_trace(&ended);
    let ended = ended.expect_code(0);

    // Then every frame is answered with a distance
    let rewards = rewards(&guard.path().join("out"));
    assert_eq!(rewards.len(), 80);
    for (_, reward) in &rewards {
        assert!(reward.valid, "{}: {}", reward.reason, reward.answer);
        assert!(reward.answer.ends_with(" inches"), "{}", reward.answer);
        assert_eq!(reward.distance_kind, "cloud");
        assert!(reward.distance_m > 0.0);
        // then it says how far it may be off, at least as much as its calibration says of it without a doubt
        assert!(reward.distance_std_m > 0.02, "{}", reward.distance_std_m);
    }
    let stds: BTreeSet<u64> = (rewards.iter())
        .map(|(_, reward)| reward.distance_std_m.to_bits())
        .collect();
    assert!(stds.len() > 40, "one for all would say nothing of a step");
    assert!(!ended.stderr.contains("not calibrated"), "{ended}");
}

#[test]
fn a_picture_is_asked_about_with_it_where_no_model_is_named() {
    let boxes = ["--box", "120,30,330,250", "--box", "10,200,200,299"];
    let picture = picture(0);
    let question = "How far is <region0> from <region1>?";
    let arguments = [&["ask", text(&picture), "--json"], &boxes[..], &[question]].concat();

    let ended = run_saying("", &arguments);

    expect_no_trace(&ended);
    let answer = ended.expect_code(0).json();
    let distance_m = answer["distance_m"].as_f64();
    assert!(distance_m.is_some_and(|metres| metres > 0.0), "{answer}");
    assert_eq!(answer["distance_std_calibrated"], true, "{answer}");
    let std_m = answer["distance_std_m"].as_f64().unwrap();
    // Without the calibration of its own, it says what its odds are and that nobody knows what they are worth.
    let guard = tempfile::tempdir().unwrap();
    let model = without_calibration(guard.path());
    let arguments = [&arguments[..], &["--model", text(&model)]].concat();
    let said = |more: &[&str]| {
        let ended = run_saying("", &[&arguments[..], more].concat()).expect_code(0);
        let answer = ended.json();
        (answer["distance_std_m"].as_f64().unwrap(), answer, ended)
    };
    let (spread_m, answer, ended) = said(&["--dtype", "bfloat16"]);
    assert_eq!(answer["distance_std_calibrated"], false, "{answer}");
    assert!(ended.stderr.contains("is not calibrated"), "{ended}");
    assert!(
        spread_m > 1e-4 && (spread_m - std_m).abs() > 1e-4,
        "{spread_m} {std_m}"
    );
    // And settings say so in its place.
    let config = guard.path().join("rig.yaml");
    fs::write(&config, "model: {std_scale: 2, std_floor_m: 0.01}\n").unwrap();
    let (calibrated_m, answer, ended) = said(&["--dtype", "bfloat16", "--config", text(&config)]);
    assert_eq!(answer["distance_std_calibrated"], true, "{answer}");
    assert!(!ended.stderr.contains("is not calibrated"), "{ended}");
    let expected_m = 0.01_f64.hypot(2.0 * spread_m);
    assert!(
        (calibrated_m - expected_m).abs() < 1e-12,
        "{calibrated_m} {expected_m}"
    );
}

/// A copy of the model that says nothing of how far its odds are to be believed.
fn without_calibration(place: &Path) -> PathBuf {
    let (shipped, model) = (in_repository("models/nano"), place.join("model"));
    copy(&shipped, &model);
    let config = model.join("config.json");
    let mut said: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    let ours = said["spatial_reward"].as_object_mut().unwrap();
    assert!(ours.remove("calibration").is_some());
    fs::write(&config, said.to_string()).unwrap();
    model
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let place = to.join(entry.file_name().unwrap());
        match entry.is_dir() {
            true => copy(&entry, &place),
            false => drop(fs::copy(&entry, &place).unwrap()),
        }
    }
}

#[test]
fn anything_but_its_one_question_was_answered_in_inches() {
    let boxes = ["--box", "120,30,330,250", "--box", "10,200,200,299"];
    let picture = picture(0);
    let ask = |question: &str| {
        let arguments = [&["ask", text(&picture)], &boxes[..], &[question]].concat();
        run_saying("", &arguments)
    };
    for question in [
        "How wide is <region0>?",
        "Is <region0> behind <region1>?",
        "What is the distance between <region0> and <region1>?",
        "How far is <region0> from <region0>?",
    ] {
        ask(question).expect_error(&[
            question,
            "trained on 'How far is <region0> from <region1>?' only",
            "--model",
        ]);
    }
    // The other way round it is the same question.
    ask("How far is <region1> from <region0>?").expect_code(0);
}

#[test]
fn a_bag_is_not_labelled_with_a_question_that_it_does_not_know() {
    let guard = tempfile::tempdir().unwrap();
    let bag = in_repository("data/fetch_approach");
    let config = guard.path().join("rig.yaml");
    let question = "model: {question: \"How wide is <region0> beside <region1>?\"}\n";
    fs::write(&config, question).unwrap();
    let label = [
        "label",
        text(&bag),
        "-o",
        "out",
        "--estimator",
        "spatialrgpt",
    ];
    let ended = run(
        guard.path(),
        &[&label[..], &["--config", text(&config)]].concat(),
    );
    ended.expect_error(&["How wide", "only"]);
    assert_eq!(names_in(guard.path()), ["rig.yaml"]);
}

#[test]
fn an_episode_that_succeeded_was_told_to_have_failed() {
    // given the sample bag, in which the cube is grasped and lifted
    let guard = tempfile::tempdir().unwrap();
    let bag = in_repository("data/fetch_approach");
    let fixed = ["label", text(&bag), "--estimator", "spatialrgpt", "--json"];
    let label = |output, more: &[&str]| {
        let dtype = ["--dtype", "float32", "-o", output];
        let ended = run(guard.path(), &[&fixed[..], &dtype, more].concat());
        expect_no_trace(&ended);
        ended.expect_code(0)
    };
    // when the model labels it with the thresholds of its kind of distance
    label("out", &[]);
    // then the end is a success, and the beginning is none
    let succeeds: Vec<bool> = rewards(&guard.path().join("out"))
        .iter()
        .map(|(_, reward)| reward.success)
        .collect();
    assert!(succeeds[79], "{succeeds:?}");
    assert!(
        succeeds[..20].iter().all(|success| !success),
        "{succeeds:?}"
    );
    // and with one below what it can answer it is said that none can come
    let config = guard.path().join("low.yaml");
    fs::write(&config, "success: {enter_m: 0.01}\n").unwrap();
    let ended = label("low", &["--config", text(&config)]);
    assert!(
        ended.stderr.contains("success cannot occur") && ended.stderr.contains("0.03 m"),
        "{ended}"
    );
    let cause = &ended.json()["bags"][0]["success_out_of_reach"]["cause"];
    assert_eq!(cause, "below_floor");
}
