//! The legend: samples of lines, dots and fills with their names, in rows that wrap.

use super::svg::{Anchor, Rect, Svg, text_width};

const SIZE: f64 = 11.0;
const ROW_HEIGHT: f64 = 20.0;
const SAMPLE_WIDTH: f64 = 24.0;
const GAP: f64 = 20.0;

/// What stands in front of a name; the text is the CSS class that it is drawn with.
pub enum Sample {
    /// Of a curve; what is drawn over it, too, where it has two colours.
    Line(String, Option<String>),
    /// Of single points.
    Dot(&'static str),
    /// Of an area.
    Fill(String),
}

/// One thing that the legend names.
pub struct Entry {
    /// What it is drawn as.
    pub sample: Sample,
    /// Its name.
    pub name: String,
}

impl Entry {
    /// A curve's entry.
    pub fn line(class: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            sample: Sample::Line(class.into(), None),
            name: name.into(),
        }
    }

    fn width(&self) -> f64 {
        SAMPLE_WIDTH + 6.0 + text_width(&self.name, SIZE)
    }
}

/// Draws the entries between `left` and `right` from `top` down; returns the lower end.
pub fn draw(svg: &mut Svg, entries: &[Entry], left: f64, right: f64, top: f64) -> f64 {
    let (mut x, mut y) = (left, top);
    for entry in entries {
        if x > left && x + entry.width() > right {
            x = left;
            y += ROW_HEIGHT;
        }
        let middle = y + ROW_HEIGHT / 2.0;
        match &entry.sample {
            Sample::Line(class, over) => {
                for class in std::iter::once(class).chain(over) {
                    svg.line(class, (x, middle), (x + SAMPLE_WIDTH, middle));
                }
            }
            Sample::Dot(class) => svg.circle(class, (x + SAMPLE_WIDTH / 2.0, middle), 3.0),
            Sample::Fill(class) => svg.rect(
                class,
                Rect {
                    x: x + 6.0,
                    y: middle - 5.0,
                    width: SAMPLE_WIDTH - 6.0,
                    height: 10.0,
                },
            ),
        }
        let at = (x + SAMPLE_WIDTH + 6.0, middle + 4.0);
        svg.text("c-ink", at, SIZE, Anchor::Start, &entry.name);
        x += entry.width() + GAP;
    }
    if entries.is_empty() {
        top
    } else {
        y + ROW_HEIGHT
    }
}
