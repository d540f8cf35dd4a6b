//! The command line of the app, which starts programs with a key from the keychain.
//!
//! No command prints a secret. Deliberately omitted: commands that show, create or revoke a key. On Windows, the app
//! opens no console window, because programs with a graphical interface start without one.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Parser, Subcommand};
use ulkeys_domain::secret;
use ulkeys_local::keychain::{self, KeychainError, WaitReason};
use ulkeys_local::keychain_index::KeychainIndex;
use ulkeys_local::paths::Paths;
use ulkeys_local::process_hardening::StartingUmask;
use ulkeys_local::settings::{Settings, SettingsProblem};

/// Exit codes for an error in UL Keys itself (125), for a program that cannot be started (126) and for a program that
/// is not found (127). `env`, `nohup` and `docker run` use the same codes.
const EXIT_UL_KEYS_FAILED: u8 = 125;
const EXIT_PROGRAM_CANNOT_START: u8 = 126;
const EXIT_PROGRAM_NOT_FOUND: u8 = 127;

/// Scoped API keys for vision models. Without a command, opens the window.
#[derive(Parser)]
#[command(name = "ul-keys", version)]
struct CliArguments {
    #[command(subcommand)]
    action: Option<CliAction>,
}

/// The commands that run without opening a window.
#[derive(Subcommand)]
pub(crate) enum CliAction {
    /// Start a program with a key from this computer's keychain.
    ///
    /// The program receives the key in ULTRALYTICS_API_KEY and the address of the key service in
    /// ULTRALYTICS_PLATFORM_URL. Exits with the program's exit code, or with 125, 126 or 127 if the program could not
    /// be started.
    Run {
        /// Name under which the key was saved.
        #[arg(long, allow_hyphen_values = true, value_parser = parse_key_name)]
        key: String,
        /// Program and arguments, for example `-- yolo train model=yolo11n.pt`.
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
    /// List the keys that were saved in this computer's keychain.
    List,
    /// Remove a key from this computer's keychain. The key itself stays valid until it is revoked.
    Forget {
        /// Name under which the key was saved.
        #[arg(allow_hyphen_values = true, value_parser = parse_key_name)]
        name: String,
    },
}

/// Parses the command line. Error messages never repeat a key, because terminal output may be recorded.
///
/// # Errors
/// Returns the exit code after printing the reason.
pub(crate) fn parse_arguments() -> Result<Option<CliAction>, ExitCode> {
    let arguments = CliArguments::try_parse().map_err(|error| {
        let text = error.to_string();
        if secret::contains_key(&text) {
            print_error(secret::redact(&text).trim_end());
        } else {
            // clap's `print` uses colors and writes help to standard output. If printing fails, there is no way to
            // report it.
            let _ = error.print();
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_UL_KEYS_FAILED))
    })?;
    Ok(arguments.action)
}

/// Parses the name under which a key was saved. Rejects a key that was passed in place of its name, so that no later
/// message repeats the key.
fn parse_key_name(text: &str) -> Result<String, &'static str> {
    if secret::contains_key(text) {
        return Err("expects the name of a saved key, not the key itself");
    }
    Ok(text.to_owned())
}

/// Runs the action and prints the result.
pub(crate) fn run_action(action: CliAction, umask: StartingUmask) -> ExitCode {
    let paths = match Paths::locate() {
        Ok(paths) => paths,
        Err(error) => return fail_with(error),
    };
    for error in &paths.relocation_errors {
        print_error(format_args!("ul-keys: {error}"));
    }
    match action {
        CliAction::Run { key, program } => run_program(key, &program, paths, umask),
        CliAction::List => list_saved_keys(&KeychainIndex::load(paths.keychain_index)),
        CliAction::Forget { name } => forget_key(name, &KeychainIndex::load(paths.keychain_index)),
    }
}

fn list_saved_keys(saved: &KeychainIndex) -> ExitCode {
    if let Some(problem) = saved.read_error() {
        return fail_with(problem);
    }
    let keys = saved.list_keys();
    if keys.is_empty() {
        print_error("No keys are saved in the keychain.");
    }
    let mut terminal = std::io::stdout().lock();
    for key in keys {
        // A reader such as `head` can close the pipe early. This is not an error.
        if writeln!(terminal, "{}\t{}…", key.name, key.key_prefix).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn forget_key(name: String, saved: &KeychainIndex) -> ExitCode {
    if let Some(problem) = saved.read_error() {
        print_error(format_args!("ul-keys: {problem}"));
    }
    let (account, known) = (name.clone(), saved.prefixes_of(&name));
    let forgotten = keychain::run_with_wait_reports(
        name.clone(),
        move || keychain::remove_entries(&account, &known),
        print_wait_reason,
    );
    match forgotten {
        Ok(_) | Err(KeychainError::NoEntry) if saved.list_keys().iter().any(|key| key.name == name) => {
            if let Err(error) = saved.remove_entry(&name) {
                print_error(format_args!("ul-keys: {}", KeychainError::IndexNotWritten(error)));
            }
        }
        Ok(_) => {}
        Err(error) => return report_keychain_error(&name, &error, saved),
    }
    if let Ok(true) = forgotten {
        print_error(format_args!(
            "ul-keys: {name}: the keychain still contains another entry for this name, which UL Keys did not save."
        ));
    }
    ExitCode::SUCCESS
}

fn report_keychain_error(name: &str, error: &KeychainError, saved: &KeychainIndex) -> ExitCode {
    print_error(format_args!("ul-keys: {name}: {error}"));
    if let (KeychainError::Ambiguous, Some(problem)) = (error, saved.read_error()) {
        print_error(format_args!("ul-keys: {problem}"));
    }
    if matches!(error, KeychainError::NoEntry) {
        let names: Vec<String> = saved.list_keys().into_iter().map(|key| key.name).collect();
        match (saved.read_error(), names.is_empty()) {
            (Some(problem), _) => print_error(format_args!("ul-keys: {problem}")),
            (None, true) => print_error("To save a key, choose “Save in this computer’s keychain” when you create it."),
            (None, false) => print_error(format_args!("Saved keys: {}", names.join(", "))),
        }
    }
    EXIT_UL_KEYS_FAILED.into()
}

/// Prints a line on standard error. A failed write is ignored, so that the command continues.
pub(crate) fn print_error(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn fail_with(reason: impl std::fmt::Display) -> ExitCode {
    print_error(format_args!("ul-keys: {reason}"));
    EXIT_UL_KEYS_FAILED.into()
}

/// Reports why the command is waiting and what the user can do. The keychain asks for its password in a separate
/// window.
fn print_wait_reason(wait: WaitReason) {
    let shows_windows = ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    match (wait, shows_windows) {
        (WaitReason::Asked, false) => print_error(
            "ul-keys: the keychain is locked, and this terminal has no display on which it could ask for its password. \
             Unlock it on the desktop of this computer within a minute, or log in there first.",
        ),
        (WaitReason::Unlock, true) => print_error(
            "ul-keys: the keychain is locked and asks for its password in a separate window. Waiting up to a minute.",
        ),
        (WaitReason::Answer, _) => print_error("ul-keys: the keychain has not answered yet. Waiting up to a minute."),
        (WaitReason::Asked, true) | (WaitReason::Unlock, false) => {}
    }
}

fn run_program(name: String, program: &[OsString], paths: Paths, umask: StartingUmask) -> ExitCode {
    // The port is read before the key, because the key must not be sent to a port that the user did not choose.
    let port = match read_service_port(&paths) {
        Ok(port) => port,
        Err(reason) => return fail_with(format_args!("{reason}. Nothing was started.")),
    };
    let saved = KeychainIndex::load(paths.keychain_index);
    let (account, known) = (name.clone(), saved.prefixes_of(&name));
    let secret = match keychain::run_with_wait_reports(
        name.clone(),
        move || keychain::read_key(&account, &known),
        print_wait_reason,
    ) {
        Ok(secret) => secret,
        Err(error) => return report_keychain_error(&name, &error, &saved),
    };
    let url = format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
    match TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_millis(500)) {
        Ok(_) if port_belongs_to_other_user(port) => {
            return fail_with(format_args!(
                "a program of another user listens at {url} and would receive the key. Nothing was started."
            ));
        }
        Ok(_) => {}
        Err(_) => print_error(format_args!(
            "ul-keys: the key service does not answer at {url}. Is UL Keys open? Starting the program anyway."
        )),
    }
    let Some((file, arguments)) = program.split_first() else {
        return EXIT_UL_KEYS_FAILED.into();
    };
    let mut command = Command::new(file);
    command.args(arguments).env("ULTRALYTICS_API_KEY", secret.expose()).env("ULTRALYTICS_PLATFORM_URL", url);
    for (name, value) in bypass_proxy(std::env::vars_os().collect(), &Ipv4Addr::LOCALHOST.to_string()) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    drop(secret);
    umask.restore_umask();
    let error = match exec_program(command) {
        Ok(code) => return code,
        Err(error) => error,
    };
    print_error(format_args!("ul-keys: {}: {error}", file.to_string_lossy()));
    match error.kind() {
        std::io::ErrorKind::NotFound => EXIT_PROGRAM_NOT_FOUND.into(),
        _ => EXIT_PROGRAM_CANNOT_START.into(),
    }
}

/// Reads the port of the key service from the settings. An error explains why the port is unknown.
fn read_service_port(paths: &Paths) -> Result<u16, String> {
    let file = paths.settings.display();
    // A terminal inside a snap or Flatpak, for example, uses different data folders from the desktop session that runs
    // the window.
    if !paths.settings.exists() && !paths.database.exists() {
        let database = paths.database.display();
        return Err(format!(
            "there is neither a settings file {file} nor a key database {database}. Open UL Keys first. If it is open, \
             XDG_CONFIG_HOME, XDG_DATA_HOME and UL_KEYS_DATA_DIR must be the same in this terminal"
        ));
    }
    let settings = Settings::load(paths.settings.clone());
    match settings.problem() {
        Some(SettingsProblem::Unreadable { reason }) => {
            Err(format!("the settings file {file} cannot be read: {reason}"))
        }
        Some(SettingsProblem::Ignored { settings: ignored }) => {
            match ignored.iter().find(|ignored| ignored.name == "port") {
                Some(port) => Err(format!("the settings file {file} cannot be used: {port}")),
                None => Ok(settings.port()),
            }
        }
        _ => Ok(settings.port()),
    }
}

/// Returns whether a program of another user listens on a local port. Returns `false` if the owner is unknown, because
/// most systems do not report it.
fn port_belongs_to_other_user(port: u16) -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::net::IpAddr;
        let own = rustix::process::getuid().as_raw();
        // A listener on `::` also accepts IPv4 connections.
        let sockets = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flat_map(Result::unwrap_or_default);
        let is_listening = |socket: &procfs::net::TcpNetEntry| {
            socket.state == procfs::net::TcpState::Listen && socket.local_address.port() == port
        };
        let listening: Vec<_> = sockets.filter(is_listening).collect();
        let address = |socket: &procfs::net::TcpNetEntry| socket.local_address.ip().to_canonical();
        // The kernel passes a connection to the most specific listener, so a listener on 127.0.0.1 takes precedence.
        let exact = listening.iter().find(|socket| address(socket) == IpAddr::V4(Ipv4Addr::LOCALHOST));
        exact.map_or_else(
            || listening.iter().any(|socket| address(socket).is_unspecified() && socket.uid != own),
            |socket| socket.uid != own,
        )
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = port;
        false
    }
}

/// Returns the environment variables that make a program connect to `host` directly. Without them, a proxy that is
/// configured in the environment would receive the key. A variable with the value `None` must be removed.
///
/// Programs differ in which spelling of `NO_PROXY` they read and in which one takes precedence. Therefore, all
/// spellings get the same value: `host`, and the exceptions listed under any spelling. The variables are set even if no
/// proxy is configured, because the program may be a script that configures one. If `*` excepts all hosts, the proxy
/// variables are also removed, because not all programs support `*`.
fn bypass_proxy(environment: Vec<(OsString, OsString)>, host: &str) -> Vec<(OsString, Option<OsString>)> {
    let mut names = vec![OsString::from("NO_PROXY"), OsString::from("no_proxy")];
    let mut exceptions: Vec<OsString> = Vec::new();
    let mut add = |exception: OsString| {
        if !exception.is_empty() && !exceptions.iter().any(|known| known.eq_ignore_ascii_case(&exception)) {
            exceptions.push(exception);
        }
    };
    let (excepting, others): (Vec<_>, Vec<_>) =
        environment.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case("no_proxy"));
    for (name, value) in excepting {
        match value.to_str() {
            Some(list) => list.split(',').for_each(|exception| add(exception.trim().into())),
            // A list that is not UTF-8 is added as a single exception.
            None => add(value),
        }
        names.push(name);
    }
    let mut removed = Vec::new();
    if exceptions.iter().any(|exception| exception == "*") {
        exceptions.retain(|exception| exception != "*");
        let names_proxy = |name: &OsString| name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy");
        removed.extend(others.into_iter().map(|(name, _)| name).filter(names_proxy));
    }
    if !exceptions.iter().any(|known| known.eq_ignore_ascii_case(host)) {
        exceptions.push(host.into());
    }
    let value = exceptions.join(OsStr::new(","));
    let set = names.into_iter().map(|name| (name, Some(value.clone())));
    set.chain(removed.into_iter().map(|name| (name, None))).collect()
}

/// Replaces this process with the program, so that signals, the terminal and the exit code are those of the program.
#[cfg(unix)]
fn exec_program(mut command: Command) -> std::io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(not(unix))]
fn exec_program(mut command: Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the value that a program receives in both `NO_PROXY` and `no_proxy`.
    fn no_proxy_after_bypass(environment: &[(&str, &str)]) -> String {
        let set = bypass_proxy(to_os_strings(environment), "127.0.0.1");
        let set: Vec<_> = set.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        for name in ["NO_PROXY", "no_proxy"] {
            assert!(set.iter().any(|(set, _)| set == name), "{name}");
        }
        assert!(set.iter().all(|(_, value)| *value == set[0].1), "{set:?}");
        set[0].1.to_str().expect("text").to_owned()
    }

    fn to_os_strings(environment: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// Not all programs support `*`: wget would send the key to the proxy.
    #[test]
    fn bypass_proxy_with_wildcard_removes_proxy_variables() {
        let environment = [("NO_PROXY", "a, *"), ("http_proxy", "x"), ("ALL_PROXY", "y"), ("PATH", "z")];
        let removed = bypass_proxy(to_os_strings(&environment), "127.0.0.1").into_iter();
        let removed: Vec<_> = removed.filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert_eq!(removed, ["http_proxy", "ALL_PROXY"]);
        let kept = bypass_proxy(to_os_strings(&[("NO_PROXY", "a"), ("http_proxy", "x")]), "127.0.0.1");
        assert!(kept.iter().all(|(_, value)| value.is_some()), "{kept:?}");
    }

    #[test]
    fn bypass_proxy_keeps_exceptions_and_adds_host_once() {
        for (environment, expected) in [
            (&[][..], "127.0.0.1"),
            (&[("HTTP_PROXY", "http://proxy"), ("NO_PROXY", "")], "127.0.0.1"),
            (&[("NO_PROXY", "localhost")], "localhost,127.0.0.1"),
            (&[("no_proxy", "127.0.0.1")], "127.0.0.1"),
            (&[("no_proxy", " a , ,b,A, 127.0.0.1 ")], "a,b,127.0.0.1"),
            (&[("NO_PROXY", "a,b"), ("no_proxy", "b,.c")], "a,b,.c,127.0.0.1"),
            (&[("NO_PROXY", "a b")], "a b,127.0.0.1"),
            (&[("NO_PROXY", "127.0.0.11,127.0.0.0/8,[::1]:80")], "127.0.0.11,127.0.0.0/8,[::1]:80,127.0.0.1"),
            (&[("No_Proxy", "c"), ("NO_proxy", "d")], "c,d,127.0.0.1"),
            (&[("NO_PROXY", "*")], "127.0.0.1"),
            (&[("no_proxy", "a, * ")], "a,127.0.0.1"),
        ] {
            assert_eq!(no_proxy_after_bypass(environment), expected, "{environment:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn bypass_proxy_keeps_exceptions_that_are_not_utf8() {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let environment = vec![("no_proxy".into(), OsString::from_vec(b"a\xff,b".to_vec()))];
        for (_, value) in bypass_proxy(environment, "127.0.0.1") {
            assert_eq!(value.expect("set").as_bytes(), b"a\xff,b,127.0.0.1");
        }
    }

    #[test]
    fn command_line_accepts_valid_and_rejects_invalid_arguments() {
        <CliArguments as clap::CommandFactory>::command().debug_assert();
        let run =
            CliArguments::try_parse_from(["ul-keys", "run", "--key", "a b", "--", "yolo", "--help"]).expect("valid");
        assert!(matches!(run.action, Some(CliAction::Run { key, program }) if key == "a b" && program.len() == 2));
        assert!(CliArguments::try_parse_from(["ul-keys"]).expect("valid").action.is_none());
        assert!(CliArguments::try_parse_from(["ul-keys", "run", "--key", "a"]).is_err(), "a program is required");
        let key = format!("ul_{}", "0123456789".repeat(4));
        assert!(CliArguments::try_parse_from(["ul-keys", "forget", &key]).is_err(), "a key in place of its name");
        let own = ["ul-keys", "run", "--key", "a", "--", "program", &key];
        assert!(CliArguments::try_parse_from(own).is_ok(), "the arguments of the program are not checked");
    }
}
