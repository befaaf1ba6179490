//! `label --estimator spatialrgpt` and what `evaluate` makes of it. Random weights never state a
//! distance, so these show what becomes of an answer without one, and that geometry measures beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use spatial_reward::messages::{CameraInfo, StepReward, cdr as read_cdr};

use crate::fixtures::*;
use crate::model_fixtures::*;

/// Frames of the approach: more than one batch of four.
const FRAMES: i64 = 6;

/// Labels `pick.mcap` in the folder as `out`, with answers of a few tokens.
fn label(folder: &Path, arguments: &[&str]) -> Ended {
    let model = checkpoint();
    let fixed = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--overwrite",
        "--estimator",
        "spatialrgpt",
        "--model",
        text(&model),
        "--max-new-tokens",
        "8",
    ];
    let ended = run(folder, &[&fixed[..], arguments].concat());
    expect_no_trace(&ended);
    ended
}

/// A random network says what is no distance, so that no step is valid; but the output is there.
#[track_caller]
fn expect_babble(ended: Ended) {
    let ended = ended.expect_code(1);
    let words = [
        "is valid (unparsed_answer",
        "The model answers '",
        "--max-new-tokens",
    ];
    assert!(
        words.iter().all(|word| ended.stderr.contains(word)),
        "{ended}"
    );
}

/// The same, and the rewards that came of it.
fn labelled(folder: &Path, arguments: &[&str]) -> Vec<StepReward> {
    expect_babble(label(folder, arguments));
    let rewards = rewards(&folder.join("out"));
    rewards.into_iter().map(|(_, reward)| reward).collect()
}

fn answers(rewards: &[StepReward]) -> Vec<&str> {
    rewards
        .iter()
        .map(|reward| reward.answer.as_str())
        .collect()
}

fn table(folder: &Path) -> SerializedFileReader<fs::File> {
    let file = fs::File::open(folder.join("out/out_reward.parquet")).unwrap();
    SerializedFileReader::new(file).unwrap()
}

#[test]
fn an_uncalibrated_webcam_was_refused_though_the_model_needs_no_calibration() {
    // Given colour alone, and the camera info of a driver that knows nothing of its lens
    let color = approach(3).without(DEPTH);
    let uncalibrated =
        color
            .clone()
            .with_data(CAMERA_INFO, "sensor_msgs/msg/CameraInfo", |index| {
                let bytes = camera_info(START + index * PERIOD, WIDTH, HEIGHT);
                let mut info: CameraInfo = read_cdr::decode("", &bytes).unwrap();
                info.k = [0.0; 9];
                cdr(&info)
            });
    let none = ["--relative-depth", "none"];
    let (_guard, folder) = folder_with(&uncalibrated);
    // When it is labelled
    let ended = label(&folder, &none);
    // Then its answers are those of the bag without that topic, which it is said to be left out
    assert!(ended.stderr.contains("is left out"), "{ended}");
    let with = labelled(&folder, &none);
    color.without(CAMERA_INFO).save(&folder.join("pick.mcap"));
    let without = labelled(&folder, &none);
    assert_eq!(answers(&with), answers(&without));
    assert_eq!(with.len(), 3);
    // And a rehearsal says the same
    uncalibrated.save(&folder.join("pick.mcap"));
    let settings = "estimator: {kind: spatialrgpt}\nmodel: {relative_depth: none}";
    fs::write(folder.join("settings.yaml"), settings).unwrap();
    let inspect = [
        "inspect",
        "pick.mcap",
        "--json",
        "--config",
        "settings.yaml",
    ];
    let ended = run(&folder, &inspect).expect_code(0);
    assert!(ended.json()["roles"]["camera_info"].is_null(), "{ended}");
}

#[test]
fn an_answer_without_a_distance_is_kept_and_invalid_and_geometry_measures_beside_it() {
    let (_guard, folder) = folder_with(&approach(FRAMES));

    let rewards = labelled(&folder, &[]);

    assert_eq!(rewards.len(), FRAMES as usize);
    for (index, reward) in (0..).zip(&rewards) {
        assert_eq!(
            (reward.valid, reward.reason.as_str()),
            (false, "unparsed_answer")
        );
        assert!(
            reward.reward.is_nan() && reward.distance_m.is_nan(),
            "{index}"
        );
        assert!(!reward.answer.is_empty(), "{index}");
        assert_eq!(reward.estimator, "spatialrgpt");
        assert_eq!(reward.distance_kind, "cloud");
        assert_eq!(reward.confidence, 0.0);
        let error_m = reward.surface_m - gap_m(index, FRAMES);
        assert!(error_m.abs() < 0.03, "{index}: off by {error_m} m");
        assert!(reward.center_m > reward.surface_m && reward.cloud_m > reward.surface_m);
    }
    // The frames differ, so a model that looks at them says more than one thing.
    let mut different = answers(&rewards);
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 1, "{different:?}");
}

#[test]
fn the_table_has_the_answers_and_where_they_came_from() {
    let (_guard, folder) = folder_with(&approach(FRAMES));
    let rewards = labelled(&folder, &[]);

    let table = table(&folder);
    let columns = table.metadata().file_metadata().schema_descr();
    let column = |name: &str| {
        let named = |at: &usize| columns.column(*at).name() == name;
        (0..columns.num_columns()).find(named).unwrap()
    };
    let answer = column("reward.spatial.answer");
    let reason = column("reward.spatial.reason");
    let rows: Vec<_> = table
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), rewards.len());
    for (row, reward) in rows.iter().zip(&rewards) {
        assert_eq!(row.get_string(answer).unwrap(), &reward.answer);
        assert_eq!(row.get_string(reason).unwrap(), "unparsed_answer");
    }
    let metadata = table.metadata().file_metadata().key_value_metadata();
    let metadata: BTreeMap<&str, &str> = metadata
        .unwrap()
        .iter()
        .map(|entry| (entry.key.as_str(), entry.value.as_deref().unwrap()))
        .collect();
    let digest = metadata["spatial_reward.model_digest"];
    let hexadecimal = digest.rsplit(':').next().unwrap();
    assert_eq!(hexadecimal.len(), 64, "{digest}");
    let prompt = metadata["spatial_reward.prompt"];
    assert!(prompt.contains("<image>\n"), "{prompt}");
    assert_eq!(prompt.matches("<mask> <depth>").count(), 2, "{prompt}");
    assert_eq!(metadata["spatial_reward.estimator"], "spatialrgpt");
    assert_eq!(metadata["spatial_reward.model_calibration"], "");
}

#[test]
fn labelling_twice_gives_the_same_table() {
    let (_guard, folder) = folder_with(&approach(FRAMES));
    let bytes = || {
        expect_babble(label(&folder, &[]));
        fs::read(folder.join("out/out_reward.parquet")).unwrap()
    };
    assert!(bytes() == bytes());
}

#[test]
fn a_frame_gets_the_same_answer_alone_and_in_a_batch() {
    // Given frames of which one has no fingertip, so that batches do not hold neighbours only
    let recording = approach_with(FRAMES, |index, instant| {
        if index == 2 {
            instant.fingertip = None;
        }
    });
    let (_guard, folder) = folder_with(&recording);

    let alone = labelled(&folder, &["--batch", "1"]);
    let together = labelled(&folder, &["--batch", "4"]);

    assert_eq!(answers(&alone), answers(&together));
    for (index, (alone, together)) in alone.iter().zip(&together).enumerate() {
        assert_eq!(alone.reason, together.reason);
        assert_eq!(alone.surface_m.to_bits(), together.surface_m.to_bits());
        assert_eq!(alone.answer.is_empty(), index == 2, "{index}");
    }
    assert_eq!(alone[2].reason, "no_fingertip_box");
}

#[test]
fn the_sample_bag_gets_the_same_answers_in_batches_of_any_size() {
    // Given a real recording: compressed pictures, depth in millimetres, 80 frames
    let folder = tempfile::tempdir().unwrap();
    let bag = in_repository("data/fetch_approach");
    let bag = bag.join("fetch_approach_mcap.mcap");
    fs::copy(bag, folder.path().join("pick.mcap")).unwrap();

    let alone = labelled(folder.path(), &["--batch", "1"]);
    let together = labelled(folder.path(), &["--batch", "7"]);

    assert_eq!(alone.len(), 80);
    assert_eq!(answers(&alone), answers(&together));
    assert!(
        alone
            .iter()
            .all(|reward| reward.reason == "unparsed_answer")
    );
    assert!(alone.iter().all(|reward| reward.cloud_m.is_finite()));
}

#[test]
fn a_bag_without_depth_will_do_where_the_model_needs_none() {
    let (_guard, folder) = folder_with(&approach(FRAMES).without(DEPTH));

    let rewards = labelled(&folder, &["--relative-depth", "none"]);

    assert_eq!(rewards.len(), FRAMES as usize);
    for reward in &rewards {
        assert_eq!(reward.reason, "unparsed_answer");
        assert!(reward.surface_m.is_nan() && !reward.answer.is_empty());
    }
    // Where it needs the camera's, that is missed by name
    label(&folder, &[]).expect_error(&["depth", "--depth-topic"]);
}

#[test]
fn an_episodes_depth_can_be_scaled_by_its_first_frame() {
    let (_guard, folder) = folder_with(&approach(FRAMES));
    let own = labelled(&folder, &[]);
    let episode = labelled(&folder, &["--depth-scale", "episode"]);
    assert_eq!(episode.len(), own.len());
    // The first frame's range is its own under both.
    assert_eq!(episode[0].answer, own[0].answer);
    assert!(
        episode
            .iter()
            .all(|reward| reward.reason == "unparsed_answer")
    );
}

#[test]
fn geometry_is_the_models_baseline() {
    let (_guard, folder) = folder_with(&approach(FRAMES).with_truth(FRAMES));
    expect_babble(label(&folder, &["--distance", "surface"]));

    let metrics = run(&folder, &["evaluate", "out", "--json"])
        .expect_code(0)
        .json();

    assert_eq!(metrics["invalid_rate"], 1.0);
    assert!(metrics["mae_m"].is_null(), "{metrics}");
    let geometry = &metrics["baseline_geometry"];
    assert_eq!(geometry["steps"], FRAMES);
    assert_eq!(geometry["distance_kind"], "surface");
    assert_eq!(geometry["invalid_rate"], 0.0);
    assert!(geometry["mae_m"].as_f64().unwrap() < 0.03, "{metrics}");
    assert!(geometry["spearman"].as_f64().unwrap() > 0.99, "{metrics}");
}

#[test]
fn where_no_truth_is_geometry_stands_in_for_it() {
    let (_guard, folder) = folder_with(&approach(FRAMES));
    expect_babble(label(&folder, &[]));

    let ended = run(&folder, &["evaluate", "out", "--json"]).expect_code(0);

    let words = "held against what geometry measured";
    assert!(ended.stderr.contains(words), "{ended}");
    let geometry = &ended.json()["baseline_geometry"];
    assert_eq!(geometry["distance_kind"], "cloud");
    assert_eq!(geometry["mae_m"], 0.0, "{ended}");
}

#[test]
fn a_model_that_cannot_be_used_is_named_before_anything_is_written() {
    let (_guard, folder) = folder_with(&approach(3));
    let missing = "./nowhere/at/all";
    let arguments = ["label", "pick.mcap", "--estimator", "spatialrgpt"];
    run(&folder, &[&arguments[..], &["--model", missing]].concat()).expect_error(&[missing]);
    label(&folder, &["--device", "cuda:7"]).expect_error(&["cuda:7"]);
    label(&folder, &["--template", "chatml"]).expect_error(&["'chatml'", "llama_3"]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn that_a_model_is_not_calibrated_is_said_once_with_the_way_out() {
    // given two bags, and a model of which nobody knows how far its odds are to be believed
    let (_guard, folder) = folder_with(&approach(2));
    approach(2).save(&folder.join("place.mcap"));
    let model = checkpoint();
    let label = |config: &str| {
        fs::write(folder.join("rig.yaml"), config).unwrap();
        let bags = [
            "label",
            "pick.mcap",
            "place.mcap",
            "-o",
            "out",
            "--overwrite",
        ];
        let model = ["--model", text(&model), "--max-new-tokens", "4"];
        let more = ["--estimator", "spatialrgpt", "--config", "rig.yaml"];
        run(&folder, &[&bags[..], &model, &more].concat())
    };
    let count = |ended: &Ended| ended.stderr.matches("is not calibrated").count();
    // then
    let ended = label("");
    assert_eq!(count(&ended), 1, "{ended}");
    assert!(ended.stderr.contains("evaluate --calibrate"), "{ended}");
    // and once it is, nothing is said, and the table says what with
    let ended = label("model: {std_scale: 0.5, std_floor_m: 0.02}");
    assert_eq!(count(&ended), 0, "{ended}");
    let file = fs::File::open(folder.join("out/pick_labelled/pick_labelled_reward.parquet"));
    let table = SerializedFileReader::new(file.unwrap()).unwrap();
    let entries = table.metadata().file_metadata().key_value_metadata();
    let is_ours = |key: &str| key == "spatial_reward.model_calibration";
    let mut entries = entries.unwrap().iter();
    let entry = entries.find(|entry| is_ours(&entry.key)).unwrap();
    let said = entry.value.as_deref().unwrap();
    assert_eq!(said, r#"{"scale":0.5,"floor_m":0.02}"#);
    // and half of a calibration is none
    let ended = label("model: {std_floor_m: 0.02}");
    ended.expect_error(&["model.std_floor_m", "model.std_scale"]);
}
