//! `inspect` tells what label would do, and writes nothing.

use std::fs;

use crate::fixtures::*;

#[test]
fn says_what_is_there_what_would_be_chosen_and_why() {
    let (_guard, folder) = folder_with(&approach_with(5, |index, instant| {
        if index == 2 {
            instant.target = None;
        }
    }));

    let ended = run(&folder, &["inspect", "pick.mcap"]).expect_code(0);

    for word in [
        "pick.mcap: mcap in 1 file",
        "colour image           /camera/color/image_raw",
        "has colour in its name",
        "5 images of 160x120 with depth of 160x120 in 1 episode",
        "4 of them can be measured; the others: no_target_box 1",
        "spatial-reward label pick.mcap",
    ] {
        assert!(ended.stdout.contains(word), "'{word}'\n{ended}");
    }
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn says_what_stands_in_the_way() {
    let (_guard, folder) = folder_with(&approach(3).without(DEPTH));
    let ended = run(&folder, &["inspect", "pick.mcap"]).expect_code(0);
    assert!(
        ended
            .stdout
            .contains("not possible: no topic for the depth image"),
        "{ended}"
    );
    let findings = run(&folder, &["inspect", "pick.mcap", "--json"])
        .expect_code(0)
        .json();
    assert_eq!(findings["label"]["possible"], false);
}

#[test]
fn json_has_topics_roles_and_the_rehearsal() {
    let (_guard, folder) = folder_with(&approach(3));
    let findings = run(&folder, &["inspect", "pick.mcap", "--json"])
        .expect_code(0)
        .json();
    assert_eq!(findings["storage"], "mcap");
    assert_eq!(findings["topics"].as_array().unwrap().len(), 5);
    assert_eq!(findings["roles"]["depth"]["topic"], DEPTH);
    assert_eq!(findings["label"]["complete"], 3);
    assert_eq!(
        findings["label"]["image_size"],
        serde_json::json!([WIDTH, HEIGHT])
    );
    assert_eq!(
        findings["label"]["target_classes"],
        serde_json::json!(["target"])
    );
    assert!(findings["loss"].is_null());
}

#[test]
fn a_damaged_bag_is_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let whole = approach(12).mcap();
    fs::write(folder.path().join("pick.mcap"), &whole[..whole.len() / 2]).unwrap();
    let ended = run(folder.path(), &["inspect", "pick.mcap"]).expect_code(3);
    assert!(ended.stdout.contains("DAMAGED"), "{ended}");
}

#[test]
fn what_is_no_bag_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["inspect", "."]).expect_error(&["is no bag"]);
}

#[test]
fn the_next_command_left_out_the_options_that_it_needs() {
    // given a recording without detections, and a folder with a space in its name
    let recording = approach(4).without(FINGERTIP).without(TARGET);
    let (_guard, folder) = folder_with(&Recording::default());
    recording.save(&folder.join("a day/pick.mcap"));
    fs::write(
        folder.join("rig.yaml"),
        "regions: {target: {fixed: \"100,45,130,75\"}}",
    )
    .unwrap();
    // when it is inspected with what is needed to label it
    let regions = ["--config", "rig.yaml", "--fingertip-box", "10,50,40,70@0"];
    let ended = run(&folder, &[&["inspect", "a day"], &regions[..]].concat()).expect_code(0);
    // then what it says next is what labels it
    let next = ended
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("next: "));
    assert_eq!(
        next,
        Some(
            "spatial-reward label 'a day/pick.mcap' --config rig.yaml --fingertip-box 10,50,40,70@0"
        )
    );
    let again = [&["label", "a day/pick.mcap"], &regions[..]].concat();
    run(&folder, &again).expect_code(0);
}
