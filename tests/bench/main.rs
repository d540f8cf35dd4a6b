//! What a key costs: the service beside bare routes on its own runtime, with few and with many stored keys, and beside
//! better-auth's API-key plugin. One run, side by side, as ratios; no number here is a pass mark.
//!
//! Each server is a process of its own, so that its memory can be told; the load comes from this process. All servers
//! stand all the time and are measured in turn, so that whatever else the machine does falls on all of them alike.
//!
//! `bench [--quick]`: quick is fewer and shorter rounds, no million keys, no better-auth.

mod load;
mod report;
mod serve;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use load::{Case, Measured};
use report::{Memory, Row, What};
use serve::{Ready, SUMMARY, Server};
use ulkeys_tests::seed;

/// Keys that the load takes in turn, spread over all stored ones: only the number of stored keys is to differ.
const SAMPLE: usize = 1_000;
/// Kept open through a measurement, each with one request at a time.
const CONNECTIONS: usize = 16;
/// Between two measurements, so that what one left to be written does not count against the next.
const PAUSE: Duration = Duration::from_millis(700);

/// How much is measured.
struct Effort {
    /// Numbers of stored keys. The bare routes run beside the first.
    ours: &'static [usize],
    /// Numbers of keys stored by better-auth.
    better_auth: &'static [usize],
    /// Each case is measured this often, in turn; of each number the median counts.
    rounds: usize,
    /// Length of one measurement.
    duration: Duration,
}

const FULL: Effort = Effort {
    ours: &[1_000, 100_000, 1_000_000],
    better_auth: &[1_000, 100_000],
    rounds: 5,
    duration: Duration::from_secs(2),
};
const QUICK: Effort =
    Effort { ours: &[1_000, 100_000], better_auth: &[], rounds: 3, duration: Duration::from_millis(700) };

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(&FULL),
        ["--quick"] => compare(&QUICK),
        ["serve-ours", database] => serve::serve_ours(database.as_ref()),
        _ => bail!("usage: bench [--quick]"),
    }
}

/// One line of the report while it is made.
struct Entry {
    what: What,
    /// Number of stored keys; 0 for the bare routes.
    keys: usize,
    /// Which of the servers answers.
    server: usize,
    case: Arc<Case>,
    runs: Vec<Measured>,
}

fn compare(effort: &Effort) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (servers, mut entries) = start(effort, folder.path())?;
    for round in 1..=effort.rounds {
        eprintln!("round {round} of {}", effort.rounds);
        for entry in &mut entries {
            std::thread::sleep(PAUSE);
            let measured = load::measure(&entry.case, &servers[entry.server], CONNECTIONS, effort.duration);
            entry.runs.push(measured.with_context(|| report::name(entry.what, entry.keys))?);
        }
    }
    let memory =
        |server: &Server| Memory { empty: server.ready.empty, opened: server.opened, loaded: server.resident() };
    let row = |entry: &Entry| Row {
        what: entry.what,
        keys: entry.keys,
        memory: memory(&servers[entry.server]),
        measured: report::median(&entry.runs),
    };
    println!(
        "{CONNECTIONS} connections; {SAMPLE} of the stored keys, in turn; medians of {} rounds of {:?}; {} processors\n",
        effort.rounds,
        effort.duration,
        std::thread::available_parallelism()?
    );
    report::print(&entries.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

/// Starts all servers, and says what to ask them.
fn start(effort: &Effort, folder: &Path) -> Result<(Vec<Server>, Vec<Entry>)> {
    let (mut servers, mut entries) = (Vec::new(), Vec::new());
    for &keys in effort.ours {
        let database = folder.join(format!("{keys}.db"));
        let sample = seed::crowd(&database, keys, SAMPLE)?;
        let server = Server::ours(&database)?;
        let Ready { address, bare, session, .. } = &server.ready;
        if servers.is_empty() {
            add(&mut entries, What::BareOk, 0, 0, Case::get(bare, "/ok", "ok", &sample))?;
            add(&mut entries, What::BareJson, 0, 0, Case::get(bare, "/summary", SUMMARY, &sample))?;
        }
        let authenticated = Case::get(address, "/api/account/summary", SUMMARY, &sample);
        add(&mut entries, What::Authenticated, keys, servers.len(), authenticated)?;
        let introspection = Case::introspect(address, session, &sample);
        add(&mut entries, What::Introspection, keys, servers.len(), introspection)?;
        add(&mut entries, What::ForwardAuth, keys, servers.len(), Case::forward_auth(address, &sample))?;
        servers.push(server);
    }
    for &keys in effort.better_auth {
        let server = Server::better_auth(&folder.join(format!("better-auth-{keys}.db")), keys)?;
        let case = Case::get(&server.ready.address, "/", SUMMARY, &server.ready.keys);
        add(&mut entries, What::BetterAuth, keys, servers.len(), case)?;
        servers.push(server);
    }
    Ok((servers, entries))
}

/// Adds a case that is answered rightly. One whose server has no such route is skipped, aloud.
fn add(entries: &mut Vec<Entry>, what: What, keys: usize, server: usize, case: Case) -> Result<()> {
    let name = report::name(what, keys);
    let answer = load::ask(&case).with_context(|| name.clone())?;
    if answer.status == 404 {
        eprintln!("skipped: {name}: the server answers 404, it has no such route");
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body);
    let right = answer.status == case.status && body.starts_with(case.body);
    ensure!(right, "{name}: not the right answer: {} {body}", answer.status);
    entries.push(Entry { what, keys, server, case: Arc::new(case), runs: Vec::new() });
    Ok(())
}
