//! All keys by their hash, in memory: what each request is decided by.
//!
//! It is no cache of verdicts. It holds what is committed, changes within the call that commits, under the writer's lock,
//! and before that call is acknowledged. A read of SQLite takes file locks, several system calls for each request; this
//! takes none. A key costs about 200 bytes.
//!
//! No second service can write, for the database is locked against it. A person with a database tool can; that is noticed
//! within [`LOOK_EVERY`].

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustc_hash::{FxBuildHasher, FxHashSet};
use ulkeys_domain::{KeyHash, KnownKey};

use super::rows::{read_id, read_name, read_optional_time, read_scopes, read_time, unreadable};

/// The longest time for which a change by another program can stay unnoticed while requests come in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Index {
    /// By a quick hash of the digest, which is as random as a hash can be.
    keys: RwLock<FxHashSet<Entry>>,
    /// SQLite's number for the state of the file as other programs left it.
    version: AtomicI64,
    start: Instant,
    /// Milliseconds from `start` to the last look at the file.
    looked: AtomicU64,
}

struct Entry {
    hash: KeyHash,
    key: Arc<KnownKey>,
}

impl Index {
    /// Reads all keys. The connection must be the writing one: SQLite counts only others' changes for it.
    pub(super) fn load(writer: &Connection) -> rusqlite::Result<Self> {
        let version = data_version(writer)?;
        let keys = RwLock::new(read_all(writer)?);
        Ok(Self { keys, version: AtomicI64::new(version), start: Instant::now(), looked: AtomicU64::new(0) })
    }

    pub(super) fn get(&self, hash: &KeyHash) -> Option<Arc<KnownKey>> {
        self.keys().get(hash.as_bytes()).map(|entry| entry.key.clone())
    }

    /// Puts a key in, or in the place of what was known of it.
    pub(super) fn put(&self, hash: KeyHash, key: KnownKey) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.replace(Entry { hash, key: Arc::new(key) });
    }

    /// Whether the file has not been looked at for [`LOOK_EVERY`]. True for one caller only.
    pub(super) fn is_due_for_a_look(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let looked = self.looked.load(Ordering::Relaxed);
        now.saturating_sub(looked) >= LOOK_EVERY.as_millis() as u64
            && self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Reads everything again if another program has changed the file.
    pub(super) fn follow(&self, writer: &Connection) -> rusqlite::Result<()> {
        let version = data_version(writer)?;
        if self.version.swap(version, Ordering::Relaxed) != version {
            tracing::warn!("another program has changed the key database; it is read again");
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = read_all(writer)?;
        }
        Ok(())
    }

    fn keys(&self) -> RwLockReadGuard<'_, FxHashSet<Entry>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

fn read_all(connection: &Connection) -> rusqlite::Result<FxHashSet<Entry>> {
    let count: i64 = connection.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
    let count = usize::try_from(count).unwrap_or_default();
    let mut keys = FxHashSet::with_capacity_and_hasher(count, FxBuildHasher);
    let mut statement = connection.prepare("SELECT id, name, scopes, created_at, revoked_at, hash FROM keys")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key = KnownKey {
            id: read_id(row, 0)?,
            name: read_name(row, 1)?,
            scopes: read_scopes(row, 2)?,
            created_at: read_time(row, 3)?,
            revoked_at: read_optional_time(row, 4)?,
        };
        let hash = row.get_ref(5)?.as_blob()?.try_into().map_err(|_| unreadable(5, rusqlite::types::Type::Blob))?;
        keys.insert(Entry { hash: KeyHash::from_bytes(hash), key: Arc::new(key) });
    }
    Ok(keys)
}

impl Borrow<[u8; 32]> for Entry {
    fn borrow(&self) -> &[u8; 32] {
        self.hash.as_bytes()
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.as_bytes().hash(state);
    }
}
