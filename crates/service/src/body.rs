//! Bodies of requests: read whole, within a size and a time.

use std::time::Duration;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use serde_json::Value;

use crate::error::ApiError;
use crate::state::AppState;

/// Bytes of a body, at most, where a route allows no more.
const USUAL: usize = 64 * 1024;
/// How long a peer may take to send a body.
const TIME: Duration = Duration::from_secs(15);

/// The bytes of a body, `MAX` at most.
pub(crate) struct Raw<const MAX: usize = USUAL>(pub(crate) Bytes);

impl<const MAX: usize> FromRequest<AppState> for Raw<MAX> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, state: &AppState) -> Result<Self, ApiError> {
        DefaultBodyLimit::max(MAX).apply(&mut request);
        // Announced as too large: there is no need to wait for it.
        if request.body().size_hint().lower() > MAX as u64 {
            return Err(ApiError::TooLarge);
        }
        match tokio::time::timeout(TIME, Bytes::from_request(request, state)).await {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(rejection)) => Err(refusal(&rejection)),
            Err(_) => Err(ApiError::TooSlow),
        }
    }
}

fn refusal(rejection: &BytesRejection) -> ApiError {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        _ => ApiError::Invalid("body: could not be read".to_owned()),
    }
}

/// A body that is a JSON object.
pub(crate) struct Object(pub(crate) Value);

impl FromRequest<AppState> for Object {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let Raw(bytes) = Raw::<USUAL>::from_request(request, state).await?;
        read_object(&bytes).map(Self).map_err(ApiError::Invalid)
    }
}

/// Messages never repeat the body: it may hold a secret, put in the wrong place.
fn read_object(bytes: &[u8]) -> Result<Value, String> {
    let body: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("body: is not JSON (line {}, column {})", error.line(), error.column()))?;
    if body.is_object() { Ok(body) } else { Err("body: must be a JSON object".to_owned()) }
}
