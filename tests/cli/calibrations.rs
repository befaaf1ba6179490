//! Camera infos and pixels as drivers send them, each beside the sample bag as it was recorded: the distances are the
//! same, or the bag is refused by a name that helps.

use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use image::{DynamicImage, ImageFormat};
use spatial_reward::bag::BagReader;
use spatial_reward::messages::{CameraInfo, CompressedImage, Image, cdr as read_cdr};

use crate::fixtures::*;
use crate::model_fixtures::in_repository;

const RECTIFIED: &str = "/camera/color/image_rect_color/compressed";
/// So much of the sample is enough: two seconds.
const NANOS: i64 = 2_000_000_000;

/// The beginning of the sample bag.
static SAMPLE: LazyLock<Recording> = LazyLock::new(|| {
    let mut reader = BagReader::open(&in_repository("data/fetch_approach")).unwrap();
    let topics = reader.info().topics.clone();
    let mut recording = Recording::default();
    let mut begin = None;
    while let Some(message) = reader.next_message().unwrap() {
        let topic = &topics[message.topic];
        let begin = *begin.get_or_insert(message.log_time_nanos);
        if message.log_time_nanos < begin + NANOS && !topic.name.contains("ground_truth") {
            recording.push(
                &topic.name,
                &topic.type_name,
                message.log_time_nanos,
                message.data.to_vec(),
            );
        }
    }
    recording
});

/// The labels of the sample as it is: reason and distance of each step.
static RIGHT: LazyLock<Vec<(String, f64)>> = LazyLock::new(|| {
    let labels = labelled(&SAMPLE, "").0;
    assert!(
        labels
            .iter()
            .filter(|(reason, _)| reason.is_empty())
            .count()
            > 20
    );
    labels
});

/// Reason and distance of each step with these settings, and what was said.
fn labelled(recording: &Recording, settings: &str) -> (Vec<(String, f64)>, String) {
    let (_guard, folder) = folder_with(recording);
    std::fs::write(folder.join("settings.yaml"), settings).unwrap();
    let ended = label(&folder, &["--config", "settings.yaml"]).expect_code(0);
    let steps = rewards(&folder.join("out")).into_iter();
    let labels = steps.map(|(_, step)| (step.reason, step.distance_m));
    (labels.collect(), ended.stderr)
}

fn label(folder: &Path, arguments: &[&str]) -> Ended {
    run(
        folder,
        &[&["label", "pick.mcap", "-o", "out"], arguments].concat(),
    )
}

/// The same reasons, and distances no farther apart than this.
#[track_caller]
fn expect_right(labels: &[(String, f64)], within_m: f64, what: &str) {
    assert_eq!(labels.len(), RIGHT.len(), "{what}");
    for ((reason, distance_m), (right_reason, right_m)) in labels.iter().zip(RIGHT.iter()) {
        assert_eq!(reason, right_reason, "{what}");
        let off_m = (distance_m - right_m).abs();
        assert!(
            distance_m.is_nan() && right_m.is_nan() || off_m <= within_m,
            "{what}: {distance_m} instead of {right_m}"
        );
    }
}

/// The sample with each camera info changed; the number tells which one it is.
fn with_infos(change: impl Fn(usize, &mut CameraInfo)) -> Recording {
    let infos = SAMPLE.of(CAMERA_INFO);
    SAMPLE
        .clone()
        .with_data(CAMERA_INFO, "sensor_msgs/msg/CameraInfo", |index| {
            let index = usize::try_from(index).unwrap();
            let mut info = read_cdr::decode("", &infos[index].data).unwrap();
            change(index, &mut info);
            cdr(&info)
        })
}

/// The sample with each raw depth image changed.
fn with_depth(change: impl Fn(&mut Image<'_>, &mut Vec<u8>)) -> Recording {
    let images = SAMPLE.of(DEPTH);
    SAMPLE
        .clone()
        .with_data(DEPTH, "sensor_msgs/msg/Image", |index| {
            let mut image: Image<'_> =
                read_cdr::decode("", &images[usize::try_from(index).unwrap()].data).unwrap();
            let mut data = image.data.to_vec();
            change(&mut image, &mut data);
            cdr(&Image {
                data: &data,
                ..image
            })
        })
}

/// The sample's pictures in another format.
fn with_pictures(
    format: &str,
    is_changed: impl Fn(usize) -> bool,
    encode: impl Fn(&[u8]) -> Vec<u8>,
) -> Recording {
    let images = SAMPLE.of(COMPRESSED);
    SAMPLE
        .clone()
        .with_data(COMPRESSED, "sensor_msgs/msg/CompressedImage", |index| {
            let index = usize::try_from(index).unwrap();
            let image: CompressedImage<'_> = read_cdr::decode("", &images[index].data).unwrap();
            if !is_changed(index) {
                return images[index].data.clone();
            }
            let data = encode(image.data);
            cdr(&CompressedImage {
                format,
                data: &data,
                ..image
            })
        })
}

fn millimetres(data: &[u8]) -> impl Iterator<Item = u16> {
    data.as_chunks::<2>()
        .0
        .iter()
        .map(|v| u16::from_le_bytes(*v))
}

type Change = fn(&mut CameraInfo);

#[test]
fn a_lens_that_is_next_to_straight_is_read_from_every_driver() {
    // Given coefficients of next to nothing, as many and by the names that drivers write
    let drivers: [(&str, Change); 6] = [
        ("plumb_bob of 8", |info| {
            info.d = vec![1e-9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        }),
        ("plumb_bob of 8 with a denominator", |info| {
            info.d = vec![0.0, 0.0, 0.0, 0.0, 0.0, 1e-9, 0.0, 1e-9];
        }),
        ("rational of 12", |info| {
            info.distortion_model = "rational_polynomial".into();
            info.d = vec![0.0; 11];
            info.d.push(1e-9);
        }),
        ("rational of 14", |info| {
            info.distortion_model = "rational_polynomial".into();
            info.d = vec![0.0; 14];
            info.d[8] = 1e-9;
        }),
        ("rational of 14, tilted", |info| {
            info.distortion_model = "rational_polynomial".into();
            info.d = vec![0.0; 14];
            info.d[13] = 1e-9;
        }),
        ("rational of 5", |info| {
            info.distortion_model = "rational_polynomial".into();
            info.d = vec![1e-9, 0.0, 0.0, 0.0, 0.0];
        }),
    ];
    for (driver, change) in drivers {
        let recording = with_infos(|_, info| {
            info.distortion_model = "plumb_bob".into();
            change(info);
        });
        let (labels, said) = labelled(&recording, "");
        expect_right(&labels, 1e-6, driver);
        assert!(!said.contains("WARN"), "{said}");
    }
}

#[test]
fn a_fisheye_of_eight_coefficients_is_one_of_four_and_more_is_refused_by_name() {
    let fisheye = |d: &'static [f64]| {
        with_infos(move |_, info| {
            info.distortion_model = "equidistant".into();
            info.d = d.to_vec();
        })
    };
    let (four, _) = labelled(&fisheye(&[0.01, 0.0, 0.0, 0.0]), "");
    let (eight, _) = labelled(&fisheye(&[0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), "");
    assert_eq!(four, eight);
    let (_guard, folder) = folder_with(&fisheye(&[0.01, 0.0, 0.0, 0.0, 0.02, 0.0, 0.0, 0.0]));
    label(&folder, &[]).expect_error(&[CAMERA_INFO, "equidistant", "k1 k2 p1 p2 k3 k4 k5 k6"]);
}

#[test]
fn a_camera_info_that_lacks_a_part_of_itself_does_by_the_rest() {
    let parts: [(&str, Change); 5] = [
        ("only P", |info| {
            info.k = [0.0; 9];
            info.distortion_model = "rational_polynomial".into();
            info.d = vec![0.0; 8];
        }),
        ("only P, the identity for K", |info| {
            info.k = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        }),
        ("only K", |info| info.p = [0.0; 12]),
        ("no size", |info| (info.width, info.height) = (0, 0)),
        ("no size and no P", |info| {
            (info.width, info.height) = (0, 0);
            info.p = [0.0; 12];
        }),
    ];
    for (part, change) in parts {
        let (labels, said) = labelled(&with_infos(|_, info| change(info)), "");
        expect_right(&labels, 0.0, part);
        assert!(!said.contains("WARN"), "{said}");
    }
}

#[test]
fn binning_and_a_region_of_interest_lead_to_the_picture_whichever_matrix_counts() {
    // Given the camera info of a sensor with twice the pixels and a margin of 10 and 20, in K or in P
    let sensor = |info: &mut CameraInfo| {
        let twice = |k: f64, margin: f64| 2.0 * k + margin;
        let [fx, _, cx, _, fy, cy, ..] = info.k;
        let (fx, fy) = (twice(fx, 0.0), twice(fy, 0.0));
        let (cx, cy) = (twice(cx, 10.0), twice(cy, 20.0));
        info.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0];
        info.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0];
        (info.binning_x, info.binning_y) = (2, 2);
        info.roi.x_offset = 10;
        info.roi.y_offset = 20;
        info.roi.width = 2 * info.width;
        info.roi.height = 2 * info.height;
        (info.width, info.height) = (2 * info.width + 40, 2 * info.height + 40);
    };
    let (labels, _) = labelled(&with_infos(|_, info| sensor(info)), "");
    expect_right(&labels, 1e-9, "K");
    let only_p = with_infos(|_, info| {
        sensor(info);
        info.k = [0.0; 9];
    });
    let (labels, _) = labelled(&only_p, "");
    expect_right(&labels, 1e-9, "P");
}

/// The raw lens's camera info beside pictures that are rectified.
fn raw_lens(info: &mut CameraInfo) {
    info.d = vec![-0.35, 0.12, 0.0, 0.0, 0.0];
    info.k = [650.0, 0.0, 330.0, 0.0, 650.0, 235.0, 0.0, 0.0, 1.0];
}

#[test]
fn a_rectified_picture_was_measured_with_the_raw_lens_s_matrix() {
    let recording = with_infos(|_, info| raw_lens(info));
    for name in [
        RECTIFIED,
        "/camera/color/image_rect/compressed",
        "/camera/color/rect/image/compressed",
    ] {
        // When the picture's name says that it is rectified
        let (labels, said) = labelled(&recording.clone().renamed(COMPRESSED, name), "");
        // Then it is measured with P and no distortion, and nothing is odd about it
        expect_right(&labels, 0.0, name);
        assert!(!said.contains("WARN"), "{said}");
    }
    // And under another name when the user says so
    let (labels, _) = labelled(&recording, "topics: {rectification: rectified}");
    expect_right(&labels, 0.0, "topics.rectification");
    // And what is called raw is measured as before
    let (raw, _) = labelled(&recording, "");
    let differs = raw
        .iter()
        .zip(RIGHT.iter())
        .any(|(a, b)| (a.1 - b.1).abs() > 1e-3);
    assert!(differs);
}

#[test]
fn rectified_depth_is_measured_as_such_and_the_picture_s_name_that_disagrees_is_told() {
    let recording = with_infos(|_, info| raw_lens(info));
    let name = "/camera/aligned_depth_to_color/image_rect";
    let (labels, said) = labelled(&recording.renamed(DEPTH, name), "");
    expect_right(&labels, 0.0, name);
    assert!(said.contains("depth's topic is called rectified"), "{said}");
}

#[test]
fn camera_infos_that_are_empty_at_first_ended_the_run() {
    // Given a driver whose first second of camera infos is empty, longer than any wait
    let recording = with_infos(|index, info| {
        if index < 15 {
            (info.k, info.p) = ([0.0; 9], [0.0; 12]);
        }
    });
    assert!(SAMPLE.of(CAMERA_INFO).len() > 20);
    // When it is labelled
    let (labels, said) = labelled(&recording, "");
    // Then the first good one holds for the pictures before it too
    expect_right(&labels, 0.0, "empty at first");
    assert!(said.contains("give no intrinsics"), "{said}");
    // And a bad one among good ones is left out
    let one = with_infos(|index, info| {
        if index == 10 {
            info.k = [f64::NAN; 9];
            info.p = [0.0; 12];
        }
    });
    let (labels, said) = labelled(&one, "");
    expect_right(&labels, 0.0, "one bad");
    assert!(said.contains("left out"), "{said}");
}

#[test]
fn a_bag_without_one_good_camera_info_is_refused_with_what_is_wrong() {
    let recording = with_infos(|_, info| (info.k, info.p) = ([0.0; 9], [0.0; 12]));
    let (_guard, folder) = folder_with(&recording);
    label(&folder, &[]).expect_error(&[
        "no message on",
        CAMERA_INFO,
        "not calibrated",
        "--camera-info-topic",
    ]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
    // And one that nothing can be measured with is refused in time, not by the last message
    let tiny = with_infos(|_, info| info.k[0] = 5e-324);
    let (_guard, folder) = folder_with(&tiny);
    label(&folder, &[]).expect_error(&["focal length"]);
}

#[test]
fn depth_in_floats_of_millimetres_is_told_and_read_as_such() {
    let floats = with_depth(|image, data| {
        *data = millimetres(&data.clone())
            .flat_map(|value| f32::from(value).to_le_bytes())
            .collect();
        (image.encoding, image.step) = ("32FC1", image.width * 4);
    });
    let (_guard, folder) = folder_with(&floats);
    let ended = label(&folder, &[]);
    assert!(
        ended.stderr.contains("topics.depth_unit_m: 0.001") && ended.stderr.contains(DEPTH),
        "{ended}"
    );
    // When the user says what they count
    let (labels, said) = labelled(&floats, "topics: {depth_unit_m: 0.001}");
    expect_right(&labels, 1e-6, "32FC1");
    assert!(!said.contains("depth_unit_m"), "{said}");
}

#[test]
fn depth_in_whole_tenths_of_millimetres_is_read_as_such() {
    // 0 stays 0, and what does not fit is none
    let tenths = with_depth(|_, data| {
        *data = millimetres(&data.clone())
            .flat_map(|value| value.checked_mul(10).unwrap_or(0).to_le_bytes())
            .collect();
    });
    let (labels, _) = labelled(&tenths, "topics: {depth_unit_m: 0.0001}");
    expect_right(&labels, 1e-6, "16UC1");
}

#[test]
fn depth_whose_step_was_never_filled_in_is_read_by_its_size() {
    let (labels, _) = labelled(&with_depth(|image, _| image.step = 0), "");
    expect_right(&labels, 0.0, "step 0");
    let padded = with_depth(|image, data| {
        let row_bytes = image.width as usize * 2;
        let rows = data.chunks_exact(row_bytes);
        *data = rows.flat_map(|row| [row, &[7; 6]].concat()).collect();
        image.step = 0;
    });
    let (labels, _) = labelled(&padded, "");
    expect_right(&labels, 0.0, "step 0 with padding");
}

#[test]
fn pictures_in_webp_do_as_well() {
    let reencoded = |format: ImageFormat| {
        move |jpeg: &[u8]| {
            let picture: DynamicImage = image::load_from_memory(jpeg).unwrap();
            let mut file = Cursor::new(Vec::new());
            picture.write_to(&mut file, format).unwrap();
            file.into_inner()
        }
    };
    let webp = with_pictures("webp", |_| true, reencoded(ImageFormat::WebP));
    let (labels, _) = labelled(&webp, "");
    expect_right(&labels, 0.0, "WebP");
}

#[test]
fn a_topic_of_one_foreign_format_is_refused_whole() {
    // Given pictures in formats that are known by name or by their first bytes
    for (format, data, expected) in [
        (
            "rgb8; jxl compressed ",
            b"\xff\x0a\x01\x02".as_slice(),
            "JPEG XL",
        ),
        ("h264", b"\x00\x00\x00\x01\x67\x42", "H.264"),
        ("theora", b"\x12\x34\x56\x78", "theora"),
    ] {
        let recording = with_pictures(format, |_| true, |_| data.to_vec());
        let (_guard, folder) = folder_with(&recording);
        // Then the first ends the run
        label(&folder, &[]).expect_error(&[expected, COMPRESSED, "JPEG, PNG or WebP"]);
        assert_eq!(names_in(&folder), ["pick.mcap"]);
    }
    // And one that nobody knows, when the first ten are of it
    let unknown = |is_changed: fn(usize) -> bool| {
        with_pictures("new", is_changed, |_| b"\x12\x34\x56\x78".to_vec())
    };
    let (_guard, folder) = folder_with(&unknown(|_| true));
    label(&folder, &[]).expect_error(&["first 10 images", COMPRESSED, "12 34 56 78"]);
    // But not when they are broken messages before good ones
    let (labels, _) = labelled(&unknown(|index| index < 3), "");
    let broken = labels.iter().filter(|(reason, _)| reason == "no_image");
    assert_eq!(broken.count(), 3);
    assert_eq!(labels[3..], RIGHT[3..]);
}
