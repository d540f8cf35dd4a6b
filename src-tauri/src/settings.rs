//! What a person has changed from the defaults, in one small JSON file.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use ts_rs::TS;
use ulkeys_domain::{DEFAULT_ROTATION_DAYS, Limits, MAX_ROTATION_DAYS};

/// "UL" as two decimal codes. Fixed, so that an exported address keeps working after a restart.
pub(crate) const DEFAULT_PORT: u16 = 8576;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Values {
    port: u16,
    #[serde(flatten)]
    preferences: Preferences,
    /// How often a key may ask the embedded service. It takes effect at the next start.
    limits: Limits,
}

impl Default for Values {
    fn default() -> Self {
        Self { port: DEFAULT_PORT, preferences: Preferences::default(), limits: Limits::default() }
    }
}

/// What a person prefers, and may change in the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Preferences {
    /// The language of the windows.
    pub(crate) language: Language,
    /// Light or dark.
    pub(crate) theme: Theme,
    /// The size of the text, 100 to 200 percent.
    pub(crate) text_percent: u32,
    /// After how many seconds a copied key is taken off the clipboard, 10 to 120; `null` for never.
    #[ts(type = "number | null")]
    pub(crate) clipboard_seconds: Option<u64>,
    /// After how many days a key should be rotated, 1 to 3,650.
    pub(crate) rotation_days: u32,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            language: Language::default(),
            theme: Theme::default(),
            text_percent: 100,
            clipboard_seconds: Some(60),
            rotation_days: DEFAULT_ROTATION_DAYS,
        }
    }
}

impl Preferences {
    /// With numbers from a file, which anybody may have edited, brought into their bounds.
    fn bounded(self) -> Self {
        Self {
            text_percent: self.text_percent.clamp(100, 200),
            clipboard_seconds: self.clipboard_seconds.map(|seconds| seconds.clamp(10, 120)),
            rotation_days: self.rotation_days.clamp(1, MAX_ROTATION_DAYS),
            ..self
        }
    }
}

/// A language that the windows speak, by its tag (BCP 47).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub(crate) enum Language {
    /// The first one of the system's that the windows speak.
    #[default]
    #[serde(rename = "system")]
    System,
    /// English.
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
    /// Brazilian Portuguese.
    #[serde(rename = "pt-BR")]
    Portuguese,
}

impl Language {
    /// The choice of that exact name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }

    /// The language itself, where the choice was the system's.
    pub(crate) fn or_system(self) -> Self {
        match self {
            Self::System => sys_locale::get_locales().find_map(|tag| Self::of_tag(&tag)).unwrap_or(Self::English),
            chosen => chosen,
        }
    }

    /// The language for a tag such as `de-AT`.
    fn of_tag(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next()? {
            "en" => Some(Self::English),
            "de" => Some(Self::German),
            "pt" => Some(Self::Portuguese),
            _ => None,
        }
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Theme {
    /// As the system.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// The choice of that exact name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }
}

/// The settings, and the file that they are kept in.
pub(crate) struct Settings {
    path: PathBuf,
    values: Mutex<Values>,
    preferences: watch::Sender<Preferences>,
}

impl Settings {
    /// Reads the file. Without a readable one, all is as by default.
    pub(crate) fn load(path: PathBuf) -> Self {
        let values: Values = crate::files::read_json(&path);
        let preferences = watch::channel(values.preferences.clone().bounded()).0;
        Self { path, values: Mutex::new(values), preferences }
    }

    /// The port of the embedded service.
    pub(crate) fn port(&self) -> u16 {
        self.values().port
    }

    /// How often a key may ask the embedded service.
    pub(crate) fn limits(&self) -> Limits {
        self.values().limits.clone()
    }

    /// Follows the preferences.
    pub(crate) fn preferences(&self) -> watch::Receiver<Preferences> {
        self.preferences.subscribe()
    }

    /// How long a copied key stays on the clipboard; `None` for as long as it likes.
    pub(crate) fn clipboard_time(&self) -> Option<Duration> {
        self.preferences.borrow().clipboard_seconds.map(Duration::from_secs)
    }

    /// After how many days a key should be rotated.
    pub(crate) fn rotation_days(&self) -> u32 {
        self.preferences.borrow().rotation_days
    }

    /// Keeps other preferences. On an error nothing changes, in memory or on disk.
    pub(crate) fn set_preferences(&self, preferences: Preferences) -> std::io::Result<()> {
        self.change(|values| values.preferences = preferences.clone())?;
        self.preferences.send_replace(preferences);
        Ok(())
    }

    /// Keeps another port. On an error nothing changes, in memory or on disk.
    pub(crate) fn set_port(&self, port: u16) -> std::io::Result<()> {
        self.change(|values| values.port = port)
    }

    fn change(&self, change: impl FnOnce(&mut Values)) -> std::io::Result<()> {
        let mut values = self.values();
        let mut changed = values.clone();
        change(&mut changed);
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
    fn preferences_survive_a_restart_and_stay_within_their_bounds() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("settings.json");
        let settings = Settings::load(path.clone());
        settings.set_port(9000).expect("written");
        let preferences = Preferences {
            language: Language::Portuguese,
            theme: Theme::Dark,
            text_percent: 150,
            clipboard_seconds: None,
            rotation_days: 30,
        };
        settings.set_preferences(preferences.clone()).expect("written");
        assert_eq!(*settings.preferences().borrow(), preferences);
        let again = Settings::load(path.clone());
        assert_eq!((again.port(), again.preferences().borrow().clone()), (9000, preferences));

        std::fs::write(&path, r#"{ "clipboardSeconds": 1, "rotationDays": 0, "theme": "dark" }"#).expect("written");
        let settings = Settings::load(path);
        assert_eq!((settings.clipboard_time(), settings.rotation_days()), (Some(Duration::from_secs(10)), 1));
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
