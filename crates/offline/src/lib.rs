//! spatial_reward on recordings: bags in, labelled bags, reports, figures and training sets out.

pub mod bench;
mod by_stamp;
pub mod calibrate;
pub mod dataset;
mod error;
pub mod evaluate;
pub mod frames;
pub mod inspect;
pub mod label;
mod looks;
mod message_types;
mod ordered;
pub mod pick;
pub mod png;
pub mod regions_file;
pub mod report;
mod role;
pub mod truth;
mod video;

pub use error::{EndpointTrouble, Error, Remedy, Result, UnfoundRegion};
