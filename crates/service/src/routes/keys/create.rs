//! `POST /api/api-keys`: creates a key and returns its plaintext, which is never returned again.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use rand::rngs::SysRng;
use serde_json::Value;
use ulkeys_api::{ApiKey, CreateKey, CreatedKey, KeyEvent, RevealedSecret};
use ulkeys_domain::{KeyId, KeyName, KeyRecord, Scopes, Secret};

use super::{RotationDaysQuery, parse_name, to_api_key};
use crate::body::JsonObject;
use crate::error::ApiError;
use crate::openapi::{BodyErrors, InsufficientStorage};
use crate::request_context::RequestAuditContext;
use crate::state::ServiceState;

/// Creates a key
///
/// Only this response contains the plaintext of the key. Unknown fields of the request body are ignored.
#[utoipa::path(
    post,
    path = "/api/api-keys",
    operation_id = "createKey",
    tag = "keys",
    params(RotationDaysQuery),
    request_body = CreateKey,
    responses((status = CREATED, description = "The new key with its plaintext, which is returned only this once.", body = CreatedKey), BodyErrors, InsufficientStorage)
)]
pub(crate) async fn create(
    State(state): State<Arc<ServiceState>>,
    audit_context: RequestAuditContext,
    query: Result<Query<RotationDaysQuery>, QueryRejection>,
    JsonObject(body): JsonObject,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let thresholds = RotationDaysQuery::parse(query, state.now())?;
    let (name, scopes, replaces) = parse_new_key(&body).map_err(ApiError::Invalid)?;
    if let Some(replaced) = &replaces
        && state.account.get_key(replaced).await?.is_none()
    {
        return Err(ApiError::Invalid("replaces: there is no such key".to_owned()));
    }

    let secret = Secret::generate(&mut SysRng).map_err(|_| ApiError::NoRandomness)?;
    let id = KeyId::generate(&mut SysRng).map_err(|_| ApiError::NoRandomness)?;
    let record = KeyRecord { replaces, ..KeyRecord::new(id, name, secret.prefix(), scopes, state.now()) };
    let (account, new) = (state.account.clone(), record.clone());
    let hash = secret.hash();
    state.commit(async move { account.insert(new, hash, audit_context.0).await }).await?;

    state.publish(KeyEvent::Created(to_api_key(&state, record.clone())));
    let info = ApiKey::new(record, &thresholds);
    Ok((StatusCode::CREATED, Json(CreatedKey { info, key: RevealedSecret(secret) })))
}

/// Parses `{name, scopes, replaces?}`. Unknown fields are ignored. Error messages name the field and never repeat its
/// content, which may be a misplaced secret.
fn parse_new_key(body: &Value) -> Result<(KeyName, Scopes, Option<KeyId>), String> {
    let name = parse_name(body)?;
    let scopes = body.get("scopes").ok_or("scopes: at least one is needed")?;
    let scopes = scopes.as_array().ok_or("scopes: must be a list")?;
    let scopes: Vec<_> =
        scopes.iter().map(Value::as_str).collect::<Option<_>>().ok_or("scopes: must be a list of texts")?;
    let scopes = Scopes::parse(scopes).map_err(|error| format!("scopes: {error}"))?;
    let replaces = match body.get("replaces") {
        None | Some(Value::Null) => None,
        Some(id) => Some(id.as_str().and_then(KeyId::parse).ok_or("replaces: is not a key's id")?),
    };
    Ok((name, scopes, replaces))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{KEY_FIELD_TEXTS, json_objects, leaks_input, proptest_config, text_contents};

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "name: is required",
        "name: must be a text",
        "name: must not be empty",
        "name: must have at most 64 characters, not ",
        "name: must not contain control characters",
        "name: must not contain an API key",
        "scopes: at least one is needed",
        "scopes: must be a list of texts",
        "scopes: entry ",
        "replaces: is not a key's id",
        " is not one of training, models, datasets, read, write, admin",
    ];

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_new_key_any_body_matches_the_model(body in json_objects(&["name", "scopes", "replaces", "key"], KEY_FIELD_TEXTS)) {
            let typed = serde_json::from_value::<CreateKey>(body.clone()).ok().filter(|_| body.is_object());
            let expected = typed.and_then(|body| {
                let scopes = Scopes::parse(body.scopes.iter().map(String::as_str)).ok()?;
                Some((KeyName::parse(&body.name).ok()?, scopes, body.replaces))
            });
            match parse_new_key(&body) {
                Ok(new) => prop_assert_eq!(Some(new), expected),
                Err(error) => {
                    prop_assert_eq!(expected, None, "{}", error);
                    prop_assert!(!leaks_input(&error, &text_contents(&body), ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
