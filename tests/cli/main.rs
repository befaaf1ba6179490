//! The program as its users meet it: run as a process on bags that are built in code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

#[cfg(feature = "torch")]
mod asking;
mod bad_bags;
mod bad_outputs;
mod bench;
mod calibrations;
mod cameras;
mod chat_endpoint;
mod dataset;
mod dataset_sources;
#[cfg(feature = "torch")]
mod depth;
#[cfg(feature = "torch")]
mod detecting;
mod drawn;
mod evaluating;
#[cfg(feature = "torch")]
mod few_bits;
mod fixtures;
mod forms;
#[cfg(feature = "torch")]
mod found_by_networks;
mod frames;
mod held;
mod hints;
mod inspecting;
mod labelling;
#[cfg(feature = "torch")]
mod labelling_with_the_model;
mod late_and_wild;
mod library;
mod model_fixtures;
#[cfg(feature = "torch")]
mod nano;
mod odd_bags;
mod picking;
mod registration;
mod rephrasing;
mod runs;
#[cfg(feature = "torch")]
mod segmenting;
#[cfg(feature = "torch")]
mod serving;
mod signals;
mod sought;
mod std_calibrations;
mod stuck;
mod tasks;
mod topics;
#[cfg(feature = "torch")]
mod training;
mod uncertainty;
#[cfg(not(feature = "torch"))]
mod without_model;
#[cfg(not(feature = "video"))]
mod without_video;
