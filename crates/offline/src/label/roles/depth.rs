//! The search for depth: registered to the colour image by its frame or its name, in the form that has lost nothing.

use super::candidate::{Candidate, Known, count, is_compressed};
use super::chosen::Roles;
use super::look::{Legible, Look};
use super::names::{Shows, camera_info_beside, mentions, shared_segments, shows, stream};
use crate::role::Role;
use spatial_reward_rosbag2::TopicInfo;

const REGISTERED: &[&str] = &["aligned", "registered", "align"];
/// Pictures of 16 bits or of floats that are no depth.
const NOT_DEPTH: &[&str] = &[
    "amplitude",
    "intensity",
    "reflectivity",
    "instance",
    "label",
    "semantic",
];

/// Topics that may hold the depth of the colour image.
pub(super) fn depths(known: Known<'_>, roles: &Roles) -> Vec<Candidate> {
    let image = known.name_of(roles, Role::Image);
    let beside: Vec<Depth<'_>> = known
        .fitting(Role::Depth)
        .filter(|(_, topic)| stream(&topic.name) != stream(image))
        .map(|(index, topic)| Depth::new(known, roles, index, topic))
        .collect();
    let candidate = |depth: &Depth<'_>| {
        let of_stream = beside.iter().filter(|other| {
            other.look.as_depth == Legible::Yes
                && stream(&other.topic.name) == stream(&depth.topic.name)
        });
        let most = of_stream.map(|other| count(other.topic)).max();
        depth.candidate(most.unwrap_or(0))
    };
    // Who needs no depth is not stopped by one that cannot be read.
    let is_idle =
        |depth: &Depth<'_>| depth.look.as_depth == Legible::No && !known.settings.needs_depth();
    (beside.iter())
        .filter(|depth| depth.may_be_meant() && !is_idle(depth))
        .map(candidate)
        .collect()
}

/// The camera info of depth that is of a camera of its own: of its coordinate frame, or beside it.
pub(super) fn camera_infos(known: Known<'_>, roles: &Roles) -> Vec<Candidate> {
    if !roles.depth_has_own_frame() || known.settings.depth.registered {
        return Vec::new();
    }
    let depth = known.name_of(roles, Role::Depth);
    let frame = known.frame_of(roles, Role::Depth);
    let beside = camera_info_beside(depth);
    (known.fitting(Role::DepthCameraInfo))
        .map(|(index, topic)| {
            let of_frame = known.look(index).frame_id == frame;
            let is_beside = topic.name == beside;
            Candidate {
                topic: index,
                likelihood: [
                    usize::from(of_frame),
                    usize::from(is_beside),
                    shared_segments(depth, &topic.name),
                    0,
                    0,
                    0,
                ],
                preference: [count(topic), 0, 0, 0, 0],
                why: match of_frame {
                    true => "is of the depth's coordinate frame".to_owned(),
                    false => "lies beside the depth".to_owned(),
                },
                ..Candidate::default()
            }
        })
        .filter(|it| it.likelihood[0] + it.likelihood[1] > 0)
        .collect()
}

/// A topic of images beside the colour image, and what it says of itself.
struct Depth<'a> {
    index: usize,
    topic: &'a TopicInfo,
    look: Look,
    /// Its name without what all images share.
    own: String,
    /// Depth by its name.
    is_named: bool,
    /// Of the colour image's coordinate frame; `None` where one of them does not say.
    of_frame: Option<bool>,
    /// Leading segments that it shares with the colour image.
    shared: usize,
}

impl<'a> Depth<'a> {
    fn new(known: Known<'a>, roles: &Roles, index: usize, topic: &'a TopicInfo) -> Self {
        let frame = known.frame_of(roles, Role::Image);
        let look = known.look(index);
        let own = known.own(&topic.name);
        let has_frames = !frame.is_empty() && !look.frame_id.is_empty();
        Self {
            index,
            topic,
            is_named: shows(&own) == Shows::Depth || topic.name.ends_with("/compressedDepth"),
            of_frame: has_frames.then(|| look.frame_id == frame),
            shared: shared_segments(known.name_of(roles, Role::Image), &topic.name),
            look,
            own,
        }
    }

    /// Its name or its pixels say depth, and neither says something else.
    fn may_be_meant(&self) -> bool {
        let is_other = matches!(shows(&self.own), Shows::Drawing | Shows::OtherLight)
            || mentions(&self.own, NOT_DEPTH);
        // Grey of 16 bits is depth beside its colour image alone: a thermal camera sends the same.
        let is_beside = self.of_frame.unwrap_or(self.shared > 0);
        let is_said = self.is_named
            || self.look.is_depth_for_certain()
            || self.look.as_depth == Legible::Yes && is_beside;
        is_said && !is_other
    }

    /// `most` is the largest number of messages among the forms of its stream that can be read.
    fn candidate(&self, most: u64) -> Candidate {
        let of_frame = self.of_frame == Some(true);
        let registered = mentions(&self.own, REGISTERED) || self.own.contains("depth_to_");
        let is_compressed = is_compressed(self.topic);
        let count = count(self.topic);
        // One that begins a little later is as whole as another.
        let is_whole = count.saturating_mul(10) >= most.saturating_mul(9);
        Candidate {
            topic: self.index,
            shared: false,
            likelihood: [
                usize::from(self.look.as_depth != Legible::No),
                usize::from(of_frame),
                usize::from(self.is_named || self.look.is_depth_for_certain()),
                self.shared,
                usize::from(registered),
                usize::from(self.is_named),
            ],
            preference: [
                u64::from(self.look.as_depth == Legible::Yes),
                u64::from(is_whole),
                u64::from(self.look.is_lossless(is_compressed)),
                count,
                u64::from(!is_compressed),
            ],
            why: self.why(of_frame, registered),
        }
    }

    fn why(&self, of_frame: bool, registered: bool) -> String {
        let mut why = vec![match self.is_named {
            true => "has depth in its name",
            false => "is depth by its encoding",
        }];
        if self.shared > 0 {
            why.push("shares the image's namespace");
        }
        why.push(match (registered, of_frame) {
            (true, _) => "is registered to the colour image by its name",
            (_, true) => "is of the colour image's coordinate frame",
            _ if self.of_frame == Some(false) => "is of a coordinate frame of its own",
            _ => "does not say in its name that it is registered to the colour image, which it must be",
        });
        why.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use crate::label::roles::{Role, Roles, TruthTopics};
    use spatial_reward_core::estimator::Profile;
    use spatial_reward_core::messages::{CompressedImage, Header, cdr};
    use spatial_reward_core::settings::{Config, Settings};
    use spatial_reward_rosbag2::{BagInfo, BagReader, BagWriter, Storage, TopicInfo};

    #[test]
    fn depth_that_cannot_be_read_does_not_stop_who_needs_none() {
        // given a bag whose only depth is a JPEG
        let image = CompressedImage {
            header: Header::default(),
            format: "16UC1; jpeg compressed ",
            data: b"\xff\xd8\xff\xe0",
        };
        let data = cdr::encode("CompressedImage", &image).unwrap();
        let topics = [TopicInfo::cdr(
            "/depth/compressed",
            "sensor_msgs/msg/CompressedImage",
            "",
            "",
        )];
        let folder = tempfile::tempdir().unwrap();
        let (empty, storage) = (BagInfo::empty(), Storage::Mcap);
        let mut writer = BagWriter::create(folder.path(), "a", storage, &empty, &topics).unwrap();
        writer.write(0, 1, 1, 0, &data).unwrap();
        writer.finish().unwrap();
        let reader = BagReader::open(folder.path()).unwrap();
        // when somebody who needs depth looks for it, and somebody who does not
        let model = Profile {
            name: "model",
            needs_depth: |_| false,
            ..Profile::GEOMETRY
        };
        let config = |kind: &str| {
            let mut config = Config::default();
            config.estimator.kind = kind.to_owned();
            config
        };
        let of = |profile: Profile| {
            let settings = Settings::new(config(profile.name), profile).unwrap();
            let roles = Roles::find(&reader, &settings, &TruthTopics::default()).unwrap();
            roles.topic(Role::Depth)
        };
        // then the first is told of the JPEG, and the second goes without
        assert_eq!(of(Profile::GEOMETRY), Some(0));
        assert_eq!(of(model), None);
    }
}
