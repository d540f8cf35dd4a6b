//! `POST /oauth2/introspect`: token introspection (RFC 7662), so that resource servers can check keys with any standard
//! library.
//!
//! The caller authenticates with its own credential: the app's session, or a key with the `admin` or `read` scope
//! (these scopes also permit listing keys). The caller sends it as a bearer token (RFC 6750), or as an OAuth client id
//! and client secret (the identifier of a key, and the key), either with HTTP Basic or in the form body (RFC 6749,
//! section 2.3.1).
//!
//! Error responses follow RFC 6749, section 5.2, because client libraries expect one of its error codes in `error`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode;
use serde::Serialize;
use ulkeys_api::{ErrorCode, Introspection};
use ulkeys_domain::decision::Rejection;
use ulkeys_domain::{KeyId, RateLimitClass, Scope, Secret};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::authn::{
    BasicCredentials, Credential, X_API_KEY, has_credential, has_non_empty_header, parse_basic, read_credential,
    single_header_value,
};
use crate::authz::{RequiredAccess, authorize};
use crate::body::{LimitedBytes, read_body};
use crate::caller::Caller;
use crate::error::{ApiError, insert_rate_limit_headers};
use crate::openapi::{AuthErrors, BodyErrors};
use crate::pending_usage::ClientAddress;
use crate::request_context::{PeerAddress, RequestContext};
use crate::session::SessionToken;
use crate::state::ServiceState;
use crate::user_agent;

const CALLER_SCOPES: &[Scope] = &[Scope::Read, Scope::Admin];
/// The maximum size in bytes of a form that contains the caller's credential. A form with a long token from another
/// service still fits.
const MAX_UNKNOWN_CALLER_BODY_BYTES: usize = 8 * 1024;

/// The form of token introspection (RFC 7662, section 2.1). Unknown fields are ignored, and a field without a value
/// counts as omitted. No field may occur twice.
#[derive(ToSchema)]
#[expect(dead_code, reason = "used only for the OpenAPI document")]
struct IntrospectionForm {
    /// The token to check, which may be a key.
    token: String,
    /// Accepted but ignored.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// The identifier of the caller's key. Required with `client_secret`; otherwise, if present, it must match the
    /// credential in the header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The caller's key, for callers that send no credential in a header. A request with a credential in both places is
    /// rejected.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// An error as defined by RFC 6749, section 5.2, or RFC 6750, section 3.1.
#[derive(Serialize, ToSchema)]
struct OAuthError {
    error: OAuthErrorCode,
    /// A human-readable description of the error.
    error_description: String,
    /// The error code that this service uses in all its error responses.
    code: ErrorCode,
}

#[derive(Serialize, ToSchema)]
enum OAuthErrorCode {
    /// A field is invalid. The description names the field and never repeats its content.
    #[serde(rename = "invalid_request")]
    Request,
    /// The client's identifier and secret are not accepted, or there is no credential.
    #[serde(rename = "invalid_client")]
    Client,
    /// The caller's bearer token is not accepted.
    #[serde(rename = "invalid_token")]
    Token,
    /// The caller's key has none of the required scopes (status 403). The OpenAPI document describes 403 with the
    /// shared schema, which has no `error_description`, because the rejection of a web page's request has the same
    /// status and no such field.
    #[serde(rename = "insufficient_scope")]
    Scope,
}

/// Checks whether a token is an active key (RFC 7662)
///
/// The response is the same for every token that is not an active key. The caller needs its own credential: a bearer
/// token, or a key's identifier as the client id and the key as the client secret, sent with HTTP Basic or in the form
/// body.
#[utoipa::path(
    post,
    path = "/oauth2/introspect",
    operation_id = "introspect",
    tag = "gateways",
    security(("key" = ["read"]), ("key" = ["admin"]), ("client" = []), ("session" = []), ()),
    request_body(content = IntrospectionForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = OK, description = "The state of the token.", body = Introspection),
        BodyErrors,
        AuthErrors,
        (status = BAD_REQUEST, description = "A field is invalid, or there are two credentials.", body = OAuthError),
        (status = UNAUTHORIZED, description = "There is no credential, or it is not accepted.", body = OAuthError, headers(
            ("WWW-Authenticate" = String, description = "The challenge (RFC 6749, section 5.2, and RFC 6750, section 3)."),
        ))
    )
)]
pub(super) async fn introspect(
    State(state): State<Arc<ServiceState>>,
    PeerAddress(peer): PeerAddress,
    mut request: Request,
) -> Result<Response, IntrospectionError> {
    let headers = std::mem::take(request.headers_mut());
    let is_basic = headers.get_all(AUTHORIZATION).iter().any(|value| parse_basic(value).is_some());
    let is_bearer = has_credential(&headers) && !is_basic;
    authorize_and_introspect(&state, peer, &headers, request)
        .await
        .map_err(|error| IntrospectionError { error, is_bearer })
}

async fn authorize_and_introspect(
    state: &Arc<ServiceState>,
    peer: std::net::IpAddr,
    headers: &HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let from = ClientAddress { peer, user_agent: user_agent::from_headers(headers) };
    let required = RequiredAccess::AnyOf(CALLER_SCOPES, RateLimitClass::Introspection);
    let invalid = |why: &str| ApiError::Invalid(why.to_owned());
    let (caller, form) = if has_credential(headers) {
        let credential = read_caller_credential(headers, &state.config.session).map_err(invalid)?;
        let caller = authorize(state, credential, &required, from, state.clock.now())?;
        // Authorize the caller before its body is read, so that an unauthorized client cannot make the service wait for
        // a body.
        let context = RequestContext { peer, caller: Some(caller.caller.clone()), run_usage: None };
        let LimitedBytes(body): LimitedBytes = context.scope(LimitedBytes::from_request(request, state)).await?;
        let form = parse_form(headers, &body).map_err(invalid)?;
        form.check_against_header_caller(&caller.caller).map_err(invalid)?;
        (caller, form)
    } else if has_form_content_type(headers) {
        // This body must be read before authorization because it contains the credential, so its size and time are
        // limited more strictly.
        let body =
            read_body(request, state, MAX_UNKNOWN_CALLER_BODY_BYTES, state.config.timing.unknown_caller_body_timeout)
                .await?;
        let form = parse_form(headers, &body).map_err(invalid)?;
        let credential = form.client_credential().map_err(invalid)?;
        (authorize(state, credential, &required, from, state.clock.now())?, form)
    } else {
        authorize(state, Err(Rejection::NoCredential), &required, from, state.clock.now())?;
        return Err(Rejection::NoCredential.into());
    };
    let token = form.token.ok_or_else(|| invalid("token: is required"))?;
    let mut response = Json(introspect_token(state, token.as_bytes(), from)).into_response();
    if let Some(limit_status) = caller.limit_status {
        insert_rate_limit_headers(response.headers_mut(), limit_status, state.now());
    }
    Ok(response)
}

/// An error, and whether the caller sent a bearer token. Both determine which challenges the response contains.
pub(super) struct IntrospectionError {
    error: ApiError,
    is_bearer: bool,
}

impl IntoResponse for IntrospectionError {
    fn into_response(self) -> Response {
        match self.error {
            ApiError::Invalid(why) => {
                oauth_error(StatusCode::BAD_REQUEST, OAuthErrorCode::Request, why, ErrorCode::ValidationError)
            }
            ApiError::Rejected(
                rejection @ (Rejection::NoCredential | Rejection::Malformed | Rejection::Unknown | Rejection::Revoked),
            ) => {
                let challenges = ApiError::Rejected(rejection).into_response().headers_mut().remove(WWW_AUTHENTICATE);
                let error = if self.is_bearer { OAuthErrorCode::Token } else { OAuthErrorCode::Client };
                let text = "Invalid API key".to_owned();
                let mut response = oauth_error(StatusCode::UNAUTHORIZED, error, text, ErrorCode::Unauthorized);
                let answer = response.headers_mut();
                // The response names the authentication scheme that the client used (RFC 6749, section 5.2), or both
                // schemes if the client used none.
                if !self.is_bearer {
                    answer.append(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="UL Keys""#));
                }
                if self.is_bearer || rejection == Rejection::NoCredential {
                    challenges.into_iter().for_each(|challenge| {
                        answer.append(WWW_AUTHENTICATE, challenge);
                    });
                }
                response
            }
            ApiError::Rejected(Rejection::Scope(needed)) => {
                let text = match needed {
                    None => "Permission denied for this operation".to_owned(),
                    Some(needed) => {
                        format!("Permission denied for this operation. The key needs one of the scopes: {needed}")
                    }
                };
                let challenge =
                    ApiError::Rejected(Rejection::Scope(needed)).into_response().headers_mut().remove(WWW_AUTHENTICATE);
                let mut response =
                    oauth_error(StatusCode::FORBIDDEN, OAuthErrorCode::Scope, text, ErrorCode::Forbidden);
                // Only bearer clients get a challenge: HTTP Basic cannot name a scope (RFC 7617), and a Bearer
                // challenge would make a Basic client switch to another scheme.
                if self.is_bearer {
                    challenge.into_iter().for_each(|challenge| {
                        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                    });
                }
                response
            }
            other => other.into_response(),
        }
    }
}

fn oauth_error(status: StatusCode, error: OAuthErrorCode, text: String, code: ErrorCode) -> Response {
    (status, Json(OAuthError { error, error_description: text, code })).into_response()
}

/// Returns the state of a token. The response is the same for every token that is not an active key (RFC 7662, section
/// 2.2).
fn introspect_token(state: &ServiceState, token: &[u8], from: ClientAddress<'_>) -> Introspection {
    let secret = Secret::parse(token).ok();
    let Some(key) = secret.and_then(|secret| state.index.get(&secret.hash())) else {
        return Introspection::inactive();
    };
    let is_active = key.lock().check_active();
    match is_active {
        Ok(()) => {
            // The resource server accepts the key because of this response, so the key is recorded as used.
            state.usage.record_accepted(&key, from, state.now(), false);
            Introspection::active(&key.info(), &state.config.account.username)
        }
        Err(rejection) => {
            state.usage.record_rejected(Some(&key), rejection.decision(), from, state.now());
            Introspection::inactive()
        }
    }
}

/// Reads the caller's credential from the headers: a bearer token, a key in `X-API-Key`, or HTTP Basic with a key's
/// identifier as the user name and the key as the password.
///
/// # Errors
/// Returns an error if the request has both `Authorization` and `X-API-Key`.
fn read_caller_credential(
    headers: &HeaderMap,
    session: &SessionToken,
) -> Result<Result<Credential, Rejection>, &'static str> {
    if has_non_empty_header(headers, AUTHORIZATION) && has_non_empty_header(headers, X_API_KEY) {
        return Err("Authorization and X-API-Key: only one of them may be sent");
    }
    let client = match single_header_value(headers, AUTHORIZATION) {
        Ok(value) => value.and_then(parse_basic),
        Err(rejection) => return Ok(Err(rejection)),
    };
    Ok(match client {
        Some(BasicCredentials { user, password }) => {
            parse_client_credential(&decode_form_value(&user), &decode_form_value(&password))
        }
        None => read_credential(headers, session),
    })
}

/// Decodes the user name or the password of HTTP Basic. Some clients form-encode both first (RFC 6749, section 2.3.1:
/// openid-client, oauth4webapi); others do not (Authlib, requests, Spring). Decoding is correct for both kinds of
/// clients, because form encoding does not change the characters of identifiers and keys. A `+` is not decoded to a
/// space, because identifiers and keys contain neither of these characters.
fn decode_form_value(part: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(percent_decode(part).collect())
}

/// Parses an OAuth client id and client secret: the identifier of a key, and the key.
fn parse_client_credential(id: &[u8], secret: &[u8]) -> Result<Credential, Rejection> {
    let id = std::str::from_utf8(id).ok().and_then(KeyId::parse).ok_or(Rejection::Malformed)?;
    Secret::parse(secret).map(|secret| Credential::KeyWithId(id, secret)).map_err(|_| Rejection::Malformed)
}

/// The fields of an introspection form.
#[derive(Default)]
struct IntrospectionParams {
    token: Option<Zeroizing<String>>,
    client_id: Option<Zeroizing<String>>,
    client_secret: Option<Zeroizing<String>>,
    /// Whether the form authenticates the client with an assertion (RFC 7521), which this service does not support.
    has_assertion: bool,
}

impl IntrospectionParams {
    /// Returns the client credential contained in the form body.
    ///
    /// # Errors
    /// Returns an error if the form contains a secret without an identifier, or a secret together with an assertion.
    fn client_credential(&self) -> Result<Result<Credential, Rejection>, &'static str> {
        match (&self.client_id, &self.client_secret) {
            (_, Some(_)) if self.has_assertion => Err("client_assertion: only one credential may be sent"),
            (None, Some(_)) => Err("client_id: is required together with client_secret"),
            (_, None) => Ok(Err(Rejection::NoCredential)),
            (Some(id), Some(secret)) => Ok(parse_client_credential(id.as_bytes(), secret.as_bytes())),
        }
    }

    /// Checks that the form contains no second credential in addition to the one in the header. If the form contains a
    /// client id, it must be the identifier of the caller's key. A client must use only one authentication method in a
    /// request (RFC 6749, section 2.3).
    fn check_against_header_caller(&self, caller: &Caller) -> Result<(), &'static str> {
        if self.client_secret.is_some() {
            return Err("client_secret: only one credential may be sent, in a header or in the body");
        }
        if self.has_assertion {
            return Err("client_assertion: only one credential may be sent");
        }
        match &self.client_id {
            Some(id) if caller.key_id().is_none_or(|key| key.as_str() != id.as_str()) => {
                Err("client_id: does not match the credential in the header")
            }
            _ => Ok(()),
        }
    }
}

fn has_form_content_type(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Parses a form. A field without a value counts as omitted, but no field may occur twice (RFC 6749, section 3.2). An
/// unknown field that occurs once is ignored.
fn parse_form(headers: &HeaderMap, body: &[u8]) -> Result<IntrospectionParams, &'static str> {
    if !has_form_content_type(headers) {
        return Err("Content-Type: must be application/x-www-form-urlencoded");
    }
    let mut form = IntrospectionParams::default();
    let mut names = BTreeSet::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Zeroizing::new(value.into_owned());
        // Error messages do not repeat the name of an unknown field, because it may be a misplaced secret.
        let (field, repeated) = match &*name {
            "token" => (Some(&mut form.token), "token: was sent more than once"),
            "token_type_hint" => (None, "token_type_hint: was sent more than once"),
            "client_id" => (Some(&mut form.client_id), "client_id: was sent more than once"),
            "client_secret" => (Some(&mut form.client_secret), "client_secret: was sent more than once"),
            "client_assertion" => (None, "client_assertion: was sent more than once"),
            "client_assertion_type" => (None, "client_assertion_type: was sent more than once"),
            _ => (None, "body: a field was sent more than once"),
        };
        if !value.is_empty() {
            form.has_assertion |= name == "client_assertion";
            if let Some(field) = field {
                *field = Some(value);
            }
        }
        if !names.insert(name) {
            return Err(repeated);
        }
    }
    Ok(form)
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
        self, SAMPLE_KEY, SAMPLE_KEY_ID, decode_base64, decode_percent, header_map, header_value_mutations_of, is_key,
        is_key_id, leaks_input, mutations_of, proptest_config,
    };

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "Content-Type: must be application/x-www-form-urlencoded",
        "token: was sent more than once",
        "client_id: was sent more than once",
        "client_secret: was sent more than once",
        "token_type_hint: was sent more than once",
        "client_assertion: was sent more than once",
        "client_assertion_type: was sent more than once",
        "body: a field was sent more than once",
        "client_assertion: only one credential may be sent",
        "client_id: is required together with client_secret",
    ];

    fn content_types() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => Just("application/x-www-form-urlencoded".to_owned()),
            1 => Just("APPLICATION/x-www-form-urlencoded ; charset=utf-8".to_owned()),
            1 => "application/json|[ -~]{0,40}",
        ]
    }

    fn form_bodies() -> impl Strategy<Value = Vec<u8>> {
        const FORM_PAIR_PATTERN: &str = "(token=[!-~]{0,20}|to%6ben=a%00b|token_type_hint=x|client_%69d=x|token|[ -~é]{0,12}|)\
            (&(token=|token_type_hint=y|client_secret=z|client_assertion=|&|=))?";
        let client = format!("token=x&client_id={SAMPLE_KEY_ID}&client_secret={}", SAMPLE_KEY.replace('_', "%5F"));
        prop_oneof![
            FORM_PAIR_PATTERN.prop_map(String::into_bytes),
            mutations_of(&format!("token={SAMPLE_KEY}&token_type_hint=access_token")),
            mutations_of(&client),
            mutations_of(&format!("{client}&client_assertion=a")),
        ]
    }

    fn basic_headers() -> impl Strategy<Value = HeaderValue> {
        let valid = BASE64_STANDARD.encode(format!("{SAMPLE_KEY_ID}:{SAMPLE_KEY}"));
        let inner = prop_oneof![
            mutations_of(&format!("{SAMPLE_KEY_ID}:{SAMPLE_KEY}")),
            mutations_of(&format!("{}:{}", SAMPLE_KEY_ID.replace('_', "%5F"), SAMPLE_KEY.replace('_', "%5F"))),
            mutations_of(&format!("{SAMPLE_KEY_ID}:%75l_{}", &SAMPLE_KEY[3..])),
            mutations_of(&format!("{SAMPLE_KEY_ID}:{SAMPLE_KEY}+")),
        ];
        let encoded = ("Basic |BASIC |basic  ?|Bearer |Basic", inner)
            .prop_map(|(scheme, inner)| format!("{scheme}{}", BASE64_STANDARD.encode(inner)).parse().expect("a value"));
        prop_oneof![encoded, header_value_mutations_of(&format!("basic {valid}"))]
    }

    /// Decodes a name or value of a form independently of the production code: `+` becomes a space, and `%` with two
    /// hexadecimal digits becomes a byte.
    fn decode_part(part: &[u8]) -> Vec<u8> {
        decode_percent(&part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<_>>())
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn read_caller_credential_any_header_matches_the_model(value in basic_headers()) {
            let session = SessionToken::generate(&mut StdRng::seed_from_u64(1)).expect("infallible");
            let bytes = value.as_bytes();
            let scheme = bytes.get(..6).unwrap_or_default().to_ascii_lowercase();
            let inner = decode_base64(bytes.get(6..).unwrap_or_default()).unwrap_or_default();
            let mut parts = inner.splitn(2, |byte| *byte == b':').map(decode_part);
            let (id, secret) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let is_client = scheme == b"basic " && is_key_id(&id) && is_key(&secret);
            match read_caller_credential(&header_map("authorization", [&value]), &session).expect("one header") {
                Ok(Credential::KeyWithId(named, key)) => {
                    prop_assert!(is_client && key.expose().as_bytes() == secret && named.as_str().as_bytes() == id);
                }
                Ok(Credential::Key(_)) => prop_assert!(scheme != b"basic " && is_key(&bytes[7..])),
                Ok(Credential::Session) => prop_assert!(false, "the generated headers never contain the session token"),
                Err(Rejection::NoCredential) => prop_assert!(value.is_empty()),
                Err(rejection) => prop_assert!(!is_client && rejection == Rejection::Malformed),
            }
        }

        #[test]
        fn parse_form_any_body_matches_the_model(kind in content_types(), body in form_bodies()) {
            let main = kind.to_lowercase().split(';').next().map(|main| main.trim().to_owned());
            let has_form_content_type = main.as_deref() == Some("application/x-www-form-urlencoded");
            let fields = testing::parse_form(&body);
            let of = |name: &str| {
                fields.iter().find(|(field, value)| field == name && !value.is_empty()).map(|(_, value)| value.as_str())
            };
            let names: BTreeSet<_> = fields.iter().map(|(name, _)| name).collect();
            let read = parse_form(&header_map("content-type", [&kind.parse().expect("a value")]), &body);
            let client = match read {
                Ok(form) => {
                    prop_assert!(has_form_content_type && names.len() == fields.len());
                    prop_assert_eq!(form.token.as_ref().map(|value| value.as_str()), of("token"));
                    form.client_credential()
                }
                Err(error) => {
                    prop_assert!(!has_form_content_type || names.len() < fields.len(), "{error}");
                    Err(error)
                }
            };
            let (id, secret) = (of("client_id"), of("client_secret"));
            match client {
                Ok(Ok(Credential::KeyWithId(named, key))) => {
                    prop_assert!(is_key_id(named.as_str().as_bytes()) && is_key(key.expose().as_bytes()));
                    prop_assert_eq!((Some(named.as_str()), Some(key.expose())), (id, secret));
                    prop_assert_eq!(of("client_assertion"), None);
                }
                Ok(Ok(_)) => prop_assert!(false, "a form contains a client's key with its identifier, or no credential"),
                Ok(Err(Rejection::NoCredential)) => prop_assert_eq!(secret, None),
                Ok(Err(rejection)) => {
                    prop_assert_eq!(rejection, Rejection::Malformed);
                    let is_client = is_key_id(id.unwrap_or_default().as_bytes())
                        && is_key(secret.unwrap_or_default().as_bytes());
                    prop_assert!(!is_client);
                }
                Err(error) => {
                    prop_assert!(!leaks_input(error, &body, ALLOWED_ERROR_WORDS) && !leaks_input(error, kind.as_bytes(), ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
