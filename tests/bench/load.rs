//! Generates the load: one thread sends requests over several persistent connections, one request at a time on each.
//!
//! The servers and the load generator share the processors, so an expensive load generator would hide the cost of a
//! server. Therefore requests are built in advance, responses are read into one buffer per connection, and the parser
//! reads only what it needs to find the end of a response.

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

/// Time before a measurement in which requests are sent but not counted, so that connections, caches and branch
/// predictors warm up.
const WARM_UP_DURATION: Duration = Duration::from_millis(300);

/// A kind of request to one server, with the expected response.
pub struct RequestCase {
    address: String,
    /// HTTP requests, ready to be sent. There is one for each key that the load uses.
    requests: Vec<String>,
    /// Expected status of the response.
    pub status: u16,
    /// Expected beginning of the response body.
    pub body: &'static str,
}

impl RequestCase {
    /// Builds a `GET path` request for each key, with the key as the bearer token. The token is sent even to routes
    /// that check no keys, so that all servers receive the same bytes and the results are comparable.
    pub fn get(address: &str, path: &str, body: &'static str, keys: &[String]) -> Self {
        let request = |key| format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n");
        Self { address: address.to_owned(), requests: keys.iter().map(request).collect(), status: 200, body }
    }

    /// Builds an introspection request (RFC 7662) for each key, as a resource server sends it. `caller` is the resource
    /// server's own credential.
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

    /// Builds a forward-auth request for each key. A gateway sends such a request to ask whether it may let a client's
    /// request pass.
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

/// The result of one measurement.
#[derive(Clone, Copy)]
pub struct Measurement {
    /// Responses per second.
    pub throughput: f64,
    /// Median response time, from the first byte of a request to the last byte of its response.
    pub p50: Duration,
    /// 99th percentile of the response time.
    pub p99: Duration,
    /// Processor time that the server used per response, if the system reports it. On a busy machine, this value is
    /// more reliable than the throughput, which the load generator and other programs limit as well.
    pub cpu: Option<Duration>,
}

/// Sends requests to `server` for `duration` after a warm-up. Fails if a response has an unexpected status.
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
        let at = |percent: usize| {
            latencies.get(latencies.len() * percent / 100).copied().context("no response within the measured time")
        };
        Ok(Measurement { throughput: latencies.len() as f64 / duration.as_secs_f64(), p50: at(50)?, p99: at(99)?, cpu })
    })
}

/// Sends the first request of the case and reads the whole response.
pub fn send_first_request(case: &RequestCase) -> Result<RawResponse> {
    block_on_this_thread(async {
        let mut connection = Connection::open(&case.address).await?;
        let request = case.requests.first().context("no key to send a request with")?;
        let (status, body) = connection.exchange(request.as_bytes()).await?;
        Ok(RawResponse { status, body: connection.buffer[body].to_vec() })
    })
}

/// The response that [`send_first_request`] returns.
pub struct RawResponse {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Runs a future on the current thread, because switching between threads would cost more than the work itself.
fn block_on_this_thread<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(work)
}

/// Sends requests over one connection until `end`, and returns the latencies of all responses received between `start`
/// and `end`.
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

    /// Sends a request and receives the response. Returns the status and the range of the body within the buffer.
    async fn exchange(&mut self, request: &[u8]) -> Result<(u16, Range<usize>)> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the server closed the connection, or its response is too long");
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

/// Parses the status from a status line such as `HTTP/1.1 200 OK`.
fn parse_status(answer: &[u8]) -> Result<u16> {
    let digits = answer.get(9..12).context("the response has no status")?;
    Ok(std::str::from_utf8(digits)?.parse()?)
}

/// Returns the length of the body in bytes. Searches only for the lower-case header name, which every server in this
/// benchmark uses if it sends a body.
fn parse_content_length(head: &[u8]) -> Result<usize> {
    const HEADER_PREFIX: &[u8] = b"\r\ncontent-length: ";
    let Some(position) = memmem::find(head, HEADER_PREFIX) else {
        return Ok(0);
    };
    let value = &head[position + HEADER_PREFIX.len()..];
    let digits = value.split(|byte| *byte == b'\r').next().unwrap_or(value);
    Ok(std::str::from_utf8(digits)?.parse()?)
}
