//! The text tower: phrases in, one vector each out. Fields carry the names of the Hugging Face layout
//! (`owlv2.text_model.*`, `owlv2.text_projection`).
//!
//! In transformers 5.24.0: models/owlv2/modeling_owlv2.py, 283-312 (embeddings), 531-594 (the tower), 886-906 (the projection).

use tch::{Device, Kind, Tensor};

use super::config::Owlv2Config;
use super::encoder::Encoder;
use crate::error::Result;
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// `text_model` and `text_projection`
#[derive(Debug)]
pub(super) struct TextTower {
    token_embedding: Tensor,
    position_embedding: Tensor,
    encoder: Encoder,
    final_layer_norm: LayerNorm,
    text_projection: Linear,
}

/// Phrases of the same number of tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    /// (Q, L)
    pub input_ids: Tensor,
    /// (Q, L), true where a token is the phrase's own.
    pub attention_mask: Tensor,
}

impl TextTower {
    /// Reads the tower below `scope`, `owlv2`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &Owlv2Config) -> Result<Self> {
        let (text, encoder) = (&config.text_config, config.text_config.encoder());
        let (hidden, projection) = (encoder.hidden_size, config.projection_dim);
        let model = scope.sub("text_model");
        let embeddings = model.sub("embeddings");
        let table = |name, rows| embeddings.sub(name).get("weight", &[rows, hidden]);
        let norm = model.sub("final_layer_norm");
        Ok(Self {
            token_embedding: table("token_embedding", text.vocab_size)?,
            position_embedding: table("position_embedding", text.max_position_embeddings)?,
            encoder: Encoder::new(&model.sub("encoder"), &encoder)?,
            final_layer_norm: LayerNorm::load(&norm, hidden, encoder.layer_norm_eps)?,
            text_projection: Linear::load(
                &scope.sub("text_projection"),
                hidden,
                projection,
                false,
            )?,
        })
    }

    /// Phrases of L tokens -> (Q, D), of length 1; `seen` is shown the embeddings (Q, L, C) and what comes of each layer.
    ///
    /// # Errors
    /// libtorch's, for a token that there is not, more tokens than positions, or want of memory.
    pub(super) fn forward(
        &self,
        tokens: &Tokens,
        seen: &mut dyn FnMut(&Tensor),
    ) -> TchResult<Tensor> {
        let device = self.token_embedding.device();
        let ids = tokens.input_ids.f_to_device(device)?; // (Q, L)
        let (phrases, length) = ids.size2()?;
        let positions = self.position_embedding.f_narrow(0, 0, length)?; // (L, C)
        let embeddings = Tensor::f_embedding(&self.token_embedding, &ids, -1, false, false)?;
        let embeddings = embeddings.f_add(&positions)?; // (Q, L, C)
        seen(&embeddings);
        let mask = sees(&tokens.attention_mask.f_to_device(device)?)?;
        let hidden_states = self.encoder.forward(embeddings, Some(&mask), seen)?; // (Q, L, C)
        // What stands at a phrase's end tells of all of it; the end is the token of the highest number.
        let end = ids.f_argmax(1, true)?.f_unsqueeze(-1)?; // (Q, 1, 1)
        let end = end.f_expand([phrases, 1, hidden_states.size3()?.2], false)?;
        let pooled = hidden_states.f_gather(1, &end, false)?.f_squeeze_dim(1)?; // (Q, C)
        let pooled = self.final_layer_norm.forward(&pooled)?;
        let embeds = self.text_projection.forward(&pooled)?; // (Q, D)
        embeds.f_div(&length_of(&embeds)?)
    }
}

/// (Q, L) -> (Q, 1, L, L): a token sees those before it and itself, but none that only fills up.
fn sees(attention_mask: &Tensor) -> TchResult<Tensor> {
    let (phrases, length) = attention_mask.size2()?;
    let on = (Kind::Bool, attention_mask.device());
    let before = Tensor::f_ones([length, length], on)?.f_tril(0)?; // (L, L)
    let own = attention_mask.f_reshape([phrases, 1, 1, length])?;
    before.f_logical_and(&own) // (Q, 1, L, L)
}

/// (..., C) -> (..., 1)
pub(super) fn length_of(x: &Tensor) -> TchResult<Tensor> {
    x.f_linalg_norm(2.0, [-1_i64].as_slice(), true, x.kind())
}

impl Tokens {
    /// Of rows of ids, and how many of each row are the phrase's own.
    ///
    /// # Errors
    /// libtorch's, for rows of different lengths or want of memory.
    pub(super) fn of(rows: &[(&[i64], usize)]) -> TchResult<Self> {
        let ids: Vec<i64> = rows.iter().flat_map(|(ids, _)| *ids).copied().collect();
        let own = rows
            .iter()
            .flat_map(|(ids, own)| (0..ids.len()).map(move |index| index < *own));
        let own: Vec<bool> = own.collect();
        let shape = [rows.len() as i64, -1];
        Ok(Self {
            input_ids: Tensor::f_from_slice(&ids)?.f_reshape(shape)?, // (Q, L)
            attention_mask: Tensor::f_from_slice(&own)?
                .f_to_device(Device::Cpu)?
                .f_reshape(shape)?, // (Q, L)
        })
    }
}
