//! The steps' numbers for the page's script, which shows the one under the pointer.

use serde::Serialize;
use std::collections::BTreeMap;

use crate::report::chart::Drawing;
use crate::report::contents::Report;
use crate::report::timeline::Timeline;
use spatial_reward_core::step::Step;
use spatial_reward_figures::style::State;

/// More steps than this are thinned to every n-th, so that the page stays small.
pub(super) const MOST_STEPS: usize = 6000;
/// Characters of an answer that are shown.
const ANSWER_LENGTH: usize = 160;
/// Answers in the page; a model's for each of thousands of steps would fill it.
const MOST_ANSWERS: usize = 2000;

#[derive(Serialize)]
struct Steps {
    axis: AxisPlace,
    states: Vec<&'static str>,
    index: Vec<u64>,
    time_s: Vec<f64>,
    /// null in a step that is not valid.
    distance_m: Vec<Option<f64>>,
    /// Left out where no step has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interval_m: Vec<Option<(f64, f64)>>,
    reward: Vec<Option<f64>>,
    confidence: Vec<f64>,
    /// Position in `states`.
    state: Vec<usize>,
    /// By step index, of those that have one.
    answers: BTreeMap<u64, String>,
}

#[derive(Serialize)]
struct AxisPlace {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    begin_s: f64,
    end_s: f64,
}

impl Steps {
    /// The position of a state's name, which is added where it is new.
    fn position_of(&mut self, name: &'static str) -> usize {
        let known = self.states.iter().position(|state| *state == name);
        known.unwrap_or_else(|| {
            self.states.push(name);
            self.states.len() - 1
        })
    }
}

fn state_name(step: &Step) -> &'static str {
    match State::of(step) {
        State::Valid => "valid",
        State::Success => "success",
        State::Invalid(reason) => reason.name(),
    }
}

/// JSON that may stand inside a `<script>` element.
pub(crate) fn json(report: &Report, drawing: &Drawing) -> String {
    let timeline = Timeline::new(report.steps);
    let stride = report.steps.len().div_ceil(MOST_STEPS).max(1);
    let mut steps = Steps {
        axis: AxisPlace {
            left: drawing.distance.x,
            right: drawing.distance.right(),
            top: drawing.distance.y,
            bottom: drawing.curves_bottom,
            begin_s: drawing.time.low(),
            end_s: drawing.time.high(),
        },
        states: vec![],
        index: vec![],
        time_s: vec![],
        distance_m: vec![],
        interval_m: vec![],
        reward: vec![],
        confidence: vec![],
        state: vec![],
        answers: BTreeMap::new(),
    };
    let has_intervals = (report.steps.iter()).any(|step| step.interval_90().is_some());
    for (time_s, step) in timeline.iter().step_by(stride) {
        let state = steps.position_of(state_name(step));
        let measured = |value: f64| {
            let value = (step.is_valid() && value.is_finite()).then_some(value);
            value.map(rounded)
        };
        steps.index.push(step.index);
        steps.time_s.push(rounded(time_s));
        steps.distance_m.push(measured(step.distance_m));
        if has_intervals {
            let interval = step.interval_90();
            let interval = interval.map(|(low, high)| (rounded(low), rounded(high)));
            steps.interval_m.push(interval);
        }
        steps.reward.push(measured(step.reward));
        steps.confidence.push(rounded(f64::from(step.confidence)));
        steps.state.push(state);
        if !step.answer.is_empty() && steps.answers.len() < MOST_ANSWERS {
            let answer = step.answer.chars().take(ANSWER_LENGTH).collect();
            steps.answers.insert(step.index, answer);
        }
    }
    // Numbers, names and text by number always go into JSON.
    let json = serde_json::to_string(&steps).unwrap_or_default();
    harmless(&json)
}

/// Without a `<`, nothing can end a `<script>` element.
pub(super) fn harmless(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// To a tenth of a millimetre or millisecond.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
