//! Tests which identity the upstream receives, and that the request it receives is the one that was authorized.

use reqwest::{Method, StatusCode};

use crate::Outcome;
use crate::gateway::Gateway;
use crate::gateway_fixture::{CLIENT_IP, GatewayFixture};

pub async fn request_with_key_reaches_upstream_with_identity(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let client = CLIENT_IP.to_string();
    let (key_id, key) = fixture.service.create_key("détecteur n° 1", &["models", "read"]).await.expect("created");
    for target in ["/api/models/a?x=1&y=%2F..", "/predict/image?size=640"] {
        let request = fixture.request_with_key(&key, Method::POST, target).header("Origin", "https://example.org");
        let request = request.header("Sec-Fetch-Site", "cross-site").header("User-Agent", "a program").body("hello");
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK, "{target}");
        assert_eq!(answer.text().await.expect("a body"), "from the upstream");
        let seen = fixture.upstream.take_only();
        assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body), ("POST", target, 5));
        assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()));
        assert_eq!(seen.header("x-key-name"), Some("d%C3%A9tecteur n%C2%B0 1"));
        assert_eq!(seen.header("x-key-scopes"), Some("models read"));
        assert_eq!(seen.header("x-forwarded-for"), Some(&*client));
        assert_eq!(seen.header("origin"), Some("https://example.org"), "the upstream may need the Origin header");
        assert_eq!(seen.header("authorization"), None, "the upstream must not receive the key");
        assert!(!format!("{:?}", seen.headers).contains(&key[3..]));
    }
    // The gateway logs no warnings. nginx, for example, would warn about a variable without a value.
    assert!(!fixture.read_log().contains("[warn]"), "{}", fixture.read_log());
    // The service also records the address of the client, not that of the gateway.
    let sources = fixture.service.wait_for_clients(&key_id).await.expect("used");
    assert!(
        sources.iter().all(|source| source.peer == client && source.agent.as_deref() == Some("a program")),
        "{sources:?}"
    );
}

/// A client cannot forge identity headers by sending them, by sending a name that CGI programs treat as the same
/// header, or by listing the gateway's headers in `Connection` so that they are dropped.
pub async fn request_with_forged_identity_headers_arrives_without_them(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let client = CLIENT_IP.to_string();
    let (key_id, key) = fixture.service.create_key("mine", &["models"]).await.expect("created");
    let bearer = format!("Bearer {key}");
    for target in ["/api/models", "/predict/x"] {
        for name in ["X-Key-Id", "x-key-id", "X-KEY-ID", "X_Key_Id", "X-KEY_ID"] {
            let headers = [("Authorization", &*bearer), (name, "key_forged"), (name, "key_twice")];
            fixture.send_raw(&format!("GET {target}"), &headers).await;
            let seen = fixture.upstream.take_only();
            let text = format!("{:?}", seen.headers);
            assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()), "{text}");
            assert!(!text.contains("key_forged") && !text.contains("key_twice"), "{text}");
        }
        let named = "close, X-Key-Id, X-Key-Name, X-Key-Scopes, X-Forwarded-For, X-Forwarded-Uri, X-Forwarded-Method, \
                     X-Original-URI, X-Original-Method, X-Forwarded-Host, X-Forwarded-Proto";
        for connection in [named, &format!("keep-alive, Upgrade, {named}")] {
            for upgrade in ["websocket", "h2c"] {
                let headers = [("Authorization", &*bearer), ("Connection", connection), ("Upgrade", upgrade)];
                fixture.send_raw(&format!("GET {target}"), &headers).await;
                let seen = fixture.upstream.take_only();
                assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()), "{seen:?}");
                assert_eq!(seen.header("x-key-name"), Some("mine"), "{seen:?}");
                assert_eq!(seen.header("x-forwarded-for"), Some(&*client), "{seen:?}");
                assert!(seen.header("x-forwarded-host").is_some(), "{seen:?}");
            }
        }
    }
    // The app's session credential is not a key, so the gateway rejects a request with this credential.
    let request =
        fixture.request_with_key(&fixture.service.session, Method::GET, "/api/models").header("X-Key-Id", "key_forged");
    assert_eq!(request.send().await.expect("answered").status(), StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.upstream.take_received().len(), 0);

    let sources = fixture.service.wait_for_clients(&key_id).await.expect("used");
    assert!(
        sources.iter().all(|source| source.peer == client),
        "the service must record the client's real address: {sources:?}"
    );
}

/// Tests names of identity headers that a later version of UL Keys might add.
pub async fn request_with_unknown_identity_headers_arrives_without_them(gateway: Gateway) -> Outcome {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("mine", &["models"]).await.expect("created");
    let mut passed = 0;
    for target in ["/api/models", "/predict/x"] {
        for name in ["X-Key-Owner", "x-key-team", "X-KEY-"] {
            fixture.request_with_key(&key, Method::GET, target).header(name, "forged").send().await.expect("answered");
            let seen = fixture.upstream.take_only();
            passed += usize::from(seen.headers.contains_key(name));
            assert!(seen.headers.keys().filter(|header| header.as_str().starts_with("x-key-")).count() <= 4);
        }
    }
    match passed {
        0 => Outcome::AsClaimed,
        6 => Outcome::Difference("only the three that UL Keys sets; nginx cannot delete headers by pattern"),
        _ => panic!("{passed}"),
    }
}

/// The characters other than letters, digits and the hyphen that RFC 9110 allows in a header name.
const UNUSUAL_NAME_CHARACTERS: &str = "!#$%&'*+.^_`|~";

/// CGI programs cannot distinguish the characters of [`UNUSUAL_NAME_CHARACTERS`] from hyphens in a header name.
pub async fn request_with_unusual_header_names_arrives_without_them(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("mine", &["models"]).await.expect("created");
    let bearer = format!("Bearer {key}");
    let names = ["X-Key-Id", "X-HTTP-Method-Override", "x-original-url", "X-FORWARDED-PREFIX", "Plain-Header"];
    for target in ["/api/models", "/predict/x"] {
        for odd in UNUSUAL_NAME_CHARACTERS.chars() {
            let mut headers = vec![("Authorization".to_owned(), bearer.clone())];
            for name in names {
                // Replace all hyphens, only the first one, or only the last one.
                headers.push((name.replace('-', &odd.to_string()), "forged".to_owned()));
                headers.push((name.replacen('-', &odd.to_string(), 1), "forged".to_owned()));
                if let Some((begin, end)) = name.rsplit_once('-') {
                    headers.push((format!("{begin}{odd}{end}"), "forged".to_owned()));
                }
            }
            headers.push((format!("{odd}X-Key-Id"), "forged".to_owned()));
            headers.push((format!("X-Key-Id{odd}"), "forged".to_owned()));
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            fixture.send_raw(&format!("GET {target}"), &headers).await;
            let seen = fixture.upstream.take_only();
            assert!(!format!("{:?}", seen.headers).contains("forged"), "{odd}: {seen:?}");
        }
    }
    // White space must not be accepted as part of a header name.
    for header in
        ["X-Key-Id : forged", "X-Key-Id\t: forged", "X-Key Id: forged", " X-Key-Id: forged", "X-Key-Id\u{b}: forged"]
    {
        let head = format!(
            "GET /predict/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: {bearer}\r\n{header}\r\n\r\n"
        );
        fixture.exchange_bytes(&head, 0).await;
        for seen in fixture.upstream.take_received() {
            assert_ne!(seen.header("x-key-id"), Some("forged"), "{header}: {seen:?}");
            assert!(
                seen.headers.keys().all(|name| name.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
            );
        }
    }
}

/// The service authorizes the request that reaches the upstream, even if the client's headers, such as
/// `X-Original-URI`, describe a different request.
pub async fn request_with_method_or_path_headers_is_authorized_by_request_line(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("reader", &["read"]).await.expect("created");
    let bearer = format!("Bearer {key}");
    let harmless = [
        &[("X-Original-Method", "GET"), ("X-Original-URI", "/api/models")][..],
        &[("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/api/models")],
        &[("X_Original_Method", "GET"), ("X_Original_URI", "/api/models")],
        &[("X-Original-URL", "/api/models"), ("X-HTTP-Method-Override", "GET")],
        &[("Connection", "close, X-Forwarded-Method, X-Forwarded-Uri, X-Original-Method, X-Original-URI")],
    ];
    for line in ["DELETE /api/models/a", "GET /api/account", "GET /predict/x", "GET /private"] {
        for headers in harmless {
            let headers = [headers, &[("Authorization", &*bearer)]].concat();
            let status = fixture.send_raw(line, &headers).await;
            assert!(matches!(status, Some(400 | 403 | 503)), "{line} {headers:?}: {status:?}");
            assert_eq!(fixture.upstream.take_received().len(), 0, "{line} {headers:?}");
        }
    }
    // The gateway also drops client headers that specify another method or path, because the upstream might trust them.
    let harmful = [
        ("X-Original-URI", "/api/account"),
        ("X-Original-URL", "/api/account"),
        ("X-Rewrite-URL", "/api/account"),
        ("X-Forwarded-Uri", "/api/account"),
        ("X-Forwarded-Path", "/api/account"),
        ("X-Original-Method", "DELETE"),
        ("X-Forwarded-Method", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Method-Override", "DELETE"),
    ];
    let (_, key) = fixture.service.create_key("predictor", &["models"]).await.expect("created");
    let bearer = format!("Bearer {key}");
    for target in ["/api/models", "/predict/x"] {
        for (name, value) in harmful {
            for name in [name.to_owned(), name.to_uppercase(), name.to_lowercase()] {
                fixture.send_raw(&format!("GET {target}"), &[("Authorization", &bearer), (&name, value)]).await;
                let seen = fixture.upstream.take_only();
                assert_eq!(seen.header(&name), None, "{seen:?}");
            }
        }
    }
}
