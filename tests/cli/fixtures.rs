//! Small recordings built in code: a camera looks at a wall, in front of it a block (the target)
//! and a bar (the fingertip) that comes closer frame by frame. And a way to run the program. In one file, because every
//! test takes all of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;

use image::{ImageBuffer, ImageFormat, Luma, RgbImage};
use mcap::WriteOptions;
use mcap::records::MessageHeader;
use serde::Serialize;
use serde_json::Value;
use spatial_reward::bag::{BagMessage, BagReader};
use spatial_reward::estimator::{Estimator, RegionNetworks};
use spatial_reward::label::output::IfExists;
use spatial_reward::label::roles::TruthTopics;
use spatial_reward::label::{LabelRequest, Labelled, label};
use spatial_reward::messages::{
    CameraInfo, CompressedImage, Float64, Header, Image, PointStamped, RegionOfInterest,
    StepReward, Time, step_reward,
};
use spatial_reward::settings::Settings;
use spatial_reward::video::VideoDecoders;

pub(crate) const START: i64 = 1_760_000_000_000_000_000;
pub(crate) const PERIOD: i64 = 66_666_667;
pub(crate) const WIDTH: u32 = 160;
pub(crate) const HEIGHT: u32 = 120;
pub(crate) const FOCAL_PX: f64 = 150.0;
pub(crate) const WALL_M: f64 = 1.0;
pub(crate) const OBJECTS_M: f64 = 0.8;

pub(crate) const IMAGE: &str = "/camera/color/image_raw";
pub(crate) const COMPRESSED: &str = "/camera/color/image_raw/compressed";
pub(crate) const DEPTH: &str = "/camera/aligned_depth_to_color/image_raw";
pub(crate) const CAMERA_INFO: &str = "/camera/color/camera_info";
pub(crate) const FINGERTIP: &str = "/fingertip/detections";
pub(crate) const TARGET: &str = "/target/detections";
pub(crate) const REWARDS: &str = "/spatial_reward/step_reward";

/// The wire form of vision_msgs/Detection2DArray since version 3.
#[derive(Serialize)]
struct Detections {
    header: Header,
    detections: Vec<Detection>,
}

#[derive(Serialize)]
struct Detection {
    header: Header,
    results: Vec<Hypothesis>,
    /// Centre x, y, angle, width, height.
    bbox: [f64; 5],
    id: String,
}

/// Class id, score, pose, covariance.
type Hypothesis = (String, f64, [f64; 7], [[f64; 6]; 6]);

/// A box in pixels: left, top, right, bottom.
pub(crate) type Pixels = [f64; 4];

/// A recording in the making: topics with their types, and messages.
#[derive(Default, Clone)]
pub(crate) struct Recording {
    topics: Vec<(String, String)>,
    messages: Vec<Recorded>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub topic: String,
    pub log_time: i64,
    pub data: Vec<u8>,
}

/// One instant of the scene, to be changed before it is recorded.
#[derive(Clone)]
pub(crate) struct Instant {
    pub stamp: i64,
    pub log_time: i64,
    pub fingertip: Option<Pixels>,
    pub target: Option<Pixels>,
    pub color: Vec<u8>,
    pub depth_m: Vec<f32>,
}

/// Where things are in the picture of frame `index` of an approach of `count` frames.
pub(crate) fn instant(index: i64, count: i64) -> Instant {
    let left = 10.0 + 40.0 * index as f64 / count as f64;
    let fingertip = [left, 50.0, left + 30.0, 70.0];
    let target = [100.0, 45.0, 130.0, 75.0];
    let stamp = START + index * PERIOD;
    let (mut color, mut depth_m) = (Vec::new(), Vec::new());
    for pixel in 0..WIDTH * HEIGHT {
        let (x, y) = (f64::from(pixel % WIDTH), f64::from(pixel / WIDTH));
        let inside = |b: Pixels| (b[0]..b[2]).contains(&x) && (b[1]..b[3]).contains(&y);
        let (rgb, metres) = match (inside(fingertip), inside(target)) {
            (true, _) => ([40, 40, 60], OBJECTS_M),
            (_, true) => ([180, 40, 30], OBJECTS_M),
            _ => ([210, 200, 180], WALL_M),
        };
        color.extend(rgb);
        depth_m.push(metres as f32);
    }
    Instant {
        stamp,
        log_time: stamp + 2_000_000,
        fingertip: Some(fingertip),
        target: Some(target),
        color,
        depth_m,
    }
}

/// The gap between bar and block in frame `index`, in metres.
pub(crate) fn gap_m(index: i64, count: i64) -> f64 {
    (100.0 - 40.0 - 40.0 * index as f64 / count as f64) * OBJECTS_M / FOCAL_PX
}

/// An approach of `count` frames with everything that labelling needs.
pub(crate) fn approach(count: i64) -> Recording {
    approach_with(count, |_, _| {})
}

/// The same, with each instant changed before it is recorded.
pub(crate) fn approach_with(count: i64, change: impl Fn(i64, &mut Instant)) -> Recording {
    let mut recording = Recording::default();
    for index in 0..count {
        let mut instant = instant(index, count);
        change(index, &mut instant);
        recording.record(&instant);
    }
    recording
}

impl Recording {
    /// Add a message, declaring its topic on first use.
    pub(crate) fn push(&mut self, topic: &str, type_name: &str, log_time: i64, data: Vec<u8>) {
        self.declare(topic, type_name);
        self.messages.push(Recorded {
            topic: topic.to_owned(),
            log_time,
            data,
        });
    }

    pub(crate) fn declare(&mut self, topic: &str, type_name: &str) {
        if !self.topics.iter().any(|(name, _)| name == topic) {
            self.topics.push((topic.to_owned(), type_name.to_owned()));
        }
    }

    /// Record one instant on the usual topics.
    pub(crate) fn record(&mut self, instant: &Instant) {
        let Instant {
            stamp, log_time, ..
        } = *instant;
        self.push(
            IMAGE,
            "sensor_msgs/msg/Image",
            log_time,
            color_image(stamp, &instant.color),
        );
        self.push(
            CAMERA_INFO,
            "sensor_msgs/msg/CameraInfo",
            log_time,
            camera_info(stamp, WIDTH, HEIGHT),
        );
        self.push(
            DEPTH,
            "sensor_msgs/msg/Image",
            log_time,
            depth_image(stamp, &instant.depth_m),
        );
        let sides = [
            (FINGERTIP, "fingertip", instant.fingertip),
            (TARGET, "target", instant.target),
        ];
        for (topic, class, pixels) in sides {
            let data = detections(
                stamp,
                &pixels
                    .map(|pixels| (class, pixels))
                    .into_iter()
                    .collect::<Vec<_>>(),
            );
            self.push(topic, DETECTION_TYPE, log_time + 1_000_000, data);
        }
    }

    /// Record the truth of an approach of `count` frames.
    pub(crate) fn with_truth(mut self, count: i64) -> Self {
        for index in 0..count {
            let log_time = START + index * PERIOD + 2_000_000;
            let stamp = START + index * PERIOD;
            let gap = gap_m(index, count);
            for (topic, x) in [
                ("/ground_truth/fingertip", 0.0),
                ("/ground_truth/target", gap + 0.16),
            ] {
                let point = PointStamped {
                    header: header(stamp),
                    point: [x, 0.0, OBJECTS_M],
                };
                self.push(
                    topic,
                    "geometry_msgs/msg/PointStamped",
                    log_time,
                    cdr(&point),
                );
            }
            let distance = cdr(&Float64 { data: gap });
            self.push(
                "/ground_truth/surface_distance",
                "std_msgs/msg/Float64",
                log_time,
                distance,
            );
        }
        self
    }

    /// Take topics away.
    pub(crate) fn without(mut self, topic: &str) -> Self {
        self.topics.retain(|(name, _)| name != topic);
        self.messages.retain(|message| message.topic != topic);
        self
    }

    /// Call a topic something else.
    pub(crate) fn renamed(mut self, from: &str, to: &str) -> Self {
        let names = self.topics.iter_mut().map(|(name, _)| name);
        let names = names.chain(self.messages.iter_mut().map(|message| &mut message.topic));
        for name in names.filter(|name| *name == from) {
            *name = to.to_owned();
        }
        self
    }

    /// Put a topic's headers into another coordinate frame. Its name has as many letters as that of all others.
    pub(crate) fn in_frame(mut self, topic: &str, frame: &[u8; 6]) -> Self {
        for message in self.messages.iter_mut().filter(|it| it.topic == topic) {
            let starts = 0..message.data.len().saturating_sub(frame.len());
            for at in starts {
                if message.data[at..].starts_with(FRAME.as_bytes()) {
                    message.data[at..at + frame.len()].copy_from_slice(frame);
                }
            }
        }
        self
    }

    /// The same with all topics of the first namespace twice, the second time in another namespace and frame.
    pub(crate) fn with_second_camera(mut self, namespace: &str, frame: &[u8; 6]) -> Self {
        for (name, type_name) in self.topics.clone() {
            let Some(own) = name.strip_prefix("/camera") else {
                continue;
            };
            let other = format!("{namespace}{own}");
            for message in self.of(&name) {
                self.push(&other, &type_name, message.log_time, message.data);
            }
            self = self.in_frame(&other, frame);
        }
        self
    }

    /// What another recording has behind it.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        for (name, type_name) in &other.topics {
            self.declare(name, type_name);
        }
        self.messages.extend(other.messages.iter().cloned());
        self
    }

    /// Replace the data of a topic's messages.
    pub(crate) fn with_data(
        mut self,
        topic: &str,
        type_name: &str,
        data: impl Fn(i64) -> Vec<u8>,
    ) -> Self {
        for (name, its_type) in &mut self.topics {
            if name == topic {
                *its_type = type_name.to_owned();
            }
        }
        let of_topic = self
            .messages
            .iter_mut()
            .filter(|message| message.topic == topic);
        for (index, message) in (0..).zip(of_topic) {
            message.data = data(index);
        }
        self
    }

    /// A topic whose messages were recorded later.
    pub(crate) fn logged_later(mut self, topic: &str, by_nanos: i64) -> Self {
        let of_topic = self
            .messages
            .iter_mut()
            .filter(|message| message.topic == topic);
        of_topic.for_each(|message| message.log_time += by_nanos);
        self
    }

    /// Images with other stamps, which are told from their places and their own.
    pub(crate) fn with_image_stamps(self, stamp: impl Fn(i64, i64) -> i64) -> Self {
        let pictures: Vec<Vec<u8>> = (self.of(IMAGE).into_iter().zip(0..))
            .map(|(message, index)| {
                let stamp = Time::from_nanos(stamp(index, START + index * PERIOD));
                let mut data = message.data;
                data[4..8].copy_from_slice(&stamp.sec.to_le_bytes());
                data[8..12].copy_from_slice(&stamp.nanosec.to_le_bytes());
                data
            })
            .collect();
        self.with_data(IMAGE, "sensor_msgs/msg/Image", |index| {
            pictures[index as usize].clone()
        })
    }

    /// A topic with those of its messages alone, told from their places.
    pub(crate) fn only(mut self, topic: &str, is_kept: impl Fn(i64) -> bool) -> Self {
        let mut index = -1;
        self.messages.retain(|message| {
            index += i64::from(message.topic == topic);
            message.topic != topic || is_kept(index)
        });
        self
    }

    /// Every topic with its type.
    pub(crate) fn types(&self) -> Vec<(String, String)> {
        self.topics.clone()
    }

    /// Every message.
    pub(crate) fn all(&self) -> &[Recorded] {
        &self.messages
    }

    /// The messages of a topic.
    pub(crate) fn of(&self, topic: &str) -> Vec<Recorded> {
        self.messages
            .iter()
            .filter(|message| message.topic == topic)
            .cloned()
            .collect()
    }

    /// An MCAP file of the recording, in chunks so small that a cut leaves some.
    pub(crate) fn mcap(&self) -> Vec<u8> {
        let options = WriteOptions::new()
            .profile("ros2")
            .compression(Some(mcap::Compression::Zstd))
            .chunk_size(Some(64 * 1024));
        let mut writer = options.create(Cursor::new(Vec::new())).unwrap();
        let mut channels = BTreeMap::new();
        for (topic, type_name) in &self.topics {
            // Without a definition, as recorders write it whose machine lacks the package.
            let schema = writer.add_schema(type_name, "", b"").unwrap();
            let channel = writer
                .add_channel(schema, topic, "cdr", &BTreeMap::new())
                .unwrap();
            channels.insert(topic.clone(), channel);
        }
        let mut messages: Vec<&Recorded> = self.messages.iter().collect();
        messages.sort_by_key(|message| message.log_time);
        for (sequence, message) in (0..).zip(messages) {
            let header = MessageHeader {
                channel_id: channels[&message.topic],
                sequence,
                log_time: message.log_time.cast_unsigned(),
                publish_time: message.log_time.cast_unsigned(),
            };
            writer
                .write_to_known_channel(&header, &message.data)
                .unwrap();
        }
        writer.finish().unwrap();
        writer.into_inner().into_inner()
    }

    /// Write it as a bare MCAP file.
    pub(crate) fn save(&self, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.mcap()).unwrap();
    }
}

/// The coordinate frame of every header.
const FRAME: &str = "camera";

pub(crate) const DETECTION_TYPE: &str = "vision_msgs/msg/Detection2DArray";

pub(crate) fn header(stamp: i64) -> Header {
    Header {
        stamp: Time::from_nanos(stamp),
        frame_id: FRAME.to_owned(),
    }
}

pub(crate) fn cdr<T: Serialize>(message: &T) -> Vec<u8> {
    let body = re_cdr::to_vec::<T, re_cdr::LittleEndian>(message).unwrap();
    [&[0, 1, 0, 0], body.as_slice()].concat()
}

/// The inverse of `cdr`.
pub(crate) fn from_cdr<T: serde::de::DeserializeOwned>(data: &[u8]) -> T {
    re_cdr::from_bytes::<T, re_cdr::LittleEndian>(&data[4..])
        .unwrap()
        .0
}

pub(crate) fn raw_image(
    stamp: i64,
    encoding: &str,
    width: u32,
    height: u32,
    data: &[u8],
) -> Vec<u8> {
    cdr(&Image {
        header: header(stamp),
        height,
        width,
        encoding,
        is_bigendian: 0,
        step: data.len() as u32 / height,
        data,
    })
}

pub(crate) fn color_image(stamp: i64, rgb: &[u8]) -> Vec<u8> {
    raw_image(stamp, "rgb8", WIDTH, HEIGHT, rgb)
}

pub(crate) fn depth_image(stamp: i64, depth_m: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = depth_m
        .iter()
        .flat_map(|metres| metres.to_le_bytes())
        .collect();
    raw_image(stamp, "32FC1", WIDTH, HEIGHT, &data)
}

/// The same in whole millimetres.
pub(crate) fn depth_millimetres(stamp: i64, encoding: &str, depth_m: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = millimetres(depth_m).flat_map(u16::to_le_bytes).collect();
    raw_image(stamp, encoding, WIDTH, HEIGHT, &data)
}

/// As image_transport's compressed_depth sends it.
pub(crate) fn compressed_depth(stamp: i64, depth_m: &[f32]) -> Vec<u8> {
    let pixels: Vec<u16> = millimetres(depth_m).collect();
    let picture = ImageBuffer::<Luma<u16>, _>::from_raw(WIDTH, HEIGHT, pixels).unwrap();
    let mut file = Cursor::new(vec![0; 12]);
    file.set_position(12);
    picture.write_to(&mut file, ImageFormat::Png).unwrap();
    compressed_image(stamp, "16UC1; compressedDepth png", &file.into_inner())
}

fn millimetres(depth_m: &[f32]) -> impl Iterator<Item = u16> {
    depth_m
        .iter()
        .map(|metres| (metres * 1000.0).round() as u16)
}

pub(crate) fn jpeg_message(stamp: i64, jpeg: &[u8]) -> Vec<u8> {
    compressed_image(stamp, "rgb8; jpeg compressed bgr8", jpeg)
}

pub(crate) fn compressed_image(stamp: i64, format: &str, data: &[u8]) -> Vec<u8> {
    cdr(&CompressedImage {
        header: header(stamp),
        format,
        data,
    })
}

pub(crate) fn jpeg(rgb: &[u8]) -> Vec<u8> {
    let picture = RgbImage::from_raw(WIDTH, HEIGHT, rgb.to_vec()).unwrap();
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

pub(crate) fn camera_info(stamp: i64, width: u32, height: u32) -> Vec<u8> {
    let (cx, cy) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    let focal = FOCAL_PX * f64::from(width) / f64::from(WIDTH);
    cdr(&CameraInfo {
        header: header(stamp),
        height,
        width,
        distortion_model: "plumb_bob".to_owned(),
        d: vec![0.0; 5],
        k: [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0],
        r: [0.0; 9],
        p: [0.0; 12],
        binning_x: 0,
        binning_y: 0,
        roi: RegionOfInterest::default(),
    })
}

/// Boxes with their class ids.
pub(crate) fn detections(stamp: i64, boxes: &[(&str, Pixels)]) -> Vec<u8> {
    let nameless: Vec<_> = boxes
        .iter()
        .map(|(class, bbox)| (*class, "", *bbox))
        .collect();
    identified_detections(stamp, &nameless)
}

/// Centre x, y, angle, width, height.
fn centred([left, top, right, bottom]: Pixels) -> [f64; 5] {
    let center = [(left + right) / 2.0, (top + bottom) / 2.0];
    [center[0], center[1], 0.0, right - left, bottom - top]
}

/// Boxes with their class ids and their own.
pub(crate) fn identified_detections(stamp: i64, boxes: &[(&str, &str, Pixels)]) -> Vec<u8> {
    let detection = |(class, id, pixels): &(&str, &str, Pixels)| Detection {
        header: header(stamp),
        results: vec![((*class).to_owned(), 0.9, [0.0; 7], [[0.0; 6]; 6])],
        bbox: centred(*pixels),
        id: (*id).to_owned(),
    };
    cdr(&Detections {
        header: header(stamp),
        detections: boxes.iter().map(detection).collect(),
    })
}

/// Boxes without hypotheses, in an array without a header: each detection has an id and a stamp of its own.
pub(crate) fn bare_detections(boxes: &[(&str, i64, Pixels)]) -> Vec<u8> {
    let detection = |(id, stamp, pixels): &(&str, i64, Pixels)| Detection {
        header: header(*stamp),
        results: Vec::new(),
        bbox: centred(*pixels),
        id: (*id).to_owned(),
    };
    cdr(&Detections {
        header: Header::default(),
        detections: boxes.iter().map(detection).collect(),
    })
}

/// How a run of the program ended.
pub(crate) struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The JSON that was printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// It failed, wrote nothing to stdout, and said all of this.
    #[track_caller]
    pub(crate) fn expect_error(self, words: &[&str]) -> Self {
        let ended = self.expect_code(1);
        assert!(ended.stderr.contains("error: "), "{ended}");
        for word in words {
            assert!(ended.stderr.contains(word), "'{word}' is not said\n{ended}");
        }
        assert!(!ended.stderr.contains("panicked"), "{ended}");
        ended
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        write!(f, "exit code {code:?}\nstdout: {stdout}\nstderr: {stderr}")
    }
}

/// The program, to be run in `folder`.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spatial-reward"));
    command.current_dir(folder);
    command
}

/// Run the program in `folder`.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ended {
    Ended::of(&program(folder).args(arguments).output().unwrap())
}

/// All messages of a bag with their topics' names, in its order.
pub(crate) fn messages(bag: &Path) -> Vec<(String, BagMessage)> {
    let mut reader = BagReader::open(bag).unwrap();
    let mut messages = Vec::new();
    while let Some(message) = reader.next_message().unwrap() {
        let topic = reader.info().topics[message.topic].name.clone();
        messages.push((topic, message));
    }
    messages
}

/// The rewards of a labelled bag, with their log times.
pub(crate) fn rewards(bag: &Path) -> Vec<(i64, StepReward)> {
    messages(bag)
        .into_iter()
        .filter(|(topic, _)| topic == REWARDS)
        .map(|(_, message)| {
            (
                message.log_time_nanos,
                step_reward::decode(&message.data).unwrap(),
            )
        })
        .collect()
}

/// Names in a folder, hidden ones too, sorted.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A fresh folder holding the recording as `pick.mcap`.
pub(crate) fn folder_with(recording: &Recording) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    recording.save(&path.join("pick.mcap"));
    (folder, path)
}

/// The folder's `pick.mcap`, labelled in this process by an estimator, as `output` in the folder.
pub(crate) fn labelled_by(
    folder: &Path,
    output: &str,
    if_exists: IfExists,
    settings: &str,
    estimator: &dyn Estimator,
) -> Labelled {
    let request = LabelRequest {
        source: &folder.join("pick.mcap"),
        target: &folder.join(output),
        if_exists,
        settings: &Settings::from_yaml(settings).unwrap(),
        truth: &TruthTopics::default(),
        video: &VideoDecoders::none(),
        networks: &RegionNetworks::default(),
        jobs: 1,
        command: "",
        stop: &AtomicBool::new(false),
        note: &|_| {},
    };
    label(&request, estimator, &mut |_| {}).unwrap()
}

/// The topic that would be chosen for a role in `pick.mcap`.
pub(crate) fn chosen(folder: &Path, role: &str) -> String {
    let ended = run(folder, &["inspect", "pick.mcap", "--json"]).expect_code(0);
    ended.json()["roles"][role]["topic"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}
