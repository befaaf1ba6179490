//! Answers to the benchmark, a JSON object a line: those of this program, kept as they come so that a run goes on where it
//! ended, and those of any other model.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// What was said to a question, or why nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The model's words.
    Said(String),
    /// Why it gave none.
    Unanswered(String),
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(alias = "question_id", deserialize_with = "id")]
    id: String,
    #[serde(alias = "pred", default, skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unanswered: Option<String>,
}

/// Answers by the ids of their rows.
pub type Answers = BTreeMap<String, Answer>;

/// What a file of answers holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Of several answers with one id the last.
    pub answers: Answers,
    /// The ids that have several, in the order of the file.
    pub repeated: Vec<String>,
}

/// The answers of a file.
///
/// # Errors
/// A line that is none.
pub fn read(path: &Path) -> Result<Read> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let (mut answers, mut repeated) = (Answers::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let (id, answer) = parse(line).map_err(|message| Error::NotABench {
            path: path.to_owned(),
            what: "a file of answers (a JSON object a line, with id and answer)",
            message: format!("line {}: {message}", number + 1),
        })?;
        if answers.insert(id.clone(), answer).is_some() && !repeated.contains(&id) {
            repeated.push(id);
        }
    }
    Ok(Read { answers, repeated })
}

fn parse(line: &str) -> std::result::Result<(String, Answer), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let answer = match (line.answer, line.unanswered) {
        (Some(answer), _) => Answer::Said(answer),
        (None, why) => Answer::Unanswered(why.unwrap_or_else(|| "no answer".to_owned())),
    };
    Ok((line.id, answer))
}

/// A number is an id too.
fn id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(id) => Ok(id),
        id @ Value::Number(_) => Ok(id.to_string()),
        _ => Err(serde::de::Error::custom("an id is text or a number")),
    }
}

/// A file of answers that grows.
#[derive(Debug)]
pub struct Kept {
    file: File,
    path: PathBuf,
}

impl Kept {
    /// Opens the file, and makes it where there is none, with the answers in it. A last line that a killed run left unfinished
    /// is cut off.
    ///
    /// # Errors
    /// A file that cannot be written, or with a line that is none.
    pub fn open(path: &Path) -> Result<(Self, Answers)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::io("open", path))?;
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        file.set_len(whole as u64)
            .map_err(Error::io("write", path))?;
        file.seek(SeekFrom::End(0))
            .map_err(Error::io("write", path))?;
        let answers = read(path)?.answers;
        let path = path.to_owned();
        Ok((Self { file, path }, answers))
    }

    /// Keeps an answer: it is in the file when this comes back.
    ///
    /// # Errors
    /// `Error::Core` where it cannot be written.
    pub fn keep(&mut self, id: &str, answer: &Answer) -> Result<()> {
        let (said, unanswered) = match answer {
            Answer::Said(text) => (Some(text.clone()), None),
            Answer::Unanswered(why) => (None, Some(why.clone())),
        };
        let line = Line {
            id: id.to_owned(),
            answer: said,
            unanswered,
        };
        let line = serde_json::to_string(&line);
        let mut line = line.map_err(|error| Error::output(&self.path, error))?;
        line.push('\n');
        let written = self.file.write_all(line.as_bytes());
        written.map_err(Error::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_other_programs_are_read() {
        let guard = tempfile::tempdir().unwrap();
        let file = guard.path().join("answers.jsonl");
        // Given lines as people and the original's script write them
        let lines = r#"{"id": "a", "answer": "2 m"}
{"question_id": "b", "pred": "Yes.", "gt": "No."}

{"id": 7, "answer": "3 o'clock"}
{"id": "a", "answer": "3 m"}
{"id": "c", "unanswered": "no such region"}
{"id": "d"}
"#;
        std::fs::write(&file, lines).unwrap();
        // Then each is by its id, the last of several
        let Read { answers, repeated } = read(&file).unwrap();
        assert_eq!(repeated, ["a"]);
        let said = |text: &str| Answer::Said(text.to_owned());
        assert_eq!(answers["a"], said("3 m"));
        assert_eq!(answers["b"], said("Yes."));
        assert_eq!(answers["7"], said("3 o'clock"));
        assert_eq!(
            answers["c"],
            Answer::Unanswered("no such region".to_owned())
        );
        assert!(matches!(&answers["d"], Answer::Unanswered(_)));
        // and a line that is none is named
        std::fs::write(
            &file,
            "{\"id\": \"a\", \"answer\": \"1\"}\n{\"answer\": \"2\"}\n",
        )
        .unwrap();
        let message = read(&file).unwrap_err().to_string();
        assert!(
            message.contains("line 2") && message.contains("answers.jsonl"),
            "{message}"
        );
    }

    #[test]
    fn what_a_killed_run_left_unfinished_is_cut_off() {
        // Given two answers, the second of which is cut off in its middle
        let guard = tempfile::tempdir().unwrap();
        let file = guard.path().join("answers.jsonl");
        let (mut kept, before) = Kept::open(&file).unwrap();
        assert!(before.is_empty());
        kept.keep("a", &Answer::Said("a\nb \"c\"".to_owned()))
            .unwrap();
        kept.keep("b", &Answer::Unanswered("why".to_owned()))
            .unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 4]).unwrap();
        // When it is opened again and goes on
        let (mut kept, before) = Kept::open(&file).unwrap();
        assert_eq!(before.len(), 1);
        kept.keep("b", &Answer::Said("2 m".to_owned())).unwrap();
        // Then both are whole
        let answers = read(&file).unwrap().answers;
        assert_eq!(answers["a"], Answer::Said("a\nb \"c\"".to_owned()));
        assert_eq!(answers["b"], Answer::Said("2 m".to_owned()));
    }
}
