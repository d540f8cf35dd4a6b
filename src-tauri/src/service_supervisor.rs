//! The key service inside this process: started, watched, moved to another port, stopped.

mod ports;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ulkeys_client::ApiClient;
use ulkeys_domain::RateLimits;
use ulkeys_domain::storage::mib_to_bytes;
use ulkeys_domain::wire::{DatabaseHealth, DatabaseProblem};
use ulkeys_service::{Account, CheckpointConfig, Config, SessionToken, Setting, Timing, TrainingConfig, listen};
use ulkeys_store::SqliteStore;

use crate::service_status::ServiceStatus;

/// The longest wait for the service to write what it holds.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The embedded service.
pub(crate) struct ServiceSupervisor {
    database: PathBuf,
    revocations: PathBuf,
    limits: Setting<RateLimits>,
    training: TrainingConfig,
    status: watch::Sender<ServiceStatus>,
    /// Of the database. What was found by a service that was restarted stays.
    health: watch::Sender<DatabaseHealth>,
    running: Mutex<Option<RunningService>>,
    /// Held while the service starts or stops, so that two clicks do not race.
    changing: tokio::sync::Mutex<()>,
}

/// Why the service stays where it is.
pub(crate) enum PortChangeError {
    /// Another program listens there.
    PortInUse,
    /// The port cannot be opened, for another reason.
    PortClosed(std::io::Error),
    /// The choice cannot be kept.
    NotSaved(std::io::Error),
}

struct RunningService {
    client: ApiClient,
    port: u16,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl ServiceSupervisor {
    pub(crate) fn new(
        database: PathBuf,
        revocations: PathBuf,
        limits: Setting<RateLimits>,
        training: TrainingConfig,
    ) -> Self {
        Self {
            database,
            revocations,
            limits,
            training,
            status: watch::Sender::new(ServiceStatus::Starting),
            health: watch::Sender::new(DatabaseHealth::default()),
            running: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Follows what a person should know about the database.
    pub(crate) fn subscribe_health(&self) -> watch::Receiver<DatabaseHealth> {
        self.health.subscribe()
    }

    /// How the service is now.
    pub(crate) fn status(&self) -> ServiceStatus {
        self.status.borrow().clone()
    }

    /// Follows the state.
    pub(crate) fn subscribe_status(&self) -> watch::Receiver<ServiceStatus> {
        self.status.subscribe()
    }

    /// A client with the session credential, while the service runs.
    pub(crate) fn api_client(&self) -> Option<ApiClient> {
        self.running.lock().as_ref().map(|running| running.client.clone())
    }

    /// Starts the service on `port` of the loopback interface. Problems end up in the status.
    pub(crate) async fn start(self: &Arc<Self>, port: u16) -> ServiceStatus {
        let _changing = self.changing.lock().await;
        self.start_locked(port).await
    }

    /// Stops the service if it runs, and starts it on `port`.
    pub(crate) async fn restart(self: &Arc<Self>, port: u16) -> ServiceStatus {
        let _changing = self.changing.lock().await;
        self.stop_locked().await;
        self.start_locked(port).await
    }

    /// Moves the service to `port`, and keeps that by `save`. The new port is held before the old one is given up.
    ///
    /// # Errors
    /// When the port cannot be had or kept; then nothing has changed.
    pub(crate) async fn move_to_port(
        self: &Arc<Self>,
        port: u16,
        save: impl FnOnce() -> std::io::Result<()>,
    ) -> Result<ServiceStatus, PortChangeError> {
        let _changing = self.changing.lock().await;
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
        let launched = self.spawn_service(listeners, port).await;
        Ok(self.publish_status(launched, port))
    }

    /// Stops the service in order: open requests finish, pending last-used times are written.
    /// A start that hangs, for example on a disk that does not answer, does not delay the end of the app.
    pub(crate) async fn stop(&self) {
        let Ok(_changing) = tokio::time::timeout(STOP_TIMEOUT, self.changing.lock()).await else {
            return tracing::warn!("the key service is still starting, and is abandoned");
        };
        self.stop_locked().await;
    }

    async fn start_locked(self: &Arc<Self>, port: u16) -> ServiceStatus {
        self.status.send_replace(ServiceStatus::Starting);
        let launched = match listen(port).await {
            Ok(listeners) => self.spawn_service(listeners, port).await,
            // Another app with the same data would not be helped by another port.
            Err(_) if SqliteStore::is_in_use(&self.database) => Err(ServiceStatus::DatabaseProblem {
                problem: DatabaseProblem::Locked,
                path: self.database.display().to_string(),
                detail: "another key service has it open".to_owned(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(ports::port_in_use_status(port).await),
            Err(error) => Err(stopped_status(format!("port {port} cannot be opened: {error}"))),
        };
        self.publish_status(launched, port)
    }

    /// Stores the launched service, and publishes the resulting status.
    fn publish_status(&self, launched: Result<RunningService, ServiceStatus>, port: u16) -> ServiceStatus {
        let status = match launched {
            Ok(running) => {
                *self.running.lock() = Some(running);
                let url = service_url(port);
                let export_line = format!("export ULTRALYTICS_PLATFORM_URL={url}");
                ServiceStatus::Running { url, port, export_line }
            }
            Err(status) => status,
        };
        tracing::info!(%status, "the key service");
        self.status.send_replace(status.clone());
        status
    }

    async fn spawn_service(
        self: &Arc<Self>,
        listeners: Vec<TcpListener>,
        port: u16,
    ) -> Result<RunningService, ServiceStatus> {
        let (path, record) = (self.database.clone(), self.revocations.clone());
        let open = move || SqliteStore::open_with_record(&path, &record, ulkeys_service::system_clock);
        let store = tokio::task::spawn_blocking(open).await.map_err(stopped_status)?;
        let store = store.map_err(|error| ServiceStatus::DatabaseProblem {
            problem: error.problem,
            path: error.path.display().to_string(),
            detail: error.detail,
        })?;

        let session = SessionToken::generate(&mut rand::rngs::SysRng).map_err(stopped_status)?;
        let client = ApiClient::new(&service_url(port), session.expose()).map_err(stopped_status)?;
        let storage = self.training.limits.clone();
        let max_total = move || mib_to_bytes(storage.get().training);
        let config = Config {
            session,
            account: local_account(),
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
        tokio::spawn(self.clone().forward_health(store.health(), shutdown.clone()));
        let service = ulkeys_service::serve(listeners, Arc::new(store), config, shutdown.clone());
        let server = tokio::spawn(self.clone().monitor(service));
        Ok(RunningService { client, port, shutdown, server })
    }

    /// Passes on the health of the database that is open, with the changes that were found before it was opened.
    async fn forward_health(self: Arc<Self>, mut opened: watch::Receiver<DatabaseHealth>, shutdown: CancellationToken) {
        let before = self.health.borrow().changes.clone();
        loop {
            let mut health = opened.borrow_and_update().clone();
            for count in &before {
                match health.changes.iter_mut().find(|known| known.change == count.change) {
                    Some(known) => known.keys += count.keys,
                    None => health.changes.push(*count),
                }
            }
            self.health.send_replace(health);
            match shutdown.run_until_cancelled(opened.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return,
            }
        }
    }

    /// Runs the service, and publishes the status when it ends unexpectedly.
    async fn monitor(self: Arc<Self>, service: impl Future<Output = std::io::Result<()>> + Send + 'static) {
        // A task of its own, so that a panic in it is seen here. It ends without an error only after a shutdown.
        let detail = match tokio::spawn(service).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => {
                tracing::error!(%error, "the task of the key service ended");
                "the key service ended unexpectedly; the log says more".to_owned()
            }
        };
        tracing::error!(detail, "the key service ended");
        *self.running.lock() = None;
        self.status.send_replace(ServiceStatus::Stopped { detail });
    }

    async fn stop_locked(&self) {
        let Some(running) = self.running.lock().take() else {
            return;
        };
        running.shutdown.cancel();
        if tokio::time::timeout(STOP_TIMEOUT, running.server).await.is_err() {
            tracing::warn!("the key service did not stop in time");
        }
    }
}

fn service_url(port: u16) -> String {
    format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
}

fn stopped_status(error: impl ToString) -> ServiceStatus {
    ServiceStatus::Stopped { detail: error.to_string() }
}

/// The person who is logged in to this computer.
fn local_account() -> Account {
    let username = ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| "local".to_owned());
    Account { name: username.clone(), username }
}
