//! `/api/api-keys`: create, rename and revoke. See [`super::key_list`] for reading.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use rand::rngs::SysRng;
use serde::Deserialize;
use serde_json::Value;
use ulkeys_domain::decision::Rejection;
use ulkeys_domain::wire::{ApiKey, CreateKey, CreatedKey, KeyEvent, RenameKey, RevealedSecret, RevokedKey};
use ulkeys_domain::{
    AttentionThresholds, CLOCK_TOLERANCE, DEFAULT_ROTATION_DAYS, KeyId, KeyName, KeyRecord, Scopes, Secret,
};
use utoipa::IntoParams;

use crate::auth::AuditOrigin;
use crate::body::JsonObject;
use crate::error::ApiError;
use crate::openapi::{BadBody, BadRequest, NoSpace, NotFound};
use crate::state::AppState;

/// Makes a key
///
/// This answer, and no other, holds its plaintext. Other fields of the body are ignored.
#[utoipa::path(
    post,
    path = "/api/api-keys",
    operation_id = "createKey",
    tag = "keys",
    request_body = CreateKey,
    responses((status = CREATED, description = "The key, this once with its plaintext.", body = CreatedKey), BadBody, NoSpace)
)]
pub(super) async fn create(
    State(state): State<AppState>,
    origin: AuditOrigin,
    JsonObject(body): JsonObject,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let (name, scopes, replaces) = read_new_key(&body).map_err(ApiError::Invalid)?;
    if let Some(replaced) = &replaces
        && state.store.get(replaced).await?.is_none()
    {
        return Err(ApiError::Invalid("replaces: there is no such key".to_owned()));
    }

    let secret = Secret::generate(&mut SysRng).map_err(|_| ApiError::NoRandomness)?;
    let id = KeyId::generate(&mut SysRng).map_err(|_| ApiError::NoRandomness)?;
    let record = KeyRecord { replaces, ..KeyRecord::new(id, name, secret.prefix(), scopes, state.now()) };
    if !state.store.insert(record.clone(), secret.hash(), origin.0).await? {
        return Err(Rejection::Revoked.into());
    }

    let info = describe(&state, record);
    state.publish(KeyEvent::Created(info.clone()));
    Ok((StatusCode::CREATED, Json(CreatedKey { info, key: RevealedSecret(secret) })))
}

/// Gives an active key another name
#[utoipa::path(
    patch,
    path = "/api/api-keys/{keyId}",
    operation_id = "renameKey",
    tag = "keys",
    params(("keyId" = KeyId, Path, description = "The key.")),
    request_body = RenameKey,
    responses((status = OK, description = "The key with its new name.", body = ApiKey), BadBody, NotFound, NoSpace)
)]
pub(super) async fn rename(
    State(state): State<AppState>,
    origin: AuditOrigin,
    key_id: Result<Path<String>, PathRejection>,
    JsonObject(body): JsonObject,
) -> Result<Json<ApiKey>, ApiError> {
    let key_id = read_key_id(key_id)?;
    let name = read_name(&body).map_err(ApiError::Invalid)?;
    let unsaved = state.usage.pending_times();
    let mut renamed = state.store.rename(&key_id, name, state.now(), origin.0).await?.ok_or(ApiError::NotFound)?;
    unsaved.overlay(&mut renamed, state.now().saturating_add(CLOCK_TOLERANCE));
    let key = describe(&state, renamed);
    state.publish(KeyEvent::Renamed(key.clone()));
    Ok(Json(key))
}

/// Revokes a key for good
///
/// Once this is answered, the key is refused. Revoking it again answers with the time of the first time.
#[utoipa::path(
    delete,
    path = "/api/api-keys/{keyId}",
    operation_id = "revokeKey",
    tag = "keys",
    params(("keyId" = KeyId, Path, description = "The key.")),
    responses((status = OK, description = "The key is revoked.", body = RevokedKey), NotFound, NoSpace)
)]
pub(super) async fn revoke(
    State(state): State<AppState>,
    origin: AuditOrigin,
    key_id: Result<Path<String>, PathRejection>,
) -> Result<Json<RevokedKey>, ApiError> {
    revoke_key(&state, read_key_id(key_id)?, origin).await
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct RevokeQuery {
    /// The key.
    #[param(value_type = KeyId, required = true)]
    key_id: Option<String>,
}

/// Revokes a key for good, in the form that the published client uses
#[utoipa::path(
    delete,
    path = "/api/api-keys",
    operation_id = "revokeKeyByQuery",
    tag = "keys",
    params(RevokeQuery),
    responses((status = OK, description = "The key is revoked.", body = RevokedKey), BadRequest, NotFound, NoSpace)
)]
pub(super) async fn revoke_by_query(
    State(state): State<AppState>,
    origin: AuditOrigin,
    query: Result<Query<RevokeQuery>, QueryRejection>,
) -> Result<Json<RevokedKey>, ApiError> {
    let query = query.map_err(|_| ApiError::Invalid("keyId: must be given once, as a text".to_owned()))?;
    let key_id = query.key_id.as_deref().ok_or_else(|| ApiError::Invalid("keyId: is required".to_owned()))?;
    revoke_key(&state, KeyId::parse(key_id).ok_or(ApiError::NotFound)?, origin).await
}

/// The key that a path names. What cannot be an identifier is one that does not exist.
pub(super) fn read_key_id(path: Result<Path<String>, PathRejection>) -> Result<KeyId, ApiError> {
    path.ok().and_then(|Path(id)| KeyId::parse(&id)).ok_or(ApiError::NotFound)
}

async fn revoke_key(state: &AppState, key_id: KeyId, origin: AuditOrigin) -> Result<Json<RevokedKey>, ApiError> {
    let revocation = state.store.revoke(&key_id, state.now(), origin.0).await?.ok_or(ApiError::NotFound)?;
    let revoked = RevokedKey { key_id, revoked_at: revocation.at };
    if revocation.is_new {
        state.publish(KeyEvent::Revoked(revoked.clone()));
    }
    Ok(Json(revoked))
}

/// The metadata of a key, judged by the usual rotation period.
pub(super) fn describe(state: &AppState, record: KeyRecord) -> ApiKey {
    ApiKey::new(record, &AttentionThresholds::at(state.now(), DEFAULT_ROTATION_DAYS))
}

/// Reads `{name, scopes, replaces?}`. Further fields are ignored. Messages name the field and never repeat its content, which
/// may be a secret put in the wrong place.
fn read_new_key(body: &Value) -> Result<(KeyName, Scopes, Option<KeyId>), String> {
    let name = read_name(body)?;
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

fn read_name(body: &Value) -> Result<KeyName, String> {
    let name = body.get("name").ok_or("name: is required")?.as_str().ok_or("name: must be a text")?;
    KeyName::parse(name).map_err(|error| format!("name: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{KEY, contents, leaks_input, objects, proptest_config};

    const WORDS: &[&str] = &[
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
    const TEXTS: &[&str] =
        &["training-server", "read", "training", "models", "admin", " padded ", "", "\u{202e}x", KEY, ID];
    const ID: &str = "key_0123456789abcdef01234567";

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn nothing_but_a_name_and_scopes_makes_a_key(body in objects(&["name", "scopes", "replaces", "key"], TEXTS)) {
            let typed = serde_json::from_value::<CreateKey>(body.clone()).ok().filter(|_| body.is_object());
            let expected = typed.and_then(|body| {
                let scopes = Scopes::parse(body.scopes.iter().map(String::as_str)).ok()?;
                Some((KeyName::parse(&body.name).ok()?, scopes, body.replaces))
            });
            match read_new_key(&body) {
                Ok(new) => prop_assert_eq!(Some(new), expected),
                Err(error) => {
                    prop_assert_eq!(expected, None, "{}", error);
                    prop_assert!(!leaks_input(&error, &contents(&body), WORDS), "{error}");
                }
            }
        }

        #[test]
        fn nothing_but_a_name_renames_a_key(body in objects(&["name", "scopes"], TEXTS)) {
            let typed = serde_json::from_value::<RenameKey>(body.clone()).ok().filter(|_| body.is_object());
            match read_name(&body) {
                Ok(name) => prop_assert_eq!(Some(name), typed.and_then(|body| KeyName::parse(&body.name).ok())),
                Err(error) => {
                    prop_assert!(typed.is_none_or(|body| KeyName::parse(&body.name).is_err()), "{error}");
                    prop_assert!(!leaks_input(&error, &contents(&body), WORDS), "{error}");
                }
            }
        }
    }
}
