//! The connection to a key service that runs outside the app: one that a window has left in the background, or one that
//! this person runs with `ul-keys serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use ulkeys_api::{DatabaseHealth, KeyEvent};
use ulkeys_client::ApiClient;
use ulkeys_local::ports::port_belongs_to_other_user;
use ulkeys_local::service_session::{ServiceSession, find_running_service};

use super::process_handle::ProcessHandle;

/// Maximum time to wait for the answer of the service.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Delay after an event stream could not be opened.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// A service outside the app that has accepted its session.
pub(super) struct AttachedService {
    pub(super) client: ApiClient,
    pub(super) url: String,
    pub(super) port: u16,
    /// The process of the service, if a window has started it in the background.
    pub(super) background: Option<ProcessHandle>,
}

/// Connects to the service that uses `database`. Returns `None` if this person runs no such service, or if it does not
/// accept its session, for example because it has been killed.
pub(super) async fn connect(database: &Path) -> Option<AttachedService> {
    let database = database.to_owned();
    let found = tokio::task::spawn_blocking(move || find_running_service(&database)).await.ok()?;
    let ServiceSession { url, pid, is_background, session } = found
        .inspect_err(|error| tracing::warn!(%error, "cannot read the session file of a running key service"))
        .ok()??;
    let address: SocketAddr = url.strip_prefix("http://")?.parse().ok()?;
    // The session must not be sent to another person's program, which could have taken the port of a killed service.
    if !address.ip().is_loopback() || port_belongs_to_other_user(address) {
        tracing::warn!(%address, "the session file names an address that does not belong to this user");
        return None;
    }
    // The answer of the service shows that the handle refers to the service.
    let background = if is_background { Some(ProcessHandle::open(pid)?) } else { None };
    let client = ApiClient::new(&url, &session).ok()?;
    match tokio::time::timeout(ANSWER_TIMEOUT, client.list_live_runs()).await {
        Ok(Ok(_)) => Some(AttachedService { client, url, port: address.port(), background }),
        Ok(Err(error)) => {
            tracing::info!(%error, "the key service of the session file does not accept the session");
            None
        }
        Err(_) => None,
    }
}

/// Waits until the service ends, and calls `on_health` for each report about its database. The event stream of the
/// service stays open as long as the service runs.
pub(super) async fn follow_until_end(client: &ApiClient, on_health: impl Fn(DatabaseHealth)) {
    match client.open_event_stream().await {
        Ok(mut events) => {
            while let Some(event) = events.next().await {
                if let KeyEvent::DatabaseHealth(health) = event {
                    on_health(*health);
                }
            }
        }
        // The service has probably just ended. If it has not, the next attempt must not follow immediately.
        Err(_) => tokio::time::sleep(RECONNECT_DELAY).await,
    }
}
