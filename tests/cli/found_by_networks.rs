//! Labelling by words, by an example and by masks with the networks themselves, on tiny random checkpoints: what `label` begins
//! from and follows is what `detect` and `segment` say of the same pictures.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use serde_json::Value;
use spatial_reward::messages::image_annotations::{ImageAnnotations, KeyValuePair};
use spatial_reward::messages::task_reward;

use crate::fixtures::*;
use crate::model_fixtures::*;
use crate::picking::{Page, wait_for};

const FRAMES: i64 = 4;

/// An approach without detections as `pick.mcap`, and its pictures as `0.png` and so on.
fn recording() -> (tempfile::TempDir, PathBuf) {
    let recording = approach(FRAMES).without(FINGERTIP).without(TARGET);
    let (guard, folder) = folder_with(&recording);
    for index in 0..FRAMES {
        let picture = RgbImage::from_raw(WIDTH, HEIGHT, instant(index, FRAMES).color).unwrap();
        picture.save(folder.join(format!("{index}.png"))).unwrap();
    }
    (guard, folder)
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

/// What `detect` says of the first picture, best first: box within the picture and score.
fn detected(folder: &Path, model: &Path, asked: &[&str]) -> Vec<(Vec<f64>, f64)> {
    let fixed = [
        "detect",
        "0.png",
        "--model",
        text(model),
        "--threshold",
        "0",
        "--json",
    ];
    let ended = run(folder, &[&fixed, asked].concat()).expect_code(0);
    let json = ended.json();
    let found = json["detections"].as_array().unwrap().iter();
    let inside = |edges: Vec<f64>| {
        let limit = [WIDTH, HEIGHT, WIDTH, HEIGHT].map(f64::from);
        let edges = edges.into_iter().zip(limit);
        edges.map(|(edge, limit)| edge.clamp(0.0, limit)).collect()
    };
    let told = found.map(|one| (inside(numbers(&one["box"])), one["score"].as_f64().unwrap()));
    told.collect()
}

/// What `label` found in `pick.mcap`; a random network follows nothing, so there may be no valid step.
fn found(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let fixed = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--overwrite",
        "--json",
        "--take-best",
    ];
    let ended = run(folder, &[&fixed, arguments].concat());
    assert!(ended.stdout.contains("\"found\""), "{}", ended.stderr);
    ended.json()["bags"][0]["found"].as_array().unwrap().clone()
}

#[test]
fn label_begins_where_detect_finds_the_words_or_the_example() {
    // given a detector that takes whatever it finds likeliest in the first picture
    let (_guard, folder) = recording();
    let model = in_repository("tests/fixtures/owlv2/a");
    let config = "detector: {threshold: 0.0, first_pictures: 1, again_after_s: 3600}";
    fs::write(folder.join("config.yaml"), config).unwrap();
    let fixed = ["--config", "config.yaml", "--detector", text(&model)];
    let words = ["a dark bar", "the red block"];
    let by_words = words.map(|words| detected(&folder, &model, &["--words", words]).remove(0));
    // when a recording is labelled by words
    let asked = ["--fingertip-words", words[0], "--target-words", words[1]];
    let told = found(&folder, &[&fixed[..], &asked].concat());
    // then it begins with the best box of each, and says what was sought
    assert_eq!(told.len(), 2, "{told:?}");
    for (index, (bbox, score)) in by_words.iter().enumerate() {
        assert_eq!(told[index]["region"], ["fingertip", "target"][index]);
        assert_eq!(told[index]["sought"], words[index]);
        assert_eq!(&numbers(&told[index]["box"]), bbox);
        assert!((told[index]["score"].as_f64().unwrap() - score).abs() < 1e-6);
        assert_eq!(told[index]["at_s"], 0.0);
    }
    // given an example in another picture in the place of words
    let example = ["--example", "3.png", "--example-box", "100,45,130,75"];
    let (bbox, _) = detected(&folder, &model, &example).remove(0);
    // when, then
    let asked = [
        "--fingertip-words",
        words[0],
        "--target-example",
        "3.png:100,45,130,75",
    ];
    let told = found(&folder, &[&fixed[..], &asked].concat());
    assert_eq!(told[1]["sought"], "3.png:100,45,130,75");
    assert_eq!(numbers(&told[1]["box"]), bbox);
}

#[test]
fn words_for_a_named_region_of_a_task_were_never_looked_for() {
    // given a task of which a region is sought by words, and stands first in its second pair
    let (_guard, folder) = recording();
    let model = in_repository("tests/fixtures/owlv2/a");
    let config = "
detector: {threshold: 0.0, first_pictures: 1, again_after_s: 3600, take_best: true}
regions:
  fingertip: {fixed: '10,50,40,70'}
  cube: {words: [the red block]}
  goal: {fixed: '100,45,130,75'}
task: {pairs: [fingertip-cube, cube-goal]}
output: {annotations: true}
";
    fs::write(folder.join("config.yaml"), config).unwrap();
    let (bbox, _) = detected(&folder, &model, &["--words", "the red block"]).remove(0);
    // when a recording is labelled
    let asked = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--config",
        "config.yaml",
        "--detector",
        text(&model),
    ];
    run(&folder, &asked).expect_code(0);
    // then both pairs begin where the words are found
    let (_, first) = messages(&folder.join("out"))
        .into_iter()
        .find(|(topic, _)| *topic == format!("{IMAGE}/annotations"))
        .unwrap();
    let shown = ImageAnnotations::decode(&first.data).unwrap();
    let is_cube =
        |fact: &KeyValuePair| (fact.key.as_str(), fact.value.as_str()) == ("region", "cube");
    let cube = shown
        .points
        .iter()
        .find(|one| one.metadata.iter().any(is_cube));
    let corner = cube.unwrap().points[0];
    let off = (corner.x - bbox[0]).hypot(corner.y - bbox[1]);
    assert!(off < 1e-3, "{corner:?} {bbox:?}");
    let (_, first) = messages(&folder.join("out"))
        .into_iter()
        .find(|(topic, _)| topic == "/spatial_reward/task_reward")
        .unwrap();
    let pairs = task_reward::decode(&first.data).unwrap();
    let reasons = pairs.pair_reasons;
    assert!(
        !reasons.iter().any(|reason| reason.ends_with("_box")),
        "{reasons:?}"
    );
}

#[test]
fn two_things_that_are_alike_are_shown_in_a_picture() {
    // given a random network, for which everything is about as likely
    let (_guard, folder) = recording();
    let model = in_repository("tests/fixtures/owlv2/a");
    fs::write(
        folder.join("config.yaml"),
        "detector: {threshold: 0.0, near: 0.01}",
    )
    .unwrap();
    let asked = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--config",
        "config.yaml",
        "--detector",
        text(&model),
        "--fingertip-box",
        "10,50,40,70",
        "--target-words",
        "the red block",
    ];
    // when it is asked
    let ended = run(&folder, &asked);
    // then that is an error with the way out, a picture shows both, and nothing is labelled
    ended.expect_error(&[
        "two things",
        "the red block",
        "--take-best",
        "out_which_target.png",
    ]);
    let shown = image::open(folder.join("out_which_target.png")).unwrap();
    assert_eq!((shown.width(), shown.height()), (WIDTH, HEIGHT));
    assert!(!folder.join("out").exists());
}

#[test]
fn words_without_a_detector_are_told_how_to_name_one() {
    let (_guard, folder) = recording();
    let asked = ["label", "pick.mcap", "--target-words", "the red block"];
    run(&folder, &asked).expect_error(&["detector.path", "name one with --detector"]);
}

#[test]
fn what_is_never_clear_as_it_would_be_live_was_a_question_of_topics() {
    // given a random network, for which everything is about as likely
    let (_guard, folder) = recording();
    let model = in_repository("tests/fixtures/owlv2/a");
    let config = "detector: {threshold: 0.0, near: 0.01}";
    fs::write(folder.join("config.yaml"), config).unwrap();
    let asked = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--as-live",
        "--config",
        "config.yaml",
        "--detector",
        text(&model),
        "--fingertip-box",
        "10,50,40,70",
        "--target-words",
        "the red block",
    ];
    // when it is labelled as it would be live
    let ended = run(&folder, &asked);
    // then the advice is about the words
    assert!(!ended.stderr.contains("another topic"), "{ended}");
    assert!(
        ended
            .stderr
            .contains("The target, 'the red block', is not to be seen"),
        "{ended}"
    );
    assert!(ended.stderr.contains("--take-best"), "{ended}");
}

#[test]
fn a_segmenter_that_follows_nothing_is_told() {
    let (_guard, folder) = recording();
    let fixed = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--overwrite",
        "--fingertip-box",
        "10,50,40,70",
        "--target-box",
        "100,45,130,75",
        "--segmenter",
    ];
    let told = |more: &[&str]| {
        let model = in_repository("tests/fixtures/sam2/plain");
        let ended = run(&folder, &[&fixed[..], &[text(&model)], more].concat());
        ended.stderr.contains("--segmenter is not asked")
    };
    assert!(told(&[]));
    assert!(!told(&["--follow", "sam2"]));
}

#[test]
fn label_follows_the_masks_that_segment_tells() {
    // given boxes that are drawn in the first picture
    let (_guard, folder) = recording();
    let model = in_repository("tests/fixtures/sam2/plain");
    let boxes = ["10,50,40,70", "100,45,130,75"];
    let frames: Vec<String> = (0..FRAMES).map(|index| format!("{index}.png")).collect();
    let mut asked = vec!["segment"];
    asked.extend(frames.iter().map(String::as_str));
    asked.extend([
        "--model",
        text(&model),
        "--box",
        boxes[0],
        "--box",
        boxes[1],
        "--json",
    ]);
    let segmented = run(&folder, &asked).expect_code(0).json();
    // when the recording is labelled by masks
    let asked = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--fingertip-box",
        boxes[0],
        "--target-box",
        boxes[1],
        "--follow",
        "sam2",
        "--segmenter",
        text(&model),
    ];
    run(&folder, &asked);
    // then each step's boxes are around the masks of the same video, and where an object is not seen it is lost
    let steps = rewards(&folder.join("out"));
    assert_eq!(steps.len(), FRAMES as usize);
    for (index, (_, step)) in steps.iter().enumerate() {
        let masks = segmented["frames"][index]["masks"].as_array().unwrap();
        for (mask, told) in masks.iter().zip([step.fingertip_box, step.target_box]) {
            match around(mask) {
                Some(bbox) => assert_eq!(told, bbox, "frame {index}"),
                None => assert!(
                    told[0].is_nan() && step.reason == "lost_box",
                    "frame {index}"
                ),
            }
        }
    }
}

/// The box around a mask's pixels; `None` where the object is not seen.
fn around(mask: &Value) -> Option<[f64; 4]> {
    if mask["object_score"].as_f64().unwrap() <= 0.0 {
        return None;
    }
    let pixels = crate::segmenting::pixels_of(mask, (WIDTH as usize, HEIGHT as usize));
    let own = pixels.iter().enumerate().filter(|(_, pixel)| **pixel == 1);
    let width = WIDTH as usize;
    own.fold(None, |bbox: Option<[f64; 4]>, (at, _)| {
        let (x, y) = ((at % width) as f64, (at / width) as f64);
        let [left, top, right, bottom] = bbox.unwrap_or([x, y, x + 1.0, y + 1.0]);
        Some([
            left.min(x),
            top.min(y),
            right.max(x + 1.0),
            bottom.max(y + 1.0),
        ])
    })
}

#[test]
fn pick_proposes_what_the_detector_finds() {
    // given a detector that takes whatever it finds likeliest in the first picture
    let (_guard, folder) = recording();
    let model = in_repository("tests/fixtures/owlv2/a");
    let config = "detector: {threshold: 0.0, first_pictures: 1, take_best: true}";
    fs::write(folder.join("config.yaml"), config).unwrap();
    let words = ["a dark bar", "the red block"];
    let expected = words.map(|words| detected(&folder, &model, &["--words", words]).remove(0));
    // when the page shows the bag
    let page = Page::of(
        &folder,
        &[
            "--config",
            "config.yaml",
            "--detector",
            text(&model),
            "--fingertip-words",
            words[0],
            "--target-words",
            words[1],
        ],
    );
    page.post("open/0", "null");
    let state = wait_for(&page, |state| state["open"].is_object());
    // then both boxes are proposed in their picture, and nothing is drawn before somebody takes them
    for (region, (bbox, _)) in ["fingertip", "target"].iter().zip(&expected) {
        let proposed = &state["open"]["proposed"][region][0];
        assert_eq!(proposed["frame"], 0);
        assert_eq!(&numbers(&proposed["corners"]), bbox);
        assert_eq!(state["open"]["boxes"][region].as_array().unwrap().len(), 0);
    }
    assert!(!folder.join("regions.yaml").exists());
}

#[test]
fn photos_become_rows_by_networks_alone() {
    // given photos with nothing beside them
    let (_guard, folder) = recording();
    fs::create_dir(folder.join("photos")).unwrap();
    for name in ["0.png", "3.png"] {
        fs::copy(folder.join(name), folder.join("photos").join(name)).unwrap();
    }
    fs::write(folder.join("words.txt"), "red block\ndark bar\n").unwrap();
    // random networks are sure of nothing
    let config = "photos: {min_score: 0.0, certain_only: false}\ndetector: {threshold: 0.3}";
    fs::write(folder.join("config.yaml"), config).unwrap();
    let [detector, segmenter, depth] = [
        "tests/fixtures/owlv2/a",
        "tests/fixtures/sam2/plain",
        "tests/fixtures/metric_depth/depth_pro_published",
    ]
    .map(in_repository);
    let asked = |more: &[&str]| {
        let fixed = ["dataset", "photos", "--config", "config.yaml", "--json"];
        run(&folder, &[&fixed, more].concat())
    };
    // when they are made a data set of, with networks for what is not there
    let networks = [
        "--vocabulary",
        "words.txt",
        "--detector",
        text(&detector),
        "--segmenter",
        text(&segmenter),
        "--depth-model",
        text(&depth),
    ];
    let ended = asked(&[&["-o", "rows"], &networks[..]].concat()).expect_code(0);
    // then each is a row with regions of those words, their masks, depth, and the focal length of the network
    assert_eq!(ended.json()["counts"]["rows"], 2, "{ended}");
    let rows = fs::read_to_string(folder.join("rows/dataset.jsonl")).unwrap();
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let regions = row["regions"].as_array().unwrap();
        assert!(regions.len() >= 2);
        assert!(
            regions
                .iter()
                .all(|name| name == "red block" || name == "dark bar")
        );
        assert!(row["intrinsics"][0].as_f64().unwrap() > 0.0);
        assert!(
            folder
                .join("rows")
                .join(row["metric"].as_str().unwrap())
                .is_file()
        );
    }
    // and a list without a word is told before anything is asked
    fs::write(folder.join("words.txt"), "# none yet\n").unwrap();
    let ended = asked(&[&["-o", "none"], &networks[..]].concat());
    ended.expect_error(&["words.txt", "names nothing to look for"]);
    // and what a process had moved aside that was killed while it replaced it is put back
    fs::rename(folder.join("rows"), folder.join(".rows.replaced")).unwrap();
    asked(&["-o", "rows"]).expect_error(&["rows"]);
    assert!(folder.join("rows/dataset.jsonl").is_file());
    assert!(!folder.join(".rows.replaced").exists());
    // and without any, what the photos lack is told, and no data set is made
    let words = ["no depth network is named", "photos/0.png"];
    asked(&["-o", "none"]).expect_error(&words);
    assert!(!folder.join("none").exists());
}
