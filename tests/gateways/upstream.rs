//! The server behind the gateway, which answers every request and records what it has received.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::{SinkExt as _, StreamExt as _, stream};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A request that reached the upstream.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    pub method: Method,
    /// Path and query as received.
    pub target: String,
    pub headers: HeaderMap,
    pub body: usize,
    pub trailers: HeaderMap,
}

impl ReceivedRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} was received twice: {:?}", self.headers);
        Some(value.to_str().expect("a string"))
    }
}

pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<UpstreamState>,
}

#[derive(Default)]
struct UpstreamState {
    seen: Mutex<Vec<ReceivedRequest>>,
    /// Number of body bytes received so far, including those of unfinished requests.
    received: AtomicUsize,
    /// Number of responses that were incomplete when their client disconnected.
    aborted: AtomicUsize,
    /// The gate at which responses pause. Each pause consumes one of its permits.
    pause_gate: PauseGate,
}

struct PauseGate(Semaphore);

impl Default for PauseGate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl PauseGate {
    async fn wait(&self) {
        self.0.acquire().await.expect("never closed").forget();
    }
}

impl Upstream {
    pub async fn start() -> Self {
        let state = Arc::new(UpstreamState::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = state.clone();
        let answer = async move |request: Request| respond(request, shared.clone()).await;
        tokio::spawn(serve_connections(listener, Router::new().fallback(answer)));
        Self { address, state }
    }

    /// Returns the requests received since the last call.
    pub fn take_received(&self) -> Vec<ReceivedRequest> {
        std::mem::take(&mut *self.state.seen.lock())
    }

    /// Returns the request received since the last call, and asserts that there is exactly one.
    pub fn take_only(&self) -> ReceivedRequest {
        let mut seen = self.take_received();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// Returns the number of body bytes received so far, including those of unfinished requests.
    pub fn received_body_bytes(&self) -> usize {
        self.state.received.load(Ordering::SeqCst)
    }

    /// Returns the number of clients that disconnected before their response was complete.
    pub fn aborted_responses(&self) -> usize {
        self.state.aborted.load(Ordering::SeqCst)
    }

    /// Ends the given number of pauses. If fewer pauses are in progress, later ones end immediately.
    pub fn resume(&self, pauses: usize) {
        self.state.pause_gate.0.add_permits(pauses);
    }
}

/// Accepts requests with more headers than `axum::serve` does, because the gateways pass on such requests.
async fn serve_connections(listener: TcpListener, router: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        let mut builder = hyper::server::conn::http1::Builder::new();
        let connection =
            builder.max_headers(4_096).max_buf_size(256 << 10).serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}

/// Counts a response as aborted if this value is dropped before the response is complete.
struct AbortCounter {
    state: Arc<UpstreamState>,
    complete: bool,
}

impl Drop for AbortCounter {
    fn drop(&mut self) {
        self.state.aborted.fetch_add(usize::from(!self.complete), Ordering::SeqCst);
    }
}

/// Builds a response as requested by the query, for example `status=404`, `pause=before-answer` or
/// `stream=text/event-stream`.
async fn respond(mut request: Request, state: Arc<UpstreamState>) -> Response {
    let upgrade = is_websocket(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let mut abort_counter = AbortCounter { state: state.clone(), complete: false };
    let wanted: HashMap<_, _> =
        parts.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
    let pause = wanted.get("pause").copied().unwrap_or_default();
    if pause == "before-body" {
        state.pause_gate.wait().await;
    }
    let (body, trailers) = read_body(body, &state).await;
    let target = parts.uri.to_string();
    let seen = ReceivedRequest { method: parts.method, target: target.clone(), headers: parts.headers, body, trailers };
    let headers = seen.headers.clone();
    state.seen.lock().push(seen);
    if let Some(millis) = wanted.get("compute").and_then(|millis| millis.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    if pause == "before-answer" {
        state.pause_gate.wait().await;
    }
    abort_counter.complete = true;
    if let Some(upgrade) = upgrade {
        let key = headers[SEC_WEBSOCKET_KEY].as_bytes();
        let accept = derive_accept_key(key);
        tokio::spawn(async move { echo_messages(upgrade.await.expect("upgraded"), headers).await });
        let switched = [(CONNECTION, "upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_ACCEPT, &accept)];
        return (StatusCode::SWITCHING_PROTOCOLS, switched).into_response();
    }
    if let Some(kind) = wanted.get("stream") {
        return stream_two_chunks(kind, wanted.contains_key("length"), abort_counter);
    }
    if let Some(size) = wanted.get("head").and_then(|size| size.parse().ok()) {
        return ([("set-cookie", format!("a={}", "x".repeat(size)))], "from the upstream").into_response();
    }
    if let Some(size) = wanted.get("body").and_then(|size| size.parse().ok()) {
        return vec![7; size].into_response();
    }
    if headers.get(IF_NONE_MATCH).is_some_and(|tag| tag == "\"one\"") {
        return (StatusCode::NOT_MODIFIED, [(ETAG, "\"one\"")]).into_response();
    }
    // `status=` in the target makes the upstream respond with that status, so that a test can simulate an error in the
    // upstream.
    let status = target.rsplit_once("status=").and_then(|(_, status)| status.parse().ok());
    (status.unwrap_or(StatusCode::OK), "from the upstream").into_response()
}

/// Reads a body, and returns its size and its trailers.
async fn read_body(mut body: Body, state: &UpstreamState) -> (usize, HeaderMap) {
    let (mut size, mut trailers) = (0, HeaderMap::new());
    while let Some(Ok(frame)) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Some(data) = frame.data_ref() {
            size += data.len();
            state.received.fetch_add(data.len(), Ordering::SeqCst);
        }
        if let Ok(more) = frame.into_trailers() {
            trailers.extend(more);
        }
    }
    (size, trailers)
}

/// Builds a response of two pieces, with a pause before the second.
fn stream_two_chunks(kind: &str, with_length: bool, mut abort_counter: AbortCounter) -> Response {
    abort_counter.complete = false;
    let pieces = stream::unfold((0, abort_counter), async |(sent, mut abort_counter)| {
        if sent == 2 {
            abort_counter.complete = true;
            return None;
        }
        if sent == 1 {
            abort_counter.state.pause_gate.wait().await;
        }
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: {sent}\n\n"))), (sent + 1, abort_counter)))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("a content type"));
    if with_length {
        response.headers_mut().insert(CONTENT_LENGTH, 18.into());
    }
    response
}

fn is_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && headers.get(CONNECTION).is_some_and(|options| options.as_bytes().eq_ignore_ascii_case(b"upgrade"))
        && headers.contains_key(SEC_WEBSOCKET_KEY)
}

/// Echoes each message, prefixed with the key ID from the handshake.
async fn echo_messages(upgraded: hyper::upgrade::Upgraded, headers: HeaderMap) {
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let key_id = headers.get("x-key-id").and_then(|id| id.to_str().ok()).unwrap_or("nobody");
    while let Some(Ok(message)) = socket.next().await {
        let Ok(text) = message.into_text() else { break };
        if socket.send(format!("{key_id}: {text}").into()).await.is_err() {
            break;
        }
    }
}
