//! Tests of parallel training runs that share one key. Each run has its own rate limit, so no run loses reports because
//! of other runs.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};
use ulkeys_domain::RateLimits;
use ulkeys_domain::rate_limit::{MAX_RUNS_AT_FULL_RATE, RUN_RESULTS_PER_MINUTE};

use crate::common::{TestService, read_json, text};
use crate::training_events::{EVENTS_PATH, get_json, run_details, send_event, start_run};

const UPLOAD_REQUEST_PATH: &str = "/api/webhooks/models/upload";

const RECORDED_RUN: &str = include_str!("../../../../tests/fixtures/yolo-train-3-epochs.ndjson");

const RUN_COUNT: usize = 12;

/// The number of epochs in the recorded run, including the final validation.
const EPOCHS_PER_ROUND: u64 = 4;

/// Counts of the reports that one run has lost because they were rejected.
#[derive(Debug, Default, PartialEq, Eq)]
struct LostReports {
    epochs: usize,
    others: usize,
}

/// Options for replaying the recorded run.
#[derive(Clone, Copy)]
struct ReplayPlan {
    /// The number of times that the events between the start and the upload are sent, with increasing epoch numbers.
    rounds: u64,
    /// The delay between two events.
    pause: Duration,
    /// Whether the console output is sent too.
    console: bool,
}

/// Replays the recorded run the way the original client sent it: event by event, without retries.
async fn replay(service: &TestService, key: &str, name: String, plan: ReplayPlan) -> (Value, LostReports) {
    let requests: Vec<Value> = RECORDED_RUN.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let is_upload = |request: &Value| request["path"] == UPLOAD_REQUEST_PATH;
    let upload = requests.iter().position(is_upload).expect("an upload");
    let middle = requests[1..upload].iter().filter(|request| plan.console || request["body"]["event"] == "epoch_end");
    let middle = (0..plan.rounds).flat_map(|round| middle.clone().map(move |request| (round, request)));
    let whole =
        [(0, &requests[0])].into_iter().chain(middle).chain(requests[upload..].iter().map(|request| (0, request)));

    let (mut lost, mut run, mut ticket) = (LostReports::default(), Value::Null, Value::Null);
    let mut clock = interval(plan.pause.max(Duration::from_nanos(1)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (round, request) in whole {
        clock.tick().await;
        if request["method"] == "PUT" {
            let url = text(&ticket["uploadUrl"]);
            let path = url.split_once("/uploads").map(|(_, path)| format!("/uploads{path}")).expect("an address");
            let put = service.anonymous(Method::PUT, &path).body("a checkpoint").send().await.expect("answered");
            lost.others += usize::from(put.status() != StatusCode::OK);
            continue;
        }
        let mut body = request["body"].clone();
        if run.is_null() {
            body["name"] = json!(name);
        } else {
            body["modelId"] = run["modelId"].clone();
        }
        for holder in ["/data", ""] {
            if let Some(known) = body.pointer_mut(&format!("{holder}/runId")) {
                *known = run["runId"].clone();
            }
        }
        if body["event"] == "epoch_end" {
            body["data"]["epoch"] = json!(body["data"]["epoch"].as_u64().expect("a number") + EPOCHS_PER_ROUND * round);
        } else if body["event"] == "checkpoint_saved" {
            body["data"]["modelPath"] = ticket["gcsPath"].clone();
            body["data"]["uploadPath"] = ticket["uploadPath"].clone();
        }
        let path = request["path"].as_str().expect("a path");
        let (status, answer) =
            read_json(service.bearer(key, Method::POST, path).json(&body).send().await.expect("answered")).await;
        if status == StatusCode::OK {
            match path {
                UPLOAD_REQUEST_PATH => ticket = answer,
                _ if run.is_null() => run = answer,
                _ => {}
            }
        } else if is_upload(request) {
            lost.others += 1;
            // The request for an upload URL was rejected, so no checkpoint can be uploaded or confirmed. The run still
            // ends.
            ticket = json!({ "uploadUrl": "/uploads/none" });
        } else if body["event"] == "epoch_end" {
            lost.epochs += 1;
        } else {
            lost.others += 1;
        }
    }
    (run, lost)
}

async fn replay_in_parallel(plan: ReplayPlan) {
    let service = TestService::start_limited(RateLimits::default()).await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let began = Instant::now();
    let replays = (0..RUN_COUNT).map(|number| replay(&service, &key, format!("exp{number}"), plan));
    let replays = futures_util::future::join_all(replays).await;
    let took = began.elapsed();
    let lost = replays.iter().map(|(_, lost)| lost);
    let (epochs, others) = lost.fold((0, 0), |all, lost| (all.0 + lost.epochs, all.1 + lost.others));
    let (_, list) = get_json(&service, &service.session, "/api/training/runs").await;
    let running = list["runs"].as_array().expect("a list").iter().filter(|run| run["status"] == "running").count();
    let sent = RUN_COUNT as u64 * plan.rounds * EPOCHS_PER_ROUND;
    assert_eq!(
        (epochs, others, running),
        (0, 0, 0),
        "lost epochs (of {sent}), other lost reports, and unfinished runs, after {took:?}"
    );
    for (run, _) in &replays {
        let kept = run_details(&service, run).await;
        assert_eq!(
            (&kept["status"], &kept["recordedEpochs"], &kept["hasCheckpoint"]),
            (&json!("completed"), &json!(plan.rounds * EPOCHS_PER_ROUND), &json!(true))
        );
    }
    let usage =
        service.wait_for_usage(&key_id, |usage| usage["hours"].as_array().is_some_and(|hours| !hours.is_empty()));
    assert!(!usage.await.to_string().contains("\"limit\""), "no rejection is counted");
}

/// The runs send more events and uploads per minute than a single limit for the whole key would allow.
#[tokio::test]
async fn parallel_runs_at_full_speed_lose_nothing() {
    replay_in_parallel(ReplayPlan { rounds: 4, pause: Duration::ZERO, console: true }).await;
}

/// Run this test with `cargo test --workspace --test service -- --ignored two_minutes`.
#[tokio::test]
#[ignore = "takes two minutes"]
async fn parallel_runs_at_one_event_a_second_lose_nothing_in_two_minutes() {
    replay_in_parallel(ReplayPlan { rounds: 28, pause: Duration::from_secs(1), console: false }).await;
}

#[tokio::test]
async fn result_of_run_above_its_event_limit_is_accepted() {
    let service = TestService::start_limited(RateLimits { stream: 5, upload: 2, ..RateLimits::default() }).await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let (one, two) = (start_run(&service, &key, "exp1").await, start_run(&service, &key, "exp2").await);
    for epoch in 0..7 {
        let answer = service.bearer(&key, Method::POST, EVENTS_PATH).json(&json!({
            "modelId": one["modelId"], "event": "epoch_end", "data": { "epoch": epoch },
        }));
        let answer = answer.send().await.expect("answered");
        let expected = if epoch < 5 { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(answer.status(), expected);
        let header = |name: &str| answer.headers()[name].to_str().expect("ASCII").to_owned();
        assert_eq!(header("x-ratelimit-limit"), "5", "the limit of the run");
        assert_eq!(header("x-ratelimit-remaining"), 4_u64.saturating_sub(epoch).to_string());
    }
    assert_eq!(send_event(&service, &key, &two, "epoch_end", json!({ "epoch": 0 })).await.0, StatusCode::OK);
    // The limit applies to the run, whether the event refers to it by identifier or by name.
    let named = json!({ "project": "username/project", "name": "exp1", "event": "epoch_end", "data": { "epoch": 9 } });
    let answer = service.bearer(&key, Method::POST, EVENTS_PATH).json(&named).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    for (run, name) in [(&one, "training_complete"), (&two, "training_failed")] {
        assert_eq!(send_event(&service, &key, run, name, json!({})).await.0, StatusCode::OK);
    }
    assert_eq!(run_details(&service, &one).await["status"], "completed");

    let question = json!({ "key": key, "method": "POST", "path": EVENTS_PATH });
    let answer = service.app(Method::POST, "/api/diagnosis").json(&question).send().await.expect("answered");
    let finding = read_json(answer).await.1["finding"].clone();
    assert_eq!((&finding["kind"], &finding["limit"]), (&json!("limit"), &json!(5)), "the run's limit is named");

    // Each request is recorded once, with its actual outcome.
    let counted = |usage: &Value, outcome: &str| {
        let hours = usage["hours"].as_array().cloned().unwrap_or_default();
        hours.iter().filter(|hour| hour["outcome"] == outcome).filter_map(|hour| hour["requests"].as_u64()).sum::<u64>()
    };
    let usage = service.wait_for_usage(&key_id, |usage| counted(usage, "limit") >= 3).await;
    assert_eq!((counted(&usage, "accepted"), counted(&usage, "limit")), (10, 3), "{usage}");
}

#[tokio::test]
async fn result_while_key_is_above_its_limit_is_accepted() {
    let service = TestService::start_limited(RateLimits { stream: 1, ..RateLimits::default() }).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    for _ in 0..MAX_RUNS_AT_FULL_RATE {
        let (status, answer) =
            send_event(&service, &key, &json!({ "modelId": "unknown" }), "epoch_end", json!({})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    }
    for body in ["nonsense".to_owned(), json!({ "modelId": "unknown", "event": "epoch_end" }).to_string()] {
        let answer = service.bearer(&key, Method::POST, EVENTS_PATH).body(body).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "invalid events have a limit");
    }
    assert_eq!(
        send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 0 })).await.0,
        StatusCode::TOO_MANY_REQUESTS
    );
    let body = json!({ "project": "username/project", "name": "exp2", "event": "training_started", "data": {} });
    let answer = service.bearer(&key, Method::POST, EVENTS_PATH).json(&body).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "starting runs has a limit");
    assert_eq!(send_event(&service, &key, &run, "training_complete", json!({})).await.0, StatusCode::OK);
    assert_eq!(run_details(&service, &run).await["status"], "completed");
    let repeated = send_event(&service, &key, &run, "training_complete", json!({})).await;
    assert_eq!(repeated.0, StatusCode::TOO_MANY_REQUESTS, "the run has already ended");
}

#[tokio::test]
async fn results_of_one_run_have_their_own_limit() {
    let service = TestService::start_limited(RateLimits::default()).await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let run = start_run(&service, &key, "exp1").await;
    for _ in 0..RUN_RESULTS_PER_MINUTE {
        assert_eq!(send_event(&service, &key, &run, "training_complete", json!({})).await.0, StatusCode::OK);
    }
    let one_more = send_event(&service, &key, &run, "training_complete", json!({})).await;
    assert_eq!(one_more.0, StatusCode::TOO_MANY_REQUESTS);
}

/// Requests to the event and upload paths that are not assigned to a run count against the key's rate limit.
#[tokio::test]
async fn other_requests_to_run_paths_count_against_key_limit() {
    let service = TestService::start_limited(RateLimits { stream: 1, upload: 1, ..RateLimits::default() }).await;
    let (_, key) = service.create_key("trainer", &["write"]).await;
    for (method, path) in [
        (Method::GET, EVENTS_PATH.to_owned()),
        (Method::POST, format!("{UPLOAD_REQUEST_PATH}/")),
        (Method::PUT, format!("{EVENTS_PATH}/")),
    ] {
        let answer = service.bearer(&key, method, &path).send().await.expect("answered");
        assert!(answer.status().is_client_error());
        assert!(answer.headers().contains_key("x-ratelimit-remaining"), "{path}");
    }
    let unreadable = async || {
        service.bearer(&key, Method::POST, UPLOAD_REQUEST_PATH).body("x").send().await.expect("answered").status()
    };
    assert_eq!(unreadable().await, StatusCode::BAD_REQUEST, "within the limit");
    for _ in 0..2 * MAX_RUNS_AT_FULL_RATE {
        unreadable().await;
    }
    assert_eq!(unreadable().await, StatusCode::TOO_MANY_REQUESTS, "above the limit");
}

/// Twelve runs end at the same time, and each sends large results: the curves of many classes.
#[tokio::test]
async fn large_results_in_parallel_are_all_accepted() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| {
        config.limits = RateLimits::default().into();
        // Allow more time to wait for a permit, because a busy computer parses the reports more slowly.
        config.timing.permit_timeout = Duration::from_secs(60);
    })
    .await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let mut runs = Vec::new();
    for number in 0..RUN_COUNT {
        runs.push(start_run(&service, &key, &format!("exp{number}")).await);
    }
    let curves = json!({ "plots": [{ "type": "pr_curve", "x": vec![0.125; 200_000] }] });
    let endings = runs.iter().map(|run| send_event(&service, &key, run, "training_complete", curves.clone()));
    for (status, body) in futures_util::future::join_all(endings).await {
        assert_eq!(status, StatusCode::OK, "{body}");
    }
}
