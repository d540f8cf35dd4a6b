//! Measures the cost of key checks, above all the processor time per response. One run measures all cases and prints
//! Markdown with the goals of the service, ratios and values; it has no thresholds that could make it fail. The cases:
//!
//! - the service, with different numbers of stored keys: a request with a key, `/forward-auth` and introspection
//! - routes that do not check keys, on the same HTTP library; some of them send the same headers as the service
//! - nginx alone, nginx that asks the service, and nginx that checks a password itself
//! - better-auth's API-key plugin
//!
//! Each server is a separate process, so that its processor time and its memory can be measured; this process generates
//! the load. All servers run during the whole benchmark. Each round measures every case once, every second round in
//! reverse order, and ratios are computed for each round, so that other activity on the machine affects all cases
//! equally.
//!
//! The service collects usage in memory and writes it to the database at intervals. The processor time per response
//! must include these writes. A measurement lasts at least as long as such an interval, and the load starts before it,
//! so at least one write falls into it. That write includes the usage of some responses from before the measurement; in
//! exchange, the usage of its last responses is written after it. If the app's interval is longer than a measurement at
//! full load, the benchmark shortens the interval, so the result overstates the cost of the writes rather than
//! understating it. At half load, the interval is the app's.
//!
//! `bench [--quick]`: the quick profile runs fewer and shorter rounds, and skips nginx, better-auth, and the service
//! with a million keys.

mod bare_routes;
mod load;
mod nginx;
mod open_loop;
mod process;
mod report;
mod servers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use bare_routes::BareHeaders;
use load::{Measurement, RequestCase};
use nginx::Nginx;
use open_loop::OpenLoopMeasurement;
use report::{BenchCase, CaseId, CaseResults, MAIN_KEYS, Report, SERVICE_NAME, ServerMemory};
use servers::{BenchServer, SUMMARY_BODY};
use ulkeys_service::Timing;
use ulkeys_tests::seed;

/// Number of keys that the load cycles through. They are spread over all stored keys. Every case uses the same number
/// of keys, so that the cases differ only in the number of stored keys.
const SAMPLE_KEYS: usize = 1_000;
/// Number of connections that stay open during a measurement, each with one request at a time.
const CONNECTION_COUNT: usize = 16;
/// Pause between two measurements, in which the servers close the connections of the previous one.
const PAUSE_BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(200);

/// The path of the account summary, at the service and at the route that sends the same headers.
const SUMMARY_PATH: &str = "/api/account/summary";

/// The size and duration of a benchmark run.
struct BenchProfile {
    /// The numbers of stored keys for which UL Keys is benchmarked. There is one service process for each number.
    ours: &'static [usize],
    /// The numbers of stored keys for which better-auth is benchmarked.
    better_auth: &'static [usize],
    /// Whether nginx is benchmarked.
    has_nginx: bool,
    /// Number of rounds. The report shows medians over all rounds.
    rounds: usize,
    /// Duration of a measurement at full load, and the maximum time for which the service collects usage before it
    /// writes it to the database.
    duration: Duration,
}

impl BenchProfile {
    /// Returns the duration of a measurement at half load: at least the interval at which the app's service writes
    /// usage to the database. Responses may be slow during a write, so if writes were more frequent than in the app,
    /// more responses would be slow.
    fn half_load_duration(&self) -> Duration {
        self.duration.max(Timing::default().usage_flush_interval)
    }
}

const FULL_PROFILE: BenchProfile = BenchProfile {
    ours: &[1_000, MAIN_KEYS, 1_000_000],
    better_auth: &[1_000, MAIN_KEYS],
    has_nginx: true,
    rounds: 5,
    duration: Duration::from_secs(5),
};
const QUICK_PROFILE: BenchProfile = BenchProfile {
    ours: &[1_000, MAIN_KEYS],
    better_auth: &[],
    has_nginx: false,
    rounds: 3,
    duration: Duration::from_secs(1),
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run_benchmark(&FULL_PROFILE),
        ["--quick"] => run_benchmark(&QUICK_PROFILE),
        ["serve-ours", database, flush_millis] => {
            servers::serve_ours(database.as_ref(), Duration::from_millis(flush_millis.parse()?))
        }
        ["serve-bare", headers] => servers::serve_bare(headers),
        _ => bail!("usage: bench [--quick]"),
    }
}

/// A service with its keys.
struct OwnService {
    keys: usize,
    /// The keys that the load uses.
    sample: Vec<String>,
    server: BenchServer,
}

impl OwnService {
    /// Starts a service with a new database. The service collects usage for at most `flush_interval` before it writes
    /// it to the database.
    fn start(database: &Path, keys: usize, flush_interval: Duration) -> Result<Self> {
        let sample = seed::seed_bulk(database, keys, SAMPLE_KEYS)?;
        let server = BenchServer::start_own_service(database, flush_interval)?;
        Ok(Self { keys, sample, server })
    }

    fn summary_case(&self) -> RequestCase {
        RequestCase::get(&self.server.ready.address, SUMMARY_PATH, SUMMARY_BODY, &self.sample)
    }

    fn forward_auth_case(&self) -> RequestCase {
        RequestCase::forward_auth(&self.server.ready.address, &self.sample)
    }

    fn introspection_case(&self) -> RequestCase {
        RequestCase::introspect(&self.server.ready.address, &self.server.ready.session, &self.sample)
    }

    /// Fails if the routes that do not check keys send other headers than the service, or values of other lengths.
    fn ensure_same_headers(&self, bare: &BenchServer) -> Result<()> {
        let header_lengths = |case: &RequestCase| -> Result<Vec<(String, usize)>> {
            let headers = load::send_one_request(case)?.headers.into_iter();
            let mut lengths: Vec<_> = headers.map(|(name, value)| (name, value.len())).collect();
            lengths.sort();
            Ok(lengths)
        };
        let bare = &bare.ready.address;
        for (case, bare_case) in [
            (self.summary_case(), RequestCase::get(bare, SUMMARY_PATH, SUMMARY_BODY, &self.sample)),
            (self.forward_auth_case(), RequestCase::forward_auth(bare, &self.sample)),
        ] {
            let (own, other) = (header_lengths(&case)?, header_lengths(&bare_case)?);
            ensure!(own == other, "the headers of the service and of the bare route differ: {own:?}, {other:?}");
        }
        Ok(())
    }
}

/// All servers of a run. They stop when this value is dropped.
struct Servers {
    ours: Vec<OwnService>,
    /// The service for the measurements at half load, which writes usage as often as in the app.
    half_load: OwnService,
    bare: BenchServer,
    nginx: Option<Nginx>,
    /// The better-auth servers, each with its number of keys.
    better_auth: Vec<(usize, BenchServer)>,
}

impl Servers {
    fn start(profile: &BenchProfile, folder: &Path) -> Result<Self> {
        let start = |name: String, keys, flush_interval| OwnService::start(&folder.join(name), keys, flush_interval);
        let ours = profile.ours.iter().map(|&keys| start(format!("{keys}.db"), keys, profile.duration));
        let ours = ours.collect::<Result<Vec<_>>>()?;
        let half_load = start("half-load.db".to_owned(), MAIN_KEYS, profile.half_load_duration())?;
        let main = find_main_service(&ours)?;
        let bare = BenchServer::start_bare_routes(&BareHeaders {
            summary: load::send_one_request(&main.summary_case())?.headers,
            forward_auth: load::send_one_request(&main.forward_auth_case())?.headers,
        })?;
        main.ensure_same_headers(&bare)?;
        let nginx = if profile.has_nginx {
            Some(Nginx::start(&folder.join("nginx"), &bare.ready.address, &main.server.ready.address)?)
        } else {
            None
        };
        let mut better_auth = Vec::new();
        for &keys in profile.better_auth {
            let database = folder.join(format!("better-auth-{keys}.db"));
            better_auth.push((keys, BenchServer::start_better_auth(&database, keys)?));
        }
        Ok(Self { ours, half_load, bare, nginx, better_auth })
    }

    /// Returns the cases at full load. The most important ones, which are compared with each other, are adjacent.
    fn full_load_cases(&self) -> Result<Vec<BenchRun<Measurement>>> {
        let main = find_main_service(&self.ours)?;
        let bare = &self.bare.ready.address;
        let (of_bare, of_main) = (vec![self.bare.pid()], vec![main.server.pid()]);
        let bare_json = RequestCase::get(bare, "/summary", SUMMARY_BODY, &main.sample);
        let bare_summary = RequestCase::get(bare, SUMMARY_PATH, SUMMARY_BODY, &main.sample);
        let bare_forward_auth = RequestCase::forward_auth(bare, &main.sample);
        let mut cases = vec![
            ((BenchCase::BareOk, 0), RequestCase::get(bare, "/ok", "ok", &main.sample), of_bare.clone()),
            ((BenchCase::BareJson, 0), bare_json, of_bare.clone()),
            ((BenchCase::BareSummary, 0), bare_summary, of_bare.clone()),
            ((BenchCase::Authenticated, main.keys), main.summary_case(), of_main.clone()),
            ((BenchCase::BareForwardAuth, 0), bare_forward_auth, of_bare),
            ((BenchCase::ForwardAuth, main.keys), main.forward_auth_case(), of_main.clone()),
            ((BenchCase::Introspection, main.keys), main.introspection_case(), of_main),
        ];
        for own in self.ours.iter().filter(|own| own.keys != main.keys) {
            let of_own = vec![own.server.pid()];
            cases.extend([
                ((BenchCase::Authenticated, own.keys), own.summary_case(), of_own.clone()),
                ((BenchCase::ForwardAuth, own.keys), own.forward_auth_case(), of_own.clone()),
                ((BenchCase::Introspection, own.keys), own.introspection_case(), of_own),
            ]);
        }
        if let Some(nginx) = &self.nginx {
            let with_key = |address| RequestCase::get(address, nginx::PATH, SUMMARY_BODY, &main.sample);
            let with_password = RequestCase::get_with_authorizations(
                &nginx.with_basic_auth,
                nginx::PATH,
                SUMMARY_BODY,
                &[nginx::BASIC_AUTHORIZATION],
            );
            let of_nginx = vec![nginx.pid(), self.bare.pid()];
            let of_all = vec![nginx.pid(), self.bare.pid(), main.server.pid()];
            cases.extend([
                ((BenchCase::NginxUlKeys, main.keys), with_key(&nginx.with_ul_keys), of_all),
                ((BenchCase::Nginx, 0), with_key(&nginx.unchecked), of_nginx.clone()),
                ((BenchCase::NginxBasicAuth, 0), with_password, of_nginx),
            ]);
        }
        for (keys, server) in &self.better_auth {
            let case = RequestCase::get(&server.ready.address, "/", SUMMARY_BODY, &server.ready.keys);
            cases.push(((BenchCase::BetterAuth, *keys), case, vec![server.pid()]));
        }
        cases.into_iter().map(|(id, case, processes)| BenchRun::new(id, case, processes)).collect()
    }

    /// Returns the cases at half load.
    fn half_load_cases(&self) -> Result<Vec<BenchRun<OpenLoopMeasurement>>> {
        let Self { half_load, bare, .. } = self;
        let bare_case = RequestCase::get(&bare.ready.address, SUMMARY_PATH, SUMMARY_BODY, &half_load.sample);
        Ok(vec![
            BenchRun::new((BenchCase::BareSummary, 0), bare_case, Vec::new())?,
            BenchRun::new((BenchCase::Authenticated, half_load.keys), half_load.summary_case(), Vec::new())?,
        ])
    }

    fn memory(&self) -> Vec<ServerMemory> {
        let memory = |name, keys, server: &BenchServer| ServerMemory {
            name,
            keys,
            empty: server.ready.empty,
            opened: server.opened,
            loaded: server.resident_kib(),
        };
        let ours = self.ours.iter().map(|own| memory(SERVICE_NAME, own.keys, &own.server));
        let better_auth = self.better_auth.iter().map(|(keys, server)| memory("better-auth", *keys, server));
        ours.chain(better_auth).collect()
    }
}

/// Returns the service that is compared with the routes that do not check keys.
fn find_main_service(ours: &[OwnService]) -> Result<&OwnService> {
    ours.iter().find(|own| own.keys == MAIN_KEYS).context("the profile has no service with the main number of keys")
}

/// A case of the benchmark with the measurements taken so far.
struct BenchRun<T> {
    case: Arc<RequestCase>,
    /// The processes whose processor time is measured, if any.
    processes: Vec<u32>,
    results: CaseResults<T>,
}

impl<T> BenchRun<T> {
    /// Creates a case after checking that the server answers one of its requests correctly.
    fn new(id: CaseId, case: RequestCase, processes: Vec<u32>) -> Result<Self> {
        let name = report::case_name(id);
        let answer = load::send_one_request(&case).with_context(|| name.clone())?;
        let body = String::from_utf8_lossy(&answer.body);
        let right = answer.status == case.status && body.starts_with(case.body);
        ensure!(right, "{name}: unexpected response: {} {body}", answer.status);
        let results = CaseResults { id, rounds: Vec::new() };
        Ok(Self { case: Arc::new(case), processes, results })
    }

    /// Takes a measurement after a pause.
    fn measure(&mut self, measure: impl FnOnce(&Self) -> Result<T>) -> Result<()> {
        std::thread::sleep(PAUSE_BETWEEN_MEASUREMENTS);
        let measured = measure(self).with_context(|| report::case_name(self.results.id))?;
        self.results.rounds.push(measured);
        Ok(())
    }
}

/// Returns the cases in the order in which a round measures them: every second round in reverse order.
fn in_order_of_round<T>(runs: &mut [T], round: usize) -> Vec<&mut T> {
    let mut runs: Vec<_> = runs.iter_mut().collect();
    if round.is_multiple_of(2) {
        runs.reverse();
    }
    runs
}

fn run_benchmark(profile: &BenchProfile) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let servers = Servers::start(profile, folder.path())?;
    let (mut full_load, mut half_load) = (servers.full_load_cases()?, servers.half_load_cases()?);
    for round in 1..=profile.rounds {
        eprintln!("round {round} of {}", profile.rounds);
        for run in in_order_of_round(&mut full_load, round) {
            run.measure(|run| load::measure(&run.case, &run.processes, CONNECTION_COUNT, profile.duration))?;
        }
        let service = full_load.iter().find(|run| run.results.id == (BenchCase::Authenticated, MAIN_KEYS));
        let at_full_load = service.and_then(|run| run.results.rounds.last()).context("the service is not measured")?;
        let rate = at_full_load.throughput / 2.0;
        for run in in_order_of_round(&mut half_load, round) {
            run.measure(|run| {
                open_loop::measure_at_rate(&run.case, CONNECTION_COUNT, rate, profile.half_load_duration())
            })?;
        }
    }
    println!(
        "{CONNECTION_COUNT} connections; requests use {SAMPLE_KEYS} of the stored keys in turn; medians of {} rounds of \
         {:?} per case, {:?} at half load; {} processors",
        profile.rounds,
        profile.duration,
        profile.half_load_duration(),
        std::thread::available_parallelism()?
    );
    let report = Report {
        full_load: full_load.into_iter().map(|run| run.results).collect(),
        half_load: half_load.into_iter().map(|run| run.results).collect(),
        memory: servers.memory(),
    };
    report.print();
    Ok(())
}
