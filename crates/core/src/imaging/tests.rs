//! Against the libraries whose bytes these are: digests written by tests/fixtures/imaging/generate.py
//! from Pillow and OpenCV, and those of the original program's tensors for the golden inputs.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{AspectMode, GrayImage, ImageProcessor, Kernel, Mask, Resizer};
use crate::Error;
use crate::frame::{BoundingBox, ColorImage};

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

pub(super) fn table<T: serde::de::DeserializeOwned>(name: &str) -> Vec<T> {
    serde_json::from_slice(&std::fs::read(fixtures().join(name)).unwrap()).unwrap()
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn float_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// The generator's picture.
fn pattern(count: usize, edges: bool) -> Vec<u8> {
    (0..count as u32)
        .map(|i| {
            let mut value = i.wrapping_mul(2_654_435_761);
            value ^= value >> 15;
            value = value.wrapping_mul(2_246_822_519);
            value ^= value >> 13;
            let byte = value as u8;
            match edges {
                false => byte,
                true if byte >= 128 => 255,
                true => 0,
            }
        })
        .collect()
}

/// One of the golden inputs: its picture, its depth map and its boxes.
pub(super) struct GoldenInput {
    pub image: ColorImage,
    pub depth: GrayImage,
    pub boxes: Vec<BoundingBox>,
}

#[derive(Deserialize)]
struct Meta {
    image: String,
    depth: String,
    boxes: Vec<[f64; 4]>,
}

pub(super) fn golden_inputs() -> Vec<GoldenInput> {
    let folder = fixtures().join("spatialrgpt/inputs");
    let open = |name: &str| image::open(folder.join(name)).unwrap();
    table::<Meta>("spatialrgpt/inputs/meta.json")
        .into_iter()
        .map(|meta| {
            let (image, depth) = (open(&meta.image).to_rgb8(), open(&meta.depth).to_luma8());
            GoldenInput {
                image: ColorImage {
                    width: image.width(),
                    height: image.height(),
                    rgb: image.into_raw().into(),
                },
                depth: GrayImage {
                    width: depth.width(),
                    height: depth.height(),
                    values: depth.into_raw(),
                },
                boxes: meta
                    .boxes
                    .into_iter()
                    .map(|[left, top, right, bottom]| BoundingBox::new(left, top, right, bottom))
                    .collect(),
            }
        })
        .collect()
}

fn siglip(aspect: AspectMode) -> ImageProcessor {
    let text = r#"{"image_processor_type": "SiglipImageProcessor", "do_normalize": true,
        "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5], "resample": 3, "rescale_factor": 0.00392156862745098,
        "size": {"height": 384, "width": 384}}"#;
    ImageProcessor::from_json(text, Path::new("preprocessor_config.json"), aspect).unwrap()
}

fn clip(aspect: AspectMode) -> ImageProcessor {
    let text = r#"{"image_processor_type": "CLIPImageProcessor", "do_center_crop": true,
        "do_convert_rgb": true, "crop_size": {"height": 336, "width": 336},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "size": {"shortest_edge": 336}}"#;
    ImageProcessor::from_json(text, Path::new("preprocessor_config.json"), aspect).unwrap()
}

#[test]
fn resizes_are_pillows_to_the_byte() {
    #[derive(Deserialize)]
    struct Resize {
        input: (u32, u32),
        output: (u32, u32),
        channels: usize,
        kernel: String,
        edges: bool,
        first_bytes: Vec<u8>,
        sha256: String,
    }
    for case in table::<Resize>("imaging/resizes.json") {
        let kernel = match case.kernel.as_str() {
            "lanczos" => Kernel::Lanczos,
            "bilinear" => Kernel::Bilinear,
            _ => Kernel::Bicubic,
        };
        let pixels = (case.input.0 * case.input.1) as usize * case.channels;
        let picture = pattern(pixels, case.edges);

        let resizer = Resizer::new(case.input, case.output, kernel).unwrap();
        let resized = match case.channels {
            1 => resizer.resize_gray(&picture),
            _ => resizer.resize_rgb(&picture),
        }
        .unwrap();

        let what = format!(
            "{:?} -> {:?}, {} channels, {kernel:?}, edges {}",
            case.input, case.output, case.channels, case.edges
        );
        let first = &resized[..case.first_bytes.len()];
        assert_eq!(first, case.first_bytes, "{what}");
        assert_eq!(sha256(&resized), case.sha256, "{what}");
    }
}

#[test]
fn nearest_neighbours_are_opencvs() {
    #[derive(Deserialize)]
    struct Nearest {
        output: u32,
        sha256: String,
    }
    for case in table::<Nearest>("imaging/nearest.json") {
        let mut columns = Sha256::new();
        for width in 1..=1400 {
            for column in super::mask::nearest(width, case.output) {
                columns.update((column as u32).to_le_bytes());
            }
        }
        let digest: String = columns
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(digest, case.sha256, "to {} columns", case.output);
    }
}

#[derive(Deserialize)]
struct Original {
    checkpoint: String,
    case: usize,
    sha256: std::collections::BTreeMap<String, String>,
}

#[test]
fn golden_inputs_become_the_originals_tensors() {
    let inputs = golden_inputs();
    let processor = siglip(AspectMode::Resize);
    let originals: Vec<Original> = table("imaging/originals.json");
    let mut compared = 0;
    for original in &originals {
        let input = &inputs[original.case];
        let (width, height) = (input.image.width, input.image.height);
        let masks = |make: &dyn Fn(&Mask) -> Mask| -> Vec<u8> {
            let drawn = input.boxes.iter().map(|b| Mask::from_box(b, width, height));
            drawn.flat_map(|mask| make(&mask).data).collect()
        };
        for (name, expected) in &original.sha256 {
            let bytes = match name.as_str() {
                "pixel_u8" => processor.process_u8(&input.image).unwrap(),
                "depth_u8" => {
                    let depth = processor.process_u8(&input.depth.to_color()).unwrap();
                    depth.chunks_exact(3).map(|pixel| pixel[0]).collect()
                }
                "pixel_values" => float_bytes(&processor.process(&input.image).unwrap()),
                "masks_all" => masks(&|mask| processor.mask(mask).unwrap()),
                "masks_eval" => masks(&|mask| processor.mask_resampled(mask).unwrap()),
                other => panic!("the table has an unknown tensor {other}"),
            };
            let what = format!("{} case {}: {name}", original.checkpoint, original.case);
            assert_eq!(&sha256(&bytes), expected, "{what}");
            compared += 1;
        }
    }
    assert!(compared > 24, "the table compares {compared} tensors only");
}

#[test]
fn other_processors_and_aspect_modes_are_those_of_the_transformers_library() {
    #[derive(Deserialize)]
    struct Processed {
        processor: String,
        aspect: String,
        case: usize,
        sha256: String,
    }
    let inputs = golden_inputs();
    for expected in table::<Processed>("imaging/processors.json") {
        let aspect = AspectMode::from_name(Some(&expected.aspect));
        let processor = match expected.processor.as_str() {
            "clip" => clip(aspect),
            _ => siglip(aspect),
        };
        let input = &inputs[expected.case];
        let pixels = processor.process(&input.image).unwrap();
        let what = format!(
            "{} {} case {}",
            expected.processor, expected.aspect, expected.case
        );
        assert_eq!(sha256(&float_bytes(&pixels)), expected.sha256, "{what}");

        let gray = processor.process_gray(&input.depth).unwrap();
        let color = processor.process(&input.depth.to_color()).unwrap();
        assert!(gray == color, "grey of {what}");
    }
}

#[test]
fn padded_masks_lie_where_the_padded_picture_does() {
    // Given a picture twice as wide as high and a box over its lower right quarter
    let mask = Mask::from_box(&BoundingBox::new(384.0, 192.0, 768.0, 384.0), 768, 384);
    // When it is padded to 768 x 768 and halved
    let padded = siglip(AspectMode::Pad).mask(&mask).unwrap();
    // Then the quarter is at rows 192..288 of the right half
    let expected = Mask::from_box(&BoundingBox::new(192.0, 192.0, 384.0, 288.0), 384, 384);
    assert_eq!(padded, expected);
}

#[test]
fn stretching_is_bicubic_whatever_the_processors_own_kernel() {
    let bilinear = r#"{"size": {"height": 384, "width": 384}, "resample": 2}"#;
    let make = |aspect| ImageProcessor::from_json(bilinear, Path::new("p.json"), aspect).unwrap();
    let picture = &golden_inputs()[4].image;

    let stretched = make(AspectMode::Resize).process_u8(picture).unwrap();
    assert!(stretched == siglip(AspectMode::Resize).process_u8(picture).unwrap());
    assert!(stretched != make(AspectMode::Processor).process_u8(picture).unwrap());
}

#[test]
fn a_processor_that_does_not_normalise_still_pads_with_its_mean() {
    let text = r#"{"size": {"height": 4, "width": 4}, "do_normalize": false}"#;
    let processor = ImageProcessor::from_json(text, Path::new("p.json"), AspectMode::Pad).unwrap();
    let picture = ColorImage {
        width: 4,
        height: 2,
        rgb: vec![255; 24].into(),
    };
    let pixels = processor.process(&picture).unwrap();
    assert_eq!(
        pixels[..8],
        [
            127.0_f32 / 255.0,
            127.0 / 255.0,
            127.0 / 255.0,
            127.0 / 255.0,
            1.0,
            1.0,
            1.0,
            1.0
        ]
    );
}

#[test]
fn a_raised_resolution_changes_size_and_crop() {
    let picture = &golden_inputs()[4].image;
    for processor in [siglip(AspectMode::Pad), clip(AspectMode::Processor)] {
        let raised = processor.with_side(448);
        assert_eq!(raised.side(), 448);
        assert_eq!(raised.process(picture).unwrap().len(), 3 * 448 * 448);
    }
}

#[test]
fn old_and_new_spellings_of_clips_settings_agree() {
    let old = r#"{"crop_size": 336, "do_center_crop": true, "do_normalize": true, "do_resize": true,
        "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 336}"#;
    let old = ImageProcessor::from_json(old, Path::new("p.json"), AspectMode::Processor).unwrap();
    let picture = &golden_inputs()[1].image;
    let new = clip(AspectMode::Processor);
    assert!(old.process(picture).unwrap() == new.process(picture).unwrap());
}

#[test]
fn settings_that_are_not_supported_are_refused_by_name() {
    let cases = [
        (r#"[]"#, "JSON object"),
        (
            r#"{"image_processor_type": "ViTImageProcessor"}"#,
            "image_processor_type",
        ),
        (r#"{"do_resize": false}"#, "do_resize"),
        (r#"{"do_normalize": 1}"#, "do_normalize"),
        (r#"{"resample": 0}"#, "resample"),
        (r#"{"size": {"height": 384, "width": 336}}"#, "size"),
        (r#"{"size": {"height": 0, "width": 0}}"#, "size"),
        (r#"{"size": {"longest_edge": 384}}"#, "size"),
        (r#"{"image_mean": [0.5, 0.5]}"#, "image_mean"),
        (r#"{"image_std": [0.5, 0.5, 0.0]}"#, "image_std"),
        (r#"{"rescale_factor": "1/255"}"#, "rescale_factor"),
        (
            r#"{"image_processor_type": "CLIPImageProcessor", "do_center_crop": false}"#,
            "do_center_crop",
        ),
    ];
    for (text, field) in cases {
        let path = Path::new("tower/preprocessor_config.json");
        let error = ImageProcessor::from_json(text, path, AspectMode::Resize).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(field), "{text}: {message}");
        assert!(
            message.contains("tower/preprocessor_config.json"),
            "{message}"
        );
    }
}

#[test]
fn pictures_that_lack_pixels_are_errors() {
    let processor = siglip(AspectMode::Pad);
    let picture = |width, height, bytes| ColorImage {
        width,
        height,
        rgb: vec![0; bytes].into(),
    };
    let empty = processor.process(&picture(0, 5, 0));
    assert!(
        matches!(empty, Err(Error::EmptyPicture { .. })),
        "{empty:?}"
    );
    let short = processor.process(&picture(2, 2, 11));
    assert!(
        matches!(
            short,
            Err(Error::PixelCount {
                expected: 12,
                found: 11,
                ..
            })
        ),
        "{short:?}"
    );
}
