//! What a build without the feature `torch` says to those who want the model.

use crate::fixtures::*;
use crate::model_fixtures::*;

#[test]
fn asking_says_how_to_get_the_model() {
    let (model, picture) = (checkpoint(), picture(0));
    let arguments = [
        "ask",
        text(&picture),
        "--model",
        text(&model),
        "What is it?",
    ];
    let ended = run_saying("", &arguments).expect_error(&[
        "not in this build",
        "--features torch",
        "scripts/setup --model",
    ]);
    expect_no_trace(&ended);
    assert!(ended.stdout.is_empty(), "{ended}");
}

#[test]
fn detecting_says_how_to_get_the_networks() {
    let picture = picture(0);
    let detect = ["detect", text(&picture), "--model", ".", "--words", "a mug"];
    let ended = run_saying("", &detect).expect_error(&["not in this build", "--features torch"]);
    expect_no_trace(&ended);
    assert!(ended.stdout.is_empty(), "{ended}");
}

#[test]
fn depth_says_how_to_get_its_networks_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let picture = picture(0);
    let arguments = [
        "depth",
        text(&picture),
        "--model",
        "apple/DepthPro-hf",
        "-o",
        "out.npy",
    ];
    let ended = run(folder.path(), &arguments);
    ended.expect_error(&["not in this build", "--features torch"]);
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn serving_says_how_to_get_the_model() {
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let ended = run_saying("", &serve).expect_error(&["not in this build", "--features torch"]);
    assert!(ended.stdout.is_empty(), "nobody is told to ask: {ended}");
}

#[test]
fn labelling_with_the_model_says_how_to_get_it_and_writes_nothing() {
    let (_guard, folder) = folder_with(&approach(3));
    let model = checkpoint();
    let arguments = [
        "label",
        "pick.mcap",
        "--estimator",
        "spatialrgpt",
        "--model",
    ];
    // Without the programs of this machine, of which one may have the model.
    let mut program = program(&folder);
    program.env("PATH", "").args(arguments).arg(&model);
    Ended::of(&program.output().unwrap()).expect_error(&[
        "not in this build",
        "--features torch",
        "--estimator geometry",
    ]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}
