//! Answering a service.

use r2r::{ServiceRequest, WrappedServiceTypeSupport};

/// Answer a request. A caller that has gone, or is not found in time, is told to the log and is no reason
/// to end.
pub(crate) fn respond<S>(request: ServiceRequest<S>, response: S::Response, what: &str)
where
    S: WrappedServiceTypeSupport + 'static,
{
    if let Err(error) = request.respond(response) {
        tracing::warn!("the answer to {what} did not reach its caller: {error}");
    }
}
