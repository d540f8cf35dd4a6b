//! The fixtures of the contract tests: empty stores.

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use ulkeys_domain::AccountId;
use ulkeys_store::{
    AccountStore, KeyChanges, KeyRepository, KeyVisitor, KnownKeys, Result, Revision, SqliteStore, Store, UsageBatch,
};

use crate::memory::MemoryStore;

/// The part of a [`Store`] that concerns keys and their usage.
#[async_trait]
pub(crate) trait KeyStore: Send + Sync {
    async fn snapshot(&self, visit: KeyVisitor) -> Result<Revision>;
    async fn changes_since(&self, revision: Revision, known: Arc<dyn KnownKeys>) -> Result<KeyChanges>;
    async fn record_usage(&self, batch: Arc<UsageBatch>) -> Result<()>;
    async fn ping(&self) -> Result<()>;
}

#[async_trait]
impl<S: Store> KeyStore for S {
    async fn snapshot(&self, visit: KeyVisitor) -> Result<Revision> {
        Store::snapshot(self, visit).await
    }

    async fn changes_since(&self, revision: Revision, known: Arc<dyn KnownKeys>) -> Result<KeyChanges> {
        Store::changes_since(self, revision, known).await
    }

    async fn record_usage(&self, batch: Arc<UsageBatch>) -> Result<()> {
        Store::record_usage(self, batch).await
    }

    async fn ping(&self) -> Result<()> {
        Store::ping(self).await
    }
}

/// An empty store. It dereferences to the data of one account.
pub(crate) struct Fixture<S: ?Sized, A: ?Sized> {
    pub(crate) store: Arc<S>,
    pub(crate) account: Arc<A>,
    _folder: Option<tempfile::TempDir>,
}

/// The fixture of the cases that concern keys.
pub(crate) type KeyFixture = Fixture<dyn KeyStore, dyn KeyRepository>;

/// The fixture of all other cases.
pub(crate) type StoreFixture = Fixture<dyn Store, dyn AccountStore>;

impl<S: ?Sized, A: ?Sized> Deref for Fixture<S, A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.account
    }
}

fn open_sqlite() -> (Arc<SqliteStore>, Option<tempfile::TempDir>) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = SqliteStore::open(&folder.path().join("keys.db")).expect("new database");
    (Arc::new(store), Some(folder))
}

pub(crate) fn sqlite() -> StoreFixture {
    let (store, _folder) = open_sqlite();
    Fixture { account: store.account(AccountId::EMBEDDED), store, _folder }
}

pub(crate) fn sqlite_keys() -> KeyFixture {
    let (store, _folder) = open_sqlite();
    Fixture { account: store.account(AccountId::EMBEDDED), store, _folder }
}

pub(crate) fn memory_keys() -> KeyFixture {
    let store = Arc::new(MemoryStore::default());
    Fixture { account: store.clone(), store, _folder: None }
}
