//! What can go wrong with a database, sorted by what its owner can do about it.

use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode as Sqlite, ffi};
use rusqlite_migration::MigrationDefinitionError;
use ulkeys_domain::wire::DatabaseProblem;

use crate::disk_space;

/// SQLite's codes for a lock that the file system did not take, which no other process held.
const LOCK_FAILURES: [i32; 5] = [
    ffi::SQLITE_IOERR_LOCK,
    ffi::SQLITE_IOERR_RDLOCK,
    ffi::SQLITE_IOERR_UNLOCK,
    ffi::SQLITE_IOERR_CHECKRESERVEDLOCK,
    ffi::SQLITE_IOERR_SHMLOCK,
];

/// Whether an operation failed because the system or the file system does not have it.
fn is_unsupported(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        // A network file system without a lock service answers NOLCK (flock(2)); one in user space, what it likes.
        let unsupported = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL];
        if unsupported.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
            return true;
        }
    }
    error.kind() == std::io::ErrorKind::Unsupported
}

/// A store operation failed, and changed nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", path.display())]
pub struct StoreError {
    /// The kind of problem.
    pub problem: DatabaseProblem,
    /// The database file.
    pub path: PathBuf,
    /// A sentence with the cause, in English. Holds no stored values.
    pub detail: String,
}

impl StoreError {
    pub(crate) fn new(problem: DatabaseProblem, path: &Path, detail: impl ToString) -> Self {
        Self { problem, path: path.to_owned(), detail: detail.to_string() }
    }

    pub(crate) fn from_io(path: &Path, error: &std::io::Error) -> Self {
        let problem = match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => DatabaseProblem::ReadOnly,
            _ if disk_space::is_full(error) => DatabaseProblem::Full,
            _ => DatabaseProblem::Unavailable,
        };
        Self::new(problem, path, error)
    }

    /// A lock that could not be taken for another reason than that another process has it.
    pub(crate) fn from_lock(path: &Path, error: &std::io::Error) -> Self {
        match is_unsupported(error) {
            true => Self::new(DatabaseProblem::LockingUnsupported, path, error),
            false => Self::from_io(path, error),
        }
    }

    pub(crate) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
        let problem = match error.sqlite_error_code() {
            _ if LOCK_FAILURES.contains(&extended) => DatabaseProblem::LockingUnsupported,
            Some(Sqlite::DatabaseBusy | Sqlite::DatabaseLocked) => DatabaseProblem::Locked,
            Some(Sqlite::ReadOnly | Sqlite::PermissionDenied) => DatabaseProblem::ReadOnly,
            Some(Sqlite::DatabaseCorrupt | Sqlite::NotADatabase) => DatabaseProblem::Corrupt,
            Some(Sqlite::DiskFull) => DatabaseProblem::Full,
            Some(Sqlite::SystemIoFailure | Sqlite::CannotOpen)
                if matches!(disk_space::has_space_for_writes(path), Ok(false)) =>
            {
                DatabaseProblem::Full
            }
            // A stored value that is not what this program writes.
            None if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => DatabaseProblem::Corrupt,
            _ => DatabaseProblem::Unavailable,
        };
        Self::new(problem, path, error)
    }

    pub(crate) fn from_migration(path: &Path, error: &rusqlite_migration::Error) -> Self {
        match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => Self::from_sqlite(path, err),
            rusqlite_migration::Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => {
                Self::new(DatabaseProblem::Newer, path, error)
            }
            _ => Self::new(DatabaseProblem::Unavailable, path, error),
        }
    }
}
