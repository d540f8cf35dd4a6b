//! Contract tests for the deletion of old usage and activity.

use std::sync::Arc;
use std::time::Duration;

use ulkeys_domain::decision::Decision;
use ulkeys_store::{ClientUsage, HourlyCount, MILLIS_PER_HOUR, RejectedRequests, UsageBatch};

use crate::fixture::StoreFixture;
use crate::keys::{PEER, at, client_usage, insert};

/// Midnight at the start of an arbitrary day after this program's first release, in milliseconds since the Unix epoch.
const NOW: i64 = 20_775 * DAY;
const DAY: i64 = 24 * MILLIS_PER_HOUR;

/// Purges entries older than `millis`, after recording enough days of service for the clock to be trusted.
async fn remove_before(store: &StoreFixture, millis: i64) {
    let retention = |now: i64| Duration::from_millis((now - millis).cast_unsigned());
    // After eight recorded days, the start of the first one counts as passed, so entries are purged relative to that
    // time.
    for day in 0..8 {
        store.store.purge_old_entries(at(NOW + day * DAY), retention(NOW)).await.expect("removed");
    }
}

async fn purge_on_one_day_of_wrong_clock_removes_nothing(store: &StoreFixture) {
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
            ..UsageBatch::empty()
        };
        store.store.purge_old_entries(at(now), Duration::from_hours(90 * 24)).await.expect("removed");
        store.store.record_usage(Arc::new(batch)).await.expect("recorded");
        let record = store.get_key(&key.id).await.expect("read").expect("exists");
        let usage = store.key_usage(&key.id, at(0)).await.expect("read");
        let activity = store.list_activity(None, None, None, 100).await.expect("read").entries.len();
        let client = usage.clients.first().map(|client| client.last_used_at);
        assert_eq!(record.last_used_at, record.admin_used_at);
        (record.last_used_at, client, usage.hours.len(), activity)
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

async fn purge_replaces_last_used_of_wrong_clock_by_last_counted_hour(store: &StoreFixture) {
    let (key, _) = insert(store, "key", NOW).await;
    let use_at = async |now: i64| {
        let count = HourlyCount { key: key.id, hour: now / MILLIS_PER_HOUR, outcome: Decision::Accepted, requests: 1 };
        let batch = UsageBatch {
            at: Some(at(now)),
            last_used: vec![(key.id, at(now))],
            counts: vec![count],
            ..UsageBatch::empty()
        };
        store.store.record_usage(Arc::new(batch)).await.expect("recorded");
    };
    let purge_at = async |now: i64| {
        store.store.purge_old_entries(at(now), Duration::from_hours(90 * 24)).await.expect("removed");
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

async fn purge_removes_entries_of_slow_clock_with_their_neighbors(store: &StoreFixture) {
    for day in 0..8 {
        store.store.purge_old_entries(at(NOW + day * DAY), Duration::from_hours(24)).await.expect("removed");
    }
    insert(store, "now", NOW + 7 * DAY).await;
    insert(store, "behind", 1).await;
    let now = at(NOW + 7 * DAY);
    store.store.purge_old_entries(now, Duration::from_hours(90 * 24)).await.expect("removed");
    assert_eq!(store.list_activity(None, None, None, 10).await.expect("read").entries.len(), 2);
}

async fn purge_removes_old_usage_clients_and_activity(store: &StoreFixture) {
    let (key, _) = insert(store, "key", 1).await;
    let count = |hour, requests| HourlyCount { key: key.id, hour, outcome: Decision::Accepted, requests };
    let rejected = RejectedRequests {
        key: None,
        outcome: Decision::Unknown,
        peer: PEER,
        user_agent: "curl/8".into(),
        first: at(7),
        last: at(30),
        requests: 5,
    };
    let batch = UsageBatch {
        last_used: vec![(key.id, at(8))],
        counts: vec![count(0, 5), count(1, 1)],
        clients: vec![client_usage(key.id, "yolo", 20), client_usage(key.id, "", 5)],
        rejected: vec![rejected],
        ..UsageBatch::empty()
    };
    store.store.record_usage(Arc::new(batch)).await.expect("recorded");
    let hours = store.key_usage(&key.id, at(0)).await.expect("read").hours;
    assert_eq!(hours.len(), 2);

    remove_before(store, MILLIS_PER_HOUR).await;
    assert_eq!(store.key_usage(&key.id, at(0)).await.expect("read").hours, hours[1..]);
    assert!(store.list_activity(None, None, None, 10).await.expect("read").entries.is_empty());
    assert!(
        store.key_usage(&key.id, at(0)).await.expect("read").clients.is_empty(),
        "the clients have not been used since"
    );
}

contract_cases! {
    sqlite = sqlite;
    [
        purge_on_one_day_of_wrong_clock_removes_nothing,
        purge_replaces_last_used_of_wrong_clock_by_last_counted_hour,
        purge_removes_entries_of_slow_clock_with_their_neighbors,
        purge_removes_old_usage_clients_and_activity,
    ]
}
