//! Which credentials are accepted, how the others are refused, and that refusals leave no trace on the key.

use crate::common::{TestService, read};
use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const INVALID: &str = r#"Bearer error="invalid_token""#;

fn invalid_key() -> Value {
    json!({ "error": "Invalid API key", "code": "UNAUTHORIZED" })
}

#[tokio::test]
async fn every_defect_is_answered_alike_and_moves_nothing() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("training-server", &["training"]).await;
    let digits = &key[3..];
    let malformed = [
        "Bearer ul_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0".to_owned(),
        format!("Bearer {}", &key[..42]),
        format!("Bearer {key}0"),
        format!("Bearer UL_{digits}"),
        format!("Bearer ul_{}", upper_case_once(digits)),
        format!("Bearer  {key}"),
        format!("Bearer \t{key}"),
        format!("Bearer {key} {key}"),
        format!("Bearer \"{key}\""),
        format!("Bearer {digits}"),
        format!("Bearer{key}"),
        format!("Basic {key}"),
        format!("Token {key}"),
        key.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
        format!("Bearer ul_{}", "0".repeat(40)),
        format!("Bearer {}", &service.session[..67]),
    ];
    for value in malformed {
        let request = service.anonymous(Method::GET, "/api/account/summary").header(AUTHORIZATION, &value);
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], INVALID, "{value:?}");
        assert_eq!(read(answer).await, (StatusCode::UNAUTHORIZED, invalid_key()), "{value:?}");
    }
    for (first, second) in [(&key, &key), (&service.session, &key)] {
        let request = service.bearer(first, Method::GET, "/api/account/summary").bearer_auth(second);
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], INVALID, "doubled header");
        assert_eq!(read(answer).await, (StatusCode::UNAUTHORIZED, invalid_key()), "doubled header");
    }
    assert_eq!(service.listed(&key_id).await["lastUsedAt"], Value::Null);
}

fn upper_case_once(digits: &str) -> String {
    // A random key without any letter is rarer than a defect in this test.
    let at = digits.find(|c: char| c.is_ascii_lowercase()).expect("a letter");
    format!("{}{}{}", &digits[..at], digits[at..=at].to_uppercase(), &digits[at + 1..])
}

#[tokio::test]
async fn the_scheme_is_case_insensitive_and_an_accepted_key_moves_last_used() {
    let service = TestService::start().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let (key_id, key) = service.key("ci", &["read"]).await;
        let request = service.anonymous(Method::GET, "/api/account/summary");
        let answer = request.header(AUTHORIZATION, format!("{scheme} {key}")).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK, "{scheme}");
        assert!(service.listed(&key_id).await["lastUsedAt"].is_string(), "{scheme}");
    }
}

/// White space around a header's value is no part of it (RFC 9110, section 5.5): no server sees it.
#[tokio::test]
async fn white_space_around_the_whole_header_is_none_of_ours() {
    let service = TestService::start().await;
    let (_, key) = service.key("ci", &["read"]).await;
    let request = service.anonymous(Method::GET, "/api/account/summary");
    let answer = request.header(AUTHORIZATION, format!("  Bearer {key} ")).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_a_credential_no_error_is_named() {
    let service = TestService::start().await;
    let answer = service.anonymous(Method::GET, "/api/account/summary").send().await.expect("answered");
    assert_eq!(answer.headers()[WWW_AUTHENTICATE], r#"Bearer realm="UL Keys""#);
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(read(answer).await, (StatusCode::UNAUTHORIZED, invalid_key()));
}

#[tokio::test]
async fn a_missing_scope_is_named_and_moves_nothing() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let answer = service.bearer(&key, Method::GET, "/api/api-keys").send().await.expect("answered");
    assert_eq!(answer.headers()[WWW_AUTHENTICATE], r#"Bearer error="insufficient_scope", scope="read admin""#);
    let denied = json!({ "error": "Permission denied for this operation", "code": "FORBIDDEN" });
    assert_eq!(read(answer).await, (StatusCode::FORBIDDEN, denied));
    assert_eq!(service.listed(&key_id).await["lastUsedAt"], Value::Null);
}

#[tokio::test]
async fn paths_that_do_not_exist_are_guarded_by_the_same_table() {
    let service = TestService::start().await;
    let (_, trainer) = service.key("trainer", &["training"]).await;
    let (_, reader) = service.key("reader", &["read"]).await;
    let ask = async |token: &str, method, path: &str| {
        service.bearer(token, method, path).send().await.expect("answered").status()
    };
    assert_eq!(ask(&trainer, Method::GET, "/api/datasets/1").await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&reader, Method::GET, "/api/datasets/1").await, StatusCode::NOT_FOUND);
    assert_eq!(ask(&reader, Method::DELETE, "/api/datasets/1").await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&reader, Method::GET, "/api/%64atasets").await, StatusCode::FORBIDDEN);
    let anonymous = service.anonymous(Method::GET, "/api/no-such-thing").send().await.expect("answered");
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_next_request_on() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("gone", &["read"]).await;
    assert_eq!(service.summary(&key).await.status(), StatusCode::OK);
    service.revoke(&key_id).await;
    let answer = service.summary(&key).await;
    assert_eq!(answer.headers()[WWW_AUTHENTICATE], INVALID);
    assert_eq!(read(answer).await, (StatusCode::UNAUTHORIZED, invalid_key()));
}
