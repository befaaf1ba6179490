//! A PNG of curves over the steps of a training, one panel below the other.

use std::path::Path;

use super::axis::Axis;
use super::legend::{self, Entry};
use super::raster;
use super::svg::{Anchor, Rect, Svg};
use crate::error::{Error, Result};

const WIDTH: f64 = 800.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 20.0;
const PANEL_HEIGHT: f64 = 150.0;
/// Between two panels: the ticks of one, the name and legend of the next.
const GAP: f64 = 62.0;
const TOP: f64 = 56.0;
/// The curves of a panel take these in turn.
const CLASSES: [&str; 3] = ["c-distance", "c-reward", "c-truth"];

/// Curves that share an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// With its unit.
    pub name: String,
    /// Name and points (step, value).
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

/// Draws the panels that have a known point.
///
/// # Errors
/// `Error::Render`, or `Error::Write` with the path if the file cannot be written.
pub fn write(path: &Path, title: &str, panels: &[Panel]) -> Result<()> {
    let (body, height) = draw(title, panels);
    let png = raster::png(&body, (WIDTH, height), |_| {})?;
    std::fs::write(path, png).map_err(|source| Error::Write {
        path: path.into(),
        source,
    })
}

fn draw(title: &str, panels: &[Panel]) -> (String, f64) {
    let mut svg = Svg::default();
    svg.text("c-ink c-bold", (LEFT, 26.0), 15.0, Anchor::Start, title);
    let shown: Vec<&Panel> = panels
        .iter()
        .filter(|panel| points(panel).any(|(_, value)| value.is_finite()))
        .collect();
    let steps = extent(
        shown
            .iter()
            .flat_map(|panel| points(panel))
            .map(|(step, _)| step),
    );
    let mut top = TOP;
    for panel in shown {
        let rect = Rect {
            x: LEFT,
            y: top,
            width: RIGHT - LEFT,
            height: PANEL_HEIGHT,
        };
        draw_panel(&mut svg, panel, rect, steps);
        top += PANEL_HEIGHT + GAP;
    }
    (svg.body, top - GAP + 36.0)
}

fn draw_panel(svg: &mut Svg, panel: &Panel, rect: Rect, steps: (f64, f64)) {
    svg.rect("c-panel", rect);
    let x = Axis::new(steps, (rect.x, rect.right()));
    let (low, high) = extent(points(panel).map(|(_, value)| value));
    // Curves of what cannot be negative stand on zero.
    let low = if low >= 0.0 { 0.0 } else { low };
    let y = Axis::new((low, high), (rect.bottom(), rect.y));
    for (value, label) in y.ticks(4) {
        let at = y.position(value);
        svg.line("c-grid", (rect.x, at), (rect.right(), at));
        svg.text(
            "c-muted",
            (rect.x - 6.0, at + 4.0),
            11.0,
            Anchor::End,
            &label,
        );
    }
    for (value, label) in x.ticks(8) {
        let at = (x.position(value), rect.bottom() + 16.0);
        svg.text("c-muted", at, 11.0, Anchor::Middle, &label);
    }
    let mut entries = Vec::new();
    for ((name, points), class) in panel.curves.iter().zip(CLASSES.into_iter().cycle()) {
        let known = points.iter().filter(|(_, value)| value.is_finite());
        svg.polyline(
            class,
            known.map(|(step, value)| (x.position(*step), y.position(*value))),
        );
        entries.push(Entry::line(class, name.clone()));
    }
    svg.text(
        "c-ink",
        (rect.x, rect.y - 8.0),
        12.0,
        Anchor::Start,
        &panel.name,
    );
    legend::draw(svg, &entries, rect.x + 260.0, rect.right(), rect.y - 22.0);
}

fn points(panel: &Panel) -> impl Iterator<Item = (f64, f64)> {
    panel.curves.iter().flat_map(|(_, points)| points).copied()
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
}

#[cfg(test)]
mod tests {
    use super::{Panel, draw};

    #[test]
    fn each_panel_with_points_is_drawn() {
        let curve = |name: &str, points: &[(f64, f64)]| (name.to_owned(), points.to_vec());
        let panels = [
            Panel {
                name: "loss".into(),
                curves: vec![curve("all", &[(1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0)])],
            },
            Panel {
                name: "held out".into(),
                curves: vec![curve("depth", &[(1.0, f64::NAN)])],
            },
        ];
        let (body, height) = draw("a <title>", &panels);
        assert!(body.contains("a &lt;title&gt;") && body.contains(">loss<"));
        assert!(!body.contains("held out") && !body.contains("NaN"));
        assert!(height > 200.0 && height < 400.0);
    }
}
