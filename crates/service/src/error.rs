//! Converts rejections and failures to HTTP responses. The error texts follow the platform's protocol. The causes of
//! internal failures appear only in the log.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use ulkeys_api::{ErrorBody, ErrorCode};
use ulkeys_domain::Timestamp;
use ulkeys_domain::decision::Rejection;
use ulkeys_domain::rate_limit::RateLimitStatus;
use ulkeys_store::{DatabaseProblem, StoreError, WriteError};

use crate::training_quota::{QuotaError, StorageShortage};

/// The reason why a request fails.
pub(crate) enum ApiError {
    Rejected(Rejection),
    /// The peer, host or origin of the request is not allowed. The text states the reason.
    Forbidden(String),
    /// A field is invalid. The text names the field and the reason.
    Invalid(String),
    BodyTooLarge,
    /// The uploaded file is larger than this number of bytes.
    FileTooLarge(u64),
    /// Training data has reached a limit.
    TrainingDataFull(StorageShortage),
    /// The state of the resource does not allow the operation. The text states what must be done first.
    Conflict(&'static str),
    /// With this file, the total size of all uploaded files would exceed this number of bytes.
    FolderFull(u64),
    /// The request body did not arrive in time.
    BodyTimeout,
    /// Too many uploads are pending.
    TooManyUploads,
    /// No permit of a concurrency limit became free in time.
    Overloaded,
    NotFound,
    MethodNotAllowed,
    Store(StoreError),
    /// The operating system's random number generator failed.
    NoRandomness,
    /// A file could not be read or written.
    Io(std::io::Error),
    /// The handler panicked. The panic hook has logged the panic.
    Panicked,
    /// The service is shutting down.
    Stopping,
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound => Self::NotFound,
            WriteError::ActorRevoked => Self::Rejected(Rejection::Revoked),
            // Identifiers and keys are random, so a conflict means that the random number generator is broken.
            WriteError::Conflict => Self::NoRandomness,
            WriteError::Store(error) => Self::Store(error),
        }
    }
}

impl From<QuotaError> for ApiError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Full(shortage) => Self::TrainingDataFull(shortage),
            QuotaError::Store(error) => Self::Store(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Rejected(rejection) => rejection_response(rejection),
            Self::Forbidden(why) => error_response(StatusCode::FORBIDDEN, ErrorCode::Forbidden, why),
            Self::Invalid(why) => error_response(StatusCode::BAD_REQUEST, ErrorCode::ValidationError, why),
            Self::BodyTooLarge => error_response(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::ValidationError,
                "The request body is too large",
            ),
            Self::FileTooLarge(max) => {
                let text = format!("The file is too large: at most {max} bytes are accepted");
                error_response(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ValidationError, text)
            }
            Self::FolderFull(max) => {
                let text =
                    format!("There is no space for the file: all checkpoints together may use at most {max} bytes");
                error_response(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::TrainingDataFull, text)
            }
            Self::TrainingDataFull(shortage) => {
                let text = format!("{}. {}.", shortage.message(), shortage.remedy());
                error_response(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::TrainingDataFull, text)
            }
            Self::Conflict(text) => error_response(StatusCode::CONFLICT, ErrorCode::Conflict, text),
            Self::BodyTimeout => error_response(
                StatusCode::REQUEST_TIMEOUT,
                ErrorCode::ValidationError,
                "The request body did not arrive in time",
            ),
            Self::TooManyUploads => {
                let text = "Too many pending uploads. Try again later.";
                let mut response = error_response(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, text);
                response.headers_mut().insert(RETRY_AFTER, header_number(60));
                response
            }
            Self::Overloaded => {
                let text = "The key service is overloaded. Try again.";
                let mut response = error_response(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::InternalError, text);
                response.headers_mut().insert(RETRY_AFTER, header_number(1));
                response
            }
            Self::NotFound => error_response(StatusCode::NOT_FOUND, ErrorCode::NotFound, "Not found"),
            Self::MethodNotAllowed => {
                error_response(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, "Method not allowed")
            }
            // A full disk is not logged here, because the store itself logs it once.
            Self::Store(error) if error.problem == DatabaseProblem::Full => {
                let text = "The disk of the key database has no space left. Nothing was changed. Free some space and try \
                    again.";
                error_response(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::StorageFull, text)
            }
            Self::Store(error) => {
                if should_log_problem(error.problem) {
                    tracing::error!(problem = ?error.problem, %error, "a database operation failed");
                }
                match error.problem {
                    DatabaseProblem::Locked => {
                        let text = "The key database is in use by another program. Try again.";
                        error_response(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::DatabaseBusy, text)
                    }
                    DatabaseProblem::Replaced => {
                        let text = "The file of the key database was moved, replaced or overwritten while the service had \
                            it open, so nothing can be changed. Move the file back, or restart the service to use the \
                            file that is there now.";
                        error_response(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::DatabaseReplaced, text)
                    }
                    _ => internal_error_response(),
                }
            }
            Self::NoRandomness => {
                tracing::error!("cannot get random bytes from the operating system");
                internal_error_response()
            }
            Self::Io(error) => {
                tracing::error!(%error, "cannot read or write a file");
                match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                        let text = "The disk of the checkpoints has no space left. Nothing was changed. Free some space \
                            and try again.";
                        error_response(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::StorageFull, text)
                    }
                    _ => internal_error_response(),
                }
            }
            Self::Panicked => internal_error_response(),
            Self::Stopping => {
                let text = "The key service is shutting down";
                error_response(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::InternalError, text)
            }
        }
    }
}

fn error_response(status: StatusCode, code: ErrorCode, error: impl Into<String>) -> Response {
    (status, Json(ErrorBody { error: error.into(), code })).into_response()
}

/// Returns whether to log a problem of the store. During an outage, many requests fail in the same way, so a problem is
/// logged again only if it has not occurred for a minute or if a different problem has occurred since.
fn should_log_problem(problem: DatabaseProblem) -> bool {
    static LAST_LOGGED_PROBLEM: Mutex<Option<(DatabaseProblem, Instant)>> = Mutex::new(None);
    let mut last = LAST_LOGGED_PROBLEM.lock();
    let former = last.replace((problem, Instant::now()));
    former.is_none_or(|(known, at)| known != problem || at.elapsed() > Duration::from_secs(60))
}

fn internal_error_response() -> Response {
    error_response(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::InternalError, "The key service failed")
}

/// Returns the response to a rejected request. It never reveals whether a key once existed: the responses for unknown,
/// malformed and revoked keys are identical.
fn rejection_response(rejection: Rejection) -> Response {
    let (mut response, challenge) = match rejection {
        Rejection::Limit(limit_status) | Rejection::PeerLimit(limit_status) => {
            return rate_limit_response(limit_status);
        }
        // RFC 6750, section 3: the response to a request without credentials contains no error code.
        Rejection::NoCredential => (unauthorized_response(), r#"Bearer realm="UL Keys""#.to_owned()),
        Rejection::Malformed | Rejection::Unknown | Rejection::Revoked => {
            (unauthorized_response(), r#"Bearer error="invalid_token""#.to_owned())
        }
        // RFC 6750, section 2: a client must not use two methods in one request.
        Rejection::TwoCredentials => {
            let text = "Authorization and X-API-Key: both contain a credential; send only one of them";
            let response = error_response(StatusCode::BAD_REQUEST, ErrorCode::ValidationError, text);
            (response, r#"Bearer error="invalid_request""#.to_owned())
        }
        Rejection::Scope(needed) => {
            let challenge = match needed {
                None => r#"Bearer error="insufficient_scope""#.to_owned(),
                Some(needed) => format!(r#"Bearer error="insufficient_scope", scope="{needed}""#),
            };
            let text = "Permission denied for this operation";
            (error_response(StatusCode::FORBIDDEN, ErrorCode::Forbidden, text), challenge)
        }
    };
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn rate_limit_response(limit_status: RateLimitStatus) -> Response {
    let mut response = error_response(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, "Rate limit exceeded");
    // `Retry-After` is in whole seconds (RFC 9110, section 10.2.3), rounded up so that a request sent after that time
    // is admitted.
    let seconds = limit_status.reset_after.as_nanos().div_ceil(Duration::from_secs(1).as_nanos()).max(1);
    response.headers_mut().insert(RETRY_AFTER, header_number(u32::try_from(seconds).unwrap_or(u32::MAX)));
    insert_rate_limit_headers(response.headers_mut(), limit_status, crate::system_clock());
    response
}

/// Enough bytes for the values of the three headers, including those that jiff reserves for a time.
const RATE_LIMIT_HEADERS_BYTES: usize = 96;
const LIMIT_HEADER: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING_HEADER: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET_HEADER: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Inserts the rate-limit headers: requests per minute, remaining requests, and the time when another request is
/// admitted.
pub(crate) fn insert_rate_limit_headers(headers: &mut HeaderMap, limit_status: RateLimitStatus, now: Timestamp) {
    // Reserve space for these three headers and the few that every response has.
    headers.reserve(6);
    // The three values share one allocation.
    let mut text = String::with_capacity(RATE_LIMIT_HEADERS_BYTES);
    text.push_str(itoa::Buffer::new().format(limit_status.limit));
    let limit = text.len();
    text.push_str(itoa::Buffer::new().format(limit_status.remaining));
    let remaining = text.len();
    now.saturating_add(limit_status.reset_after).write_rfc_3339(&mut text);
    let text = Bytes::from(text);
    for (name, value) in [
        (LIMIT_HEADER, text.slice(..limit)),
        (REMAINING_HEADER, text.slice(limit..remaining)),
        (RESET_HEADER, text.slice(remaining..)),
    ] {
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            headers.insert(name, value);
        }
    }
}

fn header_number(value: u32) -> HeaderValue {
    HeaderValue::from(value)
}

fn unauthorized_response() -> Response {
    error_response(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, "Invalid API key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_error_on_full_disk_is_insufficient_storage() {
        for (kind, status) in [
            (ErrorKind::StorageFull, StatusCode::INSUFFICIENT_STORAGE),
            (ErrorKind::QuotaExceeded, StatusCode::INSUFFICIENT_STORAGE),
            (ErrorKind::PermissionDenied, StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            assert_eq!(ApiError::Io(kind.into()).into_response().status(), status, "{kind:?}");
        }
    }
}
