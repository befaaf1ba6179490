//! What the first image, depth image and intrinsics say about the whole bag: encodings that are
//! not supported and sizes that do not belong together end the labelling before it begins; what cannot be as it says is
//! told.

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::roles::Roles;
use crate::error::{Error, Result};
use crate::role::Role;
use spatial_reward_core::Error as CoreError;
use spatial_reward_core::frame::Intrinsics;
use spatial_reward_core::messages::{Decoder, doubt_of_size};
use spatial_reward_core::pipeline::measure::{Size, is_scaling};
use spatial_reward_core::settings::{self, PixelBox, Settings};
use spatial_reward_rosbag2::BagInfo;

/// So many broken pictures are decoded before no more are.
const MAX_ATTEMPTS: u32 = 10;

/// The first message of each kind that can be decoded.
#[derive(Debug, Clone)]
pub(crate) struct FirstMessages {
    image: FirstMessage,
    depth: FirstMessage,
    camera_info: FirstMessage,
    depth_camera_info: FirstMessage,
    intrinsics: Option<Intrinsics>,
    /// The depth is of a camera of its own, and registered.
    registers: bool,
    /// The boxes that are the same in every picture.
    fixed: Vec<(Role, PixelBox)>,
    /// Where half of a depth image should lie.
    depth_range_m: RangeInclusive<f64>,
}

/// What one topic's first message that can be decoded says.
#[derive(Debug, Clone)]
struct FirstMessage {
    role: Role,
    topic: String,
    /// Messages that were decoded, or could not be.
    attempts: u32,
    /// Those of them that begin like no picture.
    no_pictures: u32,
    size: Option<Size>,
    frame_id: Option<String>,
}

impl FirstMessages {
    /// Before any message of these topics.
    pub(crate) fn new(info: &BagInfo, roles: &Roles, settings: &Settings) -> Self {
        let of = |role| FirstMessage {
            role,
            topic: roles.name(info, role).unwrap_or_default().to_owned(),
            attempts: 0,
            no_pictures: 0,
            size: None,
            frame_id: None,
        };
        let settings::Regions {
            fingertip, target, ..
        } = &settings.regions;
        let fixed = [
            (Role::Fingertip, fingertip.fixed),
            (Role::Target, target.fixed),
        ];
        Self {
            image: of(Role::Image),
            depth: of(Role::Depth),
            camera_info: of(Role::CameraInfo),
            depth_camera_info: of(Role::DepthCameraInfo),
            intrinsics: None,
            registers: roles.registers_depth(settings),
            fixed: (fixed.into_iter())
                .filter_map(|(role, fixed)| Some((role, fixed?)))
                .collect(),
            depth_range_m: settings.geometry.min_depth_m..=settings.geometry.max_depth_m,
        }
    }

    /// The sizes of colour image, depth image and camera info, as far as they were seen.
    pub(crate) fn sizes(&self) -> [Option<Size>; 3] {
        [self.image.size, self.depth.size, self.camera_info.size]
    }

    /// Whether a camera info gave intrinsics.
    pub(crate) fn has_intrinsics(&self) -> bool {
        self.intrinsics.is_some()
    }

    /// The first ones.
    pub(crate) fn intrinsics_seen(&self) -> Option<&Intrinsics> {
        self.intrinsics.as_ref()
    }

    /// Take a colour image in.
    ///
    /// # Errors
    /// `Error::Encoding`, `Error::SizesDiffer`, `Error::FixedOutside`.
    pub(crate) fn image(&mut self, decoder: &Decoder, frame_id: &str, data: &[u8]) -> Result<()> {
        if self.image.is_wanted(frame_id) {
            match decoder.color(data) {
                Ok(color) => self.image.size = Some((color.width, color.height)),
                Err(error) => return self.image.only_of_all(error),
            }
            self.check()?;
            self.check_fixed()?;
            self.tell_of_size();
        }
        Ok(())
    }

    /// Take in why a colour image cannot be read.
    ///
    /// # Errors
    /// `Error::Encoding`.
    pub(crate) fn no_image(&mut self, error: CoreError) -> Result<()> {
        self.image.only_of_all(error)
    }

    /// Whether a colour image was decoded.
    pub(crate) fn has_image(&self) -> bool {
        self.image.size.is_some()
    }

    /// Take a depth image in.
    ///
    /// # Errors
    /// `Error::Encoding`, `Error::SizesDiffer`, `Error::DepthSize`.
    pub(crate) fn depth(&mut self, decoder: &Decoder, frame_id: &str, data: &Bytes) -> Result<()> {
        if self.depth.is_wanted(frame_id) {
            match decoder.depth(data) {
                Ok(depth) => {
                    self.depth.size = Some((depth.width, depth.height));
                    let doubt = decoder.depth_doubt(data, &depth, self.depth_range_m.clone());
                    self.depth.tell(doubt);
                }
                Err(error) => return self.depth.only_of_all(error),
            }
            self.check()?;
        }
        Ok(())
    }

    /// Take a camera info of the depth in. One that says nothing is told of where depth is registered.
    ///
    /// # Errors
    /// `Error::DepthSize`.
    pub(crate) fn depth_camera_info(&mut self, decoder: &Decoder, data: &[u8]) -> Result<()> {
        if self.depth_camera_info.size.is_none()
            && let Ok((_, intrinsics)) = decoder.camera_info(data)
        {
            self.depth_camera_info.size = intrinsics.size();
            self.check()?;
        }
        Ok(())
    }

    /// Take intrinsics in, with what speaks against them. Those after the first change nothing.
    ///
    /// # Errors
    /// `Error::SizesDiffer`.
    pub(crate) fn intrinsics(
        &mut self,
        intrinsics: &Intrinsics,
        doubt: impl FnOnce() -> Option<String>,
    ) -> Result<()> {
        if self.has_intrinsics() {
            return Ok(());
        }
        self.intrinsics = Some(*intrinsics);
        self.camera_info.size = intrinsics.size();
        self.camera_info.tell(doubt());
        self.check()?;
        self.tell_of_size();
        Ok(())
    }

    /// That no camera info of the bag gives intrinsics.
    pub(crate) fn no_intrinsics(&self, message: String) -> Error {
        Error::NoIntrinsics {
            topic: self.camera_info.topic.clone(),
            message,
        }
    }

    /// Once both are known: what the picture's size says about intrinsics that have none.
    fn tell_of_size(&self) {
        if let (Some(intrinsics), Some(picture)) = (&self.intrinsics, self.image.size) {
            self.camera_info.tell(doubt_of_size(intrinsics, picture));
        }
    }

    fn check(&self) -> Result<()> {
        self.belong_together(&self.image, &self.camera_info)?;
        match self.registers {
            true => self.is_of_its_camera(),
            false => self.belong_together(&self.image, &self.depth),
        }
    }

    /// Each fixed box is to show something.
    fn check_fixed(&self) -> Result<()> {
        let Some((width, height)) = self.image.size else {
            return Ok(());
        };
        let mut fixed = self.fixed.iter();
        match fixed.find(|(_, fixed)| fixed.0.clipped(width, height).is_none()) {
            None => Ok(()),
            Some((role, fixed)) => Err(Error::FixedOutside {
                role: *role,
                fixed: fixed.to_string(),
                width,
                height,
            }),
        }
    }

    /// Depth that is registered has the pixels that its camera info speaks of.
    fn is_of_its_camera(&self) -> Result<()> {
        match (self.depth.size, self.depth_camera_info.size) {
            (Some(depth), Some(camera_info)) if depth != camera_info => Err(Error::DepthSize {
                depth: self.depth.topic.clone(),
                depth_size: depth,
                camera_info: self.depth_camera_info.topic.clone(),
                camera_info_size: camera_info,
            }),
            _ => Ok(()),
        }
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

    fn tell(&self, doubt: Option<String>) {
        if let Some(doubt) = doubt {
            tracing::warn!("{}: {doubt}", self.topic);
        }
    }

    /// A broken picture says nothing about the others, an unsupported encoding does, and so do many in a row that begin
    /// like no picture.
    fn only_of_all(&mut self, error: CoreError) -> Result<()> {
        // A camera may send nothing while it warms up.
        let is_other = matches!(error, CoreError::NoPicture { bytes: 1.., .. });
        self.no_pictures += u32::from(is_other);
        match error {
            CoreError::Encoding {
                encoding,
                role,
                supported,
            } => Err(CoreError::Encoding {
                encoding: format!("{encoding}' on topic '{}", self.topic),
                role,
                supported,
            }
            .into()),
            CoreError::NoPicture { .. } if self.no_pictures == MAX_ATTEMPTS => {
                Err(Error::NoPictures {
                    role: self.role,
                    topic: self.topic.clone(),
                    count: self.no_pictures,
                    message: error.to_string(),
                })
            }
            _ => Ok(()),
        }
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
