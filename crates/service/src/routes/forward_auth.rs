//! `/forward-auth`: decides for a gateway whether a request may pass to the application behind it.
//!
//! nginx (`auth_request`), Caddy (`forward_auth`) and Traefik (ForwardAuth) call this route for each request that they
//! receive. They send the headers of that request, and its method and target in additional headers. The response is 204
//! with the key's identity, or the rejection for the client. With `?scope=models` (or several scopes:
//! `?scope=models+write`) a key with one of the named scopes is accepted for any target with an unambiguous path;
//! without `scope`, the policy table decides, as for the platform's own paths. With `preflight=allow`, a CORS preflight
//! request passes without a key, because browsers do not send credentials in it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::ACCESS_CONTROL_REQUEST_METHOD;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use ulkeys_api::schema;
use ulkeys_domain::decision::Rejection;
use ulkeys_domain::{RateLimitClass, Scope, policy};
use utoipa::IntoParams;

use crate::authn::{Credential, has_credential, read_credential};
use crate::authz::{RequiredAccess, authorize};
use crate::caller::Caller;
use crate::error::{ApiError, insert_rate_limit_headers};
use crate::openapi::{AuthErrors, BadRequest};
use crate::pending_usage::ClientAddress;
use crate::request_context::PeerAddress;
use crate::state::ServiceState;
use crate::user_agent;

const KEY_ID_HEADER: HeaderName = HeaderName::from_static("x-key-id");
const KEY_NAME_HEADER: HeaderName = HeaderName::from_static("x-key-name");
const KEY_SCOPES_HEADER: HeaderName = HeaderName::from_static("x-key-scopes");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Characters of a key's name that are escaped in a header.
const HEADER_ESCAPE_SET: &AsciiSet = &CONTROLS.add(b'%').add(b'"').add(b'\\');

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "used only for the OpenAPI document")]
struct OriginalRequestHeaders {
    /// The method of the original request (nginx).
    #[param(rename = "X-Original-Method", nullable = false)]
    original_method: Option<String>,
    /// The target of the original request, exactly as in its request line (nginx).
    #[param(rename = "X-Original-URI", nullable = false, pattern = "^/")]
    original_uri: Option<String>,
    /// The method of the original request (Caddy, Traefik). If the `X-Original-` headers are sent too, both pairs of
    /// headers must agree.
    #[param(rename = "X-Forwarded-Method", nullable = false)]
    forwarded_method: Option<String>,
    /// The target of the original request (Caddy, Traefik).
    #[param(rename = "X-Forwarded-Uri", nullable = false, pattern = "^/")]
    forwarded_uri: Option<String>,
    /// Sent by browsers with a CORS preflight request; see the parameter `preflight`.
    #[param(rename = "Access-Control-Request-Method", nullable = false)]
    preflight_method: Option<String>,
    /// The last address in the list is the client's. It is used for usage records and rate limits, never to grant
    /// access.
    #[param(rename = "X-Forwarded-For", nullable = false)]
    forwarded_for: Option<String>,
    /// The address of the client, used if there is no `X-Forwarded-For`.
    #[param(rename = "X-Real-IP", nullable = false)]
    real_ip: Option<String>,
}

/// Decides whether a request to a gateway may pass
///
/// For gateways such as nginx (`auth_request`), Caddy (`forward_auth`) and Traefik (ForwardAuth), which send the
/// headers of the original request. Any method is accepted. Without `scope`, the path of the original target determines
/// the required scopes, as for this service's own paths. With `scope`, a key with any one of the named scopes is
/// accepted if the path is unambiguous. The query of this request must be the gateway's own, not that of the original
/// request. The method and target of the original request are required, in either pair of headers. The app's session is
/// rejected, because it is not a key.
#[utoipa::path(
    method(get, head, post, put, patch, delete, options, trace),
    path = "/forward-auth",
    operation_id = "forwardAuth",
    tag = "gateways",
    security(("key" = [])),
    params(
        ("scope" = Option<String>, Query, description = "The sufficient scopes, separated by spaces.", nullable = false,
            pattern = "^(training|models|datasets|read|write|admin)( (training|models|datasets|read|write|admin))*$"),
        ("preflight" = Option<String>, Query, description = "With `allow`, a CORS preflight request passes without a key.",
            nullable = false, pattern = "^allow$"),
        OriginalRequestHeaders
    ),
    responses(
        (status = NO_CONTENT, description = "The request may pass. The headers identify the key, unless the request is a preflight request.", headers(
            ("X-Key-Id" = schema::KeyId, description = "The key's identifier."),
            ("X-Key-Name" = String, description = "The key's name. Characters that a header cannot contain are percent-encoded."),
            ("X-Key-Scopes" = String, description = "The key's scopes, separated by spaces."),
        )),
        BadRequest,
        AuthErrors
    )
)]
pub(super) async fn authorize_for_gateway(
    State(state): State<Arc<ServiceState>>,
    PeerAddress(gateway): PeerAddress,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let original = read_original_request(headers).map_err(ApiError::Invalid)?;
    let query = request.uri().query().unwrap_or_default();
    let rule = GatewayRule::parse(query.as_bytes()).map_err(ApiError::Invalid)?;
    if rule != GatewayRule::default()
        && GatewayRule::parse(original.query).is_ok_and(|chosen_by_client| chosen_by_client == rule)
    {
        // If the address of this service has no query in Caddy's configuration, Caddy appends the client's query, which
        // would let the client choose the required scope.
        let why = "query: is that of the original request; the gateway must send its own query or an empty one (/forward-auth?)";
        return Err(ApiError::Invalid(why.to_owned()));
    }
    let reads_one_way = policy::is_unambiguous_path(original.path);
    if rule.allows_preflight && reads_one_way && is_preflight(original.method, headers) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let class = RateLimitClass::Gateway;
    let required = match &rule.scopes {
        // The gateway has chosen the scopes based on its own interpretation of the path. If the application could
        // interpret the path differently, no scope is sufficient.
        Some(_) if !reads_one_way => RequiredAccess::AnyOf(&[], class),
        Some(scopes) => RequiredAccess::AnyOf(scopes, class),
        None => RequiredAccess::Path { method: original.method, path: original.path, class },
    };
    let from = ClientAddress { peer: client_address(headers, gateway), user_agent: user_agent::from_headers(headers) };
    let credential = match read_credential(headers, &state.config.session) {
        // The session token gives the app access to this service only. A request that passes a gateway must have the
        // identity of a key.
        Ok(Credential::Session) => Err(Rejection::Malformed),
        other => other,
    };
    let now = state.clock.now();
    let authorized = authorize(&state, credential, &required, from, now)?;

    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    // Reserve space for the headers below and the few that every response has.
    answer.reserve(8);
    if let Some(limit_status) = authorized.limit_status {
        insert_rate_limit_headers(answer, limit_status, now.at);
    }
    if let Caller::Key(key) = authorized.caller {
        let key = key.info();
        // A key's name can contain any character, but a header value cannot.
        let name = Cow::from(utf8_percent_encode(key.name.as_str(), HEADER_ESCAPE_SET));
        for (header, value) in [
            (KEY_ID_HEADER, HeaderValue::from_str(key.id.as_str())),
            (KEY_NAME_HEADER, HeaderValue::from_str(&name)),
            (KEY_SCOPES_HEADER, HeaderValue::try_from(key.scopes.to_string())),
        ] {
            if let Ok(value) = value {
                answer.insert(header, value);
            }
        }
    }
    Ok(response)
}

/// The request that the gateway received.
#[derive(Debug, PartialEq, Eq)]
struct OriginalRequest<'a> {
    method: &'a str,
    /// The path of the target, without the query.
    path: &'a str,
    /// The query does not affect the decision, so it may contain any bytes.
    query: &'a [u8],
}

/// Reads `X-Original-Method` and `X-Original-URI` (nginx), or `X-Forwarded-Method` and `X-Forwarded-Uri` (Caddy,
/// Traefik). The gateway sets only one pair, and the client may have sent the other one itself, so two pairs are
/// accepted only if they agree.
fn read_original_request(headers: &HeaderMap) -> Result<OriginalRequest<'_>, String> {
    let original = read_method_and_target(headers, &ORIGINAL_METHOD, &ORIGINAL_URI)?;
    let forwarded = read_method_and_target(headers, &FORWARDED_METHOD, &FORWARDED_URI)?;
    match (original, forwarded) {
        (Some(one), Some(two)) if one != two => {
            Err("X-Original-URI and X-Forwarded-Uri: contradict each other".to_owned())
        }
        (Some(original), _) | (None, Some(original)) => Ok(original),
        (None, None) => {
            Err("X-Original-URI, X-Original-Method (or X-Forwarded-Uri, X-Forwarded-Method): are required".to_owned())
        }
    }
}

fn read_method_and_target<'a>(
    headers: &'a HeaderMap,
    method: &HeaderName,
    uri: &HeaderName,
) -> Result<Option<OriginalRequest<'a>>, String> {
    match (read_single_header(headers, method)?, read_single_header(headers, uri)?) {
        (None, None) => Ok(None),
        (Some(name), Some(target)) => {
            // The target is used exactly as in the request line. A fragment (`#`) is not valid in a target, but stays
            // in the path so that the policy rejects the request.
            let end = target.iter().position(|byte| *byte == b'?');
            let (path, query) = end.map_or((target, &[][..]), |end| (&target[..end], &target[end + 1..]));
            if !path.starts_with(b"/") {
                return Err(format!("{uri}: must begin with /"));
            }
            let path = std::str::from_utf8(path);
            let path = path.map_err(|_| format!("{uri}: the path is not UTF-8; percent-encode it"))?;
            let name = std::str::from_utf8(name).map_err(|_| format!("{method}: is not a method"))?;
            Ok(Some(OriginalRequest { method: name, path, query }))
        }
        (Some(_), None) => Err(format!("{uri}: is required together with {method}")),
        (None, Some(_)) => Err(format!("{method}: is required together with {uri}")),
    }
}

fn read_single_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(format!("{name}: was sent more than once"));
    }
    Ok(Some(value.as_bytes()))
}

/// The options in the query of the gateway's request.
#[derive(Debug, Default, PartialEq, Eq)]
struct GatewayRule {
    /// The scopes, any of which is sufficient; `None` if the policy table decides.
    scopes: Option<Vec<Scope>>,
    allows_preflight: bool,
}

impl GatewayRule {
    fn parse(query: &[u8]) -> Result<Self, String> {
        let mut rule = Self::default();
        for (name, value) in form_urlencoded::parse(query) {
            match &*name {
                "scope" if rule.scopes.is_none() => {
                    let scopes = value.split(' ').map(|scope| scope.parse().ok()).collect::<Option<_>>();
                    let scopes = scopes.ok_or("scope: is not one of training, models, datasets, read, write, admin")?;
                    rule.scopes = Some(scopes);
                }
                "preflight" if !rule.allows_preflight => {
                    if value != "allow" {
                        return Err("preflight: must be allow".to_owned());
                    }
                    rule.allows_preflight = true;
                }
                _ => return Err("query: may contain only one scope= and one preflight=".to_owned()),
            }
        }
        Ok(rule)
    }
}

/// Returns whether the request is a browser's preflight request (Fetch, section 3.3.2). Browsers send no credential in
/// it, so a request with a credential is authorized like any other request.
fn is_preflight(method: &str, headers: &HeaderMap) -> bool {
    method == "OPTIONS" && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) && !has_credential(headers)
}

/// Returns the address of the client: the last one in `X-Forwarded-For`, or else `X-Real-IP` or the gateway's own
/// address. Programs on this computer can forge these headers, so the address is used for usage records and rate
/// limits, never to grant access.
fn client_address(headers: &HeaderMap, gateway: IpAddr) -> IpAddr {
    let last = |name: &HeaderName| {
        let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        value.rsplit(',').next()?.trim().parse().ok()
    };
    last(&FORWARDED_FOR).or_else(|| last(&REAL_IP)).unwrap_or(gateway)
}

#[cfg(test)]
mod tests {
    use axum::http::header::HeaderName;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{
        header_map, header_value_mutations_of, leaks_input, parse_form, parse_visible_ascii, proptest_config,
    };

    fn headers_of(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn read_original_request_accepts_either_header_pair() {
        for (target, path, query) in [
            ("/api/models/a", "/api/models/a", ""),
            ("/api/models?token=x?y", "/api/models", "token=x?y"),
            ("/api/models#x?y", "/api/models#x", "y"),
            ("/", "/", ""),
            ("/api/%6dodels?", "/api/%6dodels", ""),
        ] {
            for pair in [["x-original-method", "x-original-uri"], ["x-forwarded-method", "x-forwarded-uri"]] {
                let headers = headers_of(&[(pair[0], "POST"), (pair[1], target)]);
                let query = query.as_bytes();
                assert_eq!(
                    read_original_request(&headers),
                    Ok(OriginalRequest { method: "POST", path, query }),
                    "{target}"
                );
            }
        }
    }

    #[test]
    fn read_original_request_ambiguous_headers_are_rejected() {
        for (pairs, field) in [
            (&[][..], "X-Original-URI"),
            (&[("x-original-uri", "/a")], "x-original-method"),
            (&[("x-original-method", "GET")], "x-original-uri"),
            (&[("x-original-method", "GET"), ("x-original-uri", "/a"), ("x-original-uri", "/a")], "x-original-uri"),
            (&[("x-original-method", "GET"), ("x-original-uri", "https://example.org/a")], "x-original-uri"),
            (
                &[
                    ("x-original-method", "GET"),
                    ("x-original-uri", "/a"),
                    ("x-forwarded-method", "GET"),
                    ("x-forwarded-uri", "/b"),
                ],
                "contradict",
            ),
        ] {
            let problem = read_original_request(&headers_of(pairs)).expect_err("rejected");
            assert!(problem.contains(field), "{problem}");
        }
    }

    #[test]
    fn parse_rule_accepts_scopes_and_preflight_in_any_order() {
        let rule = |scopes, allows_preflight| Ok(GatewayRule { scopes, allows_preflight });
        assert_eq!(GatewayRule::parse(b""), rule(None, false));
        assert_eq!(GatewayRule::parse(b"scope=write+models"), rule(Some(vec![Scope::Write, Scope::Models]), false));
        assert_eq!(GatewayRule::parse(b"preflight=allow"), rule(None, true));
        assert_eq!(GatewayRule::parse(b"preflight=allow&scope=read"), rule(Some(vec![Scope::Read]), true));
        for wrong in [
            "scope=",
            "scope=all",
            "scope=read&scope=write",
            "scopes=read",
            "scope=read,write",
            "preflight=",
            "preflight=deny",
            "preflight=allow&preflight=allow",
        ] {
            assert!(GatewayRule::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "X-Original-URI and X-Forwarded-Uri: contradict each other",
        "X-Original-URI, X-Original-Method (or X-Forwarded-Uri, X-Forwarded-Method): are required",
        "x-original-method: is required together with x-original-uri",
        "x-original-uri: is required together with x-original-method",
        "x-forwarded-method: is required together with x-forwarded-uri",
        "x-forwarded-uri: is required together with x-forwarded-method",
        ": must begin with /",
        ": was sent more than once",
        ": the path is not UTF-8; percent-encode it",
        ": is not a method",
        "query: may contain only one scope= and one preflight=",
        "preflight: must be allow",
        "scope: is not one of training, models, datasets, read, write, admin",
    ];

    /// Generates lists of values for the two pairs of method and target headers. Most lists contain one value or none;
    /// some contain two.
    fn header_value_lists() -> impl Strategy<Value = [Vec<HeaderValue>; 4]> {
        let values = |valid: [&str; 2]| {
            let value =
                prop_oneof![3 => Just(valid[0].parse().expect("a value")), 2 => header_value_mutations_of(valid[1])];
            let one = prop::collection::vec(value.clone(), 1);
            prop_oneof![8 => one, 3 => Just(Vec::new()), 1 => prop::collection::vec(value, 2)]
        };
        let (method, uri) = (["GET", "POST"], ["/api/models", "/api/models?x=1#y"]);
        let both = [values(method), values(uri), values(method), values(uri)];
        (both, any::<bool>()).prop_map(|([method, uri, other_method, other_uri], one)| {
            if one { [method, uri, Vec::new(), Vec::new()] } else { [method, uri, other_method, other_uri] }
        })
    }

    fn addresses(valid: &[&str]) -> impl Strategy<Value = Vec<HeaderValue>> + use<> {
        let values = valid.iter().map(|valid| header_value_mutations_of(valid).boxed());
        prop::collection::vec(proptest::strategy::Union::new(values), 0..3)
    }

    /// The method, path and query of a request.
    type ModelRequest = (String, String, Vec<u8>);

    fn model_of_pair(methods: &[HeaderValue], uris: &[HeaderValue]) -> Result<Option<ModelRequest>, ()> {
        let ([method], [uri]) = (methods, uris) else {
            return if methods.is_empty() && uris.is_empty() { Ok(None) } else { Err(()) };
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(drop);
        let mut parts = uri.as_bytes().splitn(2, |byte| *byte == b'?');
        let (path, query) = (text(parts.next().unwrap_or_default())?, parts.next().unwrap_or_default());
        if path.starts_with('/') { Ok(Some((text(method.as_bytes())?, path, query.to_vec()))) } else { Err(()) }
    }

    fn model_of_headers([method, uri, other_method, other_uri]: &[Vec<HeaderValue>; 4]) -> Option<ModelRequest> {
        match (model_of_pair(method, uri).ok()?, model_of_pair(other_method, other_uri).ok()?) {
            (Some(one), Some(other)) => (one == other).then_some(one),
            (one, other) => one.or(other),
        }
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn read_original_request_any_headers_match_the_model(values in header_value_lists()) {
            let names = ["x-original-method", "x-original-uri", "x-forwarded-method", "x-forwarded-uri"];
            let mut headers = HeaderMap::new();
            for (name, values) in names.iter().zip(&values) {
                headers.extend(header_map(name, values));
            }
            match read_original_request(&headers) {
                Ok(original) => {
                    let request = (original.method.to_owned(), original.path.to_owned(), original.query.to_vec());
                    prop_assert_eq!(Some(request), model_of_headers(&values));
                }
                Err(error) => {
                    prop_assert_eq!(model_of_headers(&values), None, "{}", error);
                    for value in values.iter().flatten() {
                        prop_assert!(!leaks_input(&error, value.as_bytes(), ALLOWED_ERROR_WORDS), "{error}");
                    }
                }
            }
        }

        #[test]
        fn parse_rule_any_query_matches_the_model(
            query in "((scope|sc%6fpe|x)=)?((training|models|%72ead|write|x|[!-~é]{0,6})[+ ]?){0,3}\
                (&(scope=read|preflight=(allow|%61llow|deny)|x=|=)?){0,2}"
        ) {
            let fields = parse_form(query.as_bytes());
            let all = ["training", "models", "datasets", "read", "write", "admin"];
            let named = |wanted: &str| {
                let values = fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
                values.collect::<Vec<_>>()
            };
            let (scopes, preflight) = (named("scope"), named("preflight"));
            let is_valid = scopes.len() + preflight.len() == fields.len()
                && scopes.len() <= 1
                && scopes.iter().all(|value| value.split(' ').all(|name| all.contains(&name)))
                && (preflight.is_empty() || preflight == ["allow"]);
            match GatewayRule::parse(query.as_bytes()) {
                Ok(rule) => {
                    prop_assert!(is_valid);
                    let read: Option<Vec<&str>> =
                        rule.scopes.as_ref().map(|scopes| scopes.iter().map(|scope| scope.as_ref()).collect());
                    prop_assert_eq!(read, scopes.first().map(|value| value.split(' ').collect()));
                    prop_assert_eq!(rule.allows_preflight, !preflight.is_empty());
                }
                Err(error) => {
                    prop_assert!(!is_valid, "{error}");
                    prop_assert!(!leaks_input(&error, query.as_bytes(), ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }

        #[test]
        fn client_address_is_last_forwarded_address(
            forwarded in addresses(&["10.9.9.9, 192.0.2.7", "2001:db8::7"]),
            real in addresses(&["192.0.2.8"]),
        ) {
            let gateway = IpAddr::from([127, 0, 0, 1]);
            let mut headers = header_map("x-forwarded-for", &forwarded);
            headers.extend(header_map("x-real-ip", &real));
            let read = |values: &[HeaderValue]| {
                let (_, last) = parse_visible_ascii(values.last()?)?.rsplit_once(',').unwrap_or(("", parse_visible_ascii(values.last()?)?));
                last.trim().parse::<IpAddr>().ok()
            };
            prop_assert_eq!(client_address(&headers, gateway), read(&forwarded).or(read(&real)).unwrap_or(gateway));
        }
    }
}
