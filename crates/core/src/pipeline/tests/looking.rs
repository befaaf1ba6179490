//! What was decoded to follow regions is not decoded again to measure between them.

use super::measure::{Measured, Measurer, Task};
use super::*;
use crate::geometry::GeometryEstimator;
use crate::messages::Decoder;
use crate::random::Random;

const IMAGE: &str = "sensor_msgs/msg/Image";
const SIDE: u32 = 96;

/// A message in CDR: an empty header, height, width, encoding, order, step, data.
fn encoded(encoding: &str, bytes_a_pixel: u32, data: &[u8]) -> Bytes {
    let mut message = vec![0, 1, 0, 0];
    message.extend([0; 8]);
    message.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend(
        [SIDE, SIDE, encoding.len() as u32 + 1]
            .map(u32::to_le_bytes)
            .as_flattened(),
    );
    message.extend(encoding.bytes());
    message.extend([0, 0]);
    while message.len() % 4 != 0 {
        message.push(0);
    }
    message.extend(
        [SIDE * bytes_a_pixel, data.len() as u32]
            .map(u32::to_le_bytes)
            .as_flattened(),
    );
    message.extend(data);
    message.into()
}

/// Two things before a wall, in colours of their own.
fn frame() -> MatchedFrame {
    let (fingertip, target) = (
        BoundingBox::new(20.0, 30.0, 44.0, 60.0),
        BoundingBox::new(54.0, 34.0, 80.0, 66.0),
    );
    let mut random = Random(7);
    let (mut color, mut depth) = (Vec::new(), Vec::new());
    for pixel in 0..SIDE * SIDE {
        let (x, y) = (f64::from(pixel % SIDE), f64::from(pixel / SIDE));
        let is_in = |bbox: &BoundingBox| {
            (bbox.x_min..bbox.x_max).contains(&x) && (bbox.y_min..bbox.y_max).contains(&y)
        };
        let (rgb, millimetres) = match (is_in(&fingertip), is_in(&target)) {
            (true, _) => ([200, 40, 40], 600),
            (_, true) => ([40, 60, 200], 620),
            _ => ([120, 120, 120], 1000),
        };
        color.extend(rgb.map(|value: u8| value + (random.unit() * 20.0) as u8));
        depth.extend((millimetres as u16 + (random.unit() * 4.0) as u16).to_le_bytes());
    }
    let mut frame = Script::images_only("");
    frame.image(1000);
    let mut frame = frame.only();
    frame.image = encoded("rgb8", 3, &color);
    frame.depth = Some(encoded("16UC1", 2, &depth));
    frame.intrinsics = Some(Intrinsics {
        width: SIDE,
        height: SIDE,
        fx: 80.0,
        fy: 80.0,
        cx: 48.0,
        cy: 48.0,
        distortion: Distortion::None,
    });
    frame.info.reason = None;
    (frame.info.fingertip, frame.info.target) = (Some(fingertip), Some(target));
    frame
}

fn measured(frame: MatchedFrame, look: Option<Look>) -> Measured {
    with_measurer(|measurer| {
        measurer.measure_one(Task {
            frame,
            look,
            keep_color: true,
        })
    })
}

fn look(frame: &MatchedFrame) -> Option<Look> {
    with_measurer(|measurer| measurer.look(frame))
}

fn with_measurer<T>(work: impl FnOnce(&Measurer<'_>) -> T) -> T {
    let settings = Settings::geometry();
    let estimator = GeometryEstimator::new(&settings.geometry);
    let decoder = || Decoder::for_channel(IMAGE, None).unwrap();
    work(&Measurer {
        estimator: &estimator,
        image: decoder(),
        depth: Some(decoder()),
        registration: None,
        regions: settings.regions.clone(),
        transforms: None,
    })
}

#[test]
fn what_was_looked_at_measures_the_same_to_the_last_bit() {
    // given a frame that is measured, and the same one that somebody has looked at
    let alone = measured(frame(), None);
    let after_a_look = measured(frame(), look(&frame()));
    // then both are the same, also the picture that is given back
    assert!(alone.measurement.as_ref().unwrap().surface_m.unwrap() > 0.0);
    assert_eq!(alone.measurement, after_a_look.measurement);
    assert_eq!(alone.info, after_a_look.info);
    let pixels = |measured: &Measured| measured.color.as_ref().unwrap().pixels().unwrap().clone();
    assert_eq!(pixels(&alone), pixels(&after_a_look));
    assert!(after_a_look.broken.is_none() && after_a_look.latency.decode_s > 0.0);
}

#[test]
fn a_picture_that_was_looked_at_was_decoded_a_second_time() {
    // given a frame whose messages do not decode any more once somebody has looked at it
    let look = look(&frame());
    let mut gone = frame();
    gone.image = Bytes::from_static(b"gone");
    gone.depth = Some(Bytes::from_static(b"gone"));
    assert_eq!(
        measured(gone.clone(), None).measurement,
        Err(Reason::NoImage)
    );
    // then it is measured all the same
    assert_eq!(
        measured(gone, look).measurement,
        measured(frame(), None).measurement
    );
}

#[test]
fn depth_that_did_not_decode_is_told_when_it_is_measured() {
    // given a look at a frame with broken depth
    let mut broken = frame();
    broken.depth = Some(Bytes::from_static(b"no depth"));
    let look = look(&broken);
    assert!(look.as_ref().unwrap().picture().1.is_none());
    // then why is told as it is of a frame that nobody looked at
    let (alone, after) = (measured(broken.clone(), None), measured(broken, look));
    assert_eq!(after.measurement, Err(Reason::DepthInvalid));
    assert_eq!(after.broken.unwrap().why, alone.broken.unwrap().why);
}
