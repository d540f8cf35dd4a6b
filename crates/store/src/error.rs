//! Database errors, classified by what the owner of the database can do about them.

use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode as Sqlite, ffi};
use rusqlite_migration::MigrationDefinitionError;

use crate::disk_space;

/// SQLite error codes for lock operations that failed in the file system, rather than because another process holds the
/// lock.
const LOCK_FAILURES: [i32; 5] = [
    ffi::SQLITE_IOERR_LOCK,
    ffi::SQLITE_IOERR_RDLOCK,
    ffi::SQLITE_IOERR_UNLOCK,
    ffi::SQLITE_IOERR_CHECKRESERVEDLOCK,
    ffi::SQLITE_IOERR_SHMLOCK,
];

/// Returns whether locking a file failed because the operating system or the file system does not support locks.
pub fn is_locking_unsupported(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        // A network file system without a lock service returns ENOLCK (flock(2)); FUSE file systems return various
        // codes.
        let unsupported = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL];
        if unsupported.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
            return true;
        }
    }
    error.kind() == std::io::ErrorKind::Unsupported
}

/// Problems with a database that its owner can fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseProblem {
    /// Another program has locked the database.
    #[error("another program has locked the database")]
    Locked,
    /// The database or its folder is not writable.
    #[error("the database is not writable")]
    ReadOnly,
    /// The content of the database is damaged.
    #[error("the database is damaged")]
    Corrupt,
    /// A newer version of this program created the database.
    #[error("a newer version of this program created the database")]
    Newer,
    /// The database belongs to another program.
    #[error("the database belongs to another program")]
    Foreign,
    /// The database file was moved, replaced or overwritten while the service had it open.
    #[error("the database file was moved, replaced or overwritten")]
    Replaced,
    /// The file system does not support file locks, so a second service could change the keys at the same time.
    #[error("the file system does not support file locks")]
    LockingUnsupported,
    /// The disk is full, or the user's disk quota is used up.
    #[error("the disk is full")]
    Full,
    /// Any other problem, such as a missing drive or a disk error.
    #[error("the database cannot be used")]
    Unavailable,
}

/// Why a database cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot open {}: {problem} ({detail})", path.display())]
pub struct OpenError {
    /// What kind of problem occurred.
    pub problem: DatabaseProblem,
    /// The path of the database file.
    pub path: PathBuf,
    /// A description of the cause, in English. Contains no stored values.
    pub detail: String,
}

impl OpenError {
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

    /// Converts an I/O error that occurred while acquiring a lock. Do not use this if another process holds the lock;
    /// the problem is then [`DatabaseProblem::Locked`].
    pub(crate) fn from_lock(path: &Path, error: &std::io::Error) -> Self {
        match is_locking_unsupported(error) {
            true => Self::new(DatabaseProblem::LockingUnsupported, path, error),
            false => Self::from_io(path, error),
        }
    }

    pub(crate) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        Self::new(classify(path, error), path, error)
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

/// An error from an operation of an open store. A failed operation leaves the store unchanged.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{problem} ({detail})")]
pub struct StoreError {
    /// What kind of problem occurred.
    pub problem: DatabaseProblem,
    /// A description of the cause, in English. Contains no stored values.
    pub detail: String,
}

impl StoreError {
    pub(crate) fn new(problem: DatabaseProblem, detail: impl ToString) -> Self {
        Self { problem, detail: detail.to_string() }
    }

    /// Converts an error of the open database at `path`.
    pub(crate) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        Self::new(classify(path, error), error)
    }
}

/// Returns the kind of an error of the database at `path`. Checks for free disk space if the error does not show
/// whether the disk is full.
fn classify(path: &Path, error: &rusqlite::Error) -> DatabaseProblem {
    let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
    match error.sqlite_error_code() {
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
        // The database contains a value that this program never writes.
        None if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => DatabaseProblem::Corrupt,
        _ => DatabaseProblem::Unavailable,
    }
}

/// Why a write changed nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// There is no such key, or it is revoked and can no longer be changed.
    #[error("there is no such key")]
    NotFound,
    /// The key that requested the change has been revoked.
    #[error("the key that requested the change has been revoked")]
    ActorRevoked,
    /// The identifier or the hash of a new key already exists.
    #[error("there is already a key with this identifier or hash")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
