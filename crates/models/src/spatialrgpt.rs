//! SpatialRGPT (arXiv 2406.01584): loading, the network, questions and answers, training.

pub mod config;
mod digest;
mod draft;
mod estimator;
mod generate;
mod llama;
mod model;
mod odds;
mod open;
mod projector;
pub mod quantise;
mod reasoner;
mod region_extractor;
mod relative_depth;
mod respondent;
mod rows;
mod seen;
mod session;
mod timing;
mod tower_layers;
mod trace;
pub mod train;
mod vision_tower;

pub use estimator::ModelEstimator;
pub use open::{Located, locate, reasoner};
pub use reasoner::Reasoner;
pub use respondent::{Respondent, Unanswered};
pub use session::Session;
pub use timing::{StageSeconds, time_stages};
pub use trace::trace;
