//! Requests a minute: the documented headers, independent counters, and peers that guess.

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::json;
use ulkeys_domain::{RateLimits, Timestamp};
use ulkeys_service::Setting;

use crate::common::{TestService, read};

fn number(headers: &HeaderMap, name: &str) -> u64 {
    headers[name].to_str().expect("ASCII").parse().expect("a number")
}

fn seconds_until_reset(headers: &HeaderMap) -> i64 {
    let reset: Timestamp = headers["x-ratelimit-reset"].to_str().expect("ASCII").parse().expect("ISO 8601");
    (reset.as_millis() - ulkeys_service::system_clock().as_millis()) / 1_000
}

#[tokio::test]
async fn the_documented_limits_hold_for_each_key_and_category() {
    let service = TestService::start_limited(RateLimits::default()).await;
    let (_, key) = service.key("busy", &["write"]).await;
    let (_, other) = service.key("other", &["write"]).await;
    for (method, path, limit) in [
        (Method::GET, "/api/account/summary", 100),
        (Method::POST, "/api/training/start", 10),
        (Method::POST, "/api/upload/signed-url", 10),
        (Method::POST, "/api/models/a/b/c/predict", 20),
        (Method::POST, "/api/models/a/b/c/exports", 20),
        (Method::GET, "/api/datasets/a/b/export", 30),
    ] {
        for counted in 1..=limit {
            let answer = service.bearer(&key, method.clone(), path).send().await.expect("answered");
            assert!([StatusCode::OK, StatusCode::NOT_FOUND].contains(&answer.status()), "{path} {counted}");
            assert_eq!(number(answer.headers(), "x-ratelimit-limit"), limit);
            assert_eq!(number(answer.headers(), "x-ratelimit-remaining"), limit - counted);
            assert!((55..=60).contains(&seconds_until_reset(answer.headers())));
        }
        let answer = service.bearer(&key, method.clone(), path).send().await.expect("answered");
        let headers = answer.headers().clone();
        assert_eq!(
            read(answer).await,
            (StatusCode::TOO_MANY_REQUESTS, json!({ "error": "Rate limit exceeded", "code": "RATE_LIMITED" }))
        );
        assert_eq!((number(&headers, "x-ratelimit-limit"), number(&headers, "x-ratelimit-remaining")), (limit, 0));
        assert!((50..=60).contains(&number(&headers, RETRY_AFTER.as_str())));
        assert!((50..=60).contains(&seconds_until_reset(&headers)));
        let answer = service.bearer(&other, method, path).send().await.expect("answered");
        assert_ne!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "another key");
    }
    let answer = service.app(Method::GET, "/api/account/summary").send().await.expect("answered");
    assert!(!answer.headers().contains_key("x-ratelimit-limit"), "the app has no limit");
}

#[tokio::test]
async fn a_refused_request_is_not_counted_against_the_limit() {
    let service = TestService::start_limited(RateLimits { default: 2, ..RateLimits::default() }).await;
    let (_, key) = service.key("reader", &["read"]).await;
    for _ in 0..5 {
        let answer = service.bearer(&key, Method::POST, "/api/models").send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key("x-ratelimit-remaining"));
    }
    assert_eq!(number(service.summary(&key).await.headers(), "x-ratelimit-remaining"), 1);
}

/// All programs on this computer have one address: the one that guesses must not lock the others out.
#[tokio::test]
async fn a_peer_that_guesses_keeps_only_the_keys_that_it_uses() {
    let service = TestService::start_limited(RateLimits { invalid_credentials: 5, ..RateLimits::default() }).await;
    let (used_id, used) = service.key("in use", &["read"]).await;
    let (_, unused) = service.key("not used yet", &["read"]).await;
    assert_eq!(service.summary(&used).await.status(), StatusCode::OK);
    // A program with a wrong key asks for it again and again; that is no guessing.
    for _ in 0..20 {
        assert_eq!(service.summary(&format!("ul_{}", "0".repeat(40))).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(service.summary("not even a key").await.status(), StatusCode::UNAUTHORIZED);
    }
    for digit in 1..4 {
        let guess = format!("ul_{}", digit.to_string().repeat(40));
        assert_eq!(service.summary(&guess).await.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = async |key: &str| {
        let answer = service.summary(key).await;
        assert!(number(answer.headers(), RETRY_AFTER.as_str()) > 50);
        read(answer).await
    };
    let limited = (StatusCode::TOO_MANY_REQUESTS, json!({ "error": "Rate limit exceeded", "code": "RATE_LIMITED" }));
    assert_eq!(refused(&format!("ul_{}", "f".repeat(40))).await, limited, "a wrong guess");
    assert_eq!(refused(&unused).await, limited, "a right guess looks the same");
    assert_eq!(refused("nonsense").await, limited);
    assert_eq!(service.summary(&used).await.status(), StatusCode::OK, "a key in use still works");
    assert_eq!(service.app(Method::GET, "/api/api-keys").send().await.expect("answered").status(), StatusCode::OK);
    let question = json!({ "key": unused });
    let answer = service.app(Method::POST, "/api/diagnosis").json(&question).send().await.expect("answered");
    assert_eq!(read(answer).await.1["finding"]["kind"], "peerLimit", "and the person in front of the app is told why");
    service.revoke(&used_id).await;
    assert_eq!(refused(&used).await, limited, "until it is revoked");
}

/// A person changes limits while programs run.
#[tokio::test]
async fn limits_changed_while_serving_apply_to_the_next_request() {
    let (change, limits) = tokio::sync::watch::channel(RateLimits { default: 3, ..RateLimits::default() });
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| {
        config.limits = Setting::new(move || *limits.borrow());
    })
    .await;
    let (_, key) = service.key("reader", &["read"]).await;
    let ask = async || {
        let answer = service.summary(&key).await;
        (
            answer.status(),
            number(answer.headers(), "x-ratelimit-limit"),
            number(answer.headers(), "x-ratelimit-remaining"),
        )
    };
    assert_eq!(ask().await, (StatusCode::OK, 3, 2));
    assert_eq!(ask().await, (StatusCode::OK, 3, 1));
    change.send_replace(RateLimits { default: 1, ..RateLimits::default() });
    assert_eq!(ask().await, (StatusCode::TOO_MANY_REQUESTS, 1, 0));
    change.send_replace(RateLimits { default: 5, ..RateLimits::default() });
    assert_eq!(ask().await, (StatusCode::OK, 5, 2));
}
