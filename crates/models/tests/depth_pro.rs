//! Metric depth against `transformers`, number by number, on the tiny random checkpoints of tests/fixtures/metric_depth:
//! Depth Pro in three shapes and Depth Anything V2 metric; and what a checkpoint that does not fit is answered. What a
//! configuration can have wrong fills a table that is longer than a function should be: it is one list.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::imaging;
use spatial_reward_models::depth_anything::MetricDepthAnything;
use spatial_reward_models::depth_pro::DepthPro;
use spatial_reward_models::metric_depth::MetricDepthNetwork;
use spatial_reward_models::nn::weights::Placement;
use tch::{Device, Kind, Tensor};

const SINGLE: Placement = Placement {
    kind: Kind::Float,
    device: Device::Cpu,
};
const HALF: Placement = Placement {
    kind: Kind::BFloat16,
    device: Device::Cpu,
};

/// Of the largest element, as everywhere in this repository's parity tests.
const TOLERANCE: f64 = 2e-5;

const DEPTH_PRO: [&str; 3] = ["depth_pro_published", "depth_pro_padded", "depth_pro_wide"];
const PICTURES: [&str; 7] = [
    "landscape",
    "portrait",
    "small",
    "large",
    "grey",
    "rgba",
    "square",
];
/// Those of which the fixtures have every tensor.
const TRACED: [&str; 2] = ["landscape", "portrait"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/metric_depth")
        .join(name)
}

fn picture(name: &str) -> ColorImage {
    imaging::open_color(&fixture("pictures").join(format!("{name}.png"))).unwrap()
}

fn golden(name: &str) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(fixture(name).join("golden.safetensors"))
        .unwrap()
        .into_iter()
        .collect()
}

/// Every fifth number along the last two dimensions, where the fixture has no more.
fn thinned_as(actual: &Tensor, expected: &Tensor) -> Tensor {
    if actual.size() == expected.size() {
        return actual.shallow_clone();
    }
    let last = actual.dim() as i64 - 1;
    let thinned = actual.slice(last, None, None, 5);
    thinned.slice(last - 1, None, None, 5)
}

#[track_caller]
fn assert_same(name: &str, actual: &Tensor, expected: &Tensor) {
    let actual = thinned_as(actual, expected);
    assert_eq!(actual.size(), expected.size(), "{name}");
    let difference = (actual.to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs();
    let deviation =
        difference.max().double_value(&[]) / expected.abs().max().double_value(&[]).max(1e-30);
    println!("{name}: {deviation:.1e}");
    assert!(
        deviation <= TOLERANCE,
        "{name} is off by {deviation:.1e} of its largest element"
    );
}

/// Metres as a share of the expected ones. Where the network tells next to nothing, its inverse depth is zero up to rounding,
/// and what becomes of it says nothing: beyond so many metres, inverse depth is compared.
#[track_caller]
fn assert_same_metres(name: &str, metres: &Tensor, expected: &Tensor) {
    const FAR: f64 = 100.0;
    let metres = thinned_as(metres, expected).to_kind(Kind::Double);
    let expected = expected.to_kind(Kind::Double);
    assert_eq!(metres.size(), expected.size(), "{name}");
    let near = expected.lt(FAR);
    let shares = ((&metres - &expected) / &expected).abs();
    let share = (shares * &near).max().double_value(&[]);
    let inverse = (metres.reciprocal() - expected.reciprocal()).abs();
    let inverse = inverse.max().double_value(&[]);
    let near = near.to_kind(Kind::Double).mean(Kind::Double);
    println!("{name}: {share:.1e} of a distance, {inverse:.1e} per metre");
    assert!(near.double_value(&[]) > 0.5, "{name}: nothing is near");
    assert!(share <= 1e-4, "{name} is off by {share:.1e}");
    assert!(inverse <= 1e-5, "{name} is off by {inverse:.1e} per metre");
}

fn map_of(metres: &[f32], picture: &ColorImage) -> Tensor {
    let (width, height) = (i64::from(picture.width), i64::from(picture.height));
    Tensor::from_slice(metres).view([height, width])
}

/// A fixture with some keys of one of its files set, in a folder of its own.
fn altered(name: &str, file: &str, changes: &[(&str, Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
    ] {
        fs::copy(fixture(name).join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().join(file);
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    fs::write(path, config.to_string()).unwrap();
    folder
}

#[test]
fn every_tensor_of_depth_pro_is_that_of_transformers() {
    for name in DEPTH_PRO {
        // Given a checkpoint and what transformers computed with it
        let model = DepthPro::load(&fixture(name), SINGLE).unwrap();
        let golden = golden(name);
        for picture_name in TRACED {
            let expected = |tensor: String| &golden[&format!("{picture_name}.{tensor}")];
            let named = |tensor: &str| format!("{name} {picture_name} {tensor}");

            // When a picture goes through this network
            let input = model.processor().process(&picture(picture_name)).unwrap();
            let pixel_values = model.pixel_values(&input).unwrap();
            let (trace, inverse_depth) = model.trace(&pixel_values).unwrap();

            // Then each stage is the same, and so are inverse depth and field of view
            for (stage, tensors) in [
                ("encoder", &trace.encoded),
                ("neck", &trace.maps),
                ("fused", &trace.fused),
            ] {
                let count = (0..).take_while(|index| {
                    golden.contains_key(&format!("{picture_name}.{stage}_{index}"))
                });
                assert_eq!(tensors.len(), count.count(), "{}", named(stage));
                for (index, tensor) in tensors.iter().enumerate() {
                    let stage = format!("{stage}_{index}");
                    assert_same(&named(&stage), tensor, expected(stage.clone()));
                }
            }
            let tensor = "inverse_depth";
            assert_same(&named(tensor), &inverse_depth, expected(tensor.into()));
            let tensor = "field_of_view";
            let degrees = trace.field_of_view.unwrap();
            assert_same(&named(tensor), &degrees, expected(tensor.into()));
        }
    }
}

#[test]
fn metres_and_focal_lengths_of_depth_pro_are_those_of_transformers() {
    for name in DEPTH_PRO {
        let model = DepthPro::load(&fixture(name), SINGLE).unwrap();
        let golden = golden(name);
        for picture_name in PICTURES {
            // Given a picture of any shape
            let picture = picture(picture_name);
            let expected = |tensor: &str| &golden[&format!("{picture_name}.{tensor}")];
            let named = |tensor: &str| format!("{name} {picture_name} {tensor}");

            // When
            let input = model.processor().process(&picture).unwrap();
            let pixel_values = model.pixel_values(&input).unwrap();
            let depth = model.estimate(&picture).unwrap();

            // Then it is seen, measured and told as there
            let tensor = "pixel_values";
            assert_same(&named(tensor), &pixel_values, expected(tensor));
            assert_eq!((depth.width, depth.height), (picture.width, picture.height));
            let metres = map_of(&depth.metres, &picture);
            assert_same_metres(&named("metres"), &metres, expected("metres"));
            let focal_px = expected("focal_px").double_value(&[0]);
            let share = (depth.focal_px - focal_px).abs() / focal_px;
            assert!(share < 1e-4, "{}: {share:.1e}", named("focal_px"));
        }
    }
}

#[test]
fn metric_depth_anything_measures_pictures_as_transformers_does() {
    // Given the checkpoint of Depth Anything V2 metric
    let name = "depth_anything_metric";
    let model = MetricDepthAnything::load(&fixture(name), SINGLE).unwrap();
    let golden = golden(name);
    for picture_name in PICTURES {
        let picture = picture(picture_name);
        let expected = |tensor: &str| &golden[&format!("{picture_name}.{tensor}")];
        let named = |tensor: &str| format!("{name} {picture_name} {tensor}");

        // When
        let input = model.processor().process(&picture).unwrap();
        let depth = model.estimate(&picture).unwrap();

        // Then its pixels are torchvision's and its metres transformers'
        let shape = [1, 3, i64::from(input.height), i64::from(input.width)];
        let pixel_values = Tensor::from_slice(&input.values).view(shape);
        let tensor = "pixel_values";
        let thinned = thinned_as(&pixel_values, expected(tensor));
        let difference = (thinned - expected(tensor)).abs().max().double_value(&[]);
        assert!(difference <= 1e-6, "{}: {difference:.1e}", named(tensor));
        assert_eq!((depth.width, depth.height), (picture.width, picture.height));
        let metres = map_of(&depth.values, &picture);
        assert_same_metres(&named("metres"), &metres, expected("metres"));
    }
}

#[test]
fn half_precision_stays_close() {
    // Given the published shape in bfloat16
    let single = DepthPro::load(&fixture("depth_pro_published"), SINGLE).unwrap();
    let half = DepthPro::load(&fixture("depth_pro_published"), HALF).unwrap();
    let picture = picture("rgba");

    // When
    let [single, half] = [&single, &half].map(|model| model.estimate(&picture).unwrap());

    // Then the focal length is the same within two percent, and so is most of the depth within a tenth
    assert!((half.focal_px / single.focal_px - 1.0).abs() < 0.02);
    let close = half.metres.iter().zip(&single.metres);
    let close = close.filter(|(half, single)| (**half / **single - 1.0).abs() < 0.1);
    let share = close.count() as f64 / single.metres.len() as f64;
    assert!(share > 0.8, "{share}");
    assert_ne!(half.metres, single.metres);
}

#[test]
fn either_network_opens_by_its_model_type() {
    let picture = picture("small");
    // Given a folder of each kind
    for (name, tells_focal_length) in [("depth_pro_padded", true), ("depth_anything_metric", false)]
    {
        // When it is opened without saying which
        let network = MetricDepthNetwork::load(&fixture(name), SINGLE).unwrap();
        let depth = network.estimate(&picture).unwrap();

        // Then it measures, and tells a focal length where the network does
        assert_eq!(depth.metres.len(), 17 * 13);
        assert_eq!(depth.focal_px.is_some(), tells_focal_length, "{name}");
    }
}

#[test]
fn what_gives_no_metres_is_refused_with_the_way_out() {
    let cases = [
        (
            "depth_pro_published",
            ("/use_fov_model", json!(false)),
            ["use_fov_model", "no metres"],
        ),
        (
            "depth_anything_metric",
            ("/depth_estimation_type", json!("relative")),
            ["depth_estimation_type", "Metric-Indoor"],
        ),
        (
            "depth_anything_metric",
            ("/model_type", json!("dpt")),
            ["'dpt'", "apple/DepthPro-hf"],
        ),
    ];
    for (name, change, words) in cases {
        let folder = altered(name, "config.json", &[change]);
        let message = MetricDepthNetwork::load(folder.path(), SINGLE)
            .unwrap_err()
            .to_string();
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
    // A folder without anything.
    let folder = tempfile::tempdir().unwrap();
    let message = MetricDepthNetwork::load(folder.path(), SINGLE)
        .unwrap_err()
        .to_string();
    assert!(message.contains("no config.json"), "{message}");
}

#[test]
fn a_field_of_view_that_no_camera_has_is_an_error() {
    // Given a checkpoint whose last number is 300 degrees higher
    let folder = altered("depth_pro_wide", "config.json", &[]);
    let path = folder.path().join("model.safetensors");
    let mut tensors = Tensor::read_safetensors(&path).unwrap();
    for (name, tensor) in &mut tensors {
        if name == "fov_model.head.layers.6.bias" {
            *tensor = &*tensor + 300.0;
        }
    }
    Tensor::write_safetensors(&tensors, &path).unwrap();
    let model = DepthPro::load(folder.path(), SINGLE).unwrap();

    // When it measures
    let error = model.estimate(&picture("square")).unwrap_err().to_string();

    // Then it says so
    assert!(
        error.contains("field of view") && error.contains("degrees"),
        "{error}"
    );
}

#[test]
// Long by its list of configurations.
fn a_configuration_that_does_not_fit_is_named() {
    let cases = [
        ("/model_type", json!("dpt"), "model_type"),
        ("/patch_size", json!([32, 32]), "line"),
        ("/fusion_hidden_size", json!(7), "fusion_hidden_size"),
        ("/fusion_hidden_size", json!(0), "fusion_hidden_size"),
        ("/num_fov_head_layers", json!(4), "num_fov_head_layers"),
        ("/merge_padding_value", json!(-1), "merge_padding_value"),
        (
            "/intermediate_hook_ids",
            json!([3, 0]),
            "intermediate_hook_ids",
        ),
        (
            "/intermediate_hook_ids",
            json!([0]),
            "intermediate_hook_ids",
        ),
        (
            "/scaled_images_ratios",
            json!([0.5, 1]),
            "scaled_images_ratios",
        ),
        (
            "/scaled_images_ratios",
            json!([0.5, 0.25, 1]),
            "scaled_images_ratios",
        ),
        (
            "/scaled_images_overlap_ratios",
            json!([0, 1, 0.25]),
            "scaled_images_overlap_ratios",
        ),
        (
            "/scaled_images_feature_dims",
            json!([16, 0, 10]),
            "scaled_images_feature_dims",
        ),
        (
            "/patch_model_config/model_type",
            json!("vit"),
            "patch_model_config",
        ),
        (
            "/image_model_config/hidden_act",
            json!("relu"),
            "image_model_config",
        ),
        (
            "/fov_model_config/use_swiglu_ffn",
            json!(true),
            "fov_model_config",
        ),
        // Of another shape than the weights.
        (
            "/fusion_hidden_size",
            json!(16),
            "depth_pro.neck.feature_upsample.intermediate.0",
        ),
        (
            "/patch_model_config/num_hidden_layers",
            json!(4),
            "depth_pro.encoder.patch_encoder.model.encoder.layer.3",
        ),
        (
            "/fov_model_config/num_hidden_layers",
            json!(2),
            "fov_model.fov_encoder.model.encoder.layer.2",
        ),
        (
            "/use_bias_in_fusion_residual",
            json!(false),
            "residual_layer1",
        ),
        (
            "/use_batch_norm_in_fusion_residual",
            json!(true),
            "batch_norm1",
        ),
    ];
    for (pointer, value, named) in cases {
        let folder = altered(
            "depth_pro_published",
            "config.json",
            &[(pointer, value.clone())],
        );
        let message = DepthPro::load(folder.path(), SINGLE)
            .unwrap_err()
            .to_string();
        assert!(message.contains(named), "{pointer} = {value}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn a_processor_that_does_not_fit_is_named() {
    for (pointer, value, named) in [
        ("/size", json!({"height": 96, "width": 96}), "size"),
        ("/resample", json!(0), "resample"),
        ("/do_resize", json!(false), "do_resize"),
        (
            "/image_processor_type",
            json!("DPTImageProcessor"),
            "DPTImageProcessor",
        ),
    ] {
        let file = "preprocessor_config.json";
        let folder = altered("depth_pro_published", file, &[(pointer, value)]);
        let message = DepthPro::load(folder.path(), SINGLE)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(named) && message.contains(file),
            "{pointer}: {message}"
        );
    }
}

#[test]
fn encoders_see_the_patch_size_whatever_their_own_part_says() {
    // Given a configuration whose encoders name another picture size, or none
    let folder = altered(
        "depth_pro_wide",
        "config.json",
        &[
            ("/patch_model_config/image_size", json!(224)),
            ("/image_model_config/image_size", Value::Null),
        ],
    );
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let image = config["image_model_config"].as_object_mut().unwrap();
    image.remove("image_size");
    fs::write(&path, config.to_string()).unwrap();

    // When
    let [plain, changed] = [fixture("depth_pro_wide"), folder.path().to_path_buf()].map(|folder| {
        let model = DepthPro::load(&folder, SINGLE).unwrap();
        model.estimate(&picture("small")).unwrap()
    });

    // Then it is the same network
    assert_eq!(plain, changed);
}
