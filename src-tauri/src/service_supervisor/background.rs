//! The background service: `ul-keys serve`, which takes over the app's sockets, so that keys continue to work without a
//! window.
//!
//! The service cannot stay in the app's process: GTK ends the process as soon as its display is gone, for example at
//! the end of a desktop session. A process of its own also needs a tenth of the memory.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::attached::{self, AttachedService};
use super::process_handle::ProcessSignal;

/// The maximum time for the background service to become ready.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(30);
/// Variables that would configure the background service differently from the service in the app.
const OTHER_SETTINGS: &[&str] = &[
    "UL_KEYS_LISTEN",
    "UL_KEYS_CONFIG",
    "UL_KEYS_LOG_FORMAT",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_FDS_FIRST_FD",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Returns the path of `ul-keys`, which is installed in the same folder as the app. Returns `None` if it is not
/// installed, or if the system cannot pass sockets to another process.
pub(crate) fn find_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.with_file_name("ul-keys");
    (cfg!(unix) && program.is_file()).then_some(program)
}

/// Starts the background service on open sockets, on which connections wait for it. Returns when the service is ready.
/// Stops it, and returns an error, as soon as `is_unwanted` returns true.
///
/// # Errors
/// Returns the reason if the service does not become ready.
#[cfg(unix)]
pub(super) async fn start(
    sockets: &[TcpListener],
    database: &Path,
    is_unwanted: impl Fn() -> bool,
) -> Result<AttachedService, String> {
    use std::os::fd::OwnedFd;
    use std::process::Stdio;

    use command_fds::{CommandFdExt as _, FdMapping};
    use ulkeys_local::paths::DATA_DIR_VARIABLE;

    use super::process_handle::ProcessHandle;

    let program = find_program().ok_or("the program ul-keys is not installed")?;
    // The first descriptor that `sd_listen_fds(3)` passes.
    let mappings = sockets.iter().zip(3..).map(|(socket, child_fd)| {
        socket.try_clone().map(|socket| FdMapping { parent_fd: OwnedFd::from(socket), child_fd })
    });
    let mappings = mappings.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let mut command = std::process::Command::new(&program);
    command
        .args(["serve", "--background"])
        .env("LISTEN_FDS", sockets.len().to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for variable in OTHER_SETTINGS {
        command.env_remove(variable);
    }
    if std::env::var_os(DATA_DIR_VARIABLE).is_some_and(|folder| !folder.is_empty())
        && let Some(folder) = database.parent()
    {
        // The variable may contain a path that is relative to the folder of this process.
        command.env(DATA_DIR_VARIABLE, std::path::absolute(folder).map_err(|error| error.to_string())?);
    }
    command.fd_mappings(mappings).map_err(|error| error.to_string())?;
    let started = tokio::process::Command::from(command).spawn();
    let mut process = started.map_err(|error| format!("{}: {error}", program.display()))?;
    let start = Instant::now();
    while start.elapsed() < START_TIMEOUT && !is_unwanted() {
        tokio::time::sleep(POLL_INTERVAL).await;
        let service = attached::connect(database).await;
        if let Some(service) =
            service.filter(|service| service.background.as_ref().map(ProcessHandle::pid) == process.id())
        {
            return Ok(service);
        }
        if let Ok(Some(status)) = process.try_wait() {
            return Err(format!("it ended with {status}"));
        }
    }
    // It must not open the database later, when the app uses it.
    if let Some(running) = process.id().and_then(ProcessHandle::open) {
        running.send_signal(ProcessSignal::Stop);
        running.wait_for_end().await;
    }
    Err("it does not become ready".to_owned())
}

#[cfg(not(unix))]
pub(super) async fn start(
    _sockets: &[TcpListener],
    _database: &Path,
    _is_unwanted: impl Fn() -> bool,
) -> Result<AttachedService, String> {
    Err("this system cannot pass sockets to another process".to_owned())
}
