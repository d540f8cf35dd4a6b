//! Accepts connections up to the file-descriptor limit and closes idle ones.
//!
//! This module has its own accept loop, because axum's has no limits. A connection that is idle, or slow to send the
//! head of a request, is closed after [`IDLE_TIMEOUT`]. When the connection limit is reached, the longest-idle
//! connection is closed to admit the new one; if none is idle, the longest-streaming one. A connection whose request is
//! still being handled is never closed to make room.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::HttpBody as _;
use axum::response::Response;
use futures_util::future::join_all;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The maximum time that a client may take to send the head of its next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// The maximum size of a request's head in bytes. nginx, as configured in `docs/gateways`, accepts 64 KiB and passes
/// the client's headers on to this service together with some of its own.
const MAX_HEAD_BYTES: usize = 72 * 1024;
/// The maximum number of headers of a request. hyper's default is 100, but a gateway passes on all headers of its
/// client.
const MAX_HEADERS: usize = 1_024;
/// The maximum number of open connections. If the system's limit for open files is lower, that limit applies.
const MAX_CONNECTIONS: usize = 8_192;
/// File descriptors reserved for everything other than connections.
const RESERVED_FILES: u64 = 256;
/// The maximum time for which a request in progress may continue after a shutdown has begun.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// The delay before the service tries again to accept a connection, after an attempt has failed or while all
/// connections are busy.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);

/// The maximum number of connections, and how long a connection may be idle.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// The maximum number of open connections.
    max_connections: usize,
    /// Time after which an idle connection is closed.
    idle_timeout: Duration,
}

impl ConnectionLimits {
    /// Returns the default limits, with as many connections as the system allows.
    pub(crate) fn from_file_descriptor_limit() -> Self {
        Self { max_connections: raise_file_descriptor_limit(), idle_timeout: IDLE_TIMEOUT }
    }
}

/// Serves connections until `shutdown` is cancelled, then lets open requests finish.
pub(crate) async fn serve<A, F>(
    listeners: Vec<TcpListener>,
    answer: A,
    limits: ConnectionLimits,
    gauge: Gauge,
    shutdown: CancellationToken,
) where
    A: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let registry =
        Arc::new(ConnectionRegistry { limits, gauge, next: AtomicU64::new(0), connections: Mutex::default() });
    let tasks = TaskTracker::new();
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(close_idle_periodically(registry.clone())));
    let accepting = listeners.into_iter().map(async |listener| {
        while let Some((stream, peer)) = shutdown.run_until_cancelled(accept_connection(&listener, &registry)).await {
            let (answer, shutdown) = (answer.clone(), shutdown.clone());
            let guard = ConnectionGuard::new(&registry, shutdown.child_token());
            let answer = move |request| answer(peer, request);
            tasks.spawn(async move { serve_connection(stream, answer, guard, shutdown).await });
        }
    });
    join_all(accepting).await;
    tasks.close();
    tasks.wait().await;
}

/// Closes connections that have been idle for too long. hyper's own idle timer would be set and cleared for each
/// request, which costs more.
async fn close_idle_periodically(registry: Arc<ConnectionRegistry>) {
    loop {
        tokio::time::sleep(registry.limits.idle_timeout / 15).await;
        registry.close_idle_connections();
    }
}

/// Accepts the next connection, and waits until the connection limit admits it.
async fn accept_connection(listener: &TcpListener, registry: &ConnectionRegistry) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(connection) => {
                while !registry.has_room() {
                    registry.evict_oldest_idle();
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
                return connection;
            }
            // Either the client closed the connection before it was accepted, or no file descriptor is left. In the
            // second case an idle connection must be closed.
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                registry.evict_oldest_idle();
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

async fn serve_connection<F>(
    stream: TcpStream,
    answer: impl Fn(Request<Incoming>) -> F,
    guard: ConnectionGuard,
    shutdown: CancellationToken,
) where
    F: Future<Output = Response>,
{
    // Most responses are one small write, so delaying it to combine it with others (Nagle's algorithm) gains nothing.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        guard.state.set_phase(ConnectionPhase::Busy);
        let answer = answer(request);
        async {
            let response = answer.await;
            // A response of unknown length is a stream, which continues after its head is sent.
            let is_stream = response.body().size_hint().exact().is_none();
            guard.state.set_phase(if is_stream { ConnectionPhase::Streaming } else { ConnectionPhase::Idle });
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        // Keeps writing after the peer has closed its sending side.
        .half_close(true)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        // Copying the head and body of a small response into one buffer is cheaper than a vectored write.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = guard.state.close_token.cancelled() => {
            connection.as_mut().graceful_shutdown();
            if shutdown.is_cancelled() {
                tokio::time::timeout(SHUTDOWN_GRACE, connection).await.unwrap_or(Ok(()))
            } else if guard.state.connection_phase() == ConnectionPhase::Busy {
                connection.await
            } else {
                // Only this task starts requests on the connection, so none can start after this check.
                Ok(())
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

/// The registry of open connections.
struct ConnectionRegistry {
    limits: ConnectionLimits,
    gauge: Gauge,
    next: AtomicU64,
    connections: Mutex<HashMap<u64, Arc<ConnectionState>>>,
}

/// What a connection is doing. The variants are ordered by eviction priority: idle connections are evicted first, and
/// busy ones never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ConnectionPhase {
    /// The connection is waiting for a request.
    Idle,
    /// The service is sending a response of unknown length.
    Streaming,
    /// The service is handling a request.
    Busy,
}

struct ConnectionState {
    /// The [`ConnectionPhase`] in the lower two bits, and above them the start of the phase in milliseconds since
    /// `start` (0 for a busy connection).
    phase: AtomicU64,
    start: Instant,
    /// Cancelling this token closes the connection. The token is also cancelled when the service stops.
    close_token: CancellationToken,
}

impl ConnectionRegistry {
    fn has_room(&self) -> bool {
        self.lock_connections().len() < self.limits.max_connections
    }

    /// Closes the connection that has been idle for longest; if none is idle, the one that has streamed for longest.
    fn evict_oldest_idle(&self) {
        let all = self.lock_connections();
        let free = || all.values().filter(|state| state.connection_phase() != ConnectionPhase::Busy);
        // Close only one connection at a time. A connection that is already being closed will make room.
        if free().any(|state| state.close_token.is_cancelled()) {
            return;
        }
        if let Some(first) = free().min_by_key(|state| (state.connection_phase(), state.phase_start())) {
            first.close_token.cancel();
        }
    }

    fn close_idle_connections(&self) {
        let silent = |state: &&Arc<ConnectionState>| {
            state.connection_phase() == ConnectionPhase::Idle
                && state.phase_start().elapsed() > self.limits.idle_timeout
        };
        self.lock_connections().values().filter(silent).for_each(|state| state.close_token.cancel());
    }

    fn lock_connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<ConnectionState>>> {
        self.connections.lock()
    }
}

impl ConnectionState {
    fn set_phase(&self, phase: ConnectionPhase) {
        // The start time is not needed while a request is in progress.
        let elapsed = if phase == ConnectionPhase::Busy { Duration::ZERO } else { self.start.elapsed() };
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX >> 2);
        self.phase.store(millis << 2 | phase as u64, Ordering::Relaxed);
    }

    fn phase_start(&self) -> Instant {
        self.start + Duration::from_millis(self.phase.load(Ordering::Relaxed) >> 2)
    }

    fn connection_phase(&self) -> ConnectionPhase {
        match self.phase.load(Ordering::Relaxed) & 3 {
            0 => ConnectionPhase::Idle,
            1 => ConnectionPhase::Streaming,
            _ => ConnectionPhase::Busy,
        }
    }
}

/// Registers a connection while it is open. Dropping the guard removes the connection from the registry.
struct ConnectionGuard {
    registry: Arc<ConnectionRegistry>,
    number: u64,
    state: Arc<ConnectionState>,
}

impl ConnectionGuard {
    fn new(registry: &Arc<ConnectionRegistry>, leave: CancellationToken) -> Self {
        let state = Arc::new(ConnectionState { phase: AtomicU64::new(0), start: Instant::now(), close_token: leave });
        let number = registry.next.fetch_add(1, Ordering::Relaxed);
        registry.lock_connections().insert(number, state.clone());
        registry.gauge.inc();
        Self { registry: registry.clone(), number, state }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.registry.lock_connections().remove(&self.number);
        self.registry.gauge.dec();
    }
}

/// Returns the maximum number of open connections. Each connection uses a file descriptor, so the usual limit of 1,024
/// is raised as far as the system allows.
fn raise_file_descriptor_limit() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let wanted = MAX_CONNECTIONS as u64 + RESERVED_FILES;
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < wanted) {
            let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
            if setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(raised), ..limit }).is_ok() {
                limit.current = Some(raised);
            }
        }
        let files = limit.current.unwrap_or(u64::MAX).saturating_sub(RESERVED_FILES).max(64);
        usize::try_from(files).map_or(MAX_CONNECTIONS, |files| files.min(MAX_CONNECTIONS))
    }
    #[cfg(not(unix))]
    MAX_CONNECTIONS
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const MAX_OPEN: usize = 4;

    struct Server {
        address: SocketAddr,
        /// Releases requests to `/slow` when cancelled.
        release: CancellationToken,
        shutdown: CancellationToken,
    }

    impl Server {
        async fn start() -> Self {
            Self::start_with(IDLE_TIMEOUT).await
        }

        async fn start_with(idle_timeout: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("bound");
            let (release, shutdown) = (CancellationToken::new(), CancellationToken::new());
            let wait = release.clone();
            let answer = move |_: SocketAddr, request: Request<Incoming>| {
                let wait = wait.clone();
                async move {
                    match request.uri().path() {
                        "/slow" => wait.cancelled().await,
                        "/stream" => {
                            let endless = stream::unfold((), async |()| {
                                tokio::time::sleep(Duration::from_millis(10)).await;
                                Some((Ok::<_, Infallible>("x"), ()))
                            });
                            return Response::new(Body::from_stream(endless));
                        }
                        _ => {}
                    }
                    Response::new(Body::from("done"))
                }
            };
            let limits = ConnectionLimits { max_connections: MAX_OPEN, idle_timeout };
            tokio::spawn(serve(vec![listener], answer, limits, Gauge::default(), shutdown.clone()));
            Self { address, release, shutdown }
        }

        async fn connect(&self, request: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.expect("connected");
            stream.write_all(request.as_bytes()).await.expect("sent");
            // Give the server time to accept the connection and read the request.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.shutdown.cancel();
        }
    }

    fn get_request(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
    }

    /// Reads the next part of the server's response. Returns an empty string if the server has closed the connection.
    async fn read_response(stream: &mut TcpStream) -> String {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut bytes)).await.expect("in time");
        String::from_utf8_lossy(&bytes[..read.unwrap_or(0)]).into_owned()
    }

    #[tokio::test]
    async fn connection_beyond_limit_evicts_longest_idle() {
        let server = Server::start().await;
        let mut first = server.connect(&get_request("/")).await;
        assert!(read_response(&mut first).await.ends_with("done"));
        let mut others = Vec::new();
        for _ in 1..MAX_OPEN {
            others.push(server.connect("").await);
        }
        // The server is full, but no new connection is waiting to be accepted, so no connection is closed.
        first.write_all(get_request("/").as_bytes()).await.expect("sent");
        assert!(read_response(&mut first).await.ends_with("done"));
        let mut new = server.connect(&get_request("/")).await;
        assert!(read_response(&mut new).await.ends_with("done"));
        assert_eq!(read_response(&mut others[0]).await, "", "the longest-idle connection is closed");
        first.write_all(get_request("/").as_bytes()).await.expect("sent");
        assert!(
            read_response(&mut first).await.ends_with("done"),
            "a connection that was active more recently stays open"
        );
    }

    #[tokio::test]
    async fn idle_connection_is_closed_after_timeout() {
        let server = Server::start_with(Duration::from_millis(600)).await;
        let mut silent = server.connect("").await;
        let mut half = server.connect("GET / HTTP/1.1\r\nHost: ").await;
        let mut slow = server.connect(&get_request("/slow")).await;
        let mut served = server.connect(&get_request("/")).await;
        for stream in [&mut silent, &mut half] {
            assert_eq!(read_response(stream).await, "");
        }
        assert!(read_response(&mut served).await.ends_with("done"));
        assert_eq!(read_response(&mut served).await, "", "a connection is also closed if it is idle after a response");
        server.release.cancel();
        assert!(read_response(&mut slow).await.ends_with("done"), "a connection that waits for a response is not idle");
    }

    #[tokio::test]
    async fn busy_connection_is_never_evicted() {
        let server = Server::start().await;
        let mut slow = Vec::new();
        for _ in 0..MAX_OPEN {
            slow.push(server.connect(&get_request("/slow")).await);
        }
        let mut new = server.connect(&get_request("/")).await;
        server.release.cancel();
        for stream in &mut slow {
            assert!(read_response(stream).await.ends_with("done"));
        }
        assert!(read_response(&mut new).await.ends_with("done"), "the waiting connection is accepted next");
    }

    #[tokio::test]
    async fn streaming_connection_is_evicted_when_none_idle() {
        let server = Server::start().await;
        let mut streams = Vec::new();
        for _ in 0..MAX_OPEN - 1 {
            let mut stream = server.connect(&get_request("/stream")).await;
            assert!(read_response(&mut stream).await.starts_with("HTTP/1.1 200"));
            streams.push(stream);
        }
        let mut idle = server.connect("").await;
        let mut new = server.connect(&get_request("/slow")).await;
        assert_eq!(read_response(&mut idle).await, "", "the idle connection is closed before any stream");
        let mut newer = server.connect(&get_request("/")).await;
        assert!(read_response(&mut newer).await.ends_with("done"));
        let mut ended = false;
        for _ in 0..10_000 {
            ended = ended || read_response(&mut streams[0]).await.is_empty();
            if ended {
                break;
            }
        }
        assert!(ended, "the oldest stream is closed");
        assert!(!read_response(&mut streams[1]).await.is_empty(), "the other streams stay open");
        server.release.cancel();
        assert!(read_response(&mut new).await.ends_with("done"));
    }
}
