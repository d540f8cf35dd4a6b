//! `GET /api/api-keys/{keyId}/usage`: returns a key's requests per hour, and its clients.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use ulkeys_api::{KeyUsage, schema};
use ulkeys_domain::{CLOCK_TOLERANCE, Timestamp};
use utoipa::IntoParams;

use super::parse_key_id;
use crate::convert;
use crate::error::ApiError;
use crate::openapi::{BadRequest, NotFound};
use crate::routes::query_params::parse_number_up_to;
use crate::state::ServiceState;

const DEFAULT_HOURS: i64 = 30 * 24;
const MAX_HOURS: i64 = 90 * 24;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// The length of the period in hours. The period ends now.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 2160, default = 720)]
    hours: Option<String>,
}

/// Returns a key's requests per hour, and the clients that used the key
///
/// Requests that were accepted before this one are included, unless the database cannot be written.
#[utoipa::path(
    get,
    path = "/api/api-keys/{keyId}/usage",
    operation_id = "keyUsage",
    tag = "keys",
    params(
        ("keyId" = schema::KeyId, Path, description = "The identifier of the key, which may be revoked."),
        UsageQuery,
    ),
    responses((status = OK, description = "The usage of the key.", body = KeyUsage), BadRequest, NotFound)
)]
pub(crate) async fn get_usage(
    State(state): State<Arc<ServiceState>>,
    key_id: Result<Path<String>, PathRejection>,
    query: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Json<KeyUsage>, ApiError> {
    let key_id = parse_key_id(key_id)?;
    let query = query.map_err(|_| ApiError::Invalid("query: hours may occur only once".into()))?;
    let hours =
        parse_number_up_to("hours", query.hours.as_deref(), DEFAULT_HOURS, MAX_HOURS).map_err(ApiError::Invalid)?;
    state.account.get_key(&key_id).await?.ok_or(ApiError::NotFound)?;
    let now = state.now();
    let since = now.as_millis().saturating_sub(hours * ulkeys_store::MILLIS_PER_HOUR);
    let since = Timestamp::from_millis(since).unwrap_or(now);
    state.usage.flush_before_reading(&*state.store, now).await;
    let mut usage = state.account.key_usage(&key_id, since).await?;
    // Entries for future hours were recorded while the clock was wrong, so they are left out.
    usage.hours.retain(|hour| hour.hour <= now.saturating_add(CLOCK_TOLERANCE));
    Ok(Json(convert::key_usage(key_id, usage)))
}
