//! SAM 2.1 against `transformers`, number by number, on the tiny random checkpoints of tests/fixtures/sam2: a picture's way,
//! and twelve frames of a video in which an object disappears and returns. And what a checkpoint that does not fit is answered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging;
use spatial_reward_models::nn::weights::Placement;
use spatial_reward_models::sam2::{FrameTrace, ObjectId, Prompt, Sam2, Segmenter, Video};
use tch::{Device, Kind, Tensor};

const SINGLE: Placement = Placement {
    kind: Kind::Float,
    device: Device::Cpu,
};

/// Of the largest element, as everywhere in this repository's parity tests.
const TOLERANCE: f64 = 2e-5;

/// Of an object's score, which is near 0 where much is added that cancels: on a processor without AVX-512 transformers are off
/// by 1.1e-5 themselves, and this network by 4.0e-5 (`padded`, a mask as the prompt).
const SCORE_TOLERANCE: f64 = 1e-4;
/// What passes through memories is rounded to bfloat16 on the way: a number that lies on the edge falls to either side.
const THROUGH_MEMORY: f64 = 2e-2;
/// Of two masks.
const SAME_MASK: f64 = 0.995;

const CASES: [&str; 3] = ["plain", "without", "padded"];
const FRAMES: usize = 12;
const BOXES: [(u32, [f64; 4]); 2] = [(1, [10.0, 14.0, 31.0, 36.0]), (7, [40.5, 8.25, 70.0, 52.5])];
/// What comes later in the video whose frames come one by one: frame, object, box.
const LATER: [(usize, u32, [f64; 4]); 2] = [
    (3, 9, [20.0, 20.0, 50.0, 55.0]),
    (8, 1, [30.0, 12.0, 60.0, 40.0]),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sam2")
}

fn golden(case: &str) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(fixtures().join(case).join("golden.safetensors"))
        .unwrap()
        .into_iter()
        .collect()
}

fn segmenter(case: &str) -> Segmenter {
    Segmenter::load(&fixtures().join(case), SINGLE).unwrap()
}

fn picture(frame: usize) -> ColorImage {
    imaging::open_color(&fixtures().join(format!("frames/{frame:02}.png"))).unwrap()
}

fn bbox([x_min, y_min, x_max, y_max]: [f64; 4]) -> BoundingBox {
    BoundingBox::new(x_min, y_min, x_max, y_max)
}

fn boxes() -> Vec<BoundingBox> {
    BOXES.iter().map(|(_, edges)| bbox(*edges)).collect()
}

/// The largest difference as a share of the expected tensor's largest element.
fn deviation(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.size(), expected.size());
    let difference = (actual.to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs();
    difference.max().double_value(&[])
        / expected.to_kind(Kind::Double).abs().max().double_value(&[])
}

fn assert_within(tolerance: f64, name: &str, actual: &Tensor, expected: &Tensor) {
    let deviation = deviation(actual, expected);
    println!("{name}: {deviation:.1e}");
    assert!(
        deviation <= tolerance,
        "{name} is off by {deviation:.1e} of its largest element"
    );
}

fn assert_same(name: &str, actual: &Tensor, expected: &Tensor) {
    assert_within(TOLERANCE, name, actual, expected);
}

/// Pixels in both as a share of those in either; two empty masks are the same.
fn intersection_over_union(actual: &[u8], expected: &Tensor) -> f64 {
    let expected: Vec<u8> = Vec::try_from(expected.flatten(0, -1)).unwrap();
    assert_eq!(actual.len(), expected.len());
    let count = |keep: fn(bool, bool) -> bool| {
        let pairs = actual.iter().zip(&expected);
        pairs.filter(|(a, b)| keep(**a != 0, **b != 0)).count() as f64
    };
    match count(|a, b| a || b) {
        0.0 => 1.0,
        either => count(|a, b| a && b) / either,
    }
}

#[test]
fn pixels_are_those_of_transformers_to_the_bit() {
    for case in CASES {
        let pixels = segmenter(case).pixel_values(&picture(0)).unwrap();
        let expected = &golden(case)["pixel_values"];
        let difference = (&pixels - expected).abs().max().double_value(&[]);
        assert!(difference <= 1e-6, "{case}: {difference:.1e}");
    }
}

#[test]
fn every_tensor_of_a_picture_is_that_of_transformers() {
    for case in CASES {
        // Given a checkpoint and what transformers computed with it
        let network = Sam2::load(&fixtures().join(case), SINGLE).unwrap();
        let golden = golden(case);
        let expected = |name: &str| &golden[name];

        // When the same pixels go through this network
        let image = network.trace(expected("pixel_values")).unwrap();

        // Then each stage is the same
        for (index, stage) in image.stages.iter().enumerate() {
            let name = format!("stage_{index}");
            assert_same(&format!("{case} {name}"), stage, expected(&name));
        }
        for (index, level) in image.levels.iter().take(3).enumerate() {
            let name = format!("fpn_{index}");
            assert_same(&format!("{case} {name}"), level, expected(&name));
        }
        for (index, embedding) in image.embeddings().into_iter().enumerate() {
            let name = format!("embedding_{index}");
            assert_same(&format!("{case} {name}"), embedding, expected(&name));
        }

        // And so is what is decoded for each kind of prompt, as several masks and as one
        let boxes = expected("input_boxes").squeeze_dim(0);
        let points = expected("input_points").squeeze_dim(0);
        let inside = Tensor::from_slice(&[1_i64, 0]).view([1, 2]);
        let masks = expected("input_masks");
        let prompts = [
            (
                "box",
                Prompt {
                    boxes: Some(&boxes),
                    ..Prompt::default()
                },
            ),
            (
                "points",
                Prompt {
                    points: Some((&points, &inside)),
                    ..Prompt::default()
                },
            ),
            (
                "mask",
                Prompt {
                    masks: Some(masks),
                    ..Prompt::default()
                },
            ),
            ("none", Prompt::default()),
        ];
        for (name, prompt) in prompts {
            let (sparse, dense) = network.embed(&prompt).unwrap();
            if let Some(expected) = golden.get(&format!("{name}.sparse")) {
                assert_same(
                    &format!("{case} {name}.sparse"),
                    &sparse,
                    &expected.squeeze_dim(0),
                );
            }
            if let Some(expected) = golden.get(&format!("{name}.dense")) {
                assert_same(&format!("{case} {name}.dense"), &dense, expected);
            }
            for (kind, several) in [("multi", true), ("single", false)] {
                let found = network.masks(&image, &prompt, several).unwrap();
                for (part, actual, tolerance) in [
                    ("masks", &found.logits, TOLERANCE),
                    ("scores", &found.scores, TOLERANCE),
                    ("object_score", &found.object_scores, SCORE_TOLERANCE),
                ] {
                    let key = format!("{name}.{kind}.{part}");
                    assert_within(
                        tolerance,
                        &format!("{case} {key}"),
                        actual,
                        &expected(&key).squeeze_dim(0),
                    );
                }
            }
        }
    }
}

#[test]
fn a_picture_s_masks_are_those_of_the_processor() {
    for case in CASES {
        // Given
        let golden = golden(case);
        // When
        let segmented = segmenter(case).segment(&picture(0), &boxes()).unwrap();
        // Then
        assert_eq!(segmented.len(), BOXES.len());
        for (index, object) in segmented.iter().enumerate() {
            let expected = golden["segmented"].get(index as i64);
            let overlap = intersection_over_union(&object.mask.data, &expected);
            let score = golden["segmented.scores"].double_value(&[index as i64]);
            println!(
                "{case} {index}: IoU {overlap}, score {} and {score}",
                object.score
            );
            assert!(overlap >= SAME_MASK, "{case} {index}: {overlap}");
            assert!((object.score - score).abs() < 1e-5);
        }
    }
}

/// All frames of a video, with what is asked in each.
fn traces(video: &mut Video, later: &[(usize, u32, [f64; 4])]) -> Vec<Vec<(ObjectId, FrameTrace)>> {
    let frames = (0..FRAMES).map(|frame| {
        let begun = BOXES
            .iter()
            .filter(|_| frame == 0)
            .map(|(id, edges)| (*id, *edges));
        let here = later.iter().filter(|(at, ..)| *at == frame);
        let here = here.map(|(_, id, edges)| (*id, *edges));
        let prompts: Vec<_> = begun
            .chain(here)
            .map(|(id, edges)| (ObjectId(id), bbox(edges)))
            .collect();
        video.trace(&picture(frame), &prompts).unwrap()
    });
    frames.collect()
}

#[test]
fn every_tensor_of_a_video_is_that_of_transformers() {
    for case in CASES {
        // Given a video of which the length is known, and boxes in its first frame
        let golden = golden(case);
        let mut video = segmenter(case).video_of(FRAMES).unwrap();

        // When its frames come
        let traces = traces(&mut video, &[]);

        // Then each is what transformers made of it
        let mut conditioned = 0;
        for (frame, objects) in traces.iter().enumerate() {
            for (object, (_, trace)) in objects.iter().enumerate() {
                let index = [frame as i64, object as i64];
                let of = |name: &str| golden[name].get(index[0]).get(index[1]);
                let named = |name: &str| format!("{case} frame {frame} object {object} {name}");
                if let Some(actual) = &trace.conditioned {
                    let expected = golden["video.conditioned"].get(conditioned);
                    assert_within(
                        THROUGH_MEMORY,
                        &named("conditioned"),
                        &actual.squeeze(),
                        &expected,
                    );
                    conditioned += 1;
                }
                let logits = trace.logits.squeeze();
                assert_within(
                    THROUGH_MEMORY,
                    &named("logits"),
                    &logits,
                    &of("video.low_resolution"),
                );
                let pointer = trace.pointer.squeeze();
                assert_within(
                    THROUGH_MEMORY,
                    &named("pointer"),
                    &pointer,
                    &of("video.object_pointer").squeeze(),
                );
                let memory = trace.memory.as_ref().unwrap().squeeze();
                assert_within(
                    THROUGH_MEMORY,
                    &named("memory"),
                    &memory,
                    &of("video.maskmem_features"),
                );
                if frame == 0 {
                    // Nothing but the rounding of memories is between the two.
                    let expected = of("video.maskmem_features");
                    let differ = memory.to_kind(Kind::Float).ne_tensor(&expected);
                    let share = differ
                        .to_kind(Kind::Float)
                        .mean(Kind::Float)
                        .double_value(&[]);
                    println!("{}: {share:.1e} of the numbers differ", named("memory"));
                    assert!(share < 1e-2, "{}: {share}", named("memory"));
                }
                let score = golden["video.object_scores"].double_value(&index);
                assert!(
                    (trace.object_score - score).abs() < THROUGH_MEMORY,
                    "{}",
                    named("object score")
                );
            }
        }
        assert_eq!(conditioned, 2 * (FRAMES as i64 - 1));
    }
}

#[test]
fn masks_follow_an_object_that_disappears_and_returns() {
    for case in CASES {
        // Given
        let golden = golden(case);
        let mut video = segmenter(case).video_of(FRAMES).unwrap();
        let mut seen = Vec::new();
        for frame in 0..FRAMES {
            let prompts: Vec<_> = BOXES
                .iter()
                .map(|(id, edges)| (ObjectId(*id), bbox(*edges)))
                .collect();
            let prompts = if frame == 0 { prompts.as_slice() } else { &[] };

            // When
            let followed = video.frame(&picture(frame), prompts).unwrap();

            // Then masks and whether the object is there are transformers'
            assert_eq!(
                followed
                    .iter()
                    .map(|object| object.object.0)
                    .collect::<Vec<_>>(),
                [1, 7]
            );
            for (index, object) in followed.iter().enumerate() {
                let place = [frame as i64, index as i64];
                let expected = golden["video.masks"].get(place[0]).get(place[1]);
                let overlap = intersection_over_union(&object.mask.data, &expected);
                println!("{case} frame {frame} object {index}: IoU {overlap:.4}");
                assert!(
                    overlap >= SAME_MASK,
                    "{case} frame {frame} object {index}: {overlap}"
                );
                let score = golden["video.iou_scores"].double_value(&place);
                assert!((object.score - score).abs() < THROUGH_MEMORY);
                assert_eq!(object.occlusion > 0.0, object.mask.data.contains(&1));
            }
            seen.push(followed[0].occlusion > 0.0);
        }
        let absent: Vec<usize> = (0..FRAMES).filter(|frame| !seen[*frame]).collect();
        assert_eq!(absent, [4, 5, 6]);
    }
}

#[test]
fn a_stream_is_corrected_and_joined_as_in_transformers() {
    for case in CASES {
        // Given frames that come without an end, a correction and an object that begins late
        let golden = golden(case);
        let mut video = segmenter(case).video().unwrap();
        // When
        let traces = traces(&mut video, &LATER);
        // Then
        for (frame, objects) in traces.iter().enumerate() {
            let expected = &golden[&format!("stream.{frame}.low_resolution")];
            let scores = &golden[&format!("stream.{frame}.object_scores")];
            assert_eq!(expected.size()[0], objects.len() as i64);
            for (index, (_, trace)) in objects.iter().enumerate() {
                let name = format!("{case} streamed frame {frame} object {index}");
                assert_within(
                    THROUGH_MEMORY,
                    &name,
                    &trace.logits.squeeze(),
                    &expected.get(index as i64),
                );
                let score = scores.double_value(&[index as i64]);
                assert!(
                    (trace.object_score - score).abs() < THROUGH_MEMORY,
                    "{name}"
                );
            }
        }
    }
}

/// A fixture with some keys of its configuration set, in a folder of its own.
fn altered(case: &str, file: &str, changes: &[(&str, Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "processor_config.json", "model.safetensors"] {
        fs::copy(fixtures().join(case).join(name), folder.path().join(name)).unwrap();
    }
    let text = fs::read_to_string(fixtures().join(case).join(file)).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    fs::write(folder.path().join(file), config.to_string()).unwrap();
    folder
}

#[test]
fn a_network_for_pictures_reads_a_checkpoint_for_videos() {
    // Given the same weights, said to be for pictures
    let folder = altered("plain", "config.json", &[("/model_type", json!("sam2"))]);
    // When
    let segmenter = Segmenter::load(folder.path(), SINGLE).unwrap();
    // Then pictures are segmented as before, and videos are refused
    let expected = segmenter_of_plain().segment(&picture(0), &boxes()).unwrap();
    assert_eq!(segmenter.segment(&picture(0), &boxes()).unwrap(), expected);
    let error = segmenter.video().unwrap_err().to_string();
    assert!(error.contains("no memory"), "{error}");
}

fn segmenter_of_plain() -> Segmenter {
    segmenter("plain")
}

#[test]
fn frequencies_that_are_stored_once_are_found() {
    // Given a checkpoint that has the waves of places only where the picture's map has them
    let folder = altered("plain", "config.json", &[]);
    let path = folder.path().join("model.safetensors");
    let tensors = Tensor::read_safetensors(&path).unwrap();
    let kept: Vec<_> = tensors
        .into_iter()
        .filter(|(name, _)| !name.contains("prompt_encoder.shared_embedding"))
        .collect();
    fs::remove_file(&path).unwrap();
    Tensor::write_safetensors(&kept, &path).unwrap();
    // When
    let segmented = Segmenter::load(folder.path(), SINGLE)
        .unwrap()
        .segment(&picture(0), &boxes());
    // Then
    let expected = segmenter_of_plain().segment(&picture(0), &boxes()).unwrap();
    assert_eq!(segmented.unwrap(), expected);
}

#[test]
fn the_first_segment_anything_is_refused_with_what_takes_its_place() {
    // Given a folder as facebook/sam-vit-base is, whose parts have keys of their own
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "architectures": ["SamModel"],
        "mask_decoder_config": {"model_type": "", "layer_norm_eps": 1e-6, "hidden_act": "relu"},
        "model_type": "sam",
        "prompt_encoder_config": {"image_embedding_size": 64, "image_size": 1024, "patch_size": 16},
        "vision_config": {"global_attn_indexes": [2, 5, 8, 11], "use_rel_pos": true, "window_size": 14},
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    // When
    let error = Segmenter::load(folder.path(), SINGLE)
        .unwrap_err()
        .to_string();
    // Then
    for words in ["config.json", "SAM 1", "facebook/sam2.1-hiera-tiny"] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn a_configuration_that_does_not_fit_is_named() {
    let cases = [
        ("/model_type", json!("sam3"), "model_type"),
        ("/image_size", json!(128), "image_size"),
        ("/num_maskmem", json!(0), "num_maskmem"),
        (
            "/memory_encoder_output_channels",
            json!(32),
            "memory_encoder_output_channels",
        ),
        (
            "/memory_attention_hidden_size",
            json!(64),
            "memory_attention_hidden_size",
        ),
        (
            "/memory_attention_rope_feat_sizes",
            json!([8, 8]),
            "memory_attention_rope_feat_sizes",
        ),
        (
            "/memory_attention_feed_forward_hidden_act",
            json!("silu"),
            "silu",
        ),
        (
            "/memory_attention_num_attention_heads",
            json!(3),
            "memory_attention_num_attention_heads",
        ),
        ("/rope_parameters/rope_type", json!("yarn"), "yarn"),
        (
            "/max_object_pointers_in_encoder",
            json!(1),
            "max_object_pointers_in_encoder",
        ),
        (
            "/memory_fuser_kernel_size",
            json!(4),
            "memory_fuser_kernel_size",
        ),
        (
            "/mask_downsampler_total_stride",
            json!(8),
            "mask_downsampler_total_stride",
        ),
        ("/vision_config/fpn_stride", json!(2), "fpn_stride"),
        (
            "/vision_config/num_feature_levels",
            json!(2),
            "num_feature_levels",
        ),
        (
            "/vision_config/backbone_feature_sizes",
            json!([[16, 16]]),
            "backbone_feature_sizes",
        ),
        (
            "/vision_config/backbone_channel_list",
            json!([8, 16, 32, 64]),
            "backbone_channel_list",
        ),
        (
            "/vision_config/fpn_top_down_levels",
            json!([0, 1, 2, 3]),
            "",
        ),
        (
            "/vision_config/backbone_config/model_type",
            json!("swin"),
            "swin",
        ),
        (
            "/vision_config/backbone_config/num_channels",
            json!(4),
            "num_channels",
        ),
        (
            "/vision_config/backbone_config/hidden_act",
            json!("silu"),
            "hidden_act",
        ),
        (
            "/vision_config/backbone_config/global_attention_blocks",
            json!([1]),
            "global_attention_blocks",
        ),
        (
            "/vision_config/backbone_config/num_query_pool_stages",
            json!(1),
            "maps",
        ),
        (
            "/vision_config/backbone_config/patch_stride",
            json!([4, 2]),
            "4 by 2",
        ),
        (
            "/vision_config/backbone_config/window_size_per_stage",
            json!([5, 4, 4, 2]),
            "window_size_per_stage",
        ),
        (
            "/prompt_encoder_config/num_point_embeddings",
            json!(5),
            "num_point_embeddings",
        ),
        ("/prompt_encoder_config/hidden_act", json!("tanh"), "tanh"),
        (
            "/prompt_encoder_config/hidden_size",
            json!(64),
            "hidden_size",
        ),
        (
            "/mask_decoder_config/num_attention_heads",
            json!(7),
            "num_attention_heads",
        ),
        (
            "/mask_decoder_config/num_multimask_outputs",
            json!(2),
            "mask_tokens",
        ),
    ];
    for (pointer, value, named) in cases {
        let folder = altered("plain", "config.json", &[(pointer, value.clone())]);
        let result = Segmenter::load(folder.path(), SINGLE).map(drop);
        if named.is_empty() {
            assert!(result.is_ok(), "{pointer}");
            continue;
        }
        let error = result.expect_err(pointer).to_string();
        assert!(error.contains(named), "{pointer} = {value}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_processor_that_does_not_fit_is_named() {
    let cases = [
        ("/image_processor/do_resize", json!(false), "do_resize"),
        ("/image_processor/resample", json!(3), "resample"),
        (
            "/image_processor/size",
            json!({"height": 32, "width": 64}),
            "size",
        ),
        ("/video_processor/image_std", json!([1, 0, 1]), "image_std"),
        (
            "/video_processor/do_normalize",
            json!(false),
            "do_normalize",
        ),
        ("/image_processor", Value::Null, "image_processor"),
    ];
    for (pointer, value, named) in cases {
        let folder = altered(
            "plain",
            "processor_config.json",
            &[(pointer, value.clone())],
        );
        let error = Segmenter::load(folder.path(), SINGLE)
            .expect_err(pointer)
            .to_string();
        assert!(error.contains(named), "{pointer} = {value}: {error}");
    }
}

#[test]
fn pictures_and_boxes_that_cannot_be_are_errors() {
    let segmenter = segmenter_of_plain();
    let scene = picture(0);
    for edges in [
        [30.0, 10.0, 20.0, 40.0],
        [90.0, 10.0, 99.0, 40.0],
        [-9.0, -9.0, 0.0, 0.0],
        [1.0, 1.0, f64::NAN, 9.0],
        [1.0, 1.0, f64::INFINITY, 9.0],
    ] {
        let error = segmenter
            .segment(&scene, &[bbox(edges)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("80x60"), "{error}");
    }
    let torn = ColorImage {
        width: 81,
        ..scene.clone()
    };
    assert!(segmenter.segment(&torn, &boxes()).is_err());
    assert!(segmenter.segment(&scene, &[]).unwrap().is_empty());

    let mut video = segmenter.video().unwrap();
    assert!(video.frame(&scene, &[]).unwrap().is_empty());
    let other = ColorImage {
        width: 2,
        height: 2,
        rgb: vec![0; 12].into(),
    };
    let error = video.frame(&other, &[]).unwrap_err().to_string();
    assert!(error.contains("2x2") && error.contains("80x60"), "{error}");
}

#[test]
fn an_object_whose_first_frame_failed_was_followed_from_nothing() {
    // given a video whose first picture, in which an object begins, is broken
    let mut video = segmenter("plain").video().unwrap();
    let broken = ColorImage {
        rgb: vec![0; 7].into(),
        ..picture(0)
    };
    let (object, edges) = BOXES[0];
    let prompts = [(ObjectId(object), bbox(edges))];
    video.frame(&broken, &prompts).unwrap_err();
    // then the object has not begun
    assert_eq!(video.frame(&picture(0), &[]).unwrap(), []);
    // and it begins where it is pointed at, as in a video of its own
    let begun = video.frame(&picture(1), &prompts).unwrap();
    let mut own = segmenter("plain").video().unwrap();
    assert_eq!(begun, own.frame(&picture(1), &prompts).unwrap());
}
