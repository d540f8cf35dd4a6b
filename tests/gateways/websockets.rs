//! Tests that a client may switch from HTTP to a WebSocket where a rule allows it, and to no other protocol.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use ulkeys_tests::WAIT_TIMEOUT;

use crate::gateway::Gateway;
use crate::gateway_fixture::{FixtureOptions, GatewayFixture};

pub async fn websocket_passes_only_where_rule_allows_it(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (key_id, key) = fixture.service.create_key("talker", &["models"]).await.expect("created");
    let connect = async |target: &str, headers: &[(&'static str, String)]| {
        let url = format!("ws://127.0.0.1:{}{target}", fixture.port);
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        let stream = fixture.connect().await.expect("connected");
        tokio::time::timeout(WAIT_TIMEOUT, client_async(request, stream)).await.expect("no timeout")
    };
    let bearer = ("authorization", format!("Bearer {key}"));
    // A gateway drops the headers that a client lists in `Connection`. The identity headers must arrive even if the
    // client lists them there.
    let connection = ("connection", "keep-alive, x-key-id, Upgrade".to_owned());
    for headers in [
        vec![bearer.clone()],
        vec![bearer.clone(), connection, ("x-key-id", "key_forged".to_owned())],
        vec![bearer.clone(), ("upgrade", "WebSocket".to_owned())],
        vec![("x-api-key", key.clone())],
    ] {
        let (mut socket, _) = connect("/predict/x", &headers).await.expect("a WebSocket");
        for text in ["one", "two"] {
            socket.send(text.into()).await.expect("sent");
            let answer = tokio::time::timeout(WAIT_TIMEOUT, socket.next()).await.expect("no timeout");
            let answer = answer.expect("an answer").expect("a message").into_text().expect("a string");
            assert_eq!(answer.as_str(), format!("{key_id}: {text}"));
        }
        let seen = fixture.upstream.take_only();
        assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()));
        assert!(!format!("{:?}", seen.headers).contains(&key[3..]), "{seen:?}");
    }
    let status = |result: Result<_, Error>| match result {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => 101,
    };
    assert_eq!(status(connect("/predict/x", &[]).await), 401, "a WebSocket needs a key");
    assert_eq!(fixture.upstream.take_received().len(), 0);
    // On paths whose rule allows no WebSockets, the handshake is treated as an ordinary request.
    assert_eq!(status(connect("/api/models", &[bearer]).await), 200);
    let seen = fixture.upstream.take_only();
    assert_eq!((seen.header("upgrade"), seen.header("x-key-id")), (None, Some(key_id.as_str())));
}

/// After a switch to another protocol, further requests on the connection would not be authorized.
pub async fn upgrade_to_other_protocol_is_rejected(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("leaver", &["models"]).await.expect("created");
    let bearer = format!("Bearer {key}");
    for target in ["/api/models", "/predict/x"] {
        for protocol in ["h2c", "anything", "h2c, websocket", "websocket, h2c", "websocket/13", "xwebsocket", ""] {
            for connection in ["Upgrade, HTTP2-Settings", "upgrade"] {
                let upgrade = [("Connection", connection), ("Upgrade", protocol)];
                let rest = [("Authorization", &*bearer), ("HTTP2-Settings", "AAMAAABkAAQAAP__")];
                let answer = fixture.send_raw(&format!("GET {target}"), &[upgrade, rest].concat()).await;
                // Caddy and Traefik may reject the request themselves.
                assert!(matches!(answer, Some(200 | 400)), "{protocol}: {answer:?}");
                for seen in fixture.upstream.take_received() {
                    assert_eq!(seen.header("upgrade"), None, "{protocol}: {seen:?}");
                    assert_eq!(seen.header("connection"), None, "{protocol}: {seen:?}");
                }
            }
        }
        // If there are two `Upgrade` headers, the gateway might use one of them and the program the other.
        for protocols in [["h2c", "websocket"], ["websocket", "h2c"]] {
            let upgrade = protocols.map(|protocol| ("Upgrade", protocol));
            let headers = [&upgrade[..], &[("Connection", "upgrade"), ("Authorization", &*bearer)]].concat();
            let answer = fixture.send_raw(&format!("GET {target}"), &headers).await;
            assert!(matches!(answer, Some(101 | 200 | 400)), "{protocols:?}: {answer:?}");
            for seen in fixture.upstream.take_received() {
                let upgrades: Vec<_> = seen.headers.get_all("upgrade").iter().collect();
                assert!(upgrades.is_empty() || upgrades == ["websocket"], "{protocols:?}: {seen:?}");
            }
        }
        // Switching to another protocol requires both `Connection: upgrade` and `Upgrade`. One of these headers alone
        // has no effect.
        for headers in [
            [("Connection", "close"), ("Upgrade", "websocket")],
            [("Connection", "close"), ("Upgrade", "websocket x, upgrade")],
            [("Connection", "x-upgrade, upgrades"), ("Upgrade", "websocket")],
            [("Connection", "upgrade"), ("X-A", "websocket")],
        ] {
            let headers = [&headers[..], &[("Authorization", &*bearer)]].concat();
            assert_eq!(fixture.send_raw(&format!("GET {target}"), &headers).await, Some(200));
            let seen = fixture.upstream.take_only();
            assert_eq!(seen.header("upgrade"), None, "{seen:?}");
        }
    }
    let answer = fixture.request_with_key(&key, Method::CONNECT, "/predict/x").send().await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() != StatusCode::OK));
    assert_eq!(fixture.upstream.take_received().len(), 0);
}

/// Browsers open a WebSocket over HTTP/1.1 if the settings of an HTTP/2 connection do not offer extended CONNECT.
pub async fn websocket_over_tls_passes_by_http_1(gateway: Gateway) {
    let fixture = GatewayFixture::start_with(gateway, FixtureOptions { tls: true, ..FixtureOptions::default() }).await;
    let (key_id, key) = fixture.service.create_key("talker", &["models"]).await.expect("created");
    let url = format!("wss://127.0.0.1:{}/predict/x", fixture.port);
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().expect("a value"));
    let (_child, stream) = connect_tls(&fixture, "http/1.1");
    let (mut socket, _) = tokio::time::timeout(WAIT_TIMEOUT, client_async(request, stream))
        .await
        .expect("no timeout")
        .expect("a WebSocket");
    socket.send("one".into()).await.expect("sent");
    let answer = tokio::time::timeout(WAIT_TIMEOUT, socket.next()).await.expect("no timeout");
    let answer = answer.expect("an answer").expect("a message").into_text().expect("a string");
    assert_eq!(answer.as_str(), format!("{key_id}: one"));
    fixture.upstream.take_only();

    // Send an extended CONNECT request even though the gateway does not offer extended CONNECT.
    let (_child, mut stream) = connect_tls(&fixture, "h2");
    let bearer = format!("Bearer {key}");
    let mut fields = Vec::new();
    for (name, value) in [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/predict/x"),
        (":authority", "a"),
        ("sec-websocket-version", "13"),
        ("authorization", &bearer),
    ] {
        // A literal header field with a new name, without indexing (RFC 7541, section 6.2.2).
        fields.push(0);
        for text in [name, value] {
            fields.push(u8::try_from(text.len()).expect("a short value"));
            fields.extend(text.as_bytes());
        }
    }
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
    stream.write_all(&encode_frame(SETTINGS_FRAME, 0, 0, &[])).await.expect("sent");
    stream.write_all(&encode_frame(HEADERS_FRAME, 4, 1, &fields)).await.expect("sent");
    stream.flush().await.expect("sent");
    let mut settings = None;
    let refused = async {
        loop {
            let mut head = [0; 9];
            // The gateway may also reject the request by closing the connection.
            if stream.read_exact(&mut head).await.is_err() {
                break;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.expect("a whole frame");
            match head[3] {
                SETTINGS_FRAME if head[4] == 0 => settings = Some(payload),
                RST_STREAM_FRAME | GOAWAY_FRAME => break,
                // The compressed head of a response. For status 200, its first byte would be 0x88, which refers to
                // entry 8 of the static table (RFC 7541, appendix A).
                HEADERS_FRAME => {
                    assert_ne!(payload[0], 0x88, "{payload:?}");
                    break;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, refused).await.expect("no timeout");
    let settings = settings.expect("a SETTINGS frame");
    assert!(settings.chunks(6).all(|setting| setting[..2] != [0, 8]), "ENABLE_CONNECT_PROTOCOL: {settings:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fixture.upstream.take_received().len(), 0);
}

const HEADERS_FRAME: u8 = 1;
const RST_STREAM_FRAME: u8 = 3;
const SETTINGS_FRAME: u8 = 4;
const GOAWAY_FRAME: u8 = 7;

/// Encodes an HTTP/2 frame (RFC 9113, section 4.1).
fn encode_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short value").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Opens a TLS connection with OpenSSL's client. The connection ends when the child is dropped.
fn connect_tls(
    fixture: &GatewayFixture,
    protocol: &str,
) -> (tokio::process::Child, tokio::io::Join<ChildStdout, ChildStdin>) {
    let mut command = tokio::process::Command::new("openssl");
    command.args(["s_client", "-quiet", "-alpn", protocol, "-connect", &format!("127.0.0.1:{}", fixture.port)]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().expect("openssl runs");
    let stream = tokio::io::join(child.stdout.take().expect("a pipe"), child.stdin.take().expect("a pipe"));
    (child, stream)
}
