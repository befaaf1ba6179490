//! OWLv2, SAM 2.1 and metric depth on JPEG files against `transformers`, which reads them with Pillow: the decoder and all that
//! comes behind it (tests/fixtures/jpeg/networks).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging::open_color_on_white;
use spatial_reward_models::metric_depth::MetricDepthNetwork;
use spatial_reward_models::nn::weights::Placement;
use spatial_reward_models::owlv2::{DetectOptions, Detector};
use spatial_reward_models::sam2::Segmenter;
use tch::{Device, Kind, Tensor};

const SINGLE: Placement = Placement {
    kind: Kind::Float,
    device: Device::Cpu,
};
const PICTURES: [(&str, &str); 2] = [
    ("photo", "networks/photo.jpg"),
    ("coarse", "420_coarse.jpg"),
];
const WORDS: [&str; 2] = ["a photo of a red cube", "the bowl"];
const THRESHOLD: f64 = 0.3;
/// As shares of a picture's sides.
const BOXES: [[f64; 4]; 2] = [[0.1, 0.2, 0.45, 0.7], [0.5, 0.15, 0.9, 0.85]];
/// Metres: beyond it a network tells next to nothing, and inverse depth is compared.
const FAR: f64 = 100.0;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn pictures() -> impl Iterator<Item = (&'static str, ColorImage)> {
    PICTURES.into_iter().map(|(name, file)| {
        let picture = open_color_on_white(&fixtures().join("jpeg").join(file));
        (name, picture.unwrap())
    })
}

fn golden() -> BTreeMap<String, Tensor> {
    let path = fixtures().join("jpeg/networks/golden.safetensors");
    Tensor::read_safetensors(path)
        .unwrap()
        .into_iter()
        .collect()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// The largest difference of two rows of numbers.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn what_is_found_in_a_jpeg_is_what_transformers_finds() {
    let golden = golden();
    for shape in ["a", "b", "c"] {
        let detector = Detector::load(&fixtures().join("owlv2").join(shape), SINGLE).unwrap();
        let queries = detector
            .queries_of_words(&WORDS.map(str::to_owned))
            .unwrap();
        for (name, picture) in pictures() {
            // Given
            let expected = |key: &str| numbers(&golden[&format!("{name}.{shape}.{key}")]);
            // When
            let options = DetectOptions {
                threshold: THRESHOLD,
                ..queries.usual_options()
            };
            let found = detector.detect(&picture, &queries, &options).unwrap();
            // Then the same things are at the same places, the likeliest first
            let asked: Vec<f64> = found.iter().map(|one| one.query as f64).collect();
            assert_eq!(asked, expected("labels"), "{name} {shape}");
            let edges = found.iter().flat_map(|one| {
                [
                    one.bbox.x_min,
                    one.bbox.y_min,
                    one.bbox.x_max,
                    one.bbox.y_max,
                ]
            });
            let edges = apart(&edges.collect::<Vec<_>>(), &expected("boxes"));
            let scores: Vec<f64> = found.iter().map(|one| one.score).collect();
            let scores = apart(&scores, &expected("scores"));
            println!(
                "{name} {shape}: {} boxes, {edges:.1e} px, scores {scores:.1e}",
                found.len()
            );
            assert!(found.len() > 3 && edges < 0.01 && scores < 1e-4);
        }
    }
}

#[test]
fn masks_of_a_jpeg_are_those_of_transformers() {
    let golden = golden();
    for shape in ["without", "padded"] {
        let segmenter = Segmenter::load(&fixtures().join("sam2").join(shape), SINGLE).unwrap();
        for (name, picture) in pictures() {
            // Given
            let expected = |key: &str| &golden[&format!("{name}.{shape}.{key}")];
            let [width, height] = [picture.width, picture.height].map(f64::from);
            let boxes = BOXES.map(|[left, top, right, bottom]| {
                BoundingBox::new(left * width, top * height, right * width, bottom * height)
            });
            // When
            let found = segmenter.segment(&picture, &boxes).unwrap();
            // Then
            let scores: Vec<f64> = found.iter().map(|one| one.score).collect();
            let scores = apart(&scores, &numbers(expected("scores")));
            assert!(scores < 1e-4, "{name} {shape}: {scores:.1e}");
            for (index, one) in found.iter().enumerate() {
                let expected = numbers(&expected("masks").get(index as i64));
                let pairs = || one.mask.data.iter().zip(&expected);
                let either = pairs().filter(|(a, b)| **a > 0 || **b > 0.0).count();
                let both = pairs().filter(|(a, b)| **a > 0 && **b > 0.0).count();
                println!("{name} {shape} {index}: {both} of {either} pixels, scores {scores:.1e}");
                assert!(either > 100 && both as f64 >= 0.999 * either as f64);
            }
        }
    }
}

#[test]
fn metres_of_a_jpeg_are_those_of_transformers() {
    let golden = golden();
    for shape in ["depth_pro_published", "depth_anything_metric"] {
        let folder = fixtures().join("metric_depth").join(shape);
        let network = MetricDepthNetwork::load(&folder, SINGLE).unwrap();
        for (name, picture) in pictures() {
            // Given
            let expected = |key: &str| golden.get(&format!("{name}.{shape}.{key}")).map(numbers);
            // When
            let found = network.estimate(&picture).unwrap();
            // Then each distance is the same
            let metres = expected("metres").unwrap();
            assert_eq!(found.metres.len(), metres.len());
            let pairs = found.metres.iter().map(|&ours| f64::from(ours)).zip(metres);
            let (mut share, mut inverse) = (0.0_f64, 0.0_f64);
            for (ours, theirs) in pairs {
                if theirs < FAR {
                    share = share.max((ours / theirs - 1.0).abs());
                }
                inverse = inverse.max((1.0 / ours - 1.0 / theirs).abs());
            }
            println!("{name} {shape}: {share:.1e} of a distance, {inverse:.1e} per metre");
            assert!(share <= 1e-4 && inverse <= 1e-4);
            // And so is the focal length where one is told
            let focal_px = expected("focal_px").map(|focal| focal[0]);
            assert_eq!(found.focal_px.is_some(), focal_px.is_some());
            if let (Some(ours), Some(theirs)) = (found.focal_px, focal_px) {
                assert!((ours / theirs - 1.0).abs() < 1e-4, "{ours} {theirs}");
            }
        }
    }
}
