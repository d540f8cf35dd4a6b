//! Tests of `DELETE /api/training/runs/{runId}`.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream;
use insta::assert_json_snapshot;
use reqwest::{Body, Method, StatusCode};
use rusqlite::Connection;
use serde_json::json;
use tokio_stream::wrappers::ReceiverStream;

use crate::common::{TestService, read_json};
use crate::snapshots::{redact_snapshots, whole_answer};
use crate::training_events::{get_json, send_event, start_run};
use crate::training_quota::{complete_run, delete_run, get_storage};
use crate::uploads::{checkpoint_files, put_file, request_ticket, save_checkpoint};

#[tokio::test]
async fn delete_run_removes_its_data_and_model() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let (_, reader) = service.create_key("reader", &["read", "models"]).await;
    let empty = get_storage(&service, &key_id).await;
    let run = start_run(&service, &key, "exp1").await;
    send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 0, "metrics": {"a": 1} })).await;
    send_event(&service, &key, &run, "console_output", json!({ "content": "lines" })).await;
    let first = request_ticket(&service, &key, &run).await;
    assert_eq!(put_file(&service, &first, "bytes").await.status(), StatusCode::OK);
    assert_eq!(save_checkpoint(&service, &key, &run, &first).await.0, StatusCode::OK);
    let path = format!("/api/training/runs/{}", run["runId"]);
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.bearer(&key, Method::DELETE, &path)).await, @r#"
    {
      "body": {
        "code": "CONFLICT",
        "error": "The run is running. Cancel it first."
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 409
    }
    "#);
    complete_run(&service, &key, &run, 10).await;
    assert_eq!(delete_run(&service, &reader, &run).await.0, StatusCode::FORBIDDEN);

    let late = request_ticket(&service, &key, &run).await;
    assert_json_snapshot!(whole_answer(service.bearer(&key, Method::DELETE, &path)).await, @r#"
    {
      "body": {
        "runId": 1
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    assert_eq!(checkpoint_files(&service).len(), 0);
    assert_eq!(get_json(&service, &key, &path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(delete_run(&service, &key, &run).await.0, StatusCode::NOT_FOUND);
    assert_eq!(send_event(&service, &key, &run, "training_progress", json!({})).await.0, StatusCode::NOT_FOUND);
    // The service rejects the upload before it receives the body, which never arrives here.
    let body = Body::wrap_stream(stream::pending::<Result<&str, Infallible>>());
    let rejected = read_json(put_file(&service, &late, body).await).await;
    assert_eq!(rejected, (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" })));
    assert_eq!(checkpoint_files(&service).len(), 0);
    let (_, account) = get_json(&service, &key, "/api/account/summary").await;
    assert_eq!(account["counts"]["models"], 0);
    assert_eq!(get_storage(&service, &key_id).await, empty);
    assert_eq!(start_run(&service, &key, "exp1").await["runId"], 2, "a run number is never reused");
}

#[tokio::test]
async fn delete_run_during_upload_discards_file() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    complete_run(&service, &key, &run, 10).await;
    let ticket = request_ticket(&service, &key, &run).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    sender.send(Ok::<_, Infallible>("first")).await.expect("queued");
    let upload = put_file(&service, &ticket, Body::wrap_stream(ReceiverStream::new(receiver)));
    let delete_during_upload = async {
        while checkpoint_files(&service).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(delete_run(&service, &key, &run).await.0, StatusCode::OK);
        sender.send(Ok("last")).await.expect("queued");
        drop(sender);
    };
    let (answer, ()) = tokio::join!(upload, delete_during_upload);
    let not_found = json!({ "error": "Not found", "code": "NOT_FOUND" });
    assert_eq!(read_json(answer).await, (StatusCode::NOT_FOUND, not_found));
    assert_eq!(checkpoint_files(&service).len(), 0);
    assert_eq!(put_file(&service, &ticket, "again").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn delete_run_interrupted_by_kill_is_completed_at_start() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let first = request_ticket(&service, &key, &run).await;
    assert_eq!(put_file(&service, &first, "bytes").await.status(), StatusCode::OK);
    let file = checkpoint_files(&service).remove(0);
    let folder = service.stop().await;
    let database = Connection::open(folder.path().join("keys.db")).expect("opened");
    database
        .execute_batch("INSERT INTO removed_files SELECT account_id, id FROM checkpoints; DELETE FROM checkpoints")
        .expect("changed like by a killed process");
    drop(database);
    let service = TestService::start_in(folder).await;
    service.get_summary(&key).await;
    let folder = service.stop().await;
    assert!(
        !file.exists() && !folder.path().join("checkpoints/set-aside").exists(),
        "the file is deleted, not set aside"
    );
    let database = Connection::open(folder.path().join("keys.db")).expect("opened");
    let left: i64 = database.query_row("SELECT count(*) FROM removed_files", [], |row| row.get(0)).expect("read");
    assert_eq!(left, 0);
}
