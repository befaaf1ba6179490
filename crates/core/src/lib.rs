//! From a camera's stamped messages to rewards for a robot, without any IO: the engine of
//! spatial_reward.
//!
//! A camera looks at a robot's fingertip and at what it reaches for, and a detector says where both
//! are in the image. A [`Matcher`](pipeline::Matcher) joins images, depth, intrinsics and boxes to
//! frames by their stamps; an [`Estimator`](estimator::Estimator) measures how far apart the two are,
//! or says why it cannot; a [`Rewarder`](pipeline::Rewarder) folds the distances, in order, to
//! [`Step`](step::Step)s with a reward, a success and an episode. Messages go in and steps come out:
//! who reads a bag and who listens to topics drive the same three stages and get the same numbers.
//!
//! - [`pipeline`]: the three stages. [`messages`]: the ROS 2 messages in, from CDR bytes, and the one out.
//! - [`estimator`]: the trait, and a script for tests. [`geometry`]: distances from depth, without a model.
//! - [`video`]: pictures out of packets, in order; who decodes registers.
//! - [`registration`]: depth of a camera of its own, as the colour camera would have measured it.
//! - [`finding`]: regions named by words or by an example, found by a detector that registers itself.
//! - [`tracking`]: a region that was drawn once, followed through the pictures by colour and depth.
//! - [`reward`]: filter, reward, shaping, success and episodes, folded over the distances so far.
//! - [`task`]: a whole task of several regions and phases. [`shown`], [`colors`]: what is drawn of a step, and in which colours.
//! - [`detection`]: what a detector that is asked for words or by an example tells of a picture.
//! - [`settings`]: all that can be set, read from YAML and checked.
//! - [`imaging`], [`prompt`], [`answer`], [`question`]: a vision-language model's view of a frame, and
//!   what it says, in plain data; the model itself is elsewhere.
//!
//! Lengths are metres, stamps nanoseconds, boxes pixels of the full-resolution colour image, points in
//! the camera's optical frame (x right, y down, z forward). What could not be measured is no zero: it
//! has a [`Reason`](frame::Reason).
//!
//! Two boxes 6 cm apart, half a metre before a wall, measured from depth alone:
//!
//! ```
//! use spatial_reward_core::frame::*;
//! use spatial_reward_core::geometry::GeometryEstimator;
//! use spatial_reward_core::settings::Geometry;
//!
//! let (width, height) = (160, 120);
//! let depth_m = (0..width * height).map(|i| match (i % width, i / width) {
//!     (30..70 | 80..120, 40..80) => 0.6,
//!     _ => 1.1,
//! });
//! let depth = DepthImage::new(width, height, depth_m.collect());
//! let color = ColorImage { width, height, rgb: vec![0; 160 * 120 * 3].into() };
//! // With a focal length of 100 pixels, a pixel at 0.6 m is 6 mm wide.
//! let (fx, fy, cx, cy, distortion) = (100.0, 100.0, 80.0, 60.0, Distortion::None);
//! let camera = Intrinsics { width, height, fx, fy, cx, cy, distortion };
//! let fingertip = BoundingBox::new(30.0, 40.0, 70.0, 80.0);
//! let target = BoundingBox::new(80.0, 40.0, 120.0, 80.0);
//!
//! let estimator = GeometryEstimator::new(&Geometry::default());
//! let regions = Regions::of_boxes(fingertip, target);
//! let measured = estimator.measure(&color.into(), &depth, &camera, &regions)?;
//! let gap_m = measured.distance_m(DistanceKind::Surface).ok_or(Reason::DepthInvalid)?;
//! assert!((gap_m - 0.06).abs() < 0.006, "{gap_m}");
//! # Ok::<(), Reason>(())
//! ```

pub mod answer;
pub mod calibration;
pub mod colors;
mod depth_image;
pub mod detection;
pub mod digest;
pub mod endpoint;
pub mod error;
pub mod estimator;
pub mod finding;
pub mod following;
pub mod frame;
pub mod geometry;
pub mod imaging;
pub mod kalman;
mod mask;
pub mod mask_following;
pub mod messages;
mod no_video_picture;
pub mod pipeline;
pub mod progress;
pub mod prompt;
pub mod question;
pub mod random;
pub mod registration;
pub mod reward;
pub mod settings;
pub mod shown;
pub mod stamp;
pub mod statistics;
pub mod step;
pub mod task;
pub mod tracking;
pub mod training_row;
pub mod transforms;
pub mod video;
pub mod whole_folder;

pub use error::{Error, Result};

/// The example on the registry's page holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
