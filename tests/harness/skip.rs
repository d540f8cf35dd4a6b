//! Records tests that cannot run on this machine. They are reported as skipped, so that no test counts as passed
//! without having tested anything.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Environment variable with the path of the file to which skipped tests are appended. `cargo xtask test` sets it.
const SKIPPED_TESTS_FILE: &str = "UL_KEYS_SKIPPED_TESTS";

/// Reports that the test on the current thread is skipped, both in the test's output and to `cargo xtask test`.
///
/// # Panics
/// Panics if the file that lists the skipped tests cannot be written.
pub fn skip(reason: impl Display) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}", thread.name().unwrap_or("a test")).replace('\n', " ");
    eprintln!("SKIPPED {line}");
    if let Some(path) = std::env::var_os(SKIPPED_TESTS_FILE) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .expect("a writable file for skipped tests");
    }
}
