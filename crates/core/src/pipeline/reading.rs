//! From a message's bytes to an input of the pipeline: decodes what is light (headers, boxes, intrinsics)
//! and hands pixels along as they are. Bag and live node read through this.

use bytes::Bytes;

use super::{BoxRole, Input};
use crate::error::Result;
use crate::messages::Decoder;

/// What a stream's messages are to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    Image,
    Depth,
    CameraInfo,
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
    let stamp_or_received = |stamp_nanos: i64| match stamp_nanos {
        0 => received_nanos,
        stamp_nanos => stamp_nanos,
    };
    Ok(match kind {
        StreamKind::Image => {
            let header = decoder.image_header(bytes).unwrap_or_default();
            Input::Image {
                stamp_nanos: stamp_or_received(header.stamp_nanos()),
                frame_id: header.frame_id,
                payload: bytes.clone(),
            }
        }
        StreamKind::Depth => Input::Depth {
            stamp_nanos: stamp_or_received(decoder.image_header(bytes)?.stamp_nanos()),
            payload: bytes.clone(),
        },
        StreamKind::CameraInfo => {
            let (header, intrinsics) = decoder.camera_info(bytes)?;
            Input::CameraInfo {
                stamp_nanos: stamp_or_received(header.stamp_nanos()),
                intrinsics,
            }
        }
        StreamKind::Boxes(role) => {
            let detections = decoder.detections(bytes)?;
            Input::Boxes {
                role,
                stamp_nanos: stamp_or_received(detections.stamp_nanos),
                boxes: detections.boxes,
            }
        }
    })
}
