//! What became of requests, and what was done to keys.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, read, text};

async fn activity(service: &TestService, query: &str) -> Value {
    let answer = service.app(Method::GET, &format!("/api/activity{query}")).send().await.expect("answered");
    let (status, body) = read(answer).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn requests_are_counted_by_hour_and_outcome() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("counted", &["read"]).await;
    for _ in 0..3 {
        let request = service.bearer(&key, Method::GET, "/api/account/summary").header("User-Agent", "trainer/1");
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK);
    }
    for _ in 0..2 {
        let answer = service.bearer(&key, Method::POST, "/api/models").send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    service.revoke(&key_id).await;
    service.summary(&key).await;

    let sum = |usage: &Value, outcome: &str| -> u64 {
        let hours = usage["hours"].as_array().expect("a list").iter();
        hours.filter(|hour| hour["outcome"] == outcome).map(|hour| hour["requests"].as_u64().expect("a number")).sum()
    };
    let usage = service.usage_when(&key_id, |usage| sum(usage, "revoked") == 1).await;
    assert_eq!((sum(&usage, "accepted"), sum(&usage, "scope"), sum(&usage, "limit")), (3, 2, 0));
    let sources = usage["sources"].as_array().expect("a list");
    assert_eq!(sources.len(), 1, "refused requests make no source: {usage}");
    assert_eq!((&sources[0]["peer"], &sources[0]["agent"]), (&json!("127.0.0.1"), &json!("trainer/1")));
    assert_eq!(sources[0]["requests"], 3);
    // Hours begin on the hour.
    assert!(text(&usage["hours"][0]["hour"]).ends_with(":00:00.000Z"));
}

#[tokio::test]
async fn what_is_counted_survives_a_restart_once() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("counted", &["read"]).await;
    for _ in 0..7 {
        service.summary(&key).await;
    }
    let service = TestService::start_in(service.stop().await).await;
    let usage = service.usage_with_sources(&key_id, 1).await;
    assert_eq!(
        usage["hours"].as_array().expect("a list").iter().map(|hour| hour["requests"].as_u64()).sum::<Option<u64>>(),
        Some(7)
    );
    assert_eq!(usage["sources"][0]["requests"], 7);
}

#[tokio::test]
async fn a_key_s_story_is_told_with_who_did_it() {
    let service = TestService::start().await;
    let (admin_id, admin) = service.key("admin", &["admin"]).await;
    let (key_id, key) = service.key("before", &["read"]).await;
    let request = service.bearer(&admin, Method::PATCH, &format!("/api/api-keys/{key_id}"));
    let answer = request.header("User-Agent", "script/2").json(&json!({ "name": "after" })).send().await;
    assert_eq!(read(answer.expect("answered")).await.1["name"], "after");
    let request = service.bearer(&key, Method::GET, "/api/account/summary").header("User-Agent", "trainer/1");
    request.send().await.expect("answered");
    service.usage_with_sources(&key_id, 1).await;
    service.revoke(&key_id).await;
    for _ in 0..3 {
        service.summary(&key).await;
    }
    service.usage_when(&key_id, |usage| usage["hours"].to_string().contains("revoked")).await;

    let page = activity(&service, &format!("?keyId={key_id}")).await;
    let entries = page["entries"].as_array().expect("a list");
    let kinds: Vec<_> = entries.iter().map(|entry| text(&entry["kind"])).collect();
    assert_eq!(kinds, ["refused", "revoked", "newSource", "renamed", "created"]);
    assert!(entries.iter().all(|entry| entry["keyName"] == "after" && entry["peer"] == "127.0.0.1"));
    assert!(entries.iter().all(|entry| entry["keyPrefix"] == key[..11]), "{page}");
    assert_eq!((&entries[0]["outcome"], &entries[0]["requests"]), (&json!("revoked"), &json!(3)));
    assert_eq!((&entries[1]["by"], &entries[2]["agent"]), (&Value::Null, &json!("trainer/1")));
    let renamed = &entries[3];
    assert_eq!((&renamed["by"], &renamed["agent"]), (&json!(admin_id), &json!("script/2")));
    assert_eq!((&renamed["oldName"], &renamed["newName"]), (&json!("before"), &json!("after")));
}

#[tokio::test]
async fn refusals_without_a_key_are_told_too() {
    let service = TestService::start().await;
    for _ in 0..4 {
        service.summary(&format!("ul_{}", "a".repeat(40))).await;
    }
    let (key_id, key) = service.key("any", &["read"]).await;
    service.summary(&key).await;
    service.usage_with_sources(&key_id, 1).await;
    let page = activity(&service, "").await;
    let refused: Vec<_> =
        page["entries"].as_array().expect("a list").iter().filter(|entry| entry["kind"] == "refused").collect();
    assert_eq!(refused.len(), 1, "{page}");
    assert_eq!((&refused[0]["outcome"], &refused[0]["requests"]), (&json!("unknown"), &json!(4)));
    for field in ["keyId", "keyName", "keyPrefix"] {
        assert_eq!(refused[0].get(field), Some(&Value::Null), "{field}");
    }
}

#[tokio::test]
async fn pages_lead_on_until_the_last() {
    let service = TestService::start().await;
    for number in 0..7 {
        service.key(&format!("key {number}"), &["read"]).await;
    }
    let (mut names, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = activity(&service, &query).await;
        names.extend(page["entries"].as_array().expect("a list").iter().map(|entry| text(&entry["keyName"])));
        match page["next"].as_str() {
            Some(cursor) => query = format!("?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(names, ["key 6", "key 5", "key 4", "key 3", "key 2", "key 1", "key 0"]);
}

#[tokio::test]
async fn one_kind_may_be_asked_for() {
    let service = TestService::start().await;
    let (one, _) = service.key("one", &["read"]).await;
    let (two, _) = service.key("two", &["read"]).await;
    service.revoke(&one).await;
    service.revoke(&two).await;
    let told = async |query: &str| {
        let page = activity(&service, query).await;
        let entries = page["entries"].as_array().expect("a list").iter();
        let told: Vec<_> = entries.map(|entry| (text(&entry["kind"]), text(&entry["keyName"]))).collect();
        (told, page["next"].as_str().map(str::to_owned))
    };
    let entry = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    let revoked = vec![entry("revoked", "two"), entry("revoked", "one")];
    assert_eq!(told("?kind=revoked").await, (revoked.clone(), None));
    assert_eq!(told(&format!("?kind=revoked&keyId={one}")).await, (revoked[1..].to_vec(), None));
    assert_eq!(told("?kind=renamed").await, (vec![], None));
    let (first, next) = told("?kind=created&limit=1").await;
    assert_eq!(first, [entry("created", "two")]);
    let next = next.expect("one more");
    assert_eq!(told(&format!("?kind=created&limit=1&cursor={next}")).await, (vec![entry("created", "one")], None));
}

#[tokio::test]
async fn only_account_managers_may_read_it_and_bad_queries_are_named() {
    let service = TestService::start().await;
    let (key_id, reader) = service.key("reader", &["read"]).await;
    let (_, trainer) = service.key("trainer", &["training"]).await;
    for path in ["/api/activity".to_owned(), format!("/api/api-keys/{key_id}/usage")] {
        let status = async |key: &str| service.bearer(key, Method::GET, &path).send().await.expect("answered").status();
        assert_eq!(status(&trainer).await, StatusCode::FORBIDDEN);
        assert_eq!(status(&reader).await, StatusCode::OK);
    }
    for (query, field) in [
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=x", "limit"),
        ("?cursor=x", "cursor"),
        ("?keyId=x", "keyId"),
        ("?kind=x", "kind"),
        ("?kind=", "kind"),
        ("?kind=created&kind=created", "query"),
        ("?limit=1&limit=2", "query"),
    ] {
        let answer = service.app(Method::GET, &format!("/api/activity{query}")).send().await.expect("answered");
        let (status, body) = read(answer).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(text(&body["error"]).starts_with(&format!("{field}:")), "{body}");
    }
    let unknown = format!("/api/api-keys/key_{}/usage", "0".repeat(24));
    assert_eq!(service.app(Method::GET, &unknown).send().await.expect("answered").status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_in_a_programs_name_is_not_kept() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("careless", &["read"]).await;
    let request = service.bearer(&key, Method::GET, "/api/account/summary").header("User-Agent", format!("me {key}"));
    request.send().await.expect("answered");
    let usage = service.usage_with_sources(&key_id, 1).await;
    assert_eq!(usage["sources"][0]["agent"], "(hidden: it contains a key)");
}
