//! The training itself: batch after batch, the loss, its gradient, a step of the optimiser; and every so
//! often an evaluation on held-out frames and a saved state.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::ThreadPool;
use tch::Device;

use super::batches::{Order, with_batches};
use super::held_out;
use super::maker::Maker;
use super::options::{Begin, Options, Summary};
use super::parameters::Parameters;
use super::rows::{self, TrainingRow};
use super::run::Run;
use super::saved;
use super::workers::with_workers;
use crate::error::{Error, Result};
use crate::nn::threads;
use crate::nn::tokenizer::Tokenizer;
use crate::spatialrgpt::config::{ModelConfig, Trained};
use crate::spatialrgpt::reasoner::processor;
use spatial_reward_core::progress::{OnProgress, Progress, Unit};
use spatial_reward_core::prompt::Template;
use spatial_reward_core::whole_folder::{self, Claim};

/// Trains until the last step, or until `stop` is raised: then it saves and ends, without an evaluation.
///
/// # Errors
/// `Error::OutputExists` for an output that is to begin anew but is there, `Error::Diverged` for a loss that
/// is no number, and what is wrong with the datasets, the checkpoint or the device, by name.
pub fn train(options: &Options, stop: &AtomicBool, progress: OnProgress<'_>) -> Result<Summary> {
    threads::settle();
    let (rows, broken_rows) = rows::read(&options.datasets)?;
    let (held_out_rows, _) = match options.held_out.is_empty() {
        true => (Vec::new(), 0),
        false => rows::read(&options.held_out)?,
    };
    fs::create_dir_all(&options.output).map_err(Error::io("create", &options.output))?;
    let _claim = Claim::take(&options.output)?;
    let pool = threads::pool("the training")?;
    let files = prepare_output(options, &rows, &pool)?;
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
        augments: matches!(options.begin, Begin::Shape(_)),
    };
    let order = order(options, &rows);
    let trained = trained(options, &config, &rows);
    let separate = order.separate_warmup_steps;
    let mut run = Run::begin(options, separate, trained, config, tokenizer)?;
    let from = run.done.step;
    let evaluated = held_out::choose(&held_out_rows, options.evaluate_frames);
    if from == 0 {
        run.save(&files)?;
        run.plot()?;
    }
    let replicas = replicas(&run.parameters)?;
    with_workers(replicas, options.geometry_weight, |workers| {
        with_batches(
            &maker,
            &rows,
            &order,
            from..options.steps,
            &pool,
            |batches| {
                while let Ok((step, examples)) = batches.recv() {
                    let loss = run.step(step, examples, workers)?;
                    progress(done(step, options.steps, loss));
                    let is_last = step + 1 == options.steps;
                    if stop.load(Ordering::Relaxed) {
                        // Whoever asks to stop waits for nothing but what would be lost.
                        run.save(&files)?;
                        break;
                    }
                    let is_due = |every: u64| (step + 1).is_multiple_of(every) || is_last;
                    if is_due(options.evaluate_every) {
                        run.evaluate(&maker, &evaluated)?;
                    }
                    if is_due(options.save_every) {
                        run.save(&files)?;
                        run.plot()?;
                    }
                    if is_last {
                        break;
                    }
                }
                Ok(())
            },
        )
    })?;
    Ok(run.summary(broken_rows))
}

/// What the steps see.
fn order(options: &Options, rows: &[TrainingRow]) -> Order {
    let separate_warmup_steps = match rows.iter().any(TrainingRow::has_places) {
        true => options.separate_warmup_steps,
        // No oracle knows where regions are.
        false => 0,
    };
    Order {
        rows: rows.len(),
        batch: options.batch,
        seed: options.seed,
        separate_warmup_steps,
        // Half of the steps together, of a network that began with them. To another, oracle regions mean nothing.
        oracle_until: match separate_warmup_steps {
            0 => 0,
            separate => separate + options.steps.saturating_sub(separate) / 2,
        },
    }
}

/// What there is to say of a step that is done.
fn done(step: u64, steps: u64, loss: f64) -> Progress<'static> {
    Progress {
        subject: "",
        done: (step + 1) as f64,
        total: Some(steps as f64),
        unit: Unit::Steps,
        figure: Some(("loss", loss)),
    }
}

/// The folder with the model's configuration and tokenizer; makes it where the network begins.
fn prepare_output(options: &Options, rows: &[TrainingRow], pool: &ThreadPool) -> Result<PathBuf> {
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
            shape.write(&model, words(rows).into_iter(), pool)?;
            Ok(model)
        }
    }
}

/// What the model will be trained to answer, by what it began with and what it learns from.
fn trained(options: &Options, config: &ModelConfig, rows: &[TrainingRow]) -> Trained {
    let before = match options.begin {
        Begin::Checkpoint(_) => Some(&config.top.spatial_reward),
        Begin::Shape(_) => None,
    };
    let turns = rows.iter().flat_map(|row| &row.turns);
    Trained::after(before, turns.map(|turn| turn.question.as_str()))
}

/// What the tokenizer of a network that begins learns from: all that is said in the dataset and around it.
fn words(rows: &[TrainingRow]) -> Vec<String> {
    let said = rows.iter().flat_map(|row| &row.turns);
    let said = said.flat_map(|turn| {
        let question = Template::Llama3
            .render(&[], &turn.question)
            .unwrap_or_default();
        [question, turn.answer.clone()]
    });
    said.collect()
}

/// One a thread that shares a batch: a processor's cores. A GPU does all of it at once.
fn replicas(parameters: &Parameters) -> Result<Vec<Parameters>> {
    let count = match parameters.placement.device {
        Device::Cpu => tch::get_num_threads().max(1),
        _ => 1,
    };
    (0..count).map(|_| parameters.replica()).collect()
}
