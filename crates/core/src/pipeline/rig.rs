//! What a live matcher knows of the robot beside its streams: where the regions' frames are, and how its depth camera lies
//! to its colour camera. A recording's is read before its frames are made; live, both come with time, and a frame waits
//! for them as it does for boxes.

use std::sync::Arc;

use super::MatchedFrame;
use super::at_frames::Places;
use super::clock::{Moment, RESET_NANOS};
use super::received_transforms::{Place, ReceivedTransforms};
use crate::estimator::Profile;
use crate::frame::{Intrinsics, Reason};
use crate::messages::TransformStamped;
use crate::registration::{DepthCamera, Registration};
use crate::settings::{Config, Depth, Regions};

/// Transforms and the depth camera, as they come.
#[derive(Debug)]
pub(super) struct Rig {
    regions: Regions,
    transforms: ReceivedTransforms,
    depth: Depth,
    /// A model looks at all of the depth.
    whole: bool,
    needs_depth: bool,
    depth_camera: Option<Intrinsics>,
    registration: Option<Arc<Registration>>,
    wait_nanos: i64,
    /// Why a region of the frame made last is nowhere, in words.
    unplaced: Option<String>,
    /// Why the depth of the frame made last could not be registered.
    unregistered: Option<String>,
}

impl Rig {
    pub(super) fn new(config: &Config, needs_depth: bool, wait_nanos: i64) -> Self {
        Self {
            regions: config.regions.clone(),
            transforms: ReceivedTransforms::new(config),
            depth: config.depth.clone(),
            whole: config.estimator.kind != Profile::GEOMETRY.name,
            needs_depth,
            depth_camera: None,
            registration: None,
            wait_nanos,
            unplaced: None,
            unregistered: None,
        }
    }

    pub(super) fn push_transforms(
        &mut self,
        received_nanos: i64,
        sent: &[TransformStamped],
        is_static: bool,
        place: Place<'_>,
    ) {
        (self.transforms).push(received_nanos, sent, is_static, place);
    }

    pub(super) fn push_depth_camera(&mut self, intrinsics: Intrinsics) {
        self.depth_camera = Some(intrinsics);
    }

    pub(super) fn transforms(&self) -> &ReceivedTransforms {
        &self.transforms
    }

    /// Whether all that an image needs is there, and nothing that is still to come would change it.
    pub(super) fn is_complete(
        &mut self,
        moment: Moment,
        color_frame: &str,
        depth_frame: Option<&str>,
    ) -> bool {
        let tree = self.transforms.tree(moment.epoch);
        let ahead_nanos = self.wait_nanos.max(RESET_NANOS);
        let has_reached =
            |frame: &str| tree.has_reached(color_frame, frame, moment.stamp_nanos, ahead_nanos);
        let has_places = self.regions.frames().all(has_reached);
        let needs_depth = self.needs_depth;
        has_places && (!needs_depth || self.registration(color_frame, depth_frame).is_ok())
    }

    /// Give a frame the places of its regions and what its depth is registered with. Depth that cannot be is none.
    pub(super) fn complete(
        &mut self,
        moment: Moment,
        depth_frame: Option<&str>,
        frame: &mut MatchedFrame,
    ) {
        self.transforms.forget_before(moment.epoch);
        if frame.info.reason == Some(Reason::WildStamp) {
            return;
        }
        let (camera, stamp_nanos) = (&frame.info.frame_id, frame.info.stamp_nanos);
        if self.regions.have_frames() {
            let tree = self.transforms.tree(moment.epoch);
            let places = Places::of(&self.regions, tree, camera, stamp_nanos);
            self.unplaced = places.missing().map(str::to_owned);
            frame.places = Some(places);
        }
        match self.registration(camera, depth_frame) {
            Ok(registration) => {
                self.unregistered = None;
                frame.registration = registration;
            }
            Err(why) => {
                frame.depth = None;
                if self.needs_depth {
                    self.unregistered = Some(why);
                    frame.info.reason.get_or_insert(Reason::NoDepth);
                }
            }
        }
    }

    /// What depth of a coordinate frame is registered with for an image of another; `None` where it is as it is.
    fn registration(
        &mut self,
        color_frame: &str,
        depth_frame: Option<&str>,
    ) -> Result<Option<Arc<Registration>>, String> {
        let is_own = |depth: &&str| self.depth.is_to_be_registered(color_frame, depth);
        let Some(depth_frame) = depth_frame.filter(is_own) else {
            return Ok(None);
        };
        let missing = |what: String| {
            format!(
                "the depth is of coordinate frame '{depth_frame}' and the image of '{color_frame}', and {what}"
            )
        };
        let intrinsics = self
            .depth_camera
            .ok_or_else(|| missing("no camera info of the depth has come".to_owned()))?;
        let color_from_depth = match &self.depth.extrinsics {
            Some(extrinsics) => extrinsics.0,
            None => {
                let fixed = self.transforms.fixed();
                fixed.lookup(color_frame, depth_frame, 0).map_err(|error| {
                    missing(format!("/tf_static does not tell where it is: {error}"))
                })?
            }
        };
        let is_same = |known: &Arc<Registration>| {
            *known.camera.intrinsics() == intrinsics
                && *known.camera.color_from_depth() == color_from_depth
        };
        if self
            .registration
            .as_ref()
            .is_none_or(|known| !is_same(known))
        {
            let camera = DepthCamera::new(intrinsics, color_from_depth).ok_or_else(|| {
                missing("its camera info does not say the size of its picture".to_owned())
            })?;
            let whole = self.whole;
            self.registration = Some(Arc::new(Registration { camera, whole }));
        }
        Ok(self.registration.clone())
    }

    /// Why no region's place is known, in words: a frame that nobody ever named, or why the newest image had none.
    pub(super) fn unplaced(&self) -> Option<String> {
        if self.unplaced.is_some() {
            return self.unplaced.clone();
        }
        let tree = self.transforms.newest();
        let unknown = self.regions.frames().find(|frame| !tree.has(frame))?;
        Some(format!(
            "no transform names the frame '{unknown}'; {}",
            tree.in_words()
        ))
    }

    /// Why the depth of the newest image could not be registered, in words.
    pub(super) fn unregistered(&self) -> Option<&str> {
        self.unregistered.as_deref()
    }

    /// What depth is registered with, if it is.
    pub(super) fn registered(&self) -> Option<&Registration> {
        self.registration.as_deref()
    }
}
