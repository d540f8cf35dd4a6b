//! Tests of the request identifier in each response.

use reqwest::Method;

use crate::common::TestService;

#[tokio::test]
async fn response_has_the_request_id() {
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
    assert_eq!(id(Some("kept"), "/api/account/summary").await, "kept", "rejections too");
    for strange in ["", "a b", "<script>", &"x".repeat(129), &format!("ul_{}", "a".repeat(40))] {
        assert_ne!(id(Some(strange), "/healthz").await, strange);
    }
}
