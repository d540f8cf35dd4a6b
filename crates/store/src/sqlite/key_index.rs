//! An in-memory index of all keys by their hash, used to authorize every request.
//!
//! The index contains keys, not authorization decisions. A write updates the index under the writer lock, after the
//! commit and before returning, so the index always reflects the committed state. Reading SQLite takes file locks,
//! which cost several system calls per request; reading the index takes none. A key uses about 200 bytes.
//!
//! A second service cannot write to the database, because the lock file is locked. A database tool can still write to
//! it. Its changes are detected before each write of this process, and by a check every second.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};
use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use rustc_hash::{FxBuildHasher, FxHashSet};
use ulkeys_domain::{KeyAuthInfo, KeyHash};

use super::rows::{self, read_id, read_name, read_optional_time, read_scopes, read_time};

/// A set of keys, looked up by their hash.
pub(super) type KeySet = FxHashSet<IndexedKey>;

pub(super) struct KeyIndex {
    /// The set uses a fast hash function. A stronger one is unnecessary, because the key hashes are already uniformly
    /// distributed.
    keys: RwLock<KeySet>,
    /// SQLite's `data_version`, which changes when another program commits.
    version: AtomicI64,
}

#[derive(Clone)]
pub(super) struct IndexedKey {
    pub(super) hash: KeyHash,
    pub(super) key: Arc<KeyAuthInfo>,
}

impl KeyIndex {
    /// Creates an index of `keys` for the current state of the file. `writer` must be the connection for writing: a
    /// connection's `data_version` changes only when another connection commits, and all commits of this process use
    /// `writer`. So the `data_version` of `writer` changes only when another program commits.
    pub(super) fn new(writer: &Connection, keys: KeySet) -> rusqlite::Result<Self> {
        let version = AtomicI64::new(data_version(writer)?);
        Ok(Self { keys: RwLock::new(keys), version })
    }

    pub(super) fn get(&self, hash: &KeyHash) -> Option<Arc<KeyAuthInfo>> {
        self.read_keys().get(hash.as_bytes()).map(|entry| entry.key.clone())
    }

    /// Adds a key or replaces the existing entry with the same hash.
    pub(super) fn upsert(&self, hash: KeyHash, key: KeyAuthInfo) {
        let mut keys = self.keys.write();
        keys.replace(IndexedKey { hash, key: Arc::new(key) });
    }

    /// Returns the current `data_version` if another program has changed the file since the keys were loaded.
    pub(super) fn changed_version(&self, writer: &Connection) -> rusqlite::Result<Option<i64>> {
        let version = data_version(writer)?;
        Ok((self.version.load(Ordering::Relaxed) != version).then_some(version))
    }

    /// Replaces all keys and the stored `data_version`, and returns the old keys.
    pub(super) fn replace(&self, keys: KeySet, version: i64) -> KeySet {
        let old = std::mem::replace(&mut *self.keys.write(), keys);
        self.version.store(version, Ordering::Relaxed);
        old
    }

    /// Returns a read guard for all keys. Readers do not block each other; only a change blocks them.
    pub(super) fn read_keys(&self) -> RwLockReadGuard<'_, KeySet> {
        self.keys.read()
    }
}

/// Returns SQLite's `data_version`, which changes when another connection commits.
pub(super) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// Logs the error of an unreadable key and skips that key, so requests with the key are rejected.
pub(super) fn skip_unreadable(error: rusqlite::Error) -> rusqlite::Result<()> {
    tracing::error!(%error, "cannot read a key from the database; requests with this key are rejected");
    Ok(())
}

/// Loads all keys; `unreadable` decides whether a malformed row is an error or is skipped. Each key is passed to
/// `visit` right after it was read, while the row is still in the CPU cache.
pub(super) fn load_all_keys(
    connection: &Connection,
    unreadable: impl Fn(rusqlite::Error) -> rusqlite::Result<()>,
    mut visit: impl FnMut(&IndexedKey),
) -> rusqlite::Result<KeySet> {
    let count: i64 = connection.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
    let count = usize::try_from(count).unwrap_or_default();
    let mut keys = FxHashSet::with_capacity_and_hasher(count, FxBuildHasher);
    let mut statement = connection.prepare("SELECT id, name, scopes, created_at, revoked_at, hash FROM keys")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match read_indexed_key(row) {
            Ok(entry) => {
                visit(&entry);
                keys.insert(entry);
            }
            Err(error) => unreadable(error)?,
        }
    }
    Ok(keys)
}

fn read_indexed_key(row: &Row<'_>) -> rusqlite::Result<IndexedKey> {
    let key = KeyAuthInfo {
        id: read_id(row, 0)?,
        name: read_name(row, 1)?,
        scopes: read_scopes(row, 2)?,
        created_at: read_time(row, 3)?,
        revoked_at: read_optional_time(row, 4)?,
    };
    let hash = row.get_ref(5)?.as_blob()?.try_into().map_err(|_| rows::unreadable_column(5, Type::Blob))?;
    Ok(IndexedKey { hash: KeyHash::from_bytes(hash), key: Arc::new(key) })
}

impl Borrow<[u8; 32]> for IndexedKey {
    fn borrow(&self) -> &[u8; 32] {
        self.hash.as_bytes()
    }
}

impl PartialEq for IndexedKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for IndexedKey {}

impl Hash for IndexedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.as_bytes().hash(state);
    }
}
