//! `GET /healthz` and `GET /readyz`, for supervisors and gateways. No credential is needed, nothing is told.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::AppState;

/// The process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The store can be read.
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    state.store.check().await?;
    Ok(Json(json!({ "status": "ready" })))
}
