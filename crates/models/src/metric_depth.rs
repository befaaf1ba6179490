//! Metres from one picture, by whichever network a checkpoint holds: the door for who does not care which.

use std::path::Path;

use serde::Deserialize;
use spatial_reward_core::frame::ColorImage;

use crate::depth_anything::MetricDepthAnything;
use crate::depth_pro::DepthPro;
use crate::error::{Error, Result};
use crate::nn::weights::Placement;

/// Metres of every pixel of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct EstimatedDepth {
    /// Pixels; the picture's.
    pub width: u32,
    /// Pixels; the picture's.
    pub height: u32,
    /// Shape (height, width), row by row from the top: along the optical axis.
    pub metres: Vec<f32>,
    /// The focal length in pixels of the picture, where the network tells it.
    pub focal_px: Option<f64>,
}

/// A network that gives metres.
#[derive(Debug)]
pub enum MetricDepthNetwork {
    /// It tells the focal length too.
    DepthPro(Box<DepthPro>),
    /// Trained for one kind of camera, as its checkpoint says.
    DepthAnything(Box<MetricDepthAnything>),
}

/// What tells the two apart.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

impl MetricDepthNetwork {
    /// Loads the checkpoint in a folder, which is told by `model_type` of its `config.json`.
    ///
    /// # Errors
    /// A folder of another kind of model, or of one whose depth is relative; what is wrong with a checkpoint, by name.
    pub fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let path = folder.join("config.json");
        let supported = "Give a folder with Depth Pro or a metric Depth Anything V2 in the Hugging Face layout, such as \
                         apple/DepthPro-hf or depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf";
        let problem = |what: String| Error::checkpoint(&path, what, supported);
        let text = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::checkpoint(folder, "there is no config.json", supported)
            }
            _ => Error::io("read", &path)(error),
        })?;
        let kind: Kind =
            serde_json::from_slice(&text).map_err(|error| problem(error.to_string()))?;
        match kind.model_type.as_deref() {
            Some("depth_pro") => {
                let network = DepthPro::load(folder, placement)?;
                Ok(Self::DepthPro(Box::new(network)))
            }
            Some("depth_anything") => {
                let network = MetricDepthAnything::load(folder, placement)?;
                Ok(Self::DepthAnything(Box::new(network)))
            }
            other => Err(problem(format!(
                "model_type is '{}', but must be 'depth_pro' or 'depth_anything'",
                other.unwrap_or_default()
            ))),
        }
    }

    /// Metres of every pixel of a picture, at its size.
    ///
    /// # Errors
    /// A picture that is empty or whose bytes do not match its size; numbers that overflowed in the network's type;
    /// libtorch's, of which memory is the one to expect.
    pub fn estimate(&self, picture: &ColorImage) -> Result<EstimatedDepth> {
        let (metres, focal_px) = match self {
            Self::DepthPro(network) => {
                let depth = network.estimate(picture)?;
                (depth.metres, Some(depth.focal_px))
            }
            Self::DepthAnything(network) => (network.estimate(picture)?.values, None),
        };
        let broken = metres.iter().position(|metres| !metres.is_finite());
        if let Some((index, &value)) = broken.and_then(|index| Some((index, metres.get(index)?))) {
            let width = picture.width.max(1) as usize;
            let (column, row) = (index % width, index / width);
            return Err(spatial_reward_core::Error::DepthNotFinite { column, row, value }.into());
        }
        Ok(EstimatedDepth {
            width: picture.width,
            height: picture.height,
            metres,
            focal_px,
        })
    }
}
