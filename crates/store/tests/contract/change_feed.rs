//! Contract tests for the change feed. The cases keep an index of keys as a service does it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::{StdRng, SysRng};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use ulkeys_domain::{AccountId, ActivityKind, KeyAuthInfo, KeyId, KeyName, KeyRecord};
use ulkeys_store::{Committed, KeyChanges, KnownKeys as _, Revision, StoredKey, WriteError};

use crate::fixture::KeyFixture;
use crate::key_index::KeyIndex;
use crate::keys::{at, audit, insert, new_key};

/// A change that a service applies to its index.
#[derive(Clone)]
enum Delivery {
    Write(Committed<()>),
    Feed(KeyChanges),
}

fn name(text: &str) -> KeyName {
    KeyName::parse(text).expect("valid")
}

/// Returns an index of all keys, from a snapshot.
async fn index(store: &KeyFixture) -> Arc<KeyIndex> {
    let index = Arc::<KeyIndex>::default();
    index.start_at(store.store.snapshot(index.visitor()).await.expect("read"));
    index
}

/// Returns the keys in an index.
fn content(index: &KeyIndex) -> BTreeMap<KeyId, StoredKey> {
    let mut keys = BTreeMap::new();
    index.for_each(&mut |key| drop(keys.insert(key.info.id, key)));
    keys
}

async fn changes_since(store: &KeyFixture, revision: Revision, index: &Arc<KeyIndex>) -> KeyChanges {
    store.store.changes_since(revision, index.clone()).await.expect("read")
}

fn without_value<T>(written: Committed<T>) -> Committed<()> {
    Committed { value: (), revision: written.revision, change: written.change }
}

async fn write_returns_new_state_of_key_and_its_revision(store: &KeyFixture) {
    let (key, hash) = new_key("old", 1);
    let inserted = store.insert(key.clone(), hash, audit()).await.expect("inserted");
    let renamed = store.rename(&key.id, name("new"), at(2), audit()).await.expect("renamed");
    let revoked = store.revoke(&key.id, at(3), audit()).await.expect("revoked");
    let mut info = KeyAuthInfo::from(&key);
    assert_eq!(
        inserted.change,
        Some(StoredKey { account: AccountId::EMBEDDED, hash, info: info.clone(), revision: inserted.revision })
    );
    info.name = name("new");
    assert_eq!(
        renamed.change,
        Some(StoredKey { account: AccountId::EMBEDDED, hash, info: info.clone(), revision: renamed.revision })
    );
    info.revoked_at = Some(at(3));
    assert_eq!(
        revoked.change,
        Some(StoredKey { account: AccountId::EMBEDDED, hash, info, revision: revoked.revision })
    );
    assert!(Revision::default() < inserted.revision, "the default is the revision of a new store");
    assert!(inserted.revision < renamed.revision && renamed.revision < revoked.revision);
}

async fn write_that_changes_nothing_takes_no_revision(store: &KeyFixture) {
    let (key, hash) = insert(store, "key", 1).await;
    let renamed = store.rename(&key.id, name("key"), at(2), audit()).await.expect("unchanged");
    assert_eq!(renamed.change, None, "the same name");
    let first = store.revoke(&key.id, at(3), audit()).await.expect("revoked");
    let second = store.revoke(&key.id, at(4), audit()).await.expect("revoked before");
    assert_eq!((second.change, second.revision), (None, first.revision), "a second revocation");
    assert!(renamed.revision < first.revision);

    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    let missing = store.rename(&unknown, name("new"), at(5), audit()).await;
    assert!(matches!(missing, Err(WriteError::NotFound)), "{missing:?}");
    let conflict = store.insert(new_key("other", 5).0, hash, audit()).await;
    assert!(matches!(conflict, Err(WriteError::Conflict)), "{conflict:?}");
    let index = index(store).await;
    assert_eq!(index.revision(), first.revision);
    assert_eq!(
        changes_since(store, first.revision, &index).await,
        KeyChanges { revision: first.revision, ..KeyChanges::default() }
    );
}

async fn parallel_writes_take_revisions_in_order_of_commits(store: &KeyFixture) {
    let write = |number| {
        let account = store.account.clone();
        async move {
            let (key, hash) = new_key(&format!("key {number}"), 1);
            let inserted = account.insert(key.clone(), hash, audit()).await.expect("inserted").revision;
            let renamed = account.rename(&key.id, name("renamed"), at(2), audit()).await.expect("renamed").revision;
            [(inserted, key.id, ActivityKind::Created), (renamed, key.id, ActivityKind::Renamed)]
        }
    };
    let writes: JoinSet<_> = (0..50).map(write).collect();
    let mut by_revision = writes.join_all().await.concat();
    by_revision.sort_by_key(|(revision, ..)| *revision);
    assert!(by_revision.is_sorted_by(|(a, ..), (b, ..)| a < b), "each write takes another revision");
    // Each activity entry is written together with its change, so the entries are in the order of the commits.
    let mut entries = Vec::new();
    for kind in [ActivityKind::Created, ActivityKind::Renamed] {
        let page = store.list_activity(None, Some(kind), None, 100).await.expect("read");
        entries.extend(page.entries.into_iter().map(|entry| (entry.id, entry.key_id.expect("of a key"), kind)));
    }
    entries.sort_by_key(|(id, ..)| *id);
    let by_commit: Vec<_> = entries.into_iter().map(|(_, key, kind)| (key, kind)).collect();
    let by_revision: Vec<_> = by_revision.into_iter().map(|(_, key, kind)| (key, kind)).collect();
    assert_eq!(by_revision, by_commit);
}

async fn snapshot_during_writes_and_later_changes_are_complete(store: &KeyFixture) {
    let write = |number| {
        let account = store.account.clone();
        async move {
            let (key, _) = insert(&account, &format!("key {number}"), 1).await;
            account.rename(&key.id, name(&format!("renamed {number}")), at(2), audit()).await.expect("renamed");
            account.revoke(&key.id, at(3), audit()).await.expect("revoked");
        }
    };
    let writes: JoinSet<_> = (0..30).map(write).collect();
    let follow = async {
        let index = index(store).await;
        for _ in 0..20 {
            index.apply_changes(changes_since(store, index.revision(), &index).await);
        }
        index
    };
    let (index_during_writes, _) = tokio::join!(follow, writes.join_all());
    let changes = changes_since(store, index_during_writes.revision(), &index_during_writes).await;
    index_during_writes.apply_changes(changes);
    assert_eq!(content(&index_during_writes), content(&*index(store).await));
    assert_eq!(index_during_writes.count(), 30);
}

async fn changes_in_any_order_give_the_state_of_a_snapshot(store: &KeyFixture) {
    let mut rng = StdRng::seed_from_u64(20_261_129);
    let mut keys: Vec<KeyRecord> = Vec::new();
    for number in 0..3 {
        keys.push(insert(store, &format!("early {number}"), 1).await.0);
    }
    let (start, live) = (index(store).await, index(store).await);
    let mut deliveries = Vec::new();
    for number in 0..60 {
        let id = keys[rng.random_range(0..keys.len())].id;
        let written = match rng.random_range(0..4) {
            0 => {
                let (key, hash) = new_key(&format!("key {number}"), 2);
                keys.push(key.clone());
                Ok(store.insert(key, hash, audit()).await.expect("inserted"))
            }
            1 => store.revoke(&id, at(number), audit()).await.map(without_value),
            _ => store.rename(&id, name(&format!("renamed {number}")), at(number), audit()).await.map(without_value),
        };
        match written {
            Ok(written) => deliveries.push(Delivery::Write(written)),
            Err(error) => assert!(matches!(error, WriteError::NotFound), "a revoked key was renamed: {error}"),
        }
        if rng.random_bool(0.2) {
            let changes = changes_since(store, live.revision(), &live).await;
            deliveries.push(Delivery::Feed(changes.clone()));
            live.apply_changes(changes);
        }
    }
    let expected = content(&*index(store).await);
    let revisions = expected.values().map(|key| key.revision);
    assert_eq!(revisions.max(), Some(index(store).await.revision()), "a snapshot includes all changes");
    let last = changes_since(store, live.revision(), &live).await;
    live.apply_changes(last);
    assert_eq!(content(&live), expected, "the feed alone");
    for round in 0..200 {
        deliveries.shuffle(&mut rng);
        let shuffled = Arc::<KeyIndex>::default();
        start.for_each(&mut |key| shuffled.visitor()(key));
        shuffled.start_at(start.revision());
        for delivery in deliveries.clone() {
            match delivery {
                Delivery::Write(written) => shuffled.apply_write(&written),
                Delivery::Feed(changes) => shuffled.apply_changes(changes),
            }
        }
        assert_eq!(content(&shuffled), expected, "round {round}");
    }
}

async fn changes_include_own_write_with_lost_result(store: &KeyFixture) {
    let (renamed, _) = insert(store, "old", 1).await;
    let (revoked, revoked_hash) = insert(store, "revoked", 1).await;
    let index = index(store).await;
    drop(store.rename(&renamed.id, name("new"), at(2), audit()).await.expect("renamed"));
    drop(store.revoke(&revoked.id, at(3), audit()).await.expect("revoked"));
    let (_, inserted_hash) = insert(store, "inserted", 4).await;
    let changes = changes_since(store, index.revision(), &index).await;
    assert!(!changes.is_from_outside);
    assert_eq!((changes.stored.len(), changes.removed.len()), (3, 0));
    index.apply_changes(changes);
    assert_eq!(content(&index), content(&*self::index(store).await));
    assert_eq!(index.get(&revoked_hash).expect("known").info.revoked_at, Some(at(3)));
    assert_eq!(index.get(&inserted_hash).expect("known").info.name, name("inserted"));

    let repeated = changes_since(store, index.revision(), &index).await;
    assert_eq!((repeated.revision, repeated.stored), (index.revision(), vec![]), "each change is delivered once");
}

contract_cases! {
    sqlite = sqlite_keys, memory = memory_keys;
    [
        write_returns_new_state_of_key_and_its_revision,
        write_that_changes_nothing_takes_no_revision,
        parallel_writes_take_revisions_in_order_of_commits,
        snapshot_during_writes_and_later_changes_are_complete,
        changes_in_any_order_give_the_state_of_a_snapshot,
        changes_include_own_write_with_lost_result,
    ]
}
