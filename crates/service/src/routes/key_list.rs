//! `GET /api/api-keys`: the list of keys, or a page of it; one key; and how many there are.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use ulkeys_domain::wire::{ApiKey, KeyCounts, KeyList, KeySort, KeyStatus};
use ulkeys_domain::{AttentionRules, DEFAULT_ROTATION_DAYS, KeyId, KeyName, KeyRecord, MAX_ROTATION_DAYS, Timestamp};
use ulkeys_store::KeyQuery;
use utoipa::IntoParams;

use super::api_keys::read_key_id;
use super::query::{digits, number};
use crate::error::ApiError;
use crate::openapi::{BadRequest, NotFound};
use crate::state::AppState;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;
/// The longest text that is searched for, in characters.
const MAX_TEXT: usize = 200;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Which keys.
    #[param(value_type = Option<KeyStatus>, nullable = false)]
    status: Option<String>,
    /// Words that must all occur: in the name, without regard to case and accents, in the prefix, or in a scope; or that are
    /// the identifier. The words after the eighth are ignored.
    #[param(nullable = false, max_length = 200)]
    q: Option<String>,
    /// Keys of exactly this name.
    #[param(value_type = Option<KeyName>, nullable = false)]
    name: Option<String>,
    /// The order; with `-` before it, the reverse. Without it, the newest come first.
    #[param(nullable = false, pattern = "^-?(name|scopes|createdAt|lastUsedAt|revokedAt)$")]
    sort: Option<String>,
    /// Keys on a page.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 500, default = 50)]
    limit: Option<String>,
    /// The `next` of the page before: how many keys there are before this page.
    #[param(nullable = false, pattern = "^(0|[1-9][0-9]{0,17})$")]
    cursor: Option<String>,
    /// After how many days a key is old, and needs attention.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 3650, default = 90)]
    rotation_days: Option<String>,
}

impl ListQuery {
    /// Without any parameter but the rotation period, all active keys are asked for, as the published client does.
    fn is_plain(&self) -> bool {
        let Self { status, q, name, sort, limit, cursor, rotation_days: _ } = self;
        [status, q, name, sort, limit, cursor].into_iter().all(Option::is_none)
    }

    fn read(&self, now: Timestamp) -> Result<KeyQuery, String> {
        let status = self.status.as_deref().map_or(Some(KeyStatus::default()), KeyStatus::parse);
        let sort = self.sort.as_deref().map_or(Some(KeySort::default()), KeySort::parse);
        let name = self.name.as_deref().map(KeyName::parse).transpose();
        let text = self.q.clone().unwrap_or_default();
        if text.chars().count() > MAX_TEXT {
            return Err(format!("q: must have at most {MAX_TEXT} characters"));
        }
        let skip = self.cursor.as_deref().map_or(Some(0), |text| digits(text).filter(|skip| *skip < 10_u64.pow(18)));
        let limit = number("limit", self.limit.as_deref(), DEFAULT_LIMIT.into(), MAX_LIMIT.into())?;
        Ok(KeyQuery {
            status: status.ok_or("status: is not one of active, attention, revoked, all")?,
            rules: read_rules(self.rotation_days.as_deref(), now)?,
            text,
            name: name.map_err(|error| format!("name: {error}"))?,
            sort: sort
                .ok_or("sort: is not one of name, scopes, createdAt, lastUsedAt, revokedAt, or that after a -")?,
            skip: skip.ok_or("cursor: is not one of a page")?,
            limit: u32::try_from(limit).unwrap_or(MAX_LIMIT),
        })
    }
}

fn read_rules(rotation_days: Option<&str>, now: Timestamp) -> Result<AttentionRules, String> {
    let days = number("rotationDays", rotation_days, DEFAULT_ROTATION_DAYS.into(), MAX_ROTATION_DAYS.into())?;
    Ok(AttentionRules::at(now, u32::try_from(days).unwrap_or(MAX_ROTATION_DAYS)))
}

/// All active keys, or a page of keys
///
/// Without parameters, all active keys, newest first. With any parameter but `rotationDays`, a page of the keys that are
/// asked for. Keys that are made or revoked meanwhile move the pages.
#[utoipa::path(
    get,
    path = "/api/api-keys",
    operation_id = "listKeys",
    tag = "keys",
    params(ListQuery),
    responses((status = OK, description = "The keys, without their plaintexts.", body = KeyList), BadRequest)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<KeyList>, ApiError> {
    let query = query.map_err(|_| ApiError::Invalid("query: each parameter may be given once".to_owned()))?;
    let wanted = query.read(state.now()).map_err(ApiError::Invalid)?;
    let rules = wanted.rules;
    let unsaved = state.uses.unsaved();
    let (records, total, next) = if query.is_plain() {
        let records = state.store.list_active().await?;
        let total = records.len() as u64;
        (records, total, None)
    } else {
        let skip = wanted.skip;
        let (records, total) = state.store.list(wanted).await?;
        let shown = skip.saturating_add(records.len() as u64);
        (records, total, (shown < total).then(|| shown.to_string()))
    };
    let describe = |mut record: KeyRecord| {
        unsaved.add_to(&mut record);
        ApiKey::new(record, &rules)
    };
    Ok(Json(KeyList { keys: records.into_iter().map(describe).collect(), total, next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct RulesQuery {
    /// After how many days a key is old, and needs attention.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 3650, default = 90)]
    rotation_days: Option<String>,
}

impl RulesQuery {
    fn read(query: Result<Query<Self>, QueryRejection>, now: Timestamp) -> Result<AttentionRules, ApiError> {
        let query = query.map_err(|_| ApiError::Invalid("query: rotationDays may be given once".to_owned()))?;
        read_rules(query.rotation_days.as_deref(), now).map_err(ApiError::Invalid)
    }
}

/// How many keys there are
#[utoipa::path(
    get,
    path = "/api/api-keys/counts",
    operation_id = "countKeys",
    tag = "keys",
    params(RulesQuery),
    responses((status = OK, description = "How many keys there are of each status.", body = KeyCounts), BadRequest)
)]
pub(super) async fn counts(
    State(state): State<AppState>,
    query: Result<Query<RulesQuery>, QueryRejection>,
) -> Result<Json<KeyCounts>, ApiError> {
    let rules = RulesQuery::read(query, state.now())?;
    Ok(Json(state.store.count_keys(rules).await?))
}

/// One key
#[utoipa::path(
    get,
    path = "/api/api-keys/{keyId}",
    operation_id = "showKey",
    tag = "keys",
    params(("keyId" = KeyId, Path, description = "The key; it may be revoked."), RulesQuery),
    responses((status = OK, description = "The key, without its plaintext.", body = ApiKey), BadRequest, NotFound)
)]
pub(super) async fn show(
    State(state): State<AppState>,
    key_id: Result<Path<String>, PathRejection>,
    query: Result<Query<RulesQuery>, QueryRejection>,
) -> Result<Json<ApiKey>, ApiError> {
    let key_id = read_key_id(key_id)?;
    let rules = RulesQuery::read(query, state.now())?;
    let unsaved = state.uses.unsaved();
    let mut record = state.store.find(&key_id).await?.ok_or(ApiError::NotFound)?;
    unsaved.add_to(&mut record);
    Ok(Json(ApiKey::new(record, &rules)))
}
