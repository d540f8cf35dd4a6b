//! What training processes report: recorded in any order, for the key that sent it, and refused without the scope.

use std::time::{Duration, Instant};

use crate::common::{TestService, read, text};
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

pub const METRICS: &str = "/api/webhooks/training/metrics";

pub async fn send(service: &TestService, token: &str, body: Value) -> (StatusCode, Value) {
    read(service.bearer(token, Method::POST, METRICS).json(&body).send().await.expect("answered")).await
}

pub async fn start(service: &TestService, token: &str, name: &str) -> Value {
    let data = json!({ "epochs": 3, "device": "cpu", "trainArgs": {"imgsz": "64"} });
    let body = json!({ "project": "username/project", "name": name, "event": "training_started", "data": data });
    let (status, body) = send(service, token, body).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

pub async fn event(service: &TestService, token: &str, run: &Value, name: &str, data: Value) -> (StatusCode, Value) {
    send(service, token, json!({ "modelId": run["modelId"], "event": name, "data": data })).await
}

pub async fn get(service: &TestService, token: &str, path: &str) -> (StatusCode, Value) {
    read(service.bearer(token, Method::GET, path).send().await.expect("answered")).await
}

pub async fn details(service: &TestService, run: &Value) -> Value {
    let (status, body) = get(service, &service.session, &format!("/api/training/runs/{}", run["runId"])).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

fn not_found() -> (StatusCode, Value) {
    (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" }))
}

#[tokio::test]
async fn a_run_is_recorded_from_its_start_to_its_end() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let url = format!("http://{}/ada/project/exp1", service.address);
    let expected = json!({
        "received": true, "event": "training_started", "modelId": run["modelId"], "runId": 1, "modelSlug": "exp1",
        "modelUrl": url, "cancelled": false, "resultsDropped": false,
    });
    assert_eq!(run, expected);

    let metrics = json!({ "train/box_loss": 2.01445, "metrics/mAP50(B)": null, "lr": 0.1 + 0.2 });
    for epoch in [2, 0, 3, 1, 2] {
        let data = json!({ "epoch": epoch, "metrics": metrics, "system": {"cpu": epoch}, "fitness": null });
        let (status, receipt) = event(&service, &key, &run, "epoch_end", data).await;
        assert_eq!((status, &receipt["event"], &receipt["runId"]), (StatusCode::OK, &json!("epoch_end"), &json!(1)));
    }
    for (name, data) in [
        ("system_metrics", json!({ "cpu": 99 })),
        ("training_progress", json!({})),
        ("console_output", json!({ "chunkId": 8, "content": "second", "lineCount": 1, "progress": {} })),
        ("console_output", json!({ "chunkId": 7, "content": "first", "lineCount": 1, "progress": {} })),
        ("training_complete", json!({ "runId": 1, "results": {"bestEpoch": 2}, "classNames": ["box"], "plots": [] })),
    ] {
        assert_eq!(event(&service, &key, &run, name, data).await.0, StatusCode::OK, "{name}");
    }

    let kept = details(&service, &run).await;
    assert_eq!(
        (&kept["status"], &kept["plannedEpochs"], &kept["recordedEpochs"]),
        (&json!("completed"), &json!(3), &json!(4))
    );
    assert_eq!((&kept["keyIds"], &kept["modelUrl"], &kept["device"]), (&json!([key_id]), &json!(url), &json!("cpu")));
    assert_eq!((&kept["trainArgs"], &kept["system"]), (&json!({"imgsz": "64"}), &json!({"cpu": 99})));
    assert_eq!(
        (&kept["results"], &kept["classNames"], &kept["plots"]),
        (&json!({"bestEpoch": 2}), &json!(["box"]), &json!([]))
    );
    for (number, epoch) in kept["epochs"].as_array().expect("a list").iter().enumerate() {
        assert_eq!((&epoch["epoch"], &epoch["metrics"], &epoch["keyId"]), (&json!(number), &metrics, &json!(key_id)));
    }
    let (_, console) = get(&service, &key, "/api/training/runs/1/console").await;
    let chunk = |id, content| json!({ "chunkId": id, "content": content, "keyId": key_id });
    assert_eq!(console, json!({ "chunks": [chunk(7, "first"), chunk(8, "second")], "dropped": 0 }));
}

#[tokio::test]
async fn a_name_that_is_taken_gets_a_number_and_resuming_makes_another_run() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let first = start(&service, &key, "exp1").await;
    let second = start(&service, &key, "exp1").await;
    assert_eq!((&first["modelSlug"], &second["modelSlug"]), (&json!("exp1"), &json!("exp1-2")));
    assert!(text(&second["modelUrl"]).ends_with("/ada/project/exp1-2"));

    let (status, again) = event(&service, &key, &first, "training_started", json!({ "epochs": 9 })).await;
    assert_eq!((status, &again["modelId"], &again["runId"]), (StatusCode::OK, &first["modelId"], &json!(3)));
    // Without a runId, the newest run of the model is meant.
    let (_, receipt) = event(&service, &key, &first, "training_progress", json!({})).await;
    assert_eq!(receipt["runId"], 3);
    let (_, receipt) = event(&service, &key, &first, "training_progress", json!({ "runId": 1 })).await;
    assert_eq!(receipt["runId"], 1);
    // Another model's run, no run at all, a model that is not there.
    assert_eq!(event(&service, &key, &first, "training_progress", json!({ "runId": 2 })).await, not_found());
    assert_eq!(event(&service, &key, &first, "training_progress", json!({ "runId": 99 })).await, not_found());
    let unknown = json!({ "modelId": "model_000000000000000000000000" });
    assert_eq!(event(&service, &key, &unknown, "training_started", json!({})).await, not_found());
    assert_eq!(event(&service, &key, &unknown, "epoch_end", json!({ "epoch": 0 })).await, not_found());

    let (_, plain) = send(&service, &key, json!({ "project": "other", "event": "training_started", "data": {} })).await;
    assert_eq!(plain["modelSlug"], "train");
}

#[tokio::test]
async fn only_keys_with_the_scope_feed_a_run_and_others_leave_no_trace() {
    let service = TestService::start().await;
    for scopes in [&["read"][..], &["models"], &["datasets"], &["admin"], &["read", "models", "datasets", "admin"]] {
        let (_, key) = service.key("other", scopes).await;
        let body = json!({ "project": "p", "event": "training_started", "data": {} });
        let (status, body) = send(&service, &key, body).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("FORBIDDEN")), "{scopes:?}");
    }
    let body = json!({ "project": "p", "event": "training_started", "data": {} });
    let anonymous = service.anonymous(Method::POST, METRICS).json(&body).send().await.expect("answered");
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    let (_, list) = get(&service, &service.session, "/api/training/runs").await;
    assert_eq!((&list["runs"], &list["nextCursor"]), (&json!([]), &json!(null)));

    let (training, one) = service.key("trainer", &["training"]).await;
    let (write, two) = service.key("writer", &["write"]).await;
    let run = start(&service, &one, "exp1").await;
    assert_eq!(event(&service, &two, &run, "epoch_end", json!({ "epoch": 0 })).await.0, StatusCode::OK);
    let session = service.session.clone();
    assert_eq!(event(&service, &session, &run, "epoch_end", json!({ "epoch": 1 })).await.0, StatusCode::OK);
    let kept = details(&service, &run).await;
    assert_eq!(kept["keyIds"], json!([training, write]));
    assert_eq!((&kept["epochs"][0]["keyId"], &kept["epochs"][1]["keyId"]), (&json!(write), &Value::Null));
}

#[tokio::test]
async fn a_key_revoked_in_the_middle_of_a_run_feeds_it_no_more() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    assert_eq!(event(&service, &key, &run, "epoch_end", json!({ "epoch": 0 })).await.0, StatusCode::OK);
    service.revoke(&key_id).await;
    let (status, body) = event(&service, &key, &run, "epoch_end", json!({ "epoch": 1 })).await;
    assert_eq!((status, &body["error"]), (StatusCode::UNAUTHORIZED, &json!("Invalid API key")));
    assert_eq!(details(&service, &run).await["recordedEpochs"], 1);
}

#[tokio::test]
async fn a_run_goes_on_after_a_restart_of_the_service() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    event(&service, &key, &run, "epoch_end", json!({ "epoch": 0, "metrics": {"lr": 0.1} })).await;
    let service = TestService::start_in(service.stop().await).await;
    let (status, receipt) = event(&service, &key, &run, "epoch_end", json!({ "epoch": 1 })).await;
    assert_eq!((status, &receipt["runId"]), (StatusCode::OK, &run["runId"]));
    let kept = details(&service, &run).await;
    assert_eq!((&kept["recordedEpochs"], &kept["epochs"][0]["metrics"]), (&json!(2), &json!({"lr": 0.1})));
    assert_eq!(start(&service, &key, "exp1").await["modelSlug"], "exp1-2");
}

#[tokio::test]
async fn a_cancelled_run_is_told_so_at_each_event() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let (_, reader) = service.key("reader", &["read"]).await;
    let run = start(&service, &key, "exp1").await;
    let cancel = format!("/api/training/runs/{}/cancel", run["runId"]);
    let refused = service.bearer(&reader, Method::POST, &cancel).send().await.expect("answered");
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(event(&service, &key, &run, "training_progress", json!({})).await.1["cancelled"], false);
    for _ in 0..2 {
        let answer = read(service.app(Method::POST, &cancel).send().await.expect("answered")).await;
        assert_eq!(answer, (StatusCode::OK, json!({ "runId": run["runId"], "status": "cancelled" })));
    }
    for (name, data) in [
        ("epoch_end", json!({ "epoch": 0 })),
        ("console_output", json!({ "content": "x" })),
        ("training_complete", json!({ "results": {"partial": true} })),
    ] {
        let (status, receipt) = event(&service, &key, &run, name, data).await;
        assert_eq!((status, &receipt["cancelled"]), (StatusCode::OK, &json!(true)), "{name}");
    }
    let kept = details(&service, &run).await;
    assert_eq!((&kept["status"], &kept["results"]), (&json!("cancelled"), &json!({"partial": true})));
    let resumed = event(&service, &key, &run, "training_started", json!({})).await.1;
    assert_eq!(resumed["cancelled"], false, "a new run of the model");
    let unknown = service.app(Method::POST, "/api/training/runs/99/cancel").send().await.expect("answered");
    assert_eq!(read(unknown).await, not_found());
}

#[tokio::test]
async fn a_failure_is_kept_with_its_reason() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let data = json!({ "error": format!("CUDA out of memory near {key}"), "code": "OOM" });
    assert_eq!(event(&service, &key, &run, "training_failed", data).await.0, StatusCode::OK);
    let kept = details(&service, &run).await;
    assert_eq!((&kept["status"], &kept["error"]), (&json!("failed"), &json!("CUDA out of memory near ul_…")));
    assert!(kept["endedAt"].is_string());
}

#[tokio::test]
async fn events_in_parallel_are_all_kept() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let one = async |number: u32| {
        let data = json!({ "chunkId": number, "content": number.to_string() });
        let (epoch, console) = tokio::join!(
            event(&service, &key, &run, "epoch_end", json!({ "epoch": number, "metrics": {"n": number} })),
            event(&service, &key, &run, "console_output", data),
        );
        assert_eq!((epoch.0, console.0), (StatusCode::OK, StatusCode::OK));
    };
    for group in 0..5 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|number| one(4 * group + 3 - number));
        tokio::join!(a, b, c, d);
    }
    let kept = details(&service, &run).await;
    let epochs = kept["epochs"].as_array().expect("a list");
    assert_eq!(epochs.len(), 20);
    assert!(epochs.iter().enumerate().all(|(number, epoch)| epoch["metrics"]["n"] == json!(number as f64)));
    let (_, console) = get(&service, &key, "/api/training/runs/1/console").await;
    let texts: Vec<_> =
        console["chunks"].as_array().expect("a list").iter().map(|chunk| text(&chunk["content"])).collect();
    assert_eq!(texts, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn hostile_bodies_are_refused_by_field_and_change_nothing() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let before = details(&service, &run).await;
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
        let answer = service.bearer(&key, Method::POST, METRICS).body(body).send().await.expect("answered");
        let (status, answer) = read(answer).await;
        assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!("VALIDATION_ERROR")), "{body}");
        let error = text(&answer["error"]);
        assert!(error.starts_with(&format!("{field}: ")) && !error.contains("hidden"), "{body}: {error}");
    }
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let answer = service.bearer(&key, Method::POST, METRICS).body(deep).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(details(&service, &run).await, before);
}

#[tokio::test]
async fn reports_may_be_large_but_not_boundless_and_nothing_else_may() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training", "admin"]).await;
    let run = start(&service, &key, "exp1").await;
    let curve = |points: usize| json!({ "plots": [{ "type": "pr_curve", "x": vec![0.125; points] }] });
    assert_eq!(event(&service, &key, &run, "training_complete", curve(500_000)).await.0, StatusCode::OK);
    assert_eq!(details(&service, &run).await["plots"][0]["x"].as_array().map(Vec::len), Some(500_000));

    let (status, body) = event(&service, &key, &run, "training_complete", curve(1_500_000)).await;
    assert_eq!((status, &body["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("VALIDATION_ERROR")));
    for path in ["/api/api-keys", "/api/webhooks/models/upload"] {
        let large = json!({ "name": "x".repeat(70_000) });
        let answer = service.bearer(&key, Method::POST, path).json(&large).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

/// Their bodies stay with those who send them, announced or not; small reports pass by.
#[tokio::test]
async fn large_reports_take_turns_before_they_are_received() {
    let service = TestService::start().await;
    let (_, key) = service.key("trainer", &["training"]).await;
    let run = start(&service, &key, "exp1").await;
    let mut slow = Vec::new();
    for length in ["Content-Length: 1000000", "Transfer-Encoding: chunked"].iter().cycle().take(8) {
        let mut stream = TcpStream::connect(service.address).await.expect("connected");
        let host = service.address;
        let head =
            format!("POST {METRICS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        slow.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = Instant::now();
    assert_eq!(event(&service, &key, &run, "training_progress", json!({})).await.0, StatusCode::OK);
    assert!(asked.elapsed() < Duration::from_secs(5), "a small one does not wait");
    let large =
        json!({ "modelId": run["modelId"], "event": "training_progress", "data": {"more": "x".repeat(70_000)} });
    let answer = service.bearer(&key, Method::POST, METRICS).json(&large).send().await.expect("answered");
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
    let error = json!({ "error": "The key service has too much to do. Try again.", "code": "INTERNAL_ERROR" });
    assert_eq!(read(answer).await, (StatusCode::SERVICE_UNAVAILABLE, error));
    drop(slow);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(send(&service, &key, large).await.0, StatusCode::OK, "those before it are gone");
}
