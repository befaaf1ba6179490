//! What a camera's picture shows of a step, for who draws it: the regions with their names, the distances between them, the
//! phase, or why there is no reward. As a Foxglove message; its colours are those of reports.

use crate::colors::{Colors, Rgb};
use crate::frame::{BoundingBox, BoxOrigin, BoxSource, Reason, SeenBox};
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

impl ShownRegion {
    /// Add a region that has a box and is not there yet.
    pub fn add(regions: &mut Vec<Self>, name: &str, seen: Option<SeenBox>) {
        let is_new = regions.iter().all(|region| region.name != name);
        if let Some((bbox, origin)) = seen.filter(|(bbox, _)| is_new && bbox.is_proper()) {
            regions.push(Self {
                name: name.to_owned(),
                bbox,
                origin,
            });
        }
    }

    /// Those of the step's own distance, between regions of these names.
    pub fn of_step(step: &Step, [first, second]: [&str; 2]) -> Vec<Self> {
        let mut regions = Vec::new();
        let of_first = BoxSource::seen(step.fingertip, step.fingertip_source);
        let of_second = BoxSource::seen(step.target, step.target_source);
        Self::add(&mut regions, first, of_first);
        Self::add(&mut regions, second, of_second);
        regions
    }
}

/// The topic of the annotations of a topic's pictures.
pub fn topic_beside(image: &str) -> String {
    format!("{image}/annotations")
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
        let pairs = measured_pairs(self.step);
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
    fn ends(&self, pair: &MeasuredPair) -> Option<[&ShownRegion; 2]> {
        let (first, second) = pair.name().split_once('-')?;
        let of = |name: &str| self.regions.iter().find(|region| region.name == name);
        Some([of(first)?, of(second)?])
    }

    /// From one middle to the other, half of it in each region's colour; grey where nothing was measured.
    fn line(&self, pair: &MeasuredPair) -> Option<PointsAnnotation> {
        let ends = self.ends(pair)?;
        let [from, to] = ends.map(|end| end.bbox.center());
        let middle = between(from, to);
        let colors = match pair.is_measured() {
            true => ends.map(|end| Color::new(self.colors.region(&end.name), 1.0)),
            false => [Color::new(GREY, 0.7); 2],
        };
        Some(PointsAnnotation {
            timestamp: self.stamp(),
            kind: LINE_STRIP,
            points: [from, middle, to].map(|[x, y]| Point2 { x, y }).to_vec(),
            outline_color: colors[0],
            outline_colors: colors.to_vec(),
            thickness: self.thickness(),
            metadata: pair.facts(),
            ..PointsAnnotation::default()
        })
    }

    /// In the middle of each line, all kinds of a pair together.
    fn distances(&self, pairs: &[MeasuredPair]) -> Vec<TextAnnotation> {
        let texts = pairs.iter().filter_map(|pair| {
            let [from, to] = self.ends(pair)?;
            let [x, y] = between(from.bbox.center(), to.bbox.center());
            let mut text = self.text(
                self.words(pair),
                (x, y + self.text_px() / 2.0),
                Color::new(pair.words_color(), 1.0),
                Color::new(BLACK, PLATE_OPACITY),
            );
            text.metadata = pair.facts();
            Some(text)
        });
        texts.collect()
    }

    /// What a pair is in each of its kinds; where none is measured for the same reason, that once.
    fn words(&self, pair: &MeasuredPair) -> String {
        let is_alike = |other: &PairStep| other.reason == pair.first.reason;
        let is_one = pair.others.is_empty() || !pair.is_measured();
        if is_one && pair.others.iter().all(is_alike) {
            return self.words_of_kind(&pair.first);
        }
        let named = pair
            .kinds()
            .map(|one| format!("{} {}", one.kind.name(), self.words_of_kind(one)));
        named.collect::<Vec<_>>().join(", ")
    }

    /// A distance, or why there is none; and who saw it, where this camera did not.
    fn words_of_kind(&self, pair: &PairStep) -> String {
        let mut words = match pair.reason {
            Some(reason) => unmeasured(pair, reason),
            None => format!("{:.1} cm", pair.distance_m * 100.0),
        };
        let saw = |camera: &String| camera == self.camera;
        if pair.reason.is_none() && !pair.cameras.is_empty() && !pair.cameras.iter().any(saw) {
            words += &format!(" ({})", pair.cameras.join(", "));
        }
        words
    }

    /// Lines in the upper left corner: the phase, what pairs say of which this picture shows no line, and why there is no
    /// reward.
    fn status(&self, pairs: &[MeasuredPair]) -> Vec<TextAnnotation> {
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
            let words = format!("{} {}", pair.name(), self.words(pair));
            lines.push((words, pair.words_color(), plate));
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

/// A pair of regions in all kinds that it is measured in.
struct MeasuredPair {
    first: PairStep,
    others: Vec<PairStep>,
}

impl MeasuredPair {
    fn name(&self) -> &str {
        &self.first.name
    }

    fn kinds(&self) -> impl Iterator<Item = &PairStep> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn is_measured(&self) -> bool {
        self.kinds().any(|one| one.reason.is_none())
    }

    fn words_color(&self) -> Rgb {
        match self.is_measured() {
            true => WHITE,
            false => WARNING,
        }
    }

    /// What its line is about; facts of a second kind have that in their names, as columns have.
    fn facts(&self) -> Vec<KeyValuePair> {
        let of_others = self.others.iter().flat_map(|other| {
            let kind = other.kind.name();
            measured(other).into_iter().map(move |fact| KeyValuePair {
                key: format!("{kind}.{}", fact.key),
                ..fact
            })
        });
        let named = pairs_of([
            Some(("pair", self.name().to_owned())),
            Some(("kind", self.first.kind.name().to_owned())),
        ]);
        let all = named.into_iter().chain(measured(&self.first));
        all.chain(of_others).collect()
    }
}

/// Why a pair was not measured: its regions stand in the places of fingertip and target.
fn unmeasured(pair: &PairStep, reason: Reason) -> String {
    let (first, second) = pair.name.split_once('-').unwrap_or_default();
    match reason {
        Reason::NoFingertipBox => format!("no {first} box"),
        Reason::NoTargetBox => format!("no {second} box"),
        reason => reason.name().to_owned(),
    }
}

/// All pairs that a step speaks of: those of its task, or the one of its own distance.
fn measured_pairs(step: &Step) -> Vec<MeasuredPair> {
    let mut pairs: Vec<MeasuredPair> = Vec::new();
    for one in pair_steps(step) {
        match pairs.iter_mut().find(|pair| pair.name() == one.name) {
            Some(pair) => pair.others.push(one),
            None => pairs.push(MeasuredPair {
                first: one,
                others: Vec::new(),
            }),
        }
    }
    pairs
}

fn pair_steps(step: &Step) -> Vec<PairStep> {
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

/// A distance in numbers, or why there is none.
fn measured(pair: &PairStep) -> Vec<KeyValuePair> {
    pairs_of([
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{DistanceKind, Measurement};
    use crate::pipeline::{FrameInfo, Rewarder};
    use crate::settings::Settings;
    use crate::step::Latency;

    const STAMP: i64 = 1_760_000_000_250_000_000;
    const LEFT: BoundingBox = BoundingBox {
        x_min: 100.0,
        y_min: 200.0,
        x_max: 140.0,
        y_max: 240.0,
    };
    const RIGHT: BoundingBox = BoundingBox {
        x_min: 300.0,
        y_min: 4.0,
        x_max: 360.0,
        y_max: 64.0,
    };

    fn step(measured: Result<f64, Reason>) -> Step {
        let info = FrameInfo {
            frame_id: "camera".into(),
            fingertip: Some(LEFT),
            target: Some(RIGHT),
            ..FrameInfo::at(STAMP)
        };
        let measured = measured.map(|surface_m| Measurement {
            surface_m: Some(surface_m),
            ..Measurement::default()
        });
        Rewarder::new(&Settings::geometry()).push(info, measured, Latency::default())
    }

    fn region(name: &str, bbox: BoundingBox) -> ShownRegion {
        ShownRegion {
            name: name.to_owned(),
            bbox,
            origin: Some(BoxOrigin::Seen),
        }
    }

    fn words(annotations: &ImageAnnotations) -> Vec<&str> {
        annotations
            .texts
            .iter()
            .map(|text| text.text.as_str())
            .collect()
    }

    #[test]
    fn a_pair_of_two_kinds_had_its_line_drawn_twice_and_lost_their_names_where_it_was_not_shown() {
        // Given a pair that is measured in two kinds, and one that is measured in none of them
        let mut step = step(Ok(0.123));
        let of_kind = |kind, pair: PairStep| PairStep { kind, ..pair };
        let seen = |distance_m| pair("fingertip-cube", Ok(distance_m), &["front"]);
        let unseen = || pair("cube-goal", Err(Reason::NoTargetBox), &[]);
        step.task = Some(Box::new(TaskStep {
            pairs: vec![
                seen(0.05),
                unseen(),
                of_kind(DistanceKind::Center, seen(0.09)),
                of_kind(DistanceKind::Center, unseen()),
            ],
            ..TaskStep::default()
        }));
        let colors = Colors::of(&Settings::geometry());
        let shown = |regions| {
            let shown = Shown {
                stamp_nanos: STAMP,
                size: None,
                camera: "front",
                regions,
                step: &step,
                colors: &colors,
            };
            shown.annotations()
        };
        // When a picture shows both regions of the first, and another none
        let both = [region("fingertip", LEFT), region("cube", RIGHT)];
        let (seen, unseen) = (shown(&both), shown(&[]));
        // Then it has one line, which says both kinds, to people and to programs
        let is_line = |points: &&PointsAnnotation| points.kind == LINE_STRIP;
        let lines: Vec<_> = seen.points.iter().filter(is_line).collect();
        assert_eq!(lines.len(), 1);
        let facts = lines[0].metadata.iter();
        let facts: Vec<(&str, &str)> = facts
            .map(|fact| (fact.key.as_str(), fact.value.as_str()))
            .collect();
        let expected = [
            ("pair", "fingertip-cube"),
            ("kind", "surface"),
            ("distance_m", "0.05"),
            ("center.distance_m", "0.09"),
        ];
        assert_eq!(facts, expected);
        let both_kinds = "surface 5.0 cm, center 9.0 cm";
        let rest = "cube-goal no goal box";
        assert_eq!(words(&seen), ["fingertip", "cube", both_kinds, rest]);
        // and where it is not shown, its words have their kinds too
        assert_eq!(
            words(&unseen),
            [&format!("fingertip-cube {both_kinds}"), rest]
        );
    }

    fn pair(name: &str, measured: Result<f64, Reason>, cameras: &[&str]) -> PairStep {
        PairStep {
            name: name.to_owned(),
            kind: DistanceKind::Surface,
            distance_m: measured.unwrap_or(f64::NAN),
            std_m: f64::NAN,
            reason: measured.err(),
            cameras: cameras.iter().map(|name| (*name).to_owned()).collect(),
            disagreeing: Vec::new(),
        }
    }

    #[test]
    fn a_step_without_a_task_shows_both_boxes_and_the_distance_between_them() {
        // Given a measured step
        let (step, colors) = (step(Ok(0.123)), Colors::of(&Settings::geometry()));
        let regions = [region("fingertip", LEFT), region("target", RIGHT)];
        let shown = Shown {
            stamp_nanos: STAMP,
            size: Some((640, 480)),
            camera: "",
            regions: &regions,
            step: &step,
            colors: &colors,
        };
        // When it is annotated
        let annotations = shown.annotations();
        // Then each box goes round its region in its colour, and a line leads from one to the other in both colours
        let [fingertip, target, line] = &annotations.points[..] else {
            panic!("{annotations:?}")
        };
        assert_eq!((fingertip.kind, line.kind), (LINE_LOOP, LINE_STRIP));
        let corner = |at: usize| (fingertip.points[at].x, fingertip.points[at].y);
        assert_eq!([corner(0), corner(2)], [(100.0, 200.0), (140.0, 240.0)]);
        assert_ne!(fingertip.outline_color, target.outline_color);
        assert_eq!(
            line.outline_colors,
            [fingertip.outline_color, target.outline_color]
        );
        let middles: Vec<_> = line.points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(middles, [(120.0, 220.0), (225.0, 127.0), (330.0, 34.0)]);
        // and words say what is what; those of a box at the upper edge stand below it
        assert_eq!(words(&annotations), ["fingertip", "target", "12.3 cm"]);
        assert!(annotations.texts[0].position.y < 200.0);
        assert!(annotations.texts[1].position.y > 64.0);
        // and all of it has the picture's stamp, and goes through CDR as it is
        assert_eq!(annotations.timestamp, Time::from_nanos(STAMP));
        assert!(
            annotations
                .points
                .iter()
                .all(|points| points.timestamp.nanos() == STAMP)
        );
        let bytes = annotations.encode().unwrap();
        assert_eq!(ImageAnnotations::decode(&bytes).unwrap(), annotations);
    }

    #[test]
    fn an_invalid_step_says_why_in_the_picture() {
        let (step, colors) = (
            step(Err(Reason::NoDepth)),
            Colors::of(&Settings::geometry()),
        );
        let regions = [region("fingertip", LEFT)];
        let shown = Shown {
            stamp_nanos: STAMP,
            size: None,
            camera: "",
            regions: &regions,
            step: &step,
            colors: &colors,
        };
        let annotations = shown.annotations();
        let expected = [
            "fingertip",
            "no reward: no_depth",
            "fingertip-target no_depth",
        ];
        assert_eq!(words(&annotations), expected);
        assert_eq!(annotations.points.len(), 1);
        let fact = |key: &str| {
            let facts = &annotations.metadata;
            facts
                .iter()
                .find(|fact| fact.key == key)
                .map(|fact| fact.value.as_str())
        };
        assert_eq!(
            (fact("valid"), fact("reason"), fact("reward")),
            (Some("false"), Some("no_depth"), None)
        );
    }

    #[test]
    fn a_task_shows_its_phase_every_pair_and_who_saw_what_this_camera_did_not() {
        // Given a step of a task with three regions, of which this camera sees two
        let mut step = step(Ok(0.123));
        step.task = Some(Box::new(TaskStep {
            phase: "carry".to_owned(),
            progress: 0.5,
            pairs: vec![
                pair("fingertip-cube", Ok(0.05), &["front"]),
                pair("cube-goal", Err(Reason::NoTargetBox), &[]),
            ],
            ..TaskStep::default()
        }));
        let yaml = "
topics: {fingertip: /a}
regions: {cube: {topic: /b}, goal: {topic: /b}}
reward: {kind: task}
task:
  pairs: [fingertip-cube, cube-goal]
  phases: [{name: carry, next: [{to: success, when: [{contact: cube-goal}]}]}]
";
        let colors = Colors::of(&Settings::from_yaml(yaml).unwrap());
        let regions = [region("fingertip", LEFT), region("cube", RIGHT)];
        let shown = |camera| Shown {
            stamp_nanos: STAMP,
            size: None,
            camera,
            regions: &regions,
            step: &step,
            colors: &colors,
        };
        // When it is drawn on the camera that measured the pair, and on another
        let (front, side) = (shown("front").annotations(), shown("side").annotations());
        // Then both say the phase and the distance, the other one whose it is
        let expected = [
            "fingertip",
            "cube",
            "5.0 cm",
            "carry  50 %",
            "cube-goal no goal box",
        ];
        assert_eq!(words(&front), expected);
        assert_eq!(words(&side)[2], "5.0 cm (front)");
        let phase = &front.texts[3].background_color;
        assert_eq!(*phase, Color::new(colors.phase("carry"), 1.0));
    }
}
