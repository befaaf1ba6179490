//! `train`: from datasets to a checkpoint.

use anyhow::Context;
use spatial_reward_core::settings::DeviceChoice;
use spatial_reward_models::spatialrgpt::train::{self, Begin, Options, Shape, Summary, part_named};

use super::located;
use crate::program::cli::Train;
use crate::program::commands::output::{print, print_json};
use crate::program::commands::signals::end_on_signal;
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;

/// The longest rise of the learning rate that is taken without being asked for.
const LONGEST_WARMUP: u64 = 500;

/// Trains as it was typed.
///
/// # Errors
/// What is wrong with the datasets, the checkpoint or the device, by name.
pub(crate) fn train(typed: Train, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let json = typed.json;
    let options = options(typed, terminal)?;
    let stop = end_on_signal(terminal, "go on with --resume from the last saved state")?;
    let bar = terminal.bar(&options.output.display().to_string());
    let trained = train::train(&options, &stop, &mut |progress| {
        Terminal::show(&bar, progress)
    });
    bar.finish_and_clear();
    let summary =
        trained.with_context(|| format!("{} is not trained", options.output.display()))?;
    match json {
        true => print_json(&summary)?,
        false => print(&to_text(&summary))?,
    }
    Ok(match summary.broken_rows {
        0 => Outcome::Fine,
        _ => Outcome::DataLoss,
    })
}

fn options(typed: Train, terminal: &Terminal) -> anyhow::Result<Options> {
    let device = DeviceChoice::parse(typed.device.as_deref().unwrap_or("auto"))?;
    let begin = match (typed.model, &typed.shape) {
        (Some(model), _) => Begin::Checkpoint(located(model, terminal)?),
        (None, Some(file)) => Begin::Shape(Shape::from_file(file)?),
        (None, None) => Begin::Shape(Shape::default()),
    };
    let usual_rate = match begin {
        Begin::Shape(_) => 1e-3,
        Begin::Checkpoint(_) => 1e-4,
    };
    let freeze = typed.freeze.iter();
    let freeze = freeze.map(|name| part_named(name).context("--freeze"));
    Ok(Options {
        datasets: typed.datasets,
        held_out: typed.held_out,
        output: typed.output,
        freeze: freeze.collect::<Result<_, _>>()?,
        warmup_steps: typed
            .warmup_steps
            .unwrap_or((typed.steps / 20).min(LONGEST_WARMUP)),
        separate_warmup_steps: typed.separate_warmup_steps.unwrap_or(match begin {
            Begin::Shape(_) => typed.steps / 3 * 2,
            Begin::Checkpoint(_) => 0,
        }),
        steps: typed.steps,
        batch: usize::try_from(typed.batch)?,
        questions: usize::try_from(typed.questions)?,
        learning_rate: typed.learning_rate.unwrap_or(usual_rate),
        weight_decay: typed.weight_decay,
        clip_norm: typed.clip_norm,
        geometry_weight: typed.geometry_weight,
        save_every: typed.save_every,
        evaluate_every: typed.evaluate_every,
        evaluate_frames: typed.evaluate_frames,
        seed: typed.seed,
        resume: typed.resume,
        begin,
        device,
        dtype: typed.dtype.unwrap_or_default(),
    })
}

fn to_text(summary: &Summary) -> String {
    let number = |loss: Option<f64>| loss.map_or("-".into(), |loss| format!("{loss:.3}"));
    let done = match summary.step == summary.steps {
        true => format!("{} steps", summary.steps),
        false => format!(
            "interrupted after {} of {} steps; go on with --resume",
            summary.step, summary.steps
        ),
    };
    format!(
        "{}: {done}, loss {} -> {}",
        summary.model.display(),
        number(summary.first_loss),
        number(summary.last_loss),
    )
}
