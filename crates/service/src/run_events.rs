//! Collects changes of training runs, and publishes them.
//!
//! A run reports several times per second, and many runs report at the same time. Therefore, only the identifiers of
//! changed runs are collected, and an event contains what the store contains when the event is published. A run that
//! the store no longer contains was deleted. Because only this module publishes events about runs, an older state of a
//! run never follows a newer one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use ulkeys_api::KeyEvent;
use ulkeys_domain::training::RunId;
use ulkeys_store::{AccountStore, StoreError};

use crate::events::{PUBLISH_INTERVAL, PublishedEvent, RunChanges};

/// The maximum number of runs that one query reads. The runs of a query are published together.
const MAX_RUNS_PER_READ: usize = 200;
/// The maximum number of runs that wait to be published. If more runs change, for example because many expired runs are
/// deleted, subscribers receive a resync.
const MAX_PENDING_RUNS: usize = 10_000;
/// The time between two attempts to read changed runs while the store fails.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Changed runs that are not yet published.
#[derive(Default)]
pub(crate) struct RunEvents {
    pending: Mutex<PendingRuns>,
    publish_needed: Notify,
}

#[derive(Default)]
struct PendingRuns {
    runs: HashSet<RunId>,
    /// Whether more than [`MAX_PENDING_RUNS`] have changed.
    is_overflowing: bool,
}

impl RunEvents {
    /// Notes that a run has changed or was deleted. Call this after the store has committed the change.
    pub(crate) fn note_change(&self, run: RunId) {
        let mut pending = self.pending.lock();
        if pending.runs.len() < MAX_PENDING_RUNS {
            pending.runs.insert(run);
        } else if !pending.runs.contains(&run) {
            pending.is_overflowing = true;
        }
        drop(pending);
        self.publish_needed.notify_one();
    }

    /// Publishes changes until `shutdown` is cancelled.
    pub(crate) async fn run_until_shutdown(
        &self,
        account: &dyn AccountStore,
        events: &broadcast::Sender<PublishedEvent>,
        shutdown: &CancellationToken,
    ) {
        // If the task is restarted after a panic, the notification for pending runs has already been consumed.
        self.publish_needed.notify_one();
        let publish = async {
            let mut is_failing = false;
            loop {
                self.publish_needed.notified().await;
                match self.publish(account, events).await {
                    Ok(()) => {
                        is_failing = false;
                        tokio::time::sleep(PUBLISH_INTERVAL).await;
                    }
                    Err(error) => {
                        if !is_failing {
                            tracing::warn!(%error, "cannot read changed training runs; retrying until it succeeds");
                        }
                        is_failing = true;
                        tokio::time::sleep(RETRY_INTERVAL).await;
                    }
                }
            }
        };
        shutdown.run_until_cancelled(publish).await;
    }

    /// Publishes all pending changes. If the store fails, the unpublished changes stay pending.
    async fn publish(
        &self,
        account: &dyn AccountStore,
        events: &broadcast::Sender<PublishedEvent>,
    ) -> Result<(), StoreError> {
        let PendingRuns { runs, is_overflowing } = std::mem::take(&mut *self.pending.lock());
        // A client that subscribes from now on lists the runs afterwards, so it does not need these events.
        if events.receiver_count() == 0 {
            return Ok(());
        }
        // Sending fails only if the last subscriber has left.
        if is_overflowing {
            let _ = events.send(KeyEvent::Resync.into());
            return Ok(());
        }
        let runs: Vec<_> = runs.into_iter().collect();
        for (index, chunk) in runs.chunks(MAX_RUNS_PER_READ).enumerate() {
            let changed = match account.find_summaries(chunk.to_vec()).await {
                Ok(changed) => changed,
                Err(error) => {
                    runs[index * MAX_RUNS_PER_READ..].iter().for_each(|run| self.note_change(*run));
                    return Err(error);
                }
            };
            let existing: HashSet<_> = changed.iter().map(|run| run.run_id).collect();
            let deleted = chunk.iter().copied().filter(|run| !existing.contains(run)).collect();
            let _ = events.send(PublishedEvent::Runs(Arc::new(RunChanges { changed, deleted })));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::sync::broadcast::Receiver;
    use ulkeys_domain::AccountId;
    use ulkeys_store::{SqliteStore, Store as _};

    use super::*;

    struct Publisher {
        folder: TempDir,
        account: Arc<dyn AccountStore>,
        sender: broadcast::Sender<PublishedEvent>,
        run_events: RunEvents,
    }

    impl Publisher {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("temporary folder");
            let store = SqliteStore::open(&folder.path().join("keys.db")).expect("opened");
            let account = store.account(AccountId::EMBEDDED);
            Self { folder, account, sender: broadcast::channel(16).0, run_events: RunEvents::default() }
        }

        fn note_changes(&self, count: usize) {
            let runs = (1..).filter_map(RunId::new).take(count);
            runs.for_each(|run| self.run_events.note_change(run));
        }

        async fn publish(&self) -> Result<(), StoreError> {
            self.run_events.publish(&*self.account, &self.sender).await
        }
    }

    /// Returns the number of deleted runs in each event that was sent; `None` for a resync.
    fn received_deletions(events: &mut Receiver<PublishedEvent>) -> Vec<Option<usize>> {
        let received = std::iter::from_fn(|| events.try_recv().ok());
        let count_deleted = |event| match event {
            PublishedEvent::Key(event) => {
                assert_eq!(*event, KeyEvent::Resync);
                None
            }
            PublishedEvent::Runs(changes) => Some(changes.deleted.len()),
        };
        received.map(count_deleted).collect()
    }

    #[tokio::test]
    async fn publish_many_changes_is_bounded() {
        let publisher = Publisher::new();
        let mut events = publisher.sender.subscribe();
        publisher.note_changes(MAX_RUNS_PER_READ + 1);
        publisher.note_changes(1);
        publisher.publish().await.expect("read");
        assert_eq!(received_deletions(&mut events), [Some(MAX_RUNS_PER_READ), Some(1)]);

        publisher.note_changes(MAX_PENDING_RUNS + 1);
        assert_eq!(publisher.run_events.pending.lock().runs.len(), MAX_PENDING_RUNS);
        publisher.publish().await.expect("nothing is read");
        assert_eq!(received_deletions(&mut events), [None]);

        publisher.note_changes(1);
        publisher.publish().await.expect("read");
        assert_eq!(received_deletions(&mut events), [Some(1)]);
    }

    #[tokio::test]
    async fn publish_without_subscribers_drops_changes_without_reading() {
        let publisher = Publisher::new();
        let database = rusqlite::Connection::open(publisher.folder.path().join("keys.db")).expect("opened");
        database.execute_batch("ALTER TABLE runs RENAME TO hidden").expect("changed");
        publisher.note_changes(1);
        publisher.publish().await.expect("nothing is read");
        let mut events = publisher.sender.subscribe();
        publisher.publish().await.expect("nothing is pending");
        assert_eq!(received_deletions(&mut events), []);
    }

    #[tokio::test]
    async fn publish_while_store_fails_keeps_changes() {
        let publisher = Publisher::new();
        let mut events = publisher.sender.subscribe();
        publisher.note_changes(2);
        let database = rusqlite::Connection::open(publisher.folder.path().join("keys.db")).expect("opened");
        database.execute_batch("ALTER TABLE runs RENAME TO hidden").expect("changed");
        publisher.publish().await.expect_err("the store fails");
        assert_eq!(received_deletions(&mut events), []);
        database.execute_batch("ALTER TABLE hidden RENAME TO runs").expect("changed");
        publisher.publish().await.expect("read");
        assert_eq!(received_deletions(&mut events), [Some(2)]);
    }
}
