//! The search for the colour image and its camera's intrinsics. What can be read comes before what cannot, what
//! belongs together before what is called well.

use std::collections::BTreeSet;

use super::boxes;
use super::candidate::{Candidate, Known, by_form, count, likeliest};
use super::chosen::Roles;
use super::look::{Legible, Look};
use super::names::{Shows, camera_info_beside, shared_segments, shows};
use crate::role::Role;
use spatial_reward_rosbag2::TopicInfo;

/// Colour, of the camera that the boxes name and that also has camera info and depth; compressed if equally many.
pub(super) fn images(known: Known<'_>, roles: &Roles) -> Vec<Candidate> {
    let kin = Kin::new(known, roles);
    known
        .fitting(Role::Image)
        .filter_map(|(index, topic)| {
            let look = known.look(index);
            let said = shows(&known.own(&topic.name));
            let (class, word, what) = what_it_shows(topic, &look, said)?;
            let mut why = vec![what];
            let of_boxes = kin.frames.contains(&look.frame_id);
            if of_boxes {
                why.push("is of the coordinate frame that the boxes name");
            }
            let has_info = kin.has_info(&topic.name);
            if has_info {
                why.push("has camera info beside it");
            }
            let has_depth = kin.has_near(&kin.depths, &topic.name);
            if has_depth {
                why.push("has depth in its namespace");
            }
            let is_of_depth = kin.depth_frames.contains(&look.frame_id);
            // Boxes of several cameras, some of them beside theirs, say nothing about which is meant. And a detector
            // may lie beside its own drawing.
            let has_boxes = (has_info || has_depth)
                && kin.named_images() < 2
                && kin.has_near(&kin.boxes, &topic.name);
            let of_camera = [has_info, has_depth, is_of_depth];
            let of_camera = of_camera.into_iter().filter(|it| *it).count();
            let kinship = 2 * of_camera + usize::from(has_boxes);
            let legible = usize::from(look.as_color != Legible::No);
            Some(Candidate {
                topic: index,
                shared: false,
                likelihood: [legible, usize::from(of_boxes), class, kinship, word, 0],
                preference: [
                    u64::from(look.as_color == Legible::Yes),
                    count(topic),
                    by_form(topic),
                    0,
                    0,
                ],
                why: why.join(", "),
            })
        })
        .collect()
}

/// How likely a picture is colour, how surely its name or its pixels say so, and the words for it; `None` for depth.
fn what_it_shows(
    topic: &TopicInfo,
    look: &Look,
    said: Shows,
) -> Option<(usize, usize, &'static str)> {
    if look.is_depth_for_certain() || topic.name.ends_with("/compressedDepth") {
        return None;
    }
    let only_kind = "is the only kind of picture there is";
    Some(match said {
        Shows::Depth if look.has_colors() => (0, 0, only_kind),
        Shows::Depth => return None,
        Shows::Drawing => (0, 1, only_kind),
        Shows::OtherLight => (1, 0, "is an image, though not colour by its name"),
        Shows::Color => (2, 2, "has colour in its name"),
        Shows::Unsaid if look.is_grey() => (2, 0, "is an image that is not depth"),
        Shows::Unsaid => (2, 1, "is an image that is not depth"),
    })
}

/// What may lie beside a colour image.
struct Kin<'a> {
    known: Known<'a>,
    images: Vec<&'a str>,
    image_frames: BTreeSet<String>,
    /// Coordinate frames of the boxes, and of depth and camera info that the user has named.
    frames: BTreeSet<String>,
    /// Those of depth: depth that is registered to a picture has the picture's.
    depth_frames: BTreeSet<String>,
    infos: Vec<&'a str>,
    depths: Vec<&'a str>,
    boxes: Vec<&'a str>,
}

impl<'a> Kin<'a> {
    fn new(known: Known<'a>, roles: &Roles) -> Self {
        let named = |role: Role| roles.topic(role);
        let of_role = |role: Role| match named(role) {
            Some(topic) => vec![topic],
            None => known.fitting(role).map(|(index, _)| index).collect(),
        };
        let names = |topics: &[usize]| -> Vec<&'a str> {
            topics.iter().map(|topic| known.name(*topic)).collect()
        };
        let boxes_of = |role: Role| match named(role) {
            Some(topic) => vec![topic],
            None => likeliest(&boxes::of_object(known, roles, role)),
        };
        let boxes = [boxes_of(Role::Fingertip), boxes_of(Role::Target)].concat();
        let is_depth = |index: &usize| {
            let (name, look) = (known.name(*index), known.look(*index));
            look.is_depth_for_certain()
                || !look.has_colors() && shows(&known.own(name)) == Shows::Depth
        };
        let mut depths = of_role(Role::Depth);
        if named(Role::Depth).is_none() {
            depths.retain(is_depth);
        }
        let frames_of = |topics: &[usize]| -> BTreeSet<String> {
            let frames = topics.iter().map(|topic| known.look(*topic).frame_id);
            frames.filter(|frame| !frame.is_empty()).collect()
        };
        let of_user = [named(Role::Depth), named(Role::CameraInfo)];
        let with_frame: Vec<usize> = of_user.into_iter().flatten().chain(boxes.clone()).collect();
        let images = of_role(Role::Image);
        Self {
            known,
            images: names(&images),
            image_frames: frames_of(&images),
            frames: frames_of(&with_frame),
            depth_frames: frames_of(&depths),
            infos: names(&of_role(Role::CameraInfo)),
            depths: names(&depths),
            boxes: names(&boxes),
        }
    }

    /// Whether a camera info lies where ROS expects that of an image.
    fn has_info(&self, image: &str) -> bool {
        self.infos.contains(&camera_info_beside(image).as_str())
    }

    /// How many frames of images are named by boxes, or by what the user has named.
    fn named_images(&self) -> usize {
        self.frames.intersection(&self.image_frames).count()
    }

    /// Whether one of them shares more of an image's namespace than all images do; where none does, any of it.
    fn has_near(&self, kin: &[&str], image: &str) -> bool {
        let is_nearer = |image: &&str| kin.iter().any(|it| self.known.nearness(it, image) > 0);
        if self.images.iter().any(is_nearer) {
            return is_nearer(&image);
        }
        kin.iter().any(|it| shared_segments(it, image) > 0)
    }
}

/// The camera info beside the image, or else the nearest one of its frame.
pub(super) fn camera_infos(known: Known<'_>, roles: &Roles) -> Vec<Candidate> {
    let image = known.name_of(roles, Role::Image);
    let frame = known.frame_of(roles, Role::Image);
    let beside = camera_info_beside(image);
    known
        .fitting(Role::CameraInfo)
        .map(|(index, topic)| {
            let is_beside = topic.name == beside;
            let of_frame = !frame.is_empty() && known.look(index).frame_id == frame;
            let shared = shared_segments(image, &topic.name);
            let said = shows(&known.own(&topic.name));
            let other_sensor = matches!(said, Shows::Depth | Shows::OtherLight);
            let why = match (is_beside, of_frame, shared) {
                (true, ..) => "lies beside the image",
                (_, true, _) => "is of the image's coordinate frame",
                (false, false, 0) => "is a camera info, though in another namespace than the image",
                (false, false, _) => "is the camera info nearest to the image's namespace",
            };
            Candidate {
                topic: index,
                shared: false,
                likelihood: [
                    usize::from(is_beside),
                    usize::from(of_frame),
                    2 * shared + usize::from(!other_sensor),
                    0,
                    0,
                    0,
                ],
                preference: [count(topic), 0, 0, 0, 0],
                why: why.to_owned(),
            }
        })
        .collect()
}
