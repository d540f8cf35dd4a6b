//! Where the app keeps its files: by the platform's convention, or all in one folder for tests.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ts_rs::TS;

use crate::settings::SettingsProblem;

/// The folder of this app below each of the platform's; the same as in `tauri.conf.json`.
const IDENTIFIER: &str = "org.ulkeys.desktop";
/// Names a folder that replaces all the platform's ones.
const OVERRIDE: &str = "UL_KEYS_DATA_DIR";

/// The app's files.
pub(crate) struct Paths {
    /// The key database.
    pub(crate) database: PathBuf,
    /// The settings file.
    pub(crate) settings: PathBuf,
    /// The file with the windows' sizes and places.
    pub(crate) windows: PathBuf,
    /// The list of keys in the keychain.
    pub(crate) saved_keys: PathBuf,
    /// The folder of the logs.
    pub(crate) logs: PathBuf,
}

/// The app's files, for a person who wants to find them, for instance to back them up.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Places {
    /// The key database.
    database: String,
    /// The settings file.
    settings: String,
    /// What of the settings file has no effect.
    settings_problem: Option<SettingsProblem>,
    /// The folder of the logs.
    logs: String,
}

impl From<&Paths> for Places {
    fn from(paths: &Paths) -> Self {
        let text = |path: &Path| path.display().to_string();
        let (database, settings, logs) = (text(&paths.database), text(&paths.settings), text(&paths.logs));
        Self { database, settings, settings_problem: None, logs }
    }
}

impl Places {
    /// The same, with what of the settings file has no effect.
    pub(crate) fn with_problem(self, settings_problem: Option<SettingsProblem>) -> Self {
        Self { settings_problem, ..self }
    }
}

impl Paths {
    /// Finds them, and makes their folders.
    ///
    /// # Errors
    /// When the user has no home folder.
    pub(crate) fn find() -> io::Result<Self> {
        let (data, config, logs) = match std::env::var_os(OVERRIDE).filter(|folder| !folder.is_empty()) {
            Some(folder) => {
                let folder = PathBuf::from(folder);
                (folder.clone(), folder.clone(), folder.join("logs"))
            }
            None => {
                let (Some(data), Some(config), Some(local)) =
                    (dirs::data_dir(), dirs::config_dir(), dirs::data_local_dir())
                else {
                    return Err(io::Error::new(io::ErrorKind::NotFound, "there is no home folder"));
                };
                (data.join(IDENTIFIER), config.join(IDENTIFIER), local.join(IDENTIFIER).join("logs"))
            }
        };
        for folder in [&data, &config, &logs] {
            // One that cannot be created is reported where it is needed: in the window, or by the log.
            let _ = create_private(folder);
        }
        Ok(Self {
            database: data.join("keys.db"),
            settings: config.join("settings.json"),
            windows: config.join("windows.json"),
            saved_keys: config.join("saved-keys.json"),
            logs,
        })
    }
}

/// Creates a folder, and those above it, for the owner alone. One that is there already stays as it is.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn new_folders_are_for_their_owner_alone() {
        let place = tempfile::tempdir().expect("temporary folder");
        let logs = place.path().join("data/logs");
        create_private(&logs).expect("created");
        for folder in [&logs, &place.path().join("data")] {
            assert_eq!(folder.metadata().expect("there").permissions().mode() & 0o777, 0o700);
        }
    }
}
