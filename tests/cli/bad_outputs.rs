//! Outputs that cannot be written, and processes that do not live to finish them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::fixtures::*;

#[test]
fn an_output_below_a_file_is_an_error_that_names_it() {
    let (_guard, folder) = folder_with(&approach(3));
    fs::write(folder.join("file"), "").unwrap();
    run(&folder, &["label", "pick.mcap", "-o", "file/out"]).expect_error(&[
        "cannot write file/out",
        "its folder cannot be made",
        "another -o",
    ]);
    assert_eq!(names_in(&folder), ["file", "pick.mcap"]);
}

#[test]
fn a_full_disk_leaves_nothing_behind_and_names_the_file() {
    // Given pictures that do not compress, and a limit on the size of a file, as a quota sets it
    let recording = approach_with(40, |index, instant| {
        let mut state = index.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        instant.color.fill_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
    });
    let (_guard, folder) = folder_with(&recording);
    let program = env!("CARGO_BIN_EXE_spatial-reward");
    // The signal that goes with the limit is ignored, so that writing fails as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f 500; exec '{program}' label pick.mcap -o out");

    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&folder)
        .output()
        .unwrap();

    Ended::of(&output).expect_error(&["cannot write", "out_0.mcap", "File too large"]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn an_existing_output_is_refused_before_any_work() {
    let (_guard, folder) = folder_with(&approach(3));
    approach(3).save(&folder.join("place.mcap"));
    fs::create_dir(folder.join("place_labelled")).unwrap();
    run(&folder, &["label", "pick.mcap", "place.mcap"]).expect_error(&[
        "place_labelled exists already",
        "--overwrite",
        "--resume",
        "-o",
    ]);
    assert_eq!(
        names_in(&folder),
        ["pick.mcap", "place.mcap", "place_labelled"]
    );
}

#[test]
fn a_folder_that_is_no_labelled_bag_is_never_replaced() {
    let (_guard, folder) = folder_with(&approach(3));
    fs::create_dir(folder.join("photos")).unwrap();
    fs::write(folder.join("photos/cat.jpg"), "meow").unwrap();
    for options in [&["--overwrite"][..], &["--resume"], &[]] {
        let asked = [&["label", "pick.mcap", "-o", "photos"], options].concat();
        let ended = run(&folder, &asked);
        let ended = ended.expect_error(&["photos", "never replaced"]);
        // What would be refused is not offered
        assert!(!ended.stderr.contains("--overwrite"), "{ended}");
    }
    assert_eq!(names_in(&folder.join("photos")), ["cat.jpg"]);
}

#[test]
fn the_source_is_never_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    approach(3).save(&at.join("first.mcap"));
    run(at, &["label", "first.mcap", "-o", "bags/pick"]).expect_code(0);
    for (output, words) in [
        ("bags/pick", "it is the source bag itself"),
        ("bags/pick/inside", "it lies inside the source bag"),
    ] {
        run(at, &["label", "bags/pick", "-o", output, "--overwrite"])
            .expect_error(&[words, "another -o"]);
    }
    let only_file = "bags/pick/pick_0.mcap";
    run(at, &["label", only_file, "-o", "bags/pick", "--overwrite"])
        .expect_error(&["the source bag lies inside it"]);
    assert_eq!(rewards(&at.join("bags/pick")).len(), 3);
}

#[test]
fn a_failed_overwrite_leaves_the_old_output() {
    let (_guard, folder) = folder_with(&approach(3));
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    fs::write(folder.join("pick.mcap"), approach(3).without(DEPTH).mcap()).unwrap();
    run(&folder, &["label", "pick.mcap", "-o", "out", "--overwrite"])
        .expect_error(&["depth image"]);
    assert_eq!(rewards(&folder.join("out")).len(), 3);
    assert_eq!(names_in(&folder), ["out", "pick.mcap"]);
}

/// Begin to label a recording so long that the process is met at work.
fn caught_at_work(folder: &Path) -> std::process::Child {
    let child = program(folder)
        .args(["label", "pick.mcap", "-o", "out"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.join(".out.partial").exists() {
        thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn a_killed_process_leaves_no_output_and_resume_carries_on() {
    let (_guard, folder) = folder_with(&approach(300));
    let mut child = caught_at_work(&folder);

    // Unlike Ctrl-C, a kill cannot be answered.
    child.kill().unwrap();
    child.wait().unwrap();

    assert_eq!(
        names_in(&folder),
        [".out.lock", ".out.partial", "pick.mcap"]
    );
    let ended = run(&folder, &["label", "pick.mcap", "-o", "out", "--resume"]).expect_code(0);
    assert!(
        ended.stderr.contains("removing ./.out.partial")
            || ended.stderr.contains("removing .out.partial"),
        "{ended}"
    );
    assert_eq!(names_in(&folder), ["out", "pick.mcap"]);
    assert_eq!(rewards(&folder.join("out")).len(), 300);
}

#[test]
fn two_processes_do_not_write_one_output() {
    let (_guard, folder) = folder_with(&approach(300));
    let mut first = caught_at_work(&folder);

    let second = run(&folder, &["label", "pick.mcap", "-o", "out", "--resume"]);

    let first = first.wait().unwrap();
    assert!(first.success());
    // The second came too early, or just after the first was done.
    if second.code != Some(0) {
        second.expect_error(&["process ", "is writing it now"]);
    }
    assert_eq!(names_in(&folder), ["out", "pick.mcap"]);
}

#[test]
fn an_interrupted_process_cleans_up() {
    let (_guard, folder) = folder_with(&approach(300));
    for signal in ["INT", "TERM"] {
        let child = caught_at_work(&folder);
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{signal}");
        assert_eq!(names_in(&folder), ["pick.mcap"], "{signal}");
    }
}
