//! Scripted steps that the report's tests share.

use std::collections::BTreeMap;

use super::contents::Report;
use super::provenance::Provenance;
use spatial_reward_core::frame::{BoundingBox, BoxSource, DistanceKind, Reason};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::step::{Latency, Step};

/// When the first step's image was taken.
pub(crate) const FIRST_STAMP_NANOS: i64 = 1_760_000_000_000_000_000;

/// A valid step of episode 0 at 10 Hz, `distance_m` away, with the dense reward.
pub(crate) fn step(index: u64, distance_m: f64) -> Step {
    let stamp_nanos = FIRST_STAMP_NANOS + index as i64 * 100_000_000;
    Step {
        index,
        episode: 0,
        frame: index,
        stamp_nanos,
        timeline_nanos: stamp_nanos,
        log_time_nanos: stamp_nanos + 2_000_000,
        frame_id: "camera".into(),
        fingertip: Some(BoundingBox::new(100.0, 100.0, 140.0, 160.0)),
        target: Some(BoundingBox::new(300.0, 200.0, 380.0, 260.0)),
        fingertip_source: Some(BoxSource::SEEN),
        target_source: Some(BoxSource::SEEN),
        distance_kind: DistanceKind::Surface,
        distance_m,
        distance_std_m: f64::NAN,
        center_m: distance_m + 0.03,
        center_std_m: f64::NAN,
        surface_m: distance_m,
        surface_std_m: f64::NAN,
        cloud_m: distance_m + 0.05,
        cloud_std_m: f64::NAN,
        tf_m: f64::NAN,
        reward: -distance_m,
        shaped_reward: 0.0,
        potential: -distance_m,
        confidence: 0.9,
        reason: None,
        success: false,
        terminated: false,
        answer: String::new(),
        latency: Latency::default(),
        task: None,
    }
}

/// The same step without a measurement.
pub(crate) fn invalid(index: u64, reason: Reason) -> Step {
    Step {
        distance_m: f64::NAN,
        center_m: f64::NAN,
        surface_m: f64::NAN,
        cloud_m: f64::NAN,
        reward: f64::NAN,
        shaped_reward: f64::NAN,
        potential: f64::NAN,
        confidence: 0.0,
        reason: Some(reason),
        ..step(index, f64::NAN)
    }
}

/// An approach of `count` steps from 40 cm to contact.
pub(crate) fn approach(count: u64) -> Vec<Step> {
    (0..count)
        .map(|index| step(index, 0.4 * (1.0 - index as f64 / count as f64)))
        .collect()
}

/// Put the steps from `begin` on into the next episode.
pub(crate) fn split_episode(steps: &mut [Step], begin: usize) {
    for (frame, step) in steps.iter_mut().skip(begin).enumerate() {
        step.episode += 1;
        step.frame = frame as u64;
    }
}

/// Of these steps, without pictures, truth and figures.
pub(crate) fn report<'a>(
    steps: &'a [Step],
    settings: &'a Settings,
    provenance: &'a Provenance,
) -> Report<'a> {
    Report {
        steps,
        truth_m: &[],
        frames: &[],
        camera: "",
        others: &[],
        settings,
        provenance,
        metrics: None,
        command: "",
    }
}

/// Of a labelling by geometry.
pub(crate) fn provenance(settings: &Settings) -> Provenance {
    let topics = [("image", "/camera/color/image_raw"), ("depth", "/depth")];
    let topics: BTreeMap<String, String> = topics
        .into_iter()
        .map(|(role, topic)| (role.to_owned(), topic.to_owned()))
        .collect();
    Provenance::new(
        settings,
        "geometry",
        spatial_reward_core::estimator::Origin::default(),
        "pick_and_place",
        topics,
    )
    .unwrap()
}
