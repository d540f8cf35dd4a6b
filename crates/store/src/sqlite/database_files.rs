//! The files of an open database: whether they still are at its path, and still hold what was written.
//!
//! SQLite keeps a file open by its inode. Where a synchronization program puts another file at the path, SQLite goes on
//! with a file that no longer has a name, and what is committed there is lost with the process. So each write is
//! preceded and followed by a check of the path: a few calls of stat(2), and only where those show a change, a reading
//! of the content. No check opens the database, as closing any descriptor of a file drops the locks that SQLite holds
//! on it (POSIX).

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use ulkeys_domain::wire::StopCause;

use super::key_index::data_version;
use super::open::{private_file, reserve_name, sibling_path};
use super::page_checksums::PageChecksums;

/// For so long after a change by another SQLite process, the file may have pages that the log has no longer: it starts
/// again after a complete checkpoint.
const OUTSIDE_CHECKPOINT_WINDOW: Duration = Duration::from_secs(5);
/// A page may be read while a checkpoint writes it. A difference counts after so many readings, with a pause between
/// them.
const READ_ATTEMPTS: u32 = 3;
const READ_RETRY_DELAY: Duration = Duration::from_millis(50);

/// The identity of a file: its device and inode. Elsewhere than on Unix, an open database cannot be moved.
type FileIdentity = (u64, u64);
/// When the file was last written, and its length.
type FileExtent = (Option<SystemTime>, u64);

pub(super) struct DatabaseFiles {
    path: PathBuf,
    /// The file itself. Open for as long as the connections are, as is the next one.
    anchor: File,
    /// The index of the log.
    log_index: Option<File>,
    /// Holds other services off the database.
    lock: File,
    /// The files that belong to the database while it is open, and what they were.
    companions: [(PathBuf, Option<FileIdentity>); 2],
    extent: FileExtent,
    content: PageChecksums,
    page_size: usize,
    /// SQLite's number for the state of the file as other programs left it.
    version: i64,
    changed_by_others: Option<Instant>,
    stopped: Option<StopCause>,
    /// Whether only another opening of the database helps.
    is_final: bool,
    saved: Option<PathBuf>,
}

impl DatabaseFiles {
    /// Watches the files of a database that has its connections already.
    ///
    /// # Errors
    /// When the file cannot be read, or is no longer there.
    pub(super) fn new(path: &Path, writer: &Connection, lock: File) -> io::Result<Self> {
        let page_size: i64 =
            writer.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(io::Error::other)?;
        let page_size = usize::try_from(page_size).map_err(io::Error::other)?;
        let version = data_version(writer).map_err(io::Error::other)?;
        let anchor = File::open(path)?;
        let metadata = path.metadata()?;
        if file_identity(&metadata) != file_identity(&anchor.metadata()?) {
            return Err(io::Error::other("the file was replaced while it was opened"));
        }
        // SQLite keeps them where the file is, not where a link to it is.
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

    /// Why nothing may be written.
    pub(super) fn stop_cause(&self) -> Option<StopCause> {
        self.stopped
    }

    /// Where a copy of the database is that no longer has a name.
    pub(super) fn saved_copy(&self) -> Option<&Path> {
        self.saved.as_deref()
    }

    /// Checks whether everything is in its place.
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
            None => tracing::info!("the key database is in its place again"),
            Some(cause) => tracing::error!(?cause, path = %self.path.display(), "the key database accepts no changes"),
        }
        match self.stopped {
            Some(StopCause::Replaced) => self.abandon_file(writer),
            Some(StopCause::Missing) if self.is_deleted() => self.abandon_file(writer),
            Some(StopCause::Missing) => self.checkpoint_moved_file(writer),
            Some(StopCause::Overwritten) => self.abandon_content(writer),
            _ => {}
        }
    }

    /// Notes that this process has written, which may have changed the file.
    pub(super) fn refresh_checksums_after_write(&mut self) {
        if let Ok(metadata) = self.path.metadata()
            && self.is_open_file(&metadata)
            && self.extent != file_extent(&metadata)
        {
            match PageChecksums::read(&self.anchor, self.page_size) {
                Ok(content) => (self.extent, self.content) = (file_extent(&metadata), content),
                Err(error) => tracing::warn!(%error, "the content of the key database cannot be read"),
            }
        }
    }

    /// Notes a change by another process, if SQLite knows of one.
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
                // Without its log, or with another one, the file is not the database that is open.
                return Some(StopCause::Replaced);
            }
        }
        let now = file_extent(&metadata);
        if now != self.extent {
            match self.read_current_checksums(writer) {
                Ok(Some(content)) => (self.extent, self.content) = (now, content),
                Ok(None) => return Some(StopCause::Overwritten),
                // A wrong "overwritten" would cost more than a late one.
                Err(error) => tracing::warn!(%error, "the content of the key database cannot be read; tried again"),
            }
        }
        (!self.holds_lock()).then_some(StopCause::Shared)
    }

    /// The content of the file now, unless a program has written past SQLite.
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

    /// Whether the open file has no name any more.
    fn is_deleted(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            self.anchor.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
        }
        #[cfg(not(unix))]
        false
    }

    /// Whether other services are held off. A lock file that was removed is made again, unless one of them was quicker.
    fn holds_lock(&mut self) -> bool {
        let path = sibling_path(&self.path, ".lock");
        let is_same = |file: &File| {
            let ours = file.metadata().map(|metadata| file_identity(&metadata));
            path.metadata().is_ok_and(|metadata| ours.is_ok_and(|ours| ours == file_identity(&metadata)))
        };
        if is_same(&self.lock) {
            return true;
        }
        tracing::warn!(path = %path.display(), "the lock file of the key database was removed; it is made again");
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

    /// Checkpoints the log into the file, which was moved to another path. The log was not moved with it, so a person
    /// who copies or moves the file back must find all keys in the file alone.
    fn checkpoint_moved_file(&mut self, writer: &Connection) {
        match writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)) {
            Ok(false) => {}
            Ok(true) => tracing::warn!("the moved key database is not complete: another program reads it"),
            Err(error) => tracing::error!(%error, "the moved key database is not complete"),
        }
        match (self.anchor.metadata(), PageChecksums::read(&self.anchor, self.page_size)) {
            (Ok(metadata), Ok(content)) => (self.extent, self.content) = (file_extent(&metadata), content),
            (Err(error), _) | (_, Err(error)) => tracing::warn!(%error, "the moved key database cannot be read"),
        }
    }

    /// The path belongs to another file now. What was committed is put into the former file, or into a copy where that
    /// has no name any more; and the log leaves the path, as SQLite would apply it to the other file.
    fn abandon_file(&mut self, writer: &Connection) {
        self.is_final = true;
        keep_log_on_close(writer);
        let busy = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        let mut is_whole = busy.is_ok_and(|busy| !busy);
        if self.is_deleted() {
            is_whole = match self.save_copy(writer) {
                Ok(path) => {
                    tracing::warn!(path = %path.display(), "the former key database is saved");
                    self.saved = Some(path);
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "the former key database cannot be saved");
                    false
                }
            };
        }
        self.remove_companions(is_whole);
    }

    /// The file has another content now. What is in the log belongs to the former one.
    fn abandon_content(&mut self, writer: &Connection) {
        self.is_final = true;
        keep_log_on_close(writer);
        self.remove_companions(false);
    }

    fn save_copy(&self, writer: &Connection) -> Result<PathBuf, Box<dyn std::error::Error>> {
        let copy = reserve_name(&self.path, ".set-aside")?;
        let saved = write_copy(writer, &copy);
        // An incomplete copy must not pass for a whole one.
        if saved.is_err()
            && let Err(error) = std::fs::remove_file(&copy)
        {
            tracing::error!(%error, path = %copy.display(), "an incomplete copy of the key database stays");
        }
        saved.map(|()| copy)
    }

    /// Removes what belongs to the former database from the path, if it is still there.
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
                tracing::error!(%error, path = %path.display(), "a file of the former key database is in the way");
            }
        }
    }
}

fn write_copy(writer: &Connection, copy: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let name = copy.to_str().ok_or("the path is not a text")?;
    writer.execute("VACUUM INTO ?1", [name])?;
    Ok(File::open(copy)?.sync_all()?)
}

/// The last connection to close writes the log into the file at the path and deletes the log. Here, neither is ours.
fn keep_log_on_close(writer: &Connection) {
    if let Err(error) = writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::error!(%error, "the log of the key database may be written on closing");
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
        // An open transaction stands for a full disk: SQLite refuses to copy.
        writer.execute_batch("BEGIN").expect("begun");
        files.save_copy(&writer).expect_err("refused");
        assert!(!sibling_path(&path, ".set-aside").exists());
        writer.execute_batch("ROLLBACK").expect("ended");
        let copy = files.save_copy(&writer).expect("saved");
        assert!(copy.metadata().expect("there").len() > 0);
    }
}
