//! When this version of the app first starts, renames the folders that are named after the app's former identifier. The
//! new names contain the current identifier.
//!
//! Each folder is moved by a single atomic rename while the lock of the key database is held, so no older version can
//! have the database open. If the process is killed between two steps, the next start completes the move. Deliberately
//! omitted: copying files. If a rename is impossible, the files remain in use at their former location.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use ts_rs::TS;

/// Maximum time to wait for another process that is moving the same folders. A move takes milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Files and folders that WebKit created in the data folder of earlier versions. They are deleted, because WebKit's
/// data is now in the cache folder.
const WEBKIT_ENTRIES: &[&str] = &[
    "CacheStorage",
    "WebKitCache",
    "applications",
    "cookies",
    "databases",
    "deviceidhashsalts",
    "hsts-storage.sqlite",
    "hsts-storage.sqlite-shm",
    "hsts-storage.sqlite-wal",
    "itp",
    "localstorage",
    "mediakeys",
    "serviceworkers",
    "storage",
];

/// A folder to move.
#[derive(Debug, Clone)]
pub struct FolderMove {
    /// The former location.
    pub from: PathBuf,
    /// The new location.
    pub to: PathBuf,
    /// The name of the file or folder whose presence shows that the app uses the folder.
    pub marker: &'static str,
}

/// Why a folder named after the app's former identifier was not moved.
#[derive(Debug, Clone, thiserror::Error, Serialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[ts(rename = "RelocationProblem")]
pub enum RelocationError {
    /// An older version has the key database open.
    #[error("an older version of UL Keys is running, so its files in {} are not moved until it quits", .from.display())]
    OlderVersionRuns {
        /// The former location.
        #[ts(type = "string")]
        from: PathBuf,
    },
    /// Both the former and the new location contain the app's files. Only the user can decide which files to keep.
    #[error("{} and {} both contain UL Keys files; those in the first one are ignored", .from.display(), .to.display())]
    BothInUse {
        /// The former location.
        #[ts(type = "string")]
        from: PathBuf,
        /// The new location.
        #[ts(type = "string")]
        to: PathBuf,
    },
    /// The folder could not be moved. Its files remain in use at their former location.
    #[error("cannot move {} to {}, so the former folder stays in use: {reason}", .from.display(), .to.display())]
    CannotMove {
        /// The former location.
        #[ts(type = "string")]
        from: PathBuf,
        /// The new location.
        #[ts(type = "string")]
        to: PathBuf,
        /// The error of the system.
        reason: String,
    },
}

/// Moves the folders that are still at their former locations. `former_lock` is the former path of the database's lock
/// file. Returns an error for each folder that could not be moved.
pub fn relocate_folders(moves: &[FolderMove], former_lock: &Path) -> Vec<RelocationError> {
    if !moves.iter().any(FolderMove::is_needed) {
        return Vec::new();
    }
    let _turn = moves.first().and_then(|folder| lock_parent_folder(folder.parent_folder()));
    let _lock = match lock_former_database(former_lock) {
        Ok(lock) => lock,
        Err(TryLockError::WouldBlock) => {
            let folder = former_lock.parent().unwrap_or(former_lock);
            return vec![RelocationError::OlderVersionRuns { from: folder.to_owned() }];
        }
        Err(TryLockError::Error(error)) => {
            return moves
                .iter()
                .filter(|folder| folder.is_needed())
                .map(|folder| folder.cannot_move_error(&error))
                .collect();
        }
    };
    moves.iter().filter_map(|folder| folder.run_steps().err()).collect()
}

/// Locks the parent of the folders to move, so that two processes starting at the same time do not move the same
/// folders. Returns `None` if the file system cannot lock a folder, or if the wait times out.
fn lock_parent_folder(parent: &Path) -> Option<File> {
    let folder = File::open(parent).ok()?;
    let start = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_TIMEOUT => std::thread::sleep(LOCK_POLL_INTERVAL),
            Err(_) => return None,
        }
    }
}

/// Locks the key database at its former location with the same lock file that older versions use. Returns `None` if the
/// former folder does not exist.
fn lock_former_database(path: &Path) -> Result<Option<File>, TryLockError> {
    match OpenOptions::new().write(true).create(true).truncate(false).open(path) {
        Ok(file) => file.try_lock().map(|()| Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TryLockError::Error(error)),
    }
}

impl FolderMove {
    /// Returns the folder to use: the former one only if it could not be moved.
    pub fn current_folder(&self) -> &Path {
        if self.is_needed() && !self.has_marker(&self.to) { &self.from } else { &self.to }
    }

    /// Returns whether the app uses a folder, which is the case if it contains the marker file. An empty marker file
    /// does not count, because a failed start can leave one.
    fn has_marker(&self, folder: &Path) -> bool {
        folder.join(self.marker).metadata().is_ok_and(|marker| marker.is_dir() || marker.len() > 0)
    }

    fn is_needed(&self) -> bool {
        self.from.symlink_metadata().is_ok()
    }

    fn run_steps(&self) -> Result<(), RelocationError> {
        if !self.is_needed() {
            return Ok(());
        }
        if self.has_marker(&self.to) {
            if self.has_marker(&self.from) {
                return Err(RelocationError::BothInUse { from: self.from.clone(), to: self.to.clone() });
            }
            // An older version was started again after the move, and created a new folder without keys. Move its files
            // into the current folder, except those whose names already exist there.
            return merge_into(&self.from, &self.to).map(drop).map_err(|error| self.cannot_move_error(&error));
        }
        self.steps().into_iter().try_for_each(|step| step()).map_err(|error| self.cannot_move_error(&error))
    }

    fn parent_folder(&self) -> &Path {
        self.to.parent().unwrap_or(&self.to)
    }

    /// Returns the steps of the move. Each step can be repeated after an interruption, and the last step is atomic.
    fn steps(&self) -> [Box<dyn Fn() -> io::Result<()> + '_>; 4] {
        [
            Box::new(|| remove_webkit_entries(&self.from)),
            // The rename in the last step requires that nothing exists at the new location. Files at the new location
            // are not in use, so they are first moved into the former folder.
            Box::new(|| match merge_into(&self.to, &self.from)? {
                true => Ok(()),
                false => Err(io::Error::new(ErrorKind::AlreadyExists, "both folders contain files of the same name")),
            }),
            Box::new(|| create_private_folder(self.parent_folder())),
            Box::new(|| {
                fs::rename(&self.from, &self.to)?;
                sync_folder(self.parent_folder())
            }),
        ]
    }

    fn cannot_move_error(&self, error: &io::Error) -> RelocationError {
        RelocationError::CannotMove { from: self.from.clone(), to: self.to.clone(), reason: error.to_string() }
    }
}

/// Deletes WebKit's caches, which would otherwise be copied with every backup of the keys.
fn remove_webkit_entries(folder: &Path) -> io::Result<()> {
    for name in WEBKIT_ENTRIES {
        let path = folder.join(name);
        let removed = match path.symlink_metadata() {
            Ok(entry) if entry.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Moves the entries of `from` into `to`, except those whose names already exist there, and removes folders that become
/// empty. Returns whether `from` became empty and was removed.
fn merge_into(from: &Path, to: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let mut is_complete = true;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match target.symlink_metadata() {
            Ok(present) if present.is_dir() && entry.file_type()?.is_dir() => {
                is_complete &= merge_into(&entry.path(), &target)?
            }
            // An empty file, such as a lock file, can be deleted without losing data.
            Ok(_) if entry.file_type()?.is_file() && entry.metadata()?.len() == 0 => fs::remove_file(entry.path())?,
            Ok(_) => is_complete = false,
            Err(error) if error.kind() == ErrorKind::NotFound => fs::rename(entry.path(), target)?,
            Err(error) => return Err(error),
        }
    }
    if is_complete {
        fs::remove_dir(from)?;
    }
    Ok(is_complete)
}

/// Makes a rename within `folder` durable. Otherwise, a power failure could undo the rename after new keys were created
/// in the renamed folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Creates a folder and its missing parents, accessible only to the owner. An existing folder is left unchanged.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TestHome(tempfile::TempDir);

    impl TestHome {
        /// Creates a home folder with the data and settings of a version that used the former identifier.
        fn with_former_version() -> Self {
            let home = Self(tempfile::tempdir().expect("temporary folder"));
            home.write("data/old/keys.db", "keys");
            home.write("data/old/keys.db-wal", "log");
            home.write("data/old/logs/ul-keys.2026-11-27.log", "line");
            home.write("data/old/WebKitCache/Version 17/x", "cache");
            home.write("config/old/settings.json", "{}");
            home
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            fs::write(path, content).expect("written");
        }

        fn moves(&self) -> [FolderMove; 2] {
            let folder = |name: &str, marker| FolderMove {
                from: self.path(&format!("{name}/old")),
                to: self.path(&format!("{name}/new")),
                marker,
            };
            [folder("data", "keys.db"), folder("config", "settings.json")]
        }

        fn relocate_folders(&self) -> Vec<RelocationError> {
            relocate_folders(&self.moves(), &self.path("data/old/keys.db.lock"))
        }

        fn assert_moved(&self) {
            for (path, content) in [
                ("data/new/keys.db", "keys"),
                ("data/new/keys.db-wal", "log"),
                ("data/new/logs/ul-keys.2026-11-27.log", "line"),
                ("config/new/settings.json", "{}"),
            ] {
                assert_eq!(fs::read_to_string(self.path(path)).expect(path), content);
            }
            for gone in ["data/old", "config/old", "data/new/WebKitCache"] {
                assert!(!self.path(gone).exists(), "{gone}");
            }
        }
    }

    #[test]
    fn relocate_moves_folders_of_former_identifier() {
        let home = TestHome::with_former_version();
        assert!(home.relocate_folders().is_empty());
        home.assert_moved();
        assert!(home.relocate_folders().is_empty(), "at the second start");
        home.assert_moved();
        for folder in &home.moves() {
            assert_eq!(folder.current_folder(), folder.to);
        }
    }

    #[test]
    fn interrupted_move_is_completed_at_next_start() {
        let steps = TestHome::with_former_version().moves().iter().map(|folder| folder.steps().len()).sum();
        for done in 0..=steps {
            let home = TestHome::with_former_version();
            // Puts a file at the new location, so that the merge step has something to merge.
            home.write("data/new/logs/ul-keys.2026-11-28.log", "");
            let moves = home.moves();
            moves.iter().flat_map(FolderMove::steps).take(done).for_each(|step| step().expect("done"));
            assert!(home.relocate_folders().is_empty(), "after {done} steps");
            home.assert_moved();
            assert!(home.path("data/new/logs/ul-keys.2026-11-28.log").exists());
        }
    }

    #[test]
    fn folders_are_not_moved_while_older_version_runs() {
        let home = TestHome::with_former_version();
        let lock = File::create(home.path("data/old/keys.db.lock")).expect("created");
        lock.lock().expect("locked");
        let problems = home.relocate_folders();
        assert!(matches!(problems.as_slice(), [RelocationError::OlderVersionRuns { .. }]), "{problems:?}");
        for folder in &home.moves() {
            assert!(!folder.to.exists(), "{folder:?}");
            assert_eq!(folder.current_folder(), folder.from);
        }
        drop(lock);
        assert!(home.relocate_folders().is_empty());
        home.assert_moved();
    }

    #[test]
    fn two_folders_in_use_are_not_moved_and_are_reported() {
        let home = TestHome::with_former_version();
        home.write("data/new/keys.db", "other keys");
        let problems = home.relocate_folders();
        assert!(matches!(problems.as_slice(), [RelocationError::BothInUse { .. }]), "{problems:?}");
        assert_eq!(fs::read_to_string(home.path("data/old/keys.db")).expect("kept"), "keys");
        assert_eq!(fs::read_to_string(home.path("data/new/keys.db")).expect("kept"), "other keys");
        let [data, config] = home.moves();
        assert_eq!((data.current_folder(), config.current_folder()), (&*data.to, &*config.to));
    }

    #[test]
    fn former_folder_without_keys_is_merged_without_report() {
        let home = TestHome::with_former_version();
        assert!(home.relocate_folders().is_empty());
        // Simulates an older version that is started again: it finds no data, and creates these files.
        home.write("data/old/logs/ul-keys.2026-11-29.log", "later line");
        home.write("data/old/logs/ul-keys.2026-11-27.log", "of the same name");
        fs::create_dir_all(home.path("config/old")).expect("created");
        assert!(home.relocate_folders().is_empty());
        assert_eq!(fs::read_to_string(home.path("data/new/keys.db")).expect("kept"), "keys");
        let log = |day: &str| fs::read_to_string(home.path(&format!("data/new/logs/ul-keys.2026-11-{day}.log")));
        assert_eq!((log("27").expect("kept"), log("29").expect("moved")), ("line".to_owned(), "later line".to_owned()));
        assert!(!home.path("config/old").exists());
        let [data, config] = home.moves();
        assert_eq!((data.current_folder(), config.current_folder()), (&*data.to, &*config.to));
    }

    #[test]
    fn folder_with_empty_database_is_not_in_use() {
        let home = TestHome::with_former_version();
        home.write("data/new/keys.db", "");
        home.write("data/new/keys.db.lock", "");
        assert!(home.relocate_folders().is_empty());
        home.assert_moved();
    }

    #[test]
    fn folder_that_cannot_be_moved_stays_in_use() {
        let home = TestHome::with_former_version();
        home.write("data/new", "a file in the way");
        let problems = home.relocate_folders();
        assert!(matches!(problems.as_slice(), [RelocationError::CannotMove { .. }]), "{problems:?}");
        let [data, config] = home.moves();
        assert_eq!((data.current_folder(), config.current_folder()), (&*data.from, &*config.to));
        assert_eq!(fs::read_to_string(home.path("data/old/keys.db")).expect("kept"), "keys");
    }

    #[test]
    fn concurrent_starts_move_folders_once() {
        for _ in 0..50 {
            let home = TestHome::with_former_version();
            std::thread::scope(|scope| {
                let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| home.relocate_folders())).collect();
                for start in starts {
                    let problems = start.join().expect("no panic");
                    assert!(problems.is_empty(), "{problems:?}");
                }
            });
            home.assert_moved();
        }
    }
}
