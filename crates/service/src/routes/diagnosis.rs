//! `POST /api/diagnosis`: explains to the user of the app why a key is rejected.
//!
//! The response to a client whose key is rejected reveals less; see [`crate::error`].

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use ulkeys_api::{CheckReport, CheckRequest, CheckResult, FormatProblem};
use ulkeys_domain::decision::Rejection;
use ulkeys_domain::secret::FormatError;
use ulkeys_domain::{KeyRecord, RateLimitClass, Secret, policy};
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};
use zeroize::Zeroizing;

use super::keys::to_api_key;
use crate::body::JsonObject;
use crate::error::ApiError;
use crate::key_index::KeyEntry;
use crate::key_rate_limits::KeyRateLimits;
use crate::openapi::BodyErrors;
use crate::state::ServiceState;

/// The schema of [`CheckRequest`], with a rule that the type cannot express: a method requires a path.
struct DiagnoseBody;

impl PartialSchema for DiagnoseBody {
    fn schema() -> RefOr<Schema> {
        let of = |field: &str, kind| ObjectBuilder::new().property(field, ObjectBuilder::new().schema_type(kind));
        let path_or_no_method =
            AnyOfBuilder::new().item(of("path", Type::String).required("path")).item(of("method", Type::Null));
        AllOfBuilder::new().item(Ref::from_schema_name(CheckRequest::name())).item(path_or_no_method).into()
    }
}

impl ToSchema for DiagnoseBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((CheckRequest::name().into_owned(), CheckRequest::schema()));
        CheckRequest::schemas(schemas);
    }
}

/// The key and the request to check.
struct DiagnosisInput {
    key: Zeroizing<String>,
    /// The method, and the path without the query.
    request: Option<(String, String)>,
}

/// Explains why a key is or would be rejected
///
/// Requires the app's session, because the response reveals more than the holder of a key may know. A request
/// authorized by a key is rejected, whatever the key's scopes. The call does not count as a use of the diagnosed key.
#[utoipa::path(
    post,
    path = "/api/diagnosis",
    operation_id = "diagnose",
    tag = "app",
    security(("session" = [])),
    request_body = DiagnoseBody,
    responses((status = OK, description = "The cause and the remedy.", body = CheckReport), BodyErrors)
)]
pub(super) async fn diagnose(
    State(state): State<Arc<ServiceState>>,
    JsonObject(body): JsonObject,
) -> Result<Json<CheckReport>, ApiError> {
    let input = parse_input(&body).map_err(ApiError::Invalid)?;
    let secret = match Secret::parse(input.key.as_bytes()) {
        Ok(secret) => secret,
        Err(problem) => return Ok(Json(malformed_key_diagnosis(problem))),
    };
    let known = state.index.get(&secret.hash());
    let record = match &known {
        Some(known) => state.account.get_key(&known.id()).await?,
        None => None,
    };
    Ok(Json(match known.zip(record) {
        Some((known, record)) => diagnose_known_key(&state, &known, record, input.request),
        None => CheckReport {
            finding: CheckResult::Unknown,
            cause: "This has the form of a key, but it is not a key of this service.".to_owned(),
            remedy: "Check that the client uses the right service (ULTRALYTICS_PLATFORM_URL), and that the key was \
                     copied from this one. A lost key cannot be shown again; create a new one."
                .to_owned(),
            key: None,
        },
    }))
}

fn diagnose_known_key(
    state: &ServiceState,
    entry: &KeyEntry,
    record: KeyRecord,
    request: Option<(String, String)>,
) -> CheckReport {
    let (finding, cause, remedy) = evaluate_key(state, entry, &record, request);
    CheckReport { finding, cause, remedy: remedy.to_owned(), key: Some(to_api_key(state, record)) }
}

fn evaluate_key(
    state: &ServiceState,
    entry: &KeyEntry,
    key: &KeyRecord,
    request: Option<(String, String)>,
) -> (CheckResult, String, &'static str) {
    if let Some(revoked_at) = key.revoked_at {
        let cause = format!("This key was revoked at {revoked_at}.");
        return (CheckResult::Revoked { revoked_at }, cause, "Create a new key and replace this one with it.");
    }
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (limits, now) = (state.config.limits.get(), state.clock.now());
    let is_known_peer = entry.lock().known_activity().is_some_and(|activity| activity.is_known_peer(here));
    if let Some(limit_status) = state.peer_limiter.status_if_blocked(here, limits.invalid_credentials, now.uptime)
        && !is_known_peer
    {
        let free_at = state.now().saturating_add(limit_status.reset_after);
        let cause =
            "Clients on this computer have sent many different invalid keys within a minute. Until the limit resets, only \
                     keys that were used recently are accepted."
                .to_owned();
        return (
            CheckResult::PeerLimit { free_at },
            cause,
            "Find the client in Activity, or wait until the given time.",
        );
    }
    let Some((method, path)) = request else {
        return (CheckResult::Accepted, "The key is valid.".to_owned(), "");
    };
    if let Err(Rejection::Scope(needed)) = policy::authorize(key.scopes, &method, &path) {
        let needed: Vec<_> = needed.into_iter().flat_map(|needed| needed.iter()).collect();
        let has = key.scopes;
        let (cause, remedy) = if needed.is_empty() {
            let cause = "No key gives access to this path.".to_owned();
            (cause, "Check the path: it must begin with /api/ and contain no empty, dot or escaped segments.")
        } else {
            let names: Vec<_> = needed.iter().map(|scope| scope.as_ref()).collect();
            let cause = format!("The request needs one of the scopes {}; the key has {has}.", names.join(", "));
            (cause, "Create a key that has one of these scopes. The scopes of a key cannot be changed.")
        };
        return (CheckResult::Scope { needed }, cause, remedy);
    }
    let class = RateLimitClass::of(&method, &path);
    let limit_status = entry.lock().known_activity().map_or_else(
        || KeyRateLimits::default().status(class, &limits, now.uptime),
        |activity| activity.limits.status(class, &limits, now.uptime),
    );
    if limit_status.remaining == 0 {
        let (limit, free_at) = (limit_status.limit, state.now().saturating_add(limit_status.reset_after));
        let cause = match class {
            RateLimitClass::Stream | RateLimitClass::Checkpoint => format!(
                "The key, or one training run that reports with it, has made {limit} requests of this kind within a \
                 minute, which is the limit."
            ),
            _ => format!("The key has made {limit} requests of this kind within a minute, which is the limit."),
        };
        let remedy = "Wait until the given time, or make the client send fewer requests.";
        return (CheckResult::Limit { limit, free_at }, cause, remedy);
    }
    (CheckResult::Accepted, "The key is valid, and the request is accepted.".to_owned(), "")
}

/// Describes why the entered text is not a key, without repeating any part of the text.
fn malformed_key_diagnosis(problem: FormatError) -> CheckReport {
    let (problem, remedy) = match problem {
        FormatError::WhiteSpace => {
            (FormatProblem::WhiteSpace, "Remove spaces and line breaks around and inside the key.")
        }
        FormatError::Prefix => (FormatProblem::Prefix, "Copy the whole key, beginning with ul_, without quotes."),
        FormatError::Length(_) => (FormatProblem::Length, "Copy the whole key: ul_ followed by 40 characters."),
        FormatError::UpperCase(_) => (FormatProblem::UpperCase, "Use the key exactly as it was shown, in lower case."),
        FormatError::NotHexadecimal(_) => (
            FormatProblem::NotHexadecimal,
            "Use a key that this service created: after ul_ it contains only 0-9 and a-f. Examples in documentation are not keys.",
        ),
    };
    let cause = format!("This is not a key: the text {}.", FormatProblemText(problem));
    CheckReport { finding: CheckResult::Malformed { problem }, cause, remedy: remedy.to_owned(), key: None }
}

/// A format problem, displayed as the rest of a sentence that begins with "the text".
struct FormatProblemText(FormatProblem);

impl std::fmt::Display for FormatProblemText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            FormatProblem::WhiteSpace => "contains white space",
            FormatProblem::Prefix => "does not begin with ul_",
            FormatProblem::Length => "is not 43 characters long",
            FormatProblem::UpperCase => "contains upper-case letters",
            FormatProblem::NotHexadecimal => "contains characters other than 0-9 and a-f after ul_",
        })
    }
}

/// Parses `{key, method?, path?}`. Error messages name the field and never repeat its content.
fn parse_input(body: &Value) -> Result<DiagnosisInput, String> {
    let text = |field: &str| match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{field}: must be a text")),
    };
    let key = text("key")?.ok_or("key: is required")?;
    let request = match (text("method")?, text("path")?) {
        (None, None) => None,
        (method, Some(path)) => {
            let path = extract_path(path).ok_or("path: is neither a path nor a URL")?;
            Some((method.unwrap_or("GET").trim().to_owned(), path.to_owned()))
        }
        (Some(_), None) => return Err("path: is required together with method".to_owned()),
    };
    Ok(DiagnosisInput { key: Zeroizing::new(key.to_owned()), request })
}

/// Extracts the path, without the query, from a path or URL.
fn extract_path(target: &str) -> Option<&str> {
    let target = target.trim_matches([' ', '\t', '\r', '\n']);
    let path = match target.strip_prefix("http://").or_else(|| target.strip_prefix("https://")) {
        Some(rest) => rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]),
        None if target.starts_with('/') => target,
        None => return None,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(if path.is_empty() { "/" } else { path })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{SAMPLE_KEY, json_objects, leaks_input, proptest_config, text_contents};

    const ALLOWED_ERROR_WORDS: &[&str] = &[
        "method: must be a text",
        "path: is neither a path nor a URL",
        "path: is required together with method",
        "key: is required",
    ];
    const SAMPLE_FIELD_TEXTS: &[&str] = &[
        SAMPLE_KEY,
        "GET",
        " POST ",
        "/api/models?x",
        "http://127.0.0.1:1/api#x",
        "https://x",
        " /",
        "ftp://x",
        "api",
    ];

    fn is_path(text: &str) -> bool {
        let begins = |start: &str| text.trim_start_matches([' ', '\t', '\r', '\n']).get(..start.len()) == Some(start);
        begins("/") || begins("http://") || begins("https://")
    }

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn parse_input_any_body_matches_the_model(body in json_objects(&["key", "method", "path"], SAMPLE_FIELD_TEXTS)) {
            let typed = serde_json::from_value::<CheckRequest>(body.clone()).ok().filter(|_| body.is_object());
            let is_valid = typed.as_ref().is_some_and(|body| match (&body.method, &body.path) {
                (method, None) => method.is_none(),
                (_, Some(path)) => is_path(path),
            });
            match parse_input(&body) {
                Ok(input) => {
                    prop_assert!(is_valid);
                    let path = input.request.map(|(_, path)| path);
                    prop_assert!(path.is_none_or(|path| path.starts_with('/') && !path.contains(['?', '#'])));
                    prop_assert_eq!(Some(&*input.key), typed.as_ref().map(|body| &body.key));
                }
                Err(error) => {
                    prop_assert!(!is_valid, "{error}");
                    prop_assert!(!leaks_input(&error, &text_contents(&body), ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
