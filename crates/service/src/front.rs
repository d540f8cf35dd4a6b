//! What every request passes before it is routed, and every answer on its way back: one function, outside the router.
//!
//! Nothing below `/api` reaches a handler without a caller who may do it, unknown paths included. axum's layers would
//! do the same around each route, at the price of a boxed future and a copied service for each layer and request: half
//! of what a key costs.

use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use tower::Service as _;
use ulkeys_domain::Category;

use crate::agent;
use crate::auth::{Asker, Need, decide, read_credential};
use crate::error::{ApiError, limit_headers};
use crate::guard;
use crate::observe::Observed;
use crate::routes::training;
use crate::state::AppState;
use crate::supervision::catch_panic;
use crate::uses::Source;

/// Answers a request, or says why not.
pub(crate) async fn answer(state: &AppState, router: Router, peer: IpAddr, request: Request) -> Response {
    let observed = Observed::begin(&request);
    let admitted = catch_panic(admit(state, router, peer, request)).await.unwrap_or(Err(ApiError::Panicked));
    let mut response = admitted.unwrap_or_else(ApiError::into_response);
    // Answers depend on the credential, and one of them holds a secret (RFC 6750, section 5.3).
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    observed.end(state, &mut response);
    response
}

async fn admit(state: &AppState, mut router: Router, peer: IpAddr, mut request: Request) -> Result<Response, ApiError> {
    guard::check(state, peer, &request)?;
    let path = request.uri().path();
    if path != "/api" && !path.starts_with("/api/") {
        request.extensions_mut().insert(Asker { peer, caller: None, run_use: None });
        return Ok(route(&mut router, request).await);
    }
    let headers = request.headers();
    let from = Source { peer, agent: agent::of(headers) };
    let method = request.method().as_str();
    let need = if training::counts_by_run(method, path) {
        Need::RunRequest { method, path }
    } else {
        Need::Request { method, path, category: Category::of(method, path) }
    };
    let now = state.now();
    let admitted = decide(state, read_credential(headers, &state.config.session), need, from, now).await?;
    let run_use = admitted.run_use;
    request.extensions_mut().insert(Asker { peer, caller: Some(admitted.caller), run_use: run_use.clone() });
    let mut response = route(&mut router, request).await;
    if let Some(standing) = admitted.standing.or_else(|| run_use?.admitted()) {
        limit_headers(response.headers_mut(), standing, now);
    }
    Ok(response)
}

async fn route(router: &mut Router, request: Request) -> Response {
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
