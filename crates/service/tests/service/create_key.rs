//! Tests of `POST /api/api-keys`.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, get_ok, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};

#[tokio::test]
async fn create_returns_plaintext_once() {
    let service = TestService::start().await;
    let _redactions = redact_snapshots();
    let body = json!({ "name": "  Trainings-Server №1  ", "scopes": ["read", "training", "read"] });
    let created = whole_answer(service.app(Method::POST, "/api/api-keys").json(&body)).await;
    assert_json_snapshot!(created, @r#"
    {
      "body": {
        "adminUsedAt": null,
        "attention": [],
        "createdAt": "[time]",
        "key": "[key]",
        "keyId": "[keyId]",
        "keyPrefix": "[keyPrefix]",
        "lastUsedAt": null,
        "name": "Trainings-Server №1",
        "replacedBy": null,
        "replaces": null,
        "revokedAt": null,
        "scopes": [
          "training",
          "read"
        ]
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 201
    }
    "#);
    let mut without_plaintext = created["body"].clone();
    without_plaintext.as_object_mut().expect("an object").remove("key");
    assert_eq!(service.listed_key(&text(&created["body"]["keyId"])).await, without_plaintext);
}

#[tokio::test]
async fn create_with_invalid_body_is_rejected() {
    let service = TestService::start().await;
    let secret = format!("ul_{}", "a".repeat(40));
    let unknown = format!("key_{}", "0".repeat(24));
    let cases: &[(Value, &str)] = &[
        (json!([]), "body: must be a JSON object"),
        (json!({ "scopes": ["read"] }), "name: is required"),
        (json!({ "name": 7, "scopes": ["read"] }), "name: must be a text"),
        (json!({ "name": " \t ", "scopes": ["read"] }), "name: must not be empty"),
        (json!({ "name": "a\u{0}b", "scopes": ["read"] }), "name: must not contain control characters"),
        (json!({ "name": "x".repeat(65), "scopes": ["read"] }), "name: must have at most 64 characters, not 65"),
        (json!({ "name": secret, "scopes": ["read"] }), "name: must not contain an API key"),
        (json!({ "name": "a" }), "scopes: at least one is needed"),
        (json!({ "name": "a", "scopes": [] }), "scopes: at least one is needed"),
        (json!({ "name": "a", "scopes": null }), "scopes: must be a list"),
        (json!({ "name": "a", "scopes": "read" }), "scopes: must be a list"),
        (json!({ "name": "a", "scopes": ["read", 1] }), "scopes: must be a list of texts"),
        (json!({ "name": "a", "scopes": ["read"], "replaces": 7 }), "replaces: is not a key's id"),
        (json!({ "name": "a", "scopes": ["read"], "replaces": [] }), "replaces: is not a key's id"),
        (json!({ "name": "a", "scopes": ["read"], "replaces": "" }), "replaces: is not a key's id"),
        (json!({ "name": "a", "scopes": ["read"], "replaces": secret }), "replaces: is not a key's id"),
        (json!({ "name": "a", "scopes": ["read"], "replaces": unknown }), "replaces: there is no such key"),
        (
            json!({ "name": "a", "scopes": ["read", secret] }),
            "scopes: entry 1 is not one of training, models, datasets, read, write, admin",
        ),
    ];
    for (body, expected) in cases {
        let answer = service.app(Method::POST, "/api/api-keys").json(body).send().await.expect("answered");
        let expected = json!({ "error": expected, "code": "VALIDATION_ERROR" });
        assert_eq!(read_json(answer).await, (StatusCode::BAD_REQUEST, expected), "{body}");
    }
    for (body, status, expected) in [
        (r#"{"name": "#.to_owned(), StatusCode::BAD_REQUEST, "body: is not JSON (line 1, column 9)"),
        ("x".repeat(100_000), StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large"),
    ] {
        let answer = service.app(Method::POST, "/api/api-keys").body(body).send().await.expect("answered");
        assert_eq!(read_json(answer).await, (status, json!({ "error": expected, "code": "VALIDATION_ERROR" })));
    }
    let (_, list) = read_json(service.app(Method::GET, "/api/api-keys").send().await.expect("answered")).await;
    assert_eq!(list, json!({ "keys": [], "total": 0, "next": null }));
}

#[tokio::test]
async fn create_with_replaces_links_both_keys() {
    let service = TestService::start().await;
    let (old_id, _) = service.create_key("old", &["read"]).await;
    let replace = async |replaced: &Value| {
        let body = json!({ "name": "new", "scopes": ["read"], "replaces": replaced });
        let (status, body) =
            read_json(service.app(Method::POST, "/api/api-keys").json(&body).send().await.expect("answered")).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        assert_eq!((&body["replaces"], &body["replacedBy"]), (replaced, &Value::Null));
        text(&body["keyId"])
    };
    let old = async || get_ok(&service, &format!("/api/api-keys/{old_id}")).await;
    replace(&Value::Null).await;
    assert_eq!(old().await["replacedBy"], Value::Null);
    let first = replace(&json!(old_id)).await;
    assert_eq!(old().await["replacedBy"], first.as_str());
    assert_eq!(service.listed_key(&first).await["replaces"], old_id.as_str());
    assert_eq!(old().await["revokedAt"], Value::Null, "replacing a key does not revoke it");
    let second = replace(&json!(old_id)).await;
    assert_eq!(old().await["replacedBy"], second.as_str());
    service.revoke_key(&second).await;
    assert_eq!(old().await["replacedBy"], first.as_str());
    service.revoke_key(&old_id).await;
    assert_eq!(replace(&json!(old_id)).await, text(&old().await["replacedBy"]), "a revoked key can be replaced too");
}

#[tokio::test]
async fn create_with_invalid_rotation_period_is_rejected() {
    let service = TestService::start().await;
    let create = async |rotation_days: &str| {
        let path = format!("/api/api-keys?rotationDays={rotation_days}");
        let request = service.app(Method::POST, &path).json(&json!({ "name": "new", "scopes": ["read"] }));
        read_json(request.send().await.expect("answered")).await
    };
    let error = "rotationDays: must be a whole number from 1 to 3650";
    let expected = json!({ "error": error, "code": "VALIDATION_ERROR" });
    assert_eq!(create("0").await, (StatusCode::BAD_REQUEST, expected));
    assert_eq!(get_ok(&service, "/api/api-keys").await["total"], 0, "a rejected request creates no key");
    let (status, created) = create("1").await;
    assert_eq!((status, &created["attention"]), (StatusCode::CREATED, &json!([])));
}
