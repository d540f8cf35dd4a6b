//! Moves the folders of the former identifier to those of the present one, at the first start of this version.
//!
//! Each folder moves by one rename, which is atomic, while the lock of the key database is held: no older version can
//! have the database open, and a kill between two steps leaves a state that the next start completes. Deliberately
//! absent: copying. Where a rename is impossible, the files stay, and are used, where they are.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use ts_rs::TS;

/// How long to wait for another process that is moving the same folders. It needs milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// What WebKit kept in the data folder of the former identifier. It is kept in the cache folder now.
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
pub(crate) struct FolderMove {
    /// Where it was.
    pub(crate) from: PathBuf,
    /// Where it belongs.
    pub(crate) to: PathBuf,
    /// The file that shows that a folder is in use.
    pub(crate) marker: &'static str,
}

/// Why a folder of the former identifier has not moved. Nothing in it has changed.
#[derive(Debug, Clone, thiserror::Error, Serialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[ts(rename = "RelocationProblem")]
pub(crate) enum RelocationError {
    /// An older version has the key database open.
    #[error("an older version of UL Keys is running, and its files in {} stay there until it quits", .from.display())]
    OlderVersionRuns {
        #[ts(type = "string")]
        from: PathBuf,
    },
    /// Both folders are in use. Only a person can decide which files are the right ones.
    #[error("{} and {} are both in use; the files in the first one are ignored", .from.display(), .to.display())]
    BothInUse {
        #[ts(type = "string")]
        from: PathBuf,
        #[ts(type = "string")]
        to: PathBuf,
    },
    /// The system refuses. The files stay in use where they are.
    #[error("{} cannot be moved to {} and stays in use: {reason}", .from.display(), .to.display())]
    CannotMove {
        #[ts(type = "string")]
        from: PathBuf,
        #[ts(type = "string")]
        to: PathBuf,
        reason: String,
    },
}

/// Moves the folders that are still at their former places. `former_lock` is the lock file of the key database there.
/// Returns the reasons for which folders have not moved.
pub(crate) fn relocate_folders(moves: &[FolderMove], former_lock: &Path) -> Vec<RelocationError> {
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

/// Keeps two starts from moving the same folders at the same time, by a lock on the folder above them. `None` where the
/// file system cannot lock a folder.
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

/// Locks the key database at its former place, as an older version does. `None` where there is none to lock.
fn lock_former_database(path: &Path) -> Result<Option<File>, TryLockError> {
    match OpenOptions::new().write(true).create(true).truncate(false).open(path) {
        Ok(file) => file.try_lock().map(|()| Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TryLockError::Error(error)),
    }
}

impl FolderMove {
    /// The folder to use now: the former one only where it could not be moved.
    pub(crate) fn current_folder(&self) -> &Path {
        if self.is_needed() && !self.has_marker(&self.to) { &self.from } else { &self.to }
    }

    /// Whether a folder is in use. An empty marker is what a start leaves that could not go on.
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
            // An older version that was started once more has left a folder without keys. What fits in moves along.
            return merge_into(&self.from, &self.to).map(drop).map_err(|error| self.cannot_move_error(&error));
        }
        self.steps().into_iter().try_for_each(|step| step()).map_err(|error| self.cannot_move_error(&error))
    }

    fn parent_folder(&self) -> &Path {
        self.to.parent().unwrap_or(&self.to)
    }

    /// The steps of the move. Each can be repeated, and the last one is atomic.
    fn steps(&self) -> [Box<dyn Fn() -> io::Result<()> + '_>; 4] {
        [
            Box::new(|| remove_webkit_entries(&self.from)),
            // A rename needs an empty place. What is there is not in use, and moves along.
            Box::new(|| match merge_into(&self.to, &self.from)? {
                true => Ok(()),
                false => Err(io::Error::new(ErrorKind::AlreadyExists, "files of the same name are in both folders")),
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

/// Removes WebKit's caches, which would otherwise be copied with every backup of the keys.
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

/// Moves the entries of `from` into `to` where their names are free, and removes folders that are then empty. Returns
/// whether nothing is left in `from`.
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
            // An empty file, such as a lock, holds nothing to lose.
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

/// Makes a rename in a folder survive a loss of power: the former name must not return after new keys were created.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Creates a folder, and those above it, for the owner alone. One that exists stays as it is.
pub(crate) fn create_private_folder(folder: &Path) -> io::Result<()> {
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
        /// A home folder with the data and settings of the former identifier.
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
        assert!(home.relocate_folders().is_empty(), "once more");
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
            // Something that is in the way, so that each step has something to do.
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
        // What an older version leaves that is started once more, and finds nothing.
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
