//! `GET /healthz`, `/readyz` and `/metrics`, for supervisors, gateways and Prometheus. No credential is needed, and nothing
//! is told of any key.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::AppState;

/// The process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Counters in the OpenMetrics text format.
pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, TYPE)], state.metrics.text(state.uses.backlog()))
}

/// The store can be read.
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    state.store.check().await?;
    Ok(Json(json!({ "status": "ready" })))
}
