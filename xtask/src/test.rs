//! Runs all checks and tests, the fast ones first, or only those that are fast enough to run between edits.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::setup;
use crate::shell::{RunExt, build_app, cargo, display_command, npm_ui, target_folder};
use crate::tidy;

/// The environment variable with the path of the file to which tests that cannot run on this machine add their names.
const SKIPPED_TESTS_FILE: &str = "UL_KEYS_SKIPPED_TESTS";

/// The environment variable with the path of the program that `tests/release` tests.
const TESTED_PROGRAM: &str = "UL_KEYS_TESTED_PROGRAM";

/// If this environment variable is set, the app in each window test uses a service that runs outside it.
const ATTACHED_WINDOWS: &str = "UL_KEYS_TEST_ATTACHED";

/// The modules of `tests/window` that run twice: with the service in the app, and with a service outside it. They are
/// about a third of the window tests, and cover what a person does with keys.
const ATTACHED_STORIES: &[&str] = &[
    "activity::",
    "attention::",
    "bulk_actions::",
    "code_examples::",
    "create::",
    "details::",
    "double_click::",
    "end_to_end::",
    "focus::",
    "hostile_names::",
    "keychain::",
    "list::",
    "menu::",
    "mouse::",
    "outside_changes::database_moved",
    "outside_changes::edit_of_running_database",
    "outside_changes::lost_revocation_record",
    "rename::",
    "revoke::",
    "rotate::",
    "secret::",
    "stale_responses::",
    "tooltips::",
    "training_runs::",
];

/// Tests of [`ATTACHED_STORIES`] that restart the service in the app, or change its limits.
const EMBEDDED_STORIES: &[&str] = &[
    "keychain::new_database_leaves_keychain_unchanged",
    "training_runs::run_is_deleted_after_confirmation_and_dropped_results_are_reported",
];

/// Modules of the service's tests that put the service under load for a long time. The fast run omits them.
const LOAD_TESTS: &[&str] = &["parallel_runs::", "revocation_under_load::", "robustness::"];

/// Installs missing dependencies, and runs all checks and tests.
///
/// # Errors
/// Returns an error if a check or test fails, or if `deny_skips` is set and a test is skipped.
pub fn run_all(deny_skips: bool) -> Result<()> {
    timed("setup", setup::install_test_tools)?;
    timed("tidy", tidy::check_prose)?;
    timed("formatting", check_formatting)?;
    timed("page checks", || {
        npm_ui(&["run", "lint"]).run()?;
        npm_ui(&["run", "check"]).run()?;
        npm_ui(&["run", "test"]).run()
    })?;
    timed("build", || build_app("dev").map(drop))?;
    timed("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run())?;
    timed("dependencies", check_dependencies)?;
    timed("tests", || run_tests(cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast"]), deny_skips))?;
    let mut attached = cargo(&["test", "--workspace", "--test", "window", "--"]);
    attached.args(ATTACHED_STORIES).args(EMBEDDED_STORIES.iter().flat_map(|story| ["--skip", story]));
    attached.env(ATTACHED_WINDOWS, "1");
    timed("attached windows", || run_tests(attached, deny_skips))
}

/// Runs the tests in `tests/release` on a build with release settings. These tests are a separate command, because
/// building all dependencies a second time takes ten minutes on two cores. [`run_all`] runs the same tests on the
/// development build.
///
/// # Errors
/// Returns an error if the build or a test fails, or if `deny_skips` is set and a test is skipped.
pub fn run_release(deny_skips: bool) -> Result<()> {
    timed("setup", setup::install_test_tools)?;
    let program = std::path::absolute(build_app("release-check")?)?;
    let mut tests = cargo(&["test", "--workspace", "--test", "release"]);
    tests.env(TESTED_PROGRAM, program);
    timed("tests", || run_tests(tests, deny_skips))
}

/// Tests `ul-keys` in a bare Debian folder, and the systemd units under a real systemd in that folder. This is a
/// separate command, because it needs root, and downloads 250 MB.
///
/// # Errors
/// Returns an error if the container cannot be created, or if a check fails.
pub fn run_systemd() -> Result<()> {
    timed("setup", setup::install_test_tools)?;
    let root = setup::install_debian_root()?;
    cargo(&["build", "--workspace", "--bin", "ul-keys"]).run()?;
    let mut units = cargo(&["run", "--package", "ulkeys-tests", "--bin", "systemd-units", "--"]);
    timed("units", || units.arg(&root).run())
}

/// Runs the checks and tests that need no window, no gateway and no extra build. The dependencies must be installed.
///
/// # Errors
/// Returns an error if a check or test fails, or if `deny_skips` is set and a test is skipped.
pub fn run_fast(deny_skips: bool) -> Result<()> {
    let start = Instant::now();
    timed("tidy", tidy::check_prose)?;
    timed("formatting", check_formatting)?;
    // The page's tests run at the same time as the Rust tests, which often wait for a disk or a clock.
    let page_tests = std::thread::spawn(|| npm_ui(&["run", "test"]).output());
    // With `--workspace`, the dependencies have the same features as for the other commands, so they are not built
    // again.
    let mut tests =
        cargo(&["test", "--workspace", "--lib", "--bin", "xtask", "--bin", "ul-keys", "--test", "architecture"]);
    for name in list_integration_tests()? {
        tests.arg("--test").arg(name);
    }
    tests.args(["--no-fail-fast", "--"]);
    tests.args(LOAD_TESTS.iter().flat_map(|module| ["--skip", module]));
    let tested = timed("tests", || run_tests(tests, deny_skips));
    let page = page_tests.join().map_err(|_| anyhow!("the thread of the page's unit tests panicked"))??;
    println!("{}{}", String::from_utf8_lossy(&page.stdout), String::from_utf8_lossy(&page.stderr));
    tested?;
    ensure!(page.status.success(), "the page's unit tests failed: {}", page.status);
    eprintln!(
        "\nTotal: {} s. Not run: window, gateway, client and load tests, the release build, clippy, the page's lint \
         and type checks, and the dependency checks.",
        start.elapsed().as_secs()
    );
    Ok(())
}

fn check_formatting() -> Result<()> {
    cargo(&["fmt", "--all", "--check"]).run()?;
    npm_ui(&["run", "format"]).run()
}

fn timed(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    work()?;
    eprintln!("\n{what}: {} s", start.elapsed().as_secs());
    Ok(())
}

/// Checks the licenses and sources of dependencies, and that no banned crate is used. Also checks for security
/// advisories if the advisory database can be fetched.
fn check_dependencies() -> Result<()> {
    let deny = || Command::new(setup::cargo_deny_path());
    deny().args(["--log-level", "error", "check", "bans", "licenses", "sources"]).run()?;
    let mut advisories = deny();
    advisories.args(["--log-level", "error", "check", "advisories"]);
    eprintln!("\n> {}", display_command(&advisories));
    let output = advisories.output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(());
    }
    if text.contains("failed to fetch advisory database") {
        eprintln!("NOT CHECKED: advisories, because the advisory database cannot be fetched.");
        return Ok(());
    }
    bail!("{text}")
}

/// Returns the names of the integration tests in `crates`: each is a file, or a folder with a `main.rs`.
fn list_integration_tests() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for package in Path::new("crates").read_dir()? {
        let Ok(tests) = package?.path().join("tests").read_dir() else { continue };
        for test in tests {
            let path = test?.path();
            let is_test = path.extension().is_some_and(|kind| kind == "rs") || path.join("main.rs").is_file();
            names.extend(path.file_stem().filter(|_| is_test).map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Runs a test command, then prints the totals and the names of skipped tests.
fn run_tests(mut command: Command, deny_skips: bool) -> Result<()> {
    let skipped_file = target_folder().join("skipped-tests.txt");
    std::fs::create_dir_all(target_folder())?;
    std::fs::write(&skipped_file, "")?;
    command.env(SKIPPED_TESTS_FILE, std::path::absolute(&skipped_file)?);
    // Most tests wait for windows and clocks rather than for a processor, so twice as many tests as cores run at the
    // same time.
    let cores = std::thread::available_parallelism()?;
    command.env("RUST_TEST_THREADS", (2 * cores.get()).to_string());
    // A test's error names its cause; the backtrace of each error would hide it in long output.
    command.env("RUST_LIB_BACKTRACE", "0");
    eprintln!("\n> {}", display_command(&command));
    let mut tests = command.stdout(Stdio::piped()).spawn()?;
    let (mut passed, mut failed) = (0, 0);
    let mut failures = Vec::new();
    let mut is_in_failures = false;
    for line in BufReader::new(tests.stdout.take().context("cannot read the output of the tests")?).lines() {
        let line = line?;
        is_in_failures |= line == "failures:";
        if line.starts_with("test result:") {
            is_in_failures = false;
            passed += count_before_word(&line, "passed");
            failed += count_before_word(&line, "failed");
        }
        println!("{line}");
        if is_in_failures {
            failures.push(line);
        }
    }
    let status = tests.wait()?;
    let skipped = std::fs::read_to_string(&skipped_file)?;
    // The outputs of failed tests stand far above, so they are repeated where they are easily found.
    println!("\n{}", failures.join("\n"));
    println!("\n{}", format_test_summary(passed, failed, &skipped));
    if !status.success() {
        bail!("the tests failed: {status}");
    }
    if deny_skips && !skipped.is_empty() {
        bail!("tests were skipped, which --deny-skips does not allow");
    }
    Ok(())
}

/// Formats the totals of a test run. Cargo counts a skipped test as passed; `skipped` contains a line `test: reason`
/// for each skipped test.
fn format_test_summary(passed: u32, failed: u32, skipped: &str) -> String {
    let reasons: BTreeMap<&str, &str> = skipped.lines().filter_map(|line| line.split_once(": ")).collect();
    let passed = passed.saturating_sub(u32::try_from(reasons.len()).unwrap_or(u32::MAX));
    let sum = format!("total: {passed} passed, {failed} failed, {} skipped", reasons.len());
    let lines = reasons.iter().map(|(test, reason)| format!("SKIPPED {test}: {reason}"));
    std::iter::once(sum).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Returns the number before `word`, such as 12 for `passed` in `12 passed;`.
fn count_before_word(line: &str, word: &str) -> u32 {
    let words: Vec<_> = line.split([' ', ';']).collect();
    let number = words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok());
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{count_before_word, format_test_summary};

    #[test]
    fn count_reads_numbers_of_result_line() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(
            (count_before_word(line, "passed"), count_before_word(line, "failed"), count_before_word(line, "moved")),
            (12, 3, 0)
        );
    }

    #[test]
    fn summarize_names_skipped_tests_and_does_not_count_them_as_passed() {
        assert_eq!(format_test_summary(2, 0, ""), "total: 2 passed, 0 failed, 0 skipped");
        let skipped = "memory::locked: not root\nenv_file::save: no mount\nenv_file::save: no mount\n";
        let expected = "total: 1 passed, 1 failed, 2 skipped\n\
            SKIPPED env_file::save: no mount\nSKIPPED memory::locked: not root";
        assert_eq!(format_test_summary(3, 1, skipped), expected);
    }
}
