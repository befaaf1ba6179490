//! `dataset`: recordings become rows of questions and answers, with their pictures.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use spatial_reward::answer::parse_distance;
use spatial_reward::messages::Header;

use crate::fixtures::*;

pub(crate) const OBJECTS: &str = "/objects/detections";
const TRUE_DEPTH: &str = "/ground_truth/depth/image_raw";
const INSTANCES: &str = "/ground_truth/instances/image_raw";
const IMU: &str = "/camera/imu";
const INCH_M: f64 = 0.0254;
/// A third thing, nearer to the camera than the fixture's two.
const BALL_M: f32 = 0.6;
pub(crate) const BALL: Pixels = [60.0, 90.0, 80.0, 110.0];

pub(crate) fn rows(data_set: &Path) -> Vec<Value> {
    let text = fs::read_to_string(data_set.join("dataset.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn provenance(data_set: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(data_set.join("dataset.json")).unwrap()).unwrap()
}

/// Every file with its bytes, but for the record of the command.
fn contents(data_set: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![(
        "dataset.jsonl".to_owned(),
        fs::read(data_set.join("dataset.jsonl")).unwrap(),
    )];
    for folder in ["images", "depth", "metric"] {
        for name in names_in(&data_set.join(folder)) {
            let bytes = fs::read(data_set.join(folder).join(&name)).unwrap();
            files.push((format!("{folder}/{name}"), bytes));
        }
    }
    files
}

/// The mean of the nearest-neighbour distances of two boxes' pixels, both ways together.
fn cloud_distance_m(a: Pixels, b: Pixels, depths_m: [f64; 2]) -> f64 {
    let points = |[left, top, right, bottom]: Pixels, z: f64| -> Vec<[f64; 3]> {
        let columns = left as i64..right as i64;
        columns
            .flat_map(|x| (top as i64..bottom as i64).map(move |y| (x as f64, y as f64)))
            .map(|(x, y)| [(x - 80.0) / 150.0 * z, (y - 60.0) / 150.0 * z, z])
            .collect()
    };
    let (a, b) = (points(a, depths_m[0]), points(b, depths_m[1]));
    let nearest = |p: &[f64; 3], others: &[[f64; 3]]| {
        let squared = others
            .iter()
            .map(|q| (0..3).map(|k| (p[k] - q[k]).powi(2)).sum::<f64>());
        squared.fold(f64::INFINITY, f64::min).sqrt()
    };
    let sum: f64 = a.iter().map(|p| nearest(p, &b)).sum::<f64>()
        + b.iter().map(|p| nearest(p, &a)).sum::<f64>();
    sum / (a.len() + b.len()) as f64
}

pub(crate) fn first_answer_m(row: &Value) -> f64 {
    let answer = row["conversations"][1]["value"].as_str().unwrap();
    let inches = answer.strip_suffix(" inches");
    let inches: f64 = inches
        .unwrap_or_else(|| panic!("{answer}"))
        .parse()
        .unwrap();
    inches * INCH_M
}

#[test]
fn a_recording_of_depth_and_boxes_becomes_rows_with_pictures() {
    let (_guard, folder) = folder_with(&approach(5));

    let ended = run(&folder, &["dataset", "pick.mcap", "-o", "data"]).expect_code(0);

    assert!(ended.stdout.contains("5 rows of 5 frames"), "{ended}");
    let data = folder.join("data");
    assert_eq!(
        names_in(&data),
        ["dataset.json", "dataset.jsonl", "depth", "images", "metric"]
    );
    let rows = rows(&data);
    assert_eq!(rows.len(), 5);
    for (index, row) in (0..).zip(&rows) {
        assert_eq!(row["bag"], "pick");
        assert_eq!(row["stamp_nanos"], START + index * PERIOD);
        assert_eq!(row["regions"], serde_json::json!(["fingertip", "target"]));
        assert_eq!(
            row["intrinsics"],
            serde_json::json!([150.0, 150.0, 80.0, 60.0])
        );
        assert_eq!(row["rle"], Value::Null);
        // when the first turn is the product's question
        assert_eq!(
            row["conversations"][0]["value"],
            "<image>\nHow far is <mask> <depth> from <mask> <depth>?"
        );
        assert_eq!(row["mentions"][0], serde_json::json!([0, 1]));
        // then its answer is the distance of the clouds that geometry can tell from the wall
        let instant = instant(index, 5);
        let pair = [instant.fingertip.unwrap(), instant.target.unwrap()];
        let expected = cloud_distance_m(pair[0], pair[1], [0.8, 0.8]);
        let found = first_answer_m(row);
        assert!((found / expected - 1.0).abs() < 0.05, "{found} {expected}");
        for (key, bits) in [("filename", 24), ("depth", 8), ("metric", 16)] {
            let picture = image::open(data.join(row[key].as_str().unwrap())).unwrap();
            assert_eq!((picture.width(), picture.height()), (WIDTH, HEIGHT));
            assert_eq!(picture.color().bits_per_pixel(), bits, "{key}");
        }
    }
    // Nothing says which way is up.
    assert!(ended.stderr.contains("5 rows have no gravity"), "{ended}");
    let counts = &provenance(&data)["counts"];
    assert_eq!(counts["rows_without_gravity"], 5);
    assert_eq!(counts["questions"]["direct_distance"], 5);
    assert_eq!(counts["questions"]["vertical_distance"], Value::Null);
}

#[test]
fn pictures_show_what_the_bag_has() {
    // given a recording with JPEG pictures
    let recording = approach(2).with_data(IMAGE, "sensor_msgs/msg/CompressedImage", |index| {
        jpeg_message(START + index * PERIOD, &jpeg(&instant(index, 2).color))
    });
    let (_guard, folder) = folder_with(&recording);

    run(&folder, &["dataset", "pick.mcap", "-o", "data"]).expect_code(0);

    let row = &rows(&folder.join("data"))[0];
    let read = |key: &str| fs::read(folder.join("data").join(row[key].as_str().unwrap())).unwrap();
    // then the JPEG is the bag's own, byte for byte
    assert_eq!(row["filename"], "images/pick_000000.jpg");
    assert_eq!(read("filename"), jpeg(&instant(0, 2).color));
    // and depth is in millimetres, and bright where it is near
    let metric = image::load_from_memory(&read("metric"))
        .unwrap()
        .into_luma16();
    assert_eq!(metric.get_pixel(0, 0).0, [1000]);
    assert_eq!(metric.get_pixel(110, 60).0, [800]);
    let relative = image::load_from_memory(&read("depth"))
        .unwrap()
        .into_luma8();
    assert_eq!(relative.get_pixel(0, 0).0, [0]);
    assert_eq!(relative.get_pixel(110, 60).0, [255]);
}

fn identified(stamp: i64, class: &str, id: u8, bbox: Pixels) -> Vec<u8> {
    identified_detections(stamp, &[(class, &id.to_string(), bbox)])
}

/// Header, orientation and its covariance, angular velocity and its covariance, acceleration and its.
type Imu = (
    Header,
    [f64; 4],
    [f64; 9],
    [f64; 3],
    [f64; 9],
    [f64; 3],
    [f64; 9],
);

fn imu(stamp: i64) -> Vec<u8> {
    let message: Imu = (
        header(stamp),
        [0.0; 4],
        [0.0; 9],
        [0.0; 3],
        [0.0; 9],
        [0.0, -9.81, 0.0],
        [0.0; 9],
    );
    cdr(&message)
}

/// As a simulator records it: true depth, masks, gravity and a third thing; the camera's own depth is off.
pub(crate) fn simulated(count: i64) -> Recording {
    let mut recording = approach_with(count, |_, instant| {
        instant
            .depth_m
            .iter_mut()
            .for_each(|depth_m| *depth_m += 0.1);
    });
    for index in 0..count {
        let mut instant = instant(index, count);
        let boxes = [
            (FINGERTIP, "fingertip", instant.fingertip.unwrap()),
            (TARGET, "target", instant.target.unwrap()),
            (OBJECTS, "red ball", BALL),
        ];
        let mut numbers = vec![0; (WIDTH * HEIGHT) as usize];
        let inside = |b: Pixels, pixel: usize| {
            let (x, y) = (pixel % WIDTH as usize, pixel / WIDTH as usize);
            (b[0]..b[2]).contains(&(x as f64)) && (b[1]..b[3]).contains(&(y as f64))
        };
        for (pixel, number) in numbers.iter_mut().enumerate() {
            let at = boxes.iter().position(|(_, _, b)| inside(*b, pixel));
            *number = at.map_or(0, |at| at as u8 + 1);
            if *number == 3 {
                instant.depth_m[pixel] = BALL_M;
            }
        }
        let (stamp, time) = (instant.stamp, instant.log_time + 3_000_000);
        for (id, (topic, class, pixels)) in (1..).zip(boxes) {
            let data = identified(stamp, class, id, pixels);
            recording.push(topic, DETECTION_TYPE, time, data);
        }
        let image = "sensor_msgs/msg/Image";
        recording.push(
            TRUE_DEPTH,
            image,
            time,
            depth_image(stamp, &instant.depth_m),
        );
        let numbers = raw_image(stamp, "mono8", WIDTH, HEIGHT, &numbers);
        recording.push(INSTANCES, image, time, numbers);
        recording.push(IMU, "sensor_msgs/msg/Imu", time, imu(stamp));
    }
    recording
}

#[test]
fn masks_true_depth_and_gravity_are_used_where_the_bag_has_them() {
    let (_guard, folder) = folder_with(&simulated(4));

    run(
        &folder,
        &["dataset", "pick.mcap", "-o", "data", "--questions", "20"],
    )
    .expect_code(0);

    let data = folder.join("data");
    let mut categories = BTreeSet::new();
    for (index, row) in (0..).zip(rows(&data)) {
        assert_eq!(
            row["regions"],
            serde_json::json!(["fingertip", "target", "red ball"])
        );
        assert_eq!(row["bbox"][2], serde_json::json!(BALL));
        // every pixel of the masks counts, at the true depth
        let instant = instant(index, 4);
        let pair = [instant.fingertip.unwrap(), instant.target.unwrap()];
        let expected = cloud_distance_m(pair[0], pair[1], [0.8, 0.8]);
        let found = first_answer_m(&row);
        assert!(
            (found - expected).abs() < 0.0051 * INCH_M + 1e-4,
            "{found} {expected}"
        );
        // 20 x 20 pixels in columns of 120, the first in column 60, row 90
        assert_eq!(row["rle"][2]["size"], serde_json::json!([120, 160]));
        assert!(row["rle"][2]["counts"].as_str().unwrap().len() > 3);
        let ball = [
            (70.0 - 0.5 - 80.0) * 0.6 / 150.0,
            (100.0 - 0.5 - 60.0) * 0.6 / 150.0,
            0.6,
        ];
        for (found, expected) in row["points"][2].as_array().unwrap().iter().zip(ball) {
            assert!((found.as_f64().unwrap() - expected).abs() < 1e-4, "{row}");
        }
        check_turns(&row, &mut categories);
    }
    // Flat faces have no volume, everything else is asked about.
    assert_eq!(categories.len(), 11, "{categories:?}");
    assert!(!categories.contains("big_small"));
    let counts = &provenance(&data)["counts"];
    assert_eq!(counts["rows_without_gravity"], 0);
    assert_eq!(counts["regions"], 12);
}

/// What is said of a scene whose things stand upright before a level camera is true.
fn check_turns(row: &Value, categories: &mut BTreeSet<String>) {
    let points = &row["points"];
    let at = |region: usize, axis: usize| points[region][axis].as_f64().unwrap();
    let turns = row["categories"].as_array().unwrap();
    assert_eq!(
        row["conversations"].as_array().unwrap().len(),
        2 * turns.len()
    );
    for (turn, category) in turns.iter().enumerate() {
        let category = category.as_str().unwrap();
        categories.insert(category.to_owned());
        let mentions: Vec<usize> = serde_json::from_value(row["mentions"][turn].clone()).unwrap();
        let question = row["conversations"][2 * turn]["value"].as_str().unwrap();
        let answer = row["conversations"][2 * turn + 1]["value"]
            .as_str()
            .unwrap();
        assert_eq!(question.matches("<mask> <depth>").count(), mentions.len());
        let metres = || parse_distance(answer).unwrap().distance_m;
        match category {
            "vertical_distance" => {
                let expected = (at(mentions[0], 1) - at(mentions[1], 1)).abs();
                assert!((metres() - expected).abs() < 0.002, "{answer}");
            }
            "horizontal_distance" => {
                let off = [0, 2].map(|axis| at(mentions[0], axis) - at(mentions[1], axis));
                assert!((metres() - off[0].hypot(off[1])).abs() < 0.002, "{answer}");
            }
            "above_below" if answer.contains("Region [0] is above Region [1]") => {
                assert!(at(mentions[0], 1) < at(mentions[1], 1), "{row}");
            }
            "left_right" if answer.contains("Region [0] is to the left of Region [1]") => {
                assert!(at(mentions[0], 0) < at(mentions[1], 0), "{row}");
            }
            "front_behind" if answer.contains("Region [0] is in front of Region [1]") => {
                assert!(at(mentions[0], 2) < at(mentions[1], 2), "{row}");
            }
            _ => {}
        }
    }
}

#[test]
fn a_seed_gives_the_same_data_however_many_threads_work() {
    let (_guard, folder) = folder_with(&simulated(7));
    let made = |output: &str, arguments: &[&str]| {
        let fixed = ["dataset", "pick.mcap", "-o", output];
        run(&folder, &[&fixed, arguments].concat()).expect_code(0);
        contents(&folder.join(output))
    };
    let one = made("one", &["--jobs", "1"]);
    assert_eq!(one, made("four", &["--jobs", "4"]));
    assert_ne!(one[0], made("other", &["--seed", "1"])[0]);
}

#[test]
fn options_say_how_much_is_asked_of_which_frames() {
    let (_guard, folder) = folder_with(&approach(7));

    let arguments = ["dataset", "pick.mcap", "-o", "data", "--every", "3"];
    let only = ["--questions", "1", "--direct", "1", "--json"];
    let ended = run(&folder, &[&arguments[..], &only].concat()).expect_code(0);

    let rows = rows(&folder.join("data"));
    let stamps: Vec<&Value> = rows.iter().map(|row| &row["stamp_nanos"]).collect();
    assert_eq!(stamps, [START, START + 3 * PERIOD, START + 6 * PERIOD]);
    for row in &rows {
        assert_eq!(row["categories"], serde_json::json!(["direct_distance"]));
    }
    assert_eq!(ended.json(), provenance(&folder.join("data")));
    run(
        &folder,
        &["dataset", "pick.mcap", "-o", "x", "--direct", "2"],
    )
    .expect_code(2);
}

#[test]
fn bags_that_cannot_be_used_are_told_of_and_the_others_go_on() {
    let (_guard, folder) = folder_with(&approach(3));
    approach(3).without(DEPTH).save(&folder.join("flat.mcap"));

    let ended = run(&folder, &["dataset", ".", "-o", "data"]).expect_code(0);

    assert!(
        ended
            .stderr
            .contains("flat.mcap is left out: no topic for the depth"),
        "{ended}"
    );
    assert!(ended.stdout.contains("1 of 2 bags left out"), "{ended}");
    let provenance = provenance(&folder.join("data"));
    let lots: Vec<&Value> = (provenance["bags"].as_array().unwrap().iter())
        .map(|bag| &bag["lot"])
        .collect();
    assert_eq!(lots, ["unusable", "used"]);
    // Alone it is an error, and leaves nothing.
    run(&folder, &["dataset", "flat.mcap", "-o", "none"])
        .expect_error(&["no topic for the depth image", "--depth-topic"]);
    assert_eq!(names_in(&folder), ["data", "flat.mcap", "pick.mcap"]);
}

#[test]
fn damaged_bags_are_used_as_far_as_they_go() {
    let (_guard, folder) = folder_with(&approach(30));
    let whole = fs::read(folder.join("pick.mcap")).unwrap();
    fs::write(folder.join("pick.mcap"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.join("noise.mcap"), [7; 500]).unwrap();

    run(&folder, &["dataset", ".", "-o", "data"]).expect_code(3);

    let provenance = provenance(&folder.join("data"));
    assert_eq!(provenance["bags"][0]["lot"], "unreadable");
    assert_eq!(provenance["bags"][1]["lot"], "damaged");
    let rows = rows(&folder.join("data")).len();
    assert!((1..30).contains(&rows), "{rows}");
    // A name that is not there is a mistake, and no damage.
    run(&folder, &["dataset", "pick.mcap", "pikc.mcap", "-o", "x"]).expect_error(&["pikc.mcap"]);
}

#[test]
fn frames_and_regions_are_left_out_with_their_reasons() {
    // given a frame without target, one with a box outside the picture, one without depth
    let recording = approach_with(6, |index, instant| match index {
        1 => instant.target = None,
        2 => instant.target = Some([200.0, 10.0, 230.0, 30.0]),
        3 => instant.depth_m.fill(f32::NAN),
        _ => {}
    });
    let (_guard, folder) = folder_with(&recording);

    run(&folder, &["dataset", "pick.mcap", "-o", "data"]).expect_code(0);

    let counts = &provenance(&folder.join("data"))["counts"];
    assert_eq!((&counts["frames"], &counts["rows"]), (&6.into(), &3.into()));
    assert_eq!(
        counts["skipped_frames"],
        serde_json::json!({"fewer_than_two_regions": 3})
    );
    assert_eq!(
        counts["skipped_regions"],
        serde_json::json!({
            "box_outside_image": 1, "depth_invalid": 2, "no_mask": 2, "no_target_box": 1
        })
    );
}

#[test]
fn a_data_set_is_replaced_only_if_that_is_asked_for_and_nothing_else_ever_is() {
    let (_guard, folder) = folder_with(&approach(3));
    let first = ["dataset", "pick.mcap", "-o", "data"];
    run(&folder, &first).expect_code(0);
    let before = contents(&folder.join("data"));

    run(&folder, &first).expect_error(&["exists already", "--overwrite"]);
    assert_eq!(contents(&folder.join("data")), before);
    run(
        &folder,
        &[&first[..], &["--overwrite", "--every", "2"]].concat(),
    )
    .expect_code(0);
    assert_eq!(rows(&folder.join("data")).len(), 2);

    fs::create_dir(folder.join("photos")).unwrap();
    fs::write(folder.join("photos/cat.jpg"), "").unwrap();
    run(
        &folder,
        &["dataset", "pick.mcap", "-o", "photos", "--overwrite"],
    )
    .expect_error(&["is no data set"]);
    assert_eq!(names_in(&folder.join("photos")), ["cat.jpg"]);
    assert_eq!(names_in(&folder), ["data", "photos", "pick.mcap"]);
}

#[test]
fn bags_of_one_name_keep_their_frames_apart() {
    let (_guard, folder) = folder_with(&approach(2));
    approach(3).save(&folder.join("tuesday/pick.mcap"));

    run(&folder, &["dataset", ".", "-o", "data"]).expect_code(0);

    let rows = rows(&folder.join("data"));
    let bags: Vec<&Value> = rows.iter().map(|row| &row["bag"]).collect();
    assert_eq!(bags, ["pick", "pick", "pick-2", "pick-2", "pick-2"]);
    assert_eq!(names_in(&folder.join("data/images")).len(), 5);
    assert!(
        rows[2]["filename"] == "images/pick-2_000000.png",
        "{}",
        rows[2]
    );
}
