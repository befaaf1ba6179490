//! The server over real connections, with a scripted model: who may ask, what is refused and how, and that neither slow nor
//! rude clients hold anything up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

mod answers;
mod client;
mod load;
mod model;
mod refusals;
mod strangers;
