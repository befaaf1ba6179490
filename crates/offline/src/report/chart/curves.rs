//! Everything over the time axis: the distance panel, the lane of states and the reward panel.

use super::panels::{self, Band, Curve, Panel};
use super::size::{LEFT, RIGHT};
use super::task::{self, TaskParts};
use crate::report::contents::Report;
use crate::report::timeline::{Span, Timeline};
use spatial_reward_core::settings::RewardKind;
use spatial_reward_core::step::Step;
use spatial_reward_figures::axis::Axis;
use spatial_reward_figures::legend::{Entry, Sample};
use spatial_reward_figures::style::State;
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
    /// Around the step's own distance.
    own: [Band; 1],
    rewards: Vec<Curve>,
    spans: Vec<Span>,
    task: Option<TaskParts>,
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
        let ground = Panel::new(distance, time, (0.0, 1.0));
        let task = TaskParts::new(report, timeline, &ground);
        let upper = task.as_ref().map_or(distance.bottom(), TaskParts::bottom);
        let lane = row(upper + GAP, LANE_HEIGHT);
        let reward = row(lane.bottom() + GAP, REWARD_HEIGHT);
        let distances = task::curves(report, timeline);
        let distances = distances.unwrap_or_else(|| panels::distance_curves(report, timeline));
        let mut rewards = vec![panels::reward_curve(report, timeline)];
        rewards.extend(Some(task::progress(timeline)).filter(|curve| !curve.is_empty()));
        // A distance axis starts at contact; a reward axis leaves room on both sides, and so much around
        // a constant that its ticks stay short.
        let own = [Band::new(timeline, time.per_unit())];
        let bands = task.as_ref().map_or(&own[..], |task| &task.bands);
        let (_, farthest) = panels::extent(&distances);
        let highest = bands
            .iter()
            .map(Band::highest)
            .fold(f64::NEG_INFINITY, f64::max);
        let farthest = farthest.max(highest.min(MOST_ABOVE_CURVES * farthest));
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
            own,
            rewards,
            spans: timeline.spans(),
            task,
        }
    }

    /// Draw panels, curves, episodes and ticks.
    pub(crate) fn draw(&self, svg: &mut Svg, report: &Report, timeline: &Timeline) {
        let name = reward_axis_name(report);
        match &self.task {
            None => {
                let of_distance = format!("{} distance (m)", report.settings.distance().name());
                self.distance
                    .draw_ground(svg, &[], &self.spans, &of_distance);
                self.reward.draw_ground(svg, &[], &self.spans, &name);
            }
            // Each pair has a lane that says where it was not measured.
            Some(task) => {
                self.distance
                    .draw_ground(svg, &task.phases, &[], "distance (m)");
                self.reward
                    .draw_ground(svg, &task.phases, &self.spans_without_reward(), &name);
                task.draw(svg);
            }
        }
        self.lane.draw_lane(svg, &self.spans);
        for band in self.bands() {
            self.distance.draw_band(svg, band);
        }
        if has_thresholds(report) {
            let success = report.settings.thresholds();
            self.distance.draw_level(svg, "c-enter", success.enter_m);
            self.distance.draw_level(svg, "c-exit", success.exit_m);
        }
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

    /// Those of a task's pairs, or that of the step's own distance.
    fn bands(&self) -> &[Band] {
        self.task.as_ref().map_or(&self.own, |task| &task.bands)
    }

    /// Success has a phase's band of its own.
    fn spans_without_reward(&self) -> Vec<Span> {
        let is_invalid = |span: &&Span| matches!(span.state, State::Invalid(_));
        self.spans.iter().filter(is_invalid).copied().collect()
    }

    /// What the legend says of the curves and states that there are.
    pub(crate) fn legend(&self, report: &Report, timeline: &Timeline) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.distances.iter().rev().map(Curve::entry).collect();
        // Beside the measured distance, which comes first.
        let beside = entries.len().min(1);
        match &self.task {
            None => drop(entries.splice(beside..beside, self.own.iter().filter_map(Band::entry))),
            Some(task) => entries.extend(task.legend(report)),
        }
        if report.steps.iter().any(|step| step.is_bridged()) {
            entries.push(Entry {
                sample: Sample::Dot("c-bridged"),
                name: "box bridged by the tracker".to_owned(),
            });
        }
        if has_thresholds(report) {
            let success = report.settings.thresholds();
            entries.push(Entry::line(
                "c-enter",
                format!("success at or below {} m", success.enter_m),
            ));
            entries.push(Entry::line(
                "c-exit",
                format!("lost above {} m", success.exit_m),
            ));
        }
        let rewards = self.rewards.iter().filter(|curve| !curve.is_empty());
        entries.extend(rewards.map(Curve::entry));
        entries.extend(panels::state_entries(timeline));
        entries
    }
}

/// A task with phases is solved by these, not by a distance.
fn has_thresholds(report: &Report) -> bool {
    report.settings.reward.kind != RewardKind::Task
}

/// The dense reward is a length; the others are numbers without a unit.
fn reward_axis_name(report: &Report) -> String {
    let kind = report.settings.reward.kind;
    match kind {
        RewardKind::Dense => "dense reward (m)".to_owned(),
        RewardKind::Task => "task reward, progress".to_owned(),
        _ => format!("{} reward", kind.name()),
    }
}
