//! `train`: from a recording to a model that labels, on networks of a few thousand numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::fixtures::*;
use crate::model_fixtures::*;

const FRAMES: i64 = 8;

/// A folder with the dataset `data` of an approach and the sizes of a tiny network in `tiny.yaml`.
fn folder_with_dataset() -> (tempfile::TempDir, PathBuf) {
    let (guard, folder) = folder_with(&approach(FRAMES));
    run(&folder, &["dataset", "pick.mcap", "-o", "data"]).expect_code(0);
    let shape = in_repository("tests/fixtures/tiny_shape.yaml");
    fs::copy(shape, folder.join("tiny.yaml")).unwrap();
    (guard, folder)
}

fn arguments<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = [
        "train", "data", "-o", output, "--batch", "4", "--dtype", "float32", "--json",
    ];
    [&fixed[..], more].concat()
}

/// Trains a tiny network.
fn train(folder: &Path, output: &str, more: &[&str]) -> Ended {
    let shape = ["--shape", "tiny.yaml", "--warmup-steps", "2"];
    let ended = run(folder, &arguments(output, &[&shape[..], more].concat()));
    expect_no_trace(&ended);
    ended
}

/// The rows of a table, without the last column, which is a speed.
fn rows(table: &Path) -> Vec<String> {
    let text = fs::read_to_string(table).unwrap();
    let row = |line: &str| line.rsplit_once(',').unwrap().0.to_owned();
    text.lines().skip(1).map(row).collect()
}

fn weights(model: &Path, part: &str) -> Vec<u8> {
    fs::read(model.join(part).join("model.safetensors")).unwrap()
}

fn state(folder: &Path, output: &str) -> Value {
    let path = folder.join(output).join("state/state.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_loss_goes_down_and_the_model_labels() {
    let (_guard, folder) = folder_with_dataset();

    let ended = train(&folder, "out", &["--steps", "60", "--held-out", "data"]);

    let summary = ended.expect_code(0).json();
    let (first, last) = (&summary["first_loss"], &summary["last_loss"]);
    assert!(
        last.as_f64().unwrap() < 0.7 * first.as_f64().unwrap(),
        "{first} -> {last}"
    );
    for file in [
        "training.csv",
        "held_out.csv",
        "training.png",
        "training.json",
    ] {
        assert!(folder.join("out").join(file).is_file(), "{file}");
    }
    let label = [
        "label",
        "pick.mcap",
        "-o",
        "labelled",
        "--estimator",
        "spatialrgpt",
    ];
    let model = ["--model", "out/model"];
    run(&folder, &[&label[..], &model[..]].concat()).expect_code(0);
    let rewards = rewards(&folder.join("labelled"));
    assert_eq!(rewards.len(), FRAMES as usize);
    assert!(rewards.iter().all(|(_, reward)| !reward.answer.is_empty()));
}

#[test]
fn a_killed_training_ends_where_an_unbroken_one_does() {
    let (_guard, folder) = folder_with_dataset();
    let steps = ["--steps", "30", "--save-every", "10"];
    train(&folder, "unbroken", &steps).expect_code(0);

    // Killed after its first saved state but for the one at the beginning.
    let shape = ["--shape", "tiny.yaml", "--warmup-steps", "2"];
    let mut child = program(&folder)
        .args(arguments("broken", &[&shape[..], &steps[..]].concat()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        let facts = fs::read_to_string(folder.join("broken/state/state.json")).unwrap_or_default();
        if facts.contains("\"step\": 10") {
            child.kill().unwrap();
        }
        sleep(Duration::from_millis(5));
    }
    let lost = 30 - state(&folder, "broken")["step"].as_u64().unwrap();
    assert!(lost <= 20, "{lost} steps lost");
    train(&folder, "broken", &[&steps[..], &["--resume"]].concat()).expect_code(0);

    assert_eq!(
        rows(&folder.join("broken/training.csv")),
        rows(&folder.join("unbroken/training.csv"))
    );
    for part in ["vision_tower", "llm"] {
        let model = |name: &str| weights(&folder.join(name).join("model"), part);
        assert!(model("broken") == model("unbroken"), "{part}");
    }
}

#[test]
fn a_polite_stop_saves_where_it_is() {
    let (_guard, folder) = folder_with_dataset();
    let shape = [
        "--shape",
        "tiny.yaml",
        "--steps",
        "100000",
        "--save-every",
        "100000",
    ];
    let child = program(&folder)
        .args(arguments("out", &shape))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while rows_if_any(&folder.join("out/training.csv")) == 0 {
        sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .unwrap();

    let ended = Ended::of(&child.wait_with_output().unwrap()).expect_code(0);

    let step = ended.json()["step"].as_u64().unwrap();
    assert!((10..100_000).contains(&step));
    assert_eq!(state(&folder, "out")["step"], step);
}

fn rows_if_any(table: &Path) -> usize {
    fs::read_to_string(table).map_or(0, |text| text.lines().count().saturating_sub(1))
}

#[test]
fn a_loss_that_is_no_number_stops_with_the_last_good_state() {
    let (_guard, folder) = folder_with_dataset();

    let wild = [
        "--steps",
        "50",
        "--learning-rate",
        "1e30",
        "--save-every",
        "1",
    ];
    let ended = train(&folder, "out", &wild);

    ended.expect_error(&["the training has diverged", "--resume", "--learning-rate"]);
    assert!(state(&folder, "out")["step"].as_u64().unwrap() < 50);
}

#[test]
fn broken_rows_are_named_and_left_out() {
    let (_guard, folder) = folder_with_dataset();
    let path = folder.join("data/dataset.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"filename\": \n");
    fs::write(&path, text).unwrap();

    let ended = train(&folder, "out", &["--steps", "2"]).expect_code(3);

    assert!(
        ended.stderr.contains("dataset.jsonl line 9 is left out"),
        "{ended}"
    );
    assert_eq!(ended.json()["broken_rows"], 1);
}

#[test]
fn a_picture_that_does_not_decode_is_named_and_left_out() {
    let (_guard, folder) = folder_with_dataset();
    let name = names_in(&folder.join("data/images")).remove(0);
    fs::write(folder.join("data/images").join(&name), b"no picture").unwrap();

    let ended = train(&folder, "out", &["--steps", "4"]).expect_code(0);

    assert!(
        ended.stderr.contains("line 1 is left out") && ended.stderr.contains(&name),
        "{ended}"
    );
}

#[test]
fn an_output_that_exists_is_not_trained_over() {
    let (_guard, folder) = folder_with_dataset();
    train(&folder, "out", &["--steps", "2"]).expect_code(0);

    let ended = train(&folder, "out", &["--steps", "2"]);

    ended.expect_error(&["out exists already", "--resume"]);
}

#[test]
fn what_is_frozen_stays_and_the_rest_learns() {
    let (_guard, folder) = folder_with_dataset();
    let checkpoint = checkpoint();
    let model = [
        "--model",
        text(&checkpoint),
        "--freeze",
        "vision,llm",
        "--steps",
        "2",
    ];

    run(&folder, &arguments("out", &model)).expect_code(0);

    let trained = folder.join("out/model");
    let loads = [
        "label",
        "pick.mcap",
        "-o",
        "labelled",
        "--estimator",
        "spatialrgpt",
    ];
    let short = ["--model", "out/model", "--max-new-tokens", "4"];
    run(&folder, &[&loads[..], &short[..]].concat()).expect_code(0);
    let before = tensors(&checkpoint, "vision_tower");
    let after = tensors(&trained, "vision_tower");
    assert!(before == after, "the frozen tower changed");
    let before = tensors(&checkpoint, "region_extractor");
    let after = tensors(&trained, "region_extractor");
    assert_eq!(before.len(), after.len());
    assert!(before != after, "nothing was learned");
}

/// The tensors of a part by name, as bytes.
fn tensors(model: &Path, part: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = weights(model, part);
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<(String, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.data().to_vec()))
        .collect();
    tensors.sort();
    tensors
}

#[test]
fn a_part_that_does_not_exist_cannot_be_frozen() {
    let (_guard, folder) = folder_with_dataset();

    let ended = train(&folder, "out", &["--freeze", "tower"]);

    ended.expect_error(&["--freeze", "'tower'", "vision, regions, projector or llm"]);
}
