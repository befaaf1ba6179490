//! A task's words for the step under the pointer: its phase, its pairs, its reward.

use std::collections::BTreeMap;

use super::hover::{MOST_STEPS, harmless};
use crate::report::contents::Report;
use spatial_reward_core::step::Step;
use spatial_reward_core::task::TaskStep;

/// The words of each step, and the script that shows them; empty without a task.
pub(super) fn scripts(report: &Report) -> String {
    let stride = report.steps.len().div_ceil(MOST_STEPS).max(1);
    let steps = report.steps.iter().step_by(stride);
    let told = steps.filter_map(|step| Some((step.index, words(step, step.task.as_ref()?))));
    let told: BTreeMap<u64, String> = told.collect();
    if told.is_empty() {
        return String::new();
    }
    // Text by number always goes into JSON.
    let json = harmless(&serde_json::to_string(&told).unwrap_or_default());
    let script = include_str!("task.js");
    format!(
        "<script type=\"application/json\" id=\"task\">{json}</script>\n<script>\n{script}</script>\n"
    )
}

fn words(step: &Step, task: &TaskStep) -> String {
    let mut lines = Vec::new();
    if !task.phase.is_empty() {
        lines.push(match task.progress.is_finite() {
            true => format!("{}, {:.0} % of the task", task.phase, task.progress * 100.0),
            false => task.phase.clone(),
        });
    }
    for pair in &task.pairs {
        let (name, kind) = (&pair.name, pair.kind.name());
        lines.push(match pair.reason {
            Some(reason) => format!("{name}: {}", reason.name()),
            None => format!("{name}: {:.4} m ({kind})", pair.distance_m),
        });
    }
    lines.push(match step.reason {
        Some(reason) => format!("no reward: {}", reason.name()),
        None => format!("reward {:.4}", step.reward),
    });
    lines.join("\n")
}
