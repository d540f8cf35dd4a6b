//! Where the app keeps its files: by the platform's convention, or all in one folder for tests.

use std::path::{Path, PathBuf};

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
        for folder in [&data, &config, &logs] {
            // One that cannot be created is reported where it is needed: in the window, or by the log.
            let _ = create_private(folder);
        }
        Ok(Self { database: data.join("keys.db"), settings: config.join("settings.json"), logs })
    }
}

/// Creates a folder, and those above it, for the owner alone. One that is there already stays as it is.
fn create_private(folder: &Path) -> std::io::Result<()> {
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
