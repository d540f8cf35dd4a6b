//! Tests of `GET /api/api-keys/{keyId}/usage`.

use std::time::{Duration, Instant};

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use ulkeys_service::Timing;

use crate::common::{TestService, text};
use crate::snapshots::redact_snapshots;

#[tokio::test]
async fn usage_counts_requests_by_hour_and_outcome() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("counted", &["read"]).await;
    for _ in 0..3 {
        let request = service.bearer(&key, Method::GET, "/api/account/summary").header("User-Agent", "trainer/1");
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK);
    }
    for _ in 0..2 {
        let answer = service.bearer(&key, Method::POST, "/api/models").send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    service.revoke_key(&key_id).await;
    service.get_summary(&key).await;

    let sum = |usage: &Value, outcome: &str| -> u64 {
        let hours = usage["hours"].as_array().expect("a list").iter();
        hours.filter(|hour| hour["outcome"] == outcome).map(|hour| hour["requests"].as_u64().expect("a number")).sum()
    };
    let usage = service.wait_for_usage(&key_id, |usage| sum(usage, "revoked") == 1).await;
    assert_eq!((sum(&usage, "accepted"), sum(&usage, "scope"), sum(&usage, "limit")), (3, 2, 0));
    // A client whose requests were all rejected is not listed.
    let _redactions = redact_snapshots();
    assert_json_snapshot!(usage["sources"], @r#"
    [
      {
        "agent": "trainer/1",
        "firstUsedAt": "[time]",
        "lastUsedAt": "[time]",
        "peer": "127.0.0.1",
        "requests": 3
      }
    ]
    "#);
    // Usage is reported for clock hours, which start at minute zero.
    assert!(text(&usage["hours"][0]["hour"]).ends_with(":00:00.000Z"));
}

#[tokio::test]
async fn usage_after_restart_is_counted_once() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("counted", &["read"]).await;
    for _ in 0..7 {
        service.get_summary(&key).await;
    }
    let service = TestService::start_in(service.stop().await).await;
    let usage = service.wait_for_clients(&key_id, 1).await;
    assert_eq!(
        usage["hours"].as_array().expect("a list").iter().map(|hour| hour["requests"].as_u64()).sum::<Option<u64>>(),
        Some(7)
    );
    assert_eq!(usage["sources"][0]["requests"], 7);
}

#[tokio::test]
async fn key_in_user_agent_is_hidden() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("careless", &["read"]).await;
    let request = service.bearer(&key, Method::GET, "/api/account/summary").header("User-Agent", format!("me {key}"));
    request.send().await.expect("answered");
    let usage = service.wait_for_clients(&key_id, 1).await;
    assert_eq!(usage["sources"][0]["agent"], "(hidden: it contains a key)");
}

/// A crash loses only the usage since the last write (see SECURITY.md).
#[tokio::test]
async fn usage_that_nobody_reads_is_written_after_interval() {
    assert_eq!(Timing::default().usage_flush_interval, Duration::from_secs(10), "the interval in SECURITY.md");
    let folder = tempfile::tempdir().expect("temporary folder");
    let interval = Duration::from_millis(100);
    let service = TestService::start_with(folder, |config| config.timing.usage_flush_interval = interval).await;
    let (_, key) = service.create_key("used", &["read"]).await;
    service.get_summary(&key).await;
    let database = rusqlite::Connection::open(service.folder.path().join("keys.db")).expect("opened");
    let start = Instant::now();
    let count = || database.query_row("SELECT coalesce(sum(requests), 0) FROM usage", [], |row| row.get::<_, i64>(0));
    while count().expect("read") == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "timed out waiting for the usage");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
