//! From a row of a dataset to what the network is trained on: pictures and masks as the labeller makes
//! them, several questions behind one picture, and where each cell of the picture lies in space.
//!
//! Questions about one frame share its picture's tokens, which are most of a prompt. Each sees what comes
//! before it up to the picture and itself, and has the positions that it would have alone: to the network
//! they are separate conversations that begin alike.

use image::ImageReader;

use super::rows::{Row, Turn};
use crate::error::{Error, Result};
use crate::frame::BoundingBox;
use crate::imaging::{ImageProcessor, Mask, open_color, open_gray};
use crate::prompt::Template;
use crate::random::Random;
use crate::spatialrgpt::model::View;
use crate::spatialrgpt::tokenizer::{IMAGE_TOKEN, Tokenizer};

/// One question in so many does not see the image's tokens. Two regions hold most of what a question needs,
/// but they are a few tokens among hundreds: without this, a network that begins looks past them for long.
const BLIND_ONE_IN: u64 = 2;

/// What the network is trained on of one frame.
pub struct Example {
    pub view: View,
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
    /// The regions whose embeddings replace the `<mask>`s, in order, and the `<depth>`s.
    pub mask_mentions: Vec<usize>,
    pub depth_mentions: Vec<usize>,
    /// Questions that do not see the image's tokens, only their regions.
    pub blind: Vec<i64>,
}

/// Where things are, metres in the camera's optical frame.
pub struct Geometry {
    /// (4G, 4G) cells, row by row; NaN where nothing is known.
    pub cells: Vec<[f32; 3]>,
    /// One a region.
    pub points: Vec<[f32; 3]>,
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
}

impl Maker<'_> {
    /// # Errors
    /// What is wrong with the row's pictures, or a text that the tokenizer refuses.
    pub fn example(&self, row: &Row, random: &mut Random) -> Result<Example> {
        let view = self.view(row)?;
        let turns = self.choose(row, random);
        let with_depth = view.depth.is_some();
        Ok(Example {
            sequence: self.sequence(&turns, with_depth, random)?,
            geometry: self.geometry(row)?,
            view,
        })
    }

    /// What the network is shown.
    ///
    /// # Errors
    /// What is wrong with the pictures.
    pub fn view(&self, row: &Row) -> Result<View> {
        let color = open_color(&row.color)?;
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
            masks: masks.collect::<Result<_>>()?,
            color: self.processor.process(&color)?,
            depth,
        })
    }

    /// Some of the row's questions, without repeats.
    fn choose<'r>(&self, row: &'r Row, random: &mut Random) -> Vec<&'r Turn> {
        let mut turns: Vec<&Turn> = row.turns.iter().collect();
        let wanted = self.questions.min(turns.len());
        for taken in 0..wanted {
            let other = taken + random.below((turns.len() - taken) as u64) as usize;
            turns.swap(taken, other);
        }
        turns.truncate(wanted);
        turns
    }

    /// Each question once about colour alone and, where there is depth, once about both.
    fn sequence(&self, turns: &[&Turn], with_depth: bool, random: &mut Random) -> Result<Sequence> {
        let mut sequence = Sequence::default();
        let mut block = 0;
        for turn in turns {
            for depth in [false, true] {
                if depth && !with_depth {
                    continue;
                }
                block += 1;
                if random.below(BLIND_ONE_IN) == 0 {
                    sequence.blind.push(block);
                }
                self.append(&mut sequence, turn, depth, block)?;
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
        to.mask_mentions.extend(&turn.mentions);
        if depth {
            to.depth_mentions.extend(&turn.mentions);
        }
        Ok(())
    }

    /// Where the cells of the enlarged map and the regions are.
    fn geometry(&self, row: &Row) -> Result<Geometry> {
        let side = 4 * self.grid;
        let unknown = [f32::NAN; 3];
        let cells = match (&row.metric, row.intrinsics) {
            (Some(path), Some(intrinsics)) => {
                let picture = ImageReader::open(path)
                    .map_err(Error::io("open", path))?
                    .decode()
                    .map_err(|error| Error::Picture {
                        path: path.clone(),
                        message: error.to_string(),
                    })?;
                let depth = picture.to_luma16();
                points(&depth, intrinsics, side)
            }
            _ => vec![unknown; side * side],
        };
        let known = |point: &Option<[f32; 3]>| point.unwrap_or(unknown);
        Ok(Geometry {
            cells,
            points: row.points.iter().map(known).collect(),
        })
    }
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
