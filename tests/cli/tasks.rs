//! `label` with a whole task: named regions, several cameras, phases and their reward.

use std::fs;
use std::path::Path;

use parquet::file::reader::SerializedFileReader;
use parquet::record::Field;
use spatial_reward::messages::StepReward;
use spatial_reward::messages::image_annotations::{self, ImageAnnotations};
use spatial_reward::messages::task_reward::{self, TaskReward};

use crate::fixtures::*;
use crate::frames::{TF, TF_TYPE, approach_with_tf, transform};

const TASK: &str = "/spatial_reward/task_reward";
/// The block again, under a name of its own; and the bar as its goal, which no sensor tells from the bar.
const CUBE: &str = "
topics: {fingertip: /fingertip/detections}
regions:
  cube: {topic: /target/detections, class: [target]}
";
const REACH: &str = "
reward: {kind: task, gamma: 1.0}
task:
  gripper_topic: /joints
  gripper_joints: [finger]
  phases:
    - name: reach
      potential: {distance: fingertip-cube, from: 0.32}
      next: [{to: close, when: [{distance: fingertip-cube, below: 0.2, hold_s: 0}]}]
    - name: close
      next:
        - {to: success, when: [{opening: gripper, below: 0.02, hold_s: 0}]}
        - {to: failure, when: [{distance: fingertip-cube, above: 0.5, hold_s: 0}]}
";

/// A column of the table, by name.
fn column(labelled: &Path, name: &str) -> Vec<Field> {
    let stem = labelled.file_name().unwrap().to_str().unwrap();
    let file = fs::File::open(labelled.join(format!("{stem}_reward.parquet"))).unwrap();
    let rows = SerializedFileReader::new(file).unwrap().into_iter();
    let of = |row: parquet::record::Row| {
        let mut columns = row.get_column_iter();
        let found = columns.find(|(column, _)| *column == name);
        found
            .unwrap_or_else(|| panic!("no column {name}"))
            .1
            .clone()
    };
    rows.map(|row| of(row.unwrap())).collect()
}

fn numbers(labelled: &Path, name: &str) -> Vec<f64> {
    let of = |field| match field {
        Field::Double(value) => value,
        Field::Float(value) => f64::from(value),
        other => panic!("{name}: {other}"),
    };
    column(labelled, name).into_iter().map(of).collect()
}

fn texts(labelled: &Path, name: &str) -> Vec<String> {
    let of = |field: Field| field.to_string().trim_matches('"').to_owned();
    column(labelled, name).into_iter().map(of).collect()
}

#[derive(serde::Serialize)]
struct Joints {
    header: spatial_reward::messages::Header,
    name: Vec<String>,
    position: Vec<f64>,
    velocity: Vec<f64>,
    effort: Vec<f64>,
}

/// An approach whose gripper is closed from a frame on.
fn approach_that_closes(count: i64, closes_at: i64) -> Recording {
    let mut recording = approach(count);
    for index in 0..count {
        let stamp = START + index * PERIOD;
        let joints = Joints {
            header: header(stamp),
            name: vec!["elbow".to_owned(), "finger".to_owned()],
            position: vec![1.0, if index < closes_at { 0.08 } else { 0.01 }],
            velocity: Vec::new(),
            effort: Vec::new(),
        };
        recording.push("/joints", "sensor_msgs/msg/JointState", stamp, cdr(&joints));
    }
    recording
}

#[test]
fn a_named_pair_is_the_distance_that_a_fingertip_and_a_target_have() {
    // Given a recording, and settings that call its target by another name
    let (_guard, folder) = folder_with(&approach(8));
    fs::write(
        folder.join("pairs.yaml"),
        CUBE.to_owned() + "task: {pairs: [fingertip-cube, 'cube-fingertip:center']}",
    )
    .unwrap();
    // When it is labelled with them and without
    run(&folder, &["label", "pick.mcap", "-o", "plain"]).expect_code(0);
    run(
        &folder,
        &[
            "label",
            "pick.mcap",
            "-o",
            "named",
            "--config",
            "pairs.yaml",
        ],
    )
    .expect_code(0);
    // Then the pair has the same numbers, and so has the step
    let (plain, named) = (folder.join("plain"), folder.join("named"));
    let distances = numbers(&plain, "reward.spatial.distance_m");
    assert_eq!(
        numbers(&named, "reward.spatial.pair.fingertip-cube.distance_m"),
        distances
    );
    assert_eq!(numbers(&named, "reward.spatial.distance_m"), distances);
    assert_eq!(
        numbers(&named, "next.reward"),
        numbers(&plain, "next.reward")
    );
    assert_eq!(
        numbers(&named, "reward.spatial.pair.fingertip-cube.std_m"),
        numbers(&plain, "reward.spatial.distance_std_m")
    );
    // and a pair of another kind is of that kind
    assert_eq!(
        texts(&named, "reward.spatial.pair.cube-fingertip.kind"),
        ["center"; 8]
    );
    let centers = numbers(&named, "reward.spatial.pair.cube-fingertip.distance_m");
    assert!(
        centers
            .iter()
            .zip(&distances)
            .all(|(center, surface)| center > surface),
        "{centers:?}"
    );
    // and messages of the task lie beside those of the steps, one each, at their log times
    let beside = |topic: &str| -> Vec<i64> {
        let all = messages(&named)
            .into_iter()
            .filter(|(name, _)| name == topic);
        all.map(|(_, message)| message.log_time_nanos).collect()
    };
    assert_eq!(beside(TASK), beside(REWARDS));
    assert!(messages(&plain).iter().all(|(topic, _)| topic != TASK));
}

#[test]
fn phases_give_reward_and_success() {
    // Given a task that is solved once the gripper closes near the block
    let (_guard, folder) = folder_with(&approach_that_closes(8, 6));
    fs::write(folder.join("task.yaml"), CUBE.to_owned() + REACH).unwrap();
    // When
    run(
        &folder,
        &["label", "pick.mcap", "-o", "out", "--config", "task.yaml"],
    )
    .expect_code(0);
    // Then phases follow the gap and the gripper
    let out = folder.join("out");
    let near = (0..8).position(|index| gap_m(index, 8) < 0.19).unwrap();
    let phases = texts(&out, "reward.spatial.phase");
    let expected: Vec<&str> = (0..8)
        .map(|index| match index {
            index if index >= 6 => "success",
            index if index >= near => "close",
            _ => "reach",
        })
        .collect();
    assert_eq!(phases, expected);
    let success = texts(&out, "next.success");
    assert_eq!(
        success,
        phases
            .iter()
            .map(|phase| (phase == "success").to_string())
            .collect::<Vec<_>>()
    );
    // and what shaping adds telescopes: with no discount success and minus the first potential are all there is
    let rewards = numbers(&out, "next.reward");
    let progress = numbers(&out, "reward.spatial.progress");
    let sum: f64 = rewards.iter().sum();
    assert!(
        (sum - (2.0 - progress[0])).abs() < 1e-6,
        "{sum}, {progress:?}"
    );
    // and the bag says the same
    let told: Vec<(f64, String)> = (messages(&out).into_iter())
        .filter(|(topic, _)| topic == TASK)
        .map(|(_, message)| task_reward::decode(&message.data).unwrap())
        .map(|task| (task.reward, task.phase))
        .collect();
    let steps: Vec<StepReward> = super::fixtures::rewards(&out)
        .into_iter()
        .map(|(_, step)| step)
        .collect();
    assert_eq!(
        told.iter()
            .map(|(_, phase)| phase.clone())
            .collect::<Vec<_>>(),
        phases
    );
    assert!(
        told.iter()
            .zip(&steps)
            .all(|((reward, _), step)| *reward == step.reward && step.reward_kind == "task")
    );
}

#[test]
fn a_solved_task_ends_its_episode_where_that_is_asked_for() {
    // Given the same, cut at a success
    let (_guard, folder) = folder_with(&approach_that_closes(8, 4));
    let settings = CUBE.to_owned() + REACH + "episodes: {end_on_success: true}\n";
    fs::write(folder.join("task.yaml"), settings).unwrap();
    run(
        &folder,
        &["label", "pick.mcap", "-o", "out", "--config", "task.yaml"],
    )
    .expect_code(0);
    // Then the frame after it begins another one, in the first phase or what that leads to
    let out = folder.join("out");
    let done = texts(&out, "next.done");
    let success = texts(&out, "next.success");
    let at = success
        .iter()
        .position(|success| success == "true")
        .unwrap();
    assert_eq!(done[at], "true");
    assert_eq!(texts(&out, "episode_index")[at + 1], "1");
    assert_eq!(texts(&out, "frame_index")[at + 1], "0");
}

/// A second camera that sees what the first sees, and detections of the first that stop half-way.
fn two_cameras() -> Recording {
    let recording = approach_with(8, |index, instant| {
        if index >= 4 {
            instant.target = None;
        }
    });
    let mut recording = recording.with_second_camera("/side", b"side00");
    for index in 0..8 {
        let boxes = [
            ("fingertip", instant(index, 8).fingertip.unwrap()),
            ("target", instant(index, 8).target.unwrap()),
        ];
        let stamp = START + index * PERIOD;
        let data = detections(stamp, &boxes);
        recording.push("/side/detections", DETECTION_TYPE, stamp + 3_000_000, data);
    }
    recording
}

/// Their settings.
fn cameras() -> String {
    format!(
        "
cameras:
  front: {{image: {IMAGE}, depth: {DEPTH}, camera_info: {CAMERA_INFO}}}
  side:
    image: /side/color/image_raw
    depth: /side/aligned_depth_to_color/image_raw
    camera_info: /side/color/camera_info
    regions:
      fingertip: {{topic: /side/detections, class: [fingertip]}}
      cube: {{topic: /side/detections, class: [target]}}
"
    )
}

#[test]
fn two_cameras_are_surer_than_one_and_carry_what_the_other_lost() {
    // Given a second camera that sees what the first sees, and detections of the first that stop half-way
    let (_guard, folder) = folder_with(&two_cameras());
    let cameras = cameras();
    let pairs = "task: {pairs: [fingertip-cube]}\n";
    fs::write(
        folder.join("one.yaml"),
        format!("{CUBE}topics: {{}}\n{pairs}").replace("topics: {}\n", ""),
    )
    .unwrap();
    fs::write(folder.join("two.yaml"), CUBE.to_owned() + &cameras + pairs).unwrap();
    // When pairs are measured by one camera and by both
    run(
        &folder,
        &[
            "label",
            "pick.mcap",
            "-o",
            "one",
            "--config",
            "one.yaml",
            "--image-topic",
            IMAGE,
            "--depth-topic",
            DEPTH,
        ],
    );
    run(
        &folder,
        &["label", "pick.mcap", "-o", "two", "--config", "two.yaml"],
    );
    // Then both together say the same, and are surer
    let [one, two] = ["one", "two"].map(|name| folder.join(name));
    let of = |labelled: &Path, what: &str| {
        numbers(
            labelled,
            &format!("reward.spatial.pair.fingertip-cube.{what}"),
        )
    };
    let (alone, both) = (of(&one, "distance_m"), of(&two, "distance_m"));
    let (alone_std, both_std) = (of(&one, "std_m"), of(&two, "std_m"));
    for index in 0..4 {
        assert!(
            (alone[index] - both[index]).abs() < 1e-6,
            "{alone:?} {both:?}"
        );
        assert!(
            (both_std[index] - alone_std[index] / 2_f64.sqrt()).abs() < 1e-9,
            "{alone_std:?} {both_std:?}"
        );
    }
    // and where the first has lost it, the second carries it
    let cameras = texts(&two, "reward.spatial.pair.fingertip-cube.cameras");
    let valid = texts(&two, "reward.spatial.pair.fingertip-cube.valid");
    assert_eq!(cameras[3], "front,side");
    for index in 6..8 {
        assert_eq!(
            (cameras[index].as_str(), valid[index].as_str()),
            ("side", "true"),
            "{index}"
        );
        assert!(
            (both[index] - gap_m(index as i64, 8)).abs() < 0.03,
            "{both:?}"
        );
    }
}

/// All annotations of a topic, with their messages' log times.
fn annotations(labelled: &Path, topic: &str) -> Vec<(i64, ImageAnnotations)> {
    let all = messages(labelled)
        .into_iter()
        .filter(|(name, _)| name == topic);
    all.map(|(_, message)| {
        let annotations = ImageAnnotations::decode(&message.data).unwrap();
        (message.log_time_nanos, annotations)
    })
    .collect()
}

fn words(annotations: &ImageAnnotations) -> Vec<&str> {
    let texts = annotations.texts.iter();
    texts.map(|text| text.text.as_str()).collect()
}

#[test]
fn annotations_show_what_was_measured_on_every_camera() {
    // Given two cameras, of which the first loses the block half-way
    let (_guard, folder) = folder_with(&two_cameras());
    let settings = CUBE.to_owned()
        + &cameras()
        + "task: {pairs: [fingertip-cube]}\noutput: {annotations: true}\n";
    fs::write(folder.join("two.yaml"), settings).unwrap();
    // When the bag is labelled with annotations, in both storages
    for storage in ["mcap", "sqlite3"] {
        run(
            &folder,
            &[
                "label",
                "pick.mcap",
                "-o",
                storage,
                "--config",
                "two.yaml",
                "--storage",
                storage,
            ],
        )
        .expect_code(0);
        let out = folder.join(storage);
        // Then each camera has a message for each of its pictures, with the picture's stamp
        let front = annotations(&out, &format!("{IMAGE}/annotations"));
        let side = annotations(&out, "/side/color/image_raw/annotations");
        let stamps = |all: &[(i64, ImageAnnotations)]| -> Vec<i64> {
            all.iter()
                .map(|(_, shown)| shown.timestamp.nanos())
                .collect()
        };
        let expected: Vec<i64> = (0..8).map(|index| START + index * PERIOD).collect();
        assert_eq!(
            (stamps(&front), stamps(&side)),
            (expected.clone(), expected)
        );
        // and the boxes that were measured in it, named, with the distance that the table has
        let distances = numbers(&out, "reward.spatial.pair.fingertip-cube.distance_m");
        for index in [0_usize, 3] {
            let distance = format!("{:.1} cm", distances[index] * 100.0);
            for (_, shown) in [&front[index], &side[index]] {
                assert_eq!(words(shown), ["fingertip", "cube", distance.as_str()]);
            }
            let bbox = instant(index as i64, 8).target.unwrap();
            let corner = front[index].1.points[1].points[0];
            assert_eq!((corner.x, corner.y), (bbox[0], bbox[1]));
        }
        // and where the first camera lost it, it says whose the distance is
        let distance = format!("{:.1} cm", distances[7] * 100.0);
        let carried = words(&side[7].1);
        assert_eq!(carried[..3], ["fingertip", "cube", distance.as_str()]);
        let lost = words(&front[7].1);
        assert!(
            lost.contains(&format!("fingertip-cube {distance} (side)").as_str()),
            "{lost:?}"
        );
    }
}

#[test]
fn after_a_clock_was_set_back_the_other_camera_showed_the_first_runs_boxes() {
    // Given a simulator that is reset after 24 frames: the same stamps come again a minute later, and the bar goes back
    let count = 24;
    let run_of = |is_second: bool| {
        let mirrored = move |index: i64| match is_second {
            true => count - 1 - index,
            false => index,
        };
        let later = i64::from(is_second) * 60_000_000_000;
        let mut recording = approach_with(count, |index, now| {
            let shown = instant(mirrored(index), count);
            (now.color, now.depth_m, now.fingertip) = (shown.color, shown.depth_m, shown.fingertip);
            now.log_time += later;
        })
        .with_second_camera("/side", b"side00");
        for index in 0..count {
            let stamp = START + index * PERIOD;
            let shown = instant(mirrored(index), count);
            let boxes = [
                ("fingertip", shown.fingertip.unwrap()),
                ("target", shown.target.unwrap()),
            ];
            let log_time = stamp + later + 3_000_000;
            let data = detections(stamp, &boxes);
            recording.push("/side/detections", DETECTION_TYPE, log_time, data);
        }
        recording
    };
    let (_guard, folder) = folder_with(&run_of(false).and(&run_of(true)));
    let settings = CUBE.to_owned()
        + &cameras()
        + "task: {pairs: [fingertip-cube]}\noutput: {annotations: true}\n";
    fs::write(folder.join("two.yaml"), settings).unwrap();
    // When it is labelled
    run(
        &folder,
        &["label", "pick.mcap", "-o", "out", "--config", "two.yaml"],
    )
    .expect_code(0);
    // Then each picture of each camera shows the boxes of its own run, with the distance of the step beside it
    let out = folder.join("out");
    let distances = numbers(&out, "reward.spatial.pair.fingertip-cube.distance_m");
    assert_eq!(distances.len(), 2 * count as usize);
    let front = annotations(&out, &format!("{IMAGE}/annotations"));
    let side = annotations(&out, "/side/color/image_raw/annotations");
    assert_eq!(
        (front.len(), side.len()),
        (distances.len(), distances.len())
    );
    for at in 0..distances.len() {
        let index = at as i64 % count;
        let is_second = at as i64 >= count;
        let shown = if is_second { count - 1 - index } else { index };
        let left = instant(shown, count).fingertip.unwrap()[0];
        let distance = format!("{:.1} cm", distances[at] * 100.0);
        for (time, shows) in [&front[at], &side[at]] {
            let corner = shows.points[0].points[0];
            assert!((corner.x - left).abs() < 1e-6, "{at}: {corner:?}");
            assert_eq!(words(shows)[2], distance, "{at}");
            assert_eq!(*time - shows.timestamp.nanos() > 1_000_000_000, is_second);
        }
    }
}

#[test]
fn annotations_of_somebody_else_stay_and_our_own_are_replaced() {
    // Given a recording in which a detector has left annotations of its own
    let mut recording = approach(4);
    let beside = format!("{IMAGE}/annotations");
    let theirs = ImageAnnotations::default().encode().unwrap();
    recording.push(&beside, image_annotations::TYPE_NAME, START, theirs.clone());
    let (_guard, folder) = folder_with(&recording);
    fs::write(folder.join("on.yaml"), "output: {annotations: true}\n").unwrap();
    // When it is labelled, and a bag without those is labelled twice
    run(
        &folder,
        &["label", "pick.mcap", "-o", "theirs", "--config", "on.yaml"],
    )
    .expect_code(0);
    let (_other, plain) = folder_with(&approach(4));
    fs::write(plain.join("on.yaml"), "output: {annotations: true}\n").unwrap();
    run(
        &plain,
        &["label", "pick.mcap", "-o", "once", "--config", "on.yaml"],
    )
    .expect_code(0);
    run(
        &plain,
        &["label", "once", "-o", "twice", "--config", "on.yaml"],
    )
    .expect_code(0);
    // Then theirs is there as it was with ours beside it, and of ours there is one a picture
    let out = folder.join("theirs");
    let kept: Vec<Vec<u8>> = (messages(&out).into_iter())
        .filter(|(topic, _)| *topic == beside)
        .map(|(_, message)| message.data.to_vec())
        .collect();
    assert_eq!(kept, [theirs]);
    let ours = annotations(&out, &format!("{beside}/spatial_reward"));
    assert_eq!(ours.len(), 4);
    let distances = numbers(&out, "reward.spatial.distance_m");
    let distance = format!("{:.1} cm", distances[2] * 100.0);
    assert_eq!(
        words(&ours[2].1),
        ["fingertip", "target", distance.as_str()]
    );
    assert_eq!(annotations(&plain.join("twice"), &beside).len(), 4);
    // and without the setting there are none
    run(&plain, &["label", "pick.mcap", "-o", "off"]).expect_code(0);
    assert!(annotations(&plain.join("off"), &beside).is_empty());
}

#[test]
fn a_region_at_a_frame_leans_as_its_frame_does() {
    // Given a recording in which the cup's frame leans by a fifth of a radian more with every frame
    let mut recording = approach_with_tf(8);
    for index in 0..8 {
        let instant = instant(index, 8);
        let (sin, cos) = (0.1 * index as f64).sin_cos();
        let data = transform(instant.stamp, "cup", "lid", [0.0; 3], [sin, 0.0, 0.0, cos]);
        recording.push(TF, TF_TYPE, instant.log_time, data);
    }
    let (_guard, folder) = folder_with(&recording);
    let settings = "
regions:
  fingertip: {frame: tip, size_m: 0.1}
  cup: {frame: lid, size_m: 0.15}
reward: {kind: task}
task:
  pairs: [fingertip-cup]
  phases:
    - name: pour
      potential: {tilt: cup, goal: 1.05, from: 0}
      next: [{to: success, when: [{tilt: cup, above: 1.05}]}]
";
    fs::write(folder.join("pour.yaml"), settings).unwrap();
    // When
    run(
        &folder,
        &["label", "pick.mcap", "-o", "out", "--config", "pour.yaml"],
    )
    .expect_code(0);
    // Then each step has its tilt, exactly, and from 60 degrees on it is poured
    let told: Vec<(usize, TaskReward)> = (messages(&folder.join("out")).into_iter())
        .filter(|(topic, _)| topic == TASK)
        .map(|(_, message)| task_reward::decode(&message.data).unwrap())
        .enumerate()
        .collect();
    assert_eq!(told.len(), 8);
    for (index, task) in told {
        assert_eq!(task.quantity_names, ["tilt cup"]);
        let off = task.quantity_values[0] - 0.2 * index as f64;
        assert!(off.abs() < 1e-6 && task.quantity_std[0] == 0.0, "{task:?}");
        let expected = if index < 6 { "pour" } else { "success" };
        assert_eq!(task.phase, expected, "{index}");
    }
}

#[test]
fn what_a_task_lacks_is_said_by_name() {
    let (_guard, folder) = folder_with(&approach(4));
    let refused = |settings: &str, words: &[&str]| {
        fs::write(folder.join("task.yaml"), settings).unwrap();
        run(
            &folder,
            &["label", "pick.mcap", "-o", "out", "--config", "task.yaml"],
        )
        .expect_error(words);
        assert!(!folder.join("out").exists());
    };
    refused(
        &(CUBE.to_owned() + REACH),
        &["/joints", "sensor_msgs/msg/JointState"],
    );
    refused("reward: {kind: task}", &["task.phases"]);
    refused(
        &(CUBE.replace("/target/detections", "/nowhere") + "task: {pairs: [fingertip-cube]}"),
        &["/nowhere"],
    );
}
