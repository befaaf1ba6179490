//! From matched frames to measurements: decode what is needed, check that it fits together, ask the
//! estimator. The one way from a frame's bytes to a distance, for bags and for the live node.

use std::iter::repeat;
use std::time::Instant;

use bytes::Bytes;
use nalgebra::Vector3;

use super::at_frames::{self, Ball, Place, Places};
use super::detector_picture::{in_image, mask_in_image};
use super::followed::doubted;
use super::look::Look;
pub use super::pictures::Pictures;
pub use super::scaling::{Size, fitted_to, is_scaling};
use super::{FrameInfo, MatchedFrame, check_regions};
use crate::error::Error;
use crate::estimator::Estimator;
use crate::frame::{
    BoundingBox, BoxOrigin, BoxSource, ColorImage, DepthImage, Frame, Intrinsics, LazyColorImage,
    Mask, Masks, Measurement, Reason, Regions,
};
use crate::geometry::GeometryEstimator;
use crate::messages::Decoder;
use crate::no_video_picture::NoVideoPicture;
use crate::registration::Registration;
use crate::settings;
use crate::step::Latency;
use crate::transforms::TransformTree;

/// What every frame of a stream is measured with.
pub struct Measurer<'a> {
    /// Who measures.
    pub estimator: &'a dyn Estimator,
    /// Reads the colour stream's messages.
    pub image: Decoder,
    /// Reads the depth stream's; `None` without one.
    pub depth: Option<Decoder>,
    /// What the depth is registered with, where that is one for all frames; `None` where it is registered to the colour
    /// image already, or each frame has its own.
    pub registration: Option<Registration>,
    /// What the boxes' pixels mean, and which regions are at TF frames.
    pub regions: settings::Regions,
    /// Where those frames are, for frames that come without their places; `None` where every box is a detector's, or
    /// each frame has its places.
    pub transforms: Option<&'a TransformTree>,
}

/// A frame to measure.
#[derive(Debug)]
pub struct Task {
    /// The matcher's, still encoded.
    pub frame: MatchedFrame,
    /// What was decoded of it already: that is not decoded again.
    pub look: Option<Look>,
    /// Give its colour image back: somebody draws it. It is decoded then even where it cannot be
    /// measured.
    pub keep_color: bool,
}

/// A measured frame.
#[derive(Debug)]
pub struct Measured {
    /// Of the frame that was given.
    pub info: FrameInfo,
    /// The distances, or why there are none.
    pub measurement: Result<Measurement, Reason>,
    /// The colour image, if it was asked for and is sound.
    pub color: Option<LazyColorImage>,
    /// `total_s` is left for who knows when the inputs were complete.
    pub latency: Latency,
    /// Why a picture did not decode, for the log.
    pub broken: Option<Broken>,
    /// The z axes of the frames that fingertip and target are at.
    axes: [Option<Vector3<f64>>; 2],
}

/// A frame with its pixels.
#[derive(Debug)]
pub struct Viewed {
    /// With the boxes in pixels of the picture.
    pub info: FrameInfo,
    /// The picture, and its depth as far as there is some; `None` if it does not decode.
    pub picture: Option<(ColorImage, Option<DepthImage>)>,
    /// Of the picture as it is.
    pub intrinsics: Option<Intrinsics>,
}

/// A picture that did not decode or does not fit.
#[derive(Debug)]
pub struct Broken {
    /// Which picture, such as `depth image`.
    pub what: &'static str,
    /// The decoder's words.
    pub why: String,
}

/// A frame on its way to the estimator.
struct Prepared {
    measured: Measured,
    /// What to ask it, unless the measurement is settled already.
    question: Option<(Frame, Regions)>,
}

impl Measurer<'_> {
    /// Measure frames, together where the estimator likes it so.
    pub fn measure(&self, tasks: Vec<Task>) -> Vec<Measured> {
        let mut measured = Vec::with_capacity(tasks.len());
        let mut questions = Vec::new();
        let mut asked = Vec::new();
        for task in tasks {
            let prepared = self.prepare(task, &mut Pictures::default());
            if let Some(question) = prepared.question {
                asked.push(measured.len());
                questions.push(question);
            }
            measured.push(prepared.measured);
        }
        let begin = Instant::now();
        let asked_of: Vec<(&Frame, &Regions)> = questions.iter().map(|(f, r)| (f, r)).collect();
        let answers = self.estimator.estimate_batch(&asked_of);
        // Frames that are measured together share the time.
        let estimate_s = begin.elapsed().as_secs_f64() / questions.len().max(1) as f64;
        // An estimator that says nothing of a frame has failed it.
        let answers = answers.into_iter().chain(repeat(Err(Reason::ModelError)));
        for ((at, (frame, _)), answer) in asked.into_iter().zip(&questions).zip(answers) {
            if let Some(measured) = measured.get_mut(at) {
                measured.take(frame, answer, estimate_s, &self.regions);
            }
        }
        measured
    }

    /// Decode a frame; `None` if its picture does not decode. Why not, and what is wrong with its depth, is told when it is
    /// measured.
    pub fn look(&self, frame: &MatchedFrame) -> Option<Look> {
        let registration = frame.registration.as_deref().or(self.registration.as_ref());
        Look::at(frame, &self.image, self.depth.as_ref(), registration)
    }

    /// A frame as it is seen before it is measured, of which a part may have been decoded already.
    pub fn view(&self, mut frame: MatchedFrame, look: Option<Look>) -> Viewed {
        let picture = look.or_else(|| self.look(&frame)).map(Look::into_picture);
        let places = frame.places.take().or_else(|| self.places(&frame.info));
        let tf_m = places.as_ref().and_then(|places| places.tf_m);
        let mut measured = Measured::nothing(FrameInfo { tf_m, ..frame.info }, Reason::NoImage);
        let size = (picture.as_ref()).map(|(color, _)| (color.width, color.height));
        if let Some(size) = size {
            self.place(&mut measured, places, size, frame.intrinsics);
        }
        Viewed {
            info: measured.info,
            picture,
            intrinsics: (frame.intrinsics.zip(size))
                .and_then(|(camera, size)| fitted_to(&camera, size)),
        }
    }

    /// The columns and rows of a frame's picture, which others of the same moment may share; `None` if it does not decode.
    pub fn size_of(&self, frame: &MatchedFrame, pictures: &mut Pictures) -> Option<Size> {
        let color = pictures.color(&self.image, &frame.image).ok()?;
        Some((color.width, color.height))
    }

    /// Measure one frame.
    pub fn measure_one(&self, task: Task) -> Measured {
        self.measure_among(task, &mut Pictures::default())
    }

    /// The same of one of several frames that have pictures in common, each of which is decoded once.
    pub fn measure_among(&self, task: Task, pictures: &mut Pictures) -> Measured {
        let Prepared {
            mut measured,
            question,
        } = self.prepare(task, pictures);
        if let Some((frame, regions)) = question {
            let begin = Instant::now();
            let answer = self.estimator.estimate(&frame, &regions);
            let estimate_s = begin.elapsed().as_secs_f64();
            measured.take(&frame, answer, estimate_s, &self.regions);
        }
        measured
    }

    fn prepare(&self, task: Task, pictures: &mut Pictures) -> Prepared {
        let Task {
            mut frame,
            look,
            keep_color,
        } = task;
        let places = frame.places.take().or_else(|| self.places(&frame.info));
        let reason = match places {
            // Boxes at frames are still to be placed.
            Some(_) => frame.info.reason,
            None => frame.info.regions().err(),
        };
        let needs_size = places.is_some() || self.has_foreign_pixels(&frame.info);
        let tf_m = places.as_ref().and_then(|places| places.tf_m);
        let info = FrameInfo { tf_m, ..frame.info };
        let mut measured = Measured::nothing(info, reason.unwrap_or(Reason::NoImage));
        let mut question = None;
        // Why a picture that a follower could not look at is none is still to be told.
        let is_known = reason.is_some_and(|reason| reason != Reason::NoImage);
        if is_known && !keep_color && !needs_size {
            return Prepared { measured, question };
        }
        let begin = Instant::now();
        let before_s = look.as_ref().map_or(0.0, |look| look.decode_s);
        let (color, sent_depth) = match look {
            Some(look) => (look.color.into(), look.sent_depth),
            None => match pictures.color(&self.image, &frame.image) {
                Ok(color) => (color, None),
                Err(error) => {
                    measured.broken = Some(Broken::of_color(&error));
                    return Prepared { measured, question };
                }
            },
        };
        let size = (color.width, color.height);
        let balls = self.place(&mut measured, places, size, frame.intrinsics);
        if keep_color {
            match color.pixels() {
                Ok(_) => measured.color = Some(color.clone()),
                Err(error) => measured.broken = Some(Broken::of_color(error)),
            }
        }
        if let Ok(mut regions) = measured.info.regions() {
            let masks = masks_of_boxes(&frame.masks, &measured.info);
            regions.masks = self.place_masks(&masks, size, &mut measured.broken);
            let frame = DecodedFrame {
                episode: measured.info.episode,
                stamp_nanos: measured.info.stamp_nanos,
                color,
                depth: frame.depth.as_ref(),
                sent_depth,
                registration: frame.registration.as_deref(),
                intrinsics: frame.intrinsics,
            };
            match self.decode(frame, &regions, &balls, pictures, &mut measured.broken) {
                Ok(decoded) => question = Some(decoded),
                Err(reason) => measured.measurement = Err(reason),
            }
        }
        measured.latency.decode_s = before_s + begin.elapsed().as_secs_f64();
        Prepared { measured, question }
    }

    /// Whether a box is in the pixels of a detector's own picture.
    fn has_foreign_pixels(&self, info: &FrameInfo) -> bool {
        let settings::Regions {
            fingertip, target, ..
        } = &self.regions;
        info.fingertip.is_some() && fingertip.picture_size.is_some()
            || info.target.is_some() && target.picture_size.is_some()
    }

    /// Where the regions are in a picture of that size: detectors' boxes in its pixels, and the boxes of those at frames.
    fn place(
        &self,
        measured: &mut Measured,
        places: Option<Places>,
        size: Size,
        intrinsics: Option<Intrinsics>,
    ) -> Vec<Ball> {
        self.place_boxes(&mut measured.info, size.0, size.1);
        let Some(places) = places else {
            return Vec::new();
        };
        let camera = intrinsics.and_then(|camera| fitted_to(&camera, size));
        self.place_balls(measured, places, camera)
    }

    fn place_boxes(&self, info: &mut FrameInfo, width: u32, height: u32) {
        let settings::Regions {
            fingertip, target, ..
        } = &self.regions;
        info.fingertip = info
            .fingertip
            .map(|bbox| in_image(&bbox, fingertip, width, height));
        info.target = info
            .target
            .map(|bbox| in_image(&bbox, target, width, height));
    }

    /// The masks in pixels of an image of that size. A region whose mask is of another picture is measured by its box.
    fn place_masks(&self, masks: &Masks, size: Size, broken: &mut Option<Broken>) -> Masks {
        let mut place = |mask: &Option<Mask>, region: &settings::Region| {
            let placed = mask_in_image(mask.as_ref()?, region, size);
            placed
                .map_err(|why| *broken = Some(Broken { what: "mask", why }))
                .ok()
        };
        Masks {
            fingertip: place(&masks.fingertip, &self.regions.fingertip),
            target: place(&masks.target, &self.regions.target),
        }
    }

    /// Where the regions' frames are for a frame of a recording.
    fn places(&self, info: &FrameInfo) -> Option<Places> {
        // A wild stamp is no time to ask for.
        let transforms = self
            .transforms
            .filter(|_| info.reason != Some(Reason::WildStamp))?;
        let (camera, stamp_nanos) = (&info.frame_id, info.stamp_nanos);
        Some(Places::of(&self.regions, transforms, camera, stamp_nanos))
    }

    /// Give regions at frames their boxes. Where one has none, the frame cannot be measured, unless that was known
    /// before.
    fn place_balls(
        &self,
        measured: &mut Measured,
        places: Places,
        camera: Option<Intrinsics>,
    ) -> Vec<Ball> {
        let settings::Regions {
            fingertip, target, ..
        } = &self.regions;
        let mut balls = Vec::new();
        for (region, place, missing, is_target) in [
            (fingertip, places.fingertip, Reason::NoFingertipBox, false),
            (target, places.target, Reason::NoTargetBox, true),
        ] {
            let Some(place) = place else { continue };
            let axis = place.as_ref().ok().map(|place| place.axis);
            let info = &mut measured.info;
            match ball(region, place, camera) {
                Ok((ball, source)) => {
                    let (bbox, source) = (Some(ball.bbox), Some(source));
                    match is_target {
                        true => (info.target, info.target_source) = (bbox, source),
                        false => (info.fingertip, info.fingertip_source) = (bbox, source),
                    }
                    let [of_fingertip, of_target] = &mut measured.axes;
                    *(if is_target { of_target } else { of_fingertip }) = axis;
                    balls.push(ball);
                }
                Err(_) if info.reason.is_some() => {}
                Err(unplaced) => {
                    let (reason, why) = match unplaced {
                        Unplaced::NoCamera => (missing, None),
                        Unplaced::Unseen => (Reason::BoxOutsideImage, None),
                        Unplaced::NoTransform(why) => (Reason::NoTransform, Some(why)),
                    };
                    info.reason = Some(reason);
                    measured.measurement = Err(reason);
                    measured.broken = why.map(|why| Broken {
                        what: "transform",
                        why,
                    });
                }
            }
        }
        balls
    }

    fn decode(
        &self,
        mut frame: DecodedFrame<'_>,
        regions: &Regions,
        balls: &[Ball],
        pictures: &mut Pictures,
        broken: &mut Option<Broken>,
    ) -> Result<(Frame, Regions), Reason> {
        let (width, height) = (frame.color.width, frame.color.height);
        // Before the depth is decoded: a box outside the image is that frame's reason.
        let inside = check_regions(regions, width, height)?;
        let decoded = fitted(frame.intrinsics, (width, height)).and_then(|intrinsics| {
            let depth = self.depth(&mut frame, intrinsics.as_ref(), &inside, pictures)?;
            Ok((depth, intrinsics))
        });
        let (depth, intrinsics) = decoded.map_err(|why| {
            *broken = Some(why);
            Reason::DepthInvalid
        })?;
        if let (Some(depth), Some(camera)) = (&depth, &intrinsics) {
            for ball in balls {
                ball.check(depth, (width, height), camera)?;
            }
        }
        let frame = Frame {
            episode: frame.episode,
            stamp_nanos: frame.stamp_nanos,
            color: frame.color,
            depth,
            intrinsics,
        };
        Ok((frame, inside))
    }

    /// The depth image, which may have another resolution than the colour but not another shape.
    fn depth(
        &self,
        frame: &mut DecodedFrame<'_>,
        color: Option<&Intrinsics>,
        regions: &Regions,
        pictures: &mut Pictures,
    ) -> Result<Option<DepthImage>, Broken> {
        let (Some(decoder), Some(data)) = (&self.depth, frame.depth) else {
            return Ok(None);
        };
        let depth = match frame.sent_depth.take() {
            Some(depth) => depth,
            None => (pictures.depth(decoder, data))
                .map_err(|error| Broken::new("depth image", &error))?,
        };
        match frame.registration.or(self.registration.as_ref()) {
            None => {
                let color = (frame.color.width, frame.color.height);
                check_size("depth image", (depth.width, depth.height), color)?;
                Ok(Some(depth))
            }
            Some(registration) => registered(registration, &depth, color, regions).map(Some),
        }
    }
}

/// Depth as the colour camera would have measured it.
fn registered(
    registration: &Registration,
    depth: &DepthImage,
    color: Option<&Intrinsics>,
    regions: &Regions,
) -> Result<DepthImage, Broken> {
    let broken = |why: String| Broken {
        what: "depth image",
        why,
    };
    let color = color.ok_or_else(|| {
        broken("it cannot be registered without the colour camera's intrinsics".to_owned())
    })?;
    let wanted = match (registration.whole, color.size()) {
        (true, Some((width, height))) => {
            vec![BoundingBox::new(0.0, 0.0, width.into(), height.into())]
        }
        _ => vec![
            GeometryEstimator::surroundings(&regions.fingertip),
            GeometryEstimator::surroundings(&regions.target),
        ],
    };
    let camera = &registration.camera;
    camera.register(depth, color, &wanted).ok_or_else(|| {
        let (width, height) = camera.intrinsics().size().unwrap_or_default();
        broken(format!(
            "its {}x{} pixels are not the {width}x{height} of its camera info",
            depth.width, depth.height
        ))
    })
}

/// A frame whose colour is found sound and whose depth is not looked at yet, unless somebody did before.
struct DecodedFrame<'a> {
    episode: u64,
    stamp_nanos: i64,
    color: LazyColorImage,
    depth: Option<&'a Bytes>,
    sent_depth: Option<DepthImage>,
    registration: Option<&'a Registration>,
    intrinsics: Option<Intrinsics>,
}

/// Why a region at a frame has no box.
enum Unplaced {
    /// Nobody says how the camera sees.
    NoCamera,
    /// It is behind the camera, or beyond its field of view.
    Unseen,
    NoTransform(String),
}

/// What the camera sees of a region at a frame.
fn ball(
    region: &settings::Region,
    place: Result<Place, String>,
    camera: Option<Intrinsics>,
) -> Result<(Ball, BoxSource), Unplaced> {
    let Place { point, source, .. } = place.map_err(Unplaced::NoTransform)?;
    let camera = camera.ok_or(Unplaced::NoCamera)?;
    let ball = Ball::seen(point, region.size_m, &camera).ok_or(Unplaced::Unseen)?;
    Ok((ball, source))
}

/// A decoded frame whose depth and intrinsics are checked to be of its picture, and the intrinsics made those of the
/// picture as it is.
///
/// # Errors
/// Which of the two is of another picture.
pub(super) fn fit(frame: Frame) -> Result<Frame, Broken> {
    let picture = (frame.color.width, frame.color.height);
    let intrinsics = fitted(frame.intrinsics, picture)?;
    if let Some(depth) = &frame.depth {
        check_size("depth image", (depth.width, depth.height), picture)?;
    }
    Ok(Frame {
        intrinsics,
        ..frame
    })
}

/// The masks of the regions whose boxes are their detector's, or their follower's: of another's box they tell nothing.
fn masks_of_boxes(masks: &Masks, info: &FrameInfo) -> Masks {
    let of = |mask: &Option<Mask>, source: Option<BoxSource>| {
        let is_around = |origin| matches!(origin, BoxOrigin::Seen | BoxOrigin::Followed);
        let has_own = source.is_some_and(|source| is_around(source.origin));
        mask.clone().filter(|_| has_own)
    };
    Masks {
        fingertip: of(&masks.fingertip, info.fingertip_source),
        target: of(&masks.target, info.target_source),
    }
}

/// The intrinsics of the colour image as it is: it may have been resized since the camera.
fn fitted(intrinsics: Option<Intrinsics>, picture: Size) -> Result<Option<Intrinsics>, Broken> {
    let Some(intrinsics) = intrinsics else {
        return Ok(None);
    };
    let fitted = fitted_to(&intrinsics, picture);
    let size = (intrinsics.width, intrinsics.height);
    (fitted.map(Some)).ok_or_else(|| no_scaling("camera info", size, picture))
}

fn check_size(what: &'static str, size: Size, color: Size) -> Result<(), Broken> {
    match is_scaling(size, color) {
        true => Ok(()),
        false => Err(no_scaling(what, size, color)),
    }
}

fn no_scaling(what: &'static str, size: Size, color: Size) -> Broken {
    Broken {
        what,
        why: format!(
            "its {}x{} pixels are no scaling of the colour image's {}x{}",
            size.0, size.1, color.0, color.1
        ),
    }
}

impl Measured {
    /// Of a frame that nothing was measured in so far, and why.
    fn nothing(info: FrameInfo, reason: Reason) -> Self {
        Self {
            info,
            measurement: Err(reason),
            color: None,
            latency: Latency::default(),
            broken: None,
            axes: [None; 2],
        }
    }

    /// What it tells, as `Rewarder` ranks it: what is known of the frame outranks what was measured in it.
    pub fn reading(&self) -> Result<Measurement, Reason> {
        match self.info.reason {
            Some(reason) => Err(reason),
            None => self.measurement.clone(),
        }
    }

    /// Take the estimator's answer, unless what is known of the regions contradicts it.
    fn take(
        &mut self,
        frame: &Frame,
        answer: Result<Measurement, Reason>,
        estimate_s: f64,
        regions: &settings::Regions,
    ) {
        if answer == Err(Reason::NoImage)
            && let Err(error) = frame.color.pixels()
        {
            self.broken = Some(Broken::of_color(error));
        }
        self.measurement = answer
            .and_then(|answer| at_frames::believed(regions, self.info.tf_m, answer))
            .map(|answer| doubted(answer, &self.info, frame));
        let axes = self.axes.map(|axis| axis.map(Into::into));
        let places = self.measurement.as_mut().ok();
        if let Some(places) = places.and_then(|measured| measured.in_space.as_mut()) {
            [places.fingertip.axis, places.target.axis] = axes;
        }
        self.latency.estimate_s = estimate_s;
    }
}

impl Broken {
    /// What a colour image is called that cannot be used: that the first packets of a video show nothing is one thing, that
    /// later ones are damaged another.
    pub const COLORS: [&str; 3] = ["colour image", "early video picture", "video picture"];

    /// What it is with its article, such as `an early video picture`.
    pub fn with_article(&self) -> String {
        let article = match self.what.starts_with(['a', 'e', 'i', 'o', 'u']) {
            true => "an",
            false => "a",
        };
        format!("{article} {}", self.what)
    }

    fn of_color(error: &Error) -> Self {
        let [file, early, damaged] = Self::COLORS;
        let what = match error {
            Error::NoVideoPicture(NoVideoPicture::BeforeKeyframe) => early,
            Error::NoVideoPicture(_) => damaged,
            _ => file,
        };
        Self::new(what, error)
    }

    fn new(what: &'static str, error: &Error) -> Self {
        Self {
            what,
            why: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_early_video_picture_was_a_early_one() {
        let named = Broken::COLORS.map(|what| {
            let why = String::new();
            Broken { what, why }.with_article()
        });
        let expected = [
            "a colour image",
            "an early video picture",
            "a video picture",
        ];
        assert_eq!(named, expected);
    }
}
