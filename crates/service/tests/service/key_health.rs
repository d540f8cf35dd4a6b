//! Tests of the reasons for which a key needs attention.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::json;
use ulkeys_domain::{Scope, Scopes};

use crate::common::{TestService, days_ago, get_ok, read_json, start_with_keys, text};

#[tokio::test]
async fn key_lists_reasons_for_attention() {
    let service = start_with_keys(&[
        ("well", 1, |_| {}),
        ("never used", 40, |_| {}),
        ("long unused", 100, |record| record.last_used_at = Some(days_ago(95))),
        ("too strong", 50, |record| {
            record.scopes = Scopes::new([Scope::Read, Scope::Admin]).expect("not empty");
            record.last_used_at = Some(days_ago(1));
        }),
        ("gone", 400, |record| record.revoked_at = Some(days_ago(3))),
    ])
    .await;
    let reasons = async |rotation: &str| {
        let body = get_ok(&service, &format!("/api/api-keys?status=all&sort=name{rotation}")).await;
        let keys = body["keys"].as_array().expect("a list").clone();
        for key in &keys {
            let rotation = rotation.replace('&', "?");
            let shown = get_ok(&service, &format!("/api/api-keys/{}{rotation}", text(&key["keyId"]))).await;
            let mut key = key.clone();
            key.as_object_mut().expect("an object").remove("recentRequests");
            assert_eq!(shown, key, "the single key matches the list");
        }
        keys.iter().map(|key| (text(&key["name"]), key["attention"].clone())).collect::<Vec<_>>()
    };
    let expected = |name: &str, reasons: &[&str]| (name.to_owned(), json!(reasons));
    assert_eq!(
        reasons("").await,
        [
            expected("gone", &[]),
            expected("long unused", &["unused", "old"]),
            expected("never used", &["neverUsed"]),
            expected("too strong", &["adminUnused"]),
            expected("well", &[]),
        ]
    );
    assert_eq!(reasons("&rotationDays=45").await[3], expected("too strong", &["adminUnused", "old"]));
    let plain = get_ok(&service, "/api/api-keys?rotationDays=1").await;
    assert_eq!(plain["keys"][0]["attention"], json!(["old"]), "the unpaged list has the reasons too");
}

#[tokio::test]
async fn admin_used_at_is_set_only_if_admin_was_required() {
    let service = TestService::start().await;
    let (both_id, both) = service.create_key("both", &["read", "admin"]).await;
    let (admin_id, admin) = service.create_key("admin", &["admin"]).await;
    let (reader_id, reader) = service.create_key("reader", &["read"]).await;
    let (other_id, _) = service.create_key("other", &["read"]).await;
    let ask = async |key: &str, method: Method, path: &str| {
        service.bearer(key, method, path).send().await.expect("answered").status()
    };
    let gateway = async |key: &str, method: &str, target: &str, query: &str| {
        let request = service.bearer(key, Method::GET, &format!("/forward-auth{query}"));
        let request = request.header("X-Original-Method", method).header("X-Original-URI", target);
        request.send().await.expect("answered").status()
    };
    let used = async |id: &str| {
        let key = get_ok(&service, &format!("/api/api-keys/{id}")).await;
        (key["lastUsedAt"].as_str().map(str::to_owned), key["adminUsedAt"].as_str().map(str::to_owned))
    };

    // None of these requests counts as a use of the `admin` scope, because another scope of the key is sufficient, the
    // route accepts any key, or the key is rejected.
    assert_eq!(ask(&both, Method::GET, "/api/api-keys").await, StatusCode::OK);
    assert_eq!(ask(&both, Method::GET, "/api/account/summary").await, StatusCode::OK);
    assert_eq!(ask(&admin, Method::GET, "/api/account/summary").await, StatusCode::OK);
    assert_eq!(gateway(&both, "GET", "/api/api-keys", "").await, StatusCode::NO_CONTENT);
    assert_eq!(gateway(&both, "GET", "/page", "?scope=read+admin").await, StatusCode::NO_CONTENT);
    assert_eq!(ask(&reader, Method::DELETE, &format!("/api/api-keys/{other_id}")).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&admin, Method::POST, "/api/models").await, StatusCode::FORBIDDEN);
    // Introspecting a key does not count as a use of its `admin` scope.
    let request = service.app(Method::POST, "/oauth2/introspect");
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(format!("token={admin}"));
    let (_, described) = read_json(request.send().await.expect("answered")).await;
    assert_eq!(described["active"], true);
    for id in [&both_id, &admin_id, &reader_id] {
        assert_eq!(used(id).await.1, None);
    }
    assert!(used(&both_id).await.0.is_some());

    // The following requests require the `admin` scope, so they count as uses of that scope.
    assert_eq!(ask(&admin, Method::GET, "/api/api-keys").await, StatusCode::OK);
    let (last_used, admin_used) = used(&admin_id).await;
    assert!(admin_used.is_some());
    assert_eq!(admin_used, last_used);
    assert_eq!(ask(&both, Method::DELETE, &format!("/api/api-keys/{other_id}")).await, StatusCode::OK);
    let first = used(&both_id).await.1.expect("recorded");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(gateway(&both, "GET", "/page", "?scope=admin").await, StatusCode::NO_CONTENT);
    let second = used(&both_id).await.1.expect("recorded");
    assert!(second > first, "{second} > {first}");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(gateway(&both, "POST", "/api/teams", "").await, StatusCode::NO_CONTENT);
    let third = used(&both_id).await.1.expect("recorded");
    assert!(third > second, "{third} > {second}");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(ask(&both, Method::GET, "/api/api-keys").await, StatusCode::OK);
    let (last_used, admin_used) = used(&both_id).await;
    assert_eq!(admin_used.as_ref(), Some(&third));
    assert!(last_used > admin_used);

    let service = TestService::start_in(service.stop().await).await;
    assert_eq!(service.listed_key(&both_id).await["adminUsedAt"], third.as_str(), "kept");
}
