//! The configuration of a service, and the state that its request handlers share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::wire::KeyEvent;
use ulkeys_domain::{RateLimits, Timestamp};
use ulkeys_store::Store;

use crate::SessionToken;
use crate::checkpoints::{CheckpointConfig, CheckpointStore};
use crate::concurrency::ConcurrencyLimits;
use crate::metrics::Metrics;
use crate::rate_limiter::RateLimiter;
use crate::training_quota::{ReachedLimits, TrainingConfig};
use crate::upload_grants::UploadGrants;
use crate::usage::UsageRecorder;

/// Events that a slow reader may lag behind before its stream ends.
const EVENT_CHANNEL_CAPACITY: usize = 256;

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
    /// Timeouts and intervals.
    pub timing: Timing,
}

/// How long the service waits, and how often it repeats its work. Tests shorten it.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a peer may take to send a body.
    pub body_timeout: Duration,
    /// The same for a caller that is not known before its body is read. Libraries send such a form with the head.
    pub unknown_caller_body_timeout: Duration,
    /// How long a request waits for a permit of a concurrency limit.
    pub permit_timeout: Duration,
    /// How often the key of a caller is checked again while it receives a file.
    pub revalidate_interval: Duration,
    /// How long uses are gathered before they are written.
    pub usage_flush_interval: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            body_timeout: Duration::from_secs(15),
            unknown_caller_body_timeout: Duration::from_secs(5),
            permit_timeout: Duration::from_secs(10),
            revalidate_interval: Duration::from_secs(10),
            usage_flush_interval: Duration::from_millis(900),
        }
    }
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

/// Everything that request handlers and background tasks share, behind one [`Arc`].
pub(crate) struct ServiceState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: Config,
    /// Where the service listens; tells the `Host` names under which it may be reached.
    pub(crate) address: SocketAddr,
    pub(crate) usage: UsageRecorder,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) metrics: Metrics,
    pub(crate) checkpoints: CheckpointStore,
    pub(crate) upload_grants: UploadGrants,
    pub(crate) concurrency: ConcurrencyLimits,
    pub(crate) reached_limits: ReachedLimits,
    pub(crate) events: broadcast::Sender<KeyEvent>,
    pub(crate) shutdown: CancellationToken,
    start: Duration,
}

impl ServiceState {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        config: Config,
        address: SocketAddr,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let (events, _) = broadcast::channel(EVENT_CHANNEL_CAPACITY);
        Arc::new(Self {
            store,
            address,
            usage: UsageRecorder::default(),
            rate_limiter: RateLimiter::new(config.limits.clone()),
            metrics: Metrics::new(),
            checkpoints: CheckpointStore::new(config.checkpoints.clone()),
            upload_grants: UploadGrants::default(),
            concurrency: ConcurrencyLimits::new(config.timing.permit_timeout),
            reached_limits: ReachedLimits::default(),
            events,
            shutdown,
            start: time_since_boot(),
            config,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.config.clock)()
    }

    /// How long the service has run, the time included in which the computer slept. Expiry is measured by it because
    /// the wall clock can be changed.
    pub(crate) fn uptime(&self) -> Duration {
        time_since_boot().saturating_sub(self.start)
    }

    /// Sends an event to all subscribers. An event without subscribers is dropped.
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
    static PROCESS_START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    PROCESS_START.elapsed()
}
