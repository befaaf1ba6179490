//! The program as its users meet it: run as a process on bags that are built in code.

#[cfg(feature = "torch")]
mod asking;
mod bad_bags;
mod bad_outputs;
mod dataset;
mod evaluating;
mod fixtures;
mod inspecting;
mod labelling;
mod library;
#[cfg(feature = "torch")]
mod labelling_with_the_model;
mod model_fixtures;
#[cfg(feature = "torch")]
mod nano;
mod runs;
mod topics;
#[cfg(feature = "torch")]
mod training;
#[cfg(not(feature = "torch"))]
mod without_model;
