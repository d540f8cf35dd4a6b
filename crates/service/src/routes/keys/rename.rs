//! `PATCH /api/api-keys/{keyId}`: renames a key.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use ulkeys_api::{ApiKey, KeyEvent, RenameKey, schema};

use super::{RotationDaysQuery, parse_key_id, parse_name, to_api_key};
use crate::body::JsonObject;
use crate::error::ApiError;
use crate::openapi::{BodyErrors, InsufficientStorage, NotFound};
use crate::request_context::RequestAuditContext;
use crate::state::ServiceState;

/// Renames an active key
#[utoipa::path(
    patch,
    path = "/api/api-keys/{keyId}",
    operation_id = "renameKey",
    tag = "keys",
    params(("keyId" = schema::KeyId, Path, description = "The identifier of the key."), RotationDaysQuery),
    request_body = RenameKey,
    responses((status = OK, description = "The key with its new name.", body = ApiKey), BodyErrors, NotFound, InsufficientStorage)
)]
pub(crate) async fn rename(
    State(state): State<Arc<ServiceState>>,
    audit_context: RequestAuditContext,
    key_id: Result<Path<String>, PathRejection>,
    query: Result<Query<RotationDaysQuery>, QueryRejection>,
    JsonObject(body): JsonObject,
) -> Result<Json<ApiKey>, ApiError> {
    let key_id = parse_key_id(key_id)?;
    let thresholds = RotationDaysQuery::parse(query, state.now())?;
    let name = parse_name(&body).map_err(ApiError::Invalid)?;
    let pending_times = state.usage.pending_times();
    let (account, now) = (state.account.clone(), state.now());
    let mut renamed = state.commit(async move { account.rename(&key_id, name, now, audit_context.0).await }).await?;
    pending_times.overlay_on_record(&mut renamed, thresholds.latest);
    state.publish(KeyEvent::Renamed(to_api_key(&state, renamed.clone())));
    Ok(Json(ApiKey::new(renamed, &thresholds)))
}
