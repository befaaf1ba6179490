//! A rehearsal: reads a whole bag as the labelling would, without decoding more than the first
//! pictures, and tells what would come of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::by_stamp;
use crate::error::{Error, Result};
use crate::label::calibration::leave_out_if_uncalibrated;
use crate::label::follow::amiss;
use crate::label::intake::{Intake, Unreadable, matcher};
use crate::label::progress_of;
use crate::label::registration;
use crate::label::roles::{Roles, TruthTopics};
use crate::label::sizes;
use crate::label::transforms::{TransformIntake, missing_frames, tell_changed};
use crate::role::Role;
use spatial_reward_core::following::Elapsed;
use spatial_reward_core::frame::Reason;
use spatial_reward_core::pipeline::at_frames::{self, Places};
use spatial_reward_core::pipeline::measure::Size;
use spatial_reward_core::pipeline::{FrameInfo, Matcher};
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::seconds_between;
use spatial_reward_core::transforms::TransformTree;
use spatial_reward_core::video::{Keyframes, VideoDecoders};
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader, Loss};

/// What a bag holds and what labelling it would meet.
#[derive(Debug)]
pub struct Inspection {
    /// The bag without its messages.
    pub info: BagInfo,
    /// Which topic would play which role.
    pub roles: Roles,
    /// Messages read on each topic, in the order of `info.topics`.
    pub counts: Vec<u64>,
    /// What stands in the way of labelling; empty if nothing does.
    pub obstacles: Vec<Error>,
    /// Colour images, each of which would be a step.
    pub frames: u64,
    /// Frames that could not be measured, by reason, as far as that can be told without pixels.
    pub unmatched: BTreeMap<Reason, u64>,
    /// Stretches that labelling would tell apart.
    pub episodes: u64,
    /// Where the keyframes of the colour image's video are; `None` where it is none.
    pub video: Option<Keyframes>,
    /// Of the first colour image, pixels.
    pub image_size: Option<Size>,
    /// Of the first depth image, pixels.
    pub depth_size: Option<Size>,
    /// Of the image that the first camera info describes, pixels.
    pub camera_info_size: Option<Size>,
    /// Class ids in the fingertip's boxes.
    pub fingertip_classes: Vec<String>,
    /// Class ids in the target's boxes.
    pub target_classes: Vec<String>,
    /// The TF frames that there are, in alphabetical order.
    pub tf_frames: Vec<TfFrame>,
    /// What was wrong with transforms, in words.
    pub refused_transforms: Vec<String>,
    /// Messages that could not be read though the bag's container could, by role.
    pub unreadable: BTreeMap<Role, Unreadable>,
    /// Messages of which an object was left out, for it has no place that the camera knows, by role.
    pub left_out: BTreeMap<Role, Unreadable>,
    /// The newest task prompt.
    pub task_prompt: Option<String>,
    /// What of the bag could not be read.
    pub loss: Option<Loss>,
}

/// A TF frame of a bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TfFrame {
    /// Without a leading slash.
    pub name: String,
    /// Why the camera does not know where it is at the stamp of the image in the middle; `None` if it does.
    pub not_from_camera: Option<String>,
}

/// Read the bag and rehearse.
///
/// # Errors
/// What makes the bag unreadable, and named topics that it does not have. Everything else is in the
/// result.
pub fn inspect(
    source: &Path,
    settings: &Settings,
    truth: &TruthTopics,
    video: &VideoDecoders,
    progress: OnProgress<'_>,
) -> Result<Inspection> {
    let mut reader = BagReader::open(source)?;
    let info = reader.info().clone();
    let mut roles = Roles::find(&reader, settings, truth)?;
    leave_out_if_uncalibrated(&info, &mut roles, settings, &NEVER)?;
    sizes::tell(&info, &roles, settings);
    let mut obstacles = roles.missing(&info, settings);
    let after_missing = obstacles.len();
    let mut rehearsal = match Intake::new(&info, &roles, settings, video, &NEVER) {
        Ok(mut intake) => {
            intake.spare_pictures();
            Some(Rehearsal::new(intake, matcher(&roles, settings)))
        }
        Err(error) => {
            obstacles.push(error);
            None
        }
    };
    let mut transforms = TransformIntake::new(&info, settings);
    let mut counts = vec![0; info.topics.len()];
    let mut messages_read = 0;
    while let Some(message) = reader.next_message()? {
        if let Some(count) = counts.get_mut(message.topic) {
            *count += 1;
        }
        messages_read += 1;
        transforms.take(&message);
        if let Some(rehearsal) = &mut rehearsal
            && !rehearsal.stopped
            && let Err(error) = rehearsal.take(&message)
        {
            obstacles.push(error);
            rehearsal.stopped = true;
        }
        let frames = rehearsal.as_mut().map_or(0, Rehearsal::count_frames);
        progress(progress_of(messages_read, &info, frames as usize));
    }
    let (tree, refused) = transforms.finish();
    tell_changed(&tree);
    let registration = registration::of_bag(&info, &roles, settings, Some(&tree), &NEVER);
    if let Err(error) = registration {
        obstacles.insert(after_missing, error);
    }
    let mut inspection = Inspection {
        info,
        roles,
        counts,
        obstacles,
        frames: 0,
        unmatched: BTreeMap::new(),
        episodes: 0,
        video: None,
        image_size: None,
        depth_size: None,
        camera_info_size: None,
        fingertip_classes: Vec::new(),
        target_classes: Vec::new(),
        tf_frames: Vec::new(),
        refused_transforms: refused,
        unreadable: BTreeMap::new(),
        left_out: BTreeMap::new(),
        task_prompt: None,
        loss: reader.loss().cloned(),
    };
    inspection.obstacles.extend(missing_frames(&tree, settings));
    if let Some(rehearsal) = rehearsal {
        rehearsal.finish(&mut inspection, settings, &tree)?;
    }
    Ok(inspection)
}

/// Nobody stops an inspection but by ending the program.
static NEVER: AtomicBool = AtomicBool::new(false);

struct Rehearsal {
    intake: Intake<'static>,
    matcher: Matcher,
    /// An obstacle was met; the rest of the bag is only counted.
    stopped: bool,
    frames: u64,
    unmatched: BTreeMap<Reason, u64>,
    episodes: u64,
    /// The images' coordinate frame.
    camera_frame: String,
    /// When the images were, and whether their regions' frames are still to be looked for.
    stamps: Vec<(i64, bool)>,
}

impl Rehearsal {
    fn new(intake: Intake<'static>, matcher: Matcher) -> Self {
        Self {
            intake,
            matcher,
            stopped: false,
            frames: 0,
            unmatched: BTreeMap::new(),
            episodes: 0,
            camera_frame: String::new(),
            stamps: Vec::new(),
        }
    }

    fn take(&mut self, message: &BagMessage) -> Result<()> {
        let Self {
            intake, matcher, ..
        } = self;
        let mut sink = |input| matcher.push(message.log_time_nanos, input);
        intake.take(message, &mut sink)
    }

    fn count_frames(&mut self) -> u64 {
        while let Some(frame) = self.matcher.next_frame() {
            self.count(&frame.info, frame.places.as_ref());
        }
        self.frames
    }

    /// Count a frame; live, its places are known already.
    fn count(&mut self, frame: &FrameInfo, places: Option<&Places>) {
        self.frames += 1;
        self.episodes = self.episodes.max(frame.episode + 1);
        if self.camera_frame.is_empty() {
            self.camera_frame.clone_from(&frame.frame_id);
        }
        let nowhere = places.and_then(Places::missing);
        let reason = frame.reason.or(nowhere.map(|_| Reason::NoTransform));
        let is_to_be_placed = reason.is_none() && places.is_none();
        self.stamps.push((frame.stamp_nanos, is_to_be_placed));
        if let Some(reason) = reason {
            *self.unmatched.entry(reason).or_default() += 1;
        }
    }

    /// What of the regions' frames the camera does not know, and of all the frames that there are.
    fn look_at_frames(
        &mut self,
        inspection: &mut Inspection,
        settings: &Settings,
        tree: &TransformTree,
    ) {
        let camera = self.camera_frame.as_str();
        let is_missing = |stamp_nanos: i64| {
            let regions = [&settings.regions.fingertip, &settings.regions.target];
            let mut found = regions.into_iter();
            found.any(|region| at_frames::place_in(camera, region, tree, stamp_nanos).is_err())
        };
        let missing = (self.stamps.iter())
            .filter(|(stamp_nanos, is_to_be_placed)| *is_to_be_placed && is_missing(*stamp_nanos))
            .count() as u64;
        if missing > 0 {
            *self.unmatched.entry(Reason::NoTransform).or_default() += missing;
        }
        let middle = self
            .stamps
            .get(self.stamps.len() / 2)
            .map(|(stamp, _)| *stamp);
        let of = |name: &str| TfFrame {
            name: name.to_owned(),
            not_from_camera: match middle {
                Some(middle) => tree
                    .lookup(camera, name, middle)
                    .err()
                    .map(|error| error.to_string()),
                None => Some("there is no image to ask for it".to_owned()),
            },
        };
        inspection.tf_frames = tree.frames().into_iter().map(of).collect();
    }

    fn finish(
        mut self,
        inspection: &mut Inspection,
        settings: &Settings,
        tree: &TransformTree,
    ) -> Result<()> {
        self.matcher.flush();
        self.count_frames();
        if self.matcher.has_missed() && !self.stopped {
            // Stamps alone decide, as they do when it is labelled.
            let info = &inspection.info;
            let video = self.intake.video_decoders();
            let mut intake = Intake::new(info, &inspection.roles, settings, video, &NEVER)?;
            (self.frames, self.episodes) = (0, 0);
            self.unmatched.clear();
            self.stamps.clear();
            for frame in by_stamp::frames(info, settings, &mut intake, &mut |_| Ok(()))? {
                self.count(&frame.info, None);
            }
        }
        self.look_at_frames(inspection, settings, tree);
        let mut elapsed = Elapsed::default();
        let stamps = self.stamps.iter();
        let longest = stamps
            .map(|(stamp_nanos, _)| elapsed.until(*stamp_nanos))
            .last();
        let recording_s = seconds_between(0, longest.unwrap_or_default());
        let [picture, ..] = self.intake.first_messages().sizes();
        (inspection.obstacles).extend(amiss(&settings.regions, recording_s, picture));
        inspection.frames = self.frames;
        inspection.episodes = self.episodes;
        inspection.unmatched = self.unmatched;
        inspection.video = Some(self.intake.keyframes()).filter(|it| it.codec.is_some());
        [
            inspection.image_size,
            inspection.depth_size,
            inspection.camera_info_size,
        ] = self.intake.first_messages().sizes();
        let classes = |role| self.intake.classes(role).map(str::to_owned).collect();
        inspection.fingertip_classes = classes(Role::Fingertip);
        inspection.target_classes = classes(Role::Target);
        inspection.unreadable = self.intake.unreadable().clone();
        inspection.left_out = self.intake.left_out().clone();
        inspection.task_prompt = self.intake.task_prompt().map(str::to_owned);
        Ok(())
    }
}
