//! Tests of `DELETE /api/api-keys`.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, read_json};
use crate::snapshots::{redact_snapshots, whole_answer};

#[tokio::test]
async fn revoke_twice_returns_first_time_and_unknown_is_not_found() {
    let service = TestService::start().await;
    let (key_id, _) = service.create_key("key", &["read"]).await;
    let revoke =
        async |path: String| read_json(service.app(Method::DELETE, &path).send().await.expect("answered")).await;
    let first = revoke(format!("/api/api-keys/{key_id}")).await;
    assert_eq!(first.1["keyId"], key_id.as_str());
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.app(Method::DELETE, &format!("/api/api-keys/{key_id}"))).await, @r#"
    {
      "body": {
        "keyId": "[keyId]",
        "revokedAt": "[time]"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    let second = revoke(format!("/api/api-keys?keyId={key_id}")).await;
    assert_eq!(second, first, "same time of revocation");
    assert_eq!(service.listed_key(&key_id).await, Value::Null);

    let not_found = (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" }));
    for path in ["/api/api-keys/key_000000000000000000000000", "/api/api-keys/x", "/api/api-keys?keyId=%27%20OR%201"] {
        assert_eq!(revoke(path.to_owned()).await, not_found, "{path}");
    }
    let invalid = |error| (StatusCode::BAD_REQUEST, json!({ "error": error, "code": "VALIDATION_ERROR" }));
    assert_eq!(revoke("/api/api-keys".to_owned()).await, invalid("keyId: is required"));
    let twice = "/api/api-keys?keyId=a&keyId=b".to_owned();
    assert_eq!(revoke(twice).await, invalid("keyId: may occur only once"));
}

#[tokio::test]
async fn revoke_by_query_rejects_the_key_afterwards() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("key", &["read"]).await;
    let path = format!("/api/api-keys?keyId={key_id}");
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.app(Method::DELETE, &path)).await, @r#"
    {
      "body": {
        "keyId": "[keyId]",
        "revokedAt": "[time]"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::UNAUTHORIZED);
}
