//! Fits a model's calibration to labelled bags with truth: so that 90 % intervals hold 90 % of the truths, a bag
//! weighing as much as any other.

mod fit;

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::fit::{Judged, Weighted};
use crate::error::{Error, Result};
use crate::evaluate::{Steps, steps_of};
use crate::label::output::table_of;
use crate::label::roles::TruthTopics;
use crate::report::provenance::{self, Labelling};
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::frame::{DistanceKind, Reason};
use spatial_reward_core::messages::StepReward;
use spatial_reward_core::progress::OnProgress;
use spatial_reward_rosbag2::Loss;

pub use fit::Figures;

/// With fewer steps the share that an interval holds is anybody's guess: of 50, one is 2 %.
pub const LEAST_STEPS: usize = 50;

/// What one labelled bag tells of a model's errors.
#[derive(Debug, Clone)]
pub struct Recording {
    path: PathBuf,
    labelling: Labelling,
    kind: DistanceKind,
    steps: Vec<Judged>,
    /// What of it could not be read.
    pub loss: Option<Loss>,
}

/// What came of a fit. Keys are a public interface.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// The model's two numbers.
    #[serde(flatten)]
    pub calibration: Calibration,
    /// Which distance it was fitted for.
    pub distance_kind: &'static str,
    /// Digest of the model's files.
    pub model_digest: String,
    /// Bags with steps.
    pub bags: usize,
    /// Valid steps with a spread and truth.
    pub steps: usize,
    /// With the standard deviations as the bags have them.
    pub before: Figures,
    /// With those of the calibration.
    pub after: Figures,
}

/// Reads a bag that a model has labelled. What a calibration did to its standard deviations is taken off again.
///
/// # Errors
/// `Error::NothingToDo` for a bag that geometry labelled, or a model without spreads, one without truth, one whose table
/// is not beside it, and one in which `reward.max_std_m` left uncertain steps out; else as
/// [`evaluate`](crate::evaluate::evaluate).
pub fn recording(path: &Path, truth: &TruthTopics, progress: OnProgress<'_>) -> Result<Recording> {
    let unusable = |message: String| Error::NothingToDo {
        path: path.into(),
        message,
    };
    let labelling = labelling_of(path)?;
    if labelling.model_digest.is_empty() {
        return Err(unusable(format!(
            "{} measured its distances, and not a model: there is nothing to calibrate",
            labelling.estimator
        )));
    }
    let Steps { kind, steps, loss } = steps_of(path, truth, progress)?;
    let of_step = |(reward, truth_m): &(StepReward, Option<f64>)| {
        judged(reward, (*truth_m)?, labelling.calibration)
    };
    let judged: Vec<Judged> = steps.iter().filter_map(of_step).collect();
    if let Some(why) = why_unfair(&steps, kind, &judged) {
        return Err(unusable(why));
    }
    Ok(Recording {
        path: path.into(),
        labelling,
        kind,
        steps: judged,
        loss,
    })
}

/// What the table in the bag's folder says of its labels.
fn labelling_of(path: &Path) -> Result<Labelling> {
    let folder = if path.is_dir() {
        Some(path)
    } else {
        path.parent()
    };
    let folder = folder.map(|folder| match folder {
        here if here.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    });
    match folder.and_then(table_in) {
        Some(table) => provenance::read_labelling(&table),
        None => Err(Error::NothingToDo {
            path: path.into(),
            message: "the table that `label` writes into the bag's folder (*_reward.parquet) is not there, and it alone \
                      says which model answered"
                .into(),
        }),
    }
}

/// Under the folder's name, or under the one it had before it was renamed.
fn table_in(folder: &Path) -> Option<PathBuf> {
    let table = table_of(&folder.canonicalize().ok()?);
    if table.is_file() {
        return Some(table);
    }
    let files = folder
        .read_dir()
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    let is_table = |file: &PathBuf| file.to_string_lossy().ends_with("_reward.parquet");
    let mut tables = files.filter(is_table);
    tables.next().filter(|_| tables.next().is_none())
}

/// Why a bag's steps say nothing of a model's errors, or only of some of them.
fn why_unfair(
    steps: &[(StepReward, Option<f64>)],
    kind: DistanceKind,
    judged: &[Judged],
) -> Option<String> {
    let is_uncertain = |(reward, _): &(StepReward, _)| reward.reason == Reason::Uncertain.name();
    if steps.iter().any(is_uncertain) {
        return Some(
            "uncertain steps were left out of it (reward.max_std_m), and what is left is no fair sample: label it \
             without that limit"
                .into(),
        );
    }
    if steps.iter().all(|(_, truth_m)| truth_m.is_none()) {
        return Some(format!(
            "it has no true {} distance near a step, and nothing else is calibrated with",
            kind.name()
        ));
    }
    (judged.is_empty() && steps.iter().any(|(reward, _)| reward.valid)).then(|| {
        "none of its distances has a standard deviation: it was labelled before there were any, or the model's answers \
         have no such reading. Label it again"
            .into()
    })
}

fn judged(reward: &StepReward, truth_m: f64, calibration: Option<Calibration>) -> Option<Judged> {
    let std_m = reward.distance_std_m;
    let spread_m = calibration.map_or(std_m, |calibration| calibration.spread_m(std_m));
    let judged = Judged {
        predicted_m: reward.distance_m,
        std_m,
        spread_m,
        truth_m,
    };
    (reward.valid && judged.is_finite()).then_some(judged)
}

/// Fits the calibration of the model that labelled all of the bags.
///
/// # Errors
/// `Error::NothingToDo` for bags of different models, questions or kinds of distance, for fewer than [`LEAST_STEPS`]
/// steps, and where no calibration holds nine truths of ten.
pub fn fit(recordings: &[Recording]) -> Result<Fitted> {
    let unusable = |recording: &Recording, message: String| {
        Err(Error::NothingToDo {
            path: recording.path.clone(),
            message,
        })
    };
    let Some(first) = recordings.first() else {
        return Err(Error::NothingToDo {
            path: PathBuf::new(),
            message: "no bag is given".into(),
        });
    };
    for recording in recordings {
        if let Some(what) = difference(first, recording) {
            let first = first.path.display();
            return unusable(
                recording,
                format!(
                    "{what} than in {first}, and a calibration is one model's with one question"
                ),
            );
        }
    }
    let weighted = Weighted::of(recordings.iter().map(|recording| &*recording.steps));
    let count = weighted.len();
    if count < LEAST_STEPS {
        return unusable(
            first,
            format!(
                "the {} bag(s) have {count} valid step(s) with truth, and a calibration needs {LEAST_STEPS} or more",
                recordings.len()
            ),
        );
    }
    let Some(calibration) = weighted.fitted() else {
        return unusable(first, "no standard deviation holds its truths".into());
    };
    let with_steps = recordings.iter().filter(|one| !one.steps.is_empty());
    Ok(Fitted {
        calibration,
        distance_kind: first.kind.name(),
        model_digest: first.labelling.model_digest.clone(),
        bags: with_steps.count(),
        steps: count,
        before: weighted.figures(|step| step.std_m),
        after: weighted.figures(|step| calibration.std_m(step.spread_m)),
    })
}

/// What tells one recording's labels from another's.
fn difference(first: &Recording, other: &Recording) -> Option<String> {
    let of = |what: &str| Some(format!("it was labelled {what}"));
    if other.labelling.model_digest != first.labelling.model_digest {
        return of("by another model");
    }
    if other.labelling.prompt != first.labelling.prompt {
        return of("with another question");
    }
    (other.kind != first.kind).then(|| {
        format!(
            "its distances are of another kind ({}, not {})",
            other.kind.name(),
            first.kind.name()
        )
    })
}
