//! `GET /api/api-keys`: lists all active keys, or a page of keys.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use ulkeys_api::{KeyList, schema};
use ulkeys_domain::{KeyId, KeyName, KeySort, KeyStatus, Timestamp, resembles_key};
use ulkeys_store::{KeyPage, KeyQuery};
use utoipa::IntoParams;

use super::cursor::{format_cursor, parse_cursor};
use super::page::describe_page;
use super::stream::stream_active_keys;
use super::{MAX_KEY_IDS, parse_attention_thresholds};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::openapi::BadRequest;
use crate::routes::query_params::{parse_canonical_number, parse_number_up_to};
use crate::state::ServiceState;

const DEFAULT_PAGE_SIZE: u32 = 50;
const MAX_PAGE_SIZE: u32 = 500;
/// The maximum length of the search text, in characters.
const MAX_SEARCH_CHARS: usize = 200;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyListQuery {
    /// Returns only keys with this status.
    #[param(value_type = Option<schema::KeyStatus>, nullable = false)]
    status: Option<String>,
    /// Search words. Each word must occur in the name (ignoring case and accents), the prefix or a scope, or be the
    /// whole identifier. Words after the eighth are ignored. Search text that contains a whole key is rejected, because
    /// secrets do not belong in a URL.
    #[param(nullable = false, max_length = 200)]
    q: Option<String>,
    /// Returns only keys with exactly this name.
    #[param(value_type = Option<schema::KeyName>, nullable = false)]
    name: Option<String>,
    /// The field to sort by; a leading `-` reverses the order. By default, the newest keys come first.
    #[param(nullable = false, pattern = "^-?(name|scopes|createdAt|lastUsedAt|revokedAt)$")]
    sort: Option<String>,
    /// The maximum number of keys on a page.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 500, default = 50)]
    limit: Option<String>,
    /// The number of keys to skip, such as the value of `next` on the previous page. Keys that are created or revoked
    /// between two requests shift the pages.
    #[param(nullable = false, pattern = "^(0|[1-9][0-9]{0,17})$")]
    offset: Option<String>,
    /// The value of `nextCursor` on the previous page, which must have had the same `sort`: `name` or `createdAt`, in
    /// either direction. A walk from cursor to cursor returns each key once, even if other keys are created or revoked
    /// during the walk. Cannot be combined with `offset`.
    #[param(nullable = false, pattern = "^[A-Za-z0-9_-]{1,2000}$")]
    cursor: Option<String>,
    /// Returns the keys with these identifiers, separated by commas, active or revoked, in this order. At most 500.
    /// Unknown keys are left out. Cannot be combined with a parameter other than `rotationDays`.
    #[param(nullable = false, pattern = "^key_[0-9a-f]{24}(,key_[0-9a-f]{24}){0,499}$")]
    ids: Option<String>,
    /// The rotation period in days. A key older than this needs attention.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 3650, default = 90)]
    rotation_days: Option<String>,
}

impl KeyListQuery {
    /// Returns whether the query has no parameter that belongs to a page. Without identifiers, all active keys are then
    /// returned, as the platform's published client expects.
    fn is_unpaged(&self) -> bool {
        let Self { status, q, name, sort, limit, offset, cursor, ids: _, rotation_days: _ } = self;
        [status, q, name, sort, limit, offset, cursor].into_iter().all(Option::is_none)
    }

    /// Parses the identifiers, each of which is kept once.
    fn parse_ids(&self) -> Result<Option<Vec<KeyId>>, String> {
        let Some(ids) = &self.ids else {
            return Ok(None);
        };
        if !self.is_unpaged() {
            return Err("ids: cannot be combined with a parameter other than rotationDays".to_owned());
        }
        if ids.split(',').count() > MAX_KEY_IDS {
            return Err(format!("ids: must have at most {MAX_KEY_IDS} entries"));
        }
        let mut seen = HashSet::new();
        let parse = |(number, id)| KeyId::parse(id).ok_or_else(|| format!("ids: entry {number} is not a key's id"));
        let ids: Vec<_> = (1..).zip(ids.split(',')).map(parse).collect::<Result<_, _>>()?;
        Ok(Some(ids.into_iter().filter(|id| seen.insert(*id)).collect()))
    }

    fn parse(&self, now: Timestamp) -> Result<KeyQuery, String> {
        let status = self.status.as_deref().map_or(Some(KeyStatus::default()), |status| status.parse().ok());
        let sort = self.sort.as_deref().map_or(Some(KeySort::default()), KeySort::parse);
        let name = self.name.as_deref().map(KeyName::parse).transpose();
        let text = self.q.clone().unwrap_or_default();
        if text.chars().count() > MAX_SEARCH_CHARS {
            return Err(format!("q: must have at most {MAX_SEARCH_CHARS} characters"));
        }
        if resembles_key(&text) {
            return Err("q: must not contain an API key".to_owned());
        }
        let offset = self
            .offset
            .as_deref()
            .map_or(Some(0), |text| parse_canonical_number(text).filter(|offset| *offset < 10_u64.pow(18)));
        let sort = sort
            .ok_or("sort: is not one of name, scopes, createdAt, lastUsedAt, revokedAt, with or without a leading -")?;
        if self.cursor.is_some() && self.offset.is_some() {
            return Err("offset: cannot be combined with cursor".to_owned());
        }
        let limit = parse_number_up_to("limit", self.limit.as_deref(), DEFAULT_PAGE_SIZE.into(), MAX_PAGE_SIZE.into())?;
        Ok(KeyQuery {
            status: status.ok_or("status: is not one of active, attention, revoked, all")?,
            thresholds: parse_attention_thresholds(self.rotation_days.as_deref(), now)?,
            text,
            name: name.map_err(|error| format!("name: {error}"))?,
            sort,
            after: self.cursor.as_deref().map(|text| parse_cursor(text, sort)).transpose()?,
            offset: offset.ok_or("offset: must be a whole number of at most 18 digits")?,
            limit: u32::try_from(limit).unwrap_or(MAX_PAGE_SIZE),
        })
    }
}

/// Lists all active keys, or a page of keys
///
/// Without parameters, returns all active keys, newest first, piece by piece; an incomplete response means that a piece
/// could not be read, or that the caller's key was revoked before it was sent. With any parameter other than
/// `rotationDays`, returns a page of the matching keys (the page after `offset` keys, or the page after a `cursor`) or
/// the keys that `ids` names.
#[utoipa::path(
    get,
    path = "/api/api-keys",
    operation_id = "listKeys",
    tag = "keys",
    params(KeyListQuery),
    responses((status = OK, description = "The keys, without their plaintexts.", body = KeyList), BadRequest)
)]
pub(crate) async fn list(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    query: Result<Query<KeyListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let query = query.map_err(|_| ApiError::Invalid("query: each parameter may occur only once".to_owned()))?;
    let parsed = query.parse(state.now()).map_err(ApiError::Invalid)?;
    let thresholds = parsed.thresholds;
    if query.ids.is_none() && query.is_unpaged() {
        return stream_active_keys(state, caller, thresholds).await;
    }
    // The store sorts, filters and counts by the usage that it knows.
    state.usage.flush_before_reading(&*state.store, state.now()).await;
    if let Some(ids) = query.parse_ids().map_err(ApiError::Invalid)? {
        let pending_times = state.usage.pending_times();
        let mut keys = state.account.get_keys(ids.clone()).await?;
        let positions: HashMap<_, _> = ids.into_iter().zip(0..).collect();
        keys.sort_by_key(|key| positions.get(&key.id).copied().unwrap_or(usize::MAX));
        let keys = describe_page(&state, keys, &pending_times, &thresholds).await?;
        let total = keys.len() as u64;
        return Ok(Json(KeyList { keys, total, next: None, next_cursor: None }).into_response());
    }
    let pending_times = state.usage.pending_times();
    let (sort, offset, is_walk) = (parsed.sort, parsed.offset, parsed.after.is_some());
    let KeyPage { keys, total, next } = state.account.list(parsed).await?;
    let end = offset.saturating_add(keys.len() as u64);
    let next_offset = (!is_walk && end < total).then(|| end.to_string());
    let list = KeyList {
        keys: describe_page(&state, keys, &pending_times, &thresholds).await?,
        total,
        next: next_offset,
        next_cursor: next.map(|cursor| format_cursor(sort, &cursor)),
    };
    Ok(Json(list).into_response())
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use proptest::prelude::*;

    use ulkeys_domain::AttentionThresholds;

    use super::*;
    use crate::testing::{SAMPLE_KEY, leaks_input, parse_form, proptest_config};

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "status: is not one of active, attention, revoked, all",
        "q: must have at most 200 characters",
        "q: must not contain an API key",
        "name: must not be empty",
        "name: must have at most 64 characters, not ",
        "name: must not contain control characters",
        "name: must not contain an API key",
        "sort: is not one of name, scopes, createdAt, lastUsedAt, revokedAt, with or without a leading -",
        "limit: must be a whole number from 1 to 500",
        "offset: must be a whole number of at most 18 digits",
        "offset: cannot be combined with cursor",
        "cursor: is not a cursor; the number of keys to skip belongs in offset",
        "cursor: is not the nextCursor of a page",
        "cursor: belongs to a page with a different sort",
        "rotationDays: must be a whole number from 1 to 3650",
    ];
    const QUERY_FIELDS: [&str; 8] = ["status", "q", "name", "sort", "limit", "offset", "cursor", "rotationDays"];
    /// Cursors, and the sort orders to which they belong.
    const CURSORS: [(&str, &str); 2] = [
        ("LWNyZWF0ZWRBdCBrZXlfMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3IDE3OTUwMDAwMDAwMDA", "-createdAt"),
        ("bmFtZSBrZXlfMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3IHRyYWluZXI", "name"),
    ];

    fn fixed_now() -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000).expect("in range")
    }

    /// Parses a number in its canonical form, without a sign or leading zeros.
    fn canonical_number(text: &str) -> Option<u64> {
        let number: u64 = text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())??;
        (number.to_string() == text).then_some(number)
    }

    /// The expected result of parsing a query: status, text, name, order, limit, offset, cursor and thresholds, and
    /// whether the query is unpaged.
    type ModelQuery = (String, String, Option<String>, String, u64, u64, Option<String>, AttentionThresholds, bool);

    fn query_by_model_parser(query: &[u8]) -> Option<ModelQuery> {
        let fields = parse_form(query);
        let is_twice = |name: &&str| fields.iter().filter(|(field, _)| field == name).count() > 1;
        if QUERY_FIELDS.iter().any(is_twice) {
            return None;
        }
        let once = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let within = |name: &str, default, max| {
            once(name).map_or(Some(default), |text| canonical_number(&text).filter(|number| (1..=max).contains(number)))
        };
        let status = once("status").unwrap_or_else(|| "active".to_owned());
        let sort = once("sort").unwrap_or_else(|| "-createdAt".to_owned());
        let text = once("q").unwrap_or_default();
        let name = once("name");
        let orders = ["name", "scopes", "createdAt", "lastUsedAt", "revokedAt"];
        let is_good = ["active", "attention", "revoked", "all"].contains(&status.as_str())
            && orders.into_iter().any(|order| sort == order || sort == format!("-{order}"))
            && text.chars().count() < 201
            && !text.contains(SAMPLE_KEY)
            && name.as_ref().is_none_or(|name| KeyName::parse(name).is_ok());
        let cursor = once("cursor");
        let of_sort = |cursor: &String| CURSORS.contains(&(cursor.as_str(), sort.as_str()));
        let is_good = is_good && cursor.as_ref().is_none_or(of_sort) && (cursor.is_none() || once("offset").is_none());
        let offset = once("offset").map_or(Some(0), |text| canonical_number(&text).filter(|_| text.len() < 19))?;
        let (limit, days) = (within("limit", 50, 500)?, within("rotationDays", 90, 3_650)?);
        let thresholds = AttentionThresholds::at(fixed_now(), u32::try_from(days).ok()?);
        let is_unpaged =
            fields.iter().all(|(field, _)| field == "rotationDays" || !QUERY_FIELDS.contains(&field.as_str()));
        let name = name.map(|name| name.trim().to_owned());
        is_good.then_some((status, text, name, sort, limit, offset, cursor, thresholds, is_unpaged))
    }

    fn query_pieces() -> impl Strategy<Value = String> {
        prop_oneof![
            "(status|st%61tus)=(active|attention|revoked|all|%61ll|All|old|active,all|[!-~]{0,9})",
            "sort=-?-?(name|scopes|createdAt|lastUsedAt|revokedAt|keyId|created_at|Name|)",
            "sort=%2D(name|[!-~]{0,9})",
            "q=([a-z+%']{0,20}|(x|%C3%A9|%E2%82%AC){195,205}|%FF|[!-~]{0,9})",
            "name=([a-zA-Z+]{0,12}|(x|%C3%A9){60,68}|\\+x\\+|%00|%E2%80%AE)",
            Just(format!("name={SAMPLE_KEY}")),
            Just(format!("q={SAMPLE_KEY}")),
            "(limit|rotationDays|rotation%44ays|offset|cursor)=([0-9]{1,4}|500|501|3650|3651|1|0|%31|\\+1|-1|1e2|0x1|[!-~]{0,9})",
            "(cursor|offset)=([0-9]{1,21}|[1-9][0-9]{16,18})",
            Just(format!("cursor={}", CURSORS[0].0)),
            Just(format!("sort={}&cursor={}", CURSORS[1].1, CURSORS[1].0)),
            "([!-~]{0,12}|x=y|Status=x|rotationdays=x)",
        ]
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_key_list_query_any_text_matches_the_model(pieces in prop::collection::vec(query_pieces(), 0..4)) {
            let Ok(uri) = format!("/?{}", pieces.join("&")).parse::<Uri>() else {
                return Ok(());
            };
            let query = uri.query().unwrap_or_default().as_bytes();
            let read = Query::<KeyListQuery>::try_from_uri(&uri).map_err(|_| String::new());
            match read.and_then(|query| Ok((query.is_unpaged(), query.parse(fixed_now())?))) {
                Ok((is_unpaged, read)) => {
                    let name = read.name.map(|name| name.as_str().to_owned());
                    let (status, sort) = (read.status.as_ref().to_owned(), read.sort.to_string());
                    let limit = read.limit.into();
                    let cursor = read.after.map(|cursor| format_cursor(read.sort, &cursor));
                    let read =
                        (status, read.text, name, sort, limit, read.offset, cursor, read.thresholds, is_unpaged);
                    prop_assert_eq!(Some(read), query_by_model_parser(query));
                }
                Err(error) => {
                    prop_assert_eq!(query_by_model_parser(query), None, "{}", error);
                    prop_assert!(!leaks_input(&error, query, ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
