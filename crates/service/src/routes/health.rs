//! `GET /healthz`, `/readyz` and `/metrics`, for supervisors, gateways and Prometheus. These routes need no credential,
//! and their responses reveal nothing about keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::openapi::StorageErrors;
use crate::state::ServiceState;

/// The state of the service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum HealthStatus {
    Ok,
    Ready,
}

/// The response of `/healthz` and `/readyz`.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: HealthStatus,
}

/// Reports that the process is alive
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    tag = "operation",
    responses((status = OK, description = "The process is alive.", body = Health))
)]
pub(super) async fn get_liveness() -> Json<Health> {
    Json(Health { status: HealthStatus::Ok })
}

/// Returns metrics for Prometheus
///
/// The format is OpenMetrics text. The metrics identify no key, client or peer.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operation",
    responses((status = OK, description = "The metrics.", body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn get_metrics(State(state): State<Arc<ServiceState>>) -> impl IntoResponse {
    const OPENMETRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE)], state.metrics.encode_text(state.usage.backlog()))
}

/// Reports whether the database can be read
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readiness",
    tag = "operation",
    responses((status = OK, description = "The database can be read.", body = Health), StorageErrors)
)]
pub(super) async fn get_readiness(State(state): State<Arc<ServiceState>>) -> Result<Json<Health>, ApiError> {
    state.store.ping().await?;
    Ok(Json(Health { status: HealthStatus::Ready }))
}
