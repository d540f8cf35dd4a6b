//! When each key was last used: known from memory at once, announced and written in batches.
//!
//! Announcing and writing keep their own books, so that a slow or locked store delays no announcement.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use ulkeys_domain::wire::{KeyEvent, KeyUse};
use ulkeys_domain::{KeyId, Timestamp};
use ulkeys_store::KeyStore;

/// How long uses are gathered after an announcement before the next one.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(250);
/// How long uses are gathered before they are written.
const WRITE_EVERY: Duration = Duration::from_millis(500);

type Uses = HashMap<KeyId, Timestamp>;

/// Accepted uses that are not announced, or not in the store, yet.
#[derive(Default)]
pub(crate) struct LastUsed {
    pending: Mutex<Pending>,
    to_announce: Notify,
    to_write: Notify,
}

#[derive(Default)]
struct Pending {
    unannounced: Uses,
    unsaved: Uses,
}

impl LastUsed {
    /// Notes that a request with this key was accepted. Time only moves forward.
    pub(crate) fn record(&self, id: &KeyId, at: Timestamp) {
        let mut pending = self.pending();
        if advance(&mut pending.unannounced, id, at) {
            self.to_announce.notify_one();
        }
        if advance(&mut pending.unsaved, id, at) {
            self.to_write.notify_one();
        }
    }

    /// The uses that are not written yet. Taken before the store is read, it lacks nothing that the store lacks too.
    pub(crate) fn unsaved(&self) -> Uses {
        self.pending().unsaved.clone()
    }

    /// Announces and writes uses until `shutdown`. What is then left is for a last [`Self::flush`].
    pub(crate) async fn run(
        self: Arc<Self>,
        store: Arc<dyn KeyStore>,
        events: broadcast::Sender<KeyEvent>,
        shutdown: CancellationToken,
    ) {
        let announce = async {
            loop {
                self.to_announce.notified().await;
                let uses = std::mem::take(&mut self.pending().unannounced);
                let uses = uses.into_iter().map(|(key_id, last_used_at)| KeyUse { key_id, last_used_at }).collect();
                // Nobody listens: fine.
                let _ = events.send(KeyEvent::Used { uses });
                tokio::time::sleep(ANNOUNCE_EVERY).await;
            }
        };
        let write = async {
            loop {
                self.to_write.notified().await;
                tokio::time::sleep(WRITE_EVERY).await;
                while !self.flush(&*store).await {
                    tokio::time::sleep(WRITE_EVERY).await;
                }
            }
        };
        shutdown.run_until_cancelled(async { tokio::join!(announce, write) }).await;
    }

    /// Writes what is pending. `false` when the store failed; then everything is kept for the next time.
    pub(crate) async fn flush(&self, store: &dyn KeyStore) -> bool {
        let batch: Vec<_> = self.unsaved().into_iter().collect();
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
            } else {
                self.to_write.notify_one();
            }
        }
        true
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves a key's time forward. Whether the key was not in the book before.
fn advance(uses: &mut Uses, id: &KeyId, at: Timestamp) -> bool {
    match uses.get_mut(id) {
        Some(known) => {
            *known = at.max(*known);
            false
        }
        None => {
            uses.insert(id.clone(), at);
            true
        }
    }
}
