//! What passes is not touched, nor held back.

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
    let (_, key) = fixture.service.create_key("uploader", &["models"]).await.expect("made");
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
    // A client that is refused may still be sending, and see its connection end before it sees the answer.
    if let Ok(answer) =
        fixture.request_with_key("ul_x", Method::PUT, "/predict/x").body(vec![7; PAYLOAD_BYTES]).send().await
    {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(fixture.upstream.take_received().len(), 0);
}

/// An error of the upstream's own is not taken for a refusal.
pub async fn upstream_response_passes(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("made");
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
        (StatusCode::NOT_MODIFIED, &"\"one\"".parse().expect("a tag"))
    );
}

/// Sends; the answer's head must come before the upstream goes on.
async fn receive_head(request: RequestBuilder) -> Response {
    tokio::time::timeout(WAIT_TIMEOUT, request.send()).await.expect("a head before the end").expect("answered")
}

/// The upstream holds the second piece back until the client has the first.
pub async fn response_in_chunks_passes_unbuffered(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("reader", &["models"]).await.expect("made");
    for target in ["/predict/x", "/api/models/a"] {
        for query in [
            "stream=text/event-stream",
            "stream=application/x-ndjson",
            "stream=application/octet-stream&length=known",
            "stream=text/plain&length=known",
        ] {
            let get = fixture.request_with_key(&key, Method::GET, &format!("{target}?{query}"));
            // An upstream that answers a body sooner, Caddy and Traefik sometimes cut off (golang/go#40747).
            let post =
                fixture.request_with_key(&key, Method::POST, &format!("{target}?compute=300&{query}")).body("{}");
            for request in [get, post] {
                let mut answer = receive_head(request).await;
                let first =
                    tokio::time::timeout(WAIT_TIMEOUT, answer.chunk()).await.expect("the first before the second");
                assert_eq!(first.expect("a piece").as_deref(), Some(&b"data: 0\n\n"[..]), "{query}");
                assert!(answer.chunk().now_or_never().is_none(), "the second is not there yet: {query}");
                fixture.upstream.resume(1);
                assert_eq!(answer.text().await.expect("the rest"), "data: 1\n\n", "{query}");
            }
        }
    }
}

/// The client holds the second piece back until the upstream has the first.
pub async fn body_in_chunks_passes_unbuffered(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("uploader", &["models"]).await.expect("made");
    for (number, length) in [None, Some(14)].into_iter().enumerate() {
        let (pieces, body) = mpsc::channel(1);
        let body = stream::unfold(body, async |mut body| body.recv().await.map(|piece| (piece, body)));
        let mut request = fixture.request_with_key(&key, Method::PUT, "/predict/x").body(Body::wrap_stream(body));
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        let sending = tokio::spawn(request.send());
        pieces.send(Ok::<_, Infallible>(Bytes::from("piece 1"))).await.expect("sending");
        let arrived = async {
            while fixture.upstream.received_body_bytes() < 14 * number + 7 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, arrived).await.expect("the first piece before the second");
        pieces.send(Ok(Bytes::from("piece 2"))).await.expect("sending");
        drop(pieces);
        assert_eq!(sending.await.expect("no panic").expect("answered").status(), StatusCode::OK);
        assert_eq!(fixture.upstream.take_only().body, 14);
    }
}

/// Nothing is computed for nobody.
pub async fn client_disconnect_aborts_upstream_request(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("reader", &["models"]).await.expect("made");
    for (number, query) in ["pause=before-answer", "stream=text/event-stream", "stream=text/plain"].iter().enumerate() {
        let request = fixture.request_with_key(&key, Method::GET, &format!("/predict/x?{query}"));
        let sending = tokio::spawn(async move { request.send().await?.text().await });
        let reached = async {
            while fixture.upstream.take_received().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, reached).await.expect("reaches the upstream");
        tokio::time::sleep(Duration::from_millis(100)).await;
        sending.abort();
        let noticed = async {
            while fixture.upstream.aborted_responses() <= number {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, noticed).await.unwrap_or_else(|_| panic!("the upstream notices: {query}"));
    }
}

/// What a gateway takes, the question about it has room for too.
pub async fn long_heads_pass_and_too_long_ones_are_rejected(gateway: Gateway) {
    const PAYLOAD_BYTES: usize = 24 << 10;
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("made");
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
    assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK, "as much as nginx takes");
    fixture.upstream.take_only();
    // What is too long is the client's error, and a clear one.
    let long = "x".repeat(200 << 10);
    let mut answers = 0;
    for (target, value) in [(format!("/predict/x?{long}"), "short"), ("/predict/x".to_owned(), &*long)] {
        for name in ["Cookie", "X-Long", "User-Agent", "X-API-Key", "Proxy-Authorization"] {
            let answer = fixture.request_with_key(&key, Method::GET, &target).header(name, value).send().await;
            // The gateway may close before it has read everything.
            if let Ok(answer) = answer {
                assert!(answer.status().is_client_error(), "{name}: {answer:?}");
                answers += 1;
            }
            assert_eq!(fixture.upstream.take_received().len(), 0);
        }
    }
    assert!(answers > 0, "each ended without an answer");
    for size in [24 << 10, 64 << 10] {
        let value = format!("Bearer {}", "x".repeat(size));
        let answer = fixture.anonymous_request(Method::GET, "/predict/x").header("Authorization", value).send().await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status().is_client_error()), "{size}");
        assert_eq!(fixture.upstream.take_received().len(), 0);
    }
}

/// A length without a body would make the next question a part of this one.
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

/// A new connection for each would use up the ports of a busy computer.
pub async fn key_checks_share_connections(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("made");
    for _ in 0..50 {
        assert_eq!(
            fixture.request_with_key(&key, Method::GET, "/predict/x").send().await.expect("answered").status(),
            StatusCode::OK
        );
    }
    // Those that have ended stay in the system's table for a minute.
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let service = format!("0100007F:{:04X}", fixture.service.address.port());
    let connections = table.lines().filter(|line| line.split_whitespace().nth(2) == Some(&*service)).count();
    assert!(connections < 25, "{connections}");
}

/// With the lines that the files have for it.
pub async fn http_2_over_tls_passes(gateway: Gateway) {
    let fixture = GatewayFixture::start_with(gateway, FixtureOptions { tls: true, ..FixtureOptions::default() }).await;
    let (key_id, key) = fixture.service.create_key("key", &["models"]).await.expect("made");
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
    // The cookies of a browser come one by one there.
    fixture.run_curl(&["-H", &bearer, "-H", "Cookie: a=1", "-H", "Cookie: b=2", url]).await;
    assert_eq!(fixture.upstream.take_only().header("cookie"), Some("a=1; b=2"));
    let answer = fixture.run_curl(&["-H", "Authorization: Bearer ul_x", url]).await;
    assert!(answer.starts_with("HTTP/2 401"), "{answer}");
    let answer = fixture.run_curl(&["--http1.1", "-H", &bearer, url]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A browser behind other proxies has dozens of cookies and hints.
pub async fn request_with_many_headers_passes(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("made");
    let many: Vec<_> = (0..300).map(|number| (format!("X-Own-{number}"), number.to_string())).collect();
    for target in ["/predict/x", "/api/models"] {
        let request = fixture.request_with_key(&key, Method::GET, target);
        let request = many.iter().fold(request, |request, (name, value)| request.header(name, value));
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK, "{target}");
        let seen = fixture.upstream.take_only();
        assert!(many.iter().all(|(name, value)| seen.header(name) == Some(value)), "{seen:?}");
    }
    // More are the client's error, of nginx itself or of UL Keys, which reads 1,024. Traefik asks without them.
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
