//! Tests of the event stream: changes to keys and runs, uses, and rejected requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use insta::assert_json_snapshot;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};
use crate::training_events::{send_event, start_run};

struct EventStream {
    response: Response,
    unread: String,
}

impl EventStream {
    async fn open(service: &TestService, token: &str) -> Self {
        let response = service.bearer(token, Method::GET, "/api/api-keys/events").send().await.expect("answered");
        assert_eq!(response.status(), StatusCode::OK);
        let mut events = Self { response, unread: String::new() };
        assert_eq!(events.next().await, Some(json!({ "type": "resync" })), "the first event is always a resync");
        events
    }

    /// Returns the next event about keys or runs, or `None` if the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            match self.next_of_any_kind().await {
                Some(event) if event["type"] == "databaseHealth" => {}
                event => return event,
            }
        }
    }

    async fn next_of_any_kind(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let data = event.strip_prefix("data: ").map(|data| serde_json::from_str(data).expect("JSON"));
                self.unread = rest.to_owned();
                match data {
                    Some(data) => return Some(data),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk()).await.expect("in time");
            self.unread.push_str(std::str::from_utf8(&chunk.ok()??).expect("UTF-8"));
        }
    }

    /// Returns the next event that meets the condition.
    async fn wait_for(&mut self, is_expected: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next().await.expect("an event");
            if is_expected(&event) {
                return event;
            }
        }
    }
}

/// The health of the database contains paths, which only the app needs.
#[tokio::test]
async fn database_health_is_sent_to_app_only() {
    let service = TestService::start().await;
    let mut events = EventStream::open(&service, &service.session).await;
    let health = events.next_of_any_kind().await.expect("the current health");
    let _redactions = redact_snapshots();
    assert_json_snapshot!(health, @r#"
    {
      "changes": [],
      "full": null,
      "recordFailure": null,
      "stopped": null,
      "type": "databaseHealth"
    }
    "#);

    let (_, key) = service.create_key("key", &["admin", "read", "write", "training", "models", "datasets"]).await;
    let mut other = EventStream::open(&service, &key).await;
    let record = service.folder.path().join("state/revocations");
    std::fs::remove_file(&record).expect("there is a record");
    std::fs::create_dir(&record).expect("the place is free");
    let (revoked, _) = service.create_key("revoked", &["read"]).await;
    service.revoke_key(&revoked).await;
    loop {
        let event = events.next_of_any_kind().await.expect("a change of the health");
        if event["type"] == "databaseHealth" {
            assert_eq!(event["recordFailure"]["path"], record.display().to_string());
            break;
        }
    }
    loop {
        let event = other.next_of_any_kind().await.expect("an event");
        assert_ne!(event["type"], "databaseHealth", "the key receives paths");
        if event["type"] == "revoked" {
            break;
        }
    }
}

#[tokio::test]
async fn each_change_is_sent_once() {
    let service = TestService::start().await;
    let mut events = EventStream::open(&service, &service.session).await;

    let (key_id, key) = service.create_key("key", &["read"]).await;
    let created = events.next().await.expect("created");
    assert_eq!(created["keyId"], key_id.as_str());
    let _redactions = redact_snapshots();
    assert_json_snapshot!(created, @r#"
    {
      "adminUsedAt": null,
      "attention": [],
      "createdAt": "[time]",
      "keyId": "[keyId]",
      "keyPrefix": "[keyPrefix]",
      "lastUsedAt": null,
      "name": "key",
      "replacedBy": null,
      "replaces": null,
      "revokedAt": null,
      "scopes": [
        "read"
      ],
      "type": "created"
    }
    "#);
    assert!(!created.to_string().contains(&key), "an event contains the plaintext");

    for _ in 0..20 {
        assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
    }
    let used = events.next().await.expect("used");
    assert_eq!(used["uses"][0]["keyId"], key_id.as_str());
    assert_json_snapshot!(used, @r#"
    {
      "type": "used",
      "uses": [
        {
          "keyId": "[keyId]",
          "lastUsedAt": "[time]"
        }
      ]
    }
    "#);

    service.revoke_key(&key_id).await;
    service.revoke_key(&key_id).await;
    let (next_id, _) = service.create_key("next", &["read"]).await;
    let mut types = Vec::new();
    loop {
        let event = events.next().await.expect("an event");
        if event["type"] == "revoked" {
            assert_json_snapshot!(event, @r#"
            {
              "keyId": "[keyId]",
              "revokedAt": "[time]",
              "type": "revoked"
            }
            "#);
        }
        types.push(text(&event["type"]));
        if event["keyId"] == next_id.as_str() {
            break;
        }
    }
    types.retain(|kind| kind != "used");
    assert_eq!(types, ["revoked", "created"]);
}

/// Waits until the stream has reported a use of each key.
async fn wait_for_uses(events: &mut EventStream, key_ids: &[&str]) {
    let mut missing: Vec<_> = key_ids.to_vec();
    while !missing.is_empty() {
        let event = events.next().await.expect("an event");
        let uses = event["uses"].as_array().cloned().unwrap_or_default();
        missing.retain(|id| !uses.iter().any(|used| used["keyId"] == *id));
    }
}

#[tokio::test]
async fn uses_in_quick_succession_are_all_sent() {
    let service = TestService::start().await;
    let (first_id, first) = service.create_key("first", &["read"]).await;
    let (second_id, second) = service.create_key("second", &["read"]).await;
    let mut events = EventStream::open(&service, &service.session).await;
    service.get_summary(&first).await;
    wait_for_uses(&mut events, &[&first_id]).await;
    // These requests are sent while the first use is being published and written.
    service.get_summary(&second).await;
    service.get_summary(&first).await;
    wait_for_uses(&mut events, &[&second_id, &first_id]).await;
}

#[tokio::test]
async fn uses_are_sent_while_database_is_locked() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let interval = Duration::from_millis(100);
    let service = TestService::start_with(folder, |config| config.timing.usage_flush_interval = interval).await;
    let (first_id, first) = service.create_key("first", &["read"]).await;
    let (second_id, second) = service.create_key("second", &["read"]).await;
    let mut events = EventStream::open(&service, &service.session).await;
    let other = rusqlite::Connection::open(service.folder.path().join("keys.db")).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    service.get_summary(&first).await;
    wait_for_uses(&mut events, &[&first_id]).await;
    // Wait until the service has tried to write the usage to the locked database.
    tokio::time::sleep(3 * interval).await;
    service.get_summary(&second).await;
    wait_for_uses(&mut events, &[&second_id]).await;
    assert!(service.listed_key(&second_id).await["lastUsedAt"].is_string(), "the time is known from memory");

    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.app(Method::DELETE, &format!("/api/api-keys/{first_id}"))).await, @r#"
    {
      "body": {
        "code": "DATABASE_BUSY",
        "error": "The key database is in use by another program. Try again."
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 503
    }
    "#);
    other.execute_batch("ROLLBACK").expect("unlocked");
    drop(other);
    let folder = service.stop().await;
    let service = TestService::start_in(folder).await;
    assert!(
        service.listed_key(&second_id).await["lastUsedAt"].is_string(),
        "the usage is written when the database is unlocked"
    );
}

#[tokio::test]
async fn stream_ends_when_its_key_is_revoked() {
    let service = TestService::start().await;
    let (reader_id, reader) = service.create_key("reader", &["read"]).await;
    let (other_id, _) = service.create_key("other", &["read"]).await;
    let mut events = EventStream::open(&service, &reader).await;
    service.revoke_key(&other_id).await;
    loop {
        let event = events.next().await.expect("connection still open");
        if event["type"] == "revoked" {
            assert_eq!(event["keyId"], other_id.as_str());
            break;
        }
    }
    service.revoke_key(&reader_id).await;
    while let Some(event) = events.next().await {
        assert_ne!(event["type"], "revoked", "the stream does not report the revocation of its own key");
    }
}

#[tokio::test]
async fn shutdown_ends_open_streams() {
    let service = TestService::start().await;
    let mut events = EventStream::open(&service, &service.session).await;
    let stopping = tokio::spawn(service.stop());
    assert_eq!(events.next().await, None);
    tokio::time::timeout(Duration::from_secs(10), stopping).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn rejections_are_counted_by_key_outcome_and_peer() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("reader", &["read"]).await;
    let unknown = format!("ul_{}", "a".repeat(40));
    let mut events = EventStream::open(&service, &service.session).await;
    for _ in 0..3 {
        let rejected =
            service.bearer(&key, Method::DELETE, "/api/api-keys/secret-path").send().await.expect("answered");
        assert_eq!(rejected.status(), StatusCode::FORBIDDEN);
        assert_eq!(service.get_summary(&unknown).await.status(), StatusCode::UNAUTHORIZED);
    }
    let expected = BTreeMap::from([
        ((json!(key_id).to_string(), "scope".to_owned()), 3),
        (("null".to_owned(), "unknown".to_owned()), 3),
    ]);
    let mut counted = BTreeMap::new();
    while counted != expected {
        let event = events.wait_for(|event| event["type"] == "rejected").await;
        for secret in [&key, &unknown, "secret-path"] {
            assert!(!event.to_string().contains(secret), "{event}");
        }
        assert_eq!(event["moreRequests"], 0);
        for group in event["groups"].as_array().expect("a list") {
            assert_eq!(group["peer"], "127.0.0.1");
            let requests = group["requests"].as_u64().expect("a number");
            *counted.entry((group["keyId"].to_string(), text(&group["outcome"]))).or_default() += requests;
        }
        assert!(counted.values().sum::<u64>() <= 6, "{counted:?}");
    }
}

#[tokio::test]
async fn rejection_is_sent_with_its_time() {
    let service = TestService::start().await;
    let mut events = EventStream::open(&service, &service.session).await;
    let rejected = service.anonymous(Method::GET, "/api/account/summary").send().await.expect("answered");
    assert_eq!(rejected.status(), StatusCode::UNAUTHORIZED);
    let _redactions = redact_snapshots();
    assert_json_snapshot!(events.next().await, @r#"
    {
      "groups": [
        {
          "keyId": null,
          "lastAt": "[time]",
          "outcome": "noCredential",
          "peer": "127.0.0.1",
          "requests": 1
        }
      ],
      "moreRequests": 0,
      "type": "rejected"
    }
    "#);
}

#[tokio::test]
async fn changes_of_run_are_sent_as_listed() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let mut events = EventStream::open(&service, &service.session).await;
    let run = start_run(&service, &key, "exp1").await;
    let started = events.wait_for(|event| event["type"] == "runChanged").await;
    let _redactions = redact_snapshots();
    assert_json_snapshot!(started, @r#"
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
      "recordedEpochs": 0,
      "reportDueAt": "[time]",
      "resultsDropped": false,
      "runId": 1,
      "silentSince": null,
      "slug": "exp1",
      "startedAt": "[time]",
      "status": "running",
      "type": "runChanged"
    }
    "#);

    let (status, _) = send_event(&service, &key, &run, "epoch_end", json!({ "epoch": 0 })).await;
    assert_eq!(status, StatusCode::OK);
    events.wait_for(|event| event["recordedEpochs"] == 1).await;

    let upload = json!({ "modelId": run["modelId"], "filename": "best.pt" });
    let request = service.bearer(&key, Method::POST, "/api/webhooks/models/upload").json(&upload);
    let (status, ticket) = read_json(request.send().await.expect("answered")).await;
    assert_eq!(status, StatusCode::OK, "{ticket}");
    let url = text(&ticket["uploadUrl"]);
    let path = url.split_once("/uploads").map(|(_, path)| format!("/uploads{path}")).expect("an address");
    let put = service.anonymous(Method::PUT, &path).body("a checkpoint").send().await.expect("answered");
    assert!(put.status().is_success());
    events.wait_for(|event| event["hasCheckpoint"] == true).await;

    let cancel = service.app(Method::POST, "/api/training/runs/1/cancel").send().await.expect("answered");
    assert_eq!(cancel.status(), StatusCode::OK);
    let cancelled = events.wait_for(|event| event["status"] == "cancelled").await;
    let mut listed = read_json(service.app(Method::GET, "/api/training/runs").send().await.expect("answered")).await.1;
    let mut row = listed["runs"][0].take();
    row["type"] = json!("runChanged");
    assert_eq!(cancelled, row);

    let delete = service.app(Method::DELETE, "/api/training/runs/1").send().await.expect("answered");
    assert_eq!(delete.status(), StatusCode::OK);
    let deleted = events.wait_for(|event| event["type"] != "used").await;
    assert_eq!(deleted, json!({ "type": "runDeleted", "runId": 1 }));

    let next = start_run(&service, &key, "exp2").await;
    let results = json!({ "results": {}, "classNames": [], "plots": [] });
    assert_eq!(send_event(&service, &key, &next, "training_complete", results).await.0, StatusCode::OK);
    let ended = events.wait_for(|event| event["status"] == "completed").await;
    assert_eq!(ended["slug"], "exp2");
}

#[tokio::test]
async fn key_receives_only_events_that_its_scopes_allow() {
    let service = TestService::start().await;
    let (_, trainer) = service.create_key("trainer", &["training"]).await;
    let mut streams = Vec::new();
    for (scopes, expected) in [
        (&["admin"][..], &["created"][..]),
        (&["admin", "training"], &["created", "runChanged", "runDeleted"]),
        (&["read"], &["created", "rejected", "runChanged", "runDeleted"]),
    ] {
        let (_, key) = service.create_key("subscriber", scopes).await;
        streams.push((EventStream::open(&service, &key).await, scopes, expected));
    }
    let mut session = EventStream::open(&service, &service.session).await;

    start_run(&service, &trainer, "exp1").await;
    session.wait_for(|event| event["type"] == "runChanged").await;
    for (method, path) in [(Method::POST, "/api/training/runs/1/cancel"), (Method::DELETE, "/api/training/runs/1")] {
        let answer = service.app(method, path).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    session.wait_for(|event| event["type"] == "runDeleted").await;
    service.get_summary("unknown").await;
    session.wait_for(|event| event["type"] == "rejected").await;
    // All streams send events in the same order, so whatever was sent before this key was created has arrived too.
    let (last_id, _) = service.create_key("last", &["read"]).await;
    for (mut events, scopes, expected) in streams {
        let mut types = BTreeSet::new();
        loop {
            let event = events.next().await.expect("an event");
            types.insert(text(&event["type"]));
            if event["keyId"] == last_id.as_str() {
                break;
            }
        }
        types.remove("used");
        assert_eq!(types.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{scopes:?}");
    }
}
