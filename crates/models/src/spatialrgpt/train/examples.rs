//! From a row of a dataset to what the network is trained on: pictures and masks as the labeller makes
//! them, several questions behind one picture, and where each cell of the picture lies in space.
//!
//! Questions about one frame share its picture's tokens, which are most of a prompt. Each sees what comes
//! before it up to the picture and itself, and has the positions that it would have alone: to the network
//! they are separate conversations that begin alike.

use image::ImageReader;

use super::rows::{Row, Turn};
use super::variations::{Tone, holds_mirrored, mirrored_geometry, mirrored_view};
use crate::error::{Error, Result};
use crate::nn::tokenizer::{IMAGE_TOKEN, Tokenizer};
use crate::spatialrgpt::model::View;
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::imaging::{ImageProcessor, Mask, open_color, open_gray};
use spatial_reward_core::prompt::Template;
use spatial_reward_core::random::Random;

/// One question in so many sees nothing of the conversation's beginning, the image's tokens among it. Two
/// regions hold most of what a question needs, but they are a few tokens among hundreds: without this, a network
/// that begins looks past them for long. Where the two learn apart, no question sees it.
const BLIND_ONE_IN: u64 = 2;

/// Of the frames that are varied, one in so many has another tone than it was taken with.
const TONED_ONE_IN: u64 = 2;

/// Of the frames that are varied, one in so many is shown in a mirror.
const MIRRORED_ONE_IN: u64 = 2;

/// In one question in so many it is told, where it is told sometimes.
const TOLD_ONE_IN: u64 = 4;

/// How often the language model is told where regions are instead of being shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// It sees nothing; the rest of the network learns by itself to see.
    Always,
    /// It learns to do with what is seen, and keeps on knowing what it has to say.
    Sometimes,
    /// What is seen is all that there will be.
    Never,
}

/// What the network is trained on of one frame.
pub struct Example {
    pub view: View,
    pub telling: Telling,
    pub sequence: Sequence,
    pub geometry: Geometry,
}

/// Token ids of a beginning and of several questions with their answers behind it.
#[derive(Debug, Default, PartialEq)]
pub struct Sequence {
    /// With the image's placeholder.
    pub ids: Vec<i64>,
    /// The question that a token belongs to, counted from 1; 0 for the beginning that all share.
    pub blocks: Vec<i64>,
    /// The place of each token in its own conversation; the image counts as one.
    pub positions: Vec<i64>,
    /// Whether the token belongs to an answer, so that it is learned to come after what is before it.
    pub is_answer: Vec<bool>,
    /// The rows of embeddings that replace the `<mask>`s, in order, and the `<depth>`s: a region's number
    /// where its embedding is what is seen of it; [`told`] has the others.
    pub mask_mentions: Vec<usize>,
    pub depth_mentions: Vec<usize>,
    /// Questions that see nothing but themselves and their regions.
    pub blind: Vec<i64>,
}

/// Where things are, metres in the camera's optical frame.
pub struct Geometry {
    /// (4G, 4G) cells, row by row; NaN where nothing is known.
    pub cells: Vec<[f32; 3]>,
    /// One a region: where it is and how wide and high it looks at that distance.
    pub regions: Vec<[f32; 5]>,
    /// The same, as one who judges depth badly would tell it.
    pub misjudged: Vec<[f32; 5]>,
}

/// The row of embeddings of a region that the language model is told of: after the rows of what is seen come
/// those of where the regions are, then those of where one might take them to be.
fn told(region: usize, regions: usize, misjudged: bool) -> usize {
    region + regions * if misjudged { 2 } else { 1 }
}

/// How examples are made; what all of a run share.
pub struct Maker<'a> {
    pub processor: &'a ImageProcessor,
    pub tokenizer: &'a Tokenizer,
    pub template: Template,
    /// Whether the network takes relative depth.
    pub takes_depth: bool,
    /// Patches along a side of the vision tower's grid.
    pub grid: usize,
    /// Questions of a frame that are taken at a time.
    pub questions: usize,
    /// Whether frames are shown in a mirror and in other tones.
    pub varies: bool,
}

impl Maker<'_> {
    /// An example; `None` where the language model is to be told where the regions are and the row does not know.
    ///
    /// # Errors
    /// What is wrong with the row's pictures, or a text that the tokenizer refuses.
    pub fn example(
        &self,
        row: &Row,
        telling: Telling,
        random: &mut Random,
    ) -> Result<Option<Example>> {
        if telling == Telling::Always && !row.has_places() {
            return Ok(None);
        }
        let regions = regions(row);
        let toned = self.varies && random.below(TONED_ONE_IN) == 0;
        let view = self.view(row, toned.then(|| Tone::any(random)))?;
        let mut turns: Vec<&Turn> = row.turns.iter().collect();
        let mirrored = self.varies
            && row.turns.iter().any(holds_mirrored)
            && random.below(MIRRORED_ONE_IN) == 0;
        if mirrored {
            turns.retain(|turn| holds_mirrored(turn));
        }
        let turns = self.choose(turns, random);
        let with_depth = view.depth.is_some();
        let sequence = self.sequence(&turns, &regions, with_depth, telling, random)?;
        let geometry = Geometry {
            cells: self.cells(row)?,
            misjudged: misjudged(&regions, random),
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
            telling,
            sequence,
            geometry,
        }))
    }

    /// What the network is shown, the picture in its own tone or in another.
    ///
    /// # Errors
    /// What is wrong with the pictures.
    pub fn view(&self, row: &Row, tone: Option<Tone>) -> Result<View> {
        let mut color = open_color(&row.color)?;
        if let Some(tone) = tone {
            color = tone.apply(color);
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
        telling: Telling,
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
                if random.below(BLIND_ONE_IN) == 0 || telling == Telling::Always {
                    sequence.blind.push(block);
                }
                let is_told = match telling {
                    Telling::Always => true,
                    Telling::Sometimes => random.below(TOLD_ONE_IN) == 0,
                    Telling::Never => false,
                };
                let is_told = is_told && turn.mentions.iter().all(is_known);
                self.append(&mut sequence, turn, depth, block)?;
                // Who sees depth may trust it more than what colour makes of it.
                let row = |misjudged| {
                    move |&region: &usize| match is_told {
                        true => told(region, regions.len(), misjudged),
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
        let question = worded(&turn.question, depth);
        let prompt = self.template.render(&[], &format!("<image>\n{question}"))?;
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
    fn cells(&self, row: &Row) -> Result<Vec<[f32; 3]>> {
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
fn regions(row: &Row) -> Vec<[f32; 5]> {
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
fn misjudged(regions: &[[f32; 5]], random: &mut Random) -> Vec<[f32; 5]> {
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

/// A question of a dataset, which is worded with depth, for a model that is shown depth or not.
pub fn worded(question: &str, depth: bool) -> String {
    let plain = question.replace("<mask> <depth>", "<mask>");
    match depth {
        true => plain.replace("<mask>", "<mask> <depth>"),
        false => plain,
    }
}
