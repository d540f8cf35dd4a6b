//! Prints the results as a table, and then the ratios between them.

use std::time::Duration;

use crate::load::Measurement;

/// A row of the report: a case with the medians of its measurements.
pub struct ReportRow {
    /// The case that was measured.
    pub what: BenchCase,
    /// Number of stored keys; 0 for routes that do not check keys.
    pub keys: usize,
    /// Memory usage of the server process.
    pub memory: ServerMemory,
    /// The median of each measured value over all rounds.
    pub measured: Measurement,
}

/// A kind of request that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BenchCase {
    /// A route that does not check keys and answers `ok`.
    BareOk,
    /// A route that does not check keys and returns the same JSON as `GET /api/account/summary`.
    BareJson,
    /// `GET /api/account/summary`, which authenticates the request, checks its scope, applies the rate limit and
    /// records the usage.
    Authenticated,
    /// `POST /oauth2/introspect`.
    Introspection,
    /// `GET /forward-auth`.
    ForwardAuth,
    /// better-auth's `verifyApiKey` behind a minimal Node server.
    BetterAuth,
}

impl BenchCase {
    fn as_str(self) -> &'static str {
        match self {
            Self::BareOk => "bare route, \"ok\"",
            Self::BareJson => "bare route, same JSON",
            Self::Authenticated => "authenticated",
            Self::Introspection => "introspection",
            Self::ForwardAuth => "forward auth",
            Self::BetterAuth => "better-auth",
        }
    }
}

/// Resident memory of a server process in KiB. A value is `None` if the system does not report it.
#[derive(Clone, Copy, Default)]
pub struct ServerMemory {
    /// Memory before the keys are loaded. Unknown for better-auth, which creates its keys itself.
    pub empty: Option<u64>,
    /// Memory with all keys loaded, before the first request.
    pub opened: Option<u64>,
    /// Memory after the last request.
    pub loaded: Option<u64>,
}

/// Combines several measurements into one by taking the median of each value separately.
pub fn median_measurement(runs: &[Measurement]) -> Measurement {
    fn median_of<T: Copy>(mut all: Vec<T>, compare: impl FnMut(&T, &T) -> std::cmp::Ordering) -> T {
        all.sort_by(compare);
        all[all.len() / 2]
    }
    Measurement {
        throughput: median_of(runs.iter().map(|run| run.throughput).collect(), f64::total_cmp),
        p50: median_of(runs.iter().map(|run| run.p50).collect(), Duration::cmp),
        p99: median_of(runs.iter().map(|run| run.p99).collect(), Duration::cmp),
        cpu: median_of(runs.iter().map(|run| run.cpu).collect(), Option::cmp),
    }
}

/// Prints the table, then the ratios between certain cases. Omits a ratio if one of its cases was not measured.
pub fn print_report(rows: &[ReportRow]) {
    println!(
        "{:<24}{:>10}{:>12}{:>9}{:>9}{:>10}{:>14}{:>9}{:>9}",
        "", "keys", "requests/s", "p50 ms", "p99 ms", "CPU us", "MiB: no keys", "opened", "loaded"
    );
    for row in rows {
        let Measurement { throughput, p50, p99, cpu } = row.measured;
        let ServerMemory { empty, opened, loaded } = row.memory;
        let keys = if row.keys == 0 { String::new() } else { group_thousands(row.keys) };
        println!(
            "{:<24}{keys:>10}{:>12}{:>9.3}{:>9.3}{:>10}{:>14}{:>9}{:>9}",
            row.what.as_str(),
            group_thousands(throughput.round() as usize),
            p50.as_secs_f64() * 1e3,
            p99.as_secs_f64() * 1e3,
            cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{:.1}", cpu.as_secs_f64() * 1e6)),
            format_mebibytes(empty),
            format_mebibytes(opened),
            format_mebibytes(loaded)
        );
    }
    println!("\n{:<56}{:>12}{:>9}{:>9}{:>10}", "ratios", "requests/s", "p50", "p99", "CPU");
    let find = |(what, keys)| rows.iter().find(|row| row.what == what && row.keys == keys).map(|row| row.measured);
    let ratio = |this: (BenchCase, usize), that: (BenchCase, usize)| {
        let (Some(one), Some(other)) = (find(this), find(that)) else {
            return;
        };
        let cpu = one.cpu.zip(other.cpu).map(|(one, other)| format!("{:.2}", one.div_duration_f64(other)));
        println!(
            "{:<56}{:>12.2}{:>9.2}{:>9.2}{:>10}",
            format!("{} / {}", case_name(this.0, this.1), case_name(that.0, that.1)),
            one.throughput / other.throughput,
            one.p50.div_duration_f64(other.p50),
            one.p99.div_duration_f64(other.p99),
            cpu.unwrap_or_else(|| "-".to_owned()),
        );
    };
    let (few, many, most) = (1_000, 100_000, 1_000_000);
    ratio((BenchCase::BareJson, 0), (BenchCase::BareOk, 0));
    for what in [BenchCase::Authenticated, BenchCase::Introspection, BenchCase::ForwardAuth] {
        ratio((what, many), (BenchCase::BareJson, 0));
        ratio((what, most), (what, few));
    }
    ratio((BenchCase::Authenticated, few), (BenchCase::BetterAuth, few));
    ratio((BenchCase::Authenticated, many), (BenchCase::BetterAuth, many));
}

/// Returns the name of a case, with its number of stored keys.
pub fn case_name(what: BenchCase, keys: usize) -> String {
    if keys == 0 { what.as_str().to_owned() } else { format!("{} ({})", what.as_str(), group_thousands(keys)) }
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

fn format_mebibytes(kibibytes: Option<u64>) -> String {
    kibibytes.map_or_else(|| "-".to_owned(), |kibibytes| format!("{:.1}", kibibytes as f64 / 1024.0))
}
