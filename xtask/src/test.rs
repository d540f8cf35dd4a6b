//! Every check and every test, the quick ones first.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::setup;
use crate::shell::{Step, app, cargo, describe, ui};

pub fn test() -> Result<()> {
    timed("setup", setup::for_tests)?;
    timed("formatting", || {
        cargo(&["fmt", "--all", "--check"]).run()?;
        ui(&["run", "format"]).run()
    })?;
    timed("the page", || {
        ui(&["run", "lint"]).run()?;
        ui(&["run", "check"]).run()?;
        ui(&["run", "test"]).run()
    })?;
    timed("the program", || app("dev").map(drop))?;
    timed("the program as for a release", || app("release-check").map(drop))?;
    timed("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run())?;
    timed("dependencies", check_dependencies)?;
    timed("tests", run_tests)
}

fn timed(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    work()?;
    eprintln!("\n{what}: {} s", start.elapsed().as_secs());
    Ok(())
}

/// Licences, bans and sources must be right. Advisories too, where their database can be fetched.
fn check_dependencies() -> Result<()> {
    let deny = || Command::new(setup::cargo_deny());
    deny().args(["--log-level", "error", "check", "bans", "licenses", "sources"]).run()?;
    let mut advisories = deny();
    advisories.args(["--log-level", "error", "check", "advisories"]);
    eprintln!("\n> {}", describe(&advisories));
    let output = advisories.output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(());
    }
    if text.contains("failed to fetch advisory database") {
        eprintln!("NOT CHECKED: the advisory database cannot be fetched from here.");
        return Ok(());
    }
    bail!("{text}")
}

/// Runs the tests, and closes with their sum.
fn run_tests() -> Result<()> {
    let mut command = cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast"]);
    // Most of them wait for windows and clocks rather than for a processor.
    let cores = std::thread::available_parallelism()?;
    command.env("RUST_TEST_THREADS", (2 * cores.get()).to_string());
    eprintln!("\n> {}", describe(&command));
    let mut tests = command.stdout(Stdio::piped()).spawn()?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(tests.stdout.take().context("no output")?).lines() {
        let line = line?;
        if line.starts_with("test result:") {
            passed += count(&line, "passed");
            failed += count(&line, "failed");
        }
        println!("{line}");
    }
    let status = tests.wait()?;
    println!("\ntotal: {passed} passed, {failed} failed");
    if !status.success() {
        bail!("the tests failed: {status}");
    }
    Ok(())
}

/// The number before `word`, as in `12 passed;`.
fn count(line: &str, word: &str) -> u32 {
    let words: Vec<_> = line.split([' ', ';']).collect();
    let number = words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok());
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn sums_are_read_from_the_runners_own_line() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!((count(line, "passed"), count(line, "failed"), count(line, "moved")), (12, 3, 0));
    }
}
