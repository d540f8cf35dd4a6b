//! Opens the database file. Nothing is written until the file is known to be a valid database of this program.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, MAIN_DB, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::{HookResult, M, Migrations};
use ulkeys_domain::normalize_for_search;

use crate::private_files::{create_folder, private_file, reserve_name, sibling_path};
use crate::{DatabaseProblem, OpenError};

/// The SQLite application ID, "ULKY" in ASCII. Set by the first migration.
const APPLICATION_ID: i32 = 0x554C_4B59;
/// The number of prepared statements that a connection keeps. There are about 70 statements.
const STATEMENT_CACHE_CAPACITY: usize = 100;
/// One migration for each schema version; `user_version` is the number of migrations that were applied.
const MIGRATION_STEPS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_keys.sql"),
    include_str!("../../migrations/sqlite/0002_usage.sql"),
    include_str!("../../migrations/sqlite/0003_training.sql"),
    include_str!("../../migrations/sqlite/0004_list.sql"),
    include_str!("../../migrations/sqlite/0005_fold_again.sql"),
    include_str!("../../migrations/sqlite/0006_guard.sql"),
    include_str!("../../migrations/sqlite/0007_training_bytes.sql"),
    include_str!("../../migrations/sqlite/0008_names.sql"),
    include_str!("../../migrations/sqlite/0009_change_feed.sql"),
    include_str!("../../migrations/sqlite/0010_accounts.sql"),
];
/// The index that [`super::key_list`] names, as in the last migration.
const INDEX_NAMED_BY_STATEMENTS: &str = "CREATE INDEX IF NOT EXISTS keys_active_by_age
    ON keys (account_id, created_at) WHERE revoked_at IS NULL";
/// Time to wait for another process's write before the database is reported as locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens or creates a valid database with the current schema. Returns the lock file, which excludes other services, and
/// the connection for writing.
pub(super) fn open_or_create(path: &Path) -> Result<(File, Connection), OpenError> {
    let io = |error: std::io::Error| OpenError::from_io(path, &error);
    if is_empty(path).map_err(io)? {
        create_folder(path).map_err(io)?;
    } else {
        check_without_writing(path)?;
    }
    let lock = acquire_lock_file(path)?;
    if is_empty(path).map_err(io)? {
        quarantine_orphan_wal(path).map_err(io)?;
        private_file().create(true).truncate(false).open(path).map_err(io)?;
    }
    let sqlite = |error| OpenError::from_sqlite(path, &error);
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if connection.is_readonly(MAIN_DB).map_err(sqlite)? {
        return Err(OpenError::new(DatabaseProblem::ReadOnly, path, "the file is not writable"));
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
    // In WAL mode, `synchronous=FULL` syncs the WAL at each commit, so an acknowledged change survives a power loss.
    connection.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(sqlite)?;
    register_functions(&connection).map_err(sqlite)?;
    // A migration may replace a table to which others refer. Rows that another program has left without the row they
    // refer to must not make it fail.
    connection.pragma_update(None, "foreign_keys", false).map_err(sqlite)?;
    migrations().to_latest(&mut connection).map_err(|error| OpenError::from_migration(path, &error))?;
    connection.pragma_update(None, "foreign_keys", true).map_err(sqlite)?;
    // A statement that names an index fails without it, so restore the index if another program has dropped it.
    connection.execute_batch(INDEX_NAMED_BY_STATEMENTS).map_err(sqlite)?;
    // Detect an unwritable file now rather than at the first change.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT").map_err(sqlite)?;
    // SQLite waits for another process's write when a transaction begins, but not within a transaction that has already
    // read. So each transaction acquires the write lock when it begins.
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    Ok((lock, connection))
}

fn migrations() -> Migrations<'static> {
    Migrations::new(MIGRATION_STEPS.iter().map(|step| M::up_with_hook(step, restore_owner_statements)).collect())
}

/// Creates the indexes and triggers again that the owner has added to tables that a migration has replaced.
fn restore_owner_statements(transaction: &Transaction<'_>) -> HookResult {
    if transaction.table_exists(Some("temp"), "owner_statements")? {
        let mut select = transaction.prepare("SELECT sql FROM temp.owner_statements")?;
        let statements: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        drop(select);
        statements.iter().try_for_each(|statement| transaction.execute_batch(statement))?;
        transaction.execute_batch("DROP TABLE temp.owner_statements")?;
    }
    Ok(())
}

/// Registers the SQL functions that migrations call.
fn register_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("fold", 1, flags, |call| Ok(normalize_for_search(call.get_raw(0).as_str()?)))
}

/// Locks a separate file next to the database, because SQLite uses the locks of the database file itself. The operating
/// system releases the lock when this process exits, even after a crash.
pub(super) fn acquire_lock_file(path: &Path) -> Result<File, OpenError> {
    let io = |error: &std::io::Error| OpenError::from_io(path, error);
    require_file(&sibling_path(path, ".lock")).map_err(|error| io(&error))?;
    let file =
        private_file().create(true).truncate(false).open(sibling_path(path, ".lock")).map_err(|error| io(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(OpenError::new(DatabaseProblem::Locked, path, "another key service has it open"))
        }
        Err(TryLockError::Error(error)) => Err(OpenError::from_lock(path, &error)),
    }
}

/// Opens a read-only connection.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| OpenError::from_sqlite(path, &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE_CAPACITY);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| OpenError::from_sqlite(path, &error))?;
    Ok(connection)
}

/// Checks an existing file through a read-only connection, so that a file that belongs to another program is never
/// changed.
fn check_without_writing(path: &Path) -> Result<(), OpenError> {
    let sqlite = |error| OpenError::from_sqlite(path, &error);
    let connection = open_reader(path)?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sqlite)?;
    let version: isize = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sqlite)?;
    // A crash between creation and migration leaves an empty database, which counts as new.
    let is_new = application == 0 && version == 0 && objects == 0;
    if !is_new && application != APPLICATION_ID {
        return Err(OpenError::new(DatabaseProblem::Foreign, path, "the file is a database of another program"));
    }
    if version.cast_unsigned() > MIGRATION_STEPS.len() {
        let detail = format!(
            "the schema version is {version}, but this program supports only versions up to {}; update it",
            MIGRATION_STEPS.len()
        );
        return Err(OpenError::new(DatabaseProblem::Newer, path, detail));
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sqlite)?;
    if verdict != "ok" {
        return Err(OpenError::new(DatabaseProblem::Corrupt, path, verdict));
    }
    Ok(())
}

/// Returns an error if the path exists but is not a regular file: opening a named pipe could block forever.
fn require_file(path: &Path) -> std::io::Result<()> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            Err(std::io::Error::other(format!("{} is not a regular file", path.display())))
        }
        _ => Ok(()),
    }
}

/// Returns whether the file is missing or empty.
fn is_empty(path: &Path) -> std::io::Result<bool> {
    require_file(path)?;
    match path.metadata() {
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Renames a `-wal` file whose database was moved away. SQLite would delete this file, although it may contain keys
/// that exist nowhere else.
fn quarantine_orphan_wal(path: &Path) -> std::io::Result<()> {
    // SQLite stores the WAL next to the database file, not next to a symbolic link to it.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let log = sibling_path(&path, "-wal");
    if log.metadata().is_ok_and(|metadata| metadata.len() > 0) {
        let aside = reserve_name(&path, "-wal.set-aside")?;
        std::fs::rename(&log, &aside)?;
        let (log, aside) = (log.display(), aside.display());
        tracing::warn!(%log, %aside, "found the write-ahead log of a missing key database and renamed it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_syncs_each_commit_to_the_log() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (_lock, connection) = open_or_create(&folder.path().join("keys.db")).expect("new database");
        let ask = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0));
        assert_eq!(ask("journal_mode"), Ok("wal".to_owned().into()));
        assert_eq!(ask("synchronous"), Ok(2.into()), "FULL");
    }

    #[test]
    fn migrations_are_well_formed() {
        let mut connection = Connection::open_in_memory().expect("memory");
        register_functions(&connection).expect("registered");
        migrations().to_latest(&mut connection).expect("they apply to an empty database");
    }
}
