//! Boxes that all lie in the upper left of the picture may be in the pixels of a smaller one, which a detector was given
//! (OAK cameras answer so by default): they are measured beside their objects, and every step is valid.

use super::intake::Intake;
use crate::role::Role;
use spatial_reward_core::settings::{self, Settings};

/// Fewer boxes say nothing about where boxes are.
const ENOUGH: usize = 20;
/// All within this share of the picture's width, and of its height.
const CORNER: f64 = 2.0 / 3.0;

/// Warn of it, unless the settings tell whose pixels they are.
pub(super) fn tell(intake: &Intake<'_>, settings: &Settings) {
    let [Some((width, height)), _, _] = intake.first_messages().sizes() else {
        return;
    };
    if intake.sight().is_some() {
        // Boxes in space have no pixels but the image's.
        return;
    }
    let settings::Regions {
        fingertip, target, ..
    } = &settings.regions;
    if fingertip.picture_size.is_some() || target.picture_size.is_some() {
        return;
    }
    // A region of another source, such as a drawn box, has no pixels of a detector's.
    let detected = [(Role::Fingertip, fingertip), (Role::Target, target)]
        .into_iter()
        .filter(|(_, region)| region.is_detected());
    let detected: Vec<Role> = detected.map(|(role, _)| role).collect();
    let settings: Vec<String> = (detected.iter())
        .map(|role| format!("regions.{}.picture_size", role.key()))
        .collect();
    let streams = || (detected.iter()).filter_map(|role| intake.evidence().stream(*role));
    let boxes = || streams().flat_map(|stream| &stream.boxes);
    let reach = |far: [f64; 2], bbox: &spatial_reward_core::frame::BoundingBox| {
        [far[0].max(bbox.x_max), far[1].max(bbox.y_max)]
    };
    let [x, y] = boxes().fold([0.0, 0.0], reach);
    let is_corner = x <= CORNER * f64::from(width) && y <= CORNER * f64::from(height);
    if boxes().count() >= ENOUGH && is_corner {
        tracing::warn!(
            "all boxes lie in the upper left of the picture, within {x:.0}x{y:.0} of its {width}x{height} pixels. If the \
             detector answers in the pixels of a picture of its own, say how large that is: {}",
            settings.join(" and ")
        );
    }
}
