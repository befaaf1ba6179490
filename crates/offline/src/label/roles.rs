//! Which topic of a bag plays which role. A topic that the user names is taken or refused; the
//! others are found by type, by what the first messages show, and by name, always the same ones for the same bag, and
//! with the reason.

mod available;
mod boxes;
mod candidate;
mod chosen;
mod depth;
mod find;
mod look;
mod missing;
mod named;
mod names;
mod pictures;
mod reward;

pub use self::available::available;
pub use self::chosen::{Choice, Roles};
pub use self::named::TruthTopics;
pub use self::reward::reward_topic;
pub use crate::role::Role;
