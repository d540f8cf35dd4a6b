//! Routes that do not check keys, on the same HTTP stack as the service. They show what the service's own work costs.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use ulkeys_api::{AccountSummary, ResourceCounts};

/// Headers that the HTTP library itself adds to every response.
const LIBRARY_HEADERS: [&str; 2] = ["content-length", "date"];

/// The headers that the service sends, with which the routes at the same paths answer. They are taken from responses of
/// the service, so that both always send the same headers, and values of the same length.
#[derive(Serialize, Deserialize)]
pub struct BareHeaders {
    /// Headers of `GET /api/account/summary`.
    pub summary: Vec<(String, String)>,
    /// Headers of `GET /forward-auth`.
    pub forward_auth: Vec<(String, String)>,
}

/// Builds the routes:
/// - `/ok` returns a minimal body.
/// - `/summary` returns the same body as the service's `/api/account/summary`.
/// - `/api/account/summary` also sends the same headers, and `/forward-auth` has no body and sends the same headers as
///   the service. These routes have the service's paths so that requests to both have the same length.
pub fn bare_routes(headers: BareHeaders) -> Router {
    let [summary, forward_auth] = [headers.summary, headers.forward_auth].map(leak_headers);
    Router::new()
        .route("/ok", get(async || "ok"))
        .route("/summary", get(async || Json(account_summary())))
        .route("/api/account/summary", get(async || add_headers(Json(account_summary()), summary)))
        .route("/forward-auth", get(async || add_headers(StatusCode::NO_CONTENT, forward_auth)))
}

type StaticHeaders = &'static [(HeaderName, HeaderValue)];

/// Makes the headers as cheap as constants of the program: these are neither allocated nor validated for each response.
fn leak_headers(headers: Vec<(String, String)>) -> StaticHeaders {
    let own = headers.into_iter().filter(|(name, _)| !LIBRARY_HEADERS.contains(&name.as_str()));
    let constant = |(name, value): (String, String)| {
        (HeaderName::from_static(name.leak()), HeaderValue::from_static(value.leak()))
    };
    own.map(constant).collect::<Vec<_>>().leak()
}

fn add_headers(response: impl IntoResponse, headers: StaticHeaders) -> Response {
    let mut response = response.into_response();
    response.headers_mut().reserve(headers.len());
    for (name, value) in headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

fn account_summary() -> AccountSummary {
    AccountSummary {
        username: "bench".to_owned(),
        name: "bench".to_owned(),
        account_type: "personal".to_owned(),
        plan: "free".to_owned(),
        credits_cents: 0,
        counts: ResourceCounts::default(),
        teams: Vec::new(),
    }
}
