//! The files of an open database: whether they still are at its path, and still hold what was written.
//!
//! SQLite keeps a file open by its inode. Where a synchronization program puts another file at the path, SQLite goes on with
//! a file that no longer has a name, and what is committed there is lost with the process. So each write is preceded and
//! followed by a look at the path. A look is a few calls of stat(2); none of them opens the database, as closing any
//! descriptor of a file drops the locks that SQLite holds on it (POSIX).

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use ulkeys_domain::wire::StopCause;

use super::open::{beside, private_file, take_name};

/// For so long after a change by another SQLite process, its checkpoints may change the file.
const CHECKPOINT_TIME: Duration = Duration::from_secs(5);

/// The identity of a file: its device and inode. Elsewhere than on Unix, an open database cannot be moved.
type Identity = (u64, u64);
/// When the content was last written, and its length.
type Content = (Option<SystemTime>, u64);

pub(super) struct Files {
    path: PathBuf,
    /// The file itself. Open for as long as the connections are, and never read.
    anchor: File,
    /// Holds other services off the database.
    lock: File,
    /// The files that belong to the database while it is open, and what they were.
    companions: Vec<(PathBuf, Option<Identity>)>,
    content: Content,
    changed_by_others: Option<Instant>,
    stopped: Option<StopCause>,
    /// Whether only another opening of the database helps.
    is_final: bool,
    saved: Option<PathBuf>,
}

impl Files {
    /// Watches the files of a database that has its connections already.
    ///
    /// # Errors
    /// When the file cannot be opened, or is no longer there.
    pub(super) fn new(path: &Path, lock: File) -> io::Result<Self> {
        let anchor = File::open(path)?;
        let metadata = path.metadata()?;
        if identity(&metadata) != identity(&anchor.metadata()?) {
            return Err(io::Error::other("the file was replaced while it was opened"));
        }
        // SQLite keeps them where the file is, not where a link to it is.
        let real = path.canonicalize()?;
        let companions = ["-wal", "-shm"].map(|suffix| {
            let path = beside(&real, suffix);
            let known = path.metadata().ok().map(|metadata| identity(&metadata));
            (path, known)
        });
        Ok(Self {
            path: path.to_owned(),
            anchor,
            lock,
            companions: companions.into(),
            content: content(&metadata),
            changed_by_others: None,
            stopped: None,
            is_final: false,
            saved: None,
        })
    }

    /// Why nothing may be written.
    pub(super) fn stopped(&self) -> Option<StopCause> {
        self.stopped
    }

    /// Where a copy of the database is that no longer has a name.
    pub(super) fn saved(&self) -> Option<&Path> {
        self.saved.as_deref()
    }

    /// Looks whether everything is in its place. `has_changed` tells whether SQLite knows of a change by another process.
    pub(super) fn look(&mut self, writer: &Connection, has_changed: bool) {
        if self.is_final {
            return;
        }
        if has_changed {
            self.changed_by_others = Some(Instant::now());
        }
        let before = self.stopped;
        self.stopped = self.find_cause();
        if self.stopped == before {
            return;
        }
        match self.stopped {
            None => tracing::info!("the key database is in its place again"),
            Some(cause) => tracing::error!(?cause, path = %self.path.display(), "the key database accepts no changes"),
        }
        match self.stopped {
            Some(StopCause::Replaced) => self.leave_file(writer),
            Some(StopCause::Missing) if self.is_deleted() => self.leave_file(writer),
            Some(StopCause::Overwritten) => self.leave_content(writer),
            _ => {}
        }
    }

    /// Notes that this process has written, which may have changed the file.
    pub(super) fn wrote(&mut self) {
        if let Ok(metadata) = self.path.metadata()
            && self.is_ours(&metadata)
        {
            self.content = content(&metadata);
        }
    }

    fn find_cause(&mut self) -> Option<StopCause> {
        let Ok(metadata) = self.path.metadata() else {
            return Some(StopCause::Missing);
        };
        if !self.is_ours(&metadata) {
            return Some(StopCause::Replaced);
        }
        for (path, known) in &mut self.companions {
            let now = path.metadata().ok().map(|metadata| identity(&metadata));
            if *known.get_or_insert_with(|| now.unwrap_or_default()) != now.unwrap_or_default() {
                // Without its log, or with another one, the file is not the database that is open.
                return Some(StopCause::Replaced);
            }
        }
        let now = content(&metadata);
        if now != self.content {
            let explained = self.changed_by_others.is_some_and(|at| at.elapsed() < CHECKPOINT_TIME);
            if !explained {
                return Some(StopCause::Overwritten);
            }
            self.content = now;
        }
        (!self.holds_lock()).then_some(StopCause::Shared)
    }

    fn is_ours(&self, metadata: &Metadata) -> bool {
        self.anchor.metadata().is_ok_and(|anchor| identity(&anchor) == identity(metadata))
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
        let path = beside(&self.path, ".lock");
        let is_same = |file: &File| {
            let ours = file.metadata().map(|metadata| identity(&metadata));
            path.metadata().is_ok_and(|metadata| ours.is_ok_and(|ours| ours == identity(&metadata)))
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

    /// The path belongs to another file now. What was committed is put into the former file, or into a copy where that has
    /// no name any more; and the log leaves the path, as SQLite would apply it to the other file.
    fn leave_file(&mut self, writer: &Connection) {
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
        self.clear_companions(is_whole);
    }

    /// The file has another content now. What is in the log belongs to the former one.
    fn leave_content(&mut self, writer: &Connection) {
        self.is_final = true;
        keep_log_on_close(writer);
        self.clear_companions(false);
    }

    fn save_copy(&self, writer: &Connection) -> Result<PathBuf, Box<dyn std::error::Error>> {
        let copy = take_name(&self.path, ".set-aside")?;
        let name = copy.to_str().ok_or("the path is not a text")?;
        writer.execute("VACUUM INTO ?1", [name])?;
        File::open(&copy)?.sync_all()?;
        Ok(copy)
    }

    /// Removes what belongs to the former database from the path, if it is still there.
    fn clear_companions(&self, is_log_needless: bool) {
        for (path, known) in &self.companions {
            let now = path.metadata().ok().map(|metadata| (identity(&metadata), metadata.len()));
            let Some((_, length)) = now.filter(|(now, _)| Some(*now) == *known) else {
                continue;
            };
            let is_log = path.extension().is_some_and(|extension| extension.to_string_lossy().ends_with("-wal"));
            let moved = if is_log && length > 0 && !is_log_needless {
                take_name(&self.path, "-wal.set-aside").and_then(|aside| std::fs::rename(path, aside))
            } else {
                std::fs::remove_file(path)
            };
            if let Err(error) = moved {
                tracing::error!(%error, path = %path.display(), "a file of the former key database is in the way");
            }
        }
    }
}

/// The last connection to close writes the log into the file at the path and deletes the log. Here, neither is ours.
fn keep_log_on_close(writer: &Connection) {
    if let Err(error) = writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::error!(%error, "the log of the key database may be written on closing");
    }
}

fn identity(metadata: &Metadata) -> Identity {
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

fn content(metadata: &Metadata) -> Content {
    (metadata.modified().ok(), metadata.len())
}
