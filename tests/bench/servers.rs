//! The serving processes: ours with its bare routes, and better-auth's.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use ulkeys_domain::wire::{AccountSummary, ResourceCounts};
use ulkeys_service::Account;
use ulkeys_tests::{Service, ServiceOptions};
use zeroizing_alloc::ZeroAlloc;

/// The app's own, which wipes what is freed: the service pays for it, and so do the bare routes.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// What every server here answers to a good key.
pub const SUMMARY_BODY: &str = concat!(
    r#"{"username":"bench","name":"bench","accountType":"personal","plan":"free","creditsCents":0,"#,
    r#""counts":{"projects":0,"datasets":0,"models":0},"teams":[]}"#
);

/// A serving process. It ends when this value is dropped, and when this process ends.
pub struct BenchServer {
    child: Child,
    /// What it said when it was ready.
    pub ready: ReadyMessage,
    /// Resident memory before the first request, in KiB, where the system tells.
    pub opened: Option<u64>,
}

/// The line of JSON that a serving process writes when it is ready.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadyMessage {
    /// Where it listens.
    pub address: String,
    /// Ours: where the bare routes of the same process are.
    pub bare: String,
    /// Ours: the credential with which introspection is asked for.
    pub session: String,
    /// Ours: resident memory before the store was opened, in KiB.
    pub empty: Option<u64>,
    /// better-auth's: the keys to ask it with.
    pub keys: Vec<String>,
}

impl BenchServer {
    /// The key service on `database`, and bare routes.
    pub fn start_own_service(database: &Path) -> Result<Self> {
        Self::start(Command::new(std::env::current_exe()?).arg("serve-ours").arg(database))
    }

    /// better-auth, on a new database with `keys` keys.
    pub fn start_better_auth(database: &Path, keys: usize) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("better-auth/server.mjs");
        let mut node = Command::new("node");
        Self::start(node.env("NODE_ENV", "production").arg(script).arg(database).arg(keys.to_string()))
    }

    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("no output")?;
        let mut server = Self { child, ready: ReadyMessage::default(), opened: None };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        server.ready = serde_json::from_str(&line).with_context(|| format!("{command:?} did not get ready"))?;
        server.opened = server.resident_kib();
        Ok(server)
    }

    /// Resident memory now, in KiB, where the system tells.
    pub fn resident_kib(&self) -> Option<u64> {
        read_resident_kib(self.child.id())
    }

    /// Processor time taken so far, where the system tells. Its resolution is 10 ms.
    pub fn cpu_time(&self) -> Option<Duration> {
        const CLOCK_TICK: Duration = Duration::from_millis(10);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The second field may hold spaces; the 14th and 15th are the time in user and in kernel mode
        // (proc_pid_stat(5)).
        let (_, from_third) = stat.rsplit_once(") ")?;
        let ticks: Vec<u32> = from_third.split(' ').skip(11).take(2).map_while(|field| field.parse().ok()).collect();
        Some(CLOCK_TICK * ticks.iter().sum())
    }
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        // Its end of input, on which it ends by itself.
        self.child.stdin.take();
        let _ = self.child.wait();
    }
}

/// Serves `database`, and bare routes on another port of the same runtime, until the end of input.
#[tokio::main]
pub async fn serve_ours(database: &Path) -> Result<()> {
    let empty = read_resident_kib(std::process::id());
    // Its limits are counted for each request, and never reached.
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

/// What axum costs by itself: the same answer as the service's to `GET /api/account/summary`, and the smallest one.
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

/// Resident memory of a process, in KiB. Linux only.
fn read_resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
