//! Extractors that give handlers the data that [`crate::pipeline`] has collected about a request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use ulkeys_domain::Actor;
use ulkeys_domain::decision::Rejection;

use crate::authz::PendingRunUsage;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::key_rate_limits::RunRequest;
use crate::state::ServiceState;
use crate::user_agent;

tokio::task_local! {
    /// The context of the request that the current task handles. The request's own extensions could contain it too, but
    /// the first insertion there allocates three times.
    static CONTEXT: RequestContext;
}

/// The address and the caller of a request.
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub(crate) peer: IpAddr,
    /// The authorized caller; `None` outside `/api`.
    pub(crate) caller: Option<Caller>,
    /// Present if the handler itself must count the request against a rate limit.
    pub(crate) run_usage: Option<Arc<PendingRunUsage>>,
}

impl RequestContext {
    /// Runs the handler of a request in this context.
    pub(crate) fn scope<F: Future>(self, handler: F) -> impl Future<Output = F::Output> {
        CONTEXT.scope(self, handler)
    }

    /// Reads the context of the current request. A request without a context is rejected, because it did not pass
    /// through [`crate::pipeline`].
    pub(crate) fn read<T>(read: impl FnOnce(&Self) -> T) -> Result<T, ApiError> {
        CONTEXT.try_with(read).map_err(|_| ApiError::Rejected(Rejection::NoCredential))
    }
}

/// The IP address of the peer.
pub(crate) struct PeerAddress(pub(crate) IpAddr);

impl FromRequestParts<Arc<ServiceState>> for PeerAddress {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, _: &Arc<ServiceState>) -> Result<Self, ApiError> {
        RequestContext::read(|context| Self(context.peer))
    }
}

impl FromRequestParts<Arc<ServiceState>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, _: &Arc<ServiceState>) -> Result<Self, ApiError> {
        let caller = RequestContext::read(|context| context.caller.clone())?;
        caller.ok_or(ApiError::Rejected(Rejection::NoCredential))
    }
}

/// The actor, address and user agent of a change, for the activity list.
pub(crate) struct RequestAuditContext(pub(crate) ulkeys_store::AuditContext);

impl FromRequestParts<Arc<ServiceState>> for RequestAuditContext {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<ServiceState>) -> Result<Self, ApiError> {
        let user_agent = user_agent::from_headers(&parts.headers).into();
        RequestContext::read(|context| {
            let actor = context.caller.as_ref().map_or(Actor::System, Caller::actor);
            Self(ulkeys_store::AuditContext { actor, peer: context.peer, user_agent })
        })
    }
}

/// Counts a request from a training process against the rate limit of its run. Requests from the app itself are not
/// limited.
pub(crate) struct RunRequestCounter(Option<Arc<PendingRunUsage>>);

impl RunRequestCounter {
    /// Counts the request, or rejects it if the limit is reached.
    pub(crate) fn count_against_run_limit(&self, request: RunRequest) -> Result<(), ApiError> {
        self.0.as_ref().map_or(Ok(()), |run_usage| run_usage.count_against_run_limit(request))
    }
}

impl FromRequestParts<Arc<ServiceState>> for RunRequestCounter {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, _: &Arc<ServiceState>) -> Result<Self, ApiError> {
        let context = RequestContext::read(RequestContext::clone)?;
        // Reject a request with a key but without pending usage, because no rate limit would apply to it. Pending usage
        // is missing only if a route uses this extractor but `crate::pipeline` does not know that the route counts its
        // own requests.
        if context.run_usage.is_none() && context.caller.as_ref().is_none_or(|caller| caller.key_id().is_some()) {
            return Err(ApiError::Rejected(Rejection::NoCredential));
        }
        Ok(Self(context.run_usage))
    }
}
