//! The log: a line on standard error and the same in a file for each day, kept for a week.
//!
//! Deliberately absent: arguments and answers of commands. They hold keys.

use std::path::Path;

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

/// Starts logging. `RUST_LOG` changes what is logged. Where no file can be written, standard error must do.
pub(crate) fn start(folder: &Path) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match open(folder) {
        Ok(file) => subscriber.with_writer(file.and(std::io::stderr)).init(),
        Err(error) => {
            subscriber.with_writer(std::io::stderr).init();
            tracing::warn!(%error, folder = %folder.display(), "no log file can be written");
        }
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
}

fn open(folder: &Path) -> Result<RollingFileAppender, Box<dyn std::error::Error>> {
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("ul-keys")
        .filename_suffix("log")
        .max_log_files(7)
        .build(folder)?;
    Ok(file)
}
