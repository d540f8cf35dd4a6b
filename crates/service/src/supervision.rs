//! Keeps one failure from ending more than itself: a panic is answered, or its task starts again.
//!
//! The program unwinds when it panics, in release builds too. One request that meets a defect must not end the service
//! for all other clients, nor leave a copied key on the clipboard. The panic itself is logged where it happens, by the
//! panic hook of the program.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

/// The pause before a task starts again, so that a defect it meets each time does not occupy the processor.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs a background task until it ends. One that panics starts again after a second.
pub async fn restart_on_panic<F: Future<Output = ()>>(name: &'static str, task: impl Fn() -> F) {
    while catch_panic(task()).await.is_none() {
        tracing::error!(task = name, "a background task panicked and starts again");
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

/// The output of a future; `None` if it panics. What it shares with others must be sound after a panic: locks here are
/// used though they are poisoned, and a transaction that is dropped is rolled back.
pub(crate) async fn catch_panic<F: Future>(future: F) -> Option<F::Output> {
    AssertUnwindSafe(future).catch_unwind().await.ok()
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
