//! Prints the results as Markdown: the named goals, the ratios between cases, and the values of each case.

use std::time::Duration;

use crate::load::Measurement;
use crate::open_loop::OpenLoopMeasurement;

/// Number of stored keys of the service that is compared with the routes that do not check keys.
pub const MAIN_KEYS: usize = 100_000;
/// The smallest and the largest number of stored keys, which are compared with each other.
const FEW_KEYS: usize = 1_000;
const MOST_KEYS: usize = 1_000_000;

/// A case, with its number of stored keys. The number is 0 for servers that store no keys.
pub type CaseId = (BenchCase, usize);

/// All measurements of a case.
pub struct CaseResults<T> {
    /// The case that was measured.
    pub id: CaseId,
    /// The measurements, one per round.
    pub rounds: Vec<T>,
}

impl<T> CaseResults<T> {
    fn median(&self, value: impl Fn(&T) -> Option<f64>) -> Option<f64> {
        Spread::of(self.rounds.iter().map(value).collect::<Option<_>>()?).map(|spread| spread.median)
    }
}

/// A kind of request that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BenchCase {
    /// A route that does not check keys and answers `ok`.
    BareOk,
    /// A route that does not check keys and returns the same JSON as `GET /api/account/summary`.
    BareJson,
    /// The same route, with the same headers as `GET /api/account/summary`.
    BareSummary,
    /// A route that does not check keys and returns 204 with the same headers as `GET /forward-auth`.
    BareForwardAuth,
    /// `GET /api/account/summary`, which authenticates the request, checks its scope, applies the rate limit and
    /// records the usage.
    Authenticated,
    /// `POST /oauth2/introspect`.
    Introspection,
    /// `GET /forward-auth`.
    ForwardAuth,
    /// nginx, which forwards requests to [`Self::BareJson`] without a check.
    Nginx,
    /// nginx, which asks UL Keys before it forwards a request.
    NginxUlKeys,
    /// nginx, which checks a user name and a password before it forwards a request.
    NginxBasicAuth,
    /// better-auth's `verifyApiKey` behind a minimal Node server.
    BetterAuth,
}

impl BenchCase {
    fn as_str(self) -> &'static str {
        match self {
            Self::BareOk => "bare route, \"ok\"",
            Self::BareJson => "bare route, same JSON",
            Self::BareSummary => "bare route, same headers",
            Self::BareForwardAuth => "bare 204, same headers",
            Self::Authenticated => "authenticated",
            Self::Introspection => "introspection",
            Self::ForwardAuth => "forward auth",
            Self::Nginx => "nginx",
            Self::NginxUlKeys => "nginx with UL Keys",
            Self::NginxBasicAuth => "nginx with auth_basic",
            Self::BetterAuth => "better-auth",
        }
    }
}

/// Resident memory of a server process in KiB. A value is `None` if the system does not report it.
pub struct ServerMemory {
    /// What the server is.
    pub name: &'static str,
    /// Number of stored keys.
    pub keys: usize,
    /// Memory before the keys are loaded. Unknown for better-auth, which creates its keys itself.
    pub empty: Option<u64>,
    /// Memory with all keys loaded, before the first request.
    pub opened: Option<u64>,
    /// Memory after the last request.
    pub loaded: Option<u64>,
}

impl ServerMemory {
    /// Returns by how much the memory has grown since it was empty.
    fn growth(&self) -> Option<u64> {
        self.loaded.zip(self.empty).map(|(loaded, empty)| loaded.saturating_sub(empty))
    }
}

/// Name of the key service in [`ServerMemory`].
pub const SERVICE_NAME: &str = "UL Keys";

/// All results of a run.
pub struct Report {
    /// The results at full load.
    pub full_load: Vec<CaseResults<Measurement>>,
    /// The results at half load.
    pub half_load: Vec<CaseResults<OpenLoopMeasurement>>,
    /// The memory of the servers.
    pub memory: Vec<ServerMemory>,
}

impl Report {
    /// Prints all results. Omits what was not measured.
    pub fn print(&self) {
        self.print_goals();
        self.print_ratios();
        self.print_full_load();
        self.print_half_load();
        self.print_memory();
    }

    /// Prints the goals next to the measured values.
    fn print_goals(&self) {
        let (authenticated, summary) = ((BenchCase::Authenticated, MAIN_KEYS), (BenchCase::BareSummary, 0));
        let (forward_auth, bare_forward_auth) = ((BenchCase::ForwardAuth, MAIN_KEYS), (BenchCase::BareForwardAuth, 0));
        let (most, few) = ((BenchCase::Authenticated, MOST_KEYS), (BenchCase::Authenticated, FEW_KEYS));
        let half_load =
            |value: fn(&OpenLoopMeasurement) -> Duration| self.half_load_ratio(authenticated, summary, value);
        let goals = [
            (authenticated, summary, "CPU per response", "<= 1.10", self.cpu_ratio(authenticated, summary)),
            (authenticated, summary, "responses/s", ">= 0.92", self.throughput_ratio(authenticated, summary)),
            (
                authenticated,
                (BenchCase::BareJson, 0),
                "responses/s",
                ">= 0.85",
                self.throughput_ratio(authenticated, (BenchCase::BareJson, 0)),
            ),
            (
                forward_auth,
                bare_forward_auth,
                "responses/s",
                ">= 0.95",
                self.throughput_ratio(forward_auth, bare_forward_auth),
            ),
            (authenticated, summary, "p99 at half load", "<= 1.2", half_load(|run| run.p99)),
            (authenticated, summary, "p99.9 at half load", "<= 1.5", half_load(|run| run.p999)),
            (most, few, "responses/s", ">= 0.95", self.throughput_ratio(most, few)),
        ];
        let mut rows = Vec::new();
        for (this, that, value, goal, spread) in goals {
            if let Some(Spread { median, lowest, highest }) = spread {
                let mut row = vec![format!("{value}: {} / {}", case_name(this), case_name(that)), goal.to_owned()];
                row.extend([median, lowest, highest].map(|value| format!("{value:.3}")));
                rows.push(row);
            }
        }
        let service = |server: &&ServerMemory| server.name == SERVICE_NAME && server.keys == MOST_KEYS;
        if let Some(service) = self.memory.iter().find(service) {
            for (value, kibibytes) in [("total", service.loaded), ("growth since the start", service.growth())] {
                let name = format!("MiB of memory with {} keys: {value}", group_thousands(MOST_KEYS));
                rows.push(vec![name, "<= 200".to_owned(), format_mebibytes(kibibytes), String::new(), String::new()]);
            }
        }
        print_table("Goals", &["", "goal", "median", "lowest", "highest"], &rows);
    }

    fn print_ratios(&self) {
        let mut pairs = vec![
            ((BenchCase::Authenticated, MAIN_KEYS), (BenchCase::BareSummary, 0)),
            ((BenchCase::Authenticated, MAIN_KEYS), (BenchCase::BareJson, 0)),
            ((BenchCase::ForwardAuth, MAIN_KEYS), (BenchCase::BareForwardAuth, 0)),
            ((BenchCase::Introspection, MAIN_KEYS), (BenchCase::BareJson, 0)),
            ((BenchCase::BareSummary, 0), (BenchCase::BareJson, 0)),
            ((BenchCase::BareJson, 0), (BenchCase::BareOk, 0)),
        ];
        for what in [BenchCase::Authenticated, BenchCase::Introspection, BenchCase::ForwardAuth] {
            pairs.push(((what, MOST_KEYS), (what, FEW_KEYS)));
        }
        pairs.extend([
            ((BenchCase::NginxUlKeys, MAIN_KEYS), (BenchCase::Nginx, 0)),
            ((BenchCase::NginxBasicAuth, 0), (BenchCase::Nginx, 0)),
            ((BenchCase::NginxUlKeys, MAIN_KEYS), (BenchCase::NginxBasicAuth, 0)),
            ((BenchCase::Authenticated, FEW_KEYS), (BenchCase::BetterAuth, FEW_KEYS)),
            ((BenchCase::Authenticated, MAIN_KEYS), (BenchCase::BetterAuth, MAIN_KEYS)),
        ]);
        let mut rows = Vec::new();
        for (this, that) in pairs {
            let Some(throughput) = self.throughput_ratio(this, that) else { continue };
            let ratio =
                |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |it| format!("{:.2}", it.median));
            let latency = |value: fn(&Measurement) -> Duration| {
                ratio(self.full_load_ratio(this, that, |run| Some(value(run).as_secs_f64())))
            };
            rows.push(vec![
                format!("{} / {}", case_name(this), case_name(that)),
                ratio(self.cpu_ratio(this, that)),
                ratio(Some(throughput)),
                latency(|run| run.p50),
                latency(|run| run.p99),
            ]);
        }
        print_table("Ratios at full load", &["", "CPU", "responses/s", "p50", "p99"], &rows);
    }

    fn print_full_load(&self) {
        let row = |case: &CaseResults<Measurement>| {
            let throughput = case.median(|run| Some(run.throughput));
            vec![
                case_name(case.id),
                format_micros(case.median(|run| run.cpu.map(to_micros)), 1),
                throughput.map_or_else(String::new, |it| group_thousands(it.round() as usize)),
                format_micros(case.median(|run| Some(to_micros(run.p50))), 0),
                format_micros(case.median(|run| Some(to_micros(run.p99))), 0),
            ]
        };
        let header = ["", "CPU µs per response", "responses/s", "p50 µs", "p99 µs"];
        print_table("Full load (closed loop)", &header, &self.full_load.iter().map(row).collect::<Vec<_>>());
    }

    fn print_half_load(&self) {
        let row = |case: &CaseResults<OpenLoopMeasurement>| {
            let micros = |value: fn(&OpenLoopMeasurement) -> Duration| {
                format_micros(case.median(|run| Some(to_micros(value(run)))), 0)
            };
            let rate = case.median(|run| Some(run.rate));
            vec![
                case_name(case.id),
                rate.map_or_else(String::new, |it| group_thousands(it.round() as usize)),
                micros(|run| run.p50),
                micros(|run| run.p99),
                micros(|run| run.p999),
                micros(|run| run.late_p99),
                micros(|run| run.late_p999),
            ]
        };
        let header = ["", "requests/s", "p50 µs", "p99 µs", "p99.9 µs", "sent late: p99 µs", "p99.9 µs"];
        print_table("Half load (open loop)", &header, &self.half_load.iter().map(row).collect::<Vec<_>>());
    }

    fn print_memory(&self) {
        let row = |server: &ServerMemory| {
            let mut row = vec![case_label(server.name, server.keys)];
            row.extend([server.empty, server.opened, server.loaded, server.growth()].map(format_mebibytes));
            row
        };
        let header = ["", "no keys", "opened", "after the load", "growth"];
        print_table("Resident memory in MiB", &header, &self.memory.iter().map(row).collect::<Vec<_>>());
    }

    fn cpu_ratio(&self, this: CaseId, that: CaseId) -> Option<Spread> {
        self.full_load_ratio(this, that, |run| Some(run.cpu?.as_secs_f64()))
    }

    fn throughput_ratio(&self, this: CaseId, that: CaseId) -> Option<Spread> {
        self.full_load_ratio(this, that, |run| Some(run.throughput))
    }

    fn full_load_ratio(
        &self,
        this: CaseId,
        that: CaseId,
        value: impl Fn(&Measurement) -> Option<f64>,
    ) -> Option<Spread> {
        ratio_per_round(&self.full_load, this, that, value)
    }

    fn half_load_ratio(
        &self,
        this: CaseId,
        that: CaseId,
        value: impl Fn(&OpenLoopMeasurement) -> Duration,
    ) -> Option<Spread> {
        ratio_per_round(&self.half_load, this, that, |run| Some(value(run).as_secs_f64()))
    }
}

/// Computes the ratio of a value for each round separately, so that whatever slows down a whole round affects no ratio.
/// Returns `None` if one of the cases was not measured.
fn ratio_per_round<T>(
    results: &[CaseResults<T>],
    this: CaseId,
    that: CaseId,
    value: impl Fn(&T) -> Option<f64>,
) -> Option<Spread> {
    let find = |id| results.iter().find(|case| case.id == id);
    let rounds = find(this)?.rounds.iter().zip(&find(that)?.rounds);
    Spread::of(rounds.map(|(this, that)| Some(value(this)? / value(that)?)).collect::<Option<_>>()?)
}

/// The distribution of a value over all rounds.
#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    /// Returns `None` if there are no values.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = (*values.first()?, *values.last()?);
        Some(Self { median: values[values.len() / 2], lowest, highest })
    }
}

/// Prints a Markdown table whose columns are aligned. Prints nothing if there are no rows.
fn print_table(title: &str, header: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([header[column].chars().count(), 2]).max().unwrap_or_default()
        })
        .collect();
    let print_row = |cells: &[&str]| {
        let (name, values) = cells.split_first().expect("a table has columns");
        print!("| {name:<width$} |", width = widths[0]);
        values.iter().zip(&widths[1..]).for_each(|(value, width)| print!(" {value:>width$} |"));
        println!();
    };
    println!("\n## {title}\n");
    print_row(header);
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width - 1)).collect();
    print!("|-{}-|", "-".repeat(widths[0]));
    rules[1..].iter().for_each(|rule| print!("-{rule}-:|"));
    println!();
    for row in rows {
        print_row(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Returns the name of a case, with its number of stored keys.
pub fn case_name((what, keys): (BenchCase, usize)) -> String {
    case_label(what.as_str(), keys)
}

fn case_label(name: &str, keys: usize) -> String {
    if keys == 0 { name.to_owned() } else { format!("{name} ({})", group_thousands(keys)) }
}

/// Formats a number with commas as thousands separators.
fn group_thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn to_micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn format_micros(micros: Option<f64>, decimals: usize) -> String {
    micros.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.decimals$}"))
}

fn format_mebibytes(kibibytes: Option<u64>) -> String {
    kibibytes.map_or_else(|| "-".to_owned(), |kibibytes| format!("{:.1}", kibibytes as f64 / 1024.0))
}
