//! `GET /api/api-keys/{keyId}`: returns one key.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use ulkeys_api::{ApiKey, schema};

use super::{RotationDaysQuery, parse_key_id};
use crate::error::ApiError;
use crate::openapi::{BadRequest, NotFound};
use crate::state::ServiceState;

/// Returns one key
#[utoipa::path(
    get,
    path = "/api/api-keys/{keyId}",
    operation_id = "showKey",
    tag = "keys",
    params(
        ("keyId" = schema::KeyId, Path, description = "The identifier of the key, which may be revoked."),
        RotationDaysQuery,
    ),
    responses((status = OK, description = "The key, without its plaintext.", body = ApiKey), BadRequest, NotFound)
)]
pub(crate) async fn get(
    State(state): State<Arc<ServiceState>>,
    key_id: Result<Path<String>, PathRejection>,
    query: Result<Query<RotationDaysQuery>, QueryRejection>,
) -> Result<Json<ApiKey>, ApiError> {
    let key_id = parse_key_id(key_id)?;
    let thresholds = RotationDaysQuery::parse(query, state.now())?;
    let pending_times = state.usage.pending_times();
    let mut record = state.account.get_key(&key_id).await?.ok_or(ApiError::NotFound)?;
    pending_times.overlay_on_record(&mut record, thresholds.latest);
    Ok(Json(ApiKey::new(record, &thresholds)))
}
