//! The two curves and the lane of states between them, over one time axis.

use std::collections::BTreeSet;

use crate::report::contents::Report;
use crate::report::timeline::{Point, Span, Timeline, joined, thinned};
use spatial_reward_core::frame::{DistanceKind, Reason};
use spatial_reward_core::settings::FilterKind;
use spatial_reward_core::step::Step;
use spatial_reward_figures::axis::Axis;
use spatial_reward_figures::legend::{Entry, Sample};
use spatial_reward_figures::style;
use spatial_reward_figures::style::State;
use spatial_reward_figures::svg::{Anchor, Rect, Svg, text_width};

const TICK_SIZE: f64 = 10.5;

/// One curve panel: its place and its axes.
pub(crate) struct Panel {
    /// Where in the picture.
    pub rect: Rect,
    /// Its horizontal axis, seconds.
    pub time: Axis,
    value: Axis,
    /// Without any there is nothing to put ticks on.
    has_values: bool,
}

/// A line of a panel.
pub(crate) struct Curve {
    class: String,
    /// Drawn over it, of a line in two colours.
    over: Option<String>,
    /// Of its dots; only of lines that are looked at first.
    dot: Option<String>,
    name: String,
    runs: Vec<Vec<Point>>,
}

impl Curve {
    pub(super) fn new(class: &str, name: impl Into<String>, runs: Vec<Vec<Point>>) -> Self {
        Self {
            class: class.to_owned(),
            over: None,
            dot: None,
            name: name.into(),
            runs,
        }
    }

    /// The same with a dot for each step, where they stand far enough apart.
    pub(super) fn dotted(self, class: &str) -> Self {
        Self {
            dot: Some(class.to_owned()),
            ..self
        }
    }

    /// The same in two colours.
    pub(super) fn over(self, class: &str) -> Self {
        Self {
            over: Some(class.to_owned()),
            ..self
        }
    }

    /// Whether no value is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Its line in the legend.
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            sample: Sample::Line(self.class.clone(), self.over.clone()),
            name: self.name.clone(),
        }
    }
}

/// The measured distance last, so that it lies on top: the other kinds, the truth, the filtered distance.
pub(crate) fn distance_curves(report: &Report, timeline: &Timeline) -> Vec<Curve> {
    let kind = report.settings.distance();
    let others = [
        ("c-center", DistanceKind::Center),
        ("c-surface", DistanceKind::Surface),
        ("c-cloud", DistanceKind::Cloud),
    ];
    let mut curves: Vec<Curve> = others
        .into_iter()
        .filter(|(_, other)| *other != kind)
        .map(|(class, other)| {
            let runs = timeline.runs(|_, step| other_distance(step, other));
            Curve::new(class, format!("{} distance", other.name()), runs)
        })
        .collect();
    curves.push(truth_curve(report, timeline));
    if report.settings.filter.kind != FilterKind::None {
        // The potential is minus the filtered distance, but 0 at a true terminal.
        let filtered = |step: &Step| match step.terminated {
            true => f64::NAN,
            false => -step.potential,
        };
        let runs = timeline.runs(|_, step| filtered(step));
        curves.push(Curve::new("c-filtered", "filtered", runs));
    }
    let runs = timeline.runs(|_, step| valid_or_nan(step, step.distance_m));
    let name = format!("{} distance, measured", kind.name());
    curves.push(Curve::new("c-distance", name, runs).dotted("c-distance-dot"));
    curves.retain(|curve| !curve.is_empty());
    curves
}

/// What the step's own distance really was.
pub(super) fn truth_curve(report: &Report, timeline: &Timeline) -> Curve {
    let truth = |position: usize| report.truth_m.get(position).copied().flatten();
    let runs = timeline.runs(|position, _| truth(position).unwrap_or(f64::NAN));
    Curve::new("c-truth", "ground truth", runs)
}

/// Where 90 % of the truths lie around a measured distance: runs of lower and upper ends at the same times, both thinned
/// to what the picture shows.
pub(crate) struct Band {
    class: String,
    runs: Vec<(Vec<Point>, Vec<Point>)>,
}

impl Band {
    /// Of the valid steps whose standard deviation is known.
    pub(crate) fn new(timeline: &Timeline, column_s: f64) -> Self {
        Self::of("c-interval", timeline, column_s, Step::interval_90)
    }

    /// Of the steps whose interval is known.
    pub(super) fn of(
        class: &str,
        timeline: &Timeline,
        column_s: f64,
        interval: impl Fn(&Step) -> Option<(f64, f64)>,
    ) -> Self {
        let ends = |end: fn((f64, f64)) -> f64| {
            let runs = timeline.runs(|_, step| interval(step).map_or(f64::NAN, end));
            thinned(&runs, column_s)
        };
        let runs = ends(|(low, _)| low).into_iter().zip(ends(|(_, high)| high));
        Self {
            class: class.to_owned(),
            runs: runs.collect(),
        }
    }

    /// Its line in the legend, if there is anything of it.
    pub(crate) fn entry(&self) -> Option<Entry> {
        (!self.runs.is_empty()).then(|| Entry {
            sample: Sample::Fill(self.class.clone()),
            name: "90 % interval".to_owned(),
        })
    }

    /// Its highest value; -infinity without any.
    pub(crate) fn highest(&self) -> f64 {
        let highs = self.runs.iter().flat_map(|(_, high)| high);
        highs.fold(f64::NEG_INFINITY, |highest, point| highest.max(point.1))
    }
}

/// The reward of the valid steps.
pub(crate) fn reward_curve(report: &Report, timeline: &Timeline) -> Curve {
    let runs = timeline.runs(|_, step| valid_or_nan(step, step.reward));
    let name = format!("{} reward", report.settings.reward.kind.name());
    Curve::new("c-reward", name, runs).dotted("c-reward-dot")
}

fn valid_or_nan(step: &Step, value: f64) -> f64 {
    if step.is_valid() { value } else { f64::NAN }
}

fn other_distance(step: &Step, kind: DistanceKind) -> f64 {
    let value = match kind {
        DistanceKind::Center => step.center_m,
        DistanceKind::Surface => step.surface_m,
        DistanceKind::Cloud => step.cloud_m,
    };
    valid_or_nan(step, value)
}

/// Lowest and highest value of the curves; (infinity, -infinity) without any.
pub(crate) fn extent(curves: &[Curve]) -> (f64, f64) {
    curves
        .iter()
        .flat_map(|curve| curve.runs.iter().flatten())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
            (low.min(point.1), high.max(point.1))
        })
}

impl Panel {
    /// A panel for values of that range; one that is not finite means that there are none.
    pub(crate) fn new(rect: Rect, time: Axis, values: (f64, f64)) -> Self {
        let value = Axis::new(values, (rect.bottom(), rect.y));
        Self {
            rect,
            time,
            value,
            has_values: values.0.is_finite() && values.1.is_finite(),
        }
    }

    /// Where a time and a value are in the picture.
    pub(crate) fn at(&self, (time_s, value): Point) -> (f64, f64) {
        (self.time.position(time_s), self.value.position(value))
    }

    /// Background, phases, spans, grid, ticks of the values, and the axis' name.
    pub(crate) fn draw_ground(
        &self,
        svg: &mut Svg,
        phases: &[Span<usize>],
        spans: &[Span],
        name: &str,
    ) {
        svg.rect("c-panel", self.rect);
        for (phase, rect) in self.rects_of(phases) {
            svg.rect(&format!("c-phase-{phase} c-phase-band"), rect);
        }
        self.draw_shades(svg, spans);
        let has_values = self.has_values;
        let ticks = |count| {
            self.value
                .ticks(count)
                .into_iter()
                .filter(move |_| has_values)
        };
        for (value, label) in ticks((self.rect.height / 42.0) as u32) {
            let y = self.value.position(value);
            svg.line("c-grid", (self.rect.x, y), (self.rect.right(), y));
            let at = (self.rect.x - 7.0, y + 3.8);
            svg.text("c-muted", at, TICK_SIZE, Anchor::End, &label);
        }
        for (time_s, _) in self.time_ticks() {
            let x = self.time.position(time_s);
            svg.line("c-grid", (x, self.rect.y), (x, self.rect.bottom()));
        }
        let middle = self.rect.y + self.rect.height / 2.0;
        svg.upward_text("c-ink c-bold", (18.0, middle), 11.5, name);
    }

    fn draw_shades(&self, svg: &mut Svg, spans: &[Span]) {
        for state in states().filter(|state| *state != State::Valid) {
            for rect in self.rects(spans, state) {
                svg.rect(&format!("{} c-shade", style::class(state)), rect);
            }
        }
    }

    /// Where the spans of one state are, each at least one unit wide.
    fn rects<Of: Copy + PartialEq>(&self, spans: &[Span<Of>], state: Of) -> Vec<Rect> {
        joined(spans, state, self.time.per_unit())
            .into_iter()
            .map(|span| {
                let x = self.time.position(span.begin_s);
                Rect {
                    x,
                    width: (self.time.position(span.end_s) - x).max(1.0),
                    ..self.rect
                }
            })
            .collect()
    }

    /// Where each thing is that spans are of.
    pub(super) fn rects_of<Of: Copy + Ord>(&self, spans: &[Span<Of>]) -> Vec<(Of, Rect)> {
        let states: BTreeSet<Of> = spans.iter().map(|span| span.state).collect();
        let of = |state| {
            let rects = self.rects(spans, state).into_iter();
            rects.map(move |rect| (state, rect))
        };
        states.into_iter().flat_map(of).collect()
    }

    /// The lane of phases, each with its name where there is room for it.
    pub(super) fn draw_phases(&self, svg: &mut Svg, phases: &[Span<usize>], names: &[&str]) {
        for (phase, rect) in self.rects_of(phases) {
            svg.rect(&format!("c-phase-{phase}"), rect);
            let name = names.get(phase).copied().unwrap_or_default();
            if text_width(name, TICK_SIZE) + 6.0 <= rect.width {
                let at = (rect.x + rect.width / 2.0, rect.bottom() - 4.4);
                svg.text("c-phase-name", at, TICK_SIZE, Anchor::Middle, name);
            }
        }
        let at = (self.rect.x - 7.0, self.rect.bottom() - 4.4);
        svg.text("c-muted", at, TICK_SIZE, Anchor::End, "phase");
    }

    /// The lane: every state in its colour.
    pub(crate) fn draw_lane(&self, svg: &mut Svg, spans: &[Span]) {
        for state in states() {
            for rect in self.rects(spans, state) {
                svg.rect(&style::class(state), rect);
            }
        }
        let at = (self.rect.x - 7.0, self.rect.bottom() - 2.2);
        svg.text("c-muted", at, TICK_SIZE, Anchor::End, "state");
    }

    /// The band; what reaches beyond the panel is cut off.
    pub(crate) fn draw_band(&self, svg: &mut Svg, band: &Band) {
        let at = |(time_s, value): &Point| self.at((*time_s, value.min(self.value.high())));
        for (low, high) in &band.runs {
            let mut around: Vec<(f64, f64)> = high.iter().chain(low.iter().rev()).map(at).collect();
            if let [above, below] = around[..] {
                // A lone step is as wide as its line would be.
                let beside = |by: f64| [(above.0 + by, above.1), (below.0 + by, below.1)];
                let [right_above, right_below] = beside(1.0);
                let [left_above, left_below] = beside(-1.0);
                around = vec![left_above, right_above, right_below, left_below];
            }
            svg.polygon(&band.class, around);
        }
    }

    /// The curve, with a dot for each step where they stand far enough apart, and for lone steps.
    pub(crate) fn draw_curve(&self, svg: &mut Svg, curve: &Curve) {
        let points: usize = curve.runs.iter().map(Vec::len).sum();
        let roomy = points as f64 * 9.0 < self.rect.width;
        // The curves that only accompany get a dot where a line would have no length.
        let (dot, radius, roomy) = match &curve.dot {
            Some(dot) => (dot.as_str(), 2.2, roomy),
            None => ("c-muted", 1.3, false),
        };
        let is_fine = points as f64 > 2.0 * self.rect.width;
        let class = |class: &String| match is_fine {
            true => format!("{class} c-fine"),
            false => class.clone(),
        };
        let mut free_from = f64::NEG_INFINITY;
        for run in thinned(&curve.runs, self.time.per_unit()) {
            if run.len() > 1 {
                for line in std::iter::once(&curve.class).chain(&curve.over) {
                    svg.polyline(&class(line), run.iter().map(|point| self.at(*point)));
                }
            }
            for point in run.iter().filter(|_| roomy || run.len() == 1) {
                let at = self.at(*point);
                if at.0 >= free_from {
                    svg.circle(dot, at, radius);
                    free_from = at.0 + 2.0;
                }
            }
        }
    }

    /// A horizontal line, if its value is in range.
    pub(crate) fn draw_level(&self, svg: &mut Svg, class: &str, value: f64) {
        if (self.value.low()..=self.value.high()).contains(&value) {
            let y = self.value.position(value);
            svg.line(class, (self.rect.x, y), (self.rect.right(), y));
        }
    }

    /// A hollow dot on each bridged step, as far as they can be told apart.
    pub(crate) fn draw_bridged(&self, svg: &mut Svg, timeline: &Timeline) {
        let mut free_from = f64::NEG_INFINITY;
        for (time_s, step) in timeline.iter().filter(|(_, step)| step.is_bridged()) {
            let at = self.at((time_s, step.distance_m));
            if step.is_valid() && step.distance_m.is_finite() && at.0 >= free_from {
                svg.circle("c-bridged", at, 3.2);
                free_from = at.0 + 5.0;
            }
        }
    }

    /// A line of text in the middle, instead of curves.
    pub(crate) fn draw_note(&self, svg: &mut Svg, note: &str) {
        let middle = (self.rect.x + self.rect.width / 2.0, self.rect.y + 30.0);
        svg.text("c-ink", middle, 14.0, Anchor::Middle, note);
    }

    /// None before the first frame, though it reaches half a period back.
    fn time_ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let ticks = self.time.ticks(12).into_iter();
        ticks.filter(|(time_s, _)| *time_s >= 0.0)
    }

    /// Labels of the time axis below this panel.
    pub(crate) fn draw_time_ticks(&self, svg: &mut Svg) {
        for (time_s, label) in self.time_ticks() {
            let at = (self.time.position(time_s), self.rect.bottom() + 15.0);
            svg.text("c-muted", at, TICK_SIZE, Anchor::Middle, &label);
        }
        let middle = (self.rect.x + self.rect.right()) / 2.0;
        let at = (middle, self.rect.bottom() + 33.0);
        let name = "time since the first frame (s)";
        svg.text("c-ink c-bold", at, 11.5, Anchor::Middle, name);
    }
}

/// Vertical lines where episodes begin, from `top` to `bottom`, with their numbers where there is room.
pub(crate) fn draw_episodes(svg: &mut Svg, timeline: &Timeline, first: &Panel, bottom: f64) {
    let mut begins = timeline.episode_begins();
    if begins.is_empty() {
        return;
    }
    if let Some((_, step)) = timeline.iter().next() {
        begins.insert(0, (timeline.range_s().0, step.episode));
    }
    let top = first.rect.y;
    for (position, (begin_s, episode)) in begins.iter().enumerate() {
        let x = first.time.position(*begin_s);
        if position > 0 {
            svg.line("c-episode", (x, top), (x, bottom));
        }
        let end = begins
            .get(position + 1)
            .map_or(first.rect.right(), |next| first.time.position(next.0));
        let label = format!("episode {episode}");
        if end - x > text_width(&label, TICK_SIZE) + 10.0 {
            let at = (x + 5.0, top + 13.0);
            svg.text("c-muted c-halo", at, TICK_SIZE, Anchor::Start, &label);
        }
    }
}

fn states() -> impl Iterator<Item = State> {
    let invalid = Reason::ALL.into_iter().map(State::Invalid);
    [State::Valid, State::Success].into_iter().chain(invalid)
}

/// The states that occur, with how many steps are in each.
pub(crate) fn state_entries(timeline: &Timeline) -> Vec<Entry> {
    states()
        .filter_map(|state| {
            let count = timeline
                .iter()
                .filter(|(_, step)| State::of(step) == state)
                .count();
            let name = match state {
                State::Valid => "valid",
                State::Success => "success",
                State::Invalid(reason) => reason.name(),
            };
            (count > 0).then(|| Entry {
                sample: Sample::Fill(style::class(state)),
                name: format!("{name} ({count})"),
            })
        })
        .collect()
}
