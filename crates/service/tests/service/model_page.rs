//! Tests of the page at the URL that a training process prints.

use insta::assert_json_snapshot;
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use reqwest::{Method, StatusCode};

use crate::common::{TestService, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};
use crate::training_events::start_run;

/// The training process prints the URL of the model. The page reveals nothing about the model.
#[tokio::test]
async fn page_is_the_same_for_unknown_models() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let there = service.anonymous(Method::GET, "/ada/project/exp1").send().await.expect("answered");
    assert!(text(&run["modelUrl"]).ends_with("/ada/project/exp1"));
    assert_eq!(there.status(), StatusCode::OK);
    assert_eq!(there.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(there.headers()[CONTENT_SECURITY_POLICY], "default-src 'none'");
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.anonymous(Method::GET, "/ada/project/exp1")).await, @r#"
    {
      "body": "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>UL Keys</title>\n<p>Training runs are shown in the UL Keys app.</p>\n</html>\n",
      "headers": {
        "content-security-policy": "default-src 'none'",
        "content-type": "text/html; charset=utf-8"
      },
      "status": 200
    }
    "#);
    let page = there.text().await.expect("text");
    assert!(page.contains("UL Keys app") && !page.contains("exp1") && !page.contains("ada"));
    let missing = service.anonymous(Method::GET, "/nobody/nothing/nowhere").send().await.expect("answered");
    assert_eq!((missing.status(), missing.text().await.expect("text")), (StatusCode::OK, page));

    for (method, path) in
        [(Method::GET, "/a/b"), (Method::GET, "/a/b/c/d"), (Method::GET, "/a//c"), (Method::POST, "/a/b/c")]
    {
        let answer = service.anonymous(method, path).send().await.expect("answered");
        assert_eq!(read_json(answer).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/api/b/c", "/api/training/nothing"] {
        let answer = service.anonymous(Method::GET, path).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}
