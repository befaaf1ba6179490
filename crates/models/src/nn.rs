//! What every network stands on: layers, weights read strictly by name, tokenizers, and models found on a hub.

pub mod compact;
pub mod hub;
pub mod layers;
pub mod tokenizer;
pub mod weights;
