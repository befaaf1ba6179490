//! Which of a camera info's two cameras a picture is of: the lens, which K and D describe, or the rectified camera, whose
//! matrix is P. The message does not say, so the settings do, or the names of the topics.

use crate::settings::Rectification;

/// Which camera of a camera info a picture is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Projection {
    /// Nobody says: the lens's, or the rectified one where there is no K.
    #[default]
    Unsaid,
    /// The lens's: K and D.
    Raw,
    /// The rectified one: P, and no distortion.
    Rectified,
    /// Rectified like the depth image, whose topic alone says so: it is what is measured in.
    RectifiedDepth,
}

impl Projection {
    /// Of a picture on the topic `image` with depth on the topic `depth`, both absolute.
    pub fn of(setting: Rectification, image: &str, depth: Option<&str>) -> Self {
        match setting {
            Rectification::Raw => Self::Raw,
            Rectification::Rectified => Self::Rectified,
            Rectification::Auto if says_rectified(image) => Self::Rectified,
            Rectification::Auto if depth.is_some_and(says_rectified) => Self::RectifiedDepth,
            Rectification::Auto => Self::Unsaid,
        }
    }
}

/// Whether a picture's topic is called rectified, as image_proc and drivers do: `image_rect_color`,
/// `left/image_rect`, `color/rect/image`, each with or without a transport behind it.
fn says_rectified(topic: &str) -> bool {
    let mut parts = stream(topic).rsplit('/');
    let name = parts.next().unwrap_or_default();
    // A node's or a rig's name is no picture's, unless all of it says so: "rect/image".
    let folder = parts.next().unwrap_or_default();
    let is_word = |word: &str| matches!(word, "rect" | "rectified");
    let says = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.split(|c: char| !c.is_ascii_alphanumeric())
            .any(is_word)
    };
    says(name) || is_word(&folder.to_ascii_lowercase())
}

/// Last segments that `image_transport` adds to the name of the image that it carries.
const TRANSPORTS: [&str; 6] = [
    "compressed",
    "compressedDepth",
    "theora",
    "ffmpeg",
    "foxglove",
    "zstd",
];

/// The image's topic without its transport: `/camera/image_raw` of `/camera/image_raw/compressed`.
pub fn stream(topic: &str) -> &str {
    match topic.rsplit_once('/') {
        Some((stream, transport)) if TRANSPORTS.contains(&transport) => stream,
        _ => topic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectified_picture_is_told_by_its_own_name() {
        for topic in [
            "/camera/color/image_rect_color/compressed",
            "/camera/color/image_rect_color",
            "/left/image_rect",
            "/camera/infra1/image_rect_raw",
            "/oak/rgb/image_rect/ffmpeg",
            "/zed/zed_node/rgb/color/rect/image",
            "/cam/rect_image",
            "/cam/rectified/compressed",
        ] {
            let found = Projection::of(Rectification::Auto, topic, None);
            assert_eq!(found, Projection::Rectified, "{topic}");
        }
        for topic in [
            "/camera/color/image_raw/compressed",
            "/rectified_rig/color/image_raw",
            "/camera/direct/image",
            "/camera/image_unrectified",
            "/rect_node/camera/image_color",
            "/image",
            "",
        ] {
            let found = Projection::of(Rectification::Auto, topic, None);
            assert_eq!(found, Projection::Unsaid, "{topic}");
        }
    }

    #[test]
    fn depth_that_is_rectified_is_measured_as_such() {
        let of = |image, depth| Projection::of(Rectification::Auto, image, Some(depth));
        assert_eq!(
            of("/rgb/image_raw", "/depth_registered/image_rect"),
            Projection::RectifiedDepth
        );
        assert_eq!(
            of("/rgb/image_rect_color", "/depth/image_raw"),
            Projection::Rectified
        );
        assert_eq!(of("/rgb/image_raw", "/depth/image_raw"), Projection::Unsaid);
    }

    #[test]
    fn what_the_user_says_wins_over_every_name() {
        let rect = "/camera/image_rect";
        let of = |setting| Projection::of(setting, rect, Some(rect));
        assert_eq!(of(Rectification::Raw), Projection::Raw);
        let raw = "/camera/image_raw";
        let of = Projection::of(Rectification::Rectified, raw, Some(raw));
        assert_eq!(of, Projection::Rectified);
    }
}
