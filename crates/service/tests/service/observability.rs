//! Numbers for requests, counters for Prometheus, and a log without secrets.

use reqwest::Method;

use crate::common::TestService;

#[tokio::test]
async fn each_answer_carries_the_number_of_its_request() {
    let service = TestService::start().await;
    let id = async |sent: Option<&str>, path: &str| {
        let mut request = service.anonymous(Method::GET, path);
        if let Some(sent) = sent {
            request = request.header("X-Request-Id", sent);
        }
        let answer = request.send().await.expect("answered");
        answer.headers()["x-request-id"].to_str().expect("ASCII").to_owned()
    };
    assert_eq!(id(Some("trace-1:a/b+c="), "/healthz").await, "trace-1:a/b+c=");
    let (one, two) = (id(None, "/healthz").await, id(None, "/nowhere").await);
    assert!(one.len() == 16 && two.len() == 16 && one != two, "{one} {two}");
    assert_eq!(id(Some("kept"), "/api/account/summary").await, "kept", "refusals too");
    for strange in ["", "a b", "<script>", &"x".repeat(129), &format!("ul_{}", "a".repeat(40))] {
        assert_ne!(id(Some(strange), "/healthz").await, strange);
    }
}

#[tokio::test]
async fn metrics_count_decisions_and_name_nobody() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("very-special-name", &["read"]).await;
    service.summary(&key).await;
    service.summary(&key).await;
    service.summary(&format!("ul_{}", "a".repeat(40))).await;
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
