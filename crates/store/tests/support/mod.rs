//! Helpers shared by the tests of outside changes (changes made by other programs) and of the revocation record.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::SysRng;
use rusqlite::Connection;
use ulkeys_api::{DatabaseHealth, DatabaseProblem, OutsideChange};
use ulkeys_domain::{KeyHash, KeyId, KeyName, KeyRecord, Scope, Scopes, Secret, Timestamp};
use ulkeys_store::{AuditContext, KeyStore as _, SqliteStore};

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

    pub(crate) fn open(&self) -> SqliteStore {
        self.open_with(&self.record_path())
    }

    pub(crate) fn open_with(&self, record: &Path) -> SqliteStore {
        let start = Instant::now();
        loop {
            match SqliteStore::open_with_record(&self.database(), record, now) {
                Ok(store) => return store,
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

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(crate) fn audit() -> AuditContext {
    AuditContext { actor: None, peer: std::net::Ipv4Addr::LOCALHOST.into(), user_agent: "".into() }
}

pub(crate) async fn insert(store: &SqliteStore, name: &str) -> (KeyId, KeyHash) {
    let (record, hash) = new_key(name);
    let id = record.id;
    assert!(store.insert(record, hash, audit()).await.expect("inserted"));
    (id, hash)
}

pub(crate) fn new_key(name: &str) -> (KeyRecord, KeyHash) {
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let id = KeyId::generate(&mut SysRng).expect("randomness");
    let scopes = Scopes::new([Scope::Read]).expect("not empty");
    let record = KeyRecord::new(id, KeyName::parse(name).expect("valid"), secret.prefix(), scopes, now());
    (record, secret.hash())
}

pub(crate) async fn revoke(store: &SqliteStore, id: &KeyId) {
    store.revoke(id, now(), audit()).await.expect("written").expect("exists");
}

pub(crate) async fn is_active(store: &SqliteStore, hash: &KeyHash) -> bool {
    store.lookup(hash).await.expect("read").is_some_and(|key| key.revoked_at.is_none())
}

pub(crate) fn detected_changes(store: &SqliteStore) -> Vec<(OutsideChange, u64)> {
    let mut changes: Vec<_> = store.health().borrow().changes.iter().map(|count| (count.change, count.keys)).collect();
    changes.sort();
    changes
}

/// Checks for outside changes repeatedly until the health of the database satisfies `expected`.
pub(crate) async fn wait(store: &SqliteStore, what: &str, expected: impl Fn(&DatabaseHealth) -> bool) {
    let start = Instant::now();
    while !expected(&store.health().borrow()) {
        assert!(start.elapsed() < Duration::from_secs(10), "timed out waiting for {what}: {:?}", store.health());
        store.check_outside_changes().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
