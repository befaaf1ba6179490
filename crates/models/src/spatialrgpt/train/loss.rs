//! One step's loss: how surprised the network is by the answers, and how far off its sense of space is.

use tch::{Device, Kind, Reduction, Tensor};

use super::example::{Example, Geometry, OracleRegions, Sequence};
use super::geometry::{COUNT, Heads, Targets};
use crate::error::Result;
use crate::nn::tokenizer::IMAGE_TOKEN;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::Placement;
use crate::spatialrgpt::llama::Layout;
use crate::spatialrgpt::model::{Features, SpatialRgpt, View};

/// Both losses of a batch, whose examples have oracle regions equally often, with their gradients' ways.
pub(super) struct Losses {
    /// Mean cross entropy of the answers' tokens, nats.
    pub answers: Tensor,
    /// Mean error of each head.
    pub geometry: [Option<Tensor>; COUNT],
}

/// # Errors
/// libtorch's, of which memory is the one to expect.
pub(super) fn losses(network: &SpatialRgpt, heads: &Heads, examples: &[Example]) -> Result<Losses> {
    compute(network, heads, examples).map_err(torch_error("compute the loss"))
}

fn compute(network: &SpatialRgpt, heads: &Heads, examples: &[Example]) -> TchResult<Losses> {
    let views: Vec<&View> = examples.iter().map(|example| &example.view).collect();
    let sequences: Vec<&Sequence> = examples.iter().map(|example| &example.sequence).collect();
    let geometry = examples.iter().map(|example| &example.geometry);
    let device = network.placement.device;
    let features = network.tower_features(&views, None)?;
    let targets = Targets::of(geometry.clone(), network.config.grid(), device)?;
    let oracle = examples
        .first()
        .map_or(OracleRegions::Never, |example| example.oracle);
    let has_oracle = oracle != OracleRegions::Never;
    if oracle == OracleRegions::Always {
        let enlarged = network.enlarged(&features)?;
        let regions = network.regions(&features, enlarged.as_ref(), &views)?;
        let blind = geometry.map(|geometry| blind(network, heads, geometry));
        let blind: Vec<Features> = blind.collect::<TchResult<_>>()?;
        return Ok(Losses {
            geometry: heads.losses(&features, enlarged.as_ref(), &regions, &targets, has_oracle)?,
            answers: answers(network, &blind, &sequences)?,
        });
    }
    let refinement = network.refined(&features)?;
    let regions = network.regions(&features, refinement.refined.as_ref(), &views)?;
    let refined = refinement.refined.as_ref();
    let losses = heads.losses(&features, refined, &regions, &targets, has_oracle)?;
    let image_features = refinement.image_features.f_unbind(0)?;
    let frames = image_features.into_iter().zip(regions).zip(geometry);
    let frames = frames.map(|((image_features, regions), geometry)| {
        let (mut mask_embeds, mut depth_embeds) = (regions.color, regions.depth);
        if has_oracle {
            let oracle = oracle_embeds(heads, geometry, device)?;
            for embeds in [&mut mask_embeds, &mut depth_embeds].into_iter().flatten() {
                *embeds = Tensor::f_cat(&[&*embeds, &oracle.f_to_kind(embeds.kind())?], 0)?;
            }
        }
        Ok(Features {
            image_features,
            mask_embeds,
            depth_embeds,
        })
    });
    Ok(Losses {
        geometry: losses,
        answers: answers(network, &frames.collect::<TchResult<Vec<_>>>()?, &sequences)?,
    })
}

/// The embeddings of where regions are and of where one might take them to be: (2 M, hidden).
fn oracle_embeds(heads: &Heads, geometry: &Geometry, device: Device) -> TchResult<Tensor> {
    let exact = heads.oracle(&geometry.regions, device)?;
    Tensor::f_cat(&[exact, heads.oracle(&geometry.perturbed, device)?], 0)
}

/// A frame of which the language model sees nothing: no image, and the regions are an oracle's.
fn blind(network: &SpatialRgpt, heads: &Heads, geometry: &Geometry) -> TchResult<Features> {
    let Placement { kind, device } = network.placement;
    let oracle = oracle_embeds(heads, geometry, device)?.f_to_kind(kind)?;
    let regions = geometry.regions.len() as i64;
    // Rows in the place of the vision half's stand before them, so that they are numbered as elsewhere.
    let embeds = Tensor::f_cat(&[&oracle.f_narrow(0, 0, regions)?, &oracle], 0)?;
    Ok(Features {
        image_features: Tensor::f_zeros([0, network.config.llm.hidden_size], (kind, device))?,
        mask_embeds: Some(embeds.shallow_clone()),
        depth_embeds: Some(embeds),
    })
}

/// The mean surprise over all tokens of the answers.
fn answers(
    network: &SpatialRgpt,
    frames: &[Features],
    sequences: &[&Sequence],
) -> TchResult<Tensor> {
    let spread: Vec<Spread> = sequences
        .iter()
        .zip(frames)
        .map(|(sequence, features)| Ok(Spread::of(sequence, features.image_features.size2()?.0)))
        .collect::<TchResult<_>>()?;
    let longest = spread
        .iter()
        .map(|s| s.blocks.len())
        .max()
        .unwrap_or_default();
    let embeds: Vec<Tensor> = sequences
        .iter()
        .zip(frames)
        .map(|(sequence, features)| {
            let (masks, depths) = (&sequence.mask_mentions, &sequence.depth_mentions);
            let embeds = network.splice_all(&sequence.ids, features, masks, depths)?; // (T, C)
            let missing = longest as i64 - embeds.size2()?.0;
            embeds.f_constant_pad_nd([0, 0, 0, missing])
        })
        .collect::<TchResult<_>>()?;
    let embeds = Tensor::f_stack(&embeds, 0)?; // (B, T, C)
    let device = embeds.device();
    let hidden = network
        .llm
        .read(&embeds, &layout(&spread, longest, device)?)?;
    let (rows, targets) = learned(&spread, longest);
    let index = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(device);
    let hidden = hidden.f_flatten(0, 1)?.f_index_select(0, &index(&rows)?)?; // (answer tokens, C)
    let logits = network.llm.logits(&hidden)?.f_to_kind(Kind::Float)?; // (answer tokens, V)
    logits.f_cross_entropy_loss(
        &index(&targets)?,
        None::<Tensor>,
        Reduction::Mean,
        -100,
        0.0,
    )
}

/// A sequence once the image has become its tokens.
struct Spread {
    blocks: Vec<i64>,
    positions: Vec<i64>,
    /// The id that is to be learned at a place, where there is one.
    target: Vec<Option<i64>>,
    /// 1 for the questions that see nothing but themselves.
    is_blind: Vec<i64>,
}

impl Spread {
    fn of(sequence: &Sequence, image_tokens: i64) -> Self {
        let mut spread = Self {
            blocks: Vec::new(),
            positions: Vec::new(),
            target: Vec::new(),
            is_blind: Vec::new(),
        };
        let mut shift = 0;
        let tokens = sequence
            .ids
            .iter()
            .zip(&sequence.blocks)
            .zip(&sequence.positions);
        for (((&id, &block), &position), &is_answer) in tokens.zip(&sequence.is_answer) {
            if id == IMAGE_TOKEN {
                for patch in 0..image_tokens {
                    spread.push(block, position + patch, None);
                }
                spread.is_blind.resize(spread.blocks.len(), 0);
                shift = image_tokens - 1;
                continue;
            }
            spread.push(block, position + shift, is_answer.then_some(id));
            spread
                .is_blind
                .push(i64::from(sequence.blind.contains(&block)));
        }
        spread
    }

    fn push(&mut self, block: i64, position: i64, target: Option<i64>) {
        self.blocks.push(block);
        self.positions.push(position);
        self.target.push(target);
    }
}

/// Which embedding sees which: those before it, of the shared beginning or of its own question. What fills
/// a short sequence up is a question of its own, which nobody sees.
fn layout(spread: &[Spread], longest: usize, device: tch::Device) -> TchResult<Layout> {
    const FILLING: i64 = -1;
    let batch = spread.len() as i64;
    let filled = |values: &dyn Fn(&Spread) -> &Vec<i64>, with: i64| {
        let all = spread.iter().flat_map(|s| {
            let values = values(s);
            let missing = longest - values.len();
            values
                .iter()
                .copied()
                .chain(std::iter::repeat_n(with, missing))
        });
        let all: Vec<i64> = all.collect();
        Tensor::f_from_slice(&all)?
            .f_to_device(device)?
            .f_view([batch, longest as i64])
    };
    let blocks = filled(&|s| &s.blocks, FILLING)?; // (B, T)
    let (row, column) = (blocks.f_unsqueeze(2)?, blocks.f_unsqueeze(1)?);
    let length = longest as i64;
    let shared = column.f_eq(0)?; // (B, 1, T)
    let sighted = filled(&|s| &s.is_blind, 0)?.f_unsqueeze(2)?.f_eq(0)?; // (B, T, 1)
    let earlier = Tensor::f_ones([length, length], (Kind::Bool, device))?.f_tril(0)?;
    let sees = row
        .f_eq_tensor(&column)?
        .f_logical_or(&shared.f_logical_and(&sighted)?)?
        .f_logical_and(&earlier)?; // (B, T, T)
    Ok(Layout {
        positions: filled(&|s| &s.positions, 0)?,
        sees: sees.f_unsqueeze(1)?,
    })
}

/// Places (in the batch's flat order) from which a token of an answer is to be foretold, and these tokens.
/// An answer's first token follows its question, in the sequence as in its conversation.
fn learned(spread: &[Spread], longest: usize) -> (Vec<i64>, Vec<i64>) {
    let of = |(index, spread): (usize, &Spread)| {
        let targets = spread.target.iter().enumerate();
        let pairs = targets.filter_map(|(at, target)| Some((at.checked_sub(1)?, (*target)?)));
        let pairs = pairs.map(|(at, target)| ((index * longest + at) as i64, target));
        pairs.collect::<Vec<_>>()
    };
    spread.iter().enumerate().flat_map(of).unzip()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use tch::{Device, Kind};

    use super::answers;
    use crate::nn::weights::Placement;
    use crate::spatialrgpt::model::Forms;
    use crate::spatialrgpt::model::{Features, SpatialRgpt};
    use crate::spatialrgpt::train::example::{Example, OracleRegions};
    use crate::spatialrgpt::train::maker::Maker;
    use crate::spatialrgpt::train::rows::Turn;
    use crate::spatialrgpt::train::rows::tests::{row, turn};
    use spatial_reward_core::imaging::{AspectMode, ImageProcessor};
    use spatial_reward_core::prompt::Template;
    use spatial_reward_core::random::Random;

    fn surprise(network: &SpatialRgpt, features: &Features, example: &Example) -> (f64, f64) {
        let sequence = &example.sequence;
        let features = Features {
            image_features: features.image_features.shallow_clone(),
            mask_embeds: features
                .mask_embeds
                .as_ref()
                .map(tch::Tensor::shallow_clone),
            depth_embeds: None,
        };
        let mean = tch::no_grad(|| answers(network, &[features], &[sequence])).unwrap();
        let tokens = sequence.is_answer.iter().filter(|is| **is).count();
        (f64::try_from(mean).unwrap(), tokens as f64)
    }

    #[test]
    fn questions_behind_one_picture_are_separate_conversations() {
        let fixtures =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/spatialrgpt");
        let (folder, picture) = (
            fixtures.join("a/checkpoint"),
            fixtures.join("inputs/img0.png"),
        );
        let placement = Placement {
            kind: Kind::Float,
            device: Device::Cpu,
        };
        let network = SpatialRgpt::load(&folder, placement, Forms::exact(placement)).unwrap();
        let file = folder.join("vision_tower/preprocessor_config.json");
        let tokenizer = Arc::clone(&network.tokenizer);
        let maker = Maker {
            processor: &ImageProcessor::load(&file, AspectMode::Resize).unwrap(),
            tokenizer: &tokenizer,
            template: Template::Llama3,
            takes_depth: false,
            grid: network.config.grid() as usize,
            questions: 2,
            augments: false,
        };
        let turns = [
            turn(
                "How far is <mask> from <mask>?",
                "It is 4.87 inches away.",
                &[0, 1],
            ),
            turn("How wide is <mask>?", "12 centimeters", &[1]),
        ];
        // Given both questions behind one picture, and each alone; those that see all of it.
        let sighted = |turns: &[Turn]| {
            (0..99).find_map(|seed| {
                let row = row(picture.clone(), turns);
                let example = maker
                    .example(&row, OracleRegions::Never, &mut Random(seed))
                    .unwrap()?;
                example.sequence.blind.is_empty().then_some(example)
            })
        };
        let both = sighted(&turns).unwrap();
        let features = network
            .encode(std::slice::from_ref(&both.view))
            .unwrap()
            .remove(0);

        let (together, tokens) = surprise(&network, &features, &both);
        let alone = turns.map(|turn| surprise(&network, &features, &sighted(&[turn]).unwrap()));

        let sum: f64 = alone.iter().map(|(mean, tokens)| mean * tokens).sum();
        assert_eq!(alone.iter().map(|(_, tokens)| tokens).sum::<f64>(), tokens);
        assert!(
            (sum / tokens - together).abs() < 1e-4,
            "{alone:?} but {together} together"
        );
    }
}
