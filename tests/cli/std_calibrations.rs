//! `evaluate --calibrate`: from bags that a model labelled, with truth, to settings that make its 90 % intervals hold.

use std::fs;
use std::path::Path;

use serde_json::Value;
use spatial_reward::calibration::Calibration;
use spatial_reward::estimator::{Estimator, Origin, Scripted};
use spatial_reward::frame::{Answer, Frame, Measurement, Reason, Regions};
use spatial_reward::label::output::IfExists;
use spatial_reward::settings::Config;

use crate::fixtures::*;

const STEPS: i64 = 60;

/// A model whose answers are scripted.
struct Model {
    says: Scripted,
    digest: &'static str,
    calibration: Option<Calibration>,
}

impl Model {
    /// Off by up to three times its spread, which is 2, 4 and 8 mm in turn.
    fn new(digest: &'static str, calibration: Option<Calibration>) -> Self {
        let answers = (0..STEPS).map(|index| {
            let spread_m = 0.002 * f64::from(1 << (index % 3));
            let error_m = 3.0 * spread_m * (index + 1) as f64 / STEPS as f64;
            let std_m = calibration.map_or(spread_m, |one| one.std_m(spread_m));
            let answer = Answer {
                text: "as scripted".into(),
                distance_m: Some(gap_m(index, STEPS) + error_m),
                distance_std_m: Some(std_m),
            };
            let measurement = Measurement {
                answer: Some(answer),
                own_confidence: Some(1.0),
                ..Measurement::default()
            };
            (START + index * PERIOD, Ok(measurement))
        });
        Self {
            says: Scripted::new(answers),
            digest,
            calibration,
        }
    }
}

impl Estimator for Model {
    fn name(&self) -> &'static str {
        "model"
    }

    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason> {
        self.says.estimate(frame, regions)
    }

    fn origin(&self) -> spatial_reward::Result<Origin> {
        Ok(Origin {
            model_digest: self.digest.into(),
            prompt: "How far?".into(),
            calibration: self.calibration,
        })
    }
}

/// The folder's `pick.mcap`, labelled by the model as `output`.
fn labelled(folder: &Path, output: &str, settings: &str, model: &Model) {
    labelled_by(folder, output, IfExists::Fail, settings, model);
}

fn calibrate(folder: &Path, arguments: &[&str]) -> Ended {
    run(folder, &[&["evaluate", "--calibrate"], arguments].concat())
}

fn figure(report: &Value, key: &str) -> f64 {
    let value = report.pointer(key).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("{key}: {report}"))
}

#[test]
fn a_calibration_makes_nine_intervals_in_ten_hold_and_is_good_for_label_as_it_is() {
    // given a model that takes itself for twice as good as it is
    let (_guard, folder) = folder_with(&approach(STEPS).with_truth(STEPS));
    labelled(&folder, "out", "", &Model::new("abc", None));

    let report = calibrate(&folder, &["new/rig.yaml", "out", "--json"])
        .expect_code(0)
        .json();

    // then half of its intervals held, for 1.645 of three spreads is 55 %, and nine of ten do now
    assert_eq!((&report["steps"], &report["bags"]), (&60.into(), &1.into()));
    let before = figure(&report, "/before/interval_coverage");
    assert!((before - 32.0 / 60.0).abs() < 0.02, "{report}");
    let after = figure(&report, "/after/interval_coverage");
    assert!((0.9..0.94).contains(&after), "{report}");
    let width_m = figure(&report, "/after/interval_width_m");
    assert!(
        width_m < figure(&report, "/after/interval_width_constant_m"),
        "{report}"
    );
    // and the file says the same, and nothing else lies beside it
    let config = Config::from_file(&folder.join("new/rig.yaml")).unwrap();
    let calibration = config.model.calibration().unwrap();
    assert_eq!(calibration.scale, figure(&report, "/scale"));
    assert_eq!(calibration.floor_m, figure(&report, "/floor_m"));
    assert_eq!(config.changed().len(), 2);
    assert_eq!(names_in(&folder.join("new")), ["rig.yaml"]);
    // and a bag that was labelled with it is good for the same again
    labelled(&folder, "again", "", &Model::new("abc", Some(calibration)));
    let again = calibrate(&folder, &["again.yaml", "again", "--json"])
        .expect_code(0)
        .json();
    for key in ["/scale", "/floor_m", "/after/interval_coverage"] {
        assert_eq!(figure(&again, key), figure(&report, key), "{again}");
    }
    let before_m = figure(&again, "/before/interval_width_m");
    assert!((before_m - width_m).abs() < 1e-9, "{again}");
}

#[test]
fn a_folder_of_labelled_bags_is_calibrated_with_and_people_are_told_before_and_after() {
    let (_guard, folder) = folder_with(&approach(STEPS).with_truth(STEPS));
    for name in ["bags/one", "bags/two"] {
        labelled(&folder, name, "", &Model::new("abc", None));
    }
    let ended = calibrate(&folder, &["rig.yaml", "bags"]).expect_code(0);
    for words in [
        "120 steps with truth in 2 bags, surface distance",
        "before   53.3 % of the truths",
        "now      9",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {ended}");
    }
}

#[test]
fn nothing_but_a_calibration_is_ever_replaced_and_that_where_it_is_asked_for() {
    let (_guard, folder) = folder_with(&approach(STEPS).with_truth(STEPS));
    labelled(&folder, "out", "", &Model::new("abc", None));
    calibrate(&folder, &["rig.yaml", "out"]).expect_code(0);
    let first = fs::read(folder.join("rig.yaml")).unwrap();
    calibrate(&folder, &["rig.yaml", "out"]).expect_error(&["exists already", "--overwrite"]);
    calibrate(&folder, &["rig.yaml", "out", "--overwrite"]).expect_code(0);
    assert_eq!(fs::read(folder.join("rig.yaml")).unwrap(), first);
    // given settings of the user's own
    fs::write(folder.join("mine.yaml"), "reward: {kind: tanh}\n").unwrap();
    let ended = calibrate(&folder, &["mine.yaml", "out", "--overwrite"]);
    ended.expect_error(&["mine.yaml", "never replaced"]);
    let mine = fs::read_to_string(folder.join("mine.yaml")).unwrap();
    assert_eq!(mine, "reward: {kind: tanh}\n");
}

#[test]
fn what_cannot_be_calibrated_with_is_refused_with_the_reason() {
    let (_guard, folder) = folder_with(&approach(STEPS).with_truth(STEPS));
    labelled(&folder, "out", "", &Model::new("abc", None));
    labelled(&folder, "other", "", &Model::new("def", None));
    labelled(
        &folder,
        "sure",
        "reward: {max_std_m: 0.005}",
        &Model::new("abc", None),
    );
    run(&folder, &["label", "pick.mcap", "-o", "measured"]).expect_code(0);
    approach(STEPS).save(&folder.join("pick.mcap"));
    labelled(&folder, "blind", "", &Model::new("abc", None));
    approach(49).with_truth(49).save(&folder.join("pick.mcap"));
    labelled(&folder, "short", "", &Model::new("abc", None));
    fs::copy(folder.join("out/out_0.mcap"), folder.join("bare.mcap")).unwrap();
    for (bags, words) in [
        (
            &["measured"][..],
            &["geometry measured", "nothing to calibrate"][..],
        ),
        (&["out", "other"], &["other", "by another model"]),
        (&["sure"], &["reward.max_std_m"]),
        (&["blind"], &["no true surface distance"]),
        (&["short"], &["49 valid step(s)", "50"]),
        (&["bare.mcap"], &["_reward.parquet", "which model answered"]),
    ] {
        calibrate(&folder, &[&["rig.yaml"], bags].concat()).expect_error(words);
        assert!(!folder.join("rig.yaml").exists(), "{bags:?}");
    }
    // and the bag's file stands for its folder, whatever that is called by now
    fs::rename(folder.join("out"), folder.join("pick")).unwrap();
    calibrate(&folder, &["rig.yaml", "pick/out_0.mcap"]).expect_code(0);
    // and without a calibration, bags are judged one by one
    let ended = run(&folder, &["evaluate", "pick", "other"]).expect_code(2);
    assert!(ended.stderr.contains("--calibrate"), "{ended}");
    run(&folder, &["evaluate", "pick", "--overwrite"]).expect_code(2);
}
