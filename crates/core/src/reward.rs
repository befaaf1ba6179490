//! From a series of distances to rewards: pure functions and small state machines, one file each.
//! Only valid distances come in here; what makes one valid is the pipeline's business.

pub mod episode;
pub mod filter;
pub mod shaping;
pub mod success;
