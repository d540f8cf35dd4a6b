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
//! exchange, the usage of its last responses is written after it. If the service's own interval is longer than a
//! measurement, the benchmark shortens it, so the result overstates the cost of the writes rather than understating it.
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
use load::RequestCase;
use nginx::{BASIC_AUTHORIZATION, Nginx};
use report::{BenchCase, CaseResults, MAIN_KEYS, SERVICE_NAME, ServerMemory};
use servers::{BenchServer, SUMMARY_BODY};
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
/// The path of requests to nginx. `/forward-auth` receives requests with the same path.
const MODEL_PATH: &str = "/api/models/x";
/// The cases that are also measured at half load: the service and the route that sends the same headers.
const HALF_LOAD_CASES: [(BenchCase, usize); 2] = [(BenchCase::Authenticated, MAIN_KEYS), (BenchCase::BareSummary, 0)];

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
    /// Duration of one measurement, and the maximum time for which the service collects usage before it writes it to
    /// the database.
    duration: Duration,
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
    fn start(profile: &BenchProfile, folder: &Path, keys: usize) -> Result<Self> {
        let database = folder.join(format!("{keys}.db"));
        let sample = seed::seed_bulk(&database, keys, SAMPLE_KEYS)?;
        let server = BenchServer::start_own_service(&database, profile.duration)?;
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
    bare: BenchServer,
    nginx: Option<Nginx>,
    /// The better-auth servers, each with its number of keys.
    better_auth: Vec<(usize, BenchServer)>,
}

impl Servers {
    fn start(profile: &BenchProfile, folder: &Path) -> Result<Self> {
        let ours = profile.ours.iter().map(|&keys| OwnService::start(profile, folder, keys));
        let ours = ours.collect::<Result<Vec<_>>>()?;
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
        Ok(Self { ours, bare, nginx, better_auth })
    }

    /// Returns all cases. The most important ones, which are compared with each other, are adjacent.
    fn cases(&self) -> Result<Vec<BenchRun>> {
        let mut runs = Vec::new();
        let main = find_main_service(&self.ours)?;
        let bare = &self.bare.ready.address;
        let (of_bare, of_main) = ([self.bare.pid()], [main.server.pid()]);
        for (what, case) in [
            (BenchCase::BareOk, RequestCase::get(bare, "/ok", "ok", &main.sample)),
            (BenchCase::BareJson, RequestCase::get(bare, "/summary", SUMMARY_BODY, &main.sample)),
            (BenchCase::BareSummary, RequestCase::get(bare, SUMMARY_PATH, SUMMARY_BODY, &main.sample)),
        ] {
            runs.push(BenchRun::new(what, 0, case, &of_bare)?);
        }
        runs.push(BenchRun::new(BenchCase::Authenticated, main.keys, main.summary_case(), &of_main)?);
        runs.push(BenchRun::new(
            BenchCase::BareForwardAuth,
            0,
            RequestCase::forward_auth(bare, &main.sample),
            &of_bare,
        )?);
        runs.push(BenchRun::new(BenchCase::ForwardAuth, main.keys, main.forward_auth_case(), &of_main)?);
        runs.push(BenchRun::new(BenchCase::Introspection, main.keys, main.introspection_case(), &of_main)?);
        for own in self.ours.iter().filter(|own| own.keys != main.keys) {
            for (what, case) in [
                (BenchCase::Authenticated, own.summary_case()),
                (BenchCase::ForwardAuth, own.forward_auth_case()),
                (BenchCase::Introspection, own.introspection_case()),
            ] {
                runs.push(BenchRun::new(what, own.keys, case, &[own.server.pid()])?);
            }
        }
        if let Some(nginx) = &self.nginx {
            let case = |address| RequestCase::get(address, MODEL_PATH, SUMMARY_BODY, &main.sample);
            let (unchecked, with_ul_keys) = (case(&nginx.unchecked), case(&nginx.with_ul_keys));
            let with_basic_auth = RequestCase::get_with_authorizations(
                &nginx.with_basic_auth,
                MODEL_PATH,
                SUMMARY_BODY,
                &[BASIC_AUTHORIZATION],
            );
            let processes = [nginx.pid(), self.bare.pid(), main.server.pid()];
            runs.push(BenchRun::new(BenchCase::NginxUlKeys, main.keys, with_ul_keys, &processes)?);
            runs.push(BenchRun::new(BenchCase::Nginx, 0, unchecked, &processes[..2])?);
            runs.push(BenchRun::new(BenchCase::NginxBasicAuth, 0, with_basic_auth, &processes[..2])?);
        }
        for (keys, server) in &self.better_auth {
            let case = RequestCase::get(&server.ready.address, "/", SUMMARY_BODY, &server.ready.keys);
            runs.push(BenchRun::new(BenchCase::BetterAuth, *keys, case, &[server.pid()])?);
        }
        Ok(runs)
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
struct BenchRun {
    case: Arc<RequestCase>,
    /// The processes whose processor time is measured.
    processes: Vec<u32>,
    results: CaseResults,
}

impl BenchRun {
    /// Creates a case after checking that the server answers one of its requests correctly.
    fn new(what: BenchCase, keys: usize, case: RequestCase, processes: &[u32]) -> Result<Self> {
        let name = report::case_name((what, keys));
        let answer = load::send_one_request(&case).with_context(|| name.clone())?;
        let body = String::from_utf8_lossy(&answer.body);
        let right = answer.status == case.status && body.starts_with(case.body);
        ensure!(right, "{name}: unexpected response: {} {body}", answer.status);
        let results = CaseResults { what, keys, full_load: Vec::new(), half_load: Vec::new() };
        Ok(Self { case: Arc::new(case), processes: processes.to_vec(), results })
    }

    fn id(&self) -> (BenchCase, usize) {
        (self.results.what, self.results.keys)
    }

    fn measure_at_full_load(&mut self, duration: Duration) -> Result<()> {
        std::thread::sleep(PAUSE_BETWEEN_MEASUREMENTS);
        let measured = load::measure(&self.case, &self.processes, CONNECTION_COUNT, duration);
        self.results.full_load.push(measured.with_context(|| report::case_name(self.id()))?);
        Ok(())
    }

    fn measure_at_half_load(&mut self, rate: f64, duration: Duration) -> Result<()> {
        std::thread::sleep(PAUSE_BETWEEN_MEASUREMENTS);
        let measured = open_loop::measure_at_rate(&self.case, CONNECTION_COUNT, rate, duration);
        self.results.half_load.push(measured.with_context(|| report::case_name(self.id()))?);
        Ok(())
    }
}

fn run_benchmark(profile: &BenchProfile) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let servers = Servers::start(profile, folder.path())?;
    let mut runs = servers.cases()?;
    for round in 1..=profile.rounds {
        eprintln!("round {round} of {}", profile.rounds);
        runs.reverse();
        for run in &mut runs {
            run.measure_at_full_load(profile.duration)?;
        }
        // Both cases receive the same load: half of what the service can handle in this round.
        let service = runs.iter().find(|run| run.id() == HALF_LOAD_CASES[0]).context("the service is not measured")?;
        let rate = service.results.full_load.last().context("the service was not measured")?.throughput / 2.0;
        for run in runs.iter_mut().filter(|run| HALF_LOAD_CASES.contains(&run.id())) {
            run.measure_at_half_load(rate, profile.duration)?;
        }
    }
    println!(
        "{CONNECTION_COUNT} connections; requests use {SAMPLE_KEYS} of the stored keys in turn; medians of {} rounds of \
         {:?} per case; {} processors",
        profile.rounds,
        profile.duration,
        std::thread::available_parallelism()?
    );
    let results: Vec<_> = runs.into_iter().map(|run| run.results).collect();
    report::print_report(&results, &servers.memory());
    Ok(())
}
