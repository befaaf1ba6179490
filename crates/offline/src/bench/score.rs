//! Whether an answer is right, and how far off: as the original's script counts, without its judge.

use serde::Serialize;

use super::answers::{Answer, Answers};
use super::row::Row;
use spatial_reward_core::answer;
use spatial_reward_core::answer::statement::{Statement, Wanted};

/// A length is right from this share of the true one ...
const LEAST: f64 = 0.75;
/// ... to this.
const MOST: f64 = 1.25;
/// Added to the true length under its error, in metres.
const ERROR_FLOOR_M: f64 = 1e-4;
/// A direction is right within so many hours.
const HOURS: f64 = 1.0;

/// A row with its answer and what it is worth.
#[derive(Debug, Clone)]
pub struct Scored<'a> {
    /// The row.
    pub row: &'a Row,
    /// What the model said, or why it said nothing.
    pub answer: Answer,
    /// What that states, or why nothing could be read.
    pub read: Result<Statement, String>,
    /// What the true answer states.
    pub truth: Statement,
    /// Whether it counts as a success.
    pub right: bool,
    /// |p - g| / (g + 1e-4) of a length, hours off of a direction; `None` without an answer that reads.
    pub error: Option<f64>,
}

/// Rows whose true answer says what it is to be compared with, and the others with the reason.
#[derive(Debug)]
pub struct Scores<'a> {
    /// In the order of the file.
    pub rows: Vec<Scored<'a>>,
    /// Rows that count nowhere, because their true answer cannot be read.
    pub without_truth: Vec<(&'a Row, String)>,
}

/// Scores the answers to all rows. A row without an answer is wrong, and so is one whose answer does not read: each by itself,
/// whatever the rows before it were.
pub fn score<'a>(rows: &'a [Row], answers: &Answers) -> Scores<'a> {
    let none = || Answer::Unanswered("no answer".to_owned());
    let mut scores = Scores {
        rows: Vec::with_capacity(rows.len()),
        without_truth: Vec::new(),
    };
    for row in rows {
        let answer = answers.get(&row.id).cloned().unwrap_or_else(none);
        let question = row.question_in_words();
        match answer::read(&row.truth, row.category.wanted, Some(&question)) {
            Ok(truth) => scores.rows.push(scored(row, answer, truth, &question)),
            Err(why) => scores.without_truth.push((row, why.to_string())),
        }
    }
    scores
}

fn scored<'a>(row: &'a Row, answer: Answer, truth: Statement, question: &str) -> Scored<'a> {
    let read = match &answer {
        Answer::Said(text) => {
            let read = answer::read(text, row.category.wanted, Some(question));
            read.map_err(|why| why.to_string())
        }
        Answer::Unanswered(why) => Err(why.clone()),
    };
    let (right, error) = match (&read, truth) {
        (Ok(Statement::Metres(said)), Statement::Metres(true_m)) => (
            (LEAST * true_m..=MOST * true_m).contains(said),
            Some((said - true_m).abs() / (true_m + ERROR_FLOOR_M)),
        ),
        (Ok(Statement::Hours(said)), Statement::Hours(true_hour)) => {
            let off = hours_apart(*said, true_hour);
            (off <= HOURS, Some(off))
        }
        (Ok(said), truth) => (*said == truth, None),
        (Err(_), _) => (false, None),
    };
    Scored {
        row,
        answer,
        read,
        truth,
        right,
        error,
    }
}

/// Around the clock, the short way.
fn hours_apart(one: f64, other: f64) -> f64 {
    let difference = (one - other).rem_euclid(12.0);
    difference.min(12.0 - difference)
}

/// A scored row, as it is told a line. The keys are a public interface.
#[derive(Debug, Serialize)]
pub struct Told<'a> {
    id: &'a str,
    category: &'a str,
    question: String,
    truth: &'a str,
    answer: Option<&'a str>,
    true_value: String,
    read: Option<String>,
    why: Option<&'a str>,
    right: bool,
    error: Option<f64>,
}

impl<'a> Told<'a> {
    /// The row, in words.
    pub fn of(scored: &'a Scored<'a>) -> Self {
        let answer = match &scored.answer {
            Answer::Said(text) => Some(text.as_str()),
            Answer::Unanswered(_) => None,
        };
        Self {
            id: &scored.row.id,
            category: &scored.row.category.name,
            question: scored.row.question_in_words(),
            truth: &scored.row.truth,
            answer,
            true_value: in_words(&scored.truth),
            read: scored.read.as_ref().ok().map(in_words),
            why: scored.read.as_ref().err().map(String::as_str),
            right: scored.right,
            error: scored.error,
        }
    }
}

/// A statement as people write it.
pub fn in_words(statement: &Statement) -> String {
    match statement {
        Statement::Metres(metres) => format!("{metres:.3} m"),
        Statement::Hours(hours) => format!("{hours} o'clock"),
        Statement::Yes(true) => "yes".to_owned(),
        Statement::Yes(false) => "no".to_owned(),
        Statement::Region(region) => format!("region {region}"),
    }
}

/// How bad a row is, for showing the worst first: what reads and is far off before what does not read.
pub fn badness(scored: &Scored) -> f64 {
    match (scored.right, scored.error, scored.row.category.wanted) {
        (true, _, _) => 0.0,
        (_, Some(error), Wanted::Direction) => error / 6.0,
        (_, Some(error), _) => error,
        (_, None, _) if scored.read.is_ok() => 0.5,
        _ => 0.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(id: &str, category: &str, truth: &str) -> Row {
        let object = json!({
            "id": id,
            "image_info": {"file_path": "a.png", "height": 30, "width": 40},
            "text_q": "Region [0] and Region [1]?",
            "qa_info": {"type": "x", "category": category},
            "conversations": [{"value": "<mask> and <mask>?"}, {"value": truth}],
            "bbox": [[0, 0, 4, 4], [5, 5, 9, 9]],
        });
        Row::of(&object).unwrap()
    }

    fn scores(category: &str, truth: &str, said: &[&str]) -> Vec<(bool, Option<f64>)> {
        let rows: Vec<Row> = (0..said.len())
            .map(|number| row(&number.to_string(), category, truth))
            .collect();
        let answers = said
            .iter()
            .enumerate()
            .map(|(number, said)| (number.to_string(), Answer::Said((*said).to_owned())));
        let scores = score(&rows, &answers.collect());
        scores
            .rows
            .iter()
            .map(|scored| (scored.right, scored.error))
            .collect()
    }

    #[test]
    fn lengths_are_right_within_a_quarter() {
        let said = [
            "1.5 m",
            "2.5 m",
            "1.49 m",
            "2.51 m",
            "78.74 inches",
            "2 meters",
        ];
        let right: Vec<bool> = scores("width_data", "It is 2 meters wide.", &said)
            .iter()
            .map(|(right, _)| *right)
            .collect();
        assert_eq!(right, [true, true, false, false, true, true]);
        let (_, error) = scores("width_data", "2 m", &["3 m"])[0];
        assert!((error.unwrap() - 1.0 / 2.0001).abs() < 1e-12);
    }

    #[test]
    fn inches_feet_and_centimetres_are_no_metres() {
        // a public script takes any number for metres: these would all be right
        let said = ["2 inches", "2 feet", "2 cm", "2"];
        let right = scores("distance_data", "2 meters", &said);
        assert!(right.iter().all(|(right, _)| !right));
        assert_eq!(right[3].1, None);
    }

    #[test]
    fn a_failed_reading_is_wrong_and_leaves_the_row_before_it_alone() {
        // the original's script gives a row whose judge fails the mark of the row before it
        let said = ["Yes.", "I cannot tell.", "Yes.", ""];
        let scores = scores("left_predicate", "Yes, it is.", &said);
        let right: Vec<bool> = scores.iter().map(|(right, _)| *right).collect();
        assert_eq!(right, [true, false, true, false]);
    }

    #[test]
    fn directions_go_around_the_clock() {
        let said = [
            "11 o'clock",
            "12 o'clock",
            "2 o'clock",
            "3 o'clock",
            "7 o'clock",
            "2:30 o'clock",
        ];
        let scores = scores("direction", "At 1 o'clock.", &said);
        let errors: Vec<f64> = scores.iter().map(|(_, error)| error.unwrap()).collect();
        assert_eq!(errors, [2.0, 1.0, 1.0, 2.0, 6.0, 1.5]);
        let right: Vec<bool> = scores.iter().map(|(right, _)| *right).collect();
        assert_eq!(right, [false, true, true, false, false, false]);
    }

    #[test]
    fn rows_without_an_answer_are_wrong_and_those_without_a_truth_do_not_count() {
        let rows = [
            row("a", "width_data", "2 m"),
            row("b", "width_data", "wide"),
        ];
        let scores = score(&rows, &Answers::new());
        assert_eq!(scores.rows.len(), 1);
        assert!(!scores.rows[0].right && scores.rows[0].error.is_none());
        assert_eq!(scores.rows[0].read.as_ref().unwrap_err(), "no answer");
        assert_eq!(scores.without_truth[0].0.id, "b");
    }

    #[test]
    fn what_is_asked_about_follows_from_the_question() {
        // Given a question about the second region
        let mut asked = row("a", "wide_predicate", "Yes.");
        asked.question = "Is <region1> wider than <region0>?".to_owned();
        let answers = [(
            "a".to_owned(),
            Answer::Said("Region [1] is wider.".to_owned()),
        )];
        let rows = [asked];
        assert!(score(&rows, &answers.into()).rows[0].right);
    }
}
