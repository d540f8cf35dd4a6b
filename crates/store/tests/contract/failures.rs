//! Tests of writes that fail. The store in memory fails on demand; a caller must be able to repeat the write, whether
//! it was committed or not.

use std::sync::Arc;

use ulkeys_domain::decision::Decision;
use ulkeys_domain::{AccountId, KeyName, KeyRecord};
use ulkeys_store::{
    DatabaseProblem, HourlyCount, KeyChanges, KeyRepository as _, KnownKeys as _, Revocation, StoredKey, UsageBatch,
    WriteError, WriteResult,
};

use crate::fixture::KeyStore as _;
use crate::key_index::KeyIndex;
use crate::keys::{at, audit, insert, new_key};
use crate::memory::{Failure, MemoryAccount, MemoryStore};

/// The failures after which nothing is stored.
const WITHOUT_COMMIT: [(Failure, DatabaseProblem); 2] =
    [(Failure::Full, DatabaseProblem::Full), (Failure::Busy, DatabaseProblem::Locked)];

/// Returns a store with one key, and an index of its keys.
async fn store_with_key() -> (Arc<MemoryAccount>, KeyRecord, Arc<KeyIndex>) {
    let (store, index) = (Arc::<MemoryStore>::default().account(AccountId::EMBEDDED), Arc::<KeyIndex>::default());
    let (key, _) = insert(&store, "key", 1).await;
    index.start_at(store.snapshot(index.visitor()).await.expect("read"));
    (store, key, index)
}

async fn new_changes(store: &MemoryAccount, index: &Arc<KeyIndex>) -> Vec<StoredKey> {
    let KeyChanges { stored, removed, is_from_outside, .. } =
        store.changes_since(index.revision(), index.clone()).await.expect("read");
    assert_eq!((removed, is_from_outside), (vec![], false));
    stored
}

fn problem<T: std::fmt::Debug>(result: WriteResult<T>) -> DatabaseProblem {
    match result {
        Err(WriteError::Store(error)) => error.problem,
        other => panic!("expected a failure of the store: {other:?}"),
    }
}

fn requests(key: &KeyRecord, requests: u64) -> Arc<UsageBatch> {
    let count = HourlyCount { key: key.id, hour: 0, outcome: Decision::Accepted, requests };
    Arc::new(UsageBatch { last_used: vec![(key.id, at(8))], counts: vec![count], ..UsageBatch::empty() })
}

async fn counted_requests(store: &MemoryAccount, key: &KeyRecord) -> u64 {
    store.key_usage(&key.id, at(0)).await.expect("read").hours.iter().map(|hour| hour.requests).sum()
}

#[tokio::test]
async fn write_failed_without_commit_changes_nothing_and_can_be_repeated() {
    for (failure, expected) in WITHOUT_COMMIT {
        let (store, key, index) = store_with_key().await;
        let (other, hash) = new_key("other", 2);
        let name = KeyName::parse("new").expect("valid");
        store.fail_next_write(failure);
        assert_eq!(problem(store.insert(other.clone(), hash, audit()).await), expected);
        store.fail_next_write(failure);
        assert_eq!(problem(store.rename(&key.id, name.clone(), at(3), audit()).await), expected);
        store.fail_next_write(failure);
        assert_eq!(problem(store.revoke(&key.id, at(4), audit()).await), expected);
        assert_eq!(store.list_active(None, 1_000).await.expect("read"), std::slice::from_ref(&key));
        assert_eq!(new_changes(&store, &index).await, []);

        store.insert(other, hash, audit()).await.expect("inserted");
        assert_eq!(store.rename(&key.id, name.clone(), at(5), audit()).await.expect("renamed").value.name, name);
        let revoked = store.revoke(&key.id, at(6), audit()).await.expect("revoked");
        assert_eq!(revoked.value, Revocation { at: at(6), is_new: true });
        assert_eq!(new_changes(&store, &index).await.len(), 2);
    }
}

#[tokio::test]
async fn record_usage_failed_without_commit_and_repeated_counts_once() {
    for (failure, expected) in WITHOUT_COMMIT {
        let (store, key, _) = store_with_key().await;
        let batch = requests(&key, 3);
        store.fail_next_write(failure);
        assert_eq!(store.record_usage(batch.clone()).await.expect_err("fails").problem, expected);
        assert_eq!(counted_requests(&store, &key).await, 0);
        store.record_usage(batch).await.expect("recorded");
        assert_eq!(counted_requests(&store, &key).await, 3);
    }
}

#[tokio::test]
async fn record_usage_failed_after_commit_and_repeated_counts_once() {
    let (store, key, _) = store_with_key().await;
    let batch = requests(&key, 3);
    store.fail_next_write(Failure::AfterCommit);
    store.record_usage(batch.clone()).await.expect_err("fails after the commit");
    assert_eq!(counted_requests(&store, &key).await, 3, "the batch was stored");
    store.record_usage(batch).await.expect("recorded");
    store.record_usage(requests(&key, 4)).await.expect("recorded");
    assert_eq!(counted_requests(&store, &key).await, 7);
}

#[tokio::test]
async fn revoke_failed_after_commit_and_repeated_returns_first_time() {
    let (store, key, index) = store_with_key().await;
    store.fail_next_write(Failure::AfterCommit);
    assert_eq!(problem(store.revoke(&key.id, at(3), audit()).await), DatabaseProblem::Unavailable);
    let repeated = store.revoke(&key.id, at(4), audit()).await.expect("revoked before");
    assert_eq!(repeated.value, Revocation { at: at(3), is_new: false });
    assert_eq!(repeated.change, None, "so only the change feed delivers the revocation");
    let changes = store.changes_since(index.revision(), index.clone()).await.expect("read");
    assert_eq!(changes.revision, repeated.revision);
    let [revoked] = &changes.stored[..] else { panic!("{changes:?}") };
    assert_eq!((revoked.info.id, revoked.info.revoked_at), (key.id, Some(at(3))));
    index.apply_changes(changes.clone());
    assert_eq!(index.get(&revoked.hash).expect("known").info.revoked_at, Some(at(3)));
}

#[tokio::test]
async fn insert_failed_after_commit_and_repeated_is_a_conflict() {
    let (store, _, index) = store_with_key().await;
    let (key, hash) = new_key("other", 2);
    store.fail_next_write(Failure::AfterCommit);
    assert_eq!(problem(store.insert(key.clone(), hash, audit()).await), DatabaseProblem::Unavailable);
    let repeated = store.insert(key.clone(), hash, audit()).await;
    assert!(matches!(repeated, Err(WriteError::Conflict)), "{repeated:?}");
    let [inserted] = &new_changes(&store, &index).await[..] else { panic!("one change") };
    assert_eq!((inserted.info.id, inserted.hash), (key.id, hash));
}
