//! FFmpeg's things as Rust owns them: made or refused, freed once.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

use ffmpeg_sys_the_third as ffi;

/// FFmpeg's own words for an error.
pub(crate) fn words(error: c_int) -> String {
    const BYTES: usize = 64;
    let mut text: [c_char; BYTES] = [0; BYTES];
    // SAFETY: the text is as long as is said; FFmpeg terminates it with a zero.
    let text = unsafe {
        ffi::av_strerror(error, text.as_mut_ptr(), BYTES);
        CStr::from_ptr(text.as_ptr())
    };
    text.to_string_lossy().into_owned()
}

fn no_memory() -> String {
    "there is no memory for it".to_owned()
}

/// A decoder's state.
pub(crate) struct Context(NonNull<ffi::AVCodecContext>);

// SAFETY: a context belongs to no thread; it is used by one at a time.
unsafe impl Send for Context {}

impl Context {
    /// # Errors
    /// That there is no memory.
    pub(crate) fn new(codec: &ffi::AVCodec) -> Result<Self, String> {
        // SAFETY: any codec may be given.
        let made = unsafe { ffi::avcodec_alloc_context3(codec) };
        NonNull::new(made).map(Self).ok_or_else(no_memory)
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVCodecContext {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut context = self.as_ptr();
        // SAFETY: it was allocated by FFmpeg and is freed once.
        unsafe { ffi::avcodec_free_context(&raw mut context) }
    }
}

/// A packet with bytes of its own.
pub(crate) struct Packet(NonNull<ffi::AVPacket>);

impl Packet {
    /// Of these bytes, at most 2 GB, with the padding behind them that decoders read into.
    ///
    /// # Errors
    /// That there is no memory.
    pub(crate) fn new(bytes: &[u8], number: i64) -> Result<Self, String> {
        let size = c_int::try_from(bytes.len()).map_err(|_| no_memory())?;
        // SAFETY: what FFmpeg allocates is checked; the packet then has room for the bytes.
        unsafe {
            let packet = Self(NonNull::new(ffi::av_packet_alloc()).ok_or_else(no_memory)?);
            let inner = packet.0.as_ptr();
            if ffi::av_new_packet(inner, size) < 0 {
                return Err(no_memory());
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), (*inner).data, bytes.len());
            ((*inner).pts, (*inner).dts) = (number, number);
            Ok(packet)
        }
    }

    pub(crate) fn as_ptr(&self) -> *const ffi::AVPacket {
        self.0.as_ptr()
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.0.as_ptr();
        // SAFETY: as for a context.
        unsafe { ffi::av_packet_free(&raw mut packet) }
    }
}

/// A picture, or the place for one.
pub(crate) struct Frame(NonNull<ffi::AVFrame>);

impl Frame {
    /// # Errors
    /// That there is no memory.
    pub(crate) fn new() -> Result<Self, String> {
        // SAFETY: what FFmpeg allocates is checked.
        let made = unsafe { ffi::av_frame_alloc() };
        NonNull::new(made).map(Self).ok_or_else(no_memory)
    }

    /// RGB, with room behind each row.
    ///
    /// # Errors
    /// That there is no memory.
    pub(crate) fn rgb(width: c_int, height: c_int) -> Result<Self, String> {
        let frame = Self::new()?;
        // SAFETY: the frame is ours and empty.
        let made = unsafe {
            let inner = frame.as_ptr();
            ((*inner).width, (*inner).height) = (width, height);
            (*inner).format = ffi::AVPixelFormat::RGB24.0;
            ffi::av_frame_get_buffer(inner, 0)
        };
        if made < 0 {
            return Err(no_memory());
        }
        Ok(frame)
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVFrame {
        self.0.as_ptr()
    }

    /// What is said of the picture.
    pub(crate) fn head(&self) -> &ffi::AVFrame {
        // SAFETY: it lives as long as this does, and nobody else has it.
        unsafe { self.0.as_ref() }
    }

    /// Whether two pictures are the same, byte for byte, as far as there are pixels in their first plane: brightness, where
    /// colour is apart. A picture that goes wrong does so there.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let (one, other) = (self.head(), other.head());
        let kind = |frame: &ffi::AVFrame| (frame.format, frame.width, frame.height);
        let strides = (one.linesize[0], other.linesize[0]);
        if kind(one) != kind(other) || one.data[0].is_null() || other.data[0].is_null() {
            return false;
        }
        let (Ok(rows), Ok(width), (Ok(one_stride), Ok(other_stride))) = (
            usize::try_from(one.height),
            usize::try_from(one.width),
            (usize::try_from(strides.0), usize::try_from(strides.1)),
        ) else {
            return false;
        };
        // No format of a decoder's has less than a byte a pixel in its first plane.
        let bytes = width.min(one_stride).min(other_stride);
        (0..rows).all(|row| {
            // SAFETY: both have so many rows of so many bytes.
            unsafe {
                let row_of = |data: *const u8, stride| {
                    std::slice::from_raw_parts(data.add(row * stride), bytes)
                };
                row_of(one.data[0], one_stride) == row_of(other.data[0], other_stride)
            }
        })
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.as_ptr();
        // SAFETY: as for a context.
        unsafe { ffi::av_frame_free(&raw mut frame) }
    }
}
