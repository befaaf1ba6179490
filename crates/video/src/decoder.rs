//! One video's decoder.

use std::ptr;

use ffmpeg_sys_the_third as ffi;
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::video::{Codec, MAX_PIXELS, VideoDecoder};

use crate::color::Converter;
use crate::log;
use crate::owned::{Context, Frame, Packet, words};

/// FFmpeg counts a packet's bytes in 31 bits; no picture's packet comes near this.
const MAX_PACKET_BYTES: usize = 1 << 28;

/// Decodes the packets of one video.
pub(crate) struct Decoder {
    codec: Codec,
    context: Context,
    converter: Converter,
    /// Packets so far: each is sent with its number, which its picture has to have.
    sent: i64,
}

impl Decoder {
    /// # Errors
    /// That FFmpeg cannot, in words.
    pub(crate) fn open(codec: Codec) -> Result<Self, String> {
        log::listen();
        let id = match codec {
            Codec::H264 => ffi::AVCodecID::H264,
            Codec::H265 => ffi::AVCodecID::HEVC,
            Codec::Av1 => ffi::AVCodecID::AV1,
            Codec::Vp9 => ffi::AVCodecID::VP9,
        };
        // SAFETY: FFmpeg's codecs live as long as the program.
        let found = unsafe { ffi::avcodec_find_decoder(id).as_ref() };
        let found = found.ok_or("the installed FFmpeg has no decoder for it")?;
        let context = Context::new(found)?;
        let _ = log::take_error();
        // SAFETY: the context is ours and not open yet.
        let opened = unsafe {
            let inner = context.as_ptr();
            // Several threads would each hold a picture back.
            (*inner).thread_count = 1;
            (*inner).flags |= ffi::AV_CODEC_FLAG_LOW_DELAY as i32;
            (*inner).max_pixels = i64::try_from(MAX_PIXELS).unwrap_or(i64::MAX);
            ffi::avcodec_open2(inner, found, ptr::null_mut())
        };
        if opened < 0 {
            return Err(log::take_error().unwrap_or_else(|| words(opened)));
        }
        Ok(Self {
            codec,
            context,
            converter: Converter::default(),
            sent: 0,
        })
    }

    /// The first picture that has come, and none of those behind it.
    fn receive(&mut self) -> Result<Frame, String> {
        let (first, other) = (Frame::new()?, Frame::new()?);
        let context = self.context.as_ptr();
        // SAFETY: the context is open, the frames are ours.
        unsafe {
            if ffi::avcodec_receive_frame(context, first.as_ptr()) < 0 {
                return Err("it gives no picture".to_owned());
            }
            while ffi::avcodec_receive_frame(context, other.as_ptr()) >= 0 {}
        }
        Ok(first)
    }
}

impl Decoder {
    /// A packet's picture as it was decoded.
    ///
    /// # Errors
    /// What is wrong with the packet, in words.
    pub(crate) fn picture(&mut self, packet: &[u8]) -> Result<Frame, String> {
        // To FFmpeg a packet without bytes is the end of the video.
        if packet.is_empty() || packet.len() > MAX_PACKET_BYTES {
            return Err(format!("it has {} bytes", packet.len()));
        }
        self.sent += 1;
        let packet = Packet::new(packet, self.sent)?;
        let _ = log::take_error();
        // SAFETY: the context is open and the packet whole.
        let sent = unsafe { ffi::avcodec_send_packet(self.context.as_ptr(), packet.as_ptr()) };
        let received = self.receive();
        if let Some(said) = log::take_error() {
            return Err(said);
        }
        if sent < 0 {
            return Err(words(sent));
        }
        let picture = received?;
        let head = picture.head();
        if head.pts != self.sent {
            return Err("its picture comes with a later packet (B frames are not read)".to_owned());
        }
        if head.flags & ffi::AV_FRAME_FLAG_CORRUPT != 0 || head.decode_error_flags != 0 {
            return Err("parts of its picture are not in it".to_owned());
        }
        Ok(picture)
    }

    /// The same as RGB.
    ///
    /// # Errors
    /// That FFmpeg cannot, in words.
    pub(crate) fn rgb(&mut self, picture: &Frame) -> Result<ColorImage, String> {
        self.converter.rgb(picture)
    }
}

impl VideoDecoder for Decoder {
    fn decode(&mut self, packet: &[u8]) -> Result<ColorImage, String> {
        let picture = self.picture(packet)?;
        self.rgb(&picture)
    }

    fn reset(&mut self) {
        // Flushing alone keeps what a damaged packet said of those to come, such as that pictures be held back.
        match Self::open(self.codec) {
            Ok(opened) => *self = opened,
            // SAFETY: the context is open.
            Err(_) => unsafe { ffi::avcodec_flush_buffers(self.context.as_ptr()) },
        }
    }
}
