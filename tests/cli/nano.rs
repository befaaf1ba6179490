//! The model that comes with the program, as whoever names no other meets it.

use std::fs;
use std::path::Path;

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
    ended.expect_code(0);

    // Then every frame is answered with a distance
    let rewards = rewards(&guard.path().join("out"));
    assert_eq!(rewards.len(), 80);
    for (_, reward) in &rewards {
        assert!(reward.valid, "{}: {}", reward.reason, reward.answer);
        assert!(reward.answer.ends_with(" inches"), "{}", reward.answer);
        assert_eq!(reward.distance_kind, "cloud");
        assert!(reward.distance_m > 0.0);
    }
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
}
