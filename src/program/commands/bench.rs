//! `bench`: SpatialRGPT-Bench, asked of a model or scored from its answers, without a judge.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::CommandFactory;
use clap::error::ErrorKind;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use spatial_reward_core::question::Asked;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::whole_folder::Claim;
use spatial_reward_offline::bench::answers::{self, Answer, Answers, Kept};
use spatial_reward_offline::bench::score::{Scores, Told, score};
use spatial_reward_offline::bench::table::Table;
use spatial_reward_offline::bench::{self, Row, draw, html, reading};
use spatial_reward_serve::Unanswered;

use super::output::{print, print_json};
use super::settings::{config_file, ready};
use super::signals::stop_on_signal;
use crate::program::cli::{Bench, Cli};
use crate::program::logging::Terminal;
use crate::program::model::Respondent;
use crate::program::outcome::Outcome;

/// The longest answer of the original's script.
const MAX_NEW_TOKENS: u32 = 128;
/// So many ids of a kind are told.
const IDS_TOLD: usize = 3;
/// The model that comes with the program.
const BUNDLED: &str = "nano";

pub(super) fn run(options: &Bench, terminal: &Terminal) -> anyhow::Result<Outcome> {
    if let Some(file) = &options.read {
        return read(file);
    }
    let path = options.bench.as_deref().unwrap_or(Path::new(""));
    let read = bench::read(path)?;
    tell_boxes_outside(&read.rows);
    if let (Some(folder), Some(images)) = (&options.draw, &options.images) {
        draw::check_target(folder, options.overwrite)?;
        return draw_marks(&read.rows, images, folder, terminal);
    }
    let Some(file) = &options.answers else {
        return ask_and_score(options, path, &read, terminal);
    };
    let answers = answers_to(&read.rows, file, path)?;
    let name = name(options, Some(file));
    report(
        options,
        &name,
        &read.rows,
        &answers,
        options.output.as_deref(),
    )
}

/// The answers of a file. What is missing in it, doubled, or to no row is told.
fn answers_to(rows: &[Row], file: &Path, bench: &Path) -> anyhow::Result<Answers> {
    let answers::Read { answers, repeated } = answers::read(file)?;
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let given: Vec<&str> = answers.keys().map(String::as_str).collect();
    let foreign: Vec<&str> = (given.iter().copied())
        .filter(|id| !ids.contains(id))
        .collect();
    if foreign.len() == given.len() && !given.is_empty() {
        anyhow::bail!(
            "{} has no answer to a row of {}",
            file.display(),
            bench.display()
        );
    }
    let missing: Vec<&str> = (rows.iter().map(|row| row.id.as_str()))
        .filter(|id| !answers.contains_key(*id))
        .collect();
    let repeated: Vec<&str> = repeated.iter().map(String::as_str).collect();
    for (ids, what) in [
        (foreign, "answers are to no row of the benchmark"),
        (
            repeated,
            "rows have several answers, of which the last counts",
        ),
        (missing, "rows have no answer, and count as wrong"),
    ] {
        if !ids.is_empty() {
            tracing::warn!("{} {what}: {}", ids.len(), first_of(&ids));
        }
    }
    Ok(answers)
}

/// `a, b, c, ...`
fn first_of(ids: &[&str]) -> String {
    let told: Vec<&str> = ids.iter().copied().take(IDS_TOLD).collect();
    let more = if ids.len() > IDS_TOLD { ", ..." } else { "" };
    format!("{}{more}", told.join(", "))
}

/// A box that marks nothing makes its question one about nothing.
fn tell_boxes_outside(rows: &[Row]) {
    for row in rows {
        for region in row.boxes_outside() {
            let (width, height) = row.size;
            tracing::warn!(
                "{}: the box of region {region} covers no pixel of its picture of {width} x {height}",
                row.id
            );
        }
    }
}

/// One line an answer.
fn read(file: &Path) -> anyhow::Result<Outcome> {
    for reading in reading::read_file(file)? {
        print(&serde_json::to_string(&reading)?)?;
    }
    Ok(Outcome::Fine)
}

fn draw_marks(
    rows: &[Row],
    images: &Path,
    folder: &Path,
    terminal: &Terminal,
) -> anyhow::Result<Outcome> {
    let bar = rows_bar(terminal, rows.len());
    let left_out = draw::draw(rows, images, folder, &mut || bar.inc(1));
    bar.finish_and_clear();
    let left_out = left_out?;
    for (row, why) in &left_out {
        tracing::warn!("{}: {why}", row.id);
    }
    print(&format!(
        "{} pictures in {}",
        rows.len() - left_out.len(),
        folder.display()
    ))?;
    Ok(match left_out.len() {
        0 => Outcome::Fine,
        all if all == rows.len() => Outcome::Failed,
        _ => Outcome::DataLoss,
    })
}

fn rows_bar(terminal: &Terminal, rows: usize) -> ProgressBar {
    let bar = terminal.bar("rows");
    bar.set_length(rows as u64);
    bar
}

fn ask_and_score(
    options: &Bench,
    path: &Path,
    read: &bench::Bench,
    terminal: &Terminal,
) -> anyhow::Result<Outcome> {
    let Some(images) = &options.images else {
        let message = "asking needs the pictures: --images DIR (or --answers FILE scores answers that are there)";
        Cli::command()
            .error(ErrorKind::MissingRequiredArgument, message)
            .exit();
    };
    let mut config = config_file(options.config.as_deref())?;
    config.model.max_new_tokens = MAX_NEW_TOKENS;
    options.model.clone().set(&mut config.model);
    let settings = ready(config)?;
    let name = name(options, None);
    let missing = read
        .rows
        .iter()
        .filter(|row| draw::find(row, images).is_none());
    let missing = missing.count();
    if missing == read.rows.len() {
        anyhow::bail!(
            "{} has no picture of the benchmark, such as {}: name the folder of Omni3D's images with --images",
            images.display(),
            read.rows.first().map_or("", |row| row.picture.as_str())
        );
    }
    let output = options
        .output
        .clone()
        .unwrap_or_else(|| default_output(path, &name));
    // Two runs at once would ask everything twice.
    let _claim = Claim::take(&output)?;
    let (kept, answers) = begin(options, &output, &run_of(&settings, read)?)?;
    let answers = ask(&settings, read, images, kept, answers, terminal)?;
    let Some(answers) = answers else {
        tracing::warn!(
            "interrupted; run it again to go on from {}",
            output.display()
        );
        return Ok(Outcome::Failed);
    };
    let outcome = report(options, &name, &read.rows, &answers, Some(&output))?;
    if missing > 0 {
        tracing::warn!(
            "{missing} rows have no picture in {}; they count as wrong",
            images.display()
        );
        return Ok(outcome.max(Outcome::DataLoss));
    }
    Ok(outcome)
}

fn name(options: &Bench, answers: Option<&Path>) -> String {
    let stem = answers.and_then(Path::file_stem);
    let model = options.model.model.as_deref().map(Path::new);
    let model = model.and_then(Path::file_name);
    let typed = options.model_name.clone();
    typed.unwrap_or_else(|| {
        let name = stem.or(model);
        name.map_or_else(
            || BUNDLED.to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    })
}

fn default_output(bench: &Path, model: &str) -> PathBuf {
    let stem = bench.file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from(format!("{stem}_{model}"))
}

/// What answers of one run have in common: others are not gone on with.
fn run_of(settings: &Settings, read: &bench::Bench) -> anyhow::Result<Value> {
    let settings_digest = settings.digest()?;
    Ok(json!({"bench": read.digest, "model": settings.model.path, "settings": settings_digest}))
}

/// The answers that are there, and the file that the others go into.
fn begin(options: &Bench, output: &Path, run: &Value) -> anyhow::Result<(Kept, Answers)> {
    fs::create_dir_all(output).with_context(|| format!("cannot create {}", output.display()))?;
    let (about, file) = (output.join("run.json"), output.join("answers.jsonl"));
    let known: Option<Value> = fs::read(&about)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    if known.as_ref() != Some(run) {
        if file.exists() && !options.overwrite {
            anyhow::bail!(
                "{} has answers of another run (model, benchmark or settings): give --overwrite to replace them, or \
                 another -o",
                output.display()
            );
        }
        if file.exists() {
            fs::remove_file(&file).with_context(|| format!("cannot replace {}", file.display()))?;
        }
        fs::write(&about, serde_json::to_vec_pretty(run)?)
            .with_context(|| format!("cannot write {}", about.display()))?;
    }
    Ok(Kept::open(&file)?)
}

/// Asks what has no answer yet, and keeps each answer as it comes. `None` if somebody asked the program to stop.
fn ask(
    settings: &Settings,
    read: &bench::Bench,
    images: &Path,
    mut kept: Kept,
    mut answers: Answers,
    terminal: &Terminal,
) -> anyhow::Result<Option<Answers>> {
    let rows: Vec<&Row> = read
        .rows
        .iter()
        .filter(|row| !answers.contains_key(&row.id))
        .collect();
    if !answers.is_empty() {
        tracing::info!(
            "{} rows have their answers already",
            read.rows.len() - rows.len()
        );
    }
    if rows.is_empty() {
        return Ok(Some(answers));
    }
    let stop = stop_on_signal()?;
    let bar = terminal.download_bar();
    let respondent = Respondent::load(settings, &mut |progress| Terminal::show(&bar, progress));
    bar.finish_and_clear();
    let respondent = respondent?;
    let bar = rows_bar(terminal, rows.len());
    for together in rows.chunks((settings.model.batch as usize).max(1)) {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            bar.finish_and_clear();
            return Ok(None);
        }
        let replies = ask_together(&respondent, together, images);
        for (row, answer) in together.iter().zip(replies) {
            let answer = match answer? {
                // The picture may be there the next time: nothing is kept of it.
                Asking::NoPicture(why) => Answer::Unanswered(why),
                Asking::Answered(answer) => {
                    kept.keep(&row.id, &answer)?;
                    answer
                }
            };
            answers.insert(row.id.clone(), answer);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(Some(answers))
}

/// What came of a row.
enum Asking {
    Answered(Answer),
    NoPicture(String),
}

/// An answer a row. What the model cannot be asked is unanswered; its own failure is an error, so that the row is asked again.
fn ask_together(
    respondent: &Respondent,
    rows: &[&Row],
    images: &Path,
) -> Vec<anyhow::Result<Asking>> {
    let pictures = rows.iter().map(|row| draw::marked_picture(row, images));
    let pictures: Vec<_> = pictures.collect();
    let asked = rows.iter().zip(&pictures).filter_map(|(row, picture)| {
        Some(Asked {
            picture: picture.as_ref().ok()?.clone(),
            history: Vec::new(),
            question: row.question.clone(),
            max_new_tokens: None,
        })
    });
    let mut replies = respondent.answer(&asked.collect::<Vec<_>>()).into_iter();
    let each = pictures.into_iter().map(|picture| match picture {
        Err(why) => Ok(Asking::NoPicture(why)),
        Ok(_) => match replies.next() {
            Some(Ok(reply)) => Ok(Asking::Answered(Answer::Said(reply.text))),
            Some(Err(Unanswered::Refused(why))) => Ok(Asking::Answered(Answer::Unanswered(why))),
            Some(Err(Unanswered::Failed(why))) => Err(anyhow::anyhow!(why)),
            None => Err(anyhow::anyhow!("the model gave no answer")),
        },
    });
    each.collect()
}

/// Prints the table, and writes it with the rows and the page where there is a folder for them.
fn report(
    options: &Bench,
    name: &str,
    rows: &[Row],
    answers: &Answers,
    output: Option<&Path>,
) -> anyhow::Result<Outcome> {
    let scores = score(rows, answers);
    let table = Table::of(name, &scores);
    for (row, why) in &scores.without_truth {
        tracing::warn!(
            "{}: its true answer cannot be read ({why}): {}",
            row.id,
            row.truth
        );
    }
    if let Some(output) = output {
        write(options, output, &table, &scores)?;
    }
    match options.json {
        true => print_json(&table.json())?,
        false => print(&table.to_string())?,
    }
    let lost = !scores.without_truth.is_empty();
    Ok(if lost {
        Outcome::DataLoss
    } else {
        Outcome::Fine
    })
}

fn write(options: &Bench, output: &Path, table: &Table, scores: &Scores) -> anyhow::Result<()> {
    fs::create_dir_all(output).with_context(|| format!("cannot create {}", output.display()))?;
    let mut lines = String::new();
    for scored in &scores.rows {
        lines += &serde_json::to_string(&Told::of(scored))?;
        lines.push('\n');
    }
    let json = serde_json::to_string_pretty(&table.json())?;
    for (file, text) in [("scores.jsonl", lines), ("bench.json", json)] {
        let path = output.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let page = output.join("bench.html");
    html::write(
        &page,
        table,
        scores,
        options.images.as_deref(),
        options.worst,
    )?;
    tracing::info!("the table with the worst answers is in {}", page.display());
    Ok(())
}
