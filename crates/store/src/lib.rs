//! Storage of keys and training runs: the traits [`Store`], [`KeyRepository`] and
//! [`RunRepository`], and their SQLite implementation.
//!
//! A store deliberately never receives plaintext keys (only hashes), does not read the clock (callers pass the time),
//! and has no JSON types (the service converts what a store returns). It returns only what is committed, so a
//! revocation is in effect once its caller has the result.

mod activity;
mod change_feed;
mod disk_space;
mod error;
mod health;
mod key_list;
mod private_files;
mod revocation_record;
mod runs;
mod sqlite;
mod usage;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ulkeys_domain::training::{CheckpointId, RunId};
use ulkeys_domain::{AccountId, ActivityKind, AttentionThresholds, KeyHash, KeyId, KeyName, KeyRecord, Timestamp};

pub use activity::{ActivityEntry, ActivityEvent, ActivityPage};
pub use change_feed::{Committed, KeyChanges, KeyVisitor, KnownKeys, Revision, StoredKey};
pub use error::{DatabaseProblem, OpenError, StoreError, WriteError, is_locking_unsupported};
pub use health::{ChangeCount, DatabaseHealth, StopCause, WritesStopped};
pub use key_list::{CursorValue, KeyCounts, KeyCursor, KeyPage, KeyQuery};
pub use runs::{
    MAX_CONSOLE_BYTES, MAX_EPOCH_BYTES, MAX_UNCONFIRMED_CHECKPOINTS, ReportedBy, ResourceCounts, RunDeletion,
    RunRepository, StoredBytes, TrainingBytes,
};
pub use sqlite::SqliteStore;
pub use usage::{
    AuditContext, ClientUsage, HourlyCount, HourlyUsage, KeyClient, KeyUsage, MAX_CLIENTS_PER_KEY, MILLIS_PER_HOUR,
    RejectedRequests, UsageBatch, UsageBatchId,
};

/// The result of a store operation that does not write.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The result of a write.
pub type WriteResult<T> = std::result::Result<Committed<T>, WriteError>;

/// The data of one account.
pub trait AccountStore: KeyRepository + RunRepository {}

impl<T: KeyRepository + RunRepository> AccountStore for T {}

/// The data of all accounts of a service.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Returns the data of one account. The data of other accounts is not reachable through it.
    fn account(&self, id: AccountId) -> Arc<dyn AccountStore>;

    /// Passes all keys to `visit`, active and revoked, and returns the last change that they include.
    async fn snapshot(&self, visit: KeyVisitor) -> Result<Revision>;

    /// Returns the changes to keys after `revision`, including those that other programs made. `known` are the keys
    /// that the caller knows. A service should call this method every second.
    async fn changes_since(&self, revision: Revision, known: Arc<dyn KnownKeys>) -> Result<KeyChanges>;

    /// Stores a batch of usage in one transaction. A batch that is already stored changes nothing, so a caller can
    /// repeat a call whose outcome it does not know. The last-used time of a key only moves forward, and never past the
    /// time at which the key was revoked.
    async fn record_usage(&self, batch: Arc<UsageBatch>) -> Result<()>;

    /// Records that the service ran on the day of `now`. Deletes usage and activity that are older than `retention`,
    /// and clients that have not been used for that long. If `now` jumps far ahead, nothing is deleted until later days
    /// confirm the time, because the clock may be wrong.
    async fn purge_old_entries(&self, now: Timestamp, retention: Duration) -> Result<()>;

    /// Deletes some of the runs whose last event is more than `retention` before `now`, as
    /// [`RunRepository::delete_run`] does. Returns the deleted runs; none if there are no more such runs. If `now`
    /// jumps far ahead, nothing is deleted until later days confirm the time, because the clock may be wrong.
    async fn purge_runs(&self, now: Timestamp, retention: Duration) -> Result<Vec<RunId>>;

    /// Returns the checkpoints whose files must be deleted: those of deleted runs and, if `with_replaced` is set, those
    /// that were replaced by a newer checkpoint.
    async fn files_to_remove(&self, with_replaced: bool) -> Result<Vec<CheckpointId>>;

    /// Records that the files of these checkpoints were deleted.
    async fn note_files_removed(&self, checkpoints: Vec<CheckpointId>) -> Result<()>;

    /// Returns all checkpoints whose files should exist.
    async fn checkpoints_with_file(&self) -> Result<Vec<CheckpointId>>;

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

/// Stores the keys of one account, their usage and their activity.
///
/// When a method that changes data returns `Ok`, the change is durable: it survives a crash and a power loss.
#[async_trait]
pub trait KeyRepository: Send + Sync + 'static {
    /// Stores a new key.
    ///
    /// # Errors
    /// Returns [`WriteError::Conflict`] if the identifier or the hash already exists.
    async fn insert(&self, key: KeyRecord, hash: KeyHash, audit: AuditContext) -> WriteResult<()>;

    /// Returns the key with this identifier, active or revoked.
    async fn get_key(&self, id: &KeyId) -> Result<Option<KeyRecord>>;

    /// Returns the keys with these identifiers, active or revoked, in any order. Unknown identifiers are ignored.
    async fn get_keys(&self, ids: Vec<KeyId>) -> Result<Vec<KeyRecord>>;

    /// Returns at most `limit` active keys, newest first. If `after` is set, only keys after this key in that order,
    /// with its time of creation and its identifier, are returned. Counts nothing, so reading all active keys in
    /// several calls takes linear time.
    async fn list_active(&self, after: Option<(Timestamp, KeyId)>, limit: u32) -> Result<Vec<KeyRecord>>;

    /// Returns a page of keys.
    async fn list(&self, query: KeyQuery) -> Result<KeyPage>;

    /// Returns the number of keys of each status.
    async fn count_keys(&self, thresholds: AttentionThresholds) -> Result<KeyCounts>;

    /// Renames an active key and returns the renamed key.
    ///
    /// # Errors
    /// Returns [`WriteError::NotFound`] if there is no active key with this identifier.
    async fn rename(&self, id: &KeyId, name: KeyName, at: Timestamp, audit: AuditContext) -> WriteResult<KeyRecord>;

    /// Revokes a key. If the key was already revoked, the time of the first revocation is retained. If the database
    /// cannot be written, but the revocation was recorded in a file outside the database, the call succeeds: the key is
    /// rejected from then on.
    ///
    /// # Errors
    /// Returns [`WriteError::NotFound`] if there is no key with this identifier.
    async fn revoke(&self, id: &KeyId, at: Timestamp, audit: AuditContext) -> WriteResult<Revocation>;

    /// Returns the number of requests made with a key in each hour since `since`, and the clients that used the key.
    async fn key_usage(&self, id: &KeyId, since: Timestamp) -> Result<KeyUsage>;

    /// Returns the number of accepted requests with each of these keys in each of these hours, counted from the Unix
    /// epoch (UTC). Hours without requests are left out.
    async fn accepted_requests(&self, ids: Vec<KeyId>, hours: RangeInclusive<i64>) -> Result<Vec<HourlyCount>>;

    /// Returns at most `limit` activity entries, newest first. If `key` or `kind` is set, returns only the entries of
    /// that key or kind. If `before` is set, returns only the entries that are older than that entry.
    async fn list_activity(
        &self,
        key: Option<KeyId>,
        kind: Option<ActivityKind>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ActivityPage>;
}

/// The result of [`KeyRepository::revoke`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Time at which the key was first revoked.
    pub at: Timestamp,
    /// Whether this call revoked the key; `false` if the key was already revoked.
    pub is_new: bool,
}
