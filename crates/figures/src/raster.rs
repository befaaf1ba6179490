//! From SVG to pixels: on white, in an embedded font, so that a picture is the same on every machine.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Color, Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::style;
use crate::error::{Error, Result};
use spatial_reward_core::frame::ColorImage;

/// Pixels of a PNG for one of the picture's own units: 1600 for the 1200 of a report.
pub const SCALE: f64 = 4.0 / 3.0;
const FONT: &str = "DejaVu Sans";

/// A PNG, `SCALE` times as large as the shapes in `body` say, on white; `below` paints what they lie on.
///
/// # Errors
/// `Error::Render` with what the renderer refused.
pub fn png(
    body: &str,
    (width, height): (f64, f64),
    below: impl FnOnce(&mut Pixmap),
) -> Result<Vec<u8>> {
    let pixels = [width, height].map(|side| (side * SCALE).ceil() as u32);
    let mut pixmap = Pixmap::new(pixels[0], pixels[1]).ok_or_else(|| Error::Render {
        message: format!(
            "no memory for a picture of {} x {} pixels",
            pixels[0], pixels[1]
        ),
    })?;
    pixmap.fill(Color::WHITE);
    below(&mut pixmap);
    let tree = Tree::from_str(&standalone_svg(body, (width, height)), options()).map_err(render)?;
    let scale = Transform::from_scale(SCALE as f32, SCALE as f32);
    resvg::render(&tree, scale, &mut pixmap.as_mut());
    encode(&pixmap)
}

/// A picture's pixels, to be drawn on.
///
/// # Errors
/// `Error::PixelCount` for an image whose pixels do not make up its size, `Error::EmptyPicture` for one without pixels.
pub(crate) fn canvas(color: &ColorImage) -> Result<Pixmap> {
    let (width, height) = (color.width, color.height);
    let expected = width as usize * height as usize * 3;
    if color.rgb.len() != expected {
        return Err(spatial_reward_core::Error::PixelCount {
            width,
            height,
            channels: 3,
            expected,
            found: color.rgb.len(),
        }
        .into());
    }
    let empty = spatial_reward_core::Error::EmptyPicture { width, height };
    let mut pixmap = Pixmap::new(width, height).ok_or(empty)?;
    let pixels = pixmap.pixels_mut().iter_mut();
    for (pixel, rgb) in pixels.zip(color.rgb.chunks_exact(3)) {
        if let &[red, green, blue] = rgb {
            let opaque = PremultipliedColorU8::from_rgba(red, green, blue, u8::MAX);
            *pixel = opaque.unwrap_or(*pixel);
        }
    }
    Ok(pixmap)
}

fn standalone_svg(body: &str, (width, height): (f64, f64)) -> String {
    let rules = style::LIGHT.rules();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"{FONT}\"><style>{rules}</style>{body}</svg>"
    )
}

/// The renderer with the embedded font and no other: no file of the machine is read.
pub(crate) fn options() -> &'static Options<'static> {
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

/// The background is opaque, so alpha can go.
pub(crate) fn encode(pixmap: &Pixmap) -> Result<Vec<u8>> {
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
    .map_err(render)?;
    Ok(png)
}

/// An error of the renderer or an encoder.
pub(crate) fn render(error: impl ToString) -> Error {
    Error::Render {
        message: error.to_string(),
    }
}
