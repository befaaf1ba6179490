//! Greedy decoding: the likeliest token, one after the other, until the model stops.

use tch::{Kind, Tensor};

use super::model::{Features, SpatialRgpt};
use crate::error::Result;
use crate::nn::team::Team;
use crate::nn::threads;
use crate::nn::torch::{TchResult, torch_error};

/// One prompt to continue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// What the vision half made of its frame.
    pub features: &'a Features,
    /// Token ids, with the image's placeholder.
    pub ids: &'a [i64],
    /// Regions in the order in which the prompt names them.
    pub mentions: &'a [usize],
}

/// When to stop.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// At most this many new tokens.
    pub max_new_tokens: usize,
    /// Tokens after which nothing follows. They are part of the output.
    pub stop_ids: Vec<i64>,
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Generated {
    /// Its tokens.
    pub ids: Vec<i64>,
    /// The probability that the model gave each of them.
    pub probabilities: Vec<f32>,
    /// For each of them the likeliest others, with their probabilities.
    pub alternatives: Vec<Vec<(i64, f32)>>,
    /// It stopped by itself, rather than at the limit.
    pub stopped: bool,
}

/// So many alternatives are kept of each token: as many as there are digits, and some that are none.
const ALTERNATIVES: i64 = 16;
/// What is less likely is left out: a thousandth of the answers, whatever they say, is not what makes them uncertain.
const LEAST_PROBABILITY: f32 = 1e-3;

/// Sees the logits (B, V) of every step.
pub(super) type Observer<'a> = &'a mut dyn FnMut(&Tensor);

impl SpatialRgpt {
    /// Continues every prompt. Prompts of one length run together, which costs little more than one.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect.
    pub(super) fn generate(&self, requests: &[Request], limits: &Limits) -> Result<Vec<Generated>> {
        threads::settle();
        let mut answers: Vec<Generated> = vec![Generated::default(); requests.len()];
        let embeds = requests
            .iter()
            .map(|request| {
                tch::no_grad(|| self.splice(request.ids, request.features, request.mentions))
                    .map_err(torch_error("read the prompt"))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut todo: Vec<usize> = (0..requests.len()).collect();
        while let Some(&first) = todo.first() {
            let length = embeds[first].size()[1];
            let (group, rest) = todo
                .into_iter()
                .partition(|&i| embeds[i].size()[1] == length);
            todo = rest;
            let group: Vec<usize> = group;
            let batch: Vec<&Tensor> = group.iter().map(|&i| &embeds[i]).collect();
            let generated = tch::no_grad(|| {
                let prompt = Tensor::f_cat(&batch, 0)?;
                self.continue_prompt(&prompt, limits, None, None)
            });
            let generated = generated.map_err(torch_error("generate the answer"))?;
            for (i, answer) in group.into_iter().zip(generated) {
                answers[i] = answer;
            }
        }
        Ok(answers)
    }

    /// Embeddings of prompts (B, T, C) -> their continuations. `hidden` collects what each layer of the
    /// language model makes of the prompt's last position; `observer` sees every step.
    pub(super) fn continue_prompt(
        &self,
        prompt: &Tensor,
        limits: &Limits,
        hidden: Option<&mut Vec<Tensor>>,
        mut observer: Option<Observer>,
    ) -> TchResult<Vec<Generated>> {
        let (batch, length, _) = prompt.size3()?;
        let room =
            (self.config.llm.max_positions() - length).clamp(0, limits.max_new_tokens as i64);
        let mut answers = vec![Generated::default(); batch as usize];
        if room == 0 {
            return Ok(answers);
        }
        let mut cache = self.llm.cache(batch, length + room)?;
        let mut logits = self.llm.forward(prompt, &mut cache, hidden)?; // (B, V)
        // More sequences at once are libtorch's business, with all its threads.
        let _team = match self.llm.is_compact_for(batch)? {
            true => Some(Team::gather(&self.crew)),
            false => None,
        };
        for step in 0..room {
            let probabilities = logits.f_to_kind(Kind::Float)?.f_softmax(-1, None::<Kind>)?;
            // The maximum of the logits themselves: probabilities may round to a tie.
            let chosen = logits.f_argmax(-1, true)?; // (B, 1)
            let probability = probabilities
                .f_gather(1, &chosen, false)?
                .f_squeeze_dim(1)?;
            let ids = Vec::<i64>::try_from(&chosen.f_squeeze_dim(1)?)?;
            if let Some(observer) = observer.as_deref_mut() {
                observer(&logits);
            }
            let probability = Vec::<f32>::try_from(&probability)?;
            let others = alternatives(&probabilities)?;
            let chosen_with_odds = ids.iter().zip(probability).zip(others);
            for (answer, ((id, probability), others)) in answers.iter_mut().zip(chosen_with_odds) {
                if !answer.stopped {
                    let others = others.into_iter().filter(|(other, _)| other != id);
                    answer.ids.push(*id);
                    answer.probabilities.push(probability);
                    answer.alternatives.push(others.collect());
                    answer.stopped = limits.stop_ids.contains(id);
                }
            }
            if step + 1 == room || answers.iter().all(|answer| answer.stopped) {
                break;
            }
            let next = self.llm.embed(&chosen)?; // (B, 1, C)
            logits = self.llm.forward(&next, &mut cache, None)?;
        }
        Ok(answers)
    }
}

/// The likeliest tokens of each row of probabilities (B, V), the likeliest first.
fn alternatives(probabilities: &Tensor) -> TchResult<Vec<Vec<(i64, f32)>>> {
    let (_, vocabulary) = probabilities.size2()?;
    let count = ALTERNATIVES.min(vocabulary);
    let (values, ids) = probabilities.f_topk(count, -1, true, true)?; // (B, K)
    let values = Vec::<f32>::try_from(&values.f_flatten(0, -1)?)?;
    let ids = Vec::<i64>::try_from(&ids.f_flatten(0, -1)?)?;
    let pairs: Vec<(i64, f32)> = ids.into_iter().zip(values).collect();
    let likely = |row: &[(i64, f32)]| {
        let likely = row.iter().filter(|(_, p)| *p >= LEAST_PROBABILITY);
        likely.copied().collect()
    };
    Ok(pairs.chunks(count.max(1) as usize).map(likely).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_tokens_of_each_row_are_kept_the_likeliest_first() {
        // given two rows of 20 tokens: four that are likely in one, all alike in the other
        let mut one = [0.0_f32; 20];
        (one[3], one[7], one[11], one[19]) = (0.25, 0.6, 0.0009, 0.15);
        let rows = [one, [0.05; 20]].concat();
        let probabilities = Tensor::from_slice(&rows).reshape([2, 20]);

        let kept = alternatives(&probabilities).unwrap();

        // then what is less likely than a thousandth is left out, and of the others there are 16 at most
        assert_eq!(kept[0], [(7, 0.6), (3, 0.25), (19, 0.15)]);
        assert_eq!(kept[1].len(), 16);
        assert!(kept[1].iter().all(|(_, probability)| *probability == 0.05));
    }

    #[test]
    fn a_vocabulary_may_be_smaller_than_what_is_kept() {
        let probabilities = Tensor::from_slice(&[0.4_f32, 0.6]).reshape([1, 2]);
        let kept = alternatives(&probabilities).unwrap();
        assert_eq!(kept, [[(1, 0.6), (0, 0.4)]]);
    }
}
