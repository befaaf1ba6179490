//! What came of the frames: counts for people, for `dataset.json` and for the exit code.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts over some frames.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Frames that were worked on.
    pub frames: u64,
    /// Those that gave a row.
    pub rows: u64,
    /// Reason to count.
    pub skipped_frames: BTreeMap<String, u64>,
    /// Regions in the rows.
    pub regions: u64,
    /// Reason to count.
    pub skipped_regions: BTreeMap<String, u64>,
    /// Rows whose camera's depth picture is missing or broken.
    pub rows_without_depth: u64,
    /// Rows with no question that needs to know which way is up.
    pub rows_without_gravity: u64,
    /// Category to count.
    pub questions: BTreeMap<String, u64>,
}

impl Tally {
    /// Count the other's frames too.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.rows += other.rows;
        self.regions += other.regions;
        self.rows_without_depth += other.rows_without_depth;
        self.rows_without_gravity += other.rows_without_gravity;
        for (sums, counts) in [
            (&mut self.skipped_frames, &other.skipped_frames),
            (&mut self.skipped_regions, &other.skipped_regions),
            (&mut self.questions, &other.questions),
        ] {
            for (key, count) in counts {
                *sums.entry(key.clone()).or_default() += count;
            }
        }
    }

    /// Count a frame without a row.
    pub fn skip_frame(&mut self, reason: &str) {
        *self.skipped_frames.entry(reason.to_owned()).or_default() += 1;
    }

    /// Count a box without a region.
    pub fn skip_region(&mut self, reason: &str) {
        *self.skipped_regions.entry(reason.to_owned()).or_default() += 1;
    }

    /// Count a question.
    pub fn ask(&mut self, category: &str) {
        *self.questions.entry(category.to_owned()).or_default() += 1;
    }
}
