//! `POST /oauth2/introspect`: token introspection (RFC 7662), so that any resource server's library can check keys.
//!
//! The caller proves who it is with a credential of its own: the app's session, or a key with `admin` or `read`, the scopes
//! that may also list keys; as a bearer token, or as HTTP Basic (RFC 7617) with the key's identifier and the key, which is
//! what such libraries call client id and client secret.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode;
use ulkeys_domain::verdict::{Outcome, Refusal};
use ulkeys_domain::wire::Introspection;
use ulkeys_domain::{Category, KeyId, Scope, Secret};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::agent;
use crate::auth::{Caller, Credential, Need, Peer, decide, only, read_credential};
use crate::body::Raw;
use crate::error::{ApiError, limit_headers};
use crate::openapi::{BadBody, Refused};
use crate::session::SessionToken;
use crate::state::AppState;
use crate::uses::From;

const MAY_ASK: &[Scope] = &[Scope::Read, Scope::Admin];

/// The form of [`introspect`].
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what read_token reads")]
struct IntrospectionForm {
    /// What may be a key.
    token: String,
    /// May be there and changes nothing, as any other field.
    token_type_hint: Option<String>,
}

/// Is this token a key that is accepted now? (RFC 7662)
///
/// Everything but an active key is answered alike. The caller needs a credential of its own.
#[utoipa::path(
    post,
    path = "/oauth2/introspect",
    operation_id = "introspect",
    tag = "gateways",
    security(("key" = ["read"]), ("key" = ["admin"]), ("client" = []), ("session" = [])),
    request_body(content = IntrospectionForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = OK, description = "What is known of the token.", body = Introspection), BadBody, Refused)
)]
pub(super) async fn introspect(
    State(state): State<AppState>,
    Peer(peer): Peer,
    headers: HeaderMap,
    body: Result<Raw, ApiError>,
) -> Result<Response, ApiError> {
    let from = From { peer, agent: agent::of(&headers) };
    let (credential, named) = match read_caller(&headers, &state.config.session) {
        Ok((credential, named)) => (Ok(credential), named),
        Err(refusal) => (Err(refusal), None),
    };
    let caller = decide(&state, credential, Need::AnyOf(MAY_ASK, Category::Introspection), from).await?;
    if let (Some(named), Caller::Key { key, .. }) = (named, &caller.caller)
        && named != key.id
    {
        return Err(Refusal::Unknown.into());
    }
    let Raw(body) = body?;
    let token = read_token(&headers, &body).map_err(|why| ApiError::Invalid(why.to_owned()))?;
    let mut response = Json(look_up(&state, &token, from).await?).into_response();
    if let Some(standing) = caller.standing {
        limit_headers(response.headers_mut(), standing, state.now());
    }
    Ok(response)
}

/// What is known about a token. Everything but an active key looks the same (RFC 7662, section 2.2).
async fn look_up(state: &AppState, token: &[u8], from: From<'_>) -> Result<Introspection, ApiError> {
    let Ok(secret) = Secret::parse(token) else {
        return Ok(Introspection::inactive());
    };
    let Some(key) = state.store.find_by_hash(&secret.hash()).await? else {
        return Ok(Introspection::inactive());
    };
    if key.revoked_at.is_some() {
        state.uses.refused(Some(&key.id), Outcome::Revoked, from, state.now());
        return Ok(Introspection::inactive());
    }
    // Somebody accepts it now, on our word.
    state.uses.accepted(&key.id, from, state.now());
    Ok(Introspection::active(&key, &state.config.account.username))
}

/// A bearer token; or HTTP Basic with a key and, before it, the identifier that it must have.
fn read_caller(headers: &HeaderMap, session: &SessionToken) -> Result<(Credential, Option<KeyId>), Refusal> {
    let value = only(headers)?.as_bytes();
    let Some(encoded) = value.split_at_checked(6).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Basic ")) else {
        return read_credential(headers, session).map(|credential| (credential, None));
    };
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(encoded.1).map_err(|_| Refusal::Malformed)?);
    let colon = decoded.iter().position(|byte| *byte == b':').ok_or(Refusal::Malformed)?;
    // OAuth clients percent-encode both parts first (RFC 6749, section 2.3.1); ours have nothing to encode.
    let (id, secret) = (&decoded[..colon], &decoded[colon + 1..]);
    let id = percent_decode(id).decode_utf8().map_err(|_| Refusal::Malformed)?;
    let id = KeyId::parse(&id).ok_or(Refusal::Malformed)?;
    let secret = Secret::parse(secret).map_err(|_| Refusal::Malformed)?;
    Ok((Credential::Key(secret), Some(id)))
}

/// The `token` of a form. Other fields, such as `token_type_hint`, may be there and change nothing.
fn read_token(headers: &HeaderMap, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err("Content-Type: must be application/x-www-form-urlencoded");
    }
    let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "token").map(|(_, value)| value);
    let token = Zeroizing::new(tokens.next().ok_or("token: is required")?.into_owned().into_bytes());
    if tokens.next().is_some() {
        return Err("token: was sent more than once");
    }
    Ok(token)
}
