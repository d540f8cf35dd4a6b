//! Accepts connections up to the file-descriptor limit and closes idle ones.
//!
//! This module has its own accept loop, because axum's has no limits. A connection that is idle, or slow to send the
//! head of a request, is closed after the idle timeout. When the connection limit is reached, the longest-idle
//! connection is closed to admit the new one; if none is idle, the longest-streaming one. A connection whose request is
//! still being handled is never closed to make room.

mod connection;
mod head_watch;
mod limits;
mod registry;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use futures_util::future::join_all;
use hyper::Request;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use limits::ConnectionLimits;

use connection::serve_connection;
pub(crate) use head_watch::WatchedBody;
use registry::ConnectionRegistry;

/// The delay before the service tries again to accept a connection, after an attempt has failed or while all
/// connections are busy.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);

/// Serves connections until `shutdown` is cancelled, then lets open requests finish.
pub(crate) async fn serve<H, F>(
    listeners: Vec<TcpListener>,
    handler: H,
    limits: ConnectionLimits,
    gauge: Gauge,
    shutdown: CancellationToken,
) where
    H: Fn(SocketAddr, Request<WatchedBody>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let registry = Arc::new(ConnectionRegistry::new(limits, gauge));
    let tasks = TaskTracker::new();
    let closing = close_idle_periodically(registry.clone(), limits.idle_timeout);
    tasks.spawn(shutdown.clone().run_until_cancelled_owned(closing));
    let accepting = listeners.into_iter().map(async |listener| {
        while let Some((stream, peer)) = shutdown.run_until_cancelled(accept_connection(&listener, &registry)).await {
            let (handler, shutdown) = (handler.clone(), shutdown.clone());
            let guard = registry.register(shutdown.child_token());
            let handler = move |request| handler(peer, request);
            tasks.spawn(async move { serve_connection(stream, handler, guard, shutdown).await });
        }
    });
    join_all(accepting).await;
    tasks.close();
    tasks.wait().await;
}

/// Closes connections that have been idle for too long. hyper's own idle timer would be set and cleared for each
/// request, which costs more.
async fn close_idle_periodically(registry: Arc<ConnectionRegistry>, idle_timeout: Duration) {
    loop {
        tokio::time::sleep(idle_timeout / 15).await;
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

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
            Self::start_with(Duration::from_secs(75)).await
        }

        async fn start_with(idle_timeout: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("bound");
            let (release, shutdown) = (CancellationToken::new(), CancellationToken::new());
            let wait = release.clone();
            let handler = move |_: SocketAddr, request: Request<WatchedBody>| {
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
            tokio::spawn(serve(vec![listener], handler, limits, Gauge::default(), shutdown.clone()));
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

    /// systemd can pass a connection to a service that is about to restart.
    #[tokio::test]
    async fn new_connection_is_answered_after_shutdown_has_begun() {
        let server = Server::start().await;
        let mut new = server.connect("").await;
        let mut silent = server.connect("").await;
        let mut served = server.connect(&get_request("/")).await;
        assert!(read_response(&mut served).await.ends_with("done"));
        server.shutdown.cancel();
        assert_eq!(read_response(&mut served).await, "", "an idle connection that was served is closed immediately");
        new.write_all(get_request("/").as_bytes()).await.expect("sent");
        assert!(read_response(&mut new).await.ends_with("done"));
        assert_eq!(read_response(&mut new).await, "");
        assert_eq!(read_response(&mut silent).await, "", "a connection without a request is closed soon");
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
