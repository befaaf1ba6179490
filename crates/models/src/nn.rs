//! What every network stands on: layers, weights read strictly by name, tokenizers, models found on a hub, and threads
//! that leave the host its own.

pub mod attention;
pub mod dinov2;
pub mod hub;
pub mod images;
pub mod layers;
pub mod many_rows;
mod outputs;
pub mod panels;
pub mod row_encoder;
pub mod team;
pub mod threads;
pub mod tokenizer;
pub mod torch;
pub mod vector;
pub mod weights;
