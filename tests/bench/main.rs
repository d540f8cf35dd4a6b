//! What a key costs: the service beside bare routes on its own runtime, with few and with many stored keys, and beside
//! better-auth's API-key plugin. One run, side by side, as ratios; no number here is a pass mark.
//!
//! Each server is a process of its own, so that its memory can be told; the load comes from this process. All servers
//! stand all the time and are measured in turn, so that whatever else the machine does falls on all of them alike.
//!
//! `bench [--quick]`: quick is fewer and shorter rounds, no million keys, no better-auth.

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

/// Keys that the load takes in turn, spread over all stored ones: only the number of stored keys is to differ.
const SAMPLE_KEYS: usize = 1_000;
/// Kept open through a measurement, each with one request at a time.
const CONNECTION_COUNT: usize = 16;
/// Between two measurements, so that what one left to be written does not count against the next.
const PAUSE_BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(700);

/// How much is measured.
struct BenchProfile {
    /// Numbers of stored keys. The bare routes run beside the first.
    ours: &'static [usize],
    /// Numbers of keys stored by better-auth.
    better_auth: &'static [usize],
    /// Each case is measured this often, in turn; of each number the median counts.
    rounds: usize,
    /// Length of one measurement.
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

/// One line of the report while it is made.
struct BenchRun {
    what: BenchCase,
    /// Number of stored keys; 0 for the bare routes.
    keys: usize,
    /// Which of the servers answers.
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
        "{CONNECTION_COUNT} connections; {SAMPLE_KEYS} of the stored keys, in turn; medians of {} rounds of {:?}; {} processors\n",
        profile.rounds,
        profile.duration,
        std::thread::available_parallelism()?
    );
    report::print_report(&entries.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

/// Starts all servers, and says what to ask them.
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

/// Adds a case that is answered rightly. One whose server has no such route is skipped, aloud.
fn add_case(entries: &mut Vec<BenchRun>, what: BenchCase, keys: usize, server: usize, case: RequestCase) -> Result<()> {
    let name = report::case_name(what, keys);
    let answer = load::send_first_request(&case).with_context(|| name.clone())?;
    if answer.status == 404 {
        eprintln!("skipped: {name}: the server answers 404, it has no such route");
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body);
    let right = answer.status == case.status && body.starts_with(case.body);
    ensure!(right, "{name}: not the right answer: {} {body}", answer.status);
    entries.push(BenchRun { what, keys, server, case: Arc::new(case), runs: Vec::new() });
    Ok(())
}
