//! `POST /oauth2/introspect`: token introspection (RFC 7662), so that any resource server's library can check keys.
//!
//! The caller proves who it is with a credential of its own: the app's session, or a key with `admin` or `read`, the scopes
//! that may also list keys; as a bearer token, or as HTTP Basic (RFC 7617) with the key's identifier and the key, which is
//! what such libraries call client id and client secret.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode;
use ulkeys_domain::verdict::{Outcome, Refusal};
use ulkeys_domain::wire::Introspection;
use ulkeys_domain::{Category, KeyId, Scope, Secret};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::agent;
use crate::auth::{Asker, Basic, Credential, Need, Peer, decide, read_basic, read_credential};
use crate::body::Raw;
use crate::error::{ApiError, limit_headers};
use crate::openapi::{BadBody, Refused};
use crate::session::SessionToken;
use crate::state::AppState;
use crate::uses::Source;

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
    mut request: Request,
) -> Result<Response, ApiError> {
    let from = Source { peer, agent: agent::of(&headers) };
    let credential = read_caller(&headers, &state.config.session);
    let caller = decide(&state, credential, Need::AnyOf(MAY_ASK, Category::Introspection), from, state.now()).await?;
    // Nobody's body is waited for before it is known whose it is.
    request.extensions_mut().insert(Asker { peer, caller: Some(caller.caller), run_use: None });
    let Raw(body): Raw = Raw::from_request(request, &state).await?;
    let token = read_token(&headers, &body).map_err(|why| ApiError::Invalid(why.to_owned()))?;
    let mut response = Json(look_up(&state, &token, from).await?).into_response();
    if let Some(standing) = caller.standing {
        limit_headers(response.headers_mut(), standing, state.now());
    }
    Ok(response)
}

/// What is known about a token. Everything but an active key looks the same (RFC 7662, section 2.2).
async fn look_up(state: &AppState, token: &[u8], from: Source<'_>) -> Result<Introspection, ApiError> {
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
    state.uses.accepted(&key.id, from, state.now(), false);
    Ok(Introspection::active(&key, &state.config.account.username))
}

/// A bearer token; or HTTP Basic with a key and, before it, the identifier that it must have.
fn read_caller(headers: &HeaderMap, session: &SessionToken) -> Result<Credential, Refusal> {
    let Some(Basic { user, password }) = headers.get(AUTHORIZATION).and_then(read_basic) else {
        return read_credential(headers, session);
    };
    if headers.len() > 1 && headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(Refusal::Malformed);
    }
    // OAuth clients percent-encode both parts first (RFC 6749, section 2.3.1); ours have nothing to encode.
    let id = percent_decode(&user).decode_utf8().map_err(|_| Refusal::Malformed)?;
    let id = KeyId::parse(&id).ok_or(Refusal::Malformed)?;
    let secret = Secret::parse(&password).map_err(|_| Refusal::Malformed)?;
    Ok(Credential::Named(id, secret))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;
    use crate::testing::{
        KEY, KEY_ID, around, around_value, base64, cases, form, headers, is_key, is_key_id, repeats, unescaped,
    };

    const WORDS: &[&str] = &[
        "Content-Type: must be application/x-www-form-urlencoded",
        "token: is required",
        "token: was sent more than once",
    ];

    fn kinds() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => Just("application/x-www-form-urlencoded".to_owned()),
            1 => Just("APPLICATION/x-www-form-urlencoded ; charset=utf-8".to_owned()),
            1 => "application/json|[ -~]{0,40}",
        ]
    }

    fn forms() -> impl Strategy<Value = Vec<u8>> {
        const PAIRS: &str = "(token=[!-~]{0,20}|to%6ben=a%00b|token_type_hint=x|token|[ -~é]{0,12}|)\
            (&(token=|token_type_hint=y|&|=))?";
        prop_oneof![PAIRS.prop_map(String::into_bytes), around(&format!("token={KEY}&token_type_hint=access_token")),]
    }

    fn basic() -> impl Strategy<Value = axum::http::HeaderValue> {
        let valid = BASE64_STANDARD.encode(format!("{KEY_ID}:{KEY}"));
        let inner =
            prop_oneof![around(&format!("{KEY_ID}:{KEY}")), around(&format!("key%5F0123456789abcdef01234567:{KEY}"))];
        let encoded = ("Basic |BASIC |basic  ?|Bearer |Basic", inner)
            .prop_map(|(scheme, inner)| format!("{scheme}{}", BASE64_STANDARD.encode(inner)).parse().expect("a value"));
        prop_oneof![encoded, around_value(&format!("basic {valid}"))]
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn nothing_but_an_identifier_and_a_key_is_a_client(value in basic()) {
            let session = SessionToken::generate(&mut StdRng::seed_from_u64(1)).expect("infallible");
            let bytes = value.as_bytes();
            let scheme = bytes.get(..6).unwrap_or_default().to_ascii_lowercase();
            let decoded = base64(bytes.get(6..).unwrap_or_default()).unwrap_or_default();
            let mut parts = decoded.splitn(2, |byte| *byte == b':');
            let id = unescaped(parts.next().unwrap_or_default());
            let secret = parts.next().unwrap_or_default();
            let is_client = scheme == b"basic " && is_key_id(&id) && is_key(secret);
            match read_caller(&headers("authorization", [&value]), &session) {
                Ok(Credential::Named(named, key)) => {
                    prop_assert!(is_client && key.expose().as_bytes() == secret && named.as_str().as_bytes() == id);
                }
                Ok(Credential::Key(_)) => prop_assert!(scheme != b"basic " && is_key(&bytes[7..])),
                Ok(Credential::Session) => prop_assert!(false, "nobody knows the session"),
                Err(refusal) => prop_assert!(!is_client && refusal == Refusal::Malformed),
            }
        }

        #[test]
        fn nothing_but_one_token_of_a_form_is_read(kind in kinds(), body in forms()) {
            let main = kind.to_lowercase().split(';').next().map(|main| main.trim().to_owned());
            let is_form = main.as_deref() == Some("application/x-www-form-urlencoded");
            let tokens = form(&body).into_iter().filter(|(name, _)| name == "token").map(|(_, value)| value);
            let tokens: Vec<_> = tokens.collect();
            let read = read_token(&headers("content-type", [&kind.parse().expect("a value")]), &body);
            match read {
                Ok(token) => prop_assert!(is_form && tokens.len() == 1 && tokens[0].as_bytes() == token.as_slice()),
                Err(error) => {
                    prop_assert!(!is_form || tokens.len() != 1, "{error}");
                    prop_assert!(!repeats(error, &body, WORDS) && !repeats(error, kind.as_bytes(), WORDS), "{error}");
                }
            }
        }
    }
}
