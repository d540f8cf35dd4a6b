//! Tests of `GET /api/api-keys/{keyId}`.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::{TestService, get_ok, read_json};
use crate::snapshots::{redact_snapshots, whole_answer};

#[tokio::test]
async fn get_returns_active_and_revoked_keys() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("shown", &["read"]).await;
    let path = format!("/api/api-keys/{key_id}");
    let shown = get_ok(&service, &path).await;
    assert_eq!(shown, service.listed_key(&key_id).await);
    assert!(!shown.to_string().contains(&key[11..]), "no plaintext");
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.app(Method::GET, &path)).await, @r#"
    {
      "body": {
        "adminUsedAt": null,
        "attention": [],
        "createdAt": "[time]",
        "keyId": "[keyId]",
        "keyPrefix": "[keyPrefix]",
        "lastUsedAt": null,
        "name": "shown",
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
    let revoked = service.app(Method::DELETE, &path).send().await.expect("answered");
    let (_, revoked) = read_json(revoked).await;
    assert_eq!(get_ok(&service, &path).await["revokedAt"], revoked["revokedAt"]);
    assert_json_snapshot!(whole_answer(service.app(Method::GET, &path)).await["body"], @r#"
    {
      "adminUsedAt": null,
      "attention": [],
      "createdAt": "[time]",
      "keyId": "[keyId]",
      "keyPrefix": "[keyPrefix]",
      "lastUsedAt": null,
      "name": "shown",
      "replacedBy": null,
      "replaces": null,
      "revokedAt": "[time]",
      "scopes": [
        "read"
      ]
    }
    "#);
    let not_found = (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" }));
    for id in [format!("key_{}", "0".repeat(24)), "x".to_owned(), key] {
        let answer = service.app(Method::GET, &format!("/api/api-keys/{id}")).send().await.expect("answered");
        assert_eq!(read_json(answer).await, not_found);
    }
}
