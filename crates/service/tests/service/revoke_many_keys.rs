//! Tests of `POST /api/api-keys/revoke` and of `GET /api/api-keys?ids=`.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, get_ok, read_json, text};

const UNKNOWN: &str = "key_000000000000000000000000";

async fn revoke(service: &TestService, token: &str, ids: &Value) -> (StatusCode, Value) {
    let request = service.bearer(token, Method::POST, "/api/api-keys/revoke").json(&json!({ "keyIds": ids }));
    read_json(request.send().await.expect("answered")).await
}

#[tokio::test]
async fn revoke_many_reports_each_key_and_revokes_the_caller_last() {
    let service = TestService::start().await;
    let (own_id, admin) = service.create_key("admin", &["admin"]).await;
    let (first_id, first) = service.create_key("first", &["read"]).await;
    let (second_id, second) = service.create_key("second", &["read"]).await;
    let (kept_id, kept) = service.create_key("kept", &["read"]).await;
    service.revoke_key(&second_id).await;
    let revoked_at = get_ok(&service, &format!("/api/api-keys/{second_id}")).await["revokedAt"].clone();

    let ids = json!([own_id, first_id, UNKNOWN, second_id, first_id]);
    let (status, body) = revoke(&service, &admin, &ids).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let keys = body["keys"].as_array().expect("a list");
    let outcomes: Vec<_> = keys.iter().map(|key| (text(&key["keyId"]), text(&key["outcome"]))).collect();
    let expected = [&own_id, &first_id, UNKNOWN, &second_id, &first_id]
        .map(|id| (id.to_owned(), if id == UNKNOWN { "notFound" } else { "revoked" }.to_owned()));
    assert_eq!(outcomes, expected);
    assert_eq!((&keys[2]["revokedAt"], &keys[3]["revokedAt"]), (&Value::Null, &revoked_at));
    assert_eq!(keys[1], keys[4], "a key that is named twice has one time of revocation");
    for key in [&admin, &first, &second] {
        assert_eq!(service.get_summary(key).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(service.get_summary(&kept).await.status(), StatusCode::OK);

    let service = TestService::start_in(service.stop().await).await;
    let names = get_ok(&service, "/api/api-keys").await;
    assert_eq!((&names["total"], &names["keys"][0]["keyId"]), (&json!(1), &json!(kept_id)));
}

#[tokio::test]
async fn revoke_many_invalid_request_changes_nothing() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("key", &["read", "write"]).await;
    let count = "keyIds: must have 1 to 500 entries";
    for (ids, expected) in [
        (json!([]), count),
        (json!(vec![&key_id; 501]), count),
        (json!(key_id), "keyIds: must be a list"),
        (json!([key_id, "key_x"]), "keyIds: entry 2 is not a key's id"),
        (json!([7]), "keyIds: entry 1 is not a key's id"),
    ] {
        let expected = json!({ "error": expected, "code": "VALIDATION_ERROR" });
        assert_eq!(revoke(&service, &service.session, &ids).await, (StatusCode::BAD_REQUEST, expected), "{ids}");
    }
    assert_eq!(revoke(&service, &key, &json!([key_id])).await.0, StatusCode::FORBIDDEN, "the scope admin is required");
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn list_by_ids_returns_known_keys_in_order() {
    let service = TestService::start().await;
    let (first_id, _) = service.create_key("first", &["read"]).await;
    let (second_id, _) = service.create_key("second", &["read"]).await;
    service.create_key("third", &["read"]).await;
    service.revoke_key(&second_id).await;
    let path = format!("/api/api-keys?ids={second_id},{UNKNOWN},{first_id},{second_id}&rotationDays=5");
    let listed = get_ok(&service, &path).await;
    let page = get_ok(&service, "/api/api-keys?status=all&sort=-name&rotationDays=5").await;
    assert_eq!(listed, json!({ "keys": [page["keys"][1], page["keys"][2]], "total": 2, "next": null }));

    let many = vec![UNKNOWN; 500].join(",");
    assert_eq!(get_ok(&service, &format!("/api/api-keys?ids={many}")).await["total"], 0);
    let alone = "ids: cannot be combined with a parameter other than rotationDays";
    for (query, expected) in [
        (format!("ids={many},{UNKNOWN}"), "ids: must have at most 500 entries"),
        ("ids=".to_owned(), "ids: entry 1 is not a key's id"),
        (format!("ids={first_id},key_x"), "ids: entry 2 is not a key's id"),
        (format!("ids={first_id}&status=all"), alone),
        (format!("ids={first_id}&limit=5"), alone),
    ] {
        let answer = service.app(Method::GET, &format!("/api/api-keys?{query}")).send().await.expect("answered");
        let expected = json!({ "error": expected, "code": "VALIDATION_ERROR" });
        assert_eq!(read_json(answer).await, (StatusCode::BAD_REQUEST, expected));
    }
}
