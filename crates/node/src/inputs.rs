//! All subscriptions of the node: which there are, by the settings, and whether they are listened to.

use std::time::Instant;

use super::arguments::{Identity, Remaps};
use super::clock::Now;
use super::graph;
use super::subscription::{Pictures, Role, Subscription, Wanted};
use crate::error::Result;
use spatial_reward_core::messages::Projection;
use spatial_reward_core::pipeline::reading::StreamKind;
use spatial_reward_core::pipeline::{BoxRole, Input, Streams};
use spatial_reward_core::settings::{BoxType, Config, ImageTransport, Reliability, Settings};

/// All subscriptions.
pub(crate) struct Inputs {
    pub subscriptions: Vec<Subscription>,
    /// Those of before that none of today's goes on with.
    resting: Vec<Subscription>,
    /// The topic that splits episodes, whose type only its publisher knows.
    split: Option<Split>,
    pub task_prompt: String,
    /// Whether it was told already how depth lies to the image, or somebody says that it is registered.
    frames_compared: bool,
    pictures: Pictures,
}

struct Split {
    asked: String,
    topic: String,
}

impl Inputs {
    /// Before anything is listened to.
    pub(crate) fn none() -> Self {
        Self {
            subscriptions: Vec::new(),
            resting: Vec::new(),
            split: None,
            task_prompt: String::new(),
            frames_compared: false,
            pictures: Pictures {
                projection: Projection::default(),
                depth_unit_m: None,
                depth_range_m: 0.0..=f64::INFINITY,
            },
        }
    }

    /// Subscribe to everything that the settings ask for.
    ///
    /// # Errors
    /// A topic name that ROS refuses.
    pub(crate) fn subscribe(
        &mut self,
        node: &mut r2r::Node,
        settings: &Settings,
        remaps: &Remaps,
        identity: &Identity,
    ) -> Result<()> {
        self.rest();
        let mut wanted = wanted(settings);
        let resolved = |one: &Wanted<'_>| remaps.resolve(one.asked(), identity);
        let topic_of = |kind| {
            let one = wanted.iter().find(|one| one.role == Role::Pipeline(kind));
            one.map(resolved)
        };
        let image = topic_of(StreamKind::Image).unwrap_or_default();
        let depth = topic_of(StreamKind::Depth);
        let Config {
            topics, geometry, ..
        } = settings.config();
        self.frames_compared = settings.depth.registered;
        self.pictures = Pictures {
            projection: Projection::of(topics.rectification, &image, depth.as_deref()),
            depth_unit_m: topics.depth_unit_m,
            depth_range_m: geometry.min_depth_m..=geometry.max_depth_m,
        };
        if let [.., fingertip, target] = wanted.as_mut_slice()
            && resolved(fingertip) == resolved(target)
        {
            fingertip.role = Role::Pipeline(StreamKind::Boxes(BoxRole::Both));
            fingertip.what = "boxes";
            wanted.pop();
        }
        wanted.push(Wanted {
            role: Role::TaskPrompt,
            what: "task prompt",
            own_name: "/task_prompt",
            configured: settings.topics.task_prompt.as_ref(),
            type_name: "std_msgs/msg/String",
            reliability: Reliability::Reliable,
            needed: false,
        });
        for one in wanted {
            let topic = resolved(&one);
            let history = settings.live.history;
            let before = &mut self.resting;
            let one = Subscription::new(node, &one, topic, history, &self.pictures, before)?;
            self.subscriptions.push(one);
        }
        self.split = settings.episodes.split_topic.as_ref().map(|asked| Split {
            asked: asked.clone(),
            topic: remaps.resolve(asked, identity),
        });
        Ok(())
    }

    /// Subscribe to the topic that splits episodes, once a publisher has told its type. To be called now
    /// and then.
    pub(crate) fn look_for_split(&mut self, node: &mut r2r::Node) {
        let Some(Split { asked, topic }) = &self.split else {
            return;
        };
        // ROS may not tell for a moment; it is asked again.
        let publishers = graph::publishers(node, topic).unwrap_or_default();
        let Some(type_name) = publishers.first().map(|one| one.type_name.as_str()) else {
            return;
        };
        match Subscription::new_split(node, asked, topic.clone(), type_name, &mut self.resting) {
            Ok(subscription) => {
                tracing::info!("each {type_name} on {topic} begins an episode");
                self.subscriptions.push(subscription);
            }
            Err(error) => tracing::error!(
                "episodes.split_topic {topic} is of type {type_name}, which this build cannot receive ({error}): \
                 publish it as a type of std_msgs, or build with its package in IDL_PACKAGE_FILTER"
            ),
        }
        self.split = None;
    }

    /// Stop listening to everything.
    pub(crate) fn rest(&mut self) {
        self.split = None;
        self.task_prompt.clear();
        self.resting.append(&mut self.subscriptions);
        self.keep_resting();
    }

    /// Give up what is spoken on. To be called now and then while the node listens to nothing.
    pub(crate) fn keep_resting(&mut self) {
        self.resting.iter_mut().for_each(Subscription::rest);
    }

    /// Take every message that has come out of ROS's hands; whether there was one. Without a time (a
    /// simulator's clock that has not begun) they are dropped.
    pub(crate) fn take(&mut self, now: Option<Now>, sink: &mut dyn FnMut(Input)) -> bool {
        let mut any = false;
        for subscription in &mut self.subscriptions {
            while let Some(bytes) = subscription.next() {
                any = true;
                subscription.received += 1;
                subscription.last_received = Some(Instant::now());
                let Some(now) = now else {
                    subscription.before_clock += 1;
                    continue;
                };
                match subscription.read(bytes, now, &self.pictures, &mut self.task_prompt) {
                    Ok(Some(input)) => sink(input),
                    Ok(None) => {}
                    Err(error) => subscription.note_unreadable(&error.to_string()),
                }
            }
        }
        any
    }

    /// How many images have come so far.
    pub(crate) fn images(&self) -> u64 {
        let of_images = |one: &&Subscription| one.role == Role::Pipeline(StreamKind::Image);
        let both = self.subscriptions.iter().chain(&self.resting);
        both.filter(of_images).map(|one| one.received).sum()
    }

    /// Warn, once, where depth is given in another coordinate frame than the image.
    pub(crate) fn compare_frames(&mut self) {
        let frame_of = |kind| {
            let picture = |one: &&Subscription| one.role == Role::Pipeline(kind);
            let one = self.subscriptions.iter().find(picture)?;
            Some((one.topic.as_str(), one.frame_id.as_deref()?))
        };
        if self.frames_compared {
            return;
        }
        if let (Some((image_topic, image)), Some((depth_topic, depth))) =
            (frame_of(StreamKind::Image), frame_of(StreamKind::Depth))
        {
            if image != depth {
                tracing::warn!(
                    "the depth on {depth_topic} is of coordinate frame '{depth}', the image on {image_topic} of \
                     '{image}': the depth must be registered to the image, or distances will be wrong"
                );
            }
            self.frames_compared = true;
        }
    }

    /// The streams that a frame waits for: those that are needed, and those that have shown up.
    pub(crate) fn streams(&self) -> Streams {
        let expects = |kind| {
            (self.subscriptions.iter())
                .any(|one| one.role == Role::Pipeline(kind) && (one.needed || one.is_of_use()))
        };
        let boxes =
            |role| expects(StreamKind::Boxes(role)) || expects(StreamKind::Boxes(BoxRole::Both));
        Streams {
            depth: expects(StreamKind::Depth),
            camera_info: expects(StreamKind::CameraInfo),
            fingertip: boxes(BoxRole::Fingertip),
            target: boxes(BoxRole::Target),
        }
    }
}

/// The pipeline's inputs; the two boxes come last.
fn wanted(settings: &Settings) -> Vec<Wanted<'_>> {
    let Config { topics, live, .. } = settings.config();
    let picture = |transport| match transport {
        ImageTransport::Raw => "sensor_msgs/msg/Image",
        ImageTransport::Compressed => "sensor_msgs/msg/CompressedImage",
    };
    let boxes = match live.box_type {
        BoxType::Detections => "vision_msgs/msg/Detection2DArray",
        BoxType::RegionOfInterest => "sensor_msgs/msg/RegionOfInterest",
    };
    let image = Wanted {
        role: Role::Pipeline(StreamKind::Image),
        what: "image",
        own_name: "image",
        configured: topics.image.as_ref(),
        type_name: picture(live.image_transport),
        reliability: live.image_reliability,
        needed: true,
    };
    let needs_depth = settings.needs_depth();
    let fingertip = Wanted {
        role: Role::Pipeline(StreamKind::Boxes(BoxRole::Fingertip)),
        what: "fingertip box",
        own_name: "fingertip/detections",
        configured: topics.fingertip.as_ref(),
        type_name: boxes,
        reliability: live.box_reliability,
        needed: true,
    };
    let depth = Wanted {
        role: Role::Pipeline(StreamKind::Depth),
        what: "depth",
        own_name: "depth",
        configured: topics.depth.as_ref(),
        type_name: picture(live.depth_transport),
        needed: needs_depth,
        ..image
    };
    let camera_info = Wanted {
        role: Role::Pipeline(StreamKind::CameraInfo),
        what: "camera info",
        own_name: "camera_info",
        configured: topics.camera_info.as_ref(),
        type_name: "sensor_msgs/msg/CameraInfo",
        needed: settings.estimator().needs_camera_info,
        ..image
    };
    let target = Wanted {
        role: Role::Pipeline(StreamKind::Boxes(BoxRole::Target)),
        what: "target box",
        own_name: "target/detections",
        configured: topics.target.as_ref(),
        ..fingertip
    };
    vec![image, depth, camera_info, fingertip, target]
}
