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

/// An empty store with two accounts.
pub(crate) struct TwoAccounts<S: ?Sized, A: ?Sized> {
    pub(crate) store: Arc<S>,
    /// The account of the embedded service.
    pub(crate) one: Arc<A>,
    pub(crate) two: Arc<A>,
    _folder: Option<tempfile::TempDir>,
}

/// The fixture of the cases that concern the keys of two accounts.
pub(crate) type TwoKeyAccounts = TwoAccounts<dyn KeyStore, dyn KeyRepository>;

/// The fixture of the cases that concern all data of two accounts.
pub(crate) type TwoStoreAccounts = TwoAccounts<dyn Store, dyn AccountStore>;

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
    let store = Arc::<MemoryStore>::default();
    Fixture { account: store.account(AccountId::EMBEDDED), store, _folder: None }
}

pub(crate) fn second_account() -> AccountId {
    AccountId::new(2).expect("positive")
}

/// Nothing in the program creates an account yet, so the second one is added with SQL.
fn open_sqlite_with_second_account() -> (Arc<SqliteStore>, Option<tempfile::TempDir>) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    drop(SqliteStore::open(&path).expect("new database"));
    let database = rusqlite::Connection::open(&path).expect("opened");
    database.execute("INSERT INTO accounts (id) VALUES (?1)", [second_account().get()]).expect("inserted");
    drop(database);
    (Arc::new(SqliteStore::open(&path).expect("opened")), Some(folder))
}

pub(crate) fn sqlite_accounts() -> TwoStoreAccounts {
    let (store, _folder) = open_sqlite_with_second_account();
    let [one, two] = [AccountId::EMBEDDED, second_account()].map(|id| store.account(id));
    TwoAccounts { store, one, two, _folder }
}

pub(crate) fn sqlite_key_accounts() -> TwoKeyAccounts {
    let (store, _folder) = open_sqlite_with_second_account();
    let [one, two] = [AccountId::EMBEDDED, second_account()].map(|id| store.account(id));
    TwoAccounts { store, one, two, _folder }
}

pub(crate) fn memory_key_accounts() -> TwoKeyAccounts {
    let store = Arc::<MemoryStore>::default();
    let (one, two) = (store.account(AccountId::EMBEDDED), store.account(second_account()));
    TwoAccounts { store, one, two, _folder: None }
}
