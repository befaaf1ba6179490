//! A folder that is there whole or not at all, and that one process at a time writes.

mod claim;
mod folder;
mod holder;
mod place;
mod unfinished;

pub use claim::{Claim, held_by};
pub use folder::{WholeFolder, put_in_place, recover};
pub use holder::Holder;
pub use unfinished::abandon;
