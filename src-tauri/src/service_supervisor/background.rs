//! The background service: `ul-keys serve`, which takes over the app's sockets, so that keys continue to work without a
//! window.
//!
//! The service cannot stay in the app's process: GTK ends the process as soon as its display is gone, for example at the
//! end of a desktop session. A process of its own also needs a tenth of the memory.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ulkeys_store::SqliteStore;

use super::attached::{self, AttachedService};

/// The maximum time for the background service to become ready.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum time for the background service to write pending data and stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Returns the path of `ul-keys`, which is installed in the same folder as the app. Returns `None` if it is not
/// installed, or if the system cannot pass sockets to another process.
pub(super) fn find_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.with_file_name("ul-keys");
    (cfg!(unix) && program.is_file()).then_some(program)
}

/// Starts the background service on open sockets, on which connections wait for it. Returns when the service is ready.
///
/// # Errors
/// Returns the reason if the service does not become ready. Its log contains the details.
#[cfg(unix)]
pub(super) async fn start(sockets: &[TcpListener], database: &Path) -> Result<AttachedService, String> {
    use std::os::fd::OwnedFd;
    use std::process::Stdio;

    use command_fds::{CommandFdExt as _, FdMapping};

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
        .env_remove("LISTEN_PID")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.fd_mappings(mappings).map_err(|error| error.to_string())?;
    let started = tokio::process::Command::from(command).spawn();
    let mut process = started.map_err(|error| format!("{}: {error}", program.display()))?;
    let start = Instant::now();
    while start.elapsed() < START_TIMEOUT {
        if let Some(service) =
            attached::connect(database).await.filter(|service| service.background_pid == process.id())
        {
            return Ok(service);
        }
        if let Ok(Some(status)) = process.try_wait() {
            return Err(format!("it ended with {status}"));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    // It must not open the database later, when the app uses it.
    let _ = process.kill().await;
    Err("it does not become ready".to_owned())
}

#[cfg(not(unix))]
pub(super) async fn start(_sockets: &[TcpListener], _database: &Path) -> Result<AttachedService, String> {
    Err("this system cannot pass sockets to another process".to_owned())
}

/// Stops the background service, and waits until it has closed the database.
pub(super) async fn stop(pid: u32, database: &Path) {
    send_signal(pid, Signal::Stop);
    let start = Instant::now();
    while SqliteStore::is_in_use(database) {
        if start.elapsed() > STOP_TIMEOUT {
            return tracing::warn!("the background service did not stop in time");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Makes the background service read the settings again.
pub(super) fn reload_settings(pid: u32) {
    send_signal(pid, Signal::Reload);
}

#[derive(Clone, Copy)]
enum Signal {
    Stop,
    Reload,
}

#[cfg(unix)]
fn send_signal(pid: u32, signal: Signal) {
    use rustix::process::{self, Pid};
    let signal = match signal {
        Signal::Stop => process::Signal::TERM,
        Signal::Reload => process::Signal::HUP,
    };
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    if let Err(error) = process::kill_process(pid, signal) {
        tracing::warn!(%error, ?signal, "could not signal the background service");
    }
}

#[cfg(not(unix))]
fn send_signal(_pid: u32, _signal: Signal) {}
