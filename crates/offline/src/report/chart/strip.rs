//! The film strip of the picture: where its frames stand, their boxes with labels, captions, and the
//! lines that lead to their places in time.

use super::panels::Panel;
use super::size::{LEFT, RIGHT};
use super::task::first_distance_m;
use crate::report::film_strip::{CameraStrip, StripFrame};
use crate::report::timeline::Timeline;
use spatial_reward_core::colors::Colors;
use spatial_reward_core::frame::{BoundingBox, BoxOrigin};
use spatial_reward_core::step::Step;
use spatial_reward_figures::style::State;
use spatial_reward_figures::svg::{Anchor, Rect, Svg, fitted, text_width};

const GAP: f64 = 10.0;
const MAX_TILE_WIDTH: f64 = 300.0;
const MAX_TILE_HEIGHT: f64 = 225.0;
/// More frames than this take several rows.
const PER_ROW: usize = 10;
const CAPTION_HEIGHT: f64 = 34.0;
/// Of another camera's frame: its time.
const BESIDE_CAPTION_HEIGHT: f64 = 22.0;
const TAG_SIZE: f64 = 8.5;
/// Above another camera's strip.
const STRIP_GAP: f64 = 8.0;
/// Where a camera's name is written, upward.
const CAMERA_X: f64 = 18.0;

/// Where a frame's pixels go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tile<'a> {
    /// Whose pixels.
    pub frame: &'a StripFrame,
    /// Where in the picture.
    pub rect: Rect,
}

/// The strip's tiles from `top` down, rows filled evenly and centred.
pub(crate) fn tiles<'a>(frames: &[&'a StripFrame], top: f64) -> Vec<Tile<'a>> {
    if frames.is_empty() {
        return vec![];
    }
    let rows = frames.len().div_ceil(PER_ROW);
    let per_row = frames.len().div_ceil(rows);
    let room = (RIGHT - LEFT + GAP) / per_row as f64 - GAP;
    // The tallest frame sets the height of all, so that captions stand in line.
    let aspect = frames
        .iter()
        .map(|frame| f64::from(frame.image.height()) / f64::from(frame.image.width().max(1)))
        .fold(0.0, f64::max)
        .clamp(0.2, 2.0);
    let height = (room.min(MAX_TILE_WIDTH) * aspect).min(MAX_TILE_HEIGHT);
    let width = (height / aspect).min(room);
    let mut tiles = Vec::with_capacity(frames.len());
    for (row, in_row) in frames.chunks(per_row).enumerate() {
        // One row spreads over the whole width, several line up below each other.
        let count = if rows == 1 { in_row.len() } else { per_row };
        let pitch = if rows == 1 {
            room.min(width * 1.6)
        } else {
            room
        } + GAP;
        let begin = (LEFT + RIGHT - pitch * count as f64) / 2.0 + (pitch - width) / 2.0;
        for (column, frame) in in_row.iter().enumerate() {
            tiles.push(Tile {
                frame,
                rect: within(
                    Rect {
                        x: begin + pitch * column as f64,
                        y: top + row as f64 * (height + CAPTION_HEIGHT + GAP),
                        width,
                        height,
                    },
                    frame,
                ),
            });
        }
    }
    tiles
}

/// The largest rectangle of the frame's proportions in the tile, standing on its lower edge.
fn within(tile: Rect, frame: &StripFrame) -> Rect {
    let (width, height) = frame.image.dimensions();
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let scale = (tile.width / width).min(tile.height / height);
    let (width, height) = (width * scale, height * scale);
    Rect {
        x: tile.x + (tile.width - width) / 2.0,
        y: tile.bottom() - height,
        width,
        height,
    }
}

/// The lower end of the captions.
pub(crate) fn bottom(tiles: &[Tile], top: f64) -> f64 {
    tiles
        .iter()
        .map(|tile| tile.rect.bottom() + CAPTION_HEIGHT)
        .fold(top, f64::max)
}

/// Another camera's tiles with when each was seen: below the first camera's, from `top` down, each in the column of the frame
/// that it is beside.
pub(super) fn beside<'a>(
    first: &[Tile],
    strip: &'a CameraStrip,
    timeline: &Timeline,
    top: f64,
) -> Vec<(Tile<'a>, f64)> {
    let least = first
        .iter()
        .map(|tile| tile.rect.y)
        .fold(f64::INFINITY, f64::min);
    let tiles = strip.frames.iter().filter_map(|beside| {
        let index = beside.frame.step_index;
        let column = first.iter().find(|tile| tile.frame.step_index == index)?;
        let (time_s, _) = timeline.find(index)?;
        let place = Rect {
            y: column.rect.y - least + top + STRIP_GAP,
            ..column.rect
        };
        let tile = Tile {
            frame: &beside.frame,
            rect: within(place, &beside.frame),
        };
        Some((tile, time_s + beside.later_s))
    });
    tiles.collect()
}

/// The lower end of another camera's captions.
pub(super) fn bottom_beside(tiles: &[(Tile, f64)], top: f64) -> f64 {
    let ends = tiles
        .iter()
        .map(|(tile, _)| tile.rect.bottom() + BESIDE_CAPTION_HEIGHT);
    ends.fold(top, f64::max)
}

/// A camera's name, left of its tiles.
pub(super) fn name_camera<'a>(
    svg: &mut Svg,
    tiles: impl Iterator<Item = &'a Tile<'a>>,
    camera: &str,
) {
    let ends = tiles.map(|tile| (tile.rect.y, tile.rect.bottom()));
    let (top, bottom) = ends.fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(top, bottom), (y, end)| (top.min(y), bottom.max(end)),
    );
    if !camera.is_empty() && top < bottom {
        let name = fitted(camera, 11.5, bottom - top);
        svg.upward_text(
            "c-ink c-bold",
            (CAMERA_X, (top + bottom) / 2.0),
            11.5,
            &name,
        );
    }
}

/// A box to draw.
struct Outlined<'a> {
    name: &'a str,
    /// Of its line.
    class: String,
    /// Behind its name.
    tag: String,
    /// The tracker stands in for the detector.
    is_bridged: bool,
    bbox: BoundingBox,
}

/// Boxes and caption of one tile. `number` is shown where no line leads to the time axis; a task's regions have its colours.
pub(crate) fn annotate(
    svg: &mut Svg,
    tile: &Tile,
    (time_s, step): (f64, &Step),
    number: Option<usize>,
    colors: Option<&Colors>,
) {
    let boxes = match colors {
        Some(colors) => of_task(tile.frame, colors),
        None => of_step(step),
    };
    outline(svg, tile, &boxes);
    caption(svg, tile.rect, time_s, step, number);
}

/// The same of another camera's tile.
pub(super) fn annotate_beside(svg: &mut Svg, (tile, time_s): &(Tile, f64), colors: &Colors) {
    outline(svg, tile, &of_task(tile.frame, colors));
    let at = (
        tile.rect.x + tile.rect.width / 2.0,
        tile.rect.bottom() + 13.0,
    );
    svg.text(
        "c-muted",
        at,
        10.5,
        Anchor::Middle,
        &format!("{time_s:.2} s"),
    );
}

fn of_step(step: &Step) -> Vec<Outlined<'static>> {
    let boxes = [("fingertip", step.fingertip), ("target", step.target)].into_iter();
    let boxes = boxes.filter_map(|(name, bbox)| {
        Some(Outlined {
            name,
            class: format!("c-{name}"),
            tag: format!("c-{name}-tag"),
            is_bridged: step.is_bridged(),
            bbox: bbox?,
        })
    });
    boxes.collect()
}

fn of_task<'a>(frame: &'a StripFrame, colors: &Colors) -> Vec<Outlined<'a>> {
    let number = |name: &str| colors.regions().iter().position(|region| region == name);
    let boxes = frame.regions.iter().map(|region| {
        let number = number(&region.name).unwrap_or_default();
        Outlined {
            name: &region.name,
            class: format!("c-region-{number}"),
            tag: format!("c-region-{number}-fill"),
            is_bridged: region.origin == Some(BoxOrigin::Bridged),
            bbox: region.bbox,
        }
    });
    boxes.collect()
}

fn outline(svg: &mut Svg, tile: &Tile, boxes: &[Outlined]) {
    let mut taken: Vec<Rect> = vec![];
    let placed = boxes
        .iter()
        .filter_map(|of| Some((of, placed(of.bbox, tile)?)));
    let placed: Vec<(&Outlined, Rect)> = placed.collect();
    for (of, rect) in &placed {
        let dashed = if of.is_bridged { " c-predicted" } else { "" };
        svg.rect("c-box-edge", *rect);
        svg.rect(&format!("{}{dashed}", of.class), *rect);
        taken.push(*rect);
    }
    let is_crowded = placed.len() > 2;
    for (of, rect) in &placed {
        let tag = tag_place(of.name, *rect, tile.rect, &taken, is_crowded);
        svg.rect(&of.tag, tag);
        let at = (tag.x + tag.width / 2.0, tag.bottom() - 2.6);
        svg.text("c-tag-text", at, TAG_SIZE, Anchor::Middle, of.name);
        taken.push(tag);
    }
}

/// A box of the full image where it lies on the tile; `None` if nothing of it is in the image.
fn placed(region: BoundingBox, tile: &Tile) -> Option<Rect> {
    let Tile { frame, rect: tile } = tile;
    let inside = region.clipped(frame.full_width, frame.full_height)?;
    let x = tile.width / f64::from(frame.full_width);
    let y = tile.height / f64::from(frame.full_height);
    let scaled = inside.scaled(x, y);
    Some(Rect {
        x: tile.x + scaled.x_min,
        y: tile.y + scaled.y_min,
        width: scaled.width(),
        height: scaled.height(),
    })
}

/// The first place around the box, inside the tile, where the label covers no box and no label. Among many boxes it may be
/// farther away.
fn tag_place(name: &str, around: Rect, tile: Rect, taken: &[Rect], is_crowded: bool) -> Rect {
    let (width, height) = (text_width(name, TAG_SIZE) + 5.0, TAG_SIZE + 2.5);
    let beside = around.y + (around.height - height) / 2.0;
    let places = [
        (around.x, around.y - height - 2.0),
        (around.x, around.bottom() + 2.0),
        (around.right() - width, around.y - height - 2.0),
        (around.right() - width, around.bottom() + 2.0),
        (around.right() + 2.0, beside),
        (around.x - width - 2.0, beside),
    ];
    let rows = if is_crowded { 4 } else { 0 };
    let farther = (0..rows).flat_map(|row| {
        let away = f64::from(row) * (height + 2.0);
        let above = around.y - height - 2.0 - away;
        let below = around.bottom() + 2.0 + away;
        let (left, right) = (around.x - width - 2.0, around.right() + 2.0);
        let columns = [around.x, right, left].into_iter();
        columns.flat_map(move |x| [(x, above), (x, below)])
    });
    let in_tile = |(x, y): (f64, f64)| Rect {
        x: x.min(tile.right() - width).max(tile.x),
        y: y.min(tile.bottom() - height).max(tile.y),
        width,
        height,
    };
    let free = |rect: &Rect| !taken.iter().any(|other| other.overlaps(rect));
    let mut tags = places.into_iter().chain(farther).map(in_tile);
    tags.clone()
        .find(free)
        .or_else(|| tags.next())
        .unwrap_or(around)
}

fn caption(svg: &mut Svg, tile: Rect, time_s: f64, step: &Step, number: Option<usize>) {
    let middle = tile.x + tile.width / 2.0;
    let time = match number {
        Some(number) => format!("{number}:  {time_s:.2} s"),
        None => format!("{time_s:.2} s"),
    };
    svg.text(
        "c-ink",
        (middle, tile.bottom() + 13.0),
        10.5,
        Anchor::Middle,
        &time,
    );
    let phase = step.task.as_ref().map_or("", |task| task.phase.as_str());
    let (class, text) = match State::of(step) {
        State::Invalid(reason) => ("c-muted", reason.name().to_owned()),
        _ if !phase.is_empty() => ("c-ink c-bold", phase.to_owned()),
        _ => ("c-ink c-bold", format!("{:.3} m", step.distance_m)),
    };
    let text = fitted(&text, 10.5, tile.width.max(80.0) + GAP);
    let at = (middle, tile.bottom() + 27.0);
    svg.text(class, at, 10.5, Anchor::Middle, &text);
}

/// Where each frame is in time: in a single row a thin line from the tile, otherwise its number; and a
/// mark on the measured distance. Lines begin `below` all strips.
pub(crate) fn draw_places(
    svg: &mut Svg,
    tiles: &[Tile],
    below: f64,
    timeline: &Timeline,
    panel: &Panel,
) {
    let single_row = is_single_row(tiles);
    let top = panel.rect.y;
    let mut free_from = f64::NEG_INFINITY;
    for (position, tile) in tiles.iter().enumerate() {
        let Some((time_s, step)) = timeline.find(tile.frame.step_index) else {
            continue;
        };
        let x = panel.time.position(time_s);
        if single_row {
            let middle = tile.rect.x + tile.rect.width / 2.0;
            svg.line("c-leader", (middle, below), (x, top));
        } else {
            svg.line("c-leader", (x, top - 5.0), (x, top));
            let number = (position + 1).to_string();
            let half = text_width(&number, 9.5) / 2.0;
            if x - half >= free_from {
                svg.text("c-muted", (x, top - 8.0), 9.5, Anchor::Middle, &number);
                free_from = x + half + 3.0;
            }
        }
        let distance_m = first_distance_m(step);
        if step.is_valid() && distance_m.is_finite() {
            let point = panel.at((time_s, distance_m));
            svg.line("c-leader", (x, top), point);
            svg.circle("c-strip-dot", point, 3.4);
        }
    }
}

/// Whether all tiles stand in one row.
pub(crate) fn is_single_row(tiles: &[Tile]) -> bool {
    tiles.len() <= PER_ROW
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::film_strip::StripPlan;
    use spatial_reward_core::frame::ColorImage;

    fn frames(count: u64, width: u32, height: u32) -> Vec<StripFrame> {
        let color = ColorImage {
            width,
            height,
            rgb: vec![0; (width * height * 3) as usize].into(),
        };
        (0..count)
            .map(|index| StripPlan::new(60, None).shrink(index, &color).unwrap())
            .collect()
    }

    #[test]
    fn tiles_stay_inside_and_apart_for_any_number_and_shape() {
        for count in [1, 2, 8, 10, 11, 60] {
            for (width, height) in [(640, 480), (1280, 400), (300, 900), (2000, 2)] {
                let frames = frames(count, width, height);
                let tiles = tiles(&frames.iter().collect::<Vec<_>>(), 50.0);
                assert_eq!(tiles.len(), count as usize);
                for (position, tile) in tiles.iter().enumerate() {
                    let rect = tile.rect;
                    assert!(
                        rect.x >= LEFT - 0.01 && rect.right() <= RIGHT + 0.01,
                        "{rect:?}"
                    );
                    assert!(rect.y >= 50.0 - 0.01 && rect.width > 0.0 && rect.height > 0.0);
                    for other in &tiles[..position] {
                        assert!(!other.rect.overlaps(&rect), "{count} {width}x{height}");
                    }
                }
            }
        }
    }

    #[test]
    fn labels_avoid_boxes_and_each_other() {
        let tile = Rect {
            x: 0.0,
            y: 0.0,
            width: 140.0,
            height: 105.0,
        };
        let fingertip = Rect {
            x: 50.0,
            y: 40.0,
            width: 20.0,
            height: 15.0,
        };
        let target = Rect {
            x: 55.0,
            y: 50.0,
            width: 25.0,
            height: 20.0,
        };
        let mut taken = vec![fingertip, target];
        for (name, rect) in [("fingertip", fingertip), ("target", target)] {
            let tag = tag_place(name, rect, tile, &taken, false);
            assert!(taken.iter().all(|other| !other.overlaps(&tag)), "{name}");
            taken.push(tag);
        }
    }
}
