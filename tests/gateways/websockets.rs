//! A client may leave HTTP for a WebSocket, where a rule says so, and for nothing else.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::gateway::Gateway;
use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(20);

pub async fn websockets_pass_where_the_rule_says_so(gateway: Gateway) {
    let site = Site::start(gateway).await;
    let (key_id, key) = site.service.key("talker", &["models"]).await.expect("made");
    let connect = async |target: &str, headers: &[(&'static str, String)]| {
        let url = format!("ws://127.0.0.1:{}{target}", site.port);
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        let stream = site.connect().await.expect("connected");
        tokio::time::timeout(PATIENCE, client_async(request, stream)).await.expect("in time")
    };
    let bearer = ("authorization", format!("Bearer {key}"));
    // Names that a client lists in Connection go no further; the identity does.
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
            let answer = tokio::time::timeout(PATIENCE, socket.next()).await.expect("in time");
            let answer = answer.expect("an answer").expect("a message").into_text().expect("a text");
            assert_eq!(answer.as_str(), format!("{key_id}: {text}"));
        }
        let seen = site.upstream.take_one();
        assert_eq!(seen.header("x-key-id"), Some(key_id.as_str()));
        assert!(!format!("{:?}", seen.headers).contains(&key[3..]), "{seen:?}");
    }
    let status = |result: Result<_, Error>| match result {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => 101,
    };
    assert_eq!(status(connect("/predict/x", &[]).await), 401, "with a key, like everything");
    assert_eq!(site.upstream.take().len(), 0);
    // Elsewhere it is a request like any other.
    assert_eq!(status(connect("/api/models", &[bearer]).await), 200);
    let seen = site.upstream.take_one();
    assert_eq!((seen.header("upgrade"), seen.header("x-key-id")), (None, Some(key_id.as_str())));
}

/// Behind another protocol, nobody would be asked about the next request.
pub async fn no_other_protocol_passes(gateway: Gateway) {
    let site = Site::start(gateway).await;
    let (_, key) = site.service.key("leaver", &["models"]).await.expect("made");
    let bearer = format!("Bearer {key}");
    for target in ["/api/models", "/predict/x"] {
        for protocol in ["h2c", "anything", "h2c, websocket", "websocket, h2c", "websocket/13", "xwebsocket", ""] {
            for connection in ["Upgrade, HTTP2-Settings", "upgrade"] {
                let upgrade = [("Connection", connection), ("Upgrade", protocol)];
                let rest = [("Authorization", &*bearer), ("HTTP2-Settings", "AAMAAABkAAQAAP__")];
                let answer = site.raw(&format!("GET {target}"), &[upgrade, rest].concat()).await;
                // Caddy and Traefik may refuse it themselves.
                assert!(matches!(answer, Some(200 | 400)), "{protocol}: {answer:?}");
                for seen in site.upstream.take() {
                    assert_eq!(seen.header("upgrade"), None, "{protocol}: {seen:?}");
                    assert_eq!(seen.header("connection"), None, "{protocol}: {seen:?}");
                }
            }
        }
        // Of two lines, a gateway may read another one than the program.
        for protocols in [["h2c", "websocket"], ["websocket", "h2c"]] {
            let upgrade = protocols.map(|protocol| ("Upgrade", protocol));
            let headers = [&upgrade[..], &[("Connection", "upgrade"), ("Authorization", &*bearer)]].concat();
            let answer = site.raw(&format!("GET {target}"), &headers).await;
            assert!(matches!(answer, Some(101 | 200 | 400)), "{protocols:?}: {answer:?}");
            for seen in site.upstream.take() {
                let upgrades: Vec<_> = seen.headers.get_all("upgrade").iter().collect();
                assert!(upgrades.is_empty() || upgrades == ["websocket"], "{protocols:?}: {seen:?}");
            }
        }
        // Both headers make a request for another protocol, not one alone.
        for headers in [
            [("Connection", "close"), ("Upgrade", "websocket")],
            [("Connection", "close"), ("Upgrade", "websocket x, upgrade")],
            [("Connection", "x-upgrade, upgrades"), ("Upgrade", "websocket")],
            [("Connection", "upgrade"), ("X-A", "websocket")],
        ] {
            let headers = [&headers[..], &[("Authorization", &*bearer)]].concat();
            assert_eq!(site.raw(&format!("GET {target}"), &headers).await, Some(200));
            let seen = site.upstream.take_one();
            assert_eq!(seen.header("upgrade"), None, "{seen:?}");
        }
    }
    let answer = site.request(&key, Method::CONNECT, "/predict/x").send().await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() != StatusCode::OK));
    assert_eq!(site.upstream.take().len(), 0);
}
