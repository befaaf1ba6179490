//! The rows of a dataset's `dataset.jsonl`: one a frame, with its regions and what is asked about them.
//! A row that makes no sense is named and left out; a dataset of which most rows make none is an error.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use spatial_reward_core::prompt::format;

/// Broken rows that are named one by one; the rest is counted.
const NAMED: usize = 10;

/// One frame: where its pictures lie, its regions, and questions with their answers.
#[derive(Debug, Clone)]
pub(super) struct TrainingRow {
    /// Where the row stands, for messages.
    pub place: String,
    /// The picture.
    pub color: PathBuf,
    /// 8-bit relative depth, as the labeller shows it.
    pub depth: Option<PathBuf>,
    /// 16-bit millimetres.
    pub metric: Option<PathBuf>,
    /// fx, fy, cx, cy of the colour picture.
    pub intrinsics: Option<[f64; 4]>,
    /// Pixels, end-exclusive.
    pub boxes: Vec<[f64; 4]>,
    /// Each region's centre in the camera's optical frame, metres.
    pub points: Vec<Option<[f32; 3]>>,
    /// What is asked about it.
    pub turns: Vec<Turn>,
}

impl TrainingRow {
    /// Whether it is known where all of its regions are.
    pub(super) fn has_places(&self) -> bool {
        self.intrinsics.is_some() && self.points.iter().all(Option::is_some)
    }
}

/// A question, its answer and the regions that its `<mask>`s stand for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    /// With `<mask>`, and perhaps `<depth>`, for each region.
    pub question: String,
    /// What the model is to say.
    pub answer: String,
    /// The regions in the order of their `<mask>`s.
    pub mentions: Vec<usize>,
    /// What kind of question the dataset calls it; may be empty.
    pub category: String,
}

/// A row as it is written.
#[derive(Debug, Deserialize)]
struct Written {
    filename: String,
    #[serde(default)]
    depth: Option<String>,
    #[serde(default)]
    metric: Option<String>,
    #[serde(default)]
    intrinsics: Option<[f64; 4]>,
    bbox: Vec<[f64; 4]>,
    #[serde(default)]
    points: Vec<Option<[f32; 3]>>,
    conversations: Vec<Said>,
    #[serde(default)]
    mentions: Option<Vec<Vec<usize>>>,
    #[serde(default)]
    categories: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Said {
    from: String,
    value: String,
}

/// All rows of the datasets in `folders`, and how many were broken.
///
/// # Errors
/// `Error::Io` for a folder without `dataset.jsonl`, `Error::NothingToDo` where at least half of the rows
/// are broken or there are none.
pub(super) fn read(folders: &[PathBuf]) -> Result<(Vec<TrainingRow>, usize)> {
    let mut rows = Vec::new();
    let mut broken = 0;
    for folder in folders {
        let path = folder.join("dataset.jsonl");
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        for (line, text) in BufReader::new(file).lines().enumerate() {
            let text = text.map_err(Error::io("read", &path))?;
            if text.trim().is_empty() {
                continue;
            }
            let place = format!("{} line {}", path.display(), line + 1);
            match parse(&text, folder, &place) {
                Ok(row) => rows.push(row),
                Err(what) => {
                    broken += 1;
                    if broken <= NAMED {
                        tracing::warn!("{place} is left out: {what}");
                    }
                }
            }
        }
        if rows.len() <= broken {
            return Err(Error::NothingToDo {
                path,
                message: format!(
                    "{} rows make sense and {broken} do not: this is no dataset of this program, or a \
                     damaged one. Make it with `spatial-reward dataset`",
                    rows.len()
                ),
            });
        }
    }
    if broken > 0 {
        tracing::warn!("{broken} broken rows are left out, {} stay", rows.len());
    }
    Ok((rows, broken))
}

/// The row, or what is wrong with it.
fn parse(text: &str, folder: &Path, place: &str) -> std::result::Result<TrainingRow, String> {
    let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let existing = |name: &str| {
        let path = folder.join(name);
        match path.is_file() {
            true => Ok(path),
            false => Err(format!("there is no file {}", path.display())),
        }
    };
    let optional = |name: &Option<String>| name.as_deref().map(existing).transpose();
    let proper = |b: &[f64; 4]| b.iter().all(|v| v.is_finite()) && b[0] < b[2] && b[1] < b[3];
    if let Some(wrong) = written.bbox.iter().find(|bbox| !proper(bbox)) {
        return Err(format!("{wrong:?} is no box"));
    }
    if !written.points.is_empty() && written.points.len() != written.bbox.len() {
        let (points, boxes) = (written.points.len(), written.bbox.len());
        return Err(format!("{points} points for {boxes} boxes"));
    }
    let turns = turns(&written)?;
    if turns.is_empty() {
        return Err("nothing is asked".into());
    }
    Ok(TrainingRow {
        place: place.to_owned(),
        color: existing(&written.filename)?,
        depth: optional(&written.depth)?,
        metric: optional(&written.metric)?,
        intrinsics: written.intrinsics,
        points: match written.points.is_empty() {
            true => vec![None; written.bbox.len()],
            false => written.points,
        },
        boxes: written.bbox,
        turns,
    })
}

/// The turns of a row. Without `mentions`, as in the published dataset, the regions are mentioned in the
/// order of the boxes, over all turns.
fn turns(row: &Written) -> std::result::Result<Vec<Turn>, String> {
    let mut next_box = 0;
    let pairs = row.conversations.chunks(2).enumerate();
    pairs
        .map(|(index, pair)| {
            let [human, model] = pair else {
                return Err("the last question has no answer".into());
            };
            if human.from != "human" || model.from != "gpt" {
                let order = format!("'{}' then '{}'", human.from, model.from);
                return Err(format!("turn {index} is {order}, not 'human' then 'gpt'"));
            }
            let question = format::without_image(&human.value);
            let masks = question.matches(format::MASK).count();
            let mentions = match &row.mentions {
                Some(mentions) => mentions.get(index).cloned().unwrap_or_default(),
                None => (next_box..next_box + masks).collect(),
            };
            next_box += masks;
            if mentions.len() != masks {
                let named = mentions.len();
                return Err(format!(
                    "turn {index} has {masks} <mask>, but mentions {named} regions"
                ));
            }
            if let Some(region) = mentions.iter().find(|&&region| region >= row.bbox.len()) {
                return Err(format!(
                    "turn {index} mentions region {region}, which has no box"
                ));
            }
            Ok(Turn {
                question,
                answer: model.value.trim().to_owned(),
                mentions,
                category: row.categories.get(index).cloned().unwrap_or_default(),
            })
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use tempfile::TempDir;

    use super::{TrainingRow, Turn, read};

    pub(crate) fn turn(question: &str, answer: &str, mentions: &[usize]) -> Turn {
        Turn {
            question: question.into(),
            answer: answer.into(),
            mentions: mentions.into(),
            category: String::new(),
        }
    }

    /// A frame of which nothing is known but its picture and boxes.
    pub(crate) fn row(picture: PathBuf, turns: &[Turn]) -> TrainingRow {
        TrainingRow {
            place: String::new(),
            color: picture,
            depth: None,
            metric: None,
            intrinsics: None,
            boxes: vec![[10.0, 20.0, 90.0, 80.0], [60.0, 40.0, 120.0, 110.0]],
            points: vec![None, None],
            turns: turns.to_vec(),
        }
    }

    fn dataset(lines: &[&str]) -> TempDir {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("a.png"), b"").unwrap();
        fs::write(folder.path().join("dataset.jsonl"), lines.join("\n")).unwrap();
        folder
    }

    const SOUND: &str = r#"{"filename":"a.png","bbox":[[0,0,2,2],[1,1,3,3]],"conversations":[{"from":"human","value":"<image>\nHow far is <mask> <depth> from <mask> <depth>?"},{"from":"gpt","value":"1.00 inches"}],"mentions":[[1,0]]}"#;

    fn refusal(folder: &Path) -> String {
        read(&[folder.to_path_buf()]).unwrap_err().to_string()
    }

    #[test]
    fn a_sound_row_is_read() {
        let folder = dataset(&[SOUND]);
        let (rows, broken) = read(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!((rows.len(), broken), (1, 0));
        let turn = &rows[0].turns[0];
        assert_eq!(
            turn.question,
            "How far is <mask> <depth> from <mask> <depth>?"
        );
        assert_eq!(turn.mentions, [1, 0]);
    }

    #[test]
    fn rows_without_mentions_take_their_boxes_in_order() {
        let folder = dataset(&[&SOUND.replace(r#","mentions":[[1,0]]"#, "")]);
        let (rows, _) = read(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(rows[0].turns[0].mentions, [0, 1]);
    }

    #[test]
    fn broken_rows_are_left_out_and_counted() {
        let folder = dataset(&[
            SOUND,
            "{",
            SOUND,
            &SOUND.replace("a.png", "missing.png"),
            SOUND,
            &SOUND.replace("[[1,0]]", "[[1,7]]"),
            SOUND,
        ]);
        let (rows, broken) = read(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!((rows.len(), broken), (4, 3));
    }

    #[test]
    fn a_file_of_something_else_is_an_error() {
        let folder = dataset(&["hello", "world"]);
        assert!(refusal(folder.path()).contains("0 rows make sense and 2 do not"));
    }
}
