//! All subscriptions of the node: which there are, by the settings, and whether they are listened to.

use std::collections::VecDeque;
use std::time::Instant;

use super::cameras::Camera;
use super::clock::Now;
use super::graph;
use super::outgoing::shortened;
use super::subscription::{Heard, Subscription};
use super::wanted::Role;
use super::wants::{Names, cameras, wanted};
use crate::error::Result;
use spatial_reward_core::pipeline::reading::{StreamKind, stamp_or};
use spatial_reward_core::pipeline::{BoxRole, Input, Streams};
use spatial_reward_core::settings::Plan;

/// All subscriptions.
pub(crate) struct Inputs {
    pub subscriptions: Vec<Subscription>,
    /// Those of before that none of today's goes on with.
    resting: Vec<Subscription>,
    /// The topic that splits episodes, whose type only its publisher knows.
    split: Option<Split>,
    pub task_prompt: String,
    cameras: Vec<Camera>,
    gripper: GripperJoints,
}

/// The joints whose positions add up to the gripper's opening.
#[derive(Default)]
struct GripperJoints {
    joints: Vec<String>,
    /// A message had them.
    is_known: bool,
    /// That one had not was told.
    told: bool,
}

impl GripperJoints {
    /// Other joints may come on the same topic; that none of the gripper's has come so far is told once.
    fn tell_unknown(&mut self, names: &[String]) {
        if !self.is_known && !std::mem::replace(&mut self.told, true) {
            let names = names.join(", ");
            tracing::warn!(
                "task.gripper_topic: a message has no positions of the gripper's joints (task.gripper_joints), but {}",
                shortened(&names)
            );
        }
    }
}

/// What came out of ROS's hands at a time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Came {
    /// Transforms: they come all the time, and ROS hands over one at a time.
    pub transforms: bool,
    /// The messages of a frame, which come in a burst.
    pub others: bool,
}

struct Split {
    asked: String,
    topic: String,
}

/// What came of a message, for who matches.
pub(crate) enum Told {
    /// Something that a pair wants.
    Of {
        /// Which pair.
        pair: usize,
        input: Input,
    },
    /// A new episode begins.
    Split,
    /// How wide the gripper is open.
    Opening { stamp_nanos: i64, opening_m: f64 },
}

impl Inputs {
    /// Before anything is listened to.
    pub(crate) fn none() -> Self {
        Self {
            subscriptions: Vec::new(),
            resting: Vec::new(),
            split: None,
            task_prompt: String::new(),
            cameras: Vec::new(),
            gripper: GripperJoints::default(),
        }
    }

    /// Subscribe to everything that these pairs ask for, the step's own first.
    ///
    /// # Errors
    /// A topic name that ROS refuses.
    pub(crate) fn subscribe(
        &mut self,
        node: &mut r2r::Node,
        pairs: &[Plan],
        names: Names<'_>,
    ) -> Result<()> {
        self.rest();
        let Some(first) = pairs.first() else {
            return Ok(());
        };
        let alone = |plan: &Plan| wanted(std::slice::from_ref(plan), names, |_, _| true);
        let of_camera = |plan: &Plan| {
            let wanted = alone(plan);
            let topic_of = |kind| {
                let one = wanted.iter().find(|one| one.role == Role::Pipeline(kind));
                one.map(|one| one.topic.as_str())
            };
            let image = topic_of(StreamKind::Image).unwrap_or_default();
            Camera::new(&plan.settings, image, topic_of(StreamKind::Depth))
        };
        self.cameras = cameras(pairs).into_iter().map(of_camera).collect();
        let of = |at: usize| self.cameras.get(at);
        let is_alike = |one: usize, other: usize| {
            one == other || (of(one).zip(of(other))).is_some_and(|(a, b)| a.reads_as(b))
        };
        for one in wanted(pairs, names, is_alike) {
            let history = first.settings.live.history;
            let Some(camera) = self.cameras.get(one.camera()) else {
                continue;
            };
            let before = &mut self.resting;
            let mut one = Subscription::new(node, one, history, &camera.pictures, before)?;
            one.latched.tell_anew();
            self.subscriptions.push(one);
        }
        self.gripper = GripperJoints {
            joints: first.settings.task.gripper_joints.clone(),
            ..GripperJoints::default()
        };
        let asked = first.settings.episodes.split_topic.as_ref();
        self.split = asked.map(|asked| Split {
            asked: asked.clone(),
            topic: names.resolve(asked),
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
    pub(crate) fn take(&mut self, now: Option<Now>, sink: &mut dyn FnMut(Told)) -> Came {
        let mut came = Came::default();
        let mut heard = Vec::new();
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
                let Some(camera) = self.cameras.get_mut(subscription.camera()) else {
                    continue;
                };
                if camera.is_undecided()
                    && subscription.role == Role::Pipeline(StreamKind::CameraInfo)
                {
                    camera.keep(bytes, now);
                    continue;
                }
                subscription.take(bytes, now, &camera.pictures, &mut heard);
            }
            if now.is_some() {
                subscription.tell_latched(&mut heard);
            }
        }
        self.decide(&mut heard);
        for one in heard {
            self.tell(one, now, sink);
        }
        came
    }

    fn tell(&mut self, heard: Heard, now: Option<Now>, sink: &mut dyn FnMut(Told)) {
        match heard {
            Heard::Of { pair, input } => sink(Told::Of { pair, input }),
            Heard::Split => sink(Told::Split),
            Heard::Prompt(words) => self.task_prompt = words,
            Heard::Joints(state) => {
                let received_nanos = now.map_or(0, |now| now.ros_nanos);
                let stamp_nanos = stamp_or(received_nanos, state.header.stamp_nanos());
                match state.sum(&self.gripper.joints) {
                    Some(opening_m) => {
                        self.gripper.is_known = true;
                        sink(Told::Opening {
                            stamp_nanos,
                            opening_m,
                        });
                    }
                    None => self.gripper.tell_unknown(&state.name),
                }
            }
        }
    }

    /// Once image and depth of a camera have said their coordinate frames: read the camera infos that were kept.
    fn decide(&mut self, heard: &mut Vec<Heard>) {
        for at in 0..self.cameras.len() {
            let frame_of = |kind| self.of_camera(at, kind)?.frame_id.clone();
            let frames = [StreamKind::Image, StreamKind::Depth].map(frame_of);
            let ([Some(image), Some(depth)], Some(camera)) = (frames, self.cameras.get_mut(at))
            else {
                continue;
            };
            if !camera.is_undecided() {
                continue;
            }
            let kept: VecDeque<(Vec<u8>, Now)> = camera.decide(&image, &depth);
            let pictures = camera.pictures.clone();
            let is_it = |one: &&mut Subscription| one.is_of(at, StreamKind::CameraInfo);
            let Some(subscription) = self.subscriptions.iter_mut().find(is_it) else {
                continue;
            };
            subscription.project(pictures.projection);
            for (bytes, now) in kept {
                subscription.take(bytes, now, &pictures, heard);
            }
        }
    }

    fn of_camera(&self, camera: usize, kind: StreamKind) -> Option<&Subscription> {
        let is_it = |one: &&Subscription| one.is_of(camera, kind);
        self.subscriptions.iter().find(is_it)
    }

    /// The topic's name of a stream of a camera that is listened to.
    pub(crate) fn topic_of(&self, camera: usize, kind: StreamKind) -> Option<&str> {
        self.of_camera(camera, kind).map(|one| one.topic.as_str())
    }

    /// The camera of a pair, by its place among all.
    pub(crate) fn camera_of(&self, pair: usize) -> usize {
        let uses = self.subscriptions.iter().flat_map(|one| &one.uses);
        let of_pair = uses.into_iter().find(|one| one.pair == pair);
        of_pair.map_or(0, |one| one.camera)
    }

    /// How many images have come so far.
    pub(crate) fn images(&self) -> u64 {
        let of_images = |one: &&Subscription| one.role == Role::Pipeline(StreamKind::Image);
        let both = self.subscriptions.iter().chain(&self.resting);
        both.filter(of_images).map(|one| one.received).sum()
    }

    /// The streams that a pair's frame waits for: those that are needed, and those that have shown up.
    pub(crate) fn streams(&self, pair: usize) -> Streams {
        let expects = |kind| {
            let wants = |one: &Subscription| {
                let mut uses = one.uses.iter();
                uses.any(|one| one.pair == pair && one.kind == kind)
            };
            (self.subscriptions.iter()).any(|one| wants(one) && (one.needed || one.is_of_use()))
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
