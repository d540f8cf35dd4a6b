//! `GET /openapi.json`: describes this API for readers and for client generators.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HeaderName};

use crate::openapi;

/// The document, generated once because it never changes while the program runs. Serializing it cannot fail.
static DOCUMENT_JSON: LazyLock<Bytes> = LazyLock::new(|| {
    let mut document = serde_json::to_value(super::build_routes().2).unwrap_or_default();
    openapi::name_variants(&mut document);
    escape_non_ascii(&document.to_string()).into()
});

/// Escapes non-ASCII characters in JSON, because a regular expression in the document contains characters that reorder
/// displayed text.
fn escape_non_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            text.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                text += &format!("\\u{unit:04x}");
            }
        }
    }
    text
}

/// Returns this OpenAPI document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "document",
    tag = "operation",
    responses((status = OK, description = "The OpenAPI document.", body = Object))
)]
pub(super) async fn get() -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT_JSON.clone())
}
