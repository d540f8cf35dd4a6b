//! Reading what was recorded: who may, in which order, and what an outsider sees.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::common::{TestService, read, text};
use crate::training::{details, event, get, start};
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::Timestamp;
use ulkeys_service::system_clock;

fn numbers(list: &Value) -> Vec<i64> {
    list["runs"].as_array().expect("a list").iter().map(|run| run["runId"].as_i64().expect("a number")).collect()
}

#[tokio::test]
async fn runs_are_listed_newest_first_in_pages_and_by_key() {
    let service = TestService::start().await;
    let (one_id, one) = service.key("one", &["training"]).await;
    let (two_id, two) = service.key("two", &["training"]).await;
    for number in 0..5 {
        start(&service, if number % 2 == 0 { &one } else { &two }, "exp1").await;
    }
    let session = service.session.clone();
    let list = async |query: &str| get(&service, &session, &format!("/api/training/runs{query}")).await;
    let (_, all) = list("").await;
    assert_eq!((numbers(&all), &all["nextCursor"]), (vec![5, 4, 3, 2, 1], &Value::Null));
    assert_eq!((&all["runs"][0]["slug"], &all["runs"][0]["keyIds"]), (&json!("exp1-5"), &json!([one_id])));

    let (_, page) = list("?limit=2").await;
    assert_eq!(numbers(&page), [5, 4]);
    let (_, page) = list(&format!("?limit=2&cursor={}", text(&page["nextCursor"]))).await;
    assert_eq!(numbers(&page), [3, 2]);
    let (_, page) = list(&format!("?limit=2&cursor={}", text(&page["nextCursor"]))).await;
    assert_eq!((numbers(&page), &page["nextCursor"]), (vec![1], &Value::Null));
    let (_, page) = list(&format!("?keyId={two_id}&limit=2")).await;
    assert_eq!((numbers(&page), &page["nextCursor"]), (vec![4, 2], &Value::Null));

    let (_, page) = list("?cursor=9999999999999999").await;
    assert_eq!(numbers(&page), vec![5, 4, 3, 2, 1], "more digits than any run has, and as many as the document allows");

    for (query, field) in [
        ("?limit=0", "limit"),
        ("?cursor=0", "cursor"),
        ("?cursor=10000000000000000", "cursor"),
        ("?limit=201", "limit"),
        ("?limit=-1", "limit"),
        ("?cursor=hidden", "cursor"),
        ("?keyId=hidden", "keyId"),
        ("?limit=1&limit=2", "query"),
    ] {
        let (status, body) = list(query).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("VALIDATION_ERROR")), "{query}");
        assert!(text(&body["error"]).starts_with(&format!("{field}: ")), "{query}: {body}");
        assert!(!text(&body["error"]).contains("hidden"));
    }
}

#[tokio::test]
async fn reading_needs_a_scope_for_it_and_unknown_runs_are_not_found() {
    let service = TestService::start().await;
    let (_, trainer) = service.key("trainer", &["training"]).await;
    let (_, reader) = service.key("reader", &["read"]).await;
    let (_, other) = service.key("other", &["datasets", "models", "admin"]).await;
    let run = start(&service, &trainer, "exp1").await;
    event(&service, &trainer, &run, "epoch_end", json!({ "epoch": 0 })).await;
    for path in ["", "/1", "/1/epochs", "/1/console"] {
        let path = format!("/api/training/runs{path}");
        assert_eq!(get(&service, &trainer, &path).await.0, StatusCode::OK, "{path}");
        assert_eq!(get(&service, &reader, &path).await.0, StatusCode::OK, "{path}");
        assert_eq!(get(&service, &other, &path).await.0, StatusCode::FORBIDDEN, "{path}");
        let anonymous = service.anonymous(Method::GET, &path).send().await.expect("answered");
        assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [
        "/2",
        "/0",
        "/-1",
        "/1e0",
        "/99999999999999999999",
        "/x",
        "/2/epochs",
        "/2/console",
        "/1/checkpoint",
        "/2/checkpoint",
    ] {
        let (status, body) = get(&service, &reader, &format!("/api/training/runs{path}")).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")), "{path}");
    }
}

#[tokio::test]
async fn epochs_come_in_pages_and_the_run_itself_tells_their_metrics() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    for epoch in 0..5 {
        let data = json!({ "epoch": epoch, "metrics": {"lr": epoch}, "system": {"cpu": epoch} });
        assert_eq!(event(&service, &key, &run, "epoch_end", data).await.0, StatusCode::OK);
    }
    let page = async |query: &str| get(&service, &key, &format!("/api/training/runs/1/epochs{query}")).await.1;
    let all = page("").await;
    assert_eq!((all["epochs"].as_array().map(Vec::len), &all["nextAfter"]), (Some(5), &Value::Null));
    assert_eq!((&all["epochs"][3]["system"], &all["epochs"][3]["metrics"]), (&json!({"cpu": 3}), &json!({"lr": 3.0})));
    let first = page("?limit=2").await;
    assert_eq!((&first["epochs"][1]["epoch"], &first["nextAfter"]), (&json!(1), &json!(1)));
    let last = page("?limit=2&after=2").await;
    assert_eq!((&last["epochs"][0]["epoch"], &last["nextAfter"]), (&json!(3), &Value::Null));
    let (_, kept) = get(&service, &key, "/api/training/runs/1").await;
    let mut without = all["epochs"].clone();
    for epoch in without.as_array_mut().expect("a list") {
        epoch.as_object_mut().expect("an epoch").remove("system");
    }
    assert_eq!((&kept["epochs"], &kept["system"]), (&without, &json!({"cpu": 4})));

    for (query, field) in
        [("?limit=201", "limit"), ("?limit=0", "limit"), ("?after=20001", "after"), ("?after=x", "after")]
    {
        let (status, body) = get(&service, &key, &format!("/api/training/runs/1/epochs{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        let error = text(&body["error"]);
        assert!(error.starts_with(&format!("{field}: ")) && !error.contains("hidden"), "{query}: {error}");
    }
}

/// The training process prints the address; whoever opens it learns nothing.
#[tokio::test]
async fn the_page_of_a_model_is_the_same_whether_there_is_one_or_not() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let there = service.anonymous(Method::GET, "/ada/project/exp1").send().await.expect("answered");
    assert!(text(&run["modelUrl"]).ends_with("/ada/project/exp1"));
    assert_eq!(there.status(), StatusCode::OK);
    assert_eq!(there.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(there.headers()[CONTENT_SECURITY_POLICY], "default-src 'none'");
    let page = there.text().await.expect("a text");
    assert!(page.contains("UL Keys app") && !page.contains("exp1") && !page.contains("ada"));
    let missing = service.anonymous(Method::GET, "/nobody/nothing/nowhere").send().await.expect("answered");
    assert_eq!((missing.status(), missing.text().await.expect("a text")), (StatusCode::OK, page));

    for (method, path) in
        [(Method::GET, "/a/b"), (Method::GET, "/a/b/c/d"), (Method::GET, "/a//c"), (Method::POST, "/a/b/c")]
    {
        let answer = service.anonymous(method, path).send().await.expect("answered");
        assert_eq!(read(answer).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/api/b/c", "/api/training/nothing"] {
        let answer = service.anonymous(Method::GET, path).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

/// Minutes by which the clock of the test below is ahead.
static AHEAD: AtomicU64 = AtomicU64::new(0);

fn clock_ahead() -> Timestamp {
    system_clock().saturating_add(Duration::from_secs(60 * AHEAD.load(Ordering::Relaxed)))
}

#[tokio::test]
async fn run_without_reports_is_silent_until_it_reports_again() {
    let service =
        TestService::start_with(tempfile::tempdir().expect("temporary folder"), |config| config.clock = clock_ahead)
            .await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let (run, other) = (start(&service, &key, "exp1").await, start(&service, &key, "exp2").await);
    event(&service, &key, &run, "epoch_end", json!({ "epoch": 0 })).await;
    let live = async || {
        let (status, list) = get(&service, &service.session, "/api/training/runs/live").await;
        assert_eq!(status, StatusCode::OK, "{list}");
        let runs = list["runs"].as_array().expect("a list").clone();
        runs.into_iter().map(|run| text(&run["slug"])).collect::<Vec<_>>()
    };
    let kept = details(&service, &run).await;
    assert_eq!((&kept["silentSince"], live().await), (&Value::Null, vec!["exp1".to_owned(), "exp2".to_owned()]));
    assert!(kept["reportDueAt"].as_str() > kept["lastEventAt"].as_str());

    AHEAD.store(9, Ordering::Relaxed);
    event(&service, &key, &other, "training_progress", json!({})).await;
    AHEAD.store(11, Ordering::Relaxed);
    let kept = details(&service, &run).await;
    assert_eq!((&kept["status"], &kept["silentSince"]), (&json!("running"), &kept["lastEventAt"]), "no status changes");
    let (_, list) = get(&service, &key, "/api/training/runs").await;
    assert_eq!((&list["runs"][1]["silentSince"], live().await), (&kept["lastEventAt"], vec!["exp2".to_owned()]));

    // After eleven minutes for its second epoch, it may take three times the average of both.
    event(&service, &key, &run, "epoch_end", json!({ "epoch": 1 })).await;
    let kept = details(&service, &run).await;
    assert_eq!((&kept["silentSince"], live().await), (&Value::Null, vec!["exp1".to_owned(), "exp2".to_owned()]));
    AHEAD.store(26, Ordering::Relaxed);
    assert_eq!(live().await, ["exp1"]);
    event(&service, &key, &run, "training_complete", json!({})).await;
    let kept = details(&service, &run).await;
    assert_eq!((&kept["reportDueAt"], &kept["silentSince"]), (&Value::Null, &Value::Null));
    assert!(live().await.is_empty());
    let (_, models) = service.key("models", &["models"]).await;
    assert_eq!(get(&service, &models, "/api/training/runs/live").await.0, StatusCode::FORBIDDEN);
}
