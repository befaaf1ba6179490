//! Pictures that several frames have in common, such as those of the pairs of regions that one camera sees: decoded once, and
//! shared by all that measure in them.

use bytes::Bytes;

use crate::error::Result;
use crate::frame::{DepthImage, LazyColorImage};
use crate::messages::Decoder;

/// What was decoded so far, by the message that it is of.
#[derive(Debug, Default)]
pub struct Pictures {
    colors: Vec<(Bytes, LazyColorImage)>,
    depths: Vec<(Bytes, DepthImage)>,
}

impl Pictures {
    /// The colour image of a message.
    pub(super) fn color(&mut self, decoder: &Decoder, message: &Bytes) -> Result<LazyColorImage> {
        shared(&mut self.colors, message, |bytes| decoder.lazy_color(bytes))
    }

    /// The depth image of a message, as it was sent.
    pub(super) fn depth(&mut self, decoder: &Decoder, message: &Bytes) -> Result<DepthImage> {
        shared(&mut self.depths, message, |bytes| decoder.depth(bytes))
    }
}

/// A message that is held is no other's memory, so that its place says which it is.
fn shared<T: Clone>(
    known: &mut Vec<(Bytes, T)>,
    message: &Bytes,
    decode: impl FnOnce(&Bytes) -> Result<T>,
) -> Result<T> {
    let is_it = |one: &Bytes| (one.as_ptr(), one.len()) == (message.as_ptr(), message.len());
    if let Some((_, decoded)) = known.iter().find(|(one, _)| is_it(one)) {
        return Ok(decoded.clone());
    }
    let decoded = decode(message)?;
    known.push((message.clone(), decoded.clone()));
    Ok(decoded)
}
