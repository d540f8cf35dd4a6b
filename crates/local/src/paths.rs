//! The locations of the app's files: the platform's standard folders, or a single folder, for example in tests.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ts_rs::TS;

use crate::log;
use crate::relocation::{self, FolderMove, RelocationError, create_private_folder};
use crate::settings::SettingsProblem;

/// The app's identifier on the desktop: the name of its subfolder in each of the platform's folders, its window class,
/// and its D-Bus name. Must be the same as in `tauri.conf.json`.
pub const APP_IDENTIFIER: &str = "org.ulkeys.UlKeys";
/// The app's identifier up to version 0.1.0. It was changed because Flathub rejects identifiers that end in `.desktop`.
const FORMER_IDENTIFIER: &str = "org.ulkeys.desktop";
/// The environment variable that selects a single folder for all of the app's files except the revocation record.
pub const DATA_DIR_VARIABLE: &str = "UL_KEYS_DATA_DIR";

/// The paths of the app's files.
pub struct Paths {
    /// The key database.
    pub database: PathBuf,
    /// The settings file.
    pub settings: PathBuf,
    /// The configuration file of a service without a window.
    pub serve_config: PathBuf,
    /// The file that stores the size and position of the list window.
    pub windows: PathBuf,
    /// The list of keys that this app has saved in the keychain.
    pub keychain_index: PathBuf,
    /// The file that the app locks while it is running.
    pub instance_lock: PathBuf,
    /// Whether the data folder is in the default location.
    pub is_default: bool,
    /// The folder of the log files.
    pub logs: PathBuf,
    /// The folder for WebKit's cache, which can be rebuilt and needs no backup.
    pub web_cache: PathBuf,
    /// The reasons why folders named after the app's former identifier were not moved.
    pub relocation_errors: Vec<RelocationError>,
    /// The record of revocations. It must remain unchanged when the user restores an old copy of the database, so it is
    /// never in a folder that users back up, synchronize or select with [`DATA_DIR_VARIABLE`].
    pub revocations: PathBuf,
}

/// The paths of the app's files, shown so that the user can find them, for example to back them up.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileLocations {
    /// The key database.
    database: String,
    /// The settings file.
    settings: String,
    /// The problem with the settings file, if there is one.
    settings_problem: Option<SettingsProblem>,
    /// The folder of the log files.
    logs: String,
    /// The reasons why folders named after the app's former identifier were not moved.
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
    /// Adds the current problem with the settings file, if there is one.
    pub fn with_settings_problem(self, settings_problem: Option<SettingsProblem>) -> Self {
        Self { settings_problem, ..self }
    }
}

impl Paths {
    /// Returns the app's existing files, including backup copies and SQLite's log files, and the app's own folders. A
    /// folder selected with [`DATA_DIR_VARIABLE`] is excluded, because it can contain unrelated files.
    pub fn existing_files(&self) -> Vec<PathBuf> {
        let files =
            [&self.database, &self.settings, &self.windows, &self.keychain_index, &self.logs.join(log::LOG_FILE_NAME)];
        let folders = [&self.database, &self.settings].map(|path| path.parent().map(Path::to_owned));
        let own = folders.into_iter().flatten().chain([self.web_cache.clone()]);
        let own = own.filter(|folder| [APP_IDENTIFIER, FORMER_IDENTIFIER].iter().any(|name| folder.ends_with(name)));
        let own = own.chain(state_folder());
        files.into_iter().flat_map(|path| files_with_same_stem(path)).chain(own).collect()
    }

    /// Determines the paths, moves the folders named after the app's former identifier, and creates missing folders.
    ///
    /// # Errors
    /// Returns an error if the user has no home folder.
    pub fn locate() -> io::Result<Self> {
        match std::env::var_os(DATA_DIR_VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => Ok(Self::in_one_folder(Path::new(&folder))),
            None => Ok(Self::in_folders(AppFolders::from_platform()?)),
        }
    }

    /// Returns the paths with a single folder for all files except the revocation record, and creates missing folders.
    pub fn in_one_folder(folder: &Path) -> Self {
        Self::in_folders(AppFolders::in_one_folder(folder))
    }

    fn in_folders(folders: AppFolders) -> Self {
        let AppFolders { data, config, logs, cache, relocation_errors } = folders;
        for folder in [&data, &config, &logs] {
            // A failure to create a folder is reported when the folder is used: in the window, or when logging starts.
            let _ = create_private_folder(folder);
        }
        Self {
            database: data.join("keys.db"),
            serve_config: config.join("serve.toml"),
            settings: config.join("settings.json"),
            windows: config.join("windows.json"),
            keychain_index: config.join("saved-keys.json"),
            instance_lock: data.join("app.lock"),
            is_default: is_default_data_folder(&data),
            logs,
            web_cache: cache,
            relocation_errors,
            revocations: state_folder().unwrap_or(data).join("revocations"),
        }
    }
}

/// Returns whether the data folder is the default one in the user's home folder, and not one selected by an environment
/// variable such as `XDG_DATA_HOME`.
fn is_default_data_folder(data: &Path) -> bool {
    let usual = dirs::home_dir().map(|home| home.join(".local/share").join(APP_IDENTIFIER));
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    usual.is_some_and(|usual| canonical(&usual) == canonical(data))
}

/// Returns the files in the folder of `path` whose names match that of `path` up to the first dot: for `keys.db`, for
/// example also `keys.db-wal` and `keys.db.lock`.
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
            return Err(io::Error::new(io::ErrorKind::NotFound, "the user has no home folder"));
        };
        let mut moves: Vec<FolderMove> = Vec::new();
        for (parent, marker) in [(&data, "keys.db"), (&config, "settings.json"), (&local, "logs")] {
            let (from, to) = (parent.join(FORMER_IDENTIFIER), parent.join(APP_IDENTIFIER));
            // On most platforms, some of these folders are the same. Such a folder is moved only once.
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

/// Returns the folder for state that belongs to this computer and must not be included in copies of the data. Returns
/// `None` if the user has no home folder.
fn state_folder() -> Option<PathBuf> {
    let state = dirs::state_dir().map(|folder| folder.join(APP_IDENTIFIER));
    // macOS and Windows have no standard folder for state, so the app uses a folder separate from the data folder.
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
