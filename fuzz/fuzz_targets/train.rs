//! Any text as a line of a data set that a training reads: refused, or a row whose questions and regions agree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use spatial_reward::training_row::TrainingRow;

fuzz_target!(|text: &str| {
    let Ok(row) = TrainingRow::parse(text) else {
        return;
    };
    assert!(!row.turns.is_empty(), "nothing is asked");
    assert_eq!(row.points.len(), row.boxes.len());
    for [x_min, y_min, x_max, y_max] in &row.boxes {
        assert!(x_min < x_max && y_min < y_max, "{:?}", row.boxes);
    }
    for turn in &row.turns {
        assert_eq!(turn.mentions.len(), turn.question.matches("<mask>").count());
        assert!(turn.mentions.iter().all(|region| *region < row.boxes.len()));
    }
});
