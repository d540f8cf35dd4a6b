//! Runs the program `ul-keys serve`, a key service in a process of its own.

use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use ulkeys_client::ApiClient;

use crate::wait::{POLL_INTERVAL, WAIT_TIMEOUT};
use crate::{Child, Desktop, cli_binary, free_port, send_signal};

/// A running `ul-keys serve`. The process is killed when this value is dropped.
pub struct HeadlessService {
    process: Child,
    /// The base URL of the service.
    pub url: String,
    /// The token that authorizes the management of keys.
    pub session: String,
    /// An API client that authenticates with the session.
    pub client: ApiClient,
    /// Receives what the service reports to systemd.
    reports: UnixDatagram,
    data: PathBuf,
    session_folder: PathBuf,
}

impl HeadlessService {
    /// Starts the service with its data in a folder, on a free port, and waits until it reports that it is ready.
    ///
    /// # Errors
    /// Returns an error with the log if the service does not become ready.
    pub async fn start(data: &Path) -> Result<Self> {
        Self::start_with(data, Command::new(cli_binary()).args(["serve", "--listen"]).arg(free_address()?)).await
    }

    /// Starts the service by a command, and waits until it reports that it is ready. The command receives the folder in
    /// its environment, and no variables of the test except `PATH`.
    ///
    /// # Errors
    /// Returns an error with the log if the service does not become ready.
    pub async fn start_with(data: &Path, command: &mut Command) -> Result<Self> {
        let runtime_folder = data.with_extension("run");
        std::fs::create_dir_all(&runtime_folder)?;
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("UL_KEYS_DATA_DIR", data)
            .env("XDG_RUNTIME_DIR", &runtime_folder);
        Self::spawn(data, &runtime_folder.join("ul-keys"), command).await
    }

    /// Starts the service with the data of the app on a desktop, as the same user, at an address.
    ///
    /// # Errors
    /// Returns an error with the log if the service does not become ready.
    pub async fn start_on_desktop(desktop: &Desktop, address: &str) -> Result<Self> {
        let mut command = desktop.command(cli_binary());
        command.args(["serve", "--listen", address]);
        Self::start_command_on_desktop(desktop, &mut command).await
    }

    /// Starts the service by a command of the desktop, with the data of the app on it.
    pub(crate) async fn start_command_on_desktop(desktop: &Desktop, command: &mut Command) -> Result<Self> {
        Self::spawn(&desktop.data_folder(), &desktop.home().join("run/ul-keys"), command).await
    }

    async fn spawn(data: &Path, session_folder: &Path, command: &mut Command) -> Result<Self> {
        let socket = data.with_extension("notify");
        let _ = std::fs::remove_file(&socket);
        let reports = UnixDatagram::bind(&socket)?;
        reports.set_read_timeout(Some(Duration::from_millis(100)))?;
        let log = std::fs::File::options().create(true).append(true).open(log_path(data))?;
        command.env("NOTIFY_SOCKET", &socket).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Child::spawn(command)?;
        let client = ApiClient::new("http://127.0.0.1:1", "none")?;
        let (url, session) = (String::new(), String::new());
        let (data, session_folder) = (data.to_owned(), session_folder.to_owned());
        let mut service = Self { process, url, session, client, reports, data, session_folder };
        service.wait_for_report("READY=1").await?;
        service.read_session()?;
        Ok(service)
    }

    /// Returns the path of the session file. Its name depends on the data folder.
    ///
    /// # Errors
    /// Returns an error if there is no session file.
    pub fn session_file(&self) -> Result<PathBuf> {
        Ok(self.session_folder.read_dir()?.next().context("no session file")??.path())
    }

    /// Reads the session file again, for example after systemd has restarted the service.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn read_session(&mut self) -> Result<()> {
        let session = std::fs::read_to_string(self.session_file()?).context("no session file")?;
        let session: Value = serde_json::from_str(&session)?;
        self.url = session["url"].as_str().context("no URL")?.to_owned();
        self.session = session["session"].as_str().context("no session")?.to_owned();
        self.client = ApiClient::new(&self.url, &self.session)?;
        Ok(())
    }

    /// Waits until the service sends a report to systemd that contains this line (`sd_notify(3)`).
    ///
    /// # Errors
    /// Returns an error with the log if the service ends or sends no such report within [`WAIT_TIMEOUT`].
    pub async fn wait_for_report(&mut self, line: &str) -> Result<()> {
        let start = Instant::now();
        let mut report = [0; 1024];
        loop {
            if let Ok(length) = self.reports.recv(&mut report)
                && String::from_utf8_lossy(&report[..length]).lines().any(|sent| sent == line)
            {
                return Ok(());
            }
            let ended = self.process.process().try_wait()?;
            if ended.is_some() || start.elapsed() > WAIT_TIMEOUT {
                bail!("no report {line}; {ended:?}:\n{}", self.log()?);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns everything that the service has logged.
    ///
    /// # Errors
    /// Returns an error if the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let mut text = String::new();
        std::fs::File::open(log_path(&self.data))?.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Returns the process ID.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends SIGTERM, and waits until the process has ended.
    ///
    /// # Errors
    /// Returns an error if the process does not end within [`WAIT_TIMEOUT`].
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        send_signal(self.pid(), "TERM")?;
        self.wait_for_exit().await
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// Returns an error if the process does not end within [`WAIT_TIMEOUT`].
    pub async fn wait_for_exit(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.process().try_wait()? {
                return Ok(status);
            }
            ensure!(start.elapsed() < WAIT_TIMEOUT, "the service does not stop:\n{}", self.log()?);
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Returns a loopback address with a free port.
///
/// # Errors
/// Returns an error if there is no free port.
pub fn free_address() -> Result<String> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

fn log_path(data: &Path) -> PathBuf {
    data.with_extension("log")
}
