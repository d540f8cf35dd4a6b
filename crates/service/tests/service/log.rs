//! Everything that is logged, at the finest level, by every test of this program: no key is in it.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use ulkeys_domain::secret;

static LISTENING: Once = Once::new();
/// Keys that were logged on purpose, to see that they are found.
static CONTROLS: AtomicU64 = AtomicU64::new(0);
static FOUND: Mutex<Option<String>> = Mutex::new(None);
/// What an operator sees: for a test that has a process of its own.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Collects from now on what all tests log, libraries included.
pub fn listen() {
    LISTENING.call_once(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(|| Line(Vec::new()))
            .init();
    });
}

/// Everything that was logged since [`clear`], at the levels that the app writes.
pub fn lines() -> Vec<String> {
    LINES.lock().clone()
}

/// Begins [`lines`] anew.
pub fn clear() {
    LINES.lock().clear();
}

/// Fails when a key was logged.
pub fn assert_clean() {
    assert_eq!(*FOUND.lock(), None, "a key is in the log");
}

/// One event: the subscriber asks for a writer for each.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.0);
        if ["INFO", "WARN", "ERROR"].iter().any(|level| text.contains(&format!("{level} "))) {
            LINES.lock().push(text.clone().into_owned());
        }
        if !secret::contains_key(&text) {
            return;
        }
        if text.contains("on purpose") {
            CONTROLS.fetch_add(1, Ordering::Relaxed);
        } else {
            *FOUND.lock() = Some(text.into_owned());
        }
    }
}

#[test]
fn a_key_in_the_log_would_be_found() {
    listen();
    let key = format!("ul_{}", "a".repeat(40));
    tracing::trace!(key, "on purpose");
    assert_eq!(CONTROLS.load(Ordering::Relaxed), 1);
}
