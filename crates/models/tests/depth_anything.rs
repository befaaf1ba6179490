//! Depth Anything against `transformers`, number by number, on the tiny random checkpoints of
//! tests/fixtures/depth_anything; and what a checkpoint that does not fit is answered. What a configuration can have
//! wrong fills a table that is longer than a function should be: it is one list.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spatial_reward_models::depth_anything::{DepthAnything, DepthEstimationType};
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

const CASES: [(&str, &[&str]); 2] = [
    ("v1", &["70x70", "56x98"]),
    ("v2", &["70x70", "28x112", "62x75"]),
];

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/depth_anything")
        .join(version)
}

fn golden(version: &str) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(fixture(version).join("golden.safetensors"))
        .unwrap()
        .into_iter()
        .collect()
}

/// The fixture with some keys of its configuration set, in a folder of its own.
fn altered(version: &str, changes: &[(&str, Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(fixture(version).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let weights = "model.safetensors";
    fs::copy(fixture(version).join(weights), folder.path().join(weights)).unwrap();
    folder
}

/// The largest difference as a share of the expected tensor's largest element.
fn deviation(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let difference = (actual.to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs();
    difference.max().double_value(&[]) / expected.abs().max().double_value(&[])
}

fn assert_same(name: &str, actual: &Tensor, expected: &Tensor) {
    let deviation = deviation(actual, expected);
    println!("{name}: {deviation:.1e}");
    assert!(
        deviation <= TOLERANCE,
        "{name} is off by {deviation:.1e} of its largest element"
    );
}

fn cosine(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (
        a.to_kind(Kind::Double).view(-1),
        b.to_kind(Kind::Double).view(-1),
    );
    (a.dot(&b) / (a.norm() * b.norm())).double_value(&[])
}

#[test]
fn every_tensor_is_that_of_transformers() {
    for (version, sizes) in CASES {
        // Given a checkpoint and what transformers computed with it
        let model = DepthAnything::load(&fixture(version), SINGLE).unwrap();
        let golden = golden(version);
        for size in sizes {
            let expected = |name: &str| &golden[&format!("{size}.{name}")];

            // When the same pixels go through this network
            let (trace, depth) = model.trace(expected("pixel_values")).unwrap();

            // Then each stage is the same, and so is the depth
            assert_eq!((trace.feature_maps.len(), trace.fused.len()), (4, 4));
            for (i, (feature_map, fused)) in trace.feature_maps.iter().zip(&trace.fused).enumerate()
            {
                let name = format!("feature_map_{i}");
                assert_same(
                    &format!("{version} {size} {name}"),
                    feature_map,
                    expected(&name),
                );
                let name = format!("neck_{i}");
                assert_same(&format!("{version} {size} {name}"), fused, expected(&name));
            }
            let name = format!("{version} {size} predicted_depth");
            assert_same(&name, &depth, expected("predicted_depth"));
        }
    }
}

#[test]
fn metric_depth_is_that_of_transformers() {
    for (version, sizes) in CASES {
        let folder = altered(
            version,
            &[
                ("/depth_estimation_type", json!("metric")),
                ("/max_depth", json!(20)),
            ],
        );
        let model = DepthAnything::load(folder.path(), SINGLE).unwrap();
        assert_eq!(model.depth_estimation_type(), DepthEstimationType::Metric);
        let golden = golden(version);
        for size in sizes {
            let depth = model
                .forward(&golden[&format!("{size}.pixel_values")])
                .unwrap();
            let expected = &golden[&format!("{size}.predicted_depth_metric")];
            assert_same(&format!("{version} {size} metric"), &depth, expected);
        }
    }
}

#[test]
fn half_precision_stays_close() {
    for (version, sizes) in CASES {
        let model = DepthAnything::load(&fixture(version), HALF).unwrap();
        let golden = golden(version);
        for size in sizes {
            let depth = model
                .forward(&golden[&format!("{size}.pixel_values")])
                .unwrap();
            assert_eq!(depth.kind(), Kind::BFloat16);
            let cosine = cosine(&depth, &golden[&format!("{size}.predicted_depth")]);
            println!("{version} {size}: cosine {cosine:.6}");
            assert!(cosine >= 0.999, "{version} {size}: cosine {cosine}");
        }
    }
}

#[test]
fn an_image_has_the_same_depth_alone_and_in_a_batch() {
    // Given three different images
    let model = DepthAnything::load(&fixture("v2"), SINGLE).unwrap();
    let first = &golden("v2")["70x70.pixel_values"];
    let images = Tensor::cat(&[first.shallow_clone(), first.flip([2]), -first], 0);

    // When they go through together and one by one
    let together = model.forward(&images).unwrap();
    for i in 0..3 {
        let alone = model.forward(&images.narrow(0, i, 1)).unwrap();

        // Then only rounding differs, as libtorch cuts larger products into other blocks
        assert_same(&format!("image {i}"), &together.narrow(0, i, 1), &alone);
    }
    assert!(deviation(&together.narrow(0, 0, 1), &together.narrow(0, 1, 1)) > 0.01);
}

#[test]
fn plain_pixels_give_a_plain_depth_map() {
    // Given pixels as a slice, of a size that leaves a rest after whole patches
    let model = DepthAnything::load(&fixture("v2"), SINGLE).unwrap();
    let golden = golden("v2");
    let pixels: Vec<f32> = (&golden["62x75.pixel_values"].view(-1)).try_into().unwrap();

    // When
    let map = model.estimate(75, 62, &pixels).unwrap();

    // Then it has whole patches' size and transformers' numbers
    assert_eq!((map.height, map.width), (56, 70));
    let depth = Tensor::from_slice(&map.values).view([1, 56, 70]);
    assert_same("62x75", &depth, &golden["62x75.predicted_depth"]);
}

#[test]
fn images_that_cannot_be_are_errors() {
    let model = DepthAnything::load(&fixture("v1"), SINGLE).unwrap();
    for shape in [
        vec![1, 3, 13, 70],
        vec![1, 3, 70, 13],
        vec![1, 4, 70, 70],
        vec![3, 70, 70],
    ] {
        let error = model
            .forward(&Tensor::zeros(&shape, (Kind::Float, Device::Cpu)))
            .unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(&format!("{shape:?}")) && message.contains("14"),
            "{message}"
        );
    }
    for (pixels, width, height) in [(3 * 70 * 70 - 1, 70, 70), (0, 0, 0), (12, u32::MAX, 4)] {
        let error = model
            .estimate(width, height, &vec![0.0; pixels])
            .unwrap_err()
            .to_string();
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
// Long by its list of configurations.
fn a_configuration_that_does_not_fit_is_named() {
    let cases = [
        ("/model_type", json!("dpt"), "model_type"),
        ("/patch_size", json!(16), "patch_size"),
        ("/depth_estimation_type", json!("absolute"), "absolute"),
        ("/max_depth", json!(0), "max_depth"),
        ("/head_in_index", json!(4), "head_in_index"),
        ("/head_in_index", json!(-5), "head_in_index"),
        ("/fusion_hidden_size", json!(1), "fusion_hidden_size"),
        (
            "/reassemble_factors",
            json!([4, 2, 1]),
            "reassemble_factors",
        ),
        (
            "/reassemble_factors",
            json!([4, 2, 1, 0]),
            "reassemble_factors",
        ),
        (
            "/reassemble_factors",
            json!([2.5, 2, 1, 0.5]),
            "reassemble_factors",
        ),
        (
            "/neck_hidden_sizes",
            json!([8, 12, 16, 0]),
            "neck_hidden_sizes",
        ),
        (
            "/reassemble_hidden_size",
            json!(64),
            "reassemble_hidden_size",
        ),
        ("/backbone_config/model_type", json!("swin"), "swin"),
        ("/backbone_config/use_swiglu_ffn", json!(true), "giant"),
        ("/backbone_config/hidden_act", json!("relu"), "relu"),
        ("/backbone_config/num_channels", json!(1), "num_channels"),
        (
            "/backbone_config/reshape_hidden_states",
            json!(true),
            "reshape_hidden_states",
        ),
        (
            "/backbone_config/num_attention_heads",
            json!(5),
            "num_attention_heads",
        ),
        (
            "/backbone_config/hidden_size",
            json!(i64::MAX),
            "hidden_size",
        ),
        (
            "/backbone_config/num_hidden_layers",
            json!(0),
            "num_hidden_layers",
        ),
        (
            "/backbone_config/num_hidden_layers",
            json!(3),
            "out_indices",
        ),
        ("/backbone_config/image_size", json!([70, 98]), "70 by 98"),
        ("/backbone_config/image_size", json!(13), "image_size"),
        (
            "/backbone_config/out_indices",
            json!([1, 2, 3]),
            "different stages",
        ),
        (
            "/backbone_config/out_features",
            json!(["stage2", "last"]),
            "last",
        ),
    ];
    for (pointer, value, named) in cases {
        let folder = altered("v1", &[(pointer, value.clone())]);
        let message = DepthAnything::load(folder.path(), SINGLE)
            .unwrap_err()
            .to_string();
        assert!(message.contains(named), "{pointer} = {value}: {message}");
        assert!(
            message.contains("config.json") && !message.contains('\n'),
            "{message}"
        );
    }
}

#[test]
fn stages_may_be_named_counted_from_the_end_or_from_the_beginning() {
    // Given V1's stages 2 to 5 of 5, written in each way that the layout allows
    let expected = &golden("v1")["70x70.predicted_depth"];
    let pixels = &golden("v1")["70x70.pixel_values"];
    let names = json!(["stage2", "stage3", "stage4", "stage5"]);
    for (indices, features) in [
        (json!([2, 3, 4, 5]), Value::Null),
        (json!([-4, -3, -2, -1]), Value::Null),
        (Value::Null, names),
    ] {
        let folder = altered(
            "v1",
            &[
                ("/backbone_config/out_indices", indices),
                ("/backbone_config/out_features", features),
            ],
        );
        let model = DepthAnything::load(folder.path(), SINGLE).unwrap();

        // Then it is the same model
        assert_same("stages", &model.forward(pixels).unwrap(), expected);
    }
}

#[test]
fn weights_that_do_not_fit_the_configuration_are_named() {
    let cases = [
        (
            "/backbone_config/num_hidden_layers",
            json!(7),
            "backbone.encoder.layer.6.",
        ),
        (
            "/backbone_config/mlp_ratio",
            json!(4),
            "backbone.encoder.layer.0.mlp.fc1.weight",
        ),
        (
            "/backbone_config/image_size",
            json!(70),
            "backbone.embeddings.position_embeddings",
        ),
        (
            "/backbone_config/qkv_bias",
            json!(false),
            "backbone.encoder.layer.0.attention.attention",
        ),
        (
            "/neck_hidden_sizes",
            json!([8, 12, 16, 20]),
            "neck.reassemble_stage.layers.3.",
        ),
        (
            "/reassemble_factors",
            json!([4, 2, 2, 0.5]),
            "neck.reassemble_stage.layers.2.resize",
        ),
        (
            "/reassemble_factors",
            json!([4, 1, 1, 0.5]),
            "neck.reassemble_stage.layers.1.resize",
        ),
        ("/fusion_hidden_size", json!(16), "neck.convs.0.weight"),
        ("/head_hidden_size", json!(32), "head.conv2."),
    ];
    for (pointer, value, named) in cases {
        let folder = altered("v2", &[(pointer, value)]);
        let message = DepthAnything::load(folder.path(), SINGLE)
            .unwrap_err()
            .to_string();
        assert!(message.contains(named), "{pointer}: {message}");
    }
}

#[test]
fn a_folder_without_a_model_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = DepthAnything::load(folder.path(), SINGLE)
        .unwrap_err()
        .to_string();
    assert!(message.contains("config.json"), "{message}");
    fs::write(folder.path().join("config.json"), "{\n \"model_type\": 3}").unwrap();
    let message = DepthAnything::load(folder.path(), SINGLE)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("config.json") && message.contains("line 2"),
        "{message}"
    );
}
