//! The configuration of a service without a window: options, environment variables, and a TOML file. Values that none
//! of them names are those of the window's settings, so that keys keep their limits and their address.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::Spanned;
use ulkeys_domain::RateLimits;
use ulkeys_domain::storage::StorageLimits;
use ulkeys_local::log::LogFormat;
use ulkeys_local::paths::Paths;
use ulkeys_local::settings::{RUN_DAYS_RANGE, Settings};

/// The options of `ul-keys serve`. An option takes precedence over its environment variable, and both over the file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeOptions {
    /// Address on which to listen (may be repeated). Must be a loopback address [default: the port of the window's
    /// settings, or 8576, of 127.0.0.1 and ::1].
    #[arg(long, value_name = "ADDRESS", env = "UL_KEYS_LISTEN", value_delimiter = ',', value_parser = parse_address)]
    listen: Vec<SocketAddr>,
    /// Folder of the key database and the settings [default: the folders that the window uses].
    #[arg(long, value_name = "FOLDER", env = "UL_KEYS_DATA_DIR")]
    data: Option<OsString>,
    /// Configuration file [default: serve.toml in the folder of the settings, if it exists].
    #[arg(long, value_name = "FILE", env = "UL_KEYS_CONFIG")]
    config: Option<OsString>,
    /// Format of the log on standard error [default: human on a terminal, otherwise json].
    #[arg(long, value_name = "FORMAT", env = "UL_KEYS_LOG_FORMAT")]
    log_format: Option<LogFormatOption>,
    /// Run as the background service of the window, which passes its sockets. Ignores the configuration file, writes
    /// the window's log files, and leaves the terminal.
    #[arg(long, hide = true)]
    pub(crate) background: bool,
    /// Print the configuration that results from options, environment and file, and exit.
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormatOption {
    Human,
    Json,
}

impl From<LogFormatOption> for LogFormat {
    fn from(option: LogFormatOption) -> Self {
        match option {
            LogFormatOption::Human => Self::Human,
            LogFormatOption::Json => Self::Json,
        }
    }
}

/// The configuration of a service. Printed in the format of the file.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServeConfig {
    /// The addresses on which the service listens. If there are none, both loopback addresses with [`Self::port`].
    pub(super) listen: Vec<SocketAddr>,
    #[serde(skip)]
    pub(super) port: u16,
    /// The folder of the key database.
    data: PathBuf,
    /// The format of the log.
    pub(super) log_format: LogFormat,
    /// The days for which a training run is stored after its last event; 0 stores runs until they are deleted.
    run_days: u32,
    limits: RateLimits,
    storage: StorageLimits,
}

/// The part of the configuration that can change while the service runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReloadableConfig {
    pub(super) limits: RateLimits,
    pub(super) storage: StorageLimits,
    /// The days for which a training run is stored; `None` if runs are deleted only on request.
    pub(super) run_days: Option<u32>,
}

impl ServeConfig {
    pub(super) fn reloadable(&self) -> ReloadableConfig {
        let run_days = (self.run_days > 0).then_some(self.run_days);
        ReloadableConfig { limits: self.limits, storage: self.storage, run_days }
    }
}

/// A configuration with the files that it names.
pub(super) struct LoadedConfig {
    pub(super) config: ServeConfig,
    pub(super) paths: Paths,
    /// The configuration file, if there is one.
    file: Option<PathBuf>,
}

impl LoadedConfig {
    /// Combines the options and the configuration file.
    ///
    /// # Errors
    /// Returns the file, the line and the reason if a value is not valid.
    pub(super) fn load(options: &ServeOptions) -> Result<Self, ConfigError> {
        // An empty variable counts as unset.
        let named = |option: &Option<OsString>| option.clone().filter(|name| !name.is_empty()).map(PathBuf::from);
        let folder = named(&options.data).map(|folder| std::path::absolute(&folder).unwrap_or(folder));
        let mut paths = locate(folder.as_deref())?;
        let file = named(&options.config).or_else(|| Some(paths.serve_config.clone()).filter(|file| file.exists()));
        let file = file.filter(|_| !options.background);
        let text = file.as_deref().map_or(Ok(String::new()), read_file)?;
        let fields = FileFields::parse(&text).map_err(|error| error.in_file(file.as_deref(), &text))?;
        if let (None, Some(data)) = (&folder, &fields.data) {
            paths = locate(Some(data.get_ref()))?;
        }
        let settings = Settings::load(paths.settings.clone());
        let values = FileValues::new(fields, &settings).map_err(|error| error.in_file(file.as_deref(), &text))?;
        let listen = if options.listen.is_empty() { values.listen } else { options.listen.clone() };
        let log_format = options.log_format.map(LogFormat::from).or(values.log_format);
        let config = ServeConfig {
            listen,
            port: settings.port(),
            data: paths.database.parent().map(Path::to_owned).unwrap_or_default(),
            log_format: log_format.unwrap_or_else(default_log_format),
            run_days: values.run_days,
            limits: values.limits,
            storage: values.storage,
        };
        Ok(Self { config, paths, file })
    }

    /// Prints the configuration as TOML. The output is itself a valid configuration file.
    pub(super) fn print(&self) -> ExitCode {
        let source = self.file.as_deref().map_or("there is none".to_owned(), |file| file.display().to_string());
        let mut text = format!("# The configuration file: {source}\n");
        if self.config.listen.is_empty() {
            let port = self.config.port;
            text.push_str(&format!("# The service listens on 127.0.0.1:{port} and [::1]:{port}.\n"));
        }
        match toml::to_string(&self.config) {
            Ok(config) => text.push_str(&config),
            Err(error) => return crate::fail_with(error),
        }
        // A reader such as `head` can close the pipe early. This is not an error.
        let _ = std::io::stdout().write_all(text.as_bytes());
        ExitCode::SUCCESS
    }
}

fn locate(folder: Option<&Path>) -> Result<Paths, ConfigError> {
    match folder {
        Some(folder) => Ok(Paths::in_one_folder(folder)),
        None => Paths::locate().map_err(|error| ConfigError {
            place: "data".to_owned(),
            reason: format!("{error}; choose a folder with --data"),
        }),
    }
}

fn default_log_format() -> LogFormat {
    if std::io::stderr().is_terminal() { LogFormat::Human } else { LogFormat::Json }
}

/// Parses an address on which the service may listen.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "is not an address such as 127.0.0.1:8576 or [::1]:8576".to_owned())?;
    // Keys would otherwise cross the network unencrypted.
    if !address.ip().is_loopback() {
        return Err("must be a loopback address such as 127.0.0.1:8576".to_owned());
    }
    Ok(address)
}

/// Reads the text of a configuration file.
fn read_file(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError {
        place: path.display().to_string(),
        reason: match error.kind() {
            ErrorKind::InvalidData => "is not UTF-8".to_owned(),
            _ => error.to_string(),
        },
    })
}

/// The values of a configuration file. Values that are missing from the file are those of the window's settings.
#[derive(Debug)]
struct FileValues {
    listen: Vec<SocketAddr>,
    log_format: Option<LogFormat>,
    run_days: u32,
    limits: RateLimits,
    storage: StorageLimits,
}

/// The fields of a configuration file, with their positions.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct FileFields {
    listen: Vec<Spanned<String>>,
    data: Option<Spanned<PathBuf>>,
    log_format: Option<LogFormat>,
    run_days: Option<Spanned<i64>>,
    limits: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    storage: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

impl FileFields {
    fn parse(text: &str) -> Result<Self, FieldError> {
        let fields: Self = toml::from_str(text).map_err(|error| FieldError {
            span: error.span().unwrap_or_default(),
            reason: error.message().to_owned(),
        })?;
        match &fields.data {
            Some(data) if !data.get_ref().is_absolute() => {
                Err(FieldError::new(data.span(), "data", "must be an absolute path"))
            }
            _ => Ok(fields),
        }
    }
}

impl FileValues {
    fn new(fields: FileFields, settings: &Settings) -> Result<Self, FieldError> {
        let preferences = settings.subscribe_preferences().borrow().clone();
        let mut values = Self {
            listen: Vec::new(),
            log_format: fields.log_format,
            run_days: preferences.run_days.unwrap_or(0),
            limits: preferences.limits,
            storage: preferences.storage,
        };
        for address in fields.listen {
            let parsed = parse_address(address.get_ref());
            let parsed = parsed.map_err(|reason| FieldError::new(address.span(), "listen", &reason))?;
            values.listen.push(parsed);
        }
        if let Some(days) = fields.run_days {
            let range = 0..=*RUN_DAYS_RANGE.end();
            let number = u32::try_from(*days.get_ref()).ok().filter(|number| range.contains(number));
            values.run_days = number.ok_or_else(|| FieldError::not_in_range(days.span(), "runDays", &range))?;
        }
        apply_limits("limits", &fields.limits, &mut values.limits, &RateLimits::ALLOWED_RANGE)?;
        apply_limits("storage", &fields.storage, &mut values.storage, &StorageLimits::ALLOWED_RANGE)?;
        Ok(values)
    }
}

/// Replaces the limits that are named in the file. The names are those of `settings.json`.
fn apply_limits<T: Serialize + DeserializeOwned>(
    group: &str,
    named: &BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    limits: &mut T,
    range: &RangeInclusive<u32>,
) -> Result<(), FieldError> {
    let internal = |error: serde_json::Error| FieldError { span: 0..0, reason: format!("{group}: {error}") };
    let mut values: Map<String, Value> =
        serde_json::to_value(&*limits).and_then(serde_json::from_value).map_err(internal)?;
    for (name, value) in named {
        let path = format!("{group}.{}", name.get_ref());
        let Some(limit) = values.get_mut(name.get_ref()) else {
            let known = values.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(FieldError::new(name.span(), &path, &format!("is not a limit; the limits are {known}")));
        };
        let number = value.get_ref().as_integer().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        *limit = number.ok_or_else(|| FieldError::not_in_range(value.span(), &path, range))?.into();
    }
    *limits = serde_json::from_value(Value::Object(values)).map_err(internal)?;
    Ok(())
}

/// Why a value in the file is not valid.
#[derive(Debug)]
struct FieldError {
    /// The position of the value, in bytes.
    span: Range<usize>,
    reason: String,
}

impl FieldError {
    fn new(span: Range<usize>, field: &str, reason: &str) -> Self {
        Self { span, reason: format!("{field}: {reason}") }
    }

    /// Adds the file and the line.
    fn in_file(self, file: Option<&Path>, text: &str) -> ConfigError {
        let line = text[..self.span.start.min(text.len())].matches('\n').count() + 1;
        let file = file.map_or_else(String::new, |file| file.display().to_string());
        ConfigError { place: format!("{file}:{line}"), reason: self.reason }
    }

    fn not_in_range(span: Range<usize>, field: &str, range: &RangeInclusive<u32>) -> Self {
        Self::new(span, field, &format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Why the configuration is not valid.
#[derive(Debug)]
pub(super) struct ConfigError {
    /// The file with the line, or the name of the value.
    place: String,
    reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, change: impl FnOnce(&mut ServeOptions)) -> Result<LoadedConfig, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("serve.toml");
        std::fs::write(&path, file).expect("written");
        let mut options = ServeOptions { data: Some(folder.path().join("data").into()), ..ServeOptions::default() };
        options.config = Some(path.into());
        change(&mut options);
        let shown = folder.path().display().to_string();
        LoadedConfig::load(&options).map_err(|error| error.to_string().replace(&shown, "FOLDER"))
    }

    #[test]
    fn options_take_precedence_over_file_and_file_over_defaults() {
        let file = "listen = ['127.0.0.1:1', '[::1]:1']\nrunDays = 30\nlogFormat = 'json'\n[limits]\nstream = 7\n[storage]\nreserve = 9";
        let LoadedConfig { config, .. } = load(file, |_| {}).expect("valid");
        assert_eq!(config.listen, ["127.0.0.1:1", "[::1]:1"].map(|address| address.parse().expect("an address")));
        assert_eq!((config.run_days, config.limits.stream, config.storage.reserve), (30, 7, 9));
        assert_eq!(config.limits, RateLimits { stream: 7, ..RateLimits::default() });
        assert_eq!(config.log_format, LogFormat::Json);
        let changed = load(file, |options| {
            options.listen = vec!["127.0.0.1:2".parse().expect("an address")];
            options.log_format = Some(LogFormatOption::Human);
        });
        let LoadedConfig { config, .. } = changed.expect("valid");
        assert_eq!((config.listen[0].port(), config.listen.len()), (2, 1));
        assert_eq!(config.log_format, LogFormat::Human);
        let LoadedConfig { config, .. } = load("", |_| {}).expect("valid");
        assert_eq!((config.run_days, config.limits, config.listen.len()), (0, RateLimits::default(), 0));
    }

    /// A person who closes the window and runs the service keeps the address and the limits.
    #[test]
    fn values_that_nothing_names_are_those_of_the_window() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = r#"{"port": 9100, "runDays": 30, "limits": {"stream": 7}, "storage": {"reserve": 9}}"#;
        std::fs::write(folder.path().join("settings.json"), settings).expect("written");
        std::fs::write(folder.path().join("serve.toml"), "[limits]\npredict = 8").expect("written");
        let options = ServeOptions { data: Some(folder.path().into()), ..ServeOptions::default() };
        let LoadedConfig { config, .. } = LoadedConfig::load(&options).expect("valid");
        assert_eq!((config.port, config.run_days, config.storage.reserve), (9_100, 30, 9));
        assert_eq!((config.limits.stream, config.limits.predict), (7, 8));
    }

    #[test]
    fn invalid_file_is_rejected_with_line_and_reason() {
        for (file, expected) in [
            ("\nlisten = ['0.0.0.0:8576']", "FOLDER/serve.toml:2: listen: must be a loopback address"),
            ("listen = [\n'127.0.0.1']", "FOLDER/serve.toml:2: listen: is not an address"),
            ("runDays = -1", "FOLDER/serve.toml:1: runDays: must be a whole number from 0 to 3650"),
            ("data = 'here'", "FOLDER/serve.toml:1: data: must be an absolute path"),
            ("[limits]\n\nstream = 0", "FOLDER/serve.toml:3: limits.stream: must be a whole number from 1 to 999999"),
            ("[limits]\nstream = '1'", "FOLDER/serve.toml:2: limits.stream: must be a whole number"),
            ("[limits]\nstreams = 1", "FOLDER/serve.toml:2: limits.streams: is not a limit; the limits are default, "),
            ("[storage]\ntraining = 99999999", "FOLDER/serve.toml:2: storage.training: must be a whole number from 1"),
            ("# a\nport = 1", "FOLDER/serve.toml:2: unknown field `port`, expected one of `listen`"),
            ("logFormat = 'xml'", "FOLDER/serve.toml:1: unknown variant `xml`, expected `human` or `json`"),
            ("limits = 1", "FOLDER/serve.toml:1: invalid type: integer `1`"),
            ("a = ", "FOLDER/serve.toml:1: "),
        ] {
            let error = load(file, |_| {}).err().expect("rejected");
            assert!(error.starts_with(expected), "{file:?}: {error}");
        }
        let missing = load("", |options| options.config = Some("/nonexistent/serve.toml".into()));
        assert!(missing.err().expect("rejected").starts_with("/nonexistent/serve.toml: No such file"));
    }

    #[test]
    fn printed_configuration_is_a_valid_file_with_the_same_values() {
        let file = "listen = ['127.0.0.1:1']\nrunDays = 30\n[limits]\nstream = 7";
        let loaded = load(file, |_| {}).expect("valid");
        let printed = toml::to_string(&loaded.config).expect("printed");
        let again = load(&printed, |options| options.data = Some(loaded.config.data.clone().into())).expect("valid");
        assert_eq!(again.config, loaded.config);
    }

    #[test]
    fn parse_address_accepts_loopback_only() {
        assert!(parse_address("127.0.0.1:0").is_ok() && parse_address("[::1]:8576").is_ok());
        for text in ["0.0.0.0:1", "192.168.0.1:1", "[::]:1", "localhost:1", "127.0.0.1", ""] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }
}
