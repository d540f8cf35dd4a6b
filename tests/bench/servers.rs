//! Starts and controls the server processes: UL Keys, the routes that do not check keys, and better-auth.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use ulkeys_service::{Account, Timing};
use ulkeys_tests::{Service, ServiceOptions};
use zeroizing_alloc::ZeroAlloc;

use crate::bare_routes::{BareHeaders, bare_routes};
use crate::process::read_resident_kib;

/// The app's allocator, which wipes memory when it is freed. It slows down the service and the routes that do not check
/// keys equally.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// The body that every server of the benchmark returns for a valid key.
pub const SUMMARY_BODY: &str = concat!(
    r#"{"username":"bench","name":"bench","accountType":"personal","plan":"free","creditsCents":0,"#,
    r#""counts":{"projects":0,"datasets":0,"models":0},"teams":[]}"#
);

/// A server process. It exits when this value is dropped or when the benchmark process ends.
pub struct BenchServer {
    child: Child,
    /// The message that the process printed when it was ready.
    pub ready: ReadyMessage,
    /// Resident memory before the first request, in KiB, if the system reports it.
    pub opened: Option<u64>,
}

/// The line of JSON that a server process prints when it is ready.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadyMessage {
    /// Address on which the server listens.
    pub address: String,
    /// UL Keys only: the credential for introspection requests.
    pub session: String,
    /// UL Keys only: resident memory before the database is opened, in KiB.
    pub empty: Option<u64>,
    /// better-auth only: the keys to send requests with.
    pub keys: Vec<String>,
}

impl BenchServer {
    /// Starts the UL Keys service on `database`. The service collects usage for at most `flush_interval` before it
    /// writes it to the database.
    pub fn start_own_service(database: &Path, flush_interval: Duration) -> Result<Self> {
        let mut service = Command::new(std::env::current_exe()?);
        Self::start(service.arg("serve-ours").arg(database).arg(flush_interval.as_millis().to_string()))
    }

    /// Starts a server with the routes that do not check keys.
    pub fn start_bare_routes(headers: &BareHeaders) -> Result<Self> {
        let mut server = Command::new(std::env::current_exe()?);
        Self::start(server.arg("serve-bare").arg(serde_json::to_string(headers)?))
    }

    /// Starts better-auth on a new database with `keys` keys.
    pub fn start_better_auth(database: &Path, keys: usize) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("better-auth/server.mjs");
        let mut node = Command::new("node");
        Self::start(node.env("NODE_ENV", "production").arg(script).arg(database).arg(keys.to_string()))
    }

    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("no standard output")?;
        let mut server = Self { child, ready: ReadyMessage::default(), opened: None };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        server.ready =
            serde_json::from_str(&line).with_context(|| format!("{command:?} did not report that it is ready"))?;
        server.opened = server.resident_kib();
        Ok(server)
    }

    /// Returns the process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the current resident memory in KiB, if the system reports it.
    pub fn resident_kib(&self) -> Option<u64> {
        read_resident_kib(self.pid())
    }
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        // The server exits when its standard input is closed.
        self.child.stdin.take();
        let _ = self.child.wait();
    }
}

/// Runs the UL Keys service on `database` until its standard input ends.
#[tokio::main]
pub async fn serve_ours(database: &Path, flush_interval: Duration) -> Result<()> {
    let empty = read_resident_kib(std::process::id());
    // The default limits of [`ServiceOptions`] are too high to be reached, but the service still counts each request.
    let account = Account { username: "bench".into(), name: "bench".into() };
    let mut timing = Timing::default();
    timing.usage_flush_interval = timing.usage_flush_interval.min(flush_interval);
    let options = ServiceOptions { database: Some(database.to_owned()), account, timing, ..ServiceOptions::default() };
    let service = Service::start_with(options).await?;
    let (address, session) = (service.address.to_string(), service.session.clone());
    report_ready_and_wait(&ReadyMessage { address, session, empty, ..ReadyMessage::default() }).await
}

/// Serves the routes that do not check keys until the standard input ends.
#[tokio::main]
pub async fn serve_bare(headers: &str) -> Result<()> {
    let routes = bare_routes(serde_json::from_str(headers)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async { axum::serve(listener, routes).await });
    report_ready_and_wait(&ReadyMessage { address, ..ReadyMessage::default() }).await
}

/// Prints that the server is ready, and waits for the end of the standard input.
async fn report_ready_and_wait(ready: &ReadyMessage) -> Result<()> {
    println!("{}", serde_json::to_string(ready)?);
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}
