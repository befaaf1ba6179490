//! What the first image, depth image and intrinsics say about the whole bag: encodings that are
//! not supported and sizes that do not belong together end the labelling before it begins.

use bytes::Bytes;

use super::roles::Roles;
use crate::error::{Error, Result};
use crate::role::Role;
use spatial_reward_core::Error as CoreError;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::measure::{Size, is_scaling};
use spatial_reward_rosbag2::BagInfo;

/// So many broken pictures are decoded before no more are.
const MAX_ATTEMPTS: u32 = 10;

/// The first message of each kind that can be decoded.
#[derive(Debug, Clone)]
pub(crate) struct FirstMessages {
    image: FirstMessage,
    depth: FirstMessage,
    camera_info: FirstMessage,
}

/// What one topic's first message that can be decoded says.
#[derive(Debug, Clone, Default)]
struct FirstMessage {
    topic: String,
    /// Messages that were decoded, or could not be.
    attempts: u32,
    size: Option<Size>,
    frame_id: Option<String>,
}

impl FirstMessages {
    /// Before any message of these topics.
    pub(crate) fn new(info: &BagInfo, roles: &Roles) -> Self {
        let of = |role| FirstMessage {
            topic: (roles.topic(role).and_then(|topic| info.topics.get(topic)))
                .map_or_else(String::new, |topic| topic.name.clone()),
            ..FirstMessage::default()
        };
        Self {
            image: of(Role::Image),
            depth: of(Role::Depth),
            camera_info: of(Role::CameraInfo),
        }
    }

    /// The sizes of colour image, depth image and camera info, as far as they were seen.
    pub(crate) fn sizes(&self) -> [Option<Size>; 3] {
        [self.image.size, self.depth.size, self.camera_info.size]
    }

    /// Take a colour image in.
    ///
    /// # Errors
    /// `Error::Encoding`, `Error::SizesDiffer`.
    pub(crate) fn image(&mut self, decoder: &Decoder, frame_id: &str, data: &[u8]) -> Result<()> {
        if self.image.is_wanted(frame_id) {
            match decoder.color(data) {
                Ok(color) => self.image.size = Some((color.width, color.height)),
                Err(error) => return only_encoding(error, &self.image.topic),
            }
            self.check()?;
        }
        Ok(())
    }

    /// Take a depth image in.
    ///
    /// # Errors
    /// `Error::Encoding`, `Error::SizesDiffer`.
    pub(crate) fn depth(&mut self, decoder: &Decoder, frame_id: &str, data: &Bytes) -> Result<()> {
        if self.depth.is_wanted(frame_id) {
            match decoder.depth(data) {
                Ok(depth) => self.depth.size = Some((depth.width, depth.height)),
                Err(error) => return only_encoding(error, &self.depth.topic),
            }
            self.check()?;
        }
        Ok(())
    }

    /// Take a camera info in.
    ///
    /// # Errors
    /// `Error::NoIntrinsics` if the first does not give intrinsics, for the others will not either;
    /// `Error::SizesDiffer`.
    pub(crate) fn camera_info(&mut self, decoder: &Decoder, data: &[u8]) -> Result<()> {
        let is_first = self.camera_info.size.is_none();
        if is_first {
            let (_, intrinsics) =
                (decoder.camera_info(data)).map_err(|error| self.no_intrinsics(&error))?;
            self.camera_info.size = Some((intrinsics.width, intrinsics.height));
            self.check()?;
        }
        Ok(())
    }

    fn no_intrinsics(&self, error: &CoreError) -> Error {
        Error::NoIntrinsics {
            topic: self.camera_info.topic.clone(),
            message: error.to_string(),
        }
    }

    fn check(&self) -> Result<()> {
        self.belong_together(&self.image, &self.camera_info)?;
        self.belong_together(&self.image, &self.depth)?;
        if let (Some(image), Some(depth)) = (&self.image.frame_id, &self.depth.frame_id)
            && image != depth
        {
            tracing::warn!(
                "the depth on {} is of coordinate frame '{depth}', the image on {} of '{image}': the depth \
                 must be registered to the image, or distances will be wrong",
                self.depth.topic,
                self.image.topic,
            );
        }
        Ok(())
    }

    fn belong_together(&self, first: &FirstMessage, second: &FirstMessage) -> Result<()> {
        match (first.size, second.size) {
            (Some(one), Some(other)) if !is_scaling(one, other) => Err(Error::SizesDiffer {
                first: first.topic.clone(),
                first_width: one.0,
                first_height: one.1,
                second: second.topic.clone(),
                second_width: other.0,
                second_height: other.1,
            }),
            _ => Ok(()),
        }
    }
}

impl FirstMessage {
    /// Whether a message is to be decoded, for none was before.
    fn is_wanted(&mut self, frame_id: &str) -> bool {
        if self.size.is_some() || self.attempts == MAX_ATTEMPTS {
            return false;
        }
        self.attempts += 1;
        self.frame_id = Some(frame_id.to_owned()).filter(|id| !id.is_empty());
        true
    }
}

/// A broken picture says nothing about the others, an unsupported encoding does.
fn only_encoding(error: CoreError, topic: &str) -> Result<()> {
    match error {
        CoreError::Encoding {
            encoding,
            role,
            supported,
        } => Err(CoreError::Encoding {
            encoding: format!("{encoding}' on topic '{topic}"),
            role,
            supported,
        }
        .into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resized_picture_is_a_scaling_and_a_cropped_one_is_not() {
        assert!(is_scaling((640, 480), (320, 240)));
        assert!(is_scaling((1280, 720), (848, 477)));
        assert!(is_scaling((848, 480), (1280, 720)));
        assert!(!is_scaling((640, 480), (848, 480)));
        assert!(!is_scaling((640, 480), (640, 400)));
    }
}
