//! Folds measured frames, in their order, to steps: judges the distance, keeps the episodes and
//! numbers everything. The only stage with a memory of rewards.

use super::FrameInfo;
use crate::frame::{Measurement, Reason};
use crate::reward::episode::{Episode, Outcome};
use crate::settings::Settings;
use crate::step::{Latency, Step};

/// Turns frames and measurements into steps.
///
/// Its episodes are the matcher's, divided further by successes where `episodes.end_on_success` is
/// set: the frame after a success begins the next one.
///
/// An invalid step has NaN for distance, reward, shaped reward and potential, and no success; the
/// valid steps around it come out as if it had not been there.
#[derive(Debug)]
pub struct Rewarder {
    settings: Settings,
    episode: Episode,
    /// The matcher's episode that the current one belongs to.
    source_episode: Option<u64>,
    terminated: bool,
    index: u64,
    episode_index: u64,
    frame: u64,
}

impl Rewarder {
    /// A rewarder before its first frame.
    pub fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            episode: Episode::new(settings),
            source_episode: None,
            terminated: false,
            index: 0,
            episode_index: 0,
            frame: 0,
        }
    }

    /// Take other settings on for the steps to come, in the middle of an episode: a live node's
    /// parameters. The episode goes on with its first distance, its potential and the state of its
    /// success; a filter that changed starts anew. The steps so far stay as they are.
    pub fn reconfigure(&mut self, settings: &Settings) {
        self.episode.reconfigure(&self.settings, settings);
        self.settings = settings.clone();
    }

    /// The next step. `info.reason` outranks `measured`, which outranks an implausible distance, which outranks an
    /// uncertain one.
    pub fn push(
        &mut self,
        info: FrameInfo,
        measured: Result<Measurement, Reason>,
        latency: Latency,
    ) -> Step {
        self.begin_episode_if_due(info.episode);
        let distance = self.distance_m(&info, &measured);
        let outcome = distance.map(|d| self.episode.push(info.stamp_nanos, d));
        let valid = outcome.ok();
        let number = |value: fn(&Outcome) -> f64| valid.as_ref().map_or(f64::NAN, value);
        let measured = measured.unwrap_or_default();
        let std_counts = matches!(distance, Ok(_) | Err(Reason::Uncertain));
        let distance_std_m = measured
            .distance_std_m(self.settings.distance())
            .filter(|_| std_counts);
        let step = Step {
            index: self.index,
            episode: self.episode_index,
            frame: self.frame,
            stamp_nanos: info.stamp_nanos,
            timeline_nanos: info.timeline_nanos,
            log_time_nanos: info.log_time_nanos,
            frame_id: info.frame_id,
            fingertip: info.fingertip,
            target: info.target,
            fingertip_source: info.fingertip_source,
            target_source: info.target_source,
            distance_kind: self.settings.distance(),
            distance_m: distance.unwrap_or(f64::NAN),
            distance_std_m: published_std(distance_std_m),
            // What was measured, even where a model's answer is what counts.
            center_m: published(measured.center_m),
            center_std_m: published_std(measured.center_std_m),
            surface_m: published(measured.surface_m),
            surface_std_m: published_std(measured.surface_std_m),
            cloud_m: published(measured.cloud_m),
            cloud_std_m: published_std(measured.cloud_std_m),
            tf_m: published(info.tf_m),
            reward: number(|outcome| outcome.reward),
            shaped_reward: number(|outcome| outcome.shaped_reward),
            potential: number(|outcome| outcome.potential),
            confidence: measured.confidence(self.settings.distance()),
            reason: distance.err(),
            success: valid.is_some_and(|outcome| outcome.success),
            terminated: valid.is_some_and(|outcome| outcome.terminated),
            answer: measured
                .answer
                .map(|answer| answer.text)
                .unwrap_or_default(),
            latency,
            task: None,
        };
        self.terminated = step.terminated;
        self.index += 1;
        self.frame += 1;
        step
    }

    fn begin_episode_if_due(&mut self, source_episode: u64) {
        let same_source = self.source_episode == Some(source_episode);
        if same_source && !self.terminated {
            return;
        }
        let next = Episode::new(&self.settings);
        let ended = std::mem::replace(&mut self.episode, next);
        if same_source {
            self.episode = ended.after_success(&self.settings);
        }
        if self.source_episode.is_some() {
            self.episode_index += 1;
        }
        self.source_episode = Some(source_episode);
        self.terminated = false;
        self.frame = 0;
    }

    /// The raw distance that the reward is computed from, or the step's reason.
    fn distance_m(
        &self,
        info: &FrameInfo,
        measured: &Result<Measurement, Reason>,
    ) -> Result<f64, Reason> {
        if let Some(reason) = info.reason {
            return Err(reason);
        }
        let measured = measured.as_ref().map_err(|reason| *reason)?;
        match measured.distance_m(self.settings.distance()) {
            Some(d) if (0.0..=self.settings.estimator.max_distance_m).contains(&d) => {
                match self.is_uncertain(measured) {
                    true => Err(Reason::Uncertain),
                    false => Ok(d),
                }
            }
            Some(_) => Err(Reason::ImplausibleDistance),
            // A model that spoke but did not give this distance: the step keeps what it said.
            None if measured.answer.is_some() => Err(Reason::UnparsedAnswer),
            None => Err(Reason::DepthInvalid),
        }
    }

    /// Whether the distance that counts is less certain than the settings demand.
    fn is_uncertain(&self, measured: &Measurement) -> bool {
        let std_m = measured.distance_std_m(self.settings.distance());
        let most_m = self.settings.reward.max_std_m;
        // Where no standard deviation is known, nothing speaks against the distance.
        (std_m.zip(most_m)).is_some_and(|(std_m, most_m)| std_m > most_m)
    }
}

fn published(distance_m: Option<f64>) -> f64 {
    distance_m.filter(|d| d.is_finite()).unwrap_or(f64::NAN)
}

/// A standard deviation below 0 is none.
fn published_std(std_m: Option<f64>) -> f64 {
    published(std_m.filter(|std| *std >= 0.0))
}
