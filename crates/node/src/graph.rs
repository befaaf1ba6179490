//! What ROS knows of other nodes: who publishes a topic, and whether another node has this one's name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use r2r::qos::ReliabilityPolicy;

use crate::arguments::Identity;
use crate::error::{Error, Result, ros};
use spatial_reward_core::error::panic_words;

/// Every node publishes here, whatever language it is written in.
const EVERY_NODES_TOPIC: &str = "/parameter_events";

/// A publisher of a topic.
pub(crate) struct Publisher {
    node: Identity,
    pub type_name: String,
    pub best_effort: bool,
}

/// The publishers of a topic, by its absolute name.
///
/// # Errors
/// ROS does not tell.
pub(crate) fn publishers(node: &r2r::Node, topic: &str) -> Result<Vec<Publisher>> {
    listed(node, topic, false)
}

/// Those of a topic, or of one whose name is the middleware's own. r2r panics over a quality that ROS does not know, and
/// any program on the network can state one.
fn listed(node: &r2r::Node, topic: &str, is_middlewares: bool) -> Result<Vec<Publisher>> {
    let action = format!("list the publishers of {topic}");
    let listed = catch_unwind(AssertUnwindSafe(|| {
        node.get_publishers_info_by_topic(topic, is_middlewares)
    }));
    let listed = match listed {
        Ok(publishers) => publishers.map_err(ros(action))?,
        Err(panic) => {
            let message = panic_words(panic.as_ref());
            return Err(Error::Ros { action, message });
        }
    };
    let publishers = listed.into_iter().map(|one| Publisher {
        node: Identity {
            name: one.node_name,
            namespace: one.node_namespace,
        },
        type_name: one.topic_type,
        best_effort: matches!(one.qos_profile.reliability, ReliabilityPolicy::BestEffort),
    });
    Ok(publishers.collect())
}

/// How many clients a service has, by its absolute name. A client publishes requests, under a name that is ROS's own.
///
/// # Errors
/// ROS does not tell.
pub(crate) fn clients(node: &r2r::Node, service: &str) -> Result<usize> {
    let requests = format!("rq{service}Request");
    listed(node, &requests, true).map(|clients| clients.len())
}

/// Looks for other nodes of this node's name.
pub(crate) struct Namesakes {
    identity: Identity,
    others: usize,
}

impl Namesakes {
    pub(crate) fn of(identity: Identity) -> Self {
        let others = 0;
        Self { identity, others }
    }

    /// How many there were at the last look.
    pub(crate) fn others(&self) -> usize {
        self.others
    }

    /// Look again, and warn if there are more than before.
    pub(crate) fn look(&mut self, node: &r2r::Node) {
        // ROS may not tell for a moment; it is asked again.
        let Ok(publishers) = publishers(node, EVERY_NODES_TOPIC) else {
            return;
        };
        let of_this_name = publishers.iter().filter(|one| one.node == self.identity);
        let others = of_this_name.count().saturating_sub(1);
        if others > self.others {
            let Identity { name, namespace } = &self.identity;
            let full = format!("{}/{name}", namespace.trim_end_matches('/'));
            tracing::warn!(
                "another node is called {full}, too: its rewards come on the same topics, and which of them answers \
                 a call is chance. Give one of them another name (-r __node:=NAME) or namespace (-r __ns:=/NAME)"
            );
        }
        self.others = others;
    }
}
