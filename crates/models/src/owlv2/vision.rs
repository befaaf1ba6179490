//! The vision tower: a picture in, one vector for each of its patches out (arXiv 2306.09683, 3; OWL-ViT, arXiv 2205.06230, 3.1:
//! each patch's token is multiplied with the class token's). Fields carry the names of the Hugging Face layout
//! (`owlv2.vision_model.*`, `layer_norm`).
//!
//! In transformers 5.24.0: models/owlv2/modeling_owlv2.py, 207-281 (embeddings), 667-712 (the tower), 1229-1266 (the patches).

use tch::Tensor;

use super::config::VisionConfig;
use super::encoder::Encoder;
use crate::error::Result;
use crate::nn::layers::LayerNorm;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::Scope;

/// `vision_model.embeddings`
#[derive(Debug)]
struct Embeddings {
    /// (1, 1, C)
    class_embedding: Tensor,
    /// (C, 3 P P): a convolution whose windows do not overlap is a product.
    patch_embedding: Tensor,
    /// (1 + N, C)
    position_embedding: Tensor,
    patch_size: i64,
    grid_side: i64,
}

impl Embeddings {
    fn new(scope: &Scope<'_>, config: &VisionConfig) -> Result<Self> {
        let (hidden, patch) = (config.encoder().hidden_size, config.patch_size);
        let grid_side = config.grid_side();
        let kernel = scope
            .sub("patch_embedding")
            .get("weight", &[hidden, 3, patch, patch])?;
        let class = scope.get("class_embedding", &[hidden])?;
        let arrange = torch_error("arrange the vision tower's weights");
        let arranged = || {
            let kernel = kernel.f_reshape([hidden, 3 * patch * patch])?;
            TchResult::Ok((class.f_reshape([1, 1, hidden])?, kernel))
        };
        let (class_embedding, patch_embedding) = arranged().map_err(arrange)?;
        Ok(Self {
            class_embedding,
            patch_embedding,
            position_embedding: scope
                .sub("position_embedding")
                .get("weight", &[grid_side * grid_side + 1, hidden])?,
            patch_size: patch,
            grid_side,
        })
    }

    /// (B, 3, H, W) -> (B, 1 + N, C), N = G G; what is left over after whole patches is not seen.
    fn forward(&self, pixel_values: &Tensor) -> TchResult<Tensor> {
        let (side, patch) = (self.grid_side, self.patch_size);
        let batch = pixel_values.size4()?.0;
        let patches = pixel_values
            .f_narrow(2, 0, side * patch)?
            .f_narrow(3, 0, side * patch)?
            .f_reshape([batch, 3, side, patch, side, patch])? // (B, 3, G, P, G, P)
            .f_permute([0, 2, 4, 1, 3, 5])? // (B, G, G, 3, P, P)
            .f_reshape([batch, side * side, 3 * patch * patch])?; // (B, N, 3 P P)
        let patches = patches.f_linear(&self.patch_embedding, None::<Tensor>)?; // (B, N, C)
        let class = self.class_embedding.f_expand([batch, -1, -1], false)?;
        Tensor::f_cat(&[class, patches], 1)?.f_add_(&self.position_embedding) // (B, 1 + N, C)
    }
}

/// `vision_model`, and `layer_norm` of the patches.
#[derive(Debug)]
pub(super) struct VisionTower {
    embeddings: Embeddings,
    pre_layernorm: LayerNorm,
    encoder: Encoder,
    post_layernorm: LayerNorm,
    layer_norm: LayerNorm,
}

impl VisionTower {
    /// Reads the tower below `scope`, `owlv2.vision_model`, and the patches' norm below `root`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(root: &Scope<'_>, scope: &Scope<'_>, config: &VisionConfig) -> Result<Self> {
        let encoder = config.encoder();
        let norm = |scope: &Scope<'_>, name: &str| {
            LayerNorm::load(
                &scope.sub(name),
                encoder.hidden_size,
                encoder.layer_norm_eps,
            )
        };
        Ok(Self {
            embeddings: Embeddings::new(&scope.sub("embeddings"), config)?,
            // Spelled so in the layout, beside "post_layernorm".
            pre_layernorm: norm(scope, "pre_layernorm")?,
            encoder: Encoder::new(&scope.sub("encoder"), &encoder)?,
            post_layernorm: norm(scope, "post_layernorm")?,
            layer_norm: norm(root, "layer_norm")?,
        })
    }

    /// (B, 3, S, S) -> (B, N, C); `seen` is shown the embeddings (B, 1 + N, C), the same after the first norm, and what comes of
    /// each layer.
    ///
    /// # Errors
    /// libtorch's, for a picture of fewer patches or for want of memory.
    pub(super) fn forward(
        &self,
        pixel_values: &Tensor,
        seen: &mut dyn FnMut(&Tensor),
    ) -> TchResult<Tensor> {
        let embeddings = self.embeddings.forward(pixel_values)?; // (B, 1 + N, C)
        seen(&embeddings);
        let embeddings = self.pre_layernorm.forward(&embeddings)?;
        seen(&embeddings);
        let hidden_states = self.encoder.forward(embeddings, None, seen)?;
        let hidden_states = self.post_layernorm.forward(&hidden_states)?; // (B, 1 + N, C)
        let patches = hidden_states.size3()?.1 - 1;
        let class = hidden_states.f_narrow(1, 0, 1)?; // (B, 1, C)
        let of_patches = hidden_states.f_narrow(1, 1, patches)?.f_mul(&class)?; // (B, N, C)
        self.layer_norm.forward(&of_patches)
    }
}
