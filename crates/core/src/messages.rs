//! ROS messages decoded from CDR, and their conversion to parts of a frame. No ROS installation is
//! involved: the layouts are compiled in and compared with the definitions that a bag carries.

mod bayer;
mod camera_info;
pub mod cdr;
mod color;
mod compressed;
mod depth;
mod depth_doubts;
mod detected;
mod detections;
mod distortion;
mod earlier_step_reward;
mod extrinsics;
mod foreign;
pub mod image_annotations;
pub mod joint_state;
mod layouts;
mod named_fields;
mod object_definitions;
mod object_fields;
mod object_source;
mod objects;
mod projection;
mod raster;
mod rvl;
mod schema;
pub mod step_reward;
pub mod task_reward;
mod types;
mod video;
mod yuv;
mod zstd_transport;

pub use crate::frame::Detection;
pub use camera_info::doubt_of_size;
pub use detected::{Detections, InSpace, Place};
pub use extrinsics::Extrinsics;
pub use projection::{Projection, stream};
pub(crate) use raster::MAX_PIXELS;
pub use schema::type_name;
pub use step_reward::StepReward;
pub use types::{
    CameraInfo, CompressedImage, Float64, Header, Image, PointStamped, RegionOfInterest,
    StringMessage, Time, TransformStamped, Transforms,
};

pub use video::{Codec, VideoPacket, in_place_of_packet};

use std::ops::RangeInclusive;

use bytes::Bytes;
use layouts::Kind;
use nalgebra::Isometry3;

use crate::error::{Error, Result};
use crate::frame::{ColorImage, DepthImage, Intrinsics, LazyColorImage};

/// Reads the messages of one channel, whose layout was checked once.
///
/// A method that does not fit the channel's type returns `Error::Decode`.
#[derive(Debug, Clone)]
pub struct Decoder {
    type_name: String,
    kind: Kind,
    projection: Projection,
    depth_unit_m: Option<f64>,
}

impl Decoder {
    /// `type_name` is `package/msg/Type`, or one of the other spellings that [`type_name`] knows; `definition` is the bag's, with its dependencies
    /// (`ros2msg` text). Without one, with an empty one or with OMG IDL the type's name decides
    /// alone, and the layout of a Detection2DArray or a StepReward is found by what fits its bytes.
    ///
    /// # Errors
    /// `Error::Decode` for a type that this program does not read; `Error::UnknownLayout` for a
    /// definition that differs from those it knows.
    pub fn for_channel(type_name: &str, definition: Option<&str>) -> Result<Self> {
        Ok(Self {
            type_name: type_name.to_owned(),
            kind: layouts::kind_of(type_name, definition)?,
            projection: Projection::default(),
            depth_unit_m: None,
        })
    }

    /// The same for a channel whose camera infos go with pictures of this projection.
    pub fn with_projection(self, projection: Projection) -> Self {
        Self { projection, ..self }
    }

    /// The same for a channel whose depth counts so many metres; none: as REP 118 says.
    pub fn with_depth_unit_m(self, depth_unit_m: Option<f64>) -> Self {
        Self {
            depth_unit_m,
            ..self
        }
    }

    /// Whether the messages are packets of a video ([`video_packet`](Self::video_packet)), and so no pictures.
    pub fn is_video(&self) -> bool {
        matches!(self.kind, Kind::CompressedVideo(_) | Kind::FfmpegPacket)
    }

    /// For what stands in the place of a video's packets once they are decoded ([`in_place_of_packet`]); the same
    /// decoder for messages that are pictures.
    pub fn of_video_pictures(self) -> Self {
        let kind = match self.is_video() {
            true => Kind::VideoPicture,
            false => self.kind,
        };
        Self { kind, ..self }
    }

    /// The packet of a CompressedVideo or an FFMPEGPacket.
    ///
    /// # Errors
    /// `Error::Encoding` for a codec that is not read, `Error::Decode` for a broken message.
    pub fn video_packet<'a>(&self, bytes: &'a [u8]) -> Result<VideoPacket<'a>> {
        self.video_message(bytes)?.packet()
    }

    fn video_message<'a>(&self, bytes: &'a [u8]) -> Result<video::Message<'a>> {
        match self.kind {
            Kind::CompressedVideo(_) => video::Message::of_foxglove(&self.type_name, bytes),
            Kind::FfmpegPacket => video::Message::of_ffmpeg(&self.type_name, bytes),
            _ => Err(self.not("a packet of a video")),
        }
    }

    /// The header of an Image, a CompressedImage or a video's packet; the pixels are not looked at.
    pub fn image_header(&self, bytes: &[u8]) -> Result<Header> {
        match self.kind {
            // All of them begin with a stamp and a frame.
            Kind::Image | Kind::CompressedImage | Kind::CompressedVideo(_) | Kind::FfmpegPacket => {
                Ok(cdr::decode_prefix::<Header>(&self.type_name, bytes)?.0)
            }
            _ => Err(self.not("an image")),
        }
    }

    /// What an Image, a CompressedImage or a video's packet says of its pixels: the encoding, or the format, which names
    /// the codec.
    pub fn image_encoding<'a>(&self, bytes: &'a [u8]) -> Result<&'a str> {
        match self.kind {
            Kind::Image => Ok(self.message::<Image<'_>>(bytes)?.encoding),
            Kind::CompressedImage => {
                let image: CompressedImage<'_> = self.message(bytes)?;
                Ok(zstd_transport::encoding(&image).unwrap_or(image.format))
            }
            Kind::CompressedVideo(_) | Kind::FfmpegPacket => Ok(self.video_message(bytes)?.format),
            _ => Err(self.not("an image")),
        }
    }

    /// The pixels of an Image or a CompressedImage as 8-bit RGB.
    ///
    /// # Errors
    /// `Error::Encoding` for an encoding that is no colour, `Error::Decode` for a broken message.
    pub fn color(&self, bytes: &[u8]) -> Result<ColorImage> {
        match self.kind {
            Kind::Image => color::decode(&self.type_name, &self.message(bytes)?),
            Kind::CompressedImage => {
                compressed::decode_color(&self.type_name, &self.message(bytes)?)
            }
            Kind::VideoPicture => {
                let (width, height, rgb) = video::picture(&self.type_name, bytes)?;
                Ok(ColorImage {
                    width,
                    height,
                    rgb: Bytes::copy_from_slice(rgb),
                })
            }
            _ => Err(self.not("an image")),
        }
    }

    /// The same, of an image whose structure is sound not before somebody looks at the pixels.
    ///
    /// # Errors
    /// Those of [`color`](Self::color), as far as the structure of the message and its picture tells.
    pub fn lazy_color(&self, bytes: &Bytes) -> Result<LazyColorImage> {
        let sound = match self.kind {
            Kind::Image => color::size_of_sound(&self.type_name, &self.message(bytes)?),
            Kind::CompressedImage => {
                let image: CompressedImage<'_> = self.message(bytes)?;
                let is_depth = image.format.contains("compressedDepth");
                compressed::size_of_sound(image.data).filter(|_| !is_depth)
            }
            Kind::VideoPicture => {
                let (width, height, _) = video::picture(&self.type_name, bytes)?;
                Some((width, height))
            }
            _ => None,
        };
        match sound {
            Some((width, height)) => {
                let (decoder, bytes) = (self.clone(), bytes.clone());
                Ok(LazyColorImage::new(width, height, move || {
                    decoder.color(&bytes)
                }))
            }
            None => self.color(bytes).map(LazyColorImage::from),
        }
    }

    /// The pixels of an Image or a CompressedImage as depth in metres.
    ///
    /// # Errors
    /// `Error::Encoding` for an encoding that is no depth, `Error::Decode` for a broken message.
    pub fn depth(&self, bytes: &Bytes) -> Result<DepthImage> {
        let unit_m = self.depth_unit_m;
        match self.kind {
            Kind::Image => depth::decode(&self.type_name, &self.message(bytes)?, bytes, unit_m),
            Kind::CompressedImage => {
                depth::decode_compressed(&self.type_name, &self.message(bytes)?, unit_m)
            }
            _ => Err(self.not("an image")),
        }
    }

    /// What about a depth image, decoded before, cannot be as it says, in words: values in another unit, by where half
    /// of them lie outside `range_m`, and depth too near for how it was compressed. `None` where nothing is odd.
    pub fn depth_doubt(
        &self,
        bytes: &[u8],
        depth: &DepthImage,
        range_m: RangeInclusive<f64>,
    ) -> Option<String> {
        let sent = match self.kind {
            Kind::Image => depth::sent_raw(&self.message(bytes).ok()?),
            Kind::CompressedImage => depth::sent_compressed(&self.message(bytes).ok()?),
            _ => None,
        };
        depth_doubts::doubt(sent?, self.depth_unit_m, depth, range_m)
    }

    /// The intrinsics of the published image: region of interest and binning are applied. Their size is 0 where the
    /// message has none.
    ///
    /// # Errors
    /// `Error::Decode` for an uncalibrated camera, an unsupported lens model or a broken message.
    pub fn camera_info(&self, bytes: &[u8]) -> Result<(Header, Intrinsics)> {
        let info = self.camera_info_message(bytes)?;
        let intrinsics = camera_info::intrinsics(&self.type_name, &info, self.projection)?;
        Ok((info.header, intrinsics))
    }

    /// What in a camera info that gives intrinsics speaks against them, in words; `None` where all of it agrees.
    ///
    /// # Errors
    /// `Error::Decode` for a broken message.
    pub fn camera_info_doubt(&self, bytes: &[u8]) -> Result<Option<String>> {
        let info = self.camera_info_message(bytes)?;
        Ok(camera_info::doubt(&info, self.projection))
    }

    /// The header of a camera info, also of one that gives no intrinsics.
    ///
    /// # Errors
    /// `Error::Decode` for a broken message.
    pub fn camera_info_header(&self, bytes: &[u8]) -> Result<Header> {
        Ok(self.camera_info_message(bytes)?.header)
    }

    fn camera_info_message(&self, bytes: &[u8]) -> Result<CameraInfo> {
        match self.kind {
            Kind::CameraInfo => self.message(bytes),
            _ => Err(self.not("a camera info")),
        }
    }

    /// What a message of boxes, of objects in space or of markers says of them.
    ///
    /// # Errors
    /// `Error::UnknownLayout` if no known layout fits, `Error::Decode` for a broken message.
    pub fn detections(&self, bytes: &[u8]) -> Result<Detections> {
        match &self.kind {
            Kind::Detections(layout) => detections::decode(&self.type_name, *layout, bytes),
            Kind::Objects(reader) => reader.detections(&self.type_name, bytes),
            Kind::RegionOfInterest => Ok(detections::from_region(&self.message(bytes)?)),
            _ => Err(self.not("a list of boxes")),
        }
    }

    /// The text of a std_msgs/String.
    pub fn string(&self, bytes: &[u8]) -> Result<String> {
        match self.kind {
            Kind::String => Ok(self.message::<StringMessage>(bytes)?.data),
            _ => Err(self.not("a string")),
        }
    }

    /// A geometry_msgs/PointStamped, in metres.
    pub fn point(&self, bytes: &[u8]) -> Result<PointStamped> {
        match self.kind {
            Kind::PointStamped => self.message(bytes),
            _ => Err(self.not("a stamped point")),
        }
    }

    /// The transforms of a tf2_msgs/TFMessage.
    pub fn transforms(&self, bytes: &[u8]) -> Result<Vec<TransformStamped>> {
        match self.kind {
            Kind::Transforms => Ok(self.message::<Transforms>(bytes)?.transforms),
            _ => Err(self.not("a list of transforms")),
        }
    }

    /// The pose of the first camera's optical frame in the second's, of a realsense2_camera_msgs/Extrinsics.
    ///
    /// # Errors
    /// `Error::Decode` for a broken message, and for numbers that are no pose.
    pub fn extrinsics(&self, bytes: &[u8]) -> Result<Isometry3<f64>> {
        match self.kind {
            Kind::Extrinsics => (self.message::<Extrinsics>(bytes)?.pose())
                .map_err(|why| Error::decode(&self.type_name, why)),
            _ => Err(self.not("the extrinsics of two cameras")),
        }
    }

    /// The number of a std_msgs/Float64.
    pub fn float64(&self, bytes: &[u8]) -> Result<f64> {
        match self.kind {
            Kind::Float64 => Ok(self.message::<Float64>(bytes)?.data),
            _ => Err(self.not("a number")),
        }
    }

    /// A step reward that an earlier run wrote. What its layout lacks is NaN.
    ///
    /// # Errors
    /// `Error::Decode` for a broken message.
    pub fn step_reward(&self, bytes: &[u8]) -> Result<StepReward> {
        match self.kind {
            Kind::StepReward(layout) => earlier_step_reward::decode(&self.type_name, layout, bytes),
            _ => Err(self.not("a step reward")),
        }
    }

    fn message<'a, T: serde::Deserialize<'a>>(&self, bytes: &'a [u8]) -> Result<T> {
        cdr::decode(&self.type_name, bytes)
    }

    fn not(&self, role: &str) -> Error {
        Error::decode(&self.type_name, format!("this type is not {role}"))
    }
}
