//! Labels a recorded bag: its messages are carried from a file through the pipeline into a
//! new bag with a report beside it, streaming, in one pass, on several threads.

mod advice;
mod annotations;
pub(crate) mod calibration;
mod corner;
pub(crate) mod decoders;
mod delay;
mod diagnosis;
mod evidence;
mod extrinsics;
mod first_messages;
pub(crate) mod follow;
pub(crate) mod intake;
mod job;
mod labelled;
mod measurer;
pub mod output;
mod progress;
mod reach;
mod recording;
pub(crate) mod registration;
pub(crate) mod request;
pub mod roles;
mod run;
pub(crate) mod sight;
pub(crate) mod sizes;
mod task;
pub(crate) mod transforms;
mod workers;

pub use self::advice::{Advice, Cause};
pub use self::delay::BoxDelay;
pub use self::follow::FoundRegion;
pub use self::intake::Unreadable;
pub use self::labelled::Labelled;
pub(crate) use self::measurer::measurer as measurer_of;
pub(crate) use self::progress::progress_of;
pub use self::reach::OutOfReach;
pub use self::request::{LabelRequest, Note};
pub use self::run::label;
