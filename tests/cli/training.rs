//! `train`: from a recording to a model that labels, on networks of a few thousand numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::chat_endpoint::ChatEndpoint;
use crate::fixtures::*;
use crate::model_fixtures::*;
use crate::rephrasing::{photos, rephrased};
use crate::stuck::Stuck;

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

    let ended = Ended::of(&child.wait_with_output().unwrap());

    let saved = state(&folder, "out")["step"].as_u64().unwrap();
    if ended.code == Some(1) {
        // A step, or saving it, took so long here that it was ended in the middle: what was saved is whole, be it of the
        // beginning or of now, and goes on below.
        ended.expect_error(&["interrupted", "--resume"]);
    } else {
        let ended = ended.expect_code(0);
        let step = ended.json()["step"].as_u64().unwrap();
        assert!((10..100_000).contains(&step));
        assert_eq!(saved, step);
    }
    let more = (saved + 1).to_string();
    let more = ["--steps", &more, "--shape", "tiny.yaml", "--resume"];
    let ended = run(&folder, &arguments("out", &more)).expect_code(0);
    assert_eq!(ended.json()["step"], saved + 1);
}

fn rows_if_any(table: &Path) -> usize {
    fs::read_to_string(table).map_or(0, |text| text.lines().count().saturating_sub(1))
}

#[test]
fn a_training_that_could_not_even_say_a_word_was_deaf() {
    // given a training that warns of a broken row before its first step, and is not heard
    let (_guard, folder) = folder_with_dataset();
    let path = folder.join("data/dataset.jsonl");
    let mut rows = fs::read_to_string(&path).unwrap();
    rows.push_str("{\"filename\": \n");
    fs::write(&path, rows).unwrap();
    let shape = ["--shape", "tiny.yaml", "--steps", "100000"];
    let at_work = Stuck::at_work(&folder, &arguments("out", &shape), "data");
    // One that has not begun to listen yet ends by the signal itself.
    sleep(Duration::from_millis(500));
    at_work.signal("TERM");
    assert!(!at_work.wait().success());
    // and one that comes after it has the place for itself
    fs::write(
        &path,
        fs::read_to_string(&path)
            .unwrap()
            .replace("{\"filename\": \n", ""),
    )
    .unwrap();
    train(&folder, "out", &["--steps", "2"]).expect_code(0);
    assert_eq!(names_in(&folder), ["data", "out", "pick.mcap", "tiny.yaml"]);
}

#[test]
fn a_checkpoint_says_what_it_was_trained_on_where_that_is_one_question() {
    let (_guard, folder) = folder_with_dataset();
    let one = ["--direct", "1", "--default-wording", "1", "-o", "one"];
    run(&folder, &[&["dataset", "pick.mcap"], &one[..]].concat()).expect_code(0);
    let trained = |output: &str| {
        let path = folder.join(output).join("model/config.json");
        let config: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        config["spatial_reward"].clone()
    };
    // given one dataset of many questions and one of a single one
    train(&folder, "many", &["--steps", "1"]).expect_code(0);
    let fixed = ["train", "one", "-o", "single", "--shape", "tiny.yaml"];
    let short = ["--steps", "1", "--batch", "4", "--dtype", "float32"];
    run(&folder, &[&fixed[..], &short[..]].concat()).expect_code(0);
    // then the second says so
    assert_eq!(trained("many"), Value::Null);
    let question = "How far is <region0> from <region1>?";
    assert_eq!(
        trained("single")["questions"],
        serde_json::json!([question])
    );
    // and is asked nothing else
    let picture = names_in(&folder.join("one/images")).remove(0);
    let picture = folder.join("one/images").join(picture);
    let ask = |question| {
        let boxes = ["--box", "10,50,40,70", "--box", "100,45,130,75"];
        let arguments = [
            &["ask", text(&picture), "--model", "single/model"],
            &boxes[..],
        ]
        .concat();
        let short = ["--max-new-tokens", "2", question];
        run(&folder, &[&arguments[..], &short[..]].concat())
    };
    ask(question).expect_code(0);
    ask("How wide is <region0>?").expect_error(&["trained on", question]);
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
fn questions_from_photos_are_learned_in_both_wordings() {
    // Given what two photos are asked, by templates and in other words
    let (_guard, folder) = photos();
    let endpoint = ChatEndpoint::well_behaved();
    rephrased(&folder, &endpoint.url(), &["-o", "data"]).expect_code(0);
    let text = fs::read_to_string(folder.join("data/dataset.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 4);
    let shape = in_repository("tests/fixtures/tiny_shape.yaml");
    fs::copy(shape, folder.join("tiny.yaml")).unwrap();
    // When a network is trained on it
    let ended = train(&folder, "out", &["--steps", "2"]).expect_code(0);
    // Then no row is left out
    assert_eq!(ended.json()["broken_rows"], 0);
    assert!(!ended.stderr.contains("left out"), "{ended}");
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
    // It babbles, so that no step is valid; but it loads.
    let babbles = run(&folder, &[&loads[..], &short[..]].concat()).expect_code(1);
    assert!(babbles.stdout.contains("unparsed_answer 8"), "{babbles}");
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
