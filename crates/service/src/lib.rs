//! The key service: accepts or refuses requests over the platform's own HTTP protocol, manages the keys, and keeps what
//! training processes report with them.
//!
//! The same service is embedded in the app or runs alone; it knows neither a window nor a particular database.
//! Deliberately absent: any cache of verdicts (each request asks the store, so a revocation holds at once), and any
//! logging of headers or bodies (they carry secrets).

mod auth;
mod checkpoints;
mod error;
mod guard;
mod last_used;
mod routes;
mod session;
mod state;
mod uploads;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::Timestamp;
use ulkeys_store::Store;

pub use checkpoints::CheckpointConfig;
pub use session::SessionToken;
pub use state::{Account, Config};

use state::AppState;

/// How long open connections may finish after a shutdown was asked for.
const GRACE: Duration = Duration::from_secs(2);

/// Serves on `listener` until `shutdown` is cancelled, then lets requests finish and writes what is still pending.
///
/// # Errors
/// When the listener has no local address or the server fails.
pub async fn serve(
    listener: TcpListener,
    store: Arc<dyn Store>,
    config: Config,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let state = AppState::new(store, config, listener.local_addr()?, shutdown.clone());
    state.config.checkpoints.tidy(&*state.store).await;
    let recorder =
        tokio::spawn(state.last_used.clone().run(state.store.clone(), state.events.clone(), shutdown.clone()));

    let app = router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let result = tokio::select! {
        result = served => result,
        () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    };

    // The server may also have failed by itself; either way the recorder writes what it holds and ends.
    shutdown.cancel();
    if let Err(error) = recorder.await {
        tracing::error!(%error, "the last-used recorder failed");
    }
    state.last_used.flush(&*state.store).await;
    result
}

/// All routes, guards first.
fn router(state: AppState) -> Router {
    routes::router(state.clone())
        .layer(axum::middleware::from_fn_with_state(state, guard::check))
        .layer(axum::extract::DefaultBodyLimit::max(64 * 1024))
}

/// The wall clock, in UTC.
pub fn system_clock() -> Timestamp {
    SystemTime::now().into()
}
