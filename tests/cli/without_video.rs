//! What a build without the feature `video` says of recordings of it.

use crate::fixtures::*;

const VIDEO: &str = "/camera/color/image_raw/foxglove";

/// An approach whose colour is packets of H.264.
fn video(count: i64) -> Recording {
    let packet = |index| {
        let keyframe = vec![0_u8, 0, 0, 1, 0x65, 0x88];
        cdr(&(header(START + index * PERIOD), keyframe, "h264"))
    };
    approach(count)
        .with_data(IMAGE, "foxglove_msgs/msg/CompressedVideo", packet)
        .renamed(IMAGE, VIDEO)
}

#[test]
fn labelling_video_says_how_to_get_it_and_writes_nothing() {
    let (_guard, folder) = folder_with(&video(5));
    run(&folder, &["label", "pick.mcap"]).expect_error(&[
        "h264 video cannot be decoded",
        "not in this build",
        "--features video",
        "scripts/setup --video",
        "--image-topic",
    ]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn inspecting_video_names_its_topic_and_the_obstacle() {
    let (_guard, folder) = folder_with(&video(5));
    let found = run(&folder, &["inspect", "pick.mcap", "--json"]).json();
    assert_eq!(found["roles"]["image"]["topic"], VIDEO);
    let obstacles = found["label"]["obstacles"].to_string();
    assert!(obstacles.contains("--features video"), "{obstacles}");
}
