//! Reading topic names: the words in them, the namespaces they share, the transport behind them.

use std::collections::BTreeSet;

pub(crate) use spatial_reward_core::messages::stream;

/// Pictures made for people, of depth or of detections.
const DRAWINGS: &[&str] = &[
    "debug",
    "dbg",
    "processed",
    "overlay",
    "annotated",
    "visualization",
    "visualisation",
    "viz",
    "vis",
    "preview",
    "colormap",
    "colored",
    "coloured",
    "colorized",
    "colourized",
    "heatmap",
    "mask",
    "segmentation",
    "confidence",
    "disparity",
];
const DEPTH: &[&str] = &["depth"];
const COLOR: &[&str] = &["color", "colour", "rgb", "rgbd"];
const NOT_COLOR: &[&str] = &[
    "infra", "infra1", "infra2", "infrared", "ir", "thermal", "mono",
];

/// Words of this length and longer are also found inside other words.
const LONG_WORD: usize = 5;

/// Whether the name has one of the words, singular or plural, in any case.
pub(crate) fn mentions(name: &str, words: &[&str]) -> bool {
    let lower = name.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).any(|token| {
        words.iter().any(|word| {
            token == *word
                || token.strip_suffix('s') == Some(word)
                || (word.len() >= LONG_WORD && token.contains(word))
        })
    })
}

/// Whether the topic is ground truth: that is for evaluation, never for labelling.
pub(crate) fn is_truth(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.split('/').any(|segment| {
        segment.contains("ground_truth") || segment.contains("groundtruth") || segment == "gt"
    })
}

/// Where ROS expects the camera info of an image: beside it.
pub(crate) fn camera_info_beside(image: &str) -> String {
    format!("{}/camera_info", namespace(stream(image)))
}

fn segments(name: &str) -> impl DoubleEndedIterator<Item = &str> {
    name.split('/').filter(|segment| !segment.is_empty())
}

/// How many leading segments two names share.
pub(crate) fn shared_segments(a: &str, b: &str) -> usize {
    let pairs = segments(a).zip(segments(b));
    pairs.take_while(|(a, b)| a == b).count()
}

/// The name in front of its last segment.
pub(crate) fn namespace(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(namespace, _)| namespace)
}

/// The leading segments that all images' names share: words in them say nothing about one of them. Empty if there
/// is but one image, and never a whole name.
pub(crate) fn common_namespace<'a>(images: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let streams: BTreeSet<&str> = images.map(stream).collect();
    let mut streams = streams.into_iter();
    let first = streams.next().unwrap_or_default();
    let shared = streams.map(|other| shared_segments(namespace(first), namespace(other)));
    segments(first).take(shared.min().unwrap_or(0)).collect()
}

/// What is left of a name behind what all images share, without the transport.
pub(crate) fn own_name(name: &str, common: &[&str]) -> String {
    let segments: Vec<&str> = segments(stream(name)).collect();
    segments.strip_prefix(common).unwrap_or(&segments).join("/")
}

/// What an image shows by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// It says depth.
    Depth,
    /// It says colour.
    Color,
    /// It says another light than that of colours, or no colours.
    OtherLight,
    /// Of depth, detections or masks, made for people.
    Drawing,
    /// It does not say.
    Unsaid,
}

/// What a name says that its image shows. The last word counts: those in front are of the camera.
pub(crate) fn shows(own_name: &str) -> Shows {
    if mentions(own_name, DRAWINGS) {
        return Shows::Drawing;
    }
    let of_segment = |segment: &str| {
        let kinds = [
            (DEPTH, Shows::Depth),
            (COLOR, Shows::Color),
            (NOT_COLOR, Shows::OtherLight),
        ];
        let mut said = kinds.iter().filter(|(words, _)| mentions(segment, words));
        said.next().map(|(_, shows)| *shows)
    };
    let mut said = segments(own_name).rev().filter_map(of_segment);
    said.next().unwrap_or(Shows::Unsaid)
}

/// How surely a topic's boxes are the fingertip's by its name; 0 if it does not say.
pub(crate) fn says_fingertip(name: &str) -> u8 {
    strength(
        name,
        &["fingertip"],
        &["finger", "gripper", "tip"],
        &[
            "eef",
            "ee",
            "endeffector",
            "effector",
            "tool",
            "tcp",
            "hand",
        ],
    )
}

/// How surely a topic's boxes are the target's by its name; 0 if it does not say.
pub(crate) fn says_target(name: &str) -> u8 {
    strength(name, &["target"], &["object", "goal"], &["obj", "item"])
}

/// A name this sure is believed even where no other topic is left for the other role.
pub(crate) const SURE: u8 = 3;

fn strength(name: &str, sure: &[&str], likely: &[&str], possible: &[&str]) -> u8 {
    [(SURE, sure), (2, likely), (1, possible)]
        .into_iter()
        .find(|(_, words)| mentions(name, words))
        .map_or(0, |(strength, _)| strength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_in_plural_and_long_ones_inside_others() {
        assert!(mentions("/Left_Fingertips/boxes", &["fingertip"]));
        assert!(mentions("/objects", &["object"]));
        assert!(mentions("/rgbdcamera/colorimage", &["color"]));
        assert!(!mentions("/door_handle", &["hand"]));
        assert!(!mentions("/multiplexer", &["tip"]));
    }

    #[test]
    fn truth_is_told_by_a_segment_of_the_name() {
        assert!(is_truth("/ground_truth/fingertip"));
        assert!(is_truth("/sim/gt/target"));
        assert!(!is_truth("/gtx/target"));
    }

    #[test]
    fn the_camera_info_is_expected_beside_the_image_whatever_its_transport() {
        for image in [
            "/camera/color/image_raw",
            "/camera/color/image_raw/compressed",
        ] {
            assert_eq!(camera_info_beside(image), "/camera/color/camera_info");
        }
        assert_eq!(camera_info_beside("/image"), "/camera_info");
    }

    #[test]
    fn words_of_the_camera_say_nothing_about_its_images() {
        // given a camera that is called after what one of its images shows
        let of_depth_camera = [
            "/depth_camera/color/image_raw/compressed",
            "/depth_camera/aligned_depth_to_color/image_raw",
            "/depth_camera/aligned_depth_to_color/image_raw/compressedDepth",
        ];
        // when the names are read without what they share
        let common = common_namespace(of_depth_camera.into_iter());
        let said = of_depth_camera.map(|name| shows(&own_name(name, &common)));
        // then each says what is its own
        assert_eq!(said, [Shows::Color, Shows::Depth, Shows::Depth]);
        // And what is elsewhere keeps its whole name
        assert_eq!(own_name("/depth/camera_info", &common), "depth/camera_info");
    }

    #[test]
    fn what_all_images_share_is_never_a_whole_name_and_nothing_of_one_alone() {
        for (images, shared) in [
            (vec!["/depth/image", "/depth/image/zstd"], vec![]),
            (vec![], vec![]),
            (vec!["/a/b", "/a/c", "/d"], vec![]),
            (vec!["/a/b/c", "/a/b"], vec!["a"]),
        ] {
            assert_eq!(
                common_namespace(images.iter().copied()),
                shared,
                "{images:?}"
            );
        }
    }

    #[test]
    fn of_several_words_the_last_one_counts() {
        for (name, expected) in [
            ("depth_camera/rgb/image_raw", Shows::Color),
            ("color_rig/depth/image_raw", Shows::Depth),
            ("color_rig/stereo/image_raw", Shows::Color),
            ("camera/infra1/image_rect_raw", Shows::OtherLight),
            ("camera/depth/colored/image", Shows::Drawing),
            ("camera/aligned_depth_to_color/image_raw", Shows::Depth),
            ("stereo/image_raw", Shows::Unsaid),
        ] {
            assert_eq!(shows(name), expected, "{name}");
        }
    }

    #[test]
    fn namespaces_are_compared_by_segments() {
        assert_eq!(shared_segments("/a/b/c", "/a/b/d"), 2);
        assert_eq!(shared_segments("/front_left/x", "/front_right/x"), 0);
    }
}
