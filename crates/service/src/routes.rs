//! Which handler answers what. [`crate::front`] has authorised everything under `/api` before. `/uploads` is outside: its
//! addresses are permissions in themselves.

mod account;
mod activity;
mod api_keys;
mod diagnosis;
mod events;
mod forward_auth;
mod health;
mod introspect;
mod model_page;
mod runs;
mod training;
mod uploads;

use axum::Router;
use axum::routing::{any, delete, get, post, put};

use crate::error::ApiError;
use crate::state::AppState;

pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        .route("/api/account/summary", get(account::summary))
        .route("/api/api-keys", get(api_keys::list).post(api_keys::create).delete(api_keys::revoke_by_query))
        .route("/api/api-keys/events", get(events::stream))
        .route("/api/api-keys/{key_id}", delete(api_keys::revoke).patch(api_keys::rename))
        .route("/api/api-keys/{key_id}/usage", get(activity::usage))
        .route("/api/activity", get(activity::list))
        .route("/api/diagnosis", post(diagnosis::diagnose))
        .route("/api/webhooks/training/metrics", post(training::report))
        .route("/api/webhooks/models/upload", post(training::ticket))
        .route("/api/training/runs", get(runs::list))
        .route("/api/training/runs/{run_id}", get(runs::details))
        .route("/api/training/runs/{run_id}/console", get(runs::console))
        .route("/api/training/runs/{run_id}/checkpoint", get(runs::checkpoint))
        .route("/api/training/runs/{run_id}/cancel", post(runs::cancel))
        .route("/forward-auth", any(forward_auth::check))
        .route("/oauth2/introspect", post(introspect::introspect))
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/uploads/{capability}", put(uploads::receive))
        .fallback(model_page::page_or_not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
