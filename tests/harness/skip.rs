//! Tests that cannot run here. They are counted, so that none passes without having tested anything.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write as _;

/// The variable with the path of the file to which skipped tests are added. `cargo xtask test` sets it.
const SKIPPED_TESTS_FILE: &str = "UL_KEYS_SKIPPED_TESTS";

/// Reports that the test of this thread is skipped: in its output, and to `cargo xtask test`.
///
/// # Panics
/// When the file of skipped tests cannot be written.
pub fn skip(reason: impl Display) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}", thread.name().unwrap_or("a test")).replace('\n', " ");
    eprintln!("SKIPPED {line}");
    if let Some(path) = std::env::var_os(SKIPPED_TESTS_FILE) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())).expect("the file of skipped tests");
    }
}
