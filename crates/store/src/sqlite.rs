//! Keys in one SQLite file, in write-ahead-log mode with `synchronous=FULL`.
//!
//! One connection writes, on a thread that may block; a few read. Point look-ups run where they are called: they take
//! microseconds from the page cache, less than handing them to another thread would.

mod open;
mod runs;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use async_trait::async_trait;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use ulkeys_domain::wire::DatabaseProblem;
use ulkeys_domain::{KeyHash, KeyId, KeyName, KeyPrefix, KeyRecord, Scopes, Timestamp};

use crate::{KeyStore, Result, Revocation, StoreError};

const COLUMNS: &str = "id, name, prefix, scopes, created_at, last_used_at, revoked_at";

/// A [`KeyStore`] in an SQLite file.
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    path: Box<Path>,
    writer: Mutex<Connection>,
    readers: Vec<Mutex<Connection>>,
}

impl SqliteStore {
    /// Opens the database, creating or migrating it when needed. Blocks; see [`StoreError`] for what can be wrong.
    ///
    /// # Errors
    /// A file that is locked, read-only, damaged, another program's or from a newer version is reported and left as
    /// it is.
    pub fn open(path: &Path) -> Result<Self> {
        let writer = open::open_or_create(path)?;
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let readers = (0..count).map(|_| open::reader(path).map(Mutex::new)).collect::<Result<_>>()?;
        Ok(Self { inner: Arc::new(Inner { path: path.into(), writer: Mutex::new(writer), readers }) })
    }

    /// Runs `work` on the writing connection, on a thread that may block.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |inner| {
            let mut writer = lock(&inner.writer);
            work(&mut writer)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner).map_err(|error| inner.error(&error)))
            .await
            .unwrap_or_else(|error| Err(StoreError::new(DatabaseProblem::Unavailable, &self.inner.path, error)))
    }
}

impl Inner {
    fn error(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(&self.path, error)
    }

    /// A reading connection, preferably one that is free.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let free = self.readers.iter().find_map(|reader| match reader.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        free.unwrap_or_else(|| lock(&self.readers[0]))
    }
}

/// A panic while a connection was held leaves no half-done work: SQLite rolls the open transaction back.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn insert(&self, key: KeyRecord, hash: KeyHash) -> Result<()> {
        self.write(move |connection| {
            connection.execute(
                "INSERT INTO keys (id, name, prefix, hash, scopes, created_at, last_used_at, revoked_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    key.id.as_str(),
                    key.name.as_str(),
                    key.prefix.as_str(),
                    hash.as_bytes(),
                    key.scopes.to_string(),
                    key.created_at.as_millis(),
                    key.last_used_at.map(Timestamp::as_millis),
                    key.revoked_at.map(Timestamp::as_millis),
                ],
            )
        })
        .await
        .map(drop)
    }

    async fn find_by_hash(&self, hash: &KeyHash) -> Result<Option<KeyRecord>> {
        let reader = self.inner.reader();
        reader
            .prepare_cached(&format!("SELECT {COLUMNS} FROM keys WHERE hash = ?1"))
            .and_then(|mut statement| statement.query_row([hash.as_bytes()], read_row).optional())
            .map_err(|error| self.inner.error(&error))
    }

    async fn list_active(&self) -> Result<Vec<KeyRecord>> {
        self.blocking(|inner| {
            inner
                .reader()
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM keys WHERE revoked_at IS NULL ORDER BY created_at DESC, rowid DESC"
                ))?
                .query_map([], read_row)?
                .collect()
        })
        .await
    }

    async fn revoke(&self, id: &KeyId, at: Timestamp) -> Result<Option<Revocation>> {
        let id = id.clone();
        self.write(move |connection| {
            let transaction = connection.transaction()?;
            let changed = transaction.execute(
                "UPDATE keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
                params![id.as_str(), at.as_millis()],
            )?;
            let revoked_at = transaction
                .query_row("SELECT revoked_at FROM keys WHERE id = ?1", [id.as_str()], |row| read_time(row, 0))
                .optional()?;
            transaction.commit()?;
            Ok(revoked_at.map(|at| Revocation { at, is_new: changed == 1 }))
        })
        .await
    }

    async fn record_use(&self, uses: &[(KeyId, Timestamp)]) -> Result<()> {
        let uses = uses.to_vec();
        self.write(move |connection| {
            let transaction = connection.transaction()?;
            {
                let mut update = transaction.prepare_cached(
                    "UPDATE keys SET last_used_at = ?2 WHERE id = ?1
                     AND (last_used_at IS NULL OR last_used_at < ?2) AND (revoked_at IS NULL OR revoked_at >= ?2)",
                )?;
                for (id, at) in &uses {
                    update.execute(params![id.as_str(), at.as_millis()])?;
                }
            }
            transaction.commit()
        })
        .await
    }

    async fn check(&self) -> Result<()> {
        self.blocking(|inner| {
            inner.reader().query_row("SELECT count(*) FROM (SELECT 1 FROM keys LIMIT 1)", [], |_| Ok(()))
        })
        .await
    }
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        id: read_text(row, 0, KeyId::parse)?,
        name: read_text(row, 1, |text| KeyName::parse(text).ok())?,
        prefix: read_text(row, 2, KeyPrefix::parse)?,
        scopes: read_text(row, 3, |text| Scopes::parse(text.split(' ')).ok())?,
        created_at: read_time(row, 4)?,
        last_used_at: read_optional_time(row, 5)?,
        revoked_at: read_optional_time(row, 6)?,
    })
}

fn read_text<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable(column, Type::Text))
}

fn read_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millis(row.get(column)?).ok_or_else(|| unreadable(column, Type::Integer))
}

fn read_optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    match row.get::<_, Option<i64>>(column)? {
        None => Ok(None),
        Some(_) => read_time(row, column).map(Some),
    }
}

fn unreadable(column: usize, kind: Type) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, "not a value that this program writes".into())
}
