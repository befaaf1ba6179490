//! The tiny random checkpoint and the pictures that the model's tests ask about.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::fixtures::{Ended, program};

/// A file or folder of this repository.
pub(crate) fn in_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A folder of tests/fixtures/spatialrgpt, or a file in one.
pub(crate) fn fixture(name: &str) -> PathBuf {
    in_repository("tests/fixtures/spatialrgpt").join(name)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn checkpoint() -> PathBuf {
    fixture("a/checkpoint")
}

pub(crate) fn picture(case: usize) -> PathBuf {
    fixture(&format!("inputs/img{case}.png"))
}

/// Run the program with words on its stdin.
pub(crate) fn run_saying(stdin: &str, arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(folder.path())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has failed already closed its end.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    Ended::of(&child.wait_with_output().unwrap())
}

/// Neither a panic nor a trace of libtorch's C++ calls reaches the user.
#[track_caller]
pub(crate) fn expect_no_trace(ended: &Ended) {
    for trace in ["panicked", "frame #", "at::", "c10::", "stack backtrace"] {
        assert!(!ended.stderr.contains(trace), "{ended}");
    }
}
