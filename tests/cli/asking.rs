//! `ask` with a tiny random checkpoint, whose answers the original program's are known of; and what is
//! said when the checkpoint, the picture, the regions or the question are not what they should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, Luma};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

use crate::fixtures::*;
use crate::model_fixtures::*;

const BOXES: [&str; 4] = [
    "--box",
    "120.7,30.2,330.9,250.6",
    "--box",
    "10,200,200.5,299.9",
];
const QUESTION: &str = "Is <region0> behind <region1>?";
/// As long as the golden answers may be.
const LENGTH: [&str; 2] = ["--max-new-tokens", "24"];

/// `ask` about a golden picture.
fn ask(case: usize, arguments: &[&str]) -> Ended {
    ask_model(&checkpoint(), &picture(case), arguments)
}

fn ask_model(model: &Path, picture: &Path, arguments: &[&str]) -> Ended {
    let fixed = ["ask", text(picture), "--model", text(model)];
    let ended = run_saying("", &[&fixed, &LENGTH[..], arguments].concat());
    expect_no_trace(&ended);
    ended
}

/// `ask` about picture 0 with its two boxes.
fn ask_with_boxes(arguments: &[&str]) -> Ended {
    ask(0, &[&BOXES, arguments].concat())
}

fn depth(case: usize) -> PathBuf {
    fixture(&format!("inputs/depth{case}.png"))
}

/// What the original program answered; `run` is `d1` (with depth) or `d0`.
fn golden(case: usize, run: &str) -> Value {
    let file = fixture(&format!("a/golden/case{case}.json"));
    let golden: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    golden[run].clone()
}

/// A copy of the checkpoint, to be damaged.
fn copied_checkpoint() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&checkpoint(), copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The JSON object of each answer.
fn answers(ended: &Ended) -> Vec<Value> {
    let lines = ended.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_answer_is_the_originals() {
    let ended = ask_with_boxes(&[QUESTION]).expect_code(0);
    let golden = golden(0, "d0");
    assert_eq!(ended.stdout.trim_end_matches('\n'), golden["text"]);
    assert!(ended.stderr.contains("--max-new-tokens"), "{ended}");
}

#[test]
fn json_has_the_public_keys_and_with_depth_the_original_answer_too() {
    let ended = ask_with_boxes(&["--depth", text(&depth(0)), "--json", QUESTION]).expect_code(0);
    let answer = ended.json();
    let golden = golden(0, "d1");
    assert_eq!(answer["question"], QUESTION);
    assert_eq!(answer["answer"], golden["text"]);
    assert_eq!(answer["prompt"], golden["prompt"]);
    // It speaks of no distance and was cut off.
    assert_eq!(answer["distance_m"], Value::Null);
    assert_eq!(answer["distance_std_m"], Value::Null);
    assert_eq!(answer["distance_std_calibrated"], Value::Null);
    assert_eq!(answer["confidence"], Value::Null);
    assert_eq!(answer["unknown_regions"], false);
    assert_eq!(answer["complete"], false);
    assert!(answer["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(answer.as_object().unwrap().len(), 10);
}

#[test]
fn an_answer_that_ends_by_itself_is_complete() {
    let boxes = ["--box", "195.3,60.1,250.4,200.9", "--box", "0,250,260,400"];
    let question = "What is the distance between <region1> and <region0>?";
    let depth = depth(1);
    let rest = ["--depth", text(&depth), "--json", question];
    let ended = ask(1, &[&boxes[..], &rest].concat()).expect_code(0);
    assert_eq!(ended.json()["answer"], golden(1, "d1")["text"]);
    assert_eq!(ended.json()["complete"], true);
    assert!(ended.stderr.is_empty(), "{ended}");
}

#[test]
fn a_picture_without_regions_can_be_asked_about() {
    let question = "Describe the image in détail — 2 sentences.";
    let ended = ask(4, &["--json", question]).expect_code(0);
    assert_eq!(ended.json()["answer"], golden(4, "d0")["text"]);
}

#[test]
fn a_mask_is_a_region_like_the_box_it_fills() {
    // Given the second box drawn into a picture
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mask.png");
    let inside = |x: u32, y: u32| (10..200).contains(&x) && (200..299).contains(&y);
    let pixel = |x, y| Luma([if inside(x, y) { 255 } else { 0 }]);
    GrayImage::from_fn(451, 300, pixel).save(&file).unwrap();

    // Then it is region 1 after the box
    let mask = ["--mask", text(&file)];
    let rest = ["--json", QUESTION];
    let ended = ask(0, &[&mask[..], &BOXES[..2], &rest].concat()).expect_code(0);
    assert_eq!(ended.json()["answer"], golden(0, "d0")["text"]);

    // And region 2 after both
    let question = "Is <region0> behind <region2>?";
    let ended = ask_with_boxes(&["--mask", text(&file), "--json", question]).expect_code(0);
    assert_eq!(ended.json()["answer"], golden(0, "d0")["text"]);
}

#[test]
fn a_mask_without_a_pixel_was_answered_in_inches() {
    // given what a segmenter writes that found nothing: black, or black behind transparency
    let folder = tempfile::tempdir().unwrap();
    let size = image::open(picture(0)).unwrap();
    let (width, height) = (size.width(), size.height());
    let black = folder.path().join("black.png");
    GrayImage::new(width, height).save(&black).unwrap();
    let clear = folder.path().join("clear.png");
    let inside = image::Rgba([0, 0, 0, 255]);
    image::RgbaImage::from_pixel(width, height, inside)
        .save(&clear)
        .unwrap();
    for mask in [&black, &clear] {
        // when it is asked about, alone or beside a box
        let mask = ["--mask", text(mask)];
        for regions in [&mask[..], &[&mask[..], &BOXES[..2]].concat()] {
            let ended = ask(0, &[regions, &["How wide is <region0>?"]].concat());
            // then it is an error like that of a box outside the picture
            ended.expect_error(&[mask[1], "holds no pixel"]);
        }
    }
    // and one pixel is enough
    let mut one = GrayImage::new(width, height);
    one.put_pixel(7, 9, Luma([1]));
    let path = folder.path().join("one.png");
    one.save(&path).unwrap();
    ask(0, &["--mask", text(&path), "How wide is <region0>?"]).expect_code(0);
}

#[test]
fn a_chat_remembers_what_was_said() {
    let (model, picture, depth) = (checkpoint(), picture(5), depth(5));
    let arguments = [
        "ask",
        text(&picture),
        "--model",
        text(&model),
        "--box",
        "94.4,210,260,330.5",
        "--box",
        "500,180.9,700.2,420.8",
        "--depth",
        text(&depth),
        "--json",
        "--chat",
    ];
    let arguments = [&arguments[..], &LENGTH].concat();
    let first = "Is <region1> to the left of <region0>?";
    let second = "And how far is <region0> from the camera?";
    let golden = golden(5, "d1");

    // When both questions come from stdin, with an empty line and a question that cannot be asked between
    let talk = format!("{first}\n\nWhat is <region9>?\n{second}\n");
    let ended = run_saying(&talk, &arguments).expect_code(0);

    // Then both answers are the original's, and the wrong question was named
    let said = answers(&ended);
    assert_eq!(said.len(), 2, "{ended}");
    assert_eq!(said[0]["question"], first);
    assert_eq!(said[0]["answer"], golden["all_turn_texts"][0]);
    assert_eq!(said[1]["answer"], golden["all_turn_texts"][1]);
    assert_eq!(said[1]["prompt"], golden["prompt"]);
    assert!(ended.stderr.contains("<region9>"), "{ended}");

    // And the first may be an argument
    let with_first = [&arguments[..], &[first]].concat();
    let again = run_saying(&format!("{second}\n"), &with_first).expect_code(0);
    assert_eq!(answers(&again)[1]["answer"], said[1]["answer"]);
}

#[test]
fn the_template_can_be_chosen() {
    let ended = ask_with_boxes(&["--template", "vicuna_v1", "--json", QUESTION]).expect_code(0);
    let prompt = ended.json()["prompt"].as_str().unwrap().to_owned();
    assert!(
        prompt.ends_with("USER: <image>\nIs <mask> behind <mask>? ASSISTANT:"),
        "{prompt}"
    );
}

#[test]
fn a_wrong_question_or_region_is_named() {
    ask_with_boxes(&["Is <region2> tall?"]).expect_error(&["<region2>", "2 regions"]);
    ask_with_boxes(&["Is <mask> tall?"]).expect_error(&["<mask>", "<region0>"]);
    ask_with_boxes(&["Is it tall?"]).expect_error(&["mentions none", "<region0>"]);
    let outside = "500.5,10,600,20";
    ask(0, &["--box", outside, "Is <region0> tall?"]).expect_error(&["500.5", "451x300"]);
    for wrong in ["1,2,3", "10,10,5,20"] {
        let ended = ask(0, &["--box", wrong, QUESTION]).expect_code(2);
        assert!(
            ended.stderr.contains("X0") && ended.stderr.contains(wrong),
            "{ended}"
        );
    }
}

#[test]
fn a_wrong_picture_is_named() {
    let model = checkpoint();
    let other = picture(1);
    ask(0, &["--mask", text(&other), "Is <region0> tall?"])
        .expect_error(&["img1.png", "260x400", "451x300"]);
    let ended = ask_with_boxes(&["--depth", text(&depth(1)), QUESTION]).expect_error(&[
        "depth1.png",
        "260x400",
        "451x300",
    ]);
    assert!(!ended.stderr.contains("topic"), "of no bag: {ended}");
    ask_model(&model, &model.join("config.json"), &["What is it?"])
        .expect_error(&["config.json", "picture"]);
    ask_model(&model, Path::new("nowhere.png"), &["What is it?"])
        .expect_error(&["nowhere.png", "No such file"]);
    ask_with_boxes(&["--depth", "nowhere.png", QUESTION]).expect_error(&["nowhere.png"]);
}

#[test]
fn a_wrong_setting_is_named() {
    ask_with_boxes(&["--device", "cuda:7", QUESTION]).expect_error(&["cuda:7", "cpu"]);
    ask_with_boxes(&["--device", "tpu", QUESTION]).expect_error(&["model.device", "tpu"]);
    ask_with_boxes(&["--template", "chatml", QUESTION]).expect_error(&[
        "'chatml'",
        "llama_3",
        "vicuna_v1",
    ]);
}

/// Asks a damaged copy of the checkpoint.
fn ask_damaged(damage: impl FnOnce(&Path)) -> Ended {
    let copy = copied_checkpoint();
    damage(copy.path());
    ask_model(
        copy.path(),
        &picture(0),
        &[&BOXES[..], &[QUESTION]].concat(),
    )
}

/// Replaces words in one of its files.
fn replaced(file: &str, from: &str, to: &str) -> Ended {
    ask_damaged(|folder| {
        let file = folder.join(file);
        let before = fs::read_to_string(&file).unwrap();
        let after = before.replace(from, to);
        assert_ne!(before, after, "{from} is not in {}", file.display());
        fs::write(&file, after).unwrap();
    })
}

#[test]
fn a_folder_that_is_no_checkpoint_is_named() {
    let empty = tempfile::tempdir().unwrap();
    for (model, words) in [
        (empty.path(), ["config.json", "SpatialRGPT checkpoint"]),
        (
            Path::new("./nowhere/at/all"),
            ["./nowhere/at/all", "folder"],
        ),
    ] {
        ask_model(model, &picture(0), &["What is it?"]).expect_error(&words);
    }
}

#[test]
fn a_missing_file_of_the_checkpoint_is_named() {
    for file in [
        "config.json",
        "llm/config.json",
        "vision_tower/preprocessor_config.json",
    ] {
        ask_damaged(|folder| fs::remove_file(folder.join(file)).unwrap()).expect_error(&[file]);
    }
    // Weights may have another name, so their folder is named
    for folder in ["mm_projector", "region_extractor"] {
        let weights = format!("{folder}/model.safetensors");
        ask_damaged(|model| fs::remove_file(model.join(weights)).unwrap()).expect_error(&[
            folder,
            "model.safetensors",
            "not complete",
        ]);
    }
    // Of a shard the index tells
    let shard = "model-00003-of-00005.safetensors";
    ask_damaged(|folder| fs::remove_file(folder.join("llm").join(shard)).unwrap()).expect_error(&[
        "llm",
        shard,
        "not complete",
    ]);
    ask_damaged(|folder| fs::remove_file(folder.join("llm/tokenizer.json")).unwrap())
        .expect_error(&["tokenizer", "llm"]);
}

#[test]
fn a_damaged_file_of_the_checkpoint_is_named() {
    for file in [
        "config.json",
        "llm/model-00001-of-00005.safetensors",
        "llm/tokenizer.json",
        "vision_tower/model.safetensors",
    ] {
        for share in [0.0, 0.001, 0.1, 0.9] {
            let cut = |folder: &Path| {
                let file = folder.join(file);
                let bytes = fs::read(&file).unwrap();
                let kept = (bytes.len() as f64 * share) as usize;
                fs::write(&file, &bytes[..kept]).unwrap();
            };
            ask_damaged(cut).expect_error(&[file]);
        }
    }
}

#[test]
fn a_tensor_too_many_or_too_few_is_named() {
    let file = "mm_projector/model.safetensors";
    type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;
    let change = |change: fn(&mut Tensors)| {
        ask_damaged(|folder| {
            let file = folder.join(file);
            let bytes = fs::read(&file).unwrap();
            let read = SafeTensors::deserialize(&bytes).unwrap();
            let tensors = read.iter().map(|(name, tensor)| {
                let (shape, data) = (tensor.shape().to_vec(), tensor.data().to_vec());
                (name.to_owned(), (tensor.dtype(), shape, data))
            });
            let mut tensors: Tensors = tensors.collect();
            change(&mut tensors);
            let views = tensors.iter().map(|(name, (dtype, shape, data))| {
                (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
            });
            fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
        })
    };
    change(|_| {}).expect_code(0);
    change(|tensors| {
        let one = (Dtype::F32, vec![1], 1.0_f32.to_le_bytes().to_vec());
        tensors.insert("layers.9.scale".into(), one);
    })
    .expect_error(&["layers.9.scale", "mm_projector"]);
    change(|tensors| drop(tensors.remove("layers.2.weight")))
        .expect_error(&["layers.2.weight", "mm_projector"]);
    change(|tensors| {
        let (_, shape, data) = tensors.get_mut("layers.2.weight").unwrap();
        data.truncate(data.len() / shape[0] * 7);
        shape[0] = 7;
    })
    .expect_error(&["layers.2.weight", "mm_projector", "7"]);
}

#[test]
fn a_model_that_is_not_implemented_is_named() {
    let llm = "llm/config.json";
    replaced(
        llm,
        r#""model_type": "llama""#,
        r#""model_type": "mistral""#,
    )
    .expect_error(&[llm, "model_type", "mistral", "llama"]);
    let projector = "mm_projector/config.json";
    replaced(projector, "mlp_downsample", "spatial_conv").expect_error(&[
        projector,
        "spatial_conv",
        "mlp_downsample",
    ]);
    replaced(
        llm,
        r#""rope_scaling": null"#,
        r#""rope_scaling": {"type": "yarn", "factor": 4}"#,
    )
    .expect_error(&[llm, "rope_scaling", "yarn", "linear"]);
    let calibration =
        r#""spatial_reward": {"calibration": {"scale": 0, "floor_m": 0.01}}, "enable_depth""#;
    replaced("config.json", r#""enable_depth""#, calibration).expect_error(&[
        "config.json",
        "spatial_reward.calibration.scale",
        "above 0",
    ]);
    replaced(llm, r#""hidden_size": 96"#, r#""hidden_size": 120"#).expect_error(&["96", "120"]);
}
