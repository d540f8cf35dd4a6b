//! Tests in which headers a client may send its key, which other credentials reach the upstream, and which requests
//! pass without a key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::gateway::Gateway;
use crate::gateway_fixture::GatewayFixture;

const REQUEST_TARGETS: [&str; 2] = ["/predict/x", "/api/models"];

/// A client may send the key in `Authorization` or in `X-API-Key`, for example because the program behind the gateway
/// needs `Authorization` for itself, or because the client can set only one of the two.
pub async fn request_with_key_in_either_header_passes_without_key(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (key_id, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let programs_own = format!("Bearer {}", "t".repeat(30));
    // In each row: the values of `Authorization` and `X-API-Key` that the client sends, and those that the program
    // behind the gateway receives.
    let key_as_password =
        fixture.anonymous_request(Method::GET, "/").basic_auth("anybody", Some(&key)).build().expect("a request");
    let key_as_password = key_as_password.headers()["authorization"].to_str().expect("a string").to_owned();
    let bearer = format!("Bearer {key}");
    for target in REQUEST_TARGETS {
        for (authorization, api_key, passes) in [
            (Some(&*bearer), None, [None, None]),
            (Some(&*key_as_password), None, [None, None]),
            (None, Some(&*key), [None, None]),
            (Some(&*programs_own), Some(&*key), [Some(&*programs_own), None]),
            (Some("Basic YTpi"), Some(&*key), [Some("Basic YTpi"), None]),
            (Some(&*bearer), Some("the program's"), [None, Some("the program's")]),
            (Some(&*bearer), Some("sk_live_1"), [None, Some("sk_live_1")]),
            (Some(&*key_as_password), Some("sk_live_1"), [None, Some("sk_live_1")]),
        ] {
            for name in ["X-API-Key", "x-api-key", "X-Api-KEY"] {
                let request =
                    with_header(fixture.anonymous_request(Method::GET, target), "Authorization", authorization);
                let answer = with_header(request, name, api_key).send().await.expect("answered");
                assert_eq!(answer.status(), StatusCode::OK, "{target} {authorization:?} {api_key:?}");
                let seen = fixture.upstream.take_only();
                assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()));
                assert_eq!([seen.header("authorization"), seen.header("x-api-key")], passes, "{target}");
                assert!(!format!("{:?}", seen.headers).contains(&key[3..]), "{seen:?}");
            }
        }
    }
}

fn with_header(request: RequestBuilder, name: &str, value: Option<&str>) -> RequestBuilder {
    value.into_iter().fold(request, |request, value| request.header(name, value))
}

/// The gateway and the program could disagree about which of two keys counts, so a request with two keys is rejected.
pub async fn request_with_two_keys_is_rejected(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("one", &["models"]).await.expect("created");
    let (_, other) = fixture.service.create_key("other", &["models"]).await.expect("created");
    let (bearer, unknown) = (format!("Bearer {key}"), format!("ul_{}", "a".repeat(40)));
    for target in REQUEST_TARGETS {
        for second in [&key, &other, &unknown, "ul_"] {
            for lines in [
                [("Authorization", &*bearer), ("X-API-Key", second)],
                [("X-API-Key", second), ("Authorization", &*bearer)],
            ] {
                let status = fixture.send_raw(&format!("GET {target}"), &lines).await;
                assert!(matches!(status, Some(400 | 401)), "{second}: {status:?}");
            }
        }
        // Send `X-API-Key` twice, with a key in at least one of the two headers.
        for lines in [["foreign", &*key], [&*key, "foreign"], [&*key, &*key], [&*other, &*key]] {
            for authorization in [None, Some(("Authorization", &*bearer))] {
                let headers: Vec<_> = lines.iter().map(|value| ("X-API-Key", *value)).chain(authorization).collect();
                let status = fixture.send_raw(&format!("GET {target}"), &headers).await;
                assert!(matches!(status, Some(400 | 401)), "{lines:?}: {status:?}");
            }
        }
        // Send a second key in an unusual form: in Basic credentials without padding, or with the scheme `Token`.
        for second in
            [format!("Basic {}", BASE64_STANDARD_NO_PAD.encode(format!("ab:{other}"))), format!("Token {other}")]
        {
            let status =
                fixture.send_raw(&format!("GET {target}"), &[("X-API-Key", &*key), ("Authorization", &*second)]).await;
            assert_eq!(status, Some(400), "{second}");
        }
    }
    assert_eq!(fixture.upstream.take_received().len(), 0);
}

/// If the gateway sent a challenge for Basic authentication, a browser would prompt the user for a key, store the key,
/// and add it to requests from any web page. The gateway therefore sends no such challenge, and programs must send
/// Basic credentials preemptively.
pub async fn preemptive_basic_credentials_pass(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (key_id, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let url = format!("http://127.0.0.1:{}/predict/x", fixture.port);
    let curl = ["--silent", "--noproxy", "*", "--user", &format!("anybody:{key}")].map(str::to_owned).to_vec();
    let wget = ["--quiet", "--no-proxy", "--tries=1", "--output-document=-", "--user=anybody"].map(str::to_owned);
    let wget = [&wget[..], &[format!("--password={key}")]].concat();
    let unasked = [&wget[..], &["--auth-no-challenge".to_owned()]].concat();
    for (program, arguments, passes) in [("curl", curl, true), ("wget", unasked, true), ("wget", wget, false)] {
        let output =
            tokio::process::Command::new(program).args(&arguments).arg(&url).output().await.expect("the program runs");
        assert_eq!(output.stdout == b"from the upstream", passes, "{program}: {output:?}");
        let seen = fixture.upstream.take_received();
        assert_eq!(seen.len(), usize::from(passes), "{program}");
        assert!(seen.iter().all(|seen| seen.header("x-key-id") == Some(key_id.as_str())), "{seen:?}");
    }
    for key in [None, Some("ul_x")] {
        for target in REQUEST_TARGETS {
            let request = fixture.anonymous_request(Method::GET, target);
            let request = key.into_iter().fold(request, |request, key| request.basic_auth("anybody", Some(key)));
            let answer = request.send().await.expect("answered");
            let challenges = answer.headers().get_all("www-authenticate").iter();
            let challenges: Vec<_> = challenges.map(|value| value.to_str().expect("a string")).collect();
            assert!(challenges.len() == 1 && challenges[0].starts_with("Bearer "), "{challenges:?}");
        }
    }
}

/// Before a web page may send a request with a key, the browser sends a CORS preflight request without a key.
pub async fn preflight_passes_only_where_rule_allows_it(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (key_id, key) = fixture.service.create_key("page", &["models"]).await.expect("created");
    let asks = |method: Method, target: &str| {
        let request = fixture.anonymous_request(method, target).header("Origin", "https://app.example");
        let request = request.header("Sec-Fetch-Site", "cross-site").header("Sec-Fetch-Mode", "cors");
        request.header("Access-Control-Request-Headers", "authorization")
    };
    let preflight = |target: &str| asks(Method::OPTIONS, target).header("Access-Control-Request-Method", "POST");
    let answer = preflight("/predict/x?y").header("X-Key-Id", "key_forged").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = fixture.upstream.take_only();
    assert_eq!((seen.method.as_str(), &*seen.target), ("OPTIONS", "/predict/x?y"));
    assert_eq!(seen.header("origin"), Some("https://app.example"));
    assert_eq!(seen.header("access-control-request-method"), Some("POST"));
    assert_eq!(seen.header("access-control-request-headers"), Some("authorization"));
    for name in ["x-key-id", "x-key-name", "x-key-scopes"] {
        assert_eq!(seen.header(name), None, "an anonymous preflight has no identity: {seen:?}");
    }
    // A preflight request with a key is authorized and counted like any other request with that key.
    let answer = preflight("/predict/x").bearer_auth(&key).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(fixture.upstream.take_only().header("x-key-id"), Some(key_id.as_str()));
    for (request, expected) in [
        (preflight("/api/models"), 401),
        (preflight("/private"), 401),
        (asks(Method::OPTIONS, "/predict/x"), 401),
        (asks(Method::POST, "/predict/x").header("Access-Control-Request-Method", "POST"), 401),
        (asks(Method::GET, "/predict/x").header("Access-Control-Request-Method", "OPTIONS"), 401),
        (preflight("/predict/x").header("X-HTTP-Method-Override", "DELETE").bearer_auth("ul_x"), 401),
        (preflight("/predict/x").header("X-API-Key", "ul_x"), 401),
        (preflight("/predict/..%2fx"), 401),
        (preflight("/PREDICT/x"), 401),
    ] {
        let request = request.build().expect("a request");
        let what = format!("{} {}", request.method(), request.url());
        let answer = reqwest::Client::builder().no_proxy().build().expect("a client").execute(request).await;
        assert_eq!(answer.expect("answered").status(), expected, "{what}");
        assert_eq!(fixture.upstream.take_received().len(), 0, "{what}");
    }
    for target in ["*", "/predict/../api/models", "//predict/x"] {
        let headers = [("Access-Control-Request-Method", "POST"), ("Origin", "https://app.example")];
        fixture.send_raw(&format!("OPTIONS {target}"), &headers).await;
        // Traefik normalizes a path before the key check, so `//predict/x` reaches the upstream as `/predict/x`.
        assert!(fixture.upstream.take_received().iter().all(|seen| seen.target == "/predict/x"), "{target}");
    }
    // The gateway drops `X-HTTP-Method-Override`, because it could turn OPTIONS into another method.
    preflight("/predict/x").header("X-HTTP-Method-Override", "DELETE").send().await.expect("answered");
    assert_eq!(fixture.upstream.take_only().header("x-http-method-override"), None);
    // The request that follows the preflight request needs a key.
    let answer = asks(Method::POST, "/predict/x").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(
        !answer.headers().contains_key("access-control-allow-origin"),
        "docs/gateways documents that a rejection has no CORS headers: {answer:?}"
    );
    assert_eq!(fixture.upstream.take_received().len(), 0);
    let answer = asks(Method::POST, "/predict/x").bearer_auth(&key).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
}
