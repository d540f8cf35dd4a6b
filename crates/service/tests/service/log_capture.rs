//! Captures everything that the tests of this program log, at all levels, and checks that the log contains no key.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use ulkeys_domain::secret;

static CAPTURE_STARTED: Once = Once::new();

/// Number of keys that were logged on purpose, to test that they are detected.
static DELIBERATE_KEY_COUNT: AtomicU64 = AtomicU64::new(0);

static LINE_WITH_KEY: Mutex<Option<String>> = Mutex::new(None);

/// The log lines that an operator sees. Useful only in a test that runs in a separate process, because all tests of a
/// process share this list.
static CAPTURED_LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Starts capturing the log output of all tests, including that of libraries.
pub fn start_capture() {
    CAPTURE_STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(|| LogLine(Vec::new()))
            .init();
    });
}

/// Returns everything that was logged since [`clear_lines`] was called, at the levels that the app logs.
pub fn captured_lines() -> Vec<String> {
    CAPTURED_LINES.lock().clone()
}

/// Discards the lines captured so far, so that [`captured_lines`] no longer returns them.
pub fn clear_lines() {
    CAPTURED_LINES.lock().clear();
}

/// Panics if a key was logged.
pub fn assert_no_key_logged() {
    assert_eq!(*LINE_WITH_KEY.lock(), None, "a key is in the log");
}

/// The text of a single log event: the subscriber creates a writer for each event.
struct LogLine(Vec<u8>);

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.0);
        if ["INFO", "WARN", "ERROR"].iter().any(|level| text.contains(&format!("{level} "))) {
            CAPTURED_LINES.lock().push(text.clone().into_owned());
        }
        if !secret::contains_key(&text) {
            return;
        }
        if text.contains("on purpose") {
            DELIBERATE_KEY_COUNT.fetch_add(1, Ordering::Relaxed);
        } else {
            *LINE_WITH_KEY.lock() = Some(text.into_owned());
        }
    }
}

#[test]
fn key_in_log_is_detected() {
    start_capture();
    let key = format!("ul_{}", "a".repeat(40));
    tracing::trace!(key, "on purpose");
    assert_eq!(DELIBERATE_KEY_COUNT.load(Ordering::Relaxed), 1);
}
