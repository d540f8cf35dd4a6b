//! Generates the load in an open loop: requests are sent at fixed times, even if earlier ones have not been answered.
//!
//! A closed loop hides slow responses, because a connection that waits for one sends nothing that would be slow too
//! (coordinated omission). Here, a request whose time has come waits until a connection is free, and its response time
//! starts at its scheduled time, so that the wait counts.
//!
//! One thread sends all requests and receives all responses. It never sleeps, because waking it up would take longer
//! than a response of the server. Instead, it tries to read from the connections that wait for a response, and lets
//! other threads run after each unsuccessful attempt. If it did not, the server's threads would wait for it, and the
//! scheduler would then interrupt it for several milliseconds at a time. The report shows how late the thread itself
//! is.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::load::{RESPONSE_BUFFER_BYTES, RequestCase, WARM_UP_DURATION, parse_response, percentile};

/// The result of one measurement at a fixed rate.
#[derive(Clone, Copy)]
pub struct OpenLoopMeasurement {
    /// Requests per second.
    pub rate: f64,
    /// Median response time, from the scheduled time of a request to the last byte of its response.
    pub p50: Duration,
    /// 99th percentile of the response time.
    pub p99: Duration,
    /// 99.9th percentile of the response time.
    pub p999: Duration,
    /// 99th percentile of the time by which this program itself was late: the time from when a request was due and a
    /// connection was free, until the request was sent.
    pub late_p99: Duration,
    /// 99.9th percentile of the time by which this program itself was late.
    pub late_p999: Duration,
}

/// Sends `rate` requests per second for `duration` after a warm-up, evenly spaced, over several connections. Fails if a
/// response has an unexpected status.
pub fn measure_at_rate(
    case: &RequestCase,
    connection_count: usize,
    rate: f64,
    duration: Duration,
) -> Result<OpenLoopMeasurement> {
    let connections = (0..connection_count).map(|_| PolledConnection::open(&case.address));
    let mut free = connections.collect::<Result<VecDeque<_>>>()?;
    let mut busy: Vec<PolledConnection> = Vec::with_capacity(connection_count);
    let expected_count = (rate * duration.as_secs_f64()) as usize;
    let (mut latencies, mut delays) = (Vec::with_capacity(expected_count), Vec::with_capacity(expected_count));
    let begin = Instant::now();
    let start = begin + WARM_UP_DURATION;
    let end = start + duration;
    let mut sent_count = 0;
    let mut due = begin;
    // The time since when at least one connection is free.
    let mut free_since = begin;
    while due < end || !busy.is_empty() {
        while due < end
            && due <= Instant::now()
            && let Some(mut connection) = free.pop_front()
        {
            let late = due.max(free_since).elapsed();
            connection.send(case, sent_count, due)?;
            busy.push(connection);
            if due >= start {
                delays.push(late);
            }
            sent_count += 1;
            due = begin + Duration::from_secs_f64(sent_count as f64 / rate);
        }
        let mut has_received = false;
        let mut index = 0;
        while index < busy.len() {
            if !busy[index].receive(case)? {
                index += 1;
                continue;
            }
            has_received = true;
            let connection = busy.swap_remove(index);
            let answered = Instant::now();
            if connection.due >= start {
                latencies.push(answered - connection.due);
            }
            if free.is_empty() {
                free_since = answered;
            }
            free.push_back(connection);
        }
        if !has_received {
            std::thread::yield_now();
        }
    }
    latencies.sort_unstable();
    delays.sort_unstable();
    Ok(OpenLoopMeasurement {
        rate,
        p50: percentile(&latencies, 500)?,
        p99: percentile(&latencies, 990)?,
        p999: percentile(&latencies, 999)?,
        late_p99: percentile(&delays, 990)?,
        late_p999: percentile(&delays, 999)?,
    })
}

/// A connection that returns immediately if nothing can be read.
struct PolledConnection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Number of bytes of the response that have been received.
    filled: usize,
    /// Number of the last request.
    request: usize,
    /// The time at which the last request should have been sent.
    due: Instant,
}

impl PolledConnection {
    fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, buffer: vec![0; RESPONSE_BUFFER_BYTES], filled: 0, request: 0, due: Instant::now() })
    }

    fn send(&mut self, case: &RequestCase, request: usize, due: Instant) -> Result<()> {
        // The send buffer is empty, so the whole request fits into it.
        self.stream.write_all(case.request(request))?;
        (self.filled, self.request, self.due) = (0, request, due);
        Ok(())
    }

    /// Reads what has arrived. Returns whether the response is complete.
    fn receive(&mut self, case: &RequestCase) -> Result<bool> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(read) => {
                ensure!(read > 0, "the server closed the connection, or its response is too long");
                self.filled += read;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let Some(parsed) = parse_response(&self.buffer[..self.filled])? else {
            return Ok(false);
        };
        case.ensure_expected(self.request, &parsed, &self.buffer)?;
        Ok(true)
    }
}
