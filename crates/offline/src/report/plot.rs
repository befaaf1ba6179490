//! The PNG: the picture on white with the film strip's pixels in it, in an embedded font, so that it
//! is the same on every machine.

use std::path::Path;

use image::imageops::{FilterType, resize};
use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};
use spatial_reward_figures::raster::{self, SCALE};

use super::chart::{self, Tile};
use super::contents::Report;
use crate::error::{Error, Result};

/// Draw the report and write it as a PNG, 1600 pixels wide.
///
/// # Errors
/// `Error::Figure`, or `Error::Output` with the path if the file cannot be written.
pub fn write(path: &Path, report: &Report) -> Result<()> {
    std::fs::write(path, png(report)?).map_err(|error| Error::output(path, error))
}

/// The PNG's bytes. The error says what the renderer refused.
fn png(report: &Report) -> Result<Vec<u8>> {
    let drawing = chart::draw(report, true);
    let size = (chart::WIDTH, drawing.height);
    let png = raster::png(&drawing.body, size, |pixmap| {
        for tile in &drawing.tiles {
            place(pixmap, tile);
        }
    })?;
    Ok(png)
}

/// The tile's pixels, resized to the PNG's.
fn place(pixmap: &mut Pixmap, tile: &Tile) {
    let left = (tile.rect.x * SCALE).round() as u32;
    let top = (tile.rect.y * SCALE).round() as u32;
    let width = ((tile.rect.width * SCALE).round() as u32).max(1);
    let height = ((tile.rect.height * SCALE).round() as u32).max(1);
    let shown = resize(&tile.frame.image, width, height, FilterType::Triangle);
    let row_length = pixmap.width();
    let pixels = pixmap.pixels_mut();
    for (x, y, color) in shown.enumerate_pixels() {
        let [red, green, blue] = color.0;
        let position = (top + y) as usize * row_length as usize + (left + x) as usize;
        let opaque = PremultipliedColorU8::from_rgba(red, green, blue, u8::MAX);
        if let (Some(pixel), Some(opaque)) = (pixels.get_mut(position), opaque) {
            *pixel = opaque;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::film_strip::{StripFrame, StripPlan};
    use crate::report::fixtures;
    use spatial_reward_core::frame::{ColorImage, Reason};
    use spatial_reward_core::settings::Settings;
    use spatial_reward_core::step::Step;

    const GREEN: [u8; 3] = [0, 200, 0];

    fn png_of(steps: &[Step], frames: &[StripFrame]) -> Vec<u8> {
        let settings = Settings::geometry();
        let provenance = fixtures::provenance(&settings);
        let report = Report {
            frames,
            ..fixtures::report(steps, &settings, &provenance)
        };
        png(&report).unwrap()
    }

    fn pixels(png: &[u8]) -> image::RgbImage {
        image::load_from_memory(png).unwrap().to_rgb8()
    }

    fn count(picture: &image::RgbImage, color: [u8; 3]) -> usize {
        picture.pixels().filter(|pixel| pixel.0 == color).count()
    }

    /// A frame of plain green for each of these steps.
    fn green_frames(steps: &[u64]) -> Vec<StripFrame> {
        let color = ColorImage {
            width: 64,
            height: 48,
            rgb: GREEN.repeat(64 * 48).into(),
        };
        let plan = StripPlan::new(8, None);
        let frames = steps.iter().map(|step| plan.shrink(*step, &color).unwrap());
        frames.collect()
    }

    #[test]
    fn is_1600_wide_and_the_same_every_time() {
        let steps = fixtures::approach(30);
        let png = png_of(&steps, &green_frames(&[0, 10]));
        assert_eq!(png, png_of(&steps, &green_frames(&[0, 10])));
        assert_eq!(pixels(&png).width(), 1600);
    }

    #[test]
    fn shows_the_curve_and_the_frames_of_known_steps_only() {
        let steps = fixtures::approach(30);
        let [none, two, unknown] = [&[][..], &[0, 10], &[0, 10, 999]]
            .map(|frames| pixels(&png_of(&steps, &green_frames(frames))));
        let curve = [0, 0x72, 0xb2];
        assert!(count(&none, curve) > 500, "the distance line is missing");
        assert_eq!(count(&none, GREEN), 0);
        assert!(count(&two, GREEN) > 50_000, "the frames are missing");
        assert_eq!(two, unknown);
    }

    #[test]
    fn shades_the_interval_around_the_curve_where_a_standard_deviation_is_known() {
        // given the same approach, without and with a standard deviation of 3 cm in its second half
        let plain = fixtures::approach(30);
        let mut known = plain.clone();
        known[15..]
            .iter_mut()
            .for_each(|step| step.distance_std_m = 0.03);
        let [without, with] = [&plain, &known].map(|steps| pixels(&png_of(steps, &[])));
        // 20 % of the curve's blue on the panel
        let shade = [0xc5, 0xdd, 0xec];
        assert_eq!(count(&without, shade), 0);
        let shaded = with
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0 == shade);
        let (least, most) = shaded.fold((u32::MAX, 0), |(least, most), (x, y, _)| {
            // The legend's sample stands below the curves.
            if y < with.height() - 100 {
                (least.min(x), most.max(x))
            } else {
                (least, most)
            }
        });
        assert!(least > 700 && most > 1500, "{least} to {most}");
    }

    #[test]
    fn an_interval_of_any_width_is_drawn() {
        let mut steps = fixtures::approach(10);
        for (step, std_m) in steps
            .iter_mut()
            .zip([0.0, 1e300, f64::INFINITY, -1.0, f64::NAN, 50.0])
        {
            step.distance_std_m = std_m;
        }
        assert_eq!(pixels(&png_of(&steps, &[])).width(), 1600);
    }

    #[test]
    fn shows_text_in_the_embedded_font() {
        let ink = [0x1f, 0x24, 0x30];
        let picture = pixels(&png_of(&fixtures::approach(3), &[]));
        let title = image::imageops::crop_imm(&picture, 0, 0, 1600, 50).to_image();
        assert!(count(&title, ink) > 200, "the title is missing");
    }

    #[test]
    fn invalid_steps_are_shaded_in_the_color_of_their_reason() {
        let steps: Vec<Step> = (0..4)
            .map(|index| fixtures::invalid(index, Reason::DepthInvalid))
            .collect();
        let picture = pixels(&png_of(&steps, &[]));
        assert!(count(&picture, [0xcc, 0x66, 0x77]) > 1000, "the lane");
    }

    #[test]
    fn any_number_of_steps_is_drawn() {
        for steps in [0, 1, 2, 5000] {
            let picture = pixels(&png_of(&fixtures::approach(steps), &[]));
            assert_eq!(picture.width(), 1600);
        }
    }

    #[test]
    fn stamps_that_run_backwards_or_wild_are_drawn() {
        let mut steps = fixtures::approach(10);
        steps[4].timeline_nanos = i64::MIN;
        steps[5].timeline_nanos = i64::MAX;
        steps[6].distance_m = f64::INFINITY;
        steps[7].distance_m = 1e300;
        assert_eq!(pixels(&png_of(&steps, &[])).width(), 1600);
    }
}
