//! The vision-language model (feature `torch`): loading, the network, questions and answers.

mod bundled;
mod compact;
pub mod config;
mod digest;
mod estimator;
mod generate;
pub mod hub;
pub(crate) mod layers;
mod llama;
mod model;
mod open;
mod projector;
mod reasoner;
mod region_extractor;
mod relative_depth;
mod session;
mod timing;
pub mod tokenizer;
mod trace;
mod train;
mod vision_tower;
pub mod weights;

pub use estimator::estimator;
pub use open::{folder, locate, reasoner};
pub use reasoner::Reasoner;
pub use session::Session;
pub use timing::{StageSeconds, time_stages};
pub use trace::trace;
pub use train::train;
