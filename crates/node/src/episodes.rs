//! Episodes by order: `~/start_episode` and `~/end_episode`. Between an end and the next start no frame is
//! measured.

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use r2r::std_srvs::srv::Trigger;
use r2r::{QosProfile, ServiceRequest};

use crate::error::Result;
use crate::error::ros;
use crate::respond::respond;

type Requests = BoxStream<'static, ServiceRequest<Trigger::Service>>;

/// What somebody asked for.
pub(crate) struct Order {
    starts: bool,
    request: ServiceRequest<Trigger::Service>,
}

/// Where the episodes stand.
pub(crate) struct Episodes {
    start: Requests,
    end: Requests,
    between: bool,
    /// Frames of the episode so far.
    frames: u64,
}

impl Episodes {
    /// # Errors
    /// ROS refuses a service.
    pub(crate) fn new(node: &mut r2r::Node) -> Result<Self> {
        let mut serve = |name: &str| -> Result<Requests> {
            let requests = node
                .create_service::<Trigger::Service>(name, QosProfile::services_default())
                .map_err(ros(format!("serve {name}")))?;
            Ok(requests.boxed())
        };
        Ok(Self {
            start: serve("~/start_episode")?,
            end: serve("~/end_episode")?,
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
    pub(crate) fn next_order(&mut self) -> Option<Order> {
        [(false, &mut self.end), (true, &mut self.start)]
            .into_iter()
            .find_map(|(starts, requests)| {
                let request = requests.next().now_or_never().flatten()?;
                Some(Order { starts, request })
            })
    }

    /// Carry an order out and answer it; whether it cut an open episode off.
    pub(crate) fn carry_out(&mut self, order: Order) -> bool {
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
        respond(order.request, response, "an order about episodes");
        was_open
    }
}
