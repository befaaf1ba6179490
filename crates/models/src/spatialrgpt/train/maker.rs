//! From a row of a dataset to what the network is trained on: pictures and masks as the labeller makes
//! them, several questions behind one picture, and where each cell of the picture lies in space.
//!
//! Questions about one frame share its picture's tokens, which are most of a prompt. Each sees what comes
//! before it up to the picture and itself, and has the positions that it would have alone: to the network
//! they are separate conversations that begin alike.

use image::ImageReader;

use super::augmentation::{ColorJitter, holds_mirrored, mirrored_geometry, mirrored_view};
use super::example::{Example, Geometry, OracleRegions, Sequence, oracle_row};
use super::rows::{TrainingRow, Turn};
use crate::error::{Error, Result};
use crate::nn::tokenizer::{IMAGE_TOKEN, Tokenizer};
use crate::spatialrgpt::model::View;
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::imaging::{ImageProcessor, Mask, open_color, open_gray};
use spatial_reward_core::prompt::{Template, format};
use spatial_reward_core::random::Random;

/// One question in so many sees nothing of the conversation's beginning, the image's tokens among it. Two
/// regions hold most of what a question needs, but they are a few tokens among hundreds: without this, a network
/// that begins looks past them for long. While the two learn separately, no question sees it.
const BLIND_ONE_IN: u64 = 2;

/// Of the frames that are augmented, one in so many has other colours than it was taken with.
const JITTERED_ONE_IN: u64 = 2;

/// Of the frames that are augmented, one in so many is shown in a mirror.
const MIRRORED_ONE_IN: u64 = 2;

/// One question in so many is about oracle regions, where they come sometimes.
const ORACLE_ONE_IN: u64 = 4;

/// How examples are made; what all of a run share.
pub(super) struct Maker<'a> {
    /// What makes the tower's pictures.
    pub processor: &'a ImageProcessor,
    /// The network's own.
    pub tokenizer: &'a Tokenizer,
    /// How a conversation becomes a prompt.
    pub template: Template,
    /// Whether the network takes relative depth.
    pub takes_depth: bool,
    /// Patches along a side of the vision tower's grid.
    pub grid: usize,
    /// Questions of a frame that are taken at a time.
    pub questions: usize,
    /// Whether frames are shown in a mirror and in other colours.
    pub augments: bool,
}

impl Maker<'_> {
    /// An example; `None` where it must have oracle regions and the row does not know where they are.
    ///
    /// # Errors
    /// What is wrong with the row's pictures, or a text that the tokenizer refuses.
    pub(super) fn example(
        &self,
        row: &TrainingRow,
        oracle: OracleRegions,
        random: &mut Random,
    ) -> Result<Option<Example>> {
        if oracle == OracleRegions::Always && !row.has_places() {
            return Ok(None);
        }
        let regions = regions(row);
        let jittered = self.augments && random.below(JITTERED_ONE_IN) == 0;
        let view = self.view(row, jittered.then(|| ColorJitter::any(random)))?;
        let mut turns: Vec<&Turn> = row.turns.iter().collect();
        let mirrored = self.augments
            && row.turns.iter().any(holds_mirrored)
            && random.below(MIRRORED_ONE_IN) == 0;
        if mirrored {
            turns.retain(|turn| holds_mirrored(turn));
        }
        let turns = self.choose(turns, random);
        let with_depth = view.depth.is_some();
        let sequence = self.sequence(&turns, &regions, with_depth, oracle, random)?;
        let geometry = Geometry {
            cells: self.cells(row)?,
            perturbed: perturbed(&regions, random),
            regions,
        };
        let (view, geometry) = match mirrored {
            true => (
                mirrored_view(view, self.processor.side() as usize),
                mirrored_geometry(geometry, self.cells_a_row()),
            ),
            false => (view, geometry),
        };
        Ok(Some(Example {
            view,
            oracle,
            sequence,
            geometry,
        }))
    }

    /// What the network is shown, the picture in its own colours or in others.
    ///
    /// # Errors
    /// What is wrong with the pictures.
    pub(super) fn view(&self, row: &TrainingRow, jitter: Option<ColorJitter>) -> Result<View> {
        let mut color = open_color(&row.color)?;
        if let Some(jitter) = jitter {
            color = jitter.apply(color);
        }
        let depth = match (&row.depth, self.takes_depth) {
            (Some(path), true) => Some(self.processor.process_gray(&open_gray(path)?)?),
            _ => None,
        };
        let masks = row.boxes.iter().map(|[x_min, y_min, x_max, y_max]| {
            let bbox = BoundingBox::new(*x_min, *y_min, *x_max, *y_max);
            self.processor
                .mask(&Mask::from_box(&bbox, color.width, color.height))
        });
        Ok(View {
            masks: masks.collect::<Result<_, spatial_reward_core::Error>>()?,
            color: self.processor.process(&color)?,
            depth,
        })
    }

    /// Some of the questions, without repeats.
    fn choose<'r>(&self, mut turns: Vec<&'r Turn>, random: &mut Random) -> Vec<&'r Turn> {
        let wanted = self.questions.min(turns.len());
        for taken in 0..wanted {
            let other = taken + random.below((turns.len() - taken) as u64) as usize;
            turns.swap(taken, other);
        }
        turns.truncate(wanted);
        turns
    }

    /// Each question once about colour alone and, where there is depth, once about both.
    fn sequence(
        &self,
        turns: &[&Turn],
        regions: &[[f32; 5]],
        with_depth: bool,
        oracle: OracleRegions,
        random: &mut Random,
    ) -> Result<Sequence> {
        let mut sequence = Sequence::default();
        let mut block = 0;
        let is_known = |region: &usize| regions[*region].iter().all(|value| value.is_finite());
        for turn in turns {
            for depth in [false, true] {
                if depth && !with_depth {
                    continue;
                }
                block += 1;
                if random.below(BLIND_ONE_IN) == 0 || oracle == OracleRegions::Always {
                    sequence.blind.push(block);
                }
                let has_oracle = match oracle {
                    OracleRegions::Always => true,
                    OracleRegions::Sometimes => random.below(ORACLE_ONE_IN) == 0,
                    OracleRegions::Never => false,
                };
                let has_oracle = has_oracle && turn.mentions.iter().all(is_known);
                self.append(&mut sequence, turn, depth, block)?;
                // Who sees depth may trust it more than what colour makes of it.
                let row = |perturbed| {
                    move |&region: &usize| match has_oracle {
                        true => oracle_row(region, regions.len(), perturbed),
                        false => region,
                    }
                };
                let mentions = turn.mentions.iter();
                sequence
                    .mask_mentions
                    .extend(mentions.clone().map(row(depth)));
                if depth {
                    sequence.depth_mentions.extend(mentions.map(row(false)));
                }
            }
        }
        Ok(sequence)
    }

    fn append(&self, to: &mut Sequence, turn: &Turn, depth: bool, block: i64) -> Result<()> {
        let question = format::with_depth(&turn.question, depth);
        let prompt = self.template.render(&[], &format::with_image(&question))?;
        let asked = self.tokenizer.encode_prompt(&prompt)?;
        let answered = self.template.answer(&turn.answer);
        let ids = self
            .tokenizer
            .encode_prompt(&format!("{prompt}{answered}"))?;
        // Where the two part, the answer begins: a space between them may belong to either.
        let answer_from = asked.iter().zip(&ids).take_while(|(a, b)| a == b).count();
        let shared = ids
            .iter()
            .position(|&id| id == IMAGE_TOKEN)
            .map_or(0, |at| at + 1);
        let from = if to.ids.is_empty() { 0 } else { shared };
        for (position, &id) in ids.iter().enumerate().skip(from) {
            to.ids.push(id);
            to.blocks.push(if position < shared { 0 } else { block });
            to.positions.push(position as i64);
            to.is_answer.push(position >= answer_from);
        }
        Ok(())
    }

    /// Cells along a side of the enlarged map.
    fn cells_a_row(&self) -> usize {
        4 * self.grid
    }

    /// Where the cells of the enlarged map are.
    fn cells(&self, row: &TrainingRow) -> Result<Vec<[f32; 3]>> {
        let side = self.cells_a_row();
        let unknown = [f32::NAN; 3];
        Ok(match (&row.metric, row.intrinsics) {
            (Some(path), Some(intrinsics)) => {
                let picture = ImageReader::open(path)
                    .map_err(Error::io("open", path))?
                    .decode()
                    .map_err(|error| spatial_reward_core::Error::Picture {
                        path: path.clone(),
                        message: error.to_string(),
                    })?;
                let depth = picture.to_luma16();
                points(&depth, intrinsics, side)
            }
            _ => vec![unknown; side * side],
        })
    }
}

/// Where a row's regions are and how large they look there, NaN where that is not known.
fn regions(row: &TrainingRow) -> Vec<[f32; 5]> {
    let of = |(point, bbox): (&Option<[f32; 3]>, &[f64; 4])| match (point, row.intrinsics) {
        (Some([x, y, z]), Some([fx, fy, ..])) => {
            let width = (bbox[2] - bbox[0]) / fx * f64::from(*z);
            let height = (bbox[3] - bbox[1]) / fy * f64::from(*z);
            [*x, *y, *z, width as f32, height as f32]
        }
        _ => [f32::NAN; 5],
    };
    row.points.iter().zip(&row.boxes).map(of).collect()
}

/// Regions moved along their rays: all together, and a little each alone, as happens to one who knows a
/// picture's scale badly.
fn perturbed(regions: &[[f32; 5]], random: &mut Random) -> Vec<[f32; 5]> {
    const TOGETHER: f64 = 0.1;
    const ALONE: f64 = 0.04;
    let together = TOGETHER * random.deviation();
    let moved = |region: &[f32; 5]| {
        let by = 1.0 + together + ALONE * random.deviation();
        region.map(|value| value * by as f32)
    };
    regions.iter().map(moved).collect()
}

/// What is farther than this is background: of no question, and harder to tell than all the rest.
const FARTHEST_MILLIMETRES: u16 = 2500;

/// The point that the middle of each cell shows.
fn points(
    depth: &image::ImageBuffer<image::Luma<u16>, Vec<u16>>,
    [fx, fy, cx, cy]: [f64; 4],
    side: usize,
) -> Vec<[f32; 3]> {
    let (width, height) = (f64::from(depth.width()), f64::from(depth.height()));
    let at = |row: usize, column: usize| {
        let u = (column as f64 + 0.5) * width / side as f64;
        let v = (row as f64 + 0.5) * height / side as f64;
        let millimetres = depth.get_pixel(u as u32, v as u32).0[0];
        let z = f64::from(millimetres) / 1000.0;
        match millimetres {
            0 | FARTHEST_MILLIMETRES.. => [f32::NAN; 3],
            _ => [(u - cx) / fx * z, (v - cy) / fy * z, z].map(|value| value as f32),
        }
    };
    (0..side)
        .flat_map(|row| (0..side).map(move |column| at(row, column)))
        .collect()
}
