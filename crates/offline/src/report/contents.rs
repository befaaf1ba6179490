//! What a report is made from.

use super::film_strip::{CameraStrip, StripFrame};
use super::metrics::Metrics;
use super::provenance::Provenance;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::step::Step;

/// Everything that a report is made from.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// In stream order.
    pub steps: &'a [Step],
    /// The true distance of the steps' kind, metres, by position in `steps`; empty if none is known.
    pub truth_m: &'a [Option<f64>],
    /// The film strip, see `film_strip::FilmStrip`.
    pub frames: &'a [StripFrame],
    /// The name of the film strip's camera; empty where there is but one.
    pub camera: &'a str,
    /// The film strips of the other cameras.
    pub others: &'a [CameraStrip],
    /// The settings in force.
    pub settings: &'a Settings,
    /// Where the numbers come from.
    pub provenance: &'a Provenance,
    /// Shown in the HTML where the labelling was evaluated.
    pub metrics: Option<&'a Metrics>,
    /// The command line that made it, for the HTML only: it may differ between equal labellings.
    pub command: &'a str,
}
