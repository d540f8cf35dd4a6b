//! Tests of `GET /metrics`.

use reqwest::Method;

use crate::common::TestService;

#[tokio::test]
async fn metrics_count_decisions_without_names() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("very-special-name", &["read"]).await;
    service.get_summary(&key).await;
    service.get_summary(&key).await;
    service.get_summary(&format!("ul_{}", "a".repeat(40))).await;
    service.bearer(&key, Method::POST, "/api/models").send().await.expect("answered");
    let answer = service.anonymous(Method::GET, "/metrics").send().await.expect("answered");
    assert!(answer.headers()["content-type"].to_str().expect("ASCII").starts_with("application/openmetrics-text"));
    let text = answer.text().await.expect("a body");
    for line in [
        r#"ulkeys_decisions_total{outcome="accepted"} 2"#,
        r#"ulkeys_decisions_total{outcome="unknown"} 1"#,
        r#"ulkeys_decisions_total{outcome="scope"} 1"#,
        r#"ulkeys_decisions_total{outcome="limit"} 0"#,
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("ulkeys_request_duration_seconds_bucket"));
    for secret in [key.as_str(), &key_id, "very-special-name", "127.0.0.1"] {
        assert!(!text.contains(secret), "{text}");
    }
}
