//! `GET /api/activity` and `GET /api/api-keys/{keyId}/usage`: what happened to keys, and with them.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use ulkeys_domain::wire::{ActivityPage, KeyUsage};
use ulkeys_domain::{KeyId, Timestamp};
use utoipa::IntoParams;

use super::query::{digits, number};
use crate::error::ApiError;
use crate::openapi::{BadRequest, NotFound};
use crate::state::AppState;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
const DEFAULT_HOURS: i64 = 30 * 24;
const MAX_HOURS: i64 = 90 * 24;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ActivityQuery {
    /// Of this key only.
    #[param(value_type = Option<KeyId>, nullable = false)]
    key_id: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false, pattern = "^(0|[1-9][0-9]{0,18})$")]
    cursor: Option<String>,
    /// Entries on a page.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
}

/// What happened to keys, and with them
///
/// A page, newest first, of all keys or of one. Uses and refusals of the last half second may be missing.
#[utoipa::path(
    get,
    path = "/api/activity",
    operation_id = "listActivity",
    tag = "keys",
    params(ActivityQuery),
    responses((status = OK, description = "A page of activity.", body = ActivityPage), BadRequest)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    query: Result<Query<ActivityQuery>, QueryRejection>,
) -> Result<Json<ActivityPage>, ApiError> {
    let query = query.map_err(|_| ApiError::Invalid("query: keyId, cursor and limit may be given once each".into()))?;
    let key = match query.key_id.as_deref() {
        None => None,
        Some(text) => Some(KeyId::parse(text).ok_or_else(|| ApiError::Invalid("keyId: is not a key's id".into()))?),
    };
    let before = match query.cursor.as_deref() {
        None => None,
        Some(text) => Some(digits(text).ok_or_else(|| ApiError::Invalid("cursor: is not one of a page".into()))?),
    };
    let limit = number("limit", query.limit.as_deref(), DEFAULT_LIMIT.into(), MAX_LIMIT.into())?;
    Ok(Json(state.store.activity(key, before, u32::try_from(limit).unwrap_or(MAX_LIMIT)).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// How far back, in hours.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 2160, default = 720)]
    hours: Option<String>,
}

/// A key's requests by hour, and the programs that used it
///
/// Uses of the last half second may be missing.
#[utoipa::path(
    get,
    path = "/api/api-keys/{keyId}/usage",
    operation_id = "keyUsage",
    tag = "keys",
    params(("keyId" = KeyId, Path, description = "The key; it may be revoked."), UsageQuery),
    responses((status = OK, description = "What became of the key's requests.", body = KeyUsage), BadRequest, NotFound)
)]
pub(super) async fn usage(
    State(state): State<AppState>,
    key_id: Result<Path<String>, PathRejection>,
    query: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Json<KeyUsage>, ApiError> {
    let key_id = key_id.ok().and_then(|Path(id)| KeyId::parse(&id)).ok_or(ApiError::NotFound)?;
    let query = query.map_err(|_| ApiError::Invalid("query: hours may be given once".into()))?;
    let hours = number("hours", query.hours.as_deref(), DEFAULT_HOURS, MAX_HOURS)?;
    state.store.find(&key_id).await?.ok_or(ApiError::NotFound)?;
    let since = state.now().as_millis().saturating_sub(hours * ulkeys_store::MILLIS_PER_HOUR);
    let since = Timestamp::from_millis(since).unwrap_or_else(|| state.now());
    Ok(Json(state.store.usage(&key_id, since).await?))
}
