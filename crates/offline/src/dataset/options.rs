//! How a data set is made: how much is asked, of which frames.

use serde::Serialize;

/// How much is asked, and of which frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Options {
    /// Every so manieth frame of a bag; at least 1.
    pub every: u64,
    /// Questions a frame, at most.
    pub questions: usize,
    /// The share of direct distances among them, from 0 to 1.
    pub direct: f64,
    /// The share of direct distances that are asked in the words in which bags are labelled.
    pub default_wording: f64,
    /// What chance begins with: the same seed gives the same data set.
    pub seed: u64,
}
