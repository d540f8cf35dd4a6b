//! Tests what a client receives when the program behind the gateway sends predefined bytes as its response.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::Outcome;
use crate::gateway::Gateway;
use crate::gateway_fixture::{FixtureOptions, GatewayFixture};

/// Starts a program that answers each request with the predefined bytes for the target of the request.
async fn start_scripted_upstream(answers: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                loop {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        if !stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                            return;
                        }
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let target = head.split(' ').nth(1).unwrap_or_default();
                    let answer = answers.iter().find(|(name, _)| target.ends_with(name)).map(|(_, answer)| *answer);
                    // Send the pieces of the response, which are separated by `|`, one after another.
                    for piece in answer.unwrap_or("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").split('|') {
                        let _ = stream.write_all(piece.as_bytes()).await;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            });
        }
    });
    address
}

async fn start_with_responses(
    gateway: Gateway,
    answers: &'static [(&'static str, &'static str)],
) -> (GatewayFixture, String) {
    let options = FixtureOptions { program: Some(start_scripted_upstream(answers).await), ..FixtureOptions::default() };
    let fixture = GatewayFixture::start_with(gateway, options).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    (fixture, key)
}

/// Sends a request and reads the whole response.
async fn fetch_response(fixture: &GatewayFixture, key: &str, target: &str) -> String {
    let rest = format!("Host: a\r\nAuthorization: Bearer {key}\r\nTE: trailers\r\nConnection: close\r\n\r\n");
    fixture.exchange_bytes(&format!("GET {target} HTTP/1.1\r\n{rest}"), 0).await
}

/// Returns the headers of a response, with their names in lower case.
fn parse_headers(answer: &str) -> BTreeMap<String, Vec<String>> {
    let mut headers = BTreeMap::<_, Vec<_>>::new();
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(':')) {
        headers.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
    }
    headers
}

/// By default, nginx obeys `X-Accel-*` headers in a response: they redirect the request to another location, or
/// throttle or change the response.
pub async fn response_with_x_accel_headers_passes_unchanged(gateway: Gateway) {
    const X_ACCEL_RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\nContent-Type: text/plain\r\n\
        X-Accel-Redirect: /predict/other\r\nX-Accel-Limit-Rate: 1\r\nX-Accel-Buffering: yes\r\n\
        X-Accel-Charset: koi8-r\r\nX-Accel-Expires: 60\r\n\r\nfrom the program\r\n";
    let (fixture, key) = start_with_responses(
        gateway,
        &[("/x", X_ACCEL_RESPONSE), ("/other", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")],
    )
    .await;
    for target in ["/predict/x", "/api/models/x"] {
        let start = Instant::now();
        let answer = fetch_response(&fixture, &key, target).await;
        assert!(answer.ends_with("from the program\r\n"), "{answer}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        let headers = parse_headers(&answer);
        assert_eq!(headers["content-type"], ["text/plain"], "{answer}");
        for (name, value) in [
            ("redirect", "/predict/other"),
            ("limit-rate", "1"),
            ("buffering", "yes"),
            ("charset", "koi8-r"),
            ("expires", "60"),
        ] {
            assert_eq!(headers[&format!("x-accel-{name}")], [value], "{answer}");
        }
    }
}

pub async fn response_arrives_with_upstream_headers_only(gateway: Gateway) -> Outcome {
    const RESPONSE_DATE: &str = "Sat, 29 Oct 1994 19:43:31 GMT";
    const FULL_RESPONSE: &str = "HTTP/1.1 200 OK\r\nServer: program/1\r\nDate: Sat, 29 Oct 1994 19:43:31 GMT\r\nX-Own: a\r\n\
        Content-Type: text/x-own\r\nVia: own\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 3\r\n\r\nall";
    const MINIMAL_RESPONSE: &str =
        "HTTP/1.1 200 OK\r\nDate: Sat, 29 Oct 1994 19:43:31 GMT\r\nContent-Length: 14\r\n\r\n<html>few</htm>";
    let (fixture, key) = start_with_responses(gateway, &[("/all", FULL_RESPONSE), ("/few", MINIMAL_RESPONSE)]).await;
    // Checks the expected headers and those that every response has, and returns all other headers.
    let rest = async |target: &str, expected: &[(&str, &[&str])]| {
        let mut headers = parse_headers(&fetch_response(&fixture, &key, target).await);
        for (name, values) in [("connection", &["close"][..]), ("date", &[RESPONSE_DATE])].iter().chain(expected) {
            assert_eq!(headers.remove(*name).unwrap_or_default(), *values, "{name}");
        }
        headers.iter().map(|(name, values)| format!("{name}: {}", values.join(" and "))).collect::<Vec<_>>().join(", ")
    };
    let own: &[(&str, &[&str])] = &[
        ("content-type", &["text/x-own"]),
        ("x-own", &["a"]),
        ("via", &["own"]),
        ("set-cookie", &["a=1", "b=2"]),
        ("content-length", &["3"]),
    ];
    let (all, few) = (rest("/predict/all", own).await, rest("/predict/few", &[("content-length", &["14"])]).await);
    match (&*all, &*few) {
        ("server: program/1", "") => Outcome::AsClaimed,
        ("server: Caddy and program/1", "content-type: text/html; charset=utf-8, server: Caddy") => {
            Outcome::Difference("adds its own `Server`, and guesses a missing `Content-Type`")
        }
        other => panic!("{other:?}"),
    }
}

/// Keeps the connection to the gateway open between requests, as a browser does.
pub async fn response_after_early_hints_arrives(gateway: Gateway) -> Outcome {
    const EARLY_HINTS_RESPONSE: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n|\
        HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (fixture, key) = start_with_responses(gateway, &[("/x", EARLY_HINTS_RESPONSE)]).await;
    let mut stream = fixture.connect().await.expect("connected");
    let mut complete = 0;
    for _ in 0..2 {
        let request = format!("GET /predict/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let arrived = async {
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\nok") {
                assert_ne!(
                    stream.read_buf(&mut answer).await.expect("an open connection"),
                    0,
                    "{:?}",
                    String::from_utf8_lossy(&answer)
                );
            }
        };
        complete += usize::from(tokio::time::timeout(Duration::from_secs(5), arrived).await.is_ok());
    }
    match complete {
        2 => Outcome::AsClaimed,
        1 => Outcome::Difference("the next one does not"),
        _ => panic!("{complete}"),
    }
}

pub async fn response_with_trailers_keeps_them(gateway: Gateway) -> Outcome {
    const TRAILER_RESPONSE: &str =
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n";
    let (fixture, key) = start_with_responses(gateway, &[("/x", TRAILER_RESPONSE)]).await;
    let answer = fetch_response(&fixture, &key, "/predict/x").await;
    match answer.split("\r\n\r\n").nth(1) {
        Some("2\r\nok\r\n0\r\nX-Sum: 1") => Outcome::AsClaimed,
        Some("2\r\nok\r\n0") => Outcome::Difference("they are dropped"),
        _ => panic!("{answer}"),
    }
}
