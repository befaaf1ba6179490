//! From the pixels of a detector's own picture to those of the colour image that it was made of.

use crate::frame::BoundingBox;
use crate::settings::{PictureFit, Region};

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
    fn a_region_without_a_picture_of_its_own_is_left_alone() {
        let bbox = BoundingBox::new(1.0, f64::NAN, -3.0, 4.0);
        let same = in_image(&bbox, &Region::default(), 640, 480);
        assert_eq!(format!("{same:?}"), format!("{bbox:?}"));
    }
}
