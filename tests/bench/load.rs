//! Generates the load in a closed loop: one thread sends requests over several persistent connections, and each
//! connection sends its next request when it has received a response. The load therefore adapts to the server, and the
//! result is the highest throughput. See `open_loop.rs` for response times at a fixed load.
//!
//! The servers and the load generator share the processors, so an expensive load generator would hide the cost of a
//! server. Therefore requests are built in advance, responses are read into one buffer per connection, and the parser
//! reads only what it needs to find the end of a response.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::process::CpuSample;

/// Time before a measurement in which requests are sent but not counted, so that connections, caches and branch
/// predictors warm up.
pub const WARM_UP_DURATION: Duration = Duration::from_millis(300);
/// Size of the buffer for a response.
pub const RESPONSE_BUFFER_BYTES: usize = 16 * 1024;

/// A kind of request to one server, with the expected response.
pub struct RequestCase {
    /// Address of the server.
    pub address: String,
    /// HTTP requests, ready to be sent. There is one for each key that the load uses.
    pub requests: Vec<String>,
    /// Expected status of the response.
    pub status: u16,
    /// Expected beginning of the response body.
    pub body: &'static str,
}

impl RequestCase {
    /// Builds a `GET path` request for each key, with the key as the bearer token. The token is sent even to routes
    /// that check no keys, so that all servers receive the same bytes and the results are comparable.
    pub fn get(address: &str, path: &str, body: &'static str, keys: &[String]) -> Self {
        let authorizations: Vec<_> = keys.iter().map(|key| format!("Bearer {key}")).collect();
        Self::get_with_authorizations(address, path, body, &authorizations)
    }

    /// Builds a `GET path` request for each of these values of the `Authorization` header.
    pub fn get_with_authorizations(
        address: &str,
        path: &str,
        body: &'static str,
        authorizations: &[impl AsRef<str>],
    ) -> Self {
        let request = |authorization: &_| {
            let authorization = AsRef::<str>::as_ref(authorization);
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {authorization}\r\n\r\n")
        };
        Self { address: address.to_owned(), requests: authorizations.iter().map(request).collect(), status: 200, body }
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

    /// Returns the request with this number. After the last request, the first one follows again.
    pub fn request(&self, number: usize) -> &[u8] {
        self.requests[number % self.requests.len()].as_bytes()
    }

    /// Fails if the response to the request with this number does not have the expected status.
    pub fn ensure_expected(&self, number: usize, parsed: &ParsedResponse, buffer: &[u8]) -> Result<()> {
        ensure!(
            parsed.status == self.status,
            "key {} of the sample: status {} {}",
            number % self.requests.len(),
            parsed.status,
            String::from_utf8_lossy(&buffer[parsed.body.clone()])
        );
        Ok(())
    }
}

/// The result of one measurement.
#[derive(Clone, Copy)]
pub struct Measurement {
    /// Processor time that the servers used per response, if the system reports it. On a busy machine, this value is
    /// more reliable than the throughput, which the load generator and other programs limit as well.
    pub cpu: Option<Duration>,
    /// Responses per second.
    pub throughput: f64,
    /// Median response time, from the first byte of a request to the last byte of its response.
    pub p50: Duration,
    /// 99th percentile of the response time.
    pub p99: Duration,
}

/// Sends requests for `duration` after a warm-up, and measures the processor time that `processes` use. Fails if a
/// response has an unexpected status.
pub fn measure(
    case: &Arc<RequestCase>,
    processes: &[u32],
    connections: usize,
    duration: Duration,
) -> Result<Measurement> {
    block_on_this_thread(async {
        let progress = Arc::new(LoadProgress::default());
        let mut running = JoinSet::new();
        for _ in 0..connections {
            let connection = Connection::open(&case.address).await?;
            running.spawn(load_connection(connection, case.clone(), progress.clone()));
        }
        tokio::time::sleep(WARM_UP_DURATION).await;
        let (cpu_before, start) = (CpuSample::take(processes), Instant::now());
        progress.is_measuring.store(true, Ordering::Relaxed);
        tokio::time::sleep(duration).await;
        progress.is_measuring.store(false, Ordering::Relaxed);
        let (measured, cpu_after) = (start.elapsed(), CpuSample::take(processes));
        progress.is_over.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        while let Some(result) = running.join_next().await {
            latencies.extend(result??);
        }
        latencies.sort_unstable();
        let answers = u32::try_from(latencies.len())?;
        Ok(Measurement {
            cpu: cpu_after.zip(cpu_before).map(|(after, before)| after.since(&before) / answers.max(1)),
            throughput: f64::from(answers) / measured.as_secs_f64(),
            p50: percentile(&latencies, 500)?,
            p99: percentile(&latencies, 990)?,
        })
    })
}

/// Returns the percentile of sorted response times, where 990 is the 99th percentile.
pub fn percentile(sorted: &[Duration], permille: usize) -> Result<Duration> {
    sorted.get(sorted.len() * permille / 1_000).copied().context("no response within the measured time")
}

/// Sends the request in the middle of the case's sample, and reads the whole response.
pub fn send_one_request(case: &RequestCase) -> Result<RawResponse> {
    block_on_this_thread(async {
        ensure!(!case.requests.is_empty(), "no key to send a request with");
        let mut connection = Connection::open(&case.address).await?;
        let parsed = connection.exchange(case.request(case.requests.len() / 2)).await?;
        let head = std::str::from_utf8(&connection.buffer[..parsed.body.start])?;
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = head.lines().filter_map(header).collect();
        Ok(RawResponse { status: parsed.status, headers, body: connection.buffer[parsed.body].to_vec() })
    })
}

/// The response that [`send_one_request`] returns.
pub struct RawResponse {
    pub status: u16,
    /// Names and values of the headers.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Runs a future on the current thread, because switching between threads would cost more than the work itself.
fn block_on_this_thread<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The state that all connections of a measurement share.
#[derive(Default)]
struct LoadProgress {
    /// Number of requests sent.
    requests: AtomicUsize,
    /// Whether the warm-up is over, and responses are counted.
    is_measuring: AtomicBool,
    /// Whether no further request must be sent.
    is_over: AtomicBool,
}

/// Sends requests over one connection until the measurement is over, and returns the latencies of all responses
/// received while measuring.
async fn load_connection(
    mut connection: Connection,
    case: Arc<RequestCase>,
    progress: Arc<LoadProgress>,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut asked = Instant::now();
    while !progress.is_over.load(Ordering::Relaxed) {
        let number = progress.requests.fetch_add(1, Ordering::Relaxed);
        let parsed = connection.exchange(case.request(number)).await?;
        case.ensure_expected(number, &parsed, &connection.buffer)?;
        let answered = Instant::now();
        if progress.is_measuring.load(Ordering::Relaxed) {
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
        Ok(Self { stream, buffer: vec![0; RESPONSE_BUFFER_BYTES] })
    }

    /// Sends a request and receives the response into the buffer.
    async fn exchange(&mut self, request: &[u8]) -> Result<ParsedResponse> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the server closed the connection, or its response is too long");
            filled += read;
            if let Some(parsed) = parse_response(&self.buffer[..filled])? {
                return Ok(parsed);
            }
        }
    }
}

/// The parts of a response that are relevant to the benchmark.
pub struct ParsedResponse {
    pub status: u16,
    /// The range of the body within the buffer.
    pub body: Range<usize>,
}

/// Parses a response. Returns `None` if it is incomplete.
pub fn parse_response(received: &[u8]) -> Result<Option<ParsedResponse>> {
    let Some(head) = memmem::find(received, b"\r\n\r\n") else {
        return Ok(None);
    };
    let body = head + 4..head + 4 + parse_content_length(&received[..head])?;
    if body.end > received.len() {
        return Ok(None);
    }
    Ok(Some(ParsedResponse { status: parse_status(received)?, body }))
}

/// Parses the status from a status line such as `HTTP/1.1 200 OK`.
fn parse_status(answer: &[u8]) -> Result<u16> {
    let digits = answer.get(9..12).context("the response has no status")?;
    Ok(std::str::from_utf8(digits)?.parse()?)
}

/// Returns the length of the body in bytes. Searches only for the two spellings that the servers of this benchmark use
/// if they send a body: hyper and better-auth's server write header names in lower case, nginx does not.
fn parse_content_length(head: &[u8]) -> Result<usize> {
    const LOWER_CASE_PREFIX: &[u8] = b"\r\ncontent-length: ";
    const NGINX_PREFIX: &[u8] = b"\r\nContent-Length: ";
    let position = memmem::find(head, LOWER_CASE_PREFIX).or_else(|| memmem::find(head, NGINX_PREFIX));
    let Some(position) = position else {
        return Ok(0);
    };
    let value = &head[position + NGINX_PREFIX.len()..];
    let digits = value.split(|byte| *byte == b'\r').next().unwrap_or(value);
    Ok(std::str::from_utf8(digits)?.parse()?)
}
