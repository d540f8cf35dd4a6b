//! Turns for what takes much memory: so many at a time, and the others wait outside, but not for ever.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;

/// How long a request waits for its turn.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Something that only so many may do at a time.
pub(crate) struct ConcurrencyLimit(Semaphore);

/// What there are turns for.
pub(crate) struct ConcurrencyLimits {
    /// Receiving a large report, of megabytes; those that wait have their bodies still on their side.
    pub(crate) large_bodies: ConcurrencyLimit,
    /// Reading one: as numbers it takes some thirty times its size.
    pub(crate) large_reports: ConcurrencyLimit,
    /// Answering about a run: what a hostile process has put in it takes ten times its size while the answer is made.
    pub(crate) large_answers: ConcurrencyLimit,
}

impl Default for ConcurrencyLimits {
    fn default() -> Self {
        let turns = |most| ConcurrencyLimit(Semaphore::new(most));
        Self { large_bodies: turns(8), large_reports: turns(2), large_answers: turns(2) }
    }
}

impl ConcurrencyLimit {
    /// A turn, which lasts until it is dropped.
    pub(crate) async fn acquire(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let turn = tokio::time::timeout(ACQUIRE_TIMEOUT, self.0.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or(ApiError::Overloaded)
    }
}
