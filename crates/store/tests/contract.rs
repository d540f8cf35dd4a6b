//! What every store owes its callers. The cases know only the trait, so that each implementation is held to the same.

use rand::rngs::SysRng;
use ulkeys_domain::{KeyHash, KeyId, KeyName, KeyRecord, Scope, Scopes, Secret, Timestamp};
use ulkeys_store::{KeyStore, Revocation, SqliteStore};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

fn new_key(name: &str, created: i64) -> (KeyRecord, KeyHash) {
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let record = KeyRecord {
        id: KeyId::generate(&mut SysRng).expect("randomness"),
        name: KeyName::parse(name).expect("valid"),
        prefix: secret.prefix(),
        scopes: Scopes::new([Scope::Read, Scope::Training]).expect("not empty"),
        created_at: at(created),
        last_used_at: None,
        revoked_at: None,
    };
    (record, secret.hash())
}

async fn insert(store: &dyn KeyStore, name: &str, created: i64) -> (KeyRecord, KeyHash) {
    let (record, hash) = new_key(name, created);
    store.insert(record.clone(), hash).await.expect("inserted");
    (record, hash)
}

async fn a_key_is_found_by_its_hash_alone(store: &dyn KeyStore) {
    let (record, hash) = insert(store, "ключ 👩‍🔬 '; DROP TABLE keys; --", 5).await;
    let (_, other) = new_key("other", 5);
    assert_eq!(store.find_by_hash(&hash).await.expect("read"), Some(record));
    assert_eq!(store.find_by_hash(&other).await.expect("read"), None);
}

async fn the_list_holds_active_keys_newest_first(store: &dyn KeyStore) {
    let (old, _) = insert(store, "old", 1).await;
    let (gone, _) = insert(store, "gone", 2).await;
    let (new, _) = insert(store, "new", 3).await;
    let (twin, _) = insert(store, "twin, made in the same millisecond but later", 3).await;
    store.revoke(&gone.id, at(4)).await.expect("revoked");
    assert_eq!(store.list_active().await.expect("read"), [twin, new, old]);
}

async fn a_duplicate_changes_nothing(store: &dyn KeyStore) {
    let (first, hash) = insert(store, "first", 1).await;
    let (mut second, fresh) = new_key("second", 2);
    assert!(store.insert(second.clone(), hash).await.is_err(), "same hash");
    second.id = first.id.clone();
    assert!(store.insert(second, fresh).await.is_err(), "same id");
    assert_eq!(store.list_active().await.expect("read"), [first]);
}

async fn the_first_revocation_wins(store: &dyn KeyStore) {
    let (key, hash) = insert(store, "key", 1).await;
    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    assert_eq!(store.revoke(&unknown, at(2)).await.expect("read"), None);
    let first = store.revoke(&key.id, at(3)).await.expect("revoked");
    assert_eq!(first, Some(Revocation { at: at(3), is_new: true }));
    let second = store.revoke(&key.id, at(4)).await.expect("revoked");
    assert_eq!(second, Some(Revocation { at: at(3), is_new: false }));
    let record = store.find_by_hash(&hash).await.expect("read").expect("kept for good");
    assert_eq!(record.revoked_at, Some(at(3)));
}

async fn last_used_only_moves_forward_and_not_past_a_revocation(store: &dyn KeyStore) {
    let (key, hash) = insert(store, "key", 1).await;
    let (idle, idle_hash) = insert(store, "idle", 1).await;
    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    let id = &key.id;
    for (used, expected) in [(10, 10), (30, 30), (20, 30)] {
        store.record_use(&[(unknown.clone(), at(used)), (id.clone(), at(used))]).await.expect("recorded");
        assert_eq!(store.find_by_hash(&hash).await.expect("read").expect("there").last_used_at, Some(at(expected)));
    }
    store.revoke(id, at(50)).await.expect("revoked");
    // Accepted before the revocation, written after it.
    for (used, expected) in [(40, 40), (51, 40)] {
        store.record_use(&[(id.clone(), at(used))]).await.expect("recorded");
        assert_eq!(store.find_by_hash(&hash).await.expect("read").expect("there").last_used_at, Some(at(expected)));
    }
    store.record_use(&[]).await.expect("nothing to do");
    assert_eq!(store.find_by_hash(&idle_hash).await.expect("read"), Some(idle));
}

async fn parallel_revocations_agree_on_one_time(store: &dyn KeyStore) {
    let (key, _) = insert(store, "key", 1).await;
    let (a, b, c) =
        tokio::join!(store.revoke(&key.id, at(2)), store.revoke(&key.id, at(3)), store.revoke(&key.id, at(4)));
    let outcomes = [a, b, c].map(|outcome| outcome.expect("revoked").expect("known"));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_new).count(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.at == outcomes[0].at));
    store.check().await.expect("readable");
}

macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let folder = tempfile::tempdir().expect("temporary folder");
                let store = super::SqliteStore::open(&folder.path().join("keys.db")).expect("new database");
                super::$case(&store).await;
            })+
        }
    };
}

cases!(
    a_key_is_found_by_its_hash_alone,
    the_list_holds_active_keys_newest_first,
    a_duplicate_changes_nothing,
    the_first_revocation_wins,
    last_used_only_moves_forward_and_not_past_a_revocation,
    parallel_revocations_agree_on_one_time,
);
