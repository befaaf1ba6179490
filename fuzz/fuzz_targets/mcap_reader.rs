//! Any bytes as a bare MCAP bag file: opened and read to the end, or refused.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use spatial_reward_fuzz::read_bag;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder can be made"));

fuzz_target!(|bytes: &[u8]| read_bag(FOLDER.path(), "x.mcap", bytes));
