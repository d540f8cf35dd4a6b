//! Starts and controls the server processes: better-auth, and UL Keys, which also serves routes that do not check keys.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use ulkeys_api::{AccountSummary, ResourceCounts};
use ulkeys_service::Account;
use ulkeys_tests::{Service, ServiceOptions};
use zeroizing_alloc::ZeroAlloc;

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
    /// UL Keys only: address at which the same process serves the routes that do not check keys.
    pub bare: String,
    /// UL Keys only: the credential for introspection requests.
    pub session: String,
    /// UL Keys only: resident memory before the database is opened, in KiB.
    pub empty: Option<u64>,
    /// better-auth only: the keys to send requests with.
    pub keys: Vec<String>,
}

impl BenchServer {
    /// Starts the UL Keys service on `database`. The same process also serves routes that do not check keys, as a
    /// baseline.
    pub fn start_own_service(database: &Path) -> Result<Self> {
        Self::start(Command::new(std::env::current_exe()?).arg("serve-ours").arg(database))
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

    /// Returns the current resident memory in KiB, if the system reports it.
    pub fn resident_kib(&self) -> Option<u64> {
        read_resident_kib(self.child.id())
    }

    /// Returns the processor time used so far, if the system reports it. Its resolution is 10 ms.
    pub fn cpu_time(&self) -> Option<Duration> {
        const CLOCK_TICK: Duration = Duration::from_millis(10);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // In `/proc/PID/stat`, the second field may contain spaces, so the fields are counted from the end of the
        // second field. Fields 14 and 15 are the time in user mode and in kernel mode (proc_pid_stat(5)).
        let (_, from_third) = stat.rsplit_once(") ")?;
        let ticks: Vec<u32> = from_third.split(' ').skip(11).take(2).map_while(|field| field.parse().ok()).collect();
        Some(CLOCK_TICK * ticks.iter().sum())
    }
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        // The server exits when its standard input is closed.
        self.child.stdin.take();
        let _ = self.child.wait();
    }
}

/// Runs the UL Keys service on `database` until its standard input ends. On another port of the same runtime, also
/// serves routes that do not check keys.
#[tokio::main]
pub async fn serve_ours(database: &Path) -> Result<()> {
    let empty = read_resident_kib(std::process::id());
    // The default limits of [`ServiceOptions`] are too high to be reached, but the service still counts each request.
    let account = Account { username: "bench".into(), name: "bench".into() };
    let options = ServiceOptions { database: Some(database.to_owned()), account, ..ServiceOptions::default() };
    let service = Service::start_with(options).await?;
    let bare = TcpListener::bind("127.0.0.1:0").await?;
    let ready = ReadyMessage {
        address: service.address.to_string(),
        bare: bare.local_addr()?.to_string(),
        session: service.session.clone(),
        empty,
        keys: Vec::new(),
    };
    tokio::spawn(async { axum::serve(bare, bare_routes()).await });
    println!("{}", serde_json::to_string(&ready)?);
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}

/// Builds routes that do not check keys, which show the cost of axum itself. `/summary` returns the same body as the
/// service's `/api/account/summary`, and `/ok` returns a minimal body.
fn bare_routes() -> Router {
    Router::new().route("/ok", get(async || "ok")).route("/summary", get(async || Json(account_summary())))
}

fn account_summary() -> AccountSummary {
    AccountSummary {
        username: "bench".to_owned(),
        name: "bench".to_owned(),
        account_type: "personal".to_owned(),
        plan: "free".to_owned(),
        credits_cents: 0,
        counts: ResourceCounts::default(),
        teams: Vec::new(),
    }
}

/// Returns the resident memory of a process in KiB. Works on Linux only.
fn read_resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
