//! What decodes video, and how whoever can registers it: the core knows nobody who does.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::frame::ColorImage;
use crate::messages::Codec;

/// No picture with more is decoded.
pub const MAX_PIXELS: u64 = crate::messages::MAX_PIXELS;

/// Decodes the packets of one video.
pub trait VideoDecoder: Send {
    /// The picture of the packet that follows the last one, or that is a keyframe.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn decode(&mut self, packet: &[u8]) -> Result<ColorImage, String>;

    /// Forget all that was decoded: what comes next is a keyframe, or parameters of one.
    fn reset(&mut self);
}

/// Opens decoders.
#[derive(Clone)]
pub struct VideoDecoders {
    open: Open,
}

type Open = Arc<dyn Fn(Codec) -> Result<Box<dyn VideoDecoder>, OpenError> + Send + Sync>;
type OpenError = Box<dyn std::error::Error + Send + Sync>;

impl VideoDecoders {
    /// By `open`, which says why where there is none for a codec.
    pub fn new(
        open: impl Fn(Codec) -> Result<Box<dyn VideoDecoder>, OpenError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            open: Arc::new(open),
        }
    }

    /// None: nobody has registered any.
    pub fn none() -> Self {
        Self::new(|_| Err("this program has no decoder of video".into()))
    }

    /// A decoder for one video.
    ///
    /// # Errors
    /// `Error::NoVideoDecoder`.
    pub fn open(&self, codec: Codec) -> Result<Box<dyn VideoDecoder>> {
        (self.open)(codec).map_err(|source| Error::NoVideoDecoder {
            codec: codec.name(),
            source,
        })
    }
}

impl fmt::Debug for VideoDecoders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VideoDecoders")
            .finish_non_exhaustive()
    }
}
