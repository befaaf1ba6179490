//! One frame with what was made of it drawn in: both boxes, the distance between them, the reward, or the
//! reason why there is none. For a live view.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::painted::painted;
use super::raster;
use crate::error::Result;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::step::Step;

const JPEG_QUALITY: u8 = 80;

/// The colours that the report draws the two boxes in.
const FINGERTIP: &str = "#ffb000";
const TARGET: &str = "#38d9a9";

/// The frame with its step drawn in, as a JPEG of the frame's size.
///
/// # Errors
/// `Error::PixelCount` for an image whose pixels do not make up its size, `Error::EmptyPicture` for one
/// without pixels.
pub fn jpeg(color: &ColorImage, step: &Step) -> Result<Vec<u8>> {
    let (width, height) = (color.width, color.height);
    let rgb = painted(color, &drawing(width, height, step))?;
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .write_image(&rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(raster::render)?;
    Ok(bytes)
}

/// The boxes and, on a dark bar along the lower edge, the words.
fn drawing(width: u32, height: u32, step: &Step) -> String {
    let text_px = (f64::from(height) / 20.0).clamp(9.0, 28.0);
    let line_px = (f64::from(height) / 240.0).max(1.0);
    let mut body = String::new();
    for (bbox, color, name) in [
        (step.fingertip, FINGERTIP, "fingertip"),
        (step.target, TARGET, "target"),
    ] {
        if let Some(bbox) = bbox.filter(BoundingBox::is_proper) {
            body += &box_drawing(&bbox, color, name, line_px, text_px);
        }
    }
    if let (Some(one), Some(other)) = (step.fingertip, step.target)
        && step.is_valid()
    {
        let ([x1, y1], [x2, y2]) = (one.center(), other.center());
        body += &format!(
            "<line x1='{x1:.1}' y1='{y1:.1}' x2='{x2:.1}' y2='{y2:.1}' stroke='white' \
             stroke-width='{line_px:.1}' stroke-dasharray='4 4'/>"
        );
    }
    let (bar, lower) = (text_px * 1.5, f64::from(height));
    let (top, base) = (lower - bar, lower - text_px * 0.45);
    let words = words(step);
    let color = if step.is_valid() { "white" } else { "#ff8787" };
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' font-family='DejaVu Sans' \
         font-size='{text_px:.1}'>{body}<rect x='0' y='{top:.1}' width='{width}' height='{bar:.1}' \
         fill='black' fill-opacity='0.6'/><text x='{:.1}' y='{base:.1}' fill='{color}'>{words}</text></svg>",
        text_px * 0.4
    )
}

fn box_drawing(bbox: &BoundingBox, color: &str, name: &str, line_px: f64, text_px: f64) -> String {
    let (x, y) = (bbox.x_min, bbox.y_min);
    let (width, height) = (bbox.width(), bbox.height());
    let label_y = if y > text_px * 1.2 {
        y - text_px * 0.3
    } else {
        y + height + text_px
    };
    format!(
        "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='none' stroke='{color}' \
         stroke-width='{:.1}'/><text x='{x:.1}' y='{label_y:.1}' fill='{color}' stroke='black' \
         stroke-width='{:.1}' paint-order='stroke'>{name}</text>",
        line_px * 1.5,
        text_px / 6.0
    )
}

/// What the step says, in one line.
fn words(step: &Step) -> String {
    let what = format!("episode {} step {}", step.episode, step.frame);
    if !step.is_valid() {
        return format!("no reward: {}   {what}", step.reason_name());
    }
    let success = if step.success { "   success" } else { "" };
    format!(
        "{} {:.1} cm   reward {:.3}{success}   {what}",
        step.distance_kind.name(),
        step.distance_m * 100.0,
        step.reward
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::frame::{Measurement, Reason};
    use spatial_reward_core::pipeline::{FrameInfo, Rewarder};
    use spatial_reward_core::settings::Settings;
    use spatial_reward_core::step::Latency;

    /// The step of a frame whose surface distance is known, or why not.
    fn step(surface_m: std::result::Result<f64, Reason>) -> Step {
        let info = FrameInfo {
            stamp_nanos: 1,
            timeline_nanos: 1,
            log_time_nanos: 1,
            frame_id: "camera".into(),
            episode: 0,
            fingertip: Some(BoundingBox::new(40.0, 60.0, 80.0, 100.0)),
            target: Some(BoundingBox::new(110.0, 60.0, 150.0, 100.0)),
            fingertip_source: None,
            target_source: None,
            tf_m: None,
            reason: None,
        };
        let measured = surface_m.map(|distance_m| Measurement {
            surface_m: Some(distance_m),
            ..Measurement::default()
        });
        Rewarder::new(&Settings::geometry()).push(info, measured, Latency::default())
    }

    fn grey(width: u32, height: u32) -> ColorImage {
        ColorImage {
            width,
            height,
            rgb: vec![90; (width * height * 3) as usize].into(),
        }
    }

    #[test]
    fn a_step_is_drawn_where_its_boxes_are() {
        // given a valid step with a fingertip's box
        let step = step(Ok(0.123));
        // when it is drawn
        let bytes = jpeg(&grey(200, 150), &step).unwrap();
        // then the picture has the frame's size, and the box's colour on its edge
        let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (200, 150));
        let [red, _, blue] = picture.get_pixel(60, 60).0;
        assert!(red > blue + 60, "{red} {blue}");
        assert_eq!(words(&step).split("   ").next(), Some("surface 12.3 cm"));
    }

    #[test]
    fn an_invalid_step_says_why_instead_of_a_number() {
        let step = step(Err(Reason::NoTargetBox));
        assert!(words(&step).starts_with("no reward: no_target_box"));
        jpeg(&grey(160, 120), &step).unwrap();
    }

    #[test]
    fn a_picture_that_is_none_is_refused() {
        let step = step(Ok(0.1));
        assert!(jpeg(&grey(0, 0), &step).is_err());
        let mut cut = grey(10, 10);
        cut.rgb.truncate(299);
        assert!(jpeg(&cut, &step).is_err());
    }
}
