//! Tests of accepted and rejected credentials. Rejected requests must not change the key's last-used time.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use insta::assert_json_snapshot;
use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestService, read_json};
use crate::snapshots::{redact_snapshots, whole_answer};

const INVALID_TOKEN_CHALLENGE: &str = r#"Bearer error="invalid_token""#;

fn invalid_key_body() -> Value {
    json!({ "error": "Invalid API key", "code": "UNAUTHORIZED" })
}

#[tokio::test]
async fn malformed_credential_is_rejected_and_leaves_last_used() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("training-server", &["training"]).await;
    let digits = &key[3..];
    let malformed = [
        "Bearer ul_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0".to_owned(),
        format!("Bearer {}", &key[..42]),
        format!("Bearer {key}0"),
        format!("Bearer UL_{digits}"),
        format!("Bearer ul_{}", upper_case_once(digits)),
        format!("Bearer  {key}"),
        format!("Bearer \t{key}"),
        format!("Bearer {key} {key}"),
        format!("Bearer \"{key}\""),
        format!("Bearer {digits}"),
        format!("Bearer{key}"),
        format!("Basic {key}"),
        format!("Token {key}"),
        key.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer ul_{}", "0".repeat(40)),
        format!("Bearer {}", &service.session[..67]),
    ];
    for value in malformed {
        let request = service.anonymous(Method::GET, "/api/account/summary").header(AUTHORIZATION, &value);
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], INVALID_TOKEN_CHALLENGE, "{value:?}");
        assert_eq!(read_json(answer).await, (StatusCode::UNAUTHORIZED, invalid_key_body()), "{value:?}");
    }
    for (first, second) in [(&key, &key), (&service.session, &key)] {
        let request = service.bearer(first, Method::GET, "/api/account/summary").bearer_auth(second);
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], INVALID_TOKEN_CHALLENGE, "repeated header");
        assert_eq!(read_json(answer).await, (StatusCode::UNAUTHORIZED, invalid_key_body()), "repeated header");
    }
    assert_eq!(service.listed_key(&key_id).await["lastUsedAt"], Value::Null);
}

fn upper_case_once(digits: &str) -> String {
    // Finding a letter fails only if the key contains none, which is extremely unlikely for a random key.
    let at = digits.find(|c: char| c.is_ascii_lowercase()).expect("a letter");
    format!("{}{}{}", &digits[..at], digits[at..=at].to_uppercase(), &digits[at + 1..])
}

#[tokio::test]
async fn bearer_scheme_in_any_case_is_accepted() {
    let service = TestService::start().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let (key_id, key) = service.create_key("ci", &["read"]).await;
        let request = service.anonymous(Method::GET, "/api/account/summary");
        let answer = request.header(AUTHORIZATION, format!("{scheme} {key}")).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK, "{scheme}");
        assert!(service.listed_key(&key_id).await["lastUsedAt"].is_string(), "{scheme}");
    }
}

/// White space around a header value is not part of the value (RFC 9110, section 5.5), and every HTTP server removes
/// it.
#[tokio::test]
async fn whitespace_around_header_value_is_ignored() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("ci", &["read"]).await;
    let request = service.anonymous(Method::GET, "/api/account/summary");
    let answer = request.header(AUTHORIZATION, format!("  Bearer {key} ")).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn request_without_credential_gets_challenge_without_error() {
    let service = TestService::start().await;
    let answer = service.anonymous(Method::GET, "/api/account/summary").send().await.expect("answered");
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.anonymous(Method::GET, "/api/account/summary")).await, @r#"
    {
      "body": {
        "code": "UNAUTHORIZED",
        "error": "Invalid API key"
      },
      "headers": {
        "content-type": "application/json",
        "www-authenticate": "Bearer realm=\"UL Keys\""
      },
      "status": 401
    }
    "#);
}

/// An empty header, for example from `X-API-Key: $KEY` with an unset variable, does not count as a second credential.
#[tokio::test]
async fn empty_credential_header_is_ignored() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("carried", &["read"]).await;
    let get = || service.anonymous(Method::GET, "/api/account/summary");
    for request in [
        get().header(AUTHORIZATION, "").header("X-API-Key", &key),
        get().header("X-API-Key", "").bearer_auth(&key),
        get().header("X-API-Key", " ").header("X-API-Key", &key),
        get().header(AUTHORIZATION, "").bearer_auth(&key),
    ] {
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK);
    }
    for request in [get().header(AUTHORIZATION, ""), get().header(AUTHORIZATION, "").header("X-API-Key", "")] {
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], r#"Bearer realm="UL Keys""#);
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

/// curl encodes a user name in the encoding of the terminal; Java uses Latin-1 unless the challenge names a charset
/// (RFC 7617).
#[tokio::test]
async fn basic_user_name_in_latin_1_is_accepted() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("carried", &["read"]).await;
    for user in [&b"J\xfcrgen"[..], "Jürgen".as_bytes(), b"\xff\0\x80"] {
        let value = format!("Basic {}", BASE64_STANDARD.encode([user, b":", key.as_bytes()].concat()));
        let request = service.anonymous(Method::GET, "/api/account/summary").header(AUTHORIZATION, value);
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK, "{user:?}");
    }
    let half = format!("Basic {}", BASE64_STANDARD.encode([b"key_\xfc:", key.as_bytes()].concat()));
    let request = service.anonymous(Method::GET, "/api/account/summary").header(AUTHORIZATION, half);
    assert_eq!(
        request.send().await.expect("answered").status(),
        StatusCode::UNAUTHORIZED,
        "the user name is not a valid identifier"
    );
}

/// If the key is in `X-API-Key`, a gateway forwards the `Authorization` header, so that header must not contain a key
/// in any encoding.
#[tokio::test]
async fn second_key_in_encoded_header_is_rejected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("carried", &["read"]).await;
    // The Base64 encoding of this text ends with padding, and differs between the standard and the URL-safe alphabet.
    let inner = format!("a?>~b:{key}");
    let padded = BASE64_STANDARD.encode(&inner);
    assert!(padded.ends_with('=') && padded.contains(['+', '/']), "{padded}");
    let unpadded = padded.trim_end_matches('=');
    for value in [
        format!("Basic {unpadded}"),
        format!("Basic {}", unpadded.replace('+', "-").replace('/', "_")),
        format!("Basic  {padded}"),
        format!("Basic\t{padded}"),
        format!("Basic {} {}", &padded[..20], &padded[20..]),
        format!("Basic {padded}="),
        format!("Token {padded}"),
        format!("Basic {}", BASE64_STANDARD.encode(format!("a:{}", key.replace('_', "%5F")))),
        format!("Bearer {}", key.replace('_', "%5f")),
        format!("Bearer {padded}"),
        format!("Digest response=\"{key}\""),
        format!("Custom key={padded}, x=1"),
    ] {
        let request = service.anonymous(Method::GET, "/api/account/summary").header("X-API-Key", &key);
        let answer = request.header(AUTHORIZATION, &value).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{value}");
    }
    for value in ["Basic YTpi", "Basic YTpiYw", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"] {
        let request = service.anonymous(Method::GET, "/api/account/summary").header("X-API-Key", &key);
        let answer = request.header(AUTHORIZATION, value).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK, "{value}");
    }
}

#[tokio::test]
async fn missing_scope_is_named_in_challenge() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("trainer", &["training"]).await;
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.bearer(&key, Method::GET, "/api/api-keys")).await, @r#"
    {
      "body": {
        "code": "FORBIDDEN",
        "error": "Permission denied for this operation"
      },
      "headers": {
        "content-type": "application/json",
        "www-authenticate": "Bearer error=\"insufficient_scope\", scope=\"read admin\""
      },
      "status": 403
    }
    "#);
    assert_eq!(service.listed_key(&key_id).await["lastUsedAt"], Value::Null);
}

#[tokio::test]
async fn unknown_path_requires_the_same_scopes() {
    let service = TestService::start().await;
    let (_, trainer) = service.create_key("trainer", &["training"]).await;
    let (_, reader) = service.create_key("reader", &["read"]).await;
    let ask = async |token: &str, method, path: &str| {
        service.bearer(token, method, path).send().await.expect("answered").status()
    };
    assert_eq!(ask(&trainer, Method::GET, "/api/datasets/1").await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&reader, Method::GET, "/api/datasets/1").await, StatusCode::NOT_FOUND);
    assert_eq!(ask(&reader, Method::DELETE, "/api/datasets/1").await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&reader, Method::GET, "/api/%64atasets").await, StatusCode::FORBIDDEN);
    let anonymous = service.anonymous(Method::GET, "/api/no-such-thing").send().await.expect("answered");
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn revoked_key_is_rejected_by_next_request() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("gone", &["read"]).await;
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
    service.revoke_key(&key_id).await;
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(service.bearer(&key, Method::GET, "/api/account/summary")).await, @r#"
    {
      "body": {
        "code": "UNAUTHORIZED",
        "error": "Invalid API key"
      },
      "headers": {
        "content-type": "application/json",
        "www-authenticate": "Bearer error=\"invalid_token\""
      },
      "status": 401
    }
    "#);
}

/// Some clients need the `Authorization` header for another credential.
#[tokio::test]
async fn key_in_api_key_header_or_basic_password_is_accepted() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("carried", &["read"]).await;
    let get = || service.anonymous(Method::GET, "/api/api-keys");
    for (carrier, request) in [
        ("X-API-Key", get().header("X-API-Key", &key)),
        ("Basic, without a user", get().basic_auth("", Some(&key))),
        ("Basic, any user", get().basic_auth("somebody", Some(&key))),
        ("Basic, the key's identifier", get().basic_auth(&key_id, Some(&key))),
        (
            "X-API-Key, and a password of another service",
            get().header("X-API-Key", &key).basic_auth("me", Some("my password")),
        ),
        ("X-API-Key, and a token of another service", get().header("X-API-Key", &key).bearer_auth("sk-other")),
        ("Bearer, and an X-API-Key of another service", get().header("X-API-Key", "other").bearer_auth(&key)),
    ] {
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK, "{carrier}");
    }
}

#[tokio::test]
async fn misplaced_or_second_credential_is_rejected() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("carried", &["read"]).await;
    let (other_id, other) = service.create_key("other", &["read"]).await;
    let get = || service.anonymous(Method::GET, "/api/api-keys");
    for (carrier, request) in [
        ("a scheme", get().header("X-API-Key", format!("Bearer {key}"))),
        ("a space", get().header("X-API-Key", format!("{key} {key}"))),
        ("upper case", get().header("X-API-Key", key.to_uppercase())),
        ("the session", get().header("X-API-Key", &service.session)),
        ("twice", get().header("X-API-Key", &key).header("X-API-Key", &key)),
        ("as user name", get().basic_auth(&key, Some(""))),
        ("the user name is another key's identifier", get().basic_auth(&other_id, Some(&key))),
        ("the user name is half an identifier", get().basic_auth("key_", Some(&key))),
        ("session as password", get().basic_auth("", Some(&service.session))),
        ("no colon", get().header(AUTHORIZATION, "Basic dWw=")),
        ("a broken key, and a token of another service", get().header("X-API-Key", &key[1..]).bearer_auth("sk-other")),
    ] {
        let answer = request.send().await.expect("answered");
        assert_eq!(read_json(answer).await, (StatusCode::UNAUTHORIZED, invalid_key_body()), "{carrier}");
    }
    for (carrier, request) in [
        ("the same twice", get().header("X-API-Key", &key).bearer_auth(&key)),
        ("two keys", get().header("X-API-Key", &key).bearer_auth(&other)),
        ("a key and the session", get().header("X-API-Key", &key).bearer_auth(&service.session)),
        ("a key and Basic", get().header("X-API-Key", &key).basic_auth("", Some(&other))),
        ("a key, and one as user name", get().header("X-API-Key", &key).basic_auth(&other, Some(""))),
        ("a key and a broken one", get().header("X-API-Key", &key).bearer_auth(&other[..42])),
    ] {
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], r#"Bearer error="invalid_request""#, "{carrier}");
        let (status, body) = read_json(answer).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("VALIDATION_ERROR")), "{carrier}");
        assert!(body["error"].as_str().is_some_and(|text| text.contains("X-API-Key")), "{body}");
    }
    assert!(service.listed_key(&other_id).await["lastUsedAt"].is_null());
    let _redactions = redact_snapshots();
    assert_json_snapshot!(whole_answer(get().header("X-API-Key", &key).bearer_auth(&other)).await, @r#"
    {
      "body": {
        "code": "VALIDATION_ERROR",
        "error": "Authorization and X-API-Key: both contain a credential; send only one of them"
      },
      "headers": {
        "content-type": "application/json",
        "www-authenticate": "Bearer error=\"invalid_request\""
      },
      "status": 400
    }
    "#);
}
