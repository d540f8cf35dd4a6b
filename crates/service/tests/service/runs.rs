//! Tests of reading recorded training runs: the required scopes, the order, and rejected requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::Timestamp;
use ulkeys_service::system_clock;

use crate::common::{TestService, text};
use crate::snapshots::{redact_snapshots, whole_answer};
use crate::training_events::{get_json, run_details, send_event, start_run};

fn run_ids(list: &Value) -> Vec<i64> {
    list["runs"].as_array().expect("a list").iter().map(|run| run["runId"].as_i64().expect("a number")).collect()
}

#[tokio::test]
async fn list_runs_newest_first_in_pages_and_by_key() {
    let service = TestService::start().await;
    let (one_id, one) = service.create_key("one", &["training"]).await;
    let (two_id, two) = service.create_key("two", &["training"]).await;
    for number in 0..5 {
        start_run(&service, if number % 2 == 0 { &one } else { &two }, "exp1").await;
    }
    let session = service.session.clone();
    let list = async |query: &str| get_json(&service, &session, &format!("/api/training/runs{query}")).await;
    let (_, all) = list("").await;
    assert_eq!((run_ids(&all), &all["nextCursor"]), (vec![5, 4, 3, 2, 1], &Value::Null));
    assert_eq!((&all["runs"][0]["slug"], &all["runs"][0]["keyIds"]), (&json!("exp1-5"), &json!([one_id])));

    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.app(Method::GET, "/api/training/runs?limit=1")).await, @r#"
    {
      "body": {
        "nextCursor": "5",
        "runs": [
          {
            "device": "cpu",
            "endedAt": null,
            "error": null,
            "hasCheckpoint": false,
            "keyIds": [
              "[keyId]"
            ],
            "lastEventAt": "[time]",
            "modelId": "[modelId]",
            "modelUrl": "http://[address]/ada/project/exp1-5",
            "plannedEpochs": 3,
            "project": "project",
            "recordedEpochs": 0,
            "reportDueAt": "[time]",
            "resultsDropped": false,
            "runId": 5,
            "silentSince": null,
            "slug": "exp1-5",
            "startedAt": "[time]",
            "status": "running"
          }
        ],
        "storage": {
          "all": {
            "databaseLimitBytes": 2147483648,
            "databaseUsedBytes": "[bytes]",
            "limitBytes": 53687091200,
            "usedBytes": "[bytes]"
          },
          "key": null,
          "leavesReserve": true,
          "reserveBytes": 268435456
        }
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    let (_, page) = list("?limit=2").await;
    assert_eq!(run_ids(&page), [5, 4]);
    let (_, page) = list(&format!("?limit=2&cursor={}", text(&page["nextCursor"]))).await;
    assert_eq!(run_ids(&page), [3, 2]);
    let (_, page) = list(&format!("?limit=2&cursor={}", text(&page["nextCursor"]))).await;
    assert_eq!((run_ids(&page), &page["nextCursor"]), (vec![1], &Value::Null));
    let (_, page) = list(&format!("?keyId={two_id}&limit=2")).await;
    assert_eq!((run_ids(&page), &page["nextCursor"]), (vec![4, 2], &Value::Null));

    let (_, page) = list("?cursor=9999999999999999").await;
    assert_eq!(
        run_ids(&page),
        vec![5, 4, 3, 2, 1],
        "more digits than any run identifier, but as many as the OpenAPI document allows"
    );

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
async fn reading_runs_requires_scope_and_unknown_run_is_not_found() {
    let service = TestService::start().await;
    let (_, trainer) = service.create_key("trainer", &["training"]).await;
    let (_, reader) = service.create_key("reader", &["read"]).await;
    let (_, other) = service.create_key("other", &["datasets", "models", "admin"]).await;
    let run = start_run(&service, &trainer, "exp1").await;
    send_event(&service, &trainer, &run, "epoch_end", json!({ "epoch": 0 })).await;
    for path in ["", "/1", "/1/epochs", "/1/console"] {
        let path = format!("/api/training/runs{path}");
        assert_eq!(get_json(&service, &trainer, &path).await.0, StatusCode::OK, "{path}");
        assert_eq!(get_json(&service, &reader, &path).await.0, StatusCode::OK, "{path}");
        assert_eq!(get_json(&service, &other, &path).await.0, StatusCode::FORBIDDEN, "{path}");
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
        let (status, body) = get_json(&service, &reader, &format!("/api/training/runs{path}")).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")), "{path}");
    }
}

#[tokio::test]
async fn epochs_are_paged_and_run_has_their_metrics() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    for epoch in 0..5 {
        let data = json!({ "epoch": epoch, "metrics": {"lr": epoch}, "system": {"cpu": epoch} });
        assert_eq!(send_event(&service, &key, &run, "epoch_end", data).await.0, StatusCode::OK);
    }
    let page = async |query: &str| get_json(&service, &key, &format!("/api/training/runs/1/epochs{query}")).await.1;
    let all = page("").await;
    assert_eq!((all["epochs"].as_array().map(Vec::len), &all["nextAfter"]), (Some(5), &Value::Null));
    assert_eq!((&all["epochs"][3]["system"], &all["epochs"][3]["metrics"]), (&json!({"cpu": 3}), &json!({"lr": 3.0})));
    let _redactions = redact_snapshots();
    let epochs = service.app(Method::GET, "/api/training/runs/1/epochs?limit=2");
    assert_json_snapshot!(whole_answer(epochs).await, @r#"
    {
      "body": {
        "epochs": [
          {
            "bestFitness": null,
            "epoch": 0,
            "fitness": null,
            "keyId": "[keyId]",
            "metrics": {
              "lr": 0.0
            },
            "receivedAt": "[time]",
            "system": {
              "cpu": 0
            }
          },
          {
            "bestFitness": null,
            "epoch": 1,
            "fitness": null,
            "keyId": "[keyId]",
            "metrics": {
              "lr": 1.0
            },
            "receivedAt": "[time]",
            "system": {
              "cpu": 1
            }
          }
        ],
        "nextAfter": 1
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    let first = page("?limit=2").await;
    assert_eq!((&first["epochs"][1]["epoch"], &first["nextAfter"]), (&json!(1), &json!(1)));
    let last = page("?limit=2&after=2").await;
    assert_eq!((&last["epochs"][0]["epoch"], &last["nextAfter"]), (&json!(3), &Value::Null));
    let (_, kept) = get_json(&service, &key, "/api/training/runs/1").await;
    let mut without = all["epochs"].clone();
    for epoch in without.as_array_mut().expect("a list") {
        epoch.as_object_mut().expect("an epoch").remove("system");
    }
    assert_eq!((&kept["epochs"], &kept["system"]), (&without, &json!({"cpu": 4})));

    for (query, field) in
        [("?limit=201", "limit"), ("?limit=0", "limit"), ("?after=20001", "after"), ("?after=x", "after")]
    {
        let (status, body) = get_json(&service, &key, &format!("/api/training/runs/1/epochs{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        let error = text(&body["error"]);
        assert!(error.starts_with(&format!("{field}: ")) && !error.contains("hidden"), "{query}: {error}");
    }
}

/// The number of minutes by which the clock in the following test is ahead.
static CLOCK_AHEAD_MINUTES: AtomicU64 = AtomicU64::new(0);

fn clock_ahead() -> Timestamp {
    system_clock().saturating_add(Duration::from_secs(60 * CLOCK_AHEAD_MINUTES.load(Ordering::Relaxed)))
}

#[tokio::test]
async fn run_without_reports_is_silent_until_it_reports_again() {
    let service =
        TestService::start_with(tempfile::tempdir().expect("temporary folder"), |config| config.clock = clock_ahead)
            .await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let (run, other) = (start_run(&service, &key, "exp1").await, start_run(&service, &key, "exp2").await);
    send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 0 })).await;
    let live = async || {
        let (status, list) = get_json(&service, &service.session, "/api/training/runs/live").await;
        assert_eq!(status, StatusCode::OK, "{list}");
        let runs = list["runs"].as_array().expect("a list").clone();
        runs.into_iter().map(|run| text(&run["slug"])).collect::<Vec<_>>()
    };
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.app(Method::GET, "/api/training/runs/live")).await["body"]["runs"][0], @r#"
    {
      "device": "cpu",
      "endedAt": null,
      "error": null,
      "hasCheckpoint": false,
      "keyIds": [
        "[keyId]"
      ],
      "lastEventAt": "[time]",
      "modelId": "[modelId]",
      "modelUrl": "http://[address]/ada/project/exp1",
      "plannedEpochs": 3,
      "project": "project",
      "recordedEpochs": 1,
      "reportDueAt": "[time]",
      "resultsDropped": false,
      "runId": 1,
      "silentSince": null,
      "slug": "exp1",
      "startedAt": "[time]",
      "status": "running"
    }
    "#);
    let kept = run_details(&service, &run).await;
    assert_eq!((&kept["silentSince"], live().await), (&Value::Null, vec!["exp1".to_owned(), "exp2".to_owned()]));
    assert!(kept["reportDueAt"].as_str() > kept["lastEventAt"].as_str());

    CLOCK_AHEAD_MINUTES.store(9, Ordering::Relaxed);
    send_event(&service, &key, &other, "training_progress", json!({})).await;
    CLOCK_AHEAD_MINUTES.store(11, Ordering::Relaxed);
    let kept = run_details(&service, &run).await;
    assert_eq!(
        (&kept["status"], &kept["silentSince"]),
        (&json!("running"), &kept["lastEventAt"]),
        "the status does not change"
    );
    let (_, list) = get_json(&service, &key, "/api/training/runs").await;
    assert_eq!((&list["runs"][1]["silentSince"], live().await), (&kept["lastEventAt"], vec!["exp2".to_owned()]));

    // The second epoch took eleven minutes. The run now counts as silent only after three times the average duration of
    // the two epochs.
    send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 1 })).await;
    let kept = run_details(&service, &run).await;
    assert_eq!((&kept["silentSince"], live().await), (&Value::Null, vec!["exp1".to_owned(), "exp2".to_owned()]));
    CLOCK_AHEAD_MINUTES.store(26, Ordering::Relaxed);
    assert_eq!(live().await, ["exp1"]);
    send_event(&service, &key, &run, "training_complete", json!({})).await;
    let kept = run_details(&service, &run).await;
    assert_eq!((&kept["reportDueAt"], &kept["silentSince"]), (&Value::Null, &Value::Null));
    assert!(live().await.is_empty());
    let (_, models) = service.create_key("models", &["models"]).await;
    assert_eq!(get_json(&service, &models, "/api/training/runs/live").await.0, StatusCode::FORBIDDEN);
}
