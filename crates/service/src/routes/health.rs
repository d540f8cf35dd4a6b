//! `GET /healthz`, `/readyz` and `/metrics`, for supervisors, gateways and Prometheus. No credential is needed, and nothing
//! is told of any key.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::openapi::Stored;
use crate::state::AppState;

/// How the service is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum HealthStatus {
    Ok,
    Ready,
}

/// Answer of `/healthz` and `/readyz`.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: HealthStatus,
}

/// The process answers
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    tag = "operation",
    responses((status = OK, description = "It does.", body = Health))
)]
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: HealthStatus::Ok })
}

/// Counters for Prometheus
///
/// In the OpenMetrics text format. They name no key, no program and no peer.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operation",
    responses((status = OK, description = "The counters.", body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, TYPE)], state.metrics.text(state.usage.backlog()))
}

/// The database can be read
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readiness",
    tag = "operation",
    responses((status = OK, description = "It can.", body = Health), Stored)
)]
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Health>, ApiError> {
    state.store.ping().await?;
    Ok(Json(Health { status: HealthStatus::Ready }))
}
