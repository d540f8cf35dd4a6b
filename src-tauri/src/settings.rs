//! What a person has changed from the defaults, in one small JSON file.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ulkeys_domain::Limits;

/// "UL" as two decimal codes. Fixed, so that an exported address keeps working after a restart.
pub(crate) const DEFAULT_PORT: u16 = 8576;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Values {
    port: u16,
    /// After how many seconds a copied key is taken off the clipboard, 10 to 120; `null` for never.
    clipboard_seconds: Option<u64>,
    /// How often a key may ask the embedded service. It takes effect at the next start.
    limits: Limits,
}

impl Default for Values {
    fn default() -> Self {
        Self { port: DEFAULT_PORT, clipboard_seconds: Some(60), limits: Limits::default() }
    }
}

/// The settings, and the file that they are kept in.
pub(crate) struct Settings {
    path: PathBuf,
    values: Mutex<Values>,
}

impl Settings {
    /// Reads the file. Without a readable one, all is as by default.
    pub(crate) fn load(path: PathBuf) -> Self {
        let values = crate::files::read_json(&path);
        Self { path, values: Mutex::new(values) }
    }

    /// The port of the embedded service.
    pub(crate) fn port(&self) -> u16 {
        self.values().port
    }

    /// How often a key may ask the embedded service.
    pub(crate) fn limits(&self) -> Limits {
        self.values().limits.clone()
    }

    /// How long a copied key stays on the clipboard; `None` for as long as it likes.
    pub(crate) fn clipboard_time(&self) -> Option<Duration> {
        self.values().clipboard_seconds.map(|seconds| Duration::from_secs(seconds.clamp(10, 120)))
    }

    /// Keeps another port. On an error nothing changes, in memory or on disk.
    pub(crate) fn set_port(&self, port: u16) -> std::io::Result<()> {
        let mut values = self.values();
        let changed = Values { port, ..values.clone() };
        crate::files::write_json(&self.path, &changed)?;
        *values = changed;
        Ok(())
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_port_survives_a_restart() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config/settings.json");
        let settings = Settings::load(path.clone());
        assert_eq!(settings.port(), DEFAULT_PORT);
        settings.set_port(9000).expect("written");
        assert_eq!(settings.port(), 9000);
        assert_eq!(Settings::load(path).port(), 9000);
    }

    #[test]
    fn an_unreadable_file_is_put_aside() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("settings.json");
        std::fs::write(&path, "{ port: ").expect("written");
        let settings = Settings::load(path.clone());
        assert_eq!(settings.port(), DEFAULT_PORT);
        let aside = std::fs::read_to_string(folder.path().join("settings.unreadable.json")).expect("kept");
        assert_eq!(aside, "{ port: ");
    }

    #[test]
    fn a_failed_write_changes_nothing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file_not_folder = folder.path().join("file");
        std::fs::write(&file_not_folder, "").expect("written");
        let settings = Settings::load(file_not_folder.join("settings.json"));
        assert!(settings.set_port(9000).is_err());
        assert_eq!(settings.port(), DEFAULT_PORT);
    }
}
