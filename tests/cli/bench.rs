//! SpatialRGPT-Bench on a miniature of the published file: all categories, regions as masks and as boxes.

#[cfg(feature = "torch")]
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::fixtures::*;
use crate::model_fixtures::*;

/// Width and height of the picture that all rows are about.
const SIZE: (u32, u32) = (451, 300);
const PICTURE: &str = "SUNRGBD/kv1/0.png";

/// Every category with its question and true answer; the words of questions are ours.
fn questions() -> Vec<(String, String, &'static str)> {
    let lengths = [
        ("distance", "How far is <mask> from <mask>?"),
        (
            "horizontal_distance",
            "How far apart are <mask> and <mask>, seen from above?",
        ),
        (
            "vertical_distance",
            "How much higher is <mask> than <mask>?",
        ),
        ("width", "How wide is <mask>?"),
        ("height", "How tall is <mask>?"),
    ];
    let mut questions: Vec<(String, String, &'static str)> = lengths
        .iter()
        .map(|(name, question)| (format!("{name}_data"), (*question).to_owned(), "2.0 feet"))
        .collect();
    let clock = "Standing at <mask>, at which hour of the clock is <mask>?";
    questions.push((
        "direction".into(),
        clock.into(),
        "Region [1] is at 3 o'clock.",
    ));
    for word in ["left", "right", "above", "below", "tall", "short"] {
        let question = format!("Which one is more {word}, <mask> or <mask>?");
        questions.push((format!("{word}_choice"), question, "Region [1]."));
    }
    for word in [
        "left", "right", "above", "below", "tall", "short", "wide", "thin", "big", "small",
        "behind", "front",
    ] {
        let question = format!("Is <mask> {word} to <mask>?");
        questions.push((format!("{word}_predicate"), question, "Yes, it is."));
    }
    questions
}

/// The file as it is published, with `repeats` rows of each category, and its pictures in `images`.
fn miniature(folder: &Path, repeats: usize) -> Value {
    let images = folder.join("images");
    fs::create_dir_all(images.join("SUNRGBD/kv1")).unwrap();
    fs::copy(picture(0), images.join(PICTURE)).unwrap();
    let mut rows = Vec::new();
    for repeat in 0..repeats {
        for (category, question, answer) in questions() {
            let number = rows.len();
            // Columns 0 to 49 from the left, and one column from there on, as runs down the columns.
            let runs = [50 * SIZE.1, SIZE.1, (SIZE.0 - 51) * SIZE.1];
            let masks = json!([
                {"size": [SIZE.1, SIZE.0], "counts": [0, runs[0], runs[1] + runs[2]]},
                {"size": [SIZE.1, SIZE.0], "counts": [runs[0], runs[1], runs[2]]},
            ]);
            let boxes = json!([[-3.5, 10.2, 120.0, 90.9], [200, 100, 460.5, 310]]);
            rows.push(json!({
                "id": format!("row_{number}"),
                "image_info": {"file_path": PICTURE, "height": SIZE.1, "width": SIZE.0},
                "text_q": question.replacen("<mask>", "Region [0]", 1).replace("<mask>", "Region [1]"),
                "qa_info": {"type": "of a miniature", "category": category},
                "conversations": [
                    {"from": "human", "value": format!("<image>\n{question}")},
                    {"from": "gpt", "value": answer},
                ],
                "bbox": boxes,
                "rle": if (number + repeat) % 2 == 0 { masks } else { json!([]) },
            }));
        }
    }
    let rows = Value::Array(rows);
    fs::write(folder.join("bench.json"), rows.to_string()).unwrap();
    rows
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Answers to the miniature's rows, in the order of the file.
fn answer(folder: &Path, rows: &Value, said: impl Fn(&str) -> Option<&'static str>) {
    let rows = rows.as_array().unwrap().iter();
    let answers = rows.filter_map(|row| {
        let said = said(row["qa_info"]["category"].as_str().unwrap())?;
        Some(json!({"id": row["id"], "answer": said}).to_string())
    });
    let answers: Vec<String> = answers.collect();
    fs::write(folder.join("answers.jsonl"), answers.join("\n")).unwrap();
}

/// The success of a column in percent.
fn success(table: &Value, column: &str) -> f64 {
    let columns = table["columns"].as_array().unwrap();
    let column = columns
        .iter()
        .find(|named| named["name"] == column)
        .unwrap();
    column["figures"]["success"]["value"].as_f64().unwrap()
}

#[test]
fn answers_of_another_model_are_scored_without_a_judge() {
    // Given answers that are right, wrong and unreadable, and one that is missing
    let guard = tempfile::tempdir().unwrap();
    let rows = miniature(guard.path(), 1);
    answer(guard.path(), &rows, |category| match category {
        "distance_data" => Some("They are about 61 cm (2 feet) apart."),
        "horizontal_distance_data" => Some("**2 meters**"),
        "width_data" => Some("2"),
        "height_data" => None,
        "direction" => Some("Between 3 and 4 o'clock."),
        "left_choice" => Some("the second one"),
        category if category.ends_with("choice") => Some("Region [0]"),
        "wide_predicate" => Some("Region [0] is wider than Region [1]."),
        category if category.ends_with("predicate") => Some("Incorrect."),
        _ => Some("24 inches"),
    });
    // When they are scored
    let arguments = [
        "bench",
        "bench.json",
        "--answers",
        "answers.jsonl",
        "--json",
    ];
    let ended = run(guard.path(), &arguments).expect_code(0);
    // Then each column has its share of them
    let table = ended.json();
    assert_eq!(table["rows"], 24);
    assert_eq!(table["model"], "answers");
    for (column, expected) in [
        ("direct_distance", 100.0),
        ("horizontal_distance", 0.0),
        ("vertical_distance", 100.0),
        ("width", 0.0),
        ("height", 0.0),
        ("direction", 100.0),
        ("left_right", 25.0),
        ("wide_thin", 50.0),
        ("behind_front", 0.0),
    ] {
        assert_eq!(success(&table, column), expected, "{column}");
    }
    assert_eq!(table["quantitative"]["unread"], 2);
    let published = table["published"]["models"].as_array().unwrap();
    assert!(
        published
            .iter()
            .any(|model| model["model"] == "SpatialRGPT-7B" && model["average"] == 91.78)
    );
    // and nothing was written
    assert_eq!(
        names_in(guard.path()),
        ["answers.jsonl", "bench.json", "images"]
    );
    // and the text shows the paper's columns
    let ended = run(guard.path(), &arguments[..4]).expect_code(0);
    for words in [
        "Below/Above",
        "Direct",
        "95 % interval",
        "SpatialRGPT-VILA-1.5-8B",
        "1/1",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {ended}");
    }
}

#[test]
fn the_page_shows_the_worst_answers_with_their_pictures() {
    let guard = tempfile::tempdir().unwrap();
    let rows = miniature(guard.path(), 1);
    answer(guard.path(), &rows, |category| match category {
        "width_data" => Some("<b>40</b> meters"),
        _ => Some("no idea"),
    });
    let arguments = [
        "bench",
        "bench.json",
        "--answers",
        "answers.jsonl",
        "--images",
        "images",
        "-o",
        "out",
        "--worst",
        "3",
    ];
    run(guard.path(), &arguments).expect_code(0);
    let out = guard.path().join("out");
    assert_eq!(names_in(&out), ["bench.html", "bench.json", "scores.jsonl"]);
    let page = fs::read_to_string(out.join("bench.html")).unwrap();
    assert_eq!(page.matches("<figure>").count(), 3);
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 3);
    assert!(
        page.contains("&lt;b&gt;40&lt;/b&gt; meters") && page.contains("How wide is Region [0]?")
    );
    let scores = lines(&out.join("scores.jsonl"));
    assert_eq!(scores.len(), 24);
    let width = scores
        .iter()
        .find(|row| row["category"] == "width_data")
        .unwrap();
    assert_eq!(
        (&width["read"], &width["right"]),
        (&json!("40.000 m"), &json!(false))
    );
}

#[test]
fn what_is_read_from_answers_is_printed_a_line_each() {
    let guard = tempfile::tempdir().unwrap();
    let given = r#"{"id": 1, "category": "distance_data", "answer": "5 feet 3"}
{"id": "two", "category": "direction", "answer": "between 2 and 3 o'clock"}
{"id": 3, "category": "wide_predicate", "answer": "Actually, Region [1] is wider"}
{"id": 4, "category": "tall_choice", "answer": "the second one"}
{"id": 5, "category": "height_data", "answer": "I cannot determine that"}
"#;
    fs::write(guard.path().join("given.jsonl"), given).unwrap();
    let ended = run(guard.path(), &["bench", "--read", "given.jsonl"]).expect_code(0);
    let read: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let metres = read[0]["metres"].as_f64().unwrap();
    assert!((metres - 1.6002).abs() < 1e-9);
    assert_eq!(read[1], json!({"id": "two", "hours": 2.5}));
    assert_eq!(read[2], json!({"id": 3, "yes": false}));
    assert_eq!(read[3], json!({"id": 4, "region": 1}));
    assert_eq!(read[4]["id"], 5);
    assert!(read[4]["why"].is_string() && read[4].get("metres").is_none());
    // and what is no such line is named
    fs::write(
        guard.path().join("given.jsonl"),
        "{\"id\": 1, \"category\": \"speed\"}\n",
    )
    .unwrap();
    let ended = run(guard.path(), &["bench", "--read", "given.jsonl"]);
    ended.expect_error(&["line 1", "'speed'"]);
}

#[test]
fn pictures_are_drawn_with_numbered_marks() {
    let guard = tempfile::tempdir().unwrap();
    miniature(guard.path(), 1);
    let arguments = [
        "bench",
        "bench.json",
        "--images",
        "images",
        "--draw",
        "marked",
    ];
    run(guard.path(), &arguments).expect_code(0);
    let questions = lines(&guard.path().join("marked/questions.jsonl"));
    assert_eq!(questions.len(), 24);
    assert_eq!(
        questions[0]["question"],
        "How far is Region [0] from Region [1]?"
    );
    for asked in &questions {
        let file = guard
            .path()
            .join("marked")
            .join(asked["image"].as_str().unwrap());
        let drawn = image::open(file).unwrap();
        assert_eq!((drawn.width(), drawn.height()), SIZE);
    }
    // The second row's first region is a box, clamped to the picture's edge: its corner is tinted.
    let before = image::open(picture(0)).unwrap().to_rgb8();
    let drawn = image::open(guard.path().join("marked/0001.jpg"))
        .unwrap()
        .to_rgb8();
    let differs = |x, y| {
        let pixels = before
            .get_pixel(x, y)
            .0
            .into_iter()
            .zip(drawn.get_pixel(x, y).0);
        pixels.map(|(one, other)| one.abs_diff(other)).max() > Some(40)
    };
    assert!(differs(0, 50) && !differs(150, 50));
}

#[test]
fn what_is_missing_is_said_with_the_way_out() {
    let guard = tempfile::tempdir().unwrap();
    miniature(guard.path(), 1);
    run(guard.path(), &["bench", "bench.json"]).expect_code(2);
    run(guard.path(), &["bench"]).expect_code(2);
    fs::create_dir(guard.path().join("empty")).unwrap();
    let ended = run(guard.path(), &["bench", "bench.json", "--images", "empty"]);
    ended.expect_error(&["no picture", PICTURE, "--images"]);
    fs::write(
        guard.path().join("answers.jsonl"),
        "{\"id\": \"x\", \"answer\": \"y\"}\n",
    )
    .unwrap();
    let ended = run(
        guard.path(),
        &["bench", "bench.json", "--answers", "answers.jsonl"],
    );
    ended.expect_error(&["answers.jsonl", "no answer to a row"]);
}

#[test]
fn missing_and_doubled_answers_are_told() {
    // Given answers of which five are missing, one is doubled, and one is to no row
    let guard = tempfile::tempdir().unwrap();
    let rows = miniature(guard.path(), 1);
    answer(guard.path(), &rows, |category| {
        (!category.ends_with("_data")).then_some("Yes.")
    });
    let file = guard.path().join("answers.jsonl");
    let mut text = fs::read_to_string(&file).unwrap();
    text +=
        "\n{\"id\": \"row_7\", \"answer\": \"No.\"}\n{\"id\": \"row_99\", \"answer\": \"No.\"}\n";
    fs::write(&file, text).unwrap();
    // When they are scored
    let arguments = ["bench", "bench.json", "--answers", "answers.jsonl"];
    let ended = run(guard.path(), &arguments).expect_code(0);
    // Then each kind is told with its number and first ids
    for words in [
        "5 rows have no answer, and count as wrong: row_0, row_1, row_2, ...",
        "1 rows have several answers, of which the last counts: row_7",
        "1 answers are to no row of the benchmark: row_99",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {ended}");
    }
    // and answers that are whole are told nothing of
    answer(guard.path(), &rows, |_| Some("Yes."));
    let ended = run(guard.path(), &arguments).expect_code(0);
    assert!(!ended.stderr.contains("answer"), "{ended}");
}

#[test]
fn a_box_outside_its_picture_is_told_by_its_row() {
    // Given boxes of which one lies beside the picture, and one is turned inside out
    let guard = tempfile::tempdir().unwrap();
    let mut rows = miniature(guard.path(), 1);
    for (row, region, corners) in [
        (3, 1, json!([500, 10, 600, 20])),
        (4, 0, json!([20, 30, 10, 60])),
    ] {
        rows[row]["rle"] = json!([]);
        rows[row]["bbox"][region] = corners;
    }
    fs::write(guard.path().join("bench.json"), rows.to_string()).unwrap();
    // When its pictures are drawn
    let arguments = ["bench", "bench.json", "--images", "images", "--draw", "out"];
    let ended = run(guard.path(), &arguments).expect_code(0);
    // Then both are told, and no box that only sticks out
    let told: Vec<&str> = (ended.stderr.lines())
        .filter(|line| line.contains("covers no pixel"))
        .collect();
    assert_eq!(told.len(), 2, "{ended}");
    assert!(told[0].contains("row_3: the box of region 1") && told[0].contains("451 x 300"));
    assert!(told[1].contains("row_4: the box of region 0"));
}

#[test]
fn drawing_replaces_no_files_of_others() {
    let guard = tempfile::tempdir().unwrap();
    miniature(guard.path(), 1);
    let arguments = ["bench", "bench.json", "--images", "images", "--draw", "out"];
    let overwrite = [&arguments[..], &["--overwrite"]].concat();
    let out = guard.path().join("out");
    // Given a folder with a file of somebody
    fs::create_dir(&out).unwrap();
    fs::write(out.join("0000.jpg"), "mine").unwrap();
    // Then it is refused, whatever is said
    for arguments in [&arguments[..], &overwrite] {
        run(guard.path(), arguments).expect_error(&["out", "0000.jpg", "another folder"]);
        assert_eq!(fs::read(out.join("0000.jpg")).unwrap(), b"mine");
    }
    // and once it is empty it is drawn into, and replaced only where that is said
    fs::remove_file(out.join("0000.jpg")).unwrap();
    run(guard.path(), &arguments).expect_code(0);
    assert_eq!(names_in(&out).len(), 25);
    run(guard.path(), &arguments).expect_error(&["out", "exists already", "--overwrite"]);
    fs::write(out.join("0099.jpg"), "of a longer file").unwrap();
    run(guard.path(), &overwrite).expect_code(0);
    assert_eq!(names_in(&out).len(), 25);
    fs::write(out.join("notes.txt"), "mine").unwrap();
    run(guard.path(), &overwrite).expect_error(&["notes.txt"]);
}

#[test]
fn the_help_says_how_long_an_answer_may_be() {
    let guard = tempfile::tempdir().unwrap();
    for (command, tokens) in [("bench", 128), ("label", 64)] {
        let help = run(guard.path(), &[command, "--help"])
            .expect_code(0)
            .stdout;
        let (_, option) = help.split_once("--max-new-tokens").unwrap();
        let default = format!("[default: {tokens}]");
        let (before, _) = option.split_once(&default).unwrap();
        assert!(!before.contains("--"), "{command}: {option}");
    }
}

#[cfg(feature = "torch")]
#[test]
fn nano_is_asked_and_what_it_does_not_know_is_unanswered() {
    // Given the miniature, of which nano knows the question about distances alone
    let guard = tempfile::tempdir().unwrap();
    miniature(guard.path(), 2);
    let arguments = [
        "bench",
        "bench.json",
        "--images",
        "images",
        "-o",
        "out",
        "--json",
    ];
    // When it is asked
    let ended = run(guard.path(), &arguments);
    expect_no_trace(&ended);
    let table = ended.expect_code(0).json();
    // Then its distances are read, and all else counts as wrong, for a reason that is told
    assert_eq!(
        (&table["rows"], &table["model"]),
        (&json!(48), &json!("nano"))
    );
    let scores = lines(&guard.path().join("out/scores.jsonl"));
    for row in &scores {
        let is_distance = row["category"] == "distance_data";
        assert_eq!(row["answer"].is_string(), is_distance, "{row}");
        assert_eq!(row["read"].is_string(), is_distance, "{row}");
        assert!(is_distance || row["right"] == false && !row["why"].as_str().unwrap().is_empty());
    }
    // and each mask and box was seen: the same question has two answers
    let said: BTreeSet<&str> = scores
        .iter()
        .filter_map(|row| row["answer"].as_str())
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(guard.path().join("out/bench.html").exists());
}

#[cfg(feature = "torch")]
#[test]
fn killed_and_resumed_it_asks_nothing_twice() {
    // Given a run that is killed once it has answers
    let guard = tempfile::tempdir().unwrap();
    let rows = miniature(guard.path(), 4);
    let kept = guard.path().join("out/answers.jsonl");
    let arguments = ["bench", "bench.json", "--images", "images", "-o", "out"];
    let mut child = program(guard.path())
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while fs::metadata(&kept).map_or(0, |file| file.len()) == 0
        && child.try_wait().unwrap().is_none()
    {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // and of whose answers one was changed, the others and the last line's end were lost
    let text = fs::read_to_string(&kept).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let changed = json!({"id": first["id"], "answer": "3 feet, and a mark"});
    fs::write(&kept, format!("{changed}\n{{\"id\": \"row_1\", \"ans")).unwrap();
    // When it is run again, and a third time
    for _ in 0..2 {
        run(guard.path(), &arguments).expect_code(0);
        // Then each row has one answer, and the one that was there is the one that was changed
        let answers = lines(&kept);
        let ids: BTreeSet<String> = answers.iter().map(|line| line["id"].to_string()).collect();
        assert_eq!((answers.len(), ids.len()), (96, 96));
        assert_eq!(answers.len(), rows.as_array().unwrap().len());
        assert_eq!(answers[0], changed);
    }
    // and with other settings it does not go on from them
    let other = [&arguments[..], &["--max-new-tokens", "8"]].concat();
    run(guard.path(), &other).expect_error(&["another run", "--overwrite"]);
    run(guard.path(), &[&other[..], &["--overwrite"]].concat()).expect_code(0);
    assert_eq!(lines(&kept).len(), 96);
    assert_ne!(lines(&kept)[0], changed);
}
