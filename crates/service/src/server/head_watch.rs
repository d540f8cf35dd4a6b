//! Detects requests with more headers than hyper's default parser accepts.
//!
//! For each request, hyper reserves and clears memory for the largest number of headers that it may parse. For 1,024
//! headers, this costs more than checking the key. So a connection starts with hyper's default of 100 headers, and
//! continues with a larger parser from the first request that needs it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use memchr::{memchr_iter, memmem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The number of headers that hyper's default parser accepts.
const DEFAULT_MAX_HEADERS: usize = 100;

/// A line of a head has at least this many bytes: `a:` and a line feed, before which hyper does not require a carriage
/// return.
const MIN_LINE_BYTES: usize = 3;

/// A connection whose received bytes are searched for request heads with too many headers. Reading such a head fails,
/// and [`Self::has_many_headers`] returns `true` from then on.
pub(super) struct HeadWatch {
    stream: TcpStream,
    /// Bytes that were received but not read by hyper yet.
    unread: Vec<u8>,
    /// The number of lines of the current head that hyper has read.
    lines: usize,
    has_many_headers: bool,
    is_watching: bool,
    /// Whether hyper may hold a part of a response that is not written yet. The connection cannot continue with another
    /// parser then.
    is_write_incomplete: bool,
    /// Whether the body of the last request has bytes that were not read yet. Such bytes are no head.
    has_unread_body: Arc<AtomicBool>,
}

impl HeadWatch {
    pub(super) fn new(stream: TcpStream, has_unread_body: Arc<AtomicBool>) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            lines: 0,
            has_many_headers: false,
            is_watching: true,
            is_write_incomplete: false,
            has_unread_body,
        }
    }

    /// Returns whether reading failed because a head has too many headers for hyper's default parser.
    pub(super) fn has_many_headers(&self) -> bool {
        self.has_many_headers
    }

    /// Returns the connection for a parser that accepts more headers. `read` are the bytes of the current head that
    /// hyper has read already.
    pub(super) fn for_larger_parser(mut self, read: &[u8]) -> Self {
        self.unread.splice(..0, read.iter().copied());
        Self { is_watching: false, has_many_headers: false, ..self }
    }

    /// Searches received bytes for a head with too many headers.
    fn watch(&mut self, received: &[u8]) {
        if self.has_unread_body.load(Ordering::Relaxed) {
            self.lines = 0;
            return;
        }
        // Most heads arrive in one piece. A short piece cannot contain too many headers, so it is not searched.
        if self.lines == 0 && received.len() < DEFAULT_MAX_HEADERS * MIN_LINE_BYTES && received.ends_with(b"\r\n\r\n") {
            return;
        }
        let mut rest = received;
        while let Some(end) = memmem::find(rest, b"\r\n\r\n") {
            self.has_many_headers |= self.lines + count_lines(&rest[..end]) > DEFAULT_MAX_HEADERS;
            self.lines = 0;
            rest = &rest[end + 4..];
        }
        self.lines += count_lines(rest);
        self.has_many_headers |= self.lines > DEFAULT_MAX_HEADERS;
    }
}

fn count_lines(bytes: &[u8]) -> usize {
    memchr_iter(b'\n', bytes).count()
}

impl AsyncRead for HeadWatch {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unread.is_empty() {
            let length = this.unread.len().min(buffer.remaining());
            buffer.put_slice(&this.unread[..length]);
            this.unread.drain(..length);
            return Poll::Ready(Ok(()));
        }
        let start = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if this.is_watching {
            let received = &buffer.filled()[start..];
            this.watch(received);
            this.has_many_headers &= !this.is_write_incomplete;
            if this.has_many_headers {
                this.unread = received.to_vec();
                buffer.set_filled(start);
                return Poll::Ready(Err(io::Error::other("the request needs a larger parser")));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HeadWatch {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.is_write_incomplete = !matches!(written, Poll::Ready(Ok(length)) if length == bytes.len());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper shuts the connection down after a failed read, but it continues with another parser.
        if self.has_many_headers {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of a request. It notes in `has_unread_bytes` whether all of it was read.
pub(crate) struct WatchedBody {
    body: Incoming,
    has_unread_bytes: Arc<AtomicBool>,
}

impl WatchedBody {
    pub(super) fn new(body: Incoming, has_unread_bytes: Arc<AtomicBool>) -> Self {
        has_unread_bytes.store(!body.is_end_stream(), Ordering::Relaxed);
        Self { body, has_unread_bytes }
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.has_unread_bytes.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn new_watch() -> HeadWatch {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        HeadWatch::new(stream, Arc::default())
    }

    fn head_with_headers(count: usize) -> Vec<u8> {
        format!("GET / HTTP/1.1\r\n{}\r\n", "a:\r\n".repeat(count)).into_bytes()
    }

    /// A head whose lines end without a carriage return, except for the last two.
    fn shortest_head_with_headers(count: usize) -> Vec<u8> {
        format!("GET / HTTP/1.1\n{}a:\r\n\r\n", "a:\n".repeat(count - 1)).into_bytes()
    }

    #[tokio::test]
    async fn watch_head_with_more_headers_than_limit_is_detected() {
        let detects = async |headers, piece_length: usize| {
            let mut watch = new_watch().await;
            head_with_headers(headers).chunks(piece_length).for_each(|piece| watch.watch(piece));
            watch.has_many_headers()
        };
        assert!(!detects(DEFAULT_MAX_HEADERS, usize::MAX).await);
        let mut watch = new_watch().await;
        watch.watch(&shortest_head_with_headers(DEFAULT_MAX_HEADERS + 1));
        assert!(watch.has_many_headers());
        for piece_length in [1, 7, 64, usize::MAX] {
            assert!(detects(DEFAULT_MAX_HEADERS + 1, piece_length).await, "pieces of {piece_length} bytes");
            assert!(!detects(DEFAULT_MAX_HEADERS / 2, piece_length).await, "pieces of {piece_length} bytes");
        }
    }

    #[tokio::test]
    async fn watch_many_short_heads_detects_nothing() {
        let mut watch = new_watch().await;
        for headers in (0..DEFAULT_MAX_HEADERS).cycle().take(1_000) {
            watch.watch(&head_with_headers(headers));
        }
        assert!(!watch.has_many_headers());
    }

    #[tokio::test]
    async fn watch_body_with_many_lines_detects_nothing() {
        let mut watch = new_watch().await;
        watch.has_unread_body.store(true, Ordering::Relaxed);
        watch.watch(&head_with_headers(2 * DEFAULT_MAX_HEADERS));
        watch.has_unread_body.store(false, Ordering::Relaxed);
        watch.watch(&head_with_headers(1));
        assert!(!watch.has_many_headers());
    }
}
