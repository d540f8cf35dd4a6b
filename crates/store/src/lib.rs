//! Storage of keys and training runs: the traits [`KeyStore`] and [`RunStore`], and their SQLite implementation.
//!
//! A store deliberately never receives plaintext keys (only hashes) and does not read the clock (callers pass the
//! time). It only returns committed data, so a revocation is effective as soon as it is acknowledged.

mod disk_space;
mod error;
mod private_files;
mod revocation_record;
mod runs;
mod sqlite;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ulkeys_api::{ActivityKind, ActivityPage, KeyCounts, KeySort, KeyStatus, KeyUsage};
use ulkeys_domain::{AttentionThresholds, KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, Timestamp};

pub use error::StoreError;
pub use runs::{
    MAX_CONSOLE_BYTES, MAX_EPOCH_BYTES, MAX_UNCONFIRMED_CHECKPOINTS, ReportedBy, RunDeletion, RunStore, StoredBytes,
    TrainingBytes,
};
pub use sqlite::SqliteStore;
pub use usage::{AuditContext, ClientUsage, HourlyCount, MILLIS_PER_HOUR, RejectedRequests, UsageBatch};

/// The result of every store operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A store for all data of a service.
pub trait Store: KeyStore + RunStore {}

impl<T: KeyStore + RunStore> Store for T {}

/// Stores the keys of one workspace, their usage and their activity.
///
/// When a method that changes data returns `Ok`, the change is durable: it survives a crash and a power loss.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Stores a new key. Returns `false` and changes nothing if the key that requested the new key has been revoked.
    ///
    /// # Errors
    /// Returns an error and changes nothing if the identifier or the hash already exists.
    async fn insert(&self, key: KeyRecord, hash: KeyHash, audit: AuditContext) -> Result<bool>;

    /// Returns the data that decides whether requests with a key are authorized, or `None` if no key has this hash.
    /// Includes revoked keys. Every request calls this method, so it never blocks.
    async fn lookup(&self, hash: &KeyHash) -> Result<Option<Arc<KeyAuthInfo>>>;

    /// Returns the key with this identifier, active or revoked.
    async fn get_key(&self, id: &KeyId) -> Result<Option<KeyRecord>>;

    /// Returns all active keys, newest first.
    async fn list_active(&self) -> Result<Vec<KeyRecord>>;

    /// Returns a page of keys, and the number of matching keys on all pages.
    async fn list(&self, query: KeyQuery) -> Result<(Vec<KeyRecord>, u64)>;

    /// Returns the number of keys of each status.
    async fn count_keys(&self, thresholds: AttentionThresholds) -> Result<KeyCounts>;

    /// Renames an active key and returns the renamed key. Returns `None` if there is no active key with this
    /// identifier, or if the key that requested the change has been revoked.
    async fn rename(&self, id: &KeyId, name: KeyName, at: Timestamp, audit: AuditContext) -> Result<Option<KeyRecord>>;

    /// Revokes a key. Returns `None` if the key does not exist, or if the key that requested the change has been
    /// revoked. If the key was already revoked, the time of the first revocation is retained. If the database cannot be
    /// written, but the revocation was recorded in a file outside the database, the call succeeds: the key is rejected
    /// from then on.
    async fn revoke(&self, id: &KeyId, at: Timestamp, audit: AuditContext) -> Result<Option<Revocation>>;

    /// Stores a batch of usage in one transaction. The last-used time of a key only moves forward, and never past the
    /// time at which the key was revoked.
    async fn record_usage(&self, batch: Arc<UsageBatch>) -> Result<()>;

    /// Returns the number of requests made with a key in each hour since `since`, and the clients that used the key.
    async fn key_usage(&self, id: &KeyId, since: Timestamp) -> Result<KeyUsage>;

    /// Returns at most `limit` activity entries, newest first. If `key` or `kind` is set, returns only the entries of
    /// that key or kind. If `before` is set, returns only the entries that are older than that entry.
    async fn list_activity(
        &self,
        key: Option<KeyId>,
        kind: Option<ActivityKind>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ActivityPage>;

    /// Records that the service ran on the day of `now`. Deletes usage and activity that are older than `retention`,
    /// and clients that have not been used for that long. If `now` jumps far ahead, nothing is deleted until later days
    /// confirm the time, because the clock may be wrong.
    async fn purge_old_entries(&self, now: Timestamp, retention: Duration) -> Result<()>;

    /// Checks whether another program has changed or replaced the database, and if so, applies the changes. Returns how
    /// many times keys have been reloaded or revoked because of such changes. Every write includes this check, but
    /// [`Self::lookup`] does not, so a service should call this method every second.
    async fn check_outside_changes(&self) -> u64;

    /// Checks whether the store can be read.
    async fn ping(&self) -> Result<()>;

    /// Checkpoints the WAL, so that copying the main database file alone is a complete backup. A service should call
    /// this method when it shuts down. Writes after the checkpoint are also durable, but may be in the WAL only.
    ///
    /// # Errors
    /// Returns an error if another program is reading the database, which prevents a complete checkpoint. No data is
    /// lost in this case.
    async fn checkpoint(&self) -> Result<()>;
}

/// The filter, the order, and the page of a [`KeyStore::list`] call.
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
    /// The number of matching keys to skip before the page.
    pub offset: u64,
    /// The maximum number of keys on the page.
    pub limit: u32,
}

/// The result of [`KeyStore::revoke`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Time at which the key was first revoked.
    pub at: Timestamp,
    /// Whether this call revoked the key; `false` if the key was already revoked.
    pub is_new: bool,
}
