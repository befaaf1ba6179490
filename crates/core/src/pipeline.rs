//! From stamped messages to steps, without any IO and in three stages, so that a bag and a live
//! node give the same numbers: [`Matcher`] joins messages to frames ([`StampMatcher`] does for a recording in which some
//! were logged too late), [`estimate`] measures one
//! frame (the driver may do many at once), [`Rewarder`] folds the results, in order, to steps.
//!
//! A frame that cannot be measured has exactly one reason. They are asked in this order:
//! `wild_stamp`, `late`, the fingertip's box (`no_fingertip_box`, `stale_box`), the target's (`no_target_box`,
//! `stale_box`), `no_depth`, all by the matcher; then `no_image` by the driver, when the picture
//! does not decode; then `no_transform` of a region that is at a TF frame, `box_outside_image`, `occluded` and the
//! estimator's own; last `implausible_distance` and
//! `uncertain`.

pub mod annotator;
pub mod at_frames;
mod boxes;
mod buffer;
mod clock;
mod detector_picture;
mod followed;
mod image_order;
pub mod in_space;
mod join;
mod live_follower;
mod look;
mod matcher;
pub mod measure;
mod pictures;
pub mod reading;
mod received_transforms;
mod rewarder;
mod rig;
mod scaling;
mod settled;
mod stamp_matcher;
pub mod task_annotator;
mod task_matcher;
#[cfg(test)]
mod tests;
mod tracker;

pub use detector_picture::in_image;
pub use live_follower::{LiveFollower, NotPlaced};
pub use look::Look;
pub use matcher::Matcher;
pub use rewarder::Rewarder;
pub use stamp_matcher::{Missed, Ordinal, StampMatcher, StampedFrames};
pub use task_matcher::{Joined, TaskMatcher};
pub use tracker::BoxTracker;

use std::sync::Arc;

use bytes::Bytes;

use self::at_frames::Places;
use crate::estimator::Estimator;
use crate::frame::{
    BoundingBox, BoxSource, Detection, Frame, Intrinsics, Masks, Measurement, Reason, Regions,
    SeenBox,
};
use crate::messages::TransformStamped;
use crate::registration::Registration;

/// One message. Stamps are those of the header in nanoseconds; where a header has none (0), the
/// caller gives the log time instead. Pixels stay encoded, in a `Payload`: only frames that need them get decoded.
#[derive(Debug, Clone)]
pub enum Input<Payload = Bytes> {
    /// The colour image that a step is made of.
    Image {
        /// `header.stamp`, in nanoseconds.
        stamp_nanos: i64,
        /// `header.frame_id`.
        frame_id: String,
        /// The message as it was sent.
        payload: Payload,
    },
    /// A depth image, of the same camera or of one beside it.
    Depth {
        /// `header.stamp`, in nanoseconds.
        stamp_nanos: i64,
        /// `header.frame_id`.
        frame_id: String,
        /// The message as it was sent.
        payload: Payload,
    },
    /// The colour camera's intrinsics.
    CameraInfo {
        /// `header.stamp`, in nanoseconds.
        stamp_nanos: i64,
        /// As the message states them, and for the size that it states.
        intrinsics: Intrinsics,
    },
    /// The intrinsics of a depth camera of its own: live, its depth is registered with them.
    DepthCameraInfo {
        /// `header.stamp`, in nanoseconds.
        stamp_nanos: i64,
        /// As the message states them, and for the size that it states.
        intrinsics: Intrinsics,
    },
    /// Where frames are, as /tf and /tf_static tell. A matcher of recordings leaves them out: there they are all known
    /// before.
    Transforms {
        /// As they were sent.
        transforms: Vec<TransformStamped>,
        /// They hold at all times.
        is_static: bool,
    },
    /// Everything that a detector saw at one instant; an empty list says that it saw nothing.
    Boxes {
        /// Which of the two objects they can be.
        role: BoxRole,
        /// The stamp of the image that the detector looked at, in nanoseconds.
        stamp_nanos: i64,
        /// In pixels of the colour image, as detected.
        boxes: Vec<Detection>,
    },
    /// A new episode begins with the first image logged at this message's log time or later.
    EpisodeSplit,
}

impl<Payload> Input<Payload> {
    /// The same with another thing in the place of a picture.
    pub fn with_payload<Other>(self, of: impl FnOnce(Payload) -> Other) -> Input<Other> {
        match self {
            Self::Image {
                stamp_nanos,
                frame_id,
                payload,
            } => Input::Image {
                stamp_nanos,
                frame_id,
                payload: of(payload),
            },
            Self::Depth {
                stamp_nanos,
                frame_id,
                payload,
            } => Input::Depth {
                stamp_nanos,
                frame_id,
                payload: of(payload),
            },
            Self::CameraInfo {
                stamp_nanos,
                intrinsics,
            } => Input::CameraInfo {
                stamp_nanos,
                intrinsics,
            },
            Self::DepthCameraInfo {
                stamp_nanos,
                intrinsics,
            } => Input::DepthCameraInfo {
                stamp_nanos,
                intrinsics,
            },
            Self::Transforms {
                transforms,
                is_static,
            } => Input::Transforms {
                transforms,
                is_static,
            },
            Self::Boxes {
                role,
                stamp_nanos,
                boxes,
            } => Input::Boxes {
                role,
                stamp_nanos,
                boxes,
            },
            Self::EpisodeSplit => Input::EpisodeSplit,
        }
    }
}

/// Whose boxes a topic carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxRole {
    /// A topic of fingertips only.
    Fingertip,
    /// A topic of targets only.
    Target,
    /// One topic for both, told apart by class id.
    Both,
}

/// The streams that exist. One that does not is never waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// Depth images.
    pub depth: bool,
    /// Intrinsics of the colour camera.
    pub camera_info: bool,
    /// Boxes of the fingertip; not where a TF frame says where it is.
    pub fingertip: bool,
    /// Boxes of the target.
    pub target: bool,
}

impl Streams {
    /// Every stream exists.
    pub const ALL: Self = Self {
        depth: true,
        camera_info: true,
        fingertip: true,
        target: true,
    };
}

/// What a step needs to know of its frame once the pixels are gone.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameInfo {
    /// `header.stamp` of the colour image.
    pub stamp_nanos: i64,
    /// Where it lies in time: its stamp, but for one that is `wild_stamp`, which lies where its log time puts it.
    pub timeline_nanos: i64,
    /// When the colour image was logged or received.
    pub log_time_nanos: i64,
    /// `header.frame_id` of the colour image.
    pub frame_id: String,
    /// The stretch of the recording, counted from 0, as splits, gaps and clock resets divide it.
    pub episode: u64,
    /// The boxes as they were detected or predicted, in pixels of the colour image: they may reach
    /// beyond it, and a detector's nonsense is kept for the record. One may be there without the
    /// other.
    pub fingertip: Option<BoundingBox>,
    /// As `fingertip`.
    pub target: Option<BoundingBox>,
    /// Where the fingertip's box comes from, if there is one.
    pub fingertip_source: Option<BoxSource>,
    /// As `fingertip_source`.
    pub target_source: Option<BoxSource>,
    /// Between the points of both regions in metres, where both are at TF frames and these are connected.
    pub tf_m: Option<f64>,
    /// Why the frame cannot be measured, as far as the matcher knows.
    pub reason: Option<Reason>,
}

impl FrameInfo {
    /// The boxes of the fingertip and of the target, as far as there are some.
    pub fn seen(&self) -> [Option<SeenBox>; 2] {
        [
            BoxSource::seen(self.fingertip, self.fingertip_source),
            BoxSource::seen(self.target, self.target_source),
        ]
    }

    /// Of a picture of that stamp, in which no region is known.
    pub fn at(stamp_nanos: i64) -> Self {
        Self {
            stamp_nanos,
            timeline_nanos: stamp_nanos,
            log_time_nanos: stamp_nanos,
            frame_id: String::new(),
            episode: 0,
            fingertip: None,
            target: None,
            fingertip_source: None,
            target_source: None,
            tf_m: None,
            reason: None,
        }
    }

    /// The two boxes to measure between.
    ///
    /// # Errors
    /// The matcher's reason why the frame cannot be measured.
    pub fn regions(&self) -> Result<Regions, Reason> {
        match self.reason {
            Some(reason) => Err(reason),
            None => Ok(Regions::of_boxes(
                self.fingertip.ok_or(Reason::NoFingertipBox)?,
                self.target.ok_or(Reason::NoTargetBox)?,
            )),
        }
    }
}

/// An image with everything that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchedFrame<Payload = Bytes> {
    /// What its step will say of it.
    pub info: FrameInfo,
    /// The encoded colour image, as it was pushed.
    pub image: Payload,
    /// The encoded depth image nearest in time, if there is one within the tolerance.
    pub depth: Option<Payload>,
    /// The newest intrinsics up to the image, or the first ones ever. A camera whose intrinsics
    /// are unknown is the estimator's concern, so their absence is no reason here.
    pub intrinsics: Option<Intrinsics>,
    /// What the detector outlined in this very image, in pixels as it counts them.
    pub masks: Masks,
    /// Where regions at frames are, as was known live; `None` where none is, and in a recording, of which who measures
    /// knows all transforms.
    pub places: Option<Places>,
    /// What its depth is registered with, as was known live.
    pub registration: Option<Arc<Registration>>,
}

/// The parts of both regions that lie inside an image of that size.
///
/// # Errors
/// `box_outside_image` if a box has no part inside, no area, or a coordinate that is not finite.
pub fn check_regions(regions: &Regions, width: u32, height: u32) -> Result<Regions, Reason> {
    let inside = |bbox: &BoundingBox| bbox.clipped(width, height).ok_or(Reason::BoxOutsideImage);
    Ok(Regions {
        fingertip: inside(&regions.fingertip)?,
        target: inside(&regions.target)?,
        masks: regions.masks.clone(),
    })
}

/// Measure one decoded frame: check the regions against the image, then ask the estimator.
///
/// # Errors
/// `box_outside_image`, or the estimator's reason.
pub fn estimate(
    estimator: &dyn Estimator,
    frame: &Frame,
    regions: &Regions,
) -> Result<Measurement, Reason> {
    let inside = check_regions(regions, frame.color.width, frame.color.height)?;
    estimator.estimate(frame, &inside)
}
