//! Recorded messages to pipeline inputs: decodes what is light (headers, boxes, intrinsics, truth)
//! and hands pixels along as they are. Decodes the first pictures in full, so that a bag that
//! cannot be labelled is refused at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::calibration::Calibration;
use super::decoders::{decoder, decoder_of};
use super::evidence::Evidence;
use super::first_messages::FirstMessages;
use super::roles::Roles;
use super::sight::Sight;
use super::transforms;
use crate::error::{Error, Result};
use crate::role::Role;
use crate::truth::Truth;
use crate::video::Video;
use spatial_reward_core::Error as CoreError;
use spatial_reward_core::frame::Intrinsics;
use spatial_reward_core::messages::{Decoder, Detections};
use spatial_reward_core::pipeline::reading::{self, StreamKind};
use spatial_reward_core::pipeline::{BoxRole, Input, Matcher, Streams};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::{Keyframes, VideoDecoders};
use spatial_reward_rosbag2::{BagInfo, BagMessage};

/// A detector with more classes than this is not listed in full.
const MAX_CLASSES: usize = 50;

/// Turns one bag's messages into pipeline inputs.
pub(crate) struct Intake<'a> {
    /// The bag, for a look ahead.
    path: PathBuf,
    stop: &'a AtomicBool,
    /// By topic index: what to do with its messages. A topic may have several roles.
    readers: BTreeMap<usize, Vec<Reader>>,
    first_messages: FirstMessages,
    /// The bag's first intrinsics, for the camera infos before them that give none.
    foreseen: Option<Intrinsics>,
    looked_ahead: bool,
    /// The matcher is to be given what else a node hears.
    as_live: bool,
    truth: Truth,
    task_prompt: Option<String>,
    classes: BTreeMap<Role, BTreeSet<String>>,
    unreadable: BTreeMap<Role, Unreadable>,
    left_out: BTreeMap<Role, Unreadable>,
    evidence: Evidence,
    /// Where a region's boxes are in space.
    sight: Option<Arc<Sight>>,
    /// Of the colour image, where it is one.
    video: Video,
    /// Nobody looks at pictures but at the first.
    spares_pictures: bool,
}

/// Messages of a role that did not decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// How many.
    pub count: u64,
    /// What was wrong with the first.
    pub first: String,
}

struct Reader {
    role: Role,
    decoder: Option<Decoder>,
    boxes_of: BoxRole,
    /// Of transforms that hold at all times.
    is_static: bool,
}

/// Readers of all transforms. What does not decode is told when they are read before.
fn add_transforms(info: &BagInfo, readers: &mut BTreeMap<usize, Vec<Reader>>) {
    for (index, topic) in transforms::topics(info) {
        if let Ok(Some(decoder)) = decoder(info, Role::Transforms, index) {
            readers.entry(index).or_default().push(Reader {
                role: Role::Transforms,
                decoder: Some(decoder),
                boxes_of: BoxRole::Both,
                is_static: transforms::is_static(topic),
            });
        }
    }
}

impl<'a> Intake<'a> {
    /// For the topics of these roles. A look ahead in the bag ends once `stop` is set.
    ///
    /// # Errors
    /// `Error::UnknownLayout` for a definition in the bag that this program does not know; those of [`Sight::of_bag`].
    pub(crate) fn new(
        info: &BagInfo,
        roles: &Roles,
        settings: &Settings,
        video: &VideoDecoders,
        stop: &'a AtomicBool,
    ) -> Result<Self> {
        let mut readers: BTreeMap<usize, Vec<Reader>> = BTreeMap::new();
        for (role, choice) in roles.iter() {
            if role == Role::Target && roles.shares_boxes() {
                continue;
            }
            let reader = Reader {
                role,
                decoder: decoder_of(info, roles, role, settings)?,
                boxes_of: match role {
                    Role::Fingertip if roles.shares_boxes() => BoxRole::Both,
                    // The other region has another source, and its boxes are still on this topic.
                    _ if choice.shared => BoxRole::Both,
                    Role::Target => BoxRole::Target,
                    _ => BoxRole::Fingertip,
                },
                is_static: false,
            };
            readers.entry(choice.topic).or_default().push(reader);
        }
        let as_live = settings.matching.as_live;
        if as_live {
            add_transforms(info, &mut readers);
        }
        Ok(Self {
            path: info.path.clone(),
            stop,
            readers,
            first_messages: FirstMessages::new(info, roles, settings),
            foreseen: None,
            // A node cannot.
            looked_ahead: as_live,
            as_live,
            truth: Truth::default(),
            task_prompt: None,
            classes: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            left_out: BTreeMap::new(),
            evidence: Evidence::default(),
            sight: Sight::of_bag(info, roles, settings, stop)?.map(Arc::new),
            video: Video::new(video),
            spares_pictures: false,
        })
    }

    /// Nobody will look at pictures, so that a video is decoded no farther than to its first.
    pub(crate) fn spare_pictures(&mut self) {
        self.spares_pictures = true;
    }

    /// Take one message in; the sink gets what it is to the pipeline, logged at the message's time.
    ///
    /// # Errors
    /// What the first pictures and intrinsics show about the whole bag: an unsupported encoding, an
    /// uncalibrated camera, sizes that do not belong together. Later messages that do not decode are
    /// counted and left out.
    pub(crate) fn take(&mut self, message: &BagMessage, sink: &mut dyn FnMut(Input)) -> Result<()> {
        let Some(readers) = self.readers.remove(&message.topic) else {
            return Ok(());
        };
        let taken = readers
            .iter()
            .try_for_each(|reader| self.read(reader, message, sink));
        self.readers.insert(message.topic, readers);
        taken
    }

    fn read(
        &mut self,
        reader: &Reader,
        message: &BagMessage,
        sink: &mut dyn FnMut(Input),
    ) -> Result<()> {
        let decoder = reader.decoder.as_ref();
        let inputs = match (reader.role, decoder) {
            (Role::Fingertip | Role::Target, Some(decoder)) => self.boxes(reader, decoder, message),
            _ => self.input(reader, message).map(Vec::from_iter),
        };
        match inputs {
            Ok(inputs) => {
                let log_time = message.log_time_nanos;
                if let Some(input) = inputs.first() {
                    self.evidence.see(reader.role, decoder, log_time, input);
                }
                inputs.into_iter().for_each(sink);
            }
            Err(error) if self.is_fatal(reader.role, &error) => return Err(error),
            Err(error) => self.note_unreadable(reader.role, &error),
        }
        Ok(())
    }

    /// One broken message is an accident; these errors hold for every message of the topic.
    fn is_fatal(&self, role: Role, error: &Error) -> bool {
        match error {
            Error::SizesDiffer { .. }
            | Error::DepthSize { .. }
            | Error::FixedOutside { .. }
            | Error::NoIntrinsics { .. }
            | Error::NoPictures { .. } => true,
            // A look ahead in the bag has failed.
            Error::Bag(_) => true,
            Error::Core(CoreError::Encoding { .. } | CoreError::NoVideoDecoder { .. }) => true,
            // A layout that fitted an earlier message is the topic's, and this message is broken.
            Error::Core(CoreError::UnknownLayout { .. }) => !self.classes.contains_key(&role),
            _ => false,
        }
    }

    fn note_unreadable(&mut self, role: Role, error: &Error) {
        let why = error.to_string();
        note(&mut self.unreadable, "a message with", role, why);
    }

    /// An object of a message that is read otherwise.
    fn note_left_out(&mut self, role: Role, why: String) {
        note(&mut self.left_out, "an object among", role, why);
    }

    fn input(&mut self, reader: &Reader, message: &BagMessage) -> Result<Option<Input>> {
        let log_time = message.log_time_nanos;
        let Some(decoder) = &reader.decoder else {
            return Ok(Some(Input::EpisodeSplit));
        };
        let read = |kind| reading::read(kind, decoder, &message.data, log_time);
        let first = &mut self.first_messages;
        let input = match reader.role {
            Role::Image if decoder.is_video() => {
                return self.video_image(decoder, message).map(Some);
            }
            Role::Image => {
                let header = decoder.image_header(&message.data);
                if let Ok(header) = &header {
                    first.image(decoder, &header.frame_id, &message.data)?;
                }
                reading::image(header.unwrap_or_default(), &message.data, log_time)
            }
            Role::Depth => {
                let header = decoder.image_header(&message.data)?;
                first.depth(decoder, &header.frame_id, &message.data)?;
                reading::depth(&header, &message.data, log_time)
            }
            Role::CameraInfo => return self.camera_info(decoder, message).map(Some),
            Role::TaskPrompt => {
                self.task_prompt = Some(decoder.string(&message.data)?);
                return Ok(None);
            }
            Role::TruthFingertip | Role::TruthTarget => {
                let point = decoder.point(&message.data)?;
                self.truth
                    .push_point(reader.role == Role::TruthTarget, log_time, point);
                return Ok(None);
            }
            Role::TruthSurface => {
                self.truth
                    .push_surface_distance(log_time, decoder.float64(&message.data)?);
                return Ok(None);
            }
            Role::TruthCloud => {
                self.truth
                    .push_cloud_distance(log_time, decoder.float64(&message.data)?);
                return Ok(None);
            }
            Role::DepthCameraInfo => {
                first.depth_camera_info(decoder, &message.data)?;
                if !self.as_live {
                    return Ok(None);
                }
                read(StreamKind::DepthCameraInfo)?
            }
            Role::EpisodeSplit => Input::EpisodeSplit,
            Role::Transforms if self.as_live => {
                let is_static = reader.is_static;
                read(StreamKind::Transforms { is_static })?
            }
            // Boxes are read elsewhere, and nothing of the others.
            Role::Fingertip
            | Role::Target
            | Role::TruthDepth
            | Role::Instances
            | Role::Accelerometer
            | Role::Transforms => {
                return Ok(None);
            }
        };
        Ok(Some(input))
    }

    /// A packet of a video is a step, whether it has a picture or not.
    fn video_image(&mut self, decoder: &Decoder, message: &BagMessage) -> Result<Input> {
        let BagMessage {
            data,
            log_time_nanos,
            ..
        } = message;
        let header = decoder.image_header(data).unwrap_or_default();
        if self.video.keyframes().packets == 0
            && let Err(error @ CoreError::Encoding { .. }) = decoder.video_packet(data)
        {
            self.first_messages.no_image(error)?;
        }
        if self.spares_pictures && self.first_messages.has_image() {
            self.video.pass(decoder, data);
            return Ok(reading::image(header, data, *log_time_nanos));
        }
        let decoded = self.video.decode(decoder, data)?;
        if decoded.has_picture {
            let pictures = decoder.clone().of_video_pictures();
            self.first_messages
                .image(&pictures, &header.frame_id, &decoded.bytes)?;
        }
        Ok(reading::image(header, &decoded.bytes, *log_time_nanos))
    }

    /// A message before the first that gives intrinsics has that one's. A later one that gives none is an accident.
    fn camera_info(&mut self, decoder: &Decoder, message: &BagMessage) -> Result<Input> {
        let BagMessage {
            data,
            log_time_nanos,
            ..
        } = message;
        let error = match reading::read(StreamKind::CameraInfo, decoder, data, *log_time_nanos) {
            Ok(input) => {
                if let Input::CameraInfo { intrinsics, .. } = &input {
                    let doubt = || decoder.camera_info_doubt(data).ok().flatten();
                    self.first_messages.intrinsics(intrinsics, doubt)?;
                }
                self.foreseen = None;
                return Ok(input);
            }
            Err(error) => error,
        };
        if !(self.looked_ahead || self.first_messages.has_intrinsics()) {
            self.looked_ahead = true;
            self.look_ahead(decoder, message.topic)?;
        }
        let Some(intrinsics) = self.foreseen else {
            return Err(error.into());
        };
        let header = decoder.camera_info_header(data)?;
        Ok(reading::camera_info(&header, intrinsics, *log_time_nanos))
    }

    /// Look for the bag's first intrinsics, unless the work is to stop.
    fn look_ahead(&mut self, decoder: &Decoder, topic: usize) -> Result<()> {
        let found = Calibration::find(&self.path, topic, decoder, self.stop)?;
        let Some(Calibration { first, why_not }) = found else {
            return Ok(());
        };
        let why = why_not.unwrap_or_default();
        let Some((intrinsics, doubt)) = first else {
            return Err(self.first_messages.no_intrinsics(why));
        };
        tracing::warn!(
            "the first messages with the {} give no intrinsics ({why}): the first that do hold for them",
            Role::CameraInfo.name()
        );
        self.foreseen = Some(intrinsics);
        self.first_messages.intrinsics(&intrinsics, || doubt)
    }

    /// A message of boxes is one input, but for what is in space on a topic for both: of that each region makes its own.
    fn boxes(
        &mut self,
        reader: &Reader,
        decoder: &Decoder,
        message: &BagMessage,
    ) -> Result<Vec<Input>> {
        let detections = decoder.detections(&message.data)?;
        self.note_classes(reader.role, &detections);
        if let Some((_, what)) = detections.nowhere.first() {
            self.note_left_out(reader.role, what.clone());
        }
        let log_time = message.log_time_nanos;
        let sight = self.sight.clone();
        let Some(sight) = sight.filter(|_| !detections.in_space.is_empty()) else {
            let Detections {
                stamp_nanos, boxes, ..
            } = detections;
            let input = reading::boxes(reader.boxes_of, stamp_nanos, boxes, log_time);
            return Ok(vec![input]);
        };
        let (inputs, missing) = sight.inputs(&detections, reader.boxes_of, log_time);
        if let Some(missing) = missing {
            self.note_left_out(reader.role, missing.to_string());
        }
        Ok(inputs)
    }

    fn note_classes(&mut self, role: Role, detections: &Detections) {
        let seen = self.classes.entry(role).or_default();
        for class_id in detections.classes() {
            if seen.len() < MAX_CLASSES && !seen.contains(class_id) {
                seen.insert(class_id.to_owned());
            }
        }
    }

    /// How the camera sees what is in space, where something is.
    pub(crate) fn sight(&self) -> Option<Arc<Sight>> {
        self.sight.clone()
    }

    /// The truth seen so far, taken out.
    pub(crate) fn take_truth(&mut self) -> Truth {
        std::mem::take(&mut self.truth)
    }

    /// Who decodes video.
    pub(crate) fn video_decoders(&self) -> &VideoDecoders {
        self.video.decoders()
    }

    /// Where the keyframes of the colour image's video were; no packets where it is none.
    pub(crate) fn keyframes(&self) -> Keyframes {
        self.video.keyframes()
    }

    /// What the first images, depth images and intrinsics said.
    pub(crate) fn first_messages(&self) -> &FirstMessages {
        &self.first_messages
    }

    /// The newest task prompt.
    pub(crate) fn task_prompt(&self) -> Option<&str> {
        self.task_prompt.as_deref()
    }

    /// The class ids seen in a role's boxes; one topic for both objects has them under the fingertip.
    pub(crate) fn classes(&self, role: Role) -> impl Iterator<Item = &str> {
        self.classes
            .get(&role)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// What the messages looked like.
    pub(crate) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Messages of which an object was left out, because its place is no place or nothing joins its frame to the image's.
    pub(crate) fn left_out(&self) -> &BTreeMap<Role, Unreadable> {
        &self.left_out
    }

    /// The messages that did not decode. Pictures are not among them: they are decoded later.
    pub(crate) fn unreadable(&self) -> &BTreeMap<Role, Unreadable> {
        &self.unreadable
    }
}

fn note(noted: &mut BTreeMap<Role, Unreadable>, what: &str, role: Role, why: String) {
    let noted = noted.entry(role).or_insert_with(|| {
        tracing::warn!("{what} the {} is left out: {why}", role.name());
        Unreadable {
            count: 0,
            first: why,
        }
    });
    noted.count += 1;
}

/// The streams that a matcher of these roles should wait for.
pub(crate) fn streams(roles: &Roles) -> Streams {
    let has = |role| roles.get(role).is_some();
    Streams {
        depth: has(Role::Depth),
        camera_info: has(Role::CameraInfo),
        fingertip: has(Role::Fingertip),
        target: has(Role::Target),
    }
}

/// A matcher for a bag with these roles.
pub(crate) fn matcher(roles: &Roles, settings: &Settings) -> Matcher {
    let of_kind = match settings.matching.as_live {
        true => Matcher::new,
        false => Matcher::recorded,
    };
    of_kind(settings, streams(roles), settings.needs_depth())
}
