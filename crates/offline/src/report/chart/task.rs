//! What a task adds to the picture: its phases as bands with a lane of their names, a curve and a lane for each pair, progress.

use super::panels::{self, Band, Curve, Panel};
use crate::report::contents::Report;
use crate::report::timeline::{Span, Timeline};
use spatial_reward_core::colors::Colors;
use spatial_reward_core::frame::Reason;
use spatial_reward_core::statistics::interval_90;
use spatial_reward_core::step::Step;
use spatial_reward_core::task::PairStep;
use spatial_reward_figures::legend::{Entry, Sample};
use spatial_reward_figures::style::{self, State};
use spatial_reward_figures::svg::{Rect, Svg};

const PHASES_HEIGHT: f64 = 16.0;
const PAIR_HEIGHT: f64 = 8.0;
/// Between two lanes.
const LANE_GAP: f64 = 4.0;
/// The line beside a pair's lane, as its curve is drawn.
const SAMPLE: (f64, f64) = (31.0, 7.0);

/// A task's parts of the picture.
pub(super) struct TaskParts {
    colors: Colors,
    pairs: Vec<PairLane>,
    /// By the number of `Colors::phases`; empty where only pairs are measured.
    pub phases: Vec<Span<usize>>,
    /// With their lane's place.
    phase_lane: Panel,
    /// Where 90 % of the truths are around each pair's distance.
    pub bands: Vec<Band>,
}

struct PairLane {
    lane: Panel,
    spans: Vec<Span>,
    /// Of its curve, and what is drawn over that.
    classes: [String; 2],
}

impl TaskParts {
    /// Of a report's steps, beneath a panel; `None` without a task.
    pub(super) fn new(report: &Report, timeline: &Timeline, above: &Panel) -> Option<Self> {
        let pairs = pairs(report)?;
        let colors = Colors::of(report.settings);
        let names: Vec<&str> = colors.phases().collect();
        let phase = |step: &Step| {
            let task = step.task.as_ref()?;
            names.iter().position(|name| *name == task.phase)
        };
        let phases = timeline.spans_of(phase).into_iter().filter_map(|span| {
            Some(Span {
                state: span.state?,
                begin_s: span.begin_s,
                end_s: span.end_s,
            })
        });
        let phases: Vec<Span<usize>> = phases.collect();
        let mut top = above.rect.bottom() + LANE_GAP;
        let mut lane = |height: f64| {
            let y = top;
            top += height + LANE_GAP;
            Panel::new(
                Rect {
                    y,
                    height,
                    ..above.rect
                },
                above.time,
                (0.0, 1.0),
            )
        };
        let phase_lane = lane(if phases.is_empty() {
            -LANE_GAP
        } else {
            PHASES_HEIGHT
        });
        let lanes = pairs.iter().enumerate().map(|(at, pair)| PairLane {
            lane: lane(PAIR_HEIGHT),
            spans: timeline.spans_of(|step| pair_state(step, at)),
            classes: classes(&colors, pair),
        });
        let lanes = lanes.collect();
        let bands = pairs.iter().enumerate().map(|(at, pair)| {
            let class = format!("c-region-{}-band", ends(&colors, pair)[0]);
            let interval = |step: &Step| {
                let pair = pair_of(step, at)?;
                interval_90(pair.distance_m, pair.std_m)
            };
            Band::of(&class, timeline, above.time.per_unit(), interval)
        });
        let bands = bands.collect();
        Some(Self {
            colors,
            pairs: lanes,
            phases,
            phase_lane,
            bands,
        })
    }

    /// The lower end of its lanes.
    pub(super) fn bottom(&self) -> f64 {
        let lanes = self.pairs.iter().map(|pair| pair.lane.rect.bottom());
        lanes.fold(self.phase_lane.rect.bottom(), f64::max)
    }

    /// Draw its lanes.
    pub(super) fn draw(&self, svg: &mut Svg) {
        let names: Vec<&str> = self.colors.phases().collect();
        if !self.phases.is_empty() {
            self.phase_lane.draw_phases(svg, &self.phases, &names);
        }
        for pair in &self.pairs {
            pair.lane.draw_states(svg, &pair.spans);
            let (x, y) = (pair.lane.rect.x, pair.lane.rect.y + PAIR_HEIGHT / 2.0);
            for class in &pair.classes {
                svg.line(class, (x - SAMPLE.0, y), (x - SAMPLE.1, y));
            }
        }
    }

    /// What the legend says of the regions, of their intervals, of the phases that there are, and of why pairs were not measured.
    pub(super) fn legend(&self, report: &Report) -> Vec<Entry> {
        let fill = |class: String, name: &str| Entry {
            sample: Sample::Fill(class),
            name: name.to_owned(),
        };
        let regions = self.colors.regions().iter().enumerate();
        let regions = regions.map(|(at, name)| fill(format!("c-region-{at}-fill"), name));
        let is_there = |at: &usize| self.phases.iter().any(|span| span.state == *at);
        let phases = self.colors.phases().enumerate();
        // The steps that have succeeded are named with those that are valid.
        let phases = phases.filter(|(at, name)| is_there(at) && *name != "success");
        let phases = phases.map(|(at, name)| fill(format!("c-phase-{at}"), name));
        let reasons = Reason::ALL.into_iter().filter(|reason| {
            let state = State::Invalid(*reason);
            let of_pair =
                (self.pairs.iter()).any(|pair| pair.spans.iter().any(|span| span.state == state));
            of_pair && report.steps.iter().all(|step| step.reason != Some(*reason))
        });
        let reasons =
            reasons.map(|reason| fill(style::class(State::Invalid(reason)), reason.name()));
        let interval = self.bands.iter().find_map(Band::entry);
        let interval = interval.into_iter();
        regions
            .chain(interval)
            .chain(phases)
            .chain(reasons)
            .collect()
    }
}

/// A curve for each pair, in the colours of its regions; the step's own on top. `None` without a task.
pub(super) fn curves(report: &Report, timeline: &Timeline) -> Option<Vec<Curve>> {
    let pairs = pairs(report)?;
    let colors = Colors::of(report.settings);
    let of_pair = |(at, pair): (usize, &PairStep)| {
        let runs =
            timeline.runs(|_, step| pair_of(step, at).map_or(f64::NAN, |pair| pair.distance_m));
        let name = format!("{}, {} distance", pair.name, pair.kind.name());
        let [class, over] = classes(&colors, pair);
        let dot = format!("c-region-{}-fill", ends(&colors, pair)[0]);
        Curve::new(&class, name, runs).over(&over).dotted(&dot)
    };
    let truth = panels::truth_curve(report, timeline);
    let pairs = pairs.iter().enumerate().rev().map(of_pair);
    let mut curves: Vec<Curve> = std::iter::once(truth).chain(pairs).collect();
    curves.retain(|curve| !curve.is_empty());
    Some(curves)
}

/// How far the task is done; empty without phases.
pub(super) fn progress(timeline: &Timeline) -> Curve {
    let progress = |step: &Step| step.task.as_ref().map_or(f64::NAN, |task| task.progress);
    let runs = timeline.runs(|_, step| progress(step));
    Curve::new("c-progress", "progress of the task", runs)
}

/// A task's pairs, as its first step has them.
fn pairs<'a>(report: &Report<'a>) -> Option<&'a [PairStep]> {
    let first = report.steps.iter().find_map(|step| step.task.as_ref())?;
    Some(&first.pairs)
}

/// The distance on whose curve a film strip's frames are marked: the first pair's, or the step's own without a task.
pub(super) fn first_distance_m(step: &Step) -> f64 {
    match pair_of(step, 0) {
        Some(pair) => pair.distance_m,
        None => step.distance_m,
    }
}

fn pair_of(step: &Step, at: usize) -> Option<&PairStep> {
    step.task.as_ref()?.pairs.get(at)
}

fn pair_state(step: &Step, at: usize) -> State {
    match pair_of(step, at).and_then(|pair| pair.reason) {
        Some(reason) => State::Invalid(reason),
        None => State::Valid,
    }
}

/// The numbers of a pair's regions.
fn ends(colors: &Colors, pair: &PairStep) -> [usize; 2] {
    let (first, second) = pair.name.split_once('-').unwrap_or_default();
    let number = |name: &str| colors.regions().iter().position(|region| region == name);
    [first, second].map(|name| number(name).unwrap_or_default())
}

fn classes(colors: &Colors, pair: &PairStep) -> [String; 2] {
    let [first, second] = ends(colors, pair);
    [format!("c-pair-{first}"), format!("c-pair-{second}-over")]
}
