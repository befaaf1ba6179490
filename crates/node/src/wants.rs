//! Which topics the node listens to, by the settings of each pair of regions as each camera sees it. A topic that several of
//! them want is wanted once, with all that it is to them.

use super::arguments::{Identity, Remaps};
use super::wanted::{Role, Use, Wanted};
use spatial_reward_core::messages::joint_state;
use spatial_reward_core::pipeline::BoxRole;
use spatial_reward_core::pipeline::reading::StreamKind;
use spatial_reward_core::settings::{
    BoxType, Config, ImageTransport, Plan, Region, Reliability, Settings,
};

/// How names become topics.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub remaps: &'a Remaps,
    pub identity: &'a Identity,
}

impl Names<'_> {
    pub(crate) fn resolve(&self, asked: &str) -> String {
        self.remaps.resolve(asked, self.identity)
    }
}

/// The cameras of these pairs, each once.
pub(crate) fn cameras(pairs: &[Plan]) -> Vec<&Plan> {
    let mut first: Vec<&Plan> = Vec::new();
    for plan in pairs {
        if first.iter().all(|known| known.camera != plan.camera) {
            first.push(plan);
        }
    }
    first
}

/// The topic of the pictures in which a pair is measured.
pub(crate) fn image_topic(plan: &Plan, names: Names<'_>) -> String {
    let set = plan.settings.topics.image.as_ref();
    let wants = Wants {
        pair: 0,
        camera: 0,
        plan,
        names,
    };
    wants.topic(StreamKind::Image, "image", set, "image").topic
}

/// Everything, each topic once; pictures before boxes. `is_alike` says of two cameras whether their infos are read alike.
pub(crate) fn wanted(
    pairs: &[Plan],
    names: Names<'_>,
    is_alike: impl Fn(usize, usize) -> bool,
) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    let mut add = |one: Wanted| {
        let is_it = |known: &&mut Wanted| {
            known.topic == one.topic
                && known.role.is_like(one.role)
                && (known.role != Role::Pipeline(StreamKind::CameraInfo)
                    || is_alike(known.camera(), one.camera()))
        };
        match all.iter_mut().find(is_it) {
            Some(known) => known.join(one),
            None => all.push(one),
        }
    };
    let of_pairs = pairs.iter().enumerate().map(|(pair, plan)| {
        let is_same = |first: &&Plan| first.camera == plan.camera;
        let camera = cameras(pairs).iter().position(is_same).unwrap_or(0);
        Wants {
            pair,
            camera,
            plan,
            names,
        }
    });
    let of_pairs: Vec<Wants<'_>> = of_pairs.collect();
    of_pairs.iter().flat_map(Wants::pictures).for_each(&mut add);
    of_pairs.iter().flat_map(Wants::boxes).for_each(&mut add);
    of_pairs
        .iter()
        .flat_map(Wants::of_the_rig)
        .for_each(&mut add);
    if let Some(first) = of_pairs.first() {
        first.of_the_task().for_each(&mut add);
    }
    all
}

/// What one pair wants.
struct Wants<'a> {
    pair: usize,
    /// Among the cameras.
    camera: usize,
    plan: &'a Plan,
    names: Names<'a>,
}

impl Wants<'_> {
    /// A topic of the pipeline by its name; where none is set by one of the node's own, which is the camera's where there are
    /// several.
    fn topic(&self, kind: StreamKind, what: &str, set: Option<&String>, own_name: &str) -> Wanted {
        let camera = self.plan.camera.as_str();
        let is_of_pictures = !own_name.starts_with('/') && !matches!(kind, StreamKind::Boxes(_));
        let own_name = match is_of_pictures && !camera.is_empty() {
            true => format!("{camera}/{own_name}"),
            false => own_name.to_owned(),
        };
        let asked = set.cloned().unwrap_or(own_name);
        Wanted {
            role: Role::Pipeline(kind),
            uses: vec![Use {
                pair: self.pair,
                camera: self.camera,
                kind,
            }],
            what: what.to_owned(),
            regions: Vec::new(),
            of_camera: camera.to_owned(),
            topic: self.names.resolve(&asked),
            asked,
            type_name: "",
            reliability: self.settings().live.image_reliability,
            needed: false,
        }
    }

    fn settings(&self) -> &Settings {
        &self.plan.settings
    }

    fn pictures(&self) -> [Wanted; 3] {
        let settings = self.settings();
        let Config { topics, live, .. } = settings.config();
        let picture = |transport| match transport {
            ImageTransport::Raw => "sensor_msgs/msg/Image",
            ImageTransport::Compressed => "sensor_msgs/msg/CompressedImage",
        };
        let image = Wanted {
            type_name: picture(live.image_transport),
            needed: true,
            ..self.topic(StreamKind::Image, "image", topics.image.as_ref(), "image")
        };
        let depth = Wanted {
            type_name: picture(live.depth_transport),
            needed: settings.needs_depth(),
            ..self.topic(StreamKind::Depth, "depth", topics.depth.as_ref(), "depth")
        };
        let set = topics.camera_info.as_ref();
        let camera_info = Wanted {
            type_name: "sensor_msgs/msg/CameraInfo",
            needed: settings.estimator().needs_camera_info || settings.regions.have_frames(),
            ..self.topic(StreamKind::CameraInfo, "camera info", set, "camera_info")
        };
        [image, depth, camera_info]
    }

    /// Those of regions that a detector sees; one where both are on the same topic.
    fn boxes(&self) -> Vec<Wanted> {
        let Config { topics, .. } = self.settings().config();
        let Plan { pair, settings, .. } = self.plan;
        let regions = &settings.regions;
        let one = |role, name: &str, region: &Region, set: Option<&String>| {
            let own_name = format!("{name}/detections");
            let boxes = self.boxes_on(role, vec![name.to_owned()], set, &own_name);
            region.is_detected().then_some(boxes)
        };
        let set = (topics.fingertip.as_ref(), topics.target.as_ref());
        let first = one(BoxRole::Fingertip, &pair.first, &regions.fingertip, set.0);
        let second = one(BoxRole::Target, &pair.second, &regions.target, set.1);
        match (first, second) {
            (Some(first), Some(second)) if first.topic == second.topic => {
                let names = vec![pair.first.clone(), pair.second.clone()];
                vec![self.boxes_on(BoxRole::Both, names, Some(&first.asked), "")]
            }
            (first, second) => first.into_iter().chain(second).collect(),
        }
    }

    fn boxes_on(
        &self,
        role: BoxRole,
        regions: Vec<String>,
        set: Option<&String>,
        own_name: &str,
    ) -> Wanted {
        let live = &self.settings().live;
        Wanted {
            regions,
            type_name: match live.box_type {
                BoxType::Detections => "vision_msgs/msg/Detection2DArray",
                BoxType::RegionOfInterest => "sensor_msgs/msg/RegionOfInterest",
            },
            reliability: live.box_reliability,
            needed: true,
            ..self.topic(StreamKind::Boxes(role), "boxes", set, own_name)
        }
    }

    /// What tells where the robot's frames and the depth camera are.
    fn of_the_rig(&self) -> Vec<Wanted> {
        let Config { topics, depth, .. } = self.settings().config();
        let transforms = |is_static, what, name| Wanted {
            type_name: "tf2_msgs/msg/TFMessage",
            of_camera: String::new(),
            reliability: Reliability::Reliable,
            ..self.topic(StreamKind::Transforms { is_static }, what, None, name)
        };
        let have_frames = self.settings().regions.have_frames();
        let registers = !depth.registered;
        let mut wanted = Vec::new();
        if registers {
            let set = topics.depth_camera_info.as_ref();
            let (what, own_name) = ("depth camera info", "depth/camera_info");
            wanted.push(Wanted {
                type_name: "sensor_msgs/msg/CameraInfo",
                ..self.topic(StreamKind::DepthCameraInfo, what, set, own_name)
            });
        }
        wanted.extend(have_frames.then(|| transforms(false, "transforms", "/tf")));
        let needs_static = have_frames || registers && depth.extrinsics.is_none();
        wanted.extend(needs_static.then(|| transforms(true, "static transforms", "/tf_static")));
        wanted
    }

    /// What is of no pair: the prompt, and the gripper's joints.
    fn of_the_task(&self) -> impl Iterator<Item = Wanted> {
        let Config {
            topics, task, live, ..
        } = self.settings().config();
        let of = |role, what: &str, asked: &str, type_name| Wanted {
            role,
            uses: Vec::new(),
            what: what.to_owned(),
            regions: Vec::new(),
            of_camera: String::new(),
            topic: self.names.resolve(asked),
            asked: asked.to_owned(),
            type_name,
            reliability: Reliability::Reliable,
            needed: false,
        };
        let prompt = topics.task_prompt.as_deref().unwrap_or("/task_prompt");
        let prompt = of(
            Role::TaskPrompt,
            "task prompt",
            prompt,
            "std_msgs/msg/String",
        );
        let gripper = task.gripper_topic.as_ref().map(|topic| Wanted {
            reliability: live.box_reliability,
            needed: !task.may_lack_gripper(),
            ..of(
                Role::Gripper,
                "gripper joints",
                topic,
                joint_state::TYPE_NAME,
            )
        });
        std::iter::once(prompt).chain(gripper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::pairs;

    const TWO_CAMERAS: &str = "
topics: {fingertip: /front/boxes, fingertip_class: [fingertip]}
regions: {cube: {topic: /front/boxes}, goal: {topic: /goals}, base: {frame: base, size_m: 0.1}}
cameras:
  front: {image: /front/image}
  side: {regions: {fingertip: {topic: /side/boxes}, cube: {topic: /side/boxes}}}
task: {pairs: [fingertip-cube, cube-goal, fingertip-base, fingertip-target], gripper_topic: joints}
";

    fn all(yaml: &str) -> Vec<Wanted> {
        let identity = Identity {
            name: "spatial_reward".to_owned(),
            namespace: "/robot".to_owned(),
        };
        let remaps =
            Remaps::of_arguments(["--ros-args", "-r", "side/depth:=/d"].map(str::to_owned));
        let names = Names {
            remaps: &remaps,
            identity: &identity,
        };
        let pairs = pairs(&Settings::from_yaml(yaml).unwrap()).unwrap();
        wanted(&pairs, names, |_, _| true)
    }

    /// In words, with its topic and who wants it.
    fn told(wanted: &[Wanted]) -> Vec<(String, &str, Vec<usize>)> {
        let told = wanted.iter().map(|one| {
            let pairs = one.uses.iter().map(|one| one.pair);
            (one.in_words(), one.topic.as_str(), pairs.collect())
        });
        told.collect()
    }

    #[test]
    fn a_topic_that_several_pairs_and_cameras_want_is_wanted_once() {
        // Given pairs 0 to 3 of the first camera, and 4 and 5 of the second
        let wanted = all(TWO_CAMERAS);
        // Then each topic is there once, with all that want it
        let expected: [(&str, &str, &[usize]); 14] = [
            ("front image", "/front/image", &[0, 1, 2, 3]),
            ("front depth", "/robot/front/depth", &[0, 1, 2, 3]),
            (
                "front camera info",
                "/robot/front/camera_info",
                &[0, 1, 2, 3],
            ),
            ("side image", "/robot/side/image", &[4, 5]),
            ("side depth", "/d", &[4, 5]),
            ("side camera info", "/robot/side/camera_info", &[4, 5]),
            (
                "front fingertip and cube boxes",
                "/front/boxes",
                &[0, 1, 2, 3],
            ),
            ("front goal box", "/goals", &[1]),
            ("front target box", "/robot/target/detections", &[3]),
            ("side fingertip and cube boxes", "/side/boxes", &[4, 5]),
            ("static transforms", "/tf_static", &[0, 1, 2, 3, 4, 5]),
            ("transforms", "/tf", &[2, 5]),
            ("task prompt", "/task_prompt", &[]),
            ("gripper joints", "/robot/joints", &[]),
        ];
        let wanted: Vec<Wanted> = (wanted.into_iter())
            .filter(|one| one.role != Role::Pipeline(StreamKind::DepthCameraInfo))
            .collect();
        let expected =
            expected.map(|(what, topic, pairs)| (what.to_owned(), topic, pairs.to_vec()));
        assert_eq!(told(&wanted), expected);
        // and a topic with both regions of a pair is both to it, and one of them to another
        let boxes = wanted
            .iter()
            .find(|one| one.topic == "/front/boxes")
            .unwrap();
        let kinds: Vec<StreamKind> = boxes.uses.iter().map(|one| one.kind).collect();
        let [both, first] = [BoxRole::Both, BoxRole::Fingertip].map(StreamKind::Boxes);
        assert_eq!(kinds, [both, first, first, first]);
    }

    #[test]
    fn one_pair_has_the_names_that_it_always_had() {
        let wanted = all("topics: {fingertip: boxes, target: boxes}");
        let boxes = &told(&wanted)[3];
        assert_eq!(boxes, &("boxes".to_owned(), "/robot/boxes", vec![0]));
        let apart = all("");
        let apart: Vec<String> = told(&apart)[3..5].iter().map(|one| one.0.clone()).collect();
        assert_eq!(apart, ["fingertip box", "target box"]);
    }
}
