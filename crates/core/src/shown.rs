//! What a camera's picture shows of a step, for who draws it: the regions with their names, the distances between them, the
//! phase, or why there is no reward. As a Foxglove message; its colours are those of reports.

use crate::colors::{Colors, Rgb};
use crate::frame::{BoundingBox, BoxOrigin};
use crate::messages::Time;
use crate::messages::image_annotations::{
    Color, ImageAnnotations, KeyValuePair, LINE_LOOP, LINE_STRIP, Point2, PointsAnnotation,
    TextAnnotation,
};
use crate::step::Step;
use crate::task::{PairStep, TaskStep};

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
const GREY: Rgb = [160, 160, 160];
/// Words about what is missing.
const WARNING: Rgb = [255, 135, 135];
/// Behind words that have no colour of their own.
const PLATE_OPACITY: f64 = 0.6;
/// Rows of a picture of which nothing is known.
const USUAL_ROWS: u32 = 480;

/// A region as a camera's picture shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRegion {
    /// As settings have it, such as `cube`.
    pub name: String,
    /// What was measured, in pixels of the picture.
    pub bbox: BoundingBox,
    /// How the box came about, where that is known.
    pub origin: Option<BoxOrigin>,
}

/// One picture of one camera, and what is to be said of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The picture's stamp.
    pub stamp_nanos: i64,
    /// Its columns and rows, where they are known: words grow with them.
    pub size: Option<(u32, u32)>,
    /// The camera's name; empty where there is but one.
    pub camera: &'a str,
    /// Those that it shows.
    pub regions: &'a [ShownRegion],
    /// The step that it belongs to.
    pub step: &'a Step,
    /// Who has which colour.
    pub colors: &'a Colors,
}

impl Shown<'_> {
    /// The message that draws it.
    pub fn annotations(&self) -> ImageAnnotations {
        let pairs = pairs(self.step);
        let boxes = self.regions.iter().map(|region| self.outline(region));
        let lines = pairs.iter().filter_map(|pair| self.line(pair));
        let mut texts: Vec<TextAnnotation> = self
            .regions
            .iter()
            .map(|region| self.name(region))
            .collect();
        texts.extend(self.distances(&pairs));
        texts.extend(self.status(&pairs));
        ImageAnnotations {
            timestamp: self.stamp(),
            circles: Vec::new(),
            points: boxes.chain(lines).collect(),
            texts,
            metadata: facts(self.step),
        }
    }

    fn stamp(&self) -> Time {
        Time::from_nanos(self.stamp_nanos)
    }

    fn rows(&self) -> f64 {
        f64::from(self.size.map_or(USUAL_ROWS, |(_, rows)| rows))
    }

    fn text_px(&self) -> f64 {
        (self.rows() / 34.0).clamp(9.0, 36.0)
    }

    fn outline(&self, region: &ShownRegion) -> PointsAnnotation {
        let BoundingBox {
            x_min,
            y_min,
            x_max,
            y_max,
        } = region.bbox;
        let corners = [
            (x_min, y_min),
            (x_max, y_min),
            (x_max, y_max),
            (x_min, y_max),
        ];
        let origin = region
            .origin
            .map(|origin| ("origin", origin.name().to_owned()));
        PointsAnnotation {
            timestamp: self.stamp(),
            kind: LINE_LOOP,
            points: corners.map(|(x, y)| Point2 { x, y }).to_vec(),
            outline_color: Color::new(self.colors.region(&region.name), 1.0),
            thickness: self.thickness(),
            metadata: pairs_of([Some(("region", region.name.clone())), origin]),
            ..PointsAnnotation::default()
        }
    }

    fn thickness(&self) -> f64 {
        (self.rows() / 240.0).max(1.0)
    }

    /// On a patch of its colour above the box; below it where there is no room.
    fn name(&self, region: &ShownRegion) -> TextAnnotation {
        let text_px = self.text_px();
        let above = region.bbox.y_min - 1.0;
        let y = match above >= text_px * 1.2 {
            true => above,
            false => region.bbox.y_max + text_px * 1.2,
        };
        let x = region.bbox.x_min.max(0.0);
        let color = Color::new(self.colors.region(&region.name), 1.0);
        self.text(region.name.clone(), (x, y), Color::new(BLACK, 1.0), color)
    }

    fn text(
        &self,
        text: String,
        (x, y): (f64, f64),
        words: Color,
        behind: Color,
    ) -> TextAnnotation {
        TextAnnotation {
            timestamp: self.stamp(),
            position: Point2 { x, y },
            text,
            font_size: self.text_px(),
            text_color: words,
            background_color: behind,
            metadata: Vec::new(),
        }
    }

    /// Both ends of a pair, where this picture shows both.
    fn ends(&self, pair: &PairStep) -> Option<[&ShownRegion; 2]> {
        let (first, second) = pair.name.split_once('-')?;
        let of = |name: &str| self.regions.iter().find(|region| region.name == name);
        Some([of(first)?, of(second)?])
    }

    /// From one middle to the other, half of it in each region's colour; grey where nothing was measured.
    fn line(&self, pair: &PairStep) -> Option<PointsAnnotation> {
        let ends = self.ends(pair)?;
        let [from, to] = ends.map(|end| end.bbox.center());
        let middle = between(from, to);
        let colors = match pair.reason {
            None => ends.map(|end| Color::new(self.colors.region(&end.name), 1.0)),
            Some(_) => [Color::new(GREY, 0.7); 2],
        };
        Some(PointsAnnotation {
            timestamp: self.stamp(),
            kind: LINE_STRIP,
            points: [from, middle, to].map(|[x, y]| Point2 { x, y }).to_vec(),
            outline_color: colors[0],
            outline_colors: colors.to_vec(),
            thickness: self.thickness(),
            metadata: measured(pair),
            ..PointsAnnotation::default()
        })
    }

    /// In the middle of each line, all kinds of a pair together.
    fn distances(&self, pairs: &[PairStep]) -> Vec<TextAnnotation> {
        let mut texts = Vec::new();
        for (at, pair) in pairs.iter().enumerate() {
            let is_first = !(pairs.iter().take(at)).any(|before| before.name == pair.name);
            let Some([from, to]) = self.ends(pair).filter(|_| is_first) else {
                continue;
            };
            let all: Vec<&PairStep> = pairs
                .iter()
                .filter(|other| other.name == pair.name)
                .collect();
            let words: Vec<String> = all
                .iter()
                .map(|one| self.words(one, all.len() > 1))
                .collect();
            let color = if pair.reason.is_some() {
                WARNING
            } else {
                WHITE
            };
            let [x, y] = between(from.bbox.center(), to.bbox.center());
            let mut text = self.text(
                words.join(", "),
                (x, y + self.text_px() / 2.0),
                Color::new(color, 1.0),
                Color::new(BLACK, PLATE_OPACITY),
            );
            text.metadata = measured(pair);
            texts.push(text);
        }
        texts
    }

    /// A pair's distance, or why there is none; and who saw it, where this camera did not.
    fn words(&self, pair: &PairStep, with_kind: bool) -> String {
        let mut words = match pair.reason {
            Some(reason) => reason.name().to_owned(),
            None => format!("{:.1} cm", pair.distance_m * 100.0),
        };
        if with_kind {
            words = format!("{} {words}", pair.kind.name());
        }
        let saw = |camera: &String| camera == self.camera;
        if pair.reason.is_none() && !pair.cameras.is_empty() && !pair.cameras.iter().any(saw) {
            words += &format!(" ({})", pair.cameras.join(", "));
        }
        words
    }

    /// Lines in the upper left corner: the phase, what pairs say of which this picture shows no line, and why there is no
    /// reward.
    fn status(&self, pairs: &[PairStep]) -> Vec<TextAnnotation> {
        let step = self.step;
        let plate = Color::new(BLACK, PLATE_OPACITY);
        let mut lines: Vec<(String, Rgb, Color)> = Vec::new();
        let phase = step.task.as_deref().filter(|task| !task.phase.is_empty());
        if let Some(task) = phase {
            let color = Color::new(self.colors.phase(&task.phase), 1.0);
            lines.push((phase_words(task), BLACK, color));
        }
        if !step.is_valid() {
            lines.push((format!("no reward: {}", step.reason_name()), WARNING, plate));
        }
        if step.success && phase.is_none() {
            lines.push(("success".to_owned(), WHITE, plate));
        }
        for pair in pairs.iter().filter(|pair| self.ends(pair).is_none()) {
            let color = if pair.reason.is_some() {
                WARNING
            } else {
                WHITE
            };
            let words = format!("{} {}", pair.name, self.words(pair, false));
            lines.push((words, color, plate));
        }
        let (text_px, mut row) = (self.text_px(), 0.0);
        let placed = lines.into_iter().map(|(words, color, behind)| {
            row += 1.0;
            let at = (text_px * 0.4, row * text_px * 1.35);
            self.text(words, at, Color::new(color, 1.0), behind)
        });
        placed.collect()
    }
}

/// All pairs that a step speaks of: those of its task, or the one of its own distance.
fn pairs(step: &Step) -> Vec<PairStep> {
    match &step.task {
        Some(task) => task.pairs.clone(),
        None => vec![PairStep {
            name: "fingertip-target".to_owned(),
            kind: step.distance_kind,
            distance_m: step.distance_m,
            std_m: step.distance_std_m,
            reason: step.reason,
            cameras: Vec::new(),
            disagreeing: Vec::new(),
        }],
    }
}

fn phase_words(task: &TaskStep) -> String {
    match task.progress.is_finite() {
        true => format!("{}  {:.0} %", task.phase, task.progress * 100.0),
        false => task.phase.clone(),
    }
}

fn between([x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) -> [f64; 2] {
    [(x1 + x2) / 2.0, (y1 + y2) / 2.0]
}

fn pairs_of<const N: usize>(facts: [Option<(&str, String)>; N]) -> Vec<KeyValuePair> {
    let given = facts.into_iter().flatten();
    let pairs = given.map(|(key, value)| KeyValuePair {
        key: key.to_owned(),
        value,
    });
    pairs.collect()
}

/// A number as programs read it; none that is not known.
fn number(value: f64) -> Option<String> {
    value.is_finite().then(|| value.to_string())
}

/// What a pair's line is about.
fn measured(pair: &PairStep) -> Vec<KeyValuePair> {
    pairs_of([
        Some(("pair", pair.name.clone())),
        Some(("kind", pair.kind.name().to_owned())),
        number(pair.distance_m).map(|value| ("distance_m", value)),
        number(pair.std_m).map(|value| ("std_m", value)),
        pair.reason
            .map(|reason| ("reason", reason.name().to_owned())),
    ])
}

/// What the whole message is about.
fn facts(step: &Step) -> Vec<KeyValuePair> {
    let task = step.task.as_deref().filter(|task| !task.phase.is_empty());
    let progress = task.and_then(|task| number(task.progress));
    pairs_of([
        Some(("valid", step.is_valid().to_string())),
        step.reason
            .map(|reason| ("reason", reason.name().to_owned())),
        number(step.reward).map(|value| ("reward", value)),
        Some(("success", step.success.to_string())),
        task.map(|task| ("phase", task.phase.clone())),
        progress.map(|value| ("progress", value)),
    ])
}
