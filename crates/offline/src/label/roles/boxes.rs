//! The search for boxes: each object's by name; a topic whose name says neither carries both, by class id.

use super::candidate::{Candidate, Known, count};
use super::chosen::Roles;
use super::look::Legible;
use super::names::{SURE, says_fingertip, says_target};
use crate::message_types::{
    REGION_OF_INTEREST, holds_markers, is_in_space, is_of_type, may_be_in_space,
};
use crate::role::Role;
use spatial_reward_rosbag2::TopicInfo;

/// How surely a name says whose boxes a topic carries.
type Says = fn(&str) -> u8;

/// Topics that may carry an object's boxes: those of its own, or else those of both objects.
pub(super) fn of_object(known: Known<'_>, roles: &Roles, role: Role) -> Vec<Candidate> {
    let (says, other_says): (Says, Says) = match role {
        Role::Fingertip => (says_fingertip, says_target),
        _ => (says_target, says_fingertip),
    };
    let mut own: Vec<Candidate> = known
        .fitting(role)
        .filter(|(_, topic)| says(&topic.name) > other_says(&topic.name))
        .map(|found| Candidate {
            why: format!(
                "holds {} and is named after the {}",
                content(found.1),
                object(role)
            ),
            ..candidate(
                known,
                roles,
                found,
                configured(known, role),
                says(&found.1.name),
            )
        })
        .collect();
    if own.is_empty() {
        own = shared(known, roles, role, other_says);
    }
    own
}

/// A single detector's topic may be named after one object or its camera and still carry both.
fn shared(known: Known<'_>, roles: &Roles, role: Role, other_says: Says) -> Vec<Candidate> {
    known
        .fitting(role)
        .filter(|(_, topic)| !is_of_type(topic, REGION_OF_INTEREST))
        .filter(|(index, topic)| {
            // Markers lie in many a scene for other ends.
            let is_meant = || has_class(known, *index, configured(known, role));
            other_says(&topic.name) < SURE && (!holds_markers(topic) || is_meant())
        })
        .map(|found| Candidate {
            why: format!(
                "holds {} and no topic is named after the {}, so its boxes are told apart by class id",
                match content(found.1) {
                    "boxes" => "detections",
                    content => content,
                },
                object(role)
            ),
            shared: true,
            ..candidate(
                known,
                roles,
                found,
                &of_shared(known, role),
                u8::from(other_says(&found.1.name) == 0),
            )
        })
        .collect()
}

/// The classes that count, none if all do.
fn configured(known: Known<'_>, role: Role) -> &[String] {
    match role {
        Role::Fingertip => &known.settings.topics.fingertip_class,
        _ => &known.settings.topics.target_class,
    }
}

/// The same where both objects share a topic.
fn of_shared(known: Known<'_>, role: Role) -> Vec<String> {
    match configured(known, role) {
        [] => vec![object(role).to_owned()],
        classes => classes.to_vec(),
    }
}

/// Boxes that can be read, are of the colour image's camera and have a class that counts come before those that are
/// called well.
fn candidate(
    known: Known<'_>,
    roles: &Roles,
    (index, topic): (usize, &TopicInfo),
    classes: &[String],
    named: u8,
) -> Candidate {
    let look = known.look(index);
    let has_class = has_class(known, index, classes);
    let frame = known.frame_of(roles, Role::Image);
    let of_frame = !frame.is_empty() && look.frame_id == frame;
    let image = known.name_of(roles, Role::Image);
    Candidate {
        topic: index,
        likelihood: [
            usize::from(look.as_boxes != Legible::No),
            usize::from(of_frame),
            usize::from(has_class),
            usize::from(named),
            known.nearness(image, &topic.name),
            0,
        ],
        // Of one detector's boxes in pixels and in space, those that need no camera.
        preference: [u64::from(!may_be_in_space(topic)), count(topic), 0, 0, 0],
        ..Candidate::default()
    }
}

/// Whether one of the classes was among a topic's first boxes.
fn has_class(known: Known<'_>, topic: usize, classes: &[String]) -> bool {
    let look = known.look(topic);
    classes.iter().any(|class| look.classes.contains(class))
}

fn content(topic: &TopicInfo) -> &'static str {
    match (holds_markers(topic), is_in_space(topic)) {
        (true, _) => "markers",
        (false, true) => "boxes in space",
        (false, false) => "boxes",
    }
}

fn object(role: Role) -> &'static str {
    match role {
        Role::Fingertip => "fingertip",
        _ => "target",
    }
}
