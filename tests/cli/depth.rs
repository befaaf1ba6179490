//! Metres from one picture: files read back against what transformers gave, the summary, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::fixtures::*;
use crate::model_fixtures::{expect_no_trace, in_repository, text};

const MODELS: [&str; 4] = [
    "depth_pro_published",
    "depth_pro_padded",
    "depth_pro_wide",
    "depth_anything_metric",
];
const PICTURES: [&str; 7] = [
    "landscape",
    "portrait",
    "small",
    "large",
    "grey",
    "rgba",
    "square",
];

fn model(name: &str) -> PathBuf {
    in_repository("tests/fixtures/metric_depth").join(name)
}

fn picture(name: &str) -> PathBuf {
    model("pictures").join(format!("{name}.png"))
}

/// A tensor of a fixture: its shape and numbers.
fn golden(model_name: &str, tensor: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = fs::read(model(model_name).join("golden.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(tensor).unwrap();
    let numbers = tensor.data().as_chunks::<4>().0.iter();
    let numbers = numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (tensor.shape().to_vec(), numbers)
}

/// An array of NumPy's format: (height, width) and numbers.
fn npy(file: &Path) -> ((usize, usize), Vec<f32>) {
    let bytes = fs::read(file).unwrap();
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (header, numbers) = bytes[10..].split_at(length);
    let header = std::str::from_utf8(header).unwrap();
    assert!(header.contains("'descr': '<f4'") && header.contains("'fortran_order': False"));
    let shape = header.split(['(', ')']).nth(1).unwrap();
    let (height, width) = shape.split_once(", ").unwrap();
    let numbers = numbers.as_chunks::<4>().0.iter();
    (
        (height.parse().unwrap(), width.parse().unwrap()),
        numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    )
}

/// What a fixture keeps of an array: all of it, or every fifth number along both sides.
fn kept(shape: &[usize], (height, width): (usize, usize), numbers: &[f32]) -> Vec<f32> {
    let step = if shape == [height, width] { 1 } else { 5 };
    let rows = numbers.chunks(width).step_by(step);
    rows.flat_map(|row| row.iter().copied().step_by(step))
        .collect()
}

fn depth(folder: &Path, model_name: &str, image: &Path, output: &str, more: &[&str]) -> Ended {
    let model = model(model_name);
    let fixed = ["depth", text(image), "--model", text(&model), "-o", output];
    run(folder, &[&fixed[..], more].concat())
}

#[test]
fn metres_are_those_of_transformers_in_the_pictures_size() {
    let scratch = tempfile::tempdir().unwrap();
    for model_name in MODELS {
        for name in PICTURES {
            // Given what transformers makes of a picture
            let (shape, expected) = golden(model_name, &format!("{name}.metres"));
            let what = format!("{model_name} {name}");

            // When the command measures it
            let options = ["--json", "--overwrite", "--device", "cpu"];
            let ended = depth(
                scratch.path(),
                model_name,
                &picture(name),
                "a.npy",
                &options,
            );
            let told = ended.expect_code(0).json();

            // Then the file has its shape and its metres
            let (size, metres) = npy(&scratch.path().join("a.npy"));
            let kept = kept(&shape, size, &metres);
            assert_eq!(kept.len(), expected.len(), "{what}: {size:?}");
            for (ours, theirs) in kept.iter().zip(&expected) {
                let share = (ours - theirs).abs() / theirs;
                let per_metre = (1.0 / ours - 1.0 / theirs).abs();
                assert!(share < 1e-4 || per_metre < 1e-5, "{what}: {ours} {theirs}");
            }

            // and the summary tells of it
            let extreme =
                |choose: fn(f32, f32) -> f32, first| metres.iter().copied().fold(first, choose);
            let told_m = |key: &str| told[key].as_f64().unwrap() as f32;
            assert_eq!(told["unit"], "metre");
            assert_eq!(told_m("min_m"), extreme(f32::min, f32::INFINITY), "{what}");
            assert_eq!(told_m("max_m"), extreme(f32::max, 0.0), "{what}");
            assert_eq!(
                (told["height"].as_u64(), told["width"].as_u64()),
                (Some(size.0 as u64), Some(size.1 as u64))
            );
            if model_name == "depth_anything_metric" {
                assert_eq!(told["focal_px"], Value::Null);
                continue;
            }
            let (_, focal_px) = golden(model_name, &format!("{name}.focal_px"));
            let focal_px = f64::from(focal_px[0]);
            let share = (told["focal_px"].as_f64().unwrap() - focal_px).abs() / focal_px;
            assert!(share < 1e-4, "{what}: {told}");
        }
    }
}

#[test]
fn a_png_has_millimetres_and_zero_where_they_do_not_fit() {
    // Given a picture of which the network sees parts farther than 65.5 m
    let scratch = tempfile::tempdir().unwrap();
    let (name, image) = ("depth_pro_padded", picture("square"));
    depth(scratch.path(), name, &image, "a.npy", &[]).expect_code(0);
    let (_, metres) = npy(&scratch.path().join("a.npy"));
    let far = metres.iter().filter(|metres| **metres > 65.5355).count();
    assert!(far > 0 && far < metres.len() / 2, "{far}");

    // When it is written as a PNG, into a folder that is not there
    let ended = depth(scratch.path(), name, &image, "new/a.png", &["--json"]).expect_code(0);

    // Then the numbers are the nearest millimetres, the rest is 0, and it is said how much that is
    let png = image::open(scratch.path().join("new/a.png")).unwrap();
    let png = png.as_luma16().expect("one channel of 16 bits").clone();
    assert_eq!(png.dimensions(), (64, 64));
    for (millimetres, metres) in png.into_raw().into_iter().zip(&metres) {
        let expected = (f64::from(*metres) * 1000.0).round();
        let expected = if expected > 65535.0 { 0.0 } else { expected };
        assert_eq!(f64::from(millimetres), expected);
    }
    assert_eq!(ended.json()["left_out_px"], far);
    let words = format!("{far} of 4096 pixels are 0 in new/a.png");
    assert!(ended.stderr.contains(&words), "{ended}");
}

#[test]
fn nothing_is_replaced_unasked() {
    // Given files of the user's
    let scratch = tempfile::tempdir().unwrap();
    let mine = scratch.path().join("mine.npy");
    fs::write(&mine, "mine").unwrap();
    fs::copy(picture("small"), scratch.path().join("seen.png")).unwrap();
    fs::create_dir(scratch.path().join("folder.npy")).unwrap();
    let (name, seen) = ("depth_pro_wide", Path::new("seen.png"));

    // When an output would take their place, then they stay
    let refused = depth(scratch.path(), name, seen, "mine.npy", &[]);
    refused.expect_error(&["mine.npy", "exists already", "--overwrite"]);
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
    let asked = ["--overwrite"];
    depth(scratch.path(), name, seen, "./seen.png", &asked).expect_error(&["the picture itself"]);
    depth(scratch.path(), name, seen, "folder.npy", &asked).expect_error(&["is a folder"]);
    let names = ["folder.npy", "mine.npy", "seen.png"];
    assert_eq!(names_in(scratch.path()), names);

    // unless that is asked for
    let ended = depth(scratch.path(), name, seen, "mine.npy", &asked).expect_code(0);
    assert!(ended.stdout.contains("focal length"), "{ended}");
    assert_eq!(npy(&mine).0, (13, 17));
    assert_eq!(names_in(scratch.path()), names);
}

/// A fixture with one key of its configuration set.
fn altered(model_name: &str, key: &str, value: Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["preprocessor_config.json", "model.safetensors"] {
        fs::copy(model(model_name).join(file), folder.path().join(file)).unwrap();
    }
    let config = fs::read(model(model_name).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config[key] = value;
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

#[test]
fn a_model_without_metres_and_one_that_is_broken_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let image = picture("small");
    let refused = |folder: &Path, words: &[&str]| {
        let arguments = [
            "depth",
            text(&image),
            "--model",
            text(folder),
            "-o",
            "a.npy",
        ];
        let ended = run(scratch.path(), &arguments).expect_error(words);
        expect_no_trace(&ended);
        assert!(names_in(scratch.path()).is_empty());
    };
    // No metres.
    let relative = altered(
        "depth_anything_metric",
        "depth_estimation_type",
        json!("relative"),
    );
    refused(relative.path(), &["relative", "no metres", "Metric-Indoor"]);
    let blind = altered("depth_pro_wide", "use_fov_model", json!(false));
    refused(blind.path(), &["use_fov_model", "no metres"]);
    // Another kind of model.
    let other = altered("depth_pro_wide", "model_type", json!("owlv2"));
    refused(other.path(), &["'owlv2'", "depth_pro"]);
    // No weights, and no settings of pictures.
    let bare = altered("depth_pro_wide", "merge_padding_value", json!(0));
    fs::remove_file(bare.path().join("model.safetensors")).unwrap();
    refused(bare.path(), &["safetensors"]);
    let bare = altered("depth_anything_metric", "max_depth", json!(10));
    fs::remove_file(bare.path().join("preprocessor_config.json")).unwrap();
    refused(bare.path(), &["preprocessor_config.json"]);
    // Weights cut short.
    let cut = altered("depth_pro_wide", "merge_padding_value", json!(0));
    let weights = cut.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    refused(cut.path(), &["model.safetensors"]);
    // A folder of SpatialRGPT, and none at all.
    refused(&in_repository("models/nano"), &["model_type"]);
    refused(Path::new("nowhere/at/all"), &["nowhere/at/all"]);
}

#[test]
fn what_cannot_be_typed_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let (name, image) = ("depth_pro_wide", picture("small"));
    let ended = depth(scratch.path(), name, &image, "a.tiff", &[]).expect_code(2);
    assert!(
        ended.stderr.contains(".npy") && ended.stderr.contains(".png"),
        "{ended}"
    );
    let device = ["--device", "tpu"];
    depth(scratch.path(), name, &image, "a.npy", &device).expect_error(&["tpu", "cuda:N"]);
    let missing = Path::new("missing.png");
    depth(scratch.path(), name, missing, "a.npy", &[]).expect_error(&["missing.png"]);
    assert!(names_in(scratch.path()).is_empty());
}
