//! Runs over several bags: one output each, resumed, shared out, and undisturbed by one that fails.

use std::fs;

use crate::fixtures::*;

/// A folder `bags` with the given recordings.
fn bags(names: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        approach(3).save(&folder.path().join("bags").join(name));
    }
    let path = folder.path().to_owned();
    (folder, path)
}

#[test]
fn one_failing_bag_does_not_stop_the_others() {
    let (_guard, folder) = bags(&["a.mcap", "c.mcap"]);
    fs::write(folder.join("bags/b.mcap"), "no bag").unwrap();

    let ended = run(&folder, &["label", "bags", "-o", "out", "--json"]).expect_code(1);

    assert_eq!(names_in(&folder.join("out")), ["a_labelled", "c_labelled"]);
    let summary = ended.json();
    assert_eq!(summary["outcome"], "failed");
    let status: Vec<_> = summary["bags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bag| bag["status"].clone())
        .collect();
    assert_eq!(status, ["labelled", "failed", "labelled"]);
    assert!(
        summary["bags"][1]["error"]
            .as_str()
            .unwrap()
            .contains("b.mcap is no bag"),
        "{ended}"
    );
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{ended}");
    assert!(ended.stderr.contains("2 of 3 bags labelled"), "{ended}");
}

#[test]
fn a_cut_bag_among_whole_ones_is_exit_code_3() {
    let (_guard, folder) = bags(&["a.mcap"]);
    let whole = approach(12).mcap();
    fs::write(folder.join("bags/b.mcap"), &whole[..whole.len() / 2]).unwrap();
    run(&folder, &["label", "bags", "-o", "out"]).expect_code(3);
    assert_eq!(names_in(&folder.join("out")), ["a_labelled", "b_labelled"]);
}

#[test]
fn resume_labels_what_is_not_done_and_leaves_the_rest_alone() {
    let (_guard, folder) = bags(&["a.mcap", "b.mcap"]);
    run(&folder, &["label", "bags/a.mcap", "-o", "out/a_labelled"]).expect_code(0);
    let table = folder.join("out/a_labelled/a_labelled_reward.parquet");
    let written = fs::metadata(&table).unwrap().modified().unwrap();

    let ended = run(
        &folder,
        &["label", "bags", "-o", "out", "--resume", "--json"],
    )
    .expect_code(0);

    let status = |index: usize| ended.json()["bags"][index]["status"].clone();
    assert_eq!(
        (status(0), status(1)),
        ("skipped".into(), "labelled".into())
    );
    assert_eq!(fs::metadata(&table).unwrap().modified().unwrap(), written);
}

#[test]
fn resume_does_not_take_other_settings_for_the_same() {
    let (_guard, folder) = folder_with(&approach(3));
    run(&folder, &["label", "pick.mcap"]).expect_code(0);
    run(&folder, &["label", "pick.mcap", "--resume"]).expect_code(0);
    run(
        &folder,
        &["label", "pick.mcap", "--resume", "--reward", "tanh"],
    )
    .expect_error(&["pick_labelled", "other settings", "--overwrite"]);
    run(
        &folder,
        &["label", "pick.mcap", "--overwrite", "--reward", "tanh"],
    )
    .expect_code(0);
    assert_eq!(
        rewards(&folder.join("pick_labelled"))[0].1.reward_kind,
        "tanh"
    );
    assert_eq!(names_in(&folder), ["pick.mcap", "pick_labelled"]);
}

#[test]
fn the_shards_together_are_the_whole() {
    let (_guard, folder) = bags(&["a.mcap", "b.mcap", "c.mcap"]);
    run(&folder, &["label", "bags", "-o", "out", "--shard", "1/2"]).expect_code(0);
    assert_eq!(names_in(&folder.join("out")), ["a_labelled", "c_labelled"]);
    run(&folder, &["label", "bags", "-o", "out", "--shard", "2/2"]).expect_code(0);
    assert_eq!(
        names_in(&folder.join("out")),
        ["a_labelled", "b_labelled", "c_labelled"]
    );
}

#[test]
fn results_beside_their_sources_are_not_labelled_again() {
    let (_guard, folder) = bags(&["a.mcap"]);
    for _ in 0..2 {
        run(&folder, &["label", "bags", "--resume"]).expect_code(0);
    }
    assert_eq!(names_in(&folder.join("bags")), ["a.mcap", "a_labelled"]);
}

#[test]
fn two_bags_of_one_name_are_refused_with_both() {
    let (_guard, folder) = bags(&["monday/a.mcap", "tuesday/a.mcap"]);
    run(&folder, &["label", "bags", "-o", "out"]).expect_error(&[
        "monday/a.mcap",
        "tuesday/a.mcap",
        "out/a_labelled",
    ]);
    assert_eq!(names_in(&folder), ["bags"]);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["label"][..],
        &["label", "x", "--shard", "3/2"],
        &["label", "x", "--resume", "--overwrite"],
        &["label", "x", "--reward", "gold"],
        &["label", "x", "--jobs", "0"],
        &["frobnicate"],
    ] {
        run(folder.path(), arguments).expect_code(2);
    }
}

#[test]
fn a_config_file_is_used_and_its_mistakes_are_shown() {
    let (_guard, folder) = folder_with(&approach(3));
    fs::write(folder.join("rig.yaml"), "reward:\n  kind: exp\n").unwrap();
    run(
        &folder,
        &["label", "pick.mcap", "-o", "a", "--config", "rig.yaml"],
    )
    .expect_code(0);
    assert_eq!(rewards(&folder.join("a"))[0].1.reward_kind, "exp");
    // What is typed wins.
    run(
        &folder,
        &[
            "label",
            "pick.mcap",
            "-o",
            "b",
            "--config",
            "rig.yaml",
            "--reward",
            "tanh",
        ],
    )
    .expect_code(0);
    assert_eq!(rewards(&folder.join("b"))[0].1.reward_kind, "tanh");

    fs::write(folder.join("rig.yaml"), "reward:\n  knid: exp\n").unwrap();
    run(
        &folder,
        &["label", "pick.mcap", "-o", "c", "--config", "rig.yaml"],
    )
    .expect_error(&["rig.yaml", "knid", "line 2"]);
    run(
        &folder,
        &["label", "pick.mcap", "-o", "c", "--config", "none.yaml"],
    )
    .expect_error(&["none.yaml"]);
}

#[cfg(not(feature = "ros"))]
#[test]
fn what_is_not_in_this_build_says_how_to_get_it() {
    let (_guard, folder) = folder_with(&approach(3));
    run(&folder, &["node"]).expect_error(&[
        "the live node",
        "not in this build",
        "spatial-reward label",
    ]);
}
