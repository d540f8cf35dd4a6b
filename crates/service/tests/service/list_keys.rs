//! Tests of `GET /api/api-keys` and `GET /api/api-keys/counts`.

use std::time::Duration;

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_domain::{Scope, Scopes};

use crate::common::{SeededKey, TestService, days_ago, get_ok, read_json, start_with_keys, text};
use crate::snapshots::{redact_snapshots, whole_answer};

/// Returns the names on a page, the number of keys on all pages, and the offset of the next page.
async fn get_page(service: &TestService, query: &str) -> (Vec<String>, u64, Option<String>) {
    let body = get_ok(service, &format!("/api/api-keys{query}")).await;
    let names = body["keys"].as_array().expect("a list").iter().map(|key| text(&key["name"])).collect();
    (names, body["total"].as_u64().expect("a number"), body["next"].as_str().map(str::to_owned))
}

async fn list_names(service: &TestService, query: &str) -> Vec<String> {
    let (names, total, next) = get_page(service, query).await;
    assert_eq!((names.len() as u64, next), (total, None), "all keys are on one page");
    names
}

#[tokio::test]
async fn list_without_parameters_returns_all_active_keys() {
    let numbers: Vec<_> = (0..61).map(|number| format!("key {number}")).collect();
    let mut keys: Vec<SeededKey<'_>> = Vec::new();
    for (name, age) in numbers.iter().zip(1..) {
        keys.push((name, age, |_| {}));
    }
    keys.push(("gone", 1, |record| record.revoked_at = Some(days_ago(0))));
    let service = start_with_keys(&keys).await;
    for query in ["", "?", "?rotationDays=30", "?page=2"] {
        assert_eq!(get_page(&service, query).await, (numbers.clone(), 61, None), "{query}");
    }
    let first_page = (numbers[..50].to_vec(), 61, Some("50".to_owned()));
    for query in ["?q=", "?status=active", "?sort=-createdAt", "?offset=0", "?limit=50"] {
        assert_eq!(get_page(&service, query).await, first_page, "{query}");
    }
    assert_eq!(get_page(&service, "?offset=50").await, (numbers[50..].to_vec(), 61, None));
    assert_eq!(get_page(&service, "?limit=500").await, (numbers.clone(), 61, None));
    for beyond in ["61", "62", "999999999999999999"] {
        assert_eq!(get_page(&service, &format!("?offset={beyond}")).await, (vec![], 61, None));
    }

    let (mut seen, mut query) = (Vec::new(), "?limit=7&sort=createdAt&q=KEY".to_owned());
    loop {
        let (names, total, next) = get_page(&service, &query).await;
        assert_eq!(total, 61);
        seen.extend(names);
        match next {
            Some(offset) => query = format!("?limit=7&sort=createdAt&q=KEY&offset={offset}"),
            None => break,
        }
    }
    assert_eq!(seen, numbers.into_iter().rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn list_walk_visits_each_key_once_while_keys_change() {
    let names: Vec<_> = (0..9).map(|number| format!("key {number}")).collect();
    let mut keys: Vec<SeededKey<'_>> = Vec::new();
    for (name, age) in names.iter().zip(1..) {
        keys.push((name, age, |_| {}));
    }
    for (sort, new_name) in [("name", "a"), ("-name", "z"), ("-createdAt", "new")] {
        let service = start_with_keys(&keys).await;
        let (mut seen, mut query) = (Vec::new(), format!("?limit=2&sort={sort}"));
        loop {
            let page = get_ok(&service, &format!("/api/api-keys{query}")).await;
            let page_keys = page["keys"].as_array().expect("a list");
            seen.extend(page_keys.iter().map(|key| text(&key["name"])));
            service.revoke_key(&text(&page_keys.last().expect("a key")["keyId"])).await;
            service.create_key(new_name, &["read"]).await;
            match page["nextCursor"].as_str() {
                Some(cursor) => query = format!("?limit=2&sort={sort}&cursor={cursor}"),
                None => break,
            }
            if query.contains("cursor") {
                let walked = get_ok(&service, &format!("/api/api-keys{query}")).await;
                assert_eq!(walked["next"], Value::Null, "a walk has no offset");
            }
        }
        seen.sort();
        assert_eq!(seen, names, "{sort}");
    }
}

#[tokio::test]
async fn list_sorted_by_changing_value_has_no_cursor() {
    let service = start_with_keys(&[("a", 1, |_| {}), ("b", 2, |_| {})]).await;
    for (query, has_cursor) in [
        ("", false),
        ("?limit=1", true),
        ("?limit=1&sort=name", true),
        ("?limit=1&sort=lastUsedAt", false),
        ("?limit=1&sort=scopes", false),
        ("?limit=1&sort=revokedAt", false),
        ("?limit=2", false),
        ("?limit=1&offset=1", false),
    ] {
        let page = get_ok(&service, &format!("/api/api-keys{query}")).await;
        assert_eq!(page.get("nextCursor").is_some(), has_cursor, "{query}");
    }
}

#[tokio::test]
async fn list_is_searched_sorted_and_filtered() {
    let service = start_with_keys(&[
        ("Zürich", 1, |_| {}),
        ("álbum & +1%", 40, |_| {}),
        ("Berlin", 100, |record| record.last_used_at = Some(days_ago(1))),
        ("berlin", 50, |record| {
            record.revoked_at = Some(days_ago(2));
            record.scopes = Scopes::new([Scope::Training]).expect("not empty");
        }),
    ])
    .await;
    for (query, expected) in [
        ("?status=all&sort=name", &["álbum & +1%", "Berlin", "berlin", "Zürich"][..]),
        ("?status=all&sort=-name", &["Zürich", "berlin", "Berlin", "álbum & +1%"]),
        ("?status=active&sort=createdAt", &["Berlin", "álbum & +1%", "Zürich"]),
        ("?status=attention&sort=createdAt", &["Berlin", "álbum & +1%"]),
        ("?status=attention&rotationDays=101", &["álbum & +1%"]),
        ("?status=revoked", &["berlin"]),
        ("?sort=-lastUsedAt&limit=3", &["Berlin", "álbum & +1%", "Zürich"]),
        ("?q=ZURICH", &["Zürich"]),
        ("?q=album%20%26%20%2B1%25", &["álbum & +1%"]),
        ("?q=album+read", &["álbum & +1%"]),
        ("?q=training&status=all", &["berlin"]),
        ("?q=nobody", &[]),
        ("?name=Berlin&status=all", &["Berlin"]),
        ("?name=+Berlin+", &["Berlin"]),
        ("?name=berlin", &[]),
    ] {
        assert_eq!(list_names(&service, query).await, expected, "{query}");
    }
    let _redactions = redact_snapshots();
    let list = service.app(Method::GET, "/api/api-keys?status=all&sort=name&limit=3&offset=1");
    assert_json_snapshot!(whole_answer(list).await, @r#"
    {
      "body": {
        "keys": [
          {
            "adminUsedAt": null,
            "attention": [
              "old"
            ],
            "createdAt": "[time]",
            "keyId": "[keyId]",
            "keyPrefix": "[keyPrefix]",
            "lastUsedAt": "[time]",
            "name": "Berlin",
            "recentRequests": "[24 zeros]",
            "replacedBy": null,
            "replaces": null,
            "revokedAt": null,
            "scopes": [
              "read"
            ]
          },
          {
            "adminUsedAt": null,
            "attention": [],
            "createdAt": "[time]",
            "keyId": "[keyId]",
            "keyPrefix": "[keyPrefix]",
            "lastUsedAt": null,
            "name": "berlin",
            "recentRequests": "[24 zeros]",
            "replacedBy": null,
            "replaces": null,
            "revokedAt": "[time]",
            "scopes": [
              "training"
            ]
          },
          {
            "adminUsedAt": null,
            "attention": [],
            "createdAt": "[time]",
            "keyId": "[keyId]",
            "keyPrefix": "[keyPrefix]",
            "lastUsedAt": null,
            "name": "Zürich",
            "recentRequests": "[24 zeros]",
            "replacedBy": null,
            "replaces": null,
            "revokedAt": null,
            "scopes": [
              "read"
            ]
          }
        ],
        "next": null,
        "total": 4
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    assert_json_snapshot!(whole_answer(service.app(Method::GET, "/api/api-keys/counts")).await, @r#"
    {
      "body": {
        "active": 3,
        "attention": 2,
        "revoked": 1
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    let counts = get_ok(&service, "/api/api-keys/counts?rotationDays=1").await;
    assert_eq!(counts, json!({ "active": 3, "attention": 3, "revoked": 1 }));
}

#[tokio::test]
async fn list_with_invalid_parameter_is_rejected() {
    let service = TestService::start().await;
    let (key_id, _) = service.create_key("key", &["read"]).await;
    let secret = format!("ul_{}", "a".repeat(40));
    let list = "/api/api-keys";
    let (long, too_long) = ("é".repeat(200), "é".repeat(201));
    let status = "status: is not one of active, attention, revoked, all";
    let sort = "sort: is not one of name, scopes, createdAt, lastUsedAt, revokedAt, with or without a leading -";
    let limit = "limit: must be a whole number from 1 to 500";
    let offset = "offset: must be a whole number of at most 18 digits";
    let cursor = "cursor: is not the nextCursor of a page";
    let old_cursor = "cursor: is not a cursor; the number of keys to skip belongs in offset";
    let days = "rotationDays: must be a whole number from 1 to 3650";
    service.create_key("other", &["read"]).await;
    let by_creation = text(&get_ok(&service, "/api/api-keys?limit=1").await["nextCursor"]);
    let once = "query: each parameter may occur only once";
    for (path, expected) in [
        (format!("{list}?status={secret}"), status),
        (format!("{list}?status="), status),
        (format!("{list}?status=Active"), status),
        (format!("{list}?sort={secret}"), sort),
        (format!("{list}?sort=--name"), sort),
        (format!("{list}?sort="), sort),
        (format!("{list}?q={too_long}"), "q: must have at most 200 characters"),
        (format!("{list}?name={secret}"), "name: must not contain an API key"),
        (format!("{list}?name="), "name: must not be empty"),
        (format!("{list}?name={}", "x".repeat(65)), "name: must have at most 64 characters, not 65"),
        (format!("{list}?limit=0"), limit),
        (format!("{list}?limit=501"), limit),
        (format!("{list}?limit={secret}"), limit),
        (format!("{list}?offset={secret}"), offset),
        (format!("{list}?offset=-1"), offset),
        (format!("{list}?offset=01"), offset),
        (format!("{list}?offset=1000000000000000000"), offset),
        (format!("{list}?cursor={secret}"), cursor),
        (format!("{list}?cursor="), cursor),
        (format!("{list}?cursor=50"), old_cursor),
        (format!("{list}?sort=name&cursor={by_creation}"), "cursor: belongs to a page with a different sort"),
        (format!("{list}?offset=0&cursor={by_creation}"), "offset: cannot be combined with cursor"),
        (format!("{list}?rotationDays=0"), days),
        (format!("{list}?rotationDays=3651"), days),
        (format!("{list}?status=all&status=all"), once),
        (format!("{list}/counts?rotationDays={secret}"), days),
        (format!("{list}/counts?rotationDays=1&rotationDays=1"), "query: rotationDays may occur only once"),
        (format!("{list}/{key_id}?rotationDays=0"), days),
        (format!("{list}/{key_id}?rotationDays=1&rotationDays=1"), "query: rotationDays may occur only once"),
    ] {
        let answer = service.app(Method::GET, &path).send().await.expect("answered");
        let expected = json!({ "error": expected, "code": "VALIDATION_ERROR" });
        assert_eq!(read_json(answer).await, (StatusCode::BAD_REQUEST, expected), "{path}");
    }
    for good in [format!("?q={long}"), "?rotationDays=3650".into(), "?limit=500".into(), "?limit=1".into()] {
        get_page(&service, &good).await;
    }
}

#[tokio::test]
async fn unwritten_usage_is_listed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let interval = Duration::from_millis(100);
    let service = TestService::start_with(folder, |config| config.timing.usage_flush_interval = interval).await;
    let (key_id, key) = service.create_key("busy", &["admin"]).await;
    let other = rusqlite::Connection::open(service.folder.path().join("keys.db")).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let answer = service.bearer(&key, Method::GET, "/api/api-keys/counts").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
    let check = async || {
        let page = get_ok(&service, "/api/api-keys?limit=1").await;
        let shown = get_ok(&service, &format!("/api/api-keys/{key_id}")).await;
        for key in [&page["keys"][0], &service.listed_key(&key_id).await, &shown] {
            assert!(key["lastUsedAt"].is_string() && key["adminUsedAt"] == key["lastUsedAt"], "{key}");
        }
    };
    check().await;
    // Wait until the service has tried to write the usage to the locked database.
    tokio::time::sleep(3 * interval).await;
    check().await;
    other.execute_batch("ROLLBACK").expect("unlocked");
}

#[tokio::test]
async fn page_shows_rotation_partners_and_recent_requests() {
    let service = TestService::start().await;
    let (old_id, old) = service.create_key("old", &["read"]).await;
    let body = json!({ "name": "new", "scopes": ["read"], "replaces": old_id });
    let created = service.app(Method::POST, "/api/api-keys").json(&body).send().await.expect("answered");
    let new_id = text(&read_json(created).await.1["keyId"]);
    for _ in 0..3 {
        assert_eq!(service.get_summary(&old).await.status(), StatusCode::OK);
    }
    // A rejected request is not counted.
    service.bearer(&old, Method::POST, "/api/models").send().await.expect("answered");
    let sum = |key: &Value| -> u64 {
        let hours = key["recentRequests"].as_array().expect("a list");
        assert_eq!(hours.len(), 24);
        // The hour may have changed during the test.
        assert!(hours[..22].iter().all(|hour| *hour == 0), "{key}");
        hours.iter().filter_map(Value::as_u64).sum()
    };
    service.wait_for_usage(&old_id, |usage| !usage["hours"].as_array().expect("a list").is_empty()).await;
    let page = async || get_ok(&service, "/api/api-keys?status=all&sort=-name").await["keys"].clone();
    let keys = page().await;
    assert_eq!((keys[0]["name"].clone(), sum(&keys[0]), sum(&keys[1])), (json!("old"), 3, 0));
    let used_at = &keys[0]["lastUsedAt"];
    assert!(used_at.is_string());
    let partner = |id: &str, name: &str, revoked_at: &Value, used_at: &Value| json!({ "keyId": id, "name": name, "revokedAt": revoked_at, "lastUsedAt": used_at });
    assert_eq!(keys[0]["rotationPartner"], partner(&new_id, "new", &Value::Null, &Value::Null));
    assert_eq!(keys[1]["rotationPartner"], partner(&old_id, "old", &Value::Null, used_at));

    // Of two partners, the active one is shown, and otherwise the newer one.
    let body = json!({ "name": "aaa", "scopes": ["read"], "replaces": new_id });
    let created = service.app(Method::POST, "/api/api-keys").json(&body).send().await.expect("answered");
    let last_id = text(&read_json(created).await.1["keyId"]);
    assert_eq!(page().await[1]["rotationPartner"]["keyId"], last_id.as_str());
    service.revoke_key(&last_id).await;
    assert_eq!(page().await[1]["rotationPartner"]["keyId"], old_id.as_str());
    service.revoke_key(&old_id).await;
    let keys = page().await;
    assert_eq!(keys[1]["rotationPartner"], partner(&last_id, "aaa", &keys[2]["revokedAt"], &Value::Null));
    assert!(keys[2]["revokedAt"].is_string());

    let (other_id, _) = service.create_key("zzz", &["read"]).await;
    assert_eq!(page().await[0].get("rotationPartner"), None, "a key without a rotation");
    for id in [&new_id, &other_id] {
        let listed = service.listed_key(id).await;
        assert_eq!(listed, get_ok(&service, &format!("/api/api-keys/{id}")).await, "only pages have these fields");
        assert!(listed.get("recentRequests").is_none() && listed.get("rotationPartner").is_none(), "{listed}");
    }
}
