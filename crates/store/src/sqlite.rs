//! An SQLite store in one file, in write-ahead-log (WAL) mode with `synchronous=FULL`.
//!
//! One connection writes and several connections read, all on threads on which blocking is allowed. Requests look up
//! their key in memory: see [`key_index`]. A lock file next to the database is locked while the database is open, so
//! that no second service can change keys. Changes by other programs are detected: see [`outside_changes`] and
//! [`database_files`].

mod activity;
mod database_files;
mod key_index;
mod key_list;
mod keys;
mod open;
mod outside_changes;
mod page_checksums;
mod rows;
mod runs;
mod service_days;
mod usage;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard, RwLock};
use rusqlite::Connection;
use tokio::sync::watch;
use ulkeys_api::{
    ActivityKind, ActivityPage, DatabaseHealth, DatabaseProblem, DiskFull, KeyCounts, KeyUsage, ResourceCounts,
    WritesStopped,
};
use ulkeys_domain::{AttentionThresholds, KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, Timestamp};

use crate::{AuditContext, KeyQuery, KeyStore, Result, Revocation, StoreError, UsageBatch, disk_space};

use database_files::DatabaseFiles;
use key_index::KeyIndex;
use outside_changes::OutsideChangeDetector;

/// Time after the last failed write during which the disk counts as full. Longer than the interval between two attempts
/// to write usage, so that the disk counts as full for as long as these attempts fail.
const DISK_FULL_HOLD: Duration = Duration::from_secs(3);

/// A [`KeyStore`] and [`RunStore`](crate::RunStore) in an SQLite file.
pub struct SqliteStore {
    inner: Arc<SharedState>,
}

struct SharedState {
    path: Box<Path>,
    // The fields are dropped in this order, so that the writer is closed last: the last connection checkpoints the WAL
    // when it is closed, and a read-only connection cannot do that.
    readers: Vec<Mutex<Connection>>,
    writer: Mutex<Connection>,
    index: KeyIndex,
    counts: RwLock<ResourceCounts>,
    health: watch::Sender<DatabaseHealth>,
    /// Time of the last write that failed because the disk was full, or `None` while there is space.
    full: Mutex<Option<Instant>>,
    /// Whether the last check for changes by other programs failed.
    is_check_failing: AtomicBool,
    // Lock order: `writer`, `detector`, `files`.
    detector: Option<Mutex<OutsideChangeDetector>>,
    files: Mutex<DatabaseFiles>,
}

impl SqliteStore {
    /// Opens the database without a revocation record, for tools and tests. Creates or migrates the database if
    /// necessary. This call blocks.
    ///
    /// # Errors
    /// Returns an error if the file is locked, read-only, or damaged, or if it belongs to another program or to a newer
    /// version of this program. The file is then left unchanged.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_guarded(path, |_| None)
    }

    /// Opens the database for a service. Revocations are also recorded in the file `record`, which should be outside
    /// folders that people copy or synchronize together with the database. The file's revocations are applied whenever
    /// keys are loaded. `clock` provides the timestamps for changes that other programs are found to have made.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::open`]. A revocation record that cannot be used is not an error
    /// but is reported by [`Self::health`]: without the service, no client could use its keys, and nobody could revoke
    /// a key.
    pub fn open_with_record(path: &Path, record: &Path, clock: fn() -> Timestamp) -> Result<Self> {
        Self::open_guarded(path, |health| Some(OutsideChangeDetector::new(record, clock, health)))
    }

    fn open_guarded(
        path: &Path,
        detector: impl FnOnce(watch::Sender<DatabaseHealth>) -> Option<OutsideChangeDetector>,
    ) -> Result<Self> {
        let (lock, mut writer) = open::open_or_create(path)?;
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let readers = (0..count).map(|_| open::open_reader(path).map(Mutex::new)).collect::<Result<_>>()?;
        let sqlite = |error| StoreError::from_sqlite(path, &error);
        let health = watch::Sender::new(DatabaseHealth::default());
        let mut detector = detector(health.clone());
        let keys = match &mut detector {
            Some(detector) => detector.load_keys(&mut writer),
            None => key_index::load_all_keys(&writer, Err, |_| {}),
        };
        let keys = keys.map_err(sqlite)?;
        let index = KeyIndex::new(&writer, keys).map_err(sqlite)?;
        let counts = RwLock::new(runs::read::count_resources(&writer).map_err(sqlite)?);
        let files = DatabaseFiles::new(path, &writer, lock).map_err(|error| StoreError::from_io(path, &error))?;
        let (detector, files) = (detector.map(Mutex::new), Mutex::new(files));
        let writer = Mutex::new(writer);
        let (full, is_check_failing) = (Mutex::default(), AtomicBool::default());
        let path = path.into();
        let inner =
            SharedState { path, readers, writer, index, counts, health, full, is_check_failing, detector, files };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns whether another service has the database open.
    pub fn is_in_use(path: &Path) -> bool {
        path.exists() && open::acquire_lock_file(path).is_err_and(|error| error.problem == DatabaseProblem::Locked)
    }

    /// Returns a receiver for the database's health, which can change while the store is open and is shown to the user.
    pub fn health(&self) -> watch::Receiver<DatabaseHealth> {
        self.inner.health.subscribe()
    }

    /// Runs `work` with the connection for writing, on a thread on which blocking is allowed. Until `work` returns, no
    /// other thread can change the database or the key index. A failed call has changed nothing and can be repeated.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &SharedState) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_blocking_with(move |inner| inner.write(&mut inner.writer.lock(), work)).await
    }

    /// Runs `work` as [`Self::write`] does, and checks the database file again after the commit. If another program
    /// replaced the file during the commit, the file now at the path does not contain the change. The call then fails,
    /// unless `holds` confirms that the change is effective without the file.
    async fn write_and_check<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &SharedState) -> rusqlite::Result<T> + Send + 'static,
        holds: impl FnOnce(&SharedState, &T) -> bool + Send + 'static,
    ) -> Result<T> {
        self.run_blocking_with(move |inner| {
            let mut writer = inner.writer.lock();
            let done = inner.write(&mut writer, work)?;
            inner.check_and_report(&mut writer);
            match inner.check_writable() {
                Err(error) if !holds(inner, &done) => Err(error),
                _ => Ok(done),
            }
        })
        .await
    }

    /// Runs `work` with a connection for reading, on a thread on which blocking is allowed.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_blocking(move |inner| work(&mut inner.pick_reader())).await
    }

    async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SharedState) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_blocking_with(move |inner| work(inner).map_err(|error| inner.map_error(&error))).await
    }

    async fn run_blocking_with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SharedState) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            // The panic message may contain stored values, so it is not returned. The panic hook logs the message and
            // redacts keys.
            .unwrap_or_else(|_| {
                Err(StoreError::new(
                    DatabaseProblem::Unavailable,
                    &self.inner.path,
                    "the operation failed unexpectedly; the log contains the cause",
                ))
            })
    }
}

impl SharedState {
    fn map_error(&self, error: &rusqlite::Error) -> StoreError {
        let error = StoreError::from_sqlite(&self.path, error);
        if error.problem == DatabaseProblem::Full && self.full.lock().replace(Instant::now()).is_none() {
            tracing::error!(%error, "no space left for the key database: only revocations are accepted");
            let folder = self.path.parent().unwrap_or(&self.path).display().to_string();
            self.health.send_modify(|health| health.full = Some(DiskFull { folder }));
        }
        error
    }

    /// Clears the disk-full state when there is space again. A successful write does not prove that there is space,
    /// because it may have used space that the WAL had already allocated.
    fn recheck_disk_space(&self) {
        let is_over = |failed: &Instant| failed.elapsed() > DISK_FULL_HOLD;
        let is_due = self.full.lock().as_ref().is_some_and(is_over);
        if is_due
            && matches!(disk_space::has_space_for_writes(&self.path), Ok(true))
            && self.full.lock().take_if(|failed| is_over(failed)).is_some()
        {
            tracing::info!(path = %self.path.display(), "the key database has disk space again");
            self.health.send_modify(|health| health.full = None);
        }
    }

    /// Checks for changes by other programs. Logs only the first of several consecutive failures. A failed check is not
    /// returned as an error, because changes that are already committed remain valid.
    fn check_and_report(&self, writer: &mut Connection) {
        let checked = self.apply_outside_changes(writer);
        let was_failing = self.is_check_failing.swap(checked.is_err(), Ordering::Relaxed);
        match checked {
            Err(error) if !was_failing => {
                tracing::warn!(%error, "cannot check the key database for changes by other programs");
            }
            Ok(()) if was_failing => {
                tracing::info!("checking the key database for changes by other programs succeeds again")
            }
            _ => {}
        }
    }

    /// Applies changes by other programs and then runs `work`. Fails if writing was stopped because another program
    /// changed the database files.
    fn write<T>(
        &self,
        writer: &mut Connection,
        work: impl FnOnce(&mut Connection, &Self) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.apply_outside_changes(writer).map_err(|error| self.map_error(&error))?;
        self.check_writable()?;
        let done = work(writer, self);
        self.files.lock().refresh_checksums_after_write();
        done.map_err(|error| self.map_error(&error))
    }

    /// Returns a connection for reading, preferably one that is not in use.
    fn pick_reader(&self) -> MutexGuard<'_, Connection> {
        let free = self.readers.iter().find_map(Mutex::try_lock);
        free.unwrap_or_else(|| self.readers[0].lock())
    }

    /// Detects changes by other programs and applies them. Costs a few stat(2) calls if nothing changed.
    fn apply_outside_changes(&self, writer: &mut Connection) -> rusqlite::Result<()> {
        let version = self.index.changed_version(writer)?;
        self.check_files(writer);
        if self.health.borrow().stopped.is_some() {
            // The file at the path is no longer the open database. Authorization continues with the keys that were
            // committed before.
            return Ok(());
        }
        let mut detector = self.detector.as_ref().map(Mutex::lock);
        if let Some(version) = version {
            tracing::warn!("another program has changed the key database; reloading all keys");
            let keys = match &mut detector {
                Some(detector) => detector.reload(writer, &self.index.read_keys())?,
                None => key_index::load_all_keys(writer, key_index::skip_unreadable, |_| {})?,
            };
            // Drop the old keys here, after releasing the lock, so that requests do not wait.
            drop(self.index.replace(keys, version));
        }
        let Some(detector) = &mut detector else {
            return Ok(());
        };
        if version.is_none() && detector.needs_record_reload() {
            let revoked = detector.reload_record(&self.index.read_keys());
            revoked.into_iter().for_each(|entry| self.index.upsert(entry.hash, KeyAuthInfo::clone(&entry.key)));
        }
        if detector.has_pending_writes() {
            // Detected changes take effect for authorization even if they cannot be written to the database. The next
            // check retries the write.
            if let Err(error) = detector.write_detected_changes(writer) {
                self.map_error(&error);
            }
            self.files.lock().refresh_checksums_after_write();
        }
        Ok(())
    }

    /// Revokes a key whose revocation is in the revocation record but could not be committed to the database. The call
    /// still succeeds: the record is durable, the key is rejected from now on, and no database failure can reactivate
    /// the key. The revocation is written to the database later.
    fn revoke_by_record_alone(&self, hash: &KeyHash, audit: AuditContext) -> Option<Revocation> {
        let entry = self.index.read_keys().get(hash.as_bytes()).cloned()?;
        let (revoked, at) = self.detector.as_ref()?.lock().take_revocation_from_record(&entry, audit)?;
        self.index.upsert(*hash, KeyAuthInfo::clone(&revoked.key));
        Some(Revocation { at, is_new: entry.key.revoked_at.is_none() })
    }

    fn check_files(&self, writer: &Connection) {
        let mut files = self.files.lock();
        files.check_location(writer);
        let stopped = files.stop_cause().map(|cause| WritesStopped {
            cause,
            path: self.path.display().to_string(),
            saved: files.saved_copy().map(|path| path.display().to_string()),
        });
        self.health.send_if_modified(|health| {
            let is_new = health.stopped != stopped;
            health.stopped = stopped;
            is_new
        });
    }

    /// Returns an error if writing was stopped because another program moved, replaced, or overwrote the database file.
    fn check_writable(&self) -> Result<()> {
        match &self.health.borrow().stopped {
            None => Ok(()),
            Some(stopped) => {
                let detail = format!(
                    "writing was stopped because another program changed the database files: {:?}",
                    stopped.cause
                );
                Err(StoreError::new(DatabaseProblem::Replaced, &self.path, detail))
            }
        }
    }
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn insert(&self, key: KeyRecord, hash: KeyHash, audit: AuditContext) -> Result<bool> {
        let work = move |connection: &mut Connection, inner: &SharedState| {
            let is_kept = keys::insert(connection, &key, &hash, &audit)?;
            if is_kept {
                inner.index.upsert(hash, KeyAuthInfo::from(&key));
            }
            Ok(is_kept)
        };
        self.write_and_check(work, |_, _| false).await
    }

    async fn lookup(&self, hash: &KeyHash) -> Result<Option<Arc<KeyAuthInfo>>> {
        // Every request calls this method on a thread that must not block, so it only reads memory. Changes by other
        // programs are loaded into memory by `check_outside_changes`.
        Ok(self.inner.index.get(hash))
    }

    async fn get_key(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let id = *id;
        self.read(move |connection| keys::find(connection, &id)).await
    }

    async fn list_active(&self) -> Result<Vec<KeyRecord>> {
        self.read(|connection| keys::list_active(connection)).await
    }

    async fn list(&self, query: KeyQuery) -> Result<(Vec<KeyRecord>, u64)> {
        self.read(move |connection| key_list::load_page(connection, &query)).await
    }

    async fn count_keys(&self, thresholds: AttentionThresholds) -> Result<KeyCounts> {
        self.read(move |connection| key_list::count_by_status(connection, &thresholds)).await
    }

    async fn rename(&self, id: &KeyId, name: KeyName, at: Timestamp, audit: AuditContext) -> Result<Option<KeyRecord>> {
        let id = *id;
        let work = move |connection: &mut Connection, inner: &SharedState| {
            let renamed = keys::rename(connection, &id, &name, at, &audit)?;
            Ok(renamed.map(|(hash, key)| {
                inner.index.upsert(hash, KeyAuthInfo::from(&key));
                key
            }))
        };
        self.write_and_check(work, |_, _| false).await
    }

    async fn revoke(&self, id: &KeyId, at: Timestamp, audit: AuditContext) -> Result<Option<Revocation>> {
        let id = *id;
        let work = move |connection: &mut Connection, inner: &SharedState| {
            // The key may have been revoked earlier, with a revocation that could not be written to the database yet.
            // Keep the time of that revocation.
            let since = inner.detector.as_ref().and_then(|detector| detector.lock().unwritten_revoked_at(&id));
            let at = since.unwrap_or(at);
            let mut recorded = None;
            let record = |hash: &KeyHash, at| {
                recorded = Some(*hash);
                inner.detector.as_ref()?.lock().record_revocation(hash, at)
            };
            match keys::revoke(connection, &id, at, &audit, record) {
                Ok(revoked) => Ok(revoked.map(|(hash, key, revocation)| {
                    inner.index.upsert(hash, KeyAuthInfo::from(&key));
                    Revocation { is_new: revocation.is_new && since.is_none(), ..revocation }
                })),
                Err(error) => match recorded.and_then(|hash| inner.revoke_by_record_alone(&hash, audit)) {
                    Some(revocation) => {
                        inner.map_error(&error);
                        Ok(Some(revocation))
                    }
                    None => Err(error),
                },
            }
        };
        // A recorded revocation is effective even if the database file was replaced, because the revocation record
        // applies to any file at the path.
        let holds = |inner: &SharedState, revoked: &Option<Revocation>| {
            revoked.is_some() && inner.detector.is_some() && inner.health.borrow().record_failure.is_none()
        };
        self.write_and_check(work, holds).await
    }

    async fn record_usage(&self, batch: Arc<UsageBatch>) -> Result<()> {
        self.write(move |connection, _| usage::record(connection, &batch)).await
    }

    async fn key_usage(&self, id: &KeyId, since: Timestamp) -> Result<KeyUsage> {
        let id = *id;
        self.read(move |connection| usage::load_usage(connection, id, since)).await
    }

    async fn list_activity(
        &self,
        key: Option<KeyId>,
        kind: Option<ActivityKind>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ActivityPage> {
        self.read(move |connection| activity::load_page(connection, key, kind, before, limit)).await
    }

    async fn purge_old_entries(&self, now: Timestamp, retention: Duration) -> Result<()> {
        let believable = self
            .write(move |connection, _| {
                let transaction = connection.transaction()?;
                service_days::record_day(&transaction, now)?;
                usage::repair_future_uses(&transaction, now)?;
                let believable = service_days::believable_time(&transaction, now)?;
                transaction.commit()?;
                Ok(believable)
            })
            .await?;
        let Some(oldest) = believable.map(|moment| moment.saturating_sub(retention)) else {
            return Ok(());
        };
        // Delete in batches, so that a concurrent revocation waits for one batch at most.
        while self.write(move |connection, _| usage::delete_slice_before(connection, oldest, now)).await? {}
        Ok(())
    }

    async fn check_outside_changes(&self) -> u64 {
        let checked = self.run_blocking(|inner| {
            // If the connection is busy, a write is using it and has already done this check.
            if let Some(mut writer) = inner.writer.try_lock() {
                inner.check_and_report(&mut writer);
            }
            inner.recheck_disk_space();
            Ok(inner.detector.as_ref().map_or(0, |detector| detector.lock().key_set_revision()))
        });
        checked.await.unwrap_or_else(|error| {
            tracing::error!(%error, "failed to check the key database for changes by other programs");
            0
        })
    }

    async fn ping(&self) -> Result<()> {
        self.inner.check_writable()?;
        self.read(|connection| {
            connection.query_row("SELECT count(*) FROM (SELECT 1 FROM keys LIMIT 1)", [], |_| Ok(()))
        })
        .await
    }

    async fn checkpoint(&self) -> Result<()> {
        let empty_log = |connection: &mut Connection, _: &SharedState| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        };
        match self.write(empty_log).await? {
            false => Ok(()),
            true => Err(StoreError::new(
                DatabaseProblem::Locked,
                &self.inner.path,
                "another program is reading the database",
            )),
        }
    }
}
