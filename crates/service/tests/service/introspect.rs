//! Tests of token introspection (RFC 7662).

use std::time::{Duration, Instant};

use insta::assert_json_snapshot;
use reqwest::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use ulkeys_service::Timing;

use crate::common::{TestService, read_json};
use crate::snapshots::{redact_snapshots, whole_answer};

const FORM_CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

fn form_request(request: RequestBuilder, body: impl Into<String>) -> RequestBuilder {
    request.header(CONTENT_TYPE, FORM_CONTENT_TYPE).body(body.into())
}

async fn introspect(service: &TestService, token: &str) -> Value {
    let request = service.app(Method::POST, "/oauth2/introspect");
    let (status, body) =
        read_json(form_request(request, format!("token={token}")).send().await.expect("answered")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn active_key_is_described() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("server", &["models", "read"]).await;
    let body = introspect(&service, &key).await;
    let iat = body["iat"].as_i64().expect("seconds");
    assert!((ulkeys_service::system_clock().as_millis() / 1_000 - iat).abs() < 60);
    assert_eq!(body["client_id"], key_id.as_str());
    let _redactions = redact_snapshots();
    let request = form_request(service.app(Method::POST, "/oauth2/introspect"), format!("token={key}"));
    assert_json_snapshot!(whole_answer(request).await, @r#"
    {
      "body": {
        "active": true,
        "client_id": "[keyId]",
        "iat": "[time]",
        "key_name": "server",
        "scope": "models read",
        "sub": "ada",
        "token_type": "Bearer",
        "username": "ada"
      },
      "headers": {
        "content-type": "application/json"
      },
      "status": 200
    }
    "#);
    assert!(service.listed_key(&key_id).await["lastUsedAt"].is_string(), "an introspected key counts as used");
}

#[tokio::test]
async fn unknown_or_revoked_token_is_inactive() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("gone", &["read"]).await;
    service.revoke_key(&key_id).await;
    for token in [&key, &format!("ul_{}", "a".repeat(40)), "ul_", &service.session, "%00", &key.to_uppercase()] {
        assert_eq!(introspect(&service, token).await, json!({ "active": false }));
    }
}

#[tokio::test]
async fn caller_without_scope_or_credential_is_rejected() {
    let service = TestService::start().await;
    let (reader_id, reader) = service.create_key("gateway", &["read"]).await;
    let (_, admin) = service.create_key("admin", &["admin"]).await;
    let (writer_id, writer) = service.create_key("writer", &["models", "datasets", "training", "write"]).await;
    let post = |request: RequestBuilder| async {
        form_request(request, format!("token={writer}")).send().await.expect("answered").status()
    };
    let anonymous = || service.anonymous(Method::POST, "/oauth2/introspect");
    assert_eq!(post(anonymous()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(anonymous().bearer_auth(&reader)).await, StatusCode::OK);
    assert_eq!(post(anonymous().bearer_auth(&admin)).await, StatusCode::OK);
    assert_eq!(post(anonymous().bearer_auth(&writer)).await, StatusCode::FORBIDDEN, "having the key is not sufficient");
    // OAuth libraries send a client identifier and a client secret. Here, these are the key's identifier and the key.
    assert_eq!(post(anonymous().basic_auth(&reader_id, Some(&reader))).await, StatusCode::OK);
    let (unused_id, unused) = service.create_key("unused", &["read"]).await;
    assert_eq!(post(anonymous().basic_auth(&writer_id, Some(&unused))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(anonymous().basic_auth(&reader, None::<&str>)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(anonymous().basic_auth(&writer_id, Some(&writer))).await, StatusCode::FORBIDDEN);
    assert!(
        service.listed_key(&unused_id).await["lastUsedAt"].is_null(),
        "a rejected request does not change lastUsedAt"
    );
    service.revoke_key(&reader_id).await;
    assert_eq!(post(anonymous().basic_auth(&reader_id, Some(&reader))).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn invalid_form_is_rejected() {
    let service = TestService::start().await;
    let ask = async |kind: &str, body: &str| {
        let request = service.app(Method::POST, "/oauth2/introspect").header(CONTENT_TYPE, kind);
        read_json(request.body(body.to_owned()).send().await.expect("answered")).await
    };
    for (kind, body, error) in [
        ("application/json", r#"{"token":"x"}"#, "Content-Type: must be application/x-www-form-urlencoded"),
        (FORM_CONTENT_TYPE, "", "token: is required"),
        (FORM_CONTENT_TYPE, "token_type_hint=access_token", "token: is required"),
        (FORM_CONTENT_TYPE, "token=a&token=b", "token: was sent more than once"),
        (FORM_CONTENT_TYPE, "token=", "token: is required"),
        (FORM_CONTENT_TYPE, "token=&token=a", "token: was sent more than once"),
        (FORM_CONTENT_TYPE, "token=a&token_type_hint=x&token_type_hint=x", "token_type_hint: was sent more than once"),
        (FORM_CONTENT_TYPE, "token=a&token_type_hint=&token_type_hint=", "token_type_hint: was sent more than once"),
        (FORM_CONTENT_TYPE, "token=a&client_id=&client_id=", "client_id: was sent more than once"),
        (FORM_CONTENT_TYPE, "token=a&client_secret=&client_secret=", "client_secret: was sent more than once"),
        (FORM_CONTENT_TYPE, "token=a&client_assertion=&client_assertion=", "client_assertion: was sent more than once"),
        (FORM_CONTENT_TYPE, "token=a&x=1&x=1", "body: a field was sent more than once"),
        (FORM_CONTENT_TYPE, "token=a&client_id=x", "client_id: does not match the credential in the header"),
    ] {
        let expected = json!({ "error": "invalid_request", "error_description": error, "code": "VALIDATION_ERROR" });
        assert_eq!(ask(kind, body).await, (StatusCode::BAD_REQUEST, expected), "{body}");
    }
    let (status, _) = ask(&format!("{FORM_CONTENT_TYPE}; charset=UTF-8"), "token_type_hint=x&token=y&unknown=z").await;
    assert_eq!(status, StatusCode::OK);
}

fn challenges(answer: &Response) -> Vec<String> {
    let values = answer.headers().get_all(WWW_AUTHENTICATE).iter();
    values.map(|value| value.to_str().expect("text").to_owned()).collect()
}

/// Some libraries form-encode the client credentials (openid-client 6 and oauth4webapi, which encode even `_`); others
/// send them unencoded (Authlib, requests, Spring).
#[tokio::test]
async fn client_credentials_in_header_or_form_are_accepted() {
    let service = TestService::start().await;
    let (id, key) = service.create_key("resource server", &["read"]).await;
    let encoded = |text: &str| text.replace('_', "%5F");
    let anonymous = || service.anonymous(Method::POST, "/oauth2/introspect");
    let ask = async |request: RequestBuilder, body: String| {
        let (status, answer) = read_json(form_request(request, body).send().await.expect("answered")).await;
        assert_eq!((status, &answer["active"]), (StatusCode::OK, &json!(true)), "{answer}");
    };
    let token = format!("token={key}");
    for (id, key) in [(id.clone(), key.clone()), (encoded(&id), encoded(&key)), (id.clone(), key.replace('u', "%75"))] {
        ask(anonymous().basic_auth(&id, Some(&key)), token.clone()).await;
        ask(anonymous(), format!("client_id={id}&client_secret={key}&{token}")).await;
    }
    // Some libraries also send the client identifier in the form body, in addition to the `Authorization` header.
    ask(anonymous().basic_auth(&id, Some(&key)), format!("{token}&client_id={id}")).await;
    ask(anonymous().bearer_auth(&key), format!("{token}&client_id={id}")).await;
    assert!(service.listed_key(&id).await["lastUsedAt"].is_string());
}

#[tokio::test]
async fn two_credentials_are_rejected() {
    let service = TestService::start().await;
    let (id, key) = service.create_key("resource server", &["read"]).await;
    let (other_id, other) = service.create_key("other", &["read"]).await;
    let anonymous = || service.anonymous(Method::POST, "/oauth2/introspect");
    let basic = || anonymous().basic_auth(&id, Some(&key));
    let client = format!("client_id={id}&client_secret={key}");
    for (request, body, field) in [
        (basic(), client.clone(), "client_secret"),
        (basic(), format!("client_secret={key}"), "client_secret"),
        (basic(), "client_assertion=a".to_owned(), "client_assertion"),
        (basic(), format!("client_id={other_id}"), "client_id"),
        (basic(), format!("client_id={id}&client_id={id}"), "client_id"),
        (basic().header("X-API-Key", &key), String::new(), "Authorization and X-API-Key"),
        (anonymous().bearer_auth(&key), client.clone(), "client_secret"),
        (anonymous().bearer_auth(&key), format!("client_id={other_id}"), "client_id"),
        (service.app(Method::POST, "/oauth2/introspect"), client.clone(), "client_secret"),
        (anonymous(), format!("{client}&client_assertion=a"), "client_assertion"),
        (anonymous(), format!("{client}&client_secret={other}"), "client_secret"),
        (anonymous(), format!("client_secret={key}"), "client_id"),
    ] {
        let (status, answer) =
            read_json(form_request(request, format!("token={other}&{body}")).send().await.expect("answered")).await;
        assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")), "{field}");
        let text = answer["error_description"].as_str().expect("text");
        assert!(text.starts_with(&format!("{field}: ")) && !text.contains(&key), "{text}");
    }
    assert!(
        service.listed_key(&other_id).await["lastUsedAt"].is_null(),
        "a rejected introspection does not count as a use of the key"
    );
}

/// A parameter without a value counts as omitted (RFC 6749, section 3.2). Forms from templates contain all fields, even
/// empty ones.
#[tokio::test]
async fn empty_parameter_or_header_is_ignored() {
    let service = TestService::start().await;
    let (id, key) = service.create_key("resource server", &["read"]).await;
    let anonymous = || service.anonymous(Method::POST, "/oauth2/introspect");
    let client = format!("client_id={id}&client_secret={key}");
    for (what, request, body) in [
        ("secret", anonymous().bearer_auth(&key), "client_secret="),
        ("all", anonymous().bearer_auth(&key), "client_id=&client_secret=&client_assertion=&token_type_hint="),
        ("all without a sign", anonymous().basic_auth(&id, Some(&key)), "client_id&client_secret&client_assertion"),
        ("assertion", anonymous(), &format!("{client}&client_assertion=&client_assertion_type=")),
        ("Authorization", anonymous().header("Authorization", ""), &client),
        ("X-API-Key", anonymous().header("X-API-Key", ""), &client),
        ("empty X-API-Key with Basic", anonymous().header("X-API-Key", "").basic_auth(&id, Some(&key)), ""),
        ("empty Authorization with X-API-Key", anonymous().header("Authorization", "").header("X-API-Key", &key), ""),
    ] {
        let answer = form_request(request, format!("token={key}&{body}")).send().await.expect("answered");
        let (status, body) = read_json(answer).await;
        assert_eq!((status, &body["active"]), (StatusCode::OK, &json!(true)), "{what}: {body}");
    }
    // A client identifier without a secret is not a credential.
    for body in [format!("client_id={id}&client_secret="), "client_id=&client_secret=".to_owned()] {
        let answer = form_request(anonymous(), format!("token={key}&{body}")).send().await.expect("answered");
        assert_eq!(challenges(&answer).len(), 2, "no credential: {body}");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{body}");
    }
}

/// oauth4webapi, Authlib, and Spring expect an OAuth error name in `error` for every status. A client that used the
/// Basic scheme or the form gets no challenge: a Basic challenge cannot name a scope (RFC 7617), and a Bearer challenge
/// would tell the client to use another scheme.
#[tokio::test]
async fn caller_without_scope_gets_insufficient_scope() {
    let service = TestService::start().await;
    let (id, key) = service.create_key("trainer", &["training"]).await;
    let anonymous = || service.anonymous(Method::POST, "/oauth2/introspect");
    let bearer = r#"Bearer error="insufficient_scope", scope="read admin""#;
    for (request, body, expected) in [
        (anonymous().bearer_auth(&key), String::new(), &[bearer][..]),
        (anonymous().header("X-API-Key", &key), String::new(), &[bearer]),
        (anonymous().basic_auth(&id, Some(&key)), String::new(), &[]),
        (anonymous(), format!("client_id={id}&client_secret={key}"), &[]),
    ] {
        let answer = form_request(request, format!("token={key}&{body}")).send().await.expect("answered");
        assert_eq!(challenges(&answer), expected, "{body}");
        let text = "Permission denied for this operation. The key needs one of the scopes: read admin";
        let expected = json!({ "error": "insufficient_scope", "error_description": text, "code": "FORBIDDEN" });
        assert_eq!(read_json(answer).await, (StatusCode::FORBIDDEN, expected), "{body}");
    }
}

/// The error names are those of RFC 6749, section 5.2. The challenge uses the scheme that the client used.
#[tokio::test]
async fn unaccepted_client_gets_invalid_client() {
    let service = TestService::start().await;
    let (id, key) = service.create_key("resource server", &["read"]).await;
    let (other_id, _) = service.create_key("other", &["read"]).await;
    let unknown = format!("ul_{}", "a".repeat(40));
    let anonymous = || service.anonymous(Method::POST, "/oauth2/introspect");
    const BASIC: &str = r#"Basic realm="UL Keys""#;
    let invalid_token: &[&str] = &[r#"Bearer error="invalid_token""#];
    for (request, body, error, expected) in [
        (anonymous(), String::new(), "invalid_client", &[BASIC, r#"Bearer realm="UL Keys""#][..]),
        (anonymous(), format!("client_id={id}"), "invalid_client", &[BASIC, r#"Bearer realm="UL Keys""#]),
        (anonymous(), format!("client_id={id}&client_secret={unknown}"), "invalid_client", &[BASIC]),
        (anonymous(), format!("client_id={other_id}&client_secret={key}"), "invalid_client", &[BASIC]),
        (anonymous(), format!("client_id={key}&client_secret={key}"), "invalid_client", &[BASIC]),
        (anonymous(), format!("client_id={id}&client_secret={key}%20"), "invalid_client", &[BASIC]),
        (anonymous().basic_auth(&id, Some(&unknown)), String::new(), "invalid_client", &[BASIC]),
        (anonymous().basic_auth(&id, Some(format!("{key}+"))), String::new(), "invalid_client", &[BASIC]),
        (anonymous().basic_auth(&id, Some(key.replace('_', "%255F"))), String::new(), "invalid_client", &[BASIC]),
        (anonymous().bearer_auth(&unknown), String::new(), "invalid_token", invalid_token),
    ] {
        let answer = form_request(request, format!("token={key}&{body}")).send().await.expect("answered");
        assert_eq!(challenges(&answer), expected, "{body}");
        let expected = json!({ "error": error, "error_description": "Invalid API key", "code": "UNAUTHORIZED" });
        assert_eq!(read_json(answer).await, (StatusCode::UNAUTHORIZED, expected), "{body}");
    }
    // A revoked key is no longer accepted as a client.
    service.revoke_key(&id).await;
    let answer = form_request(anonymous(), format!("token={key}&client_id={id}&client_secret={key}")).send().await;
    assert_eq!(answer.expect("answered").status(), StatusCode::UNAUTHORIZED);
}

/// With `client_secret_post`, the credential is in the body, so the service must read the body before authentication.
/// It limits the size of this body and the time to receive it.
#[tokio::test]
async fn form_of_unknown_caller_is_limited_in_size_and_time() {
    let defaults = Timing::default();
    assert!(defaults.unknown_caller_body_timeout < defaults.body_timeout, "shorter than for a known caller");
    assert!(defaults.unknown_caller_body_timeout > Duration::from_secs(3), "long enough for a local client");
    let folder = tempfile::tempdir().expect("temporary folder");
    let time = Duration::from_millis(500);
    let service = TestService::start_with(folder, |config| config.timing.unknown_caller_body_timeout = time).await;
    let large =
        form_request(service.anonymous(Method::POST, "/oauth2/introspect"), format!("token={}", "a".repeat(8 * 1024)));
    assert_eq!(large.send().await.expect("answered").status(), StatusCode::PAYLOAD_TOO_LARGE);
    let (_, key) = service.create_key("known", &["read"]).await;
    let known = form_request(
        service.bearer(&key, Method::POST, "/oauth2/introspect"),
        format!("token={}", "a".repeat(8 * 1024)),
    );
    assert_eq!(known.send().await.expect("answered").status(), StatusCode::OK);

    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let head = format!(
        "POST /oauth2/introspect HTTP/1.1\r\nHost: {}\r\nContent-Type: {FORM_CONTENT_TYPE}\r\nContent-Length: 50\r\n\r\ntoken=",
        service.address
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let start = Instant::now();
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(14), stream.read_exact(&mut answer)).await;
    read.expect("rejected before the timeout of a known caller").expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(start.elapsed() >= time, "not before the timeout");
}

#[tokio::test]
async fn request_without_credential_is_rejected_before_its_body() {
    let service = TestService::start().await;
    let mut stream = TcpStream::connect(service.address).await.expect("connected");
    let head = format!("POST /oauth2/introspect HTTP/1.1\r\nHost: {}\r\nContent-Length: 50\r\n\r\n", service.address);
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await;
    read.expect("answered without a delay").expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 401");
}
