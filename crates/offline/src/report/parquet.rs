//! The table for learners, `*_reward.parquet`: one row a step, in LeRobot's column names where it has them, provenance in
//! the file's key-value metadata. The same steps give the same bytes. `timestamp` is a float64: of the camera's time since the
//! epoch LeRobot's float32 keeps steps of two minutes.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::provenance::Provenance;
use crate::error::{Error, Result};
use spatial_reward_core::frame::{BoxSource, Reason};
use spatial_reward_core::settings::Alignment;
use spatial_reward_core::step::Step;
use spatial_reward_core::task::{PairStep, QuantityStep, TaskStep};

/// Rows in one row group; a reader holds one group's columns at a time.
const ROWS_PER_GROUP: usize = 64 * 1024;

/// What the table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableOptions {
    /// Which frame's reward a row holds.
    pub alignment: Alignment,
    /// Add the column `reward.spatial.bridged`: a box was predicted by the tracker, not seen.
    pub bridged: bool,
    /// Add the column `reward.spatial.tf_m`: both regions are at TF frames.
    pub tf_m: bool,
}

/// Write the table.
///
/// Row t has frame t's `index`, `episode_index`, `frame_index` and `timestamp` (the image's stamp, seconds since the
/// epoch; of a `wild_stamp` what the log times say). Its reward columns are of frame t, or of frame t+1 of the same episode
/// under `Alignment::NextFrame`; there the last row of an episode is invalid with `no_image`, for its
/// next frame was not recorded. `next.done` marks the last row of each episode under both. Rewards in
/// their unit, distances in metres; NaN in rows that are not valid.
///
/// # Errors
/// `Error::Output` with the path if the file cannot be created or written.
pub fn write(
    path: &Path,
    steps: &[Step],
    provenance: &Provenance,
    options: TableOptions,
) -> Result<()> {
    let failed = |message: String| Error::output(path, message);
    let file = File::create(path).map_err(|error| failed(error.to_string()))?;
    write_to(file, steps, provenance, options).map_err(|error| failed(error.to_string()))
}

fn write_to<W: Write + Send>(
    sink: W,
    steps: &[Step],
    provenance: &Provenance,
    options: TableOptions,
) -> ParquetResult<()> {
    let columns = columns(options, steps);
    let fields: String = columns
        .iter()
        .map(|column| format!("required {};\n", column.declaration))
        .collect();
    let schema = Arc::new(parse_message_type(&format!("message step {{\n{fields}}}"))?);
    let mut writer = SerializedFileWriter::new(sink, schema, Arc::new(properties(provenance)?))?;
    let rows = rows(steps, options.alignment);
    for group in rows.chunks(ROWS_PER_GROUP) {
        let mut group_writer = writer.next_row_group()?;
        for column in &columns {
            let Some(mut column_writer) = group_writer.next_column()? else {
                return Err(ParquetError::General("schema lost a column".into()));
            };
            column.values.write(group, column_writer.untyped())?;
            column_writer.close()?;
        }
        group_writer.close()?;
    }
    writer.close()?;
    Ok(())
}

fn properties(provenance: &Provenance) -> ParquetResult<WriterProperties> {
    let metadata = provenance
        .key_values()
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value))
        .collect();
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by(concat!("spatial_reward ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(metadata))
        .build())
}

/// One row: the frame that it stands for, and the frame whose reward it holds, if that was recorded.
struct Row<'a> {
    own: &'a Step,
    rewarded: Option<&'a Step>,
    last_of_episode: bool,
}

fn rows(steps: &[Step], alignment: Alignment) -> Vec<Row<'_>> {
    steps
        .iter()
        .enumerate()
        .map(|(position, own)| {
            let next = steps
                .get(position + 1)
                .filter(|next| next.episode == own.episode);
            Row {
                own,
                rewarded: match alignment {
                    Alignment::Frame => Some(own),
                    Alignment::NextFrame => next,
                },
                last_of_episode: next.is_none(),
            }
        })
        .collect()
}

impl Row<'_> {
    fn reason(&self) -> &'static str {
        self.rewarded
            .map_or(Reason::NoImage.name(), Step::reason_name)
    }

    /// Where a box of the rewarded frame comes from; empty if there is none.
    fn origin(&self, of: fn(&Step) -> Option<BoxSource>) -> &'static str {
        let source = self.rewarded.and_then(of);
        source.map_or("", |source| source.origin.name())
    }

    /// How old it is, in seconds; NaN if there is none.
    fn age_s(&self, of: fn(&Step) -> Option<BoxSource>) -> f32 {
        let source = self.rewarded.and_then(of);
        source.map_or(f32::NAN, |source| source.age_s as f32)
    }

    /// What the rewarded frame says of the task.
    fn task(&self) -> Option<&TaskStep> {
        self.rewarded?.task.as_deref()
    }

    fn pair(&self, at: usize) -> Option<&PairStep> {
        self.task()?.pairs.get(at)
    }

    fn quantity(&self, at: usize) -> Option<&QuantityStep> {
        self.task()?.quantities.get(at)
    }

    /// A number of the rewarded frame, NaN where it has none or is not valid.
    fn if_valid(&self, value: impl Fn(&Step) -> f64) -> f64 {
        let valid = self.rewarded.filter(|step| step.is_valid());
        valid.map_or(f64::NAN, value)
    }
}

/// A column's declaration in Parquet's message syntax, and where its values come from.
struct Column {
    declaration: String,
    values: Values,
}

enum Values {
    Int64(fn(&Row) -> i64),
    Double(fn(&Row) -> f64),
    Float(fn(&Row) -> f32),
    Bool(fn(&Row) -> bool),
    Text(for<'a> fn(&'a Row) -> &'a str),
    /// Of the pair at this place among a task's.
    OfPair(usize, OfPair),
    /// Of the quantity at this place among those that a task's phases speak of.
    OfQuantity(usize),
}

/// What a column says of a pair.
#[derive(Clone, Copy)]
enum OfPair {
    Distance,
    Std,
    Kind,
    Valid,
    Reason,
    Cameras,
}

/// The contract's columns in its order; those of a task last.
fn columns(options: TableOptions, steps: &[Step]) -> Vec<Column> {
    let mut columns = frame_columns();
    columns.extend(reward_columns());
    let bridged = Values::Bool(|row| row.rewarded.is_some_and(Step::is_bridged));
    let tf_m = Values::Double(|row| row.rewarded.map_or(f64::NAN, |step| step.tf_m));
    let optional = [
        (options.bridged, "boolean reward.spatial.bridged", bridged),
        (options.tf_m, "double reward.spatial.tf_m", tf_m),
    ];
    let optional = optional.into_iter().filter(|(wanted, ..)| *wanted);
    columns.extend(optional.map(|(_, declaration, values)| column(declaration, values)));
    if let Some(task) = steps.iter().find_map(|step| step.task.as_deref()) {
        columns.extend(task_columns(task));
    }
    columns
}

fn column(declaration: &str, values: Values) -> Column {
    Column {
        declaration: declaration.to_owned(),
        values,
    }
}

/// Phase and progress where there are phases, and every pair and quantity. A pair that is measured in several kinds has its
/// other kinds in its name.
fn task_columns(task: &TaskStep) -> Vec<Column> {
    let mut columns = Vec::new();
    if !task.phase.is_empty() {
        columns.push(column(
            "binary reward.spatial.phase (STRING)",
            Values::Text(|row| row.task().map_or("", |task| &task.phase)),
        ));
        columns.push(column(
            "float reward.spatial.progress",
            Values::Float(|row| row.task().map_or(f32::NAN, |task| task.progress as f32)),
        ));
    }
    for (at, name) in task.pair_keys().iter().enumerate() {
        for (physical, what, of, note) in [
            ("float", "distance_m", OfPair::Distance, ""),
            ("double", "std_m", OfPair::Std, ""),
            ("binary", "kind", OfPair::Kind, " (STRING)"),
            ("boolean", "valid", OfPair::Valid, ""),
            ("binary", "reason", OfPair::Reason, " (STRING)"),
            ("binary", "cameras", OfPair::Cameras, " (STRING)"),
        ] {
            let declaration = format!("{physical} reward.spatial.pair.{name}.{what}{note}");
            columns.push(column(&declaration, Values::OfPair(at, of)));
        }
    }
    for (at, quantity) in task.quantities.iter().enumerate() {
        // Distances stand among the pairs.
        if !quantity.name.starts_with("distance ") {
            let name = quantity.name.replace(' ', ".");
            let declaration = format!("float reward.spatial.quantity.{name}");
            columns.push(column(&declaration, Values::OfQuantity(at)));
        }
    }
    columns
}

/// Which frame a row stands for.
fn frame_columns() -> Vec<Column> {
    let int64 = |declaration, value| column(declaration, Values::Int64(value));
    vec![
        int64("int64 index", |row| row.own.index as i64),
        int64("int64 episode_index", |row| row.own.episode as i64),
        int64("int64 frame_index", |row| row.own.frame as i64),
        column(
            "double timestamp",
            Values::Double(|row| row.own.timeline_nanos as f64 / 1e9),
        ),
    ]
}

/// What it is worth, and why.
fn reward_columns() -> Vec<Column> {
    vec![
        column(
            "float next.reward",
            Values::Float(|row| row.if_valid(|step| step.reward) as f32),
        ),
        column("boolean next.done", Values::Bool(|row| row.last_of_episode)),
        column(
            "boolean next.success",
            Values::Bool(|row| row.rewarded.is_some_and(|step| step.success)),
        ),
        column(
            "float reward.spatial.distance_m",
            Values::Float(|row| row.if_valid(|step| step.distance_m) as f32),
        ),
        column(
            "double reward.spatial.distance_std_m",
            Values::Double(|row| row.if_valid(|step| step.distance_std_m)),
        ),
        column(
            "binary reward.spatial.distance_kind (STRING)",
            Values::Text(|row| row.own.distance_kind.name()),
        ),
        column(
            "boolean reward.spatial.valid",
            Values::Bool(|row| row.rewarded.is_some_and(Step::is_valid)),
        ),
        column(
            "binary reward.spatial.reason (STRING)",
            Values::Text(|row| row.reason()),
        ),
        column(
            "float reward.spatial.confidence",
            Values::Float(|row| row.rewarded.map_or(0.0, |step| step.confidence)),
        ),
        column(
            "binary reward.spatial.answer (STRING)",
            Values::Text(|row| row.rewarded.map_or("", |step| &step.answer)),
        ),
        column(
            "binary reward.spatial.fingertip_origin (STRING)",
            Values::Text(|row| row.origin(|step| step.fingertip_source)),
        ),
        column(
            "binary reward.spatial.target_origin (STRING)",
            Values::Text(|row| row.origin(|step| step.target_source)),
        ),
        column(
            "float reward.spatial.fingertip_age_s",
            Values::Float(|row| row.age_s(|step| step.fingertip_source)),
        ),
        column(
            "float reward.spatial.target_age_s",
            Values::Float(|row| row.age_s(|step| step.target_source)),
        ),
    ]
}

impl Values {
    /// Every column is required, so there are no definition or repetition levels.
    fn write(&self, rows: &[Row], writer: &mut ColumnWriter) -> ParquetResult<()> {
        fn all<T>(rows: &[Row], value: impl Fn(&Row) -> T) -> Vec<T> {
            rows.iter().map(value).collect()
        }
        match (self, writer) {
            (Self::Int64(value), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(&all(rows, value), None, None)?
            }
            (Self::Double(value), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(&all(rows, value), None, None)?
            }
            (Self::Float(value), ColumnWriter::FloatColumnWriter(writer)) => {
                writer.write_batch(&all(rows, value), None, None)?
            }
            (Self::Bool(value), ColumnWriter::BoolColumnWriter(writer)) => {
                writer.write_batch(&all(rows, value), None, None)?
            }
            (Self::OfPair(at, of), writer) => of.write(*at, rows, writer)?,
            (Self::OfQuantity(at), ColumnWriter::FloatColumnWriter(writer)) => {
                let value = |row: &Row| row.quantity(*at).map_or(f32::NAN, |one| one.value as f32);
                writer.write_batch(&all(rows, value), None, None)?
            }
            (Self::Text(value), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let texts = all(rows, |row| ByteArray::from(value(row)));
                writer.write_batch(&texts, None, None)?
            }
            _ => {
                return Err(ParquetError::General(
                    "a column's declared type is not its values'".into(),
                ));
            }
        };
        Ok(())
    }
}

impl OfPair {
    fn write(self, at: usize, rows: &[Row], writer: &mut ColumnWriter) -> ParquetResult<usize> {
        let pairs = rows.iter().map(|row| row.pair(at));
        let known = |value: fn(&PairStep) -> f64| {
            move |pair: Option<&PairStep>| pair.map_or(f64::NAN, value)
        };
        let text = |value: fn(&PairStep) -> String| {
            move |pair: Option<&PairStep>| {
                ByteArray::from(pair.map(value).unwrap_or_default().as_str())
            }
        };
        match (self, writer) {
            (Self::Distance, ColumnWriter::FloatColumnWriter(writer)) => {
                let value = known(|pair| pair.distance_m);
                let values: Vec<f32> = pairs.map(|pair| value(pair) as f32).collect();
                writer.write_batch(&values, None, None)
            }
            (Self::Std, ColumnWriter::DoubleColumnWriter(writer)) => {
                let values: Vec<f64> = pairs.map(known(|pair| pair.std_m)).collect();
                writer.write_batch(&values, None, None)
            }
            (Self::Valid, ColumnWriter::BoolColumnWriter(writer)) => {
                let is_valid =
                    |pair: Option<&PairStep>| pair.is_some_and(|pair| pair.reason.is_none());
                let values: Vec<bool> = pairs.map(is_valid).collect();
                writer.write_batch(&values, None, None)
            }
            (of, ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let value = match of {
                    Self::Kind => text(|pair| pair.kind.name().to_owned()),
                    Self::Reason => text(|pair| pair.reason.map_or("", Reason::name).to_owned()),
                    _ => text(|pair| pair.cameras.join(",")),
                };
                let values: Vec<ByteArray> = pairs.map(value).collect();
                writer.write_batch(&values, None, None)
            }
            _ => Err(ParquetError::General(
                "a pair's declared type is not its values'".into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use parquet::basic::{ConvertedType, LogicalType, Type};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, RowAccessor};

    use super::*;
    use crate::report::fixtures;
    use spatial_reward_core::frame::{BoxOrigin, Doubt};
    use spatial_reward_core::settings::Settings;

    fn written(steps: &[Step], options: TableOptions) -> Vec<u8> {
        let mut bytes = vec![];
        let provenance = fixtures::provenance(&Settings::geometry());
        write_to(&mut bytes, steps, &provenance, options).unwrap();
        bytes
    }

    fn read(bytes: Vec<u8>) -> SerializedFileReader<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        SerializedFileReader::new(file).unwrap()
    }

    fn table(steps: &[Step], options: TableOptions) -> Vec<parquet::record::Row> {
        read(written(steps, options))
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap())
            .collect()
    }

    /// Two episodes of two frames; the second frame of all is invalid, the third a success.
    fn two_episodes() -> Vec<Step> {
        let mut steps = fixtures::approach(4);
        steps[1] = fixtures::invalid(1, Reason::StaleBox);
        steps[2].success = true;
        steps[3].answer = "8 cm".into();
        fixtures::split_episode(&mut steps, 2);
        steps
    }

    const DONE: usize = 5;
    const SUCCESS: usize = 6;
    const REWARD: usize = 4;
    const DISTANCE: usize = 7;
    const VALID: usize = 10;
    const REASON: usize = 11;
    const ANSWER: usize = 13;

    #[test]
    fn columns_are_the_contracts() {
        let reader = read(written(&two_episodes(), TableOptions::default()));
        let schema = reader.metadata().file_metadata().schema_descr();
        let expected = [
            ("index", Type::INT64),
            ("episode_index", Type::INT64),
            ("frame_index", Type::INT64),
            ("timestamp", Type::DOUBLE),
            ("next.reward", Type::FLOAT),
            ("next.done", Type::BOOLEAN),
            ("next.success", Type::BOOLEAN),
            ("reward.spatial.distance_m", Type::FLOAT),
            ("reward.spatial.distance_std_m", Type::DOUBLE),
            ("reward.spatial.distance_kind", Type::BYTE_ARRAY),
            ("reward.spatial.valid", Type::BOOLEAN),
            ("reward.spatial.reason", Type::BYTE_ARRAY),
            ("reward.spatial.confidence", Type::FLOAT),
            ("reward.spatial.answer", Type::BYTE_ARRAY),
            ("reward.spatial.fingertip_origin", Type::BYTE_ARRAY),
            ("reward.spatial.target_origin", Type::BYTE_ARRAY),
            ("reward.spatial.fingertip_age_s", Type::FLOAT),
            ("reward.spatial.target_age_s", Type::FLOAT),
        ];
        assert_eq!(schema.num_columns(), expected.len());
        for (column, (name, physical)) in schema.columns().iter().zip(expected) {
            assert_eq!((column.name(), column.physical_type()), (name, physical));
            assert_eq!(column.max_def_level(), 0, "{name} must not be nullable");
            if physical == Type::BYTE_ARRAY {
                assert_eq!(column.logical_type_ref(), Some(&LogicalType::String));
                assert_eq!(column.converted_type(), ConvertedType::UTF8);
            }
        }
    }

    #[test]
    fn each_row_holds_its_own_frames_reward_by_default() {
        let rows = table(&two_episodes(), TableOptions::default());
        let rewards: Vec<f32> = rows.iter().map(|r| r.get_float(REWARD).unwrap()).collect();
        assert_eq!(rewards[0], -0.4);
        assert!(rewards[1].is_nan());
        assert_eq!(rows[1].get_string(REASON).unwrap(), "stale_box");
        assert_eq!(rows[0].get_string(REASON).unwrap(), "");
        let bools = |column| -> Vec<bool> {
            rows.iter()
                .map(|row| row.get_bool(column).unwrap())
                .collect()
        };
        assert_eq!(bools(DONE), [false, true, false, true]);
        assert_eq!(bools(SUCCESS), [false, false, true, false]);
        assert_eq!(bools(VALID), [true, false, true, true]);
        assert_eq!(rows[3].get_string(ANSWER).unwrap(), "8 cm");
        assert_eq!(rows[2].get_long(1).unwrap(), 1);
        assert_eq!(rows[2].get_long(2).unwrap(), 0);
        assert_eq!(rows[1].get_double(3).unwrap(), 1_760_000_000.1);
    }

    #[test]
    fn next_frame_takes_the_reward_of_the_frame_that_the_action_led_to() {
        let options = TableOptions {
            alignment: Alignment::NextFrame,
            ..TableOptions::default()
        };
        let rows = table(&two_episodes(), options);
        // Row 0 observes frame 0 and holds frame 1's (stale) reward; row 2 holds frame 3's.
        assert_eq!(rows[0].get_long(0).unwrap(), 0);
        assert_eq!(rows[0].get_string(REASON).unwrap(), "stale_box");
        assert_eq!(rows[2].get_float(REWARD).unwrap(), -0.1);
        assert_eq!(rows[2].get_float(DISTANCE).unwrap(), 0.1);
        assert_eq!(rows[2].get_string(ANSWER).unwrap(), "8 cm");
        // The last row of an episode never reaches into the next one.
        for last in [1, 3] {
            assert!(rows[last].get_float(REWARD).unwrap().is_nan());
            assert!(rows[last].get_float(DISTANCE).unwrap().is_nan());
            assert!(!rows[last].get_bool(VALID).unwrap());
            assert!(!rows[last].get_bool(SUCCESS).unwrap());
            assert_eq!(rows[last].get_string(REASON).unwrap(), "no_image");
            assert!(rows[last].get_bool(DONE).unwrap());
        }
    }

    #[test]
    fn a_standard_deviation_is_nan_where_none_is_known_and_of_invalid_steps() {
        let mut steps = fixtures::approach(3);
        steps[1] = fixtures::invalid(1, Reason::Uncertain);
        (steps[0].distance_std_m, steps[1].distance_std_m) = (0.004, 0.2);
        let rows = table(&steps, TableOptions::default());
        let std_m = |row: usize| rows[row].get_double(DISTANCE + 1).unwrap();
        assert!(std_m(0) == 0.004 && std_m(1).is_nan() && std_m(2).is_nan());
    }

    #[test]
    fn bridged_steps_are_marked_where_the_tracker_is_on() {
        let mut steps = fixtures::approach(2);
        steps[1].target_source = Some(BoxSource {
            origin: BoxOrigin::Bridged,
            age_s: 0.25,
            doubt: Doubt::default(),
        });
        let options = TableOptions {
            bridged: true,
            ..TableOptions::default()
        };
        let rows = table(&steps, options);
        assert_eq!(rows[1].len(), 19);
        assert_eq!(rows[1].get_string(15).unwrap(), "bridged");
        assert_eq!(rows[1].get_float(17).unwrap(), 0.25);
        let last = rows[1].get_column_iter().last().unwrap();
        assert_eq!(last.0, "reward.spatial.bridged");
        assert_eq!(last.1, &Field::Bool(true));
    }

    #[test]
    fn same_steps_give_the_same_bytes_with_provenance_inside() {
        let steps = two_episodes();
        let bytes = written(&steps, TableOptions::default());
        assert_eq!(bytes, written(&steps, TableOptions::default()));
        let reader = read(bytes);
        let metadata = reader.metadata().file_metadata();
        let pairs = metadata.key_value_metadata().unwrap();
        let value = |key: &str| {
            let pair = pairs.iter().find(|pair| pair.key == key);
            pair.unwrap().value.clone().unwrap()
        };
        assert_eq!(
            value("spatial_reward.config_digest"),
            Settings::geometry().digest().unwrap()
        );
        assert_eq!(value("spatial_reward.source_bag"), "pick_and_place");
        assert!(value("spatial_reward.topics").contains("/camera/color/image_raw"));
    }

    #[test]
    fn no_step_is_a_table_without_rows() {
        assert!(table(&[], TableOptions::default()).is_empty());
    }

    #[test]
    fn more_rows_than_a_group_holds_are_all_there() {
        let steps = fixtures::approach(ROWS_PER_GROUP as u64 + 3);
        let reader = read(written(&steps, TableOptions::default()));
        assert_eq!(reader.num_row_groups(), 2);
        let rows = reader.metadata().file_metadata().num_rows();
        assert_eq!(rows, steps.len() as i64);
    }

    #[test]
    fn unwritable_path_is_named() {
        let path = Path::new("no/such/folder/x_reward.parquet");
        let provenance = fixtures::provenance(&Settings::geometry());
        let error = write(path, &[], &provenance, TableOptions::default()).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"), "{error}");
    }
}
