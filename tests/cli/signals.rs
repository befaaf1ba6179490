//! SIGINT and SIGTERM end a command wherever it is, and nothing unfinished is left. No time is measured here: a command
//! that was deaf would wait for ever.

use std::io::{Write, pipe};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::fixtures::*;
use crate::stuck::{Stuck, recording_to_warn_of};

const SIGNALS: [&str; 2] = ["INT", "TERM"];

#[test]
fn a_label_that_could_not_even_say_a_word_was_deaf() {
    let (_guard, folder) = folder_with(&recording_to_warn_of(30));
    for signal in SIGNALS {
        // given a process in the middle of its work that waits for something else than the next message
        let at_work = Stuck::at_work(
            &folder,
            &["label", "pick.mcap", "-o", "out"],
            ".out.partial",
        );
        // when it is asked to end
        at_work.signal(signal);
        // then it does, and nothing is left of what it began
        assert_eq!(at_work.wait().code(), Some(1), "{signal}");
        assert_eq!(names_in(&folder), ["pick.mcap"], "{signal}");
    }
}

#[test]
fn an_interrupted_overwrite_leaves_the_old_output() {
    let (_guard, folder) = folder_with(&recording_to_warn_of(30));
    let label = ["label", "pick.mcap", "-o", "out"];
    run(&folder, &label).expect_code(0);
    let at_work = Stuck::at_work(
        &folder,
        &[&label[..], &["--overwrite"]].concat(),
        ".out.partial",
    );

    at_work.signal("TERM");

    assert_eq!(at_work.wait().code(), Some(1));
    assert_eq!(names_in(&folder), ["out", "pick.mcap"]);
    assert_eq!(rewards(&folder.join("out")).len(), 30);
}

#[test]
fn a_second_signal_ends_it_at_once_and_the_next_run_clears_up() {
    let (_guard, folder) = folder_with(&recording_to_warn_of(30));
    let label = ["label", "pick.mcap", "-o", "out"];
    let at_work = Stuck::at_work(&folder, &label, ".out.partial");

    at_work.signal("INT");
    // The first one has been heard once nothing more is written; one that comes together with it is the same one.
    thread::sleep(Duration::from_millis(50));
    at_work.signal("INT");

    assert_eq!(at_work.wait().code(), Some(1));
    run(&folder, &label).expect_code(0);
    assert_eq!(names_in(&folder), ["out", "pick.mcap"]);
}

#[test]
fn a_label_whose_summary_nobody_read_was_deaf() {
    let (_guard, folder) = folder_with(&approach(3));
    for signal in SIGNALS {
        // given a process that is done and waits for its summary to be read
        let (_stdout, mut writer) = pipe().unwrap();
        writer.write_all(&[b'.'; 64 * 1024]).unwrap();
        let mut child = program(&folder)
            .args(["label", "pick.mcap", "-o", signal])
            .stdout(writer)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !folder.join(signal).exists() {
            thread::sleep(Duration::from_millis(1));
        }
        // when it is asked to end
        let process = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status();
        assert!(sent.unwrap().success());
        // then it does, and what it made stays
        assert_eq!(child.wait().unwrap().code(), Some(1), "{signal}");
        assert_eq!(rewards(&folder.join(signal)).len(), 3);
    }
    assert_eq!(names_in(&folder), ["INT", "TERM", "pick.mcap"]);
}

#[test]
fn a_dataset_that_could_not_even_say_a_word_was_deaf() {
    // given a bag of which every frame is told to be left out
    let recording = approach(30).with_data(IMAGE, "sensor_msgs/msg/Image", |index| {
        let stamp = START + index * PERIOD;
        raw_image(stamp, "rgb8", WIDTH, HEIGHT, &[0; HEIGHT as usize])
    });
    let (_guard, folder) = folder_with(&recording);
    for signal in SIGNALS {
        let arguments = ["dataset", "pick.mcap", "-o", "data"];
        let at_work = Stuck::at_work(&folder, &arguments, ".data.partial");
        at_work.signal(signal);
        assert_eq!(at_work.wait().code(), Some(1), "{signal}");
        assert_eq!(names_in(&folder), ["pick.mcap"], "{signal}");
    }
}
