//! Reads a labelled bag back and evaluates its rewards: against ground truth where the bag has it,
//! and against time alone where it does not.

use std::path::Path;

use crate::error::{Error, Result};
use crate::label::decoders::decoder;
use crate::label::progress_of;
use crate::label::roles::{Roles, TruthTopics, reward_topic};
use crate::report::metrics::{Metrics, Sample};
use crate::role::Role;
use crate::truth::{StepTime, Truth};
use spatial_reward_core::frame::DistanceKind;
use spatial_reward_core::messages::{Decoder, StepReward};
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader, Loss};

/// The estimator's name in the rewards of depth geometry.
const GEOMETRY: &str = "geometry";

/// What a labelled bag is worth.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Its figures beside those of the baselines.
    pub metrics: Metrics,
    /// Steps with ground truth near enough in time.
    pub steps_with_truth: u64,
    /// Why there is no truth, if there is none.
    pub without_truth: Option<WithoutTruth>,
    /// The truth is the distance between two TF frames, for there is no other.
    pub truth_is_tf: bool,
    /// What of the labelled bag could not be read.
    pub loss: Option<Loss>,
}

/// Why rewards are not held against ground truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutTruth {
    /// The bag has no topic with the truth of this kind, so order in time alone is evaluated.
    NoTopic(DistanceKind),
    /// None is near enough a step in time, or its points differ in their frames; order alone.
    NoneNear,
    /// A model's answers are held against what geometry measured in the depth image.
    Geometry(DistanceKind),
}

/// Reads the bag and holds it against its truth.
///
/// # Errors
/// `Error::NothingToDo` for a bag without rewards, `Error::NoTopic` for a named truth topic that it
/// does not have, and what makes a bag unreadable.
pub fn evaluate(path: &Path, truth: &TruthTopics, progress: OnProgress<'_>) -> Result<Evaluation> {
    let (collected, info, roles, loss) = collect(path, truth, progress)?;
    collected.evaluated(&info, &roles, loss)
}

/// The steps of a labelled bag in their order.
pub(crate) struct Steps {
    /// What all its rewards are of.
    pub kind: DistanceKind,
    /// A reward, and the true distance where there is one near enough in time, in metres.
    pub steps: Vec<(StepReward, Option<f64>)>,
    /// What of the bag could not be read.
    pub loss: Option<Loss>,
}

/// Reads the bag's steps beside the truth.
///
/// # Errors
/// As [`evaluate`].
pub(crate) fn steps_of(
    path: &Path,
    truth: &TruthTopics,
    progress: OnProgress<'_>,
) -> Result<Steps> {
    let (mut collected, info, _, loss) = collect(path, truth, progress)?;
    let kind = collected.distance_kind(&info)?;
    let truth_m = collected.truth_m(kind);
    let rewards = collected.rewards.into_iter().map(|(_, reward)| reward);
    Ok(Steps {
        kind,
        steps: rewards.zip(truth_m).collect(),
        loss,
    })
}

fn collect(
    path: &Path,
    truth: &TruthTopics,
    progress: OnProgress<'_>,
) -> Result<(Collected, BagInfo, Roles, Option<Loss>)> {
    let mut reader = BagReader::open(path)?;
    let info = reader.info().clone();
    let roles = Roles::by_name(&info, &Settings::geometry(), truth)?;
    let mut collected = Collected::new(&info, &roles)?;
    let mut messages_read = 0;
    while let Some(message) = reader.next_message()? {
        collected.take(&message)?;
        messages_read += 1;
        progress(progress_of(messages_read, &info, collected.rewards.len()));
    }
    Ok((collected, info, roles, reader.loss().cloned()))
}

struct Collected {
    reward_topic: usize,
    reward: Decoder,
    truth_readers: Vec<(usize, Role, Decoder)>,
    rewards: Vec<(i64, StepReward)>,
    truth: Truth,
}

impl Collected {
    fn new(info: &BagInfo, roles: &Roles) -> Result<Self> {
        let reward_topic = reward_topic(info)?;
        let type_name = info
            .topics
            .get(reward_topic)
            .map_or("", |topic| topic.type_name.as_str());
        let definition = info
            .topics
            .get(reward_topic)
            .and_then(|topic| topic.ros2msg());
        let mut truth_readers = Vec::new();
        for role in [
            Role::TruthFingertip,
            Role::TruthTarget,
            Role::TruthSurface,
            Role::TruthCloud,
        ] {
            if let Some(topic) = roles.topic(role)
                && let Some(decoder) = decoder(info, role, topic)?
            {
                truth_readers.push((topic, role, decoder));
            }
        }
        Ok(Self {
            reward_topic,
            reward: Decoder::for_channel(type_name, definition)?,
            truth_readers,
            rewards: Vec::new(),
            truth: Truth::default(),
        })
    }

    fn take(&mut self, message: &BagMessage) -> Result<()> {
        let log_time = message.log_time_nanos;
        if message.topic == self.reward_topic {
            self.rewards
                .push((log_time, self.reward.step_reward(&message.data)?));
        }
        let readers = self
            .truth_readers
            .iter()
            .filter(|(topic, _, _)| *topic == message.topic);
        for (_, role, decoder) in readers {
            match role {
                Role::TruthCloud => {
                    let distance_m = decoder.float64(&message.data)?;
                    self.truth.push_cloud_distance(log_time, distance_m);
                }
                Role::TruthSurface => {
                    let distance_m = decoder.float64(&message.data)?;
                    self.truth.push_surface_distance(log_time, distance_m);
                }
                _ => {
                    let point = decoder.point(&message.data)?;
                    self.truth
                        .push_point(*role == Role::TruthTarget, log_time, point);
                }
            }
        }
        Ok(())
    }

    fn evaluated(
        mut self,
        info: &BagInfo,
        roles: &Roles,
        loss: Option<Loss>,
    ) -> Result<Evaluation> {
        let kind = self.distance_kind(info)?;
        let (mut truth_m, truth_is_tf) = self.truth_or_tf_m(kind);
        let steps_with_truth = truth_m.iter().flatten().count() as u64;
        let mut without_truth = (steps_with_truth == 0).then(|| why_no_truth(kind, roles));
        let measured = || {
            self.rewards
                .iter()
                .map(|(_, reward)| by_geometry(reward, kind))
        };
        let stands_in = steps_with_truth == 0 && measured().any(f64::is_finite);
        if stands_in {
            // A model's answers can be held against what geometry measured beside it.
            truth_m = measured()
                .map(|d| Some(d).filter(|d| d.is_finite()))
                .collect();
            without_truth = Some(WithoutTruth::Geometry(kind));
        }
        Ok(Evaluation {
            metrics: self.metrics(kind, &truth_m),
            steps_with_truth,
            without_truth,
            truth_is_tf,
            loss,
        })
    }

    /// [`truth_m`](Self::truth_m); where there is none of centres, the distances between TF frames stand for it, and the
    /// second is true. They are no distance of any other kind.
    fn truth_or_tf_m(&mut self, kind: DistanceKind) -> (Vec<Option<f64>>, bool) {
        let truth_m = self.truth_m(kind);
        if kind != DistanceKind::Center || truth_m.iter().any(Option::is_some) {
            return (truth_m, false);
        }
        let tf_m = (self.rewards.iter()).map(|(_, reward)| Some(reward.tf_m));
        let tf_m: Vec<Option<f64>> = tf_m.map(|tf_m| tf_m.filter(|m| m.is_finite())).collect();
        let is_there = tf_m.iter().any(Option::is_some);
        (if is_there { tf_m } else { truth_m }, is_there)
    }

    /// Puts the steps in order, and takes the true distance of each, in metres.
    fn truth_m(&mut self, kind: DistanceKind) -> Vec<Option<f64>> {
        // Steps were written in their order, but may share a log time.
        self.rewards
            .sort_by_key(|(_, reward)| (reward.episode_id, reward.step));
        let times: Vec<StepTime> = (self.rewards.iter())
            .map(|(log_time_nanos, reward)| StepTime {
                stamp_nanos: reward.header.stamp_nanos(),
                log_time_nanos: *log_time_nanos,
            })
            .collect();
        let tolerance_nanos = nanos_from_seconds(Settings::geometry().matching.tolerance_s);
        std::mem::take(&mut self.truth).at(kind, &times, tolerance_nanos)
    }

    /// The figures of the rewards, and of what geometry measured beside a model, against the true distances by
    /// position in the rewards.
    fn metrics(&self, kind: DistanceKind, truth_m: &[Option<f64>]) -> Metrics {
        let rewards = || self.rewards.iter().map(|(_, reward)| reward).zip(truth_m);
        let samples: Vec<Sample> = rewards()
            .map(|(reward, truth_m)| annotated(reward, *truth_m))
            .collect();
        let geometry: Vec<Sample> = rewards()
            .map(|(reward, truth_m)| {
                let measured = by_geometry(reward, kind);
                Sample {
                    predicted_m: measured,
                    std_m: std_by_geometry(reward, kind),
                    reward: -measured,
                    ..annotated(reward, *truth_m)
                }
            })
            .collect();
        let has_geometry = geometry.iter().any(|sample| sample.predicted_m.is_finite());
        let latency_s: Vec<f64> = rewards()
            .map(|(reward, _)| reward.latency_total_s)
            .collect();
        Metrics::new(
            kind,
            &samples,
            has_geometry.then_some(&*geometry),
            &latency_s,
            None,
        )
    }

    /// The kind that all rewards share.
    fn distance_kind(&self, info: &BagInfo) -> Result<DistanceKind> {
        let unusable = |message: String| Error::NothingToDo {
            path: info.path.clone(),
            message,
        };
        let Some((_, first)) = self.rewards.first() else {
            return Err(unusable("the reward topic holds no message".to_owned()));
        };
        let other = self
            .rewards
            .iter()
            .find(|(_, reward)| reward.distance_kind != first.distance_kind);
        if let Some((_, other)) = other {
            return Err(unusable(format!(
                "its rewards are of '{}' and of '{}' distances, which are never compared",
                first.distance_kind, other.distance_kind
            )));
        }
        let kinds = [
            DistanceKind::Center,
            DistanceKind::Surface,
            DistanceKind::Cloud,
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| kind.name() == first.distance_kind);
        kind.ok_or_else(|| {
            unusable(format!(
                "its rewards are of an unknown distance '{}'",
                first.distance_kind
            ))
        })
    }
}

fn annotated(reward: &StepReward, truth_m: Option<f64>) -> Sample {
    Sample {
        episode: u64::try_from(reward.episode_id).unwrap_or(0),
        stamp_nanos: reward.header.stamp_nanos(),
        predicted_m: if reward.valid {
            reward.distance_m
        } else {
            f64::NAN
        },
        std_m: reward.distance_std_m,
        reward: reward.reward,
        truth_m,
    }
}

/// What geometry measured at a step whose reward is a model's; nothing where geometry made the reward.
fn by_geometry(reward: &StepReward, kind: DistanceKind) -> f64 {
    match kind {
        _ if reward.estimator == GEOMETRY => f64::NAN,
        DistanceKind::Center => reward.center_m,
        DistanceKind::Surface => reward.surface_m,
        DistanceKind::Cloud => reward.cloud_m,
    }
}

/// One standard deviation of what [`by_geometry`] gives.
fn std_by_geometry(reward: &StepReward, kind: DistanceKind) -> f64 {
    match kind {
        DistanceKind::Center => reward.center_std_m,
        DistanceKind::Surface => reward.surface_std_m,
        DistanceKind::Cloud => reward.cloud_std_m,
    }
}

fn why_no_truth(kind: DistanceKind, roles: &Roles) -> WithoutTruth {
    let needed: &[Role] = match kind {
        DistanceKind::Cloud => &[Role::TruthCloud],
        DistanceKind::Surface => &[Role::TruthSurface],
        DistanceKind::Center => &[Role::TruthFingertip, Role::TruthTarget],
    };
    match needed.iter().all(|role| roles.get(*role).is_some()) {
        true => WithoutTruth::NoneNear,
        false => WithoutTruth::NoTopic(kind),
    }
}
