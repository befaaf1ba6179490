//! The two crates that can be taken alone, against the program.

use std::path::Path;
use std::process::Command;

use crate::fixtures::*;

/// The rewards of a bag, without the times that they took.
fn timeless(bag: &Path) -> String {
    let mut rewards = rewards(bag);
    for (_, reward) in &mut rewards {
        reward.latency_decode_s = 0.0;
        reward.latency_estimate_s = 0.0;
        reward.latency_total_s = 0.0;
    }
    assert_eq!(rewards.len(), 80);
    // As text, because NaN equals nothing.
    format!("{rewards:#?}")
}

#[test]
fn a_program_of_core_and_rosbag2_alone_gives_the_rewards_of_label() {
    // given the example that links only these two
    let programs = Path::new(env!("CARGO_BIN_EXE_spatial-reward"))
        .parent()
        .unwrap();
    let example = programs.join("examples/reward_bag");
    assert!(
        example.is_file(),
        "cargo build -p spatial-reward-core --examples makes {}",
        example.display()
    );
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fetch_approach");
    let folder = tempfile::tempdir().unwrap();
    // when both reward the sample
    let topics = [
        "/camera/color/image_raw/compressed",
        "/camera/aligned_depth_to_color/image_raw",
        "/camera/color/camera_info",
        "/fingertip/detections",
        "/target/detections",
    ];
    let alone = folder.path().join("alone");
    let ended = Command::new(example)
        .arg(&sample)
        .arg(&alone)
        .args(topics)
        .output()
        .unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    run(
        folder.path(),
        &["label", sample.to_str().unwrap(), "-o", "label"],
    )
    .expect_code(0);
    // then every field of every step is the same
    let label = timeless(&folder.path().join("label"));
    assert!(timeless(&alone) == label, "the two differ");
}
