//! Everything over the time axis: the distance panel, the lane of states and the reward panel.

use super::panels::{self, Band, Curve, Panel};
use super::size::{LEFT, RIGHT};
use crate::report::contents::Report;
use crate::report::timeline::{Span, Timeline};
use spatial_reward_core::settings::RewardKind;
use spatial_reward_core::step::Step;
use spatial_reward_figures::axis::Axis;
use spatial_reward_figures::legend::{Entry, Sample};
use spatial_reward_figures::svg::{Rect, Svg};

const DISTANCE_HEIGHT: f64 = 250.0;
/// An interval may reach so much higher than the curves; beyond that it is cut off, so that one uncertain step does not press
/// all curves to the ground.
const MOST_ABOVE_CURVES: f64 = 1.4;
const LANE_HEIGHT: f64 = 12.0;
const REWARD_HEIGHT: f64 = 170.0;
/// Between two panels.
const GAP: f64 = 10.0;
/// Ticks and name of the time axis, below the last panel.
pub(super) const TIME_TICKS_HEIGHT: f64 = 46.0;

/// Everything over the time axis.
pub(super) struct Curves {
    /// The upper panel.
    pub distance: Panel,
    lane: Panel,
    /// The lower panel.
    pub reward: Panel,
    distances: Vec<Curve>,
    band: Band,
    rewards: [Curve; 1],
    spans: Vec<Span>,
}

impl Curves {
    /// Of the report's steps, from `top` down.
    pub(crate) fn new(report: &Report, timeline: &Timeline, top: f64) -> Self {
        let time = Axis::new(timeline.range_s(), (LEFT, RIGHT));
        let row = |y, height| Rect {
            x: LEFT,
            y,
            width: RIGHT - LEFT,
            height,
        };
        let distance = row(top, DISTANCE_HEIGHT);
        let lane = row(distance.bottom() + GAP, LANE_HEIGHT);
        let reward = row(lane.bottom() + GAP, REWARD_HEIGHT);
        let distances = panels::distance_curves(report, timeline);
        let rewards = [panels::reward_curve(report, timeline)];
        // A distance axis starts at contact; a reward axis leaves room on both sides, and so much around
        // a constant that its ticks stay short.
        let band = Band::new(timeline, time.per_unit());
        let (_, farthest) = panels::extent(&distances);
        let farthest = farthest.max(band.highest().min(MOST_ABOVE_CURVES * farthest));
        let farthest_shown = match farthest.is_finite() {
            true => (farthest * 1.08).max(0.01),
            false => farthest,
        };
        let (least, most) = panels::extent(&rewards);
        let margin = ((most - least) * 0.06).max(0.01 * most.abs()).max(0.001);
        Self {
            distance: Panel::new(distance, time, (0.0, farthest_shown)),
            lane: Panel::new(lane, time, (0.0, 1.0)),
            reward: Panel::new(reward, time, (least - margin, most + margin)),
            distances,
            band,
            rewards,
            spans: timeline.spans(),
        }
    }

    /// Draw panels, curves, episodes and ticks.
    pub(crate) fn draw(&self, svg: &mut Svg, report: &Report, timeline: &Timeline) {
        let name = format!("{} distance (m)", report.settings.distance().name());
        self.distance.draw_ground(svg, &self.spans, &name);
        self.reward
            .draw_ground(svg, &self.spans, &reward_axis_name(report));
        self.lane.draw_lane(svg, &self.spans);
        self.distance.draw_band(svg, &self.band);
        let success = report.settings.thresholds();
        self.distance.draw_level(svg, "c-enter", success.enter_m);
        self.distance.draw_level(svg, "c-exit", success.exit_m);
        for curve in &self.distances {
            self.distance.draw_curve(svg, curve);
        }
        for curve in &self.rewards {
            self.reward.draw_curve(svg, curve);
        }
        self.distance.draw_bridged(svg, timeline);
        if !report.steps.iter().any(Step::is_valid) {
            let note = match report.steps.is_empty() {
                true => "no step",
                false => "no valid step: the legend names the reasons",
            };
            self.distance.draw_note(svg, note);
            self.reward.draw_note(svg, note);
        }
        let bottom = self.reward.rect.bottom();
        panels::draw_episodes(svg, timeline, &self.distance, bottom);
        self.reward.draw_time_ticks(svg);
    }

    /// What the legend says of the curves and states that there are.
    pub(crate) fn legend(&self, report: &Report, timeline: &Timeline) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.distances.iter().rev().map(Curve::entry).collect();
        // Beside the measured distance, which comes first.
        let beside = entries.len().min(1);
        entries.splice(beside..beside, self.band.entry());
        if report.steps.iter().any(|step| step.is_bridged()) {
            entries.push(Entry {
                sample: Sample::Dot("c-bridged"),
                name: "box bridged by the tracker".to_owned(),
            });
        }
        let success = report.settings.thresholds();
        entries.push(Entry::line(
            "c-enter",
            format!("success at or below {} m", success.enter_m),
        ));
        entries.push(Entry::line(
            "c-exit",
            format!("lost above {} m", success.exit_m),
        ));
        let rewards = self.rewards.iter().filter(|curve| !curve.is_empty());
        entries.extend(rewards.map(Curve::entry));
        entries.extend(panels::state_entries(timeline));
        entries
    }
}

/// The dense reward is a length; the others are numbers without a unit.
fn reward_axis_name(report: &Report) -> String {
    let kind = report.settings.reward.kind;
    match kind {
        RewardKind::Dense => "dense reward (m)".to_owned(),
        _ => format!("{} reward", kind.name()),
    }
}
