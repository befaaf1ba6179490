//! The regions of a bag that somebody drew, or that words or an example name, followed through it before it is labelled: forwards
//! from the first box on, and backwards from the last. Where both ways lead through a picture, both are heard.

mod bag;
mod course;
mod mask_course;
mod placed;
mod seek;
mod way;
mod whole;

pub(crate) use bag::survey;
pub(crate) use placed::{Placed, Placing};
pub use seek::FoundRegion;
pub(crate) use way::{Due, Seen, amiss, due};
pub(crate) use whole::key;
