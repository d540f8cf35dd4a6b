//! What can go wrong with a database, sorted by what its owner can do about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode as Sqlite;
use rusqlite_migration::MigrationDefinitionError;
use ulkeys_domain::wire::DatabaseProblem;

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
            _ => DatabaseProblem::Unavailable,
        };
        Self::new(problem, path, error)
    }

    pub(crate) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let problem = match error.sqlite_error_code() {
            Some(Sqlite::DatabaseBusy | Sqlite::DatabaseLocked) => DatabaseProblem::Locked,
            Some(Sqlite::ReadOnly | Sqlite::PermissionDenied) => DatabaseProblem::ReadOnly,
            Some(Sqlite::DatabaseCorrupt | Sqlite::NotADatabase) => DatabaseProblem::Corrupt,
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
