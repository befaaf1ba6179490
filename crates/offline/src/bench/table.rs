//! The paper's table: success rates and errors by column, this model's with their intervals above the published ones.

use std::fmt::{self, Display, Formatter, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::category::Column;
use super::columns::{Figures, figures};
use super::published::{PUBLISHED, Published};
use super::score::{Scored, Scores};

const NAME_WIDTH: usize = 26;
const CELL_WIDTH: usize = 13;

/// The table of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Whose answers were scored.
    pub model: String,
    /// Rows that count.
    pub rows: usize,
    /// Rows whose true answer cannot be read.
    pub without_truth: usize,
    columns: Vec<(Column, Option<Figures>)>,
    /// Over all rows of the six qualitative columns, and over all of the quantitative ones.
    averages: [Option<Figures>; 2],
}

/// A line of the table: its name, its cells and their average.
pub(crate) struct Line {
    pub name: String,
    pub cells: Vec<String>,
    /// It is this model's.
    pub is_own: bool,
}

impl Table {
    /// What the scores come to.
    pub fn of(model: &str, scores: &Scores) -> Self {
        let within = |column: Column| -> Vec<&Scored> {
            let rows = scores.rows.iter();
            rows.filter(|scored| scored.row.category.column == column)
                .collect()
        };
        let columns = Column::QUALITATIVE.into_iter().chain(Column::QUANTITATIVE);
        let columns = columns
            .map(|column| (column, figures(&within(column))))
            .collect();
        let average = |quantitative: bool| {
            let rows = scores.rows.iter();
            let rows: Vec<&Scored> = rows
                .filter(|scored| scored.row.category.column.is_quantitative() == quantitative)
                .collect();
            // Errors of lengths and of directions have no common mean.
            figures(&rows).map(|figures| Figures {
                error: None,
                ..figures
            })
        };
        Self {
            model: model.to_owned(),
            rows: scores.rows.len(),
            without_truth: scores.without_truth.len(),
            columns,
            averages: [average(false), average(true)],
        }
    }

    fn of_columns(&self, quantitative: bool) -> impl Iterator<Item = &(Column, Option<Figures>)> {
        let of = move |(column, _): &&(Column, Option<Figures>)| {
            column.is_quantitative() == quantitative
        };
        self.columns.iter().filter(of)
    }

    /// The titles of one half of the table, the average's last.
    pub(crate) fn titles(quantitative: bool) -> Vec<&'static str> {
        let columns = match quantitative {
            false => Column::QUALITATIVE,
            true => Column::QUANTITATIVE,
        };
        columns
            .iter()
            .map(|column| column.title())
            .chain(["Average"])
            .collect()
    }

    /// The lines of one half: this model's first.
    pub(crate) fn lines(&self, quantitative: bool) -> Vec<Line> {
        let cells = |cell: &dyn Fn(&Figures) -> String| -> Vec<String> {
            let average = &self.averages[usize::from(quantitative)];
            let columns = self.of_columns(quantitative).map(|(_, figures)| figures);
            let none = || "-".to_owned();
            let each = columns.chain([average]);
            each.map(|figures| figures.as_ref().map_or_else(none, cell))
                .collect()
        };
        let own = |name: &str, cell: &dyn Fn(&Figures) -> String| Line {
            name: name.to_owned(),
            cells: cells(cell),
            is_own: true,
        };
        let mut lines = vec![
            own(&self.model, &|figures| {
                format!("{:.2}", figures.success.value)
            }),
            own("  95 % interval", &|figures| {
                format!("{:.1}-{:.1}", figures.success.low, figures.success.high)
            }),
        ];
        if quantitative {
            lines.push(own("  error, of those read", &|figures| {
                let error = figures.error.map(|error| format!("{:.2}", error.value));
                error.unwrap_or_else(|| "-".to_owned())
            }));
            lines.push(own("  95 % interval", &|figures| {
                let error = figures
                    .error
                    .map(|error| format!("{:.2}-{:.2}", error.low, error.high));
                error.unwrap_or_else(|| "-".to_owned())
            }));
        }
        lines.push(own("  not read, of rows", &|figures| {
            format!("{}/{}", figures.unread, figures.rows)
        }));
        lines.extend(
            PUBLISHED
                .iter()
                .map(|published| of_published(published, quantitative)),
        );
        lines
    }

    /// As JSON; the keys are a public interface.
    pub fn json(&self) -> Value {
        let columns: Vec<Value> = (self.columns.iter())
            .map(|(column, figures)| json!({"name": column.key(), "figures": figures}))
            .collect();
        let published: Vec<Value> = PUBLISHED.iter().map(published_json).collect();
        json!({
            "model": self.model,
            "rows": self.rows,
            "rows_without_truth": self.without_truth,
            "columns": columns,
            "qualitative": self.averages[0],
            "quantitative": self.averages[1],
            "published": {"source": SOURCE, "judge": "GPT-4", "models": published},
        })
    }
}

/// Where the published figures stand.
pub(crate) const SOURCE: &str = "arXiv 2406.01584, table 1";

fn of_published(published: &Published, quantitative: bool) -> Line {
    let cells = match quantitative {
        false => {
            let cells = published.qualitative.iter().chain([&published.average]);
            cells.map(|success| format!("{success:.2}")).collect()
        }
        true => {
            let cell = |(success, error): &(f64, f64)| format!("{success:.1} / {error:.2}");
            let cells = published.quantitative.iter().map(cell);
            cells.chain(["-".to_owned()]).collect()
        }
    };
    Line {
        name: published.model.to_owned(),
        cells,
        is_own: false,
    }
}

fn published_json(published: &Published) -> Value {
    #[derive(Serialize)]
    struct Cell {
        name: &'static str,
        success: f64,
        error: Option<f64>,
    }
    let qualitative = Column::QUALITATIVE.iter().zip(published.qualitative);
    let qualitative = qualitative.map(|(column, success)| Cell {
        name: column.key(),
        success,
        error: None,
    });
    let quantitative = Column::QUANTITATIVE.iter().zip(published.quantitative);
    let quantitative = quantitative.map(|(column, (success, error))| Cell {
        name: column.key(),
        success,
        error: Some(error),
    });
    let columns: Vec<Cell> = qualitative.chain(quantitative).collect();
    json!({"model": published.model, "average": published.average, "columns": columns})
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let parts = [
            (false, "Success (%)"),
            (true, "Success (%) / relative error, degrees of a direction"),
        ];
        for (quantitative, title) in parts {
            writeln!(f, "{title}")?;
            let mut head = format!("{:NAME_WIDTH$}", "");
            for title in Self::titles(quantitative) {
                let _ = write!(head, "{title:>CELL_WIDTH$}");
            }
            writeln!(f, "{head}")?;
            for line in self.lines(quantitative) {
                let mut text = format!("{:NAME_WIDTH$.NAME_WIDTH$}", line.name);
                for cell in &line.cells {
                    let _ = write!(text, "{cell:>CELL_WIDTH$}");
                }
                writeln!(f, "{}", text.trim_end())?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "Below this model: the figures of {SOURCE}, whose answers GPT-4 judged."
        )
    }
}
