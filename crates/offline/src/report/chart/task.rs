//! What a task adds to the picture: its phases as bands with a lane of their names, a curve and a lane for each pair, progress.

use std::collections::BTreeSet;

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

/// What became of a pair in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PairState {
    Valid,
    /// The region of that number has no box.
    Unseen(usize),
    Invalid(Reason),
}

impl PairState {
    fn class(self) -> String {
        match self {
            Self::Valid => style::class(State::Valid),
            Self::Unseen(region) => format!("c-region-{region}-fill"),
            Self::Invalid(reason) => style::class(State::Invalid(reason)),
        }
    }
}

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
    spans: Vec<Span<PairState>>,
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
            spans: timeline.spans_of(|step| pair_state(step, at, ends(&colors, pair))),
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
            for (state, rect) in pair.lane.rects_of(&pair.spans) {
                svg.rect(&state.class(), rect);
            }
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
        let states = self.pairs.iter().flat_map(|pair| &pair.spans);
        let states: BTreeSet<PairState> = states.map(|span| span.state).collect();
        let of_steps = |reason| report.steps.iter().any(|step| step.reason == Some(reason));
        let reasons = states.into_iter().filter_map(|state| match state {
            PairState::Valid => None,
            PairState::Unseen(region) => {
                let name = self.colors.regions().get(region)?;
                Some(fill(state.class(), &format!("no {name} box")))
            }
            // Those of steps are named with these.
            PairState::Invalid(reason) => {
                (!of_steps(reason)).then(|| fill(state.class(), reason.name()))
            }
        });
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

fn pair_state(step: &Step, at: usize, [first, second]: [usize; 2]) -> PairState {
    match pair_of(step, at).and_then(|pair| pair.reason) {
        None => PairState::Valid,
        // A pair's regions stand in the places of fingertip and target.
        Some(Reason::NoFingertipBox) => PairState::Unseen(first),
        Some(Reason::NoTargetBox) => PairState::Unseen(second),
        Some(reason) => PairState::Invalid(reason),
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

#[cfg(test)]
mod tests {
    use crate::report::chart::draw;
    use crate::report::contents::Report;
    use crate::report::film_strip::{BesideFrame, CameraStrip, StripFrame, StripPlan};
    use crate::report::fixtures;
    use spatial_reward_core::frame::{BoundingBox, ColorImage, DistanceKind, Reason};
    use spatial_reward_core::settings::Settings;
    use spatial_reward_core::shown::ShownRegion;
    use spatial_reward_core::step::Step;
    use spatial_reward_core::task::{PairStep, TaskStep};

    const TASK: &str = "
topics: {fingertip: /a}
regions: {cube: {topic: /b}, goal: {topic: /b}}
reward: {kind: task}
task:
  pairs: [fingertip-cube, cube-goal]
  phases:
    - {name: reach, next: [{to: carry, when: [{contact: fingertip-cube}]}]}
    - {name: carry, next: [{to: success, when: [{contact: cube-goal}]}]}
";

    fn pair(name: &str, measured: Result<f64, Reason>) -> PairStep {
        PairStep {
            name: name.to_owned(),
            kind: DistanceKind::Surface,
            distance_m: measured.unwrap_or(f64::NAN),
            std_m: 0.002,
            reason: measured.err(),
            cameras: Vec::new(),
            disagreeing: Vec::new(),
        }
    }

    /// Ten steps of reaching, ten of carrying, in which the goal is not seen at first, then success.
    fn steps() -> Vec<Step> {
        let mut steps = fixtures::approach(25);
        for step in &mut steps {
            let goal = match step.index {
                12..15 => Err(Reason::NoTargetBox),
                index => Ok(0.3 - index as f64 / 100.0),
            };
            let phase = match step.index {
                0..10 => "reach",
                10..20 => "carry",
                _ => "success",
            };
            step.success = phase == "success";
            step.task = Some(Box::new(TaskStep {
                phase: phase.to_owned(),
                progress: step.index as f64 / 25.0,
                pairs: vec![
                    pair("fingertip-cube", Ok(step.distance_m)),
                    pair("cube-goal", goal),
                ],
                ..TaskStep::default()
            }));
        }
        steps
    }

    fn frame(step_index: u64, regions: &[&str]) -> StripFrame {
        let color = ColorImage {
            width: 64,
            height: 48,
            rgb: vec![90; 64 * 48 * 3].into(),
        };
        let mut frame = StripPlan::new(8, None).shrink(step_index, &color).unwrap();
        frame.regions = (regions.iter().zip(1..))
            .map(|(name, at)| ShownRegion {
                name: (*name).to_owned(),
                bbox: BoundingBox::new(f64::from(at) * 9.0, 10.0, f64::from(at) * 9.0 + 7.0, 20.0),
                origin: None,
            })
            .collect();
        frame
    }

    #[test]
    fn phases_pairs_and_cameras_are_drawn_each_in_one_color() {
        // Given a task of two pairs by two cameras
        let settings = Settings::from_yaml(TASK).unwrap();
        let provenance = fixtures::provenance(&settings);
        let steps = steps();
        let others = [CameraStrip {
            camera: "side".to_owned(),
            frames: vec![BesideFrame {
                frame: frame(5, &["cube"]),
                later_s: 0.04,
            }],
        }];
        let report = Report {
            steps: &steps,
            truth_m: &[],
            frames: &[
                frame(5, &["fingertip", "cube", "goal"]),
                frame(20, &["fingertip"]),
            ],
            camera: "front",
            others: &others,
            settings: &settings,
            provenance: &provenance,
            metrics: None,
            command: "",
        };
        // When it is drawn
        let drawing = draw(&report, true);
        let body = &drawing.body;
        let count = |what: &str| body.matches(what).count();
        // Then each phase is a band in both panels and a stretch of its lane
        for (phase, name) in ["reach", "carry", "success"].into_iter().enumerate() {
            assert_eq!(
                count(&format!("class=\"c-phase-{phase} c-phase-band\"")),
                2,
                "{name}"
            );
            assert!(body.contains(&format!(">{name}<")));
        }
        // and each pair is a line in two colours, that of the lost goal in two pieces
        assert_eq!(count("<polyline class=\"c-pair-0\""), 1);
        assert_eq!(count("<polyline class=\"c-pair-1-over\""), 1);
        assert_eq!(count("<polyline class=\"c-pair-1\""), 2);
        assert_eq!(count("<polyline class=\"c-pair-2-over\""), 2);
        assert!(body.contains(">no goal box<"));
        // and the cube has its colour in both strips, each of which has its camera's name and its frame's time
        assert_eq!(count("<rect class=\"c-region-1\""), 2);
        assert!(body.contains(">front<") && body.contains(">side<") && body.contains(">0.54 s<"));
        assert_eq!(drawing.tiles.len(), 3);
        assert!(drawing.tiles[2].rect.y > drawing.tiles[0].rect.bottom());
        assert_eq!(drawing.tiles[2].rect.x, drawing.tiles[0].rect.x);
    }

    #[test]
    fn pairs_alone_have_no_phases_and_keep_the_thresholds() {
        let yaml = "
topics: {fingertip: /a}
regions: {cube: {topic: /b}, goal: {topic: /b}}
task: {pairs: [fingertip-cube, cube-goal]}
";
        let settings = Settings::from_yaml(yaml).unwrap();
        let provenance = fixtures::provenance(&settings);
        let mut steps = steps();
        for task in steps.iter_mut().filter_map(|step| step.task.as_mut()) {
            (task.phase, task.progress) = (String::new(), f64::NAN);
        }
        let report = fixtures::report(&steps, &settings, &provenance);
        let body = draw(&report, true).body;
        assert!(!body.contains("class=\"c-phase-0 ") && !body.contains(">phase<"));
        assert!(
            body.contains("success at or below") && body.contains("<polyline class=\"c-pair-0\"")
        );
    }
}
