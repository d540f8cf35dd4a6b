//! All keys by their hash, in memory: what each request is decided by.
//!
//! It is no cache of verdicts. It holds what is committed, changes within the call that commits, under the writer's
//! lock, and before that call is acknowledged. A read of SQLite takes file locks, several system calls for each
//! request; this takes none. A key costs about 200 bytes.
//!
//! No second service can write, for the database is locked against it. A person with a database tool can; a check
//! before each write, and one each second, detects that.

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

/// Keys by their hash.
pub(super) type KeySet = FxHashSet<IndexedKey>;

pub(super) struct KeyIndex {
    /// By a quick hash of the digest, which is as random as a hash can be.
    keys: RwLock<KeySet>,
    /// SQLite's number for the state of the file as other programs left it.
    version: AtomicI64,
}

#[derive(Clone)]
pub(super) struct IndexedKey {
    pub(super) hash: KeyHash,
    pub(super) key: Arc<KeyAuthInfo>,
}

impl KeyIndex {
    /// An index of `keys`, as the file is now. The connection must be the writing one: SQLite counts only others'
    /// changes for it.
    pub(super) fn new(writer: &Connection, keys: KeySet) -> rusqlite::Result<Self> {
        let version = AtomicI64::new(data_version(writer)?);
        Ok(Self { keys: RwLock::new(keys), version })
    }

    pub(super) fn get(&self, hash: &KeyHash) -> Option<Arc<KeyAuthInfo>> {
        self.read_keys().get(hash.as_bytes()).map(|entry| entry.key.clone())
    }

    /// Puts a key in, or in the place of what was known of it.
    pub(super) fn upsert(&self, hash: KeyHash, key: KeyAuthInfo) {
        let mut keys = self.keys.write();
        keys.replace(IndexedKey { hash, key: Arc::new(key) });
    }

    /// The number of the state of the file, if another program has changed it since the keys were read.
    pub(super) fn changed_version(&self, writer: &Connection) -> rusqlite::Result<Option<i64>> {
        let version = data_version(writer)?;
        Ok((self.version.load(Ordering::Relaxed) != version).then_some(version))
    }

    /// Replaces all keys by those of another state of the file.
    pub(super) fn replace(&self, keys: KeySet, version: i64) -> KeySet {
        let old = std::mem::replace(&mut *self.keys.write(), keys);
        self.version.store(version, Ordering::Relaxed);
        old
    }

    /// All keys. A request waits for a change, not for a reader.
    pub(super) fn read_keys(&self) -> RwLockReadGuard<'_, KeySet> {
        self.keys.read()
    }
}

/// SQLite's number for the state of the file: it changes when another connection commits.
pub(super) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// Refuses a key that cannot be read, and goes on.
pub(super) fn skip_unreadable(error: rusqlite::Error) -> rusqlite::Result<()> {
    tracing::error!(%error, "a key cannot be read, and is refused");
    Ok(())
}

/// All keys; what is done about one that cannot be read, `unreadable` says. Each other one is shown to `visit` while
/// its row is in the processor's cache.
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
