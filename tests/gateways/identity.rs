//! Who the upstream takes a client for.

use reqwest::{Method, StatusCode};

use crate::gateway::Gateway;
use crate::site::{CLIENT, Site};

pub async fn the_upstream_learns_whose_key_it_is(gateway: Gateway) {
    let site = Site::start(gateway).await;
    let client = CLIENT.to_string();
    let (key_id, key) = site.service.key("détecteur n° 1", &["models", "read"]).await.expect("made");
    for target in ["/api/models/a?x=1&y=%2F..", "/predict/image?size=640"] {
        let request = site.request(&key, Method::POST, target).header("Origin", "https://example.org");
        let request = request.header("Sec-Fetch-Site", "cross-site").header("User-Agent", "a program").body("hello");
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK, "{target}");
        assert_eq!(answer.text().await.expect("a body"), "from the upstream");
        let seen = site.upstream.take_one();
        assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body), ("POST", target, 5));
        assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()));
        assert_eq!(seen.header("x-key-name"), Some("d%C3%A9tecteur n%C2%B0 1"));
        assert_eq!(seen.header("x-key-scopes"), Some("models read"));
        assert_eq!(seen.header("x-forwarded-for"), Some(&*client));
        assert!(seen.header("host").is_some_and(|host| host.starts_with("127.0.0.1")), "{:?}", seen.headers);
        assert_eq!(seen.header("origin"), Some("https://example.org"), "the upstream may serve pages");
        assert_eq!(seen.header("authorization"), None, "the upstream gets no key");
        assert!(!format!("{:?}", seen.headers).contains(&key[3..]));
    }
    // The service knows the client too, not the gateway.
    let sources = site.service.sources(&key_id).await.expect("used");
    assert!(
        sources.iter().all(|source| source.peer == client && source.agent.as_deref() == Some("a program")),
        "{sources:?}"
    );
}

/// Neither by the header's name nor by one that programs behind CGI's rules take for it, nor by having it dropped.
pub async fn no_client_names_itself(gateway: Gateway) {
    let site = Site::start(gateway).await;
    let client = CLIENT.to_string();
    let (key_id, key) = site.service.key("mine", &["models"]).await.expect("made");
    let bearer = format!("Bearer {key}");
    let names = ["X-Key-Id", "x-key-id", "X_Key_Id", "X-Key_Id", "X_Key-Id", "X-KEY_ID"];
    for target in ["/api/models", "/predict/x"] {
        for name in names {
            let headers = [("Authorization", &*bearer), (name, "key_forged"), ("X_Forwarded_For", "192.0.2.66")];
            let addresses =
                [("X-Forwarded-For", "192.0.2.66"), ("X-Real-IP", "192.0.2.66"), ("Forwarded", "for=192.0.2.66")];
            let headers = [&headers[..], &addresses, &[(name, "key_twice")]].concat();
            site.raw(&format!("GET {target}"), &headers).await;
            let seen = site.upstream.take_one();
            let text = format!("{:?}", seen.headers);
            assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()), "{text}");
            assert!(!text.contains("key_forged") && !text.contains("key_twice"), "{text}");
            assert_eq!(seen.header("x-forwarded-for"), Some(&*client), "{text}");
            assert!(!text.contains("192.0.2.66"), "{text}");
        }
        let named = "close, X-Key-Id, X-Key-Name, X-Key-Scopes, X-Forwarded-For, X-Forwarded-Uri, X-Forwarded-Method, \
                     X-Original-URI, X-Original-Method";
        site.raw(&format!("GET {target}"), &[("Authorization", &bearer), ("Connection", named)]).await;
        let seen = site.upstream.take_one();
        assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()), "{seen:?}");
        assert_eq!(seen.header("x-key-name"), Some("mine"), "{seen:?}");
        assert_eq!(seen.header("x-forwarded-for"), Some(&*client), "{seen:?}");
    }
    // Nothing passes that has no key's identity.
    let request = site.request(&site.service.session, Method::GET, "/api/models").header("X-Key-Id", "key_forged");
    assert_eq!(request.send().await.expect("answered").status(), StatusCode::UNAUTHORIZED);
    assert_eq!(site.upstream.take().len(), 0);

    let sources = site.service.sources(&key_id).await.expect("used");
    assert!(sources.iter().all(|source| source.peer == client), "the service saw through it: {sources:?}");
}

/// The service decides about the request that reaches the upstream, not about one that a client describes.
pub async fn no_header_makes_another_request_of_it(gateway: Gateway) {
    let site = Site::start(gateway).await;
    let (_, key) = site.service.key("reader", &["read"]).await.expect("made");
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
            let status = site.raw(line, &headers).await;
            assert!(matches!(status, Some(400 | 403 | 503)), "{line} {headers:?}: {status:?}");
            assert_eq!(site.upstream.take().len(), 0, "{line} {headers:?}");
        }
    }
    // And the other way round: an upstream that believes such headers is not told another request.
    let harmful = [
        ("X-Original-URI", "/api/account"),
        ("X-Original-URL", "/api/account"),
        ("X-Rewrite-URL", "/api/account"),
        ("X-Forwarded-Uri", "/api/account"),
        ("X-Original-Method", "DELETE"),
        ("X-Forwarded-Method", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Method-Override", "DELETE"),
    ];
    let (_, key) = site.service.key("predictor", &["models"]).await.expect("made");
    let bearer = format!("Bearer {key}");
    for target in ["/api/models", "/predict/x"] {
        for (name, value) in harmful {
            site.raw(&format!("GET {target}"), &[("Authorization", &bearer), (name, value)]).await;
            let seen = site.upstream.take_one();
            assert_ne!(seen.header(name), Some(value), "{seen:?}");
        }
    }
    // Nor does a client leave HTTP, and with it every further question, behind.
    for protocol in ["h2c", "websocket", "anything"] {
        let upgrade = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", protocol)];
        let headers = [&upgrade[..], &[("Authorization", &bearer), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]].concat();
        site.raw("GET /api/models", &headers).await;
        let seen = site.upstream.take_one();
        assert_eq!(seen.header("upgrade"), None, "{seen:?}");
    }
}
