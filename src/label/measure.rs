//! From one matched frame to its measurement: decode what is needed, check that it fits together,
//! ask the estimator. What the worker threads do.

use std::time::Instant;

use super::first_look::is_scaling;
use crate::error::Error;
use crate::estimator::Estimator;
use crate::frame::{DepthImage, Frame, Intrinsics, LazyColorImage, Measurement, Reason, Regions};
use crate::messages::Decoder;
use crate::pipeline::{self, FrameInfo, MatchedFrame};
use crate::report::film_strip::{StripFrame, StripPlan};
use crate::step::Latency;

/// What every frame of a bag is measured with.
pub struct Measurer<'a> {
    pub estimator: &'a dyn Estimator,
    pub image: Decoder,
    pub depth: Option<Decoder>,
    pub strip: StripPlan,
}

/// A measured frame, without its pixels.
#[derive(Debug)]
pub struct Measured {
    pub info: FrameInfo,
    pub measurement: Result<Measurement, Reason>,
    /// The picture for the report's film strip, if this frame may be on it.
    pub strip: Option<StripFrame>,
    /// `total_s` is left for who knows when the inputs were complete.
    pub latency: Latency,
    /// Why a picture did not decode, for the log.
    pub broken: Option<Broken>,
}

/// A picture that did not decode or does not fit.
#[derive(Debug)]
pub struct Broken {
    pub what: &'static str,
    pub why: String,
}

impl Measurer<'_> {
    /// Measure the frame that becomes step `index`.
    pub fn measure(&self, index: u64, frame: MatchedFrame) -> Measured {
        let regions = frame.info.regions();
        let mut measured = Measured {
            info: frame.info,
            measurement: Err(regions.err().unwrap_or(Reason::NoImage)),
            strip: None,
            latency: Latency::default(),
            broken: None,
        };
        let for_strip = self.strip.wants(index);
        if regions.is_err() && !for_strip {
            return measured;
        }
        let begin = Instant::now();
        let color = match self.image.lazy_color(&frame.image) {
            Ok(color) => color,
            Err(error) => {
                measured.broken = Some(Broken::new("colour image", &error));
                return measured;
            }
        };
        if for_strip {
            match color.pixels() {
                Ok(pixels) => measured.strip = self.strip.shrink(index, pixels),
                Err(error) => measured.broken = Some(Broken::new("colour image", error)),
            }
        }
        measured.latency.decode_s = begin.elapsed().as_secs_f64();
        if let Ok(regions) = regions {
            let frame = DecodedFrame {
                stamp_nanos: measured.info.stamp_nanos,
                color,
                depth: frame.depth.as_deref(),
                intrinsics: frame.intrinsics,
            };
            measured.measurement =
                self.estimate(frame, &regions, &mut measured.latency, &mut measured.broken);
        }
        measured
    }

    fn estimate(
        &self,
        frame: DecodedFrame<'_>,
        regions: &Regions,
        latency: &mut Latency,
        broken: &mut Option<Broken>,
    ) -> Result<Measurement, Reason> {
        let (width, height) = (frame.color.width, frame.color.height);
        // Before the depth is decoded: a box outside the image is that frame's reason.
        pipeline::check_regions(regions, width, height)?;
        let begin = Instant::now();
        let decoded = self
            .depth(&frame)
            .and_then(|depth| Ok((depth, fitted(&frame)?)));
        let (depth, intrinsics) = decoded.map_err(|why| {
            *broken = Some(why);
            Reason::DepthInvalid
        })?;
        latency.decode_s += begin.elapsed().as_secs_f64();
        let frame = Frame {
            stamp_nanos: frame.stamp_nanos,
            color: frame.color,
            depth,
            intrinsics,
        };
        let begin = Instant::now();
        let measurement = pipeline::estimate(self.estimator, &frame, regions);
        latency.estimate_s = begin.elapsed().as_secs_f64();
        if measurement == Err(Reason::NoImage)
            && let Err(error) = frame.color.pixels()
        {
            *broken = Some(Broken::new("colour image", error));
        }
        measurement
    }

    /// The depth image, which may have another resolution than the colour but not another shape.
    fn depth(&self, frame: &DecodedFrame<'_>) -> Result<Option<DepthImage>, Broken> {
        let (Some(decoder), Some(data)) = (&self.depth, frame.depth) else {
            return Ok(None);
        };
        let depth = decoder
            .depth(data)
            .map_err(|error| Broken::new("depth image", &error))?;
        check_size("depth image", (depth.width, depth.height), frame)?;
        Ok(Some(depth))
    }
}

/// A frame whose colour is found sound and whose depth is not looked at yet.
struct DecodedFrame<'a> {
    stamp_nanos: i64,
    color: LazyColorImage,
    depth: Option<&'a [u8]>,
    intrinsics: Option<Intrinsics>,
}

/// The intrinsics of the colour image as it is: it may have been resized since the camera.
fn fitted(frame: &DecodedFrame<'_>) -> Result<Option<Intrinsics>, Broken> {
    let Some(intrinsics) = frame.intrinsics else {
        return Ok(None);
    };
    check_size("camera info", (intrinsics.width, intrinsics.height), frame)?;
    Ok(Some(
        intrinsics.resized(frame.color.width, frame.color.height),
    ))
}

fn check_size(
    what: &'static str,
    size: (u32, u32),
    frame: &DecodedFrame<'_>,
) -> Result<(), Broken> {
    let color = (frame.color.width, frame.color.height);
    if is_scaling(size, color) {
        return Ok(());
    }
    Err(Broken {
        what,
        why: format!(
            "its {}x{} pixels are no scaling of the colour image's {}x{}",
            size.0, size.1, color.0, color.1
        ),
    })
}

impl Broken {
    fn new(what: &'static str, error: &Error) -> Self {
        Self {
            what,
            why: error.to_string(),
        }
    }
}
