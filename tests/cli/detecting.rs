//! `detect` with tiny random checkpoints, of which is known what transformers finds; and what is said when the checkpoint, the
//! picture, the words or the example are not what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fixtures::*;
use crate::model_fixtures::*;

fn owlv2(name: &str) -> PathBuf {
    in_repository("tests/fixtures/owlv2").join(name)
}

fn picture(name: &str) -> PathBuf {
    owlv2(&format!("inputs/{name}.png"))
}

const WORDS: [&str; 4] = [
    "a photo of a red cube",
    "Robot  GRIPPER",
    "wow! it's 4 dé",
    "the bowl",
];

fn detect(shape: &str, name: &str, arguments: &[&str]) -> Ended {
    let (picture, model) = (picture(name), owlv2(shape));
    let fixed = ["detect", text(&picture), "--model", text(&model)];
    let ended = run_saying("", &[&fixed, arguments].concat());
    expect_no_trace(&ended);
    ended
}

/// `--words` before each of them.
fn all_words() -> Vec<&'static str> {
    WORDS.iter().flat_map(|words| ["--words", words]).collect()
}

/// What transformers finds: cases of `words` or of `example`.
fn golden(shape: &str, kind: &str) -> Vec<Value> {
    let golden = fs::read_to_string(owlv2(shape).join("golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    golden[kind].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

#[track_caller]
fn expect_same(ended: &Ended, case: &Value, words: Option<&[&str]>) {
    let found = ended.json();
    assert_eq!(found.as_object().unwrap().len(), 1);
    let found = found["detections"].as_array().unwrap().clone();
    let expected = case["detections"].as_array().unwrap();
    assert_eq!(found.len(), expected.len(), "{case}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.as_object().unwrap().len(), 3);
        let score = found["score"].as_f64().unwrap();
        assert!(
            (score - expected["score"].as_f64().unwrap()).abs() < 1e-4,
            "{case}"
        );
        let edges = numbers(&found["box"]);
        let apart = edges.iter().zip(numbers(&expected["box"]));
        assert!(
            apart.into_iter().all(|(a, b)| (a - b).abs() < 0.01),
            "{case}"
        );
        match words {
            Some(words) => {
                let query = expected["query"].as_u64().unwrap() as usize;
                assert_eq!(found["words"], words[query]);
            }
            None => assert_eq!(found["words"], Value::Null),
        }
    }
}

#[test]
fn what_is_named_is_found_where_transformers_finds_it() {
    // The library's own test has every case.
    for (shape, names) in [
        (
            "a",
            &["wide", "tall", "small", "large", "grey", "clear"][..],
        ),
        ("b", &["tall", "clear"]),
        ("c", &["large"]),
    ] {
        let cases = golden(shape, "words").into_iter();
        let chosen = |case: &Value| names.iter().any(|name| case["picture"] == *name);
        for case in cases.step_by(2).filter(chosen) {
            let threshold = case["threshold"].to_string();
            let rest = ["--threshold", &threshold, "--json"];
            let name = case["picture"].as_str().unwrap();
            let ended = detect(shape, name, &[&all_words(), &rest[..]].concat()).expect_code(0);
            expect_same(&ended, &case, Some(&WORDS));
        }
    }
}

#[test]
fn what_an_example_shows_is_found_where_transformers_finds_it() {
    // The library's own test has every case.
    for case in golden("b", "example").into_iter().take(6) {
        let example = picture(case["example"].as_str().unwrap());
        let threshold = case["threshold"].to_string();
        let mut arguments = vec!["--example", text(&example), "--threshold", &threshold];
        let edges = numbers_of_box(&case["box"]);
        if let Some(edges) = &edges {
            arguments.extend(["--example-box", edges]);
        }
        arguments.push("--json");
        let ended = detect("b", case["picture"].as_str().unwrap(), &arguments).expect_code(0);
        expect_same(&ended, &case, None);
    }
}

fn numbers_of_box(value: &Value) -> Option<String> {
    let values = value.as_array()?.iter().map(Value::to_string);
    Some(values.collect::<Vec<_>>().join(","))
}

#[test]
fn boxes_that_share_much_with_a_better_one_are_left_out_where_that_is_asked_for() {
    let count = |rest: &[&str]| {
        let ended = detect("a", "wide", &[&all_words(), rest, &["--json"]].concat());
        let found = ended.expect_code(0).json();
        found["detections"].as_array().unwrap().len()
    };
    let all = count(&[]);
    assert!(count(&["--nms", "0.2"]) < all);
    assert_eq!(count(&["--nms", "1"]), all);
}

#[test]
fn in_words_each_thing_has_a_line() {
    let ended = detect("a", "wide", &all_words()).expect_code(0);
    let expected = golden("a", "words")[0]["detections"].clone();
    assert_eq!(
        ended.stdout.lines().count(),
        expected.as_array().unwrap().len()
    );
    assert!(ended.stdout.contains("Robot  GRIPPER"), "{ended}");
    let none = detect("a", "wide", &["--words", "the bowl", "--threshold", "1"]).expect_code(0);
    assert!(none.stdout.contains("nothing found above"), "{none}");
}

#[test]
fn what_is_found_is_drawn() {
    // Given
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.png");
    let output = [&all_words()[..], &["-o", text(&file)]].concat();
    // When
    detect("a", "large", &output).expect_code(0);
    // Then it has the picture's size and is another
    let drawn = image::open(&file).unwrap().to_rgb8();
    let given = image::open(picture("large")).unwrap().to_rgb8();
    assert_eq!(drawn.dimensions(), given.dimensions());
    assert_ne!(drawn, given);
    // And it is replaced only where that is asked for
    detect("a", "large", &output).expect_error(&["found.png", "--overwrite"]);
    detect("a", "large", &[&output[..], &["--overwrite"]].concat()).expect_code(0);
}

#[test]
fn a_png_was_written_under_another_name() {
    let output = [&all_words()[..], &["-o", "found.jpg"]].concat();
    let ended = detect("a", "large", &output).expect_code(2);
    assert!(ended.stderr.contains("must end in .png"), "{ended}");
}

#[test]
fn a_picture_whose_end_is_missing_was_asked_about_as_grey() {
    // given a JPEG of which a download brought two thirds
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.jpg");
    let given = image::open(picture("large")).unwrap().to_rgb8();
    given.save(&file).unwrap();
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() * 2 / 3]).unwrap();
    let model = owlv2("a");
    let arguments = [
        "detect",
        text(&file),
        "--model",
        text(&model),
        "--words",
        "x",
    ];
    // when, then
    run_saying("", &arguments).expect_error(&["cut.jpg", "ends in the middle of the picture"]);
    fs::write(&file, &whole).unwrap();
    run_saying("", &arguments).expect_code(0);
}

#[test]
fn a_picture_that_was_given_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.png");
    fs::copy(picture("wide"), &own).unwrap();
    let before = fs::read(&own).unwrap();
    let model = owlv2("a");
    let arguments = [
        "detect",
        text(&own),
        "--model",
        text(&model),
        "--words",
        "x",
    ];
    let output = ["-o", text(&own), "--overwrite"];
    run_saying("", &[&arguments[..], &output].concat()).expect_error(&["never replaced"]);
    assert_eq!(fs::read(&own).unwrap(), before);
}

#[test]
fn a_phrase_beyond_the_context_is_named() {
    let long = "the red cube of the robot by the bowl of the photo of the gripper";
    detect("a", "wide", &["--words", "the bowl", "--words", long]).expect_error(&[long, "16"]);
    detect("a", "wide", &["--words", " "]).expect_error(&["empty"]);
}

#[test]
fn what_cannot_go_together_is_usage() {
    let example = picture("tall");
    let words_too = ["--words", "x", "--example", text(&example)];
    detect("a", "wide", &words_too).expect_code(2);
    detect("a", "wide", &[]).expect_code(2);
    detect("a", "wide", &["--words", "x", "--example-box", "0,0,9,9"]).expect_code(2);
    detect("a", "wide", &["--words", "x", "--threshold", "1.5"]).expect_code(2);
}

#[test]
fn an_example_box_outside_the_example_is_named() {
    let example = picture("tall");
    let outside = ["--example", text(&example), "--example-box", "900,0,950,40"];
    detect("a", "wide", &outside).expect_error(&["900"]);
}

#[test]
fn a_folder_that_is_no_detector_is_told_so() {
    let arguments = ["--words", "x"];
    let of = |model: &Path| {
        let picture = picture("wide");
        let fixed = ["detect", text(&picture), "--model", text(model)];
        run_saying("", &[&fixed[..], &arguments].concat())
    };
    of(&in_repository("tests/fixtures/depth_anything/v1"))
        .expect_error(&["depth_anything", "owlv2"]);
    of(&in_repository("tests")).expect_error(&["config.json"]);
    of(Path::new("nowhere")).expect_error(&["nowhere"]);
}

#[test]
fn a_shard_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(owlv2("c")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let shard = "model-00001-of-00003.safetensors";
    fs::remove_file(folder.path().join(shard)).unwrap();
    let picture = picture("wide");
    let arguments = [
        "detect",
        text(&picture),
        "--model",
        text(folder.path()),
        "--words",
        "x",
    ];
    run_saying("", &arguments).expect_error(&[shard]);
}
