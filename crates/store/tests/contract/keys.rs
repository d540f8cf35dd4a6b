//! Contract tests for keys, their usage, and their activity.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use rand::rngs::SysRng;
use strum::VariantArray as _;
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{
    ActivityKind, Actor, KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, Scope, Scopes, Secret, Timestamp,
};
use ulkeys_store::{
    ActivityEvent, AuditContext, ClientUsage, HourlyCount, HourlyUsage, KeyRepository, KnownKeys as _,
    MAX_CLIENTS_PER_KEY, MILLIS_PER_HOUR, RejectedRequests, Revocation, UsageBatch, WriteError,
};

use crate::fixture::KeyFixture;
use crate::key_index::KeyIndex;

pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

pub(crate) fn new_key(name: &str, created: i64) -> (KeyRecord, KeyHash) {
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let record = KeyRecord::new(
        KeyId::generate(&mut SysRng).expect("randomness"),
        KeyName::parse(name).expect("valid"),
        secret.prefix(),
        Scopes::new([Scope::Read, Scope::Training]).expect("not empty"),
        at(created),
    );
    (record, secret.hash())
}

pub(crate) fn audit() -> AuditContext {
    AuditContext { actor: Actor::Session, peer: PEER, user_agent: "app/1".into() }
}

async fn last_used(store: &KeyFixture, key: &KeyId) -> Option<Timestamp> {
    store.get_key(key).await.expect("read").expect("exists").last_used_at
}

pub(crate) async fn insert(
    store: &impl Deref<Target: KeyRepository>,
    name: &str,
    created: i64,
) -> (KeyRecord, KeyHash) {
    let (record, hash) = new_key(name, created);
    store.insert(record.clone(), hash, audit()).await.expect("inserted");
    (record, hash)
}

/// Returns the data of the key with this hash, as an index that was filled by a snapshot returns it.
async fn lookup(store: &KeyFixture, hash: &KeyHash) -> Option<KeyAuthInfo> {
    let index = Arc::<KeyIndex>::default();
    store.store.snapshot(index.visitor()).await.expect("read");
    index.get(hash).map(|key| key.info)
}

async fn snapshot_finds_key_by_its_hash_alone(store: &KeyFixture) {
    let (record, hash) = insert(store, "ключ 👩‍🔬 '; DROP TABLE keys; --", 5).await;
    let (_, other) = new_key("other", 5);
    assert_eq!(lookup(store, &hash).await, Some(KeyAuthInfo::from(&record)));
    assert_eq!(store.get_key(&record.id).await.expect("read"), Some(record));
    assert_eq!(lookup(store, &other).await, None);
}

async fn list_active_returns_active_keys_newest_first(store: &KeyFixture) {
    let (old, _) = insert(store, "old", 1).await;
    let (gone, _) = insert(store, "gone", 2).await;
    let (new, _) = insert(store, "new", 3).await;
    let (twin, _) = insert(store, "twin, made in the same millisecond but later", 3).await;
    store.revoke(&gone.id, at(4), audit()).await.expect("revoked");
    let all = [twin, new, old];
    assert_eq!(store.list_active(None, 1_000).await.expect("read"), all);
    for limit in [1, 2, 3] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let keys = store.list_active(after, limit).await.expect("read");
            assert!(keys.len() <= limit as usize);
            let Some(last) = keys.last() else { break };
            after = Some((last.created_at, last.id));
            seen.extend(keys);
        }
        assert_eq!(seen, all, "{limit} at a time");
    }
    let [_, new, old] = &all;
    store.revoke(&new.id, at(5), audit()).await.expect("revoked");
    let rest = store.list_active(Some((new.created_at, new.id)), 2).await.expect("read");
    assert_eq!(rest, std::slice::from_ref(old), "the position of a revoked key is still valid");
}

async fn get_keys_returns_known_keys_once(store: &KeyFixture) {
    let (first, _) = insert(store, "first", 1).await;
    let (second, _) = insert(store, "second", 2).await;
    insert(store, "third", 3).await;
    store.revoke(&second.id, at(4), audit()).await.expect("revoked");
    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    let found = store.get_keys(vec![second.id, unknown, first.id, second.id]).await.expect("read");
    let mut names: Vec<_> = found.iter().map(|key| (key.name.as_str(), key.revoked_at)).collect();
    names.sort();
    assert_eq!(names, [("first", None), ("second", Some(at(4)))]);
    assert_eq!(store.get_keys(vec![]).await.expect("read"), []);
}

async fn accepted_requests_are_counted_by_key_and_hour(store: &KeyFixture) {
    let (first, _) = insert(store, "first", 1).await;
    let (second, _) = insert(store, "second", 2).await;
    let (third, _) = insert(store, "third", 3).await;
    let count = |key: &KeyRecord, hour, outcome, requests| HourlyCount { key: key.id, hour, outcome, requests };
    let accepted = Decision::Accepted;
    let counts = vec![
        count(&first, 9, accepted, 1),
        count(&first, 10, accepted, 2),
        count(&first, 12, accepted, 3),
        count(&first, 13, accepted, 4),
        count(&first, 11, Decision::Scope, 5),
        count(&second, 11, accepted, 6),
        count(&third, 11, accepted, 7),
    ];
    store.store.record_usage(Arc::new(UsageBatch { counts, ..UsageBatch::empty() })).await.expect("recorded");
    let found = store.accepted_requests(vec![second.id, first.id], 10..=12).await.expect("read");
    let mut found: Vec<_> = found.iter().map(|count| (count.hour, count.requests, count.key)).collect();
    found.sort();
    assert_eq!(found, [(10, 2, first.id), (11, 6, second.id), (12, 3, first.id)]);
}

async fn insert_duplicate_changes_nothing(store: &KeyFixture) {
    let (first, hash) = insert(store, "first", 1).await;
    let (mut second, fresh) = new_key("second", 2);
    let same_hash = store.insert(second.clone(), hash, audit()).await;
    assert!(matches!(same_hash, Err(WriteError::Conflict)), "{same_hash:?}");
    second.id = first.id;
    let same_id = store.insert(second, fresh, audit()).await;
    assert!(matches!(same_id, Err(WriteError::Conflict)), "{same_id:?}");
    assert_eq!(lookup(store, &fresh).await, None);
    assert_eq!(store.list_active(None, 1_000).await.expect("read"), [first]);
}

async fn revoke_twice_keeps_first_time(store: &KeyFixture) {
    let (key, hash) = insert(store, "key", 1).await;
    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    let missing = store.revoke(&unknown, at(2), audit()).await;
    assert!(matches!(missing, Err(WriteError::NotFound)), "{missing:?}");
    let first = store.revoke(&key.id, at(3), audit()).await.expect("revoked");
    assert_eq!(first.value, Revocation { at: at(3), is_new: true });
    let second = store.revoke(&key.id, at(4), audit()).await.expect("revoked");
    assert_eq!(second.value, Revocation { at: at(3), is_new: false });
    let key = lookup(store, &hash).await.expect("still stored");
    assert_eq!(key.revoked_at, Some(at(3)));
}

async fn record_usage_moves_last_used_forward_and_not_past_revocation(store: &KeyFixture) {
    let (key, _) = insert(store, "key", 1).await;
    let (idle, _) = insert(store, "idle", 1).await;
    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    let id = &key.id;
    let record = async |last_used| {
        store.store.record_usage(Arc::new(UsageBatch { last_used, ..UsageBatch::empty() })).await.expect("recorded");
    };
    for (used, expected) in [(10, 10), (30, 30), (20, 30)] {
        record(vec![(unknown, at(used)), (*id, at(used))]).await;
        assert_eq!(last_used(store, id).await, Some(at(expected)));
    }
    store.revoke(id, at(50), audit()).await.expect("revoked");
    // The key was revoked at time 50. The next two usage times are written after that. Time 51 is later than the
    // revocation, so it does not change the last-used time.
    for (used, expected) in [(40, 40), (51, 40)] {
        record(vec![(*id, at(used))]).await;
        assert_eq!(last_used(store, id).await, Some(at(expected)));
    }
    record(vec![]).await;
    assert_eq!(store.get_key(&idle.id).await.expect("read"), Some(idle));
}

async fn record_usage_moves_admin_used_forward_and_not_past_revocation(store: &KeyFixture) {
    let (key, _) = insert(store, "key", 1).await;
    let record = async |millis| {
        let batch = UsageBatch { admin_used: vec![(key.id, at(millis))], ..UsageBatch::empty() };
        store.store.record_usage(Arc::new(batch)).await.expect("recorded");
        let record = store.get_key(&key.id).await.expect("read").expect("exists");
        assert_eq!(record.last_used_at, None, "the last-used time is independent");
        record.admin_used_at
    };
    for (used, expected) in [(10, 10), (30, 30), (20, 30)] {
        assert_eq!(record(used).await, Some(at(expected)));
    }
    store.revoke(&key.id, at(50), audit()).await.expect("revoked");
    for (used, expected) in [(40, 40), (51, 40)] {
        assert_eq!(record(used).await, Some(at(expected)));
    }
}

async fn get_replaced_key_and_replacement_name_each_other(store: &KeyFixture) {
    let (old, hash) = insert(store, "old", 1).await;
    let replace = async |name: &str, created| {
        let (record, hash) = new_key(name, created);
        let record = KeyRecord { replaces: Some(old.id), ..record };
        store.insert(record.clone(), hash, audit()).await.expect("inserted");
        record
    };
    let replaced_by = async || {
        let found = store.get_key(&old.id).await.expect("read").expect("exists");
        let listed = store.list_active(None, 1_000).await.expect("read");
        assert!(found.revoked_at.is_some() || listed.contains(&found), "the list contains the same record");
        found.replaced_by
    };
    assert_eq!(replaced_by().await, None);
    let first = replace("first", 2).await;
    assert_eq!(store.get_key(&first.id).await.expect("read"), Some(first.clone()));
    assert_eq!(replaced_by().await, Some(first.id));
    let second = replace("second", 3).await;
    let third = replace("third", 3).await;
    assert_eq!(replaced_by().await, Some(third.id), "the newest key, even if created in the same millisecond");
    store.revoke(&third.id, at(4), audit()).await.expect("revoked");
    assert_eq!(replaced_by().await, Some(second.id), "an active key takes precedence over a newer revoked key");
    for id in [second.id, first.id] {
        store.revoke(&id, at(5), audit()).await.expect("revoked");
    }
    assert_eq!(replaced_by().await, Some(third.id), "the newest key if none is active");
    store.revoke(&old.id, at(6), audit()).await.expect("revoked");
    assert_eq!(replaced_by().await, Some(third.id));
    assert!(lookup(store, &hash).await.expect("exists").revoked_at.is_some());
}

/// A change requested by a key is rejected if that key is no longer active when the change is written.
async fn revoked_actor_changes_nothing(store: &KeyFixture) {
    let (admin, _) = insert(store, "admin", 1).await;
    let (key, _) = insert(store, "key", 2).await;
    let by_admin = || AuditContext { actor: Actor::Key(admin.id), ..audit() };
    store.revoke(&admin.id, at(3), by_admin()).await.expect("a key can revoke itself");
    let (late, hash) = new_key("late", 4);
    let inserted = store.insert(late, hash, by_admin()).await;
    assert!(matches!(inserted, Err(WriteError::ActorRevoked)), "{inserted:?}");
    assert_eq!(lookup(store, &hash).await, None);
    let name = KeyName::parse("late").expect("valid");
    let renamed = store.rename(&key.id, name, at(4), by_admin()).await;
    assert!(matches!(renamed, Err(WriteError::ActorRevoked)), "{renamed:?}");
    let revoked = store.revoke(&key.id, at(4), by_admin()).await;
    assert!(matches!(revoked, Err(WriteError::ActorRevoked)), "{revoked:?}");
    assert_eq!(store.list_active(None, 1_000).await.expect("read"), [key]);
}

async fn revoke_in_parallel_agrees_on_one_time(store: &KeyFixture) {
    let (key, _) = insert(store, "key", 1).await;
    let (a, b, c) = tokio::join!(
        store.revoke(&key.id, at(2), audit()),
        store.revoke(&key.id, at(3), audit()),
        store.revoke(&key.id, at(4), audit())
    );
    let outcomes = [a, b, c].map(|outcome| outcome.expect("revoked").value);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_new).count(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.at == outcomes[0].at));
    store.store.ping().await.expect("readable");
}

async fn rename_is_possible_until_revocation(store: &KeyFixture) {
    let (key, hash) = insert(store, "old", 1).await;
    let rename = async |name: &str| store.rename(&key.id, KeyName::parse(name).expect("valid"), at(2), audit()).await;
    let renamed = KeyRecord { name: KeyName::parse("new").expect("valid"), ..key.clone() };
    assert_eq!(rename("new").await.expect("renamed").value, renamed);
    assert_eq!(rename("new").await.expect("unchanged").value, renamed, "the same name again changes nothing");
    assert_eq!(lookup(store, &hash).await.expect("exists").name, renamed.name);
    assert_eq!(store.list_active(None, 1_000).await.expect("read"), [renamed]);
    store.revoke(&key.id, at(3), audit()).await.expect("revoked");
    let late = rename("later").await;
    assert!(matches!(late, Err(WriteError::NotFound)), "{late:?}");
    assert_eq!(store.get_key(&key.id).await.expect("read").expect("stored").name.as_str(), "new");
}

async fn activity_lists_changes_of_a_key(store: &KeyFixture) {
    let (admin, _) = insert(store, "admin", 1).await;
    let (key, _) = insert(store, "old", 2).await;
    let by_admin = AuditContext { actor: Actor::Key(admin.id), ..audit() };
    let name = KeyName::parse("new").expect("valid");
    store.rename(&key.id, name.clone(), at(3), by_admin.clone()).await.expect("renamed");
    store.rename(&key.id, name, at(4), by_admin.clone()).await.expect("unchanged");
    store.revoke(&key.id, at(5), by_admin.clone()).await.expect("revoked");
    store.revoke(&key.id, at(6), by_admin).await.expect("revoked before");

    let page = store.list_activity(None, None, None, 10).await.expect("read");
    let by = Some(admin.id);
    let told: Vec<_> = page.entries.iter().map(|entry| (entry.at, entry.key_id, entry.event.clone())).collect();
    let renamed = ActivityEvent::Renamed { by, old_name: "old".into(), new_name: "new".into() };
    assert_eq!(
        told,
        [
            (at(5), Some(key.id), ActivityEvent::Revoked { by }),
            (at(3), Some(key.id), renamed),
            (at(2), Some(key.id), ActivityEvent::Created { by: None }),
            (at(1), Some(admin.id), ActivityEvent::Created { by: None }),
        ]
    );
    assert_eq!(page.next, None);
    assert_eq!((page.entries[0].peer.as_str(), page.entries[0].user_agent.as_deref()), ("127.0.0.1", Some("app/1")));
    assert_eq!(page.entries[0].key_name.as_deref(), Some("new"), "the current name");
    let prefixes: Vec<_> = page.entries.iter().map(|entry| entry.key_prefix.as_deref()).collect();
    let (key_prefix, admin_prefix) = (Some(key.prefix.as_str()), Some(admin.prefix.as_str()));
    assert_eq!(prefixes, [key_prefix, key_prefix, key_prefix, admin_prefix]);

    let first = store.list_activity(Some(key.id), None, None, 2).await.expect("read");
    assert_eq!(first.entries, page.entries[..2]);
    let before = first.next.expect("another page");
    let second = store.list_activity(Some(key.id), None, Some(before), 2).await.expect("read");
    assert_eq!((second.entries.as_slice(), second.next), (&page.entries[2..3], None));
}

async fn activity_filters_by_kind(store: &KeyFixture) {
    let (one, _) = insert(store, "one", 1).await;
    let (two, _) = insert(store, "two", 2).await;
    for (millis, name) in [(3, "a"), (4, "b"), (5, "c")] {
        let name = KeyName::parse(name).expect("valid");
        store.rename(&one.id, name.clone(), at(millis), audit()).await.expect("renamed");
        store.rename(&two.id, name, at(millis), audit()).await.expect("renamed");
    }
    store.revoke(&one.id, at(6), audit()).await.expect("revoked");
    let refusals = RejectedRequests {
        key: Some(two.id),
        outcome: Decision::Scope,
        peer: PEER,
        user_agent: "".into(),
        first: at(7),
        last: at(7),
        requests: 1,
    };
    let batch =
        UsageBatch { clients: vec![client_usage(two.id, "yolo", 8)], rejected: vec![refusals], ..UsageBatch::empty() };
    store.store.record_usage(Arc::new(batch)).await.expect("recorded");

    let all = store.list_activity(None, None, None, 100).await.expect("read").entries;
    let kind_of = |event: &ActivityEvent| match event {
        ActivityEvent::Created { .. } => ActivityKind::Created,
        ActivityEvent::Renamed { .. } => ActivityKind::Renamed,
        ActivityEvent::Revoked { .. } => ActivityKind::Revoked,
        ActivityEvent::NewClient => ActivityKind::NewClient,
        ActivityEvent::Rejected { .. } => ActivityKind::Rejected,
        ActivityEvent::ChangedOutside { .. } => ActivityKind::ChangedOutside,
    };
    let mut told = 0;
    for &kind in ActivityKind::VARIANTS {
        for key in [None, Some(one.id), Some(two.id)] {
            let page = store.list_activity(key, Some(kind), None, 100).await.expect("read");
            let expected = all.iter().filter(|entry| kind_of(&entry.event) == kind);
            let expected: Vec<_> = expected.filter(|entry| key.is_none() || entry.key_id == key).cloned().collect();
            told += page.entries.len();
            assert_eq!((page.entries, page.next), (expected, None), "{kind:?}");
        }
    }
    assert_eq!(told, 2 * all.len(), "each entry is returned once without a key filter and once for its key");

    let kind = Some(ActivityKind::Renamed);
    let first = store.list_activity(Some(one.id), kind, None, 2).await.expect("read");
    let before = first.next.expect("another page");
    let second = store.list_activity(Some(one.id), kind, Some(before), 2).await.expect("read");
    assert_eq!((first.entries.len(), second.entries.len(), second.next), (2, 1, None));
    assert_eq!((first.entries[0].at, second.entries[0].at), (at(5), at(3)));
}

pub(crate) fn client_usage(key: KeyId, user_agent: &str, last: i64) -> ClientUsage {
    ClientUsage { key, peer: PEER, user_agent: user_agent.into(), first: at(last - 1), last: at(last), requests: 2 }
}

async fn record_usage_adds_up_requests(store: &KeyFixture) {
    let (key, _) = insert(store, "key", 1).await;
    let count = |hour, outcome, requests| HourlyCount { key: key.id, hour, outcome, requests };
    let refusals = |requests, last| RejectedRequests {
        key: None,
        outcome: Decision::Unknown,
        peer: PEER,
        user_agent: "curl/8".into(),
        first: at(7),
        last: at(last),
        requests,
    };
    let first = UsageBatch {
        last_used: vec![(key.id, at(8))],
        counts: vec![count(0, Decision::Accepted, 3), count(1, Decision::Scope, 1)],
        clients: vec![client_usage(key.id, "yolo", 8), client_usage(key.id, "", 5)],
        rejected: vec![refusals(4, 9)],
        ..UsageBatch::empty()
    };
    let second = UsageBatch {
        counts: vec![count(1, Decision::Accepted, 1), count(0, Decision::Accepted, 2)],
        clients: vec![client_usage(key.id, "yolo", 20)],
        rejected: vec![refusals(1, 30)],
        ..UsageBatch::empty()
    };
    store.store.record_usage(Arc::new(first)).await.expect("recorded");
    store.store.record_usage(Arc::new(second)).await.expect("recorded");

    let hour = |hour, outcome, requests| HourlyUsage { hour: at(hour * MILLIS_PER_HOUR), outcome, requests };
    let usage = store.key_usage(&key.id, at(0)).await.expect("read");
    let hours = [hour(0, Decision::Accepted, 5), hour(1, Decision::Accepted, 1), hour(1, Decision::Scope, 1)];
    assert_eq!(usage.hours, hours);
    assert_eq!(store.key_usage(&key.id, at(MILLIS_PER_HOUR)).await.expect("read").hours, hours[1..]);
    let clients: Vec<_> = usage
        .clients
        .iter()
        .map(|client| (client.user_agent.as_deref(), client.first_used_at, client.last_used_at, client.requests))
        .collect();
    assert_eq!(clients, [(Some("yolo"), at(7), at(20), 4), (None, at(4), at(5), 2)]);

    let entries = store.list_activity(None, None, None, 10).await.expect("read").entries;
    let refused = ActivityEvent::Rejected { outcome: Decision::Unknown, requests: 5, last_at: at(30) };
    assert_eq!((&entries[0].event, entries[0].key_id, entries[0].at), (&refused, None, at(7)));
    assert_eq!((&entries[0].key_name, &entries[0].key_prefix), (&None, &None), "an entry without a key has no name");
    assert_eq!(
        entries.iter().filter(|entry| entry.event == ActivityEvent::NewClient).count(),
        2,
        "one entry per client"
    );
}

/// A service repeats a batch if it does not know whether the batch was stored.
async fn record_usage_same_batch_again_counts_once(store: &KeyFixture) {
    let (key, _) = insert(store, "key", 1).await;
    let batch = |requests| {
        Arc::new(UsageBatch {
            last_used: vec![(key.id, at(8))],
            counts: vec![HourlyCount { key: key.id, hour: 0, outcome: Decision::Accepted, requests }],
            clients: vec![client_usage(key.id, "yolo", 8)],
            ..UsageBatch::empty()
        })
    };
    let (first, second) = (batch(3), batch(4));
    for batch in [&first, &first, &second, &first, &second] {
        store.store.record_usage(batch.clone()).await.expect("recorded");
    }
    let usage = store.key_usage(&key.id, at(0)).await.expect("read");
    assert_eq!(usage.hours.iter().map(|hour| hour.requests).collect::<Vec<_>>(), [7]);
    assert_eq!(usage.clients.iter().map(|client| client.requests).collect::<Vec<_>>(), [4]);
}

async fn activity_of_removed_key_is_listed(store: &KeyFixture) {
    let (gone, _) = new_key("gone", 1);
    let clients = vec![client_usage(gone.id, "yolo", 8)];
    store.store.record_usage(Arc::new(UsageBatch { clients, ..UsageBatch::empty() })).await.expect("recorded");
    let entries = store.list_activity(None, None, None, 10).await.expect("read").entries;
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!((entry.key_id, &entry.key_name, &entry.key_prefix), (Some(gone.id), &None, &None));
}

async fn record_usage_caps_clients_per_key(store: &KeyFixture) {
    let (key, _) = insert(store, "key", 1).await;
    let clients = (0..200).map(|number| client_usage(key.id, &format!("agent {number}"), 10 + number)).collect();
    store.store.record_usage(Arc::new(UsageBatch { clients, ..UsageBatch::empty() })).await.expect("recorded");
    let kept = store.key_usage(&key.id, at(0)).await.expect("read").clients;
    assert_eq!(kept.len(), MAX_CLIENTS_PER_KEY as usize);
    assert_eq!(kept[0].user_agent.as_deref(), Some("agent 199"), "the latest clients are retained");
    let entries = store.list_activity(Some(key.id), None, None, 1_000).await.expect("read").entries;
    assert_eq!(entries.len(), 1 + MAX_CLIENTS_PER_KEY as usize);
}

contract_cases! {
    sqlite = sqlite_keys, memory = memory_keys;
    [
        snapshot_finds_key_by_its_hash_alone,
        list_active_returns_active_keys_newest_first,
        get_keys_returns_known_keys_once,
        accepted_requests_are_counted_by_key_and_hour,
        insert_duplicate_changes_nothing,
        revoke_twice_keeps_first_time,
        record_usage_moves_last_used_forward_and_not_past_revocation,
        record_usage_moves_admin_used_forward_and_not_past_revocation,
        get_replaced_key_and_replacement_name_each_other,
        revoked_actor_changes_nothing,
        revoke_in_parallel_agrees_on_one_time,
        rename_is_possible_until_revocation,
        activity_lists_changes_of_a_key,
        activity_filters_by_kind,
        record_usage_adds_up_requests,
        record_usage_same_batch_again_counts_once,
        activity_of_removed_key_is_listed,
        record_usage_caps_clients_per_key,
    ]
}
