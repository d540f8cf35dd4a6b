//! When each key was last used: known from memory at once, announced and written in batches.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use ulkeys_domain::wire::{KeyEvent, KeyUse};
use ulkeys_domain::{KeyId, Timestamp};
use ulkeys_store::KeyStore;

/// How long uses are gathered before they are written, and before the next announcement.
const BATCH: Duration = Duration::from_millis(500);

/// Accepted uses that the store does not know yet.
#[derive(Default)]
pub(crate) struct LastUsed {
    pending: Mutex<Pending>,
    changed: Notify,
}

#[derive(Default)]
struct Pending {
    unsaved: HashMap<KeyId, Timestamp>,
    unannounced: HashSet<KeyId>,
}

impl LastUsed {
    /// Notes that a request with this key was accepted. Time only moves forward.
    pub(crate) fn record(&self, id: &KeyId, at: Timestamp) {
        let mut pending = self.pending();
        match pending.unsaved.get_mut(id) {
            Some(known) if *known >= at => return,
            Some(known) => *known = at,
            None => {
                pending.unsaved.insert(id.clone(), at);
            }
        }
        if !pending.unannounced.contains(id) {
            pending.unannounced.insert(id.clone());
            self.changed.notify_one();
        }
    }

    /// The uses that are not written yet. Taken before the store is read, it lacks nothing that the store lacks too.
    pub(crate) fn unsaved(&self) -> HashMap<KeyId, Timestamp> {
        self.pending().unsaved.clone()
    }

    /// Announces and writes uses until `shutdown`. What is then left is for a last [`Self::flush`].
    pub(crate) async fn run(
        self: Arc<Self>,
        store: Arc<dyn KeyStore>,
        events: broadcast::Sender<KeyEvent>,
        shutdown: CancellationToken,
    ) {
        let work = async {
            loop {
                self.changed.notified().await;
                if let Some(event) = self.announcement() {
                    let _ = events.send(event);
                }
                tokio::time::sleep(BATCH).await;
                while !self.flush(&*store).await {
                    tokio::time::sleep(BATCH).await;
                }
            }
        };
        shutdown.run_until_cancelled(work).await;
    }

    /// Writes what is pending. `false` when the store failed; then everything is kept for the next time.
    pub(crate) async fn flush(&self, store: &dyn KeyStore) -> bool {
        let batch: Vec<_> = self.pending().unsaved.iter().map(|(id, at)| (id.clone(), *at)).collect();
        if batch.is_empty() {
            return true;
        }
        if let Err(error) = store.record_use(&batch).await {
            tracing::warn!(%error, keys = batch.len(), "last-used times are not written yet");
            return false;
        }
        let mut pending = self.pending();
        for (id, saved) in batch {
            // Used again meanwhile: the newer time is for the next batch.
            if pending.unsaved.get(&id) == Some(&saved) {
                pending.unsaved.remove(&id);
            }
        }
        true
    }

    fn announcement(&self) -> Option<KeyEvent> {
        let mut pending = self.pending();
        let Pending { unsaved, unannounced } = &mut *pending;
        let uses: Vec<_> = unannounced
            .drain()
            .filter_map(|id| unsaved.get(&id).map(|at| KeyUse { key_id: id, last_used_at: *at }))
            .collect();
        (!uses.is_empty()).then_some(KeyEvent::Used { uses })
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
