//! How long each stage of the model takes on a frame, for the benchmark beside eager PyTorch.
//! `examples/time_stages.rs` prints it.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tch::{Cuda, Device};

use super::draft::Draft;
use super::generate::{Guide, Limits};
use super::model::SpatialRgpt;
use super::reasoner::Reasoner;
use super::trace::{Case, Tracer};
use crate::error::{Error, Result};
use crate::nn::torch::torch_error;
use spatial_reward_core::prompt::Conversation;

/// Seconds that the stages of one frame took, from decoded pictures to the answer's text.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct StageSeconds {
    /// Two pictures and the masks, resized and normalised.
    pub prepare: f64,
    /// Both pictures through the vision tower.
    pub vision: f64,
    /// Refinement, projector, regions.
    pub regions: f64,
    /// The prompt's tokens and embeddings.
    pub words: f64,
    /// The prompt through the language model, and the first token.
    pub prefill: f64,
    /// The other tokens.
    pub decode: f64,
    /// All of it.
    pub frame: f64,
    /// How long the prompt was.
    pub prompt_tokens: usize,
    /// How often the decoder was run for the other tokens.
    pub passes: usize,
}

/// Times frames over the cases of `inputs/meta.json` that mention a region, one after the other. Each
/// makes exactly `new_tokens` tokens: the first ones of the case's answer where it has one, for a random network says nothing
/// twice, and whatever they are elsewhere. An answer drafts the next one. One more frame comes first, to warm up.
///
/// # Errors
/// What the inputs or the model refuse.
pub fn time_stages(
    reasoner: &Reasoner,
    inputs: &Path,
    frames: usize,
    new_tokens: usize,
) -> Result<Vec<StageSeconds>> {
    let cases = Case::read(inputs)?;
    let tracers = cases
        .iter()
        .filter(|case| {
            case.first_turn()
                .is_some_and(|turn| turn.contains("<region"))
        })
        .map(|case| Tracer::new(reasoner, case, inputs))
        .collect::<Result<Vec<_>>>()?;
    let mut draft = Draft::default();
    let cycle = tracers.iter().cycle().take(frames + 1);
    let timed: Result<Vec<_>> = cycle
        .map(|tracer| timed_frame(tracer, new_tokens, &mut draft))
        .collect();
    Ok(timed?.split_off(1))
}

fn timed_frame(tracer: &Tracer, new_tokens: usize, draft: &mut Draft) -> Result<StageSeconds> {
    let reasoner = tracer.reasoner;
    let model = reasoner.model();
    let script = match &tracer.case.answer {
        Some(answer) => Some(script(model, answer, new_tokens)?),
        None => None,
    };
    let mut clock = Stopwatch::start(model.placement.device);
    let view = tracer.view(tracer.depth.as_ref())?;
    let prepare = clock.lap();
    let tower = tch::no_grad(|| model.tower_features(std::slice::from_ref(&view), None))
        .map_err(torch_error("encode the frame"))?;
    let vision = clock.lap();
    let features = tch::no_grad(|| model.describe(&tower, std::slice::from_ref(&view)))
        .map_err(torch_error("encode the frame"))?;
    let regions = clock.lap();
    let question = tracer.case.first_turn().unwrap_or_default();
    let template = reasoner.template();
    let prompt =
        Conversation::new(template, view.depth.is_some(), view.masks.len()).ask(question)?;
    let ids = model.tokenizer.encode_prompt(&prompt.text)?;
    let embeds = tch::no_grad(|| model.splice(&ids, &features[0], &prompt.mentions))
        .map_err(torch_error("read the prompt"))?;
    let words = clock.lap();
    let limits = Limits {
        max_new_tokens: new_tokens,
        stop_ids: Vec::new(),
    };
    let mut first_token = None;
    let mut observer = |_: &tch::Tensor| {
        first_token.get_or_insert_with(|| clock.lap());
    };
    let guide = Guide {
        draft: Some(draft),
        prefix: model.before_frame(&ids),
        script: script.as_deref(),
        observer: Some(&mut observer),
        ..Guide::default()
    };
    let generated = tch::no_grad(|| model.continue_prompt(&embeds, &limits, guide))
        .map_err(torch_error("generate the answer"))?;
    let passes = generated.passes;
    let expected = model.expect(&generated);
    reasoner.decode(generated)?;
    *draft = expected;
    let decode = clock.lap();
    Ok(StageSeconds {
        prepare,
        vision,
        regions,
        words,
        prefill: first_token.unwrap_or_default(),
        decode,
        frame: clock.total(),
        passes,
        prompt_tokens: embeds.size().get(1).copied().unwrap_or_default() as usize,
    })
}

/// The first tokens of an answer.
fn script(model: &SpatialRgpt, answer: &str, new_tokens: usize) -> Result<Vec<i64>> {
    let mut ids = model.tokenizer.encode(answer)?;
    if ids.first().copied() == model.tokenizer.bos_id() && !ids.is_empty() {
        ids.remove(0);
    }
    if ids.len() < new_tokens {
        return Err(Error::output(
            "meta.json",
            format!(
                "an answer has {} tokens, and {new_tokens} are timed",
                ids.len()
            ),
        ));
    }
    ids.truncate(new_tokens);
    Ok(ids)
}

struct Stopwatch {
    device: Device,
    begin: Instant,
    lap: Instant,
}

impl Stopwatch {
    fn start(device: Device) -> Self {
        let begin = Instant::now();
        Self {
            device,
            begin,
            lap: begin,
        }
    }

    /// Seconds since the last lap, once a GPU has done what it was given.
    fn lap(&mut self) -> f64 {
        if let Device::Cuda(index) = self.device {
            Cuda::synchronize(index as i64);
        }
        let seconds = self.lap.elapsed().as_secs_f64();
        self.lap = Instant::now();
        seconds
    }

    fn total(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }
}
