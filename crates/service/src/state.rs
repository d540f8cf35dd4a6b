//! The state that request handlers and background tasks share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use ulkeys_api::KeyEvent;
use ulkeys_domain::Timestamp;
use ulkeys_store::Store;

use crate::checkpoints::CheckpointStore;
use crate::concurrency::ConcurrencyLimits;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::rate_limiter::RateLimiter;
use crate::training_quota::TrainingQuota;
use crate::upload_grants::UploadGrants;
use crate::usage::UsageRecorder;

/// The number of events that a slow subscriber may lag behind before its stream ends.
const EVENT_CHANNEL_CAPACITY: usize = 256;

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
    pub(crate) training_quota: TrainingQuota,
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
        let training_quota = TrainingQuota::new(store.clone(), config.training.clone(), &config.checkpoints.folder);
        Arc::new(Self {
            store,
            address,
            usage: UsageRecorder::default(),
            rate_limiter: RateLimiter::new(config.limits.clone()),
            metrics: Metrics::new(),
            checkpoints: CheckpointStore::new(config.checkpoints.clone()),
            upload_grants: UploadGrants::default(),
            concurrency: ConcurrencyLimits::new(config.timing.permit_timeout),
            training_quota,
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
