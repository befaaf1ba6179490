//! How a training went, as two tables: `training.csv` with the losses and `held_out.csv` with what the
//! model answers on frames it never learned from.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// A table to which rows are added. Each row begins with its step.
pub struct Table {
    path: PathBuf,
}

impl Table {
    /// Goes on with a table, without its rows after `step`: they are of steps that are done again.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn go_on(path: PathBuf, header: &str, step: u64) -> Result<Self> {
        let old = fs::read_to_string(&path).unwrap_or_default();
        let kept = old.lines().skip(1).filter(|line| {
            let first = line.split(',').next().unwrap_or_default();
            first.parse::<u64>().is_ok_and(|row| row <= step)
        });
        let lines: Vec<&str> = std::iter::once(header).chain(kept).collect();
        fs::write(&path, lines.join("\n") + "\n").map_err(Error::io("write", &path))?;
        Ok(Self { path })
    }

    /// # Errors
    /// `Error::Io`.
    pub fn add(&self, step: u64, values: &[f64]) -> Result<()> {
        let values: Vec<String> = values.iter().map(|value| format!("{value:.6}")).collect();
        let mut file = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .map_err(Error::io("open", &self.path))?;
        writeln!(file, "{step},{}", values.join(",")).map_err(Error::io("write", &self.path))
    }
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
