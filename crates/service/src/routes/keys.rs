//! `/api/api-keys`: one module for each endpoint, and the helpers that they share.

pub(super) mod count;
pub(super) mod create;
mod cursor;
pub(super) mod events;
pub(super) mod get;
pub(super) mod list;
mod page;
pub(super) mod rename;
pub(super) mod revoke;
pub(super) mod revoke_many;
mod stream;
pub(super) mod usage;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use serde::Deserialize;
use serde_json::Value;
use ulkeys_api::ApiKey;
use ulkeys_domain::{
    AttentionThresholds, DEFAULT_ROTATION_DAYS, KeyId, KeyName, KeyRecord, MAX_ROTATION_DAYS, Timestamp,
};
use utoipa::IntoParams;

use super::query_params::parse_number_up_to;
use crate::error::ApiError;
use crate::state::ServiceState;

/// The maximum number of keys that a request may name.
const MAX_KEY_IDS: usize = 500;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct RotationDaysQuery {
    /// The rotation period in days. A key older than this needs attention.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 3650, default = 90)]
    rotation_days: Option<String>,
}

impl RotationDaysQuery {
    fn parse(query: Result<Query<Self>, QueryRejection>, now: Timestamp) -> Result<AttentionThresholds, ApiError> {
        let query = query.map_err(|_| ApiError::Invalid("query: rotationDays may occur only once".to_owned()))?;
        parse_attention_thresholds(query.rotation_days.as_deref(), now).map_err(ApiError::Invalid)
    }
}

fn parse_attention_thresholds(rotation_days: Option<&str>, now: Timestamp) -> Result<AttentionThresholds, String> {
    let days =
        parse_number_up_to("rotationDays", rotation_days, DEFAULT_ROTATION_DAYS.into(), MAX_ROTATION_DAYS.into())?;
    Ok(AttentionThresholds::at(now, u32::try_from(days).unwrap_or(MAX_ROTATION_DAYS)))
}

/// Parses the key identifier in a path. A malformed identifier is treated like an unknown one.
pub(super) fn parse_key_id(path: Result<Path<String>, PathRejection>) -> Result<KeyId, ApiError> {
    path.ok().and_then(|Path(id)| KeyId::parse(&id)).ok_or(ApiError::NotFound)
}

/// Converts a record to the metadata of a key where no request names a rotation period, as in an event, whose
/// subscribers may use different ones. The default period decides whether the key needs attention.
pub(super) fn to_api_key(state: &ServiceState, record: KeyRecord) -> ApiKey {
    ApiKey::new(record, &AttentionThresholds::at(state.now(), DEFAULT_ROTATION_DAYS))
}

fn parse_name(body: &Value) -> Result<KeyName, String> {
    let name = body.get("name").ok_or("name: is required")?.as_str().ok_or("name: must be a text")?;
    KeyName::parse(name).map_err(|error| format!("name: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ulkeys_api::RenameKey;

    use super::*;
    use crate::testing::{KEY_FIELD_TEXTS, json_objects, leaks_input, proptest_config, text_contents};

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "name: is required",
        "name: must be a text",
        "name: must not be empty",
        "name: must have at most 64 characters, not ",
        "name: must not contain control characters",
        "name: must not contain an API key",
    ];

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_name_any_body_matches_the_model(body in json_objects(&["name", "scopes"], KEY_FIELD_TEXTS)) {
            let typed = serde_json::from_value::<RenameKey>(body.clone()).ok().filter(|_| body.is_object());
            match parse_name(&body) {
                Ok(name) => prop_assert_eq!(Some(name), typed.and_then(|body| KeyName::parse(&body.name).ok())),
                Err(error) => {
                    prop_assert!(typed.is_none_or(|body| KeyName::parse(&body.name).is_err()), "{error}");
                    prop_assert!(!leaks_input(&error, &text_contents(&body), ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
