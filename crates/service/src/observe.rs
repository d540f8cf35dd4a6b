//! The outermost layer: a number for each request, and how long it took.
//!
//! The log names method, status, duration and that number. Deliberately absent from it: headers, bodies, and paths with
//! their queries, where people put secrets by mistake.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ulkeys_domain::secret;

use crate::state::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer identifiers from a client are replaced.
const MAX_ID: usize = 128;

/// Answers with the request's own identifier, or a new one.
pub(crate) async fn request(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request.headers().get(&REQUEST_ID).filter(|id| is_plain(id)).cloned().unwrap_or_else(new_id);
    let method = tracing::enabled!(tracing::Level::DEBUG).then(|| request.method().clone());
    let mut response = next.run(request).await;
    let duration = start.elapsed();
    state.metrics.observe(duration);
    if let Some(method) = method {
        let (id, status) = (id.to_str().unwrap_or_default(), response.status().as_u16());
        tracing::debug!(id, %method, status, micros = duration.as_micros(), "answered");
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// What may be repeated in a log: letters, digits and a few signs; and no key.
fn is_plain(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let text = id.to_str().unwrap_or_default();
    !text.is_empty() && text.len() <= MAX_ID && text.as_bytes().iter().all(plain) && !secret::appears_in(text)
}

/// 64 random bits, in hexadecimal.
fn new_id() -> HeaderValue {
    let mut digits = [0; 16];
    secret::write_hex(&rand::random::<[u8; 8]>(), &mut digits);
    HeaderValue::from_bytes(&digits).unwrap_or_else(|_| HeaderValue::from_static("-"))
}
