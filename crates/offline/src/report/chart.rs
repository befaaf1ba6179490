//! The report's picture, drawn once as SVG for the PNG and the HTML: a film strip on top, distance and
//! reward over time below it, a lane of states between them, a legend at the end.

mod panels;
pub mod strip;

use self::panels::{Curve, Panel};
use self::strip::Tile;
use super::Report;
use super::summary::Summary;
use super::timeline::{Span, Timeline};
use spatial_reward_core::settings::RewardKind;
use spatial_reward_figures::axis::Axis;
use spatial_reward_figures::legend::{self, Entry, Sample};
use spatial_reward_figures::svg::{Anchor, Rect, Svg, fitted};

/// Size and margins of the picture in its own units (CSS pixels in the HTML).
pub const WIDTH: f64 = 1200.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = WIDTH - 22.0;
const MARGIN: f64 = 16.0;
const TITLE_HEIGHT: f64 = 58.0;
const LEADER_HEIGHT: f64 = 34.0;
const DISTANCE_HEIGHT: f64 = 250.0;
const LANE_HEIGHT: f64 = 12.0;
const REWARD_HEIGHT: f64 = 170.0;
const TIME_TICKS_HEIGHT: f64 = 46.0;
const GAP: f64 = 10.0;

/// What to draw, and where the frames' pixels go beneath it.
pub struct Picture<'a> {
    pub height: f64,
    /// The inside of an `<svg>` element of `WIDTH` by `height`.
    pub body: String,
    pub tiles: Vec<Tile<'a>>,
    /// The distance panel, whose `time` axis all share, and the lower end of the reward panel.
    pub distance: Rect,
    pub time: Axis,
    pub curves_bottom: f64,
}

/// Draw the report. `titled` puts its name on top, for a picture that stands alone.
pub fn draw<'a>(report: &Report<'a>, titled: bool) -> Picture<'a> {
    let timeline = Timeline::new(report.steps);
    let mut svg = Svg::default();
    let mut top = MARGIN;
    if titled {
        draw_title(&mut svg, report);
        top += TITLE_HEIGHT;
    }
    let tiles = draw_strip(&mut svg, report, &timeline, top);
    let strip_bottom = strip::bottom(&tiles, top);
    let curves_top = match tiles.is_empty() {
        true => top,
        false => strip_bottom + LEADER_HEIGHT,
    };
    let curves = Curves::new(report, &timeline, curves_top);
    curves.draw(&mut svg, report, &timeline);
    strip::draw_places(&mut svg, &tiles, &timeline, &curves.distance);
    let curves_bottom = curves.reward.rect.bottom();
    let entries = curves.legend(report, &timeline);
    let legend_top = curves_bottom + TIME_TICKS_HEIGHT;
    let bottom = legend::draw(&mut svg, &entries, LEFT, RIGHT, legend_top);
    Picture {
        height: (bottom + MARGIN).ceil(),
        body: svg.body,
        tiles,
        distance: curves.distance.rect,
        time: curves.distance.time,
        curves_bottom,
    }
}

fn draw_title(svg: &mut Svg, report: &Report) {
    let provenance = report.provenance;
    let room = RIGHT - MARGIN;
    let name = fitted(&provenance.source_bag, 19.0, room);
    let at = (MARGIN, MARGIN + 20.0);
    svg.text("c-ink c-bold", at, 19.0, Anchor::Start, &name);
    let line = format!(
        "{} distance · {} reward · {} · {}",
        provenance.distance_kind,
        provenance.reward_kind,
        provenance.estimator,
        Summary::new(report.steps).sentence(),
    );
    let line = fitted(&line, 12.5, room);
    let at = (MARGIN, MARGIN + 42.0);
    svg.text("c-muted", at, 12.5, Anchor::Start, &line);
}

/// The tiles of the frames whose steps there are, with boxes and captions.
fn draw_strip<'a>(
    svg: &mut Svg,
    report: &Report<'a>,
    timeline: &Timeline,
    top: f64,
) -> Vec<Tile<'a>> {
    let frames: Vec<_> = report
        .frames
        .iter()
        .filter(|frame| timeline.find(frame.step_index).is_some())
        .collect();
    let tiles = strip::tiles(&frames, top);
    for (position, tile) in tiles.iter().enumerate() {
        if let Some(at) = timeline.find(tile.frame.step_index) {
            let number = (!strip::is_single_row(&tiles)).then_some(position + 1);
            strip::annotate(svg, tile, at, number);
        }
    }
    tiles
}

/// Everything over the time axis.
struct Curves {
    distance: Panel,
    lane: Panel,
    reward: Panel,
    distances: Vec<Curve>,
    rewards: [Curve; 1],
    spans: Vec<Span>,
}

impl Curves {
    fn new(report: &Report, timeline: &Timeline, top: f64) -> Self {
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
        let (_, farthest) = panels::extent(&distances);
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
            rewards,
            spans: timeline.spans(),
        }
    }

    fn draw(&self, svg: &mut Svg, report: &Report, timeline: &Timeline) {
        let name = format!("{} distance (m)", report.settings.distance().name());
        self.distance.draw_ground(svg, &self.spans, &name);
        self.reward
            .draw_ground(svg, &self.spans, &reward_axis_name(report));
        self.lane.draw_lane(svg, &self.spans);
        let success = &report.settings.success;
        self.distance.draw_level(svg, "c-enter", success.enter_m);
        self.distance.draw_level(svg, "c-exit", success.exit_m);
        for curve in &self.distances {
            self.distance.draw_curve(svg, curve);
        }
        for curve in &self.rewards {
            self.reward.draw_curve(svg, curve);
        }
        self.distance.draw_bridged(svg, timeline);
        if !report
            .steps
            .iter()
            .any(spatial_reward_core::step::Step::is_valid)
        {
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

    fn legend(&self, report: &Report, timeline: &Timeline) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.distances.iter().rev().map(Curve::entry).collect();
        if report.steps.iter().any(|step| step.bridged) {
            entries.push(Entry {
                sample: Sample::Dot("c-bridged"),
                name: "box bridged by the tracker".to_owned(),
            });
        }
        let success = &report.settings.success;
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
