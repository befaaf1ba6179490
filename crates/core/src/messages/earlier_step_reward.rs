//! `spatial_reward/msg/StepReward` in every layout that it has had, so that a bag that an earlier version labelled can
//! still be evaluated. What a layout lacks is what it is where nobody tells it.

use serde::Deserialize;

use super::cdr;
use super::layouts::StepRewards;
use super::step_reward::StepReward;
use super::types::Header;
use crate::error::Result;

/// A step reward. Without a known layout the first that fits the bytes, newest first.
pub(super) fn decode(
    type_name: &str,
    layout: Option<StepRewards>,
    bytes: &[u8],
) -> Result<StepReward> {
    let without_tf = || cdr::decode::<WithoutTf>(type_name, bytes).map(StepReward::from);
    let without_std = || cdr::decode::<WithoutStd>(type_name, bytes).map(StepReward::from);
    match layout {
        Some(StepRewards::Newest) => cdr::decode(type_name, bytes),
        Some(StepRewards::WithoutTf) => without_tf(),
        Some(StepRewards::WithoutStd) => without_std(),
        // What is wrong with the newest is what is told of a message that fits none.
        None => cdr::decode(type_name, bytes)
            .or_else(|error| without_tf().or_else(|_| without_std()).map_err(|_| error)),
    }
}

/// As it was before distances had standard deviations.
#[derive(Deserialize)]
struct WithoutStd {
    header: Header,
    episode_id: i64,
    step: i64,
    distance_m: f64,
    distance_kind: String,
    center_m: f64,
    surface_m: f64,
    cloud_m: f64,
    rest: Rest,
}

/// As it was before there was a distance between TF frames.
#[derive(Deserialize)]
struct WithoutTf {
    header: Header,
    episode_id: i64,
    step: i64,
    distance_m: f64,
    distance_std_m: f64,
    distance_kind: String,
    center_m: f64,
    center_std_m: f64,
    surface_m: f64,
    surface_std_m: f64,
    cloud_m: f64,
    cloud_std_m: f64,
    rest: Rest,
}

/// What followed the distances in both.
#[derive(Deserialize)]
struct Rest {
    reward: f64,
    reward_kind: String,
    shaped_reward: f64,
    potential: f64,
    confidence: f32,
    valid: bool,
    reason: String,
    bridged: bool,
    success: bool,
    terminated: bool,
    answer: String,
    estimator: String,
    fingertip_box: [f64; 4],
    target_box: [f64; 4],
    fingertip_origin: String,
    target_origin: String,
    fingertip_age_s: f64,
    target_age_s: f64,
    latency_decode_s: f64,
    latency_estimate_s: f64,
    latency_total_s: f64,
}

impl From<WithoutStd> for StepReward {
    fn from(old: WithoutStd) -> Self {
        Self::from(WithoutTf {
            header: old.header,
            episode_id: old.episode_id,
            step: old.step,
            distance_m: old.distance_m,
            distance_std_m: f64::NAN,
            distance_kind: old.distance_kind,
            center_m: old.center_m,
            center_std_m: f64::NAN,
            surface_m: old.surface_m,
            surface_std_m: f64::NAN,
            cloud_m: old.cloud_m,
            cloud_std_m: f64::NAN,
            rest: old.rest,
        })
    }
}

impl From<WithoutTf> for StepReward {
    fn from(old: WithoutTf) -> Self {
        let rest = old.rest;
        Self {
            header: old.header,
            episode_id: old.episode_id,
            step: old.step,
            distance_m: old.distance_m,
            distance_std_m: old.distance_std_m,
            distance_kind: old.distance_kind,
            center_m: old.center_m,
            center_std_m: old.center_std_m,
            surface_m: old.surface_m,
            surface_std_m: old.surface_std_m,
            cloud_m: old.cloud_m,
            cloud_std_m: old.cloud_std_m,
            reward: rest.reward,
            reward_kind: rest.reward_kind,
            shaped_reward: rest.shaped_reward,
            potential: rest.potential,
            confidence: rest.confidence,
            valid: rest.valid,
            reason: rest.reason,
            bridged: rest.bridged,
            success: rest.success,
            terminated: rest.terminated,
            answer: rest.answer,
            estimator: rest.estimator,
            fingertip_box: rest.fingertip_box,
            target_box: rest.target_box,
            fingertip_origin: rest.fingertip_origin,
            target_origin: rest.target_origin,
            fingertip_age_s: rest.fingertip_age_s,
            target_age_s: rest.target_age_s,
            latency_decode_s: rest.latency_decode_s,
            latency_estimate_s: rest.latency_estimate_s,
            latency_total_s: rest.latency_total_s,
            tf_m: f64::NAN,
        }
    }
}
