//! `GET /api/activity` and `GET /api/api-keys/{keyId}/usage`: what happened to keys, and with them.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use ulkeys_domain::wire::{ActivityKind, ActivityPage, KeyUsage};
use ulkeys_domain::{CLOCK_TOLERANCE, KeyId, Timestamp};
use utoipa::IntoParams;

use super::api_keys::read_key_id;
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
    /// Of this kind only.
    #[param(value_type = Option<ActivityKind>, nullable = false)]
    kind: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false, pattern = "^(0|[1-9][0-9]{0,18})$")]
    cursor: Option<String>,
    /// Entries on a page.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
}

/// Of which key, of which kind, before which entry, and how many.
type Asked = (Option<KeyId>, Option<ActivityKind>, Option<u64>, u32);

impl ActivityQuery {
    fn read(&self) -> Result<Asked, String> {
        let key = match self.key_id.as_deref() {
            None => None,
            Some(text) => Some(KeyId::parse(text).ok_or("keyId: is not a key's id")?),
        };
        let kind = match self.kind.as_deref() {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|_| "kind: is not one of created, renamed, revoked, newSource, refused, changedOutside")?,
            ),
        };
        let before = match self.cursor.as_deref() {
            None => None,
            Some(text) => Some(digits(text).ok_or("cursor: is not one of a page")?),
        };
        let limit = number("limit", self.limit.as_deref(), DEFAULT_LIMIT.into(), MAX_LIMIT.into())?;
        Ok((key, kind, before, u32::try_from(limit).unwrap_or(MAX_LIMIT)))
    }
}

/// What happened to keys, and with them
///
/// A page, newest first, of all keys or of one. Uses and refusals of the last second may be missing.
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
    let query =
        query.map_err(|_| ApiError::Invalid("query: keyId, kind, cursor and limit may be given once each".into()))?;
    let (key, kind, before, limit) = query.read().map_err(ApiError::Invalid)?;
    Ok(Json(state.store.activity(key, kind, before, limit).await?))
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
/// Uses of the last second may be missing.
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
    let key_id = read_key_id(key_id)?;
    let query = query.map_err(|_| ApiError::Invalid("query: hours may be given once".into()))?;
    let hours = number("hours", query.hours.as_deref(), DEFAULT_HOURS, MAX_HOURS).map_err(ApiError::Invalid)?;
    state.store.get(&key_id).await?.ok_or(ApiError::NotFound)?;
    let now = state.now();
    let since = now.as_millis().saturating_sub(hours * ulkeys_store::MILLIS_PER_HOUR);
    let since = Timestamp::from_millis(since).unwrap_or(now);
    let mut usage = state.store.usage(&key_id, since).await?;
    // What a clock recorded that was ahead is not to be seen as use in the future.
    usage.hours.retain(|hour| hour.hour <= now.saturating_add(CLOCK_TOLERANCE));
    Ok(Json(usage))
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{form, is_key_id, leaks_input, proptest_config};

    const WORDS: &[&str] = &[
        "keyId: is not a key's id",
        "kind: is not one of created, renamed, revoked, newSource, refused, changedOutside",
        "cursor: is not one of a page",
        "limit: must be a whole number from 1 to 200",
    ];

    /// The value of a field that may be given once.
    fn once(fields: &[(String, String)], name: &str) -> Result<Option<String>, ()> {
        let values: Vec<_> = fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect();
        if values.len() > 1 { Err(()) } else { Ok(values.into_iter().next()) }
    }

    fn whole(text: &str) -> Option<u64> {
        let number: u64 = text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())??;
        (number.to_string() == text).then_some(number)
    }

    type Expected = (Option<String>, Option<String>, Option<u64>, u64);

    fn expected(query: &[u8]) -> Option<Expected> {
        let fields = form(query);
        let key = once(&fields, "keyId").ok()?;
        let kind = once(&fields, "kind").ok()?;
        let cursor = once(&fields, "cursor").ok()?;
        let limit = once(&fields, "limit").ok()?;
        if key.as_ref().is_some_and(|key| !is_key_id(key.as_bytes())) {
            return None;
        }
        let kinds = ["created", "renamed", "revoked", "newSource", "refused", "changedOutside"];
        if kind.as_ref().is_some_and(|kind| !kinds.contains(&kind.as_str())) {
            return None;
        }
        let cursor = match cursor {
            None => None,
            Some(text) => Some(whole(&text)?),
        };
        let limit = limit.map_or(Some(50), |text| whole(&text).filter(|limit| (1..201).contains(limit)))?;
        Some((key, kind, cursor, limit))
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn nothing_but_the_described_queries_is_read(
            query in "((keyId|k%65yId)=(key_0123456789abcdef0123456(7|7|8|g|%37|)|x)\
                |kind=(created|renamed|revoked|newSource|newsource|changedOutside|refused|%72efused|Created|)\
                |(cursor|limit|curso%72)=([0-9]{1,3}|\\+?[0-9]{1,21}|%2B5|-1|1e2|[!-~]{0,9})|[!-~]{0,12}|)\
                (&(limit=(0|1|05|200|201|%31)|cursor=[1-9]{1,2}|kind=(created|x)|x=y|limit))?"
        ) {
            let Ok(uri) = format!("/?{query}").parse::<Uri>() else {
                return Ok(());
            };
            let query = uri.query().unwrap_or_default();
            let read = Query::<ActivityQuery>::try_from_uri(&uri).map_err(|_| String::new());
            match read.and_then(|query| query.read()) {
                Ok((key, kind, before, limit)) => {
                    let key = key.map(|key| key.as_str().to_owned());
                    let kind = kind.map(|kind| kind.as_ref().to_owned());
                    prop_assert_eq!(Some((key, kind, before, limit.into())), expected(query.as_bytes()));
                }
                Err(error) => {
                    prop_assert_eq!(expected(query.as_bytes()), None, "{}", error);
                    prop_assert!(!leaks_input(&error, query.as_bytes(), WORDS), "{error}");
                }
            }
        }
    }
}
