//! The debug view: now and then a frame with its boxes, distance, reward and reason drawn in, on a thread
//! of its own, and only while somebody looks.

use std::time::{Duration, Instant};

use r2r::sensor_msgs::msg::CompressedImage;

use super::clock;
use super::outputs::DebugView;
use super::workshop::Workshop;
use crate::error::Result;
use spatial_reward_core::frame::LazyColorImage;
use spatial_reward_core::step::Step;
use spatial_reward_figures::overlay;

/// The estimation's end of the drawing thread.
pub(crate) struct Canvas {
    view: DebugView,
    painter: Workshop<(LazyColorImage, Step)>,
    last: Option<Instant>,
}

impl Canvas {
    /// Start the drawing thread; it ends when the canvas is dropped.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(view: DebugView) -> Result<Self> {
        let outlet = view.clone();
        let painter = Workshop::start("debug view", move |(color, step)| {
            show(&outlet, &color, &step)
        })?;
        Ok(Self {
            view,
            painter,
            last: None,
        })
    }

    /// Whether the frame at hand is due to be shown.
    pub(crate) fn wants(&mut self, rate_hz: f64) -> bool {
        let Ok(interval) = Duration::try_from_secs_f64(1.0 / rate_hz) else {
            return false;
        };
        let due = self.last.is_none_or(|last| last.elapsed() >= interval);
        if !due || !self.view.is_watched() {
            return false;
        }
        self.last = Some(Instant::now());
        true
    }

    /// Draw a frame, unless the one before it is not finished yet.
    ///
    /// # Errors
    /// The drawing thread is gone.
    pub(crate) fn draw(&self, color: LazyColorImage, step: Step) -> Result<()> {
        self.painter.offer((color, step))
    }
}

fn show(view: &DebugView, color: &LazyColorImage, step: &Step) -> Result<()> {
    let Ok(pixels) = color.pixels() else {
        return Ok(());
    };
    view.publish(CompressedImage {
        header: r2r::std_msgs::msg::Header {
            stamp: clock::message(step.stamp_nanos),
            frame_id: step.frame_id.clone(),
        },
        format: "jpeg".to_owned(),
        data: overlay::jpeg(pixels, step)?,
    })
}
