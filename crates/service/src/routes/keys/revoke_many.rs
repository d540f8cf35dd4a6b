//! `POST /api/api-keys/revoke`: revokes many keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use ulkeys_api::{KeyEvent, KeyRevocation, KeyRevocations, RevocationOutcome, RevokeKeys, RevokedKey};
use ulkeys_domain::KeyId;

use super::MAX_KEY_IDS;
use crate::body::JsonObject;
use crate::error::ApiError;
use crate::openapi::{BodyErrors, InsufficientStorage};
use crate::request_context::RequestAuditContext;
use crate::state::ServiceState;

/// Revokes many keys permanently
///
/// Each key is revoked on its own; an unknown key does not prevent the revocation of the others. Once this response is
/// sent, every key whose outcome is `revoked` is rejected. If the request fails before any key is revoked, the response
/// is an error. If it fails later, the remaining keys have the outcome `failed`. Repeating the request is safe. The key
/// that sends the request is revoked last.
#[utoipa::path(
    post,
    path = "/api/api-keys/revoke",
    operation_id = "revokeKeys",
    tag = "keys",
    request_body = RevokeKeys,
    responses((status = OK, description = "The outcome for each key, in the order of the request.", body = KeyRevocations), BodyErrors, InsufficientStorage)
)]
pub(crate) async fn revoke_many(
    State(state): State<Arc<ServiceState>>,
    RequestAuditContext(audit): RequestAuditContext,
    JsonObject(body): JsonObject,
) -> Result<Json<KeyRevocations>, ApiError> {
    let ids = parse_key_ids(&body).map_err(ApiError::Invalid)?;
    let actor = audit.actor.key_id().copied();
    let mut results: Vec<_> = ids.iter().map(|id| failed(*id)).collect();
    // The store accepts no change from a key that is revoked, so the actor's own key comes last.
    let (own, others): (Vec<_>, Vec<_>) = (0..ids.len()).partition(|index| actor == Some(ids[*index]));
    let mut has_revoked = false;
    for index in others.into_iter().chain(own.into_iter().take(1)) {
        let key_id = ids[index];
        let (account, now, audit) = (state.account.clone(), state.now(), audit.clone());
        let outcome = match state.commit(async move { account.revoke(&key_id, now, audit).await }).await {
            Ok(revocation) => {
                has_revoked = true;
                if revocation.is_new {
                    state.publish(KeyEvent::Revoked(RevokedKey { key_id, revoked_at: revocation.at }));
                }
                (RevocationOutcome::Revoked, Some(revocation.at))
            }
            Err(ApiError::NotFound) => (RevocationOutcome::NotFound, None),
            Err(error) if !has_revoked => return Err(error),
            Err(_) => break,
        };
        for result in results.iter_mut().filter(|result| result.key_id == key_id) {
            (result.outcome, result.revoked_at) = outcome;
        }
    }
    Ok(Json(KeyRevocations { keys: results }))
}

fn failed(key_id: KeyId) -> KeyRevocation {
    KeyRevocation { key_id, outcome: RevocationOutcome::Failed, revoked_at: None }
}

/// Parses `{keyIds}`. Error messages name the position of an entry and never repeat it.
fn parse_key_ids(body: &Value) -> Result<Vec<KeyId>, String> {
    let ids = body.get("keyIds").ok_or("keyIds: is required")?.as_array().ok_or("keyIds: must be a list")?;
    if !(1..=MAX_KEY_IDS).contains(&ids.len()) {
        return Err(format!("keyIds: must have 1 to {MAX_KEY_IDS} entries"));
    }
    let parse = |(number, id): (usize, &Value)| {
        id.as_str().and_then(KeyId::parse).ok_or_else(|| format!("keyIds: entry {number} is not a key's id"))
    };
    (1..).zip(ids).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{KEY_FIELD_TEXTS, json_objects, leaks_input, proptest_config, text_contents};

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "keyIds: is required",
        "keyIds: must be a list",
        "keyIds: must have 1 to 500 entries",
        "keyIds: entry ",
        " is not a key's id",
    ];

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_key_ids_any_body_matches_the_model(body in json_objects(&["keyIds", "keyId"], KEY_FIELD_TEXTS)) {
            let typed = serde_json::from_value::<RevokeKeys>(body.clone()).ok();
            let expected = typed.map(|body| body.key_ids).filter(|ids| (1..=500).contains(&ids.len()));
            match parse_key_ids(&body) {
                Ok(ids) => prop_assert_eq!(Some(ids), expected),
                Err(error) => {
                    prop_assert_eq!(expected, None, "{}", error);
                    prop_assert!(!leaks_input(&error, &text_contents(&body), ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
