//! A rehearsal: reads a whole bag as the labelling would, without looking at more than the first
//! pictures, and tells what would come of it.

use std::collections::BTreeMap;
use std::path::Path;

use super::Progress;
use super::intake::{Intake, Unreadable, matcher};
use super::roles::{Role, Roles, TruthTopics};
use crate::bag::{BagInfo, BagReader, Loss};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::frame::Reason;
use crate::measure::Size;
use crate::pipeline::Matcher;

/// What a bag holds and what labelling it would meet.
#[derive(Debug)]
pub struct Survey {
    pub info: BagInfo,
    pub roles: Roles,
    /// Messages read on each topic, in the order of `info.topics`.
    pub counts: Vec<u64>,
    /// What stands in the way of labelling, as messages for people; empty if nothing does.
    pub obstacles: Vec<String>,
    pub frames: u64,
    /// Frames that could not be measured, by reason, as far as that can be told without pixels.
    pub unmatched: BTreeMap<Reason, u64>,
    pub episodes: u64,
    pub image_size: Option<Size>,
    pub depth_size: Option<Size>,
    pub camera_info_size: Option<Size>,
    /// Class ids in the boxes.
    pub fingertip_classes: Vec<String>,
    pub target_classes: Vec<String>,
    pub unreadable: BTreeMap<Role, Unreadable>,
    pub task_prompt: Option<String>,
    pub loss: Option<Loss>,
}

/// Read the bag and rehearse.
///
/// # Errors
/// What makes the bag unreadable, and named topics that it does not have. Everything else is in the
/// result.
pub fn survey(
    source: &Path,
    config: &Config,
    truth: &TruthTopics,
    progress: &mut dyn FnMut(Progress),
) -> Result<Survey> {
    let mut reader = BagReader::open(source)?;
    let info = reader.info().clone();
    let roles = Roles::find(&info, config, truth)?;
    let missing = roles.missing(&info, config);
    let mut obstacles: Vec<String> = missing.iter().map(obstacle).collect();
    let mut rehearsal = match Intake::new(&info, &roles) {
        Ok(intake) => Some(Rehearsal::new(intake, matcher(&roles, config))),
        Err(error) => {
            obstacles.push(obstacle(&error));
            None
        }
    };
    let mut counts = vec![0; info.topics.len()];
    let mut messages_read = 0;
    while let Some(message) = reader.next_message()? {
        if let Some(count) = counts.get_mut(message.topic) {
            *count += 1;
        }
        messages_read += 1;
        if let Some(rehearsal) = &mut rehearsal
            && !rehearsal.stopped
            && let Err(error) = rehearsal.intake.take(&message, &mut rehearsal.matcher)
        {
            obstacles.push(obstacle(&error));
            rehearsal.stopped = true;
        }
        let frames = rehearsal.as_mut().map_or(0, Rehearsal::count_frames);
        progress(Progress {
            messages_read,
            messages: info.message_count,
            steps: frames,
        });
    }
    let mut survey = Survey {
        info,
        roles,
        counts,
        obstacles,
        frames: 0,
        unmatched: BTreeMap::new(),
        episodes: 0,
        image_size: None,
        depth_size: None,
        camera_info_size: None,
        fingertip_classes: Vec::new(),
        target_classes: Vec::new(),
        unreadable: BTreeMap::new(),
        task_prompt: None,
        loss: reader.loss().cloned(),
    };
    if let Some(rehearsal) = rehearsal {
        rehearsal.finish(&mut survey);
    }
    Ok(survey)
}

/// The error in words, without the list of topics that the survey has anyway.
fn obstacle(error: &Error) -> String {
    match error {
        Error::NoTopic {
            role, why, option, ..
        } => format!("no topic for the {role}: {why}. Name one with {option}"),
        other => other.to_string(),
    }
}

struct Rehearsal {
    intake: Intake,
    matcher: Matcher,
    /// An obstacle was met; the rest of the bag is only counted.
    stopped: bool,
    frames: u64,
    unmatched: BTreeMap<Reason, u64>,
    episodes: u64,
}

impl Rehearsal {
    fn new(intake: Intake, matcher: Matcher) -> Self {
        Self {
            intake,
            matcher,
            stopped: false,
            frames: 0,
            unmatched: BTreeMap::new(),
            episodes: 0,
        }
    }

    fn count_frames(&mut self) -> u64 {
        while let Some(frame) = self.matcher.next_frame() {
            self.frames += 1;
            self.episodes = self.episodes.max(frame.info.episode + 1);
            if let Some(reason) = frame.info.reason {
                *self.unmatched.entry(reason).or_default() += 1;
            }
        }
        self.frames
    }

    fn finish(mut self, survey: &mut Survey) {
        self.matcher.flush();
        self.count_frames();
        survey.frames = self.frames;
        survey.episodes = self.episodes;
        survey.unmatched = self.unmatched;
        [
            survey.image_size,
            survey.depth_size,
            survey.camera_info_size,
        ] = self.intake.first_look().sizes();
        let classes = |role| self.intake.classes(role).map(str::to_owned).collect();
        survey.fingertip_classes = classes(Role::Fingertip);
        survey.target_classes = classes(Role::Target);
        survey.unreadable = self.intake.unreadable().clone();
        survey.task_prompt = self.intake.task_prompt().map(str::to_owned);
    }
}
