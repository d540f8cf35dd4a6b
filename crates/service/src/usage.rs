//! Records the outcome of each request in memory, and publishes and persists it in batches.
//!
//! Publishing and persisting use separate queues, so a slow or locked store does not delay events. If the store rejects
//! a batch, the same batch is written again before the next one.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use ulkeys_api::{KeyEvent, KeyUse};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyId, KeyRecord, Timestamp};
use ulkeys_store::{DatabaseProblem, RejectedRequests, Store, UsageBatch};

use crate::config::Config;
use crate::events::{PUBLISH_INTERVAL, PublishedEvent};
use crate::key_index::{KeyEntry, KeyIndex};
use crate::pending_usage::{ClientAddress, RecordedUsage, hour_index};
use crate::rejection_groups::RejectionGroups;

/// The number of keys with pending usage at which a batch is written before the interval ends, so that a batch does not
/// block the store for long.
const FULL_BATCH_KEYS: usize = 2_000;
/// The maximum interval between two attempts to write a batch that the store rejected.
const RETRY_INTERVAL: Duration = Duration::from_millis(900);
/// The maximum time for which a request that reads usage waits for pending usage to be written.
const MAX_WAIT_BEFORE_READING: Duration = Duration::from_secs(1);
/// The time for which usage and activity are stored.
const USAGE_RETENTION: Duration = Duration::from_hours(90 * 24);
/// The interval at which usage and activity older than [`USAGE_RETENTION`] are purged.
const PURGE_INTERVAL: Duration = Duration::from_hours(1);
/// The maximum number of addresses recorded per hour for rejections with the same key (or without a key) and the same
/// decision. The number must be limited because a client behind a gateway can claim any number of addresses.
const MAX_REJECTED_ADDRESSES: usize = 50;
/// The maximum number of pending counts, clients and rejections, which take about 30 MiB. It is reached only while the
/// store fails, for example because the disk is full. Once it is reached, a further request is added to an earlier
/// hour's count for the same key and decision, or is not counted. The last use of each key is always recorded.
const MAX_PENDING_ENTRIES: usize = 200_000;
/// Recorded instead of the actual address once [`MAX_REJECTED_ADDRESSES`] other addresses have been recorded.
const OTHER_ADDRESSES: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Records usage, and holds it until it is published and written to the store.
pub(crate) struct UsageRecorder {
    index: Arc<KeyIndex>,
    queue: Mutex<UsageQueue>,
    /// Keys with a use that is not yet published.
    unpublished: Mutex<Vec<Arc<KeyEntry>>>,
    /// Rejections that are not yet published. They have a lock of their own, so that a flood of rejected requests does
    /// not make accepted ones wait.
    unpublished_rejections: Mutex<RejectionGroups>,
    /// The number of pending counts, clients and rejections.
    entries: AtomicUsize,
    /// Whether reaching [`MAX_PENDING_ENTRIES`] has been logged.
    is_full: AtomicBool,
    publish_needed: Notify,
    flush_needed: Notify,
    /// Notified when a batch is large enough to be written before the interval ends.
    batch_full: Notify,
    /// Held during a flush, so that one batch at a time is written.
    flushing: tokio::sync::Mutex<()>,
    /// Whether the store rejected the last batch.
    is_failing: AtomicBool,
}

#[derive(Default)]
struct UsageQueue {
    /// Keys with usage that is not yet in a batch.
    keys: Vec<Arc<KeyEntry>>,
    rejections: HashMap<(Option<KeyId>, Decision, IpAddr, i64), RejectedRequests>,
    /// The addresses recorded for rejections in the current hour.
    rejected_addresses: HashMap<(Option<KeyId>, Decision), HashSet<IpAddr>>,
    hour: i64,
    /// The batch that is being written, or that the store rejected.
    in_flight: Option<Arc<UsageBatch>>,
}

impl UsageRecorder {
    pub(crate) fn new(index: Arc<KeyIndex>) -> Self {
        Self {
            index,
            queue: Mutex::default(),
            unpublished: Mutex::default(),
            unpublished_rejections: Mutex::default(),
            entries: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            publish_needed: Notify::new(),
            flush_needed: Notify::new(),
            batch_full: Notify::new(),
            flushing: tokio::sync::Mutex::default(),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Returns whether another entry may be added. If not, logs a warning once.
    pub(crate) fn has_capacity(&self) -> bool {
        let has_capacity = self.entries.load(Ordering::Relaxed) < MAX_PENDING_ENTRIES;
        if !has_capacity && !self.is_full.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "too much usage is pending because the database cannot be written; new usage is counted less exactly"
            );
        }
        has_capacity
    }

    /// Records that a request with this key was accepted, and whether acceptance required the `admin` scope.
    pub(crate) fn record_accepted(
        &self,
        entry: &Arc<KeyEntry>,
        from: ClientAddress<'_>,
        at: Timestamp,
        needed_admin: bool,
    ) {
        let has_capacity = self.has_capacity();
        let recorded = entry.lock().activity().usage.record_accepted(from, at, needed_admin, has_capacity);
        self.enqueue(entry, &recorded);
    }

    /// Records that a request was rejected. `key` is the key that the request presented, if that key exists.
    pub(crate) fn record_rejected(
        &self,
        key: Option<&Arc<KeyEntry>>,
        outcome: Decision,
        from: ClientAddress<'_>,
        at: Timestamp,
    ) {
        let has_capacity = self.has_capacity();
        if let Some(entry) = key {
            let recorded = entry.lock().activity().usage.record_rejected(outcome, at, has_capacity);
            self.enqueue(entry, &recorded);
        }
        let (key, hour) = (key.map(|entry| entry.id()), hour_index(at));
        let mut queue = self.queue.lock();
        let peer = queue.bucket_address(key, outcome, from.peer, hour);
        match queue.rejections.entry((key, outcome, peer, hour)) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.requests += 1;
                known.last = at.max(known.last);
                if *known.user_agent != *from.user_agent {
                    known.user_agent = from.user_agent.into();
                }
            }
            Entry::Vacant(place) if has_capacity => {
                let user_agent = from.user_agent.into();
                place.insert(RejectedRequests { key, outcome, peer, user_agent, first: at, last: at, requests: 1 });
                self.entries.fetch_add(1, Ordering::Relaxed);
                self.flush_needed.notify_one();
            }
            Entry::Vacant(_) => {}
        }
        drop(queue);
        if self.unpublished_rejections.lock().add(key, outcome, peer, at) {
            self.publish_needed.notify_one();
        }
    }

    /// Queues a key for the next event and the next batch after usage was recorded. Call this after the key is
    /// unlocked.
    pub(crate) fn enqueue(&self, entry: &Arc<KeyEntry>, recorded: &RecordedUsage) {
        if recorded.added > 0 {
            self.entries.fetch_add(recorded.added, Ordering::Relaxed);
        }
        if recorded.is_unpublished {
            self.unpublished.lock().push(entry.clone());
            self.publish_needed.notify_one();
        }
        if recorded.is_first {
            let mut queue = self.queue.lock();
            queue.keys.push(entry.clone());
            match queue.keys.len() {
                1 => self.flush_needed.notify_one(),
                FULL_BATCH_KEYS => self.batch_full.notify_one(),
                _ => {}
            }
        }
    }

    /// Returns a snapshot of the last-use times that are not yet written to the store. Take this snapshot *before*
    /// reading the store; otherwise a batch that is written in between is missing from both.
    pub(crate) fn pending_times(&self) -> PendingUseTimes {
        let queue = self.queue.lock();
        let mut times = PendingUseTimes::default();
        if let Some(batch) = &queue.in_flight {
            times.last_used.extend(batch.last_used.iter().copied());
            times.admin_used.extend(batch.admin_used.iter().copied());
        }
        for entry in &queue.keys {
            let mut state = entry.lock();
            let (last_used, admin_used) =
                state.known_activity().map(|activity| activity.usage.use_times()).unwrap_or_default();
            times.last_used.extend(last_used.map(|at| (entry.id(), at)));
            times.admin_used.extend(admin_used.map(|at| (entry.id(), at)));
        }
        times
    }

    /// Returns how many entries are not yet written, for the metrics: pending keys and rejections, and the counts of
    /// the batch being written.
    pub(crate) fn backlog(&self) -> usize {
        let queue = self.queue.lock();
        queue.keys.len() + queue.rejections.len() + queue.in_flight.as_ref().map_or(0, |batch| batch.counts.len())
    }

    /// Publishes usage, writes it to the store, and purges old entries until `shutdown` is cancelled. A write in
    /// progress is finished; the caller writes the remaining usage with a final [`Self::flush`].
    pub(crate) async fn run_until_shutdown(
        &self,
        store: &dyn Store,
        events: &broadcast::Sender<PublishedEvent>,
        config: &Config,
        shutdown: &CancellationToken,
    ) {
        // If the task is restarted after a panic, the notifications for pending usage have already been consumed, so
        // notify both loops.
        self.publish_needed.notify_one();
        self.flush_needed.notify_one();
        let publish = async {
            loop {
                self.publish_needed.notified().await;
                let uses = self.take_unpublished();
                let rejections = std::mem::take(&mut *self.unpublished_rejections.lock());
                let used = (!uses.is_empty()).then_some(KeyEvent::Used { uses });
                for event in used.into_iter().chain(rejections.into_event()) {
                    // Sending fails only if there are no subscribers.
                    let _ = events.send(event.into());
                }
                tokio::time::sleep(PUBLISH_INTERVAL).await;
            }
        };
        // A write is never interrupted. The next attempt after a failure follows within a second, so that a full disk
        // is noticed soon.
        let flush = async {
            let interval = config.timing.usage_flush_interval;
            let wait = async |duration| {
                let full_or_late = async {
                    let _ = tokio::time::timeout(duration, self.batch_full.notified()).await;
                };
                shutdown.run_until_cancelled(full_or_late).await.is_some()
            };
            while shutdown.run_until_cancelled(self.flush_needed.notified()).await.is_some() {
                let mut goes_on = wait(interval).await;
                while goes_on && !self.flush(store, (config.clock)()).await {
                    goes_on = wait(interval.min(RETRY_INTERVAL)).await;
                }
            }
        };
        let purge = async {
            loop {
                match store.purge_old_entries((config.clock)(), USAGE_RETENTION).await {
                    Err(error) if error.problem != DatabaseProblem::Full => {
                        tracing::warn!(%error, "cannot purge old usage; the next attempt is in an hour");
                    }
                    _ => {}
                }
                tokio::time::sleep(PURGE_INTERVAL).await;
            }
        };
        let rest = shutdown.run_until_cancelled(async { tokio::join!(publish, purge) });
        tokio::join!(flush, rest);
    }

    fn take_unpublished(&self) -> Vec<KeyUse> {
        let entries = std::mem::take(&mut *self.unpublished.lock());
        let last_use = |entry: Arc<KeyEntry>| {
            let last_used_at = entry.lock().known_activity()?.usage.take_unpublished()?;
            Some(KeyUse { key_id: entry.id(), last_used_at })
        };
        entries.into_iter().filter_map(last_use).collect()
    }

    /// Writes the pending usage, so that a request that reads usage from the store finds all of it. Waits only briefly,
    /// because the store can be read while it cannot be written.
    pub(crate) async fn flush_before_reading(&self, store: &dyn Store, now: Timestamp) {
        if self.backlog() > 0 {
            let _ = tokio::time::timeout(MAX_WAIT_BEFORE_READING, self.flush(store, now)).await;
        }
    }

    /// Writes the pending usage. Returns `false` if the store fails; the usage then stays pending. If this future is
    /// dropped, the batch stays pending too, and a batch that was written nevertheless is not counted twice.
    pub(crate) async fn flush(&self, store: &dyn Store, now: Timestamp) -> bool {
        let _flushing = self.flushing.lock().await;
        // The loop runs twice if a rejected batch is left over: once for that batch, and once for the usage recorded
        // since then.
        loop {
            let (batch, is_old) = self.next_batch(now);
            if batch.is_empty() {
                self.queue.lock().in_flight = None;
                return true;
            }
            if let Err(error) = store.record_usage(batch.clone()).await {
                // A failing store is retried about every second, so only the first failure is logged. The store itself
                // logs a full disk.
                if error.problem != DatabaseProblem::Full && !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "cannot write usage to the database; retrying until it succeeds");
                }
                return false;
            }
            if self.is_failing.swap(false, Ordering::Relaxed) {
                tracing::info!("usage is written to the database again");
            }
            self.queue.lock().in_flight = None;
            if !is_old {
                return true;
            }
        }
    }

    /// If the store rejected the last batch, returns that batch and `true`; otherwise returns all usage recorded since
    /// the last batch and `false`. The batch stays in `in_flight` until it is written.
    fn next_batch(&self, now: Timestamp) -> (Arc<UsageBatch>, bool) {
        let mut queue = self.queue.lock();
        if let Some(kept) = &queue.in_flight {
            return (kept.clone(), true);
        }
        let mut batch = UsageBatch { at: Some(now), ..UsageBatch::empty() };
        let keys = std::mem::take(&mut queue.keys);
        for entry in &keys {
            if let Some(activity) = entry.lock().known_activity() {
                activity.usage.move_into(entry.id(), &mut batch);
            }
        }
        batch.rejected.extend(queue.rejections.drain().map(|(_, refusals)| refusals));
        self.entries.store(0, Ordering::Relaxed);
        self.is_full.store(false, Ordering::Relaxed);
        let batch = Arc::new(batch);
        queue.in_flight = Some(batch.clone());
        drop(queue);
        self.index.track_activity(keys);
        (batch, false)
    }
}

/// Last-use times by key; see [`UsageRecorder::pending_times`].
#[derive(Default)]
pub(crate) struct PendingUseTimes {
    last_used: FxHashMap<KeyId, Timestamp>,
    admin_used: FxHashMap<KeyId, Timestamp>,
}

impl PendingUseTimes {
    /// Adds pending last-use times to a record that was read from the store. First removes stored times later than
    /// `latest`, because they were recorded while the clock was wrong.
    pub(crate) fn overlay_on_record(&self, record: &mut KeyRecord, latest: Timestamp) {
        record.remove_uses_after(latest);
        let counts = |at: &Timestamp| record.revoked_at.is_none_or(|revoked| *at <= revoked);
        record.last_used_at = record.last_used_at.max(self.last_used.get(&record.id).copied().filter(counts));
        record.admin_used_at = record.admin_used_at.max(self.admin_used.get(&record.id).copied().filter(counts));
    }
}

impl UsageQueue {
    /// Returns the address under which a rejection is recorded: the peer's own, or [`OTHER_ADDRESSES`] if too many
    /// addresses are already recorded.
    fn bucket_address(&mut self, key: Option<KeyId>, outcome: Decision, peer: IpAddr, hour: i64) -> IpAddr {
        if self.hour != hour {
            self.hour = hour;
            self.rejected_addresses.clear();
        }
        let known = self.rejected_addresses.entry((key, outcome)).or_default();
        if known.len() < MAX_REJECTED_ADDRESSES {
            known.insert(peer);
        }
        if known.contains(&peer) { peer } else { OTHER_ADDRESSES }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use ulkeys_domain::{AccountId, KeyAuthInfo, KeyName, Scope, Scopes, Secret};
    use ulkeys_store::{MILLIS_PER_HOUR, Revision, StoredKey};

    use super::*;

    fn new_recorder() -> UsageRecorder {
        UsageRecorder::new(Arc::default())
    }

    fn new_record(created_at: Timestamp) -> KeyRecord {
        let mut rng = rand::rngs::SysRng;
        let scopes = Scopes::new([Scope::Admin]).expect("not empty");
        let prefix = Secret::generate(&mut rng).expect("randomness").prefix();
        let id = KeyId::generate(&mut rng).expect("randomness");
        KeyRecord::new(id, KeyName::parse("key").expect("valid"), prefix, scopes, created_at)
    }

    fn new_entry(record: &KeyRecord) -> Arc<KeyEntry> {
        let hash = Secret::generate(&mut rand::rngs::SysRng).expect("randomness").hash();
        Arc::new(KeyEntry::new(StoredKey {
            account: AccountId::EMBEDDED,
            hash,
            info: KeyAuthInfo::from(record),
            revision: Revision::default(),
        }))
    }

    fn timestamp_from_millis(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    #[test]
    fn overlay_pending_times_moves_last_used_forward_up_to_revocation() {
        let stored = KeyRecord {
            last_used_at: Some(timestamp_from_millis(20)),
            admin_used_at: Some(timestamp_from_millis(10)),
            ..new_record(timestamp_from_millis(1))
        };
        let seen = |used: i64, revoked: Option<i64>| {
            let recorder = new_recorder();
            recorder.record_accepted(
                &new_entry(&stored),
                ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
                timestamp_from_millis(used),
                true,
            );
            let mut record = KeyRecord { revoked_at: revoked.map(timestamp_from_millis), ..stored.clone() };
            recorder.pending_times().overlay_on_record(&mut record, timestamp_from_millis(1_000));
            (record.last_used_at, record.admin_used_at)
        };
        assert_eq!(seen(15, None), (Some(timestamp_from_millis(20)), Some(timestamp_from_millis(15))));
        assert_eq!(seen(30, None), (Some(timestamp_from_millis(30)), Some(timestamp_from_millis(30))));
        assert_eq!(seen(30, Some(30)), (Some(timestamp_from_millis(30)), Some(timestamp_from_millis(30))));
        assert_eq!(seen(30, Some(29)), (Some(timestamp_from_millis(20)), Some(timestamp_from_millis(10))));
    }

    #[test]
    fn record_while_store_fails_is_bounded_and_keeps_last_used() {
        let recorder = new_recorder();
        let keys: Vec<_> = (0..400).map(|_| new_entry(&new_record(timestamp_from_millis(1)))).collect();
        for hour in 0..300 {
            for key in &keys {
                recorder.record_accepted(
                    key,
                    ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
                    timestamp_from_millis(hour * MILLIS_PER_HOUR),
                    false,
                );
                recorder.record_rejected(
                    Some(key),
                    Decision::Scope,
                    ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
                    timestamp_from_millis(hour * MILLIS_PER_HOUR),
                );
            }
        }
        let (batch, _) = recorder.next_batch(timestamp_from_millis(1));
        assert!(
            batch.counts.len() + batch.clients.len() + batch.rejected.len() <= MAX_PENDING_ENTRIES,
            "{}",
            batch.counts.len()
        );
        let accepted = batch.counts.iter().filter(|count| count.outcome == Decision::Accepted);
        assert_eq!(accepted.map(|count| count.requests).sum::<u64>(), 120_000, "every accepted request is counted");
        let latest = timestamp_from_millis(299 * MILLIS_PER_HOUR);
        assert!(batch.last_used.len() == 400 && batch.last_used.iter().all(|(_, used)| *used == latest));
        recorder.queue.lock().in_flight = None;
        recorder.record_accepted(
            &keys[0],
            ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
            timestamp_from_millis(5),
            false,
        );
        assert_eq!(recorder.next_batch(timestamp_from_millis(1)).0.counts.len(), 1, "new counts are accepted again");
    }

    #[test]
    fn overlay_stored_time_in_the_future_is_replaced() {
        let mut record = new_record(timestamp_from_millis(1));
        record.last_used_at = Some(timestamp_from_millis(5_000));
        let recorder = new_recorder();
        recorder.record_accepted(
            &new_entry(&record),
            ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
            timestamp_from_millis(900),
            false,
        );
        recorder.pending_times().overlay_on_record(&mut record, timestamp_from_millis(1_000));
        assert_eq!(record.last_used_at, Some(timestamp_from_millis(900)));
    }

    #[test]
    fn record_rejected_from_many_addresses_is_bounded() {
        let recorder = new_recorder();
        for number in 1..=10_000_u32 {
            let from = ClientAddress { peer: IpAddr::V4(number.into()), user_agent: "" };
            recorder.record_rejected(None, Decision::NoCredential, from, timestamp_from_millis(1));
            recorder.record_rejected(None, Decision::Unknown, from, timestamp_from_millis(1));
        }
        let rejected_requests =
            |batch: &UsageBatch| batch.rejected.iter().map(|refusals| refusals.requests).sum::<u64>();
        let (batch, _) = recorder.next_batch(timestamp_from_millis(1));
        assert_eq!((batch.rejected.len(), rejected_requests(&batch)), (2 * (MAX_REJECTED_ADDRESSES + 1), 20_000));
        recorder.queue.lock().in_flight = None;

        // In the same hour, the next batch still records a new address as `OTHER_ADDRESSES`; in the next hour, new
        // addresses are recorded again.
        let from = ClientAddress { peer: IpAddr::V4(0xffff_0000_u32.into()), user_agent: "" };
        recorder.record_rejected(None, Decision::Unknown, from, timestamp_from_millis(2));
        recorder.record_rejected(None, Decision::Unknown, from, timestamp_from_millis(MILLIS_PER_HOUR));
        let (batch, _) = recorder.next_batch(timestamp_from_millis(1));
        let mut peers: Vec<_> = batch.rejected.iter().map(|refusals| refusals.peer).collect();
        peers.sort();
        assert_eq!(peers, [OTHER_ADDRESSES, from.peer]);
    }

    #[test]
    fn record_with_two_thousand_keys_fills_batch() {
        let recorder = new_recorder();
        let record = || {
            let from = ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" };
            recorder.record_accepted(
                &new_entry(&new_record(timestamp_from_millis(1))),
                from,
                timestamp_from_millis(2),
                false,
            );
        };
        let is_full = || recorder.batch_full.notified().now_or_never().is_some();
        (1..FULL_BATCH_KEYS).for_each(|_| record());
        assert!(!is_full());
        record();
        assert!(is_full());
        assert_eq!(recorder.next_batch(timestamp_from_millis(3)).0.last_used.len(), FULL_BATCH_KEYS);
    }
}
