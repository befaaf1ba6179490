//! Episodes by order: `~/start_episode` and `~/end_episode`. Between an end and the next start no frame is
//! measured.

use r2r::ServiceRequest;
use r2r::std_srvs::srv::Trigger;

use crate::answers::{Answers, Hurry};
use crate::error::Result;
use crate::services::{Requests, next, serve};

/// What the requests are about, for the log.
const ABOUT: &str = "an order about episodes";

/// What somebody asked for.
pub(crate) struct Order {
    starts: bool,
    request: ServiceRequest<Trigger::Service>,
}

/// Where the episodes stand.
pub(crate) struct Episodes {
    start: Requests<Trigger::Service>,
    end: Requests<Trigger::Service>,
    between: bool,
    /// Frames of the episode so far.
    frames: u64,
}

impl Episodes {
    /// # Errors
    /// ROS refuses a service.
    pub(crate) fn new(node: &mut r2r::Node) -> Result<Self> {
        Ok(Self {
            start: serve(node, "~/start_episode")?,
            end: serve(node, "~/end_episode")?,
            between: false,
            frames: 0,
        })
    }

    /// Whether an episode was ended and none has begun since.
    pub(crate) fn is_between(&self) -> bool {
        self.between
    }

    /// Whether an episode has begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        !self.between && self.frames > 0
    }

    /// A frame of the current episode goes to the estimator.
    pub(crate) fn note_frame(&mut self) {
        self.frames += 1;
    }

    /// The next order that has come in. Of two that came together, an end is meant before a start.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn next_order(&mut self, answers: &Answers) -> Result<Option<Order>> {
        for (starts, requests) in [(false, &mut self.end), (true, &mut self.start)] {
            if let Some(request) = next(requests, answers)? {
                return Ok(Some(Order { starts, request }));
            }
        }
        Ok(None)
    }

    /// Refuse an order: no episode begins or ends now, and why.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn refuse(order: Order, why: String, answers: &Answers) -> Result<()> {
        let response = Trigger::Response {
            success: false,
            message: why,
        };
        answers.give(Hurry::None, order.request, response, ABOUT)
    }

    /// The node begins or ends to hear images: the next one begins an episode.
    pub(crate) fn begin_anew(&mut self) {
        self.between = false;
        self.frames = 0;
    }

    /// Carry an order out and answer it; whether it cut an open episode off.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn carry_out(&mut self, order: Order, answers: &Answers) -> Result<bool> {
        let was_open = self.is_open();
        let frames = self.frames;
        let (success, message) = match (order.starts, self.between) {
            (true, _) => (true, "the next image begins an episode".to_owned()),
            (false, false) => {
                let words = format!(
                    "the episode ended after {frames} frames; none is measured until ~/start_episode"
                );
                (true, words)
            }
            (false, true) => (false, "no episode is open".to_owned()),
        };
        tracing::info!("{message}");
        self.between = !order.starts;
        self.frames = 0;
        let response = Trigger::Response { success, message };
        answers.give(Hurry::None, order.request, response, ABOUT)?;
        Ok(was_open)
    }
}
