//! `GET /{owner}/{project}/{model}`: the address that a training process prints. The page tells the user where to find
//! the run.
//!
//! The page needs no credential: it is the same whether or not the model exists, so it reveals nothing.

use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue};
use axum::http::{Method, Uri};
use axum::response::{Html, IntoResponse, Response};

use crate::error::ApiError;

const MODEL_PAGE_HTML: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>UL Keys</title>\n\
    <p>Training runs are shown in the UL Keys app.</p>\n</html>\n";

/// Handles requests that no route matches: returns the page for a path of three segments outside `/api`, otherwise 404.
pub(super) async fn get_page_or_not_found(method: Method, uri: Uri) -> Response {
    let is_model = uri.path().strip_prefix('/').is_some_and(|path| {
        let segments: Vec<_> = path.split('/').collect();
        segments.len() == 3 && segments[0] != "api" && segments.iter().all(|segment| !segment.is_empty())
    });
    if !is_model || !matches!(method, Method::GET | Method::HEAD) {
        return ApiError::NotFound.into_response();
    }
    let policy: (HeaderName, HeaderValue) = (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    ([policy], Html(MODEL_PAGE_HTML)).into_response()
}
