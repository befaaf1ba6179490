//! The work on one frame, on any thread: decode, cut regions, ask, write the pictures, word the row.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::options::Options;
use super::parts::Sources;
use super::pictures::{DEPTH, IMAGES, METRIC, PictureFile};
use super::questions::{self, Turn, Wanted};
use super::regions::{Instances, Part, Region, View};
use super::row::{Row, conversations};
use super::scene::Scene;
use super::shape::Axes;
use super::source::{Decoders, Joined};
use super::tally::Tally;
use super::wire::picture_file;
use crate::error::{Error, Result};
use spatial_reward_core::digest;
use spatial_reward_core::frame::{
    BoundingBox, DepthImage, Intrinsics, LazyColorImage, Measurement, Reason,
};
use spatial_reward_core::geometry::GeometryEstimator;
use spatial_reward_core::imaging::Disparity;
use spatial_reward_core::pipeline::at_frames::{Places, believed};
use spatial_reward_core::pipeline::measure::{fitted_to, is_scaling};
use spatial_reward_core::random::Random;
use spatial_reward_core::registration::Registration;
use spatial_reward_core::settings;

/// What all frames share.
pub(crate) struct Workshop<'a> {
    /// The data set's folder as it grows.
    pub folder: &'a Path,
    /// How much is asked.
    pub options: &'a Options,
    /// Tells regions without a mask from their surroundings.
    pub geometry: GeometryEstimator,
    /// Where fingertip and target come from.
    pub sources: &'a settings::Regions,
}

/// A frame to work on.
pub(crate) struct Piece {
    /// The bag's place in the run.
    pub bag: usize,
    /// Bags read when it was submitted.
    pub progress: f64,
    /// Its name in the data set, of its own.
    pub name: Arc<str>,
    /// How its pictures are read.
    pub decoders: Arc<Decoders>,
    /// The frame and what belongs to it.
    pub joined: Joined,
}

/// What came of it.
pub(crate) struct Finished {
    /// The bag's place in the run.
    pub bag: usize,
    /// Bags read when it was submitted.
    pub progress: f64,
    /// Its counts.
    pub tally: Tally,
    /// A line of the data set.
    pub line: Option<String>,
    /// Of what was left out, where there is more to say than the reason: that, and in words.
    pub why: Option<(&'static str, String)>,
}

/// Why a frame gives no row: the reason, and more words if there are any.
struct Skip {
    reason: &'static str,
    why: Option<String>,
}

impl From<Reason> for Skip {
    fn from(reason: Reason) -> Self {
        Self::of(reason.name())
    }
}

impl Skip {
    fn of(reason: &'static str) -> Self {
        Self { reason, why: None }
    }

    fn because(reason: Reason, error: &spatial_reward_core::Error) -> Self {
        Self {
            reason: reason.name(),
            why: Some(error.to_string()),
        }
    }
}

/// A decoded frame.
struct DecodedFrame {
    color: LazyColorImage,
    intrinsics: Intrinsics,
    camera_depth: Option<DepthImage>,
    truth_depth: Option<DepthImage>,
    instances: Option<Instances>,
}

impl DecodedFrame {
    /// The best depth there is.
    fn depth(&self) -> Option<&DepthImage> {
        self.truth_depth.as_ref().or(self.camera_depth.as_ref())
    }
}

impl Workshop<'_> {
    /// Work on one frame.
    ///
    /// # Errors
    /// `Error::Output` if a picture cannot be written. A frame that cannot be used is no error.
    pub(crate) fn work(&self, piece: Piece) -> Result<Finished> {
        let mut tally = Tally {
            frames: 1,
            ..Tally::default()
        };
        let (mut line, mut why) = (None, None);
        match self.prepare(&piece, &mut tally, &mut why) {
            Ok((decoded, regions, turns)) => {
                line = Some(self.write(&piece, &decoded, &regions, &turns, &mut tally)?);
            }
            Err(skip) => {
                tally.skip_frame(skip.reason);
                why = skip.why.map(|words| (skip.reason, words)).or(why);
            }
        }
        Ok(Finished {
            bag: piece.bag,
            progress: piece.progress,
            tally,
            line,
            why,
        })
    }

    fn prepare(
        &self,
        piece: &Piece,
        tally: &mut Tally,
        why: &mut Option<(&'static str, String)>,
    ) -> std::result::Result<(DecodedFrame, Vec<Region>, Vec<Turn>), Skip> {
        let decoded = decode(piece)?;
        let depth = decoded.depth().ok_or(Reason::NoDepth)?;
        let extra = &piece.joined.extra;
        let view = View {
            color: &decoded.color,
            depth,
            intrinsics: &decoded.intrinsics,
            instances: decoded.instances.as_ref(),
            geometry: &self.geometry,
        };
        let frame = &piece.joined.frame.info;
        let places = piece.joined.frame.places.clone().or_else(|| {
            let transforms = piece.decoders.transforms.as_ref()?;
            let (camera, stamp_nanos) = (&frame.frame_id, frame.stamp_nanos);
            Some(Places::of(self.sources, transforms, camera, stamp_nanos))
        });
        let tf_m = places.as_ref().and_then(|places| places.tf_m);
        let sources = Sources {
            regions: self.sources,
            places,
        };
        let (boxes, unplaced) = sources.boxes(&extra.detected, &view);
        for region in unplaced {
            let reason = region.reason.name();
            tally.skip_region(reason);
            *why = region.why.map(|words| (reason, words)).or(why.take());
        }
        let (regions, left_out) = view.regions(&boxes);
        let missing = frame.reason.filter(is_about_a_box);
        if let Some(reason) = missing {
            tally.skip_region(reason.name());
        }
        left_out.iter().for_each(|reason| tally.skip_region(reason));
        if regions.len() < 2 {
            return Err(Skip::of("fewer_than_two_regions"));
        }
        let clouds = regions.iter().map(|region| region.cloud.clone());
        let scene = Scene::new(clouds.collect(), Axes::new(extra.up));
        let place = |part: Part| regions.iter().position(|region| region.part == part);
        let first = place(Part::Fingertip).zip(place(Part::Target));
        if let Some((fingertip, target)) = first {
            self.check_by_tf(tf_m, scene.gap_m(fingertip, target))?;
        }
        let wanted = Wanted {
            questions: self.options.questions,
            direct: self.options.direct,
            default_wording: self.options.default_wording,
        };
        let mut random = Random(self.seed_of(piece));
        let turns = questions::ask(&scene, first.map(|(a, b)| [a, b]), wanted, &mut random);
        if turns.is_empty() {
            return Err(Skip::of("nothing_to_ask"));
        }
        tally.rows_without_gravity += u64::from(!scene.has_gravity());
        Ok((decoded, regions, turns))
    }

    /// Where TF contradicts what is seen between two regions at frames, something else is seen.
    fn check_by_tf(&self, tf_m: Option<f64>, gap_m: f32) -> std::result::Result<(), Skip> {
        let seen = Measurement {
            surface_m: Some(gap_m.into()),
            ..Measurement::default()
        };
        believed(self.sources, tf_m, seen)?;
        Ok(())
    }

    /// The same for a frame whatever else is in the run.
    fn seed_of(&self, piece: &Piece) -> u64 {
        let mut digest = Sha256::new();
        digest.update(self.options.seed.to_le_bytes());
        digest.update(piece.joined.index.to_le_bytes());
        digest.update(piece.joined.frame.info.stamp_nanos.to_le_bytes());
        digest.update(piece.name.as_bytes());
        digest::seed(&digest.finalize())
    }

    fn write(
        &self,
        piece: &Piece,
        decoded: &DecodedFrame,
        regions: &[Region],
        turns: &[Turn],
        tally: &mut Tally,
    ) -> Result<String> {
        let name = format!("{}_{:06}", piece.name, piece.joined.index);
        let (width, height) = (decoded.color.width, decoded.color.height);
        let cannot = |what: String| Error::output(self.folder.join(&name), what);
        let write = |file: PictureFile, folder: &str| file.write(self.folder, folder, &name);
        let filename = write(color_file(piece, decoded).map_err(cannot)?, IMAGES)?;
        let disparity = decoded
            .camera_depth
            .as_ref()
            .and_then(Disparity::from_depth);
        let depth = match disparity {
            Some(disparity) => {
                let gray = disparity.relative_depth(width, height, None)?;
                Some(write(PictureFile::of_gray(&gray).map_err(cannot)?, DEPTH)?)
            }
            None => None,
        };
        let metric = match decoded.depth() {
            Some(depth) => {
                let file = PictureFile::of_metric(depth, width, height).map_err(cannot)?;
                Some(write(file, METRIC)?)
            }
            None => None,
        };
        tally.rows += 1;
        tally.regions += regions.len() as u64;
        tally.rows_without_depth += u64::from(depth.is_none());
        turns
            .iter()
            .for_each(|turn| tally.ask(turn.category.name()));
        let intrinsics = &decoded.intrinsics;
        let row = Row {
            conversations: conversations(turns, depth.is_some()),
            filename,
            depth,
            metric,
            intrinsics: [intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy],
            bag: Some(&piece.name),
            stamp_nanos: Some(piece.joined.frame.info.stamp_nanos),
            photo: None,
            up: None,
            up_confidence: None,
            regions: regions.iter().map(|region| region.name.as_str()).collect(),
            bbox: regions.iter().map(corners).collect(),
            rle: regions.iter().map(|region| region.rle.as_ref()).collect(),
            points: regions.iter().map(centroid).collect(),
            mentions: turns.iter().map(|turn| turn.mentions.clone()).collect(),
            categories: turns.iter().map(|turn| turn.category.name()).collect(),
        };
        serde_json::to_string(&row).map_err(|error| cannot(error.to_string()))
    }
}

/// The matcher's other reasons are about the whole frame.
fn is_about_a_box(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::NoFingertipBox | Reason::NoTargetBox | Reason::StaleBox | Reason::LostBox
    )
}

/// Decode what the frame needs and check that it belongs together.
fn decode(piece: &Piece) -> std::result::Result<DecodedFrame, Skip> {
    let Piece {
        decoders, joined, ..
    } = piece;
    let Joined { frame, extra, .. } = joined;
    if frame.info.reason == Some(Reason::Late) {
        return Err(Reason::Late.into());
    }
    let color = (decoders.image.lazy_color(&frame.image))
        .map_err(|error| Skip::because(Reason::NoImage, &error))?;
    if !decoders.image_is_compressed {
        // It is written as PNG, so its pixels must be there.
        color
            .pixels()
            .map_err(|error| Skip::because(Reason::NoImage, error))?;
    }
    let size = (color.width, color.height);
    let intrinsics = frame.intrinsics.ok_or(Skip::of("no_camera_info"))?;
    let intrinsics = fitted_to(&intrinsics, size).ok_or(Skip::of("camera_info_of_another_size"))?;
    let depth_of = |decoder: &Option<spatial_reward_core::messages::Decoder>,
                    data: &Option<bytes::Bytes>| {
        let (Some(decoder), Some(data)) = (decoder, data) else {
            return Ok(None);
        };
        let depth = decoder
            .depth(data)
            .map_err(|error| Skip::because(Reason::DepthInvalid, &error))?;
        match is_scaling((depth.width, depth.height), size) {
            true => Ok(Some(depth)),
            false => Err(Skip::of("depth_of_another_size")),
        }
    };
    let registration = frame.registration.as_deref();
    let camera_depth = match registration.or(decoders.registration.as_ref()) {
        None => depth_of(&decoders.depth, &frame.depth)?,
        Some(registration) => registered(piece, registration, &intrinsics)?,
    };
    Ok(DecodedFrame {
        intrinsics,
        camera_depth,
        truth_depth: depth_of(&decoders.truth_depth, &extra.truth_depth)?,
        instances: instances(piece, size)?,
        color,
    })
}

/// The depth of a camera of its own, all of it, as the colour camera would have measured it.
fn registered(
    piece: &Piece,
    registration: &Registration,
    color: &Intrinsics,
) -> std::result::Result<Option<DepthImage>, Skip> {
    let (Some(decoder), Some(data)) = (&piece.decoders.depth, &piece.joined.frame.depth) else {
        return Ok(None);
    };
    let depth =
        (decoder.depth(data)).map_err(|error| Skip::because(Reason::DepthInvalid, &error))?;
    let whole = BoundingBox::new(0.0, 0.0, color.width.into(), color.height.into());
    let registered = registration.camera.register(&depth, color, &[whole]);
    (registered.map(Some)).ok_or(Skip::of("depth_of_another_size"))
}

fn instances(piece: &Piece, size: (u32, u32)) -> std::result::Result<Option<Instances>, Skip> {
    let (Some(decoder), Some(data)) = (&piece.decoders.instances, &piece.joined.extra.instances)
    else {
        return Ok(None);
    };
    // A grey picture decodes to three equal channels.
    let picture = decoder.color(data).map_err(|error| Skip {
        reason: "instances_invalid",
        why: Some(error.to_string()),
    })?;
    if (picture.width, picture.height) != size {
        return Err(Skip::of("instances_of_another_size"));
    }
    Ok(Some(Instances {
        width: picture.width,
        height: picture.height,
        numbers: picture.rgb.iter().step_by(3).copied().collect(),
    }))
}

fn color_file(piece: &Piece, decoded: &DecodedFrame) -> std::result::Result<PictureFile, String> {
    if piece.decoders.image_is_compressed
        && let Ok(file) = picture_file(&piece.joined.frame.image)
        && let Some(file) = PictureFile::as_it_is(file)
    {
        return Ok(file);
    }
    let pixels = decoded.color.pixels().map_err(ToString::to_string)?;
    PictureFile::of_color(pixels)
}

fn corners(region: &Region) -> [f64; 4] {
    let bbox = &region.bbox;
    [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(|v| rounded(v, 100.0))
}

fn centroid(region: &Region) -> [f64; 3] {
    let centroid = region.cloud.centroid();
    [centroid.x, centroid.y, centroid.z].map(|v| rounded(v.into(), 10_000.0))
}

fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}
