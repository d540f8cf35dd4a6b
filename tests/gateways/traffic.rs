//! Tests that the gateway neither changes nor delays the requests and responses that it passes on.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{FutureExt as _, stream};
use reqwest::header::{CONTENT_LENGTH, ETAG};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use tokio::sync::mpsc;

use ulkeys_tests::WAIT_TIMEOUT;

use crate::gateway::Gateway;
use crate::gateway_fixture::{FixtureOptions, GatewayFixture, parse_status};
use crate::upstream::Upstream;

pub async fn body_of_any_size_passes(gateway: Gateway) {
    const PAYLOAD_BYTES: usize = 48 << 20;
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("uploader", &["models"]).await.expect("created");
    for target in ["/api/models/a", "/predict/x"] {
        let answer = fixture
            .request_with_key(&key, Method::PUT, target)
            .body(vec![7; PAYLOAD_BYTES])
            .send()
            .await
            .expect("answered");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(fixture.upstream.take_only().body, PAYLOAD_BYTES);
    }
    let answer = fixture
        .request_with_key(&key, Method::GET, &format!("/predict/x?body={PAYLOAD_BYTES}"))
        .send()
        .await
        .expect("answered");
    assert_eq!(answer.bytes().await.expect("a body").len(), PAYLOAD_BYTES);
    fixture.upstream.take_only();
    // A rejected client may still be sending, and may see its connection closed before it receives the response.
    if let Ok(answer) =
        fixture.request_with_key("ul_x", Method::PUT, "/predict/x").body(vec![7; PAYLOAD_BYTES]).send().await
    {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(fixture.upstream.take_received().len(), 0);
}

/// The gateway does not mistake an error response from the upstream for the rejection of a key.
pub async fn upstream_response_passes(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    for status in [200, 202, 401, 403, 404, 429, 500, 503] {
        let target = format!("/api/models?status={status}");
        for method in [Method::GET, Method::PATCH] {
            let answer = fixture.request_with_key(&key, method, &target).send().await.expect("answered");
            assert_eq!(answer.status(), status);
            assert_eq!(answer.text().await.expect("a body"), "from the upstream");
        }
        let answer = fixture.request_with_key(&key, Method::HEAD, &target).send().await.expect("answered");
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()[CONTENT_LENGTH], "17");
        assert_eq!(fixture.upstream.take_received().len(), 3);
    }
    let request = fixture.request_with_key(&key, Method::GET, "/predict/x").header("If-None-Match", "\"one\"");
    let answer = request.send().await.expect("answered");
    assert_eq!(
        (answer.status(), &answer.headers()[ETAG]),
        (StatusCode::NOT_MODIFIED, &"\"one\"".parse().expect("an entity tag"))
    );
}

/// Sends a request and waits for the head of the response, which must arrive before the upstream sends the rest.
async fn receive_head(request: RequestBuilder) -> Response {
    tokio::time::timeout(WAIT_TIMEOUT, request.send())
        .await
        .expect("the head of the response before its end")
        .expect("answered")
}

/// The upstream sends the second piece only after the client has received the first.
pub async fn response_in_chunks_passes_unbuffered(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("reader", &["models"]).await.expect("created");
    for target in ["/predict/x", "/api/models/a"] {
        for query in [
            "stream=text/event-stream",
            "stream=application/x-ndjson",
            "stream=application/octet-stream&length=known",
            "stream=text/plain&length=known",
        ] {
            let get = fixture.request_with_key(&key, Method::GET, &format!("{target}?{query}"));
            // The upstream waits 300 ms before it responds to a request with a body, because Caddy and Traefik
            // sometimes truncate a response that arrives sooner (golang/go#40747).
            let post =
                fixture.request_with_key(&key, Method::POST, &format!("{target}?compute=300&{query}")).body("{}");
            for request in [get, post] {
                let mut answer = receive_head(request).await;
                let first = tokio::time::timeout(WAIT_TIMEOUT, answer.chunk())
                    .await
                    .expect("the first piece before the second");
                assert_eq!(first.expect("a piece").as_deref(), Some(&b"data: 0\n\n"[..]), "{query}");
                assert!(answer.chunk().now_or_never().is_none(), "the second piece must not arrive yet: {query}");
                fixture.upstream.resume(1);
                assert_eq!(answer.text().await.expect("the rest of the body"), "data: 1\n\n", "{query}");
            }
        }
    }
}

/// The client sends the second piece only after the upstream has received the first.
pub async fn body_in_chunks_passes_unbuffered(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("uploader", &["models"]).await.expect("created");
    for (number, length) in [None, Some(14)].into_iter().enumerate() {
        let (pieces, body) = mpsc::channel(1);
        let body = stream::unfold(body, async |mut body| body.recv().await.map(|piece| (piece, body)));
        let mut request = fixture.request_with_key(&key, Method::PUT, "/predict/x").body(Body::wrap_stream(body));
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        let sending = tokio::spawn(request.send());
        pieces.send(Ok::<_, Infallible>(Bytes::from("piece 1"))).await.expect("a request in progress");
        let arrived = async {
            while fixture.upstream.received_body_bytes() < 14 * number + 7 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, arrived).await.expect("the first piece before the second");
        pieces.send(Ok(Bytes::from("piece 2"))).await.expect("a request in progress");
        drop(pieces);
        assert_eq!(sending.await.expect("no panic").expect("answered").status(), StatusCode::OK);
        assert_eq!(fixture.upstream.take_only().body, 14);
    }
}

/// When a client disconnects, the upstream stops computing its response.
pub async fn client_disconnect_aborts_upstream_request(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("reader", &["models"]).await.expect("created");
    for (number, query) in ["pause=before-answer", "stream=text/event-stream", "stream=text/plain"].iter().enumerate() {
        let request = fixture.request_with_key(&key, Method::GET, &format!("/predict/x?{query}"));
        let sending = tokio::spawn(async move { request.send().await?.text().await });
        let reached = async {
            while fixture.upstream.take_received().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, reached).await.expect("a request that reaches the upstream");
        tokio::time::sleep(Duration::from_millis(100)).await;
        sending.abort();
        let noticed = async {
            while fixture.upstream.aborted_responses() <= number {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, noticed)
            .await
            .unwrap_or_else(|_| panic!("the upstream did not notice the disconnect: {query}"));
    }
}

/// If the gateway accepts a long request head, the key check for that request must accept it as well.
pub async fn long_heads_pass_and_too_long_ones_are_rejected(gateway: Gateway) {
    const PAYLOAD_BYTES: usize = 24 << 10;
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let long = "x".repeat(PAYLOAD_BYTES);
    for target in ["/predict/x", "/api/models"] {
        let answer =
            fixture.request_with_key(&key, Method::GET, &format!("{target}?{long}")).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(fixture.upstream.take_only().target.ends_with(&long));
        for name in ["Cookie", "X-Long"] {
            let value = format!("a={long}");
            let answer = fixture
                .request_with_key(&key, Method::GET, target)
                .header(name, &value)
                .send()
                .await
                .expect("answered");
            assert_eq!(answer.status(), StatusCode::OK, "{name}");
            assert_eq!(fixture.upstream.take_only().header(name), Some(&*value));
        }
        let answer = fixture
            .request_with_key(&key, Method::GET, &format!("{target}?head={PAYLOAD_BYTES}"))
            .send()
            .await
            .expect("answered");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["set-cookie"].len(), PAYLOAD_BYTES + 2);
        fixture.upstream.take_received();
    }
    let long = "x".repeat(30 << 10);
    let request =
        fixture.request_with_key(&key, Method::GET, &format!("/predict/x?{long}")).header("User-Agent", &long);
    assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK, "nginx accepts a head of this size");
    fixture.upstream.take_only();
    // A request head that is too long is reported as a client error (4xx).
    let long = "x".repeat(200 << 10);
    let mut answers = 0;
    for (target, value) in [(format!("/predict/x?{long}"), "short"), ("/predict/x".to_owned(), &*long)] {
        for name in ["Cookie", "X-Long", "User-Agent", "X-API-Key", "Proxy-Authorization"] {
            let answer = fixture.request_with_key(&key, Method::GET, &target).header(name, value).send().await;
            // The gateway may close the connection before it has read the whole request.
            if let Ok(answer) = answer {
                assert!(answer.status().is_client_error(), "{name}: {answer:?}");
                answers += 1;
            }
            assert_eq!(fixture.upstream.take_received().len(), 0);
        }
    }
    assert!(answers > 0, "no request received a response");
    for size in [24 << 10, 64 << 10] {
        let value = format!("Bearer {}", "x".repeat(size));
        let answer = fixture.anonymous_request(Method::GET, "/predict/x").header("Authorization", value).send().await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status().is_client_error()), "{size}");
        assert_eq!(fixture.upstream.take_received().len(), 0);
    }
}

/// If a key check announced a length but had no body, the service would read the next key check on the same connection
/// as that body.
pub async fn key_check_has_no_body_and_no_cookies(gateway: Gateway) {
    let asked = Upstream::start().await;
    let fixture =
        GatewayFixture::start_with(gateway, FixtureOptions { asked: Some(asked.address), ..FixtureOptions::default() })
            .await;
    asked.take_received();
    for target in ["/predict/x", "/api/models"] {
        for framing in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
            let request = format!("POST {target} HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nConnection: close\r\n{framing}");
            assert_eq!(parse_status(&fixture.exchange_bytes(&request, 0).await), Some(200), "{framing}");
            assert_eq!(fixture.upstream.take_only().body, 5);
            let question = asked.take_only();
            assert_eq!((question.method.as_str(), question.body), ("GET", 0));
            for name in ["content-length", "transfer-encoding", "cookie", "trailer", "expect"] {
                assert_eq!(question.header(name), None, "{question:?}");
            }
        }
    }
}

/// If each key check opened a new connection, a busy computer would run out of ports.
pub async fn key_checks_share_connections(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    for _ in 0..50 {
        assert_eq!(
            fixture.request_with_key(&key, Method::GET, "/predict/x").send().await.expect("answered").status(),
            StatusCode::OK
        );
    }
    // Closed connections remain in the system's table for one minute, so they are counted as well.
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the TCP table of Linux");
    let service = format!("0100007F:{:04X}", fixture.service.address.port());
    let connections = table.lines().filter(|line| line.split_whitespace().nth(2) == Some(&*service)).count();
    assert!(connections < 25, "{connections}");
}

/// Runs the gateway with TLS enabled in its configuration file.
pub async fn http_2_over_tls_passes(gateway: Gateway) {
    let fixture = GatewayFixture::start_with(gateway, FixtureOptions { tls: true, ..FixtureOptions::default() }).await;
    let (key_id, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let bearer = format!("Authorization: Bearer {key}");
    let url = "https://127.0.0.1:{port}/predict/x?y";
    let forged = ["X-Key-Id: key_forged", "X_Key_Id: key_forged", "X.Key.Id: key_forged", "X-Forwarded-Proto: http"];
    let forged = forged.iter().flat_map(|header| ["-H", header]);
    let arguments: Vec<_> = ["-H", &*bearer, "--data", "hello", url].into_iter().chain(forged).collect();
    let answer = fixture.run_curl(&arguments).await;
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(answer.ends_with("from the upstream"), "{answer}");
    let seen = fixture.upstream.take_only();
    assert_eq!((&*seen.target, seen.body), ("/predict/x?y", 5));
    assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()));
    assert_eq!(seen.header("host"), Some(&*format!("127.0.0.1:{}", fixture.port)));
    assert_eq!(seen.header("x-forwarded-host"), seen.header("host"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert!(!format!("{:?}", seen.headers).contains("key_forged"), "{seen:?}");
    // Over HTTP/2, a browser sends each cookie in a separate header field.
    fixture.run_curl(&["-H", &bearer, "-H", "Cookie: a=1", "-H", "Cookie: b=2", url]).await;
    assert_eq!(fixture.upstream.take_only().header("cookie"), Some("a=1; b=2"));
    let answer = fixture.run_curl(&["-H", "Authorization: Bearer ul_x", url]).await;
    assert!(answer.starts_with("HTTP/2 401"), "{answer}");
    let answer = fixture.run_curl(&["--http1.1", "-H", &bearer, url]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A browser's request can have dozens of headers, such as cookies, client hints and headers added by other proxies.
pub async fn request_with_many_headers_passes(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let many: Vec<_> = (0..300).map(|number| (format!("X-Own-{number}"), number.to_string())).collect();
    for target in ["/predict/x", "/api/models"] {
        let request = fixture.request_with_key(&key, Method::GET, target);
        let request = many.iter().fold(request, |request, (name, value)| request.header(name, value));
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK, "{target}");
        let seen = fixture.upstream.take_only();
        assert!(many.iter().all(|(name, value)| seen.header(name) == Some(value)), "{seen:?}");
    }
    // nginx itself rejects a request with 2,000 headers. With Caddy, UL Keys rejects the key check for this request,
    // because UL Keys reads at most 1,024 headers. Both report a client error. Traefik includes only a few of the
    // client's headers in the key check, so the request passes.
    let request = fixture.request_with_key(&key, Method::GET, "/predict/x");
    let request = (0..2_000).fold(request, |request, number| request.header(format!("X-{number}"), "a"));
    let answer = request.send().await.expect("answered");
    let expected = match gateway {
        Gateway::Nginx => 400,
        Gateway::Caddy => 431,
        Gateway::Traefik => 200,
    };
    assert_eq!(answer.status(), expected, "{gateway:?}");
}
