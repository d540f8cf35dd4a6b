//! Tests that requests from web pages and for other hosts are rejected, whatever credential they contain.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::header::{HOST, ORIGIN};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{TestService, read_json};

#[tokio::test]
async fn foreign_host_header_is_rejected() {
    let service = TestService::start().await;
    for host in [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example:80",
        "localhost.evil.example",
        "evil.localhost",
        "localhost@evil.example",
        "evil@localhost",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "192.168.0.2",
        "[::]",
        "[fe80::1]",
        "",
    ] {
        let request = service.app(Method::GET, "/api/api-keys").header(HOST, host);
        let (status, body) = read_json(request.send().await.expect("answered")).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"FORBIDDEN".into()), "{host}");
        let way = format!("Use http://{}", service.address);
        assert!(body["error"].as_str().is_some_and(|text| text.contains(&way)), "{body}");
    }
}

/// Another program may forward a port of its own to the service (`ssh -L`, `socat`), and a client may use any loopback
/// name.
#[tokio::test]
async fn loopback_host_with_any_port_is_accepted() {
    let service = TestService::start().await;
    let port = service.address.port();
    for name in ["127.0.0.1", "LocalHost", "[::1]", "127.9.9.9", "[::ffff:127.0.0.1]"] {
        for host in [name.to_owned(), format!("{name}:{port}"), format!("{name}:9000")] {
            let request = service.app(Method::GET, "/api/api-keys").header(HOST, &host);
            assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK, "{host}");
        }
    }
}

/// The authority of the request target takes precedence over the `Host` header (RFC 9112, section 3.2.2).
#[tokio::test]
async fn foreign_target_authority_is_rejected() {
    let service = TestService::start().await;
    let local = service.address;
    for (target, status) in [
        (format!("http://{local}/healthz"), "200"),
        ("http://localhost:9000/healthz".to_owned(), "200"),
        ("http://evil.example/healthz".to_owned(), "403"),
        (format!("http://evil@{local}/healthz"), "403"),
    ] {
        let answer = send_head(local, &format!("GET {target} HTTP/1.1\r\nHost: {local}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{target}: {answer}");
    }
}

/// The client must be able to reach the upload URL, so the URL contains the host and port that the client used.
#[tokio::test]
async fn upload_url_has_the_port_of_the_host_header() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    for host in ["localhost:9000", "[::1]:9000", "127.0.0.1"] {
        let post = |path: &str, body: Value| service.bearer(&key, Method::POST, path).header(HOST, host).json(&body);
        let started = json!({ "project": "p", "name": "n", "event": "training_started", "data": {} });
        let (status, run) =
            read_json(post("/api/webhooks/training/metrics", started).send().await.expect("answered")).await;
        assert_eq!(status, StatusCode::OK, "{run}");
        assert!(run["modelUrl"].as_str().is_some_and(|url| url.starts_with(&format!("http://{host}/"))), "{run}");
        let wanted = json!({ "filename": "best.pt", "modelId": run["modelId"] });
        let (_, ticket) = read_json(post("/api/webhooks/models/upload", wanted).send().await.expect("answered")).await;
        let expected = format!("http://{host}/uploads/");
        assert!(ticket["uploadUrl"].as_str().is_some_and(|url| url.starts_with(&expected)), "{ticket}");
    }
}

/// The name `localhost` stands for both loopback addresses, and a client may try only one of them.
#[tokio::test]
async fn listen_requires_both_loopback_addresses() {
    let listeners = ulkeys_service::listen(0).await.expect("a free port");
    let first = listeners[0].local_addr().expect("bound");
    assert!(first.ip().is_loopback() && first.is_ipv4());
    let port = first.port();
    drop(listeners);
    let Ok(foreign) = tokio::net::TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await else {
        return;
    };
    let error = ulkeys_service::listen(port).await.expect_err("another program would answer for localhost");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    drop(foreign);
    let listeners = ulkeys_service::listen(port).await.expect("available again");
    assert_eq!(listeners.len(), 2);

    let service = TestService::start_on(listeners).await;
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    for address in addresses {
        let answer = send_head(address, &format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{address}: {answer}");
    }
    drop(service.stop().await);
    for address in addresses {
        assert!(TcpStream::connect(address).await.is_err(), "the service still listens on {address}");
    }
}

/// Sends a request without a body and reads the whole response.
async fn send_head(address: SocketAddr, head: &str) -> String {
    send_raw(address, &format!("{head}Connection: close\r\n\r\n")).await
}

async fn send_raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}

/// RFC 9112, section 3.2, requires status 400 for these requests.
#[tokio::test]
async fn missing_repeated_or_malformed_host_is_bad_request() {
    let service = TestService::start().await;
    let host = format!("Host: {}\r\n", service.address);
    for (hosts, error) in [
        (String::new(), "Host: is required"),
        (host.repeat(2), "Host: was sent more than once"),
        (format!("{host}Host: evil.example\r\n"), "Host: was sent more than once"),
        ("Host: one two\r\n".to_owned(), "Host: is not a host and a port"),
        ("Host: http://localhost\r\n".to_owned(), "Host: is not a host and a port"),
        ("Host: local\u{f6}host\r\n".to_owned(), "Host: is not a host and a port"),
    ] {
        for target in ["/healthz".to_owned(), format!("http://{}/healthz", service.address)] {
            let answer = send_head(service.address, &format!("GET {target} HTTP/1.1\r\n{hosts}")).await;
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(error), "{hosts:?}: {answer}");
        }
    }
    // HTTP/1.0 does not require a `Host` header, but without one the service cannot rule out that a web page sent the
    // request under another host name.
    let answer = send_head(service.address, "GET /healthz HTTP/1.0\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 403"), "{answer}");
}

/// The authority of the request target takes precedence over the `Host` header (RFC 9112, section 3.2.2). This also
/// applies to the host in URLs that the response contains.
#[tokio::test]
async fn upload_url_has_the_authority_of_the_target() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let local = service.address;
    for (authority, host) in [
        ("localhost:9000", local.to_string()),
        ("[::1]:9001", "localhost:9000".to_owned()),
        ("127.0.0.1", String::new()),
    ] {
        let post = async |path: &str, body: Value| {
            let body = body.to_string();
            let head = format!(
                "POST http://{authority}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let answer = send_raw(local, &head).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{authority} {host}: {answer}");
            let body = answer.split_once("\r\n\r\n").expect("a body").1;
            serde_json::from_str::<Value>(body).expect("JSON")
        };
        let started = json!({ "project": "p", "name": "n", "event": "training_started", "data": {} });
        let run = post("/api/webhooks/training/metrics", started).await;
        assert!(run["modelUrl"].as_str().is_some_and(|url| url.starts_with(&format!("http://{authority}/"))), "{run}");
        let ticket =
            post("/api/webhooks/models/upload", json!({ "filename": "best.pt", "modelId": run["modelId"] })).await;
        let expected = format!("http://{authority}/uploads/");
        assert!(ticket["uploadUrl"].as_str().is_some_and(|url| url.starts_with(&expected)), "{ticket}");
    }
}

#[tokio::test]
async fn browser_request_with_valid_credential_is_rejected() {
    let service = TestService::start().await;
    let own = format!("http://{}", service.address);
    for (header, value) in [
        (ORIGIN.as_str(), "https://evil.example"),
        (ORIGIN.as_str(), "null"),
        (ORIGIN.as_str(), &own),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            let answer = service.app(method, "/api/api-keys").header(header, value).send().await.expect("answered");
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{header}: {value}");
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
        }
    }
    let typed = service.anonymous(Method::GET, "/healthz").header("sec-fetch-site", "none");
    assert_eq!(typed.send().await.expect("answered").status(), StatusCode::OK);
}
