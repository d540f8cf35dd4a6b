//! Token introspection (RFC 7662).

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{TestService, read};

const FORM: &str = "application/x-www-form-urlencoded";

fn form(request: RequestBuilder, body: impl Into<String>) -> RequestBuilder {
    request.header(CONTENT_TYPE, FORM).body(body.into())
}

async fn introspect(service: &TestService, token: &str) -> Value {
    let request = service.app(Method::POST, "/oauth2/introspect");
    let (status, body) = read(form(request, format!("token={token}")).send().await.expect("answered")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn an_active_key_is_described() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("server", &["models", "read"]).await;
    let body = introspect(&service, &key).await;
    let iat = body["iat"].as_i64().expect("seconds");
    assert!((ulkeys_service::system_clock().as_millis() / 1_000 - iat).abs() < 60);
    assert_eq!(
        body,
        json!({ "active": true, "scope": "models read", "client_id": key_id, "username": "ada", "sub": "ada",
                "token_type": "Bearer", "iat": iat, "key_name": "server" })
    );
    assert!(service.listed(&key_id).await["lastUsedAt"].is_string(), "somebody accepts it on our word");
}

#[tokio::test]
async fn everything_else_is_inactive_and_no_more_is_told() {
    let service = TestService::start().await;
    let (key_id, key) = service.key("gone", &["read"]).await;
    service.revoke(&key_id).await;
    for token in [&key, &format!("ul_{}", "a".repeat(40)), "", "ul_", &service.session, "%00", &key.to_uppercase()] {
        assert_eq!(introspect(&service, token).await, json!({ "active": false }));
    }
}

#[tokio::test]
async fn callers_need_a_credential_of_their_own() {
    let service = TestService::start().await;
    let (reader_id, reader) = service.key("gateway", &["read"]).await;
    let (_, admin) = service.key("admin", &["admin"]).await;
    let (writer_id, writer) = service.key("writer", &["models", "datasets", "training", "write"]).await;
    let post = |request: RequestBuilder| async {
        form(request, format!("token={writer}")).send().await.expect("answered").status()
    };
    let anonymous = || service.anonymous(Method::POST, "/oauth2/introspect");
    assert_eq!(post(anonymous()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(anonymous().bearer_auth(&reader)).await, StatusCode::OK);
    assert_eq!(post(anonymous().bearer_auth(&admin)).await, StatusCode::OK);
    assert_eq!(post(anonymous().bearer_auth(&writer)).await, StatusCode::FORBIDDEN, "holding the key is not enough");
    // What off-the-shelf libraries call client id and client secret.
    assert_eq!(post(anonymous().basic_auth(&reader_id, Some(&reader))).await, StatusCode::OK);
    let (unused_id, unused) = service.key("unused", &["read"]).await;
    assert_eq!(post(anonymous().basic_auth(&writer_id, Some(&unused))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(anonymous().basic_auth(&reader, None::<&str>)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(anonymous().basic_auth(&writer_id, Some(&writer))).await, StatusCode::FORBIDDEN);
    assert!(service.listed(&unused_id).await["lastUsedAt"].is_null(), "a refused request moves nothing");
    service.revoke(&reader_id).await;
    assert_eq!(post(anonymous().basic_auth(&reader_id, Some(&reader))).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_question_is_named() {
    let service = TestService::start().await;
    let ask = async |kind: &str, body: &str| {
        let request = service.app(Method::POST, "/oauth2/introspect").header(CONTENT_TYPE, kind);
        read(request.body(body.to_owned()).send().await.expect("answered")).await
    };
    for (kind, body, error) in [
        ("application/json", r#"{"token":"x"}"#, "Content-Type: must be application/x-www-form-urlencoded"),
        (FORM, "", "token: is required"),
        (FORM, "token_type_hint=access_token", "token: is required"),
        (FORM, "token=a&token=b", "token: was sent more than once"),
    ] {
        let expected = (StatusCode::BAD_REQUEST, json!({ "error": error, "code": "VALIDATION_ERROR" }));
        assert_eq!(ask(kind, body).await, expected, "{body}");
    }
    let (status, _) = ask(&format!("{FORM}; charset=UTF-8"), "token_type_hint=x&token=y&unknown=z").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_is_waited_for_who_has_not_said_who_they_are() {
    let service = TestService::start().await;
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let head = format!("POST /oauth2/introspect HTTP/1.1\r\nHost: {}\r\nContent-Length: 50\r\n\r\n", service.address);
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await;
    read.expect("at once").expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 401");
}
