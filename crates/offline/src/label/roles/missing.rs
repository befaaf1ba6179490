//! What labelling needs of a bag and the bag does not have, with the reason.

use super::available::no_topic;
use super::chosen::Roles;
use super::find::is_detected;
use super::names;
use crate::error::{Error, Result};
use crate::message_types::{holds_markers, is_cdr};
use crate::role::Role;
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::{BagInfo, TopicInfo};

impl Roles {
    /// What labelling with this configuration needs and the bag does not have, worst first.
    pub fn missing(&self, info: &BagInfo, settings: &Settings) -> Vec<Error> {
        let mut needed = vec![Role::Image];
        if settings.needs_depth() {
            needed.push(Role::Depth);
        }
        if settings.estimator().needs_camera_info
            || settings.regions.have_frames()
            || self.are_in_space(info)
        {
            needed.push(Role::CameraInfo);
        }
        let boxes = [Role::Fingertip, Role::Target].into_iter();
        needed.extend(boxes.filter(|role| is_detected(*role, settings)));
        let obstacle = |role: Role| match self.get(role) {
            None => Some(no_topic(info, role, why_needed(info, role))),
            Some(choice) if choice.rivals.is_empty() => None,
            // A guess could be measured without anybody noticing.
            Some(choice) => Some(Error::Undecided {
                role,
                topics: choice.rivals.clone(),
            }),
        };
        needed.into_iter().filter_map(obstacle).collect()
    }

    /// That there is no camera info, where boxes turn out to be in space.
    pub(crate) fn no_camera_info(info: &BagInfo) -> Error {
        let role = Role::CameraInfo;
        no_topic(info, role, why_needed(info, role))
    }

    /// Make sure that nothing is missing.
    ///
    /// # Errors
    /// The first of [`Roles::missing`].
    pub fn require(&self, info: &BagInfo, settings: &Settings) -> Result<()> {
        match self.missing(info, settings).into_iter().next() {
            Some(missing) => Err(missing),
            None => Ok(()),
        }
    }
}

/// Why the search found nothing, and what wants it.
fn why_needed(info: &BagInfo, role: Role) -> String {
    let types = role.types().join(" or ");
    let fitting: Vec<_> = (info.topics.iter())
        .filter(|topic| role.fits(topic) && !names::is_truth(&topic.name))
        .collect();
    let is_other = |topic: &&&TopicInfo| !is_cdr(topic);
    let what = match (role, fitting.len()) {
        (_, 0) => format!("no topic is a {types}"),
        (_, all) if fitting.iter().filter(is_other).count() == all => {
            format!("no {types} is serialised as CDR, which alone is read")
        }
        (Role::Fingertip | Role::Target, _) if fitting.iter().all(|it| holds_markers(it)) => {
            let names: Vec<&str> = fitting.iter().map(|it| it.name.as_str()).collect();
            format!(
                "{} has markers alone, and no class names one that is seen at the beginning",
                names.join(", ")
            )
        }
        (Role::Fingertip | Role::Target, _) => {
            "no topic of boxes or markers with messages has a fitting name".to_owned()
        }
        (Role::Depth, _) => {
            "no image topic with messages has depth in its name or in its encoding".to_owned()
        }
        (Role::Image, _) => {
            "no image topic with messages looks like colour by its name or its encoding".to_owned()
        }
        _ => format!("no {types} with messages has a fitting name"),
    };
    match role {
        Role::Depth => format!(
            "{what}; geometry measures in depth only, and the model takes its relative depth from it unless \
             --relative-depth says otherwise"
        ),
        Role::CameraInfo => {
            format!(
                "{what}, and the camera's intrinsics are what the geometry estimator measures with and TF frames and \
                 boxes in space are seen with"
            )
        }
        _ => what,
    }
}
