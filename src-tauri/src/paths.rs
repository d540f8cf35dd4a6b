//! Where the app keeps its files: by the platform's convention, or all in one folder for tests.

use std::path::PathBuf;

use tauri::{AppHandle, Manager as _};

/// Names a folder that replaces all the platform's ones.
const OVERRIDE: &str = "UL_KEYS_DATA_DIR";

/// The app's files.
pub(crate) struct Paths {
    /// The key database.
    pub(crate) database: PathBuf,
    /// The settings file.
    pub(crate) settings: PathBuf,
    /// The folder of the logs.
    pub(crate) logs: PathBuf,
}

impl Paths {
    pub(crate) fn find(app: &AppHandle) -> tauri::Result<Self> {
        let (data, config, logs) = match std::env::var_os(OVERRIDE).filter(|folder| !folder.is_empty()) {
            Some(folder) => {
                let folder = PathBuf::from(folder);
                (folder.clone(), folder.clone(), folder.join("logs"))
            }
            None => {
                let path = app.path();
                (path.app_data_dir()?, path.app_config_dir()?, path.app_log_dir()?)
            }
        };
        Ok(Self { database: data.join("keys.db"), settings: config.join("settings.json"), logs })
    }
}
