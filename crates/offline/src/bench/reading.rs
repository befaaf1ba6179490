//! What was read from an answer, as it is told a line: so that anyone can hold it against what a person reads.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::category::Category;
use crate::error::{Error, Result};
use spatial_reward_core::answer;
use spatial_reward_core::answer::statement::Statement;

/// An answer to be read.
#[derive(Debug, Deserialize)]
struct Given {
    id: serde_json::Value,
    category: String,
    #[serde(default)]
    answer: Option<String>,
    /// The question, where it is known.
    #[serde(default)]
    question: Option<String>,
}

/// What was read. The keys are a public interface.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// As it was given.
    pub id: serde_json::Value,
    /// A length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metres: Option<f64>,
    /// An hour of the clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<f64>,
    /// Yes or no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yes: Option<bool>,
    /// The number of a region, as the answer names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<u32>,
    /// Why nothing was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Reads the answers of a file: a JSON object a line, with id, category and answer, and the question where it is known.
///
/// # Errors
/// A line that is none, with its number; a category that the benchmark does not have.
pub fn read_file(path: &Path) -> Result<Vec<Reading>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let readings = lines.map(|(number, line)| {
        read_line(line).map_err(|message| Error::NotABench {
            path: path.to_owned(),
            what: "a file of answers to be read (a JSON object a line, with id, category and answer)",
            message: format!("line {}: {message}", number + 1),
        })
    });
    readings.collect()
}

fn read_line(line: &str) -> std::result::Result<Reading, String> {
    let given: Given = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let category = Category::named(&given.category);
    let category = category.ok_or_else(|| format!("no category '{}'", given.category))?;
    let read = answer::read(
        given.answer.as_deref().unwrap_or_default(),
        category.wanted,
        given.question.as_deref(),
    );
    let mut reading = Reading {
        id: given.id,
        metres: None,
        hours: None,
        yes: None,
        region: None,
        why: None,
    };
    match read {
        Ok(Statement::Metres(metres)) => reading.metres = Some(metres),
        Ok(Statement::Hours(hours)) => reading.hours = Some(hours),
        Ok(Statement::Yes(yes)) => reading.yes = Some(yes),
        Ok(Statement::Region(region)) => reading.region = Some(region),
        Err(why) => reading.why = Some(why.to_string()),
    }
    Ok(reading)
}
