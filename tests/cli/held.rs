//! Two processes at one output: whoever comes second is told who holds it, and leaves the other's work alone.

use std::fs;

use crate::fixtures::*;
use crate::stuck::{Stuck, recording_to_warn_of};

const FRAMES: i64 = 4;

#[test]
fn whoever_comes_second_was_not_told_which_process_holds_the_output() {
    let (_guard, folder) = folder_with(&recording_to_warn_of(FRAMES));
    let label = ["label", "pick.mcap", "-o", "out"];
    // given a process at work, on nothing and then on an output that is there
    for first in [&[][..], &["--overwrite"]] {
        let at_work = Stuck::at_work(&folder, &[&label[..], first].concat(), ".out.partial");
        let process = format!("process {}", at_work.process());
        // when another comes, whatever it wants of what is there
        for second in [&[][..], &["--resume"], &["--overwrite"]] {
            let ended = run(&folder, &[&label[..], second].concat());
            // then it is told
            ended.expect_error(&["out", &process, "is writing it now"]);
        }
        // and the first one's work is whole
        assert!(at_work.go_on().success());
        assert_eq!(names_in(&folder), ["out", "pick.mcap"]);
        assert_eq!(rewards(&folder.join("out")).len(), FRAMES as usize);
    }
}

#[test]
fn a_run_over_several_bags_is_told_of_the_one_and_labels_the_others() {
    let (_guard, folder) = folder_with(&recording_to_warn_of(FRAMES));
    fs::create_dir(folder.join("bags")).unwrap();
    fs::rename(folder.join("pick.mcap"), folder.join("bags/a.mcap")).unwrap();
    approach(FRAMES).save(&folder.join("bags/b.mcap"));
    let first = ["label", "bags/a.mcap", "-o", "out/a_labelled"];
    let at_work = Stuck::at_work(&folder, &first, "out/.a_labelled.partial");
    let process = format!("process {}", at_work.process());

    let second = ["label", "bags", "-o", "out", "--resume", "--json"];
    let ended = run(&folder, &second).expect_code(1);

    let bags = &ended.json()["bags"];
    assert_eq!(bags[0]["status"], "failed");
    assert!(bags[0]["error"].as_str().unwrap().contains(&process));
    assert_eq!(bags[1]["status"], "labelled");
    assert!(at_work.go_on().success());
    assert_eq!(names_in(&folder.join("out")), ["a_labelled", "b_labelled"]);
}

#[test]
fn a_data_set_has_one_writer_too() {
    let (_guard, folder) = folder_with(&recording_to_warn_of(FRAMES));
    let label = ["label", "pick.mcap", "-o", "out"];
    let at_work = Stuck::at_work(&folder, &label, ".out.partial");
    let process = format!("process {}", at_work.process());

    for more in [&[][..], &["--overwrite"]] {
        let arguments = [&["dataset", "pick.mcap", "-o", "out"][..], more].concat();
        run(&folder, &arguments).expect_error(&[&process, "is writing it now"]);
    }

    assert!(at_work.go_on().success());
}
