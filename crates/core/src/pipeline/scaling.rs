//! Whether a picture can be a resized copy of another, and what that makes of its camera.

use crate::frame::Intrinsics;

/// Two aspect ratios this close are one picture resized and rounded to whole pixels.
const ASPECT_TOLERANCE: f64 = 0.01;

/// Width and height in pixels.
pub type Size = (u32, u32);

/// Whether a picture of one size can be a scaled copy of one of the other.
pub fn is_scaling(first: Size, second: Size) -> bool {
    let aspect = |(width, height): Size| f64::from(width) / f64::from(height);
    let ratio = aspect(first) / aspect(second);
    (ratio - 1.0).abs() <= ASPECT_TOLERANCE
}

/// The intrinsics of a picture of this size, which may have been resized since the camera; `None` if they are of
/// another picture. A camera that does not say its size goes with any.
pub fn fitted_to(intrinsics: &Intrinsics, picture: Size) -> Option<Intrinsics> {
    let fits = (intrinsics.size()).is_none_or(|size| is_scaling(size, picture));
    fits.then(|| intrinsics.resized(picture.0, picture.1))
}
