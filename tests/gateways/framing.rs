//! Tests that the gateway and the upstream agree on where one request ends and the next begins.

use std::time::Duration;

use crate::Outcome;
use crate::gateway::Gateway;
use crate::gateway_fixture::{GatewayFixture, parse_status};

/// Ends of requests whose length is ambiguous: a careless parser could read the bytes that follow as a second request.
const SMUGGLING_PAYLOADS: &[&str] = &[
    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
    "Content-Length: 60\r\nContent-Length: 0\r\n\r\n",
    "Content-Length: 0, 60\r\n\r\n",
    "Content-Length: +0\r\n\r\n",
    "Content-Length: 0x0\r\n\r\n",
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "Transfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Connection: Content-Length\r\nContent-Length: 0\r\n\r\n",
    "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0;x=\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n00000000000000000\r\n\r\n",
    "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
];

/// The bytes after a request of ambiguous length never reach the upstream as a second request, unless the gateway has
/// authorized that request too.
pub async fn request_with_contradicting_lengths_smuggles_no_second_one(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let head = format!("Host: a\r\nAuthorization: Bearer {key}\r\n");
    for rest in SMUGGLING_PAYLOADS {
        let hidden = "GET /private HTTP/1.1\r\nHost: a\r\nX-Key-Id: key_forged\r\n\r\n";
        fixture.exchange_bytes(&format!("POST /predict/x HTTP/1.1\r\n{head}{rest}{hidden}"), 2).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        for seen in fixture.upstream.take_received() {
            assert_eq!(seen.target, "/predict/x", "{rest:?}: {seen:?}");
            assert_ne!(seen.header("x-key-id"), Some("key_forged"), "{rest:?}: {seen:?}");
        }
    }
    // Each of several requests on one connection is authorized separately.
    let more = "GET /predict/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = fixture.exchange_bytes(&format!("GET /predict/x HTTP/1.1\r\n{head}\r\n{more}"), 0).await;
    assert_eq!(parse_status(&answer), Some(200), "{answer}");
    assert!(answer.contains("HTTP/1.1 401 "), "{answer}");
    assert_eq!(fixture.upstream.take_received().len(), 1);
}

/// Sends folded header lines (obsolete since RFC 7230), two `Host` headers, and values with control characters.
pub async fn ambiguous_header_forges_nothing(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (key_id, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let plain = format!(
        "GET /predict/x HTTP/1.1\r\nHost: one\r\nX-A: b\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    );
    fixture.exchange_bytes(&plain, 0).await;
    assert_eq!(
        fixture.upstream.take_only().header("x-key-id"),
        Some(key_id.as_str()),
        "a request without ambiguous headers passes"
    );
    for extra in [
        "Host: one\r\nHost: two\r\n",
        "Host: one\r\nX-A: b\r\n\tX-Key-Id: key_forged\r\n",
        "Host: one\r\nX-A: b\r\n X-Key-Id: key_forged\r\n",
        "Host: one\r\nX-A: b\rX-Key-Id: key_forged\r\n",
        "Host: one\r\nX-A: b\nX-Key-Id: key_forged\r\n",
        "Host: one\r\nX-A: b\0X-Key-Id: key_forged\r\n",
        "Host: one\r\nX-Key-Id:\r\n key_forged\r\n",
        "Host: one two\r\n",
        "Host: one/two\r\n",
        "Host: one@two\r\n",
        "Host: one\r\nX-Key-Id;: key_forged\r\n",
        "Host: one\r\n: key_forged\r\n",
    ] {
        let request =
            format!("GET /predict/x HTTP/1.1\r\n{extra}Authorization: Bearer {key}\r\nConnection: close\r\n\r\n");
        fixture.exchange_bytes(&request, 0).await;
        for seen in fixture.upstream.take_received() {
            assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()), "{extra:?}: {seen:?}");
            assert!(seen.header("host").is_some_and(|host| !host.contains([' ', '/'])), "{extra:?}: {seen:?}");
        }
    }
}

/// Sends bodies with a `Content-Length`, chunked bodies and empty bodies.
pub async fn chunked_or_sized_body_passes(gateway: Gateway) -> Outcome {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let head = format!("POST /predict/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n");
    for (rest, size) in [
        ("Content-Length: 5\r\n\r\nhello", 5),
        ("Transfer-Encoding: chunked\r\n\r\n5;name=\"value\"\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 6),
        ("Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 5),
        ("Content-Length: 0\r\n\r\n", 0),
        ("\r\n", 0),
    ] {
        let answer = fixture.exchange_bytes(&format!("{head}{rest}"), 0).await;
        assert!(answer.contains("200 OK"), "{rest}: {answer}");
        assert_eq!(fixture.upstream.take_only().body, size, "{rest}");
    }
    let head =
        "POST /predict/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let answer = fixture.exchange_bytes(head, 1).await;
    assert_eq!(fixture.upstream.take_received().len(), 0);
    match parse_status(&answer) {
        Some(401) => Outcome::AsClaimed,
        Some(100) => Outcome::Difference("requests the body before it rejects the request"),
        _ => panic!("{answer}"),
    }
}

/// Trailer fields follow the body. The gateway drops the trailer fields of requests, so that no program can mistake
/// them for headers.
pub async fn trailers_of_request_are_dropped(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (key_id, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let head = format!("POST /predict/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n");
    let trailer = "Trailer: X-Key-Id, X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Key-Id: key_forged\r\nX-Sum: 1\r\n\r\n";
    assert_eq!(parse_status(&fixture.exchange_bytes(&format!("{head}{trailer}"), 0).await), Some(200));
    let seen = fixture.upstream.take_only();
    assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()));
    assert_eq!(seen.body, 1);
    assert!(seen.trailers.is_empty(), "{seen:?}");
}
