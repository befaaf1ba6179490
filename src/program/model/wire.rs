//! How a build without the model asks a process of one that has it: a line of JSON for what is small, and after it the
//! pixels as they are. Numbers go as their bits, so that none is rounded on the way.

use std::io::{self, BufRead, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::frame::{
    Answer, BoundingBox, ColorImage, DepthImage, Distortion, Frame, Intrinsics, Measurement,
    Reason, Regions,
};

/// What is asked for first.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The settings, as YAML.
    pub config: String,
}

/// What comes of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Greeting {
    Ready(Properties),
    Refused(String),
}

/// What an estimator says of itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct Properties {
    pub batch: usize,
    pub in_order: bool,
    pub least_m: f64,
    pub is_calibrated: bool,
    pub model_digest: String,
    pub prompt: String,
    pub calibration: Option<Calibration>,
}

/// Frames to measure together, in a line that the pixels of each follow: its colour, then its depth.
#[derive(Serialize, Deserialize)]
pub(crate) struct Asked {
    pub frames: Vec<AskedFrame>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AskedFrame {
    episode: u64,
    stamp_nanos: i64,
    color: (u32, u32),
    depth: Option<(u32, u32)>,
    camera: Option<Camera>,
    fingertip: [u64; 4],
    target: [u64; 4],
}

#[derive(Serialize, Deserialize)]
struct Camera {
    size: (u32, u32),
    matrix: [u64; 4],
    lens: Lens,
}

#[derive(Serialize, Deserialize)]
enum Lens {
    None,
    BrownConrady([u64; 8]),
    ThinPrism([u64; 14]),
    Equidistant([u64; 4]),
}

/// What was measured, or why not, of one frame after the other.
#[derive(Serialize, Deserialize)]
pub(crate) struct Answered {
    pub frames: Vec<Result<Told, Reason>>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    /// Center, surface and cloud, each with its standard deviation.
    distances: [Option<u64>; 6],
    own_confidence: Option<u32>,
    answer: Option<(String, Option<u64>, Option<u64>)>,
}

/// A line of JSON.
pub(crate) fn send(out: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, what)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The next line; `None` where the other side is gone.
pub(crate) fn receive<What: DeserializeOwned>(
    input: &mut impl BufRead,
) -> io::Result<Option<What>> {
    let mut line = String::new();
    match input.read_line(&mut line)? {
        0 => Ok(None),
        _ => Ok(Some(serde_json::from_str(&line)?)),
    }
}

impl AskedFrame {
    pub(crate) fn new(frame: &Frame, regions: &Regions) -> Self {
        let Regions { fingertip, target } = regions;
        Self {
            episode: frame.episode,
            stamp_nanos: frame.stamp_nanos,
            color: (frame.color.width, frame.color.height),
            depth: frame
                .depth
                .as_ref()
                .map(|depth| (depth.width, depth.height)),
            camera: frame.intrinsics.map(Camera::from),
            fingertip: edges(fingertip),
            target: edges(target),
        }
    }

    /// The frame, with the pixels that follow.
    pub(crate) fn read(self, input: &mut impl Read) -> io::Result<(Frame, Regions)> {
        let mut bytes = |(width, height): (u32, u32), each: usize| {
            let mut bytes = vec![0; width as usize * height as usize * each];
            input.read_exact(&mut bytes).map(|()| bytes)
        };
        let (width, height) = self.color;
        let rgb = bytes(self.color, 3)?.into();
        let depth = match self.depth {
            Some(size) => Some(DepthImage::of_metres(
                size.0,
                size.1,
                bytes(size, 4)?.into(),
            )),
            None => None,
        };
        let frame = Frame {
            episode: self.episode,
            stamp_nanos: self.stamp_nanos,
            color: ColorImage { width, height, rgb }.into(),
            depth,
            intrinsics: self.camera.map(Intrinsics::from),
        };
        let regions = Regions {
            fingertip: bounding_box(self.fingertip),
            target: bounding_box(self.target),
        };
        Ok((frame, regions))
    }
}

/// What follows a frame's line.
pub(crate) fn send_pixels(
    out: &mut impl Write,
    color: &ColorImage,
    depth: Option<&DepthImage>,
) -> io::Result<()> {
    out.write_all(&color.rgb)?;
    if let Some(depth) = depth {
        let metres = depth.to_metres();
        let bytes: Vec<u8> = metres
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        out.write_all(&bytes)?;
    }
    Ok(())
}

impl From<&Measurement> for Told {
    fn from(measured: &Measurement) -> Self {
        let distances = [
            measured.center_m,
            measured.center_std_m,
            measured.surface_m,
            measured.surface_std_m,
            measured.cloud_m,
            measured.cloud_std_m,
        ];
        Self {
            distances: distances.map(|distance| distance.map(f64::to_bits)),
            own_confidence: measured.own_confidence.map(f32::to_bits),
            answer: measured.answer.as_ref().map(|answer| {
                let bits = |value: Option<f64>| value.map(f64::to_bits);
                (
                    answer.text.clone(),
                    bits(answer.distance_m),
                    bits(answer.distance_std_m),
                )
            }),
        }
    }
}

impl From<Told> for Measurement {
    fn from(told: Told) -> Self {
        let number = |bits: Option<u64>| bits.map(f64::from_bits);
        let [center, center_std, surface, surface_std, cloud, cloud_std] =
            told.distances.map(number);
        Self {
            center_m: center,
            center_std_m: center_std,
            surface_m: surface,
            surface_std_m: surface_std,
            cloud_m: cloud,
            cloud_std_m: cloud_std,
            own_confidence: told.own_confidence.map(f32::from_bits),
            answer: told.answer.map(|(text, distance, std)| Answer {
                text,
                distance_m: number(distance),
                distance_std_m: number(std),
            }),
        }
    }
}

impl From<Intrinsics> for Camera {
    fn from(camera: Intrinsics) -> Self {
        let Intrinsics {
            width,
            height,
            fx,
            fy,
            cx,
            cy,
            distortion,
        } = camera;
        Self {
            size: (width, height),
            matrix: [fx, fy, cx, cy].map(f64::to_bits),
            lens: match distortion {
                Distortion::None => Lens::None,
                Distortion::BrownConrady(all) => Lens::BrownConrady(all.map(f64::to_bits)),
                Distortion::ThinPrism(all) => Lens::ThinPrism(all.map(f64::to_bits)),
                Distortion::Equidistant(all) => Lens::Equidistant(all.map(f64::to_bits)),
            },
        }
    }
}

impl From<Camera> for Intrinsics {
    fn from(camera: Camera) -> Self {
        let [fx, fy, cx, cy] = camera.matrix.map(f64::from_bits);
        let (width, height) = camera.size;
        let distortion = match camera.lens {
            Lens::None => Distortion::None,
            Lens::BrownConrady(all) => Distortion::BrownConrady(all.map(f64::from_bits)),
            Lens::ThinPrism(all) => Distortion::ThinPrism(all.map(f64::from_bits)),
            Lens::Equidistant(all) => Distortion::Equidistant(all.map(f64::from_bits)),
        };
        Self {
            width,
            height,
            fx,
            fy,
            cx,
            cy,
            distortion,
        }
    }
}

fn edges(bbox: &BoundingBox) -> [u64; 4] {
    [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(f64::to_bits)
}

fn bounding_box(edges: [u64; 4]) -> BoundingBox {
    let [x_min, y_min, x_max, y_max] = edges.map(f64::from_bits);
    BoundingBox::new(x_min, y_min, x_max, y_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_arrives_as_it_was_sent() {
        // given a frame with a hole in its depth, and a camera with a lens
        let depth = DepthImage::new(2, 1, vec![0.1 + 0.2, f32::NAN]);
        let color = ColorImage {
            width: 2,
            height: 1,
            rgb: vec![1, 2, 3, 4, 5, 6].into(),
        };
        let camera = Intrinsics {
            width: 2,
            height: 1,
            fx: 0.1 + 0.2,
            fy: 1.0 / 3.0,
            cx: 1.0,
            cy: 0.5,
            distortion: Distortion::Equidistant([1e-17, 0.0, -3.0, 4.0]),
        };
        let frame = Frame {
            episode: 3,
            stamp_nanos: 1_760_000_000_000_000_001,
            color: color.clone().into(),
            depth: Some(depth.clone()),
            intrinsics: Some(camera),
        };
        let regions = Regions {
            fingertip: BoundingBox::new(0.0, 0.0, 1.0 / 3.0, 1.0),
            target: BoundingBox::new(1.0, 0.0, 2.0, 1.0),
        };
        // when it is sent and received
        let mut sent = Vec::new();
        send(
            &mut sent,
            &Asked {
                frames: vec![AskedFrame::new(&frame, &regions)],
            },
        )
        .unwrap();
        send_pixels(&mut sent, &color, Some(&depth)).unwrap();
        let mut input = sent.as_slice();
        let asked: Asked = receive(&mut input).unwrap().unwrap();
        let (arrived, arrived_regions) = asked
            .frames
            .into_iter()
            .next()
            .unwrap()
            .read(&mut input)
            .unwrap();
        // then nothing is rounded
        assert_eq!(
            (arrived.episode, arrived.stamp_nanos),
            (3, frame.stamp_nanos)
        );
        assert_eq!(arrived.color.pixels().unwrap(), &color);
        assert_eq!(arrived.intrinsics, Some(camera));
        assert_eq!(arrived_regions, regions);
        let metres = arrived.depth.unwrap().to_metres();
        assert_eq!(metres[0].to_bits(), (0.1_f32 + 0.2).to_bits());
        assert!(metres[1].is_nan() && input.is_empty());
        assert!(receive::<Asked>(&mut input).unwrap().is_none());
    }

    #[test]
    fn a_measurement_arrives_as_it_was_told() {
        let measured = Measurement {
            cloud_m: Some(1.0 / 3.0),
            cloud_std_m: Some(1e-300),
            own_confidence: Some(0.1),
            answer: Some(Answer {
                text: "0.33 m, \"about\"".into(),
                distance_m: Some(0.33),
                distance_std_m: None,
            }),
            ..Measurement::default()
        };
        let mut sent = Vec::new();
        let frames = vec![Ok(Told::from(&measured)), Err(Reason::UnparsedAnswer)];
        send(&mut sent, &Answered { frames }).unwrap();
        let answered: Answered = receive(&mut sent.as_slice()).unwrap().unwrap();
        let frames: Vec<_> = answered
            .frames
            .into_iter()
            .map(|one| one.map(Measurement::from))
            .collect();
        assert_eq!(frames, [Ok(measured), Err(Reason::UnparsedAnswer)]);
    }
}
