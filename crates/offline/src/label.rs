//! Labels a recorded bag: its messages are carried from a file through the pipeline into a
//! new bag with a report beside it, streaming, in one pass, on several threads.

pub(crate) mod calibration;
pub(crate) mod decoders;
mod first_messages;
pub(crate) mod intake;
mod job;
mod labelled;
pub mod output;
mod progress;
mod recording;
mod request;
pub mod roles;
mod run;
mod workers;

pub use self::intake::Unreadable;
pub use self::labelled::Labelled;
pub(crate) use self::progress::progress_of;
pub use self::request::{LabelRequest, Note};
pub use self::run::label;
