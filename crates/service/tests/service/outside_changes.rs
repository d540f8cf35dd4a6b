//! Tests of a clock that is wrong for one session, and of a database that other programs move, replace, or edit.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use ulkeys_domain::Timestamp;
use ulkeys_service::system_clock;

use crate::common::{TestService, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

async fn list_activity(service: &TestService, query: &str) -> Vec<Value> {
    let answer = service.app(Method::GET, &format!("/api/activity{query}")).send().await.expect("answered");
    let (status, body) = read_json(answer).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["entries"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn wrong_clock_for_a_session_keeps_history() {
    static LATER: AtomicI64 = AtomicI64::new(0);
    fn clock() -> Timestamp {
        let now = system_clock().as_millis() + LATER.load(Ordering::Relaxed);
        Timestamp::from_millis(now).expect("in range")
    }
    let start = async |folder| TestService::start_with(folder, |config| config.clock = clock).await;
    let requests = |usage: &Value| -> u64 {
        let hours = usage["hours"].as_array().expect("a list").iter();
        hours.map(|hour| hour["requests"].as_u64().expect("a number")).sum()
    };

    let service = start(tempfile::tempdir().expect("temporary folder")).await;
    let (key_id, key) = service.create_key("key", &["read"]).await;
    service.get_summary(&key).await;
    service.wait_for_usage(&key_id, |usage| requests(usage) == 1).await;
    let entries = list_activity(&service, "").await;
    assert_eq!(entries.len(), 2);
    let used_at = service.listed_key(&key_id).await["lastUsedAt"].clone();

    LATER.store(100 * DAY_MILLIS, Ordering::Relaxed);
    let service = start(service.stop().await).await;
    assert_eq!(list_activity(&service, "").await, entries, "nothing is deleted");
    service.get_summary(&key).await;
    let path = format!("/api/api-keys/{key_id}/usage?hours=1");
    let begin = Instant::now();
    while read_json(service.app(Method::GET, &path).send().await.expect("answered")).await.1["hours"] == json!([]) {
        assert!(begin.elapsed() < Duration::from_secs(20), "timed out waiting for the request to be counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    LATER.store(0, Ordering::Relaxed);
    let service = start(service.stop().await).await;
    assert_eq!(list_activity(&service, "").await, entries, "nothing is deleted");
    let usage = service.wait_for_usage(&key_id, |_| true).await;
    assert_eq!(requests(&usage), 1, "no hour in the future: {usage}");
    // A last-used time in the future counts as unused. The next purge replaces the time with the last hour of actual
    // use.
    let begin = Instant::now();
    let repaired = loop {
        match &service.listed_key(&key_id).await["lastUsedAt"] {
            Value::Null => {
                assert!(begin.elapsed() < Duration::from_secs(20), "timed out waiting for the last hour of actual use")
            }
            used => break text(used),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(repaired, format!("{}:00:00.000Z", &text(&used_at)[..13]));
    service.get_summary(&key).await;
    let used_now = text(&service.listed_key(&key_id).await["lastUsedAt"]);
    assert!(used_now > text(&used_at) && used_now <= system_clock().to_string(), "updated immediately: {used_now}");
    service.wait_for_usage(&key_id, |usage| requests(usage) == 2).await;
    let service = start(service.stop().await).await;
    assert_eq!(service.listed_key(&key_id).await["lastUsedAt"], used_now, "the time is stored");
    let sources = service.wait_for_clients(&key_id, 1).await["sources"].clone();
    assert!(text(&sources[0]["lastUsedAt"]) <= system_clock().to_string(), "{sources}");
}

#[tokio::test]
async fn replaced_database_rejects_changes_and_keeps_deciding() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("before", &["read"]).await;
    let other = service.folder.path().join("other.db");
    drop(ulkeys_store::SqliteStore::open(&other).expect("created"));
    std::fs::rename(other, service.folder.path().join("keys.db")).expect("replaced");

    let _redactions = redact_snapshots();
    let body = json!({ "name": "late", "scopes": ["read"] });
    let key_path = format!("/api/api-keys/{key_id}");
    let create = whole_answer(service.app(Method::POST, "/api/api-keys").json(&body)).await;
    assert_json_snapshot!(create, @r#"
    {
      "body": {
        "code": "DATABASE_REPLACED",
        "error": "The file of the key database was moved, replaced or overwritten while the service had it open, so nothing can be changed. Move the file back, or restart the service to use the file that is there now."
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 503
    }
    "#);
    for request in [service.app(Method::PATCH, &key_path).json(&body), service.app(Method::DELETE, &key_path)] {
        assert_eq!(whole_answer(request).await, create);
    }
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
    let ready = service.anonymous(Method::GET, "/readyz").send().await.expect("answered");
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn external_edit_is_listed_and_keeps_revocations() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("leaked", &["read"]).await;
    service.revoke_key(&key_id).await;
    let other = Connection::open(service.folder.path().join("keys.db")).expect("opened");
    other.execute("UPDATE keys SET revoked_at = NULL", []).expect("changed");
    let start = Instant::now();
    let entries = loop {
        assert_eq!(service.get_summary(&key).await.status(), StatusCode::UNAUTHORIZED);
        let entries = list_activity(&service, "?kind=changedOutside").await;
        if !entries.is_empty() {
            break entries;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "timed out waiting for the change to be detected");
    };
    assert_eq!(entries.len(), 1);
    let expected = json!({ "kind": "changedOutside", "change": "keptRevoked", "keys": 1, "keyId": key_id, "peer": "" });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&entries[0][field], value, "{field}");
    }
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::UNAUTHORIZED);
}
