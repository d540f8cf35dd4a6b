//! Starts the key service, monitors it, moves it to another port, and stops it. The service runs in this process, or in
//! a background process if keys must work without a window. If the person runs a service with the same database
//! (`ul-keys serve`), uses that service instead.

mod attached;
mod background;
mod ports;
mod process_handle;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ulkeys_api::{ChangeCount, DatabaseHealth, DatabaseProblem};
use ulkeys_client::ApiClient;
use ulkeys_domain::RateLimits;
use ulkeys_domain::storage::mib_to_bytes;
use ulkeys_local::service_session::remove_stale_session;
use ulkeys_local::user::login_name;
use ulkeys_service::{
    Account, CheckpointConfig, Config, DatabaseMonitor, KeyService, SessionToken, Setting, Timing, TrainingConfig,
    listen,
};
use ulkeys_store::SqliteStore;

use crate::database_problem::describe_problem;
use crate::service_status::{ServiceHost, ServiceStatus};
use attached::AttachedService;
pub(crate) use background::find_program as find_background_program;
use process_handle::{ProcessHandle, ProcessSignal};

/// Maximum time that the service may take to write pending data and stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The time in which a service outside the app, which has ended, may restart. After this time, the app starts its own
/// service, so that the keys continue to work.
const RESTART_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two attempts to attach to a service that restarts.
const RESTART_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// The pause between two attempts to attach to a service that may be starting.
const ATTACH_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Supervises the key service.
pub(crate) struct ServiceSupervisor {
    database: PathBuf,
    revocations: PathBuf,
    limits: Setting<RateLimits>,
    training: TrainingConfig,
    /// Whether the user wants keys to work without a window.
    keeps_running: Setting<bool>,
    /// Whether the service was last in the background, so that it also restarts there.
    was_in_background: AtomicBool,
    /// Set when the app ends. The service is not started any more.
    is_finishing: AtomicBool,
    status: watch::Sender<ServiceStatus>,
    /// The health of the database. Its list of outside changes (made by other programs) also contains those that were
    /// detected before the service was restarted.
    health: watch::Sender<DatabaseHealth>,
    running: Mutex<Option<RunningService>>,
    /// Locked while the service starts or stops, so that two requests to start or stop it do not overlap.
    changing: tokio::sync::Mutex<()>,
}

/// Why the service was not moved to another port.
pub(crate) enum PortChangeError {
    /// Another program runs the service.
    NotOwnService,
    /// Another program listens on the new port.
    PortInUse,
    /// The new port cannot be opened for another reason.
    PortClosed(std::io::Error),
    /// The new port could not be saved in the settings.
    NotSaved(std::io::Error),
}

struct RunningService {
    client: ApiClient,
    url: String,
    port: u16,
    place: ServicePlace,
}

/// Where the service runs.
enum ServicePlace {
    /// In this process. `sockets` are those on which the service listens, so that another process can take them over.
    Embedded { shutdown: CancellationToken, server: JoinHandle<()>, sockets: Vec<std::net::TcpListener> },
    /// In another process. Cancelling `detached` ends the task that waits for the end of that service.
    /// `background` is its process if a window has started it.
    Attached { detached: CancellationToken, background: Option<ProcessHandle> },
}

impl RunningService {
    fn background(&self) -> Option<&ProcessHandle> {
        match &self.place {
            ServicePlace::Attached { background, .. } => background.as_ref(),
            ServicePlace::Embedded { .. } => None,
        }
    }

    fn host(&self) -> ServiceHost {
        match self.place {
            ServicePlace::Embedded { .. } => ServiceHost::App,
            ServicePlace::Attached { background: Some(_), .. } => ServiceHost::Background,
            ServicePlace::Attached { background: None, .. } => ServiceHost::OtherProgram,
        }
    }
}

/// What happens to the service when the app ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ServiceFate {
    /// A service in this process stops, and one in the background keeps running. This is how the app ends after a
    /// signal, for example at the end of a desktop session.
    #[default]
    Unchanged,
    /// The service keeps running in the background.
    KeepRunning,
    /// The service stops, unless another program runs it.
    Stop,
}

impl ServiceSupervisor {
    pub(crate) fn new(
        database: PathBuf,
        revocations: PathBuf,
        limits: Setting<RateLimits>,
        training: TrainingConfig,
        keeps_running: Setting<bool>,
    ) -> Self {
        Self {
            database,
            revocations,
            limits,
            training,
            keeps_running,
            was_in_background: AtomicBool::default(),
            is_finishing: AtomicBool::default(),
            status: watch::Sender::new(ServiceStatus::Starting),
            health: watch::Sender::new(DatabaseHealth::default()),
            running: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Subscribes to the health of the database.
    pub(crate) fn subscribe_health(&self) -> watch::Receiver<DatabaseHealth> {
        self.health.subscribe()
    }

    /// Returns the current status of the service.
    pub(crate) fn status(&self) -> ServiceStatus {
        self.status.borrow().clone()
    }

    /// Subscribes to the status of the service.
    pub(crate) fn subscribe_status(&self) -> watch::Receiver<ServiceStatus> {
        self.status.subscribe()
    }

    /// Returns an API client that is authenticated with the session credential, or `None` if the service is not
    /// running.
    pub(crate) fn api_client(&self) -> Option<ApiClient> {
        self.running.lock().as_ref().map(|running| running.client.clone())
    }

    /// Starts the service on `port` of the loopback interface. A failure is reported in the returned status.
    pub(crate) async fn start(self: &Arc<Self>, port: u16) -> ServiceStatus {
        let _changing = self.changing.lock().await;
        self.start_locked(port).await
    }

    /// Stops the service if it is running, and starts it on `port`.
    pub(crate) async fn restart(self: &Arc<Self>, port: u16) -> ServiceStatus {
        let _changing = self.changing.lock().await;
        self.stop_locked().await;
        self.start_locked(port).await
    }

    /// Returns which program runs the service.
    pub(crate) fn host(&self) -> ServiceHost {
        self.running.lock().as_ref().map_or(ServiceHost::App, RunningService::host)
    }

    /// Returns whether the service can continue to run when the app ends. It cannot if the database was moved or
    /// replaced, because only the running service still knows the keys.
    pub(crate) fn can_keep_running(&self) -> bool {
        background::find_program().is_some() && self.health.borrow().stopped.is_none()
    }

    /// Makes a background service apply the changed settings. A service in this process follows them itself.
    pub(crate) fn reload_background_settings(&self) {
        if let Some(process) = self.running.lock().as_ref().and_then(RunningService::background) {
            process.send_signal(ProcessSignal::Reload);
        }
    }

    /// Moves the service to `port` and saves the port with `save`. The new port is opened before the old one is closed.
    ///
    /// # Errors
    /// Returns an error if the new port cannot be opened or saved. The service then keeps its old port.
    pub(crate) async fn move_to_port(
        self: &Arc<Self>,
        port: u16,
        save: impl FnOnce() -> std::io::Result<()>,
    ) -> Result<ServiceStatus, PortChangeError> {
        let _changing = self.changing.lock().await;
        if self.host() == ServiceHost::OtherProgram {
            return Err(PortChangeError::NotOwnService);
        }
        if self.running.lock().as_ref().is_some_and(|running| running.port == port) {
            return Ok(self.status());
        }
        let listeners = listen(port).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => PortChangeError::PortInUse,
            _ => PortChangeError::PortClosed(error),
        })?;
        save().map_err(PortChangeError::NotSaved)?;
        self.stop_locked().await;
        self.status.send_replace(ServiceStatus::Starting);
        Ok(self.launch_locked(listeners, port).await)
    }

    /// Ends the service with the app, or lets it continue in the background. If the service is still starting after
    /// [`STOP_TIMEOUT`], for example because a disk does not respond, it is abandoned, so that the app can quit.
    pub(crate) async fn finish(&self, fate: ServiceFate) {
        self.is_finishing.store(fate != ServiceFate::KeepRunning, Ordering::Relaxed);
        let Ok(_changing) = tokio::time::timeout(STOP_TIMEOUT, self.changing.lock()).await else {
            return tracing::warn!("the key service is still starting; quitting without waiting for it");
        };
        match (fate, self.host()) {
            (ServiceFate::Stop, _) | (ServiceFate::Unchanged | ServiceFate::KeepRunning, ServiceHost::App) => {
                self.stop_locked().await;
            }
            // The other process continues.
            (_, ServiceHost::Background | ServiceHost::OtherProgram) => {}
        }
    }

    /// Moves the service from this process to the background, if it is not there already. Connections wait on the
    /// sockets until that service is ready.
    ///
    /// # Errors
    /// Returns the reason if the service does not start in the background. It then runs in this process again.
    pub(crate) async fn move_to_background(self: &Arc<Self>) -> Result<(), String> {
        let _changing = self.changing.lock().await;
        if self.host() != ServiceHost::App {
            return Ok(());
        }
        let Some(RunningService { place: ServicePlace::Embedded { shutdown, server, sockets }, port, .. }) =
            self.running.lock().take()
        else {
            return Err("the key service is not running".to_owned());
        };
        stop_server(&shutdown, server).await;
        match self.launch_in_background(&sockets).await {
            Ok(attached) => {
                self.publish_attached(attached, port);
                tracing::info!("the key service continues in the background");
                Ok(())
            }
            Err(reason) => {
                drop(sockets);
                self.start_locked(port).await;
                Err(reason)
            }
        }
    }

    async fn launch_in_background(&self, sockets: &[std::net::TcpListener]) -> Result<AttachedService, String> {
        background::start(sockets, &self.database, || self.is_finishing.load(Ordering::Relaxed)).await
    }

    async fn start_locked(self: &Arc<Self>, port: u16) -> ServiceStatus {
        if self.is_finishing.load(Ordering::Relaxed) {
            return self.status();
        }
        self.status.send_replace(ServiceStatus::Starting);
        if let Some(attached) = attached::connect(&self.database).await {
            return self.publish_attached(attached, port);
        }
        let failed = match listen(port).await {
            Ok(listeners) => return self.launch_locked(listeners, port).await,
            // If another key service has the same database open, using another port would not help, so the problem with
            // the database is reported instead of the problem with the port.
            Err(_) if SqliteStore::is_in_use(&self.database) => ServiceStatus::DatabaseProblem {
                problem: DatabaseProblem::Locked,
                path: self.database.display().to_string(),
                detail: "another key service has it open".to_owned(),
            },
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => ports::port_in_use_status(port).await,
            Err(error) => stopped_status(format!("cannot open port {port}: {error}")),
        };
        self.publish_start(Err(failed), port)
    }

    /// Starts the service on open sockets: in the background if the user wants keys to work without a window, or if it
    /// was there before, and otherwise in this process.
    async fn launch_locked(self: &Arc<Self>, listeners: Vec<TcpListener>, port: u16) -> ServiceStatus {
        let (listeners, sockets) = match duplicate_sockets(listeners) {
            Ok(duplicated) => duplicated,
            Err(error) => return self.publish_status(Err(stopped_status(error))),
        };
        let in_background = self.keeps_running.get() || self.was_in_background.load(Ordering::Relaxed);
        if in_background && background::find_program().is_some() {
            match self.launch_in_background(&sockets).await {
                Ok(attached) => return self.publish_attached(attached, port),
                // The window says why the service cannot run, if it cannot run in this process either.
                Err(reason) => tracing::warn!(reason, "the key service does not start in the background"),
            }
        }
        let launched = self.spawn_service(listeners, sockets, port).await;
        self.publish_start(launched, port)
    }

    /// Publishes the result of a start. If a service outside the app may be starting, attaches to it later.
    fn publish_start(self: &Arc<Self>, launched: Result<RunningService, ServiceStatus>, port: u16) -> ServiceStatus {
        let status = self.publish_status(launched);
        if matches!(
            status,
            ServiceStatus::PortInUse { .. } | ServiceStatus::DatabaseProblem { problem: DatabaseProblem::Locked, .. }
        ) {
            tokio::spawn(self.clone().attach_when_possible(status.clone(), port));
        }
        status
    }

    /// Uses a service outside the app. `port` is the port of the app's own service, which starts if that service ends.
    fn publish_attached(self: &Arc<Self>, attached: AttachedService, port: u16) -> ServiceStatus {
        let AttachedService { client, url, port: attached_port, background } = attached;
        let detached = CancellationToken::new();
        tokio::spawn(self.clone().replace_ended_service(client.clone(), detached.clone(), port));
        self.was_in_background.store(background.is_some(), Ordering::Relaxed);
        if let Some(process) = &background {
            // The settings may have changed since the service has read them.
            process.send_signal(ProcessSignal::Reload);
        }
        let place = ServicePlace::Attached { detached, background };
        self.publish_status(Ok(RunningService { client, url, port: attached_port, place }))
    }

    /// Waits until the attached service ends. Attaches to the service that replaces it, for example because systemd has
    /// restarted it, and otherwise starts the app's own service. Stops when `detached` is cancelled.
    ///
    /// The future is boxed, because it contains the future of [`Self::start_locked`], which spawns it.
    fn replace_ended_service(
        self: Arc<Self>,
        client: ApiClient,
        detached: CancellationToken,
        port: u16,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let before = self.health.borrow().changes.clone();
            let on_health = |health| self.publish_health(health, &before);
            if detached.run_until_cancelled(attached::follow_until_end(&client, on_health)).await.is_none() {
                return;
            }
            // systemd may restart a service that another program has started, but nothing restarts the app's own one.
            let is_own = self.host() == ServiceHost::Background;
            let deadline = Instant::now() + if is_own { RESTART_POLL_INTERVAL } else { RESTART_TIMEOUT };
            loop {
                let replacement = attached::connect(&self.database).await;
                let changing = self.changing.lock().await;
                if detached.is_cancelled() {
                    return;
                }
                match replacement {
                    Some(attached) => drop(self.publish_attached(attached, port)),
                    None if Instant::now() < deadline => {
                        if self.status() != ServiceStatus::Starting {
                            tracing::info!("the key service outside the app has ended or restarts");
                            self.status.send_replace(ServiceStatus::Starting);
                        }
                        drop(changing);
                        tokio::time::sleep(RESTART_POLL_INTERVAL).await;
                        continue;
                    }
                    None => {
                        self.running.lock().take();
                        self.start_locked(port).await;
                    }
                }
                return;
            }
        })
    }

    /// Attaches to the service that prevents the app from starting its own, as soon as that service is ready: it may be
    /// starting at the same time, or systemd may start it at the first connection. Stops when the status changes.
    fn attach_when_possible(self: Arc<Self>, failed: ServiceStatus, port: u16) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // systemd starts a service at the first connection to its socket.
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await);
            while self.status() == failed {
                let found = attached::connect(&self.database).await;
                let changing = self.changing.lock().await;
                if let Some(attached) = found.filter(|_| self.status() == failed) {
                    self.publish_attached(attached, port);
                    return;
                }
                drop(changing);
                tokio::time::sleep(ATTACH_POLL_INTERVAL).await;
            }
        })
    }

    /// Stores the started service, and publishes the resulting status.
    fn publish_status(&self, launched: Result<RunningService, ServiceStatus>) -> ServiceStatus {
        let status = match launched {
            Ok(running) => {
                let (url, port, host) = (running.url.clone(), running.port, running.host());
                *self.running.lock() = Some(running);
                let export_line = format!("export ULTRALYTICS_PLATFORM_URL={url}");
                let can_keep_running = host != ServiceHost::OtherProgram && background::find_program().is_some();
                ServiceStatus::Running { url, port, host, can_keep_running, export_line }
            }
            Err(status) => status,
        };
        tracing::info!(%status, "key service status");
        self.status.send_replace(status.clone());
        status
    }

    async fn spawn_service(
        self: &Arc<Self>,
        listeners: Vec<TcpListener>,
        sockets: Vec<std::net::TcpListener>,
        port: u16,
    ) -> Result<RunningService, ServiceStatus> {
        let (path, record) = (self.database.clone(), self.revocations.clone());
        let open = move || SqliteStore::open_with_record(&path, &record, ulkeys_service::system_clock);
        let store = tokio::task::spawn_blocking(open).await.map_err(stopped_status)?;
        let store = store.map_err(|error| self.database_problem(error.problem, error.detail))?;
        remove_stale_session(&self.database);

        let session = SessionToken::generate(&mut rand::rngs::SysRng).map_err(stopped_status)?;
        let client = ApiClient::new(&service_url(port), session.expose()).map_err(stopped_status)?;
        let database = DatabaseMonitor::new(&store, &self.database, &self.revocations);
        let storage = self.training.limits.clone();
        let max_total = move || mib_to_bytes(storage.get().training);
        let config = Config {
            session,
            account: Account::from_login_name(login_name()),
            database: Some(database.clone()),
            clock: ulkeys_service::system_clock,
            limits: self.limits.clone(),
            checkpoints: CheckpointConfig {
                max_total: Setting::new(max_total),
                ..CheckpointConfig::in_folder(self.database.with_file_name("checkpoints"))
            },
            training: self.training.clone(),
            timing: Timing::default(),
        };
        let shutdown = CancellationToken::new();
        tokio::spawn(self.clone().forward_health(database, shutdown.clone()));
        let service = KeyService::load(Arc::new(store), config).await;
        let service = service.map_err(|error| self.database_problem(error.problem, error.detail))?;
        let server = tokio::spawn(self.clone().monitor(service.serve(listeners, shutdown.clone())));
        let place = ServicePlace::Embedded { shutdown, server, sockets };
        Ok(RunningService { client, url: service_url(port), port, place })
    }

    fn database_problem(&self, problem: ulkeys_store::DatabaseProblem, detail: String) -> ServiceStatus {
        let path = self.database.display().to_string();
        ServiceStatus::DatabaseProblem { problem: describe_problem(problem), path, detail }
    }

    /// Publishes the health of the open database until `shutdown`.
    async fn forward_health(self: Arc<Self>, database: DatabaseMonitor, shutdown: CancellationToken) {
        let before = self.health.borrow().changes.clone();
        let mut reported = database.health_stream();
        while let Some(Some(health)) = shutdown.run_until_cancelled(reported.next()).await {
            self.publish_health(health, &before);
        }
    }

    /// Publishes the health of the database, and adds the outside changes that were detected `before` the service was
    /// started.
    fn publish_health(&self, mut health: DatabaseHealth, before: &[ChangeCount]) {
        for count in before {
            match health.changes.iter_mut().find(|known| known.change == count.change) {
                Some(known) => known.keys += count.keys,
                None => health.changes.push(*count),
            }
        }
        self.health.send_replace(health);
    }

    /// Runs the service, and publishes a status if it ends unexpectedly.
    async fn monitor(self: Arc<Self>, service: impl Future<Output = std::io::Result<()>> + Send + 'static) {
        // Run the service in a separate task, so that a panic is detected here. The service returns `Ok` only after a
        // shutdown.
        let detail = match tokio::spawn(service).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => {
                tracing::error!(%error, "the task of the key service failed");
                "the key service ended unexpectedly; see the log for the reason".to_owned()
            }
        };
        tracing::error!(detail, "the key service ended unexpectedly");
        *self.running.lock() = None;
        self.status.send_replace(ServiceStatus::Stopped { detail });
    }

    /// Stops the service gracefully if it belongs to the app: open requests finish, and pending usage is written.
    async fn stop_locked(&self) {
        let Some(running) = self.running.lock().take() else {
            return;
        };
        match running.place {
            ServicePlace::Attached { detached, background } => {
                detached.cancel();
                if let Some(process) = background {
                    process.send_signal(ProcessSignal::Stop);
                    process.wait_for_end().await;
                }
            }
            ServicePlace::Embedded { shutdown, server, sockets } => {
                // New connections must be rejected instead of waiting on a socket that nothing serves.
                drop(sockets);
                stop_server(&shutdown, server).await;
            }
        }
    }
}

async fn stop_server(shutdown: &CancellationToken, server: JoinHandle<()>) {
    shutdown.cancel();
    if tokio::time::timeout(STOP_TIMEOUT, server).await.is_err() {
        tracing::warn!("the key service did not stop in time");
    }
}

/// Duplicates the descriptors of sockets. The duplicates keep the sockets open after the service has stopped.
fn duplicate_sockets(listeners: Vec<TcpListener>) -> std::io::Result<(Vec<TcpListener>, Vec<std::net::TcpListener>)> {
    let mut served = Vec::new();
    let mut sockets = Vec::new();
    for listener in listeners {
        let listener = listener.into_std()?;
        sockets.push(listener.try_clone()?);
        served.push(TcpListener::from_std(listener)?);
    }
    Ok((served, sockets))
}

fn service_url(port: u16) -> String {
    format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
}

fn stopped_status(error: impl ToString) -> ServiceStatus {
    ServiceStatus::Stopped { detail: error.to_string() }
}
