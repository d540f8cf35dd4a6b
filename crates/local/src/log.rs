//! Writes log lines to standard error and, for the app, to one file per day. The seven most recent files are retained.
//!
//! The arguments and results of commands are deliberately not logged, because they contain keys. As a last safeguard,
//! anything that looks like a key is redacted from each line, including lines written by libraries.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use ulkeys_domain::secret;

/// The base name of the log files, into which the date is inserted: `ul-keys.2026-11-28.log`.
pub const LOG_FILE_NAME: &str = "ul-keys.log";

/// Starts logging. `RUST_LOG` overrides the log level. If the log file cannot be written, log lines go to standard
/// error only.
pub fn start_logging(folder: &Path) {
    // A log line that cannot be written is lost. Reporting the failure would only produce another line that cannot be
    // written.
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).log_internal_errors(false);
    let subscriber = tracing_subscriber::registry().with(level_filter());
    match open_log_file(folder) {
        Ok(file) => subscriber.with(lines.with_writer(KeyRedactor(file.and(io::stderr)))).init(),
        Err(error) => {
            subscriber.with(lines.with_writer(KeyRedactor(io::stderr))).init();
            tracing::warn!(%error, folder = %folder.display(), "cannot write the log file");
        }
    }
    log_panics();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
}

/// The format of log lines on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text per event, for a person.
    Human,
    /// One JSON object per event, for a program.
    Json,
}

/// Starts logging to standard error, without a log file. `RUST_LOG` overrides the log level.
pub fn start_logging_to_standard_error(format: LogFormat) {
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(KeyRedactor(io::stderr));
    let subscriber = tracing_subscriber::registry().with(level_filter());
    match format {
        LogFormat::Human => subscriber.with(lines).init(),
        LogFormat::Json => subscriber.with(lines.json().flatten_event(true).with_current_span(false)).init(),
    }
    log_panics();
}

/// Returns the filter that `RUST_LOG` specifies, for example `info,ulkeys_service=debug`. By default, and if the
/// variable is not valid, events of the level `info` and above are logged.
fn level_filter() -> Targets {
    let chosen = std::env::var("RUST_LOG").ok().and_then(|directives| directives.parse().ok());
    chosen.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO))
}

/// Logs panics instead of printing them. A panic message can contain the value that caused the panic, and log lines are
/// redacted.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

fn open_log_file(folder: &Path) -> Result<RollingFileAppender, Box<dyn std::error::Error>> {
    let (name, extension) = LOG_FILE_NAME.split_once('.').unwrap_or((LOG_FILE_NAME, ""));
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(name)
        .filename_suffix(extension)
        .max_log_files(7)
        .build(folder)?;
    Ok(file)
}

/// A writer that redacts keys. The formatter writes each log line in a single call, so no key is split between two
/// calls.
struct KeyRedactor<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for KeyRedactor<W> {
    type Writer = KeyRedactor<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        KeyRedactor(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &tracing::Metadata<'_>) -> Self::Writer {
        KeyRedactor(self.0.make_writer_for(metadata))
    }
}

impl<W: Write> Write for KeyRedactor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        if secret::contains_key(&line) {
            self.0.write_all(secret::redact(&line).as_bytes())?;
        } else {
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for SharedBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn logged_line_has_no_key() {
        let lines = SharedBuffer::default();
        let writer = {
            let lines = lines.clone();
            move || lines.clone()
        };
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(KeyRedactor(writer)).finish();
        let key = format!("ul_{}", "0123456789".repeat(4));
        tracing::subscriber::with_default(subscriber, || {
            let url = format!("http://127.0.0.1:8576/api/api-keys?q={key}&limit=50");
            tracing::warn!(url, error = ?io::Error::other(key.clone()), "no answer for {key}, {key}");
            tracing::info!("nothing secret");
        });
        let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("text");
        assert!(!text.contains(&key) && !text.contains(&key[11..]), "{text}");
        assert_eq!(text.matches("ul_…").count(), 4, "{text}");
        assert!(text.contains("&limit=50") && text.contains("nothing secret"), "{text}");
    }
}
