//! Keys in one SQLite file, in write-ahead-log mode with `synchronous=FULL`.
//!
//! One connection writes, on a thread that may block; a few read. Requests find their key in memory: see [`index`]. A
//! file beside the database is locked for as long as it is open, so that no second service can change keys. Changes by
//! other programs are detected: see [`guard`] and [`files`].

mod activity;
mod database_files;
mod key_index;
mod key_list;
mod keys;
pub(crate) mod open;
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
use ulkeys_domain::wire::{
    ActivityKind, ActivityPage, DatabaseHealth, DatabaseProblem, DiskFull, KeyCounts, KeyUsage, ResourceCounts,
    WritesStopped,
};
use ulkeys_domain::{AttentionThresholds, KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, Timestamp};

use crate::{AuditContext, KeyQuery, KeyStore, Result, Revocation, StoreError, UsageBatch, disk_space};

use database_files::DatabaseFiles;
use key_index::KeyIndex;
use outside_changes::OutsideChangeDetector;

/// How long after the last failure the disk counts as full. Longer than the pause between two attempts to write uses:
/// as long as these do not fit, it is full.
const DISK_FULL_HOLD: Duration = Duration::from_secs(3);

/// A [`KeyStore`] in an SQLite file.
pub struct SqliteStore {
    inner: Arc<SharedState>,
}

struct SharedState {
    path: Box<Path>,
    // Dropped in this order: the last connection to close empties the log into the file, which only the writer can.
    readers: Vec<Mutex<Connection>>,
    writer: Mutex<Connection>,
    index: KeyIndex,
    counts: RwLock<ResourceCounts>,
    health: watch::Sender<DatabaseHealth>,
    /// When a write last failed for lack of space, while the disk counts as full.
    full: Mutex<Option<Instant>>,
    /// Whether the last check for changes by other programs failed.
    is_check_failing: AtomicBool,
    // Lock order: `writer`, `guard`, `files`.
    detector: Option<Mutex<OutsideChangeDetector>>,
    files: Mutex<DatabaseFiles>,
}

impl SqliteStore {
    /// Opens the database without a record of revocations, for tools and tests: creates or migrates it when needed.
    /// Blocks; see [`StoreError`] for what can be wrong.
    ///
    /// # Errors
    /// A file that is locked, read-only, damaged, another program's or from a newer version is reported and left as
    /// it is.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_guarded(path, |_| None)
    }

    /// Opens the database for a service. Revocations are also recorded in the file `record`, which should not be where
    /// people copy or synchronize the database; what that file says is applied whenever keys are read. `clock` gives
    /// the time of what other programs did, when it is found.
    ///
    /// # Errors
    /// See [`Self::open`]. A record that cannot be used is no error, but part of [`Self::health`]: without the service,
    /// no program could use its keys, and nobody could revoke one.
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

    /// Whether another service has the database open now.
    pub fn is_in_use(path: &Path) -> bool {
        path.exists() && open::acquire_lock_file(path).is_err_and(|error| error.problem == DatabaseProblem::Locked)
    }

    /// What a person should know about the database. Changes as long as the store is open.
    pub fn health(&self) -> watch::Receiver<DatabaseHealth> {
        self.inner.health.subscribe()
    }

    /// Runs `work` on the writing connection, on a thread that may block. Until it returns, no other thread changes
    /// anything, the index included. What fails has changed nothing, so that it may be written again.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &SharedState) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_blocking_with(move |inner| inner.write(&mut inner.writer.lock(), work)).await
    }

    /// As [`Self::write`], for a change that its caller counts on. If the file was replaced during the commit, the
    /// change is not in the new file, so the call fails, unless the change `holds` without that file.
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

    /// Runs `work` on a reading connection, on a thread that may block.
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
            // The words of a panic may quote what it failed on. The panic hook logs them, without keys.
            .unwrap_or_else(|_| {
                Err(StoreError::new(DatabaseProblem::Unavailable, &self.inner.path, "an operation was not completed"))
            })
    }
}

impl SharedState {
    fn map_error(&self, error: &rusqlite::Error) -> StoreError {
        let error = StoreError::from_sqlite(&self.path, error);
        if error.problem == DatabaseProblem::Full && self.full.lock().replace(Instant::now()).is_none() {
            tracing::error!(%error, "there is no space left for the key database: only revocations are accepted");
            let folder = self.path.parent().unwrap_or(&self.path).display().to_string();
            self.health.send_modify(|health| health.full = Some(DiskFull { folder }));
        }
        error
    }

    /// Ends the state of a full disk once there is space again. A write that succeeds does not: it may have fitted into
    /// the space that the log has already.
    fn recheck_disk_space(&self) {
        let is_over = |failed: &Instant| failed.elapsed() > DISK_FULL_HOLD;
        let is_due = self.full.lock().as_ref().is_some_and(is_over);
        if is_due
            && matches!(disk_space::has_space_for_writes(&self.path), Ok(true))
            && self.full.lock().take_if(|failed| is_over(failed)).is_some()
        {
            tracing::info!(path = %self.path.display(), "there is space again for the key database");
            self.health.send_modify(|health| health.full = None);
        }
    }

    /// Checks for changes by other programs. A failure is reported once; what was committed before still holds.
    fn check_and_report(&self, writer: &mut Connection) {
        let checked = self.apply_outside_changes(writer);
        let was_failing = self.is_check_failing.swap(checked.is_err(), Ordering::Relaxed);
        match checked {
            Err(error) if !was_failing => {
                tracing::warn!(%error, "the key database cannot be checked for changes by other programs");
            }
            Ok(()) if was_failing => tracing::info!("the key database is checked for changes by other programs again"),
            _ => {}
        }
    }

    /// Does `work`, if nothing keeps the file from being written.
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

    /// A reading connection, preferably one that is free.
    fn pick_reader(&self) -> MutexGuard<'_, Connection> {
        let free = self.readers.iter().find_map(Mutex::try_lock);
        free.unwrap_or_else(|| self.readers[0].lock())
    }

    /// Detects changes by other programs and applies them. Costs a few stat(2) calls when nothing changed.
    fn apply_outside_changes(&self, writer: &mut Connection) -> rusqlite::Result<()> {
        let version = self.index.changed_version(writer)?;
        self.check_files(writer);
        if self.health.borrow().stopped.is_some() {
            // What is at the path is not what is open; decisions go on from what was committed.
            return Ok(());
        }
        let mut detector = self.detector.as_ref().map(Mutex::lock);
        if let Some(version) = version {
            tracing::warn!("another program has changed the key database; it is read again");
            let keys = match &mut detector {
                Some(detector) => detector.reload(writer, &self.index.read_keys())?,
                None => key_index::load_all_keys(writer, key_index::skip_unreadable, |_| {})?,
            };
            // Freed here, and not while requests wait for the new ones.
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
            // Requests are decided by it even where it cannot be written; the next check tries again.
            if let Err(error) = detector.write_detected_changes(writer) {
                self.map_error(&error);
            }
            self.files.lock().refresh_checksums_after_write();
        }
        Ok(())
    }

    /// Revokes a key whose revocation is in the record, but could not be committed. That is a success: the record is on
    /// the disk, the key is refused from now on, and no failure of the database brings it back. The database gets it
    /// later.
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

    /// Refuses what would be written into a file that is not at its path.
    fn check_writable(&self) -> Result<()> {
        match &self.health.borrow().stopped {
            None => Ok(()),
            Some(stopped) => {
                let detail = format!("the file was changed by another program: {:?}", stopped.cause);
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
        // Each request calls this on a thread that must not block, so it reads memory alone. Changes by other programs
        // get there by `check_outside_changes`.
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
            // Revoked before, and only the database does not have it yet: then the first time stays.
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
        // The record applies to each file that comes to the path.
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
        // In slices, so that a revocation never waits for all of it.
        while self.write(move |connection, _| usage::delete_slice_before(connection, oldest, now)).await? {}
        Ok(())
    }

    async fn check_outside_changes(&self) -> u64 {
        let checked = self.run_blocking(|inner| {
            // A write that holds the connection has checked, too.
            if let Some(mut writer) = inner.writer.try_lock() {
                inner.check_and_report(&mut writer);
            }
            inner.recheck_disk_space();
            Ok(inner.detector.as_ref().map_or(0, |detector| detector.lock().key_set_revision()))
        });
        checked.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the check for changes by other programs failed");
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
            true => Err(StoreError::new(DatabaseProblem::Locked, &self.inner.path, "somebody reads it just now")),
        }
    }
}
