//! One bag that is held open while somebody draws boxes in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::following::{Followed, Work};
use super::gaps::Gap;
use super::held::Held;
use super::measuring::{Measuring, Progress};
use super::pictures::HeldPictures;
use crate::by_stamp;
use crate::error::{Error, Result};
use crate::label::calibration::leave_out_if_uncalibrated;
use crate::label::decoders::{decoder_of, picture_decoder_of};
use crate::label::follow::{due, key, survey};
use crate::label::intake::Intake;
use crate::label::registration;
use crate::label::roles::{Roles, TruthTopics};
use crate::label::transforms;
use crate::looks::half_of_free;
use crate::regions_file::{BagRegions, Identity, draw};
use crate::role::Role;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::finding::Finder;
use spatial_reward_core::following::{Elapsed, InTurn};
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::measure::{Measured, Measurer};
use spatial_reward_core::pipeline::{FrameInfo, MatchedFrame, Ordinal, Rewarder};
use spatial_reward_core::registration::Registration;
use spatial_reward_core::settings::{self, DrawnBox, Settings};
use spatial_reward_core::stamp::seconds_between;
use spatial_reward_core::step::{Latency, Step};
use spatial_reward_core::transforms::TransformTree;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::{BagInfo, BagReader};

/// The boxes that were drawn around each region.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Regions {
    /// Around the fingertip.
    pub fingertip: Vec<DrawnBox>,
    /// Around the target.
    pub target: Vec<DrawnBox>,
}

/// A bag with its pictures.
pub struct OpenBag<'a> {
    info: BagInfo,
    identity: Identity,
    /// In which the regions that are to be drawn count as drawn.
    settings: Settings,
    estimator: &'a dyn Estimator,
    image: Decoder,
    depth: Option<Decoder>,
    registration: Option<Registration>,
    transforms: Option<TransformTree>,
    pictures: Arc<HeldPictures>,
    frames: Vec<MatchedFrame<Ordinal>>,
    followed: Followed,
    /// What was measured last, by frame, and for which boxes.
    measured: Vec<Option<(FrameInfo, Measured)>>,
}

/// What comes of the boxes.
#[derive(Debug, Clone)]
pub struct Curve {
    /// As labelling would write them, but for the times that it took.
    pub steps: Vec<Step>,
    /// Steps without a distance.
    pub gaps: Vec<Gap>,
    /// The frames that the boxes were drawn in: the fingertip's, the target's.
    pub drawn: [Vec<(usize, BoundingBox)>; 2],
}

/// Which regions somebody has to draw: those of which the settings do not say where they are.
pub fn are_drawn(settings: &Settings) -> [bool; 2] {
    let settings::Regions {
        fingertip, target, ..
    } = &settings.regions;
    [
        fingertip.is_followed() || fingertip.is_detected() && settings.topics.fingertip.is_none(),
        target.is_followed() || target.is_detected() && settings.topics.target.is_none(),
    ]
}

impl<'a> OpenBag<'a> {
    /// Read a bag. Regions of which the settings do not say where they are will be drawn.
    ///
    /// # Errors
    /// What would keep the bag from being labelled; `Error::TooLong` for one whose pictures are too many to be held.
    pub fn read(
        source: &Path,
        settings: &Settings,
        estimator: &'a dyn Estimator,
        video: &VideoDecoders,
        stop: &AtomicBool,
    ) -> Result<Self> {
        settings.without_task("pick")?;
        let reader = BagReader::open(source)?;
        let info = reader.info().clone();
        let truth = TruthTopics::default();
        let settings = drawn(settings, None)?;
        let roles = Roles::find(&reader, &settings, &truth)?;
        roles.require(&info, &settings)?;
        // What is drawn is of one topic, which labelling is told.
        let image_topic = roles
            .name(&info, Role::Image)
            .unwrap_or_default()
            .to_owned();
        let settings = drawn(&settings, Some(&image_topic))?;
        let mut roles = Roles::find(&reader, &settings, &truth)?;
        roles.require(&info, &settings)?;
        leave_out_if_uncalibrated(&info, &mut roles, &settings, stop)?;
        let nothing = || Error::NothingToDo {
            path: source.to_owned(),
            message: format!("there is no picture on {image_topic}"),
        };
        let identity = Identity::of(&info, &image_topic)?.ok_or_else(nothing)?;
        let transforms = transforms::of_regions(&info, &settings, &|| Ok(()))?;
        let decoder = |role| picture_decoder_of(&info, &roles, role, &settings);
        let image = decoder(Role::Image)?.ok_or_else(nothing)?;
        let depth = decoder(Role::Depth)?;
        let registration =
            registration::of_bag(&info, &roles, &settings, transforms.as_ref(), stop)?;
        let measurer = Measurer {
            estimator,
            image: image.clone(),
            depth: depth.clone(),
            registration: registration.clone(),
            regions: settings.regions.clone(),
            transforms: None,
        };
        let room = half_of_free();
        let packets = decoder_of(&info, &roles, Role::Image, &settings)?;
        let packets = packets.filter(Decoder::is_video);
        let mut held = Held::new(&info, &roles, room, packets, video);
        let looked_at = survey(&info, &roles, &settings, &measurer, &mut |message| {
            held.take(message)
        })?;
        let mut intake = Intake::new(&info, &roles, &settings, video, stop)?;
        let frames = by_stamp::frames(&info, &settings, &mut intake, &mut |_| Ok(()))?;
        let frames: Vec<_> = frames.collect();
        if frames.is_empty() || looked_at.is_empty() {
            return Err(nothing());
        }
        let left = room.saturating_sub(held.bytes);
        let pictures = HeldPictures::new(image.clone(), looked_at, held.images, held.depths, left);
        Ok(Self {
            info,
            identity,
            estimator,
            image,
            depth,
            registration,
            transforms,
            pictures: Arc::new(pictures),
            measured: frames.iter().map(|_| None).collect(),
            frames,
            followed: Followed::default(),
            settings,
        })
    }

    /// The bag's name.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// What tells its pictures from others.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its pictures, for whoever shows them.
    pub fn pictures(&self) -> Arc<HeldPictures> {
        Arc::clone(&self.pictures)
    }

    /// When each picture was taken, in seconds after the first one.
    pub fn times_s(&self) -> Vec<f64> {
        let mut elapsed = Elapsed::default();
        let frames = self.pictures.frames().iter();
        let times =
            frames.map(|frame| seconds_between(0, elapsed.until(frame.info.timeline_nanos)));
        times.collect()
    }

    /// Width and height of the first picture that can be looked at, in pixels.
    pub fn size(&self) -> Option<(u32, u32)> {
        let measurer = self.measurer();
        let mut looks =
            (0..self.pictures.len()).filter_map(|index| self.pictures.look(&measurer, index));
        looks
            .next()
            .map(|look| (look.color().width, look.color().height))
    }

    /// Where the regions may be that are named by words or by an example, each in the picture in which it is clearest; none of one
    /// that is not clear. To be shown to somebody who knows.
    ///
    /// # Errors
    /// The network's.
    pub fn propose(&self, finder: &Finder) -> Result<Regions> {
        let measurer = self.measurer();
        let times_s = self.times_s();
        let looks = (0..self.pictures.len())
            .filter_map(|index| Some((index, self.pictures.look(&measurer, index)?)));
        let mut seen = Vec::new();
        for (index, look) in looks.take(finder.first_pictures()) {
            seen.push((index, finder.find(look.color())?));
        }
        let propose = |region: usize| {
            let findings = seen.iter().map(|(_, findings)| *findings);
            let Some((at, clear)) = finder.clearest(region, findings) else {
                return Vec::new();
            };
            match (clear, seen.get(at)) {
                (Ok(found), Some((index, _))) => vec![DrawnBox {
                    bbox: found.bbox,
                    at_s: times_s.get(*index).copied().unwrap_or_default(),
                }],
                (Err(unfound), _) => {
                    tracing::warn!("nothing is proposed: {unfound}");
                    Vec::new()
                }
                (Ok(_), None) => Vec::new(),
            }
        };
        Ok(Regions {
            fingertip: propose(0),
            target: propose(1),
        })
    }

    /// Decode a picture that will be looked at, as long as there is room to keep it.
    pub fn prepare(&self, index: usize) {
        let _ = self.pictures.look(&self.measurer(), index);
    }

    /// The boxes, as a file has them.
    pub fn entry(&self, regions: &Regions) -> BagRegions {
        BagRegions {
            bag: self.info.name.clone(),
            image_topic: self.identity.image_topic.clone(),
            pictures: self.identity.pictures,
            first_stamp: self.identity.first_stamp.clone(),
            fingertip: regions.fingertip.clone(),
            target: regions.target.clone(),
        }
    }

    /// Follow the boxes through the bag and measure; only what changed since the last time. `None` if it was stopped.
    ///
    /// # Errors
    /// `Error::NotFollowed` and `Error::DrawnTooLate` for a box that no picture holds.
    pub fn follow(
        &mut self,
        regions: &Regions,
        threads: usize,
        stop: &AtomicBool,
        progress: &Progress,
    ) -> Result<Option<Curve>> {
        let of_boxes = settings::Regions {
            fingertip: settings::Region {
                drawn: regions.fingertip.clone(),
                ..self.settings.regions.fingertip.clone()
            },
            target: settings::Region {
                drawn: regions.target.clone(),
                ..self.settings.regions.target.clone()
            },
            ..settings::Regions::default()
        };
        let due = due(self.pictures.frames(), &of_boxes)?;
        let measurer = measurer(
            self.estimator,
            (&self.image, self.depth.as_ref(), self.registration.as_ref()),
            &self.settings,
            self.transforms.as_ref(),
        );
        let work = Work {
            measurer: &measurer,
            pictures: &self.pictures,
            stop,
            done: &progress.done,
            all: &progress.all,
        };
        let [fingertip, target] = &due;
        let Some(sights) =
            self.followed
                .through(work, [fingertip, target], InTurn::of(&of_boxes))?
        else {
            return Ok(None);
        };
        let known: BTreeMap<_, _> = (self.pictures.frames().iter().zip(sights))
            .map(|(frame, sights)| (key(&frame.info), sights))
            .collect();
        let placed = self.frames.iter().map(|frame| {
            let mut info = frame.info.clone();
            let sights = known.get(&key(&info)).copied().unwrap_or_default();
            info.place_followed(&self.settings.regions, &sights);
            info
        });
        let placed: Vec<FrameInfo> = placed.collect();
        let measuring = Measuring {
            measurer: &measurer,
            pictures: &self.pictures,
            frames: &self.frames,
            threads,
            stop,
            progress,
        };
        if !measuring.measure(&placed, &mut self.measured) {
            return Ok(None);
        }
        let mut rewarder = Rewarder::new(&self.settings);
        let steps = self.measured.iter().flatten().map(|(_, measured)| {
            let measurement = measured.measurement.clone();
            rewarder.push(measured.info.clone(), measurement, Latency::default())
        });
        let steps: Vec<Step> = steps.collect();
        let drawn = due.map(|due| {
            let drawn = due.into_iter().enumerate();
            drawn
                .filter_map(|(frame, drawn)| Some((frame, drawn?.bbox)))
                .collect()
        });
        Ok(Some(Curve {
            gaps: Gap::of(&steps),
            steps,
            drawn,
        }))
    }

    fn measurer(&self) -> Measurer<'_> {
        measurer(
            self.estimator,
            (&self.image, self.depth.as_ref(), self.registration.as_ref()),
            &self.settings,
            self.transforms.as_ref(),
        )
    }
}

type Reading<'a> = (&'a Decoder, Option<&'a Decoder>, Option<&'a Registration>);

fn measurer<'a>(
    estimator: &'a dyn Estimator,
    (image, depth, registration): Reading<'_>,
    settings: &Settings,
    transforms: Option<&'a TransformTree>,
) -> Measurer<'a> {
    Measurer {
        estimator,
        image: image.clone(),
        depth: depth.cloned(),
        registration: registration.cloned(),
        regions: settings.regions.clone(),
        transforms,
    }
}

/// Settings in which the regions that somebody has to draw count as drawn, wherever that will be.
fn drawn(settings: &Settings, image_topic: Option<&str>) -> Result<Settings> {
    let mut config = settings.config().clone();
    let somewhere = |left: f64| DrawnBox {
        bbox: BoundingBox::new(left, 0.0, left + 1.0, 1.0),
        at_s: 0.0,
    };
    let [fingertip, target] = are_drawn(settings);
    let regions = &mut config.regions;
    for (region, is_drawn, left) in [
        (&mut regions.fingertip, fingertip, 0.0),
        (&mut regions.target, target, 1.0),
    ] {
        if is_drawn {
            draw(region, vec![somewhere(left)]);
        }
    }
    if let Some(image_topic) = image_topic {
        config.topics.image = Some(image_topic.to_owned());
    }
    Ok(Settings::new(config, *settings.estimator())?)
}
