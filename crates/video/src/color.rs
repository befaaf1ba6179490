//! From the planes of a decoded picture to RGB, by FFmpeg's libswscale.

use std::ffi::c_int;
use std::ptr;

use ffmpeg_sys_the_third as ffi;
use spatial_reward_core::frame::ColorImage;

use crate::owned::Frame;

/// What a conversion depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    format: c_int,
    width: c_int,
    height: c_int,
    /// The matrix, as the stream says. Where it does not say, libswscale takes BT.601's, as the encoders of
    /// ffmpeg_image_transport and foxglove_compressed_video_transport did, which do not say, whatever the size.
    matrix: c_int,
    /// Black is 0 and white 255; else they are 16 and 235.
    is_full: bool,
}

/// Converts pictures, most of them of one kind.
#[derive(Default)]
pub(crate) struct Converter {
    made: Option<(Kind, Scaler)>,
}

impl Converter {
    /// # Errors
    /// What libswscale cannot, in words.
    pub(crate) fn rgb(&mut self, picture: &Frame) -> Result<ColorImage, String> {
        let kind = Kind::of(picture);
        let (Ok(width), Ok(height)) = (u32::try_from(kind.width), u32::try_from(kind.height))
        else {
            return Err("its picture has no size".to_owned());
        };
        let scaler = match &mut self.made {
            Some((made_for, scaler)) if *made_for == kind => scaler,
            made => &mut made.insert((kind, Scaler::new(kind)?)).1,
        };
        // With room behind each row, which libswscale may write into.
        let out = Frame::rgb(kind.width, kind.height)?;
        scaler.scale(picture, &out, kind.height)?;
        let row_bytes = width as usize * 3;
        let mut rgb = Vec::with_capacity(row_bytes * height as usize);
        let (data, stride) = (out.head().data[0], out.head().linesize[0]);
        let stride = usize::try_from(stride).unwrap_or(0);
        if data.is_null() || stride < row_bytes {
            return Err("there is no memory for its picture".to_owned());
        }
        for row in 0..height as usize {
            // SAFETY: the frame has `height` rows of `stride` bytes, of which the first are pixels.
            let row = unsafe { std::slice::from_raw_parts(data.add(row * stride), row_bytes) };
            rgb.extend_from_slice(row);
        }
        Ok(ColorImage {
            width,
            height,
            rgb: rgb.into(),
        })
    }
}

impl Kind {
    fn of(picture: &Frame) -> Self {
        // Formats that say in their names what the range says now.
        const FULL: [ffi::AVPixelFormat; 3] = [
            ffi::AVPixelFormat::YUVJ420P,
            ffi::AVPixelFormat::YUVJ422P,
            ffi::AVPixelFormat::YUVJ444P,
        ];
        let picture = picture.head();
        let is_full = picture.color_range == ffi::AVColorRange::JPEG
            || FULL.iter().any(|format| format.0 == picture.format);
        Self {
            format: picture.format,
            width: picture.width,
            height: picture.height,
            matrix: picture.colorspace.0 as c_int,
            is_full,
        }
    }
}

/// A conversion that is set up.
struct Scaler(ptr::NonNull<ffi::SwsContext>);

// SAFETY: a context belongs to no thread; it is used by one at a time.
unsafe impl Send for Scaler {}

impl Scaler {
    fn new(kind: Kind) -> Result<Self, String> {
        let Kind {
            format,
            width,
            height,
            matrix,
            is_full,
        } = kind;
        // Colour is spread between its samples rather than repeated: half as dense as brightness, it would lie half a
        // pixel aside.
        const BILINEAR: c_int = 0x2;
        const FULL_CHROMA: c_int = 0x2000;
        const ACCURATE_ROUNDING: c_int = 0x4_0000;
        // By their values, for FFmpeg 8 has made an enumeration of the constants.
        let flags = BILINEAR | FULL_CHROMA | ACCURATE_ROUNDING;
        let format = ffi::AVPixelFormat(format);
        // SAFETY: no filter and no parameters are given, as the function allows; what it returns is checked, and the
        // tables of coefficients live as long as the program.
        unsafe {
            let context = ffi::sws_getContext(
                width,
                height,
                format,
                width,
                height,
                ffi::AVPixelFormat::RGB24,
                flags,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            );
            let context = ptr::NonNull::new(context)
                .ok_or("FFmpeg cannot make RGB of its pixels".to_owned())?;
            let scaler = Self(context);
            let (unchanged, full) = (1 << 16, 1);
            const DEFAULT: c_int = 5;
            let (of_picture, of_rgb) = (
                ffi::sws_getCoefficients(matrix),
                ffi::sws_getCoefficients(DEFAULT),
            );
            // Negative for pixels that have no matrix, such as RGB's.
            ffi::sws_setColorspaceDetails(
                context.as_ptr(),
                of_picture,
                is_full.into(),
                of_rgb,
                full,
                0,
                unchanged,
                unchanged,
            );
            Ok(scaler)
        }
    }

    fn scale(&mut self, picture: &Frame, out: &Frame, rows: c_int) -> Result<(), String> {
        let (from, to) = (picture.head(), out.head());
        // SAFETY: both frames have the sizes and formats that the context was made for.
        let scaled = unsafe {
            ffi::sws_scale(
                self.0.as_ptr(),
                from.data.as_ptr().cast(),
                from.linesize.as_ptr(),
                0,
                rows,
                to.data.as_ptr(),
                to.linesize.as_ptr(),
            )
        };
        match scaled == rows {
            true => Ok(()),
            false => Err("FFmpeg cannot make RGB of its pixels".to_owned()),
        }
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: it was made by `sws_getContext` and is freed once.
        unsafe { ffi::sws_freeContext(self.0.as_ptr()) }
    }
}
