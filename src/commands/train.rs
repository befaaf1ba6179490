//! `train`: from datasets to a checkpoint.

use anyhow::Context;
use spatial_reward::config::Model;
use spatial_reward::spatialrgpt;
use spatial_reward::training::{Begin, Options, Progress, Shape, Summary, part_named};

use super::{locate, print, print_json, set, stop_on_signal};
use crate::cli::Train;
use crate::logging::Terminal;
use crate::outcome::Outcome;

/// The longest rise of the learning rate that is taken without being asked for.
const LONGEST_WARMUP: u64 = 500;

pub fn run(typed: Train, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let json = typed.json;
    let options = options(typed, terminal)?;
    let stop = stop_on_signal()?;
    let bar = terminal.bar(&options.output.display().to_string());
    bar.set_length(options.steps);
    let trained = spatialrgpt::train(&options, &stop, &mut |progress: Progress| {
        bar.set_position(progress.step);
        bar.set_message(format!("loss {:.3}", progress.loss));
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
    let mut model = Model {
        path: typed.model,
        ..Model::default()
    };
    set(&mut model.device, typed.device);
    set(&mut model.dtype, typed.dtype);
    model.device_choice()?;
    let begin = match (&model.path, &typed.shape) {
        (Some(_), _) => {
            locate(&mut model, terminal)?;
            Begin::Checkpoint(spatialrgpt::folder(&model)?)
        }
        (None, Some(file)) => Begin::Shape(Shape::from_file(file)?),
        (None, None) => Begin::Shape(Shape::default()),
    };
    let usual_rate = match begin {
        Begin::Shape(_) => 1e-3,
        Begin::Checkpoint(_) => 1e-4,
    };
    let freeze = typed.freeze.iter().map(|name| part_named(name));
    Ok(Options {
        datasets: typed.datasets,
        held_out: typed.held_out,
        output: typed.output,
        freeze: freeze.collect::<Result<_, _>>()?,
        warmup_steps: typed
            .warmup_steps
            .unwrap_or((typed.steps / 20).min(LONGEST_WARMUP)),
        apart_steps: typed.apart_steps.unwrap_or(match begin {
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
        judge_every: typed.judge_every,
        judged: typed.judged,
        seed: typed.seed,
        resume: typed.resume,
        begin,
        model,
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
