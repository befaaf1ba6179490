//! `evaluate`: a labelled bag against its ground truth, as a table or JSON.

use clap::CommandFactory;
use clap::error::ErrorKind;
use spatial_reward_core::frame::DistanceKind;
use spatial_reward_offline::evaluate::{Evaluation, WithoutTruth, evaluate};
use spatial_reward_offline::label::roles::Role;

use super::calibrate;
use super::discover::{self, Wanted};
use super::output::{print, print_json};
use crate::program::cli::{Cli, Evaluate};
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;
use crate::program::remedies::option;

pub(super) fn run(options: &Evaluate, terminal: &Terminal) -> anyhow::Result<Outcome> {
    if let Some(file) = &options.calibrate {
        return calibrate::run(file, options, terminal);
    }
    let [bag] = options.bags.as_slice() else {
        let several = "bags are evaluated one at a time; several together calibrate a model (--calibrate FILE)";
        Cli::command()
            .error(ErrorKind::TooManyValues, several)
            .exit();
    };
    let bag = discover::single(bag, Wanted::Labelled)?;
    let bar = terminal.bar(&bag.display().to_string());
    let truth = options.truth.clone().into();
    let evaluated = evaluate(&bag, &truth, &mut |progress| {
        Terminal::show(&bar, progress);
    });
    bar.finish_and_clear();
    let Evaluation {
        metrics,
        steps_with_truth,
        without_truth,
        truth_is_tf,
        loss,
    } = evaluated?;
    if let Some(why) = without_truth {
        tracing::warn!("{}", in_words(why));
    }
    if truth_is_tf {
        tracing::warn!("{}", OF_FRAMES);
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

const OF_FRAMES: &str = "there is no ground truth of the center distance, so the distance between the two TF frames (tf_m) \
                         stands for it: as true as the robot's kinematics and calibration are, and as the frames are \
                         the objects' centres";

fn in_words(why: WithoutTruth) -> String {
    let judged = "the rewards are judged by their order in time alone";
    match why {
        WithoutTruth::NoTopic(DistanceKind::Cloud) => format!(
            "the bag has no true cloud distance (name one with {}), so {judged}",
            option(Role::TruthCloud)
        ),
        WithoutTruth::NoTopic(DistanceKind::Surface) => format!(
            "the bag has no true surface distance (name one with {}), so {judged}",
            option(Role::TruthSurface)
        ),
        WithoutTruth::NoTopic(DistanceKind::Center) => format!(
            "the bag lacks a true point (name them with {} and {}), so {judged}",
            option(Role::TruthFingertip),
            option(Role::TruthTarget)
        ),
        WithoutTruth::NoneNear => format!(
            "no ground truth is within 20 ms of a step, or its points differ in their frames, so {judged}"
        ),
        WithoutTruth::Geometry(kind) => format!(
            "there is no ground truth of the {} distance, so the model's answers are held against what geometry \
             measured in the depth image",
            kind.name()
        ),
    }
}
