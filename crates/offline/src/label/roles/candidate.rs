//! A topic that could play a role, and which of several is chosen.

use super::chosen::{Choice, Roles};
use super::look::{Look, Looks};
use super::names::{is_truth, namespace, own_name, shared_segments, stream};
use crate::message_types::{COMPRESSED_IMAGE, COMPRESSED_VIDEO, FFMPEG_PACKET, is_cdr, is_of_type};
use crate::role::Role;
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::{BagInfo, TopicInfo};

/// What is known of a bag before it is read.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub info: &'a BagInfo,
    pub looks: &'a Looks,
    pub settings: &'a Settings,
    /// The leading segments that all images' names share.
    pub common: &'a [&'a str],
}

/// One topic that could play a role; the greatest rank wins.
#[derive(Default)]
pub(super) struct Candidate {
    pub topic: usize,
    /// Equal in these to another: as likely to be meant.
    pub likelihood: [usize; 6],
    /// Then of those the one with more messages, or what else counts where the same is recorded in several forms.
    pub preference: [u64; 5],
    pub why: String,
    /// As a choice has it.
    pub shared: bool,
}

impl<'a> Known<'a> {
    /// Topics of a role's type that are CDR and have messages, truth apart.
    pub(super) fn fitting(self, role: Role) -> impl Iterator<Item = (usize, &'a TopicInfo)> {
        let wants_truth = matches!(
            role,
            Role::TruthFingertip | Role::TruthTarget | Role::TruthSurface | Role::TruthCloud
        );
        (self.info.topics.iter().enumerate())
            .filter(move |(_, topic)| role.fits(topic) && is_truth(&topic.name) == wants_truth)
            .filter(|(_, topic)| topic.message_count != Some(0) && is_cdr(topic))
    }

    /// What a name says of its own, apart from what all images share.
    pub(super) fn own(self, name: &str) -> String {
        own_name(name, self.common)
    }

    /// How many leading segments two names share beyond those that all images do.
    pub(super) fn nearness(self, one: &str, other: &str) -> usize {
        shared_segments(one, other).saturating_sub(self.common.len())
    }

    /// The name of a topic.
    pub(super) fn name(self, topic: usize) -> &'a str {
        let topic = self.info.topics.get(topic);
        topic.map_or("", |topic| topic.name.as_str())
    }

    /// What a topic's first messages show.
    pub(super) fn look(self, topic: usize) -> Look {
        self.looks.of(topic)
    }

    /// The name of the topic that was chosen for a role.
    pub(super) fn name_of(self, roles: &Roles, role: Role) -> &'a str {
        roles.topic(role).map_or("", |topic| self.name(topic))
    }

    /// The coordinate frame of the topic that was chosen for a role.
    pub(super) fn frame_of(self, roles: &Roles, role: Role) -> String {
        let frame = roles.topic(role).map(|topic| self.look(topic).frame_id);
        frame.unwrap_or_default()
    }

    /// A topic's name with its coordinate frame, for people.
    fn with_frame(self, topic: usize) -> String {
        let name = self.name(topic);
        match self.look(topic).frame_id {
            frame if frame.is_empty() => name.to_owned(),
            frame => format!("{name} (frame '{frame}')"),
        }
    }

    /// Whether the topics are of two cameras, by the frames in their headers, or else by their namespaces.
    pub(super) fn are_of_two_cameras(self, role: Role, one: usize, other: usize) -> bool {
        let (a, b) = (self.look(one).frame_id, self.look(other).frame_id);
        if !a.is_empty() && !b.is_empty() && a != b {
            return true;
        }
        // Boxes lie where their detector's author wanted them.
        let have_namespace = !matches!(role, Role::Fingertip | Role::Target);
        let of_camera = |topic: usize| namespace(stream(self.name(topic)));
        have_namespace && of_camera(one) != of_camera(other)
    }
}

/// A likelihood of one part.
pub(super) fn likely(part: usize) -> [usize; 6] {
    [part, 0, 0, 0, 0, 0]
}

/// What more was recorded of is preferred.
pub(super) fn by_count(topic: &TopicInfo) -> [u64; 5] {
    [count(topic), 0, 0, 0, 0]
}

/// The topics of those candidates that are as likely as the likeliest.
pub(super) fn likeliest(candidates: &[Candidate]) -> Vec<usize> {
    let most = candidates.iter().map(|it| it.likelihood).max();
    let likeliest = candidates.iter().filter(|it| Some(it.likelihood) == most);
    likeliest.map(|it| it.topic).collect()
}

/// Messages of a topic as far as the bag says.
pub(super) fn count(topic: &TopicInfo) -> u64 {
    topic.message_count.unwrap_or(0)
}

/// Whether the topic has pictures as files.
pub(super) fn is_compressed(topic: &TopicInfo) -> bool {
    is_of_type(topic, COMPRESSED_IMAGE)
}

/// How gladly a form of a stream is taken of which as much was recorded: files, pixels, and last video, whose first packets
/// may show nothing.
pub(super) fn by_form(topic: &TopicInfo) -> u64 {
    let is_video = is_of_type(topic, COMPRESSED_VIDEO) || is_of_type(topic, FFMPEG_PACKET);
    u64::from(!is_video) + u64::from(is_compressed(topic))
}

/// The best candidate, with those that are as good.
pub(super) fn best(known: Known<'_>, role: Role, mut candidates: Vec<Candidate>) -> Option<Choice> {
    candidates.sort_by(|a, b| {
        (b.likelihood, b.preference)
            .cmp(&(a.likelihood, a.preference))
            .then_with(|| known.name(a.topic).cmp(known.name(b.topic)))
    });
    let (first, others) = candidates.split_first()?;
    let equals = others.iter().filter(|other| {
        other.likelihood == first.likelihood
            && stream(known.name(other.topic)) != stream(known.name(first.topic))
    });
    let equals: Vec<usize> = equals.map(|other| other.topic).collect();
    let of_others = equals
        .iter()
        .filter(|topic| known.are_of_two_cameras(role, first.topic, **topic));
    let mut rivals: Vec<usize> = of_others.copied().collect();
    if !rivals.is_empty() {
        rivals.insert(0, first.topic);
    }
    Some(Choice {
        topic: first.topic,
        why: first.why.clone(),
        named: false,
        shared: first.shared,
        others: others.iter().map(|other| other.topic).collect(),
        ambiguous: !equals.is_empty(),
        rivals: rivals.into_iter().map(|it| known.with_frame(it)).collect(),
    })
}
