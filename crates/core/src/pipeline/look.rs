//! A frame's picture and depth, decoded: once for whoever follows regions in it and for whoever measures between them.

use std::time::Instant;

use super::MatchedFrame;
use super::scaling::{fitted_to, is_scaling};
use crate::following::Picture;
use crate::frame::{BoundingBox, ColorImage, DepthImage};
use crate::messages::Decoder;
use crate::registration::Registration;

/// What was decoded of a frame.
#[derive(Debug, Clone)]
pub struct Look {
    pub(super) color: ColorImage,
    /// As it was sent; `None` where there is none, or none that decodes.
    pub(super) sent_depth: Option<DepthImage>,
    depth: Depth,
    /// How long that took, in seconds.
    pub(super) decode_s: f64,
}

/// The depth that belongs to the picture.
#[derive(Debug, Clone)]
enum Depth {
    None,
    AsSent,
    Registered(DepthImage),
}

impl Look {
    /// Decode a frame, and register its depth as a whole; `None` if its picture does not decode.
    pub(super) fn at(
        frame: &MatchedFrame,
        image: &Decoder,
        depth: Option<&Decoder>,
        registration: Option<&Registration>,
    ) -> Option<Self> {
        let begin = Instant::now();
        let color = image.color(&frame.image).ok()?;
        let sent_depth = depth.zip(frame.depth.as_ref());
        let sent_depth = sent_depth.and_then(|(decoder, data)| decoder.depth(data).ok());
        let decode_s = begin.elapsed().as_secs_f64();
        let size = (color.width, color.height);
        let depth = match (&sent_depth, registration) {
            (None, _) => Depth::None,
            (Some(sent), None) => match is_scaling((sent.width, sent.height), size) {
                true => Depth::AsSent,
                false => Depth::None,
            },
            (Some(sent), Some(registration)) => {
                let whole = BoundingBox::new(0.0, 0.0, size.0.into(), size.1.into());
                let camera = frame.intrinsics.and_then(|camera| fitted_to(&camera, size));
                let registered =
                    camera.and_then(|camera| registration.camera.register(sent, &camera, &[whole]));
                registered.map_or(Depth::None, Depth::Registered)
            }
        };
        Some(Self {
            color,
            sent_depth,
            depth,
            decode_s,
        })
    }

    /// The picture's pixels.
    pub fn color(&self) -> &ColorImage {
        &self.color
    }

    /// The pixels, and the depth that belongs to them as far as there is some.
    pub fn picture(&self) -> Picture<'_> {
        let depth = match &self.depth {
            Depth::None => None,
            Depth::AsSent => self.sent_depth.as_ref(),
            Depth::Registered(depth) => Some(depth),
        };
        (&self.color, depth)
    }

    /// The same, to keep.
    pub fn into_picture(self) -> (ColorImage, Option<DepthImage>) {
        let depth = match self.depth {
            Depth::None => None,
            Depth::AsSent => self.sent_depth,
            Depth::Registered(depth) => Some(depth),
        };
        (self.color, depth)
    }

    /// The memory that its pixels take, in bytes.
    pub fn bytes(&self) -> usize {
        let registered = match &self.depth {
            Depth::Registered(depth) => Some(depth),
            Depth::None | Depth::AsSent => None,
        };
        let depths = self.sent_depth.iter().chain(registered);
        self.color.rgb.len() + depths.map(DepthImage::bytes).sum::<usize>()
    }
}
