//! Describes the health of the database with the paths of its files, which the store does not know.

use std::path::{Path, PathBuf};

use futures_util::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use ulkeys_api::{ChangeCount, DatabaseHealth, DiskFull, RecordFailure, StopCause, WritesStopped};
use ulkeys_store as store;
use ulkeys_store::SqliteStore;

/// Follows the health of a database.
#[derive(Debug, Clone)]
pub struct DatabaseMonitor {
    health: watch::Receiver<store::DatabaseHealth>,
    database: PathBuf,
    record: PathBuf,
}

impl DatabaseMonitor {
    /// Creates the monitor of a store that has opened the file `database`, with the revocation record `record`.
    pub fn new(store: &SqliteStore, database: &Path, record: &Path) -> Self {
        Self { health: store.health(), database: database.to_owned(), record: record.to_owned() }
    }

    /// Returns the current health and each later one. The stream ends when the store is closed.
    pub fn health_stream(&self) -> impl Stream<Item = DatabaseHealth> + Send + Unpin + use<> {
        let Self { health, database, record } = self.clone();
        WatchStream::new(health).map(move |health| describe_health(health, &database, &record))
    }
}

fn describe_health(health: store::DatabaseHealth, database: &Path, record: &Path) -> DatabaseHealth {
    let display = |path: &Path| path.display().to_string();
    let stopped = |stopped: store::WritesStopped| WritesStopped {
        cause: describe_cause(stopped.cause),
        path: display(database),
        saved: stopped.saved.as_deref().map(display),
    };
    let folder = database.parent().unwrap_or(database);
    DatabaseHealth {
        stopped: health.stopped.map(stopped),
        full: health.is_full.then(|| DiskFull { folder: display(folder) }),
        record_failure: health.record_failure.map(|detail| RecordFailure { path: display(record), detail }),
        changes: health.changes.into_iter().map(describe_changes).collect(),
    }
}

fn describe_changes(count: store::ChangeCount) -> ChangeCount {
    let store::ChangeCount { change, keys, times } = count;
    ChangeCount { change, keys, times }
}

fn describe_cause(cause: store::StopCause) -> StopCause {
    match cause {
        store::StopCause::Missing => StopCause::Missing,
        store::StopCause::Replaced => StopCause::Replaced,
        store::StopCause::Overwritten => StopCause::Overwritten,
        store::StopCause::Shared => StopCause::Shared,
    }
}
