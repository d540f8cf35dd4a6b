//! Tests the response that a client receives when its request is rejected.

use std::collections::BTreeSet;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::RateLimits;

use crate::Outcome;
use crate::gateway::Gateway;
use crate::gateway_fixture::{FixtureOptions, GatewayFixture};

async fn send_and_read_json(request: RequestBuilder) -> (StatusCode, HeaderMap, Value) {
    let answer = request.send().await.expect("answered");
    let (status, headers) = (answer.status(), answer.headers().clone());
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    (status, headers, answer.json().await.expect("a JSON body"))
}

fn parse_challenges(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all(WWW_AUTHENTICATE).iter().map(|value| value.to_str().expect("a string")).collect()
}

pub async fn rejected_client_receives_reason(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, datasets) = fixture.service.create_key("datasets", &["datasets"]).await.expect("created");
    let (revoked_id, revoked) = fixture.service.create_key("revoked", &["models"]).await.expect("created");
    fixture.service.client.revoke_key(&revoked_id).await.expect("revoked");
    let unknown = format!("ul_{}", "a".repeat(40));
    let invalid = json!({ "error": "Invalid API key", "code": "UNAUTHORIZED" });
    let denied = json!({ "error": "Permission denied for this operation", "code": "FORBIDDEN" });
    for target in ["/api/models/a/predict", "/predict/x"] {
        let (status, headers, body) = send_and_read_json(fixture.anonymous_request(Method::POST, target)).await;
        assert_eq!((status, &body), (StatusCode::UNAUTHORIZED, &invalid));
        assert_eq!(parse_challenges(&headers), [r#"Bearer realm="UL Keys""#]);
        for key in [&unknown, &revoked, "ul_x", "", &unknown.to_uppercase()] {
            let (status, headers, body) =
                send_and_read_json(fixture.request_with_key(key, Method::POST, target).body("hello")).await;
            assert_eq!((status, &body), (StatusCode::UNAUTHORIZED, &invalid), "{key}");
            assert_eq!(parse_challenges(&headers), [r#"Bearer error="invalid_token""#]);
        }
        let (status, headers, body) =
            send_and_read_json(fixture.request_with_key(&datasets, Method::POST, target)).await;
        assert_eq!((status, &body), (StatusCode::FORBIDDEN, &denied));
        let needed = if target.starts_with("/api") { "models write" } else { "models" };
        assert_eq!(parse_challenges(&headers), [format!(r#"Bearer error="insufficient_scope", scope="{needed}""#)]);
    }
    // Send two credentials, because one program might use the first and another program the last.
    let (good, bad) = (format!("Bearer {datasets}"), format!("Bearer {unknown}"));
    for pair in [[&good, &bad], [&bad, &good], [&good, &good]] {
        let status = fixture.send_raw("GET /api/datasets", &pair.map(|value| ("Authorization", &**value))).await;
        assert!(matches!(status, Some(400 | 401)), "{status:?}");
    }
    assert_eq!(fixture.upstream.take_received().len(), 0);
}

pub async fn limited_client_receives_retry_time(gateway: Gateway) {
    let limits = RateLimits { gateway: 2, predict: 1, invalid_credentials: 3, ..RateLimits::default() };
    let fixture =
        GatewayFixture::start_with(gateway, FixtureOptions { limits: Some(limits), ..FixtureOptions::default() }).await;
    let (_, key) = fixture.service.create_key("predictor", &["models"]).await.expect("created");
    let (_, other) = fixture.service.create_key("other", &["models"]).await.expect("created");
    let passes = async |key: &str, target: &str| {
        let answer = fixture.request_with_key(key, Method::POST, target).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK, "{target}");
    };
    // Requests through a gateway count against the rate limit `gateway`, even if the path ends in `/predict`.
    passes(&key, "/api/models/a/predict").await;
    passes(&key, "/predict/predict").await;
    assert_eq!(fixture.upstream.take_received().len(), 2);
    let limited = json!({ "error": "Rate limit exceeded", "code": "RATE_LIMITED" });
    let told = |headers: &HeaderMap, name: &str| headers[name].to_str().expect("a string").to_owned();
    let check = |(status, headers, body): (StatusCode, HeaderMap, Value), limit: &str| {
        assert_eq!((status, &body), (StatusCode::TOO_MANY_REQUESTS, &limited));
        let seconds: u32 = told(&headers, RETRY_AFTER.as_str()).parse().expect("a number of seconds");
        assert!((1..=60).contains(&seconds));
        assert_eq!(told(&headers, "x-ratelimit-limit"), limit);
        assert_eq!(told(&headers, "x-ratelimit-remaining"), "0");
        assert!(told(&headers, "x-ratelimit-reset").ends_with('Z'));
    };
    check(send_and_read_json(fixture.request_with_key(&key, Method::POST, "/api/models/a/predict")).await, "2");
    check(send_and_read_json(fixture.request_with_key(&key, Method::GET, "/predict/x")).await, "2");
    passes(&other, "/predict/predict").await;
    // A client that guesses keys is rate-limited even if it claims different addresses. A client that has used a valid
    // key is not affected.
    let guess = async |number: u32| {
        let unknown = format!("ul_{}", number.to_string().repeat(40));
        let request = fixture.request_with_key(&unknown, Method::GET, "/api/models");
        send_and_read_json(request.header("X-Forwarded-For", format!("192.0.2.{number}"))).await
    };
    for number in 0..3 {
        assert_eq!(guess(number).await.0, StatusCode::UNAUTHORIZED);
    }
    check(guess(9).await, "3");
    passes(&other, "/api/models").await;
}

/// Through the gateway, clients reach neither the key service itself nor the internal path of the key check. The
/// gateway listens on no other port, such as one for administration.
pub async fn gateway_opens_nothing_else(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    assert_eq!(fixture.listening_addresses(), [([127, 0, 0, 1], fixture.port).into()].into());
    for target in
        ["/ul-keys", "/ul-keys?x", "/forward-auth?scope=read", "/oauth2/introspect", "/healthz", "/metrics", "/"]
    {
        for method in [Method::GET, Method::POST] {
            let answer = fixture.anonymous_request(method, target).send().await.expect("answered");
            assert!(matches!(answer.status().as_u16(), 401 | 403 | 404), "{target}: {answer:?}");
        }
    }
    let (_, admin) = fixture.service.create_key("admin", &["admin"]).await.expect("created");
    let closed = if gateway == Gateway::Nginx { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
    let answer = fixture.request_with_key(&admin, Method::GET, "/ul-keys").send().await.expect("answered");
    assert_eq!(answer.status(), closed);
    fixture.request_with_key(&admin, Method::POST, "/api/api-keys").body("{}").send().await.expect("answered");
    assert_eq!(
        fixture.upstream.take_only().target,
        "/api/api-keys",
        "/api/api-keys is an ordinary path of the upstream"
    );
}

/// While the key service is not running, the gateway generates the response itself.
pub async fn request_without_key_service_is_rejected(gateway: Gateway) -> Outcome {
    let mut fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    assert_eq!(
        fixture.request_with_key(&key, Method::GET, "/api/models").send().await.expect("answered").status(),
        StatusCode::OK
    );
    assert_eq!(fixture.upstream.take_received().len(), 1);
    fixture.service.stop().await.expect("clean shutdown");
    let mut answers = BTreeSet::new();
    for target in ["/api/models", "/predict/x", "/"] {
        for _ in 0..20 {
            let answer = fixture.request_with_key(&key, Method::GET, target).send().await.expect("answered");
            answers.insert(answer.status().as_u16());
            let answer = fixture.anonymous_request(Method::POST, target).body("hello").send().await.expect("answered");
            assert!(answer.status().is_server_error(), "{answer:?}");
        }
    }
    assert_eq!(fixture.upstream.take_received().len(), 0);
    Outcome::Difference(match answers.iter().collect::<Vec<_>>().as_slice() {
        [500] => "500",
        [502] => "502",
        [503] => "503",
        _ => panic!("{answers:?}"),
    })
}
