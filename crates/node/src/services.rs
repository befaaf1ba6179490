//! How services are offered: how many requests may wait, and how the next one is taken.

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use r2r::{QosProfile, ServiceRequest, WrappedServiceTypeSupport};

use crate::answers::Answers;
use crate::error::{Result, ros};

/// The requests that have come in.
pub(crate) type Requests<S> = BoxStream<'static, ServiceRequest<S>>;

/// Offer a service. As many requests and answers may wait as ROS lets wait for a node's parameters, a thousand: with
/// the ten that it gives other services, all but ten of those who call at the same moment would never hear anything.
/// r2r has room for ten more, which suffices because it takes one of a service whenever ROS is listened to.
///
/// # Errors
/// ROS refuses the name.
pub(crate) fn serve<S>(node: &mut r2r::Node, name: &str) -> Result<Requests<S>>
where
    S: WrappedServiceTypeSupport + 'static,
{
    let requests = node.create_service::<S>(name, QosProfile::parameters());
    Ok(requests.map_err(ros(format!("serve {name}")))?.boxed())
}

/// The next request, if one has come in.
///
/// # Errors
/// The other thread has panicked.
pub(crate) fn next<S: WrappedServiceTypeSupport>(
    requests: &mut Requests<S>,
    answers: &Answers,
) -> Result<Option<ServiceRequest<S>>> {
    let request = requests.next().now_or_never().flatten();
    if request.is_some() {
        answers.note_request()?;
    }
    Ok(request)
}
