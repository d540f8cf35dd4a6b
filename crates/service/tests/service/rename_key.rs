//! Tests of `PATCH /api/api-keys/{keyId}`.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, days_ago, get_ok, read_json, start_with_keys, text};
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

#[tokio::test]
async fn rename_with_rotation_period_reports_attention_as_the_list_does() {
    let service = start_with_keys(&[("before", 40, |record| record.last_used_at = Some(days_ago(1)))]).await;
    let listed = get_ok(&service, "/api/api-keys?rotationDays=30").await["keys"][0].clone();
    let path = format!("/api/api-keys/{}", text(&listed["keyId"]));
    for (query, attention) in [("", json!([])), ("?rotationDays=41", json!([])), ("?rotationDays=30", json!(["old"]))] {
        let request = service.app(Method::PATCH, &format!("{path}{query}")).json(&json!({ "name": "after" }));
        let (status, renamed) = read_json(request.send().await.expect("answered")).await;
        assert_eq!((status, &renamed["attention"]), (StatusCode::OK, &attention), "{query}");
    }
    assert_eq!(listed["attention"], json!(["old"]), "the list agrees");
    let request = service.app(Method::PATCH, &format!("{path}?rotationDays=0")).json(&json!({ "name": "late" }));
    let error = "rotationDays: must be a whole number from 1 to 3650";
    let expected = json!({ "error": error, "code": "VALIDATION_ERROR" });
    assert_eq!(read_json(request.send().await.expect("answered")).await, (StatusCode::BAD_REQUEST, expected));
    assert_eq!(get_ok(&service, &path).await["name"], "after", "a rejected request changes nothing");
}
