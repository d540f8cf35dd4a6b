//! Accepting connections, so many that the system can bear, and none for ever.
//!
//! The loop is our own because axum's has no limits. A peer that is slow to send a head, or sends nothing, is let go after
//! [`IDLE`]; where there is no room for a new peer, the one that has been idle for longest makes it, so that nobody shuts
//! the others out by holding connections open.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a peer may take for the head of its next request.
const IDLE: Duration = Duration::from_secs(75);
/// Bytes of a request's head, at most.
const MAX_HEAD: usize = 32 * 1024;
/// Open connections, at most; fewer where the system allows fewer files.
const MAX_OPEN: usize = 8_192;
/// Files that are left for everything else.
const OTHER_FILES: u64 = 256;
/// How long a request under way may take once a shutdown was asked for.
const GRACE: Duration = Duration::from_secs(2);
/// The pause after a failed accept, and while everybody is busy.
const PAUSE: Duration = Duration::from_millis(10);

/// Serves every connection until `shutdown`, then lets open requests finish.
pub(crate) async fn serve<A, F>(listener: TcpListener, answer: A, gauge: Gauge, shutdown: CancellationToken)
where
    A: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let open = Arc::new(Open { max: max_open(), gauge, ..Open::default() });
    let tasks = TaskTracker::new();
    while let Some((stream, peer)) = shutdown.run_until_cancelled(accept(&listener, &open)).await {
        let (answer, shutdown) = (answer.clone(), shutdown.clone());
        let ticket = Ticket::new(&open);
        let answer = move |request| answer(peer, request);
        tasks.spawn(async move { handle(stream, answer, ticket, shutdown).await });
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn accept(listener: &TcpListener, open: &Open) -> (TcpStream, SocketAddr) {
    loop {
        while !open.make_room() {
            tokio::time::sleep(PAUSE).await;
        }
        match listener.accept().await {
            Ok(connection) => return connection,
            // Gone before it was accepted, or no file left: in either case, on to the next.
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn handle<F>(
    stream: TcpStream,
    answer: impl Fn(Request<Incoming>) -> F,
    ticket: Ticket,
    shutdown: CancellationToken,
) where
    F: Future<Output = Response>,
{
    // An answer is one small write: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let (busy, answer) = (ticket.busy(), answer(request));
        async move {
            let response = answer.await;
            drop(busy);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        // A peer that has nothing more to say may still listen.
        .half_close(true)
        .max_buf_size(MAX_HEAD)
        // Head and body of a small answer in one buffer cost less than a list of two.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = ticket.state.leave.cancelled() => Ok(()),
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// The open connections.
#[derive(Default)]
struct Open {
    max: usize,
    gauge: Gauge,
    next: AtomicU64,
    all: Mutex<HashMap<u64, Arc<State>>>,
}

struct State {
    /// Requests under way: 0 or 1, as HTTP/1.1 answers in order.
    busy: AtomicUsize,
    /// When the last one ended, in milliseconds since `start`.
    idle_since: AtomicU64,
    start: Instant,
    leave: CancellationToken,
}

impl Open {
    /// Whether there is room for one more; if not, the one idle for longest is asked to leave.
    fn make_room(&self) -> bool {
        let all = self.all();
        if all.len() < self.max {
            return true;
        }
        let idle = all.values().filter(|state| state.busy.load(Ordering::Relaxed) == 0 && !state.leave.is_cancelled());
        if let Some(longest) = idle.max_by_key(|state| state.idle_for()) {
            longest.leave.cancel();
        }
        false
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u64, Arc<State>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn idle_for(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.idle_since.load(Ordering::Relaxed)))
    }
}

/// One connection's place among the open ones.
struct Ticket {
    open: Arc<Open>,
    number: u64,
    state: Arc<State>,
}

impl Ticket {
    fn new(open: &Arc<Open>) -> Self {
        let state = Arc::new(State {
            busy: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            start: Instant::now(),
            leave: CancellationToken::new(),
        });
        let number = open.next.fetch_add(1, Ordering::Relaxed);
        open.all().insert(number, state.clone());
        open.gauge.inc();
        Self { open: open.clone(), number, state }
    }

    fn busy(&self) -> Busy {
        self.state.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.state.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.open.all().remove(&self.number);
        self.open.gauge.dec();
    }
}

/// A request under way.
struct Busy(Arc<State>);

impl Drop for Busy {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since.store(now, Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many connections to keep open. A connection is a file; the usual limit of 1,024 is raised as far as allowed.
fn max_open() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let wanted = MAX_OPEN as u64 + OTHER_FILES;
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < wanted) {
            let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
            if setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(raised), ..limit }).is_ok() {
                limit.current = Some(raised);
            }
        }
        let files = limit.current.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES).max(64);
        usize::try_from(files).map_or(MAX_OPEN, |files| files.min(MAX_OPEN))
    }
    #[cfg(not(unix))]
    MAX_OPEN
}
