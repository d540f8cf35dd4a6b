//! Concurrency limits for memory-intensive work. Waiting for a permit is subject to a timeout.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;

/// A limit on how many requests may do the same kind of work at the same time.
pub(crate) struct ConcurrencyLimit {
    permits: Semaphore,
    timeout: Duration,
}

/// The concurrency limits, one for each kind of work.
pub(crate) struct ConcurrencyLimits {
    /// Receiving a large report (up to several megabytes). A request's body is not read while the request waits for
    /// this permit, so the body of a waiting request takes up no memory.
    pub(crate) large_bodies: ConcurrencyLimit,
    /// Parsing a large report. In memory, a parsed report is about 30 times as large as on the wire.
    pub(crate) large_reports: ConcurrencyLimit,
    /// Building a response about a run. If a hostile training process reported the run's data, building the response
    /// takes up to ten times as much memory as the data.
    pub(crate) large_answers: ConcurrencyLimit,
}

impl ConcurrencyLimits {
    /// Creates the limits. A request waits for a permit for at most `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        let limit_of = |permits| ConcurrencyLimit { permits: Semaphore::new(permits), timeout };
        Self { large_bodies: limit_of(8), large_reports: limit_of(2), large_answers: limit_of(2) }
    }
}

impl ConcurrencyLimit {
    /// Waits for a permit, or returns [`ApiError::Overloaded`] if none becomes free in time. Dropping the permit
    /// releases it.
    pub(crate) async fn acquire(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let permit = tokio::time::timeout(self.timeout, self.permits.acquire()).await;
        permit.ok().and_then(Result::ok).ok_or(ApiError::Overloaded)
    }
}
