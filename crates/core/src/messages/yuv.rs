//! Pixels as luma and chroma to RGB: ITU-R BT.601 in the limited range, packed (uyvy, yuyv) or with the chroma in
//! a plane of its own (nv12, nv21, nv24), as OpenCV and so cv_bridge read them.

use super::raster::{Raster, checked_pixels};
use super::types::Image;
use crate::error::{Error, Result};
use crate::frame::ColorImage;

/// The plane of chroma behind a plane of luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChromaPlane {
    /// U and V for each two by two pixels.
    Nv12,
    /// V and U for each two by two pixels.
    Nv21,
    /// U and V for each pixel.
    Nv24,
}

/// How the two planes lie in a message.
struct Layout {
    height: u32,
    luma_step: usize,
}

impl ChromaPlane {
    /// Pixels along each side that share their chroma.
    fn shared_by(self) -> usize {
        match self {
            Self::Nv12 | Self::Nv21 => 2,
            Self::Nv24 => 1,
        }
    }

    /// The layout that the data fits. Drivers agree about the data, less about what step and height count: some leave
    /// the step out, some count the chroma's rows as the picture's.
    fn layout(self, image: &Image<'_>) -> Option<Layout> {
        // Both planes together have three halves or three times the luma's bytes.
        let share = self.shared_by() as u32;
        let with_chroma = image.height / 3 * share;
        let candidates = [
            (image.height, image.width),
            (image.height, image.step),
            (with_chroma, image.width),
        ];
        let fits = |&(height, step): &(u32, u32)| {
            let is_whole = height > 0 && height.is_multiple_of(share) && step >= image.width;
            let bytes = u128::from(step) * u128::from(height) * 3 / u128::from(share);
            is_whole && bytes == image.data.len() as u128
        };
        let (height, step) = candidates.into_iter().find(fits)?;
        Some(Layout {
            height,
            luma_step: usize::try_from(step).ok()?,
        })
    }
}

/// A picture with a plane of luma and one of chroma.
pub(super) fn planes(
    type_name: &str,
    image: &Image<'_>,
    chroma: ChromaPlane,
) -> Result<ColorImage> {
    checked_pixels(type_name, image.width, image.height)?;
    let share = chroma.shared_by();
    let width = image.width as usize;
    let layout = chroma.layout(image).filter(|_| width.is_multiple_of(share));
    let Some(Layout { height, luma_step }) = layout else {
        return Err(Error::decode(
            type_name,
            format!(
                "{}x{} {} pixels at a step of {} bytes do not fit into {} bytes of luma and chroma",
                image.width,
                image.height,
                image.encoding,
                image.step,
                image.data.len()
            ),
        ));
    };
    let (luma, pairs) = image.data.split_at(luma_step * height as usize);
    let chroma_step = luma_step * 2 / share;
    let mut rgb = Vec::with_capacity(width * height as usize * 3);
    for (y, row) in luma.chunks_exact(luma_step).enumerate() {
        let pairs = pairs.get(y / share * chroma_step..).unwrap_or_default();
        let pairs = pairs.as_chunks::<2>().0;
        for (pixels, &[first, second]) in row[..width].chunks(share).zip(pairs) {
            let chroma = match chroma {
                ChromaPlane::Nv21 => Chroma::new(second, first),
                ChromaPlane::Nv12 | ChromaPlane::Nv24 => Chroma::new(first, second),
            };
            pixels.iter().for_each(|luma| rgb.extend(chroma.rgb(*luma)));
        }
    }
    Ok(ColorImage {
        width: image.width,
        height,
        rgb: rgb.into(),
    })
}

/// Two pixels in four bytes: luma at `Y` and `Y + 2`, the shared chroma at `U` and `V`.
pub(super) fn packed<const Y: usize, const U: usize, const V: usize>(
    type_name: &str,
    raster: &Raster<'_>,
) -> Result<Vec<u8>> {
    if !raster.width.is_multiple_of(2) {
        return Err(Error::decode(
            type_name,
            format!(
                "a 4:2:2 image holds pixels in pairs, but this one is {} wide",
                raster.width
            ),
        ));
    }
    let mut rgb = vec![0; raster.pixels * 3];
    for (row, out) in raster
        .rows()
        .zip(rgb.chunks_exact_mut(raster.width as usize * 3))
    {
        for (pair, out) in row
            .as_chunks::<4>()
            .0
            .iter()
            .zip(out.as_chunks_mut::<6>().0)
        {
            let chroma = Chroma::new(pair[U], pair[V]);
            let [r0, g0, b0] = chroma.rgb(pair[Y]);
            let [r1, g1, b1] = chroma.rgb(pair[Y + 2]);
            *out = [r0, g0, b0, r1, g1, b1];
        }
    }
    Ok(rgb)
}

/// What U and V add to each of red, green and blue: ITU-R BT.601, limited range (luma 16 to 235,
/// chroma 16 to 240), in fixed point. Camera drivers in ROS mean this one, and cv_bridge reads it so.
struct Chroma {
    red: i32,
    green: i32,
    blue: i32,
}

/// With 20 fractional bits the largest sum stays below 2^30.
const FRACTION_BITS: u32 = 20;
const LUMA: i32 = fixed(255.0 / 219.0);
const RED_FROM_V: i32 = fixed(1.402 * 255.0 / 224.0);
const GREEN_FROM_U: i32 = fixed(-0.344_136 * 255.0 / 224.0);
const GREEN_FROM_V: i32 = fixed(-0.714_136 * 255.0 / 224.0);
const BLUE_FROM_U: i32 = fixed(1.772 * 255.0 / 224.0);

const fn fixed(factor: f64) -> i32 {
    (factor * (1 << FRACTION_BITS) as f64) as i32
}

impl Chroma {
    fn new(u: u8, v: u8) -> Self {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let half = 1 << (FRACTION_BITS - 1);
        Self {
            red: half + RED_FROM_V * v,
            green: half + GREEN_FROM_U * u + GREEN_FROM_V * v,
            blue: half + BLUE_FROM_U * u,
        }
    }

    fn rgb(&self, y: u8) -> [u8; 3] {
        let luma = (i32::from(y) - 16).max(0) * LUMA;
        [self.red, self.green, self.blue]
            .map(|chroma| ((luma + chroma) >> FRACTION_BITS).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::types::Header;

    fn image<'a>(encoding: &'a str, size: (u32, u32), step: u32, data: &'a [u8]) -> Image<'a> {
        Image {
            header: Header::default(),
            height: size.1,
            width: size.0,
            encoding,
            is_bigendian: 0,
            step,
            data,
        }
    }

    #[test]
    fn limited_range_black_and_white_become_full_range() {
        let data = [128, 16, 128, 235];
        let image = image("yuv422", (2, 1), 4, &data);
        let raster = Raster::new("Image", &image, 2).unwrap();
        let rgb = packed::<1, 0, 2>("Image", &raster).unwrap();
        assert_eq!(rgb, [0, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn planes_are_found_however_step_and_height_are_counted() {
        // Given four by two pixels, the right half blue
        let luma = [16, 235, 41, 41, 16, 235, 41, 41];
        let nv12 = [128, 128, 240, 110];
        let tight = [luma.as_slice(), &nv12].concat();
        let expected = planes(
            "Image",
            &image("nv12", (4, 2), 4, &tight),
            ChromaPlane::Nv12,
        )
        .unwrap();
        assert_eq!(&expected.rgb[..6], [0, 0, 0, 255, 255, 255]);
        assert!(expected.rgb[8] > 250 && expected.rgb[6] < 5, "{expected:?}");
        // When the step was never filled in, counts the chroma too, or height counts its rows
        for (size, step) in [((4, 2), 0), ((4, 2), 6), ((4, 3), 4)] {
            let message = image("nv12", size, step, &tight);
            let found = planes("Image", &message, ChromaPlane::Nv12).unwrap();
            // Then it is the same picture
            assert_eq!(found, expected, "{size:?} {step}");
        }
        // And so it is with padded rows
        let pad = |row: &[u8]| [row, &[9, 9]].concat();
        let padded = [pad(&luma[..4]), pad(&luma[4..]), pad(&nv12)].concat();
        let message = image("nv12", (4, 2), 6, &padded);
        assert_eq!(
            planes("Image", &message, ChromaPlane::Nv12).unwrap(),
            expected
        );
        // And with the chroma in the other order
        let nv21 = [luma.as_slice(), &[128, 128, 110, 240]].concat();
        let message = image("nv21", (4, 2), 4, &nv21);
        assert_eq!(
            planes("Image", &message, ChromaPlane::Nv21).unwrap(),
            expected
        );
        // And with chroma for each pixel
        let row = [128, 128, 128, 128, 240, 110, 240, 110];
        let nv24 = [luma.as_slice(), &row, &row].concat();
        let message = image("nv24", (4, 2), 4, &nv24);
        assert_eq!(
            planes("Image", &message, ChromaPlane::Nv24).unwrap(),
            expected
        );
    }

    #[test]
    fn planes_that_do_not_fit_are_refused_with_their_numbers() {
        for (size, length) in [((4, 2), 11), ((4, 2), 13), ((3, 2), 9), ((4, 1), 6)] {
            let data = vec![128; length];
            let message = image("nv12", size, size.0, &data);
            let text = planes("Image", &message, ChromaPlane::Nv12)
                .unwrap_err()
                .to_string();
            let numbers = format!("{}x{} nv12 pixels", size.0, size.1);
            assert!(text.contains(&numbers), "{text}");
        }
        let huge = image("nv12", (u32::MAX, u32::MAX), 4, &[0; 12]);
        assert!(planes("Image", &huge, ChromaPlane::Nv12).is_err());
    }
}
