//! The log: a line on standard error and the same in a file for each day, kept for a week.
//!
//! Deliberately absent: arguments and answers of commands. They hold keys. As the last safeguard, whatever looks like a
//! key is removed from each line, also from lines that libraries write.

use std::io::{self, Write};
use std::path::Path;

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use ulkeys_domain::secret;

/// The name of the files, to which each day is added: `ul-keys.2026-11-28.log`.
pub(crate) const LOG_FILE_NAME: &str = "ul-keys.log";

/// Starts logging. `RUST_LOG` changes what is logged. If no file can be written, logs go to standard error only.
pub(crate) fn start_logging(folder: &Path) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A line that cannot be written is lost. To report it would be one more line.
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).log_internal_errors(false);
    match open_log_file(folder) {
        Ok(file) => subscriber.with_writer(KeyRedactor(file.and(io::stderr))).init(),
        Err(error) => {
            subscriber.with_writer(KeyRedactor(io::stderr)).init();
            tracing::warn!(%error, folder = %folder.display(), "no log file can be written");
        }
    }
    // A panic can quote the value that it stumbled over.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
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

/// Removes keys from all that is written through it. The formatter writes a whole event in one call, so no key is
/// split.
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
