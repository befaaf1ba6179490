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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_decoded_once_and_an_equal_one_is_another() {
        // Given a message that two frames have in common, and one of the same bytes
        let message = Bytes::from(vec![1, 2, 3]);
        let all = [
            &message,
            &message.clone(),
            &Bytes::copy_from_slice(&message),
        ];
        // When each is decoded
        let (mut known, mut count) = (Vec::new(), 0);
        let decoded = all.map(|one| {
            let decode = |_: &Bytes| {
                count += 1;
                Ok(count)
            };
            shared(&mut known, one, decode).unwrap()
        });
        // Then the first two share what was decoded
        assert_eq!(decoded, [1, 1, 2]);
        // and what does not decode is not kept
        let broken = Bytes::from_static(b"broken");
        let error = || crate::Error::decode("a picture", "broken");
        assert!(shared(&mut known, &broken, |_| Err(error())).is_err());
        assert_eq!(shared(&mut known, &broken, |_| Ok(7)).unwrap(), 7);
    }
}
