//! Stores the settings that the user has changed in a small JSON file, which can also be edited by hand.
//!
//! The file is read field by field: an invalid or unknown field has no effect, is reported, and remains in the file.
//! Deliberately omitted: watching the file while the app runs. Edits made while the app runs are preserved, and take
//! effect at the next start.

use std::fmt;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;
use ts_rs::TS;
use ulkeys_api::schema;
use ulkeys_domain::storage::StorageLimits;
use ulkeys_domain::{DEFAULT_ROTATION_DAYS, MAX_ROTATION_DAYS, RateLimits};

use crate::file_problem::describe_io_error;
use crate::files;

/// The default port, which consists of the decimal character codes of "U" (85) and "L" (76). It is fixed, so that a URL
/// exported in a shell remains valid after a restart.
pub const DEFAULT_PORT: u16 = 8576;
/// The allowed ports: those that can be opened without privileges.
pub const PORT_RANGE: RangeInclusive<u16> = 1024..=u16::MAX;
/// The allowed text sizes, in percent of the normal size.
pub const TEXT_PERCENT_RANGE: RangeInclusive<u32> = 100..=200;
/// The allowed delays before a copied key is removed from the clipboard, in seconds.
pub const CLIPBOARD_SECONDS_RANGE: RangeInclusive<u64> = 10..=120;
/// The range of rotation ages that a user can set, in days.
pub const ROTATION_DAYS_RANGE: RangeInclusive<u32> = 1..=MAX_ROTATION_DAYS;
/// The allowed retention times for training runs, in days.
pub const RUN_DAYS_RANGE: RangeInclusive<u32> = 1..=3_650;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingsFile {
    port: u16,
    #[serde(flatten)]
    preferences: Preferences,
}

impl Default for SettingsFile {
    fn default() -> Self {
        Self { port: DEFAULT_PORT, preferences: Preferences::default() }
    }
}

impl SettingsFile {
    /// Parses the settings from the fields of a file. Also returns the fields that have no effect.
    fn from_fields(fields: &Map<String, Value>) -> (Self, Vec<IgnoredSetting>) {
        let (mut values, mut ignored) = (Self::default(), Vec::new());
        let Self { port, preferences } = &mut values;
        for (name, value) in fields {
            let result = match name.as_str() {
                "port" => read_number_setting(port, value, PORT_RANGE),
                "language" => read_choice_setting(&mut preferences.language, value, Language::ALL),
                "theme" => read_choice_setting(&mut preferences.theme, value, Theme::ALL),
                "textPercent" => read_number_setting(&mut preferences.text_percent, value, TEXT_PERCENT_RANGE),
                "clipboardSeconds" => {
                    read_optional_setting(&mut preferences.clipboard_seconds, value, CLIPBOARD_SECONDS_RANGE)
                }
                "closing" => read_choice_setting(&mut preferences.closing, value, Closing::ALL),
                "rotationDays" => read_number_setting(&mut preferences.rotation_days, value, ROTATION_DAYS_RANGE),
                "runDays" => read_optional_setting(&mut preferences.run_days, value, RUN_DAYS_RANGE),
                "limits" => {
                    read_limits_setting(name, value, &mut preferences.limits, RateLimits::ALLOWED_RANGE, &mut ignored)
                }
                "storage" => read_limits_setting(
                    name,
                    value,
                    &mut preferences.storage,
                    StorageLimits::ALLOWED_RANGE,
                    &mut ignored,
                ),
                _ => Err(IgnoredReason::Unknown),
            };
            if let Err(reason) = result {
                ignored.push(IgnoredSetting { name: name.clone(), reason });
            }
        }
        (values, ignored)
    }

    /// Converts the values to the JSON fields of the file.
    fn to_fields(&self) -> serde_json::Result<Map<String, Value>> {
        serde_json::from_value(serde_json::to_value(self)?)
    }
}

/// Sets `field` to `value`, which must be an integer in `range`.
fn read_number_setting<T>(field: &mut T, value: &Value, range: RangeInclusive<T>) -> Result<(), IgnoredReason>
where
    T: DeserializeOwned + PartialOrd + Copy + Into<u64>,
{
    let number = T::deserialize(value).ok().filter(|number| range.contains(number));
    *field = number.ok_or_else(|| IgnoredReason::NotInRange(NumberRange::from_range(&range)))?;
    Ok(())
}

/// Sets `field` to `value`, which must be `null` or an integer in `range`.
fn read_optional_setting<T>(field: &mut Option<T>, value: &Value, range: RangeInclusive<T>) -> Result<(), IgnoredReason>
where
    T: DeserializeOwned + PartialOrd + Copy + Into<u64>,
{
    if value.is_null() {
        *field = None;
        return Ok(());
    }
    let mut number = *range.start();
    read_number_setting(&mut number, value, range.clone())
        .map_err(|_| IgnoredReason::NotInRangeOrNull(NumberRange::from_range(&range)))?;
    *field = Some(number);
    Ok(())
}

/// Sets `field` to `value`, which must be one of the choices in `all`.
fn read_choice_setting<T, const COUNT: usize>(
    field: &mut T,
    value: &Value,
    all: [T; COUNT],
) -> Result<(), IgnoredReason>
where
    T: DeserializeOwned + Serialize,
{
    let name = |choice: &T| serde_json::to_value(choice).ok()?.as_str().map(str::to_owned);
    *field = T::deserialize(value)
        .map_err(|_| IgnoredReason::NotAChoice { choices: all.iter().filter_map(name).collect() })?;
    Ok(())
}

/// Applies the valid limits of a group of settings, and adds the invalid ones to `ignored`.
fn read_limits_setting<T: Serialize + DeserializeOwned>(
    group: &str,
    value: &Value,
    limits: &mut T,
    range: RangeInclusive<u32>,
    ignored: &mut Vec<IgnoredSetting>,
) -> Result<(), IgnoredReason> {
    let (Value::Object(fields), Ok(Value::Object(mut known))) = (value, serde_json::to_value(&*limits)) else {
        return Err(IgnoredReason::NotAGroup);
    };
    for (name, value) in fields {
        let mut number = 0;
        let result = match known.get_mut(name) {
            None => Err(IgnoredReason::Unknown),
            Some(limit) => read_number_setting(&mut number, value, range.clone()).map(|()| *limit = number.into()),
        };
        if let Err(reason) = result {
            ignored.push(IgnoredSetting { name: format!("{group}.{name}"), reason });
        }
    }
    *limits = serde_json::from_value(Value::Object(known)).map_err(|_| IgnoredReason::NotAGroup)?;
    Ok(())
}

/// Why settings in the file have no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum SettingsProblem {
    /// The whole file has no effect, because it cannot be read.
    Unreadable {
        /// The error of the system or of the JSON parser.
        reason: String,
    },
    /// The file was invalid when the user changed a setting. It was copied to `copy` and then replaced.
    Replaced {
        /// The path of the copy.
        copy: String,
    },
    /// Individual settings have no effect.
    Ignored {
        /// The settings and the reasons.
        settings: Vec<IgnoredSetting>,
    },
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { reason } => write!(f, "the settings file cannot be read: {reason}"),
            Self::Replaced { copy } => write!(f, "the previous settings file was saved as {copy}"),
            Self::Ignored { settings } => {
                let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
                write!(f, "these settings have no effect: {}", settings.join("; "))
            }
        }
    }
}

/// A setting in the file that has no effect. Its value is omitted, because it could be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredSetting {
    /// The name of the setting, preceded by the name of its group, as in `limits.default`.
    pub name: String,
    /// The reason why the setting has no effect.
    pub reason: IgnoredReason,
}

impl fmt::Display for IgnoredSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// Why a setting in the file has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum IgnoredReason {
    /// No setting has this name.
    Unknown,
    /// The value is not a whole number in this range.
    NotInRange(NumberRange),
    /// The value is neither `null` nor a whole number in this range.
    NotInRangeOrNull(NumberRange),
    /// The value is not one of these choices.
    NotAChoice {
        /// The allowed values.
        choices: Vec<String>,
    },
    /// The value is not an object with a group of settings.
    NotAGroup,
}

impl fmt::Display for IgnoredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "is not a setting"),
            Self::NotInRange(NumberRange { least, most }) => write!(f, "must be a whole number from {least} to {most}"),
            Self::NotInRangeOrNull(NumberRange { least, most }) => {
                write!(f, "must be null or a whole number from {least} to {most}")
            }
            Self::NotAChoice { choices } => write!(f, "must be one of {}", choices.join(", ")),
            Self::NotAGroup => write!(f, "must be an object"),
        }
    }
}

/// The range of numbers that is allowed for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
pub struct NumberRange {
    /// The smallest allowed number.
    pub least: u32,
    /// The largest allowed number.
    pub most: u32,
}

impl NumberRange {
    /// Converts a range. A limit above `u32::MAX` becomes `u32::MAX`.
    pub fn from_range<T: Copy + Into<u64>>(range: &RangeInclusive<T>) -> Self {
        let number = |number: T| u32::try_from(number.into()).unwrap_or(u32::MAX);
        Self { least: number(*range.start()), most: number(*range.end()) }
    }
}

/// The preferences, which the user can change in the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Preferences {
    /// The language of the windows.
    pub language: Language,
    /// The color theme of the windows.
    pub theme: Theme,
    /// Text size in percent of the normal size, 100 to 200.
    pub text_percent: u32,
    /// Seconds until a copied key is removed from the clipboard, 10 to 120; `null` for never.
    #[ts(type = "number | null")]
    pub clipboard_seconds: Option<u64>,
    /// What closing the last window does.
    pub closing: Closing,
    /// Days after which a key is due for rotation, 1 to 3,650.
    pub rotation_days: u32,
    /// Days after which a training run is deleted, 1 to 3,650; `null` for never.
    pub run_days: Option<u32>,
    /// Rate limits of the app's own service.
    #[ts(as = "schema::RateLimits")]
    pub limits: RateLimits,
    /// Limits on the training data that the app's own service stores, in MiB.
    #[ts(as = "schema::StorageLimits")]
    pub storage: StorageLimits,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            language: Language::default(),
            theme: Theme::default(),
            text_percent: 100,
            clipboard_seconds: Some(60),
            closing: Closing::default(),
            rotation_days: DEFAULT_ROTATION_DAYS,
            run_days: None,
            limits: RateLimits::default(),
            storage: StorageLimits::default(),
        }
    }
}

/// What closing the last window does to the key service that the app has started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Closing {
    /// The window asks the user.
    #[default]
    Ask,
    /// The service keeps running in the background.
    KeepRunning,
    /// The service stops.
    Quit,
}

impl Closing {
    const ALL: [Self; 3] = [Self::Ask, Self::KeepRunning, Self::Quit];

    /// Parses the serialized name, such as `keepRunning`. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }
}

/// The language of the windows: a BCP 47 tag, or `system`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub enum Language {
    /// The first of the system's preferred languages into which the app is translated.
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
    const ALL: [Self; 4] = [Self::System, Self::English, Self::German, Self::Portuguese];

    /// Parses the serialized name of a language, such as `pt-BR`. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }

    /// Resolves [`Self::System`] to a language. Any other language is returned unchanged.
    pub fn resolve_system(self) -> Self {
        match self {
            Self::System => crate::locale::preferred_languages()
                .iter()
                .find_map(|tag| Self::from_locale_tag(tag))
                .unwrap_or(Self::English),
            chosen => chosen,
        }
    }

    /// Returns the supported language for a locale tag such as `de-AT`.
    fn from_locale_tag(tag: &str) -> Option<Self> {
        match tag.split(['-', '_', '.', '@']).next()? {
            "en" => Some(Self::English),
            "de" => Some(Self::German),
            "pt" => Some(Self::Portuguese),
            _ => None,
        }
    }
}

/// The color theme.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Theme {
    /// The theme of the system.
    #[default]
    System,
    /// Dark text on a light background.
    Light,
    /// Light text on a dark background.
    Dark,
}

impl Theme {
    const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// Parses the serialized name of a theme, such as `dark`. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }
}

/// The current settings and the file in which they are stored.
pub struct Settings {
    path: PathBuf,
    state: Mutex<SettingsState>,
    preferences: watch::Sender<Preferences>,
}

struct SettingsState {
    values: SettingsFile,
    problem: Option<SettingsProblem>,
}

impl Settings {
    /// Reads the settings from the file. Settings that are missing from the file have their default values.
    pub fn load(path: PathBuf) -> Self {
        let (values, problem) = match files::read_json_fields(&path) {
            Ok(fields) => {
                let (values, ignored) = SettingsFile::from_fields(&fields);
                (values, ignored_settings(ignored))
            }
            Err(error) => {
                (SettingsFile::default(), Some(SettingsProblem::Unreadable { reason: describe_io_error(&error) }))
            }
        };
        if let Some(problem) = &problem {
            tracing::warn!(%problem, "the settings file has a problem");
        }
        let preferences = watch::channel(values.preferences.clone()).0;
        Self { path, state: Mutex::new(SettingsState { values, problem }), preferences }
    }

    /// Returns the problem with the settings file, if there is one.
    pub fn problem(&self) -> Option<SettingsProblem> {
        self.state.lock().problem.clone()
    }

    /// Returns the port of the embedded service.
    pub fn port(&self) -> u16 {
        self.state.lock().values.port
    }

    /// Subscribes to the preferences.
    pub fn subscribe_preferences(&self) -> watch::Receiver<Preferences> {
        self.preferences.subscribe()
    }

    /// Returns the time until a copied key is removed from the clipboard, or `None` if copied keys are never removed.
    pub fn clipboard_timeout(&self) -> Option<Duration> {
        self.preferences.borrow().clipboard_seconds.map(Duration::from_secs)
    }

    /// Returns the number of days after which a key is due for rotation.
    pub fn rotation_days(&self) -> u32 {
        self.preferences.borrow().rotation_days
    }

    /// Saves new preferences. If saving fails, nothing changes in memory or on disk.
    pub fn set_preferences(&self, preferences: Preferences) -> std::io::Result<()> {
        self.update_file(|values| values.preferences = preferences)
    }

    /// Saves a new port. If saving fails, nothing changes in memory or on disk.
    pub fn set_port(&self, port: u16) -> std::io::Result<()> {
        self.update_file(|values| values.port = port)
    }

    /// Rereads the file, applies only the values that `change` modifies, and writes the file, so that edits made by
    /// hand are preserved. An invalid file is copied before it is replaced.
    fn update_file(&self, change: impl FnOnce(&mut SettingsFile)) -> std::io::Result<()> {
        let mut state = self.state.lock();
        let mut changed = state.values.clone();
        change(&mut changed);
        let (mut fields, copy) = match files::read_json_fields(&self.path) {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                (Map::new(), Some(files::back_up_file(&self.path)?))
            }
            read => (read?, None),
        };
        let before = state.values.to_fields()?;
        let after = changed.to_fields()?;
        merge_changes(&mut fields, &before, &after);
        for (name, value) in after {
            fields.entry(name).or_insert(value);
        }
        if let Err(error) = files::write_json(&self.path, &fields) {
            // Delete the copy of the invalid file; otherwise each failed attempt would leave another one.
            if let Some(copy) = copy {
                let _ = std::fs::remove_file(copy);
            }
            return Err(error);
        }
        let replaced = state.problem.take().filter(|problem| matches!(problem, SettingsProblem::Replaced { .. }));
        let replaced = copy.map(|copy| SettingsProblem::Replaced { copy: copy.display().to_string() }).or(replaced);
        // Publish while the lock is held, so that subscribers receive changes in order.
        self.preferences.send_if_modified(|told| std::mem::replace(told, changed.preferences.clone()) != *told);
        *state = SettingsState {
            values: changed,
            problem: replaced.or(ignored_settings(SettingsFile::from_fields(&fields).1)),
        };
        Ok(())
    }
}

/// Copies to `fields` the values of `changed` that differ from those in `before`, and leaves all other fields
/// unchanged. Groups of fields are merged in the same way.
fn merge_changes(fields: &mut Map<String, Value>, before: &Map<String, Value>, changed: &Map<String, Value>) {
    for (name, value) in changed {
        let former = before.get(name);
        if former == Some(value) {
            continue;
        }
        match (fields.get_mut(name), former, value) {
            (Some(Value::Object(fields)), Some(Value::Object(before)), Value::Object(changed)) => {
                merge_changes(fields, before, changed);
            }
            _ => {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
}

fn ignored_settings(settings: Vec<IgnoredSetting>) -> Option<SettingsProblem> {
    (!settings.is_empty()).then_some(SettingsProblem::Ignored { settings })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    #[test]
    fn changed_port_is_kept_after_restart() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config/settings.json");
        let settings = Settings::load(path.clone());
        assert_eq!(settings.port(), DEFAULT_PORT);
        settings.set_port(9000).expect("written");
        assert_eq!(settings.port(), 9000);
        assert_eq!(Settings::load(path).port(), 9000);
    }

    #[test]
    fn preferences_are_kept_after_restart() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("settings.json");
        let settings = Settings::load(path.clone());
        settings.set_port(9000).expect("written");
        let preferences = Preferences {
            closing: Closing::KeepRunning,
            language: Language::Portuguese,
            theme: Theme::Dark,
            text_percent: 150,
            clipboard_seconds: None,
            rotation_days: 30,
            run_days: Some(90),
            limits: RateLimits { gateway: 12_000, ..RateLimits::default() },
            storage: StorageLimits { reserve: 512, ..StorageLimits::default() },
        };
        settings.set_preferences(preferences.clone()).expect("written");
        assert_eq!(*settings.subscribe_preferences().borrow(), preferences);
        let again = Settings::load(path.clone());
        assert_eq!((again.port(), again.subscribe_preferences().borrow().clone()), (9000, preferences));
    }

    fn load_from_text(text: &str) -> (tempfile::TempDir, PathBuf, Settings) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("settings.json");
        std::fs::write(&path, text).expect("written");
        let settings = Settings::load(path.clone());
        (folder, path, settings)
    }

    fn read_file(path: &Path) -> Value {
        serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON")
    }

    #[test]
    fn load_applies_valid_fields_and_reports_and_keeps_others() {
        let text = r#"{ "port": "9000", "language": "fr", "theme": "dark", "textPercent": 99, "clipboardSeconds": 1,
            "rotationDays": 0, "runDays": 0, "storage": { "reserve": 9, "training": "all" }, "limits": { "predict": 7, "upload": -1, "download": "many", "predicts": 9 }, "new": [1] }"#;
        let (_folder, path, settings) = load_from_text(text);
        assert_eq!(settings.port(), DEFAULT_PORT);
        let understood = Preferences {
            theme: Theme::Dark,
            limits: RateLimits { predict: 7, ..RateLimits::default() },
            storage: StorageLimits { reserve: 9, ..StorageLimits::default() },
            ..Preferences::default()
        };
        assert_eq!(*settings.subscribe_preferences().borrow(), understood);
        let mut ignored = ["port", "language", "textPercent", "clipboardSeconds", "rotationDays", "runDays", "new"]
            .map(str::to_owned)
            .to_vec();
        ignored.extend(["upload", "download", "predicts"].map(|name| format!("limits.{name}")));
        ignored.push("storage.training".to_owned());
        ignored.sort();
        let named = |settings: &Settings| match settings.problem() {
            Some(SettingsProblem::Ignored { settings }) => {
                let mut names: Vec<_> = settings.into_iter().map(|setting| setting.name).collect();
                names.sort();
                names
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(named(&settings), ignored);

        let present = settings.subscribe_preferences().borrow().clone();
        let limits = RateLimits { upload: 5, ..present.limits };
        settings.set_preferences(Preferences { rotation_days: 30, limits, ..present }).expect("written");
        let kept = read_file(&path);
        let written: Value = serde_json::from_str(text).expect("JSON");
        for (field, value) in written.as_object().expect("fields") {
            match field.as_str() {
                "rotationDays" => assert_eq!(kept[field], 30),
                "limits" => {
                    let names = ["predict", "upload", "download", "predicts"];
                    assert_eq!(
                        names.map(|name| &kept[field][name]),
                        [json!(7), json!(5), json!("many"), json!(9)].each_ref()
                    );
                }
                _ => assert_eq!(&kept[field], value, "{field} has not changed"),
            }
        }
        ignored.retain(|name| name != "rotationDays" && name != "limits.upload");
        assert_eq!(named(&settings), ignored);
    }

    /// Tests that a value that the preferences page would reject has no effect in the settings file. A rate limit of
    /// zero, for example, would lock clients out.
    #[test]
    fn load_setting_out_of_range_is_ignored_and_reported_with_reason() {
        for (text, name, reason) in [
            (
                r#"{ "limits": { "invalidCredentials": 0 } }"#,
                "limits.invalidCredentials",
                "a whole number from 1 to 999999",
            ),
            (r#"{ "limits": { "default": 1000000 } }"#, "limits.default", "a whole number from 1 to 999999"),
            (r#"{ "limits": { "gateway": "6000" } }"#, "limits.gateway", "a whole number from 1 to 999999"),
            (r#"{ "storage": { "training": 10000000 } }"#, "storage.training", "a whole number from 1 to 9999999"),
            (r#"{ "storage": { "reserve": 0 } }"#, "storage.reserve", "a whole number from 1 to 9999999"),
            (r#"{ "storage": { "reserve": null } }"#, "storage.reserve", "a whole number from 1 to 9999999"),
            (r#"{ "limits": [1] }"#, "limits", "an object"),
            (r#"{ "port": 80 }"#, "port", "a whole number from 1024 to 65535"),
            (r#"{ "textPercent": "150" }"#, "textPercent", "a whole number from 100 to 200"),
            (r#"{ "rotationDays": null }"#, "rotationDays", "a whole number from 1 to 3650"),
            (r#"{ "clipboardSeconds": 9 }"#, "clipboardSeconds", "null or a whole number from 10 to 120"),
            (r#"{ "runDays": 3651 }"#, "runDays", "null or a whole number from 1 to 3650"),
            (r#"{ "language": "fr" }"#, "language", "one of system, en, de, pt-BR"),
            (r#"{ "theme": 1 }"#, "theme", "one of system, light, dark"),
        ] {
            let (_folder, _, settings) = load_from_text(text);
            assert_eq!(*settings.subscribe_preferences().borrow(), Preferences::default(), "{text}");
            let problem = settings.problem().expect("a problem").to_string();
            assert_eq!(problem, format!("these settings have no effect: {name}: must be {reason}"));
        }
        let (_folder, _, settings) = load_from_text(r#"{ "limits": { "predicts": 1 }, "new": "ul_secret" }"#);
        let problem = settings.problem().expect("a problem").to_string();
        assert_eq!(problem, "these settings have no effect: limits.predicts: is not a setting; new: is not a setting");
        let (_folder, _, settings) =
            load_from_text(r#"{ "limits": { "default": 999999, "predict": 1 }, "runDays": null }"#);
        assert_eq!(settings.problem(), None);
    }

    #[test]
    fn privileged_port_is_ignored() {
        for port in ["0", "80", "65536", "8576.5", "null"] {
            let (_folder, _, settings) = load_from_text(&format!("{{ \"port\": {port} }}"));
            assert_eq!(settings.port(), DEFAULT_PORT, "{port}");
            let reason = IgnoredReason::NotInRange(NumberRange { least: 1024, most: 65_535 });
            let ignored = vec![IgnoredSetting { name: "port".to_owned(), reason }];
            assert_eq!(settings.problem(), Some(SettingsProblem::Ignored { settings: ignored }), "{port}");
        }
    }

    #[test]
    fn write_keeps_fields_edited_after_load() {
        let (_folder, path, settings) = load_from_text(r#"{ "port": 9000 }"#);
        std::fs::write(&path, r#"{ "port": 9000, "limits": { "default": 5 } }"#).expect("edited");
        settings.set_port(9001).expect("written");
        let again = Settings::load(path.clone());
        assert_eq!(
            (again.port(), again.subscribe_preferences().borrow().limits.default, again.problem()),
            (9001, 5, None)
        );
    }

    #[test]
    fn invalid_file_is_backed_up_before_replacement() {
        let (folder, path, settings) = load_from_text("{ port: ");
        assert_eq!(settings.port(), DEFAULT_PORT);
        assert!(matches!(settings.problem(), Some(SettingsProblem::Unreadable { .. })), "{:?}", settings.problem());
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "{ port: ", "left alone");
        for (number, text) in [(1, "{ port: "), (2, "[]")] {
            std::fs::write(&path, text).expect("written");
            settings.set_port(9000 + number).expect("written");
            let copy = folder.path().join(format!("settings.unreadable-{number}.json"));
            assert_eq!(std::fs::read_to_string(&copy).expect("kept"), text);
            assert_eq!(settings.problem(), Some(SettingsProblem::Replaced { copy: copy.display().to_string() }));
        }
        assert_eq!(Settings::load(path).port(), 9002);
        assert_eq!(
            std::fs::read_to_string(folder.path().join("settings.unreadable-1.json")).expect("kept"),
            "{ port: "
        );
    }

    #[test]
    fn unreadable_file_is_not_replaced() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("settings.json");
        std::fs::create_dir(&path).expect("a folder in its place");
        let settings = Settings::load(path.clone());
        assert!(matches!(settings.problem(), Some(SettingsProblem::Unreadable { .. })), "{:?}", settings.problem());
        assert!(settings.set_port(9000).is_err() && path.is_dir());
        assert_eq!(settings.port(), DEFAULT_PORT);
    }

    #[test]
    fn failed_write_leaves_settings_unchanged() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file_not_folder = folder.path().join("file");
        std::fs::write(&file_not_folder, "").expect("written");
        let settings = Settings::load(file_not_folder.join("settings.json"));
        assert!(settings.set_port(9000).is_err());
        assert_eq!(settings.port(), DEFAULT_PORT);
    }
}
