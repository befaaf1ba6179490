//! Dense, trustworthy rewards for robot learning, measured from a camera.
//!
//! A camera looks at a robot's fingertip and at what it reaches for, a detector says where both
//! are in the image, and an [`Estimator`](estimator::Estimator) measures how far apart they are.
//! From there to a reward there are three stages, none of which reads a file or a topic: a bag
//! and a live robot drive the same ones. Messages go in, steps come out.
//!
//! Five doors lead into the library; each is a crate of its own that can be taken alone:
//!
//! | door | for whom | crate |
//! | --- | --- | --- |
//! | [`pipeline`], [`estimator`], [`geometry`], [`reward`] | who measures frames of their own and wants rewards | `spatial-reward-core` |
//! | [`settings`] | who reads and checks a file of settings | `spatial-reward-core` |
//! | [`bag`] | who reads or writes rosbag2 bags without ROS | `spatial-reward-rosbag2` |
//! | [`label`], [`evaluate`], [`calibrate`], [`inspect`], [`dataset`], [`report`] | who works on recordings as the program does | `spatial-reward-offline` |
//! | `models`, with the feature `torch` | who asks the networks | `spatial-reward-models` |
//!
//! With a scripted estimator in the model's place, from messages to steps:
//!
//! ```
//! use spatial_reward::estimator::Scripted;
//! use spatial_reward::frame::{BoundingBox, ColorImage, Detection, Frame, Reason};
//! use spatial_reward::pipeline::{self, BoxRole, Input, Matcher, Rewarder, Streams};
//! use spatial_reward::settings::Settings;
//! use spatial_reward::step::Latency;
//!
//! let settings = Settings::from_yaml("reward: {kind: tanh}")?;
//! // A colour camera at 10 Hz and a detector that finds both objects, save in the second image.
//! let streams = Streams { depth: false, camera_info: false, fingertip: true, target: true };
//! let mut matcher = Matcher::new(&settings, streams, false);
//! let seen = |class_id: &str, x: f64| Detection {
//!     class_id: class_id.into(),
//!     score: 0.9,
//!     bbox: BoundingBox::from_center(x, 24.0, 8.0, 8.0),
//!     track_id: None,
//!     mask: None,
//! };
//! for (i, stamp_nanos) in [0, 100_000_000, 200_000_000].into_iter().enumerate() {
//!     let frame_id = "camera".to_string();
//!     let payload = b"encoded pixels".as_slice().into();
//!     matcher.push(stamp_nanos, Input::Image { stamp_nanos, frame_id, payload });
//!     let mut boxes = vec![seen("target", 50.0)];
//!     if i != 1 {
//!         boxes.push(seen("fingertip", 10.0));
//!     }
//!     // The detector answers 30 ms later, with the stamp of the image it looked at.
//!     let answer = Input::Boxes { role: BoxRole::Both, stamp_nanos, boxes };
//!     matcher.push(stamp_nanos + 30_000_000, answer);
//! }
//! matcher.flush();
//!
//! // Here the estimator is a script: half a metre first, 6 cm at the end.
//! let estimator = Scripted::distances([(0, 0.5), (100_000_000, 0.28), (200_000_000, 0.06)]);
//! let mut rewarder = Rewarder::new(&settings);
//! let mut steps = Vec::new();
//! while let Some(matched) = matcher.next_frame() {
//!     let measured = matched.info.regions().and_then(|regions| {
//!         // A driver decodes `matched.image` here.
//!         let color = ColorImage { width: 64, height: 48, rgb: vec![0; 64 * 48 * 3].into() };
//!         let frame = Frame {
//!             episode: matched.info.episode,
//!             stamp_nanos: matched.info.stamp_nanos,
//!             color: color.into(),
//!             depth: None,
//!             intrinsics: matched.intrinsics,
//!         };
//!         pipeline::estimate(&estimator, &frame, &regions)
//!     });
//!     steps.push(rewarder.push(matched.info, measured, Latency::default()));
//! }
//!
//! // The nearer, the better; and what was not seen is no zero, it is invalid and says why.
//! assert_eq!(steps[0].distance_m, 0.5);
//! assert!(steps[2].reward > steps[0].reward);
//! assert_eq!(steps[1].reason, Some(Reason::NoFingertipBox));
//! assert!(steps[1].reward.is_nan());
//! # Ok::<(), spatial_reward::Error>(())
//! ```

#[doc(hidden)]
pub mod program;

pub use spatial_reward_core::{
    Error, Result, answer, calibration, estimator, frame, geometry, imaging, messages, pipeline,
    progress, prompt, question, reward, settings, statistics, step, training_row, video,
};
#[cfg(feature = "torch")]
pub use spatial_reward_models as models;
pub use spatial_reward_offline::{
    calibrate, dataset, evaluate, inspect, label, pick, regions_file, report,
};
pub use spatial_reward_rosbag2 as bag;
