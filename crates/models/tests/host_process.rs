//! What a host finds in its process once a model has answered and learned there. Alone in its process, for rayon has one
//! global pool and libtorch one number of threads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::json;
use spatial_reward_core::estimator::Profile;
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::imaging::{Mask, open_color};
use spatial_reward_core::question::MarkedPicture;
use spatial_reward_core::settings::{Config, DeviceChoice, Dtype, Model, Settings};
use spatial_reward_models::spatialrgpt::train::{Begin, Options, Shape, train};
use spatial_reward_models::spatialrgpt::{Located, Session};

/// More than one, on any machine.
const THREADS: i32 = 3;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn picture() -> PathBuf {
    fixtures().join("spatialrgpt/inputs/img0.png")
}

fn answer() {
    let model = Model {
        device: "cpu".into(),
        dtype: Dtype::Float32,
        max_new_tokens: 4,
        ..Model::default()
    };
    let config = Config {
        model,
        ..Config::default()
    };
    let settings = Settings::new(config, Profile::GEOMETRY).unwrap();
    let located = Located {
        model: fixtures().join("spatialrgpt/a/checkpoint"),
        depth_model: None,
    };
    let color = open_color(&picture()).unwrap();
    let bbox = BoundingBox::new(120.7, 30.2, 330.9, 250.6);
    let marked = MarkedPicture {
        masks: vec![Mask::from_box(&bbox, color.width, color.height)],
        depth: None,
        color,
    };
    let mut session = Session::open(&settings, &located, marked).unwrap();
    assert!(
        !session
            .ask("How wide is <region0>?")
            .unwrap()
            .text
            .is_empty()
    );
}

/// Two steps, which make a tokenizer, decode pictures, learn on threads and evaluate.
fn learn() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let row = json!({
        "filename": picture(),
        "bbox": [[120.0, 30.0, 330.0, 250.0], [10.0, 200.0, 200.0, 299.0]],
        "conversations": [
            {"from": "human", "value": "<image>\nHow far is <mask> from <mask>?"},
            {"from": "gpt", "value": "04.87 inches"},
        ],
        "categories": ["direct_distance"],
    });
    fs::write(data.join("dataset.jsonl"), format!("{row}\n{row}\n")).unwrap();
    let options = Options {
        datasets: vec![data.clone()],
        held_out: vec![data],
        output: folder.path().join("out"),
        begin: Begin::Shape(Shape::from_file(&fixtures().join("tiny_shape.yaml")).unwrap()),
        freeze: Vec::new(),
        steps: 2,
        warmup_steps: 1,
        separate_warmup_steps: 0,
        batch: 2,
        questions: 1,
        learning_rate: 1e-3,
        weight_decay: 0.05,
        clip_norm: 1.0,
        geometry_weight: 20.0,
        save_every: 2,
        evaluate_every: 1,
        evaluate_frames: 2,
        seed: 0,
        resume: false,
        device: DeviceChoice::Cpu,
        dtype: Dtype::Float32,
    };
    let summary = train(&options, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!(summary.step, 2);
}

#[test]
fn a_host_finds_its_threads_as_it_left_them() {
    // Given a host that gave libtorch threads and has not built rayon's global pool yet
    tch::set_num_threads(THREADS);

    // When a model answers, and when one learns
    answer();
    assert_eq!(tch::get_num_threads(), THREADS);
    learn();

    // Then this thread and the threads that begin have what they had
    assert_eq!(tch::get_num_threads(), THREADS);
    let begun = std::thread::spawn(tch::get_num_threads).join().unwrap();
    assert_eq!(begun, THREADS);
    // And the pool is the host's to build, of the size it likes
    rayon::ThreadPoolBuilder::new()
        .num_threads(5)
        .build_global()
        .unwrap();
    assert_eq!(rayon::current_num_threads(), 5);
}
