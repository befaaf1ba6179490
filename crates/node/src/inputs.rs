//! All subscriptions of the node: which there are, by the settings, and whether they are listened to.

use std::collections::VecDeque;
use std::time::Instant;

use super::arguments::{Identity, Remaps};
use super::clock::Now;
use super::graph;
use super::subscription::{Pictures, Role, Subscription, Wanted};
use crate::error::Result;
use spatial_reward_core::messages::Projection;
use spatial_reward_core::pipeline::reading::StreamKind;
use spatial_reward_core::pipeline::{BoxRole, Input, Streams};
use spatial_reward_core::settings::{
    BoxType, Config, Depth, ImageTransport, Reliability, Settings,
};

/// All subscriptions.
pub(crate) struct Inputs {
    pub subscriptions: Vec<Subscription>,
    /// Those of before that none of today's goes on with.
    resting: Vec<Subscription>,
    /// The topic that splits episodes, whose type only its publisher knows.
    split: Option<Split>,
    pub task_prompt: String,
    pictures: Pictures,
    undecided: Option<Undecided>,
}

/// Whether the depth's name says anything of the image: not before their coordinate frames tell whether they are of one
/// camera. Camera infos are kept until then.
struct Undecided {
    depth: Depth,
    /// Where they are of two cameras.
    apart: Projection,
    camera_infos: VecDeque<(Vec<u8>, Now)>,
}

/// What came out of ROS's hands at a time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Came {
    /// Transforms: they come all the time, and ROS hands over one at a time.
    pub transforms: bool,
    /// The messages of a frame, which come in a burst.
    pub others: bool,
}

/// So many camera infos are kept until depth comes.
const KEPT: usize = 100;

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
            undecided: None,
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
        let projection = |depth| Projection::of(topics.rectification, &image, depth);
        let [together, apart] = [projection(depth.as_deref()), projection(None)];
        let is_undecided =
            together != apart && settings.needs_depth() && !settings.depth.registered;
        self.undecided = is_undecided.then(|| Undecided {
            depth: settings.depth.clone(),
            apart,
            camera_infos: VecDeque::new(),
        });
        self.pictures = Pictures {
            projection: together,
            depth_unit_m: topics.depth_unit_m,
            depth_range_m: geometry.min_depth_m..=geometry.max_depth_m,
        };
        let boxes_of = |one: &Wanted<'_>, role| one.role == Role::Pipeline(StreamKind::Boxes(role));
        if let [.., fingertip, target] = wanted.as_mut_slice()
            && boxes_of(fingertip, BoxRole::Fingertip)
            && boxes_of(target, BoxRole::Target)
            && resolved(fingertip) == resolved(target)
        {
            fingertip.role = Role::Pipeline(StreamKind::Boxes(BoxRole::Both));
            fingertip.what = "boxes";
            wanted.pop();
        }
        wanted.extend(of_the_rig(settings));
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
            let mut one = Subscription::new(node, &one, topic, history, &self.pictures, before)?;
            one.latched.tell_anew();
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

    /// Take every message that has come out of ROS's hands; what there was. Without a time (a
    /// simulator's clock that has not begun) they are dropped.
    pub(crate) fn take(&mut self, now: Option<Now>, sink: &mut dyn FnMut(Input)) -> Came {
        let mut came = Came::default();
        for subscription in &mut self.subscriptions {
            while let Some(bytes) = subscription.next() {
                match subscription.is_of_transforms() {
                    true => came.transforms = true,
                    false => came.others = true,
                }
                subscription.received += 1;
                subscription.last_received = Some(Instant::now());
                if subscription.is_latched() {
                    subscription.latch(bytes);
                    continue;
                }
                let Some(now) = now else {
                    subscription.before_clock += 1;
                    continue;
                };
                if let Some(undecided) = &mut self.undecided
                    && subscription.role == Role::Pipeline(StreamKind::CameraInfo)
                {
                    undecided.keep(bytes, now);
                    continue;
                }
                match subscription.read(bytes, now, &self.pictures, &mut self.task_prompt) {
                    Ok(Some(input)) => sink(input),
                    Ok(None) => {}
                    Err(error) => subscription.note_unreadable(&error.to_string()),
                }
            }
            let untold = now.map(|_| subscription.latched.take_untold());
            if let Some(transforms) = untold.filter(|untold| !untold.is_empty()) {
                let is_static = true;
                sink(Input::Transforms {
                    transforms,
                    is_static,
                });
            }
        }
        self.decide(sink);
        came
    }

    /// Once image and depth have said their coordinate frames: read the camera infos that were kept.
    fn decide(&mut self, sink: &mut dyn FnMut(Input)) {
        let frame_of = |kind| self.of_kind(kind)?.frame_id.as_deref();
        let frames = [StreamKind::Image, StreamKind::Depth].map(frame_of);
        let ([Some(image), Some(depth)], Some(undecided)) = (frames, &self.undecided) else {
            return;
        };
        if undecided.depth.is_to_be_registered(image, depth) {
            self.pictures.projection = undecided.apart;
        }
        let kept = self
            .undecided
            .take()
            .map(|undecided| undecided.camera_infos);
        let pictures = self.pictures.clone();
        let is_camera_info =
            |one: &&mut Subscription| one.role == Role::Pipeline(StreamKind::CameraInfo);
        let Some(subscription) = self.subscriptions.iter_mut().find(is_camera_info) else {
            return;
        };
        subscription.project(pictures.projection);
        for (bytes, now) in kept.into_iter().flatten() {
            match subscription.read(bytes, now, &pictures, &mut self.task_prompt) {
                Ok(input) => input.into_iter().for_each(&mut *sink),
                Err(error) => subscription.note_unreadable(&error.to_string()),
            }
        }
    }

    fn of_kind(&self, kind: StreamKind) -> Option<&Subscription> {
        let is_of_kind = |one: &&Subscription| one.role == Role::Pipeline(kind);
        self.subscriptions.iter().find(is_of_kind)
    }

    /// The topic's name of a stream that is listened to.
    pub(crate) fn topic_of(&self, kind: StreamKind) -> Option<&str> {
        self.of_kind(kind).map(|one| one.topic.as_str())
    }

    /// How many images have come so far.
    pub(crate) fn images(&self) -> u64 {
        let of_images = |one: &&Subscription| one.role == Role::Pipeline(StreamKind::Image);
        let both = self.subscriptions.iter().chain(&self.resting);
        both.filter(of_images).map(|one| one.received).sum()
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

impl Undecided {
    fn keep(&mut self, bytes: Vec<u8>, now: Now) {
        if self.camera_infos.len() == KEPT {
            self.camera_infos.pop_front();
        }
        self.camera_infos.push_back((bytes, now));
    }
}

/// What tells where the robot's frames and its depth camera are.
fn of_the_rig(settings: &Settings) -> Vec<Wanted<'_>> {
    let Config { topics, depth, .. } = settings.config();
    let transforms = |is_static| Wanted {
        role: Role::Pipeline(StreamKind::Transforms { is_static }),
        what: if is_static {
            "static transforms"
        } else {
            "transforms"
        },
        own_name: if is_static { "/tf_static" } else { "/tf" },
        configured: None,
        type_name: "tf2_msgs/msg/TFMessage",
        reliability: Reliability::Reliable,
        needed: false,
    };
    let depth_camera_info = Wanted {
        role: Role::Pipeline(StreamKind::DepthCameraInfo),
        what: "depth camera info",
        own_name: "depth/camera_info",
        configured: topics.depth_camera_info.as_ref(),
        type_name: "sensor_msgs/msg/CameraInfo",
        reliability: settings.live.image_reliability,
        needed: false,
    };
    let have_frames = settings.regions.have_frames();
    let registers = !depth.registered;
    let mut wanted = Vec::new();
    wanted.extend(registers.then_some(depth_camera_info));
    wanted.extend(have_frames.then(|| transforms(false)));
    let needs_static = have_frames || registers && depth.extrinsics.is_none();
    wanted.extend(needs_static.then(|| transforms(true)));
    wanted
}

/// The pipeline's inputs; the boxes come last, of regions that are at no frame.
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
        needed: settings.estimator().needs_camera_info || settings.regions.have_frames(),
        ..image
    };
    let target = Wanted {
        role: Role::Pipeline(StreamKind::Boxes(BoxRole::Target)),
        what: "target box",
        own_name: "target/detections",
        configured: topics.target.as_ref(),
        ..fingertip
    };
    let regions = &settings.regions;
    let mut wanted = vec![image, depth, camera_info];
    wanted.extend(regions.fingertip.is_detected().then_some(fingertip));
    wanted.extend(regions.target.is_detected().then_some(target));
    wanted
}
