//! Questions and answers in other words, by a language model behind a chat endpoint: the second kind of data of the Open
//! Spatial Dataset (arXiv 2406.01584, section 3.1).
//!
//! A row's turns are shown to the model as pairs (`pair`) in our words (`prompt`). What it replies (`reply`) has to name the
//! same regions (`wording`) and to state the same facts (`facts`). What it said is kept by what was asked (`cache`). Who
//! asks, how often and how long (`asking`), knows no transport: that is a trait (`endpoint`). `session` joins it for rows.

mod asking;
mod cache;
mod counts;
mod endpoint;
mod facts;
mod pair;
mod prompt;
mod refusal;
mod reply;
mod session;
mod wording;

pub use self::counts::Rephrased;
pub use self::endpoint::{Chat, Rephrase, Reply, Trouble};
pub(crate) use self::session::Session;
