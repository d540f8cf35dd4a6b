//! What every request handler shares.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::wire::KeyEvent;
use ulkeys_domain::{RateLimits, Timestamp};
use ulkeys_store::Store;

use crate::SessionToken;
use crate::checkpoints::CheckpointConfig;
use crate::concurrency::ConcurrencyLimits;
use crate::metrics::Metrics;
use crate::rate_limiter::RateLimiter;
use crate::training_space::{Reached, TrainingConfig};
use crate::upload_grants::UploadGrants;
use crate::usage::UsageRecorder;

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
    /// How often a key, and a peer without one, may ask.
    pub limits: Setting<RateLimits>,
    /// Where uploaded checkpoints are kept.
    pub checkpoints: CheckpointConfig,
    /// How much training data is kept, and for how long.
    pub training: TrainingConfig,
}

/// A value that may change while the service runs. The service reads it each time that it needs it.
pub struct Setting<T>(Arc<dyn Fn() -> T + Send + Sync>);

impl<T> Setting<T> {
    /// A value that `read` returns. It is called for each request, so it must be quick.
    pub fn new(read: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The value now.
    pub fn get(&self) -> T {
        (self.0)()
    }
}

/// A value that stays the same.
impl<T: Copy + Send + Sync + 'static> From<T> for Setting<T> {
    fn from(value: T) -> Self {
        Self::new(move || value)
    }
}

impl<T> Clone for Setting<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The owner of the workspace.
#[derive(Debug, Clone)]
pub struct Account {
    /// Login name.
    pub username: String,
    /// Name to show.
    pub name: String,
}

/// One pointer: each layer and handler of each request has a copy.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: Config,
    /// Where the service listens; tells the `Host` names under which it may be reached.
    pub(crate) address: SocketAddr,
    pub(crate) usage: UsageRecorder,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) metrics: Metrics,
    pub(crate) upload_grants: UploadGrants,
    pub(crate) concurrency: ConcurrencyLimits,
    pub(crate) reached: Reached,
    pub(crate) events: broadcast::Sender<KeyEvent>,
    pub(crate) shutdown: CancellationToken,
    start: Duration,
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl AppState {
    pub(crate) fn new(store: Arc<dyn Store>, config: Config, address: SocketAddr, shutdown: CancellationToken) -> Self {
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let limits = RateLimiter::new(config.limits.clone());
        let (uses, metrics, uploads, turns) =
            (UsageRecorder::default(), Metrics::new(), UploadGrants::default(), ConcurrencyLimits::default());
        let start = time_since_boot();
        Self(Arc::new(Shared {
            store,
            config,
            address,
            usage: uses,
            rate_limiter: limits,
            metrics,
            upload_grants: uploads,
            concurrency: turns,
            reached: Reached::default(),
            events,
            shutdown,
            start,
        }))
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        (self.config.clock)()
    }

    /// How long the service has run, the time included in which the computer slept. Expiry is measured by it because the wall
    /// clock can be changed.
    pub(crate) fn uptime(&self) -> Duration {
        time_since_boot().saturating_sub(self.start)
    }

    /// Tells everybody who listens; nobody listening is fine.
    pub(crate) fn publish(&self, event: KeyEvent) {
        let _ = self.events.send(event);
    }
}

/// A clock that cannot be set and that counts while the computer sleeps (`clock_gettime(2)`, `CLOCK_BOOTTIME`).
#[cfg(target_os = "linux")]
fn time_since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A clock that cannot be set. It stands still while the computer sleeps.
#[cfg(not(target_os = "linux"))]
fn time_since_boot() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}
