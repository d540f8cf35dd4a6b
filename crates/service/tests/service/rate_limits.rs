//! Tests of rate limits: the documented headers, independent counters, and clients that guess keys.

use insta::assert_json_snapshot;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::json;
use ulkeys_domain::{RateLimits, Timestamp};
use ulkeys_service::Setting;

use crate::common::{TestService, read_json};
use crate::snapshots::{redact_snapshots, whole_answer};

fn header_number(headers: &HeaderMap, name: &str) -> u64 {
    headers[name].to_str().expect("ASCII").parse().expect("a number")
}

fn seconds_until_reset(headers: &HeaderMap) -> i64 {
    let reset: Timestamp = headers["x-ratelimit-reset"].to_str().expect("ASCII").parse().expect("ISO 8601");
    (reset.as_millis() - ulkeys_service::system_clock().as_millis()) / 1_000
}

#[tokio::test]
async fn documented_limits_apply_to_each_key_and_class() {
    let service = TestService::start_limited(RateLimits::default()).await;
    let (_, key) = service.create_key("busy", &["write"]).await;
    let (_, other) = service.create_key("other", &["write"]).await;
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
            assert_eq!(header_number(answer.headers(), "x-ratelimit-limit"), limit);
            assert_eq!(header_number(answer.headers(), "x-ratelimit-remaining"), limit - counted);
            assert!((55..=60).contains(&seconds_until_reset(answer.headers())));
        }
        let answer = service.bearer(&key, method.clone(), path).send().await.expect("answered");
        let headers = answer.headers().clone();
        assert_eq!(
            read_json(answer).await,
            (StatusCode::TOO_MANY_REQUESTS, json!({ "error": "Rate limit exceeded", "code": "RATE_LIMITED" }))
        );
        assert_eq!(
            (header_number(&headers, "x-ratelimit-limit"), header_number(&headers, "x-ratelimit-remaining")),
            (limit, 0)
        );
        assert!((50..=60).contains(&header_number(&headers, RETRY_AFTER.as_str())));
        assert!((50..=60).contains(&seconds_until_reset(&headers)));
        let answer = service.bearer(&other, method, path).send().await.expect("answered");
        assert_ne!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "another key");
    }
    let answer = service.app(Method::GET, "/api/account/summary").send().await.expect("answered");
    assert!(!answer.headers().contains_key("x-ratelimit-limit"), "the app has no limit");
}

#[tokio::test]
async fn rejected_request_is_not_counted() {
    let service = TestService::start_limited(RateLimits { default: 2, ..RateLimits::default() }).await;
    let (_, key) = service.create_key("reader", &["read"]).await;
    for _ in 0..5 {
        let answer = service.bearer(&key, Method::POST, "/api/models").send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key("x-ratelimit-remaining"));
    }
    assert_eq!(header_number(service.get_summary(&key).await.headers(), "x-ratelimit-remaining"), 1);
}

/// All clients on this computer have the same IP address, so a client that guesses keys must not block the other
/// clients.
#[tokio::test]
async fn guessing_peer_may_use_known_keys_only() {
    let service = TestService::start_limited(RateLimits { invalid_credentials: 5, ..RateLimits::default() }).await;
    let (used_id, used) = service.create_key("in use", &["read"]).await;
    let (_, unused) = service.create_key("not used yet", &["read"]).await;
    assert_eq!(service.get_summary(&used).await.status(), StatusCode::OK);
    // A client that repeats the same wrong key does not count as guessing.
    for _ in 0..20 {
        assert_eq!(service.get_summary(&format!("ul_{}", "0".repeat(40))).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(service.get_summary("not even a key").await.status(), StatusCode::UNAUTHORIZED);
    }
    for digit in 1..4 {
        let guess = format!("ul_{}", digit.to_string().repeat(40));
        assert_eq!(service.get_summary(&guess).await.status(), StatusCode::UNAUTHORIZED);
    }
    let send_rejected = async |key: &str| {
        let answer = service.get_summary(key).await;
        assert!(header_number(answer.headers(), RETRY_AFTER.as_str()) > 50);
        read_json(answer).await
    };
    let limited = (StatusCode::TOO_MANY_REQUESTS, json!({ "error": "Rate limit exceeded", "code": "RATE_LIMITED" }));
    assert_eq!(send_rejected(&format!("ul_{}", "f".repeat(40))).await, limited, "a wrong guess");
    assert_eq!(send_rejected(&unused).await, limited, "a correct guess gets the same response");
    assert_eq!(send_rejected("nonsense").await, limited);
    let _redactions = redact_snapshots();
    let mut rejected = whole_answer(service.bearer(&unused, Method::GET, "/api/account/summary")).await;
    assert!(rejected["headers"]["retry-after"].take().is_string());
    assert_json_snapshot!(rejected, @r#"
    {
      "body": {
        "code": "RATE_LIMITED",
        "error": "Rate limit exceeded"
      },
      "headers": {
        "content-type": "application/json",
        "retry-after": null
      },
      "status": 429
    }
    "#);
    assert_eq!(service.get_summary(&used).await.status(), StatusCode::OK, "a key in use still works");
    assert_eq!(service.app(Method::GET, "/api/api-keys").send().await.expect("answered").status(), StatusCode::OK);
    let question = json!({ "key": unused });
    let answer = service.app(Method::POST, "/api/diagnosis").json(&question).send().await.expect("answered");
    assert_eq!(read_json(answer).await.1["finding"]["kind"], "peerLimit", "the diagnosis names the reason");
    service.revoke_key(&used_id).await;
    assert_eq!(send_rejected(&used).await, limited, "a revoked key no longer works");
}

/// The owner can change the limits while the service is running.
#[tokio::test]
async fn changed_limits_apply_to_next_request() {
    let (change, limits) = tokio::sync::watch::channel(RateLimits { default: 3, ..RateLimits::default() });
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| {
        config.limits = Setting::new(move || *limits.borrow());
    })
    .await;
    let (_, key) = service.create_key("reader", &["read"]).await;
    let ask = async || {
        let answer = service.get_summary(&key).await;
        (
            answer.status(),
            header_number(answer.headers(), "x-ratelimit-limit"),
            header_number(answer.headers(), "x-ratelimit-remaining"),
        )
    };
    assert_eq!(ask().await, (StatusCode::OK, 3, 2));
    assert_eq!(ask().await, (StatusCode::OK, 3, 1));
    change.send_replace(RateLimits { default: 1, ..RateLimits::default() });
    assert_eq!(ask().await, (StatusCode::TOO_MANY_REQUESTS, 1, 0));
    change.send_replace(RateLimits { default: 5, ..RateLimits::default() });
    assert_eq!(ask().await, (StatusCode::OK, 5, 2));
}
