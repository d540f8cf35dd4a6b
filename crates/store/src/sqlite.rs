//! An SQLite store in one file, in write-ahead-log (WAL) mode with `synchronous=FULL`.
//!
//! One connection writes and several connections read, all on threads on which blocking is allowed. A lock file next to
//! the database is locked while the database is open, so that no second service can change keys. A database tool can
//! still change the database. Its changes are detected: see [`outside_changes`] and [`database_files`].

mod account;
mod account_scope;
mod activity;
mod database_files;
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
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard, RwLock};
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use tokio::sync::watch;
use ulkeys_domain::training::{CheckpointId, RunId};
use ulkeys_domain::{AccountId, Timestamp};

use crate::{
    AccountStore, AuditContext, Committed, DatabaseHealth, DatabaseProblem, KeyChanges, KeyVisitor, KnownKeys,
    OpenError, ResourceCounts, Result, Revision, Revocation, Store, StoreError, StoredKey, UsageBatch, WriteError,
    WriteResult, WritesStopped, disk_space,
};

use account::SqliteAccount;
use account_scope::{AccountScope, list_accounts};
use database_files::DatabaseFiles;
use keys::KeyWriteError;
use outside_changes::OutsideChangeDetector;

/// Time after the last failed write during which the disk counts as full. Longer than the interval between two attempts
/// to write usage, so that the disk counts as full for as long as these attempts fail.
const DISK_FULL_HOLD: Duration = Duration::from_secs(3);

/// A [`Store`] in an SQLite file.
pub struct SqliteStore {
    database: Database,
}

/// An open database. Clones use the same connections.
#[derive(Clone)]
struct Database {
    inner: Arc<SharedState>,
}

struct SharedState {
    path: Box<Path>,
    // The fields are dropped in this order, so that the writer is closed last: the last connection checkpoints the WAL
    // when it is closed, and a read-only connection cannot do that.
    readers: Vec<Mutex<Connection>>,
    writer: Mutex<Connection>,
    /// SQLite's `data_version` when the keys were last read. It changes when another program commits: a connection's
    /// `data_version` changes only when another connection commits, and all commits of this process use `writer`.
    seen_version: AtomicI64,
    /// The last revision that this process has used.
    latest_revision: AtomicU64,
    /// The revision of the last outside change. The changed rows do not contain it.
    outside_revision: AtomicU64,
    /// The revision of the last revocation that could not be committed. The row does not contain it.
    uncommitted_revision: AtomicU64,
    /// The numbers of projects and models of each account that has models.
    counts: RwLock<FxHashMap<AccountId, ResourceCounts>>,
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
    pub fn open(path: &Path) -> std::result::Result<Self, OpenError> {
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
    pub fn open_with_record(
        path: &Path,
        record: &Path,
        clock: fn() -> Timestamp,
    ) -> std::result::Result<Self, OpenError> {
        Self::open_guarded(path, |health| Some(OutsideChangeDetector::new(record, clock, health)))
    }

    fn open_guarded(
        path: &Path,
        detector: impl FnOnce(watch::Sender<DatabaseHealth>) -> Option<OutsideChangeDetector>,
    ) -> std::result::Result<Self, OpenError> {
        let (lock, mut writer) = open::open_or_create(path)?;
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let readers =
            (0..count).map(|_| open::open_reader(path).map(Mutex::new)).collect::<std::result::Result<_, _>>()?;
        let sqlite = |error| OpenError::from_sqlite(path, &error);
        let health = watch::Sender::new(DatabaseHealth::default());
        let mut detector = detector(health.clone());
        let seen_version = AtomicI64::new(data_version(&writer).map_err(sqlite)?);
        match &mut detector {
            Some(detector) => detector.check_opened_database(&mut writer),
            None => keys::scan(&writer, None, Err, drop),
        }
        .map_err(sqlite)?;
        let latest_revision = AtomicU64::new(keys::last_revision(&writer).map_err(sqlite)?.0);
        let counts = RwLock::new(runs::read::count_resources(&writer).map_err(sqlite)?);
        let files = DatabaseFiles::new(path, &writer, lock).map_err(|error| OpenError::from_io(path, &error))?;
        let (detector, files) = (detector.map(Mutex::new), Mutex::new(files));
        let writer = Mutex::new(writer);
        let (full, is_check_failing) = (Mutex::default(), AtomicBool::default());
        let path = path.into();
        let inner = SharedState {
            path,
            readers,
            writer,
            seen_version,
            latest_revision,
            outside_revision: AtomicU64::default(),
            uncommitted_revision: AtomicU64::default(),
            counts,
            health,
            full,
            is_check_failing,
            detector,
            files,
        };
        Ok(Self { database: Database { inner: Arc::new(inner) } })
    }

    /// Returns whether another service has the database open.
    pub fn is_in_use(path: &Path) -> bool {
        path.exists() && open::acquire_lock_file(path).is_err_and(|error| error.problem == DatabaseProblem::Locked)
    }

    /// Returns a receiver for the database's health, which can change while the store is open and is shown to the user.
    pub fn health(&self) -> watch::Receiver<DatabaseHealth> {
        self.database.inner.health.subscribe()
    }
}

impl Database {
    /// Runs `work` with the connection for writing, on a thread on which blocking is allowed. Until `work` returns, no
    /// other thread can change the database. A failed call has changed nothing and can be repeated.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &SharedState) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_blocking_with(move |inner| {
            let mut writer = inner.writer.lock();
            inner.check_writable(&writer)?;
            let done = work(&mut writer, inner);
            inner.files.lock().refresh_checksums_after_write();
            done.map_err(|error| inner.map_error(&error))
        })
        .await
    }

    /// Runs a change to a key as [`Self::write`] does, and checks the database file again after the commit. `work` also
    /// gets the last revision that this process has used. If another program replaced the file during the commit, the
    /// file now at the path does not contain the change. The call then fails, unless `holds` confirms that the change
    /// is effective without the file.
    async fn write_key<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &SharedState, Revision) -> std::result::Result<Committed<T>, KeyWriteError>
        + Send
        + 'static,
        holds: impl FnOnce(&SharedState) -> bool + Send + 'static,
    ) -> WriteResult<T> {
        self.run_blocking_with(move |inner| {
            let mut writer = inner.writer.lock();
            inner.check_writable(&writer)?;
            let done = work(&mut writer, inner, Revision(inner.latest_revision.load(Ordering::Relaxed)));
            inner.files.lock().refresh_checksums_after_write();
            let done = match done {
                Ok(done) => done,
                Err(KeyWriteError::Sqlite(error)) => return Err(inner.map_error(&error)),
                Err(KeyWriteError::NotFound) => return Ok(Err(WriteError::NotFound)),
                Err(KeyWriteError::ActorRevoked) => return Ok(Err(WriteError::ActorRevoked)),
                Err(KeyWriteError::Conflict) => return Ok(Err(WriteError::Conflict)),
            };
            inner.latest_revision.fetch_max(done.revision.0, Ordering::Relaxed);
            match inner.check_writable(&writer) {
                Err(error) if !holds(inner) => Err(error),
                _ => Ok(Ok(done)),
            }
        })
        .await?
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
                    "the operation failed unexpectedly; the log contains the cause",
                ))
            })
    }
}

impl SharedState {
    fn map_error(&self, error: &rusqlite::Error) -> StoreError {
        let error = StoreError::from_sqlite(&self.path, error);
        if error.problem == DatabaseProblem::Full && self.full.lock().replace(Instant::now()).is_none() {
            tracing::error!(
                path = %self.path.display(),
                %error,
                "no space left for the key database: only revocations are accepted"
            );
            self.health.send_modify(|health| health.is_full = true);
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
            self.health.send_modify(|health| health.is_full = false);
        }
    }

    /// Returns a connection for reading, preferably one that is not in use.
    fn pick_reader(&self) -> MutexGuard<'_, Connection> {
        let free = self.readers.iter().find_map(Mutex::try_lock);
        free.unwrap_or_else(|| self.readers[0].lock())
    }

    /// Returns the changes that this process has committed since `since`, and the changes that other programs have
    /// made. Costs a few stat(2) calls if nothing changed.
    fn collect_changes(
        &self,
        writer: &mut Connection,
        since: Revision,
        known: &dyn KnownKeys,
    ) -> rusqlite::Result<KeyChanges> {
        let version = data_version(writer)?;
        self.check_files(writer);
        let mut changes = KeyChanges { revision: since, ..KeyChanges::default() };
        if self.health.borrow().stopped.is_some() {
            // The file at the path is no longer the open database. Authorization continues with the keys that were
            // committed before.
            return Ok(changes);
        }
        let latest = Revision(self.latest_revision.load(Ordering::Relaxed));
        let outside = Revision(self.outside_revision.load(Ordering::Relaxed));
        let uncommitted = Revision(self.uncommitted_revision.load(Ordering::Relaxed));
        let mut detector = self.detector.as_ref().map(Mutex::lock);
        if version != self.seen_version.load(Ordering::Relaxed) {
            tracing::warn!("another program has changed the key database; comparing all keys");
            changes = match &mut detector {
                Some(detector) => detector.compare_keys(writer, since, latest, known)?,
                None => outside_changes::compare_keys(writer, since, latest, known, |_| {})?,
            };
            changes.is_from_outside = true;
            self.seen_version.store(version, Ordering::Relaxed);
        } else {
            if let Some(detector) = detector.as_mut().filter(|detector| detector.needs_record_reload()) {
                changes.stored = detector.reload_record(writer, known);
                changes.is_from_outside = !changes.stored.is_empty();
            }
            let apply_record = |key: &mut StoredKey| {
                if let Some(detector) = &detector {
                    detector.apply_record(key);
                }
            };
            if since < outside.max(uncommitted) {
                // The caller did not receive a change whose revision is in no row, so only a comparison finds it. The
                // change is already in the activity list.
                let mut missed = outside_changes::compare_keys(writer, since, latest, known, apply_record)?;
                missed.stored.iter_mut().for_each(|key| key.revision = latest);
                changes.stored.append(&mut missed.stored);
                changes.removed = missed.removed;
                changes.is_from_outside |= since < outside;
            } else if since < latest {
                keys::scan(writer, Some(since), keys::skip_unreadable, |mut key| {
                    apply_record(&mut key);
                    changes.stored.push(key);
                })?;
            }
        }
        changes.revision = latest;
        if changes.is_from_outside {
            // The changes take a revision, so that they are later than all earlier changes to the same keys. The next
            // commit takes a later one.
            changes.revision = Revision(latest.0 + 1);
            self.latest_revision.store(changes.revision.0, Ordering::Relaxed);
            self.outside_revision.store(changes.revision.0, Ordering::Relaxed);
            changes.stored.iter_mut().for_each(|key| key.revision = changes.revision);
        }
        if let Some(detector) = detector.as_mut().filter(|detector| detector.has_pending_writes()) {
            // Detected changes take effect for authorization even if they cannot be written to the database. The next
            // check retries the write.
            if let Err(error) = detector.write_detected_changes(writer) {
                self.map_error(&error);
            }
            self.files.lock().refresh_checksums_after_write();
        }
        Ok(changes)
    }

    /// Revokes a key whose revocation is in the revocation record but could not be committed to the database. The call
    /// still succeeds: the record is durable, the key is rejected from now on, and no database failure can reactivate
    /// the key. The revocation is written to the database later.
    fn revoke_by_record_alone(
        &self,
        key: &StoredKey,
        latest: Revision,
        audit: AuditContext,
    ) -> Option<Committed<Revocation>> {
        let mut detector = self.detector.as_ref()?.lock();
        let is_new = detector.unwritten_revoked_at(key.account, &key.info.id).is_none();
        let (revoked, at) = detector.take_revocation_from_record(key, audit)?;
        let revision = Revision(latest.0 + 1);
        self.uncommitted_revision.store(revision.0, Ordering::Relaxed);
        Some(Committed { value: Revocation { at, is_new }, revision, change: Some(StoredKey { revision, ..revoked }) })
    }

    fn check_files(&self, writer: &Connection) {
        let mut files = self.files.lock();
        files.check_location(writer);
        let stopped =
            files.stop_cause().map(|cause| WritesStopped { cause, saved: files.saved_copy().map(Path::to_owned) });
        self.health.send_if_modified(|health| {
            let is_new = health.stopped != stopped;
            health.stopped = stopped;
            is_new
        });
    }

    /// Checks the database files, and returns an error if writing was stopped because another program moved, replaced,
    /// or overwrote the database file.
    fn check_writable(&self, writer: &Connection) -> Result<()> {
        self.check_files(writer);
        self.check_not_stopped()
    }

    fn check_not_stopped(&self) -> Result<()> {
        match &self.health.borrow().stopped {
            None => Ok(()),
            Some(stopped) => {
                let detail = format!(
                    "writing was stopped because another program changed the database files: {:?}",
                    stopped.cause
                );
                Err(StoreError::new(DatabaseProblem::Replaced, detail))
            }
        }
    }
}

/// Returns SQLite's `data_version`, which changes when another connection commits.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

#[async_trait]
impl Store for SqliteStore {
    fn account(&self, id: AccountId) -> Arc<dyn AccountStore> {
        Arc::new(SqliteAccount { database: self.database.clone(), id })
    }

    async fn snapshot(&self, mut visit: KeyVisitor) -> Result<Revision> {
        self.database
            .run_blocking(move |inner| {
                let writer = inner.writer.lock();
                let detector = inner.detector.as_ref().map(Mutex::lock);
                keys::scan(&writer, None, keys::skip_unreadable, |mut key| {
                    if let Some(detector) = &detector {
                        detector.apply_record(&mut key);
                    }
                    visit(key);
                })?;
                Ok(Revision(inner.latest_revision.load(Ordering::Relaxed)))
            })
            .await
    }

    async fn changes_since(&self, revision: Revision, known: Arc<dyn KnownKeys>) -> Result<KeyChanges> {
        self.database
            .run_blocking(move |inner| {
                let collected = inner.collect_changes(&mut inner.writer.lock(), revision, &*known);
                inner.recheck_disk_space();
                // Log only the first of several consecutive failures.
                let was_failing = inner.is_check_failing.swap(collected.is_err(), Ordering::Relaxed);
                match &collected {
                    Err(error) if !was_failing => {
                        tracing::warn!(%error, "cannot check the key database for changes by other programs");
                    }
                    Ok(_) if was_failing => {
                        tracing::info!("checking the key database for changes by other programs succeeds again")
                    }
                    _ => {}
                }
                collected
            })
            .await
    }

    async fn record_usage(&self, batch: Arc<UsageBatch>) -> Result<()> {
        self.database.write(move |connection, _| usage::record(connection, &batch)).await
    }

    async fn purge_old_entries(&self, now: Timestamp, retention: Duration) -> Result<()> {
        let (accounts, believable) = self
            .database
            .write(move |connection, _| {
                let transaction = connection.transaction()?;
                service_days::record_day(&transaction, now)?;
                let accounts = list_accounts(&transaction)?;
                if service_days::is_clock_plausible(&transaction, now)? {
                    for account in &accounts {
                        usage::repair_future_uses(AccountScope::new(&transaction, *account), now)?;
                    }
                }
                let believable = service_days::believable_time(&transaction, now)?;
                transaction.commit()?;
                Ok((accounts, believable))
            })
            .await?;
        let Some(oldest) = believable.map(|moment| moment.saturating_sub(retention)) else {
            return Ok(());
        };
        // Delete in batches, so that a concurrent revocation waits for one batch at most.
        for id in accounts {
            let account = SqliteAccount { database: self.database.clone(), id };
            while account.write(move |scope| usage::delete_slice_before(scope, oldest, now)).await? {}
        }
        Ok(())
    }

    async fn purge_runs(&self, now: Timestamp, retention: Duration) -> Result<Vec<RunId>> {
        self.database
            .write(move |writer, inner| {
                let believable = service_days::believable_time(writer, now)?;
                let Some(oldest) = believable.map(|moment| moment.saturating_sub(retention)) else {
                    return Ok(Vec::new());
                };
                let deleted = runs::write::delete_runs_before(writer, oldest)?;
                inner.count_models(writer);
                Ok(deleted)
            })
            .await
    }

    async fn files_to_remove(&self, with_replaced: bool) -> Result<Vec<CheckpointId>> {
        self.database.run_blocking(move |inner| runs::read::files_to_remove(&inner.pick_reader(), with_replaced)).await
    }

    async fn note_files_removed(&self, checkpoints: Vec<CheckpointId>) -> Result<()> {
        self.database.write(move |writer, _| runs::write::note_files_removed(writer, &checkpoints)).await
    }

    async fn checkpoints_with_file(&self) -> Result<Vec<CheckpointId>> {
        self.database.run_blocking(|inner| runs::read::checkpoints_with_file(&inner.pick_reader())).await
    }

    async fn ping(&self) -> Result<()> {
        self.database.inner.check_not_stopped()?;
        self.database
            .read(|connection| {
                connection.query_row("SELECT count(*) FROM (SELECT 1 FROM keys LIMIT 1)", [], |_| Ok(()))
            })
            .await
    }

    async fn checkpoint(&self) -> Result<()> {
        let empty_log = |connection: &mut Connection, _: &SharedState| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        };
        match self.database.write(empty_log).await? {
            false => Ok(()),
            true => Err(StoreError::new(DatabaseProblem::Locked, "another program is reading the database")),
        }
    }
}
