//! `segment` with a tiny random checkpoint, whose masks in transformers are known; and what is said when the checkpoint, the
//! pictures or the boxes are not what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;

use crate::fixtures::*;
use crate::model_fixtures::*;

const BOXES: [&str; 4] = ["--box", "10,14,31,36", "--box", "40.5,8.25,70,52.5"];
const FRAMES: usize = 12;
const SIZE: (usize, usize) = (80, 60);

fn fixture_of(name: &str) -> PathBuf {
    in_repository("tests/fixtures/sam2").join(name)
}

fn frames(count: usize) -> Vec<PathBuf> {
    (0..count)
        .map(|frame| fixture_of(&format!("frames/{frame:02}.png")))
        .collect()
}

fn segment(model: &Path, frames: &[PathBuf], arguments: &[&str]) -> Ended {
    let images: Vec<&str> = frames.iter().map(|frame| text(frame)).collect();
    let all = [
        &["segment"],
        &images[..],
        &["--model", text(model)],
        arguments,
    ]
    .concat();
    let ended = run_saying("", &all);
    expect_no_trace(&ended);
    ended
}

/// Masks of transformers, one after the other, row by row.
fn golden(case: &str, name: &str) -> Vec<u8> {
    let bytes = fs::read(fixture_of(case).join("golden.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors.tensor(name).unwrap().data().to_vec()
}

/// A mask in COCO's form, row by row.
fn decoded(mask: &Value) -> Vec<u8> {
    pixels_of(mask, SIZE)
}

/// The same of a picture of that size.
pub(crate) fn pixels_of(mask: &Value, (width, height): (usize, usize)) -> Vec<u8> {
    assert_eq!(mask["rle"]["size"], serde_json::json!([height, width]));
    let mut characters = mask["rle"]["counts"]
        .as_str()
        .unwrap()
        .bytes()
        .map(|byte| i64::from(byte) - 48)
        .peekable();
    let mut runs: Vec<i64> = Vec::new();
    while characters.peek().is_some() {
        let (mut number, mut shift) = (0_i64, 0);
        loop {
            let bits = characters.next().unwrap();
            number |= (bits & 0x1f) << shift;
            shift += 5;
            if bits & 0x20 == 0 {
                if bits & 0x10 != 0 {
                    number |= -1 << shift;
                }
                break;
            }
        }
        let before = if runs.len() > 2 {
            runs[runs.len() - 2]
        } else {
            0
        };
        runs.push(number + before);
    }
    assert_eq!(runs.iter().sum::<i64>(), (width * height) as i64);
    let mut pixels = vec![0; width * height];
    let mut at = 0;
    for (index, run) in runs.iter().enumerate() {
        for place in at..at + run {
            let (column, row) = (place as usize / height, place as usize % height);
            pixels[row * width + column] = u8::from(index % 2 == 1);
        }
        at += run;
    }
    pixels
}

fn assert_same(name: &str, found: &[u8], expected: &[u8]) {
    let pairs = || found.iter().zip(expected);
    let either = pairs().filter(|(a, b)| **a + **b > 0).count();
    let both = pairs().filter(|(a, b)| **a * **b > 0).count();
    assert!(
        both as f64 >= 0.995 * either as f64,
        "{name}: {both} of {either} pixels"
    );
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn a_picture_s_masks_are_those_of_transformers() {
    for case in ["plain", "without", "padded"] {
        // given
        let expected = golden(case, "segmented");
        // when
        let ended = segment(
            &fixture_of(case),
            &frames(1),
            &[&BOXES[..], &["--json"]].concat(),
        );
        // then
        let ended = ended.expect_code(0);
        let report = report(&ended);
        let masks = report["frames"][0]["masks"].as_array().unwrap();
        assert_eq!(
            (report["frames"].as_array().unwrap().len(), masks.len()),
            (1, 2)
        );
        for (index, (mask, expected)) in masks
            .iter()
            .zip(expected.chunks(SIZE.0 * SIZE.1))
            .enumerate()
        {
            assert_same(&format!("{case} box {index}"), &decoded(mask), expected);
            assert!((0.0..=1.0).contains(&mask["score"].as_f64().unwrap()));
            assert!(mask.get("object_score").is_none());
        }
    }
}

#[test]
fn a_video_s_masks_are_those_of_transformers() {
    for case in ["plain", "without", "padded"] {
        // given
        let expected = golden(case, "video.masks");
        // when
        let ended = segment(
            &fixture_of(case),
            &frames(FRAMES),
            &[&BOXES[..], &["--json"]].concat(),
        );
        // then
        let ended = ended.expect_code(0);
        let report = report(&ended);
        let masks = report["frames"].as_array().unwrap().iter();
        let masks: Vec<&Value> = masks
            .flat_map(|frame| frame["masks"].as_array().unwrap())
            .collect();
        assert_eq!(masks.len(), 2 * FRAMES);
        for (index, (mask, expected)) in masks
            .iter()
            .zip(expected.chunks(SIZE.0 * SIZE.1))
            .enumerate()
        {
            assert_same(&format!("{case} mask {index}"), &decoded(mask), expected);
            let is_seen = mask["object_score"].as_f64().unwrap() > 0.0;
            assert_eq!(is_seen, expected.contains(&1));
        }
    }
}

#[test]
fn a_picture_is_drawn_and_replaced_only_on_request() {
    // given
    let folder = tempfile::tempdir().unwrap();
    let drawn = folder.path().join("mask.png");
    let output = ["-o", text(&drawn)];
    let arguments = [&BOXES[..], &output].concat();
    // when
    let ended = segment(&fixture_of("plain"), &frames(1), &arguments);
    // then there are a line for each box and a picture of the same size
    let ended = ended.expect_code(0);
    assert_eq!(ended.stdout.matches("pixels, score").count(), 2, "{ended}");
    let picture = image::open(&drawn).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (80, 60));
    let before = image::open(&frames(1)[0]).unwrap().to_rgb8();
    assert_ne!(picture, before);
    // and it stays
    let ended = segment(&fixture_of("plain"), &frames(1), &arguments);
    ended.expect_error(&["exists already", "--overwrite"]);
    segment(
        &fixture_of("plain"),
        &frames(1),
        &[&arguments[..], &["--overwrite"]].concat(),
    )
    .expect_code(0);
}

#[test]
fn a_video_is_drawn_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("followed");
    let arguments = [&BOXES[..2], &["-o", text(&output)]].concat();
    let ended = segment(&fixture_of("plain"), &frames(5), &arguments);
    let ended = ended.expect_code(0);
    assert!(ended.stdout.contains("04.png: box 0: not seen"), "{ended}");
    assert_eq!(names_in(&output).len(), 5);
    assert!(output.join("00003_03.png").is_file());
}

#[test]
fn a_video_that_breaks_later_left_its_first_pictures_behind() {
    // given a video whose last picture is broken
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.png");
    fs::write(&broken, "no picture").unwrap();
    let video = [frames(3), vec![broken]].concat();
    let output = folder.path().join("new/followed");
    let arguments = [&BOXES[..2], &["-o", text(&output)]].concat();
    // when, then it is an error, and nothing is written
    segment(&fixture_of("plain"), &video, &arguments).expect_error(&["broken.png"]);
    assert_eq!(names_in(folder.path()), ["broken.png"]);
    // given pictures of an earlier run, then those stay as they are
    segment(&fixture_of("plain"), &frames(3), &arguments).expect_code(0);
    let before = fs::read(output.join("00000_00.png")).unwrap();
    let again = [&BOXES[2..], &["-o", text(&output), "--overwrite"]].concat();
    segment(&fixture_of("plain"), &video, &again).expect_error(&["broken.png"]);
    assert_eq!(fs::read(output.join("00000_00.png")).unwrap(), before);
    assert_eq!(names_in(&output).len(), 3);
    segment(&fixture_of("plain"), &frames(3), &again).expect_code(0);
    assert_ne!(fs::read(output.join("00000_00.png")).unwrap(), before);
}

#[test]
fn a_png_was_written_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("masks.jpg");
    let arguments = [&BOXES[..], &["-o", text(&output)]].concat();
    segment(&fixture_of("plain"), &frames(1), &arguments).expect_error(&["masks.jpg", ".png"]);
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn pictures_are_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("scene.png");
    fs::copy(&frames(1)[0], &picture).unwrap();
    let arguments = [&BOXES[..], &["-o", text(&picture), "--overwrite"]].concat();
    let ended = segment(
        &fixture_of("plain"),
        std::slice::from_ref(&picture),
        &arguments,
    );
    ended.expect_error(&["never replaced"]);
}

#[test]
fn what_does_not_fit_is_named() {
    let plain = fixture_of("plain");
    // A box beside the picture.
    segment(&plain, &frames(1), &["--box", "90,1,99,9"]).expect_error(&["90", "80x60"]);
    // A video of pictures that differ in size.
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small.png");
    image::RgbImage::new(4, 4).save(&small).unwrap();
    let mixed = [frames(1), vec![small]].concat();
    segment(&plain, &mixed, &BOXES).expect_error(&["small.png", "4x4", "80x60"]);
    // A file that is no picture.
    let text_file = folder.path().join("text.png");
    fs::write(&text_file, "text").unwrap();
    segment(&plain, &[text_file], &BOXES)
        .expect_error(&["text.png", "cannot be read as a picture"]);
    // Another model.
    segment(&checkpoint(), &frames(1), &BOXES).expect_error(&["model_type"]);
    // A folder without one.
    segment(folder.path(), &frames(1), &BOXES).expect_error(&["config.json"]);
}

#[test]
fn a_checkpoint_for_pictures_follows_nothing() {
    // given
    let folder = tempfile::tempdir().unwrap();
    for name in ["processor_config.json", "model.safetensors"] {
        fs::copy(fixture_of("plain").join(name), folder.path().join(name)).unwrap();
    }
    let config = fs::read_to_string(fixture_of("plain").join("config.json")).unwrap();
    let config = config.replace("\"model_type\": \"sam2_video\"", "\"model_type\": \"sam2\"");
    fs::write(folder.path().join("config.json"), config).unwrap();
    // when, then
    segment(folder.path(), &frames(1), &BOXES).expect_code(0);
    segment(folder.path(), &frames(2), &BOXES).expect_error(&["has no memory"]);
}
