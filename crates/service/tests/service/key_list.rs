//! Lists of keys by page, single keys, counts, and what is told about each key.

use std::time::Duration;

use rand::rngs::SysRng;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_client::{ApiClient, ApiClientError, KeyQuery};
use ulkeys_domain::wire::{ActivityKind, CreateKey, KeyCounts, KeySort, KeyStatus};
use ulkeys_domain::{AttentionReason, KeyId, KeyName, KeyRecord, Scope, Scopes, Secret, Timestamp};
use ulkeys_service::system_clock;
use ulkeys_store::{AuditContext, KeyStore as _, SqliteStore};

use crate::common::{TestService, read, text};

/// The time, so many days ago.
fn ago(days: u64) -> Timestamp {
    system_clock().saturating_sub(Duration::from_hours(24 * days))
}

/// A key's name, its age in days, and what else is to be said of it.
type OldKey<'a> = (&'a str, u64, fn(&mut KeyRecord));

/// A service with keys that were made before it began.
async fn service_with(keys: &[OldKey<'_>]) -> TestService {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = SqliteStore::open(&folder.path().join("keys.db")).expect("database");
    for (name, age, change) in keys {
        let secret = Secret::generate(&mut SysRng).expect("randomness");
        let id = KeyId::generate(&mut SysRng).expect("randomness");
        let name = KeyName::parse(name).expect("valid");
        let scopes = Scopes::new([Scope::Read]).expect("not empty");
        let mut record = KeyRecord::new(id, name, secret.prefix(), scopes, ago(*age));
        change(&mut record);
        let origin = AuditContext { actor: None, peer: std::net::Ipv4Addr::LOCALHOST.into(), user_agent: "".into() };
        assert!(store.insert(record, secret.hash(), origin).await.expect("inserted"));
    }
    drop(store);
    TestService::start_in(folder).await
}

async fn get(service: &TestService, path: &str) -> Value {
    let (status, body) = read(service.app(Method::GET, path).send().await.expect("answered")).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

/// The names on a page, the number of keys on all pages, and where the next begins.
async fn page(service: &TestService, query: &str) -> (Vec<String>, u64, Option<String>) {
    let body = get(service, &format!("/api/api-keys{query}")).await;
    let names = body["keys"].as_array().expect("a list").iter().map(|key| text(&key["name"])).collect();
    (names, body["total"].as_u64().expect("a number"), body["next"].as_str().map(str::to_owned))
}

async fn names(service: &TestService, query: &str) -> Vec<String> {
    let (names, total, next) = page(service, query).await;
    assert_eq!((names.len() as u64, next), (total, None), "all on one page");
    names
}

#[tokio::test]
async fn a_list_without_parameters_is_whole() {
    let numbers: Vec<_> = (0..61).map(|number| format!("key {number}")).collect();
    let mut keys: Vec<OldKey<'_>> = Vec::new();
    for (name, age) in numbers.iter().zip(1..) {
        keys.push((name, age, |_| {}));
    }
    keys.push(("gone", 1, |record| record.revoked_at = Some(ago(0))));
    let service = service_with(&keys).await;
    for query in ["", "?", "?rotationDays=30", "?page=2"] {
        assert_eq!(page(&service, query).await, (numbers.clone(), 61, None), "{query}");
    }
    let first_page = (numbers[..50].to_vec(), 61, Some("50".to_owned()));
    for query in ["?q=", "?status=active", "?sort=-createdAt", "?cursor=0", "?limit=50"] {
        assert_eq!(page(&service, query).await, first_page, "{query}");
    }
    assert_eq!(page(&service, "?cursor=50").await, (numbers[50..].to_vec(), 61, None));
    assert_eq!(page(&service, "?limit=500").await, (numbers.clone(), 61, None));
    for beyond in ["61", "62", "999999999999999999"] {
        assert_eq!(page(&service, &format!("?cursor={beyond}")).await, (vec![], 61, None));
    }

    let (mut seen, mut query) = (Vec::new(), "?limit=7&sort=createdAt&q=KEY".to_owned());
    loop {
        let (names, total, next) = page(&service, &query).await;
        assert_eq!(total, 61);
        seen.extend(names);
        match next {
            Some(cursor) => query = format!("?limit=7&sort=createdAt&q=KEY&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, numbers.into_iter().rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn keys_are_searched_sorted_and_filtered() {
    let service = service_with(&[
        ("Zürich", 1, |_| {}),
        ("álbum & +1%", 40, |_| {}),
        ("Berlin", 100, |record| record.last_used_at = Some(ago(1))),
        ("berlin", 50, |record| {
            record.revoked_at = Some(ago(2));
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
        assert_eq!(names(&service, query).await, expected, "{query}");
    }
    let counts = get(&service, "/api/api-keys/counts").await;
    assert_eq!(counts, json!({ "active": 3, "attention": 2, "revoked": 1 }));
    let counts = get(&service, "/api/api-keys/counts?rotationDays=1").await;
    assert_eq!(counts, json!({ "active": 3, "attention": 3, "revoked": 1 }));
}

#[tokio::test]
async fn a_key_tells_why_it_needs_attention() {
    let service = service_with(&[
        ("well", 1, |_| {}),
        ("never used", 40, |_| {}),
        ("long unused", 100, |record| record.last_used_at = Some(ago(95))),
        ("too strong", 50, |record| {
            record.scopes = Scopes::new([Scope::Read, Scope::Admin]).expect("not empty");
            record.last_used_at = Some(ago(1));
        }),
        ("gone", 400, |record| record.revoked_at = Some(ago(3))),
    ])
    .await;
    let reasons = async |rotation: &str| {
        let body = get(&service, &format!("/api/api-keys?status=all&sort=name{rotation}")).await;
        let keys = body["keys"].as_array().expect("a list").clone();
        for key in &keys {
            let rotation = rotation.replace('&', "?");
            let shown = get(&service, &format!("/api/api-keys/{}{rotation}", text(&key["keyId"]))).await;
            assert_eq!(shown, *key, "alone as in the list");
        }
        keys.iter().map(|key| (text(&key["name"]), key["attention"].clone())).collect::<Vec<_>>()
    };
    let told = |name: &str, reasons: &[&str]| (name.to_owned(), json!(reasons));
    assert_eq!(
        reasons("").await,
        [
            told("gone", &[]),
            told("long unused", &["unused", "old"]),
            told("never used", &["neverUsed"]),
            told("too strong", &["adminUnused"]),
            told("well", &[]),
        ]
    );
    assert_eq!(reasons("&rotationDays=45").await[3], told("too strong", &["adminUnused", "old"]));
    let plain = get(&service, "/api/api-keys?rotationDays=1").await;
    assert_eq!(plain["keys"][0]["attention"], json!(["old"]), "in the whole list, too");
}

#[tokio::test]
async fn a_bad_parameter_is_named_and_not_repeated() {
    let service = TestService::start().await;
    let (key_id, _) = service.key("key", &["read"]).await;
    let secret = format!("ul_{}", "a".repeat(40));
    let list = "/api/api-keys";
    let (long, too_long) = ("é".repeat(200), "é".repeat(201));
    let status = "status: is not one of active, attention, revoked, all";
    let sort = "sort: is not one of name, scopes, createdAt, lastUsedAt, revokedAt, or that after a -";
    let limit = "limit: must be a whole number from 1 to 500";
    let cursor = "cursor: is not one of a page";
    let days = "rotationDays: must be a whole number from 1 to 3650";
    let once = "query: each parameter may be given once";
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
        (format!("{list}?cursor={secret}"), cursor),
        (format!("{list}?cursor=-1"), cursor),
        (format!("{list}?cursor=01"), cursor),
        (format!("{list}?cursor=1000000000000000000"), cursor),
        (format!("{list}?rotationDays=0"), days),
        (format!("{list}?rotationDays=3651"), days),
        (format!("{list}?status=all&status=all"), once),
        (format!("{list}/counts?rotationDays={secret}"), days),
        (format!("{list}/counts?rotationDays=1&rotationDays=1"), "query: rotationDays may be given once"),
        (format!("{list}/{key_id}?rotationDays=0"), days),
        (format!("{list}/{key_id}?rotationDays=1&rotationDays=1"), "query: rotationDays may be given once"),
    ] {
        let answer = service.app(Method::GET, &path).send().await.expect("answered");
        let expected = json!({ "error": expected, "code": "VALIDATION_ERROR" });
        assert_eq!(read(answer).await, (StatusCode::BAD_REQUEST, expected), "{path}");
    }
    for good in [format!("?q={long}"), "?rotationDays=3650".into(), "?limit=500".into(), "?limit=1".into()] {
        page(&service, &good).await;
    }
}

#[tokio::test]
async fn one_key_is_shown_revoked_or_not() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("shown", &["read"]).await;
    let path = format!("/api/api-keys/{key_id}");
    let shown = get(&service, &path).await;
    assert_eq!(shown, service.listed(&key_id).await);
    assert!(!shown.to_string().contains(&key[11..]), "no plaintext");
    assert_eq!(shown["revokedAt"], Value::Null);
    let revoked = service.app(Method::DELETE, &path).send().await.expect("answered");
    let (_, revoked) = read(revoked).await;
    assert_eq!(get(&service, &path).await["revokedAt"], revoked["revokedAt"]);
    let not_found = (StatusCode::NOT_FOUND, json!({ "error": "Not found", "code": "NOT_FOUND" }));
    for id in [format!("key_{}", "0".repeat(24)), "x".to_owned(), key] {
        let answer = service.app(Method::GET, &format!("/api/api-keys/{id}")).send().await.expect("answered");
        assert_eq!(read(answer).await, not_found);
    }
}

#[tokio::test]
async fn reading_about_keys_takes_read_or_admin() {
    let service = TestService::start().await;
    let (key_id, _) = service.key("any", &["models"]).await;
    for (scope, expected) in [
        ("training", StatusCode::FORBIDDEN),
        ("models", StatusCode::FORBIDDEN),
        ("datasets", StatusCode::FORBIDDEN),
        ("read", StatusCode::OK),
        ("write", StatusCode::FORBIDDEN),
        ("admin", StatusCode::OK),
    ] {
        let (_, key) = service.key(scope, &[scope]).await;
        for path in [
            "/api/api-keys?status=all".to_owned(),
            "/api/api-keys/counts".to_owned(),
            format!("/api/api-keys/{key_id}"),
        ] {
            let answer = service.bearer(&key, Method::GET, &path).send().await.expect("answered");
            assert_eq!(answer.status(), expected, "{scope}: {path}");
            let answer = service.anonymous(Method::GET, &path).send().await.expect("answered");
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
    }
}

#[tokio::test]
async fn a_key_may_be_made_in_place_of_another() {
    let service = TestService::start().await;
    let (old_id, _) = service.key("old", &["read"]).await;
    let replace = async |replaced: &Value| {
        let body = json!({ "name": "new", "scopes": ["read"], "replaces": replaced });
        let (status, body) =
            read(service.app(Method::POST, "/api/api-keys").json(&body).send().await.expect("answered")).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        assert_eq!((&body["replaces"], &body["replacedBy"]), (replaced, &Value::Null));
        text(&body["keyId"])
    };
    let old = async || get(&service, &format!("/api/api-keys/{old_id}")).await;
    replace(&Value::Null).await;
    assert_eq!(old().await["replacedBy"], Value::Null);
    let first = replace(&json!(old_id)).await;
    assert_eq!(old().await["replacedBy"], first.as_str());
    assert_eq!(service.listed(&first).await["replaces"], old_id.as_str());
    assert_eq!(old().await["revokedAt"], Value::Null, "a replacement revokes nothing");
    let second = replace(&json!(old_id)).await;
    assert_eq!(old().await["replacedBy"], second.as_str());
    service.revoke(&second).await;
    assert_eq!(old().await["replacedBy"], first.as_str());
    service.revoke(&old_id).await;
    assert_eq!(replace(&json!(old_id)).await, text(&old().await["replacedBy"]), "a revoked key is replaced, too");
}

#[tokio::test]
async fn the_need_for_admin_is_noted_only_where_nothing_else_opened() {
    let service = TestService::start().await;
    let (both_id, both) = service.key("both", &["read", "admin"]).await;
    let (admin_id, admin) = service.key("admin", &["admin"]).await;
    let (reader_id, reader) = service.key("reader", &["read"]).await;
    let (other_id, _) = service.key("other", &["read"]).await;
    let ask = async |key: &str, method: Method, path: &str| {
        service.bearer(key, method, path).send().await.expect("answered").status()
    };
    let gateway = async |key: &str, method: &str, target: &str, query: &str| {
        let request = service.bearer(key, Method::GET, &format!("/forward-auth{query}"));
        let request = request.header("X-Original-Method", method).header("X-Original-URI", target);
        request.send().await.expect("answered").status()
    };
    let used = async |id: &str| {
        let key = get(&service, &format!("/api/api-keys/{id}")).await;
        (key["lastUsedAt"].as_str().map(str::to_owned), key["adminUsedAt"].as_str().map(str::to_owned))
    };

    // Other scopes open these, or any key does, or none.
    assert_eq!(ask(&both, Method::GET, "/api/api-keys").await, StatusCode::OK);
    assert_eq!(ask(&both, Method::GET, "/api/account/summary").await, StatusCode::OK);
    assert_eq!(ask(&admin, Method::GET, "/api/account/summary").await, StatusCode::OK);
    assert_eq!(gateway(&both, "GET", "/api/api-keys", "").await, StatusCode::NO_CONTENT);
    assert_eq!(gateway(&both, "GET", "/page", "?scope=read+admin").await, StatusCode::NO_CONTENT);
    assert_eq!(ask(&reader, Method::DELETE, &format!("/api/api-keys/{other_id}")).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&admin, Method::POST, "/api/models").await, StatusCode::FORBIDDEN);
    // Whoever asked about it decides what it opens.
    let request = service.app(Method::POST, "/oauth2/introspect");
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(format!("token={admin}"));
    let (_, described) = read(request.send().await.expect("answered")).await;
    assert_eq!(described["active"], true);
    for id in [&both_id, &admin_id, &reader_id] {
        assert_eq!(used(id).await.1, None);
    }
    assert!(used(&both_id).await.0.is_some());

    // Here, the scope admin was needed.
    assert_eq!(ask(&admin, Method::GET, "/api/api-keys").await, StatusCode::OK);
    let (last_used, admin_used) = used(&admin_id).await;
    assert!(admin_used.is_some());
    assert_eq!(admin_used, last_used);
    assert_eq!(ask(&both, Method::DELETE, &format!("/api/api-keys/{other_id}")).await, StatusCode::OK);
    let first = used(&both_id).await.1.expect("noted");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(gateway(&both, "GET", "/page", "?scope=admin").await, StatusCode::NO_CONTENT);
    let second = used(&both_id).await.1.expect("noted");
    assert!(second > first, "{second} > {first}");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(gateway(&both, "POST", "/api/teams", "").await, StatusCode::NO_CONTENT);
    let third = used(&both_id).await.1.expect("noted");
    assert!(third > second, "{third} > {second}");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(ask(&both, Method::GET, "/api/api-keys").await, StatusCode::OK);
    let (last_used, admin_used) = used(&both_id).await;
    assert_eq!(admin_used.as_ref(), Some(&third));
    assert!(last_used > admin_used);

    let service = TestService::start_in(service.stop().await).await;
    assert_eq!(service.listed(&both_id).await["adminUsedAt"], third.as_str(), "kept");
}

#[tokio::test]
async fn what_is_not_written_yet_is_on_each_page() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("busy", &["admin"]).await;
    let other = rusqlite::Connection::open(service.folder.path().join("keys.db")).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let answer = service.bearer(&key, Method::GET, "/api/api-keys/counts").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
    let check = async || {
        let page = get(&service, "/api/api-keys?limit=1").await;
        let shown = get(&service, &format!("/api/api-keys/{key_id}")).await;
        for key in [&page["keys"][0], &service.listed(&key_id).await, &shown] {
            assert!(key["lastUsedAt"].is_string() && key["adminUsedAt"] == key["lastUsedAt"], "{key}");
        }
    };
    check().await;
    // By now the writer has tried.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    check().await;
    other.execute_batch("ROLLBACK").expect("unlocked");
}

#[tokio::test]
async fn the_client_reads_what_the_service_writes() {
    let service = service_with(&[
        ("Zürich", 40, |_| {}),
        ("Berlin", 2, |record| record.last_used_at = Some(ago(1))),
        ("gone", 3, |record| record.revoked_at = Some(ago(1))),
    ])
    .await;
    let client = ApiClient::new(&format!("http://{}", service.address), &service.session).expect("a client");
    let query = KeyQuery { limit: 1, ..KeyQuery::default() };
    let first = client.key_page(&query, 90).await.expect("answered");
    assert_eq!((first.keys[0].name.as_str(), first.total, first.next.as_deref()), ("Berlin", 2, Some("1")));
    let second = client.key_page(&KeyQuery { offset: 1, ..query.clone() }, 90).await.expect("answered");
    assert_eq!((second.keys[0].name.as_str(), second.total, second.next), ("Zürich", 2, None));
    assert_eq!(second.keys[0].attention, [AttentionReason::NeverUsed]);

    let names = async |query: KeyQuery, days| {
        let page = client.key_page(&query, days).await.expect("answered");
        page.keys.into_iter().map(|key| key.name).collect::<Vec<_>>()
    };
    let all = KeyQuery { status: KeyStatus::All, limit: 500, ..KeyQuery::default() };
    let sort = KeySort::parse("-name").expect("an order");
    assert_eq!(names(KeyQuery { sort, ..all.clone() }, 90).await, ["Zürich", "gone", "Berlin"]);
    assert_eq!(names(KeyQuery { text: "zur & read".into(), ..all.clone() }, 90).await, [""; 0]);
    assert_eq!(names(KeyQuery { text: "zur read".into(), ..all.clone() }, 90).await, ["Zürich"]);
    assert_eq!(names(KeyQuery { name: Some("gone".into()), ..all.clone() }, 90).await, ["gone"]);
    assert_eq!(names(KeyQuery { status: KeyStatus::Revoked, ..all.clone() }, 90).await, ["gone"]);
    let attention = KeyQuery { status: KeyStatus::Attention, ..all.clone() };
    assert_eq!(names(attention.clone(), 90).await, ["Zürich"]);
    assert_eq!(names(attention, 2).await, ["Berlin", "Zürich"]);
    assert_eq!(client.count_keys(90).await.expect("answered"), KeyCounts { active: 2, attention: 1, revoked: 1 });
    assert_eq!(client.count_keys(2).await.expect("answered"), KeyCounts { active: 2, attention: 2, revoked: 1 });
    assert_eq!(client.list_keys().await.expect("answered").total, 2);

    let old = client.get_key(&first.keys[0].key_id, 2).await.expect("answered");
    assert_eq!((old.name.as_str(), old.attention), ("Berlin", vec![AttentionReason::Old]));
    let new = CreateKey { name: "new".into(), scopes: vec!["read".into()], replaces: Some(old.key_id) };
    let new = client.create_key(&new).await.expect("created").info;
    assert_eq!(new.replaces, Some(old.key_id));
    assert_eq!(client.get_key(&old.key_id, 90).await.expect("answered").replaced_by, Some(new.key_id));

    let created = client.activity(Some(&new.key_id), Some(ActivityKind::Created), None, 50).await.expect("answered");
    assert_eq!(created.entries.len(), 1);
    let renamed = client.activity(None, Some(ActivityKind::Renamed), None, 50).await.expect("answered");
    assert!(renamed.entries.is_empty());

    let refused = client.key_page(&KeyQuery { limit: 0, ..all }, 90).await.expect_err("no page");
    let ApiClientError::Rejected(body) = refused else { panic!("{refused}") };
    assert!(body.error.starts_with("limit:"), "{}", body.error);
    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    assert!(matches!(client.get_key(&unknown, 90).await, Err(ApiClientError::Rejected(_))));
}
