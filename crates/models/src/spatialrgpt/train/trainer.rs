//! The training itself: batch after batch, the loss, its gradient, a step of the optimiser; and every so
//! often a look at held-out frames and a saved state.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::Device;

use super::batches::{Order, with_batches};
use super::examples::{Example, Maker};
use super::fresh;
use super::geometry::{self, COUNT};
use super::held_out::{self, Figures};
use super::history::{self, Table};
use super::optimizer::{AdamW, Schedule, clip};
use super::options::{Begin, Options, Summary};
use super::parameters::Parameters;
use super::rows::{self, Row, Turn};
use super::saved::{self, Done};
use super::workers::{Learned, Workers, with_workers};
use crate::error::{Error, Result};
use crate::nn::tokenizer::Tokenizer;
use crate::nn::weights::torch_error;
use crate::spatialrgpt::config::ModelConfig;
use crate::spatialrgpt::open;
use crate::spatialrgpt::reasoner::processor;
use spatial_reward_core::progress::{OnProgress, Progress, Unit};
use spatial_reward_core::prompt::Template;
use spatial_reward_core::whole_folder;

const HELD_OUT_COLUMNS: &str = "step,depth_within_25_percent,depth_absolute_relative_error,depth_spearman,\
     depth_unparsed,color_within_25_percent,color_absolute_relative_error,color_spearman,color_unparsed";

/// Trains until the last step, or until `stop` is raised: then it saves and ends.
///
/// # Errors
/// `Error::OutputExists` for an output that is to begin anew but is there, `Error::Diverged` for a loss that
/// is no number, and what is wrong with the datasets, the checkpoint or the device, by name.
pub fn train(options: &Options, stop: &AtomicBool, progress: OnProgress<'_>) -> Result<Summary> {
    let (rows, broken_rows) = rows::read(&options.datasets)?;
    let (judged_rows, _) = match options.held_out.is_empty() {
        true => (Vec::new(), 0),
        false => rows::read(&options.held_out)?,
    };
    fs::create_dir_all(&options.output).map_err(Error::io("create", &options.output))?;
    let _held = saved::hold(&options.output)?;
    let files = prepare_output(options, &rows)?;
    let config = ModelConfig::read(&files)?;
    let tokenizer = Arc::new(Tokenizer::load(&files.join("llm"))?);
    let maker = Maker {
        processor: &processor(&files, &config)?,
        tokenizer: &Arc::clone(&tokenizer),
        template: Template::infer(|token| tokenizer.id_of(token).is_some()),
        takes_depth: config.takes_depth(),
        grid: config.grid() as usize,
        questions: options.questions,
        // A checkpoint is fitted to cameras as they stand and to the colours before them.
        varies: matches!(options.begin, Begin::Shape(_)),
    };
    let apart_steps = match rows.iter().any(Row::has_places) {
        true => options.apart_steps,
        // Nobody could be told where regions are.
        false => 0,
    };
    let mut run = Run::begin(options, apart_steps, config, tokenizer)?;
    let from = run.done.step;
    let order = Order {
        rows: rows.len(),
        batch: options.batch,
        seed: options.seed,
        apart_steps,
        // Half of the steps together, of a network that was told before. To another, what it would be told means
        // nothing.
        told_until: match apart_steps {
            0 => 0,
            apart => apart + options.steps.saturating_sub(apart) / 2,
        },
    };
    let judged = held_out::choose(&judged_rows, options.judged);
    if from == 0 {
        run.save(&files)?;
    }
    let count = workers(run.parameters.placement.device);
    let replicas = (0..count).map(|_| run.parameters.replica());
    let replicas = replicas.collect::<Result<_>>()?;
    with_workers(replicas, options.geometry_weight, |workers| {
        with_batches(&maker, &rows, &order, from..options.steps, |batches| {
            while let Ok((step, examples)) = batches.recv() {
                let loss = run.step(step, examples, workers)?;
                progress(Progress {
                    subject: "",
                    done: (step + 1) as f64,
                    total: Some(options.steps as f64),
                    unit: Unit::Steps,
                    figure: Some(("loss", loss)),
                });
                let ends = step + 1 == options.steps || stop.load(Ordering::Relaxed);
                if (step + 1).is_multiple_of(options.judge_every) || ends {
                    run.judge(&maker, &judged)?;
                }
                if (step + 1).is_multiple_of(options.save_every) || ends {
                    run.save(&files)?;
                }
                if ends {
                    break;
                }
            }
            Ok(())
        })
    })?;
    Ok(Summary {
        model: options.output.join("model"),
        step: run.done.step,
        steps: options.steps,
        broken_rows,
        first_loss: run.first_loss,
        last_loss: run.last_loss,
    })
}

/// The folder with the model's configuration and tokenizer; makes it where the network begins.
fn prepare_output(options: &Options, rows: &[Row]) -> Result<PathBuf> {
    let output = &options.output;
    let (model, state) = (output.join("model"), output.join("state"));
    for folder in [&model, &state] {
        whole_folder::recover(folder)?;
    }
    let goes_on = saved::exists(&state);
    if goes_on && !options.resume {
        return Err(Error::OutputExists {
            path: output.clone(),
        });
    }
    let path = output.join("training.json");
    let text = serde_json::to_string_pretty(options).map_err(|e| Error::output(&path, e))?;
    fs::write(&path, text).map_err(Error::io("write", &path))?;
    match &options.begin {
        Begin::Checkpoint(folder) => Ok(folder.clone()),
        Begin::Shape(_) if goes_on => Ok(model),
        Begin::Shape(shape) => {
            shape.write(&model, words(rows).into_iter())?;
            Ok(model)
        }
    }
}

/// What the tokenizer of a network that begins learns from: all that is said in the dataset and around it.
fn words(rows: &[Row]) -> Vec<String> {
    let said = rows.iter().flat_map(|row| &row.turns);
    let said = said.flat_map(|turn| {
        let question = Template::Llama3
            .render(&[], &turn.question)
            .unwrap_or_default();
        [question, turn.answer.clone()]
    });
    said.collect()
}

/// Threads that share a batch: a processor's cores. A GPU does all of it at once.
fn workers(device: Device) -> usize {
    match device {
        Device::Cpu => tch::get_num_threads().max(1) as usize,
        _ => 1,
    }
}

/// A training's moving parts.
struct Run<'a> {
    options: &'a Options,
    apart_steps: u64,
    parameters: Parameters,
    optimizer: AdamW,
    done: Done,
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
    fn begin(
        options: &'a Options,
        apart_steps: u64,
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
            apart_steps,
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
    fn step(&mut self, step: u64, examples: Vec<Example>, workers: &Workers) -> Result<f64> {
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

    /// The learning rate, which rises and falls once for the steps apart and once for those together.
    fn rate(&self, step: u64) -> f64 {
        let apart = self.apart_steps;
        let (step, steps) = match step.checked_sub(apart) {
            Some(step) => (step, self.options.steps.saturating_sub(apart)),
            None => (step, apart),
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

    fn judge(&mut self, maker: &Maker, chosen: &[(&Row, &Turn)]) -> Result<()> {
        if chosen.is_empty() {
            return Ok(());
        }
        let network = tch::no_grad(|| self.parameters.network())?;
        let judge = |with_depth| held_out::judge(&network, maker, chosen, with_depth);
        let depth = maker.takes_depth.then(|| judge(true)).transpose()?;
        let color = judge(false)?;
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

    fn save(&self, files: &Path) -> Result<()> {
        let output = &self.options.output;
        saved::export(&output.join("model"), files, &self.parameters)?;
        history::plot(&output.join("training.png"), &self.training, &self.held_out)?;
        saved::save(
            &output.join("state"),
            &self.parameters,
            &self.optimizer,
            self.done,
        )
    }
}
