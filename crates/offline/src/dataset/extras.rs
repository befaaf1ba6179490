//! What a bag has beyond the labeller's inputs: true depth and masks, gravity, the boxes of other things.
//! Kept by their stamps until the frame they belong to is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::gravity::Accelerometer;
use super::regions::{Detected, Part};
use super::stream::Stream;
use super::topics::{find, no_topic};
use super::wire::detection_ids;
use crate::error::Result;
use crate::label::roles::Roles;
use crate::label::sight::Sight;
use crate::message_types::{DETECTIONS, REGION_OF_INTEREST, holds_markers, is_cdr, is_of_type};
use crate::role::Role;
use spatial_reward_core::frame::{BoundingBox, Detection};
use spatial_reward_core::geometry::Point;
use spatial_reward_core::messages::{Decoder, InSpace, Place};
use spatial_reward_core::pipeline::{FrameInfo, reading};
use spatial_reward_core::settings::{Region, Settings};
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_rosbag2::{BagInfo, BagMessage, TopicInfo};

/// Where depth without noise is if the user names no topic.
pub const TRUTH_DEPTH: &str = "/ground_truth/depth/image_raw";
/// Where the pictures of instances are if the user names no topic.
pub const INSTANCES: &str = "/ground_truth/instances/image_raw";

/// What a region is called whose detection has no class.
const NAMELESS: &str = "object";

/// Topics that the user names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraTopics {
    /// Depth without noise, registered to the colour image.
    pub truth_depth: Option<String>,
    /// mono8: the instance number of each pixel.
    pub instances: Option<String>,
    /// In the camera's optical frame.
    pub imu: Option<String>,
}

/// A topic with pictures that stay encoded.
pub(crate) struct PictureTopic {
    topic: usize,
    /// Reads its pictures.
    pub decoder: Decoder,
    stream: Stream<Bytes>,
}

struct BoxTopic {
    topic: usize,
    decoder: Decoder,
    /// Detections may have numbers of instances.
    has_ids: bool,
    stream: Stream<Vec<Boxed>>,
}

#[derive(Clone)]
struct Boxed {
    name: String,
    score: f64,
    bbox: BoundingBox,
    instance: Option<u8>,
}

/// The extra topics of one bag.
pub(crate) struct Extras {
    /// Depth without noise.
    pub truth_depth: Option<PictureTopic>,
    /// Each pixel's instance.
    pub instances: Option<PictureTopic>,
    boxes: Vec<BoxTopic>,
    accelerometer: Option<Accelerometer>,
    role_topics: [Option<usize>; 2],
    sight: Option<Arc<Sight>>,
    /// Topics that have boxes of one region, and of nothing else.
    of_one_region: Vec<usize>,
    min_score: f64,
    tolerance_nanos: i64,
    unreadable: u64,
}

/// What of it belongs to one frame.
pub(crate) struct Extra {
    /// Depth without noise, encoded.
    pub truth_depth: Option<Bytes>,
    /// The picture of instances, encoded.
    pub instances: Option<Bytes>,
    /// The matched boxes first, then the others.
    pub detected: Vec<Detected>,
    /// Against gravity, in the camera's optical frame.
    pub up: Option<Point>,
}

impl Extras {
    /// Find the extra topics of a bag.
    ///
    /// # Errors
    /// `Error::NoTopic` for a named topic that is not there; `Error::UnknownLayout`.
    pub(crate) fn find(
        info: &BagInfo,
        roles: &Roles,
        settings: &Settings,
        topics: &ExtraTopics,
    ) -> Result<Self> {
        let role_topics = [roles.topic(Role::Fingertip), roles.topic(Role::Target)];
        let mut boxes = Vec::new();
        for (topic, found) in info.topics.iter().enumerate() {
            // Of what a detector says in several forms one is enough; and a marker's number is no word for a question.
            let has_ids = is_of_type(found, DETECTIONS);
            let is_form = role_topics.contains(&Some(topic))
                && Role::Target.fits(found)
                && !is_of_type(found, REGION_OF_INTEREST)
                && !holds_markers(found);
            if (has_ids || is_form) && is_cdr(found) && found.message_count != Some(0) {
                let decoder = Decoder::for_channel(&found.type_name, found.ros2msg())?;
                let stream = Stream::default();
                boxes.push(BoxTopic {
                    topic,
                    decoder,
                    has_ids,
                    stream,
                });
            }
        }
        let is_of_one = |role: &Role| {
            !roles.shares_boxes() && roles.get(*role).is_some_and(|choice| !choice.shared)
        };
        let of_one_region = [Role::Fingertip, Role::Target].into_iter();
        let of_one_region = of_one_region.filter(is_of_one);
        let (named_depth, named_instances) = (&topics.truth_depth, &topics.instances);
        Ok(Self {
            truth_depth: pictures(info, named_depth, TRUTH_DEPTH, Role::TruthDepth)?,
            instances: pictures(info, named_instances, INSTANCES, Role::Instances)?,
            boxes,
            accelerometer: Accelerometer::find(info, topics.imu.as_deref())?,
            role_topics,
            sight: None,
            of_one_region: of_one_region.filter_map(|role| roles.topic(role)).collect(),
            min_score: settings.matching.min_score,
            tolerance_nanos: nanos_from_seconds(settings.matching.tolerance_s),
            unreadable: 0,
        })
    }

    /// The same with how the camera sees boxes in space.
    pub(crate) fn with_sight(self, sight: Option<Arc<Sight>>) -> Self {
        Self { sight, ..self }
    }

    /// Whether boxes come from anywhere.
    pub(crate) fn has_boxes(&self) -> bool {
        !self.boxes.is_empty()
    }

    /// Role to topic, for the record.
    pub(crate) fn topic_names(&self, info: &BagInfo) -> BTreeMap<String, String> {
        let name = |topic: usize| info.topics.get(topic).map(|topic| topic.name.clone());
        let pictures = [
            ("truth_depth", &self.truth_depth),
            ("instances", &self.instances),
        ];
        let pictures = pictures
            .into_iter()
            .filter_map(|(role, it)| Some((role, it.as_ref()?.topic)));
        let imu = (self.accelerometer.as_ref()).map(|imu| ("imu", imu.topic));
        (pictures.chain(imu))
            .filter_map(|(role, topic)| Some((role.to_owned(), name(topic)?)))
            .collect()
    }

    /// Messages that could not be read.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Take a message in, if it is of an extra topic.
    pub(crate) fn take(&mut self, message: &BagMessage) {
        if let Err(error) = self.read(message) {
            if self.unreadable == 0 {
                tracing::warn!("a message is left out: {error}");
            }
            self.unreadable += 1;
        }
    }

    /// Take a message in, if it is light: boxes and accelerations may be held as long as one likes.
    pub(crate) fn take_light(&mut self, message: &BagMessage) {
        if !self.is_picture(message) {
            self.take(message);
        }
    }

    /// Take a message in, if it is a picture.
    pub(crate) fn take_picture(&mut self, message: &BagMessage) {
        if self.is_picture(message) {
            self.take(message);
        }
    }

    fn is_picture(&self, message: &BagMessage) -> bool {
        let pictures = [&self.truth_depth, &self.instances];
        (pictures.into_iter().flatten()).any(|it| it.topic == message.topic)
    }

    fn read(&mut self, message: &BagMessage) -> Result<()> {
        let log_time = message.log_time_nanos;
        let pictures = [&mut self.truth_depth, &mut self.instances];
        for pictures in (pictures.into_iter().flatten()).filter(|it| it.topic == message.topic) {
            let header = pictures.decoder.image_header(&message.data)?;
            let stamp = header.stamp_nanos();
            (pictures.stream).insert(stamp, log_time, message.data.clone());
        }
        for topic in (self.boxes.iter_mut()).filter(|it| it.topic == message.topic) {
            let mut detections = topic.decoder.detections(&message.data)?;
            let stamp = detections.stamp_nanos;
            if let Some(sight) = &self.sight {
                // How large the others are, nobody says.
                let is_box = |object: &InSpace| matches!(object.place, Place::Corners(_));
                detections.in_space.retain(is_box);
                let stamp = reading::stamp_or(log_time, stamp);
                (detections.boxes, _) = sight.boxes(&detections, &Region::default(), stamp);
            }
            let ids = match topic.has_ids {
                true => detection_ids(&message.data),
                false => Vec::new(),
            };
            let boxes = boxes_of(detections.boxes, &ids);
            topic.stream.insert(stamp, log_time, boxes);
        }
        match &mut self.accelerometer {
            Some(accelerometer) if accelerometer.topic == message.topic => {
                accelerometer.take(message)
            }
            _ => Ok(()),
        }
    }

    /// What belongs to a frame. Frames are asked for in order: what is older is forgotten.
    pub(crate) fn of(&mut self, frame: &FrameInfo) -> Extra {
        let (stamp, tolerance) = (frame.stamp_nanos, self.tolerance_nanos);
        let picture = |topic: &Option<PictureTopic>| {
            let held = topic.as_ref()?.stream.nearest(stamp, tolerance);
            held.cloned()
        };
        let extra = Extra {
            truth_depth: picture(&self.truth_depth),
            instances: picture(&self.instances),
            detected: self.detected(frame),
            up: (self.accelerometer.as_mut()).and_then(|it| it.up(frame)),
        };
        self.forget_before(stamp);
        extra
    }

    fn forget_before(&mut self, stamp: i64) {
        let before = stamp.saturating_sub(self.tolerance_nanos);
        let pictures = [&mut self.truth_depth, &mut self.instances];
        for pictures in pictures.into_iter().flatten() {
            pictures.stream.forget_before(before);
        }
        for topic in &mut self.boxes {
            topic.stream.forget_before(before);
        }
        if let Some(accelerometer) = &mut self.accelerometer {
            accelerometer.forget_before(stamp);
        }
    }

    /// The matched boxes first, then what else was seen at the same time.
    fn detected(&self, frame: &FrameInfo) -> Vec<Detected> {
        let mut detected: Vec<Detected> = Vec::new();
        let parts = [
            (Part::Fingertip, "fingertip", frame.fingertip),
            (Part::Target, "target", frame.target),
        ];
        for ((part, name, bbox), topic) in parts.into_iter().zip(self.role_topics) {
            if let Some(bbox) = bbox {
                let seen = self.boxes.iter().filter(|it| Some(it.topic) == topic);
                let mut seen = seen.flat_map(|it| self.seen_at(it, frame.stamp_nanos));
                let same = seen.find(|seen| seen.bbox == bbox);
                detected.push(Detected {
                    part,
                    name: name.to_owned(),
                    bbox,
                    instance: same.and_then(|seen| seen.instance),
                });
            }
        }
        for topic in &self.boxes {
            if self.of_one_region.contains(&topic.topic) {
                continue;
            }
            for seen in self.seen_at(topic, frame.stamp_nanos) {
                let is_known = |known: &Detected| {
                    known.bbox == seen.bbox
                        || known.instance.is_some() && known.instance == seen.instance
                };
                if seen.score >= self.min_score && !detected.iter().any(is_known) {
                    detected.push(Detected {
                        part: Part::Other,
                        name: seen.name.clone(),
                        bbox: seen.bbox,
                        instance: seen.instance,
                    });
                }
            }
        }
        detected
    }

    fn seen_at<'a>(&self, topic: &'a BoxTopic, stamp: i64) -> impl Iterator<Item = &'a Boxed> {
        let seen = topic.stream.nearest(stamp, self.tolerance_nanos);
        seen.into_iter().flatten()
    }
}

fn boxes_of(boxes: Vec<Detection>, ids: &[String]) -> Vec<Boxed> {
    // Without hypotheses the id stands for the class; an instance's number is no word for a question.
    let is_instance = |at: usize, class: &str| {
        ids.get(at).is_some_and(|id| id == class) && class.parse::<u64>().is_ok()
    };
    let boxed = |(at, detection): (usize, Detection)| Boxed {
        name: match detection.class_id {
            class if class.is_empty() || is_instance(at, &class) => NAMELESS.to_owned(),
            class => class,
        },
        score: detection.score,
        bbox: detection.bbox,
        // 0 is what belongs to no instance.
        instance: (ids.get(at)).and_then(|id| id.parse().ok().filter(|id| *id != 0)),
    };
    boxes.into_iter().enumerate().map(boxed).collect()
}

fn pictures(
    info: &BagInfo,
    named: &Option<String>,
    default: &str,
    role: Role,
) -> Result<Option<PictureTopic>> {
    let name = named.as_deref().unwrap_or(default);
    let is_picture = |topic: &TopicInfo| topic.type_name.ends_with("Image");
    let found = find(info, |topic| topic.name == name && is_picture(topic));
    let Some((topic, found)) = found else {
        return match named {
            Some(_) => Err(no_topic(info, name, role)),
            None => Ok(None),
        };
    };
    Ok(Some(PictureTopic {
        topic,
        decoder: Decoder::for_channel(&found.type_name, found.ros2msg())?,
        stream: Stream::default(),
    }))
}
