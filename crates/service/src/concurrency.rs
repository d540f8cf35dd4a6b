//! Concurrency limits for memory-intensive work. Waiting for a permit times out.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;

/// Work that only a number of requests may do at a time.
pub(crate) struct ConcurrencyLimit {
    permits: Semaphore,
    timeout: Duration,
}

/// The work that is limited.
pub(crate) struct ConcurrencyLimits {
    /// Receiving a large report, of megabytes; those that wait have their bodies still on their side.
    pub(crate) large_bodies: ConcurrencyLimit,
    /// Parsing a report: its in-memory form is about 30 times its size on the wire.
    pub(crate) large_reports: ConcurrencyLimit,
    /// Answering about a run: what a hostile process has put in it takes ten times its size while the answer is made.
    pub(crate) large_answers: ConcurrencyLimit,
}

impl ConcurrencyLimits {
    /// Limits whose permits a request waits for until `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        let limit_of = |permits| ConcurrencyLimit { permits: Semaphore::new(permits), timeout };
        Self { large_bodies: limit_of(8), large_reports: limit_of(2), large_answers: limit_of(2) }
    }
}

impl ConcurrencyLimit {
    /// Waits for a permit, which is released when it is dropped.
    pub(crate) async fn acquire(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let permit = tokio::time::timeout(self.timeout, self.permits.acquire()).await;
        permit.ok().and_then(Result::ok).ok_or(ApiError::Overloaded)
    }
}
