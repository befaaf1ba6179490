//! Training data from RGB-D bags: frames with regions, and questions and answers about where they are,
//! the idea of the Open Spatial Dataset (arXiv 2406.01584) for frames whose depth is measured or known.
//!
//! A bag is read and matched as the labeller does (`source`, `extras`, `gravity`). Each frame is worked on by any
//! thread (`frame_work`): boxes (`parts`) become regions with clouds (`regions`), clouds level
//! boxes (`shape`) and a scene graph (`scene`), that questions and answers (`questions`, `templates`,
//! `wording`), which are written as a line (`row`) beside its pictures (`pictures`).
//! Photos are another source of such rows (`photos`), and a language model of other words for what they ask (`rephrase`).

mod build;
mod extras;
mod frame_work;
mod gravity;
mod options;
mod parts;
pub mod photos;
mod pictures;
mod questions;
mod regions;
pub mod rephrase;
mod report;
mod request;
mod row;
mod run;
mod scene;
mod shape;
mod source;
mod stream;
mod tally;
mod target;
mod templates;
mod topics;
mod wire;
mod wording;

pub use self::build::build;
pub use self::extras::{ExtraTopics, INSTANCES, TRUTH_DEPTH};
pub use self::options::Options;
pub use self::report::{BagReport, BagStatus, Report};
pub use self::request::DatasetRequest;
pub use self::tally::Tally;
pub use self::target::check_target;
