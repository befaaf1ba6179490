//! `evaluate` on labelled recordings.

use std::fs;

use crate::fixtures::*;

/// A labelled approach with ground truth, as `out`.
fn labelled(arguments: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
    let (guard, folder) = folder_with(&approach(8).with_truth(8));
    let arguments = [&["label", "pick.mcap", "-o", "out"], arguments].concat();
    run(&folder, &arguments).expect_code(0);
    (guard, folder)
}

#[test]
fn json_has_the_public_keys_for_annotator_and_baseline() {
    let (_guard, folder) = labelled(&[]);
    let metrics = run(&folder, &["evaluate", "out", "--json"])
        .expect_code(0)
        .json();
    let keys = [
        "steps",
        "distance_kind",
        "invalid_rate",
        "mae_m",
        "bias_m",
        "mae_debiased_m",
        "median_abs_error_m",
        "within_25_percent",
        "within_25_percent_beyond_5cm",
        "abs_rel",
        "spearman",
        "pearson",
        "kendall_tau_a",
        "voc",
        "monotone_violation_rate",
    ];
    for key in keys {
        assert!(!metrics[key].is_null(), "{key}: {metrics}");
        assert!(
            metrics["baseline_constant"].get(key).is_some(),
            "{key}: {metrics}"
        );
    }
    for key in [
        "interval_coverage",
        "interval_width_m",
        "interval_width_constant_m",
        "interval_within_5mm",
        "interval_within_5mm_off_by_15mm",
    ] {
        assert!(metrics.get(key).is_some(), "{key}: {metrics}");
    }
    assert!(
        metrics.get("baseline_geometry").is_none(),
        "geometry is not its own baseline"
    );
    assert_eq!(metrics["steps"], 8);
    assert!(metrics["mae_m"].as_f64().unwrap() < 0.03);
    assert!(metrics["spearman"].as_f64().unwrap() > 0.99);
}

#[test]
fn the_table_says_how_many_steps_have_truth() {
    let (_guard, folder) = labelled(&[]);
    let ended = run(&folder, &["evaluate", "out"]).expect_code(0);
    for word in [
        "mean absolute error",
        "constant baseline",
        "8 of 8 steps have ground truth",
    ] {
        assert!(ended.stdout.contains(word), "{ended}");
    }
}

#[test]
fn the_bag_s_file_alone_will_do() {
    let (_guard, folder) = labelled(&[]);
    run(&folder, &["evaluate", "out/out_0.mcap"]).expect_code(0);
}

#[test]
fn center_is_judged_by_the_points() {
    let (_guard, folder) = labelled(&["--distance", "center"]);
    let metrics = run(&folder, &["evaluate", "out", "--json"])
        .expect_code(0)
        .json();
    assert_eq!(metrics["distance_kind"], "center");
    assert!(metrics["spearman"].as_f64().unwrap() > 0.99, "{metrics}");
}

#[test]
fn a_bag_without_a_true_cloud_distance_says_so() {
    let (_guard, folder) = labelled(&["--distance", "cloud"]);
    let ended = run(&folder, &["evaluate", "out", "--json"]).expect_code(0);
    assert!(
        ended
            .stderr
            .contains("no true cloud distance (name one with --truth-cloud)"),
        "{ended}"
    );
    assert!(ended.json()["mae_m"].is_null());
    assert!(ended.json()["voc"].as_f64().unwrap() > 0.99);
}

#[test]
fn truth_topics_can_be_named() {
    let recording = approach(4)
        .with_truth(4)
        .renamed("/ground_truth/surface_distance", "/sim/gap");
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);

    let without = run(&folder, &["evaluate", "out", "--json"]).expect_code(0);
    assert!(
        without.stderr.contains("--truth-surface") && without.json()["mae_m"].is_null(),
        "{without}"
    );

    let with = run(
        &folder,
        &["evaluate", "out", "--json", "--truth-surface", "/sim/gap"],
    )
    .expect_code(0);
    assert!(with.json()["mae_m"].as_f64().unwrap() < 0.03);

    run(&folder, &["evaluate", "out", "--truth-surface", "/nowhere"])
        .expect_error(&["/nowhere", "/sim/gap"]);
}

#[test]
fn a_bag_without_rewards_says_to_label_it_first() {
    let (_guard, folder) = folder_with(&approach(3));
    run(&folder, &["evaluate", "pick.mcap"])
        .expect_error(&["no rewards", "spatial-reward label pick.mcap"]);
}

#[test]
fn a_cut_labelled_bag_is_judged_as_far_as_it_goes() {
    // Given a bag so long that rewards of its first half stand in the first half of the file
    let (_guard, folder) = folder_with(&approach(24));
    run(&folder, &["label", "pick.mcap", "-o", "out", "--jobs", "1"]).expect_code(0);
    let file = folder.join("out/out_0.mcap");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    run(&folder, &["evaluate", "out"]).expect_code(3);
}
