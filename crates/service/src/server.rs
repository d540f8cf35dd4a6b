//! Accepts connections up to the file-descriptor limit and closes idle ones.
//!
//! The loop is our own because axum's has no limits. An idle connection, or one that is slow to send a
//! head, is closed after [`IDLE_TIMEOUT`]. When the limit is reached, the longest-idle connection is closed to admit
//! the new one. A busy connection is never closed; a streaming one is, if none is idle.

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

/// How long a peer may take for the head of its next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Bytes of a request's head, at most. The nginx of `docs/gateways` takes 64 KiB and asks with what came to it, and
/// some headers of its own.
const MAX_HEAD_BYTES: usize = 72 * 1024;
/// Headers of a request, at most. A gateway asks with every header of its client; hyper reads 100 by default.
const MAX_HEADERS: usize = 1_024;
/// Open connections, at most; fewer where the system allows fewer files.
const MAX_CONNECTIONS: usize = 8_192;
/// Files that are left for everything else.
const RESERVED_FILES: u64 = 256;
/// How long a request under way may take once a shutdown was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// The pause after a failed accept, and while all connections are busy.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);

/// How many connections there may be, and how long they may be idle.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// How many at a time.
    max_connections: usize,
    /// How long one may be silent.
    idle_timeout: Duration,
}

impl ConnectionLimits {
    /// As many as the system allows.
    pub(crate) fn from_file_descriptor_limit() -> Self {
        Self { max_connections: raise_file_descriptor_limit(), idle_timeout: IDLE_TIMEOUT }
    }
}

/// Serves connections until `shutdown`, then lets open requests finish.
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

/// Closes connections that have been idle for too long. hyper's own timer would be set and cleared for each request.
async fn close_idle_periodically(registry: Arc<ConnectionRegistry>) {
    loop {
        tokio::time::sleep(registry.limits.idle_timeout / 15).await;
        registry.close_idle_connections();
    }
}

/// The next connection, once there is room for it.
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
            // Gone before it was accepted, or no file left: in the second case there is one too many.
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
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
    // An answer is one small write: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        guard.state.set_phase(ConnectionPhase::Busy);
        let answer = answer(request);
        async {
            let response = answer.await;
            // An answer of unknown length goes on after its head.
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
        // Head and body of a small answer in one buffer cost less than a list of two.
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
                // Requests begin in this task alone: what is not under way now does not begin any more.
                Ok(())
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// The open connections.
struct ConnectionRegistry {
    limits: ConnectionLimits,
    gauge: Gauge,
    next: AtomicU64,
    connections: Mutex<HashMap<u64, Arc<ConnectionState>>>,
}

/// What a connection does, in the order of eviction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ConnectionPhase {
    /// Waiting for a request.
    Idle,
    /// Sending an answer of unknown length.
    Streaming,
    /// Answering a request.
    Busy,
}

struct ConnectionState {
    /// A [`ConnectionPhase`], and, but for a busy one, since when: milliseconds since `start`, times four.
    phase: AtomicU64,
    start: Instant,
    /// Also cancelled when the service stops.
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
        // One at a time: the one that is closing already makes room.
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

/// One connection's place among the open ones.
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

/// How many connections to keep open. A connection is a file; the usual limit of 1,024 is raised as far as allowed.
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
        /// Requests to `/slow` wait for it.
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
            // Time to be accepted, and heard.
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

    /// The beginning of what the server sends; empty when it has closed the connection.
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
        // Full, and nobody waits: all stay.
        first.write_all(get_request("/").as_bytes()).await.expect("sent");
        assert!(read_response(&mut first).await.ends_with("done"));
        let mut new = server.connect(&get_request("/")).await;
        assert!(read_response(&mut new).await.ends_with("done"));
        assert_eq!(read_response(&mut others[0]).await, "", "the one that never said anything, and came first");
        first.write_all(get_request("/").as_bytes()).await.expect("sent");
        assert!(read_response(&mut first).await.ends_with("done"), "the one that was heard since stays");
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
        assert_eq!(read_response(&mut served).await, "", "and after its answer");
        server.release.cancel();
        assert!(read_response(&mut slow).await.ends_with("done"), "a connection that waits for an answer is not idle");
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
        assert!(read_response(&mut new).await.ends_with("done"), "the waiting connection is next");
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
        assert_eq!(read_response(&mut idle).await, "", "before any stream");
        let mut newer = server.connect(&get_request("/")).await;
        assert!(read_response(&mut newer).await.ends_with("done"));
        let mut ended = false;
        for _ in 0..10_000 {
            ended = ended || read_response(&mut streams[0]).await.is_empty();
            if ended {
                break;
            }
        }
        assert!(ended, "the oldest stream");
        assert!(!read_response(&mut streams[1]).await.is_empty(), "and no other");
        server.release.cancel();
        assert!(read_response(&mut new).await.ends_with("done"));
    }
}
