//! Tests of slow or disconnected clients, malformed or large requests, and many connections. In each case, the service
//! must still serve all other clients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use ulkeys_domain::Timestamp;
use ulkeys_service::system_clock;

use crate::common::{TestService, read_json};

async fn connect(service: &TestService) -> TcpStream {
    TcpStream::connect(service.address).await.expect("connected")
}

async fn assert_others_are_served(service: &TestService, key: &str) {
    let answer = tokio::time::timeout(Duration::from_secs(10), service.get_summary(key)).await.expect("in time");
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Reads everything that the service sends until it closes the connection.
async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection reset after the response is treated like a normal close.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_idle_connections_leave_room_for_others() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("worker", &["read"]).await;
    assert_others_are_served(&service, &key).await;
    let mut idle = Vec::new();
    for number in 0..5_000 {
        let mut stream = connect(&service).await;
        // Half of the connections send an incomplete request head.
        if number % 2 == 0 {
            stream.write_all(b"GET /api/account/summary HTTP/1.1\r\nHost: ").await.expect("sent");
        }
        idle.push(stream);
        if number % 1_000 == 0 {
            assert_others_are_served(&service, &key).await;
        }
    }
    assert_others_are_served(&service, &key).await;
    let (key_id, _) = service.create_key("created later", &["read"]).await;
    assert!(service.listed_key(&key_id).await.is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_request_closes_its_connection_only() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("worker", &["read"]).await;
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
        // Writing may fail, because the service may reject the request before it is complete.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let answer = read_to_close(&mut stream).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{}: {answer}",
            &request[..40.min(request.len())]
        );
    }
    assert_others_are_served(&service, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_body_is_rejected_and_slow_body_times_out() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let timeout = Duration::from_secs(2);
    let service = TestService::start_with(folder, |config| config.timing.body_timeout = timeout).await;
    let (_, key) = service.create_key("admin", &["admin"]).await;
    let head = |length: &str| {
        format!(
            "POST /api/api-keys HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n{length}\r\n\r\n",
            service.address
        )
    };
    let mut huge = connect(&service).await;
    huge.write_all(head("Content-Length: 9000000000000").as_bytes()).await.expect("sent");
    assert!(read_to_close(&mut huge).await.starts_with("HTTP/1.1 413"));
    let mut endless = connect(&service).await;
    endless.write_all(head("Transfer-Encoding: chunked").as_bytes()).await.expect("sent");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for _ in 0..1_000 {
        if endless.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert!(read_to_close(&mut endless).await.starts_with("HTTP/1.1 413"));
    let mut slow = connect(&service).await;
    slow.write_all(head("Content-Length: 50").as_bytes()).await.expect("sent");
    slow.write_all(b"{\"name\":").await.expect("sent");
    assert_others_are_served(&service, &key).await;
    assert!(read_to_close(&mut slow).await.starts_with("HTTP/1.1 408"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order_after_half_close() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("worker", &["read"]).await;
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
    // The client closes its sending side and waits for the responses.
    stream.shutdown().await.expect("half closed");
    let answers = read_to_close(&mut stream).await;
    let order: Vec<_> = answers.lines().filter_map(|line| line.strip_prefix("x-request-id: number-")).collect();
    assert_eq!(order, (0..300).map(|id| id.to_string()).collect::<Vec<_>>());
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert!(statuses.chunks(3).all(|three| three == ["200", "401", "200"]), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vanished_peers_release_their_connections() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("worker", &["read"]).await;
    for _ in 0..500 {
        let mut stream = connect(&service).await;
        let request = format!(
            "GET /api/api-keys/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\r\n",
            service.address
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream.set_zero_linger().expect("linger of zero, which resets the connection");
    }
    let open = async || {
        let text =
            service.anonymous(Method::GET, "/metrics").send().await.expect("answered").text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix("ulkeys_connections ")).expect("a gauge");
        line.parse::<u32>().expect("a number")
    };
    let start = std::time::Instant::now();
    while open().await > 5 {
        assert!(start.elapsed() < Duration::from_secs(30), "{} connections are still open", open().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

static IS_CLOCK_BROKEN: AtomicBool = AtomicBool::new(false);

fn breakable_clock() -> Timestamp {
    assert!(!IS_CLOCK_BROKEN.load(Ordering::Relaxed), "the clock is broken");
    system_clock()
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_request_is_answered_and_tasks_restart() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let service = TestService::start_with(folder, |config| {
        config.clock = breakable_clock;
        config.timing.usage_flush_interval = Duration::from_millis(100);
    })
    .await;
    let (key_id, key) = service.create_key("worker", &["read"]).await;
    assert_others_are_served(&service, &key).await;
    // Break the clock, and wait until the service has tried to record the usage of the preceding request.
    IS_CLOCK_BROKEN.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (status, body) = read_json(service.get_summary(&key).await).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, serde_json::json!({ "error": "The key service failed", "code": "INTERNAL_ERROR" }));
    IS_CLOCK_BROKEN.store(false, Ordering::Relaxed);
    let usage = service.wait_for_usage(&key_id, |usage| usage["hours"] != serde_json::json!([])).await;
    assert_eq!(usage["hours"][0]["requests"], 1, "{usage}");
    assert_others_are_served(&service, &key).await;
}

/// A gateway forwards all headers of its client, and a browser behind several proxies sends more than a hundred
/// headers.
#[tokio::test]
async fn request_with_thousand_headers_is_accepted() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("many headers", &["read"]).await;
    for (count, status) in [(1_000, 200), (1_100, 431)] {
        let headers: String = (0..count).map(|number| format!("X-{number}: a\r\n")).collect();
        let request = format!(
            "GET /api/account/summary HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             {headers}\r\n",
            service.address
        );
        let mut stream = connect(&service).await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        let answer = read_to_close(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{count}: {answer}");
    }
}

/// Reads one response with a `Content-Length`, and returns its status and body.
async fn read_response(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ").expect("a length").1;
            let length: usize = length.split("\r\n").next().expect("a line").parse().expect("a number");
            if body.len() >= length {
                return text;
            }
        }
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.expect("in time");
        let read = read.expect("read");
        assert!(read > 0, "the connection was closed after {text:?}");
        answer.extend_from_slice(&buffer[..read]);
    }
}

#[tokio::test]
async fn request_with_many_headers_between_others_on_one_connection_is_accepted() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("many headers", &["read", "admin"]).await;
    let head = |line: &str| format!("{line}\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n", service.address);
    let get = head("GET /api/account/summary HTTP/1.1");
    let many: String = (0..150).map(|number| format!("X-{number}: a\r\n")).collect();
    let body = "{\n\n\"name\": \"a\",\n\"scopes\": [\"read\"]".to_owned() + &"\n".repeat(500) + "}";
    let post = head("POST /api/api-keys HTTP/1.1") + &format!("Content-Length: {}\r\n", body.len());
    let mut stream = connect(&service).await;
    for (request, status) in [
        (format!("{get}\r\n"), 200),
        (format!("{post}\r\n{body}"), 201),
        (format!("{get}{many}\r\n"), 200),
        (format!("{get}\r\n"), 200),
        (format!("{post}\r\n{body}"), 201),
        (format!("{get}{many}\r\n"), 200),
    ] {
        // Send the request in pieces, so that no piece contains the whole head.
        for piece in request.as_bytes().chunks(700) {
            stream.write_all(piece).await.expect("sent");
            tokio::task::yield_now().await;
        }
        let answer = read_response(&mut stream).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
    }
}

/// A part of a body that was not read must never be taken for a request.
#[tokio::test]
async fn body_like_request_with_many_headers_is_not_answered() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("smuggler", &["admin"]).await;
    let head = |line: &str| format!("{line}\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n", service.address);
    let many: String = (0..150).map(|number| format!("X-{number}: a\r\n")).collect();
    let hidden = head("GET /api/account/summary HTTP/1.1") + &many + "\r\n";
    let mut stream = connect(&service).await;
    let request = head("POST /api/api-keys HTTP/1.1") + "Content-Length: 100000000\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    assert!(read_response(&mut stream).await.starts_with("http/1.1 413"));
    // The service may already have closed the connection.
    let _ = stream.write_all(hidden.as_bytes()).await;
    let mut rest = String::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut rest)).await.expect("closed");
    assert!(!rest.contains("HTTP/1.1 200"), "{rest}");
}
