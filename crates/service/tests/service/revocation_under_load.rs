//! Clients send requests with a key while that key is being revoked. Every request that starts after the revocation has
//! been acknowledged is rejected, whether it is sent to the service, through a gateway, or to a resource server that
//! introspects the key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::Method;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::common::TestService;

const CONNECTION_COUNT: usize = 8;

const REQUEST_COUNT: usize = 60_000;

/// The number of requests that must be accepted before the key is revoked.
const ACCEPTED_BEFORE_REVOCATION: usize = REQUEST_COUNT / 4;

/// Sends a request on an open connection and returns whether the key was accepted.
async fn send_and_check_accepted(stream: &mut BufReader<TcpStream>, request: &[u8]) -> bool {
    stream.write_all(request).await.expect("sent");
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("answered");
    let status: u16 = line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    assert!(matches!(status, 200 | 204 | 401), "{line}");
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await.expect("a header");
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().expect("number")
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    status == 204 || (status == 200 && !body.starts_with(br#"{"active":false"#))
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_key_is_rejected_by_the_service() {
    load_until_revoked(|service, key| {
        let host = service.address;
        format!("GET /api/account/summary HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_key_is_rejected_by_forward_auth() {
    load_until_revoked(|service, key| {
        format!(
            "GET /forward-auth HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nX-Original-Method: GET\r\n\
             X-Original-URI: /api/models/a\r\n\r\n",
            service.address
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_key_is_rejected_by_introspection() {
    load_until_revoked(|service, key| {
        format!(
            "POST /oauth2/introspect HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: 49\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken={key}",
            service.address, service.session
        )
    })
    .await;
}

async fn load_until_revoked(request: impl Fn(&TestService, &str) -> String) {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("hammer", &["read"]).await;
    let request: Arc<[u8]> = request(&service, &key).into_bytes().into();
    let acknowledged = Arc::new(AtomicBool::new(false));
    let accepted = Arc::new(AtomicUsize::new(0));

    let hammers: Vec<_> = (0..CONNECTION_COUNT)
        .map(|_| {
            let (request, acknowledged, accepted) = (request.clone(), acknowledged.clone(), accepted.clone());
            let address = service.address;
            tokio::spawn(async move {
                let mut stream = BufReader::new(TcpStream::connect(address).await.expect("connected"));
                let (mut late, mut late_accepted) = (0, 0);
                for _ in 0..REQUEST_COUNT / CONNECTION_COUNT {
                    let started_after = acknowledged.load(Ordering::SeqCst);
                    let is_accepted = send_and_check_accepted(&mut stream, &request).await;
                    late += usize::from(started_after);
                    late_accepted += usize::from(started_after && is_accepted);
                    accepted.fetch_add(usize::from(is_accepted), Ordering::Relaxed);
                }
                (late, late_accepted)
            })
        })
        .collect();

    while accepted.load(Ordering::Relaxed) < ACCEPTED_BEFORE_REVOCATION {
        assert!(!hammers.iter().any(JoinHandle::is_finished), "the key works until it is revoked");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    service.revoke_key(&key_id).await;
    acknowledged.store(true, Ordering::SeqCst);

    let (mut late, mut late_accepted) = (0, 0);
    for hammer in hammers {
        let (count, wrong) = hammer.await.expect("no panic");
        late += count;
        late_accepted += wrong;
    }
    assert!(accepted.load(Ordering::Relaxed) >= ACCEPTED_BEFORE_REVOCATION, "the key worked before");
    assert!(late > REQUEST_COUNT / 4, "too few requests after the revocation: {late}");
    assert_eq!(late_accepted, 0);
}

/// A request that was authorized when its head arrived has no effect if its body arrives after the revocation.
#[tokio::test(flavor = "multi_thread")]
async fn body_received_after_revocation_is_rejected() {
    let service = TestService::start().await;
    let (admin_id, admin) = service.create_key("stolen", &["admin", "training"]).await;
    let (other_id, _) = service.create_key("other", &["read"]).await;
    let begin = async |method: &str, path: &str, body: &str| {
        let mut stream = TcpStream::connect(service.address).await.expect("connected");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {admin}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            service.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(&body.as_bytes()[..5]).await.expect("sent");
        (stream, body[5..].to_owned())
    };
    let mut begun = vec![
        begin("POST", "/api/api-keys", r#"{"name":"late","scopes":["admin"]}"#).await,
        begin("PATCH", &format!("/api/api-keys/{other_id}"), r#"{"name":"late"}"#).await,
        begin("POST", "/api/webhooks/models/upload", r#"{"filename":"best.pt","project":"a/b"}"#).await,
        begin("POST", "/api/webhooks/training/metrics", r#"{"project":"a/b","event":"training_started","data":{}}"#)
            .await,
    ];
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    service.revoke_key(&admin_id).await;
    for (stream, rest) in &mut begun {
        stream.write_all(rest.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    assert_eq!(service.listed_key(&other_id).await["name"], "other");
    let answer = service.app(Method::GET, "/api/api-keys").send().await.expect("answered");
    assert!(!answer.text().await.expect("a body").contains("late"));
    let answer = service.app(Method::GET, "/api/training/runs").send().await.expect("answered");
    assert!(!answer.text().await.expect("a body").contains("modelId"));
}
