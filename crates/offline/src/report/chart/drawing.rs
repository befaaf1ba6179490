//! The whole picture from top to bottom: title, film strip, curves, legend.

use super::curves::{Curves, TIME_TICKS_HEIGHT};
use super::size::{LEFT, RIGHT};
use super::strip::{self, Tile};
use crate::report::contents::Report;
use crate::report::summary::Summary;
use crate::report::timeline::Timeline;
use spatial_reward_core::colors::Colors;
use spatial_reward_figures::axis::Axis;
use spatial_reward_figures::legend;
use spatial_reward_figures::style;
use spatial_reward_figures::svg::{Anchor, Rect, Svg, fitted};

const MARGIN: f64 = 16.0;
const TITLE_HEIGHT: f64 = 58.0;
/// Between strip and curves, for the lines that lead from one to the other.
const LEADER_HEIGHT: f64 = 34.0;

/// What to draw, and where the frames' pixels go beneath it.
pub(crate) struct Drawing<'a> {
    /// Its units from top to bottom.
    pub height: f64,
    /// The inside of an `<svg>` element of `WIDTH` by `height`.
    pub body: String,
    /// The film strip's frames.
    pub tiles: Vec<Tile<'a>>,
    /// The distance panel.
    pub distance: Rect,
    /// The time axis that all panels share.
    pub time: Axis,
    /// The lower end of the reward panel.
    pub curves_bottom: f64,
}

/// Draw the report. `titled` puts its name on top, for a picture that stands alone.
pub(crate) fn draw<'a>(report: &Report<'a>, titled: bool) -> Drawing<'a> {
    let timeline = Timeline::new(report.steps);
    let mut svg = Svg::default();
    let has_task = report.steps.iter().any(|step| step.task.is_some());
    let colors = has_task.then(|| Colors::of(report.settings));
    if let Some(colors) = &colors {
        svg.body = format!("<style>{}</style>\n", style::task_rules(colors));
    }
    let mut top = MARGIN;
    if titled {
        draw_title(&mut svg, report);
        top += TITLE_HEIGHT;
    }
    let mut tiles = draw_strip(&mut svg, report, &timeline, colors.as_ref(), top);
    let mut strip_bottom = strip::bottom(&tiles, top);
    let others = draw_others(&mut svg, report, &timeline, &tiles, &mut strip_bottom);
    let curves_top = match tiles.is_empty() {
        true => top,
        false => strip_bottom + LEADER_HEIGHT,
    };
    let curves = Curves::new(report, &timeline, curves_top);
    curves.draw(&mut svg, report, &timeline);
    strip::draw_places(&mut svg, &tiles, strip_bottom, &timeline, &curves.distance);
    tiles.extend(others);
    let curves_bottom = curves.reward.rect.bottom();
    let entries = curves.legend(report, &timeline);
    let legend_top = curves_bottom + TIME_TICKS_HEIGHT;
    let bottom = legend::draw(&mut svg, &entries, LEFT, RIGHT, legend_top);
    Drawing {
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
    colors: Option<&Colors>,
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
            strip::annotate(svg, tile, at, number, colors);
        }
    }
    strip::name_camera(svg, tiles.iter(), report.camera);
    tiles
}

/// The other cameras' tiles, a strip below the other. `bottom` is where the strips end.
fn draw_others<'a>(
    svg: &mut Svg,
    report: &Report<'a>,
    timeline: &Timeline,
    first: &[Tile],
    bottom: &mut f64,
) -> Vec<Tile<'a>> {
    let colors = Colors::of(report.settings);
    let mut all = Vec::new();
    for strip in report.others {
        let tiles = strip::beside(first, strip, timeline, *bottom);
        for tile in &tiles {
            strip::annotate_beside(svg, tile, &colors);
        }
        strip::name_camera(svg, tiles.iter().map(|(tile, _)| tile), &strip.camera);
        *bottom = strip::bottom_beside(&tiles, *bottom);
        all.extend(tiles.into_iter().map(|(tile, _)| tile));
    }
    all
}
