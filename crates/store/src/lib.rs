//! Where keys and training runs are kept: the traits [`KeyStore`] and [`RunStore`], and their implementation on SQLite.
//!
//! Deliberately absent: plaintext keys (a store sees hashes) and the clock (times are passed in). What a store answers
//! is what is committed, so that a revocation holds from the moment it is acknowledged.

mod disk_space;
mod error;
mod revocation_record;
mod runs;
mod sqlite;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ulkeys_domain::wire::{ActivityKind, ActivityPage, KeyCounts, KeySort, KeyStatus, KeyUsage};
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

/// Everything that a service keeps, in one store.
pub trait Store: KeyStore + RunStore {}

impl<T: KeyStore + RunStore> Store for T {}

/// Stores the keys of one workspace, their usage and their activity.
///
/// Every method that returns `Ok` after a change has made it durable: it survives a crash and a loss of power.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Keeps a new key. `false`, changing nothing, when the key that asked for it has been revoked.
    ///
    /// # Errors
    /// Fails, changing nothing, when the identifier or the hash is already there.
    async fn insert(&self, key: KeyRecord, hash: KeyHash, audit: AuditContext) -> Result<bool>;

    /// What decides about the key with this hash, revoked or not. Asked on every request, so it never waits.
    async fn lookup(&self, hash: &KeyHash) -> Result<Option<Arc<KeyAuthInfo>>>;

    /// The key with this identifier, revoked or not.
    async fn get_key(&self, id: &KeyId) -> Result<Option<KeyRecord>>;

    /// All keys that are not revoked, newest first.
    async fn list_active(&self) -> Result<Vec<KeyRecord>>;

    /// A page of keys, and how many there are on all pages together.
    async fn list(&self, query: KeyQuery) -> Result<(Vec<KeyRecord>, u64)>;

    /// How many keys there are of each status.
    async fn count_keys(&self, thresholds: AttentionThresholds) -> Result<KeyCounts>;

    /// Gives an active key another name, and returns it as it is then. `None` when there is no such active key, or the
    /// key that asked for it has been revoked.
    async fn rename(&self, id: &KeyId, name: KeyName, at: Timestamp, audit: AuditContext) -> Result<Option<KeyRecord>>;

    /// Revokes a key. `None` when there is no such key, or the key that asked for it has been revoked; for a key
    /// revoked before, the time of the first revocation stays. It succeeds if the revocation is recorded outside the
    /// database, even if the database cannot be written: the key is refused from then on.
    async fn revoke(&self, id: &KeyId, at: Timestamp, audit: AuditContext) -> Result<Option<Revocation>>;

    /// Stores a batch of usage in one transaction. Last-used only moves forward, and never past a revocation.
    async fn record_usage(&self, batch: Arc<UsageBatch>) -> Result<()>;

    /// A key's requests by hour since `since`, and its sources.
    async fn key_usage(&self, id: &KeyId, since: Timestamp) -> Result<KeyUsage>;

    /// A page of at most `limit` entries, newest first: those before the entry `before`, of one key or of all, and of
    /// one kind or of all.
    async fn list_activity(
        &self,
        key: Option<KeyId>,
        kind: Option<ActivityKind>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ActivityPage>;

    /// Notes that the service runs on the day of `now`, and removes usage, activity, and sources without a use that are
    /// older than `retention`. Nothing is removed because of a single day that lies far ahead: the clock may be wrong.
    async fn purge_old_entries(&self, now: Timestamp, retention: Duration) -> Result<()>;

    /// Checks whether another program has changed or replaced the database, and applies what it finds. Returns how
    /// often keys were changed by others so far. Each write does the same; [`Self::lookup`] does not, so a service
    /// calls this every second.
    async fn check_outside_changes(&self) -> u64;

    /// Whether the store can be read now.
    async fn ping(&self) -> Result<()>;

    /// Gathers what is kept, so that a copy of the database is whole. For the end of a service: what is written later
    /// is durable too, but may be beside the database again.
    ///
    /// # Errors
    /// When another program reads the database just now. Nothing is lost by it.
    async fn checkpoint(&self) -> Result<()>;
}

/// Which keys [`KeyStore::list`] is asked for.
#[derive(Debug, Clone)]
pub struct KeyQuery {
    /// Their status.
    pub status: KeyStatus,
    /// What needs attention.
    pub thresholds: AttentionThresholds,
    /// Words, separated by white space; each must occur in the name (without regard to case and accents), in the prefix
    /// or in a scope, or be the identifier.
    pub text: String,
    /// Their exact name.
    pub name: Option<KeyName>,
    /// In which order.
    pub sort: KeySort,
    /// How many of them come before the page.
    pub offset: u64,
    /// How many are on the page, at most.
    pub limit: u32,
}

/// Outcome of [`KeyStore::revoke`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// When the key was first revoked.
    pub at: Timestamp,
    /// Whether this call did it.
    pub is_new: bool,
}
