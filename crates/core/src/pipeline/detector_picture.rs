//! From the pixels of a detector's own picture to those of the colour image that it was made of.

use super::scaling::{Size, is_scaling};
use crate::frame::{BoundingBox, Mask};
use crate::settings::{PictureFit, Region};

/// A mask in the pixels of a colour image, from one in those of a picture of its own, or of the one that its box is in.
///
/// # Errors
/// In words, where its picture is no scaling of either.
pub(super) fn mask_in_image(mask: &Mask, region: &Region, image: Size) -> Result<Mask, String> {
    let picture = (region.picture_size).map(|picture| (picture.width, picture.height));
    let own = mask.picture().or(picture).unwrap_or(image);
    let scaled = |to: Size| {
        let [x, y] =
            [(own.0, to.0), (own.1, to.1)].map(|(from, to)| f64::from(to) / f64::from(from));
        mask.mapped(to, |place| [place[0] * x, place[1] * y])
    };
    match picture {
        _ if own == image => Ok(mask.clone()),
        Some(picture) if own == picture || is_scaling(own, picture) => {
            let in_picture = scaled(picture);
            Ok(in_picture.mapped(image, |[x, y]| {
                // What becomes of a place is what becomes of a box without extent.
                let place = in_image(&BoundingBox::new(x, y, x, y), region, image.0, image.1);
                [place.x_min, place.y_min]
            }))
        }
        _ if is_scaling(own, image) => Ok(scaled(image)),
        _ => Err(format!(
            "it is of a picture of {}x{} pixels, which is no scaling of the colour image's {}x{}",
            own.0, own.1, image.0, image.1
        )),
    }
}

/// A box in the pixels of a colour image of `width` x `height`, from one in the detector's. The bars of a letterbox
/// have no place in the image: a box that reaches into them reaches beyond it.
pub fn in_image(bbox: &BoundingBox, region: &Region, width: u32, height: u32) -> BoundingBox {
    let Some(picture) = region.picture_size else {
        return *bbox;
    };
    let image = [f64::from(width), f64::from(height)];
    let picture = [f64::from(picture.width), f64::from(picture.height)];
    let scales = [picture[0] / image[0], picture[1] / image[1]];
    // Pixels of the picture for one of the image.
    let scales = match region.picture_fit {
        PictureFit::Stretched => scales,
        PictureFit::Letterboxed => [scales[0].min(scales[1]); 2],
        PictureFit::Cropped => [scales[0].max(scales[1]); 2],
    };
    // Where the image's corner lies in the picture: at the end of a bar, or outside.
    let corner = [0, 1].map(|axis| (picture[axis] - image[axis] * scales[axis]) / 2.0);
    let x = |x: f64| (x - corner[0]) / scales[0];
    let y = |y: f64| (y - corner[1]) / scales[1];
    BoundingBox::new(x(bbox.x_min), y(bbox.y_min), x(bbox.x_max), y(bbox.y_max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::PictureSize;

    fn mapped(width: u32, height: u32, picture_fit: PictureFit, at: [f64; 4]) -> [f64; 4] {
        let region = Region {
            picture_size: Some(PictureSize { width, height }),
            picture_fit,
            ..Region::default()
        };
        let bbox = BoundingBox::new(at[0], at[1], at[2], at[3]);
        let bbox = in_image(&bbox, &region, 640, 480);
        [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max]
    }

    #[test]
    fn a_detector_answered_in_the_pixels_of_its_own_picture() {
        // given the box 64,48 to 320,240 of an image of 640x480, as each kind of picture shows it
        let expected = [64.0, 48.0, 320.0, 240.0];
        let stretched = [32.0, 32.0, 160.0, 160.0];
        let letterboxed = [32.0, 64.0, 160.0, 160.0]; // 320x240 in 320x320, bars of 40
        let cropped = [16.0, 48.0, 272.0, 240.0]; // 48 columns cut off on each side, of 640x480 in 544x480
        // when they are mapped back
        // then they are the image's box
        use PictureFit::{Cropped, Letterboxed, Stretched};
        assert_eq!(mapped(320, 320, Stretched, stretched), expected);
        assert_eq!(mapped(320, 320, Letterboxed, letterboxed), expected);
        assert_eq!(mapped(544, 480, Cropped, cropped), expected);
        // and boxes from 0 to 1 are of a picture of 1x1
        assert_eq!(mapped(1, 1, Stretched, [0.1, 0.1, 0.5, 0.5]), expected);
    }

    #[test]
    fn a_mask_is_mapped_as_its_box_is() {
        let block = |corners: [f32; 4], picture| {
            let [x0, y0, x1, y1] = corners;
            let points = vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
            Mask::new(points, picture).unwrap()
        };
        let at = |mask: &Mask| [mask.points()[0], mask.points()[2]];
        let letterboxed = Region {
            picture_size: Some(PictureSize {
                width: 320,
                height: 320,
            }),
            picture_fit: PictureFit::Letterboxed,
            ..Region::default()
        };
        let image = (640, 480);
        // given the outline of the pixels 64,48 to 319,239 of an image of 640x480, in several pictures
        let expected = [[64.0, 48.0], [319.0, 239.0]];
        let own = block([64.0, 48.0, 319.0, 239.0], Some(image));
        let small = block([31.75, 63.75, 159.25, 159.25], Some((320, 320)));
        let untold = block([31.75, 63.75, 159.25, 159.25], None);
        let half = block([31.75, 23.75, 159.25, 119.25], Some((320, 240)));
        // when each is mapped, then it is that outline
        for (mask, region) in [
            (&own, &Region::default()),
            (&own, &letterboxed),
            (&small, &letterboxed),
            (&untold, &letterboxed),
            (&half, &Region::default()),
            (&half, &letterboxed),
        ] {
            let mapped = mask_in_image(mask, region, image).unwrap();
            assert_eq!(at(&mapped), expected, "{mask:?}");
        }
        // and one of a picture of another shape is none
        let why = mask_in_image(&small, &Region::default(), image).unwrap_err();
        assert!(why.contains("320x320"), "{why}");
    }

    #[test]
    fn a_region_without_a_picture_of_its_own_is_left_alone() {
        let bbox = BoundingBox::new(1.0, f64::NAN, -3.0, 4.0);
        let same = in_image(&bbox, &Region::default(), 640, 480);
        assert_eq!(format!("{same:?}"), format!("{bbox:?}"));
    }
}
