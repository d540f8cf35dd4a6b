//! An index of all keys by their hash, in memory, with the state that requests change: rate limits and unwritten usage.
//!
//! The index contains keys, not decisions about requests. The store owns the keys: every change is committed there
//! first and applied here before it is acknowledged, so a revocation takes effect for the next request. A key uses
//! about 170 bytes, and more for an hour after a request.
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
use smallvec::SmallVec;
use ulkeys_domain::decision::Rejection;
use ulkeys_domain::{AccountId, KeyAuthInfo, KeyHash, KeyId, KeyName, Scopes, Timestamp};
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
    /// The last change to a key that the store has delivered. Locked while changes are applied.
    delivered: Mutex<Revision>,
    /// The keys that have [`KeyActivity`] and whose usage has been written at least once.
    active: Mutex<Vec<Arc<KeyEntry>>>,
}

/// A key in the index. It stays valid after the key has been removed from the index.
pub(crate) struct KeyEntry {
    hash: KeyHash,
    id: [u8; KeyId::RANDOM_BYTES],
    created_at: Timestamp,
    state: Mutex<KeyState>,
}

/// The state of a key that changes.
pub(crate) struct KeyState {
    pub(crate) name: KeyName,
    pub(crate) scopes: Scopes,
    pub(crate) revoked_at: Option<Timestamp>,
    account: AccountId,
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
    peers: SmallVec<[IpAddr; 1]>,
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

    /// Sets the last change that a snapshot, whose keys have been added with [`Self::insert`], includes.
    pub(crate) fn finish_loading(&self, revision: Revision) {
        *self.delivered.lock() = revision;
    }

    /// Returns the last change that the store has delivered.
    pub(crate) fn delivered(&self) -> Revision {
        *self.delivered.lock()
    }

    /// Applies a change that this service has committed. Ignores a change that the store has already delivered, because
    /// a later change may have removed the key.
    pub(crate) fn apply_commit(&self, stored: StoredKey) {
        let delivered = self.delivered.lock();
        if stored.revision > *delivered {
            self.insert(stored);
        }
    }

    /// Adds a key or applies a change to it. A change that is older than the known state of the key is ignored, because
    /// changes can arrive in any order.
    pub(crate) fn insert(&self, stored: StoredKey) {
        let known = self.get(&stored.hash);
        if let Some(known) = known.filter(|known| known.id() == stored.info.id) {
            known.apply(stored);
            return;
        }
        let mut keys = self.keys.write();
        // Another task may have added the key since it was looked up.
        match keys.get(&stored.hash) {
            Some(known) if known.0.id() == stored.info.id => known.0.apply(stored),
            Some(known) if known.0.lock().revision > stored.revision => {}
            _ => {
                if let Some(former) = keys.replace(IndexedEntry(Arc::new(KeyEntry::new(stored)))) {
                    former.0.lock().is_removed = true;
                }
            }
        }
    }

    /// Applies changes that the store has delivered.
    pub(crate) fn apply_delivered(&self, changes: KeyChanges) {
        let mut delivered = self.delivered.lock();
        *delivered = changes.revision;
        changes.stored.into_iter().for_each(|key| self.insert(key));
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
        let (account, revision, is_removed, activity) = (stored.account, stored.revision, false, None);
        let state = KeyState { name, scopes, revoked_at, account, revision, is_removed, activity };
        Self { hash: stored.hash, id: id.to_random_bytes(), created_at, state: Mutex::new(state) }
    }

    pub(crate) fn id(&self) -> KeyId {
        KeyId::from_random_bytes(self.id)
    }

    /// Locks the state. While it is locked, the key cannot be revoked.
    pub(crate) fn lock(&self) -> MutexGuard<'_, KeyState> {
        self.state.lock()
    }

    /// Returns the current data of the key.
    pub(crate) fn info(&self) -> KeyAuthInfo {
        self.info_in(&self.lock())
    }

    fn info_in(&self, state: &KeyState) -> KeyAuthInfo {
        KeyAuthInfo {
            id: self.id(),
            name: state.name.clone(),
            scopes: state.scopes,
            created_at: self.created_at,
            revoked_at: state.revoked_at,
        }
    }

    fn to_stored(&self) -> StoredKey {
        let state = self.lock();
        let info = self.info_in(&state);
        StoredKey { account: state.account, hash: self.hash, info, revision: state.revision }
    }

    fn apply(&self, stored: StoredKey) {
        let mut state = self.lock();
        if stored.revision >= state.revision {
            let KeyAuthInfo { name, scopes, revoked_at, .. } = stored.info;
            (state.account, state.revision) = (stored.account, stored.revision);
            (state.name, state.scopes) = (name, scopes);
            // A revocation is final, whatever the store returns.
            state.revoked_at = state.revoked_at.or(revoked_at);
        }
    }
}

impl KeyState {
    /// Returns an error if the key is revoked, or if another program has removed it from the database or given it to
    /// another account. This service works with the data of the app's account only.
    pub(crate) fn check_active(&self) -> Result<(), Rejection> {
        match self.revoked_at {
            _ if self.is_removed || self.account != AccountId::EMBEDDED => Err(Rejection::Unknown),
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rand::rngs::SysRng;
    use ulkeys_domain::decision::Decision;
    use ulkeys_domain::{Scope, Secret};

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn stored_key(revision: u64) -> StoredKey {
        let info = KeyAuthInfo {
            id: KeyId::generate(&mut SysRng).expect("randomness"),
            name: KeyName::parse("key").expect("valid"),
            scopes: Scopes::new([Scope::Read]).expect("not empty"),
            created_at: Timestamp::from_millis(1).expect("in range"),
            revoked_at: None,
        };
        let hash = Secret::generate(&mut SysRng).expect("randomness").hash();
        StoredKey { account: AccountId::EMBEDDED, hash, info, revision: Revision(revision) }
    }

    fn renamed(key: &StoredKey, name: &str, revision: u64) -> StoredKey {
        let info = KeyAuthInfo { name: KeyName::parse(name).expect("valid"), ..key.info.clone() };
        StoredKey { info, revision: Revision(revision), ..key.clone() }
    }

    fn delivered(revision: u64, stored: Vec<StoredKey>, removed: Vec<KeyHash>) -> KeyChanges {
        KeyChanges { revision: Revision(revision), stored, removed, is_from_outside: false }
    }

    fn name_of(index: &KeyIndex, key: &StoredKey) -> Option<String> {
        index.get(&key.hash).map(|entry| entry.info().name.as_str().to_owned())
    }

    #[test]
    fn change_older_than_known_state_is_ignored() {
        let index = KeyIndex::default();
        let key = stored_key(1);
        index.apply_commit(key.clone());
        index.apply_commit(renamed(&key, "third", 3));
        index.apply_commit(renamed(&key, "second", 2));
        assert_eq!(name_of(&index, &key).as_deref(), Some("third"));
    }

    #[test]
    fn late_commit_does_not_add_removed_key_again() {
        let index = KeyIndex::default();
        let key = stored_key(1);
        index.apply_delivered(delivered(2, vec![key.clone()], vec![key.hash]));
        index.apply_commit(key.clone());
        assert_eq!(name_of(&index, &key), None);
    }

    #[test]
    fn key_in_use_is_rejected_after_it_is_removed_or_revoked() {
        let index = KeyIndex::default();
        let (revoked, removed) = (stored_key(1), stored_key(2));
        [&revoked, &removed].into_iter().for_each(|key| index.apply_commit(key.clone()));
        let [used_revoked, used_removed] = [&revoked, &removed].map(|key| index.get(&key.hash).expect("known"));
        assert_eq!(used_revoked.lock().check_active(), Ok(()));

        let at = Timestamp::from_millis(5).expect("in range");
        let revocation = KeyAuthInfo { revoked_at: Some(at), ..revoked.info.clone() };
        index.apply_commit(StoredKey { info: revocation, revision: Revision(3), ..revoked.clone() });
        index.apply_delivered(delivered(4, Vec::new(), vec![removed.hash]));
        assert_eq!(used_revoked.lock().check_active(), Err(Rejection::Revoked));
        assert_eq!(used_removed.lock().check_active(), Err(Rejection::Unknown));

        index.apply_delivered(delivered(5, vec![renamed(&revoked, "active again", 5)], Vec::new()));
        assert_eq!(used_revoked.lock().check_active(), Err(Rejection::Revoked), "a revocation is final");
    }

    #[test]
    fn key_in_another_account_is_rejected() {
        let index = KeyIndex::default();
        let key = stored_key(1);
        index.apply_commit(key.clone());
        let entry = index.get(&key.hash).expect("known");
        let moved = StoredKey { account: AccountId::new(2).expect("positive"), revision: Revision(2), ..key };
        index.apply_delivered(delivered(2, vec![moved.clone()], Vec::new()));
        assert_eq!(entry.lock().check_active(), Err(Rejection::Unknown));
        assert_eq!(KnownKeys::get(&index, &moved.hash), Some(moved), "the store compares the account");
    }

    #[test]
    fn row_with_another_identifier_replaces_key() {
        let index = KeyIndex::default();
        let key = stored_key(1);
        index.apply_commit(key.clone());
        let former = index.get(&key.hash).expect("known");
        let other = KeyAuthInfo { id: stored_key(0).info.id, ..key.info.clone() };
        index.apply_delivered(delivered(
            2,
            vec![StoredKey { info: other.clone(), revision: Revision(2), ..key }],
            vec![],
        ));
        assert_eq!(former.lock().check_active(), Err(Rejection::Unknown));
        assert_eq!(index.get(&former.hash).expect("known").info(), other);
    }

    #[test]
    fn activity_expires_an_hour_after_last_request_once_it_is_written() {
        let index = KeyIndex::default();
        let key = stored_key(1);
        index.apply_commit(key.clone());
        let entry = index.get(&key.hash).expect("known");
        let mut state = entry.lock();
        state.activity().note_peer(PEER, Duration::from_secs(1));
        state.activity().usage.record_rejected(Decision::Scope, key.info.created_at, true);
        drop(state);
        index.track_activity(vec![entry.clone()]);
        index.remove_expired_activity(ACTIVITY_RETENTION * 2);
        assert!(entry.lock().known_activity().is_some(), "the usage is not written yet");

        let mut batch = ulkeys_store::UsageBatch::empty();
        entry.lock().activity().usage.move_into(key.info.id, &mut batch);
        index.remove_expired_activity(ACTIVITY_RETENTION);
        assert!(entry.lock().known_activity().is_some_and(|activity| activity.is_known_peer(PEER)));
        index.remove_expired_activity(ACTIVITY_RETENTION + Duration::from_secs(1));
        assert!(entry.lock().known_activity().is_none() && index.active.lock().is_empty());
    }
}
