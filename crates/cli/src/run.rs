//! Starts a program with keys from the keychain.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, ExitCode};
use std::time::Duration;

use ulkeys_domain::Secret;
use ulkeys_local::keychain;
use ulkeys_local::keychain_index::KeychainIndex;
use ulkeys_local::paths::Paths;
use ulkeys_local::ports::port_belongs_to_other_user;
use ulkeys_local::process_hardening::StartingUmask;
use ulkeys_local::service_session::find_running_service;
use ulkeys_local::settings::{Settings, SettingsProblem};
use ulkeys_local::terminal::print_error;

use crate::arguments::{KeyVariable, URL_VARIABLE};
use crate::keychain_commands::{locate_paths, print_wait_reason, report_keychain_error};
use crate::{EXIT_UL_KEYS_FAILED, fail_with};

/// The exit codes for a program that cannot be started (126) and for a program that is not found (127). `env`, `nohup`
/// and `docker run` use the same codes.
const EXIT_PROGRAM_CANNOT_START: u8 = 126;
const EXIT_PROGRAM_NOT_FOUND: u8 = 127;

/// Replaces this process with a program that receives keys and the address of the service in its environment.
pub(crate) fn run_program(keys: &[KeyVariable], program: &[OsString], umask: StartingUmask) -> ExitCode {
    let command = match prepare_command(keys, program) {
        Ok(command) => command,
        Err(code) => return code,
    };
    umask.restore_umask();
    let file = command.get_program().to_string_lossy().into_owned();
    let error = match exec_program(command) {
        Ok(code) => return code,
        Err(error) => error,
    };
    print_error(format_args!("ul-keys: {file}: {error}"));
    match error.kind() {
        std::io::ErrorKind::NotFound => EXIT_PROGRAM_NOT_FOUND.into(),
        _ => EXIT_PROGRAM_CANNOT_START.into(),
    }
}

/// Reads the keys, and adds them to the environment of the program.
///
/// # Errors
/// Returns the exit code after printing the reason.
fn prepare_command(keys: &[KeyVariable], program: &[OsString]) -> Result<Command, ExitCode> {
    let paths = locate_paths()?;
    // The address is read before the keys, because a key must not be sent to a port that the user did not choose.
    let address =
        find_service_address(&paths).map_err(|reason| fail_with(format_args!("{reason}. Nothing was started.")))?;
    let saved = KeychainIndex::load(paths.keychain_index);
    let secrets = keys.iter().map(|key| read_key(&key.name, &saved)).collect::<Result<Vec<_>, _>>()?;
    let url = format!("http://{address}");
    match TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        Ok(_) if port_belongs_to_other_user(address) => {
            return Err(fail_with(format_args!(
                "a program of another user listens at {url} and would receive the key. Nothing was started."
            )));
        }
        Ok(_) => {}
        Err(_) => print_error(format_args!(
            "ul-keys: the key service does not answer at {url}. Is UL Keys open, or `ul-keys serve` running? \
             Starting the program anyway."
        )),
    }
    let Some((file, arguments)) = program.split_first() else {
        return Err(EXIT_UL_KEYS_FAILED.into());
    };
    let mut command = Command::new(file);
    command.args(arguments).env(URL_VARIABLE, url);
    for (name, value) in bypass_proxy(std::env::vars_os().collect(), address.ip()) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    for (key, secret) in keys.iter().zip(&secrets) {
        command.envs(key.variables.iter().map(|variable| (variable, secret.expose())));
    }
    Ok(command)
}

/// Reads a key from the keychain. Can take a minute, while the user unlocks the keychain.
fn read_key(name: &str, saved: &KeychainIndex) -> Result<Secret, ExitCode> {
    let (account, known) = (name.to_owned(), saved.prefixes_of(name));
    let read = move || keychain::read_key(&account, &known);
    keychain::run_with_wait_reports(name.to_owned(), read, print_wait_reason)
        .map_err(|error| report_keychain_error(name, &error, saved))
}

/// Returns the address of the key service that this person runs. If none runs, returns the address at which the window
/// would serve. An error explains why the address is unknown.
fn find_service_address(paths: &Paths) -> Result<SocketAddr, String> {
    let running = find_running_service(&paths.database).unwrap_or_else(|error| {
        print_error(format_args!("ul-keys: {error}"));
        None
    });
    match running.and_then(|running| running.url.strip_prefix("http://")?.parse().ok()) {
        Some(address) => Ok(address),
        None => read_service_port(paths).map(|port| (Ipv4Addr::LOCALHOST, port).into()),
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
            "there is neither a settings file {file} nor a key database {database}. Open UL Keys or run \
             `ul-keys serve` first. If one of them is running, XDG_CONFIG_HOME, XDG_DATA_HOME and UL_KEYS_DATA_DIR \
             must be the same in this terminal"
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

/// Returns the environment variables that make a program connect to `host` directly. Without them, a proxy that is
/// configured in the environment would receive the key. A variable with the value `None` must be removed.
///
/// Programs differ in which spelling of `NO_PROXY` they read and in which one takes precedence. Therefore, all
/// spellings get the same value: `host`, and the exceptions listed under any spelling. Some programs expect an IPv6
/// address in brackets and others without, so both forms are added. The variables are set even if no
/// proxy is configured, because the program may be a script that configures one. If `*` excepts all hosts, the proxy
/// variables are also removed, because not all programs support `*`.
fn bypass_proxy(environment: Vec<(OsString, OsString)>, host: IpAddr) -> Vec<(OsString, Option<OsString>)> {
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
    let in_brackets = host.is_ipv6().then(|| format!("[{host}]"));
    for form in std::iter::once(host.to_string()).chain(in_brackets) {
        if !exceptions.iter().any(|known| known.eq_ignore_ascii_case(&form)) {
            exceptions.push(form.into());
        }
    }
    let value = exceptions.join(OsStr::new(","));
    let set = names.into_iter().map(|name| (name, Some(value.clone())));
    set.chain(removed.into_iter().map(|name| (name, None))).collect()
}

/// Replaces this process with the program, so that signals, the terminal and the exit code are those of the program.
#[cfg(unix)]
pub(crate) fn exec_program(mut command: Command) -> std::io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(not(unix))]
pub(crate) fn exec_program(mut command: Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Returns the value that a program receives in both `NO_PROXY` and `no_proxy`.
    fn no_proxy_after_bypass(environment: &[(&str, &str)]) -> String {
        let set = bypass_proxy(to_os_strings(environment), LOCALHOST);
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
        let removed = bypass_proxy(to_os_strings(&environment), LOCALHOST).into_iter();
        let removed: Vec<_> = removed.filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert_eq!(removed, ["http_proxy", "ALL_PROXY"]);
        let kept = bypass_proxy(to_os_strings(&[("NO_PROXY", "a"), ("http_proxy", "x")]), LOCALHOST);
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

    /// Python expects brackets, and curl expects none.
    #[test]
    fn bypass_proxy_adds_ipv6_host_with_and_without_brackets() {
        let environment = to_os_strings(&[("no_proxy", "a")]);
        for (_, value) in bypass_proxy(environment, Ipv6Addr::LOCALHOST.into()) {
            assert_eq!(value.expect("set"), "a,::1,[::1]");
        }
    }

    #[cfg(unix)]
    #[test]
    fn bypass_proxy_keeps_exceptions_that_are_not_utf8() {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let environment = vec![("no_proxy".into(), OsString::from_vec(b"a\xff,b".to_vec()))];
        for (_, value) in bypass_proxy(environment, LOCALHOST) {
            assert_eq!(value.expect("set").as_bytes(), b"a\xff,b,127.0.0.1");
        }
    }
}
