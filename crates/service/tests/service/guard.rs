//! Web pages and other hosts are not served, whatever credential they show.

use crate::common::{TestService, read};
use reqwest::header::{HOST, ORIGIN};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_rebound_name_is_refused() {
    let service = TestService::start().await;
    let port = service.address.port();
    for host in ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:80"] {
        let request = service.app(Method::GET, "/api/api-keys").header(HOST, host);
        let (status, body) = read(request.send().await.expect("answered")).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"FORBIDDEN".into()), "{host}");
    }
    for host in [format!("127.0.0.1:{port}"), format!("LocalHost:{port}")] {
        let request = service.app(Method::GET, "/api/api-keys").header(HOST, &host);
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn a_missing_or_doubled_host_is_refused() {
    let service = TestService::start().await;
    let host = format!("Host: {}\r\n", service.address);
    for hosts in [String::new(), host.repeat(2)] {
        let mut stream = TcpStream::connect(service.address).await.expect("connected");
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}

#[tokio::test]
async fn a_web_page_is_refused_even_with_the_right_credential() {
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
