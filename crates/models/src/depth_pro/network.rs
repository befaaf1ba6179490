//! Depth Pro (arXiv 2410.02073) from a folder to metres.
//!
//! In transformers 5.24.0: models/depth_pro/modeling_depth_pro.py, 651-694 and 994-1109 (the network),
//! image_processing_depth_pro.py, 44-123 (what stands before and behind it).

use std::path::Path;

use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::imaging::{DepthProProcessor, Kernel, NetworkInput};
use tch::{Device, Kind, Tensor};

use super::config::DepthProConfig;
use super::encoder::Encoder;
use super::field_of_view::FieldOfView;
use super::fusion::{FusionStage, Head};
use super::neck::Neck;
use crate::error::{Error, Result};
use crate::nn::panels;
use crate::nn::team::{Crew, Team};
use crate::nn::threads;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{LinearForm, Placement, Weights};

/// What a failing computation was for.
const ACTION: &str = "estimate depth";

/// What inverse depth is brought into: nothing is nearer than a tenth of a millimetre or farther than ten kilometres.
const INVERSE_DEPTH: (f64, f64) = (1e-4, 1e4);

/// Metres of every pixel of one picture, and its camera.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDepth {
    /// Pixels; the picture's.
    pub width: u32,
    /// Pixels; the picture's.
    pub height: u32,
    /// Shape (height, width), row by row from the top: along the optical axis, from 1e-4 to 1e4.
    pub metres: Vec<f32>,
    /// The focal length in pixels of the picture; the same along both sides.
    pub focal_px: f64,
}

/// `DepthProForDepthEstimation` with its image processor.
#[derive(Debug)]
pub struct DepthPro {
    encoder: Encoder,
    neck: Neck,
    fusion_stage: FusionStage,
    head: Head,
    fov_model: FieldOfView,
    processor: DepthProProcessor,
    placement: Placement,
    /// Who multiplies by rows.
    crew: Crew,
}

impl DepthPro {
    /// Reads `config.json`, `preprocessor_config.json` and the weights of `folder`, strictly: every tensor that the
    /// configuration asks for and no other.
    ///
    /// # Errors
    /// A file that cannot be read; a configuration of another or an unsupported model, by key, among them a network that
    /// tells no field of view; a tensor that is missing, unexpected or of another shape, by name.
    pub fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let config = DepthProConfig::read(folder)?;
        let settings = folder.join("preprocessor_config.json");
        let processor = DepthProProcessor::load(&settings)?;
        if let Some(what) = config.problem_of_side(i64::from(processor.side())) {
            let remedy = "Take config.json and preprocessor_config.json from one checkpoint";
            return Err(Error::checkpoint(settings, format!("size: {what}"), remedy));
        }
        let weights = Weights::open_as(folder, placement, form(placement))?;
        let scope = weights.scope();
        let depth_pro = scope.sub("depth_pro");
        let model = Self {
            encoder: Encoder::new(&depth_pro.sub("encoder"), &config)?,
            neck: Neck::new(&depth_pro.sub("neck"), &config)?,
            fusion_stage: FusionStage::new(&scope.sub("fusion_stage"), &config)?,
            head: Head::new(&scope.sub("head"), &config)?,
            fov_model: FieldOfView::new(&scope.sub("fov_model"), &config)?,
            processor,
            placement,
            crew: Crew::default(),
        };
        // How many pictures a norm has seen in training.
        weights.finish_ignoring(&["num_batches_tracked"])?;
        Ok(model)
    }

    /// Metres of every pixel of a picture, at its size.
    ///
    /// # Errors
    /// A picture that is empty or whose bytes do not match its size; a field of view that no camera has; libtorch's, of which
    /// memory is the one to expect.
    pub fn estimate(&self, picture: &ColorImage) -> Result<MetricDepth> {
        let input = self.processor.process(picture)?;
        let pixel_values = self.pixel_values(&input)?;
        drop(input);
        let (inverse_depth, degrees) = self.forward(&pixel_values)?;
        let degrees = f32::try_from(degrees.to_kind(Kind::Float)).map_err(torch_error(ACTION))?;
        let (width, height) = (picture.width, picture.height);
        if !(degrees > 0.0 && degrees < 180.0) {
            return Err(Error::NoSuchCamera { degrees });
        }
        let focal_px = 0.5 * width as f32 / (0.5 * degrees.to_radians()).tan();
        let metres = self.metres(&inverse_depth, (width, height), focal_px);
        Ok(MetricDepth {
            width,
            height,
            metres: metres.map_err(torch_error(ACTION))?,
            focal_px: f64::from(focal_px),
        })
    }

    /// What [`estimate`](Self::estimate) gives the network: (1, 3, S, S), in the model's type and on its device.
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub fn pixel_values(&self, input: &NetworkInput) -> Result<Tensor> {
        threads::settle();
        let _no_grad = tch::no_grad_guard();
        let make = || {
            let shape = [1, 3, i64::from(input.height), i64::from(input.width)];
            let side = i64::from(self.processor.side());
            let pixels = Tensor::f_from_slice(&input.values)?
                .f_reshape(shape)? // (1, 3, H, W)
                .f_to_device(self.placement.device)?;
            resized(&pixels, (side, side), self.processor.kernel())?.f_to_kind(self.placement.kind)
        };
        make().map_err(torch_error(ACTION))
    }

    /// The checkpoint's image processor.
    pub fn processor(&self) -> &DepthProProcessor {
        &self.processor
    }

    /// Normalised pixels (1, 3, S, S) -> inverse depth (1, H, W) of a camera whose focal length is the picture's width, and the
    /// field of view (1) in degrees.
    ///
    /// # Errors
    /// `Error::Torch` for another shape or want of memory.
    pub fn forward(&self, pixel_values: &Tensor) -> Result<(Tensor, Tensor)> {
        self.compute(pixel_values, None)
    }

    /// As [`forward`](Self::forward), with the tensors on the way, which take more memory than the network itself.
    ///
    /// # Errors
    /// As for `forward`.
    pub fn trace(&self, pixel_values: &Tensor) -> Result<(Trace, Tensor)> {
        let mut trace = Trace::default();
        let (inverse_depth, field_of_view) = self.compute(pixel_values, Some(&mut trace))?;
        trace.field_of_view = Some(field_of_view);
        Ok((trace, inverse_depth))
    }

    fn compute(
        &self,
        pixel_values: &Tensor,
        mut trace: Option<&mut Trace>,
    ) -> Result<(Tensor, Tensor)> {
        threads::settle();
        let _no_grad = tch::no_grad_guard();
        let mut keep = |which: fn(&mut Trace) -> &mut Vec<Tensor>, tensor: &Tensor| {
            if let Some(trace) = trace.as_deref_mut() {
                which(trace).push(tensor.shallow_clone());
            }
        };
        let mut compute = || {
            let encoded = self.by_rows(|| self.encoder.forward(pixel_values))?;
            encoded
                .iter()
                .for_each(|map| keep(|trace| &mut trace.encoded, map));
            let maps = self.neck.forward(encoded)?;
            maps.iter()
                .for_each(|map| keep(|trace| &mut trace.maps, map));
            let coarsest = maps.first().map(Tensor::shallow_clone);
            let coarsest = coarsest.ok_or_else(|| tch::TchError::Shape("no maps".into()))?;
            let field_of_view = self.by_rows(|| self.fov_model.forward(pixel_values, &coarsest))?;
            drop(coarsest);
            let fused = self
                .fusion_stage
                .forward(maps, |map| keep(|trace| &mut trace.fused, map))?;
            Ok((self.head.forward(fused)?, field_of_view))
        };
        compute().map_err(torch_error(ACTION))
    }

    /// Work of the encoders: where they run by rows, libtorch's threads are ours meanwhile.
    fn by_rows<T>(&self, work: impl FnOnce() -> TchResult<T>) -> TchResult<T> {
        let _team = match form(self.placement) {
            LinearForm::Panels => Some(Team::gather(&self.crew)),
            _ => None,
        };
        work()
    }

    /// Inverse depth (1, h, w) of a camera of focal length `width` -> metres at a picture's size.
    fn metres(
        &self,
        inverse_depth: &Tensor,
        (width, height): (u32, u32),
        focal_px: f32,
    ) -> TchResult<Vec<f32>> {
        let _no_grad = tch::no_grad_guard();
        let inverse_depth = inverse_depth
            .f_to_kind(Kind::Float)?
            .f_mul_scalar(f64::from(width))?
            .f_div_scalar(f64::from(focal_px))?
            .f_unsqueeze(1)?; // (1, 1, h, w)
        let size = (i64::from(height), i64::from(width));
        let (nearest, farthest) = (INVERSE_DEPTH.1, INVERSE_DEPTH.0);
        let metres = resized(&inverse_depth, size, self.processor.kernel())? // (1, 1, H, W)
            .f_clamp(farthest, nearest)?
            .f_reciprocal()?;
        Vec::try_from(metres.f_reshape([-1])?)
    }
}

/// What becomes of the encoders' matrices: by rows where that is faster than libtorch without a loss.
fn form(placement: Placement) -> LinearForm {
    let is_exact = placement.device == Device::Cpu && placement.kind == Kind::Float;
    match is_exact && panels::is_faster() {
        true => LinearForm::Panels,
        false => LinearForm::Tensor,
    }
}

/// (1, C, h, w) -> (1, C, size), without antialiasing, pixels seen as areas
fn resized(image: &Tensor, (height, width): (i64, i64), kernel: Kernel) -> TchResult<Tensor> {
    let size = [height, width];
    match kernel {
        Kernel::Bicubic => image.f_upsample_bicubic2d(size, false, None, None),
        _ => image.f_upsample_bilinear2d(size, false, None, None),
    }
}

/// Tensors on the way to the depth, for comparison with another implementation.
#[derive(Debug, Default)]
pub struct Trace {
    /// The encoders' maps: the whole picture's, those of the scales, coarse to fine, those of the hooks.
    pub encoded: Vec<Tensor>,
    /// (1, F, H_i, W_i) a scale and a hook, coarse to fine.
    pub maps: Vec<Tensor>,
    /// (1, F, H, W) after each of them.
    pub fused: Vec<Tensor>,
    /// (1), in degrees.
    pub field_of_view: Option<Tensor>,
}
