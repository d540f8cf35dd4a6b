//! Converts what the store reports about its database into the JSON types of IPC, with the paths of the files.

use std::path::Path;

use ulkeys_api::{ChangeCount, DatabaseHealth, DatabaseProblem, DiskFull, RecordFailure, StopCause, WritesStopped};
use ulkeys_store as store;

/// Converts the health of the database at `database`, whose revocation record is at `record`.
pub(crate) fn describe_health(health: store::DatabaseHealth, database: &Path, record: &Path) -> DatabaseHealth {
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

/// Converts the kind of a problem with a database.
pub(crate) fn describe_problem(problem: store::DatabaseProblem) -> DatabaseProblem {
    match problem {
        store::DatabaseProblem::Locked => DatabaseProblem::Locked,
        store::DatabaseProblem::ReadOnly => DatabaseProblem::ReadOnly,
        store::DatabaseProblem::Corrupt => DatabaseProblem::Corrupt,
        store::DatabaseProblem::Newer => DatabaseProblem::Newer,
        store::DatabaseProblem::Foreign => DatabaseProblem::Foreign,
        store::DatabaseProblem::Replaced => DatabaseProblem::Replaced,
        store::DatabaseProblem::LockingUnsupported => DatabaseProblem::LockingUnsupported,
        store::DatabaseProblem::Full => DatabaseProblem::Full,
        store::DatabaseProblem::Unavailable => DatabaseProblem::Unavailable,
    }
}
