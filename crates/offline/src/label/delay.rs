//! A detector that stamps its boxes when it is done, and not as the image that it looked at, has them lie where their
//! object was a moment before. Steps are valid all the same, and wrong while it moves. How late its stamps are is told by
//! the times of the messages alone: by how they lie between those of the images, by when they begin and end, and by when
//! they were logged.

use std::f64::consts::TAU;

use serde::Serialize;

use super::evidence::Evidence;
use super::roles::Roles;
use crate::role::{self, Role};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::statistics::{mean, median};

/// Less may come of the clocks of two cameras, or of a driver that stamps the end of the exposure.
const WORTH_A_WORD_S: f64 = 0.005;
/// A delay that varies by no more than this share of the time from image to image is one, and not jitter.
const STEADY: f64 = 0.125;
/// Two figures of one delay differ by no more than this share of the time from image to image.
const ALIKE: f64 = 0.6;
/// Messages that say nothing about a stream.
const FEW: u64 = 5;

/// How much later than the image that they are of a detector stamps its boxes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoxDelay {
    /// Whose boxes.
    #[serde(serialize_with = "role::key")]
    pub role: Role,
    /// They are of one topic with the target's, which has the same delay.
    pub is_of_both: bool,
    /// The least that fits all that is known, seconds.
    pub delay_s: f64,
    /// What its setting takes off already, seconds; `delay_s` counts it.
    pub set_s: f64,
    /// From image to image, seconds. Where the delay is not certain, it may be longer by any number of these.
    pub period_s: f64,
    /// There is no other that fits.
    pub is_certain: bool,
}

impl BoxDelay {
    /// The settings that take it off, by their dotted names.
    pub fn settings(&self) -> &'static [&'static str] {
        match self.role {
            Role::Target => &["regions.target.delay_s"],
            _ if self.is_of_both => &["regions.fingertip.delay_s", "regions.target.delay_s"],
            _ => &["regions.fingertip.delay_s"],
        }
    }

    /// Of each topic of boxes that has one.
    pub(super) fn of_all(evidence: &Evidence, roles: &Roles, settings: &Settings) -> Vec<Self> {
        let has_own = |role: &Role| *role == Role::Fingertip || !roles.shares_boxes();
        [Role::Fingertip, Role::Target]
            .into_iter()
            .filter(has_own)
            .filter_map(|role| Self::of(evidence, role, roles, settings))
            .collect()
    }

    /// Of the boxes of a role; `None` where its setting is right, or nothing speaks of a delay.
    pub(super) fn of(
        evidence: &Evidence,
        role: Role,
        roles: &Roles,
        settings: &Settings,
    ) -> Option<Self> {
        let set_s = match role {
            Role::Target => settings.regions.target.delay_s,
            _ => settings.regions.fingertip.delay_s,
        };
        if evidence.stream(role)?.messages < FEW {
            return None;
        }
        let period_s = evidence.period_s(Role::Image).filter(|s| *s > 0.0)?;
        // What is set is no news.
        let left_s = |seconds: f64| seconds - set_s;
        let ends = evidence.overhang_s(role).map(|ends| ends.map(left_s));
        let ahead_s = evidence.ahead_s(role).map_or(0.0, left_s);
        let differences_s: Vec<f64> = (evidence.differences_s(role)?.into_iter())
            .map(left_s)
            .collect();
        let phase = Phase::of(&differences_s, period_s)?;

        let agree = |[begin, end]: &[f64; 2]| {
            begin.min(*end) > (1.0 - ALIKE) * period_s && (begin - end).abs() <= ALIKE * period_s
        };
        let by_ends_s = ends.filter(agree).map(|[begin, end]| (begin + end) / 2.0);
        let (left_s, is_certain) = match by_ends_s {
            // Whole periods from the ends, and what is left of one from the phase. A part of a recording that was going on
            // begins and ends with boxes of its images' time, whatever their delay.
            Some(by_ends_s) if phase.is_steady => {
                let delay_s = phase.nearest_s(by_ends_s);
                (delay_s, delay_s > (1.0 - STEADY) * period_s)
            }
            Some(by_ends_s) => (by_ends_s, false),
            None if phase.is_steady && ahead_s > WORTH_A_WORD_S => {
                let half_s = period_s / 2.0;
                (phase.nearest_s(ahead_s - WORTH_A_WORD_S + half_s), false)
            }
            None if phase.is_steady => (phase.offset_s, false),
            None => return None,
        };
        (left_s.abs() > WORTH_A_WORD_S).then_some(Self {
            role,
            is_of_both: roles.shares_boxes(),
            delay_s: set_s + left_s,
            set_s,
            period_s,
            is_certain,
        })
    }
}

/// How the stamps of boxes lie between those of the images, whole periods left out.
struct Phase {
    period_s: f64,
    /// Within half a period of 0, seconds.
    offset_s: f64,
    /// It is much the same for all of them.
    is_steady: bool,
}

impl Phase {
    /// Of the differences to any image; `None` of no differences.
    fn of(differences_s: &[f64], period_s: f64) -> Option<Self> {
        // On a circle, where half a period before an image and half a period after one are the same place.
        let angles = differences_s.iter().map(|s| s / period_s * TAU);
        let (sines, cosines): (Vec<f64>, Vec<f64>) = angles.map(f64::sin_cos).unzip();
        let offset_s = mean(&sines)?.atan2(mean(&cosines)?) / TAU * period_s;
        let around = differences_s.iter().map(|s| s - offset_s);
        let around: Vec<f64> = around
            .map(|s| (s - (s / period_s).round() * period_s).abs())
            .collect();
        Some(Self {
            period_s,
            offset_s,
            is_steady: median(&around)? <= STEADY * period_s,
        })
    }

    /// The delay of this phase that is nearest to another figure, seconds.
    fn nearest_s(&self, to_s: f64) -> f64 {
        let periods = ((to_s - self.offset_s) / self.period_s).round();
        self.offset_s + periods * self.period_s
    }
}
