//! Which handler answers what. Everything under `/api` is authorised first, unknown paths included.

mod account;
mod activity;
mod api_keys;
mod diagnosis;
mod events;
mod forward_auth;
mod health;
mod introspect;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{any, delete, get, post};

use crate::auth;
use crate::error::ApiError;
use crate::state::AppState;

pub(crate) fn router(state: AppState) -> Router {
    let api = Router::new()
        .route("/account/summary", get(account::summary))
        .route("/api-keys", get(api_keys::list).post(api_keys::create).delete(api_keys::revoke_by_query))
        .route("/api-keys/events", get(events::stream))
        .route("/api-keys/{key_id}", delete(api_keys::revoke).patch(api_keys::rename))
        .route("/api-keys/{key_id}/usage", get(activity::usage))
        .route("/activity", get(activity::list))
        .route("/diagnosis", post(diagnosis::diagnose))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(state.clone(), auth::authorize))
        .layer(map_response(never_store));
    Router::new()
        .nest("/api", api)
        .route("/forward-auth", any(forward_auth::check).layer(map_response(never_store)))
        .route("/oauth2/introspect", post(introspect::introspect).layer(map_response(never_store)))
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

async fn not_found() -> ApiError {
    ApiError::NotFound
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

/// Answers depend on the credential, and one of them holds a secret (RFC 6750, section 5.3).
async fn never_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
