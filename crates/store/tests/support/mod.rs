//! Helpers shared by the tests of outside changes (changes made by other programs) and of the revocation record.

pub(crate) mod key_index;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::SysRng;
use rusqlite::Connection;
use tokio::sync::watch;
use ulkeys_domain::{
    AccountId, Actor, KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, OutsideChange, Scope, Scopes, Secret, Timestamp,
};
use ulkeys_store::{
    AccountStore, AuditContext, DatabaseHealth, DatabaseProblem, KeyChanges, KnownKeys as _, Revocation, SqliteStore,
    Store as _, StoreError, StoredKey, WriteResult,
};

use key_index::KeyIndex;

pub(crate) struct TestPaths {
    pub(crate) folder: tempfile::TempDir,
}

impl TestPaths {
    pub(crate) fn new() -> Self {
        let paths = Self { folder: tempfile::tempdir().expect("temporary folder") };
        std::fs::create_dir(paths.folder.path().join("data")).expect("created");
        paths
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("data/keys.db")
    }

    pub(crate) fn record_path(&self) -> PathBuf {
        self.folder.path().join("state/revocations")
    }

    pub(crate) async fn open(&self) -> FollowedStore {
        self.open_with(&self.record_path()).await
    }

    pub(crate) async fn open_with(&self, record: &Path) -> FollowedStore {
        let start = Instant::now();
        loop {
            match SqliteStore::open_with_record(&self.database(), record, now) {
                Ok(store) => return FollowedStore::follow(store).await,
                // A child process started by a concurrent test inherits all open files of this process, and thereby
                // holds the lock until it executes its program.
                Err(error) if error.problem == DatabaseProblem::Locked && start.elapsed() < Duration::from_secs(5) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("opens: {error}"),
            }
        }
    }

    pub(crate) fn edit(&self, statement: &str) {
        let other = Connection::open(self.database()).expect("opened");
        assert!(other.execute(statement, []).expect("changed") > 0);
    }
}

/// A store with an index of its keys, as a service keeps it. It dereferences to the data of the only account.
pub(crate) struct FollowedStore {
    pub(crate) store: SqliteStore,
    account: Arc<dyn AccountStore>,
    index: Arc<KeyIndex>,
}

impl FollowedStore {
    pub(crate) async fn follow(store: SqliteStore) -> Self {
        let (account, index) = (store.account(AccountId::EMBEDDED), Arc::<KeyIndex>::default());
        index.start_at(store.snapshot(index.visitor()).await.expect("read"));
        Self { store, account, index }
    }

    pub(crate) fn health(&self) -> watch::Receiver<DatabaseHealth> {
        self.store.health()
    }

    pub(crate) async fn insert(&self, key: KeyRecord, hash: KeyHash, audit: AuditContext) -> WriteResult<()> {
        self.account.insert(key, hash, audit).await.inspect(|written| self.index.apply_write(written))
    }

    pub(crate) async fn rename(
        &self,
        id: &KeyId,
        name: KeyName,
        at: Timestamp,
        audit: AuditContext,
    ) -> WriteResult<KeyRecord> {
        self.account.rename(id, name, at, audit).await.inspect(|written| self.index.apply_write(written))
    }

    pub(crate) async fn revoke(&self, id: &KeyId, at: Timestamp, audit: AuditContext) -> WriteResult<Revocation> {
        self.account.revoke(id, at, audit).await.inspect(|written| self.index.apply_write(written))
    }

    /// Reads the change feed and returns the changes, without applying them.
    pub(crate) async fn read_changes(&self) -> Result<KeyChanges, StoreError> {
        self.store.changes_since(self.index.revision(), self.index.clone()).await
    }

    /// Reads the change feed and applies the changes. Returns whether another program made any of them.
    pub(crate) async fn check_outside_changes(&self) -> Result<bool, StoreError> {
        let changes = self.read_changes().await?;
        let is_from_outside = changes.is_from_outside;
        self.index.apply_changes(changes);
        Ok(is_from_outside)
    }

    pub(crate) fn lookup(&self, hash: &KeyHash) -> Option<KeyAuthInfo> {
        self.lookup_stored(hash).map(|key| key.info)
    }

    pub(crate) fn lookup_stored(&self, hash: &KeyHash) -> Option<StoredKey> {
        self.index.get(hash)
    }
}

impl Deref for FollowedStore {
    type Target = dyn AccountStore;

    fn deref(&self) -> &Self::Target {
        &*self.account
    }
}

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(crate) fn audit() -> AuditContext {
    AuditContext { actor: Actor::Session, peer: std::net::Ipv4Addr::LOCALHOST.into(), user_agent: "".into() }
}

pub(crate) async fn insert(store: &FollowedStore, name: &str) -> (KeyId, KeyHash) {
    let (record, hash) = new_key(name);
    let id = record.id;
    store.insert(record, hash, audit()).await.expect("inserted");
    (id, hash)
}

pub(crate) fn new_key(name: &str) -> (KeyRecord, KeyHash) {
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let id = KeyId::generate(&mut SysRng).expect("randomness");
    let scopes = Scopes::new([Scope::Read]).expect("not empty");
    let record = KeyRecord::new(id, KeyName::parse(name).expect("valid"), secret.prefix(), scopes, now());
    (record, secret.hash())
}

pub(crate) async fn revoke(store: &FollowedStore, id: &KeyId) {
    store.revoke(id, now(), audit()).await.expect("written");
}

pub(crate) fn is_active(store: &FollowedStore, hash: &KeyHash) -> bool {
    store.lookup(hash).is_some_and(|key| key.revoked_at.is_none())
}

pub(crate) fn detected_changes(store: &FollowedStore) -> Vec<(OutsideChange, u64)> {
    let mut changes: Vec<_> = store.health().borrow().changes.iter().map(|count| (count.change, count.keys)).collect();
    changes.sort();
    changes
}

/// Checks for outside changes repeatedly until the health of the database satisfies `expected`.
pub(crate) async fn wait(store: &FollowedStore, what: &str, expected: impl Fn(&DatabaseHealth) -> bool) {
    let start = Instant::now();
    while !expected(&store.health().borrow()) {
        assert!(start.elapsed() < Duration::from_secs(10), "timed out waiting for {what}: {:?}", store.health());
        store.check_outside_changes().await.expect("checked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
