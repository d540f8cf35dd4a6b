//! What authentication costs: the key service beside a bare route, on the same runtime, in one run, as ratios.
//!
//! The load comes from another process, so that it does not share the service's runtime.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::routing::get;
use rand::rngs::SysRng;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::{KeyId, KeyName, KeyRecord, Scope, Scopes, Secret};
use ulkeys_service::{Account, CheckpointConfig, Config, SessionToken, serve, system_clock};
use ulkeys_store::{KeyStore as _, SqliteStore};

const CONNECTIONS: usize = 8;
const REQUESTS: usize = 40_000;
const KEYS: usize = 1_000;
/// Each side is measured this often, in turn; the median counts.
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("load") => load(arguments[2].parse()?, &arguments[3], &arguments[4]),
        _ => tokio::runtime::Runtime::new()?.block_on(compare()),
    }
}

/// Throughput in requests a second and the 99th percentile of the latency.
#[derive(Clone, Copy)]
struct Measured {
    throughput: f64,
    p99: Duration,
}

async fn compare() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("keys.db"))?;
    let mut key = String::new();
    for number in 0..KEYS {
        let secret = Secret::generate(&mut SysRng)?;
        let record = KeyRecord {
            id: KeyId::generate(&mut SysRng)?,
            name: KeyName::parse(&format!("key {number}"))?,
            prefix: secret.prefix(),
            scopes: Scopes::new([Scope::Read])?,
            created_at: system_clock(),
            last_used_at: None,
            revoked_at: None,
        };
        store.insert(record, secret.hash()).await?;
        secret.expose().clone_into(&mut key);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let service = listener.local_addr()?;
    let account = Account { username: "bench".into(), name: "bench".into() };
    let checkpoints = CheckpointConfig::in_folder(folder.path().join("checkpoints"));
    let config = Config { session: SessionToken::generate(&mut SysRng)?, account, clock: system_clock, checkpoints };
    tokio::spawn(serve(listener, Arc::new(store), config, CancellationToken::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let bare = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, Router::new().route("/bare", get(async || "ok"))).await });

    let (mut bare_runs, mut service_runs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare_runs.push(measure(bare, "/bare", &key).await?);
        service_runs.push(measure(service, "/api/account/summary", &key).await?);
    }
    let (bare, service) = (median(bare_runs), median(service_runs));
    println!("{REQUESTS} requests over {CONNECTIONS} connections, {KEYS} keys, median of {ROUNDS} runs each, in turn");
    for (name, measured) in [("bare axum route", bare), ("authenticated request", service)] {
        println!(
            "{name:<24}{:>9.0} requests/s   p99 {:>8.3} ms",
            measured.throughput,
            measured.p99.as_secs_f64() * 1e3
        );
    }
    println!(
        "authenticated / bare: throughput {:.2}, p99 {:.2}",
        service.throughput / bare.throughput,
        service.p99.as_secs_f64() / bare.p99.as_secs_f64()
    );
    Ok(())
}

async fn measure(address: SocketAddr, path: &str, key: &str) -> Result<Measured> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    let output = command.args(["load", &address.to_string(), path, key]).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (throughput, p99) = text.trim().split_once(' ').context("two numbers")?;
    Ok(Measured { throughput: throughput.parse()?, p99: Duration::from_nanos(p99.parse()?) })
}

fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.throughput.total_cmp(&b.throughput));
    runs[runs.len() / 2]
}

/// The loading process: prints requests a second and the 99th percentile in nanoseconds.
fn load(address: SocketAddr, path: &str, key: &str) -> Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\r\n");
    let start = Instant::now();
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let request = request.clone();
            std::thread::spawn(move || run_connection(address, request.as_bytes()))
        })
        .collect();
    let mut latencies = Vec::with_capacity(REQUESTS);
    for worker in workers {
        latencies.extend(worker.join().map_err(|_| anyhow::anyhow!("a connection panicked"))??);
    }
    let elapsed = start.elapsed();
    latencies.sort_unstable();
    let p99 = latencies[latencies.len() * 99 / 100];
    println!("{} {}", latencies.len() as f64 / elapsed.as_secs_f64(), p99.as_nanos());
    Ok(())
}

fn run_connection(address: SocketAddr, request: &[u8]) -> Result<Vec<Duration>> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(REQUESTS / CONNECTIONS);
    let mut line = String::new();
    for _ in 0..REQUESTS / CONNECTIONS {
        let start = Instant::now();
        stream.get_mut().write_all(request)?;
        let mut length = 0;
        for number in 0.. {
            line.clear();
            stream.read_line(&mut line)?;
            ensure!(number > 0 || line.starts_with("HTTP/1.1 200"), "{line}");
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
                None if number > 0 => break,
                _ => {}
            }
        }
        stream.read_exact(&mut vec![0; length])?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}
