//! `GET /api/activity`: lists changes to keys and notable uses of keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use ulkeys_api::{ActivityPage, schema};
use ulkeys_domain::{ActivityKind, KeyId};
use utoipa::IntoParams;

use super::query_params::{parse_canonical_number, parse_number_up_to};
use crate::convert;
use crate::error::ApiError;
use crate::openapi::BadRequest;
use crate::state::ServiceState;

const DEFAULT_PAGE_SIZE: u32 = 50;
const MAX_PAGE_SIZE: u32 = 200;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ActivityQuery {
    /// Returns only activity of this key.
    #[param(value_type = Option<schema::KeyId>, nullable = false)]
    key_id: Option<String>,
    /// Returns only activity of this kind.
    #[param(value_type = Option<schema::ActivityKind>, nullable = false)]
    kind: Option<String>,
    /// The value of `next` on the previous page.
    #[param(nullable = false, pattern = "^(0|[1-9][0-9]{0,18})$")]
    cursor: Option<String>,
    /// The maximum number of entries on a page.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
}

/// The parsed query parameters.
struct ActivityFilter {
    key: Option<KeyId>,
    kind: Option<ActivityKind>,
    /// The cursor: only entries older than this entry are returned.
    before: Option<u64>,
    limit: u32,
}

impl ActivityQuery {
    fn parse(&self) -> Result<ActivityFilter, String> {
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
            Some(text) => Some(parse_canonical_number(text).ok_or("cursor: is not the cursor of a page")?),
        };
        let limit = parse_number_up_to("limit", self.limit.as_deref(), DEFAULT_PAGE_SIZE.into(), MAX_PAGE_SIZE.into())?;
        Ok(ActivityFilter { key, kind, before, limit: u32::try_from(limit).unwrap_or(MAX_PAGE_SIZE) })
    }
}

/// Lists changes to keys and notable uses of keys
///
/// Returns a page of the activity of all keys or of one key, newest first. Uses and rejections from the last second may
/// be missing.
#[utoipa::path(
    get,
    path = "/api/activity",
    operation_id = "listActivity",
    tag = "keys",
    params(ActivityQuery),
    responses((status = OK, description = "A page of activity.", body = ActivityPage), BadRequest)
)]
pub(super) async fn list_activity(
    State(state): State<Arc<ServiceState>>,
    query: Result<Query<ActivityQuery>, QueryRejection>,
) -> Result<Json<ActivityPage>, ApiError> {
    let query =
        query.map_err(|_| ApiError::Invalid("query: keyId, kind, cursor and limit may each occur only once".into()))?;
    let ActivityFilter { key, kind, before, limit } = query.parse().map_err(ApiError::Invalid)?;
    state.usage.flush_before_reading(&*state.store, state.now()).await;
    let page = state.account.list_activity(key, kind, before, limit).await?;
    Ok(Json(convert::activity_page(page)))
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{is_key_id, leaks_input, parse_form, proptest_config};

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "keyId: is not a key's id",
        "kind: is not one of created, renamed, revoked, newSource, refused, changedOutside",
        "cursor: is not the cursor of a page",
        "limit: must be a whole number from 1 to 200",
    ];

    /// Returns the value of a field, or an error if the field occurs more than once.
    fn single_value(fields: &[(String, String)], name: &str) -> Result<Option<String>, ()> {
        let values: Vec<_> = fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect();
        if values.len() > 1 { Err(()) } else { Ok(values.into_iter().next()) }
    }

    fn canonical_number(text: &str) -> Option<u64> {
        let number: u64 = text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())??;
        (number.to_string() == text).then_some(number)
    }

    type ModelFilter = (Option<String>, Option<String>, Option<u64>, u64);

    fn filter_by_model_parser(query: &[u8]) -> Option<ModelFilter> {
        let fields = parse_form(query);
        let key = single_value(&fields, "keyId").ok()?;
        let kind = single_value(&fields, "kind").ok()?;
        let cursor = single_value(&fields, "cursor").ok()?;
        let limit = single_value(&fields, "limit").ok()?;
        if key.as_ref().is_some_and(|key| !is_key_id(key.as_bytes())) {
            return None;
        }
        let kinds = ["created", "renamed", "revoked", "newSource", "refused", "changedOutside"];
        if kind.as_ref().is_some_and(|kind| !kinds.contains(&kind.as_str())) {
            return None;
        }
        let cursor = match cursor {
            None => None,
            Some(text) => Some(canonical_number(&text)?),
        };
        let limit = limit.map_or(Some(50), |text| canonical_number(&text).filter(|limit| (1..201).contains(limit)))?;
        Some((key, kind, cursor, limit))
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_activity_query_any_text_matches_the_model(
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
            match read.and_then(|query| query.parse()) {
                Ok(ActivityFilter { key, kind, before, limit }) => {
                    let key = key.map(|key| key.as_str().to_owned());
                    let kind = kind.map(|kind| kind.as_ref().to_owned());
                    prop_assert_eq!(Some((key, kind, before, limit.into())), filter_by_model_parser(query.as_bytes()));
                }
                Err(error) => {
                    prop_assert_eq!(filter_by_model_parser(query.as_bytes()), None, "{}", error);
                    prop_assert!(!leaks_input(&error, query.as_bytes(), ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
