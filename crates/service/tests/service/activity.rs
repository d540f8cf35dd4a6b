//! Tests of the activity that the service records: rejected requests and changes to keys.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, read_json, text};
use crate::snapshots::{redact_snapshots, whole_answer};

async fn get_activity(service: &TestService, query: &str) -> Value {
    let answer = service.app(Method::GET, &format!("/api/activity{query}")).send().await.expect("answered");
    let (status, body) = read_json(answer).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn activity_of_key_names_actor_and_client() {
    let service = TestService::start().await;
    let (admin_id, admin) = service.create_key("admin", &["admin"]).await;
    let (key_id, key) = service.create_key("before", &["read"]).await;
    let request = service.bearer(&admin, Method::PATCH, &format!("/api/api-keys/{key_id}"));
    let answer = request.header("User-Agent", "script/2").json(&json!({ "name": "after" })).send().await;
    assert_eq!(read_json(answer.expect("answered")).await.1["name"], "after");
    let request = service.bearer(&key, Method::GET, "/api/account/summary").header("User-Agent", "trainer/1");
    request.send().await.expect("answered");
    service.wait_for_clients(&key_id, 1).await;
    service.revoke_key(&key_id).await;
    for _ in 0..3 {
        service.get_summary(&key).await;
    }
    service.wait_for_usage(&key_id, |usage| usage["hours"].to_string().contains("revoked")).await;

    let _redactions = redact_snapshots();
    let page = whole_answer(service.app(Method::GET, &format!("/api/activity?keyId={key_id}"))).await;
    assert_json_snapshot!(page, @r#"
    {
      "body": {
        "entries": [
          {
            "agent": null,
            "at": "[time]",
            "id": "[number]",
            "keyId": "[keyId]",
            "keyName": "after",
            "keyPrefix": "[keyPrefix]",
            "kind": "refused",
            "lastAt": "[time]",
            "outcome": "revoked",
            "peer": "127.0.0.1",
            "requests": 3
          },
          {
            "agent": null,
            "at": "[time]",
            "by": null,
            "id": "[number]",
            "keyId": "[keyId]",
            "keyName": "after",
            "keyPrefix": "[keyPrefix]",
            "kind": "revoked",
            "peer": "127.0.0.1"
          },
          {
            "agent": "trainer/1",
            "at": "[time]",
            "id": "[number]",
            "keyId": "[keyId]",
            "keyName": "after",
            "keyPrefix": "[keyPrefix]",
            "kind": "newSource",
            "peer": "127.0.0.1"
          },
          {
            "agent": "script/2",
            "at": "[time]",
            "by": "[keyId]",
            "id": "[number]",
            "keyId": "[keyId]",
            "keyName": "after",
            "keyPrefix": "[keyPrefix]",
            "kind": "renamed",
            "newName": "after",
            "oldName": "before",
            "peer": "127.0.0.1"
          },
          {
            "agent": null,
            "at": "[time]",
            "by": null,
            "id": "[number]",
            "keyId": "[keyId]",
            "keyName": "after",
            "keyPrefix": "[keyPrefix]",
            "kind": "created",
            "peer": "127.0.0.1"
          }
        ],
        "next": null
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    assert_eq!(page["body"]["entries"][3]["by"], json!(admin_id));
}

#[tokio::test]
async fn activity_includes_rejections_without_key() {
    let service = TestService::start().await;
    for _ in 0..4 {
        service.get_summary(&format!("ul_{}", "a".repeat(40))).await;
    }
    let (key_id, key) = service.create_key("any", &["read"]).await;
    service.get_summary(&key).await;
    service.wait_for_clients(&key_id, 1).await;
    let page = get_activity(&service, "").await;
    let rejected: Vec<_> =
        page["entries"].as_array().expect("a list").iter().filter(|entry| entry["kind"] == "refused").collect();
    assert_eq!(rejected.len(), 1, "{page}");
    assert_eq!((&rejected[0]["outcome"], &rejected[0]["requests"]), (&json!("unknown"), &json!(4)));
    for field in ["keyId", "keyName", "keyPrefix"] {
        assert_eq!(rejected[0].get(field), Some(&Value::Null), "{field}");
    }
}

#[tokio::test]
async fn pages_continue_until_the_last_entry() {
    let service = TestService::start().await;
    for number in 0..7 {
        service.create_key(&format!("key {number}"), &["read"]).await;
    }
    let (mut names, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = get_activity(&service, &query).await;
        names.extend(page["entries"].as_array().expect("a list").iter().map(|entry| text(&entry["keyName"])));
        match page["next"].as_str() {
            Some(cursor) => query = format!("?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(names, ["key 6", "key 5", "key 4", "key 3", "key 2", "key 1", "key 0"]);
}

#[tokio::test]
async fn activity_is_filtered_by_kind() {
    let service = TestService::start().await;
    let (one, _) = service.create_key("one", &["read"]).await;
    let (two, _) = service.create_key("two", &["read"]).await;
    service.revoke_key(&one).await;
    service.revoke_key(&two).await;
    let list = async |query: &str| {
        let page = get_activity(&service, query).await;
        let entries = page["entries"].as_array().expect("a list").iter();
        let listed: Vec<_> = entries.map(|entry| (text(&entry["kind"]), text(&entry["keyName"]))).collect();
        (listed, page["next"].as_str().map(str::to_owned))
    };
    let entry = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    let revoked = vec![entry("revoked", "two"), entry("revoked", "one")];
    assert_eq!(list("?kind=revoked").await, (revoked.clone(), None));
    assert_eq!(list(&format!("?kind=revoked&keyId={one}")).await, (revoked[1..].to_vec(), None));
    assert_eq!(list("?kind=renamed").await, (vec![], None));
    let (first, next) = list("?kind=created&limit=1").await;
    assert_eq!(first, [entry("created", "two")]);
    let next = next.expect("another page");
    assert_eq!(list(&format!("?kind=created&limit=1&cursor={next}")).await, (vec![entry("created", "one")], None));
}

#[tokio::test]
async fn activity_requires_read_and_invalid_query_is_rejected() {
    let service = TestService::start().await;
    let (key_id, reader) = service.create_key("reader", &["read"]).await;
    let (_, trainer) = service.create_key("trainer", &["training"]).await;
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
        let (status, body) = read_json(answer).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(text(&body["error"]).starts_with(&format!("{field}:")), "{body}");
    }
    let unknown = format!("/api/api-keys/key_{}/usage", "0".repeat(24));
    assert_eq!(service.app(Method::GET, &unknown).send().await.expect("answered").status(), StatusCode::NOT_FOUND);
}
