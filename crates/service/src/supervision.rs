//! Limits the effect of a panic: the request gets an error response, or the background task is restarted.
//!
//! A panic unwinds in release builds too, because a defect in one request must neither stop the service for all other
//! clients nor leave a copied key on the clipboard. The program's panic hook logs the panic itself.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

/// The delay before a task is restarted, so that a task that panics repeatedly does not hog the CPU.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs a background task until it returns. A task that panics is restarted after one second.
pub async fn restart_on_panic<F: Future<Output = ()>>(name: &'static str, task: impl Fn() -> F) {
    while catch_panic(task()).await.is_none() {
        tracing::error!(task = name, "a background task panicked and will be restarted");
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

/// Returns the output of a future, or `None` if it panics. State that the future shares with other code must stay valid
/// after a panic. It does: parking_lot's locks are not poisoned, and a dropped transaction is rolled back.
pub(crate) fn catch_panic<F: Future>(future: F) -> impl Future<Output = Option<F::Output>> {
    AssertUnwindSafe(future).catch_unwind().map(Result::ok)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn restart_on_panic_runs_the_task_until_it_ends() {
        let starts = AtomicU32::new(0);
        restart_on_panic("test", || async {
            assert!(starts.fetch_add(1, Ordering::Relaxed) == 1, "the first run panics");
        })
        .await;
        assert_eq!(starts.into_inner(), 2);
    }
}
