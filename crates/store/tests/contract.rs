//! Contract tests for every [`KeyStore`]. The tests only use the trait, so they apply to each implementation.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SysRng;
use strum::VariantArray as _;
use ulkeys_api::{ActivityEvent, ActivityKind, HourlyUsage, MAX_CLIENTS_PER_KEY};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, Scope, Scopes, Secret, Timestamp};
use ulkeys_store::{
    AuditContext, ClientUsage, HourlyCount, KeyStore, MILLIS_PER_HOUR, RejectedRequests, Revocation, SqliteStore,
    UsageBatch,
};

/// Midnight at the start of an arbitrary day after this program's first release, in milliseconds since the Unix epoch.
const NOW: i64 = 20_775 * DAY;
const DAY: i64 = 24 * MILLIS_PER_HOUR;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

fn new_key(name: &str, created: i64) -> (KeyRecord, KeyHash) {
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

fn audit() -> AuditContext {
    AuditContext { actor: None, peer: PEER, user_agent: "app/1".into() }
}

async fn last_used(store: &dyn KeyStore, key: &KeyId) -> Option<Timestamp> {
    store.get_key(key).await.expect("read").expect("exists").last_used_at
}

async fn insert(store: &dyn KeyStore, name: &str, created: i64) -> (KeyRecord, KeyHash) {
    let (record, hash) = new_key(name, created);
    assert!(store.insert(record.clone(), hash, audit()).await.expect("inserted"));
    (record, hash)
}

async fn lookup_finds_key_by_its_hash_alone(store: &dyn KeyStore) {
    let (record, hash) = insert(store, "ключ 👩‍🔬 '; DROP TABLE keys; --", 5).await;
    let (_, other) = new_key("other", 5);
    let known = store.lookup(&hash).await.expect("read").expect("exists");
    assert_eq!(*known, KeyAuthInfo::from(&record));
    assert_eq!(store.get_key(&record.id).await.expect("read"), Some(record));
    assert_eq!(store.lookup(&other).await.expect("read"), None);
}

async fn list_active_returns_active_keys_newest_first(store: &dyn KeyStore) {
    let (old, _) = insert(store, "old", 1).await;
    let (gone, _) = insert(store, "gone", 2).await;
    let (new, _) = insert(store, "new", 3).await;
    let (twin, _) = insert(store, "twin, made in the same millisecond but later", 3).await;
    store.revoke(&gone.id, at(4), audit()).await.expect("revoked");
    assert_eq!(store.list_active().await.expect("read"), [twin, new, old]);
}

async fn insert_duplicate_changes_nothing(store: &dyn KeyStore) {
    let (first, hash) = insert(store, "first", 1).await;
    let (mut second, fresh) = new_key("second", 2);
    assert!(store.insert(second.clone(), hash, audit()).await.is_err(), "same hash");
    second.id = first.id;
    assert!(store.insert(second, fresh, audit()).await.is_err(), "same id");
    assert_eq!(store.list_active().await.expect("read"), [first]);
}

async fn revoke_twice_keeps_first_time(store: &dyn KeyStore) {
    let (key, hash) = insert(store, "key", 1).await;
    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    assert_eq!(store.revoke(&unknown, at(2), audit()).await.expect("read"), None);
    let first = store.revoke(&key.id, at(3), audit()).await.expect("revoked");
    assert_eq!(first, Some(Revocation { at: at(3), is_new: true }));
    let second = store.revoke(&key.id, at(4), audit()).await.expect("revoked");
    assert_eq!(second, Some(Revocation { at: at(3), is_new: false }));
    let record = store.lookup(&hash).await.expect("read").expect("still stored");
    assert_eq!(record.revoked_at, Some(at(3)));
}

async fn record_usage_moves_last_used_forward_and_not_past_revocation(store: &dyn KeyStore) {
    let (key, _) = insert(store, "key", 1).await;
    let (idle, _) = insert(store, "idle", 1).await;
    let unknown = KeyId::generate(&mut SysRng).expect("randomness");
    let id = &key.id;
    let record = async |last_used| {
        store.record_usage(Arc::new(UsageBatch { last_used, ..UsageBatch::default() })).await.expect("recorded");
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

async fn record_usage_moves_admin_used_forward_and_not_past_revocation(store: &dyn KeyStore) {
    let (key, _) = insert(store, "key", 1).await;
    let record = async |millis| {
        let batch = UsageBatch { admin_used: vec![(key.id, at(millis))], ..UsageBatch::default() };
        store.record_usage(Arc::new(batch)).await.expect("recorded");
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

async fn get_replaced_key_and_replacement_name_each_other(store: &dyn KeyStore) {
    let (old, hash) = insert(store, "old", 1).await;
    let replace = async |name: &str, created| {
        let (record, hash) = new_key(name, created);
        let record = KeyRecord { replaces: Some(old.id), ..record };
        assert!(store.insert(record.clone(), hash, audit()).await.expect("inserted"));
        record
    };
    let replaced_by = async || {
        let found = store.get_key(&old.id).await.expect("read").expect("exists");
        let listed = store.list_active().await.expect("read");
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
    assert!(store.lookup(&hash).await.expect("read").expect("exists").revoked_at.is_some());
}

/// A change requested by a key is rejected if that key is no longer active when the change is written.
async fn revoked_actor_changes_nothing(store: &dyn KeyStore) {
    let (admin, _) = insert(store, "admin", 1).await;
    let (key, _) = insert(store, "key", 2).await;
    let by_admin = || AuditContext { actor: Some(admin.id), ..audit() };
    store.revoke(&admin.id, at(3), by_admin()).await.expect("written").expect("a key can revoke itself");
    let (late, hash) = new_key("late", 4);
    assert!(!store.insert(late, hash, by_admin()).await.expect("written"));
    assert!(store.lookup(&hash).await.expect("read").is_none());
    let name = KeyName::parse("late").expect("valid");
    assert_eq!(store.rename(&key.id, name, at(4), by_admin()).await.expect("written"), None);
    assert_eq!(store.revoke(&key.id, at(4), by_admin()).await.expect("written"), None);
    assert_eq!(store.list_active().await.expect("read"), [key]);
}

async fn revoke_in_parallel_agrees_on_one_time(store: &dyn KeyStore) {
    let (key, _) = insert(store, "key", 1).await;
    let (a, b, c) = tokio::join!(
        store.revoke(&key.id, at(2), audit()),
        store.revoke(&key.id, at(3), audit()),
        store.revoke(&key.id, at(4), audit())
    );
    let outcomes = [a, b, c].map(|outcome| outcome.expect("revoked").expect("exists"));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_new).count(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.at == outcomes[0].at));
    store.ping().await.expect("readable");
}

async fn rename_is_possible_until_revocation(store: &dyn KeyStore) {
    let (key, hash) = insert(store, "old", 1).await;
    let rename = async |name: &str| {
        store.rename(&key.id, KeyName::parse(name).expect("valid"), at(2), audit()).await.expect("written")
    };
    let renamed = KeyRecord { name: KeyName::parse("new").expect("valid"), ..key.clone() };
    assert_eq!(rename("new").await.as_ref(), Some(&renamed));
    assert_eq!(rename("new").await.as_ref(), Some(&renamed), "the same name again changes nothing");
    assert_eq!(store.lookup(&hash).await.expect("read").expect("exists").name, renamed.name);
    assert_eq!(store.list_active().await.expect("read"), [renamed]);
    store.revoke(&key.id, at(3), audit()).await.expect("revoked");
    assert_eq!(rename("later").await, None);
    assert_eq!(store.get_key(&key.id).await.expect("read").expect("stored").name.as_str(), "new");
}

async fn activity_lists_changes_of_a_key(store: &dyn KeyStore) {
    let (admin, _) = insert(store, "admin", 1).await;
    let (key, _) = insert(store, "old", 2).await;
    let by_admin = AuditContext { actor: Some(admin.id), ..audit() };
    let name = KeyName::parse("new").expect("valid");
    store.rename(&key.id, name.clone(), at(3), by_admin.clone()).await.expect("renamed");
    store.rename(&key.id, name, at(4), by_admin.clone()).await.expect("unchanged");
    store.revoke(&key.id, at(5), by_admin.clone()).await.expect("revoked");
    store.revoke(&key.id, at(6), by_admin).await.expect("revoked before");

    let page = store.list_activity(None, None, None, 10).await.expect("read");
    let by = Some(admin.id);
    let told: Vec<_> = page.entries.iter().map(|entry| (entry.at, entry.key_id, entry.what.clone())).collect();
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
    assert_eq!((page.entries[0].peer.as_str(), page.entries[0].agent.as_deref()), ("127.0.0.1", Some("app/1")));
    assert_eq!(page.entries[0].key_name.as_deref(), Some("new"), "the current name");
    let prefixes: Vec<_> = page.entries.iter().map(|entry| entry.key_prefix.as_deref()).collect();
    let (key_prefix, admin_prefix) = (Some(key.prefix.as_str()), Some(admin.prefix.as_str()));
    assert_eq!(prefixes, [key_prefix, key_prefix, key_prefix, admin_prefix]);

    let first = store.list_activity(Some(key.id), None, None, 2).await.expect("read");
    assert_eq!(first.entries, page.entries[..2]);
    let before = first.next.expect("another page").parse().expect("a number");
    let second = store.list_activity(Some(key.id), None, Some(before), 2).await.expect("read");
    assert_eq!((second.entries.as_slice(), second.next), (&page.entries[2..3], None));
}

async fn activity_filters_by_kind(store: &dyn KeyStore) {
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
    let batch = UsageBatch {
        clients: vec![client_usage(two.id, "yolo", 8)],
        rejected: vec![refusals],
        ..UsageBatch::default()
    };
    store.record_usage(Arc::new(batch)).await.expect("recorded");

    let all = store.list_activity(None, None, None, 100).await.expect("read").entries;
    let kind_of = |what: &ActivityEvent| match what {
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
            let expected = all.iter().filter(|entry| kind_of(&entry.what) == kind);
            let expected: Vec<_> = expected.filter(|entry| key.is_none() || entry.key_id == key).cloned().collect();
            told += page.entries.len();
            assert_eq!((page.entries, page.next), (expected, None), "{kind:?}");
        }
    }
    assert_eq!(told, 2 * all.len(), "each entry is returned once without a key filter and once for its key");

    let kind = Some(ActivityKind::Renamed);
    let first = store.list_activity(Some(one.id), kind, None, 2).await.expect("read");
    let before = first.next.expect("another page").parse().expect("a number");
    let second = store.list_activity(Some(one.id), kind, Some(before), 2).await.expect("read");
    assert_eq!((first.entries.len(), second.entries.len(), second.next), (2, 1, None));
    assert_eq!((first.entries[0].at, second.entries[0].at), (at(5), at(3)));
}

fn client_usage(key: KeyId, user_agent: &str, last: i64) -> ClientUsage {
    ClientUsage { key, peer: PEER, user_agent: user_agent.into(), first: at(last - 1), last: at(last), requests: 2 }
}

/// Purges entries older than `millis`, after recording enough days of service for the clock to be trusted.
async fn remove_before(store: &dyn KeyStore, millis: i64) {
    let retention = |now: i64| Duration::from_millis((now - millis).cast_unsigned());
    // After eight recorded days, the start of the first one counts as passed, so entries are purged relative to that
    // time.
    for day in 0..8 {
        store.purge_old_entries(at(NOW + day * DAY), retention(NOW)).await.expect("removed");
    }
}

async fn purge_on_one_day_of_wrong_clock_removes_nothing(store: &dyn KeyStore) {
    let (key, _) = insert(store, "key", NOW).await;
    let use_at = async |now: i64| {
        let batch = UsageBatch {
            at: Some(at(now)),
            last_used: vec![(key.id, at(now))],
            admin_used: vec![(key.id, at(now))],
            counts: vec![HourlyCount {
                key: key.id,
                hour: now / MILLIS_PER_HOUR,
                outcome: Decision::Accepted,
                requests: 1,
            }],
            clients: vec![ClientUsage { first: at(now), ..client_usage(key.id, "yolo", now) }],
            ..UsageBatch::default()
        };
        store.purge_old_entries(at(now), Duration::from_hours(90 * 24)).await.expect("removed");
        store.record_usage(Arc::new(batch)).await.expect("recorded");
        let record = store.get_key(&key.id).await.expect("read").expect("exists");
        let usage = store.key_usage(&key.id, at(0)).await.expect("read");
        let activity = store.list_activity(None, None, None, 100).await.expect("read").entries.len();
        let source = usage.sources.first().map(|source| source.last_used_at);
        assert_eq!(record.last_used_at, record.admin_used_at);
        (record.last_used_at, source, usage.hours.len(), activity)
    };
    for day in 0..4 {
        let now = NOW + day * DAY;
        assert_eq!(use_at(now).await, (Some(at(now)), Some(at(now)), day as usize + 1, 2));
    }
    let ahead = NOW + 103 * DAY;
    assert_eq!(use_at(ahead).await, (Some(at(ahead)), Some(at(ahead)), 5, 2), "nothing is deleted");
    let right = NOW + 3 * DAY + MILLIS_PER_HOUR;
    assert_eq!(
        use_at(right).await,
        (Some(at(right)), Some(at(right)), 6, 2),
        "a later request replaces the wrong time"
    );
    // A purge deletes nothing after the clock was reset to the past.
    for behind in [1, NOW - 200 * DAY] {
        let (used, source, _, activity) = use_at(behind).await;
        assert_eq!((used, source, activity), (Some(at(right)), Some(at(right)), 2));
    }
    // On a computer that was off for 200 days, purging resumes after eight days of use.
    for day in 200..206 {
        assert!(use_at(NOW + day * DAY).await.2 > 6, "{day}");
    }
    for (day, hours) in [(206, 8), (207, 8)] {
        assert_eq!(use_at(NOW + day * DAY).await.2, hours, "{day}");
    }
}

async fn purge_replaces_last_used_of_wrong_clock_by_last_counted_hour(store: &dyn KeyStore) {
    let (key, _) = insert(store, "key", NOW).await;
    let use_at = async |now: i64| {
        let count = HourlyCount { key: key.id, hour: now / MILLIS_PER_HOUR, outcome: Decision::Accepted, requests: 1 };
        let batch = UsageBatch {
            at: Some(at(now)),
            last_used: vec![(key.id, at(now))],
            counts: vec![count],
            ..UsageBatch::default()
        };
        store.record_usage(Arc::new(batch)).await.expect("recorded");
    };
    let purge_at = async |now: i64| {
        store.purge_old_entries(at(now), Duration::from_hours(90 * 24)).await.expect("removed");
        store.get_key(&key.id).await.expect("read").expect("exists").last_used_at
    };
    purge_at(NOW).await;
    use_at(NOW + 2 * MILLIS_PER_HOUR + 1_000).await;
    assert_eq!(purge_at(NOW + 100 * DAY).await, Some(at(NOW + 2 * MILLIS_PER_HOUR + 1_000)));
    use_at(NOW + 100 * DAY).await;
    let right = NOW + 5 * MILLIS_PER_HOUR;
    assert_eq!(purge_at(right).await, Some(at(NOW + 2 * MILLIS_PER_HOUR)), "the hour of the last actual use");
    // A purge replaces no last-used time if the clock is behind.
    assert_eq!(purge_at(1).await, Some(at(NOW + 2 * MILLIS_PER_HOUR)));
}

async fn purge_removes_entries_of_slow_clock_with_their_neighbors(store: &dyn KeyStore) {
    for day in 0..8 {
        store.purge_old_entries(at(NOW + day * DAY), Duration::from_hours(24)).await.expect("removed");
    }
    insert(store, "now", NOW + 7 * DAY).await;
    insert(store, "behind", 1).await;
    let now = at(NOW + 7 * DAY);
    store.purge_old_entries(now, Duration::from_hours(90 * 24)).await.expect("removed");
    assert_eq!(store.list_activity(None, None, None, 10).await.expect("read").entries.len(), 2);
}

async fn record_usage_adds_up_requests(store: &dyn KeyStore) {
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
        ..UsageBatch::default()
    };
    let second = UsageBatch {
        counts: vec![count(1, Decision::Accepted, 1), count(0, Decision::Accepted, 2)],
        clients: vec![client_usage(key.id, "yolo", 20)],
        rejected: vec![refusals(1, 30)],
        ..UsageBatch::default()
    };
    store.record_usage(Arc::new(first)).await.expect("recorded");
    store.record_usage(Arc::new(second)).await.expect("recorded");

    let hour = |hour, outcome, requests| HourlyUsage { hour: at(hour * MILLIS_PER_HOUR), outcome, requests };
    let usage = store.key_usage(&key.id, at(0)).await.expect("read");
    let hours = [hour(0, Decision::Accepted, 5), hour(1, Decision::Accepted, 1), hour(1, Decision::Scope, 1)];
    assert_eq!(usage.hours, hours);
    assert_eq!(store.key_usage(&key.id, at(MILLIS_PER_HOUR)).await.expect("read").hours, hours[1..]);
    let clients: Vec<_> = usage
        .sources
        .iter()
        .map(|source| (source.agent.as_deref(), source.first_used_at, source.last_used_at, source.requests))
        .collect();
    assert_eq!(clients, [(Some("yolo"), at(7), at(20), 4), (None, at(4), at(5), 2)]);

    let entries = store.list_activity(None, None, None, 10).await.expect("read").entries;
    let refused = ActivityEvent::Rejected { outcome: Decision::Unknown, requests: 5, last_at: at(30) };
    assert_eq!((&entries[0].what, entries[0].key_id, entries[0].at), (&refused, None, at(7)));
    assert_eq!((&entries[0].key_name, &entries[0].key_prefix), (&None, &None), "an entry without a key has no name");
    assert_eq!(
        entries.iter().filter(|entry| entry.what == ActivityEvent::NewClient).count(),
        2,
        "one entry per client"
    );

    remove_before(store, MILLIS_PER_HOUR).await;
    assert_eq!(store.key_usage(&key.id, at(0)).await.expect("read").hours, hours[1..]);
    assert!(store.list_activity(None, None, None, 10).await.expect("read").entries.is_empty());
    assert!(
        store.key_usage(&key.id, at(0)).await.expect("read").sources.is_empty(),
        "the clients have not been used since"
    );
}

async fn activity_of_removed_key_is_listed(store: &dyn KeyStore) {
    let (gone, _) = new_key("gone", 1);
    let clients = vec![client_usage(gone.id, "yolo", 8)];
    store.record_usage(Arc::new(UsageBatch { clients, ..UsageBatch::default() })).await.expect("recorded");
    let entries = store.list_activity(None, None, None, 10).await.expect("read").entries;
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!((entry.key_id, &entry.key_name, &entry.key_prefix), (Some(gone.id), &None, &None));
}

async fn record_usage_caps_clients_per_key(store: &dyn KeyStore) {
    let (key, _) = insert(store, "key", 1).await;
    let clients = (0..200).map(|number| client_usage(key.id, &format!("agent {number}"), 10 + number)).collect();
    store.record_usage(Arc::new(UsageBatch { clients, ..UsageBatch::default() })).await.expect("recorded");
    let kept = store.key_usage(&key.id, at(0)).await.expect("read").sources;
    assert_eq!(kept.len(), MAX_CLIENTS_PER_KEY as usize);
    assert_eq!(kept[0].agent.as_deref(), Some("agent 199"), "the latest clients are retained");
    let entries = store.list_activity(Some(key.id), None, None, 1_000).await.expect("read").entries;
    assert_eq!(entries.len(), 1 + MAX_CLIENTS_PER_KEY as usize);
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
    lookup_finds_key_by_its_hash_alone,
    list_active_returns_active_keys_newest_first,
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
    purge_on_one_day_of_wrong_clock_removes_nothing,
    purge_replaces_last_used_of_wrong_clock_by_last_counted_hour,
    purge_removes_entries_of_slow_clock_with_their_neighbors,
    record_usage_adds_up_requests,
    activity_of_removed_key_is_listed,
    record_usage_caps_clients_per_key,
);
