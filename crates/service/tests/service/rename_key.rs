//! Tests of `PATCH /api/api-keys/{keyId}`.

use insta::assert_json_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::TestService;
use crate::snapshots::{redact_snapshots, whole_answer};

#[tokio::test]
async fn rename_returns_the_key_with_its_new_name() {
    let service = TestService::start().await;
    let (key_id, _) = service.create_key("before", &["read"]).await;
    let path = format!("/api/api-keys/{key_id}");
    let rename = async |body: Value| whole_answer(service.app(Method::PATCH, &path).json(&body)).await;
    let _redactions = redact_snapshots();
    let renamed = rename(json!({ "name": " after " })).await;
    assert_json_snapshot!(renamed, @r#"
    {
      "body": {
        "adminUsedAt": null,
        "attention": [],
        "createdAt": "[time]",
        "keyId": "[keyId]",
        "keyPrefix": "[keyPrefix]",
        "lastUsedAt": null,
        "name": "after",
        "replacedBy": null,
        "replaces": null,
        "revokedAt": null,
        "scopes": [
          "read"
        ]
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    assert_eq!(service.listed_key(&key_id).await, renamed["body"]);
    assert_json_snapshot!(rename(json!({ "name": "" })).await, @r#"
    {
      "body": {
        "code": "VALIDATION_ERROR",
        "error": "name: must not be empty"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 400
    }
    "#);
    service.revoke_key(&key_id).await;
    assert_json_snapshot!(rename(json!({ "name": "later" })).await, @r#"
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
