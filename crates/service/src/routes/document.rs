//! `GET /openapi.json`: what this service answers, for people and for programs that write clients.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HeaderName};

/// The same for as long as the program runs. Serialising a document of our own does not fail.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| super::documented().1.to_json().unwrap_or_default().into());

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "document",
    tag = "operation",
    responses((status = OK, description = "An OpenAPI document.", body = Object))
)]
pub(super) async fn show() -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}
