//! What is known of each camera beside its topics: how its infos are to be read, which its pictures may have to tell first.

use std::collections::VecDeque;

use super::clock::Now;
use super::subscription::Pictures;
use spatial_reward_core::messages::Projection;
use spatial_reward_core::settings::{Config, Depth, Settings};

/// So many camera infos are kept until depth comes.
const KEPT: usize = 100;

/// One camera.
pub(crate) struct Camera {
    pub pictures: Pictures,
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

impl Camera {
    /// With pictures on these topics.
    pub(crate) fn new(settings: &Settings, image: &str, depth: Option<&str>) -> Self {
        let Config {
            topics, geometry, ..
        } = settings.config();
        let projection = |depth| Projection::of(topics.rectification, image, depth);
        let [together, apart] = [projection(depth), projection(None)];
        let is_undecided =
            together != apart && settings.needs_depth() && !settings.depth.registered;
        Self {
            pictures: Pictures {
                projection: together,
                depth_unit_m: topics.depth_unit_m,
                depth_range_m: geometry.min_depth_m..=geometry.max_depth_m,
            },
            undecided: is_undecided.then(|| Undecided {
                depth: settings.depth.clone(),
                apart,
                camera_infos: VecDeque::new(),
            }),
        }
    }

    /// Whether another's infos are read as this one's are.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        self.pictures.projection == other.pictures.projection
            && self.undecided.is_none()
            && other.undecided.is_none()
    }

    /// Whether its infos are to be kept until its pictures have come.
    pub(crate) fn is_undecided(&self) -> bool {
        self.undecided.is_some()
    }

    /// Keep an info.
    pub(crate) fn keep(&mut self, bytes: Vec<u8>, now: Now) {
        let Some(undecided) = &mut self.undecided else {
            return;
        };
        if undecided.camera_infos.len() == KEPT {
            undecided.camera_infos.pop_front();
        }
        undecided.camera_infos.push_back((bytes, now));
    }

    /// Its pictures have said their coordinate frames: the infos that were kept, to be read now.
    pub(crate) fn decide(&mut self, image: &str, depth: &str) -> VecDeque<(Vec<u8>, Now)> {
        let Some(undecided) = self.undecided.take() else {
            return VecDeque::new();
        };
        if undecided.depth.is_to_be_registered(image, depth) {
            self.pictures.projection = undecided.apart;
        }
        undecided.camera_infos
    }
}
