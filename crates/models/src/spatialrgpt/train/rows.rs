//! The rows of a dataset's `dataset.jsonl`: one a frame, with its regions and what is asked about them.
//! A row that makes no sense is named and left out; a dataset of which most rows make none is an error.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use spatial_reward_core::training_row;
pub(super) use spatial_reward_core::training_row::Turn;

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

/// The row with its pictures, or what is wrong with it.
fn parse(text: &str, folder: &Path, place: &str) -> std::result::Result<TrainingRow, String> {
    let row = training_row::TrainingRow::parse(text)?;
    let existing = |name: &str| {
        let path = folder.join(name);
        match path.is_file() {
            true => Ok(path),
            false => Err(format!("there is no file {}", path.display())),
        }
    };
    let optional = |name: &Option<String>| name.as_deref().map(existing).transpose();
    Ok(TrainingRow {
        place: place.to_owned(),
        color: existing(&row.color)?,
        depth: optional(&row.depth)?,
        metric: optional(&row.metric)?,
        intrinsics: row.intrinsics,
        boxes: row.boxes,
        points: row.points,
        turns: row.turns,
    })
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
