//! A step, as Python reads it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::step::Step as CoreStep;

use crate::arrays;
use crate::boxes::{Edges, edges};
use crate::error::Failure;
use crate::pickle::{Reduced, reduced, restored};
use crate::task_step::TaskStep;

/// The reward of one frame and what it was computed from.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Step {
    #[pyo3(get)]
    index: u64,
    #[pyo3(get)]
    episode: u64,
    #[pyo3(get)]
    frame: u64,
    #[pyo3(get)]
    distance_m: f64,
    #[pyo3(get)]
    distance_std_m: f64,
    #[pyo3(get)]
    center_m: f64,
    #[pyo3(get)]
    center_std_m: f64,
    #[pyo3(get)]
    surface_m: f64,
    #[pyo3(get)]
    surface_std_m: f64,
    #[pyo3(get)]
    cloud_m: f64,
    #[pyo3(get)]
    cloud_std_m: f64,
    #[pyo3(get)]
    reward: f64,
    #[pyo3(get)]
    shaped_reward: f64,
    #[pyo3(get)]
    potential: f64,
    #[pyo3(get)]
    confidence: f32,
    #[pyo3(get)]
    success: bool,
    #[pyo3(get)]
    terminated: bool,
    #[pyo3(get)]
    stamp_s: f64,
    #[pyo3(get)]
    valid: bool,
    #[pyo3(get)]
    reason: Option<&'static str>,
    #[pyo3(get)]
    distance_kind: &'static str,
    #[pyo3(get)]
    fingertip: Option<Edges>,
    #[pyo3(get)]
    target: Option<Edges>,
    #[pyo3(get)]
    interval_90_m: Option<(f64, f64)>,
    #[pyo3(get)]
    answer: String,
    step: CoreStep,
}

impl From<CoreStep> for Step {
    fn from(step: CoreStep) -> Self {
        Self {
            index: step.index,
            episode: step.episode,
            frame: step.frame,
            distance_m: step.distance_m,
            distance_std_m: step.distance_std_m,
            center_m: step.center_m,
            center_std_m: step.center_std_m,
            surface_m: step.surface_m,
            surface_std_m: step.surface_std_m,
            cloud_m: step.cloud_m,
            cloud_std_m: step.cloud_std_m,
            reward: step.reward,
            shaped_reward: step.shaped_reward,
            potential: step.potential,
            confidence: step.confidence,
            success: step.success,
            terminated: step.terminated,
            stamp_s: step.stamp_nanos as f64 / 1e9,
            valid: step.is_valid(),
            reason: step.reason.map(|reason| reason.name()),
            distance_kind: step.distance_kind.name(),
            fingertip: step.fingertip.as_ref().map(edges),
            target: step.target.as_ref().map(edges),
            interval_90_m: step.interval_90(),
            answer: step.answer.clone(),
            step,
        }
    }
}

#[pymethods]
impl Step {
    /// What it says of a whole task, where one is given.
    #[getter]
    fn task(&self) -> Option<TaskStep> {
        self.step.task.as_deref().cloned().map(TaskStep::from)
    }

    /// All of it.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let step = &self.step;
        let dict = PyDict::new(py);
        let numbers = [
            ("reward", step.reward),
            ("distance_m", step.distance_m),
            ("distance_std_m", step.distance_std_m),
            ("center_m", step.center_m),
            ("center_std_m", step.center_std_m),
            ("surface_m", step.surface_m),
            ("surface_std_m", step.surface_std_m),
            ("cloud_m", step.cloud_m),
            ("cloud_std_m", step.cloud_std_m),
            ("shaped_reward", step.shaped_reward),
            ("potential", step.potential),
            ("stamp_s", self.stamp_s),
        ];
        for (name, value) in numbers {
            dict.set_item(name, value)?;
        }
        for (name, value) in [
            ("index", step.index),
            ("episode", step.episode),
            ("frame", step.frame),
        ] {
            dict.set_item(name, value)?;
        }
        let truths = [
            ("valid", self.valid),
            ("success", step.success),
            ("terminated", step.terminated),
        ];
        for (name, value) in truths {
            dict.set_item(name, value)?;
        }
        dict.set_item("confidence", step.confidence)?;
        dict.set_item("reason", self.reason)?;
        dict.set_item("distance_kind", self.distance_kind)?;
        dict.set_item("fingertip", self.fingertip)?;
        dict.set_item("target", self.target)?;
        dict.set_item("answer", &self.answer)?;
        if let Some(task) = self.task() {
            task.write_into(&dict)?;
        }
        Ok(dict)
    }

    /// The step drawn into its picture, as a JPEG.
    fn draw<'py>(
        &self,
        py: Python<'py>,
        color: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let color = arrays::color(color)?;
        let drawn = py.detach(|| spatial_reward_figures::overlay::jpeg(&color, &self.step));
        let drawn =
            drawn.map_err(|error| PyErr::from(Failure::of("picture", error.to_string())))?;
        Ok(PyBytes::new(py, &drawn))
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        reduced::<Self>(py, &self.step)
    }

    #[staticmethod]
    fn _restored(text: &str) -> PyResult<Self> {
        restored::<CoreStep>(text).map(Self::from)
    }

    fn __repr__(&self) -> String {
        let step = &self.step;
        let index = step.index;
        let success = if step.success { ", success" } else { "" };
        match (step.reason, &step.task) {
            (Some(reason), _) => format!("Step(index={index}, invalid: {})", reason.name()),
            (None, Some(task)) if !task.phase.is_empty() => format!(
                "Step(index={index}, reward={:.4}, phase '{}', progress {:.2}{success})",
                step.reward, task.phase, task.progress
            ),
            (None, _) => format!(
                "Step(index={index}, reward={:.4}, {} distance {:.4} m +- {:.4}{success})",
                step.reward,
                step.distance_kind.name(),
                step.distance_m,
                step.distance_std_m
            ),
        }
    }

    fn _repr_html_(&self) -> String {
        let step = &self.step;
        let mut rows = String::new();
        let mut row = |name: &str, value: String| {
            // Into a String nothing can fail.
            let _ = write!(
                rows,
                "<tr><th style='text-align:left'>{name}</th><td>{value}</td></tr>"
            );
        };
        match step.reason {
            Some(reason) => row("invalid", reason.name().to_owned()),
            None => {
                row("reward", format!("{:.4}", step.reward));
                let kind = step.distance_kind.name();
                let within = step.interval_90().map_or(String::new(), |(low, high)| {
                    format!(" (9 of 10 times {low:.4} to {high:.4} m)")
                });
                row(
                    &format!("{kind} distance"),
                    format!("{:.4} m{within}", step.distance_m),
                );
                row("success", step.success.to_string());
            }
        }
        if let Some(task) = step.task.as_ref().filter(|task| !task.phase.is_empty()) {
            row("phase", task.phase.clone());
            row("progress", format!("{:.2}", task.progress));
        }
        row(
            "step",
            format!(
                "{} (frame {} of episode {})",
                step.index, step.frame, step.episode
            ),
        );
        format!(
            "<div style='display:flex;gap:1em;align-items:center'>{}<table>{rows}</table></div>",
            boxes(step)
        )
    }
}

/// Both boxes, as far as they reach: a step does not keep its picture.
fn boxes(step: &CoreStep) -> String {
    let drawn = [
        (step.fingertip, "#d97706", "fingertip"),
        (step.target, "#059669", "target"),
    ];
    let proper: Vec<_> = (drawn.into_iter())
        .filter_map(|(bbox, color, name)| Some((bbox.filter(BoundingBox::is_proper)?, color, name)))
        .collect();
    let all = proper.iter().map(|(bbox, ..)| *bbox).reduce(|all, bbox| {
        BoundingBox::new(
            all.x_min.min(bbox.x_min),
            all.y_min.min(bbox.y_min),
            all.x_max.max(bbox.x_max),
            all.y_max.max(bbox.y_max),
        )
    });
    let Some(all) = all else { return String::new() };
    let margin = 0.05 * f64::max(all.width(), all.height());
    let mut svg = format!(
        "<svg width='160' height='120' viewBox='{} {} {} {}' role='img' aria-label='both boxes'>",
        all.x_min - margin,
        all.y_min - margin,
        all.width() + 2.0 * margin,
        all.height() + 2.0 * margin
    );
    for (bbox, color, name) in proper {
        let _ = write!(
            svg,
            "<rect x='{}' y='{}' width='{}' height='{}' fill='none' stroke='{color}' stroke-width='2' \
             vector-effect='non-scaling-stroke'><title>{name}</title></rect>",
            bbox.x_min,
            bbox.y_min,
            bbox.width(),
            bbox.height()
        );
    }
    svg + "</svg>"
}

/// A picture in a page.
pub(crate) fn embedded(png: &[u8], words: &str) -> String {
    format!(
        "<img style='max-width:100%' alt='{words}' src='data:image/png;base64,{}'>",
        STANDARD.encode(png)
    )
}
