//! Tests of the scopes that listing and managing keys require.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::TestService;

#[tokio::test]
async fn managing_keys_requires_admin() {
    let service = TestService::start().await;
    let (victim, _) = service.create_key("victim", &["training"]).await;
    for (scope, may_list, may_manage) in [
        ("training", false, false),
        ("models", false, false),
        ("datasets", false, false),
        ("read", true, false),
        ("write", false, false),
        ("admin", true, true),
    ] {
        let (_, key) = service.create_key(scope, &[scope]).await;
        let allowed = |yes: bool, ok| if yes { ok } else { StatusCode::FORBIDDEN };
        let list = service.bearer(&key, Method::GET, "/api/api-keys").send().await.expect("answered");
        assert_eq!(list.status(), allowed(may_list, StatusCode::OK), "listing with {scope}");
        let body = json!({ "name": "by key", "scopes": ["read"] });
        let create = service.bearer(&key, Method::POST, "/api/api-keys").json(&body).send().await.expect("answered");
        assert_eq!(create.status(), allowed(may_manage, StatusCode::CREATED), "creating with {scope}");
        let path = format!("/api/api-keys/{victim}");
        let revoke = service.bearer(&key, Method::DELETE, &path).send().await.expect("answered");
        assert_eq!(revoke.status(), allowed(may_manage, StatusCode::OK), "revoking with {scope}");
    }
}

#[tokio::test]
async fn reading_keys_requires_read_or_admin() {
    let service = TestService::start().await;
    let (key_id, _) = service.create_key("any", &["models"]).await;
    for (scope, expected) in [
        ("training", StatusCode::FORBIDDEN),
        ("models", StatusCode::FORBIDDEN),
        ("datasets", StatusCode::FORBIDDEN),
        ("read", StatusCode::OK),
        ("write", StatusCode::FORBIDDEN),
        ("admin", StatusCode::OK),
    ] {
        let (_, key) = service.create_key(scope, &[scope]).await;
        for path in [
            "/api/api-keys?status=all".to_owned(),
            "/api/api-keys/counts".to_owned(),
            format!("/api/api-keys/{key_id}"),
        ] {
            let answer = service.bearer(&key, Method::GET, &path).send().await.expect("answered");
            assert_eq!(answer.status(), expected, "{scope}: {path}");
            let answer = service.anonymous(Method::GET, &path).send().await.expect("answered");
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
    }
}
