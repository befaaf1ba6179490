//! How well answers are read: held against labels by rule and by hand (tests/fixtures/bench).
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::category::Category;
use super::reading::read_file;
use spatial_reward_core::answer::statement::Wanted;

/// Of a hundred answers so many are to be read as their labels say.
const AGREEMENT_PERCENT: usize = 99;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/bench")
        .join(name)
}

/// The names of the hand-written files.
fn hand_written() -> Vec<String> {
    let entries = fs::read_dir(fixture("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".txt")).collect();
    names.sort();
    names
}

/// The rows that a hand-written file states, as JSON objects.
fn by_hand(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(fixture(name)).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows = lines.enumerate().map(|(number, line)| {
        let (line, question) = match line.split_once(" ||| ") {
            Some((line, question)) => (line, Some(question)),
            None => (line, None),
        };
        let parts: Vec<&str> = line.splitn(3, " | ").collect();
        let [category, label, answer] = parts[..] else {
            panic!("{line}");
        };
        let wanted = Category::named(category).unwrap().wanted;
        let answer = answer.replace("\\n\\n", "\n\n").replace('⏎', "\n");
        let id = format!("{name} {number}");
        let mut row = json!({"id": id, "category": category, "answer": answer});
        if let Some(question) = question {
            row["question"] = json!(question);
        }
        let (key, value) = match (label, wanted) {
            ("-", _) => return row,
            ("yes" | "no", _) => ("yes", json!(label == "yes")),
            (_, Wanted::Length(_)) => ("metres", json!(label.parse::<f64>().unwrap())),
            (_, Wanted::Direction) => ("hours", json!(label.parse::<f64>().unwrap())),
            _ => ("region", json!(label.parse::<u32>().unwrap())),
        };
        row[key] = value;
        row
    });
    rows.collect()
}

/// Reads the answers as the program does and lists those that are read otherwise than labelled.
fn disagreements(rows: &[Value]) -> Vec<String> {
    let guard = tempfile::tempdir().unwrap();
    let file = guard.path().join("answers.jsonl");
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let readings = read_file(&file).unwrap();
    assert_eq!(readings.len(), rows.len());
    let pairs = rows.iter().zip(&readings).filter(|(row, reading)| {
        let read = serde_json::to_value(reading).unwrap();
        assert_eq!(read["id"], row["id"]);
        !["metres", "hours", "yes", "region"]
            .iter()
            .all(|key| same(&row[key], &read[key]))
    });
    pairs
        .map(|(row, reading)| format!("{row} was read as {reading:?}"))
        .collect()
}

fn same(label: &Value, read: &Value) -> bool {
    match (label.as_f64(), read.as_f64()) {
        (Some(label), Some(read)) => (label - read).abs() <= 1e-6 * (1.0 + label),
        _ => label == read,
    }
}

#[test]
fn answers_are_read_as_they_are_labelled() {
    // Given thousands of answers by rule and by hand
    let by_rule = fs::read_to_string(fixture("by_rule.jsonl")).unwrap();
    let by_rule = by_rule
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let mut rows: Vec<Value> = by_rule.collect();
    rows.extend(hand_written().iter().flat_map(|name| by_hand(name)));
    assert!(rows.len() > 5000, "{}", rows.len());
    // When they are read
    let disagreements = disagreements(&rows);
    // Then 99 of 100 are read as labelled, and the others are listed
    assert!(
        disagreements.len() * 100 <= rows.len() * (100 - AGREEMENT_PERCENT),
        "{} of {}:\n{}",
        disagreements.len(),
        rows.len(),
        disagreements.join("\n")
    );
    println!(
        "{} of {} disagree:\n{}",
        disagreements.len(),
        rows.len(),
        disagreements.join("\n")
    );
}

#[test]
fn a_wrong_label_is_noticed() {
    let wrong = [
        json!({"id": 1, "category": "width_data", "answer": "3 feet", "metres": 3.0}),
        json!({"id": 2, "category": "width_data", "answer": "3 inches"}),
        json!({"id": 3, "category": "direction", "answer": "3 o'clock", "hours": 4}),
        json!({"id": 4, "category": "left_choice", "answer": "Region [1]", "region": 0}),
    ];
    assert_eq!(disagreements(&wrong).len(), 4);
}
