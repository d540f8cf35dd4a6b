//! Processes every request before it is routed, and every response before it is sent, in one function outside the
//! router.
//!
//! Every request below `/api`, even one to an unknown path, is authorized before it reaches a handler. axum's layers
//! could do the same around each route, but each layer would allocate a boxed future and clone the service for every
//! request, which costs half as much as checking a key.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use tower::Service as _;
use ulkeys_domain::RateLimitClass;

use crate::authn::read_credential;
use crate::authz::{RequiredAccess, authorize};
use crate::error::{ApiError, insert_rate_limit_headers};
use crate::loopback_guard;
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
}

impl Pipeline {
    /// Authorizes and dispatches a request. Failures and panics become error responses.
    pub(crate) async fn handle_request(self, peer: IpAddr, request: Request) -> Response {
        let trace = RequestTrace::start(&request);
        let state = self.state.clone();
        let result = catch_panic(self.authorize_and_dispatch(peer, request)).await.unwrap_or(Err(ApiError::Panicked));
        let mut response = result.unwrap_or_else(ApiError::into_response);
        // Prevent caching, because responses depend on the credential, and the response that creates a key contains the
        // key itself (RFC 6750, section 5.3).
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        trace.finish(&state, &mut response);
        response
    }

    async fn authorize_and_dispatch(mut self, peer: IpAddr, mut request: Request) -> Result<Response, ApiError> {
        let state = &self.state;
        loopback_guard::reject_foreign_request(state, peer, &request)?;
        let path = request.uri().path();
        if path != "/api" && !path.starts_with("/api/") {
            request.extensions_mut().insert(RequestContext { peer, caller: None, run_usage: None });
            return Ok(dispatch(&mut self.router, request).await);
        }
        let headers = request.headers();
        let from = ClientAddress { peer, user_agent: user_agent::from_headers(headers) };
        let method = request.method().as_str();
        let required = self.actions.find(request.method(), path).map_or_else(
            || RequiredAccess::Path { method, path, class: RateLimitClass::of(method, path) },
            RequiredAccess::Action,
        );
        let now = state.clock.now();
        let authorized = authorize(state, read_credential(headers, &state.config.session), &required, from, now)?;
        let run_usage = authorized.run_usage;
        request.extensions_mut().insert(RequestContext {
            peer,
            caller: Some(authorized.caller),
            run_usage: run_usage.clone(),
        });
        let mut response = dispatch(&mut self.router, request).await;
        if let Some(limit_status) = authorized.limit_status.or_else(|| run_usage?.admitted_status()) {
            insert_rate_limit_headers(response.headers_mut(), limit_status, now.at);
        }
        Ok(response)
    }
}

async fn dispatch(router: &mut Router, request: Request) -> Response {
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
