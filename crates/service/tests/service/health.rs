//! Tests of `GET /healthz` and `GET /readyz`.

use insta::assert_json_snapshot;
use reqwest::Method;

use crate::common::TestService;
use crate::snapshots::{redact_snapshots, whole_answer};

#[tokio::test]
async fn health_without_credential_is_ok() {
    let service = TestService::start().await;
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.anonymous(Method::GET, "/healthz")).await, @r#"
    {
      "body": {
        "status": "ok"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    assert_json_snapshot!(whole_answer(service.anonymous(Method::GET, "/readyz")).await, @r#"
    {
      "body": {
        "status": "ready"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
}
