//! `DELETE /api/api-keys/{keyId}` and `DELETE /api/api-keys?keyId=`: revoke a key.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use ulkeys_api::{KeyEvent, RevokedKey, schema};
use ulkeys_domain::KeyId;
use utoipa::IntoParams;

use super::parse_key_id;
use crate::error::ApiError;
use crate::openapi::{BadRequest, InsufficientStorage, NotFound};
use crate::request_context::RequestAuditContext;
use crate::state::ServiceState;

/// Revokes a key permanently
///
/// Once this response is sent, the key is rejected. Revoking a key that is already revoked returns the time of the
/// first revocation.
#[utoipa::path(
    delete,
    path = "/api/api-keys/{keyId}",
    operation_id = "revokeKey",
    tag = "keys",
    params(("keyId" = schema::KeyId, Path, description = "The identifier of the key.")),
    responses((status = OK, description = "The key is revoked.", body = RevokedKey), NotFound, InsufficientStorage)
)]
pub(crate) async fn revoke(
    State(state): State<Arc<ServiceState>>,
    audit_context: RequestAuditContext,
    key_id: Result<Path<String>, PathRejection>,
) -> Result<Json<RevokedKey>, ApiError> {
    revoke_key(&state, parse_key_id(key_id)?, audit_context).await
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct RevokeQuery {
    /// The identifier of the key.
    #[param(value_type = schema::KeyId, required = true)]
    key_id: Option<String>,
}

/// Revokes a key permanently (with the identifier in the query, where the platform's published client sends it)
#[utoipa::path(
    delete,
    path = "/api/api-keys",
    operation_id = "revokeKeyByQuery",
    tag = "keys",
    params(RevokeQuery),
    responses((status = OK, description = "The key is revoked.", body = RevokedKey), BadRequest, NotFound, InsufficientStorage)
)]
pub(crate) async fn revoke_by_query(
    State(state): State<Arc<ServiceState>>,
    audit_context: RequestAuditContext,
    query: Result<Query<RevokeQuery>, QueryRejection>,
) -> Result<Json<RevokedKey>, ApiError> {
    let query = query.map_err(|_| ApiError::Invalid("keyId: may occur only once".to_owned()))?;
    let key_id = query.key_id.as_deref().ok_or_else(|| ApiError::Invalid("keyId: is required".to_owned()))?;
    revoke_key(&state, KeyId::parse(key_id).ok_or(ApiError::NotFound)?, audit_context).await
}

async fn revoke_key(
    state: &Arc<ServiceState>,
    key_id: KeyId,
    audit_context: RequestAuditContext,
) -> Result<Json<RevokedKey>, ApiError> {
    let (account, now) = (state.account.clone(), state.now());
    let revocation = state.commit(async move { account.revoke(&key_id, now, audit_context.0).await }).await?;
    let revoked = RevokedKey { key_id, revoked_at: revocation.at };
    if revocation.is_new {
        state.publish(KeyEvent::Revoked(revoked.clone()));
    }
    Ok(Json(revoked))
}
