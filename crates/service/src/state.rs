//! The configuration of the service, and the state that its request handlers share.

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

/// The number of events that a slow subscriber may lag behind before its stream ends.
const EVENT_CHANNEL_CAPACITY: usize = 256;

/// The configuration of a service.
pub struct Config {
    /// The credential of the app that embeds the service.
    pub session: SessionToken,
    /// The owner of the keys.
    pub account: Account,
    /// The source of the current time; [`crate::system_clock`] outside tests.
    pub clock: fn() -> Timestamp,
    /// The rate limits for keys, and for peers that present invalid keys.
    pub limits: Setting<RateLimits>,
    /// The folder and limits for uploaded checkpoints.
    pub checkpoints: CheckpointConfig,
    /// The storage limits and the retention period of training data.
    pub training: TrainingConfig,
    /// Timeouts and intervals.
    pub timing: Timing,
}

/// Timeouts and intervals of the service. Tests use shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The maximum time that a client may take to send a request body.
    pub body_timeout: Duration,
    /// The maximum time that a client may take to send a request body that contains its credential. This time can be
    /// short, because HTTP libraries send such a body together with the head of the request.
    pub unknown_caller_body_timeout: Duration,
    /// The maximum time for which a request waits for a permit of a concurrency limit.
    pub permit_timeout: Duration,
    /// The interval at which a caller is revalidated while it downloads a file.
    pub revalidate_interval: Duration,
    /// The time for which usage is collected before it is written to the store.
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

/// A value that may change while the service runs. The service reads the value each time it needs it.
pub struct Setting<T>(Arc<dyn Fn() -> T + Send + Sync>);

impl<T> Setting<T> {
    /// Creates a setting whose value `read` returns. `read` is called for each request, so it must be fast.
    pub fn new(read: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Returns the current value.
    pub fn get(&self) -> T {
        (self.0)()
    }
}

/// Creates a setting whose value never changes.
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
    /// The login name.
    pub username: String,
    /// The display name.
    pub name: String,
}

/// State that request handlers and background tasks share, behind one [`Arc`].
pub(crate) struct ServiceState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: Config,
    /// The address on which the service listens.
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

    /// Returns how long the service has been running, including (on Linux) the time the computer was asleep. Expiry is
    /// measured with this clock because the wall clock can be changed.
    pub(crate) fn uptime(&self) -> Duration {
        time_since_boot().saturating_sub(self.start)
    }

    /// Sends an event to all subscribers. An event without subscribers is dropped.
    pub(crate) fn publish(&self, event: KeyEvent) {
        let _ = self.events.send(event);
    }
}

/// Returns the time since boot, measured by a monotonic clock that also advances while the computer sleeps
/// (`clock_gettime(2)`, `CLOCK_BOOTTIME`).
#[cfg(target_os = "linux")]
fn time_since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Returns the time since the first call, measured by a monotonic clock. Whether that clock advances while the computer
/// sleeps depends on the operating system.
#[cfg(not(target_os = "linux"))]
fn time_since_boot() -> Duration {
    static PROCESS_START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    PROCESS_START.elapsed()
}
