//! Tests of the event stream of key changes.

use std::time::Duration;

use insta::assert_json_snapshot;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, text};
use crate::snapshots::{redact_snapshots, whole_answer};

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

    /// Returns the next event, or `None` if the stream has ended.
    async fn next(&mut self) -> Option<Value> {
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
