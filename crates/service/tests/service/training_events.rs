//! Tests of events that training processes report. An event is recorded with the key that sent it, whatever the order
//! of the events, and is rejected if the key lacks the required scope.

use std::time::{Duration, Instant};

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::common::{TestService, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};

pub const EVENTS_PATH: &str = "/api/webhooks/training/metrics";

pub async fn send_event_body(service: &TestService, token: &str, body: Value) -> (StatusCode, Value) {
    read_json(service.bearer(token, Method::POST, EVENTS_PATH).json(&body).send().await.expect("answered")).await
}

pub async fn start_run(service: &TestService, token: &str, name: &str) -> Value {
    let data = json!({ "epochs": 3, "device": "cpu", "trainArgs": {"imgsz": "64"} });
    let body = json!({ "project": "username/project", "name": name, "event": "training_started", "data": data });
    let (status, body) = send_event_body(service, token, body).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

pub async fn send_event(
    service: &TestService,
    token: &str,
    run: &Value,
    name: &str,
    data: Value,
) -> (StatusCode, Value) {
    send_event_body(service, token, json!({ "modelId": run["modelId"], "event": name, "data": data })).await
}

pub async fn get_json(service: &TestService, token: &str, path: &str) -> (StatusCode, Value) {
    read_json(service.bearer(token, Method::GET, path).send().await.expect("answered")).await
}

pub async fn run_details(service: &TestService, run: &Value) -> Value {
    let (status, body) = get_json(service, &service.session, &format!("/api/training/runs/{}", run["runId"])).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

fn not_found() -> (StatusCode, Value) {
    (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" }))
}

#[tokio::test]
async fn run_is_recorded_from_start_to_end() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let _redactions = redact_snapshots();
    assert_json_snapshot!(run, @r#"
    {
      "cancelled": false,
      "event": "training_started",
      "modelId": "[modelId]",
      "modelSlug": "exp1",
      "modelUrl": "http://[address]/ada/project/exp1",
      "received": true,
      "resultsDropped": false,
      "runId": 1
    }
    "#);

    let metrics = json!({ "train/box_loss": 2.01445, "metrics/mAP50(B)": null, "lr": 0.1 + 0.2 });
    for epoch in [2, 0, 3, 1, 2] {
        let data = json!({ "epoch": epoch, "metrics": metrics, "system": {"cpu": epoch}, "fitness": null });
        let (status, receipt) = send_event(&service, &key, &run, "epoch_end", data).await;
        assert_eq!((status, &receipt["event"], &receipt["runId"]), (StatusCode::OK, &json!("epoch_end"), &json!(1)));
    }
    for (name, data) in [
        ("system_metrics", json!({ "cpu": 99 })),
        ("training_progress", json!({})),
        ("console_output", json!({ "chunkId": 8, "content": "second", "lineCount": 1, "progress": {} })),
        ("console_output", json!({ "chunkId": 7, "content": "first", "lineCount": 1, "progress": {} })),
        ("training_complete", json!({ "runId": 1, "results": {"bestEpoch": 2}, "classNames": ["box"], "plots": [] })),
    ] {
        assert_eq!(send_event(&service, &key, &run, name, data).await.0, StatusCode::OK, "{name}");
    }

    assert_json_snapshot!(whole_answer(service.app(Method::GET, "/api/training/runs/1")).await, @r#"
    {
      "body": {
        "checkpoints": [],
        "classNames": [
          "box"
        ],
        "device": "cpu",
        "endedAt": "[time]",
        "environment": null,
        "epochs": [
          {
            "bestFitness": null,
            "epoch": 0,
            "fitness": null,
            "keyId": "[keyId]",
            "metrics": {
              "lr": 0.30000000000000004,
              "metrics/mAP50(B)": null,
              "train/box_loss": 2.01445
            },
            "receivedAt": "[time]"
          },
          {
            "bestFitness": null,
            "epoch": 1,
            "fitness": null,
            "keyId": "[keyId]",
            "metrics": {
              "lr": 0.30000000000000004,
              "metrics/mAP50(B)": null,
              "train/box_loss": 2.01445
            },
            "receivedAt": "[time]"
          },
          {
            "bestFitness": null,
            "epoch": 2,
            "fitness": null,
            "keyId": "[keyId]",
            "metrics": {
              "lr": 0.30000000000000004,
              "metrics/mAP50(B)": null,
              "train/box_loss": 2.01445
            },
            "receivedAt": "[time]"
          },
          {
            "bestFitness": null,
            "epoch": 3,
            "fitness": null,
            "keyId": "[keyId]",
            "metrics": {
              "lr": 0.30000000000000004,
              "metrics/mAP50(B)": null,
              "train/box_loss": 2.01445
            },
            "receivedAt": "[time]"
          }
        ],
        "error": null,
        "hasCheckpoint": false,
        "keyIds": [
          "[keyId]"
        ],
        "lastEventAt": "[time]",
        "modelId": "[modelId]",
        "modelInfo": null,
        "modelUrl": "http://[address]/ada/project/exp1",
        "plannedEpochs": 3,
        "plots": [],
        "project": "project",
        "recordedEpochs": 4,
        "reportDueAt": null,
        "results": {
          "bestEpoch": 2
        },
        "resultsDropped": false,
        "runId": 1,
        "silentSince": null,
        "slug": "exp1",
        "startedAt": "[time]",
        "status": "completed",
        "system": {
          "cpu": 99
        },
        "trainArgs": {
          "imgsz": "64"
        }
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    let kept = run_details(&service, &run).await;
    assert_eq!(kept["keyIds"], json!([key_id]));
    for (number, epoch) in kept["epochs"].as_array().expect("a list").iter().enumerate() {
        assert_eq!((&epoch["epoch"], &epoch["metrics"], &epoch["keyId"]), (&json!(number), &metrics, &json!(key_id)));
    }
    assert_json_snapshot!(whole_answer(service.app(Method::GET, "/api/training/runs/1/console")).await, @r#"
    {
      "body": {
        "chunks": [
          {
            "chunkId": 7,
            "content": "first",
            "keyId": "[keyId]"
          },
          {
            "chunkId": 8,
            "content": "second",
            "keyId": "[keyId]"
          }
        ],
        "dropped": 0
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
}

#[tokio::test]
async fn taken_name_gets_a_number_and_resuming_creates_a_run() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let first = start_run(&service, &key, "exp1").await;
    let second = start_run(&service, &key, "exp1").await;
    assert_eq!((&first["modelSlug"], &second["modelSlug"]), (&json!("exp1"), &json!("exp1-2")));
    assert!(text(&second["modelUrl"]).ends_with("/ada/project/exp1-2"));

    let (status, again) = send_event(&service, &key, &first, "training_started", json!({ "epochs": 9 })).await;
    assert_eq!((status, &again["modelId"], &again["runId"]), (StatusCode::OK, &first["modelId"], &json!(3)));
    // Without a `runId`, an event belongs to the newest run of the model.
    let (_, receipt) = send_event(&service, &key, &first, "training_progress", json!({})).await;
    assert_eq!(receipt["runId"], 3);
    let (_, receipt) = send_event(&service, &key, &first, "training_progress", json!({ "runId": 1 })).await;
    assert_eq!(receipt["runId"], 1);
    // These events are rejected because the run belongs to another model, the run does not exist, or the model does not
    // exist.
    assert_eq!(send_event(&service, &key, &first, "training_progress", json!({ "runId": 2 })).await, not_found());
    assert_eq!(send_event(&service, &key, &first, "training_progress", json!({ "runId": 99 })).await, not_found());
    let unknown = json!({ "modelId": "model_000000000000000000000000" });
    assert_eq!(send_event(&service, &key, &unknown, "training_started", json!({})).await, not_found());
    assert_eq!(send_event(&service, &key, &unknown, "epoch_end", json!({ "epoch": 0 })).await, not_found());

    let (_, plain) =
        send_event_body(&service, &key, json!({ "project": "other", "event": "training_started", "data": {} })).await;
    assert_eq!(plain["modelSlug"], "train");
}

#[tokio::test]
async fn event_without_scope_is_rejected_and_leaves_nothing() {
    let service = TestService::start().await;
    for scopes in [&["read"][..], &["models"], &["datasets"], &["admin"], &["read", "models", "datasets", "admin"]] {
        let (_, key) = service.create_key("other", scopes).await;
        let body = json!({ "project": "p", "event": "training_started", "data": {} });
        let (status, body) = send_event_body(&service, &key, body).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("FORBIDDEN")), "{scopes:?}");
    }
    let body = json!({ "project": "p", "event": "training_started", "data": {} });
    let anonymous = service.anonymous(Method::POST, EVENTS_PATH).json(&body).send().await.expect("answered");
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    let (_, list) = get_json(&service, &service.session, "/api/training/runs").await;
    assert_eq!((&list["runs"], &list["nextCursor"]), (&json!([]), &json!(null)));

    let (training, one) = service.create_key("trainer", &["training"]).await;
    let (write, two) = service.create_key("writer", &["write"]).await;
    let run = start_run(&service, &one, "exp1").await;
    assert_eq!(send_event(&service, &two, &run, "epoch_end", json!({ "epoch": 0 })).await.0, StatusCode::OK);
    let session = service.session.clone();
    assert_eq!(send_event(&service, &session, &run, "epoch_end", json!({ "epoch": 1 })).await.0, StatusCode::OK);
    let kept = run_details(&service, &run).await;
    assert_eq!(kept["keyIds"], json!([training, write]));
    assert_eq!((&kept["epochs"][0]["keyId"], &kept["epochs"][1]["keyId"]), (&json!(write), &Value::Null));
}

#[tokio::test]
async fn event_with_revoked_key_is_rejected() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    assert_eq!(send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 0 })).await.0, StatusCode::OK);
    service.revoke_key(&key_id).await;
    let (status, body) = send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 1 })).await;
    assert_eq!((status, &body["error"]), (StatusCode::UNAUTHORIZED, &json!("Invalid API key")));
    assert_eq!(run_details(&service, &run).await["recordedEpochs"], 1);
}

#[tokio::test]
async fn run_continues_after_restart() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 0, "metrics": {"lr": 0.1} })).await;
    let service = TestService::start_in(service.stop().await).await;
    let (status, receipt) = send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 1 })).await;
    assert_eq!((status, &receipt["runId"]), (StatusCode::OK, &run["runId"]));
    let kept = run_details(&service, &run).await;
    assert_eq!((&kept["recordedEpochs"], &kept["epochs"][0]["metrics"]), (&json!(2), &json!({"lr": 0.1})));
    assert_eq!(start_run(&service, &key, "exp1").await["modelSlug"], "exp1-2");
}

#[tokio::test]
async fn cancelled_run_is_reported_with_each_event() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let (_, reader) = service.create_key("reader", &["read"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let cancel = format!("/api/training/runs/{}/cancel", run["runId"]);
    let rejected = service.bearer(&reader, Method::POST, &cancel).send().await.expect("answered");
    assert_eq!(rejected.status(), StatusCode::FORBIDDEN);
    assert_eq!(send_event(&service, &key, &run, "training_progress", json!({})).await.1["cancelled"], false);
    let _redactions = redact_snapshots();
    let cancelled = whole_answer(service.app(Method::POST, &cancel)).await;
    assert_json_snapshot!(cancelled, @r#"
    {
      "body": {
        "runId": 1,
        "status": "cancelled"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    assert_eq!(whole_answer(service.app(Method::POST, &cancel)).await, cancelled, "again");
    for (name, data) in [
        ("epoch_end", json!({ "epoch": 0 })),
        ("console_output", json!({ "content": "x" })),
        ("training_complete", json!({ "results": {"partial": true} })),
    ] {
        let (status, receipt) = send_event(&service, &key, &run, name, data).await;
        assert_eq!((status, &receipt["cancelled"]), (StatusCode::OK, &json!(true)), "{name}");
    }
    let kept = run_details(&service, &run).await;
    assert_eq!((&kept["status"], &kept["results"]), (&json!("cancelled"), &json!({"partial": true})));
    let resumed = send_event(&service, &key, &run, "training_started", json!({})).await.1;
    assert_eq!(resumed["cancelled"], false, "a new run of the model");
    let unknown = service.app(Method::POST, "/api/training/runs/99/cancel").send().await.expect("answered");
    assert_eq!(read_json(unknown).await, not_found());
}

#[tokio::test]
async fn failed_run_keeps_its_reason() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let data = json!({ "error": format!("CUDA out of memory near {key}"), "code": "OOM" });
    assert_eq!(send_event(&service, &key, &run, "training_failed", data).await.0, StatusCode::OK);
    let kept = run_details(&service, &run).await;
    assert_eq!((&kept["status"], &kept["error"]), (&json!("failed"), &json!("CUDA out of memory near ul_…")));
    assert!(kept["endedAt"].is_string());
}

#[tokio::test]
async fn events_in_parallel_are_all_recorded() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let one = async |number: u32| {
        let data = json!({ "chunkId": number, "content": number.to_string() });
        let (epoch, console) = tokio::join!(
            send_event(&service, &key, &run, "epoch_end", json!({ "epoch": number, "metrics": {"n": number} })),
            send_event(&service, &key, &run, "console_output", data),
        );
        assert_eq!((epoch.0, console.0), (StatusCode::OK, StatusCode::OK));
    };
    for group in 0..5 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|number| one(4 * group + 3 - number));
        tokio::join!(a, b, c, d);
    }
    let kept = run_details(&service, &run).await;
    let epochs = kept["epochs"].as_array().expect("a list");
    assert_eq!(epochs.len(), 20);
    assert!(epochs.iter().enumerate().all(|(number, epoch)| epoch["metrics"]["n"] == json!(number as f64)));
    let (_, console) = get_json(&service, &key, "/api/training/runs/1/console").await;
    let texts: Vec<_> =
        console["chunks"].as_array().expect("a list").iter().map(|chunk| text(&chunk["content"])).collect();
    assert_eq!(texts, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn invalid_event_is_rejected_by_field() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let before = run_details(&service, &run).await;
    for (body, field) in [
        ("", "body"),
        ("[]", "body"),
        ("{\"event\": ", "body"),
        ("\u{0}", "body"),
        ("{}", "event"),
        (r#"{"event": "hidden-event", "data": {}, "project": "p"}"#, "event"),
        (r#"{"event": ["epoch_end"], "data": {}, "project": "p"}"#, "event"),
        (r#"{"event": "epoch_end", "project": "p"}"#, "data"),
        (r#"{"event": "epoch_end", "data": {}}"#, "project"),
        (r#"{"event": "epoch_end", "data": {}, "modelId": {"$ne": null}}"#, "modelId"),
        (r#"{"event": "epoch_end", "data": {"epoch": 1e300}, "project": "p"}"#, "data.epoch"),
        (
            r#"{"event": "epoch_end", "data": {"epoch": 0, "metrics": {"hidden": "hidden"}}, "project": "p"}"#,
            "data.metrics",
        ),
        (r#"{"event": "epoch_end", "data": {"epoch": 0, "metrics": {"a": NaN}}, "project": "p"}"#, "body"),
    ] {
        let answer = service.bearer(&key, Method::POST, EVENTS_PATH).body(body).send().await.expect("answered");
        let (status, answer) = read_json(answer).await;
        assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!("VALIDATION_ERROR")), "{body}");
        let error = text(&answer["error"]);
        assert!(error.starts_with(&format!("{field}: ")) && !error.contains("hidden"), "{body}: {error}");
    }
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let answer = service.bearer(&key, Method::POST, EVENTS_PATH).body(deep).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(run_details(&service, &run).await, before);
}

#[tokio::test]
async fn event_above_size_limit_is_rejected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training", "admin"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let curve = |points: usize| json!({ "plots": [{ "type": "pr_curve", "x": vec![0.125; points] }] });
    assert_eq!(send_event(&service, &key, &run, "training_complete", curve(500_000)).await.0, StatusCode::OK);
    assert_eq!(run_details(&service, &run).await["plots"][0]["x"].as_array().map(Vec::len), Some(500_000));

    let body = json!({ "modelId": run["modelId"], "event": "training_complete", "data": curve(1_500_000) });
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.bearer(&key, Method::POST, EVENTS_PATH).json(&body)).await, @r#"
    {
      "body": {
        "code": "VALIDATION_ERROR",
        "error": "The request body is too large"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 413
    }
    "#);
    for path in ["/api/api-keys", "/api/webhooks/models/upload"] {
        let large = json!({ "name": "x".repeat(70_000) });
        let answer = service.bearer(&key, Method::POST, path).json(&large).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

/// While the maximum number of large events is being processed, the service does not read the body of another one,
/// whether or not it has a `Content-Length`. Small events do not wait.
#[tokio::test]
async fn large_event_above_concurrency_limit_is_rejected() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let timeout = Duration::from_millis(500);
    let service = TestService::start_with(folder, |config| config.timing.permit_timeout = timeout).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    let mut slow = Vec::new();
    for length in ["Content-Length: 1000000", "Transfer-Encoding: chunked"].iter().cycle().take(8) {
        let mut stream = TcpStream::connect(service.address).await.expect("connected");
        let host = service.address;
        let head =
            format!("POST {EVENTS_PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        slow.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = Instant::now();
    assert_eq!(send_event(&service, &key, &run, "training_progress", json!({})).await.0, StatusCode::OK);
    assert!(asked.elapsed() < Duration::from_secs(5), "a small event does not wait");
    let large =
        json!({ "modelId": run["modelId"], "event": "training_progress", "data": {"more": "x".repeat(70_000)} });
    let _redactions = redact_snapshots();
    let rejected = service.bearer(&key, Method::POST, EVENTS_PATH).json(&large);
    assert_json_snapshot!(whole_answer(rejected).await, @r#"
    {
      "body": {
        "code": "INTERNAL_ERROR",
        "error": "The key service is overloaded. Try again."
      },
      "headers": {
        "content-type": "application/json",
        "retry-after": "1"
      },
      "status": 503
    }
    "#);
    drop(slow);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(send_event_body(&service, &key, large).await.0, StatusCode::OK, "the earlier requests have ended");
}
