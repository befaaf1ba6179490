//! The bag module from outside: bags are built in code, read, copied, and damaged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at a surprise"
)]

mod damaged;
mod fixtures;
mod hostile;
mod odd;
mod reading;
mod vanished;
mod writing;
