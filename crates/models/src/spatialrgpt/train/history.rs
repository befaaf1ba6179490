//! How a training went, as two tables: `training.csv` with the losses and `held_out.csv` with what the
//! model answers on frames it never learned from.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use spatial_reward_figures::curves::{self, Panel};

/// A table to which rows are added. Each row begins with its step.
pub(super) struct Table {
    path: PathBuf,
}

impl Table {
    /// Goes on with a table, without its rows after `step`: they are of steps that are done again.
    ///
    /// # Errors
    /// `Error::Io`.
    pub(super) fn go_on(path: PathBuf, header: &str, step: u64) -> Result<Self> {
        let old = fs::read_to_string(&path).unwrap_or_default();
        let kept = old.lines().skip(1).filter(|line| {
            let first = line.split(',').next().unwrap_or_default();
            first.parse::<u64>().is_ok_and(|row| row <= step)
        });
        let lines: Vec<&str> = std::iter::once(header).chain(kept).collect();
        fs::write(&path, lines.join("\n") + "\n").map_err(Error::io("write", &path))?;
        Ok(Self { path })
    }

    /// The values of a column by their steps; nothing where the file or the column is not there.
    fn column(&self, name: &str) -> Vec<(f64, f64)> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        let Some(index) = header.split(',').position(|column| column == name) else {
            return Vec::new();
        };
        let number = |text: &str| text.parse::<f64>().ok();
        let row = |line: &str| {
            let mut fields = line.split(',');
            let step = number(fields.next()?)?;
            Some((step, number(fields.nth(index.checked_sub(1)?)?)?))
        };
        lines.filter_map(row).collect()
    }

    /// # Errors
    /// `Error::Io`.
    pub(super) fn add(&self, step: u64, values: &[f64]) -> Result<()> {
        let values: Vec<String> = values.iter().map(|value| format!("{value:.6}")).collect();
        let mut file = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .map_err(Error::io("open", &self.path))?;
        writeln!(file, "{step},{}", values.join(",")).map_err(Error::io("write", &self.path))
    }
}

/// Draws both tables.
///
/// # Errors
/// `Error::Output`.
pub(super) fn plot(path: &Path, training: &Table, held_out: &Table) -> Result<()> {
    let curve = |table: &Table, name: &str, column: &str| (name.to_owned(), table.column(column));
    let panels = [
        Panel {
            name: "loss (nats, and metres by their weight)".into(),
            curves: vec![curve(training, "all", "loss")],
        },
        Panel {
            name: "answers (nats a token)".into(),
            curves: vec![curve(training, "answers", "answers_nats")],
        },
        Panel {
            name: "where things are (m)".into(),
            curves: vec![
                curve(training, "regions", "regions_m"),
                curve(training, "with depth", "depth_regions_m"),
                curve(training, "cells", "cells_m"),
            ],
        },
        Panel {
            name: "held out: share within 25 %".into(),
            curves: vec![
                curve(held_out, "with depth", "depth_within_25_percent"),
                curve(held_out, "colour only", "color_within_25_percent"),
            ],
        },
        Panel {
            name: "held out: absolute relative error".into(),
            curves: vec![
                curve(held_out, "with depth", "depth_absolute_relative_error"),
                curve(held_out, "colour only", "color_absolute_relative_error"),
            ],
        },
    ];
    Ok(curves::write(path, "Training", &panels)?)
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn a_table_goes_on_where_the_state_is() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("t.csv");
        let table = Table::go_on(path.clone(), "step,loss", 0).unwrap();
        for step in [10, 20, 30] {
            table.add(step, &[step as f64 / 10.0]).unwrap();
        }
        Table::go_on(path.clone(), "step,loss", 20).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "step,loss\n10,1.000000\n20,2.000000\n");
    }
}
