//! The load: one thread with several kept connections, each with one request at a time.
//!
//! Servers and load share the processors, so whatever the load costs hides what a server costs: requests are written
//! beforehand, answers are read into one buffer for each connection, and only as much of them is parsed as tells where
//! they end.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::servers::BenchServer;

/// Runs before a measurement, not counted: connections, caches and branch predictors warm up.
const WARM_UP_DURATION: Duration = Duration::from_millis(300);

/// One kind of request to one server.
pub struct RequestCase {
    address: String,
    /// Whole requests, one for each key of the sample.
    requests: Vec<String>,
    /// The status of a right answer.
    pub status: u16,
    /// How the body of a right answer begins.
    pub body: &'static str,
}

impl RequestCase {
    /// `GET path` with each key as its bearer token. Bare routes get the same bytes.
    pub fn get(address: &str, path: &str, body: &'static str, keys: &[String]) -> Self {
        let request = |key| format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n");
        Self { address: address.to_owned(), requests: keys.iter().map(request).collect(), status: 200, body }
    }

    /// A resource server asks about each key (RFC 7662); its own credential is `caller`.
    pub fn introspect(address: &str, caller: &str, keys: &[String]) -> Self {
        let request = |key: &String| {
            let form = format!("token={key}");
            format!(
                "POST /oauth2/introspect HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {caller}\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
                form.len()
            )
        };
        let requests = keys.iter().map(request).collect();
        Self { address: address.to_owned(), requests, status: 200, body: r#"{"active":true"# }
    }

    /// A gateway asks whether a request with each key may pass.
    pub fn forward_auth(address: &str, keys: &[String]) -> Self {
        let request = |key| {
            format!(
                "GET /forward-auth HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
                 x-forwarded-method: GET\r\nx-forwarded-uri: /api/models/x\r\n\r\n"
            )
        };
        Self { address: address.to_owned(), requests: keys.iter().map(request).collect(), status: 204, body: "" }
    }
}

/// What one measurement found.
#[derive(Clone, Copy)]
pub struct Measurement {
    /// Answers a second.
    pub throughput: f64,
    /// Median of the time from a request's first byte to its answer's last.
    pub p50: Duration,
    /// The time that one answer in a hundred took longer than.
    pub p99: Duration,
    /// Processor time that the server took for each answer, where the system tells. Beside a cheap load and a busy
    /// machine this says more than the throughput, which they bound too.
    pub cpu: Option<Duration>,
}

/// Loads `server` for `duration` after a warm-up. Every answer must have the status that is right.
pub fn measure(
    case: &Arc<RequestCase>,
    server: &BenchServer,
    connections: usize,
    duration: Duration,
) -> Result<Measurement> {
    block_on_this_thread(async {
        let cpu_before = server.cpu_time();
        let next = Arc::new(AtomicUsize::new(0));
        let start = Instant::now() + WARM_UP_DURATION;
        let end = start + duration;
        let mut running = JoinSet::new();
        for _ in 0..connections {
            let connection = Connection::open(&case.address).await?;
            running.spawn(load_connection(connection, case.clone(), next.clone(), start, end));
        }
        let mut latencies = Vec::new();
        while let Some(result) = running.join_next().await {
            latencies.extend(result??);
        }
        let answers = u32::try_from(next.load(Ordering::Relaxed))?;
        let cpu = server.cpu_time().zip(cpu_before).map(|(after, before)| (after - before) / answers);
        latencies.sort_unstable();
        let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().context("no answer in time");
        Ok(Measurement { throughput: latencies.len() as f64 / duration.as_secs_f64(), p50: at(50)?, p99: at(99)?, cpu })
    })
}

/// Sends the case's first request, and takes the whole answer.
pub fn send_first_request(case: &RequestCase) -> Result<RawResponse> {
    block_on_this_thread(async {
        let mut connection = Connection::open(&case.address).await?;
        let request = case.requests.first().context("no key")?;
        let (status, body) = connection.exchange(request.as_bytes()).await?;
        Ok(RawResponse { status, body: connection.buffer[body].to_vec() })
    })
}

/// An answer to [`send_first_request`].
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Everything on this thread: switching between threads would cost more than the work.
fn block_on_this_thread<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(work)
}

/// The latencies of all answers that came between `start` and `end`.
async fn load_connection(
    mut connection: Connection,
    case: Arc<RequestCase>,
    next: Arc<AtomicUsize>,
    start: Instant,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut asked = Instant::now();
    while asked < end {
        let number = next.fetch_add(1, Ordering::Relaxed) % case.requests.len();
        let (status, body) = connection.exchange(case.requests[number].as_bytes()).await?;
        ensure!(
            status == case.status,
            "key {number} of the sample: status {status} {}",
            String::from_utf8_lossy(&connection.buffer[body])
        );
        let answered = Instant::now();
        if answered >= start && answered < end {
            latencies.push(answered - asked);
        }
        asked = answered;
    }
    Ok(latencies)
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024] })
    }

    /// Sends a request and receives its answer: the status, and where in the buffer the body is.
    async fn exchange(&mut self, request: &[u8]) -> Result<(u16, Range<usize>)> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the server closed the connection, or its answer is too long");
            filled += read;
            let Some(head) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") else {
                continue;
            };
            let end = head + 4 + parse_content_length(&self.buffer[..head])?;
            if end == filled {
                return Ok((parse_status(&self.buffer)?, head + 4..end));
            }
        }
    }
}

/// From `HTTP/1.1 200 OK`.
fn parse_status(answer: &[u8]) -> Result<u16> {
    let digits = answer.get(9..12).context("no status")?;
    Ok(std::str::from_utf8(digits)?.parse()?)
}

/// Length of the body in bytes. All servers here write the header's name in lower case, or have no body.
fn parse_content_length(head: &[u8]) -> Result<usize> {
    const HEADER_PREFIX: &[u8] = b"\r\ncontent-length: ";
    let Some(position) = memmem::find(head, HEADER_PREFIX) else {
        return Ok(0);
    };
    let value = &head[position + HEADER_PREFIX.len()..];
    let digits = value.split(|byte| *byte == b'\r').next().unwrap_or(value);
    Ok(std::str::from_utf8(digits)?.parse()?)
}
