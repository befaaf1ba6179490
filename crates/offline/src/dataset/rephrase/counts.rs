//! What rephrasing gave and cost: a part of `dataset.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// The first three are of the data set, the others of this run. The keys are a public interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rephrased {
    /// The model's name at its endpoint.
    pub model: String,
    /// Rows with other words for a photo's questions.
    pub rows: u64,
    /// Questions in them.
    pub questions: u64,
    /// Questions that no try gave other words for: they stand in the templates' alone.
    pub left: u64,
    /// Questions that were asked about.
    pub asked: u64,
    /// Those whose words were there already.
    pub from_cache: u64,
    /// Requests that were sent, the refused among them.
    pub requests: u64,
    /// As the endpoint counts.
    pub prompt_tokens: u64,
    /// The same.
    pub completion_tokens: u64,
    /// Tries that gave nothing: reason to count.
    pub refused: BTreeMap<String, u64>,
    /// How often the endpoint asked for patience.
    pub waits: u64,
}

impl Rephrased {
    /// Count a try that gave nothing.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal.name().to_owned()).or_default() += 1;
    }
}
