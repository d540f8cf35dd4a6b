//! Keys in one SQLite file, in write-ahead-log mode with `synchronous=FULL`.
//!
//! One connection writes, on a thread that may block; a few read. Who presents a key is looked up in memory: see
//! [`index`]. A file beside the database is locked for as long as it is open, so that no second service can change keys
//! behind this one's back.

mod activity;
mod index;
mod keys;
mod list;
mod open;
mod rows;
mod runs;
mod uses;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};

use async_trait::async_trait;
use rusqlite::Connection;
use ulkeys_domain::wire::{ActivityPage, DatabaseProblem, HappeningKind, KeyCounts, KeyUsage, ResourceCounts};
use ulkeys_domain::{AttentionRules, KeyHash, KeyId, KeyName, KeyRecord, KnownKey, Timestamp};

use crate::{KeyQuery, KeyStore, Origin, Result, Revocation, StoreError, UseBatch};

use index::Index;

/// A [`KeyStore`] in an SQLite file.
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    path: Box<Path>,
    // Dropped in this order: the last connection to close empties the log into the file, which only the writer can.
    readers: Vec<Mutex<Connection>>,
    writer: Mutex<Connection>,
    index: Index,
    counts: RwLock<ResourceCounts>,
    _lock: File,
}

impl SqliteStore {
    /// Opens the database, creating or migrating it when needed. Blocks; see [`StoreError`] for what can be wrong.
    ///
    /// # Errors
    /// A file that is locked, read-only, damaged, another program's or from a newer version is reported and left as
    /// it is.
    pub fn open(path: &Path) -> Result<Self> {
        let (lock, writer) = open::open_or_create(path)?;
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let readers = (0..count).map(|_| open::reader(path).map(Mutex::new)).collect::<Result<_>>()?;
        let sqlite = |error| StoreError::from_sqlite(path, &error);
        let index = Index::load(&writer).map_err(sqlite)?;
        let counts = RwLock::new(runs::read::counts(&writer).map_err(sqlite)?);
        let inner = Inner { path: path.into(), readers, writer: Mutex::new(writer), index, counts, _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `work` on the writing connection, on a thread that may block. Until it returns, nobody else changes anything,
    /// the index included.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Index) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |inner| work(&mut lock(&inner.writer), &inner.index)).await
    }

    /// Runs `work` on a reading connection, on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |inner| work(&mut inner.reader())).await
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
    async fn insert(&self, key: KeyRecord, hash: KeyHash, origin: Origin) -> Result<bool> {
        self.write(move |connection, index| {
            let is_kept = keys::insert(connection, &key, &hash, &origin)?;
            if is_kept {
                index.put(hash, KnownKey::from(&key));
            }
            Ok(is_kept)
        })
        .await
    }

    async fn find_by_hash(&self, hash: &KeyHash) -> Result<Option<Arc<KnownKey>>> {
        // Only another program can have changed the file. Its connection is tried, not waited for: whoever holds it is
        // this process.
        if self.inner.index.is_due_for_a_look()
            && let Ok(writer) = self.inner.writer.try_lock()
            && let Err(error) = self.inner.index.follow(&writer)
        {
            // What was committed before still holds.
            tracing::warn!(%error, "the key database cannot be looked at");
        }
        Ok(self.inner.index.get(hash))
    }

    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let id = *id;
        self.read(move |connection| keys::find(connection, &id)).await
    }

    async fn list_active(&self) -> Result<Vec<KeyRecord>> {
        self.read(|connection| keys::list_active(connection)).await
    }

    async fn list(&self, query: KeyQuery) -> Result<(Vec<KeyRecord>, u64)> {
        self.read(move |connection| list::page(connection, &query)).await
    }

    async fn count_keys(&self, rules: AttentionRules) -> Result<KeyCounts> {
        self.read(move |connection| list::counts(connection, &rules)).await
    }

    async fn rename(&self, id: &KeyId, name: KeyName, at: Timestamp, origin: Origin) -> Result<Option<KeyRecord>> {
        let id = *id;
        self.write(move |connection, index| {
            let renamed = keys::rename(connection, &id, &name, at, &origin)?;
            Ok(renamed.map(|(hash, key)| {
                index.put(hash, KnownKey::from(&key));
                key
            }))
        })
        .await
    }

    async fn revoke(&self, id: &KeyId, at: Timestamp, origin: Origin) -> Result<Option<Revocation>> {
        let id = *id;
        self.write(move |connection, index| {
            let revoked = keys::revoke(connection, &id, at, &origin)?;
            Ok(revoked.map(|(hash, key, revocation)| {
                index.put(hash, KnownKey::from(&key));
                revocation
            }))
        })
        .await
    }

    async fn record(&self, batch: Arc<UseBatch>) -> Result<()> {
        self.write(move |connection, _| uses::record(connection, &batch)).await
    }

    async fn usage(&self, id: &KeyId, since: Timestamp) -> Result<KeyUsage> {
        let id = *id;
        self.read(move |connection| uses::usage(connection, id, since)).await
    }

    async fn activity(
        &self,
        key: Option<KeyId>,
        kind: Option<HappeningKind>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ActivityPage> {
        self.read(move |connection| activity::page(connection, key, kind, before, limit)).await
    }

    async fn forget_before(&self, at: Timestamp) -> Result<()> {
        // In slices, so that a revocation never waits for all of it.
        while self.write(move |connection, _| uses::forget_some_before(connection, at)).await? {}
        Ok(())
    }

    async fn check(&self) -> Result<()> {
        self.read(|connection| {
            connection.query_row("SELECT count(*) FROM (SELECT 1 FROM keys LIMIT 1)", [], |_| Ok(()))
        })
        .await
    }

    async fn settle(&self) -> Result<()> {
        let empty_log = |connection: &mut Connection, _: &Index| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        };
        match self.write(empty_log).await? {
            false => Ok(()),
            true => Err(StoreError::new(DatabaseProblem::Locked, &self.inner.path, "somebody reads it just now")),
        }
    }
}
