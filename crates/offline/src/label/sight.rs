//! How the colour camera sees what detectors and markers place in space. Its intrinsics, its coordinate frame and the
//! transforms are read before the labelling: boxes may be logged before any of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::decoders::{decoder, decoder_of};
use super::roles::Roles;
use super::transforms::TransformIntake;
use crate::error::{Error, Result};
use crate::message_types::may_be_in_space;
use crate::role::Role;
use nalgebra::Isometry3;
use spatial_reward_core::Error as CoreError;
use spatial_reward_core::frame::{Detection, Intrinsics};
use spatial_reward_core::messages::{Decoder, Detections, InSpace};
use spatial_reward_core::pipeline::in_space::seen;
use spatial_reward_core::pipeline::measure::{Size, fitted_to};
use spatial_reward_core::pipeline::{BoxRole, Input, reading};
use spatial_reward_core::settings::{self, Region, Settings};
use spatial_reward_core::stamp::nanos_from_signed_seconds;
use spatial_reward_core::transforms::{TransformError, TransformTree};
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader};

/// The colour camera, to which objects in space are shown.
#[derive(Debug)]
pub(crate) struct Sight {
    /// Of the colour image's size.
    camera: Intrinsics,
    /// The image's coordinate frame; empty where nobody named one.
    frame_id: String,
    transforms: TransformTree,
    regions: settings::Regions,
    /// Whether every class of the fingertip counts, and of the target, but on a topic for both.
    any_class: [bool; 2],
}

impl Sight {
    /// Of a bag whose boxes are in space; `None` where all of them are in pixels, and once `stop` is set.
    ///
    /// # Errors
    /// Those of the bag and its definitions; `Error::NoIntrinsics`; `Error::NotInCamera` for boxes whose coordinate frame
    /// nothing joins to the image's; `ConfigValue` for settings that have no meaning for such boxes.
    pub(crate) fn of_bag(
        info: &BagInfo,
        roles: &Roles,
        settings: &Settings,
        stop: &AtomicBool,
    ) -> Result<Option<Self>> {
        let Some(mut survey) = Survey::new(info, roles, settings)? else {
            return Ok(None);
        };
        let mut reader = BagReader::open(&info.path)?;
        while let Some(message) = reader.next_message()? {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            survey.take(&message);
        }
        survey.finish(info, roles, settings)
    }

    /// What a message with objects in space is to the pipeline: for each region that it can be of the boxes that region
    /// makes, for they may differ in size. Also why objects have none.
    pub(crate) fn inputs(
        &self,
        detections: &Detections,
        boxes_of: BoxRole,
        log_time_nanos: i64,
    ) -> (Vec<Input>, Option<TransformError>) {
        let stamp_nanos = reading::stamp_or(log_time_nanos, detections.stamp_nanos);
        let is_shared = boxes_of == BoxRole::Both;
        let [of_fingertip, of_target] = self.any_class;
        let settings::Regions {
            fingertip, target, ..
        } = &self.regions;
        let (mut inputs, mut why) = (Vec::new(), None);
        for (role, region, any_class, shared_class) in [
            (
                BoxRole::Fingertip,
                fingertip,
                of_fingertip,
                Role::Fingertip.key(),
            ),
            (BoxRole::Target, target, of_target, Role::Target.key()),
        ] {
            if !is_shared && boxes_of != role {
                continue;
            }
            let (mut boxes, missing) = self.boxes(detections, region, stamp_nanos);
            if is_shared && any_class {
                boxes.retain(|detection| detection.class_id == shared_class);
            }
            why = why.or(missing);
            inputs.push(reading::boxes(role, stamp_nanos, boxes, log_time_nanos));
        }
        (inputs, why)
    }

    /// The boxes of a region among what a message says, with why those that are missing have none. The stamp is the
    /// message's; the region's delay is taken off.
    pub(crate) fn boxes(
        &self,
        detections: &Detections,
        region: &Region,
        stamp_nanos: i64,
    ) -> (Vec<Detection>, Option<TransformError>) {
        let stamp_nanos = stamp_nanos.saturating_sub(nanos_from_signed_seconds(region.delay_s));
        let mut boxes = detections.boxes.clone();
        let mut missing = None;
        for object in &detections.in_space {
            match self.placing(&object.frame_id, stamp_nanos) {
                Ok(into_from) => boxes.push(seen(object, region, &into_from, &self.camera)),
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        (boxes, missing)
    }

    /// Maps a frame's coordinates into the camera's.
    fn placing(&self, frame_id: &str, stamp_nanos: i64) -> Result<Isometry3<f64>, TransformError> {
        match is_of_camera(frame_id, &self.frame_id) {
            true => Ok(Isometry3::identity()),
            false => (self.transforms).lookup(&self.frame_id, frame_id, stamp_nanos),
        }
    }
}

/// Two names of one frame, or one that nobody named, which is taken for the other.
fn is_of_camera(frame_id: &str, camera: &str) -> bool {
    let bare = |name: &str| name.trim_start_matches('/').to_owned();
    frame_id.is_empty() || camera.is_empty() || bare(frame_id) == bare(camera)
}

/// What is learnt of a bag on the way through it.
struct Survey {
    image: Option<(usize, Decoder)>,
    camera_info: Option<(usize, Decoder)>,
    /// By topic index.
    boxes: BTreeMap<usize, (Role, Decoder)>,
    transforms: TransformIntake,
    size: Option<Size>,
    frame_id: Option<String>,
    intrinsics: Option<Intrinsics>,
    why_not: Option<String>,
    /// The stamps of the objects in each frame, and where they were.
    stamps: BTreeMap<(Role, String), Vec<i64>>,
}

impl Survey {
    /// `None` where no topic can have objects in space.
    fn new(info: &BagInfo, roles: &Roles, settings: &Settings) -> Result<Option<Self>> {
        let mut boxes = BTreeMap::new();
        for role in [Role::Fingertip, Role::Target] {
            let Some(topic) = roles.topic(role) else {
                continue;
            };
            if info.topics.get(topic).is_some_and(may_be_in_space)
                && let Some(decoder) = decoder(info, role, topic)?
            {
                boxes.entry(topic).or_insert((role, decoder));
            }
        }
        if boxes.is_empty() {
            return Ok(None);
        }
        let of = |role| -> Result<Option<(usize, Decoder)>> {
            Ok(roles
                .topic(role)
                .zip(decoder_of(info, roles, role, settings)?))
        };
        Ok(Some(Self {
            image: of(Role::Image)?,
            camera_info: of(Role::CameraInfo)?,
            boxes,
            transforms: TransformIntake::new(info, settings),
            size: None,
            frame_id: None,
            intrinsics: None,
            why_not: None,
            stamps: BTreeMap::new(),
        }))
    }

    /// What does not decode is told of when it is labelled.
    fn take(&mut self, message: &BagMessage) {
        self.transforms.take(message);
        if let Some((topic, decoder)) = &self.image
            && *topic == message.topic
            && self.size.is_none()
        {
            if let Ok(header) = decoder.image_header(&message.data) {
                self.frame_id.get_or_insert(header.frame_id);
            }
            let color = decoder.lazy_color(&message.data).ok();
            self.size = color.map(|color| (color.width, color.height));
        }
        if let Some((topic, decoder)) = &self.camera_info
            && *topic == message.topic
            && self.intrinsics.is_none()
        {
            match decoder.camera_info(&message.data) {
                Ok((_, intrinsics)) => self.intrinsics = Some(intrinsics),
                Err(error) => {
                    self.why_not.get_or_insert_with(|| error.to_string());
                }
            }
        }
        if let Some((role, decoder)) = self.boxes.get(&message.topic)
            && let Ok(detections) = decoder.detections(&message.data)
        {
            let stamp_nanos = match detections.stamp_nanos {
                0 => message.log_time_nanos,
                stamp_nanos => stamp_nanos,
            };
            for InSpace { frame_id, .. } in detections.in_space {
                let stamps = self.stamps.entry((*role, frame_id)).or_default();
                stamps.push(stamp_nanos);
            }
        }
    }

    fn finish(self, info: &BagInfo, roles: &Roles, settings: &Settings) -> Result<Option<Sight>> {
        if self.stamps.is_empty() {
            return Ok(None);
        }
        let topic_of = |role| roles.name(info, role).unwrap_or_default().to_owned();
        refuse_settings(roles, &self.stamps, settings, topic_of)?;
        let Some(intrinsics) = self.intrinsics else {
            return Err(match self.why_not {
                Some(message) => Error::NoIntrinsics {
                    topic: topic_of(Role::CameraInfo),
                    message,
                },
                None => Roles::no_camera_info(info),
            });
        };
        let fitted = self.size.and_then(|size| fitted_to(&intrinsics, size));
        let (transforms, refused) = self.transforms.finish();
        let frame_id = self.frame_id.unwrap_or_default();
        let is_elsewhere = |(_, frame): &&(Role, String)| !is_of_camera(frame, &frame_id);
        if self.stamps.keys().any(|key| is_elsewhere(&key)) {
            for why in refused {
                tracing::warn!("transforms are left out: {why}");
            }
        }
        let sight = Sight {
            // Sizes that do not belong together are told of when it is labelled.
            camera: fitted.unwrap_or(intrinsics),
            frame_id,
            transforms,
            regions: settings.regions.clone(),
            any_class: [
                settings.topics.fingertip_class.is_empty(),
                settings.topics.target_class.is_empty(),
            ],
        };
        for ((role, frame), stamps) in &self.stamps {
            let mut looked = stamps.iter().map(|stamp| sight.placing(frame, *stamp));
            let first = looked.next();
            if let Some(Err(why)) = first
                && !looked.any(|looked| looked.is_ok())
            {
                return Err(Error::NotInCamera {
                    role: *role,
                    topic: topic_of(*role),
                    frame: frame.clone(),
                    image_frame: sight.frame_id.clone(),
                    why: why.to_string(),
                });
            }
        }
        Ok(Some(sight))
    }
}

/// A detector's picture has no meaning for boxes that are made here, nor has the live node, which makes none.
fn refuse_settings(
    roles: &Roles,
    stamps: &BTreeMap<(Role, String), Vec<i64>>,
    settings: &Settings,
    topic_of: impl Fn(Role) -> String,
) -> Result<()> {
    let refused = |key: String, value: String, expected: String| {
        Err(Error::Core(CoreError::ConfigValue {
            key,
            value,
            expected,
        }))
    };
    if settings.matching.as_live
        && let Some((role, _)) = stamps.keys().next()
    {
        let topic = topic_of(*role);
        let expected = format!(
            "false for {topic}, whose objects are in metres: the live node takes boxes in pixels"
        );
        return refused("matching.as_live".to_owned(), "true".to_owned(), expected);
    }
    let regions = &settings.regions;
    for (role, region) in [
        (Role::Fingertip, &regions.fingertip),
        (Role::Target, &regions.target),
    ] {
        let is_in_space = (stamps.keys()).any(|(of, _)| roles.topic(*of) == roles.topic(role));
        if let (Some(size), true) = (region.picture_size, is_in_space) {
            let expected = format!(
                "left out for {}, whose objects are in metres: there is no picture of the detector's",
                topic_of(role)
            );
            let key = format!("regions.{}.picture_size", role.key());
            return refused(key, size.to_string(), expected);
        }
    }
    Ok(())
}
