//! How the frames of a bag get the boxes of the regions that are followed: from the whole recording, or as they would live.

use super::seek::FoundRegion;
use super::whole::{Followed, follow};
use crate::error::Result;
use crate::label::request::Work;
use crate::label::roles::Roles;
use spatial_reward_core::estimator::RegionNetworks;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::pipeline::{LiveFollower, Look, MatchedFrame, NotPlaced};
use spatial_reward_core::settings::Regions;
use spatial_reward_rosbag2::BagInfo;

/// How the frames of a bag get the boxes of drawn regions.
pub(crate) enum Placed {
    /// No region was drawn.
    Nothing,
    /// As a live node does it, frame by frame, with these networks.
    AsLive(RegionNetworks),
    /// From the whole recording.
    Followed(Followed),
}

impl Placed {
    /// Follow the regions of a bag that were drawn, unless that is to be done as it would be live.
    ///
    /// # Errors
    /// As [`follow`].
    pub(crate) fn new(
        info: &BagInfo,
        roles: &Roles,
        request: Work<'_>,
        measurer: &Measurer<'_>,
    ) -> Result<Self> {
        let settings = request.settings;
        Ok(
            match (settings.regions.are_followed(), settings.matching.as_live) {
                (false, _) => Self::Nothing,
                (true, true) => Self::AsLive(request.networks.clone()),
                (true, false) => Self::Followed(follow(info, roles, request, measurer)?),
            },
        )
    }

    /// The boxes that were found by words or by an example.
    pub(crate) fn found(&self) -> &[FoundRegion] {
        match self {
            Self::Nothing | Self::AsLive(_) => &[],
            Self::Followed(followed) => &followed.found,
        }
    }

    /// For one passage through the frames, in order.
    pub(crate) fn placing<'a>(&'a self, measurer: &'a Measurer<'a>) -> Placing<'a> {
        match self {
            Self::Nothing => Placing::Nothing,
            Self::AsLive(networks) => match LiveFollower::new(&measurer.regions, networks) {
                Some(follower) => Placing::AsLive(Box::new(follower), measurer, false),
                None => Placing::Nothing,
            },
            Self::Followed(followed) => Placing::Followed(followed, &measurer.regions),
        }
    }
}

/// Gives one frame after the other its boxes.
pub(crate) enum Placing<'a> {
    Nothing,
    /// With whether it was told that a region is not to be seen so far.
    AsLive(Box<LiveFollower>, &'a Measurer<'a>, bool),
    Followed(&'a Followed, &'a Regions),
}

impl Placing<'_> {
    /// What was decoded of the frame for that, if anything.
    ///
    /// # Errors
    /// `Error::NotFollowed` for a box that was drawn outside the picture.
    pub(crate) fn place(&mut self, frame: &mut MatchedFrame) -> Result<Option<Look>> {
        match self {
            Self::Nothing => Ok(None),
            Self::AsLive(follower, measurer, told) => match follower.place(measurer, frame) {
                Ok(look) => Ok(look),
                Err(NotPlaced::Drawn(refused)) => Err(refused.into()),
                Err(NotPlaced::Network(failed)) => Err(failed.into()),
                // It may be seen later.
                Err(NotPlaced::Unfound(unfound)) => {
                    if !std::mem::replace(told, true) {
                        tracing::warn!("{unfound}: until it is clear, steps have no reward");
                    }
                    Ok(None)
                }
            },
            Self::Followed(followed, regions) => {
                let known = followed.of(&frame.info);
                frame.info.place_followed(regions, &known.sights);
                frame.place_masks(&known.masks);
                Ok(None)
            }
        }
    }
}
