//! Where the app keeps its files: by the platform's convention, or all in one folder for tests.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ts_rs::TS;

use crate::log;
use crate::relocation::{self, FolderMove, RelocationError, create_private_folder};
use crate::settings::SettingsProblem;

/// Names this app to the desktop: its folders below each of the platform's, its window class, its name on the bus. The
/// same as in `tauri.conf.json`.
pub(crate) const APP_IDENTIFIER: &str = "org.ulkeys.UlKeys";
/// The name of its folders up to version 0.1.0. Flathub rejects names that end in `.desktop`.
const FORMER_IDENTIFIER: &str = "org.ulkeys.desktop";
/// Names a folder that replaces all the platform's ones.
const DATA_DIR_VARIABLE: &str = "UL_KEYS_DATA_DIR";

/// The app's files.
pub(crate) struct Paths {
    /// The key database.
    pub(crate) database: PathBuf,
    /// The settings file.
    pub(crate) settings: PathBuf,
    /// The file with the windows' sizes and places.
    pub(crate) windows: PathBuf,
    /// The list of keys in the keychain.
    pub(crate) keychain_index: PathBuf,
    /// The file that the running app locks.
    pub(crate) instance_lock: PathBuf,
    /// Whether the data folder is where it is for most people.
    pub(crate) is_default: bool,
    /// The folder of the logs.
    pub(crate) logs: PathBuf,
    /// The folder for what WebKit keeps of the windows' pages. Nothing in it is needed again.
    pub(crate) web_cache: PathBuf,
    /// Why files of the former identifier have not moved.
    pub(crate) relocation_errors: Vec<RelocationError>,
    /// The record of revocations. Never in a folder that people copy, synchronize or name by a variable: it outlives an
    /// old copy of the database.
    pub(crate) revocations: PathBuf,
}

/// The app's files, for a person who wants to find them, for instance to back them up.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileLocations {
    /// The key database.
    database: String,
    /// The settings file.
    settings: String,
    /// What of the settings file has no effect.
    settings_problem: Option<SettingsProblem>,
    /// The folder of the logs.
    logs: String,
    /// Why files of the former identifier have not moved.
    relocation_errors: Vec<RelocationError>,
}

impl From<&Paths> for FileLocations {
    fn from(paths: &Paths) -> Self {
        let text = |path: &Path| path.display().to_string();
        let (database, settings, logs) = (text(&paths.database), text(&paths.settings), text(&paths.logs));
        let relocation_errors = paths.relocation_errors.clone();
        Self { database, settings, settings_problem: None, logs, relocation_errors }
    }
}

impl FileLocations {
    /// The same, with what of the settings file has no effect.
    pub(crate) fn with_settings_problem(self, settings_problem: Option<SettingsProblem>) -> Self {
        Self { settings_problem, ..self }
    }
}

impl Paths {
    /// The files of this app that exist, copies and logs of them included, and its own folders. A folder that
    /// [`DATA_DIR_VARIABLE`] names is not its own: it may hold anything.
    pub(crate) fn existing_files(&self) -> Vec<PathBuf> {
        let files =
            [&self.database, &self.settings, &self.windows, &self.keychain_index, &self.logs.join(log::LOG_FILE_NAME)];
        let folders = [&self.database, &self.settings].map(|path| path.parent().map(Path::to_owned));
        let own = folders.into_iter().flatten().chain([self.web_cache.clone()]);
        let own = own.filter(|folder| [APP_IDENTIFIER, FORMER_IDENTIFIER].iter().any(|name| folder.ends_with(name)));
        let own = own.chain(state_folder());
        files.into_iter().flat_map(|path| files_with_same_stem(path)).chain(own).collect()
    }

    /// Finds them, after moving those of the former identifier, and makes their folders.
    ///
    /// # Errors
    /// When the user has no home folder.
    pub(crate) fn locate() -> io::Result<Self> {
        let folders = match std::env::var_os(DATA_DIR_VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => AppFolders::in_one_folder(&PathBuf::from(folder)),
            None => AppFolders::from_platform()?,
        };
        let AppFolders { data, config, logs, cache, relocation_errors } = folders;
        for folder in [&data, &config, &logs] {
            // One that cannot be created is reported where it is needed: in the window, or by the log.
            let _ = create_private_folder(folder);
        }
        Ok(Self {
            database: data.join("keys.db"),
            settings: config.join("settings.json"),
            windows: config.join("windows.json"),
            keychain_index: config.join("saved-keys.json"),
            instance_lock: data.join("app.lock"),
            is_default: is_default_data_folder(&data),
            logs,
            web_cache: cache,
            relocation_errors,
            revocations: state_folder().unwrap_or(data).join("revocations"),
        })
    }
}

/// Whether a data folder is the platform's own, which no variable but `HOME` moves.
fn is_default_data_folder(data: &Path) -> bool {
    let usual = dirs::home_dir().map(|home| home.join(".local/share").join(APP_IDENTIFIER));
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    usual.is_some_and(|usual| canonical(&usual) == canonical(data))
}

/// The files in the folder of `path` whose names begin with its name up to the first dot: `keys.db-wal` and
/// `keys.db.lock` for `keys.db`.
fn files_with_same_stem(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let stem = name.iter().position(|byte| *byte == b'.').map_or(name, |dot| &name[..=dot]);
    let entries = path.parent().and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(stem));
    files.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

struct AppFolders {
    data: PathBuf,
    config: PathBuf,
    logs: PathBuf,
    cache: PathBuf,
    relocation_errors: Vec<RelocationError>,
}

impl AppFolders {
    fn in_one_folder(folder: &Path) -> Self {
        Self {
            data: folder.to_owned(),
            config: folder.to_owned(),
            logs: folder.join("logs"),
            cache: folder.join("cache"),
            relocation_errors: Vec::new(),
        }
    }

    fn from_platform() -> io::Result<Self> {
        let (Some(data), Some(config), Some(local), Some(cache)) =
            (dirs::data_dir(), dirs::config_dir(), dirs::data_local_dir(), dirs::cache_dir())
        else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no home folder"));
        };
        let mut moves: Vec<FolderMove> = Vec::new();
        for (parent, marker) in [(&data, "keys.db"), (&config, "settings.json"), (&local, "logs")] {
            let (from, to) = (parent.join(FORMER_IDENTIFIER), parent.join(APP_IDENTIFIER));
            // Most platforms have one folder for two of these.
            if moves.iter().all(|folder| folder.from != from) {
                moves.push(FolderMove { from, to, marker });
            }
        }
        let former_lock = data.join(FORMER_IDENTIFIER).join("keys.db.lock");
        let relocation_errors = relocation::relocate_folders(&moves, &former_lock);
        let in_use = |parent: &Path| {
            let folder = moves.iter().find(|folder| folder.to.parent() == Some(parent));
            folder.map_or_else(|| parent.join(APP_IDENTIFIER), |folder| folder.current_folder().to_owned())
        };
        let (data, config, local) = (in_use(&data), in_use(&config), in_use(&local));
        Ok(Self { data, config, logs: local.join("logs"), cache: cache.join(APP_IDENTIFIER), relocation_errors })
    }
}

/// The folder for what belongs to this computer, and to no copy of the data. `None` without a home folder.
fn state_folder() -> Option<PathBuf> {
    let state = dirs::state_dir().map(|folder| folder.join(APP_IDENTIFIER));
    // macOS and Windows have no folder for state: one of our own, which is not the data folder.
    state.or_else(|| Some(dirs::data_local_dir()?.join(format!("{APP_IDENTIFIER}.state"))))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn new_folders_are_private_to_owner() {
        let place = tempfile::tempdir().expect("temporary folder");
        let logs = place.path().join("data/logs");
        create_private_folder(&logs).expect("created");
        for folder in [&logs, &place.path().join("data")] {
            assert_eq!(folder.metadata().expect("there").permissions().mode() & 0o777, 0o700);
        }
    }
}
