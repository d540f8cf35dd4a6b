//! An index of all keys by their hash, in memory, with the state that requests change: rate limits and unwritten usage.
//!
//! The index contains keys, not decisions about requests. The store owns the keys: every change is committed there
//! first and applied here before it is acknowledged, so a revocation takes effect for the next request. A key uses
//! about 200 bytes, and more for an hour after a request.
//!
//! Each key has one entry with one lock. A request finds the entry and locks it once, to check the key, to count the
//! request against the limits, and to record its use.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use rustc_hash::FxHashSet;
use ulkeys_domain::decision::Rejection;
use ulkeys_domain::{KeyAuthInfo, KeyHash, KeyId, KeyName, Scopes, Timestamp};
use ulkeys_store::{KeyChanges, KnownKeys, Revision, StoredKey};

use crate::key_rate_limits::KeyRateLimits;
use crate::pending_usage::PendingKeyUsage;

/// The time for which the activity of a key is kept in memory after the key's last request.
const ACTIVITY_RETENTION: Duration = Duration::from_hours(1);
/// The maximum number of peers stored per key.
const MAX_PEERS_PER_KEY: usize = 16;

/// All keys, active and revoked.
#[derive(Default)]
pub(crate) struct KeyIndex {
    keys: RwLock<FxHashSet<IndexedEntry>>,
    /// The keys that have [`KeyActivity`] and whose usage has been written at least once.
    active: Mutex<Vec<Arc<KeyEntry>>>,
}

/// A key in the index. It stays valid after the key has been removed from the index.
pub(crate) struct KeyEntry {
    hash: KeyHash,
    id: KeyId,
    created_at: Timestamp,
    state: Mutex<KeyState>,
}

/// The state of a key that changes.
pub(crate) struct KeyState {
    pub(crate) name: KeyName,
    pub(crate) scopes: Scopes,
    pub(crate) revoked_at: Option<Timestamp>,
    revision: Revision,
    is_removed: bool,
    /// Present after a request with the key.
    activity: Option<Box<KeyActivity>>,
}

/// What the service remembers about the requests with a key.
#[derive(Default)]
pub(crate) struct KeyActivity {
    pub(crate) limits: KeyRateLimits,
    pub(crate) usage: PendingKeyUsage,
    /// Peers that have used the key recently, newest first.
    peers: Vec<IpAddr>,
    /// The uptime at the last request.
    last: Duration,
    /// Whether the key is in [`KeyIndex::active`].
    is_tracked: bool,
}

impl KeyIndex {
    /// Returns the key with this hash, active or revoked.
    pub(crate) fn get(&self, hash: &KeyHash) -> Option<Arc<KeyEntry>> {
        self.keys.read().get(hash).map(|entry| entry.0.clone())
    }

    /// Adds a key or applies a change to it. A change that is older than the known state of the key is ignored, because
    /// changes can arrive in any order.
    pub(crate) fn apply(&self, stored: StoredKey) {
        let known = self.get(&stored.hash);
        if let Some(known) = known.filter(|known| known.id == stored.info.id) {
            known.apply(stored);
            return;
        }
        let mut keys = self.keys.write();
        // Another task may have added the key since it was looked up.
        match keys.get(&stored.hash) {
            Some(known) if known.0.id == stored.info.id => known.0.apply(stored),
            Some(known) if known.0.lock().revision > stored.revision => {}
            _ => {
                if let Some(former) = keys.replace(IndexedEntry(Arc::new(KeyEntry::new(stored)))) {
                    former.0.lock().is_removed = true;
                }
            }
        }
    }

    /// Applies changes from the store.
    pub(crate) fn apply_all(&self, changes: KeyChanges) {
        changes.stored.into_iter().for_each(|key| self.apply(key));
        for hash in changes.removed {
            if let Some(entry) = self.keys.write().take(&hash) {
                entry.0.lock().is_removed = true;
            }
        }
    }

    /// Adds keys to the list of keys with activity, so that [`Self::remove_expired_activity`] finds them.
    pub(crate) fn track_activity(&self, entries: Vec<Arc<KeyEntry>>) {
        let is_untracked = |entry: &Arc<KeyEntry>| {
            let mut state = entry.lock();
            state.known_activity().is_some_and(|activity| !std::mem::replace(&mut activity.is_tracked, true))
        };
        let mut untracked: Vec<_> = entries.into_iter().filter(is_untracked).collect();
        self.active.lock().append(&mut untracked);
    }

    /// Removes expired rate-limit counters, and the activity of keys that have not been used for an hour.
    pub(crate) fn remove_expired_activity(&self, now: Duration) {
        self.active.lock().retain(|entry| {
            let activity = &mut entry.lock().activity;
            let Some(known) = activity else { return false };
            known.limits.remove_expired(now);
            let is_active = known.last + ACTIVITY_RETENTION > now || !known.usage.is_empty();
            if !is_active {
                *activity = None;
            }
            is_active
        });
    }
}

impl KnownKeys for KeyIndex {
    fn get(&self, hash: &KeyHash) -> Option<StoredKey> {
        self.keys.read().get(hash).map(|entry| entry.0.to_stored())
    }

    fn count(&self) -> usize {
        self.keys.read().len()
    }

    fn for_each(&self, visit: &mut dyn FnMut(StoredKey)) {
        self.keys.read().iter().for_each(|entry| visit(entry.0.to_stored()));
    }
}

impl KeyEntry {
    pub(crate) fn new(stored: StoredKey) -> Self {
        let KeyAuthInfo { id, name, scopes, created_at, revoked_at } = stored.info;
        let (revision, is_removed, activity) = (stored.revision, false, None);
        let state = KeyState { name, scopes, revoked_at, revision, is_removed, activity };
        Self { hash: stored.hash, id, created_at, state: Mutex::new(state) }
    }

    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }

    /// Locks the state. While it is locked, the key cannot be revoked.
    pub(crate) fn lock(&self) -> MutexGuard<'_, KeyState> {
        self.state.lock()
    }

    /// Returns the current data of the key.
    pub(crate) fn info(&self) -> KeyAuthInfo {
        let KeyState { name, scopes, revoked_at, .. } = &*self.lock();
        KeyAuthInfo {
            id: self.id,
            name: name.clone(),
            scopes: *scopes,
            created_at: self.created_at,
            revoked_at: *revoked_at,
        }
    }

    fn to_stored(&self) -> StoredKey {
        StoredKey { hash: self.hash, info: self.info(), revision: self.lock().revision }
    }

    fn apply(&self, stored: StoredKey) {
        let mut state = self.lock();
        if stored.revision >= state.revision {
            let KeyAuthInfo { name, scopes, revoked_at, .. } = stored.info;
            state.revision = stored.revision;
            (state.name, state.scopes, state.revoked_at) = (name, scopes, revoked_at);
        }
    }
}

impl KeyState {
    /// Returns an error if the key is revoked, or if another program has removed it from the database.
    pub(crate) fn check_active(&self) -> Result<(), Rejection> {
        match self.revoked_at {
            _ if self.is_removed => Err(Rejection::Unknown),
            Some(_) => Err(Rejection::Revoked),
            None => Ok(()),
        }
    }

    /// Returns the activity of the key, creating it if necessary. The caller must record usage, because only keys with
    /// usage are found when activity expires.
    pub(crate) fn activity(&mut self) -> &mut KeyActivity {
        self.activity.get_or_insert_default()
    }

    /// Returns the activity of the key, or `None` if it has not been used recently.
    pub(crate) fn known_activity(&mut self) -> Option<&mut KeyActivity> {
        self.activity.as_deref_mut()
    }
}

impl KeyActivity {
    /// Records that a peer uses the key.
    pub(crate) fn note_peer(&mut self, peer: IpAddr, now: Duration) {
        self.last = now.max(self.last);
        if !self.peers.contains(&peer) {
            self.peers.truncate(MAX_PEERS_PER_KEY - 1);
            self.peers.insert(0, peer);
        }
    }

    /// Returns whether the peer has used the key recently.
    pub(crate) fn is_known_peer(&self, peer: IpAddr) -> bool {
        self.peers.contains(&peer)
    }
}

/// An entry in the set of all keys, found by its hash. The hash of a key is uniformly distributed, so a fast hash
/// function is sufficient.
struct IndexedEntry(Arc<KeyEntry>);

impl Borrow<KeyHash> for IndexedEntry {
    fn borrow(&self) -> &KeyHash {
        &self.0.hash
    }
}

impl PartialEq for IndexedEntry {
    fn eq(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for IndexedEntry {}

impl Hash for IndexedEntry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash.hash(state);
    }
}
