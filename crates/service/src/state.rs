//! What every request handler shares.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::Timestamp;
use ulkeys_domain::wire::KeyEvent;
use ulkeys_store::Store;

use crate::SessionToken;
use crate::checkpoints::CheckpointConfig;
use crate::last_used::LastUsed;
use crate::uploads::Uploads;

/// Events that a slow reader may lag behind before it is told to list the keys again.
const EVENT_BACKLOG: usize = 256;

/// How a service is set up.
pub struct Config {
    /// The credential of the app that embeds the service.
    pub session: SessionToken,
    /// Whose keys these are.
    pub account: Account,
    /// Where the time comes from; [`crate::system_clock`] outside tests.
    pub clock: fn() -> Timestamp,
    /// Where uploaded checkpoints are kept.
    pub checkpoints: CheckpointConfig,
}

/// The owner of the workspace.
#[derive(Debug, Clone)]
pub struct Account {
    /// Login name.
    pub username: String,
    /// Name to show.
    pub name: String,
}

#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: Arc<Config>,
    /// Where the service listens; tells the `Host` names under which it may be reached.
    pub(crate) address: SocketAddr,
    pub(crate) last_used: Arc<LastUsed>,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) events: broadcast::Sender<KeyEvent>,
    pub(crate) shutdown: CancellationToken,
}

impl AppState {
    pub(crate) fn new(store: Arc<dyn Store>, config: Config, address: SocketAddr, shutdown: CancellationToken) -> Self {
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        Self {
            store,
            config: Arc::new(config),
            address,
            last_used: Arc::default(),
            uploads: Arc::default(),
            events,
            shutdown,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.config.clock)()
    }

    /// Tells everybody who listens; nobody listening is fine.
    pub(crate) fn announce(&self, event: KeyEvent) {
        let _ = self.events.send(event);
    }
}
