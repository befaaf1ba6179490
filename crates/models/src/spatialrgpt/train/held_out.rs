//! What the model answers on frames it never learned from: its distances against the dataset's, with
//! relative depth and without.

use super::maker::Maker;
use super::rows::{TrainingRow, Turn};
use crate::error::Result;
use crate::spatialrgpt::draft::Draft;
use crate::spatialrgpt::generate::{Generated, Limits, Request};
use crate::spatialrgpt::model::{SpatialRgpt, View};
use spatial_reward_core::answer::parse_distance;
use spatial_reward_core::prompt::format;
use spatial_reward_core::statistics::{absolute_relative_error, spearman, within_25_percent};

/// The dataset's name for questions about the distance between two regions.
const DISTANCE: &str = "direct_distance";
const FRAMES_AT_ONCE: usize = 8;
const MOST_TOKENS: usize = 32;

/// How good answers are (SpatialRGPT-Bench, contracts.md).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Figures {
    /// Questions whose true distance is known.
    pub questions: usize,
    /// The share within a quarter of the truth; what does not parse is not.
    pub within_quarter: f64,
    /// |p - g| / (g + 1e-4), of those that parse.
    pub absolute_relative_error: f64,
    /// Rank correlation of the distances that parse with the true ones.
    pub spearman: f64,
    /// The share that states no distance.
    pub unparsed: f64,
}

/// Rows spread evenly over a dataset, each with one question for a distance.
pub(super) fn choose(rows: &[TrainingRow], most: usize) -> Vec<(&TrainingRow, &Turn)> {
    let asked = |row| Some((row, distance_turn(row)?));
    let all: Vec<(&TrainingRow, &Turn)> = rows.iter().filter_map(asked).collect();
    let every = all.len().div_ceil(most.max(1)).max(1);
    all.into_iter().step_by(every).collect()
}

fn distance_turn(row: &TrainingRow) -> Option<&Turn> {
    row.turns.iter().find(|turn| turn.category == DISTANCE)
}

/// Asks the model as it is now and compares its answers.
///
/// # Errors
/// What the pictures or libtorch refuse.
pub(super) fn evaluate(
    network: &SpatialRgpt,
    maker: &Maker,
    chosen: &[(&TrainingRow, &Turn)],
    with_depth: bool,
) -> Result<Figures> {
    let limits = limits(network, maker);
    let (mut said, mut truth) = (Vec::new(), Vec::new());
    for chunk in chosen.chunks(FRAMES_AT_ONCE) {
        let answers = ask(network, maker, chunk, with_depth, &limits)?;
        for ((_, turn), answer) in chunk.iter().zip(answers) {
            let Some(known) = parse_distance(&turn.answer) else {
                continue;
            };
            let text = maker.tokenizer.decode(&answer.ids)?;
            truth.push(known.distance_m);
            said.push(parse_distance(&text).map(|parsed| parsed.distance_m));
        }
    }
    Ok(Figures::of(&said, &truth))
}

/// When an answer ends.
fn limits(network: &SpatialRgpt, maker: &Maker) -> Limits {
    let stop_ids = maker.tokenizer.id_of(maker.template.stop());
    Limits {
        max_new_tokens: MOST_TOKENS,
        stop_ids: network
            .config
            .eos_token_ids
            .iter()
            .copied()
            .chain(stop_ids)
            .collect(),
    }
}

/// What the model answers to one question a row.
fn ask(
    network: &SpatialRgpt,
    maker: &Maker,
    chunk: &[(&TrainingRow, &Turn)],
    with_depth: bool,
    limits: &Limits,
) -> Result<Vec<Generated>> {
    let views: Vec<View> = chunk
        .iter()
        .map(|(row, _)| {
            let view = maker.view(row, None)?;
            let depth = view.depth.filter(|_| with_depth);
            Ok(View { depth, ..view })
        })
        .collect::<Result<_>>()?;
    let features = network.encode(&views)?;
    let prompts: Vec<Vec<i64>> = chunk
        .iter()
        .map(|(_, turn)| {
            let question = format::with_depth(&turn.question, with_depth);
            let prompt = maker.template.render(&[], &format::with_image(&question))?;
            maker.tokenizer.encode_prompt(&prompt)
        })
        .collect::<Result<_>>()?;
    let requests: Vec<Request> = chunk
        .iter()
        .zip(&features)
        .zip(&prompts)
        .map(|(((_, turn), features), ids)| Request {
            features,
            ids,
            mentions: &turn.mentions,
        })
        .collect();
    network.generate(&requests, limits, &mut Draft::default())
}

impl Figures {
    fn of(said: &[Option<f64>], truth: &[f64]) -> Self {
        let pairs = said.iter().zip(truth);
        let pairs: Vec<(f64, f64)> = pairs.filter_map(|(p, g)| Some(((*p)?, *g))).collect();
        let count = truth.len().max(1) as f64;
        let within = pairs
            .iter()
            .copied()
            .filter(|pair| within_25_percent(*pair));
        let (p, g): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        Self {
            questions: truth.len(),
            within_quarter: within.count() as f64 / count,
            absolute_relative_error: absolute_relative_error(&pairs).unwrap_or(f64::NAN),
            spearman: spearman(&p, &g).unwrap_or(f64::NAN),
            unparsed: (truth.len() - pairs.len()) as f64 / count,
        }
    }

    /// How many columns they fill.
    pub(super) const COLUMNS: usize = 4;

    /// As a table's columns.
    pub(super) fn columns(&self) -> [f64; Self::COLUMNS] {
        [
            self.within_quarter,
            self.absolute_relative_error,
            self.spearman,
            self.unparsed,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::Figures;

    #[test]
    fn what_does_not_parse_fails_and_is_left_out_of_the_error() {
        let figures = Figures::of(
            &[Some(0.10), Some(0.30), None, Some(0.41)],
            &[0.10, 0.20, 0.30, 0.40],
        );
        assert_eq!(figures.questions, 4);
        assert_eq!(figures.within_quarter, 0.5);
        assert_eq!(figures.unparsed, 0.25);
        assert!((figures.absolute_relative_error - (0.5 + 0.025) / 3.0).abs() < 1e-3);
        assert!((figures.spearman - 1.0).abs() < 1e-9);
    }
}
