//! `GET /api/api-keys/counts`: counts the keys by status.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use ulkeys_api::KeyCounts;

use super::RotationDaysQuery;
use crate::error::ApiError;
use crate::openapi::BadRequest;
use crate::state::ServiceState;

/// Counts the keys by status
#[utoipa::path(
    get,
    path = "/api/api-keys/counts",
    operation_id = "countKeys",
    tag = "keys",
    params(RotationDaysQuery),
    responses((status = OK, description = "The number of keys of each status.", body = KeyCounts), BadRequest)
)]
pub(crate) async fn count(
    State(state): State<Arc<ServiceState>>,
    query: Result<Query<RotationDaysQuery>, QueryRejection>,
) -> Result<Json<KeyCounts>, ApiError> {
    let thresholds = RotationDaysQuery::parse(query, state.now())?;
    state.usage.flush_before_reading(&*state.store, state.now()).await;
    let counts = state.account.count_keys(thresholds).await?;
    Ok(Json(KeyCounts { active: counts.active, attention: counts.attention, revoked: counts.revoked }))
}
