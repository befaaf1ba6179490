//! The program as its users meet it: run as a process on bags that are built in code.

mod bad_bags;
mod bad_outputs;
mod evaluating;
mod fixtures;
mod inspecting;
mod labelling;
mod runs;
mod topics;
