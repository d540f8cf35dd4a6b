//! An index of keys that is kept up to date as a service does it: from a snapshot, from the results of writes, and from
//! the change feed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use ulkeys_domain::KeyHash;
use ulkeys_store::{Committed, KeyChanges, KeyVisitor, KnownKeys, Revision, StoredKey};

/// An index of keys by their hash.
#[derive(Default)]
pub(crate) struct KeyIndex {
    state: RwLock<IndexState>,
}

#[derive(Default)]
struct IndexState {
    keys: HashMap<KeyHash, StoredKey>,
    /// The last change that the snapshot or the change feed included.
    revision: Revision,
}

impl IndexState {
    /// Adds or replaces a key, unless a later change to the same key was applied before.
    fn apply(&mut self, key: StoredKey) {
        if self.keys.get(&key.hash).is_none_or(|known| known.revision <= key.revision) {
            self.keys.insert(key.hash, key);
        }
    }
}

impl KeyIndex {
    /// Returns the visitor for a snapshot, which fills the index.
    pub(crate) fn visitor(self: &Arc<Self>) -> KeyVisitor {
        let index = Arc::clone(self);
        Box::new(move |key| index.state.write().apply(key))
    }

    /// Notes the last change that the snapshot included.
    pub(crate) fn start_at(&self, revision: Revision) {
        self.state.write().revision = revision;
    }

    /// Returns the last change that the snapshot or the change feed included.
    pub(crate) fn revision(&self) -> Revision {
        self.state.read().revision
    }

    /// Applies the result of a write. The change feed may have delivered the change earlier. It may even have delivered
    /// the removal of the key since then, so a change that it includes is ignored.
    pub(crate) fn apply_write<T>(&self, written: &Committed<T>) {
        let mut state = self.state.write();
        if let Some(change) = written.change.as_ref().filter(|_| written.revision > state.revision) {
            state.apply(change.clone());
        }
    }

    /// Applies changes from the change feed.
    pub(crate) fn apply_changes(&self, changes: KeyChanges) {
        let mut state = self.state.write();
        changes.removed.iter().for_each(|hash| drop(state.keys.remove(hash)));
        changes.stored.into_iter().for_each(|key| state.apply(key));
        state.revision = state.revision.max(changes.revision);
    }
}

impl KnownKeys for KeyIndex {
    fn get(&self, hash: &KeyHash) -> Option<StoredKey> {
        self.state.read().keys.get(hash).cloned()
    }

    fn count(&self) -> usize {
        self.state.read().keys.len()
    }

    fn for_each(&self, visit: &mut dyn FnMut(StoredKey)) {
        self.state.read().keys.values().cloned().for_each(visit);
    }
}
