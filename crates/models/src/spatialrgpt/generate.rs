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
    /// It stopped by itself, rather than at the limit.
    pub stopped: bool,
}

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
            for ((answer, id), probability) in answers.iter_mut().zip(&ids).zip(probability) {
                if !answer.stopped {
                    answer.ids.push(*id);
                    answer.probabilities.push(probability);
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
