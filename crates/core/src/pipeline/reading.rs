//! From a message's bytes to an input of the pipeline: decodes what is light (headers, boxes, intrinsics)
//! and hands pixels along as they are. Bag and live node read through this.

use bytes::Bytes;

use super::{BoxRole, Input};
use crate::error::Result;
use crate::frame::{Detection, Intrinsics};
use crate::messages::{Decoder, Header};

/// What a stream's messages are to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// The colour images that steps are made of.
    Image,
    /// Depth images of the same camera.
    Depth,
    /// The colour camera's intrinsics.
    CameraInfo,
    /// Those of a depth camera of its own.
    DepthCameraInfo,
    /// Transforms.
    Transforms {
        /// They hold at all times.
        is_static: bool,
    },
    /// A detector's boxes.
    Boxes(BoxRole),
}

/// Read one message. A header that was never stamped (0) has the time when it was received. An image
/// whose header is broken is still a step, though one with no image to look at.
///
/// # Errors
/// Those of the decoder, for any other message that is broken.
pub fn read(
    kind: StreamKind,
    decoder: &Decoder,
    bytes: &Bytes,
    received_nanos: i64,
) -> Result<Input> {
    Ok(match kind {
        StreamKind::Image => {
            let header = decoder.image_header(bytes).unwrap_or_default();
            image(header, bytes, received_nanos)
        }
        StreamKind::Depth => depth(&decoder.image_header(bytes)?, bytes, received_nanos),
        StreamKind::CameraInfo => {
            let (header, intrinsics) = decoder.camera_info(bytes)?;
            camera_info(&header, intrinsics, received_nanos)
        }
        StreamKind::DepthCameraInfo => {
            let (header, intrinsics) = decoder.camera_info(bytes)?;
            Input::DepthCameraInfo {
                stamp_nanos: stamp_or(received_nanos, header.stamp_nanos()),
                intrinsics,
            }
        }
        StreamKind::Transforms { is_static } => Input::Transforms {
            transforms: decoder.transforms(bytes)?,
            is_static,
        },
        StreamKind::Boxes(role) => {
            let detections = decoder.detections(bytes)?;
            boxes(
                role,
                detections.stamp_nanos,
                detections.boxes,
                received_nanos,
            )
        }
    })
}

/// The input of boxes of a message that somebody has decoded.
pub fn boxes(role: BoxRole, stamp_nanos: i64, boxes: Vec<Detection>, received_nanos: i64) -> Input {
    Input::Boxes {
        role,
        stamp_nanos: stamp_or(received_nanos, stamp_nanos),
        boxes,
    }
}

/// The input of a colour image whose header somebody has decoded; the default one stands for a broken header.
pub fn image(header: Header, bytes: &Bytes, received_nanos: i64) -> Input {
    Input::Image {
        stamp_nanos: stamp_or(received_nanos, header.stamp_nanos()),
        frame_id: header.frame_id,
        payload: bytes.clone(),
    }
}

/// The input of a depth image whose header somebody has decoded.
pub fn depth(header: &Header, bytes: &Bytes, received_nanos: i64) -> Input {
    Input::Depth {
        stamp_nanos: stamp_or(received_nanos, header.stamp_nanos()),
        frame_id: header.frame_id.clone(),
        payload: bytes.clone(),
    }
}

/// The input of a camera info whose header somebody has decoded.
pub fn camera_info(header: &Header, intrinsics: Intrinsics, received_nanos: i64) -> Input {
    Input::CameraInfo {
        stamp_nanos: stamp_or(received_nanos, header.stamp_nanos()),
        intrinsics,
    }
}

/// A stamp of 0 was never set.
pub fn stamp_or(received_nanos: i64, stamp_nanos: i64) -> i64 {
    match stamp_nanos {
        0 => received_nanos,
        stamp_nanos => stamp_nanos,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Time;

    const RECEIVED_NANOS: i64 = 7;

    fn header(stamp_nanos: i64) -> Header {
        Header {
            stamp: Time::from_nanos(stamp_nanos),
            frame_id: "camera".into(),
        }
    }

    #[test]
    fn a_header_was_decoded_twice() {
        // given decoded headers, and bytes in which nothing could be decoded
        let bytes = Bytes::from_static(b"nothing");
        // when the inputs are made
        let color = image(header(5), &bytes, RECEIVED_NANOS);
        let depth = depth(&header(5), &bytes, RECEIVED_NANOS);
        // then they have the headers' stamps, for the bytes are handed along as they are
        assert!(
            matches!(&color, Input::Image { stamp_nanos: 5, frame_id, payload } if frame_id == "camera" && *payload == bytes),
            "{color:?}"
        );
        assert!(
            matches!(&depth, Input::Depth { stamp_nanos: 5, frame_id, payload } if frame_id == "camera" && *payload == bytes),
            "{depth:?}"
        );
    }

    #[test]
    fn a_header_without_a_stamp_has_the_time_when_it_was_received() {
        let bytes = Bytes::new();
        for input in [
            image(header(0), &bytes, RECEIVED_NANOS),
            depth(&header(0), &bytes, RECEIVED_NANOS),
        ] {
            let (Input::Image { stamp_nanos, .. } | Input::Depth { stamp_nanos, .. }) = input
            else {
                panic!("{input:?}");
            };
            assert_eq!(stamp_nanos, RECEIVED_NANOS);
        }
    }

    #[test]
    fn an_image_with_a_broken_header_is_a_step_and_a_depth_image_is_not() {
        let decoder = Decoder::for_channel("sensor_msgs/msg/Image", None).unwrap();
        let broken = Bytes::from_static(b"broken");
        let read = |kind| read(kind, &decoder, &broken, RECEIVED_NANOS);
        assert!(matches!(
            read(StreamKind::Image),
            Ok(Input::Image {
                stamp_nanos: RECEIVED_NANOS,
                ..
            })
        ));
        assert!(read(StreamKind::Depth).is_err());
    }
}
