//! The key service: accepts or rejects requests over the platform's HTTP protocol, manages the keys, and stores the
//! reports of training processes.
//!
//! The same service can be embedded in the app or run on its own, so it depends on neither a window nor a particular
//! database. Deliberately omitted: a cache of decisions (each request checks the key in the index, so a revocation
//! takes effect immediately), and logging of headers, bodies or request targets (they may contain secrets).

mod actions;
mod authn;
mod authz;
mod body;
mod caller;
mod checkpoints;
mod clock;
mod concurrency;
mod config;
mod convert;
mod database_monitor;
mod download;
mod error;
mod events;
mod key_index;
mod key_rate_limits;
mod loopback_guard;
mod metrics;
mod openapi;
mod peer_limiter;
mod pending_usage;
mod pipeline;
mod rejection_groups;
mod request_context;
mod request_trace;
mod routes;
mod run_events;
mod server;
mod session;
mod setting;
mod state;
mod supervision;
#[cfg(test)]
mod testing;
mod training_quota;
mod upload_grants;
mod usage;
mod user_agent;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::Request;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::Timestamp;
use ulkeys_domain::rate_limit::WINDOW;
use ulkeys_store::{DatabaseProblem, Store, StoreError};

pub use checkpoints::CheckpointConfig;
pub use config::{Account, Config, Timing};
pub use database_monitor::DatabaseMonitor;
pub use session::SessionToken;
pub use setting::Setting;
pub use supervision::restart_on_panic;
pub use training_quota::TrainingConfig;

use key_index::KeyIndex;
use loopback_guard::UsualHosts;
use pipeline::Pipeline;
use server::{ConnectionLimits, WatchedBody};
use state::ServiceState;

/// The interval at which the store is asked for changes to keys.
const KEY_CHANGES_INTERVAL: Duration = Duration::from_secs(1);

/// The interval at which training runs older than the retention period are deleted. A changed retention period takes
/// effect only after one such interval, so that a mistake can be undone.
const EXPIRED_RUNS_CHECK_INTERVAL: Duration = Duration::from_hours(1);

/// Listens on `port` of both loopback addresses: 127.0.0.1, and ::1 if the system has IPv6, because clients resolve
/// `localhost` to either.
///
/// # Errors
/// Returns an error if 127.0.0.1 cannot be bound, or if the port is already in use on ::1, because requests to
/// `localhost`, including their keys, would then reach another program.
pub async fn listen(port: u16) -> std::io::Result<Vec<TcpListener>> {
    let mut listeners = vec![TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?];
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(listener) => listeners.push(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
        Err(error) => tracing::info!(%error, "the service is not reachable over IPv6"),
    }
    Ok(listeners)
}

/// A service that has read all keys and is ready to serve.
pub struct KeyService {
    store: Arc<dyn Store>,
    index: Arc<KeyIndex>,
    config: Config,
}

impl KeyService {
    /// Reads all keys of the store.
    ///
    /// # Errors
    /// Returns an error if the keys cannot be read.
    pub async fn load(store: Arc<dyn Store>, config: Config) -> Result<Self, StoreError> {
        let index = Arc::new(KeyIndex::default());
        let loading = index.clone();
        index.finish_loading(store.snapshot(Box::new(move |key| loading.insert(key))).await?);
        Ok(Self { store, index, config })
    }

    /// Serves on `listeners` until `shutdown` is cancelled, then finishes open requests, flushes pending usage, and
    /// checkpoints the database so that a copy of its main file is complete.
    ///
    /// # Errors
    /// Returns an error if `listeners` is empty or the first listener has no local address.
    pub async fn serve(self, listeners: Vec<TcpListener>, shutdown: CancellationToken) -> std::io::Result<()> {
        let address = listeners.first().ok_or(ErrorKind::InvalidInput)?.local_addr()?;
        let state = ServiceState::new(self.store, self.index, self.config, address, shutdown.clone());
        serve_requests(state, listeners, shutdown).await
    }
}

async fn serve_requests(
    state: Arc<ServiceState>,
    listeners: Vec<TcpListener>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    state.checkpoints.reconcile_with_database(&*state.store).await;
    let background = state.clone();
    let recorder =
        tokio::spawn(async move { restart_on_panic("usage", || run_usage_recorder(background.clone())).await });
    let background = state.clone();
    let sweeper =
        tokio::spawn(
            async move { restart_on_panic("rate limits", || remove_expired_activity(background.clone())).await },
        );
    let background = state.clone();
    let follower = tokio::spawn(async move {
        restart_on_panic("key changes", || follow_key_changes(background.clone())).await;
    });
    let background = state.clone();
    let remover = tokio::spawn(async move {
        restart_on_panic("run retention", || delete_expired_runs(background.clone())).await;
    });
    let background = state.clone();
    let run_publisher = tokio::spawn(async move {
        restart_on_panic("run events", || publish_run_changes(background.clone())).await;
    });
    let gauge = state.metrics.connections_gauge().clone();
    let (router, actions) = routes::build_router(state.clone());
    let usual_hosts = Arc::new(UsualHosts::new(state.address));
    let pipeline = Pipeline { state: state.clone(), router, actions: Arc::new(actions), usual_hosts };
    let answer = move |peer: SocketAddr, request: Request<WatchedBody>| {
        pipeline.clone().handle_request(peer.ip(), request.map(Body::new))
    };
    server::serve(listeners, answer, ConnectionLimits::from_file_descriptor_limit(), gauge, shutdown).await;

    // The usage recorder finishes its current write before it stops.
    if let Err(error) = recorder.await {
        tracing::error!(%error, "the usage recorder task failed");
    }
    state.usage.flush(&*state.store, state.now()).await;
    if let Err(error) = state.store.checkpoint().await {
        tracing::warn!(
            %error,
            "cannot checkpoint the key database: its latest changes are only in the -wal file, so a backup needs both files"
        );
    }
    // Wait for the other background tasks, because they keep the store open. An open store holds the lock on the
    // database, which the next instance of the service needs.
    for task in [sweeper, follower, remover, run_publisher] {
        if let Err(error) = task.await {
            tracing::error!(%error, "a background task failed");
        }
    }
    Ok(())
}

/// Publishes and persists usage until the service stops.
async fn run_usage_recorder(state: Arc<ServiceState>) {
    state.usage.run_until_shutdown(&*state.store, &state.events, &state.config, &state.shutdown).await;
}

/// Publishes changes of training runs until the service stops.
async fn publish_run_changes(state: Arc<ServiceState>) {
    state.run_events.run_until_shutdown(&*state.account, &state.events, &state.shutdown).await;
}

/// Removes expired rate-limit counters periodically.
async fn remove_expired_activity(state: Arc<ServiceState>) {
    while state.shutdown.run_until_cancelled(tokio::time::sleep(WINDOW)).await.is_some() {
        state.index.remove_expired_activity(state.uptime());
        state.peer_limiter.remove_expired(state.uptime());
    }
}

/// Deletes training runs that are older than the retention period.
async fn delete_expired_runs(state: Arc<ServiceState>) {
    let mut former = state.config.training.retention.get();
    loop {
        let retention = state.config.training.retention.get();
        // A new retention period is applied only if it is still set an hour later, so that the owner can undo a
        // mistake.
        if let Some(retention) = retention.filter(|_| retention == former) {
            while !state.shutdown.is_cancelled() {
                match state.store.purge_runs(state.now(), retention).await {
                    Ok(deleted) if !deleted.is_empty() => {
                        deleted.into_iter().for_each(|run| state.run_events.note_change(run));
                        continue;
                    }
                    Err(error) if error.problem != DatabaseProblem::Full => {
                        tracing::warn!(%error, "cannot delete old training runs; the next attempt is in an hour");
                    }
                    _ => {}
                }
                break;
            }
            state.checkpoints.remove_files_of_deleted_runs(&*state.store).await;
        }
        former = retention;
        if state.shutdown.run_until_cancelled(tokio::time::sleep(EXPIRED_RUNS_CHECK_INTERVAL)).await.is_none() {
            return;
        }
    }
}

/// Follows the changes to keys; see [`ServiceState::follow_key_changes`].
async fn follow_key_changes(state: Arc<ServiceState>) {
    while state.shutdown.run_until_cancelled(tokio::time::sleep(KEY_CHANGES_INTERVAL)).await.is_some() {
        // The store logs why it fails. The next attempt finds the same changes.
        let _ = state.follow_key_changes().await;
    }
}

/// Returns the system's wall-clock time in UTC.
pub fn system_clock() -> Timestamp {
    SystemTime::now().into()
}
