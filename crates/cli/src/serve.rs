//! Runs the key service without a window.

mod config;
mod sockets;
mod system_manager;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::storage::mib_to_bytes;
use ulkeys_local::log;
use ulkeys_local::paths::Paths;
use ulkeys_local::process_hardening;
use ulkeys_local::service_session::{ServiceSession, SessionFile, remove_stale_session};
use ulkeys_local::terminal::print_error;
use ulkeys_local::user::login_name;
use ulkeys_service::{
    Account, CheckpointConfig, Config, DatabaseMonitor, KeyService, SessionToken, Setting, Timing, TrainingConfig,
    system_clock,
};
use ulkeys_store::{DatabaseProblem, SqliteStore};

pub(crate) use config::ServeOptions;
use config::{LoadedConfig, ReloadableConfig};

/// The time for which the start of the service waits for the database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two attempts to open the database.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The exit code if the configuration is not valid (`EX_CONFIG`, `sysexits(3)`).
const EXIT_CONFIG: u8 = 78;

/// Runs the key service until a signal ends it.
pub(crate) fn serve(options: &ServeOptions) -> ExitCode {
    let loaded = match LoadedConfig::load(options) {
        Ok(loaded) => loaded,
        Err(error) => {
            print_error(format_args!("ul-keys: {error}"));
            return EXIT_CONFIG.into();
        }
    };
    if options.print_config {
        return loaded.print();
    }
    if options.background {
        log::start_logging(&loaded.paths.logs);
        leave_terminal();
    } else {
        log::start_logging_to_standard_error(loaded.config.log_format);
    }
    process_hardening::disable_memory_access();
    process_hardening::restrict_existing_files_to_owner(&loaded.paths);
    for error in &loaded.paths.relocation_errors {
        tracing::warn!(%error, "a folder of the former identifier has not moved");
    }
    // The sockets of systemd are named in the environment, which must not change while other threads run.
    let inherited = match sockets::take_inherited() {
        Ok(inherited) => inherited,
        Err(reason) => return fail(&reason),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run_service(loaded, inherited, options.clone())) {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(reason) => fail(&reason),
    }
}

/// Starts a session of its own, so that the signals of the terminal that started the window do not end the service.
fn leave_terminal() {
    #[cfg(unix)]
    if let Err(error) = rustix::process::setsid() {
        tracing::warn!(%error, "cannot leave the terminal, so closing it may end the service");
    }
}

fn fail(reason: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!(%reason, "the key service cannot run");
    ExitCode::FAILURE
}

/// Runs the service until a signal ends it. The error is the reason for which it could not start, or ended.
async fn run_service(
    loaded: LoadedConfig,
    inherited: Vec<std::net::TcpListener>,
    options: ServeOptions,
) -> Result<(), String> {
    let LoadedConfig { config, paths, .. } = loaded;
    let is_background = options.background;
    let shutdown = CancellationToken::new();
    let reloadable = watch::Sender::new(config.reloadable());
    let session_file = Arc::new(Mutex::new(None));
    // The signals are handled before the database is opened, because opening it can take long.
    let signals = Signals::new().map_err(|error| format!("cannot handle signals: {error}"))?;
    let (file, reload) = (session_file.clone(), reloadable.clone());
    let on_stop = move || drop(file.lock().take());
    tokio::spawn(signals.handle(shutdown.clone(), move || reload_config(&options, &reload), on_stop));

    let listeners = sockets::open(inherited, &config.listen, config.port).await?;
    let addresses = listeners.iter().map(|listener| listener.local_addr()).collect::<Result<Vec<_>, _>>();
    let addresses = addresses.map_err(|error| error.to_string())?;
    let Some(store) = shutdown.run_until_cancelled(open_store(&paths)).await.transpose()? else {
        return Ok(());
    };
    remove_stale_session(&paths.database);
    let session = SessionToken::generate(&mut rand::rngs::SysRng).map_err(|error| error.to_string())?;
    let written = write_session_file(&paths, &addresses, &session, is_background);
    let database = DatabaseMonitor::new(&store, &paths.database, &paths.revocations);
    let config = service_config(session, database, &paths, &reloadable);
    let service = KeyService::load(Arc::new(store), config);
    let service = service.await.map_err(|error| format!("{}: {error}", paths.database.display()))?;
    if let Some(written) = written {
        tracing::info!(path = %written.path().display(), "programs of this user find the service by this file");
        *session_file.lock() = Some(written);
    }

    system_manager::spawn_watchdog(shutdown.clone());
    system_manager::report_ready();
    for address in &addresses {
        tracing::info!(url = %service_url(*address), "listening");
    }
    let served = service.serve(listeners, shutdown).await;
    session_file.lock().take();
    served.map_err(|error| error.to_string())
}

/// Opens the database. Waits for a while if another service has it open, because that service may be stopping.
async fn open_store(paths: &Paths) -> Result<SqliteStore, String> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    let mut is_waiting = false;
    loop {
        let (database, record) = (paths.database.clone(), paths.revocations.clone());
        let open = move || SqliteStore::open_with_record(&database, &record, system_clock);
        match tokio::task::spawn_blocking(open).await.map_err(|error| error.to_string())? {
            Ok(store) => return Ok(store),
            Err(error) if error.problem == DatabaseProblem::Locked && Instant::now() < deadline => {
                if !std::mem::replace(&mut is_waiting, true) {
                    tracing::info!(%error, "waiting for the key database");
                }
                tokio::time::sleep(LOCK_POLL_INTERVAL).await;
            }
            Err(error) => return Err(format!("{}: {error}", paths.database.display())),
        }
    }
}

/// Writes the session file. Without it, other programs of this user cannot manage keys, but keys are still accepted.
fn write_session_file(
    paths: &Paths,
    addresses: &[SocketAddr],
    session: &SessionToken,
    is_background: bool,
) -> Option<SessionFile> {
    let url = service_url(*addresses.first()?);
    let session = session.expose().to_owned().into();
    let session = ServiceSession { url, pid: std::process::id(), is_background, session };
    SessionFile::write(&paths.database, &session)
        .inspect_err(|error| tracing::error!(%error, "cannot write the session file, so no program can manage keys"))
        .ok()
}

fn service_url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn service_config(
    session: SessionToken,
    database: DatabaseMonitor,
    paths: &Paths,
    reloadable: &watch::Sender<ReloadableConfig>,
) -> Config {
    let days = |days: u32| Duration::from_hours(24 * u64::from(days));
    Config {
        session,
        account: Account::from_login_name(login_name()),
        database: Some(database),
        clock: system_clock,
        limits: Setting::follow(reloadable.subscribe(), |config| config.limits),
        checkpoints: CheckpointConfig {
            max_total: Setting::follow(reloadable.subscribe(), |config| mib_to_bytes(config.storage.training)),
            ..CheckpointConfig::in_folder(paths.database.with_file_name("checkpoints"))
        },
        training: TrainingConfig {
            limits: Setting::follow(reloadable.subscribe(), |config| config.storage),
            retention: Setting::follow(reloadable.subscribe(), move |config| config.run_days.map(days)),
        },
        timing: Timing::default(),
    }
}

/// Reads the configuration again, and applies what can change while the service runs. If the configuration is not
/// valid, nothing changes.
fn reload_config(options: &ServeOptions, reloadable: &watch::Sender<ReloadableConfig>) {
    match LoadedConfig::load(options) {
        Ok(loaded) => {
            reloadable.send_replace(loaded.config.reloadable());
            tracing::info!("reloaded the limits; changes to other settings take effect at the next start");
        }
        Err(error) => tracing::error!(%error, "the configuration is not valid, so the former limits stay in effect"),
    }
}

/// The signals that end the service or reload its configuration.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    /// Sent when a write exceeds the file size limit (setrlimit(2)). By default, it kills the process. If it is
    /// handled, the write fails instead, and its error is reported.
    _size_limit: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            _size_limit: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Calls `reload` for each SIGHUP. At SIGTERM or SIGINT, calls `on_stop` and cancels `shutdown`.
    async fn handle(mut self, shutdown: CancellationToken, reload: impl Fn(), on_stop: impl FnOnce()) {
        loop {
            tokio::select! {
                _ = self.hang_up.recv() => {
                    system_manager::report_reloading();
                    reload();
                    system_manager::report_ready();
                }
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
            }
        }
        tracing::info!("stopping: open requests may finish for two seconds, and pending usage is written");
        system_manager::report_stopping();
        on_stop();
        shutdown.cancel();
        // A second signal ends the process immediately, for example while a disk does not respond.
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::warn!("stopped by a second signal; usage of the last seconds may be lost");
        std::process::exit(1);
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn handle(self, shutdown: CancellationToken, _reload: impl Fn(), on_stop: impl FnOnce()) {
        let _ = tokio::signal::ctrl_c().await;
        on_stop();
        shutdown.cancel();
    }
}
