//! The debug view: now and then a frame with its boxes, distance, reward and reason drawn in, on a thread
//! of its own, and only while somebody looks.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};
use r2r::sensor_msgs::msg::CompressedImage;

use super::clock;
use super::outputs::DebugView;
use crate::error::{Error, Result};
use spatial_reward_core::frame::LazyColorImage;
use spatial_reward_core::step::Step;
use spatial_reward_figures::overlay;

/// The estimation's end of the drawing thread.
pub(crate) struct Canvas {
    view: DebugView,
    frames: Sender<(LazyColorImage, Step)>,
    last: Option<Instant>,
}

impl Canvas {
    /// Start the drawing thread; it ends when the canvas is dropped.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(view: DebugView) -> Result<Self> {
        let (frames, inbox) = bounded::<(LazyColorImage, Step)>(1);
        let publisher = view.clone();
        thread::Builder::new()
            .name("debug view".to_owned())
            .spawn(move || {
                for (color, step) in inbox {
                    if let Err(error) = show(&publisher, &color, &step) {
                        tracing::warn!("no debug image: {error}");
                    }
                }
            })
            .map_err(Error::io("start a thread of", "spatial-reward"))?;
        Ok(Self {
            view,
            frames,
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
    pub(crate) fn draw(&self, color: LazyColorImage, step: Step) {
        let _ = self.frames.try_send((color, step));
    }
}

fn show(view: &DebugView, color: &LazyColorImage, step: &Step) -> Result<()> {
    let Ok(pixels) = color.pixels() else {
        return Ok(());
    };
    view.publish(&CompressedImage {
        header: r2r::std_msgs::msg::Header {
            stamp: clock::message(step.stamp_nanos),
            frame_id: step.frame_id.clone(),
        },
        format: "jpeg".to_owned(),
        data: overlay::jpeg(pixels, step)?,
    })
}
