//! From maps to inverse depth: fused from coarse to fine, as in the dense prediction transformer (arXiv 2103.13413), and a
//! head of a few convolutions.
//!
//! In transformers 5.24.0: models/depth_pro/modeling_depth_pro.py, 697-834 (fusion), 948-985 (the head).

use tch::Tensor;

use super::config::DepthProConfig;
use crate::error::Result;
use crate::nn::images::{BlockUpsample, Conv2d, Window};
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// Channels inside the head, whatever the configuration.
const HEAD_HIDDEN: i64 = 32;

/// `batch_norm*`: each channel by the mean and the variance of the training.
#[derive(Debug)]
struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    fn new(scope: &Scope<'_>, channels: i64) -> Result<Self> {
        Ok(Self {
            weight: scope.get("weight", &[channels])?,
            bias: scope.get("bias", &[channels])?,
            running_mean: scope.get("running_mean", &[channels])?,
            running_var: scope.get("running_var", &[channels])?,
        })
    }

    /// (B, C, H, W) -> (B, C, H, W)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        const EPS: f64 = 1e-5;
        x.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            false,
            0.1,
            EPS,
            false,
        )
    }
}

/// `residual_layer*`: activation before each of two convolutions, the input added at the end.
#[derive(Debug)]
struct ResidualLayer {
    convolutions: [Conv2d; 2],
    norms: Option<[BatchNorm; 2]>,
}

impl ResidualLayer {
    fn new(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Self> {
        let channels = config.fusion_hidden_size;
        let convolution = |name| {
            let scope = scope.sub(name);
            match config.has_fusion_bias() {
                true => Conv2d::new(&scope, channels, channels, Window::NEIGHBOURS),
                false => Conv2d::without_bias(&scope, channels, channels, Window::NEIGHBOURS),
            }
        };
        let norm = |name| BatchNorm::new(&scope.sub(name), channels);
        Ok(Self {
            convolutions: [convolution("convolution1")?, convolution("convolution2")?],
            norms: match config.use_batch_norm_in_fusion_residual {
                true => Some([norm("batch_norm1")?, norm("batch_norm2")?]),
                false => None,
            },
        })
    }

    /// (B, C, H, W) -> (B, C, H, W)
    fn forward(&self, x: Tensor) -> TchResult<Tensor> {
        let [first, second] = &self.convolutions;
        let norms = self.norms.as_ref();
        let mut changed = first.forward(&x.f_relu()?)?;
        if let Some([norm, _]) = norms {
            changed = norm.forward(&changed)?;
        }
        changed = second.forward(&changed.f_relu_()?)?;
        if let Some([_, norm]) = norms {
            changed = norm.forward(&changed)?;
        }
        changed.f_add_(&x)
    }
}

/// `fusion_stage.intermediate.*` and `fusion_stage.final`
#[derive(Debug)]
struct FusionLayer {
    residual_layer1: ResidualLayer,
    residual_layer2: ResidualLayer,
    /// Not in the last layer.
    deconv: Option<BlockUpsample>,
    projection: Conv2d,
}

impl FusionLayer {
    fn new(scope: &Scope<'_>, config: &DepthProConfig, enlarges: bool) -> Result<Self> {
        let channels = config.fusion_hidden_size;
        let deconv = || BlockUpsample::new(&scope.sub("deconv"), channels, channels, 2, false);
        Ok(Self {
            // The coarsest layer has nothing to add to, and keeps unused weights all the same.
            residual_layer1: ResidualLayer::new(&scope.sub("residual_layer1"), config)?,
            residual_layer2: ResidualLayer::new(&scope.sub("residual_layer2"), config)?,
            deconv: enlarges.then(deconv).transpose()?,
            projection: Conv2d::new(&scope.sub("projection"), channels, channels, Window::POINT)?,
        })
    }

    /// `map` (1, F, H, W), and what coarser layers gave in the same shape -> (1, F, 2 H, 2 W), in the last layer (1, F, H, W)
    fn forward(&self, coarser: Option<Tensor>, map: Tensor) -> TchResult<Tensor> {
        let fused = match coarser {
            Some(coarser) => self.residual_layer1.forward(map)?.f_add_(&coarser)?,
            None => map,
        };
        let mut fused = self.residual_layer2.forward(fused)?;
        if let Some(deconv) = &self.deconv {
            fused = deconv.forward(&fused)?;
        }
        self.projection.forward(&fused)
    }
}

/// `fusion_stage`
#[derive(Debug)]
pub(super) struct FusionStage {
    layers: Vec<FusionLayer>,
}

impl FusionStage {
    /// Reads the stage below `scope`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Self> {
        let maps = config.scaled_images_ratios.len() + config.intermediate_hook_ids.len();
        let mut layers = Vec::new();
        for index in 0..maps.saturating_sub(1) {
            let scope = scope.sub("intermediate").sub(index);
            layers.push(FusionLayer::new(&scope, config, true)?);
        }
        layers.push(FusionLayer::new(&scope.sub("final"), config, false)?);
        Ok(Self { layers })
    }

    /// The neck's maps, coarse to fine -> what is fused of all; `after` sees what is fused after each of them.
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub(super) fn forward(
        &self,
        maps: Vec<Tensor>,
        mut after: impl FnMut(&Tensor),
    ) -> TchResult<Tensor> {
        let mut fused = None;
        // A map that is fused is given back: the last ones are half a gigabyte each.
        for (layer, map) in self.layers.iter().zip(maps) {
            let next = layer.forward(fused.take(), map)?;
            after(&next);
            fused = Some(next);
        }
        fused.ok_or_else(|| tch::TchError::Shape("no maps".into()))
    }
}

/// `head`
#[derive(Debug)]
pub(super) struct Head {
    narrow: Conv2d,
    enlarge: BlockUpsample,
    hidden: Conv2d,
    last: Conv2d,
}

impl Head {
    /// Reads the head below `scope`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Self> {
        let layers = scope.sub("layers");
        let (wide, narrow) = (config.fusion_hidden_size, config.fusion_hidden_size / 2);
        Ok(Self {
            narrow: Conv2d::new(&layers.sub(0), wide, narrow, Window::NEIGHBOURS)?,
            enlarge: BlockUpsample::new(&layers.sub(1), narrow, narrow, 2, true)?,
            hidden: Conv2d::new(&layers.sub(2), narrow, HEAD_HIDDEN, Window::NEIGHBOURS)?,
            last: Conv2d::new(&layers.sub(4), HEAD_HIDDEN, 1, Window::POINT)?,
        })
    }

    /// (1, F, H, W) -> inverse depth (1, 2 H, 2 W) of a camera whose focal length is the picture's width
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub(super) fn forward(&self, fused: Tensor) -> TchResult<Tensor> {
        let narrow = self.narrow.forward(&fused)?; // (1, F / 2, H, W)
        drop(fused);
        let narrow = self.enlarge.forward(&narrow)?; // (1, F / 2, 2 H, 2 W)
        let hidden = self.hidden.forward(&narrow)?.f_relu_()?; // (1, 32, 2 H, 2 W)
        drop(narrow);
        self.last.forward(&hidden)?.f_relu_()?.f_squeeze_dim(1)
    }
}
