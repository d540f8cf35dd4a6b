//! Tests what the upstream learns about the client's address and about the URL that the client requested.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use ulkeys_tests::{Child, free_port, tools_folder, wait_for_port};

use crate::Outcome;
use crate::gateway::Gateway;
use crate::gateway_fixture::{CLIENT_IP, FixtureOptions, GatewayFixture, parse_status};

/// Forged headers. Programs read headers with these names to find out the client's address, or the scheme, host, port
/// or path of the requested URL.
const FORGED_HEADERS: &[(&str, &str)] = &[
    ("X-Forwarded-For", "192.0.2.66"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "gopher"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Path", "/evil"),
    ("X-Forwarded-Protocol", "gopher"),
    ("X-Forwarded-Scheme", "gopher"),
    ("X-Forwarded-Server", "evil.example"),
    ("X-Forwarded-Ssl", "evil"),
    ("X-Forwarded-User", "evil"),
    ("Forwarded", "for=192.0.2.66;host=evil.example;proto=gopher"),
    ("X-Real-IP", "192.0.2.66"),
    ("X-Client-IP", "192.0.2.66"),
    ("X-Original-Host", "evil.example"),
    ("X-Script-Name", "/evil"),
    ("X-Scheme", "gopher"),
    ("X-Url-Scheme", "gopher"),
    ("Front-End-Https", "evil"),
    ("Proxy", "http://evil.example"),
];

pub async fn request_with_forged_forwarding_headers_arrives_without_them(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let client = CLIENT_IP.to_string();
    let (key_id, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let bearer = format!("Bearer {key}");
    let host = format!("127.0.0.1:{}", fixture.port);
    for target in ["/api/models", "/predict/x"] {
        for change in [str::to_owned as fn(&str) -> String, str::to_lowercase, str::to_uppercase] {
            let names: Vec<_> = FORGED_HEADERS.iter().map(|(name, _)| change(name)).collect();
            let forged = names.iter().zip(FORGED_HEADERS).map(|(name, (_, value))| (&**name, *value));
            let headers: Vec<_> = [("Authorization", &*bearer)].into_iter().chain(forged).collect();
            fixture.send_raw(&format!("GET {target}"), &headers).await;
            let seen = fixture.upstream.take_only();
            let text = format!("{:?}", seen.headers);
            for (name, value) in FORGED_HEADERS {
                assert!(!seen.headers.get_all(*name).iter().any(|seen| seen == value), "{name}: {text}");
            }
            assert_eq!(seen.header("x-forwarded-for"), Some(&*client), "{text}");
            assert_eq!(seen.header("x-forwarded-host"), Some(&*host), "{text}");
            assert_eq!(seen.header("x-forwarded-proto"), Some("http"), "{text}");
            assert_eq!(seen.header("host"), Some(&*host), "{text}");
        }
    }
    let sources = fixture.service.wait_for_clients(&key_id).await.expect("used");
    assert!(
        sources.iter().all(|source| source.peer == client),
        "the service must record the client's real address: {sources:?}"
    );
}

/// A program that is configured to run behind a reverse proxy builds URLs that point to the gateway, even if a client
/// sends forged headers.
pub async fn redirect_of_flask_app_points_to_gateway(gateway: Gateway) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let log = File::create(folder.path().join("log")).expect("a file");
    let port = free_port().expect("a free port");
    let mut command = Command::new(tools_folder().join("resource-server/bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateways/behind_proxy.py")).env("PORT", port.to_string());
    let _program = Child::spawn(command.stdout(log.try_clone().expect("a file")).stderr(log)).expect("Flask starts");
    let program = Some(([127, 0, 0, 1], port).into());
    let fixture = GatewayFixture::start_with(gateway, FixtureOptions { program, ..FixtureOptions::default() }).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let listens = wait_for_port(port).await;
    assert!(listens.is_ok(), "{:?}", std::fs::read_to_string(folder.path().join("log")));
    let address = format!("http://127.0.0.1:{}/predict/new", fixture.port);
    for (name, value) in [("Plain", "header")].iter().chain(FORGED_HEADERS) {
        let request = fixture.request_with_key(&key, Method::GET, "/predict/old").header(*name, *value);
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::FOUND, "{name}");
        assert_eq!(answer.headers()[LOCATION], address, "{name}");
        let request = fixture.request_with_key(&key, Method::GET, "/predict/new").header(*name, *value);
        let body: Value = request.send().await.expect("answered").json().await.expect("a JSON body");
        assert_eq!(
            (&body["url"], &body["remote_addr"]),
            (&address.clone().into(), &CLIENT_IP.to_string().into()),
            "{name}"
        );
    }
}

/// The upstream receives the headers that the client sent and those that the gateway adds, and no others.
pub async fn request_passes_unchanged(gateway: Gateway) -> Outcome {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let bearer = format!("Bearer {key}");
    let own = [
        ("accept-language", "pt-BR, de;q=0.5"),
        ("cache-control", "no-cache"),
        ("content-type", "application/vnd.example+json; charset=utf-8"),
        ("cookie", "a=1; b=\"2\""),
        ("if-modified-since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("origin", "https://example.org"),
        ("referer", "https://example.org/a?b"),
        ("x-request-id", "{http.request.host} $host %{Host}e"),
    ];
    let mut differs = 0;
    for target in ["/api/models?a=%7B$b{c}&&=", "/predict/%C3%A9~!$&'()*+,=:@?"] {
        let headers: Vec<_> = own.into_iter().chain([("Authorization", &*bearer)]).collect();
        fixture.send_raw(&format!("REPORT {target}"), &headers).await;
        let seen = fixture.upstream.take_received();
        let seen = match &*seen {
            [seen] => seen,
            // The key permits the method `REPORT` below `/predict/`, but not below `/api/`.
            _ => continue,
        };
        assert_eq!((seen.method.as_str(), &*seen.target), ("REPORT", target));
        let mut rest: BTreeMap<_, _> = seen.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
        for (name, value) in own {
            assert_eq!(rest.remove(name).map(|value| value.as_bytes()), Some(value.as_bytes()), "{name}");
        }
        for name in [
            "host",
            "x-key-id",
            "x-key-name",
            "x-key-scopes",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
        ] {
            assert!(rest.remove(name).is_some(), "{name}");
        }
        let gzip = rest.remove("accept-encoding").is_some_and(|value| value == "gzip");
        differs += usize::from(gzip);
        assert_eq!(rest, BTreeMap::new());
    }
    if differs > 0 {
        Outcome::Difference("requests gzip if the client names no encoding, and decompresses it")
    } else {
        Outcome::AsClaimed
    }
}

/// The request line may contain an absolute URL, whose host takes precedence over the `Host` header (RFC 9112, section
/// 3.2.2).
pub async fn request_with_absolute_target_keeps_its_host(gateway: Gateway) -> Outcome {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let rest = format!("Host: one.example:81\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n");
    let answer = fixture.exchange_bytes(&format!("GET http://two.example:82/predict/x?y HTTP/1.1\r\n{rest}"), 0).await;
    assert_eq!(parse_status(&answer), Some(200));
    let seen = fixture.upstream.take_only();
    assert_eq!(seen.target, "/predict/x?y");
    assert_eq!(seen.header("host"), seen.header("x-forwarded-host"));
    match seen.header("host") {
        Some("two.example:82") => Outcome::AsClaimed,
        Some("one.example:81") => Outcome::Difference("the `Host` header is used"),
        other => panic!("{other:?}"),
    }
}

pub async fn request_without_host_is_authorized(gateway: Gateway) -> Outcome {
    let fixture = GatewayFixture::start(gateway).await;
    let (key_id, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    assert_eq!(parse_status(&fixture.exchange_bytes("GET /predict/x HTTP/1.0\r\n\r\n", 0).await), Some(401));
    let answer =
        fixture.exchange_bytes(&format!("GET /predict/x HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n"), 0).await;
    assert_eq!(parse_status(&answer), Some(200), "{answer}");
    let seen = fixture.upstream.take_only();
    assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()));
    match seen.header("host") {
        Some(host) if host == fixture.upstream.address.to_string() => Outcome::AsClaimed,
        None => Outcome::Difference("the service receives no `Host`"),
        other => panic!("{other:?}"),
    }
}
