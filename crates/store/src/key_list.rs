//! Pages of an account's keys, and their number.

use ulkeys_domain::{AttentionThresholds, KeyId, KeyName, KeyRecord, KeySort, KeyStatus, Timestamp};

/// The filter, the order, and the page of a [`KeyRepository::list`](crate::KeyRepository::list) call.
#[derive(Debug, Clone)]
pub struct KeyQuery {
    /// Only keys with this status are listed.
    pub status: KeyStatus,
    /// The thresholds that decide whether a key needs attention.
    pub thresholds: AttentionThresholds,
    /// Search words, separated by white space. Each word must occur in the name (ignoring case and accents), in the
    /// prefix, or in a scope, or must equal the identifier.
    pub text: String,
    /// If set, only keys with exactly this name are listed.
    pub name: Option<KeyName>,
    /// The sort order.
    pub sort: KeySort,
    /// If set, only keys after this position are listed. Its value belongs to the column of `sort`.
    pub after: Option<KeyCursor>,
    /// The number of keys to skip before the page.
    pub offset: u64,
    /// The maximum number of keys on the page.
    pub limit: u32,
}

/// A position in a list of keys that is sorted by name or by time of creation: the position of the last key of a page.
/// It stays valid if that key is renamed or revoked, so a walk from position to position visits each key once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCursor {
    /// The value by which the key was sorted.
    pub value: CursorValue,
    /// The identifier of the key, which orders keys with the same value.
    pub id: KeyId,
}

/// The value by which a key is sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CursorValue {
    /// The name without case and accents.
    Name(String),
    /// The time of creation.
    CreatedAt(Timestamp),
}

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys on the page.
    pub keys: Vec<KeyRecord>,
    /// The number of matching keys on all pages.
    pub total: u64,
    /// The position of the last key, if more keys follow. `None` if the keys are sorted by a column whose values
    /// change.
    pub next: Option<KeyCursor>,
}

/// The number of keys of each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// The number of active keys.
    pub active: u64,
    /// The number of active keys that need attention.
    pub attention: u64,
    /// The number of revoked keys.
    pub revoked: u64,
}
