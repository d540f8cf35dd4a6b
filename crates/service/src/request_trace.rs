//! Assigns an identifier to each request and measures its duration.
//!
//! The log contains the identifier, method, status and duration. Deliberately omitted: headers, bodies, and paths with
//! their queries, which may contain misplaced secrets.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use ulkeys_domain::secret;

use crate::state::ServiceState;

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The maximum length of a request identifier sent by a client. A longer identifier is replaced with a generated one.
const MAX_REQUEST_ID_LEN: usize = 128;

/// A request in progress.
pub(crate) struct RequestTrace {
    /// The uptime of the service when the request arrived.
    start: Duration,
    /// The identifier that the client sent, or a generated one.
    id: HeaderValue,
    /// The method, if the request will be logged.
    method: Option<Method>,
}

impl RequestTrace {
    pub(crate) fn start(request: &Request, uptime: Duration) -> Self {
        Self {
            start: uptime,
            id: request
                .headers()
                .get(&REQUEST_ID_HEADER)
                .filter(|id| is_loggable(id))
                .cloned()
                .unwrap_or_else(generate_request_id),
            method: tracing::enabled!(tracing::Level::DEBUG).then(|| request.method().clone()),
        }
    }

    /// Records the duration of the request, logs the request, and adds its identifier to the response.
    pub(crate) fn finish(self, state: &ServiceState, response: &mut Response) {
        let duration = state.uptime().saturating_sub(self.start);
        state.metrics.observe_duration(duration);
        if let Some(method) = self.method {
            let (id, status) = (self.id.to_str().unwrap_or_default(), response.status().as_u16());
            tracing::debug!(id, %method, status, micros = duration.as_micros(), "answered");
        }
        response.headers_mut().insert(REQUEST_ID_HEADER, self.id);
    }
}

/// Returns whether a client's request identifier may appear in the log: it must consist of letters, digits and a few
/// punctuation characters, and must not contain a key.
fn is_loggable(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let text = id.to_str().unwrap_or_default();
    !text.is_empty()
        && text.len() <= MAX_REQUEST_ID_LEN
        && text.as_bytes().iter().all(plain)
        && !secret::contains_key(text)
}

/// Generates a request identifier: 64 random bits, in hexadecimal.
fn generate_request_id() -> HeaderValue {
    let mut digits = [0; 16];
    secret::write_hex(&rand::random::<[u8; 8]>(), &mut digits);
    HeaderValue::from_bytes(&digits).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{SAMPLE_KEY, header_value_mutations_of, is_key, parse_visible_ascii, proptest_config};

    proptest! {
        #![proptest_config(proptest_config())]

        #[test]
        fn only_loggable_request_id_is_repeated(
            id in prop_oneof![header_value_mutations_of("trace-1:a/b+c="), header_value_mutations_of(SAMPLE_KEY), header_value_mutations_of(&"x".repeat(128))],
            more in "[-_.:/+=a-f0-9]{0,3}",
        ) {
            let id = HeaderValue::from_bytes(&[id.as_bytes(), more.as_bytes()].concat()).expect("a value");
            let expected = parse_visible_ascii(&id).is_some_and(|text| {
                let signs = text.chars().filter(|c| !c.is_ascii_alphanumeric()).collect::<String>();
                (1..=128).contains(&text.len())
                    && signs.chars().all(|c| "-_.:/+=".contains(c))
                    && !text.as_bytes().windows(43).any(is_key)
            });
            prop_assert_eq!(is_loggable(&id), expected);
        }
    }
}
