//! Tests of `/forward-auth`, where a gateway authorizes requests to other services. `tests/gateways` tests real
//! gateways.

use insta::assert_json_snapshot;
use reqwest::header::{CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use ulkeys_domain::RateLimits;

use crate::common::{TestService, read_json};
use crate::snapshots::{redact_snapshots, whole_answer};

fn gateway_request(service: &TestService, key: &str, method: &str, target: &str) -> RequestBuilder {
    service
        .bearer(key, Method::GET, "/forward-auth")
        .header("X-Original-Method", method)
        .header("X-Original-URI", target)
}

#[tokio::test]
async fn policy_decides_and_response_names_the_key() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("détecteur n° 1", &["models", "read"]).await;
    let answer = gateway_request(&service, &key, "POST", "/api/models/a?x=1").send().await.expect("answered");
    assert_eq!(answer.headers()["x-key-id"], key_id.as_str());
    assert!(answer.headers().contains_key("x-ratelimit-remaining"));
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(gateway_request(&service, &key, "POST", "/api/models/a?x=1")).await, @r#"
    {
      "body": "",
      "headers": {
        "x-key-id": "[keyId]",
        "x-key-name": "d%C3%A9tecteur n%C2%B0 1",
        "x-key-scopes": "models read"
      },
      "status": 204
    }
    "#);
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store", "a gateway must not cache the decision");
    assert!(service.listed_key(&key_id).await["lastUsedAt"].is_string());

    let answer = gateway_request(&service, &key, "POST", "/api/datasets/a").send().await.expect("answered");
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    assert_json_snapshot!(whole_answer(gateway_request(&service, &key, "POST", "/api/datasets/a")).await, @r#"
    {
      "body": {
        "code": "FORBIDDEN",
        "error": "Permission denied for this operation"
      },
      "headers": {
        "content-type": "application/json",
        "www-authenticate": "Bearer error=\"insufficient_scope\", scope=\"datasets write\""
      },
      "status": 403
    }
    "#);
    for target in ["/", "/predict", "/api/../x", "/api//models", "/api/%6dodels", "/api/models#", "/apimodels"] {
        let answer = gateway_request(&service, &key, "GET", target).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{target}");
    }
}

#[tokio::test]
async fn scope_parameter_replaces_the_policy() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("models only", &["models"]).await;
    let ask = async |query: &str| {
        let request = service.bearer(&key, Method::GET, &format!("/forward-auth{query}"));
        let request = request.header("X-Forwarded-Method", "POST").header("X-Forwarded-Uri", "/predict?image=1");
        request.send().await.expect("answered").status()
    };
    assert_eq!(
        ask("").await,
        StatusCode::FORBIDDEN,
        "outside the platform's paths, a key is accepted only for a configured scope"
    );
    assert_eq!(ask("?scope=models").await, StatusCode::NO_CONTENT);
    assert_eq!(ask("?scope=write+models").await, StatusCode::NO_CONTENT);
    assert_eq!(ask("?scope=datasets").await, StatusCode::FORBIDDEN);
    for wrong in ["?scope=", "?scope=all", "?scopes=models", "?scope=models&scope=read"] {
        assert_eq!(ask(wrong).await, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

/// A gateway that resolves `..` or `%2f` treats these paths as paths below `/predict`, but the service behind the
/// gateway may treat them as other paths.
#[tokio::test]
async fn ambiguous_path_is_rejected_despite_scope_parameter() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("models only", &["models"]).await;
    let ask = async |target: &str| {
        let request = service.bearer(&key, Method::GET, "/forward-auth?scope=models");
        let request = request.header("X-Original-Method", "GET").header("X-Original-URI", target);
        let answer = request.send().await.expect("answered");
        (answer.status(), answer.headers().get(WWW_AUTHENTICATE).cloned())
    };
    for target in
        ["/admin/../predict", "/admin/%2e%2e/predict", "/admin/..%2fpredict", "//predict", "/predict;/../admin"]
    {
        let challenge = HeaderValue::from_static(r#"Bearer error="insufficient_scope""#);
        assert_eq!(ask(target).await, (StatusCode::FORBIDDEN, Some(challenge)), "{target}");
    }
    for target in ["/", "/predict", "/predict/my%20image.jpg?size=../2", "/predict/"] {
        assert_eq!(ask(target).await, (StatusCode::NO_CONTENT, None), "{target}");
    }
}

/// A path that ends in `/predict` does not necessarily belong to the platform's prediction route. For example, a camera
/// may send two frames per second to such a path on another service. So all requests through a gateway count against
/// the gateway's limit.
#[tokio::test]
async fn requests_for_any_path_count_against_gateway_limit() {
    let limits = RateLimits { gateway: 5, predict: 1, default: 1, stream: 1, upload: 1, ..RateLimits::default() };
    let service = TestService::start_limited(limits).await;
    let (_, key) = service.create_key("camera", &["write"]).await;
    let paths =
        ["/api/models/a/predict", "/api/models", "/api/webhooks/training/metrics", "/api/upload/a", "/api/exports"];
    for (path, remaining) in paths.into_iter().zip(["4", "3", "2", "1", "0"]) {
        let answer = gateway_request(&service, &key, "POST", path).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.headers()["x-ratelimit-remaining"], remaining, "{path}");
    }
    let named = service.bearer(&key, Method::GET, "/forward-auth?scope=write");
    let named = named.header("X-Original-Method", "POST").header("X-Original-URI", "/mine/predict");
    assert_eq!(named.send().await.expect("answered").status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        service.get_summary(&key).await.status(),
        StatusCode::OK,
        "requests to the service have separate limits"
    );
}

#[tokio::test]
async fn key_in_another_header_is_accepted_and_two_are_rejected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("carried", &["read"]).await;
    let ask = || {
        let request = service.anonymous(Method::GET, "/forward-auth");
        request.header("X-Original-Method", "GET").header("X-Original-URI", "/api/models")
    };
    for (request, status) in [
        (ask().header("X-API-Key", &key), StatusCode::NO_CONTENT),
        (ask().header("X-API-Key", &key).basic_auth("me", Some("mine")), StatusCode::NO_CONTENT),
        (ask().basic_auth("me", Some(&key)), StatusCode::NO_CONTENT),
        (ask().header("X-API-Key", &key).bearer_auth(&key), StatusCode::BAD_REQUEST),
        (ask().header("X-API-Key", &service.session), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(request.send().await.expect("answered").status(), status);
    }
}

/// A browser sends a preflight request without a credential (Fetch, section 4.8).
#[tokio::test]
async fn preflight_without_allow_parameter_is_rejected() {
    let service = TestService::start_limited(RateLimits { invalid_credentials: 1, ..RateLimits::default() }).await;
    let ask = |rule: &str, method: &str, target: &str| {
        let request = service.anonymous(Method::GET, &format!("/forward-auth{rule}"));
        request.header("X-Original-Method", method).header("X-Original-URI", target)
    };
    const WANTED: &str = "Access-Control-Request-Method";
    for rule in ["?preflight=allow", "?scope=models&preflight=allow", "?preflight=allow&scope=models"] {
        let answer = ask(rule, "OPTIONS", "/predict/a").header(WANTED, "POST").send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{rule}");
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("x-key-")), "{:?}", answer.headers());
    }
    let allowed = "?scope=models&preflight=allow";
    let wrong = format!("ul_{}", "a".repeat(40));
    for (what, request) in [
        ("no such rule", ask("?scope=models", "OPTIONS", "/predict/a").header(WANTED, "POST")),
        ("another method", ask(allowed, "GET", "/predict/a").header(WANTED, "POST")),
        ("in lower case", ask(allowed, "options", "/predict/a").header(WANTED, "POST")),
        ("no preflight", ask(allowed, "OPTIONS", "/predict/a")),
        ("a path of two readings", ask(allowed, "OPTIONS", "/predict/../a").header(WANTED, "POST")),
        ("with a credential", ask(allowed, "OPTIONS", "/predict/a").header(WANTED, "POST").bearer_auth(&wrong)),
    ] {
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what}");
    }
    for wrong in ["?preflight=", "?preflight=deny", "?preflight=allow&preflight=allow"] {
        let answer = ask(wrong, "OPTIONS", "/predict/a").header(WANTED, "POST").send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    let chosen_by_the_client = ask("?preflight=allow", "OPTIONS", "/predict/a?preflight=allow").header(WANTED, "POST");
    assert_eq!(chosen_by_the_client.send().await.expect("answered").status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rejections_follow_the_protocol() {
    let service = TestService::start_limited(RateLimits { gateway: 2, ..RateLimits::default() }).await;
    let (key_id, key) = service.create_key("predictor", &["models"]).await;
    let predict =
        async || gateway_request(&service, &key, "POST", "/api/models/a/predict").send().await.expect("answered");
    assert_eq!(predict().await.status(), StatusCode::NO_CONTENT);
    assert_eq!(predict().await.status(), StatusCode::NO_CONTENT);
    let _redactions = redact_snapshots();
    let mut limited = whole_answer(gateway_request(&service, &key, "POST", "/api/models/a/predict")).await;
    assert!(limited["headers"]["retry-after"].take().is_string());
    assert_json_snapshot!(limited, @r#"
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
    service.revoke_key(&key_id).await;
    let invalid = (StatusCode::UNAUTHORIZED, json!({ "error": "Invalid API key", "code": "UNAUTHORIZED" }));
    assert_eq!(read_json(predict().await).await, invalid);
    let unknown = format!("ul_{}", "a".repeat(40));
    assert_eq!(
        read_json(gateway_request(&service, &unknown, "GET", "/api/models").send().await.expect("answered")).await,
        invalid
    );
    let request = service.anonymous(Method::GET, "/forward-auth");
    let request = request.header("X-Original-Method", "GET").header("X-Original-URI", "/api/models");
    assert_eq!(read_json(request.send().await.expect("answered")).await, invalid);
}

#[tokio::test]
async fn misconfigured_gateway_is_rejected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("key", &["read"]).await;
    let answer = service.bearer(&key, Method::GET, "/forward-auth").send().await.expect("answered");
    let (status, body) = read_json(answer).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("VALIDATION_ERROR")));
    assert!(body["error"].as_str().expect("text").contains("X-Original-URI"), "{body}");
    // If the gateway sends `X-Original-*` headers, a client cannot replace the method or the target by sending
    // `X-Forwarded-*` headers.
    let answer = gateway_request(&service, &key, "POST", "/api/models")
        .header("X-Forwarded-Method", "GET")
        .header("X-Forwarded-Uri", "/api/models")
        .send()
        .await
        .expect("answered");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

/// Some gateways, such as Caddy, append the query of the client's request to a `/forward-auth` URL that has no query,
/// so a client could choose the required scope itself.
#[tokio::test]
async fn scope_from_client_query_is_rejected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("models only", &["models"]).await;
    let ask = async |query: &str, target: &str| {
        let request = service.bearer(&key, Method::GET, &format!("/forward-auth{query}"));
        let request = request.header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", target);
        request.send().await.expect("answered").status()
    };
    for query in ["?scope=models", "?scope=%6dodels", "?scope=models+datasets"] {
        assert_eq!(ask(query, &format!("/private{query}")).await, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(ask("?x=1", "/api/models?x=1").await, StatusCode::BAD_REQUEST);
    for target in ["/predict", "/predict?x=1", "/predict?scope=read", "/predict?scope=models&x=1"] {
        assert_eq!(ask("?scope=models", target).await, StatusCode::NO_CONTENT, "{target}");
    }
    assert_eq!(ask("?", "/api/models?scope=models").await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn session_token_is_rejected() {
    let service = TestService::start().await;
    for query in ["", "?scope=read"] {
        let request = service.app(Method::GET, &format!("/forward-auth{query}"));
        let request = request.header("X-Original-Method", "GET").header("X-Original-URI", "/api/models");
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn client_address_is_the_last_forwarded_hop() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("key", &["read"]).await;
    let request = gateway_request(&service, &key, "GET", "/api/models").header("User-Agent", "curl/8");
    request.header("X-Forwarded-For", "10.9.9.9, 192.0.2.7").send().await.expect("answered");
    let usage = service.wait_for_clients(&key_id, 1).await;
    assert_eq!(usage["sources"][0]["peer"], "192.0.2.7", "the last hop; earlier hops are not trusted");
    assert_eq!(usage["sources"][0]["agent"], "curl/8");
}

/// curl and nginx forward a target with non-ASCII bytes unchanged. A path that is not UTF-8 is rejected, because
/// programs interpret such bytes differently.
#[tokio::test]
async fn target_with_raw_bytes_is_decided_by_its_path() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("models only", &["models"]).await;
    let ask = async |rule: &str, target: &[u8]| {
        let request = service.bearer(&key, Method::GET, &format!("/forward-auth{rule}"));
        let target = HeaderValue::from_bytes(target).expect("a value");
        let request = request.header("X-Original-Method", "GET").header("X-Original-URI", target);
        let answer = request.send().await.expect("answered");
        (answer.status(), answer.text().await.expect("text"))
    };
    for (rule, target, status) in [
        ("?scope=models", "/predict/x?name=größe".as_bytes(), StatusCode::NO_CONTENT),
        ("?scope=models", b"/predict/x?name=gr\xf6\xdfe", StatusCode::NO_CONTENT),
        ("", "/api/models?name=größe".as_bytes(), StatusCode::NO_CONTENT),
        ("?scope=models", "/predict/größe.jpg".as_bytes(), StatusCode::NO_CONTENT),
        ("?scope=models", "/predict/größe/../x".as_bytes(), StatusCode::FORBIDDEN),
        // The platform's own paths contain no non-ASCII characters, percent-encoded or not.
        ("", "/api/models/größe".as_bytes(), StatusCode::FORBIDDEN),
        ("?scope=datasets", "/predict/größe".as_bytes(), StatusCode::FORBIDDEN),
        ("?scope=models", b"/predict/gr\xf6\xdfe", StatusCode::BAD_REQUEST),
    ] {
        let (found, body) = ask(rule, target).await;
        assert_eq!(found, status, "{rule} {:?}: {body}", String::from_utf8_lossy(target));
        if status == StatusCode::BAD_REQUEST {
            assert!(body.contains("x-original-uri: the path is not UTF-8; percent-encode it"), "{body}");
        }
    }
}
