//! The table of a labelled bag, read back as columns, for who has no reader of Parquet at hand.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::SerializedFileReader;
use parquet::record::Field;

use crate::error::{Error, Result};

/// The values of a column, one a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// 64-bit integers.
    Integers(Vec<i64>),
    /// Numbers that the table has in 32 bits.
    Singles(Vec<f32>),
    /// Numbers that it has in 64 bits.
    Doubles(Vec<f64>),
    /// Truths.
    Truths(Vec<bool>),
    /// Words.
    Texts(Vec<String>),
}

/// The columns of a table by their names, in its order.
///
/// # Errors
/// `Error::Core` if the file cannot be opened; `Error::NotATable` if it is no table of a labelled bag.
pub fn read(path: &Path) -> Result<Vec<(String, Column)>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let refused = |message: String| Error::NotATable {
        path: path.into(),
        message,
    };
    let reader = SerializedFileReader::new(file).map_err(|error| refused(error.to_string()))?;
    let mut columns: Vec<(String, Column)> = Vec::new();
    for row in reader.into_iter() {
        let row = row.map_err(|error| refused(error.to_string()))?;
        for (at, (name, field)) in row.get_column_iter().enumerate() {
            if at == columns.len() {
                let empty = empty(field)
                    .ok_or_else(|| refused(format!("its column '{name}' is of no known type")))?;
                columns.push((name.clone(), empty));
            }
            let is_taken = columns
                .get_mut(at)
                .is_some_and(|(_, column)| push(column, field));
            if !is_taken {
                return Err(refused(format!("its column '{name}' changes its type")));
            }
        }
    }
    Ok(columns)
}

fn empty(field: &Field) -> Option<Column> {
    Some(match field {
        Field::Long(_) => Column::Integers(Vec::new()),
        Field::Float(_) => Column::Singles(Vec::new()),
        Field::Double(_) => Column::Doubles(Vec::new()),
        Field::Bool(_) => Column::Truths(Vec::new()),
        Field::Str(_) => Column::Texts(Vec::new()),
        _ => return None,
    })
}

fn push(column: &mut Column, field: &Field) -> bool {
    match (column, field) {
        (Column::Integers(values), Field::Long(value)) => values.push(*value),
        (Column::Singles(values), Field::Float(value)) => values.push(*value),
        (Column::Doubles(values), Field::Double(value)) => values.push(*value),
        (Column::Truths(values), Field::Bool(value)) => values.push(*value),
        (Column::Texts(values), Field::Str(value)) => values.push(value.clone()),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::{approach, provenance};
    use crate::report::parquet::{TableOptions, write};
    use spatial_reward_core::settings::Settings;

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        // given
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let steps = approach(3);
        let provenance = provenance(&Settings::geometry());
        write(&path, &steps, &provenance, TableOptions::default()).unwrap();
        // when
        let columns = read(&path).unwrap();
        // then
        let of = |name: &str| &columns.iter().find(|(found, _)| found == name).unwrap().1;
        assert_eq!(of("index"), &Column::Integers(vec![0, 1, 2]));
        let rewards = steps.iter().map(|step| step.reward as f32);
        assert_eq!(of("next.reward"), &Column::Singles(rewards.collect()));
        assert!(matches!(of("next.done"), Column::Truths(ends) if ends == &[false, false, true]));
        assert!(
            matches!(of("reward.spatial.reason"), Column::Texts(reasons) if reasons.len() == 3)
        );
    }

    #[test]
    fn what_is_no_table_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        std::fs::write(&path, "words").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("t.parquet"));
        assert!(read(&folder.path().join("none")).is_err());
    }
}
