//! Why a key is refused, told to the app alone.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::RateLimits;

use crate::common::{TestService, read, text};

async fn diagnose(service: &TestService, question: Value) -> Value {
    let answer = service.app(Method::POST, "/api/diagnosis").json(&question).send().await.expect("answered");
    let (status, body) = read(answer).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn each_cause_has_its_remedy() {
    let limits = RateLimits { predict: 1, ..RateLimits::default() };
    let service = TestService::start_limited(limits).await;
    let (key_id, key) = service.key("server", &["models"]).await;
    let (gone_id, gone) = service.key("gone", &["read"]).await;
    service.revoke(&gone_id).await;

    for (presented, problem) in [
        (format!(" {key}"), "whiteSpace"),
        (key[3..].to_owned(), "prefix"),
        (key[..42].to_owned(), "length"),
        (key.replacen(&key[3..4], "A", 1), "upperCase"),
        ("ul_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0".to_owned(), "notHexadecimal"),
    ] {
        let found = diagnose(&service, json!({ "key": presented })).await;
        assert_eq!(found["finding"], json!({ "kind": "malformed", "problem": problem }), "{found}");
        assert!(!found.to_string().contains(&key[12..42]), "nothing of it is repeated");
        assert!(!text(&found["remedy"]).is_empty() && found["key"].is_null());
    }
    let found = diagnose(&service, json!({ "key": format!("ul_{}", "a".repeat(40)) })).await;
    assert_eq!((&found["finding"]["kind"], &found["key"]), (&json!("unknown"), &Value::Null));
    let found = diagnose(&service, json!({ "key": gone, "path": "/api/models" })).await;
    assert_eq!((&found["finding"]["kind"], &found["key"]["name"]), (&json!("revoked"), &json!("gone")));
    assert!(found["finding"]["revokedAt"].is_string());

    let found = diagnose(&service, json!({ "key": key })).await;
    assert_eq!((&found["finding"], &found["key"]["keyId"]), (&json!({ "kind": "accepted" }), &json!(key_id)));
    let path = format!("http://{}/api/datasets/a?b=c", service.address);
    let found = diagnose(&service, json!({ "key": key, "method": "POST", "path": path })).await;
    assert_eq!(found["finding"], json!({ "kind": "scope", "needed": ["datasets", "write"] }), "{found}");
    assert!(text(&found["cause"]).contains("datasets, write; the key has models"));
    let found = diagnose(&service, json!({ "key": key, "path": "/elsewhere" })).await;
    assert_eq!(found["finding"], json!({ "kind": "scope", "needed": [] }));

    let question = json!({ "key": key, "method": "POST", "path": "/api/models/a/predict" });
    assert_eq!(diagnose(&service, question.clone()).await["finding"]["kind"], "accepted");
    service.bearer(&key, Method::POST, "/api/models/a/predict").send().await.expect("answered");
    let found = diagnose(&service, question).await;
    assert_eq!((&found["finding"]["kind"], &found["finding"]["limit"]), (&json!("limit"), &json!(1)));
}

#[tokio::test]
async fn asking_is_no_use_and_no_key_may_ask() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("all", &["training", "models", "datasets", "read", "write", "admin"]).await;
    diagnose(&service, json!({ "key": key, "path": "/api/models" })).await;
    assert!(service.listed(&key_id).await["lastUsedAt"].is_null());
    let request = service.bearer(&key, Method::POST, "/api/diagnosis").json(&json!({ "key": key }));
    assert_eq!(request.send().await.expect("answered").status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn bad_questions_are_named_and_not_repeated() {
    let service = TestService::start().await;
    for (question, error) in [
        (json!({}), "key: is required"),
        (json!({ "key": 5 }), "key: must be a text"),
        (json!({ "key": "ul_x", "method": "GET" }), "path: is required beside method"),
        (json!({ "key": "ul_x", "path": "no path at all" }), "path: is not a path or an address"),
        (json!(["ul_x"]), "body: must be a JSON object"),
    ] {
        let answer = service.app(Method::POST, "/api/diagnosis").json(&question).send().await.expect("answered");
        let expected = json!({ "error": error, "code": "VALIDATION_ERROR" });
        assert_eq!(read(answer).await, (StatusCode::BAD_REQUEST, expected));
    }
}
