//! How a build without the model asks a process of one that has it: a line of JSON for what is small, and after it the
//! pixels as they are. Numbers go as their bits, so that none is rounded on the way.

use std::io::{self, BufRead, Read, Write};

use anyhow::anyhow;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::finding::Candidate;
use spatial_reward_core::following::Both;
use spatial_reward_core::frame::{
    Answer, BoundingBox, ColorImage, DepthImage, Distortion, Frame, Intrinsics, Masks, Measurement,
    Reason, Regions,
};
use spatial_reward_core::mask_following::{Runs, Seen};

/// What is asked for first.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The settings, as YAML.
    pub config: String,
}

/// What comes of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Greeting<Properties> {
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

/// What is asked for first of a process that finds or follows regions.
#[derive(Serialize, Deserialize)]
pub(crate) struct HelloOfRegions {
    /// The settings, as YAML.
    pub config: String,
    pub work: WorkOnRegions,
}

/// Which network it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WorkOnRegions {
    Find,
    Follow,
}

/// What is asked about a picture; but for an end, its colours follow.
#[derive(Serialize, Deserialize)]
pub(crate) enum AskedOfRegions {
    /// Find both regions in it.
    Find { size: (u32, u32) },
    /// It is the next one of a video.
    See {
        video: u64,
        size: (u32, u32),
        drawn: [Option<[u64; 4]>; 2],
    },
    /// That video is over.
    End { video: u64 },
}

/// A box and a score.
type CandidateBits = ([u64; 4], u64);
/// A mask and a score.
type SeenBits = (Option<Runs>, u64);

/// What comes of it; nothing of an end.
#[derive(Serialize, Deserialize)]
pub(crate) enum AnsweredOfRegions {
    Found([Option<Vec<CandidateBits>>; 2]),
    Seen([Option<SeenBits>; 2]),
    Failed(String),
}

impl AnsweredOfRegions {
    pub(crate) fn of_found(found: Both<Vec<Candidate>>) -> Self {
        let told = |seen: &Candidate| (edges(&seen.bbox), seen.score.to_bits());
        Self::Found(found.map(|seen| seen.map(|seen| seen.iter().map(told).collect())))
    }

    pub(crate) fn of_seen(seen: Both<Seen>) -> Self {
        Self::Seen(seen.map(|seen| seen.map(|seen| (seen.mask, seen.score.to_bits()))))
    }

    /// What was found.
    ///
    /// # Errors
    /// What failed there.
    pub(crate) fn found(self) -> anyhow::Result<Both<Vec<Candidate>>> {
        let candidate = |(bbox, score)| Candidate {
            bbox: bounding_box(bbox),
            score: f64::from_bits(score),
        };
        match self {
            Self::Found(found) => Ok(found.map(|seen| {
                let candidates = seen?.into_iter().map(candidate);
                Some(candidates.collect())
            })),
            other => Err(other.failure()),
        }
    }

    /// What was seen.
    ///
    /// # Errors
    /// What failed there.
    pub(crate) fn seen(self) -> anyhow::Result<Both<Seen>> {
        match self {
            Self::Seen(seen) => Ok(seen.map(|seen| {
                let (mask, score) = seen?;
                let score = f64::from_bits(score);
                Some(Seen { mask, score })
            })),
            other => Err(other.failure()),
        }
    }

    fn failure(self) -> anyhow::Error {
        match self {
            Self::Failed(why) => anyhow!(why),
            Self::Found(_) | Self::Seen(_) => anyhow!("the answer is to another question"),
        }
    }
}

/// The boxes that are drawn in a picture, and back.
pub(crate) fn drawn_edges(drawn: &Both<BoundingBox>) -> [Option<[u64; 4]>; 2] {
    drawn.each_ref().map(|bbox| bbox.as_ref().map(edges))
}

pub(crate) fn drawn_boxes(edges: [Option<[u64; 4]>; 2]) -> Both<BoundingBox> {
    edges.map(|edges| edges.map(bounding_box))
}

/// A picture's colours, which follow a line.
pub(crate) fn read_color(
    input: &mut impl Read,
    (width, height): (u32, u32),
) -> io::Result<ColorImage> {
    let mut rgb = vec![0; width as usize * height as usize * 3];
    input.read_exact(&mut rgb)?;
    let rgb = rgb.into();
    Ok(ColorImage { width, height, rgb })
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
        // The model looks at boxes.
        let Regions {
            fingertip, target, ..
        } = regions;
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
        let color = read_color(input, self.color)?;
        let depth = match self.depth {
            Some((width, height)) => {
                let mut bytes = vec![0; width as usize * height as usize * 4];
                input.read_exact(&mut bytes)?;
                Some(DepthImage::of_metres(width, height, bytes.into()))
            }
            None => None,
        };
        let frame = Frame {
            episode: self.episode,
            stamp_nanos: self.stamp_nanos,
            color: color.into(),
            depth,
            intrinsics: self.camera.map(Intrinsics::from),
        };
        let regions = Regions {
            fingertip: bounding_box(self.fingertip),
            target: bounding_box(self.target),
            masks: Masks::default(),
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
            // The model's process tells distances.
            in_space: None,
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
            masks: Masks::default(),
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
