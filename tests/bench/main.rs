//! Measures the cost of key checks. Compares three cases: the service, with few and with many stored keys; routes on
//! the service's own runtime that do not check keys; and better-auth's API-key plugin. One run measures all of them and
//! prints ratios; it has no thresholds that could make it fail.
//!
//! Each server is a separate process, so that its memory can be measured; this process generates the load. All servers
//! run during the whole benchmark and are measured in turn, so that other activity on the machine affects all of them
//! equally.
//!
//! `bench [--quick]`: the quick profile runs fewer and shorter rounds, and skips both better-auth and the service with
//! a million keys.

mod load;
mod report;
mod servers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use load::{Measurement, RequestCase};
use report::{BenchCase, ReportRow, ServerMemory};
use servers::{BenchServer, ReadyMessage, SUMMARY_BODY};
use ulkeys_tests::seed;

/// Number of keys that the load cycles through. They are spread over all stored keys. Every case uses the same number
/// of keys, so that the cases differ only in the number of stored keys.
const SAMPLE_KEYS: usize = 1_000;
/// Number of connections that stay open during a measurement, each with one request at a time.
const CONNECTION_COUNT: usize = 16;
/// Pause between two measurements, so that writes still pending from one measurement do not slow down the next.
const PAUSE_BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(700);

/// The size and duration of a benchmark run.
struct BenchProfile {
    /// The numbers of stored keys for which UL Keys is benchmarked. There is one service process for each number; the
    /// first process also serves the routes that do not check keys.
    ours: &'static [usize],
    /// The numbers of stored keys for which better-auth is benchmarked.
    better_auth: &'static [usize],
    /// Number of rounds. Each round measures every case once, and the report shows the median of each value over all
    /// rounds.
    rounds: usize,
    /// Duration of one measurement.
    duration: Duration,
}

const FULL_PROFILE: BenchProfile = BenchProfile {
    ours: &[1_000, 100_000, 1_000_000],
    better_auth: &[1_000, 100_000],
    rounds: 5,
    duration: Duration::from_secs(2),
};
const QUICK_PROFILE: BenchProfile =
    BenchProfile { ours: &[1_000, 100_000], better_auth: &[], rounds: 3, duration: Duration::from_millis(700) };

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run_benchmark(&FULL_PROFILE),
        ["--quick"] => run_benchmark(&QUICK_PROFILE),
        ["serve-ours", database] => servers::serve_ours(database.as_ref()),
        _ => bail!("usage: bench [--quick]"),
    }
}

/// A case of the benchmark with the measurements taken so far.
struct BenchRun {
    what: BenchCase,
    /// Number of stored keys; 0 for routes that do not check keys.
    keys: usize,
    /// Index of the server that answers the requests.
    server: usize,
    case: Arc<RequestCase>,
    runs: Vec<Measurement>,
}

fn run_benchmark(profile: &BenchProfile) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (servers, mut entries) = start_servers(profile, folder.path())?;
    for round in 1..=profile.rounds {
        eprintln!("round {round} of {}", profile.rounds);
        for entry in &mut entries {
            std::thread::sleep(PAUSE_BETWEEN_MEASUREMENTS);
            let measured = load::measure(&entry.case, &servers[entry.server], CONNECTION_COUNT, profile.duration);
            entry.runs.push(measured.with_context(|| report::case_name(entry.what, entry.keys))?);
        }
    }
    let memory = |server: &BenchServer| ServerMemory {
        empty: server.ready.empty,
        opened: server.opened,
        loaded: server.resident_kib(),
    };
    let row = |entry: &BenchRun| ReportRow {
        what: entry.what,
        keys: entry.keys,
        memory: memory(&servers[entry.server]),
        measured: report::median_measurement(&entry.runs),
    };
    println!(
        "{CONNECTION_COUNT} connections; requests use {SAMPLE_KEYS} of the stored keys in turn; medians of {} rounds of {:?}; {} processors\n",
        profile.rounds,
        profile.duration,
        std::thread::available_parallelism()?
    );
    report::print_report(&entries.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

/// Starts all servers and returns them with the cases to measure.
fn start_servers(profile: &BenchProfile, folder: &Path) -> Result<(Vec<BenchServer>, Vec<BenchRun>)> {
    let (mut servers, mut entries) = (Vec::new(), Vec::new());
    for &keys in profile.ours {
        let database = folder.join(format!("{keys}.db"));
        let sample = seed::seed_bulk(&database, keys, SAMPLE_KEYS)?;
        let server = BenchServer::start_own_service(&database)?;
        let ReadyMessage { address, bare, session, .. } = &server.ready;
        if servers.is_empty() {
            add_case(&mut entries, BenchCase::BareOk, 0, 0, RequestCase::get(bare, "/ok", "ok", &sample))?;
            add_case(
                &mut entries,
                BenchCase::BareJson,
                0,
                0,
                RequestCase::get(bare, "/summary", SUMMARY_BODY, &sample),
            )?;
        }
        let authenticated = RequestCase::get(address, "/api/account/summary", SUMMARY_BODY, &sample);
        add_case(&mut entries, BenchCase::Authenticated, keys, servers.len(), authenticated)?;
        let introspection = RequestCase::introspect(address, session, &sample);
        add_case(&mut entries, BenchCase::Introspection, keys, servers.len(), introspection)?;
        add_case(
            &mut entries,
            BenchCase::ForwardAuth,
            keys,
            servers.len(),
            RequestCase::forward_auth(address, &sample),
        )?;
        servers.push(server);
    }
    for &keys in profile.better_auth {
        let server = BenchServer::start_better_auth(&folder.join(format!("better-auth-{keys}.db")), keys)?;
        let case = RequestCase::get(&server.ready.address, "/", SUMMARY_BODY, &server.ready.keys);
        add_case(&mut entries, BenchCase::BetterAuth, keys, servers.len(), case)?;
        servers.push(server);
    }
    Ok((servers, entries))
}

/// Adds a case after checking that the server answers the case's first request correctly. If the server has no such
/// route (404), prints a message and skips the case.
fn add_case(entries: &mut Vec<BenchRun>, what: BenchCase, keys: usize, server: usize, case: RequestCase) -> Result<()> {
    let name = report::case_name(what, keys);
    let answer = load::send_first_request(&case).with_context(|| name.clone())?;
    if answer.status == 404 {
        eprintln!("skipped {name}: the server has no such route (404)");
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body);
    let right = answer.status == case.status && body.starts_with(case.body);
    ensure!(right, "{name}: unexpected response: {} {body}", answer.status);
    entries.push(BenchRun { what, keys, server, case: Arc::new(case), runs: Vec::new() });
    Ok(())
}
