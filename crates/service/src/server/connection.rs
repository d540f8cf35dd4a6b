//! Serves the requests of one connection, until the client or the service closes it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::response::Response;
use futures_util::FutureExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::head_watch::{HeadWatch, WatchedBody};
use super::registry::{ConnectionGuard, ConnectionPhase};

/// The maximum size of a request's head in bytes. nginx, as configured in `docs/gateways`, accepts 64 KiB and passes
/// the client's headers on to this service together with some of its own.
const MAX_HEAD_BYTES: usize = 72 * 1024;
/// The maximum number of headers of a request. hyper's default is 100, but a gateway passes on all headers of its
/// client; see [`super::head_watch`].
const MAX_HEADERS: usize = 1_024;
/// The maximum time for which a request in progress may continue after a shutdown has begun.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// The maximum time for which a new connection may send its first request after a shutdown has begun.
const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(500);

pub(super) async fn serve_connection<F>(
    stream: TcpStream,
    handler: impl Fn(Request<WatchedBody>) -> F,
    guard: ConnectionGuard,
    shutdown: CancellationToken,
) where
    F: Future<Output = Response>,
{
    let state = guard.state();
    // Most responses are one small write, so delaying it to combine it with others (Nagle's algorithm) gains nothing.
    let _ = stream.set_nodelay(true);
    let has_unread_body = Arc::new(AtomicBool::new(false));
    let has_request = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        has_request.store(true, Ordering::Relaxed);
        state.set_phase(ConnectionPhase::Busy);
        // An async block would store the handler's future twice, as a captured variable and as the awaited future, and
        // hyper copies the future of each request.
        handler(request.map(|body| WatchedBody::new(body, has_unread_body.clone()))).map(|response| {
            // A response of unknown length is a stream, which continues after its head is sent.
            let is_stream = response.body().size_hint().exact().is_none();
            state.set_phase(if is_stream { ConnectionPhase::Streaming } else { ConnectionPhase::Idle });
            Ok::<_, Infallible>(response)
        })
    });
    let mut builder = http1::Builder::new();
    builder
        // Keeps writing after the peer has closed its sending side.
        .half_close(true)
        .max_buf_size(MAX_HEAD_BYTES)
        // Copying the head and body of a small response into one buffer is cheaper than a vectored write.
        .writev(false);
    let stream = HeadWatch::new(stream, has_unread_body.clone());
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let result = loop {
        tokio::select! {
            result = &mut connection => {
                let parts = connection.into_parts();
                let stream = parts.io.into_inner();
                if !stream.has_many_headers() {
                    break result;
                }
                let stream = TokioIo::new(stream.for_larger_parser(&parts.read_buf));
                connection = builder.max_headers(MAX_HEADERS).serve_connection(stream, parts.service);
            }
            () = state.close_requested() => {
                if shutdown.is_cancelled() {
                    // The first request of a new connection may already be on its way. Its client would not repeat it,
                    // as it would on a connection that was used before (RFC 9112, section 9.3.1).
                    let begun = poll_fn(|context| match std::pin::Pin::new(&mut connection).poll(context) {
                        Poll::Pending if !has_request.load(Ordering::Relaxed) => Poll::Pending,
                        polled => Poll::Ready(polled),
                    });
                    if let Ok(Poll::Ready(result)) = tokio::time::timeout(FIRST_REQUEST_GRACE, begun).await {
                        break result;
                    }
                }
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                break if shutdown.is_cancelled() {
                    tokio::time::timeout(SHUTDOWN_GRACE, connection).await.unwrap_or(Ok(()))
                } else if state.phase() == ConnectionPhase::Busy {
                    connection.await
                } else {
                    // Only this task starts requests on the connection, so none can start after this check.
                    Ok(())
                };
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended with an error");
    }
}
