//! `evaluate`: a labelled bag against its ground truth, as a table or JSON.

use spatial_reward::label::evaluation::{Evaluation, evaluate};

use super::{print, print_json};
use crate::cli::Evaluate;
use crate::logging::Terminal;
use crate::outcome::Outcome;

pub fn run(options: &Evaluate, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let bar = terminal.bar(&options.bag.display().to_string());
    let truth = options.truth.clone().into();
    let evaluated = evaluate(&options.bag, &truth, &mut |progress| {
        if let Some(messages) = progress.messages {
            bar.set_length(messages);
        }
        bar.set_position(progress.messages_read);
        bar.set_message(format!("{} steps", progress.steps));
    });
    bar.finish_and_clear();
    let Evaluation {
        metrics,
        steps_with_truth,
        note,
        loss,
    } = evaluated?;
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    if options.json {
        print_json(&metrics)?;
    } else {
        let steps = metrics.annotator.steps;
        print(&format!(
            "{metrics}\n{steps_with_truth} of {steps} steps have ground truth"
        ))?;
    }
    Ok(match loss {
        Some(loss) => {
            tracing::warn!("the bag is damaged: {loss}");
            Outcome::DataLoss
        }
        None => Outcome::Fine,
    })
}
