//! Monitors the files of an open database: whether they are still at their paths, and whether they still contain what
//! SQLite has written.
//!
//! SQLite keeps a file open by its inode. If a synchronization program moves another file to the path, SQLite continues
//! with a file that no longer has a name, and everything committed to that file is lost when the process exits. So the
//! path is checked before and after each write. A check costs a few stat(2) calls, and reads the file's content only if
//! these calls show a change. No check opens the database file, because closing any descriptor of a file drops the
//! locks that SQLite holds on it (POSIX).

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::data_version;
use super::page_checksums::PageChecksums;
use crate::StopCause;
use crate::private_files::{private_file, reserve_name, sibling_path};

/// After another SQLite process has changed the database, changed pages in the database file are accepted for this
/// long. The WAL may no longer contain these pages, because it is overwritten from the start after a complete
/// checkpoint.
const OUTSIDE_CHECKPOINT_WINDOW: Duration = Duration::from_secs(5);
/// A checkpoint may be writing a page while the page is read. So a difference counts only if it persists for this
/// number of reads, with a delay between them.
const READ_ATTEMPTS: u32 = 3;
const READ_RETRY_DELAY: Duration = Duration::from_millis(50);

/// The identity of a file: device and inode. Constant on systems other than Unix, where an open database cannot be
/// moved.
type FileIdentity = (u64, u64);
/// The modification time and the length of a file.
type FileExtent = (Option<SystemTime>, u64);

pub(super) struct DatabaseFiles {
    path: PathBuf,
    /// The open database file. This file and `log_index` are closed only together with the connections, because closing
    /// them earlier would drop SQLite's locks.
    anchor: File,
    /// The WAL index.
    log_index: Option<File>,
    /// The lock file, which excludes other services from the database.
    lock: File,
    /// The paths of the WAL and of the WAL index, with the identities of the original files.
    companions: [(PathBuf, Option<FileIdentity>); 2],
    extent: FileExtent,
    content: PageChecksums,
    page_size: usize,
    /// SQLite's `data_version`, which changes when another program commits.
    version: i64,
    changed_by_others: Option<Instant>,
    stopped: Option<StopCause>,
    /// Whether writes remain stopped until the database is reopened.
    is_final: bool,
    saved: Option<PathBuf>,
}

impl DatabaseFiles {
    /// Starts monitoring the files of a database whose connections are open.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or was replaced.
    pub(super) fn new(path: &Path, writer: &Connection, lock: File) -> io::Result<Self> {
        let page_size: i64 =
            writer.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(io::Error::other)?;
        let page_size = usize::try_from(page_size).map_err(io::Error::other)?;
        let version = data_version(writer).map_err(io::Error::other)?;
        let anchor = File::open(path)?;
        let metadata = path.metadata()?;
        if file_identity(&metadata) != file_identity(&anchor.metadata()?) {
            return Err(io::Error::other("the file was replaced while it was being opened"));
        }
        // SQLite stores the WAL and its index next to the database file, not next to a symbolic link to it.
        let real = path.canonicalize()?;
        let companions = ["-wal", "-shm"].map(|suffix| {
            let path = sibling_path(&real, suffix);
            let known = path.metadata().ok().map(|metadata| file_identity(&metadata));
            (path, known)
        });
        Ok(Self {
            path: path.to_owned(),
            log_index: File::open(&companions[1].0).ok(),
            lock,
            companions,
            extent: file_extent(&metadata),
            content: PageChecksums::read(&anchor, page_size)?,
            anchor,
            page_size,
            version,
            changed_by_others: None,
            stopped: None,
            is_final: false,
            saved: None,
        })
    }

    /// Returns why writes are stopped, or `None` if they are allowed.
    pub(super) fn stop_cause(&self) -> Option<StopCause> {
        self.stopped
    }

    /// Returns the path of the saved copy of a database that was deleted or replaced.
    pub(super) fn saved_copy(&self) -> Option<&Path> {
        self.saved.as_deref()
    }

    /// Checks whether the files are still at their paths with the expected content, and stops writes if they are not.
    /// Resumes writes when the cause no longer exists, for example when a moved file is back.
    pub(super) fn check_location(&mut self, writer: &Connection) {
        if self.is_final {
            return;
        }
        self.detect_outside_write(writer);
        let before = self.stopped;
        self.stopped = self.find_stop_cause(writer);
        if self.stopped == before {
            return;
        }
        match self.stopped {
            None => tracing::info!("the key database can be written again"),
            Some(cause) => {
                tracing::error!(?cause, path = %self.path.display(), "writing to the key database was stopped")
            }
        }
        match self.stopped {
            Some(StopCause::Replaced) => self.abandon_file(writer),
            Some(StopCause::Missing) if self.is_deleted() => self.abandon_file(writer),
            Some(StopCause::Missing) => self.checkpoint_moved_file(writer),
            Some(StopCause::Overwritten) => self.abandon_content(writer),
            _ => {}
        }
    }

    /// Updates the checksums after a write by this process, because the write may have changed the database file.
    pub(super) fn refresh_checksums_after_write(&mut self) {
        if let Ok(metadata) = self.path.metadata()
            && self.is_open_file(&metadata)
            && self.extent != file_extent(&metadata)
        {
            match PageChecksums::read(&self.anchor, self.page_size) {
                Ok(content) => (self.extent, self.content) = (file_extent(&metadata), content),
                Err(error) => tracing::warn!(%error, "cannot read the content of the key database"),
            }
        }
    }

    /// Records the current time if another process has changed the database through SQLite.
    fn detect_outside_write(&mut self, writer: &Connection) {
        if let Ok(version) = data_version(writer)
            && version != self.version
        {
            self.version = version;
            self.changed_by_others = Some(Instant::now());
        }
    }

    fn find_stop_cause(&mut self, writer: &Connection) -> Option<StopCause> {
        let Ok(metadata) = self.path.metadata() else {
            return Some(StopCause::Missing);
        };
        if !self.is_open_file(&metadata) {
            return Some(StopCause::Replaced);
        }
        for (path, known) in &mut self.companions {
            let now = path.metadata().ok().map(|metadata| file_identity(&metadata));
            if *known.get_or_insert_with(|| now.unwrap_or_default()) != now.unwrap_or_default() {
                // The WAL or its index is missing or was replaced, so these files no longer belong to the open
                // database.
                return Some(StopCause::Replaced);
            }
        }
        let now = file_extent(&metadata);
        if now != self.extent {
            match self.read_current_checksums(writer) {
                Ok(Some(content)) => (self.extent, self.content) = (now, content),
                Ok(None) => return Some(StopCause::Overwritten),
                // Do not stop writes: wrongly reporting an intact file as overwritten would be worse than reporting an
                // overwritten file late.
                Err(error) => {
                    tracing::warn!(%error, "cannot read the content of the key database; the next check tries again")
                }
            }
        }
        (!self.holds_lock()).then_some(StopCause::Shared)
    }

    /// Returns the current checksums of the file, or `None` if a program has written to the file without using SQLite.
    fn read_current_checksums(&mut self, writer: &Connection) -> io::Result<Option<PageChecksums>> {
        let [(log, _), _] = &self.companions;
        for reading in 0..READ_ATTEMPTS {
            if reading > 0 {
                std::thread::sleep(READ_RETRY_DELAY);
            }
            if let Some(content) = self.content.reload(&self.anchor, log, self.log_index.as_ref())? {
                return Ok(Some(content));
            }
        }
        self.detect_outside_write(writer);
        match self.changed_by_others {
            Some(at) if at.elapsed() < OUTSIDE_CHECKPOINT_WINDOW => {
                PageChecksums::read(&self.anchor, self.page_size).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn is_open_file(&self, metadata: &Metadata) -> bool {
        self.anchor.metadata().is_ok_and(|anchor| file_identity(&anchor) == file_identity(metadata))
    }

    /// Returns whether the open file was deleted, so that it no longer has a path.
    fn is_deleted(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            self.anchor.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
        }
        #[cfg(not(unix))]
        false
    }

    /// Returns whether the lock file still keeps other services out. Recreates a lock file that was removed, unless
    /// another service has already created and locked a new one.
    fn holds_lock(&mut self) -> bool {
        let path = sibling_path(&self.path, ".lock");
        let is_same = |file: &File| {
            let ours = file.metadata().map(|metadata| file_identity(&metadata));
            path.metadata().is_ok_and(|metadata| ours.is_ok_and(|ours| ours == file_identity(&metadata)))
        };
        if is_same(&self.lock) {
            return true;
        }
        tracing::warn!(path = %path.display(), "the lock file of the key database was removed; creating it again");
        let Ok(file) = private_file().create(true).truncate(false).open(&path) else {
            return true;
        };
        match file.try_lock() {
            Ok(()) => {
                self.lock = file;
                true
            }
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => true,
        }
    }

    /// Checkpoints the WAL into a database file that was moved to another path. The WAL was not moved with the file, so
    /// the file alone must contain all keys in case a person copies it or moves it back.
    fn checkpoint_moved_file(&mut self, writer: &Connection) {
        match writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)) {
            Ok(false) => {}
            Ok(true) => tracing::warn!("the moved key database is incomplete, because another program is reading it"),
            Err(error) => tracing::error!(%error, "cannot checkpoint the moved key database, so it is incomplete"),
        }
        match (self.anchor.metadata(), PageChecksums::read(&self.anchor, self.page_size)) {
            (Ok(metadata), Ok(content)) => (self.extent, self.content) = (file_extent(&metadata), content),
            (Err(error), _) | (_, Err(error)) => tracing::warn!(%error, "cannot read the moved key database"),
        }
    }

    /// Stops using a database file after another file has taken its path. Checkpoints committed data into the former
    /// file, or saves a copy if that file was deleted. Removes the WAL from the path, because SQLite would apply the
    /// WAL to the new file.
    fn abandon_file(&mut self, writer: &Connection) {
        self.is_final = true;
        keep_log_on_close(writer);
        let busy = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        let mut is_whole = busy.is_ok_and(|busy| !busy);
        if self.is_deleted() {
            is_whole = match self.save_copy(writer) {
                Ok(path) => {
                    tracing::warn!(path = %path.display(), "saved a copy of the former key database");
                    self.saved = Some(path);
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "cannot save a copy of the former key database");
                    false
                }
            };
        }
        self.remove_companions(is_whole);
    }

    /// Stops using a file whose content was overwritten. Removes the WAL from the path, because it belongs to the
    /// former content.
    fn abandon_content(&mut self, writer: &Connection) {
        self.is_final = true;
        keep_log_on_close(writer);
        self.remove_companions(false);
    }

    fn save_copy(&self, writer: &Connection) -> Result<PathBuf, Box<dyn std::error::Error>> {
        let copy = reserve_name(&self.path, ".set-aside")?;
        let saved = write_copy(writer, &copy);
        // Delete an incomplete copy, so that nobody mistakes it for a complete one.
        if saved.is_err()
            && let Err(error) = std::fs::remove_file(&copy)
        {
            tracing::error!(%error, path = %copy.display(), "cannot delete an incomplete copy of the key database");
        }
        saved.map(|()| copy)
    }

    /// Removes the WAL and the WAL index of the former database, if they are still at their paths. Renames the WAL
    /// instead of deleting it if it may contain data that exists nowhere else.
    fn remove_companions(&self, is_log_needless: bool) {
        for (path, known) in &self.companions {
            let now = path.metadata().ok().map(|metadata| (file_identity(&metadata), metadata.len()));
            let Some((_, length)) = now.filter(|(now, _)| Some(*now) == *known) else {
                continue;
            };
            let is_log = path.extension().is_some_and(|extension| extension.to_string_lossy().ends_with("-wal"));
            let moved = if is_log && length > 0 && !is_log_needless {
                reserve_name(&self.path, "-wal.set-aside").and_then(|aside| std::fs::rename(path, aside))
            } else {
                std::fs::remove_file(path)
            };
            if let Err(error) = moved {
                tracing::error!(%error, path = %path.display(), "cannot remove a file of the former key database");
            }
        }
    }
}

fn write_copy(writer: &Connection, copy: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let name = copy.to_str().ok_or("the path is not valid UTF-8")?;
    writer.execute("VACUUM INTO ?1", [name])?;
    Ok(File::open(copy)?.sync_all()?)
}

/// Prevents SQLite from checkpointing and deleting the WAL when the last connection closes, because the files at the
/// original paths now belong to another database.
fn keep_log_on_close(writer: &Connection) {
    if let Err(error) = writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::error!(%error, "cannot disable the checkpoint on closing the key database");
    }
}

fn file_identity(metadata: &Metadata) -> FileIdentity {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        (metadata.dev(), metadata.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        (0, 0)
    }
}

fn file_extent(metadata: &Metadata) -> FileExtent {
    (metadata.modified().ok(), metadata.len())
}

#[cfg(test)]
mod tests {
    use super::super::open::open_or_create;
    use super::*;

    #[test]
    fn save_copy_failure_leaves_no_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("keys.db");
        let (lock, writer) = open_or_create(&path).expect("new database");
        let files = DatabaseFiles::new(&path, &writer, lock).expect("opened");
        // An open transaction simulates a full disk: SQLite cannot copy the database during a transaction.
        writer.execute_batch("BEGIN").expect("transaction started");
        files.save_copy(&writer).expect_err("rejected");
        assert!(!sibling_path(&path, ".set-aside").exists());
        writer.execute_batch("ROLLBACK").expect("transaction ended");
        let copy = files.save_copy(&writer).expect("saved");
        assert!(copy.metadata().expect("exists").len() > 0);
    }
}
