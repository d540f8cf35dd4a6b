//! The stream of changes.

use std::time::Duration;

use crate::common::{TestService, text};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

struct Events {
    response: Response,
    unread: String,
}

impl Events {
    async fn open(service: &TestService, token: &str) -> Self {
        let response = service.bearer(token, Method::GET, "/api/api-keys/events").send().await.expect("answered");
        assert_eq!(response.status(), StatusCode::OK);
        let mut events = Self { response, unread: String::new() };
        assert_eq!(events.next().await, Some(json!({ "type": "resync" })), "always the first");
        events
    }

    /// The next event, or `None` when the stream ends.
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
async fn every_change_is_told_once() {
    let service = TestService::start().await;
    let mut events = Events::open(&service, &service.session).await;

    let (key_id, key) = service.key("key", &["read"]).await;
    let created = events.next().await.expect("created");
    assert_eq!((created["type"].as_str(), &created["keyId"]), (Some("created"), &json!(key_id)));
    assert!(!created.to_string().contains(&key), "the plaintext is in no event");

    for _ in 0..20 {
        assert_eq!(service.summary(&key).await.status(), StatusCode::OK);
    }
    let used = events.next().await.expect("used");
    assert_eq!((used["type"].as_str(), &used["uses"][0]["keyId"]), (Some("used"), &json!(key_id)));

    service.revoke(&key_id).await;
    service.revoke(&key_id).await;
    let (next_id, _) = service.key("next", &["read"]).await;
    let mut types = Vec::new();
    loop {
        let event = events.next().await.expect("an event");
        types.push(text(&event["type"]));
        if event["keyId"] == next_id.as_str() {
            break;
        }
    }
    types.retain(|kind| kind != "used");
    assert_eq!(types, ["revoked", "created"]);
}

/// Waits until a use of each key was told.
async fn uses_told(events: &mut Events, key_ids: &[&str]) {
    let mut missing: Vec<_> = key_ids.to_vec();
    while !missing.is_empty() {
        let event = events.next().await.expect("an event");
        let uses = event["uses"].as_array().cloned().unwrap_or_default();
        missing.retain(|id| !uses.iter().any(|told| told["keyId"] == *id));
    }
}

#[tokio::test]
async fn uses_shortly_after_one_another_are_all_told() {
    let service = TestService::start().await;
    let (first_id, first) = service.key("first", &["read"]).await;
    let (second_id, second) = service.key("second", &["read"]).await;
    let mut events = Events::open(&service, &service.session).await;
    service.summary(&first).await;
    uses_told(&mut events, &[&first_id]).await;
    // While the first is being gathered and written.
    service.summary(&second).await;
    service.summary(&first).await;
    uses_told(&mut events, &[&second_id, &first_id]).await;
}

#[tokio::test]
async fn uses_are_told_while_the_database_cannot_be_written() {
    let service = TestService::start().await;
    let (first_id, first) = service.key("first", &["read"]).await;
    let (second_id, second) = service.key("second", &["read"]).await;
    let mut events = Events::open(&service, &service.session).await;
    let other = rusqlite::Connection::open(service.folder.path().join("keys.db")).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    service.summary(&first).await;
    uses_told(&mut events, &[&first_id]).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    service.summary(&second).await;
    uses_told(&mut events, &[&second_id]).await;
    assert!(service.listed(&second_id).await["lastUsedAt"].is_string(), "known from memory");

    let refused = service.app(Method::DELETE, &format!("/api/api-keys/{first_id}")).send().await.expect("answered");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    other.execute_batch("ROLLBACK").expect("unlocked");
    drop(other);
    let folder = service.stop().await;
    let service = TestService::start_in(folder).await;
    assert!(service.listed(&second_id).await["lastUsedAt"].is_string(), "written once it could be");
}

#[tokio::test]
async fn a_stream_ends_with_the_key_that_opened_it() {
    let service = TestService::start().await;
    let (reader_id, reader) = service.key("reader", &["read"]).await;
    let (other_id, _) = service.key("other", &["read"]).await;
    let mut events = Events::open(&service, &reader).await;
    service.revoke(&other_id).await;
    loop {
        let event = events.next().await.expect("still open");
        if event["type"] == "revoked" {
            assert_eq!(event["keyId"], other_id.as_str());
            break;
        }
    }
    service.revoke(&reader_id).await;
    while let Some(event) = events.next().await {
        assert_ne!(event["type"], "revoked", "not even its own end");
    }
}

#[tokio::test]
async fn streams_do_not_hold_up_a_shutdown() {
    let service = TestService::start().await;
    let mut events = Events::open(&service, &service.session).await;
    let stopping = tokio::spawn(service.stop());
    assert_eq!(events.next().await, None);
    tokio::time::timeout(Duration::from_secs(10), stopping).await.expect("in time").expect("no panic");
}
