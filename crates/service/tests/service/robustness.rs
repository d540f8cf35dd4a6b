//! Peers that are slow, huge, malformed, many, or gone: the others are served all the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use ulkeys_domain::Timestamp;
use ulkeys_service::system_clock;

use crate::common::{TestService, read};

async fn connect(service: &TestService) -> TcpStream {
    TcpStream::connect(service.address).await.expect("connected")
}

async fn others_are_served(service: &TestService, key: &str) {
    let answer = tokio::time::timeout(Duration::from_secs(10), service.summary(key)).await.expect("in time");
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Everything that the service sends until it closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_idle_connections_shut_nobody_out() {
    let service = TestService::start().await;
    let (_, key) = service.key("worker", &["read"]).await;
    others_are_served(&service, &key).await;
    let mut idle = Vec::new();
    for number in 0..5_000 {
        let mut stream = connect(&service).await;
        // Half of them have begun a head and do not go on.
        if number % 2 == 0 {
            stream.write_all(b"GET /api/account/summary HTTP/1.1\r\nHost: ").await.expect("sent");
        }
        idle.push(stream);
        if number % 1_000 == 0 {
            others_are_served(&service, &key).await;
        }
    }
    others_are_served(&service, &key).await;
    let (key_id, _) = service.key("made meanwhile", &["read"]).await;
    assert!(service.listed(&key_id).await.is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_end_their_own_connection_only() {
    let service = TestService::start().await;
    let (_, key) = service.key("worker", &["read"]).await;
    let host = service.address;
    let long = "x".repeat(100_000);
    for request in [
        "\r\n\r\n\0\0\0".to_owned(),
        "GET\r\n\r\n".to_owned(),
        format!("GET / HTTP/9.9\r\nHost: {host}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Long: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\n{}\r\n", "X-Many: y\r\n".repeat(2_000)),
        format!("POST /api/api-keys HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n"),
        format!("POST /api/api-keys HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        format!(
            "POST /api/api-keys HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\nzz\r\n"
        ),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let mut stream = connect(&service).await;
        // The service may have heard enough before all of it is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let answer = rest(&mut stream).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{}: {answer}",
            &request[..40.min(request.len())]
        );
    }
    others_are_served(&service, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_body_is_refused_and_a_slow_one_given_up() {
    let service = TestService::start().await;
    let (_, key) = service.key("admin", &["admin"]).await;
    let head = |length: &str| {
        format!(
            "POST /api/api-keys HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n{length}\r\n\r\n",
            service.address
        )
    };
    let mut huge = connect(&service).await;
    huge.write_all(head("Content-Length: 9000000000000").as_bytes()).await.expect("sent");
    assert!(rest(&mut huge).await.starts_with("HTTP/1.1 413"));
    let mut endless = connect(&service).await;
    endless.write_all(head("Transfer-Encoding: chunked").as_bytes()).await.expect("sent");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for _ in 0..1_000 {
        if endless.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert!(rest(&mut endless).await.starts_with("HTTP/1.1 413"));
    let mut slow = connect(&service).await;
    slow.write_all(head("Content-Length: 50").as_bytes()).await.expect("sent");
    slow.write_all(b"{\"name\":").await.expect("sent");
    others_are_served(&service, &key).await;
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 408"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order_and_half_closed_ones_too() {
    let service = TestService::start().await;
    let (_, key) = service.key("worker", &["read"]).await;
    let mut stream = connect(&service).await;
    let request = |path: &str, key: &str, id: usize| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nX-Request-Id: number-{id}\r\n\r\n",
            service.address
        )
    };
    let unknown = format!("ul_{}", "a".repeat(40));
    let mut all = String::new();
    for id in 0..300 {
        let (path, key) = match id % 3 {
            0 => ("/api/account/summary", key.as_str()),
            1 => ("/api/account/summary", unknown.as_str()),
            _ => ("/healthz", key.as_str()),
        };
        all += &request(path, key, id);
    }
    stream.write_all(all.as_bytes()).await.expect("sent");
    // The peer has nothing more to say, and waits for the answers.
    stream.shutdown().await.expect("half closed");
    let answers = rest(&mut stream).await;
    let order: Vec<_> = answers.lines().filter_map(|line| line.strip_prefix("x-request-id: number-")).collect();
    assert_eq!(order, (0..300).map(|id| id.to_string()).collect::<Vec<_>>());
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert!(statuses.chunks(3).all(|three| three == ["200", "401", "200"]), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_vanish_leave_nothing_behind() {
    let service = TestService::start().await;
    let (_, key) = service.key("worker", &["read"]).await;
    for _ in 0..500 {
        let mut stream = connect(&service).await;
        let request = format!(
            "GET /api/api-keys/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\r\n",
            service.address
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream.set_zero_linger().expect("a reset instead of an orderly end");
    }
    let open = async || {
        let text =
            service.anonymous(Method::GET, "/metrics").send().await.expect("answered").text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix("ulkeys_connections ")).expect("a gauge");
        line.parse::<u32>().expect("a number")
    };
    let start = std::time::Instant::now();
    while open().await > 5 {
        assert!(start.elapsed() < Duration::from_secs(30), "{} are left", open().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

static IS_CLOCK_BROKEN: AtomicBool = AtomicBool::new(false);

fn breakable_clock() -> Timestamp {
    assert!(!IS_CLOCK_BROKEN.load(Ordering::Relaxed), "the clock is broken");
    system_clock()
}

#[tokio::test(flavor = "multi_thread")]
async fn request_that_panics_is_answered_and_background_tasks_go_on() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| config.clock = breakable_clock).await;
    let (key_id, key) = service.key("worker", &["read"]).await;
    others_are_served(&service, &key).await;
    // The use above is to be written within this time.
    IS_CLOCK_BROKEN.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (status, body) = read(service.summary(&key).await).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, serde_json::json!({ "error": "The key service failed", "code": "INTERNAL_ERROR" }));
    IS_CLOCK_BROKEN.store(false, Ordering::Relaxed);
    let usage = service.usage_when(&key_id, |usage| usage["hours"] != serde_json::json!([])).await;
    assert_eq!(usage["hours"][0]["requests"], 1, "{usage}");
    others_are_served(&service, &key).await;
}

/// A gateway asks with every header of its client, and a browser behind several proxies sends more than a hundred.
#[tokio::test]
async fn request_with_a_thousand_headers_is_served() {
    let service = TestService::start().await;
    let (_, key) = service.key("many headers", &["read"]).await;
    for (count, status) in [(1_000, 200), (1_100, 431)] {
        let headers: String = (0..count).map(|number| format!("X-{number}: a\r\n")).collect();
        let request = format!(
            "GET /api/account/summary HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             {headers}\r\n",
            service.address
        );
        let mut stream = connect(&service).await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{count}: {answer}");
    }
}
