//! Tests of unknown paths and methods.

use insta::assert_json_snapshot;
use reqwest::Method;

use crate::common::TestService;
use crate::snapshots::{redact_snapshots, whole_answer};

#[tokio::test]
async fn unknown_method_or_path_is_rejected_as_json() {
    let service = TestService::start().await;
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.app(Method::PATCH, "/api/api-keys")).await, @r#"
    {
      "body": {
        "code": "METHOD_NOT_ALLOWED",
        "error": "Method not allowed"
      },
      "headers": {
        "allow": "GET,HEAD,POST,DELETE",
        "content-type": "application/json"
      },
      "status": 405
    }
    "#);
    assert_json_snapshot!(whole_answer(service.anonymous(Method::GET, "/favicon.ico")).await, @r#"
    {
      "body": {
        "code": "NOT_FOUND",
        "error": "Not found"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 404
    }
    "#);
}
