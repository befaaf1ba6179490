//! `evaluate --calibrate`: labelled bags with truth to two numbers in a file of settings.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;
use spatial_reward_core::settings::Config;
use spatial_reward_offline::calibrate::{Figures, Fitted, Recording, fit, recording};

use super::discover;
use super::output::{print, print_json, write_whole};
use crate::program::cli::Evaluate;
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;

/// How a file begins that `--overwrite` may replace.
const FIRST_WORDS: &str = "# A model's calibration, by spatial-reward evaluate --calibrate";

/// What `--json` prints. The keys are a public interface.
#[derive(Debug, Serialize)]
struct Report<'a> {
    file: &'a Path,
    #[serde(flatten)]
    fitted: &'a Fitted,
}

pub(super) fn run(file: &Path, options: &Evaluate, terminal: &Terminal) -> anyhow::Result<Outcome> {
    // Nothing is begun that could not be finished.
    check_target(file, options.overwrite)?;
    let truth = options.truth.clone().into();
    let mut recordings: Vec<Recording> = Vec::new();
    for bag in discover::labelled(&options.bags)? {
        let bar = terminal.bar(&bag.display().to_string());
        let read = recording(&bag, &truth, &mut |progress| {
            Terminal::show(&bar, progress);
        });
        bar.finish_and_clear();
        let read = read?;
        if let Some(loss) = &read.loss {
            tracing::warn!("{} is damaged: {loss}", bag.display());
        }
        recordings.push(read);
    }
    let fitted = fit(&recordings)?;
    write(file, &settings(&fitted)?, options.overwrite)?;
    if options.json {
        print_json(&Report {
            file,
            fitted: &fitted,
        })?;
    } else {
        print(&in_words(file, &fitted))?;
    }
    Ok(match recordings.iter().any(|read| read.loss.is_some()) {
        true => Outcome::DataLoss,
        false => Outcome::Fine,
    })
}

/// The file's text. It goes with `--config` as it is, or two lines of it into other settings.
fn settings(fitted: &Fitted) -> anyhow::Result<String> {
    let mut config = Config::default();
    config.model.std_scale = Some(fitted.calibration.scale);
    config.model.std_floor_m = Some(fitted.calibration.floor_m);
    let mut lines = vec![
        format!("{FIRST_WORDS}:"),
        format!(
            "# fitted to {} steps with the true {} distance in {} bags. Give it with --config, or",
            fitted.steps, fitted.distance_kind, fitted.bags
        ),
        "# copy the two lines into your settings. It holds for this model and question only; files' digest".into(),
        format!("# {}.", fitted.model_digest),
    ];
    for (words, figures) in [("before", &fitted.before), ("with it", &fitted.after)] {
        lines.push(format!("# {words}: {}", sentence(figures)));
    }
    Ok(lines.join("\n") + "\n" + &config.changed_yaml()?)
}

fn sentence(figures: &Figures) -> String {
    format!(
        "{:.1} % of the truths in 90 % intervals, {:.1} mm wide in the mean ({:.1} mm of one width)",
        100.0 * figures.interval_coverage,
        1e3 * figures.interval_width_m,
        1e3 * figures.interval_width_constant_m
    )
}

fn in_words(file: &Path, fitted: &Fitted) -> String {
    let Fitted {
        calibration,
        bags,
        steps,
        ..
    } = fitted;
    [
        file.display().to_string(),
        format!(
            "  {steps} steps with truth in {bags} bags, {} distance",
            fitted.distance_kind
        ),
        format!("  before   {}", sentence(&fitted.before)),
        format!("  now      {}", sentence(&fitted.after)),
        format!(
            "  std = sqrt(({} m)^2 + ({} x spread)^2); judge it on bags that it was not fitted to",
            calibration.floor_m, calibration.scale
        ),
    ]
    .join("\n")
}

/// A file that is there is replaced where that is asked for, and where it is a calibration.
fn check_target(file: &Path, overwrite: bool) -> anyhow::Result<()> {
    if file.file_name().is_none() {
        bail!("{}: this is no name for a new file", file.display());
    }
    if fs::symlink_metadata(file).is_err() {
        return Ok(());
    }
    if !overwrite {
        bail!(
            "{} exists already: give --overwrite to replace it, or another name",
            file.display()
        );
    }
    let is_ours = fs::read(file).is_ok_and(|text| text.starts_with(FIRST_WORDS.as_bytes()));
    if !is_ours {
        bail!(
            "{} exists and is no calibration that this program wrote, so it is never replaced: give another name",
            file.display()
        );
    }
    Ok(())
}

fn write(file: &Path, text: &str, overwrite: bool) -> anyhow::Result<()> {
    match write_whole(file, text.as_bytes(), overwrite) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_target(file, overwrite),
        written => written.with_context(|| format!("cannot write {}", file.display())),
    }
}
