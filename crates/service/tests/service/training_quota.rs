//! Tests of the limits for training data, per key and in total. Keys still work when their limit is reached, and
//! deleting runs frees space.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::storage::StorageLimits;

use crate::common::{TestService, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};
use crate::training_events::{EVENTS_PATH, get_json, run_details, send_event, start_run};
use crate::uploads::{checkpoint_files, put_file, request_ticket};

async fn start_with_storage_limits(change: impl FnOnce(&mut StorageLimits)) -> TestService {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut limits = StorageLimits::default();
    change(&mut limits);
    TestService::start_with(folder, |config| config.training.limits = limits.into()).await
}

pub async fn get_storage(service: &TestService, key_id: &str) -> Value {
    let path = format!("/api/training/runs?keyId={key_id}");
    let (status, list) = get_json(service, &service.session, &path).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    list["storage"].clone()
}

pub async fn delete_run(service: &TestService, token: &str, run: &Value) -> (StatusCode, Value) {
    let path = format!("/api/training/runs/{}", run["runId"]);
    read_json(service.bearer(token, Method::DELETE, &path).send().await.expect("answered")).await
}

/// Ends a run, reporting `bytes` bytes of results.
pub async fn complete_run(service: &TestService, token: &str, run: &Value, bytes: usize) -> Value {
    let data = json!({ "results": { "text": "x".repeat(bytes) } });
    let (status, receipt) = send_event(service, token, run, "training_complete", data).await;
    assert_eq!(status, StatusCode::OK, "the end of a run is never rejected: {receipt}");
    receipt
}

#[track_caller]
pub fn assert_training_data_full((status, body): (StatusCode, Value), reason: &str) {
    let answer = (status, &body["code"]);
    assert_eq!(answer, (StatusCode::INSUFFICIENT_STORAGE, &json!("TRAINING_DATA_FULL")), "{body}");
    assert!(text(&body["error"]).contains(reason), "{body}");
}

#[tokio::test]
async fn event_above_key_quota_is_rejected_and_end_is_recorded() {
    let service = start_with_storage_limits(|limits| limits.database_per_key = 1).await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let (_, other) = service.create_key("other", &["training"]).await;
    let mut runs = Vec::new();
    for name in ["one", "two", "three"] {
        runs.push(start_run(&service, &key, name).await);
    }
    assert_eq!(complete_run(&service, &key, &runs[0], 900_000).await["resultsDropped"], false);
    assert_eq!(complete_run(&service, &key, &runs[1], 900_000).await["resultsDropped"], true);
    let ended = run_details(&service, &runs[1]).await;
    assert_eq!((&ended["status"], &ended["resultsDropped"]), (&json!("completed"), &json!(true)));
    assert_eq!(ended["results"], Value::Null);
    assert_eq!(run_details(&service, &runs[0]).await["results"]["text"].as_str().map(str::len), Some(900_000));
    let lines = json!({ "content": "x".repeat(200_000) });
    let reason = "The training data of this key in the database has reached its limit of 1 MiB";
    assert_training_data_full(send_event(&service, &key, &runs[2], "console_output", lines.clone()).await, reason);
    assert_eq!(send_event(&service, &key, &runs[2], "training_progress", json!({})).await.0, StatusCode::OK);
    assert_eq!(run_details(&service, &runs[2]).await["status"], "running");

    let _redactions = redact_snapshots();
    let body = json!({ "modelId": runs[2]["modelId"], "event": "console_output", "data": lines });
    assert_json_snapshot!(whole_answer(service.bearer(&key, Method::POST, EVENTS_PATH).json(&body)).await, @r#"
    {
      "body": {
        "code": "TRAINING_DATA_FULL",
        "error": "The training data of this key in the database has reached its limit of 1 MiB. Delete training runs."
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 507
    }
    "#);

    // Other keys can still store training data, and keys can still be created and revoked.
    let run = start_run(&service, &other, "other").await;
    assert_eq!(send_event(&service, &other, &run, "console_output", lines.clone()).await.0, StatusCode::OK);
    let (late, _) = service.create_key("late", &["read"]).await;
    service.revoke_key(&late).await;

    let full = get_storage(&service, &key_id).await;
    let used = |storage: &Value, whose: &str| storage[whose]["databaseUsedBytes"].as_u64().expect("a number");
    assert!((900_000..1_048_576).contains(&used(&full, "key")), "{full}");
    assert!(used(&full, "all") > used(&full, "key") + 200_000, "{full}");
    assert_eq!(full["key"]["databaseLimitBytes"], 1_048_576);
    assert_eq!(delete_run(&service, &key, &runs[0]).await.0, StatusCode::OK);
    assert!(used(&get_storage(&service, &key_id).await, "key") < 10_000);
    assert_eq!(
        send_event(&service, &key, &runs[2], "console_output", lines).await.0,
        StatusCode::OK,
        "there is space again"
    );
}

#[tokio::test]
async fn upload_above_quota_is_rejected_and_removed() {
    let service = start_with_storage_limits(|limits| (limits.training_per_key, limits.training) = (2, 3)).await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let (_, other) = service.create_key("other", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let [first, second] = [request_ticket(&service, &key, &run).await, request_ticket(&service, &key, &run).await];
    assert_eq!(put_file(&service, &first, vec![0; 1_500_000]).await.status(), StatusCode::OK);
    let reason = "The training data of this key has reached its limit of 2 MiB";
    assert_training_data_full(read_json(put_file(&service, &second, vec![0; 1_000_000]).await).await, reason);
    // The limit also applies to an upload without a `Content-Length`.
    let chunks = futures_util::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 100_000])));
    assert_training_data_full(
        read_json(put_file(&service, &second, reqwest::Body::wrap_stream(chunks)).await).await,
        reason,
    );
    assert_eq!(checkpoint_files(&service).len(), 1);
    let run = start_run(&service, &other, "other").await;
    let third = request_ticket(&service, &other, &run).await;
    let reason = "Training data has reached its limit of 3 MiB";
    assert_training_data_full(read_json(put_file(&service, &third, vec![0; 1_900_000]).await).await, reason);
    assert_eq!(put_file(&service, &third, vec![0; 1_000_000]).await.status(), StatusCode::OK);
    assert!(get_storage(&service, &key_id).await["key"]["usedBytes"].as_u64().expect("a number") >= 1_500_000);
}
