//! The ordered feed of changes to keys, from which a service keeps an index of all keys in memory.
//!
//! A service reads all keys once ([`Store::snapshot`](crate::Store::snapshot)). It applies each of its own changes from
//! the [`Committed`] value that the write returns, and asks for all other changes
//! ([`Store::changes_since`](crate::Store::changes_since)): changes whose [`Committed`] value was lost, and changes
//! that other programs made.

use ulkeys_domain::{AccountId, KeyAuthInfo, KeyHash};

/// The number of a change to a key. Each transaction that changes a key takes the next number from one counter, in the
/// same transaction, so the numbers are in the order of the commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// The part of a stored key that decides whether requests with the key are authorized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The account that owns the key.
    pub account: AccountId,
    /// The hash by which the key is looked up.
    pub hash: KeyHash,
    /// The data that decides about requests.
    pub info: KeyAuthInfo,
    /// The last change to the key.
    pub revision: Revision,
}

/// The result of a committed write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    /// The result of the write.
    pub value: T,
    /// The last change to any key, as of this write.
    pub revision: Revision,
    /// The new state of the key, or `None` if the write did not change it.
    pub change: Option<StoredKey>,
}

/// The changes that [`Store::changes_since`](crate::Store::changes_since) returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyChanges {
    /// The last change that is included. The next call starts here.
    pub revision: Revision,
    /// The new state of each key that was added or changed.
    pub stored: Vec<StoredKey>,
    /// Keys that no longer exist.
    pub removed: Vec<KeyHash>,
    /// Whether another program made any of the changes.
    pub is_from_outside: bool,
}

/// The keys that a service knows. A store compares them with the database after another program has changed it, because
/// such a program takes no revision.
pub trait KnownKeys: Send + Sync {
    /// Returns the key with this hash.
    fn get(&self, hash: &KeyHash) -> Option<StoredKey>;

    /// Returns the number of keys.
    fn count(&self) -> usize;

    /// Calls `visit` for each key, in any order.
    fn for_each(&self, visit: &mut dyn FnMut(StoredKey));
}

/// Receives the keys of a snapshot, one at a time, so that the store does not hold all of them in memory.
pub type KeyVisitor = Box<dyn FnMut(StoredKey) + Send>;
