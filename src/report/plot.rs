//! The PNG: the picture on white with the film strip's pixels in it, in an embedded font, so that it
//! looks the same on every machine.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use image::imageops::{FilterType, resize};
use resvg::tiny_skia::{Color, Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::Report;
use super::chart::{self, strip::Tile, style};
use crate::error::{Error, Result};

/// Width of the PNG in pixels; its height follows from the content.
const WIDTH: u32 = 1600;
const SCALE: f64 = WIDTH as f64 / chart::WIDTH;
const FONT: &str = "DejaVu Sans";

/// Draw the report and write it as a PNG, 1600 pixels wide.
///
/// # Errors
/// `Error::Output` with the path if the file cannot be written.
pub fn write(path: &Path, report: &Report) -> Result<()> {
    let failed = |message: String| Error::Output {
        path: path.into(),
        message,
    };
    let png = png(report).map_err(failed)?;
    std::fs::write(path, png).map_err(|error| failed(error.to_string()))
}

/// The PNG's bytes. The error says what the renderer refused.
fn png(report: &Report) -> std::result::Result<Vec<u8>, String> {
    let picture = chart::draw(report, true);
    let size = (chart::WIDTH, picture.height);
    rendered(&picture.body, size, |pixmap| {
        for tile in &picture.tiles {
            place(pixmap, tile);
        }
    })
}

/// A PNG, twice as large as the shapes in `body` say, on white; `below` paints what they lie on.
pub(super) fn rendered(
    body: &str,
    (width, height): (f64, f64),
    below: impl FnOnce(&mut Pixmap),
) -> std::result::Result<Vec<u8>, String> {
    let pixels = [width, height].map(|side| (side * SCALE).ceil() as u32);
    let mut pixmap = Pixmap::new(pixels[0], pixels[1]).ok_or_else(|| {
        format!(
            "no memory for a picture of {} x {} pixels",
            pixels[0], pixels[1]
        )
    })?;
    pixmap.fill(Color::WHITE);
    below(&mut pixmap);
    let tree = Tree::from_str(&standalone_svg(body, (width, height)), options())
        .map_err(|error| format!("the picture does not render: {error}"))?;
    let scale = Transform::from_scale(SCALE as f32, SCALE as f32);
    resvg::render(&tree, scale, &mut pixmap.as_mut());
    encode(&pixmap)
}

fn standalone_svg(body: &str, (width, height): (f64, f64)) -> String {
    let rules = style::LIGHT.rules();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"{FONT}\"><style>{rules}</style>{body}</svg>"
    )
}

/// The renderer with the embedded font and no other: no file of the machine is looked at.
pub(super) fn options() -> &'static Options<'static> {
    static OPTIONS: OnceLock<Options<'static>> = OnceLock::new();
    OPTIONS.get_or_init(|| {
        let mut fonts = fontdb::Database::new();
        for face in [dejavu::sans::regular(), dejavu::sans::bold()] {
            fonts.load_font_source(fontdb::Source::Binary(Arc::new(face)));
        }
        fonts.set_sans_serif_family(FONT);
        Options {
            font_family: FONT.to_owned(),
            fontdb: Arc::new(fonts),
            ..Options::default()
        }
    })
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

/// The background is opaque, so alpha can go.
fn encode(pixmap: &Pixmap) -> std::result::Result<Vec<u8>, String> {
    let rgb: Vec<u8> = pixmap
        .pixels()
        .iter()
        .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect();
    let mut png = vec![];
    image::write_buffer_with_format(
        &mut std::io::Cursor::new(&mut png),
        &rgb,
        pixmap.width(),
        pixmap.height(),
        image::ColorType::Rgb8,
        image::ImageFormat::Png,
    )
    .map_err(|error| error.to_string())?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::frame::{ColorImage, Reason};
    use crate::report::film_strip::{StripFrame, StripPlan};
    use crate::report::fixtures;
    use crate::step::Step;

    const GREEN: [u8; 3] = [0, 200, 0];

    fn png_of(steps: &[Step], frames: &[StripFrame]) -> Vec<u8> {
        let config = Config::default();
        let provenance = fixtures::provenance(&config);
        let report = Report {
            steps,
            truth_m: &[],
            frames,
            config: &config,
            provenance: &provenance,
            metrics: None,
            command: "",
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
            rgb: GREEN.repeat(64 * 48),
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
        steps[4].stamp_nanos = i64::MIN;
        steps[5].stamp_nanos = i64::MAX;
        steps[6].distance_m = f64::INFINITY;
        steps[7].distance_m = 1e300;
        assert_eq!(pixels(&png_of(&steps, &[])).width(), 1600);
    }
}
