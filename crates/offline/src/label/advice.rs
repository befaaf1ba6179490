//! What is said of a bag whose steps could not be measured: the reason that most of them have, and what may be behind it,
//! with this bag's figures. Which setting mends it is named as data; whoever talks to people words it.

use serde::Serialize;

use super::delay::BoxDelay;
use crate::role::{self, Role};
use spatial_reward_core::frame::Reason;

/// Why steps are invalid, and what may help.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// What most of the invalid ones have.
    pub reason: Reason,
    /// How many have it.
    pub count: u64,
    /// All invalid steps.
    pub invalid: u64,
    /// All steps.
    pub steps: u64,
    /// What may be behind it, the likeliest first; never empty.
    pub causes: Vec<Cause>,
}

/// What may keep steps from being measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A topic has no message.
    NoMessages {
        /// What it is for.
        #[serde(serialize_with = "role::key")]
        role: Role,
    },
    /// A region that is sought by words or by an example is not clear, as a live node sees it.
    Unfound {
        /// Which one.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// What is sought.
        sought: String,
    },
    /// Messages of a topic do not decode.
    UnreadableMessages {
        /// What the topic is for.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// How many.
        count: u64,
        /// What is wrong with the first.
        why: String,
    },
    /// Pictures do not decode or do not fit.
    BrokenPictures {
        /// Which, such as `depth image`.
        what: &'static str,
        /// How many.
        count: u64,
        /// What is wrong with the first.
        why: String,
    },
    /// None of the boxes is of a class that counts.
    OtherClasses {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// Those that count.
        wanted: Vec<String>,
        /// Those that were seen.
        seen: Vec<String>,
    },
    /// Boxes are less sure than what counts.
    LowScores {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// The share of them.
        share: f64,
        /// The best score that was seen.
        best_score: f64,
        /// The least that counts.
        min_score: f64,
    },
    /// The detector mostly saw nothing.
    EmptyMessages {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// Messages without a box.
        empty: u64,
        /// All messages.
        messages: u64,
    },
    /// The stamps of a stream lie beside those of the images.
    Apart {
        /// Whose stamps.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// The middle one of their distances to the nearest image, later ones positive, seconds.
        median_s: f64,
        /// Half of them lie within this of it, seconds.
        spread_s: f64,
        /// What is near enough, seconds.
        tolerance_s: f64,
    },
    /// A detector stamps its boxes later than the image that they are of.
    Delayed(BoxDelay),
    /// A detector answers less often than a box may be old.
    Seldom {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// From one message to the next, seconds.
        period_s: f64,
        /// How old a box may be, seconds.
        box_max_age_s: f64,
    },
    /// Depth images come less often than images.
    SeldomDepth {
        /// From one depth image to the next, seconds.
        depth_period_s: f64,
        /// From one image to the next, seconds.
        image_period_s: f64,
    },
    /// Boxes are in shares of a picture instead of its pixels.
    Normalized {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// The share of them.
        share: f64,
    },
    /// Boxes have corners that are no numbers, or infinite.
    NotFinite {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// The share of them.
        share: f64,
    },
    /// Boxes lie outside the picture, so they are of another one.
    Outside {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// The share of them.
        share: f64,
        /// How far they reach to the right and down, pixels.
        reach_px: [f64; 2],
        /// The picture's size, pixels.
        picture_px: [u32; 2],
    },
    /// Objects have no place, or one in a frame that nothing joins to the image's.
    ObjectsLeftOut {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// The messages with such an object.
        count: u64,
        /// What is wrong with the first.
        why: String,
    },
    /// Boxes in space lie where the camera does not look.
    Unseen {
        /// Whose boxes.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// The share of them.
        share: f64,
    },
    /// Depth can only be in millimetres, though it is of a type that is read as metres.
    DepthUnit {
        /// The 5th, 50th and 95th percentile of what was measured, read as metres.
        range_m: [f64; 3],
    },
    /// Depth lies outside what may be measured.
    DepthRange {
        /// The 5th, 50th and 95th percentile of what was measured, metres.
        range_m: [f64; 3],
        /// Nearer is no measurement.
        min_depth_m: f64,
        /// Nor is farther.
        max_depth_m: f64,
    },
    /// Depth of a camera of its own, of which nothing falls into the picture.
    DepthElsewhere {
        /// Where its camera is taken to be in the colour camera's axes: x, y, z in metres.
        aside_m: [f64; 3],
    },
    /// Few pixels have depth at all.
    DepthHoles {
        /// The share of those that have.
        measured: f64,
    },
    /// A region has few pixels of depth though the picture has many.
    ThinRegions {
        /// The shorter side of a usual box, pixels; of both objects the smaller one.
        side_px: f64,
        /// Pixels that a region must have.
        min_pixels: u32,
    },
    /// The model says what is no distance.
    Answer {
        /// For example.
        text: String,
    },
    /// What was measured is farther than what is believed.
    TooFar {
        /// What is believed, metres.
        max_distance_m: f64,
    },
    /// Distances are less certain than the settings demand.
    TooUncertain {
        /// The middle one of the standard deviations that were too large, metres.
        median_std_m: f64,
        /// What is let through, metres.
        max_std_m: f64,
    },
    /// What is measured around a TF frame is nearer or farther than the frame by more than its object's size.
    FrameElsewhere,
    /// A region that was drawn is not seen any more as it was drawn.
    LostRegion {
        /// Which one.
        #[serde(serialize_with = "role::key")]
        role: Role,
        /// How many seconds after the first picture the longest stretch without it begins.
        since_s: f64,
        /// And how long it is.
        steps: u64,
    },
    /// Images came out of order.
    OutOfOrder,
    /// Images have stamps far from their neighbours'.
    WildStamps,
    /// Nothing that was looked at explains it.
    Unexplained,
}

impl Advice {
    /// Whether no step at all is valid.
    pub fn none_is_valid(&self) -> bool {
        self.invalid == self.steps
    }
}

impl Cause {
    /// The settings that mend it, by their dotted names.
    pub fn settings(&self) -> &'static [&'static str] {
        let is_target = |role: &Role| *role == Role::Target;
        match self {
            Self::OtherClasses { role, .. } if is_target(role) => &["topics.target_class"],
            Self::OtherClasses { .. } => &["topics.fingertip_class"],
            Self::LowScores { .. } => &["matching.min_score"],
            Self::Apart { .. } => &["matching.tolerance_s"],
            Self::Delayed(delay) => delay.settings(),
            Self::Seldom { .. } => &["matching.box_max_age_s"],
            Self::Normalized { role, .. } | Self::Outside { role, .. } if is_target(role) => {
                &["regions.target.picture_size"]
            }
            Self::Normalized { .. } | Self::Outside { .. } => &["regions.fingertip.picture_size"],
            Self::DepthUnit { .. } => &["topics.depth_unit_m"],
            Self::DepthRange { .. } => &["geometry.min_depth_m", "geometry.max_depth_m"],
            Self::DepthElsewhere { .. } => &["depth.extrinsics"],
            Self::ThinRegions { .. } => &["geometry.min_pixels"],
            Self::Answer { .. } => &["model.question", "model.max_new_tokens"],
            Self::LostRegion { role, .. } if is_target(role) => &["regions.target.box"],
            Self::LostRegion { .. } => &["regions.fingertip.box"],
            Self::TooFar { .. } => &["estimator.max_distance_m"],
            Self::TooUncertain { .. } => &["reward.max_std_m"],
            Self::FrameElsewhere => &["regions.fingertip.size_m", "regions.target.size_m"],
            _ => &[],
        }
    }
}
