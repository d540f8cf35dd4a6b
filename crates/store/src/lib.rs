//! Where keys and training runs are kept: the traits [`KeyStore`] and [`RunStore`], and their implementation on SQLite.
//!
//! Deliberately absent: plaintext keys (a store sees hashes), the clock (times are passed in), and any cache. What a
//! store answers is what is committed, so that a revocation holds from the moment it is acknowledged.

mod error;
mod runs;
mod sqlite;

use async_trait::async_trait;
use ulkeys_domain::{KeyHash, KeyId, KeyRecord, Timestamp};

pub use error::StoreError;
pub use runs::{Feed, MAX_CONSOLE_BYTES, RunStore};
pub use sqlite::SqliteStore;

/// The result of every store operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Everything that a service keeps, in one store.
pub trait Store: KeyStore + RunStore {}

impl<T: KeyStore + RunStore> Store for T {}

/// The keys of one workspace.
///
/// Every method that returns `Ok` after a change has made it durable: it survives a crash and a loss of power.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Keeps a new key.
    ///
    /// # Errors
    /// Fails, changing nothing, when the identifier or the hash is already there.
    async fn insert(&self, key: KeyRecord, hash: KeyHash) -> Result<()>;

    /// The key with this hash, revoked or not.
    async fn find_by_hash(&self, hash: &KeyHash) -> Result<Option<KeyRecord>>;

    /// All keys that are not revoked, newest first.
    async fn list_active(&self) -> Result<Vec<KeyRecord>>;

    /// Revokes a key. `None` when there is no such key; for a key revoked before, the time of the first revocation
    /// stays.
    async fn revoke(&self, id: &KeyId, at: Timestamp) -> Result<Option<Revocation>>;

    /// Records when keys were last used, all or none. Last-used only moves forward, and never past a revocation.
    async fn record_use(&self, uses: &[(KeyId, Timestamp)]) -> Result<()>;

    /// Whether the store can be read now.
    async fn check(&self) -> Result<()>;
}

/// Outcome of [`KeyStore::revoke`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// When the key was first revoked.
    pub at: Timestamp,
    /// Whether this call did it.
    pub is_new: bool,
}
