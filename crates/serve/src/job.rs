//! What goes from a connection to the model's desk.

use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::budget::Share;
use crate::refusal::Refusal;
use spatial_reward_core::question::{Asked, Reply};

/// A place in the queue, given back when it is dropped.
pub(crate) type Place = OwnedSemaphorePermit;

/// A question that waits.
pub(crate) struct Job {
    pub(crate) asked: Asked,
    pub(crate) reply: oneshot::Sender<Result<Reply, Refusal>>,
    pub(crate) since: Instant,
    /// Held until it is answered.
    pub(crate) held: (Place, Share),
}
