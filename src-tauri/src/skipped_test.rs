//! Tests that cannot run here. `cargo xtask test` counts them, so that none passes without having tested anything.
#![expect(clippy::print_stderr, reason = "a skipped test names its reason")]

use std::io::Write as _;

/// Reports that the test of this thread is skipped: in its output, and in the file that `cargo xtask test` names.
pub(crate) fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}", thread.name().unwrap_or("a test")).replace('\n', " ");
    eprintln!("SKIPPED {line}");
    if let Some(path) = std::env::var_os("UL_KEYS_SKIPPED_TESTS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())).expect("the file of skipped tests");
    }
}
