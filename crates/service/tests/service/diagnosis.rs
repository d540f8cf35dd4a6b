//! Tests of `POST /api/diagnosis`, which tells only the app why a key is rejected.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::RateLimits;

use crate::common::{TestService, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};

async fn diagnose(service: &TestService, question: Value) -> Value {
    let answer = service.app(Method::POST, "/api/diagnosis").json(&question).send().await.expect("answered");
    let (status, body) = read_json(answer).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn diagnosis_names_cause_and_remedy() {
    let limits = RateLimits { predict: 1, ..RateLimits::default() };
    let service = TestService::start_limited(limits).await;
    let (key_id, key) = service.create_key("server", &["models"]).await;
    let (gone_id, gone) = service.create_key("gone", &["read"]).await;
    service.revoke_key(&gone_id).await;

    for (presented, problem) in [
        (format!(" {key}"), "whiteSpace"),
        (key[3..].to_owned(), "prefix"),
        (key[..42].to_owned(), "length"),
        (key.replacen(&key[3..4], "A", 1), "upperCase"),
        ("ul_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0".to_owned(), "notHexadecimal"),
    ] {
        let found = diagnose(&service, json!({ "key": presented })).await;
        assert_eq!(found["finding"], json!({ "kind": "malformed", "problem": problem }), "{found}");
        assert!(!found.to_string().contains(&key[12..42]), "the response must not contain the key");
        assert!(!text(&found["remedy"]).is_empty() && found["key"].is_null());
    }
    let _redactions = redact_snapshots();
    assert_json_snapshot!(diagnose(&service, json!({ "key": "ul_x" })).await, @r#"
    {
      "cause": "This is not a key: the text is not 43 characters long.",
      "finding": {
        "kind": "malformed",
        "problem": "length"
      },
      "key": null,
      "remedy": "Copy the whole key: ul_ followed by 40 characters."
    }
    "#);
    assert_json_snapshot!(diagnose(&service, json!({ "key": format!("ul_{}", "a".repeat(40)) })).await, @r#"
    {
      "cause": "This has the form of a key, but it is not a key of this service.",
      "finding": {
        "kind": "unknown"
      },
      "key": null,
      "remedy": "Check that the client uses the right service (ULTRALYTICS_PLATFORM_URL), and that the key was copied from this one. A lost key cannot be shown again; create a new one."
    }
    "#);
    assert_json_snapshot!(diagnose(&service, json!({ "key": gone, "path": "/api/models" })).await, @r#"
    {
      "cause": "This key was revoked at [time].",
      "finding": {
        "kind": "revoked",
        "revokedAt": "[time]"
      },
      "key": {
        "adminUsedAt": null,
        "attention": [],
        "createdAt": "[time]",
        "keyId": "[keyId]",
        "keyPrefix": "[keyPrefix]",
        "lastUsedAt": null,
        "name": "gone",
        "replacedBy": null,
        "replaces": null,
        "revokedAt": "[time]",
        "scopes": [
          "read"
        ]
      },
      "remedy": "Create a new key and replace this one with it."
    }
    "#);
    let accepted = diagnose(&service, json!({ "key": key })).await;
    assert_eq!(accepted["key"]["keyId"], key_id.as_str());
    assert_json_snapshot!(accepted, @r#"
    {
      "cause": "The key is valid.",
      "finding": {
        "kind": "accepted"
      },
      "key": {
        "adminUsedAt": null,
        "attention": [],
        "createdAt": "[time]",
        "keyId": "[keyId]",
        "keyPrefix": "[keyPrefix]",
        "lastUsedAt": null,
        "name": "server",
        "replacedBy": null,
        "replaces": null,
        "revokedAt": null,
        "scopes": [
          "models"
        ]
      },
      "remedy": ""
    }
    "#);
    let path = format!("http://{}/api/datasets/a?b=c", service.address);
    let found = diagnose(&service, json!({ "key": key, "method": "POST", "path": path })).await;
    assert_json_snapshot!(found, @r#"
    {
      "cause": "The request needs one of the scopes datasets, write; the key has models.",
      "finding": {
        "kind": "scope",
        "needed": [
          "datasets",
          "write"
        ]
      },
      "key": {
        "adminUsedAt": null,
        "attention": [],
        "createdAt": "[time]",
        "keyId": "[keyId]",
        "keyPrefix": "[keyPrefix]",
        "lastUsedAt": null,
        "name": "server",
        "replacedBy": null,
        "replaces": null,
        "revokedAt": null,
        "scopes": [
          "models"
        ]
      },
      "remedy": "Create a key that has one of these scopes. The scopes of a key cannot be changed."
    }
    "#);
    let found = diagnose(&service, json!({ "key": key, "path": "/elsewhere" })).await;
    assert_eq!(found["finding"], json!({ "kind": "scope", "needed": [] }));

    let question = json!({ "key": key, "method": "POST", "path": "/api/models/a/predict" });
    assert_eq!(diagnose(&service, question.clone()).await["finding"]["kind"], "accepted");
    service.bearer(&key, Method::POST, "/api/models/a/predict").send().await.expect("answered");
    let found = diagnose(&service, question).await;
    assert_json_snapshot!(found, @r#"
    {
      "cause": "The key has made 1 requests of this kind within a minute, which is the limit.",
      "finding": {
        "freeAt": "[time]",
        "kind": "limit",
        "limit": 1
      },
      "key": {
        "adminUsedAt": null,
        "attention": [],
        "createdAt": "[time]",
        "keyId": "[keyId]",
        "keyPrefix": "[keyPrefix]",
        "lastUsedAt": null,
        "name": "server",
        "replacedBy": null,
        "replaces": null,
        "revokedAt": null,
        "scopes": [
          "models"
        ]
      },
      "remedy": "Wait until the given time, or make the client send fewer requests."
    }
    "#);
}

#[tokio::test]
async fn diagnosis_records_no_usage_and_rejects_keys() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("all", &["training", "models", "datasets", "read", "write", "admin"]).await;
    diagnose(&service, json!({ "key": key, "path": "/api/models" })).await;
    assert!(service.listed_key(&key_id).await["lastUsedAt"].is_null());
    let request = service.bearer(&key, Method::POST, "/api/diagnosis").json(&json!({ "key": key }));
    assert_eq!(request.send().await.expect("answered").status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn diagnosis_with_invalid_body_is_rejected() {
    let service = TestService::start().await;
    let _redactions = redact_snapshots();
    let invalid = service.app(Method::POST, "/api/diagnosis").json(&json!({}));
    assert_json_snapshot!(whole_answer(invalid).await, @r#"
    {
      "body": {
        "code": "VALIDATION_ERROR",
        "error": "key: is required"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 400
    }
    "#);
    for (question, error) in [
        (json!({}), "key: is required"),
        (json!({ "key": 5 }), "key: must be a text"),
        (json!({ "key": "ul_x", "method": "GET" }), "path: is required together with method"),
        (json!({ "key": "ul_x", "path": "no path at all" }), "path: is neither a path nor a URL"),
        (json!(["ul_x"]), "body: must be a JSON object"),
    ] {
        let answer = service.app(Method::POST, "/api/diagnosis").json(&question).send().await.expect("answered");
        let expected = json!({ "error": error, "code": "VALIDATION_ERROR" });
        assert_eq!(read_json(answer).await, (StatusCode::BAD_REQUEST, expected));
    }
}
