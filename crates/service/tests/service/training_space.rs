//! Training data has limits for each key and in all, keys go on where it has none left, and runs can be deleted.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use ulkeys_domain::storage::StorageLimits;

use crate::common::{TestService, read, text};
use crate::training::{details, event, get, start};
use crate::uploads::{files, put, save, ticket};

async fn limited(change: impl FnOnce(&mut StorageLimits)) -> TestService {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut limits = StorageLimits::default();
    change(&mut limits);
    TestService::start_with(folder, |config| config.training.limits = limits.into()).await
}

async fn storage(service: &TestService, key_id: &str) -> Value {
    let path = format!("/api/training/runs?keyId={key_id}");
    let (status, list) = get(service, &service.session, &path).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    list["storage"].clone()
}

async fn delete(service: &TestService, token: &str, run: &Value) -> (StatusCode, Value) {
    let path = format!("/api/training/runs/{}", run["runId"]);
    read(service.bearer(token, Method::DELETE, &path).send().await.expect("answered")).await
}

/// The end of a run with so many bytes of results.
async fn complete(service: &TestService, token: &str, run: &Value, bytes: usize) -> Value {
    let data = json!({ "results": { "text": "x".repeat(bytes) } });
    let (status, receipt) = event(service, token, run, "training_complete", data).await;
    assert_eq!(status, StatusCode::OK, "an ending is never rejected: {receipt}");
    receipt
}

#[track_caller]
pub fn assert_no_space((status, body): (StatusCode, Value), reason: &str) {
    let answer = (status, &body["code"]);
    assert_eq!(answer, (StatusCode::INSUFFICIENT_STORAGE, &json!("TRAINING_DATA_FULL")), "{body}");
    assert!(text(&body["error"]).contains(reason), "{body}");
}

#[tokio::test]
async fn report_above_the_limit_of_a_key_is_rejected_and_the_end_is_recorded() {
    let service = limited(|limits| limits.database_per_key = 1).await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let (_, other) = service.key("other", &["training"]).await;
    let mut runs = Vec::new();
    for name in ["one", "two", "three"] {
        runs.push(start(&service, &key, name).await);
    }
    assert_eq!(complete(&service, &key, &runs[0], 900_000).await["resultsDropped"], false);
    assert_eq!(complete(&service, &key, &runs[1], 900_000).await["resultsDropped"], true);
    let ended = details(&service, &runs[1]).await;
    assert_eq!((&ended["status"], &ended["resultsDropped"]), (&json!("completed"), &json!(true)));
    assert_eq!(ended["results"], Value::Null);
    assert_eq!(details(&service, &runs[0]).await["results"]["text"].as_str().map(str::len), Some(900_000));
    let lines = json!({ "content": "x".repeat(200_000) });
    let reason = "The training data of this key in the database has reached its limit of 1 MiB";
    assert_no_space(event(&service, &key, &runs[2], "console_output", lines.clone()).await, reason);
    assert_eq!(event(&service, &key, &runs[2], "training_progress", json!({})).await.0, StatusCode::OK);
    assert_eq!(details(&service, &runs[2]).await["status"], "running");

    // Others, and keys, have their space.
    let run = start(&service, &other, "other").await;
    assert_eq!(event(&service, &other, &run, "console_output", lines.clone()).await.0, StatusCode::OK);
    let (late, _) = service.key("late", &["read"]).await;
    service.revoke(&late).await;

    let full = storage(&service, &key_id).await;
    let used = |storage: &Value, whose: &str| storage[whose]["databaseUsedBytes"].as_u64().expect("a number");
    assert!((900_000..1_048_576).contains(&used(&full, "key")), "{full}");
    assert!(used(&full, "all") > used(&full, "key") + 200_000, "{full}");
    assert_eq!(full["key"]["databaseLimitBytes"], 1_048_576);
    assert_eq!(delete(&service, &key, &runs[0]).await.0, StatusCode::OK);
    assert!(used(&storage(&service, &key_id).await, "key") < 10_000);
    assert_eq!(
        event(&service, &key, &runs[2], "console_output", lines).await.0,
        StatusCode::OK,
        "there is space again"
    );
}

#[tokio::test]
async fn upload_above_a_limit_is_rejected_and_leaves_nothing() {
    let service = limited(|limits| (limits.training_per_key, limits.training) = (2, 3)).await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let (_, other) = service.key("other", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let [first, second] = [ticket(&service, &key, &run).await, ticket(&service, &key, &run).await];
    assert_eq!(put(&service, &first, vec![0; 1_500_000]).await.status(), StatusCode::OK);
    let reason = "The training data of this key has reached its limit of 2 MiB";
    assert_no_space(read(put(&service, &second, vec![0; 1_000_000]).await).await, reason);
    // Without a length in front, too.
    let chunks = futures_util::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 100_000])));
    assert_no_space(read(put(&service, &second, reqwest::Body::wrap_stream(chunks)).await).await, reason);
    assert_eq!(files(&service).len(), 1);
    let run = start(&service, &other, "other").await;
    let third = ticket(&service, &other, &run).await;
    let reason = "Training data has reached its limit of 3 MiB";
    assert_no_space(read(put(&service, &third, vec![0; 1_900_000]).await).await, reason);
    assert_eq!(put(&service, &third, vec![0; 1_000_000]).await.status(), StatusCode::OK);
    assert!(storage(&service, &key_id).await["key"]["usedBytes"].as_u64().expect("a number") >= 1_500_000);
}

#[tokio::test]
async fn delete_run_removes_everything_of_it_and_its_model() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let (_, reader) = service.key("reader", &["read", "models"]).await;
    let empty = storage(&service, &key_id).await;
    let run = start(&service, &key, "exp1").await;
    event(&service, &key, &run, "epoch_end", json!({ "epoch": 0, "metrics": {"a": 1} })).await;
    event(&service, &key, &run, "console_output", json!({ "content": "lines" })).await;
    let first = ticket(&service, &key, &run).await;
    assert_eq!(put(&service, &first, "bytes").await.status(), StatusCode::OK);
    assert_eq!(save(&service, &key, &run, &first).await.0, StatusCode::OK);
    let (status, body) = delete(&service, &key, &run).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("CONFLICT")), "{body}");
    assert!(text(&body["error"]).contains("Cancel it first"), "{body}");
    complete(&service, &key, &run, 10).await;
    assert_eq!(delete(&service, &reader, &run).await.0, StatusCode::FORBIDDEN);

    let late = ticket(&service, &key, &run).await;
    assert_eq!(delete(&service, &key, &run).await, (StatusCode::OK, json!({ "runId": run["runId"] })));
    assert_eq!(files(&service).len(), 0);
    let path = format!("/api/training/runs/{}", run["runId"]);
    assert_eq!(get(&service, &key, &path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(delete(&service, &key, &run).await.0, StatusCode::NOT_FOUND);
    assert_eq!(event(&service, &key, &run, "training_progress", json!({})).await.0, StatusCode::NOT_FOUND);
    assert!(!put(&service, &late, "late").await.status().is_success());
    assert_eq!(files(&service).len(), 0);
    let (_, account) = get(&service, &key, "/api/account/summary").await;
    assert_eq!(account["counts"]["models"], 0);
    assert_eq!(storage(&service, &key_id).await, empty);
    assert_eq!(start(&service, &key, "exp1").await["runId"], 2, "a number is never given twice");
}

#[tokio::test]
async fn delete_run_killed_before_its_file_is_gone_removes_it_at_the_next_start() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let first = ticket(&service, &key, &run).await;
    assert_eq!(put(&service, &first, "bytes").await.status(), StatusCode::OK);
    let file = files(&service).remove(0);
    let folder = service.stop().await;
    let database = Connection::open(folder.path().join("keys.db")).expect("opened");
    database
        .execute_batch("INSERT INTO removed_files SELECT id FROM checkpoints; DELETE FROM checkpoints")
        .expect("as a kill leaves it");
    drop(database);
    let service = TestService::start_in(folder).await;
    service.summary(&key).await;
    let folder = service.stop().await;
    assert!(!file.exists() && !folder.path().join("checkpoints/set-aside").exists(), "it is removed, not set aside");
    let database = Connection::open(folder.path().join("keys.db")).expect("opened");
    let left: i64 = database.query_row("SELECT count(*) FROM removed_files", [], |row| row.get(0)).expect("read");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn runs_older_than_their_retention_are_deleted_by_a_clock_that_is_right() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let [old, new] = [start(&service, &key, "old").await, start(&service, &key, "new").await];
    let mut folder = service.stop().await;
    let age = |folder: &tempfile::TempDir, statement: &str| {
        let database = Connection::open(folder.path().join("keys.db")).expect("opened");
        database.execute_batch(statement).expect("changed");
    };
    let day = 24 * 60 * 60 * 1000_i64;
    age(&folder, &format!("UPDATE runs SET last_event_at = last_event_at - 60 * {day} WHERE id = 1"));
    let status = async |folder| {
        let retention = Some(Duration::from_hours(30 * 24));
        let service = TestService::start_with(folder, |config| config.training.retention = retention.into()).await;
        let mut found = Vec::new();
        for run in [&old, &new] {
            let path = format!("/api/training/runs/{}", run["runId"]);
            tokio::time::sleep(Duration::from_millis(500)).await;
            found.push(get(&service, &service.session, &path).await.0 == StatusCode::OK);
        }
        (found, service.stop().await)
    };
    let found;
    (found, folder) = status(folder).await;
    assert_eq!(found, [true, true], "the service ran on one day alone: its clock may be wrong");
    age(
        &folder,
        &format!(
            "WITH RECURSIVE days(day) AS (SELECT unixepoch() * 1000 / {day} - 10 UNION ALL SELECT day + 1 FROM days
             WHERE day < unixepoch() * 1000 / {day}) INSERT OR REPLACE INTO service_days (day) SELECT day FROM days"
        ),
    );
    let (found, _folder) = status(folder).await;
    assert_eq!(found, [false, true]);
}
