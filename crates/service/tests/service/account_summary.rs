//! Tests of `GET /api/account/summary`.

use insta::assert_json_snapshot;
use reqwest::Method;

use crate::common::TestService;
use crate::snapshots::{redact_snapshots, whole_answer};

#[tokio::test]
async fn summary_has_the_published_form() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("key", &["models"]).await;
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.bearer(&key, Method::GET, "/api/account/summary")).await, @r#"
    {
      "body": {
        "accountType": "personal",
        "counts": {
          "datasets": 0,
          "models": 0,
          "projects": 0
        },
        "creditsCents": 0,
        "name": "Ada Lovelace",
        "plan": "free",
        "teams": [],
        "username": "ada"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
}
