//! The benchmark's file: the published JSON, or the hub's Parquet copy.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Value};

use super::row::Row;
use crate::error::{Error, Result};
use spatial_reward_core::digest::sha256;

const WHAT: &str = "a file of SpatialRGPT-Bench";
/// The columns that are read of a Parquet copy; it may hold the pictures too.
const FIELDS: [&str; 7] = [
    "id",
    "image_info",
    "text_q",
    "qa_info",
    "conversations",
    "bbox",
    "rle",
];

/// The benchmark's rows.
#[derive(Debug, Clone)]
pub struct Bench {
    /// In the order of the file.
    pub rows: Vec<Row>,
    /// SHA-256 of the file or files.
    pub digest: String,
}

/// Reads the benchmark of a file (`.json`, a list; `.jsonl`; `.parquet`), or of the one in a folder: a JSON file before
/// Parquet ones, of which all are read.
///
/// # Errors
/// What the file or one of its rows lacks.
pub fn read(path: &Path) -> Result<Bench> {
    let files = if path.is_dir() {
        within(path)?
    } else {
        vec![path.to_owned()]
    };
    let mut rows = Vec::new();
    let mut digests = String::new();
    for file in &files {
        let bytes = fs::read(file).map_err(Error::io("read", file))?;
        digests.push_str(&sha256(&bytes));
        let refused = |message: String| Error::NotABench {
            path: file.clone(),
            what: WHAT,
            message,
        };
        let objects = match file.extension().and_then(|extension| extension.to_str()) {
            Some("parquet") => of_parquet(file),
            Some("jsonl") => of_lines(&bytes),
            _ => of_list(&bytes),
        };
        for object in objects.map_err(refused)? {
            rows.push(Row::of(&object).map_err(refused)?);
        }
    }
    if rows.is_empty() {
        return Err(Error::NotABench {
            path: path.to_owned(),
            what: WHAT,
            message: "it has no rows".to_owned(),
        });
    }
    number_repeats(&mut rows);
    let digest = match files.len() {
        1 => digests,
        _ => sha256(digests.as_bytes()),
    };
    Ok(Bench { rows, digest })
}

/// Ids are what answers are kept by, so a repeated one gets a number.
fn number_repeats(rows: &mut [Row]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows {
        let count = seen.entry(row.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            row.id = format!("{}#{count}", row.id);
        }
    }
}

fn within(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for inside in [folder.to_owned(), folder.join("data")] {
        let Ok(entries) = fs::read_dir(&inside) else {
            continue;
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files.extend(paths.filter(|path| path.is_file()));
    }
    files.sort();
    for kind in ["json", "jsonl", "parquet"] {
        let of_kind = files
            .iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == kind));
        let of_kind: Vec<PathBuf> = of_kind.cloned().collect();
        match (kind, of_kind.as_slice()) {
            (_, []) => {}
            ("parquet", _) | (_, [_]) => return Ok(of_kind),
            (_, several) => {
                return Err(Error::NotABench {
                    path: folder.to_owned(),
                    what: "a folder with one file of SpatialRGPT-Bench",
                    message: format!("it has {} .{kind} files; name one of them", several.len()),
                });
            }
        }
    }
    Err(Error::NotABench {
        path: folder.to_owned(),
        what: "a folder with a file of SpatialRGPT-Bench",
        message: "it has no .json, .jsonl or .parquet file".to_owned(),
    })
}

fn of_list(bytes: &[u8]) -> Result<Vec<Value>, String> {
    match serde_json::from_slice(bytes).map_err(|error| error.to_string())? {
        Value::Array(rows) => Ok(rows),
        _ => Err("it is no list of rows".to_owned()),
    }
}

fn of_lines(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let rows = lines.map(|line| serde_json::from_str(line).map_err(|error| error.to_string()));
    rows.collect()
}

fn of_parquet(path: &Path) -> Result<Vec<Value>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    let schema = reader.metadata().file_metadata().schema();
    let wanted = schema
        .get_fields()
        .iter()
        .filter(|field| FIELDS.contains(&field.name()));
    let projection = parquet::schema::types::Type::group_type_builder(schema.name())
        .with_fields(wanted.cloned().collect())
        .build()
        .map_err(|error| error.to_string())?;
    let rows = reader
        .get_row_iter(Some(projection))
        .map_err(|error| error.to_string())?;
    let mut objects = Vec::new();
    for row in rows {
        let row = row.map_err(|error| error.to_string())?;
        let fields = row.get_column_iter();
        let fields = fields.map(|(name, field)| (name.clone(), value(field)));
        objects.push(Value::Object(fields.collect::<Map<_, _>>()));
    }
    Ok(objects)
}

/// A field of the table as JSON has it.
fn value(field: &Field) -> Value {
    match field {
        Field::Str(text) => Value::String(text.clone()),
        Field::Bytes(bytes) => Value::String(String::from_utf8_lossy(bytes.data()).into_owned()),
        Field::Group(row) => {
            let fields = row.get_column_iter();
            Value::Object(
                fields
                    .map(|(name, field)| (name.clone(), value(field)))
                    .collect(),
            )
        }
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        Field::Bool(is) => Value::Bool(*is),
        Field::Int(number) => Value::from(*number),
        Field::Long(number) => Value::from(*number),
        Field::UInt(number) => Value::from(*number),
        Field::ULong(number) => Value::from(*number),
        Field::Float(number) => Value::from(*number),
        Field::Double(number) => Value::from(*number),
        // Nothing of the benchmark is of another type.
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of texts, as the hub's copy is.
    fn write_parquet(path: &Path, columns: &[(&str, &str)]) {
        use parquet::data_type::{ByteArray, ByteArrayType};
        use parquet::file::writer::SerializedFileWriter;
        let fields: Vec<String> = columns
            .iter()
            .map(|(name, _)| format!("required binary {name} (UTF8);"))
            .collect();
        let schema = format!("message rows {{ {} }}", fields.concat());
        let schema = parquet::schema::parser::parse_message_type(&schema).unwrap();
        let file = File::create(path).unwrap();
        let mut writer =
            SerializedFileWriter::new(file, schema.into(), Default::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for (_, text) in columns {
            let mut column = group.next_column().unwrap().unwrap();
            let values = [ByteArray::from(*text)];
            column
                .typed::<ByteArrayType>()
                .write_batch(&values, None, None)
                .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn the_hubs_copy_with_fields_in_pythons_words_is_the_same_benchmark() {
        // Given one row as it is published, and as the hub's copy has it
        let guard = tempfile::tempdir().unwrap();
        let json = r#"[{"id": "quantitative_1", "image_info": {"file_path": "a.jpg", "height": 30, "width": 40},
            "text_q": "How wide is Region [0]?", "qa_info": {"type": "quantitative", "category": "width_data"},
            "conversations": [{"from": "human", "value": "<image>\nHow wide is <mask>?"}, {"from": "gpt", "value": "It's 2 m."}],
            "bbox": [[1, 2.5, 3, 4]], "rle": [{"size": [30, 40], "counts": "0`1"}]}]"#;
        let published = guard.path().join("bench.json");
        fs::write(&published, json).unwrap();
        let folder = guard.path().join("hub/data");
        fs::create_dir_all(&folder).unwrap();
        write_parquet(
            &folder.join("val-00000-of-00001.parquet"),
            &[
                ("id", "quantitative_1"),
                (
                    "image_info",
                    "{'file_path': 'a.jpg', 'height': 30, 'width': 40}",
                ),
                ("text_q", "How wide is Region [0]?"),
                (
                    "qa_info",
                    "{'type': 'quantitative', 'category': 'width_data'}",
                ),
                (
                    "conversations",
                    "[{'from': 'human', 'value': '<image>\\nHow wide is <mask>?'}, {'from': 'gpt', 'value': \"It's 2 m.\"}]",
                ),
                ("bbox", "[[1, 2.5, 3, 4]]"),
                ("rle", "[{'size': [30, 40], 'counts': '0`1'}]"),
                ("picture", "of no concern"),
            ],
        );
        // Then both are the same rows
        let published = read(&published).unwrap();
        let copy = read(&guard.path().join("hub")).unwrap();
        assert_eq!(published.rows, copy.rows);
        assert_eq!(copy.rows[0].question, "How wide is <region0>?");
        assert_ne!(published.digest, copy.digest);
    }

    #[test]
    fn what_is_no_benchmark_is_refused_by_name() {
        let guard = tempfile::tempdir().unwrap();
        let file = guard.path().join("bench.json");
        for (text, words) in [
            ("", "EOF"),
            ("{}", "no list"),
            ("[]", "no rows"),
            ("[{}]", "no id"),
        ] {
            fs::write(&file, text).unwrap();
            let message = read(&file).unwrap_err().to_string();
            assert!(
                message.contains("bench.json") && message.contains(words),
                "{message}"
            );
        }
        // a folder with one file is that file's; with several, or none, it is nobody's
        assert!(
            read(guard.path())
                .unwrap_err()
                .to_string()
                .contains("no id")
        );
        fs::write(guard.path().join("other.json"), "[]").unwrap();
        assert!(
            read(guard.path())
                .unwrap_err()
                .to_string()
                .contains("2 .json files")
        );
        let empty = tempfile::tempdir().unwrap();
        assert!(
            read(empty.path())
                .unwrap_err()
                .to_string()
                .contains("no .json")
        );
    }
}
