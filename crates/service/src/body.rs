//! Reads complete request bodies, limited in size and time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use serde_json::Value;

use crate::error::ApiError;
use crate::request_context::RequestContext;
use crate::state::ServiceState;

/// The default maximum size of a body in bytes. A route can set a different one.
const DEFAULT_MAX_BYTES: usize = 64 * 1024;

/// A request body of at most `MAX` bytes.
pub(crate) struct LimitedBytes<const MAX: usize = DEFAULT_MAX_BYTES>(pub(crate) Bytes);

impl<const MAX: usize> FromRequest<Arc<ServiceState>> for LimitedBytes<MAX> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ServiceState>) -> Result<Self, ApiError> {
        let caller = RequestContext::read(|context| context.caller.clone())?;
        let bytes = read_body(request, state, MAX, state.config.timing.body_timeout).await?;
        // The key may have been revoked while the body was received.
        if let Some(caller) = caller {
            caller.revalidate()?;
        }
        Ok(Self(bytes))
    }
}

/// Reads a body of at most `max` bytes that must arrive within `time`. Does not revalidate the caller afterwards.
pub(crate) async fn read_body(
    mut request: Request,
    state: &ServiceState,
    max: usize,
    time: Duration,
) -> Result<Bytes, ApiError> {
    DefaultBodyLimit::max(max).apply(&mut request);
    // Reject a body whose announced size is too large without waiting for its bytes.
    if request.body().size_hint().lower() > max as u64 {
        return Err(ApiError::BodyTooLarge);
    }
    match tokio::time::timeout(time, Bytes::from_request(request, state)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) => Err(body_read_error(&rejection)),
        Err(_) => Err(ApiError::BodyTimeout),
    }
}

fn body_read_error(rejection: &BytesRejection) -> ApiError {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
        _ => ApiError::Invalid("body: could not be read".to_owned()),
    }
}

/// A request body that is a JSON object.
pub(crate) struct JsonObject(pub(crate) Value);

impl FromRequest<Arc<ServiceState>> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ServiceState>) -> Result<Self, ApiError> {
        let LimitedBytes(bytes) = LimitedBytes::<DEFAULT_MAX_BYTES>::from_request(request, state).await?;
        parse_json_object(&bytes).map(Self).map_err(ApiError::Invalid)
    }
}

/// Parses a JSON object. Error messages never repeat the body, because it may contain a misplaced secret.
fn parse_json_object(bytes: &[u8]) -> Result<Value, String> {
    let body: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("body: is not JSON (line {}, column {})", error.line(), error.column()))?;
    if body.is_object() { Ok(body) } else { Err("body: must be a JSON object".to_owned()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;
    use crate::testing::{leaks_input, mutations_of, proptest_config};

    const ALLOWED_ERROR_WORDS: &[&str] = &["body: is not JSON (line ", ", column ", "body: must be a JSON object"];

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn body_other_than_an_object_is_rejected(bytes in prop_oneof![
            mutations_of(r#"{"name": "training-server", "scopes": ["training", "read"], "more": [1.5e3, null, true, {}]}"#),
            mutations_of(r#"{"key": "ul_a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0", "path": "\u00e9\ud83d\ude00"}"#),
            (0..300_usize).prop_map(|depth| [b"[".repeat(depth), b"]".repeat(depth)].concat()),
        ]) {
            let object = serde_json::from_slice::<Map<String, Value>>(&bytes);
            match parse_json_object(&bytes) {
                Ok(body) => prop_assert_eq!(object.ok().map(Value::Object), Some(body)),
                Err(error) => {
                    prop_assert!(object.is_err());
                    prop_assert!(!leaks_input(&error, &bytes, ALLOWED_ERROR_WORDS), "{error}");
                }
            }
        }
    }
}
