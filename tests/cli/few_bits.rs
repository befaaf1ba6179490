//! Weights of 8 and 4 bits, made while a model loads or once into a folder.

use std::path::Path;

use crate::fixtures::*;
use crate::model_fixtures::*;

/// What the sample bag is labelled with under these options.
fn labelled(folder: &Path, name: &str, options: &[&str]) -> Vec<(f64, String)> {
    let bag = in_repository("data/fetch_approach");
    let fixed = [
        "label",
        text(&bag),
        "-o",
        name,
        "--estimator",
        "spatialrgpt",
    ];
    let exact = ["--dtype", "float32"];
    run(folder, &[&fixed[..], &exact, options].concat()).expect_code(0);
    let steps = rewards(&folder.join(name)).into_iter();
    steps
        .map(|(_, step)| (step.distance_m, step.answer))
        .collect()
}

/// Which share of distances is within so much of the others'.
fn share_within(ours: &[(f64, String)], others: &[(f64, String)], share: f64) -> f64 {
    assert_eq!(ours.len(), others.len());
    let near = ours.iter().zip(others);
    let near = near.filter(|((ours, _), (other, _))| (ours - other).abs() <= share * other);
    near.count() as f64 / ours.len() as f64
}

#[test]
fn distances_of_few_bits_are_nearly_those_of_all() {
    // Given the sample bag, labelled with the model that comes with the program
    let scratch = tempfile::tempdir().unwrap();
    let exact = labelled(scratch.path(), "exact", &[]);

    for (bits, within, least) in [("int8", 0.02, 0.9), ("int4", 0.05, 0.5)] {
        // When its weights have few bits, while it loads
        let few = labelled(scratch.path(), bits, &["--weights", bits]);

        // Then most distances are those of before, and not all answers: few bits were used
        let share = share_within(&few, &exact, within);
        assert!(share >= least, "{bits}: {share}");
    }
}

#[test]
fn a_folder_of_few_bits_labels_as_few_bits_do() {
    // Given the model that comes with the program, once with few bits
    let scratch = tempfile::tempdir().unwrap();
    let model = in_repository("models/nano");
    let few = ["--weights", "int4", "--tower-weights", "int8"];
    let arguments = [&["quantise", text(&model), "small", "--json"], &few[..]].concat();
    let done = run(scratch.path(), &arguments).expect_code(0).json();
    assert_eq!(done["model"], "small");
    let [before, after] = ["bytes_before", "bytes"].map(|key| done[key].as_f64().unwrap());
    // Its tower is the larger half, and its tables of embeddings stay.
    assert!(after < 0.5 * before, "{done}");

    // When a bag is labelled by it and by the model whose weights become as few
    let stored = labelled(scratch.path(), "stored", &["--model", "small"]);
    let loaded = labelled(scratch.path(), "loaded", &few);

    // Then nothing differs
    assert_eq!(stored, loaded);

    // and it is no more than that: neither other bits nor a training come out of it
    let picture = picture(0);
    let ask = [
        "ask",
        text(&picture),
        "--model",
        "small",
        "--weights",
        "int8",
        "What is it?",
    ];
    run(scratch.path(), &ask).expect_error(&["small/llm", "stored in 4 bits"]);
    let again = ["quantise", "small", "smaller"];
    run(scratch.path(), &again).expect_error(&["small", "stored in 4 bits", "made from"]);
    assert_eq!(names_in(scratch.path()), ["loaded", "small", "stored"]);
}

#[test]
fn a_folder_that_is_there_is_not_replaced_by_few_bits() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::create_dir(scratch.path().join("mine")).unwrap();
    let model = in_repository("models/nano");

    let ended = run(scratch.path(), &["quantise", text(&model), "mine"]);

    ended.expect_error(&["mine", "already"]);
    assert_eq!(names_in(scratch.path()), ["mine"]);
}
