//! The steps that pictures of one and of three channels share on their way through an image
//! processor; a step that changes nothing does not copy either.

use std::borrow::Cow;

use super::resize::{FixedPoint, Kernel, Resizer};
use crate::{Error, Result};

/// Row-major bytes, `bytes.len() == width * height * CHANNELS`, no side zero.
#[derive(Debug)]
pub(super) struct Pixels<'a, const CHANNELS: usize> {
    pub bytes: Cow<'a, [u8]>,
    pub width: u32,
    pub height: u32,
}

impl<'a, const CHANNELS: usize> Pixels<'a, CHANNELS> {
    /// # Errors
    /// [`Error::EmptyPicture`], or [`Error::PixelCount`] if the bytes do not match the size.
    pub(super) fn new(bytes: &'a [u8], width: u32, height: u32) -> Result<Self> {
        if width == 0 || height == 0 {
            return Err(Error::EmptyPicture { width, height });
        }
        let expected = width as usize * height as usize * CHANNELS;
        if bytes.len() != expected {
            return Err(Error::PixelCount {
                width,
                height,
                channels: CHANNELS,
                expected,
                found: bytes.len(),
            });
        }
        Ok(Self {
            bytes: Cow::Borrowed(bytes),
            width,
            height,
        })
    }

    fn owned(bytes: Vec<u8>, width: u32, height: u32) -> Self {
        Self {
            bytes: Cow::Owned(bytes),
            width,
            height,
        }
    }

    /// Pillow's resize to `size` (width, height).
    pub(super) fn resized(self, size: (u32, u32), kernel: Kernel) -> Result<Self> {
        self.resized_with(size, kernel, FixedPoint::Pillow)
    }

    /// The resize to `size` (width, height) with weights of this kind.
    pub(super) fn resized_with(
        self,
        size: (u32, u32),
        kernel: Kernel,
        fixed_point: FixedPoint,
    ) -> Result<Self> {
        if size == (self.width, self.height) {
            return Ok(self);
        }
        let resizer = Resizer::with_weights((self.width, self.height), size, kernel, fixed_point)?;
        let bytes = resizer.resize::<CHANNELS>(&self.bytes)?;
        Ok(Self::owned(bytes, size.0, size.1))
    }

    /// In the middle of a square as wide as the longer side; an odd pixel of margin goes to the
    /// right or to the bottom.
    pub(super) fn squared(self, background: [u8; CHANNELS]) -> Self {
        let side = self.width.max(self.height);
        if self.width == self.height {
            return self;
        }
        let left = -(i64::from(side - self.width) / 2);
        let top = -(i64::from(side - self.height) / 2);
        self.window(left, top, (side, side), background)
    }

    /// The middle `width` x `height` pixels, black where the picture does not reach.
    pub(super) fn center_cropped(self, width: u32, height: u32) -> Self {
        if (width, height) == (self.width, self.height) {
            return self;
        }
        // Rounded down where the picture is the smaller one, too.
        let middle = |picture: u32, crop: u32| (i64::from(picture) - i64::from(crop)).div_euclid(2);
        let (left, top) = (middle(self.width, width), middle(self.height, height));
        self.window(left, top, (width, height), [0; CHANNELS])
    }

    /// What a window of that size shows whose corner lies at (left, top) of the picture.
    fn window(
        &self,
        left: i64,
        top: i64,
        (width, height): (u32, u32),
        background: [u8; CHANNELS],
    ) -> Self {
        let mut bytes = background.repeat(width as usize * height as usize);
        let inside = |first: i64, window: u32, picture: u32| {
            let start = first.max(0);
            let end = (first + i64::from(window)).min(i64::from(picture));
            // (first pixel of the picture, first of the window, number of them)
            (
                start as usize,
                (start - first) as usize,
                (end - start).max(0) as usize,
            )
        };
        let (from_x, to_x, columns) = inside(left, width, self.width);
        let (from_y, to_y, rows) = inside(top, height, self.height);
        let from_rows = self.bytes.chunks_exact(self.width as usize * CHANNELS);
        let to_rows = bytes.chunks_exact_mut(width as usize * CHANNELS);
        for (to, from) in to_rows.skip(to_y).zip(from_rows.skip(from_y)).take(rows) {
            to[to_x * CHANNELS..][..columns * CHANNELS]
                .copy_from_slice(&from[from_x * CHANNELS..][..columns * CHANNELS]);
        }
        Self::owned(bytes, width, height)
    }
}
