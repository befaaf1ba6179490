//! A picture with what was found in it: boxes, each with its words and score, in one colour for each query.

use resvg::tiny_skia::Transform;
use resvg::usvg::Tree;
use spatial_reward_core::detection::Detection;
use spatial_reward_core::frame::ColorImage;

use super::raster;
use super::svg::{escaped, fitted, text_width};
use crate::error::Result;

/// Told apart by those who see red and green alike (Okabe and Ito's), and seen on most pictures.
const COLORS: [&str; 6] = [
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7",
];

/// The picture with the boxes drawn in, the best one on top, as a PNG of its size; `words` are the queries', and an example has
/// none.
///
/// # Errors
/// `Error::PixelCount` for a picture whose pixels do not make up its size, `Error::EmptyPicture` for one without pixels.
pub fn png(picture: &ColorImage, found: &[Detection], words: &[String]) -> Result<Vec<u8>> {
    let mut pixmap = raster::canvas(picture)?;
    let (width, height) = (picture.width, picture.height);
    let text_px = (f64::from(width.max(height)) / 45.0).clamp(9.0, 28.0);
    let shown = found.iter().rev().filter_map(|detection| {
        let bbox = detection.bbox.clipped(width, height)?;
        Some(Detection { bbox, ..*detection })
    });
    let shown: Vec<Detection> = shown.collect();
    // Words are on top of all boxes.
    let boxes = shown.iter().map(|detection| outline(detection, text_px));
    let labels = (shown.iter()).map(|detection| label(detection, words, text_px, width));
    let body: String = boxes.chain(labels).collect();
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' font-family='DejaVu Sans' \
         font-size='{text_px:.1}'>{body}</svg>"
    );
    let tree = Tree::from_str(&svg, raster::options()).map_err(raster::render)?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    raster::encode(&pixmap)
}

fn color(detection: &Detection) -> &'static str {
    COLORS
        .get(detection.query % COLORS.len())
        .copied()
        .unwrap_or("white")
}

fn outline(detection: &Detection, text_px: f64) -> String {
    let (bbox, line_px) = (detection.bbox, (text_px / 6.0).max(1.5));
    format!(
        "<rect x='{:.1}' y='{:.1}' width='{:.1}' height='{:.1}' fill='none' stroke='{}' stroke-width='{line_px:.1}'/>",
        bbox.x_min,
        bbox.y_min,
        bbox.width(),
        bbox.height(),
        color(detection)
    )
}

/// On a patch of the box's colour, above the box where there is room and in it where there is none.
fn label(detection: &Detection, words: &[String], text_px: f64, width: u32) -> String {
    let score = format!("{:.2}", detection.score);
    let text = match words.get(detection.query) {
        Some(words) => format!("{words} {score}"),
        None => score,
    };
    let text = fitted(&text, text_px, f64::from(width) * 0.9);
    let (wide, high) = (text_width(&text, text_px) + text_px * 0.5, text_px * 1.3);
    let left = (detection.bbox.x_min).min(f64::from(width) - wide).max(0.0);
    let top = match detection.bbox.y_min - high {
        above if above >= 0.0 => above,
        _ => detection.bbox.y_min,
    };
    format!(
        "<rect x='{left:.1}' y='{top:.1}' width='{wide:.1}' height='{high:.1}' fill='{}'/><text x='{:.1}' y='{:.1}' \
         fill='black'>{}</text>",
        color(detection),
        left + text_px * 0.25,
        top + text_px * 1.0,
        escaped(&text)
    )
}

#[cfg(test)]
mod tests {
    use spatial_reward_core::frame::BoundingBox;

    use super::*;

    fn grey(width: u32, height: u32) -> ColorImage {
        ColorImage {
            width,
            height,
            rgb: vec![90; (width * height * 3) as usize].into(),
        }
    }

    #[test]
    fn what_was_found_is_drawn_where_it_is() {
        // given two boxes, of which one reaches beyond the picture and one lies beyond it, and words that are markup
        let detection = |query, x_min, x_max| Detection {
            query,
            bbox: BoundingBox::new(x_min, 60.0, x_max, 300.0),
            score: 0.5,
        };
        let found = [detection(0, 40.0, 160.0), detection(1, 500.0, 600.0)];
        let words = ["a <b> & c".to_owned(), "there".to_owned()];
        // when
        let bytes = png(&grey(200, 150), &found, &words).unwrap();
        // then the left edge has the first colour, and the middle is as it was
        let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (200, 150));
        let [red, _, blue] = picture.get_pixel(40, 120).0;
        assert!(red > blue + 60, "{red} {blue}");
        assert_eq!(picture.get_pixel(100, 110).0, [90; 3]);
    }

    #[test]
    fn a_picture_that_is_none_is_refused() {
        assert!(png(&grey(0, 0), &[], &[]).is_err());
    }
}
