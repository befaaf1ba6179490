//! One pair of regions as one camera sees it, at work: what follows its regions and what measures between them.

use crate::error::Result;
use spatial_reward_core::estimator::{Estimator, RegionNetworks};
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::measure::{Broken, Measured, Measurer, Pictures, Task};
use spatial_reward_core::pipeline::{LiveFollower, MatchedFrame, NotPlaced};
use spatial_reward_core::settings::{ImageTransport, Pair, Plan, Settings};

/// All pairs that a node measures, the one of the step's own distance first; only that one where there is no task.
///
/// # Errors
/// `Error::ConfigValue` for a pair that no settings measure, and for cameras that are too many for the estimator.
pub(crate) fn pairs(settings: &Settings) -> spatial_reward_core::Result<Vec<Plan>> {
    if settings.task.is_given() {
        return settings.plans();
    }
    Ok(vec![Plan {
        camera: String::new(),
        pair: Pair {
            first: "fingertip".to_owned(),
            second: "target".to_owned(),
            kind: None,
        },
        settings: settings.clone(),
    }])
}

/// A pair at work.
pub(crate) struct PairAtWork<'a> {
    pub measurer: Measurer<'a>,
    /// Follows the regions that were drawn; `None` where none was.
    follower: Option<LiveFollower>,
    /// Why a region is not begun was told: each frame would say it again, with other scores.
    told_unfound: bool,
}

impl<'a> PairAtWork<'a> {
    /// With these settings.
    ///
    /// # Errors
    /// A kind of pictures that this build does not read.
    pub(crate) fn new(
        settings: &Settings,
        estimator: &'a dyn Estimator,
        networks: &RegionNetworks,
    ) -> Result<Self> {
        Ok(Self {
            measurer: measurer(estimator, settings)?,
            follower: LiveFollower::new(&settings.regions, networks),
            told_unfound: false,
        })
    }

    /// Measure a frame, whose pictures others of the same moment may share.
    ///
    /// # Errors
    /// Those of networks: a node that goes on without what it was asked for would be silent about it.
    pub(crate) fn measure(
        &mut self,
        mut frame: MatchedFrame,
        keep_color: bool,
        pictures: &mut Pictures,
    ) -> Result<Measured> {
        let followed = match &mut self.follower {
            Some(follower) => follower.place(&self.measurer, &mut frame),
            None => Ok(None),
        };
        let (look, refused) = match followed {
            Ok(look) => (look, None),
            Err(NotPlaced::Drawn(why)) => (None, Some(why)),
            Err(NotPlaced::Unfound(why)) => {
                self.tell_unfound(&why.to_string());
                (None, None)
            }
            Err(NotPlaced::Network(why)) => return Err(why.into()),
        };
        let task = Task {
            frame,
            look,
            keep_color,
        };
        let mut measured = self.measurer.measure_among(task, pictures);
        if let Some(why) = refused {
            measured.broken.get_or_insert(Broken {
                what: "drawn box",
                why: why.to_string(),
            });
        }
        Ok(measured)
    }

    fn tell_unfound(&mut self, why: &str) {
        if !std::mem::replace(&mut self.told_unfound, true) {
            tracing::warn!("{why}: until it is clear, steps have no reward");
        }
    }
}

fn measurer<'a>(estimator: &'a dyn Estimator, settings: &Settings) -> Result<Measurer<'a>> {
    let depth = picture(settings.live.depth_transport)?;
    Ok(Measurer {
        estimator,
        image: picture(settings.live.image_transport)?,
        depth: Some(depth.with_depth_unit_m(settings.topics.depth_unit_m)),
        registration: None,
        regions: settings.regions.clone(),
        transforms: None,
    })
}

fn picture(transport: ImageTransport) -> spatial_reward_core::Result<Decoder> {
    match transport {
        ImageTransport::Raw => raw_image(),
        ImageTransport::Compressed => Decoder::for_channel("sensor_msgs/msg/CompressedImage", None),
    }
}

/// Reads pictures as they are.
pub(crate) fn raw_image() -> spatial_reward_core::Result<Decoder> {
    Decoder::for_channel("sensor_msgs/msg/Image", None)
}
