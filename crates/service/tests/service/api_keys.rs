//! Listing, creating and revoking keys.

use crate::common::{TestService, read, text};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn create_answers_once_with_the_key_and_then_never_again() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("  Trainings-Server №1  ", &["read", "training", "read"]).await;
    assert!(key.starts_with("ul_") && key.len() == 43, "43 characters");
    let listed = service.listed(&key_id).await;
    let created_at = listed["createdAt"].clone();
    assert_eq!(
        listed,
        json!({
            "keyId": key_id, "name": "Trainings-Server №1", "keyPrefix": key[..11],
            "scopes": ["training", "read"], "createdAt": created_at, "lastUsedAt": null, "adminUsedAt": null,
            "revokedAt": null, "replaces": null, "replacedBy": null, "attention": [],
        })
    );
    assert!(text(&created_at).ends_with('Z'));
}

#[tokio::test]
async fn bad_input_names_the_field_repeats_nothing_and_creates_nothing() {
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
        assert_eq!(read(answer).await, (StatusCode::BAD_REQUEST, expected), "{body}");
    }
    for (body, status, expected) in [
        (r#"{"name": "#.to_owned(), StatusCode::BAD_REQUEST, "body: is not JSON (line 1, column 9)"),
        ("x".repeat(100_000), StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large"),
    ] {
        let answer = service.app(Method::POST, "/api/api-keys").body(body).send().await.expect("answered");
        assert_eq!(read(answer).await, (status, json!({ "error": expected, "code": "VALIDATION_ERROR" })));
    }
    let (_, list) = read(service.app(Method::GET, "/api/api-keys").send().await.expect("answered")).await;
    assert_eq!(list, json!({ "keys": [], "total": 0, "next": null }));
}

#[tokio::test]
async fn keys_need_admin_to_manage_and_admin_or_read_to_list() {
    let service = TestService::start().await;
    let (victim, _) = service.key("victim", &["training"]).await;
    for (scope, may_list, may_manage) in [
        ("training", false, false),
        ("models", false, false),
        ("datasets", false, false),
        ("read", true, false),
        ("write", false, false),
        ("admin", true, true),
    ] {
        let (_, key) = service.key(scope, &[scope]).await;
        let allowed = |yes: bool, ok| if yes { ok } else { StatusCode::FORBIDDEN };
        let list = service.bearer(&key, Method::GET, "/api/api-keys").send().await.expect("answered");
        assert_eq!(list.status(), allowed(may_list, StatusCode::OK), "{scope} lists");
        let body = json!({ "name": "by key", "scopes": ["read"] });
        let create = service.bearer(&key, Method::POST, "/api/api-keys").json(&body).send().await.expect("answered");
        assert_eq!(create.status(), allowed(may_manage, StatusCode::CREATED), "{scope} creates");
        let path = format!("/api/api-keys/{victim}");
        let revoke = service.bearer(&key, Method::DELETE, &path).send().await.expect("answered");
        assert_eq!(revoke.status(), allowed(may_manage, StatusCode::OK), "{scope} revokes");
    }
}

#[tokio::test]
async fn revoking_twice_answers_the_first_time_and_unknown_is_not_found() {
    let service = TestService::start().await;
    let (key_id, _) = service.key("key", &["read"]).await;
    let revoke = async |path: String| read(service.app(Method::DELETE, &path).send().await.expect("answered")).await;
    let first = revoke(format!("/api/api-keys/{key_id}")).await;
    assert_eq!(first.0, StatusCode::OK);
    assert_eq!(first.1["keyId"], key_id.as_str());
    let second = revoke(format!("/api/api-keys?keyId={key_id}")).await;
    assert_eq!(second, first, "same time of revocation");
    assert_eq!(service.listed(&key_id).await, Value::Null);

    let not_found = (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" }));
    for path in ["/api/api-keys/key_000000000000000000000000", "/api/api-keys/x", "/api/api-keys?keyId=%27%20OR%201"] {
        assert_eq!(revoke(path.to_owned()).await, not_found, "{path}");
    }
    let invalid = |error| (StatusCode::BAD_REQUEST, json!({ "error": error, "code": "VALIDATION_ERROR" }));
    assert_eq!(revoke("/api/api-keys".to_owned()).await, invalid("keyId: is required"));
    let twice = "/api/api-keys?keyId=a&keyId=b".to_owned();
    assert_eq!(revoke(twice).await, invalid("keyId: must be given once, as a text"));
}

#[tokio::test]
async fn the_query_form_revokes_too() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("key", &["read"]).await;
    let path = format!("/api/api-keys?keyId={key_id}");
    let answer = service.app(Method::DELETE, &path).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(service.summary(&key).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_in_json() {
    let service = TestService::start().await;
    let wrong = service.app(Method::PATCH, "/api/api-keys").send().await.expect("answered");
    let body = json!({ "error": "Method not allowed", "code": "METHOD_NOT_ALLOWED" });
    assert_eq!(read(wrong).await, (StatusCode::METHOD_NOT_ALLOWED, body));
    let unknown = service.anonymous(Method::GET, "/favicon.ico").send().await.expect("answered");
    assert_eq!(read(unknown).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_summary_has_the_published_form() {
    let service = TestService::start().await;
    let (_, key) = service.key("key", &["models"]).await;
    let expected = json!({
        "username": "ada", "name": "Ada Lovelace", "accountType": "personal", "plan": "free", "creditsCents": 0,
        "counts": { "projects": 0, "datasets": 0, "models": 0 }, "teams": [],
    });
    assert_eq!(read(service.summary(&key).await).await, (StatusCode::OK, expected));
}

#[tokio::test]
async fn health_needs_no_credential() {
    let service = TestService::start().await;
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = service.anonymous(Method::GET, path).send().await.expect("answered");
        assert_eq!(read(answer).await, (StatusCode::OK, json!({ "status": status })));
    }
}

#[tokio::test]
async fn last_used_is_written_on_shutdown_and_keys_survive_it() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("key", &["read"]).await;
    assert_eq!(service.summary(&key).await.status(), StatusCode::OK);
    let before = service.listed(&key_id).await;
    assert!(before["lastUsedAt"].is_string(), "shown at once, from memory");
    let folder = service.stop().await;

    let service = TestService::start_in(folder).await;
    assert_eq!(service.listed(&key_id).await, before);
    assert_eq!(service.summary(&key).await.status(), StatusCode::OK);
}

/// Even where another program has the database open.
#[tokio::test]
async fn a_copy_of_the_database_is_whole_after_a_shutdown() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("key", &["read"]).await;
    assert_eq!(service.summary(&key).await.status(), StatusCode::OK);
    let before = service.listed(&key_id).await;
    let other = rusqlite::Connection::open(service.folder.path().join("keys.db")).expect("opened");
    other.query_row("SELECT count(*) FROM keys", [], |row| row.get::<_, i64>(0)).expect("read");
    let (copy, folder) = (tempfile::tempdir().expect("temporary folder"), service.stop().await);
    std::fs::copy(folder.path().join("keys.db"), copy.path().join("keys.db")).expect("copied");
    drop(other);

    let service = TestService::start_in(copy).await;
    assert_eq!(service.listed(&key_id).await, before);
    assert_eq!(service.summary(&key).await.status(), StatusCode::OK);
}
