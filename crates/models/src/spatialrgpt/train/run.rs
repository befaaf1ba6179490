//! A training's moving parts: parameters, optimiser and tables, and what a step, an evaluation and a saved state do with
//! them.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::example::Example;
use super::fresh;
use super::geometry::{self, COUNT};
use super::held_out::{self, Figures};
use super::history::{self, Table};
use super::maker::Maker;
use super::optimizer::{AdamW, Schedule, clip};
use super::options::{Begin, Options, Summary};
use super::parameters::Parameters;
use super::rows::{TrainingRow, Turn};
use super::saved::{self, Done};
use super::workers::{Learned, Workers};
use crate::error::{Error, Result};
use crate::nn::tokenizer::Tokenizer;
use crate::nn::torch::torch_error;
use crate::spatialrgpt::config::{ModelConfig, Trained};
use crate::spatialrgpt::open;

const HELD_OUT_COLUMNS: &str = "step,depth_within_25_percent,depth_absolute_relative_error,depth_spearman,\
     depth_unparsed,color_within_25_percent,color_absolute_relative_error,color_spearman,color_unparsed";

/// A training's moving parts.
pub(super) struct Run<'a> {
    options: &'a Options,
    separate_warmup_steps: u64,
    /// What the model will be trained to answer.
    trained: Trained,
    /// What is learned.
    pub parameters: Parameters,
    optimizer: AdamW,
    /// How far it is.
    pub done: Done,
    training: Table,
    held_out: Table,
    recent: Recent,
    first_loss: Option<f64>,
    last_loss: Option<f64>,
}

fn training_columns() -> String {
    format!(
        "step,loss,answers_nats,geometry,{},gradient_norm,learning_rate,frames_per_second",
        geometry::COLUMNS
    )
}

/// Sums since the last row of the table.
struct Recent {
    steps: u64,
    frames: usize,
    answers: f64,
    geometry: f64,
    heads: [f64; COUNT],
    norm: f64,
    since: Instant,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            steps: 0,
            frames: 0,
            answers: 0.0,
            geometry: 0.0,
            heads: [0.0; COUNT],
            norm: 0.0,
            since: Instant::now(),
        }
    }
}

impl<'a> Run<'a> {
    /// Begins, or goes on where the saved state is.
    ///
    /// # Errors
    /// What is wrong with the checkpoint, the device or the state, by name.
    pub(super) fn begin(
        options: &'a Options,
        separate_warmup_steps: u64,
        trained: Trained,
        config: ModelConfig,
        tokenizer: Arc<Tokenizer>,
    ) -> Result<Self> {
        let placement = open::placement(
            options.device,
            options.dtype,
            matches!(options.begin, Begin::Shape(_)),
        )?;
        let state = options.output.join("state");
        let mut tensors = match &options.begin {
            Begin::Checkpoint(folder) => Parameters::of_checkpoint(folder, placement)?,
            Begin::Shape(_) => fresh::tensors(&config, &tokenizer, options.seed as i64)?,
        };
        tensors.extend(geometry::first_values(&config));
        let is_trained = |part: &str| !options.freeze.iter().any(|frozen| frozen == part);
        let mut parameters = Parameters::new(config, tokenizer, placement, tensors, is_trained)?;
        let mut optimizer = AdamW::new(&parameters.values, options.weight_decay)
            .map_err(torch_error("make the optimiser"))?;
        let done = match saved::exists(&state) {
            true => saved::load(&state, &mut parameters, &mut optimizer)?,
            false => Done::default(),
        };
        let table =
            |name: &str, columns| Table::go_on(options.output.join(name), columns, done.step);
        Ok(Self {
            options,
            separate_warmup_steps,
            trained,
            parameters,
            optimizer,
            done,
            training: table("training.csv", &training_columns())?,
            held_out: table("held_out.csv", HELD_OUT_COLUMNS)?,
            recent: Recent::default(),
            first_loss: None,
            last_loss: None,
        })
    }

    /// Learns from one batch; gives its loss. A gradient that is no number moves nothing.
    ///
    /// # Errors
    /// `Error::Diverged`, and libtorch's.
    pub(super) fn step(
        &mut self,
        step: u64,
        examples: Vec<Example>,
        workers: &Workers,
    ) -> Result<f64> {
        if examples.is_empty() {
            self.done.step = step + 1;
            return Ok(f64::NAN);
        }
        let mut learned = workers.learn(examples)?;
        let loss = learned.answers + self.options.geometry_weight * learned.geometry;
        if !loss.is_finite() {
            return Err(self.diverged(step, "loss", loss));
        }
        let norm = clip(&mut learned.gradient, self.options.clip_norm)
            .map_err(torch_error("measure the gradient"))?;
        if !norm.is_finite() {
            return Err(self.diverged(step, "gradient's norm", norm));
        }
        let (rate, decayed) = (self.rate(step), self.parameters.in_matrices);
        let values = &mut self.parameters.values;
        self.optimizer
            .step(values, &learned.gradient, decayed, rate, self.done.updates)
            .map_err(torch_error("follow the gradient"))?;
        self.done = Done {
            step: step + 1,
            updates: self.done.updates + 1,
        };
        self.note(step, &learned, norm)?;
        Ok(loss)
    }

    /// The learning rate, which rises and falls once for the separate steps and once for those together.
    fn rate(&self, step: u64) -> f64 {
        let separate = self.separate_warmup_steps;
        let (step, steps) = match step.checked_sub(separate) {
            Some(step) => (step, self.options.steps.saturating_sub(separate)),
            None => (step, separate),
        };
        let schedule = Schedule {
            peak: self.options.learning_rate,
            warmup_steps: self.options.warmup_steps.min(steps),
            steps,
        };
        schedule.at(step)
    }

    fn diverged(&self, step: u64, what: &'static str, value: f64) -> Error {
        Error::Diverged {
            step,
            what,
            value,
            state: self.options.output.join("state"),
        }
    }

    /// Writes a row down every so often.
    fn note(&mut self, step: u64, learned: &Learned, norm: f64) -> Result<()> {
        const EVERY: u64 = 10;
        let recent = &mut self.recent;
        recent.steps += 1;
        recent.frames += learned.frames;
        recent.answers += learned.answers;
        recent.geometry += learned.geometry;
        for (sum, head) in recent.heads.iter_mut().zip(learned.heads) {
            *sum += head;
        }
        recent.norm += norm;
        if !(step + 1).is_multiple_of(EVERY) && step + 1 != self.options.steps {
            return Ok(());
        }
        let recent = std::mem::take(recent);
        let steps = recent.steps as f64;
        let (answers, geometry) = (recent.answers / steps, recent.geometry / steps);
        let loss = answers + self.options.geometry_weight * geometry;
        self.first_loss = self.first_loss.or(Some(loss));
        self.last_loss = Some(loss);
        let rate = self.rate(step);
        let speed = recent.frames as f64 / recent.since.elapsed().as_secs_f64();
        let heads = recent.heads.map(|sum| sum / steps);
        let norm = recent.norm / steps;
        let values = [&[loss, answers, geometry], &heads[..], &[norm, rate, speed]].concat();
        self.training.add(step + 1, &values)
    }

    /// Writes down what the model answers on held-out frames.
    ///
    /// # Errors
    /// What the pictures, libtorch or the file system refuse.
    pub(super) fn evaluate(
        &mut self,
        maker: &Maker,
        chosen: &[(&TrainingRow, &Turn)],
    ) -> Result<()> {
        if chosen.is_empty() {
            return Ok(());
        }
        let network = tch::no_grad(|| self.parameters.network())?;
        let evaluate = |with_depth| held_out::evaluate(&network, maker, chosen, with_depth);
        let depth = maker.takes_depth.then(|| evaluate(true)).transpose()?;
        let color = evaluate(false)?;
        for (name, figures) in [("depth", depth), ("colour", Some(color))] {
            let Some(figures) = figures else {
                continue;
            };
            tracing::info!(
                "step {}: held out, {name}: {:.1} % of {} within 25 %, absolute relative error {:.3}, Spearman {:.3}",
                self.done.step,
                100.0 * figures.within_quarter,
                figures.questions,
                figures.absolute_relative_error,
                figures.spearman,
            );
        }
        let unknown = [f64::NAN; Figures::COLUMNS];
        let depth = depth.map_or(unknown, |figures| figures.columns());
        let values = [depth, color.columns()].concat();
        self.held_out.add(self.done.step, &values)
    }

    /// What came of the training so far.
    pub(super) fn summary(&self, broken_rows: usize) -> Summary {
        Summary {
            model: self.options.output.join("model"),
            step: self.done.step,
            steps: self.options.steps,
            broken_rows,
            first_loss: self.first_loss,
            last_loss: self.last_loss,
        }
    }

    /// Saves the model and the state. `files` has the model's configuration and tokenizer.
    ///
    /// # Errors
    /// `Error::Io` or `Error::Torch`, of which a full disk is the one to expect.
    pub(super) fn save(&self, files: &Path) -> Result<()> {
        let output = &self.options.output;
        saved::export(
            &output.join("model"),
            files,
            &self.trained,
            &self.parameters,
        )?;
        saved::save(
            &output.join("state"),
            &self.parameters,
            &self.optimizer,
            self.done,
        )
    }

    /// Draws the tables.
    ///
    /// # Errors
    /// `Error::Figure`, `Error::Io`.
    pub(super) fn plot(&self) -> Result<()> {
        let path = self.options.output.join("training.png");
        history::plot(&path, &self.training, &self.held_out)
    }
}
