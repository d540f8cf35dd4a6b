//! Processes every request before it is routed, and every response before it is sent, in one function outside the
//! router.
//!
//! Every request below `/api`, even one to an unknown path, is authorized before it reaches a handler. axum's layers
//! could do the same around each route, but each layer would allocate a boxed future and clone the service for every
//! request, which costs half as much as checking a key.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use tower::Service as _;
use ulkeys_domain::rate_limit::RateLimitStatus;
use ulkeys_domain::{RateLimitClass, Timestamp};

use crate::authn::read_credential;
use crate::authz::{Authorized, RequiredAccess, authorize};
use crate::clock::Moment;
use crate::error::{ApiError, insert_rate_limit_headers};
use crate::loopback_guard::{self, UsualHosts};
use crate::pending_usage::ClientAddress;
use crate::request_context::RequestContext;
use crate::request_trace::RequestTrace;
use crate::routes::RouteActions;
use crate::state::ServiceState;
use crate::supervision::catch_panic;
use crate::user_agent;

/// The service as it answers requests.
#[derive(Clone)]
pub(crate) struct Pipeline {
    pub(crate) state: Arc<ServiceState>,
    pub(crate) router: Router,
    /// The actions that the routes of `router` declare.
    pub(crate) actions: Arc<RouteActions>,
    pub(crate) usual_hosts: Arc<UsualHosts>,
}

impl Pipeline {
    /// Authorizes a request and passes it to its handler. Failures and panics become error responses.
    pub(crate) async fn handle_request(mut self, peer: IpAddr, request: Request) -> Response {
        let uptime = self.state.uptime();
        let trace = RequestTrace::start(&request, uptime);
        let authorized = std::panic::catch_unwind(AssertUnwindSafe(|| self.authorize(peer, &request, uptime)));
        let mut response = match authorized.unwrap_or(Err(ApiError::Panicked)) {
            Ok(AuthorizedRequest { context, limit_status, at }) => {
                let run_usage = context.run_usage.clone();
                let router = &mut self.router;
                let handled = catch_panic(context.scope(async { router.call(request).await })).await;
                let mut response = handled.map_or_else(|| ApiError::Panicked.into_response(), |Ok(response)| response);
                // The status of the rate limit is known only now if the handler itself counted the request.
                if let Some(limit_status) = limit_status.or_else(|| run_usage?.admitted_status()) {
                    insert_rate_limit_headers(response.headers_mut(), limit_status, at);
                }
                response
            }
            Err(error) => error.into_response(),
        };
        // Prevent caching, because responses depend on the credential, and the response that creates a key contains the
        // key itself (RFC 6750, section 5.3).
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        trace.finish(&self.state, &mut response);
        response
    }

    /// Rejects a request from outside, and a request below `/api` that its credential does not allow.
    fn authorize(&self, peer: IpAddr, request: &Request, uptime: Duration) -> Result<AuthorizedRequest, ApiError> {
        let state = &self.state;
        loopback_guard::reject_foreign_request(state, &self.usual_hosts, peer, request)?;
        let now = Moment { at: state.now(), uptime };
        let path = request.uri().path();
        if path != "/api" && !path.starts_with("/api/") {
            let context = RequestContext { peer, caller: None, run_usage: None };
            return Ok(AuthorizedRequest { context, limit_status: None, at: now.at });
        }
        let headers = request.headers();
        let from = ClientAddress { peer, user_agent: user_agent::from_headers(headers) };
        let method = request.method().as_str();
        let required = self.actions.find(request.method(), path).map_or_else(
            || RequiredAccess::Path { method, path, class: RateLimitClass::of(method, path) },
            RequiredAccess::Action,
        );
        let Authorized { caller, limit_status, run_usage } =
            authorize(state, read_credential(headers, &state.config.session), &required, from, now)?;
        let context = RequestContext { peer, caller: Some(caller), run_usage };
        Ok(AuthorizedRequest { context, limit_status, at: now.at })
    }
}

/// A request that may be passed to its handler.
struct AuthorizedRequest {
    context: RequestContext,
    /// The status of the rate limit against which the request was counted.
    limit_status: Option<RateLimitStatus>,
    /// The wall-clock time at which the request arrived.
    at: Timestamp,
}
