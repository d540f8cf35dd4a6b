//! Records the outcome of each request in memory, and publishes and persists it in batches.
//!
//! Publishing and persisting use separate queues, so a slow or locked store does not delay events. A batch that the
//! store rejects is kept and written again, whole, before the next.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use ulkeys_domain::decision::Decision;
use ulkeys_domain::wire::{DatabaseProblem, KeyEvent, KeyUse, MAX_CLIENTS_PER_KEY};
use ulkeys_domain::{KeyId, KeyRecord, Timestamp};
use ulkeys_store::{ClientUsage, HourlyCount, KeyStore, MILLIS_PER_HOUR, RejectedRequests, UsageBatch};

use crate::state::Config;

/// How long uses are gathered before they are published.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// How long usage and activity are kept.
const USAGE_RETENTION: Duration = Duration::from_hours(90 * 24);
/// How often what is older is removed.
const PURGE_INTERVAL: Duration = Duration::from_hours(1);
/// Addresses that are recorded for the rejections of one key (or of none) for one cause within one hour. Behind a
/// gateway anybody can claim any number of them.
const MAX_REJECTED_ADDRESSES: usize = 50;
/// How many counts, programs and rejections are held for a store that accepts nothing, for example on a full disk: some
/// 30 MiB. What needs one more is added to a former hour of the same key, or is not counted. Last uses are always held.
const MAX_PENDING_ENTRIES: usize = 200_000;
/// Stands for all further addresses.
const OTHER_ADDRESSES: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Where a request came from.
#[derive(Clone, Copy)]
pub(crate) struct ClientAddress<'a> {
    pub(crate) peer: IpAddr,
    /// See [`crate::user_agent`].
    pub(crate) user_agent: &'a str,
}

/// Requests that are not published, or not in the store, yet.
#[derive(Default)]
pub(crate) struct UsageRecorder {
    pending: Mutex<PendingUsage>,
    publish_needed: Notify,
    flush_needed: Notify,
    /// Whether the store did not take the last batch.
    is_failing: AtomicBool,
}

#[derive(Default)]
struct PendingUsage {
    unpublished: FxHashMap<KeyId, Timestamp>,
    keys: FxHashMap<KeyId, PendingKeyUsage>,
    rejections: HashMap<(Option<KeyId>, Decision, IpAddr, i64), RejectedRequests>,
    /// The addresses behind the rejections of this hour.
    rejected_addresses: HashMap<(Option<KeyId>, Decision), HashSet<IpAddr>>,
    hour: i64,
    /// How many entries there are in `keys` and `rejections`.
    entries: usize,
    /// Whether it was logged that no more entries are held.
    is_full: bool,
    /// What the store is being given, or did not take.
    in_flight: Option<Arc<UsageBatch>>,
}

#[derive(Default)]
struct PendingKeyUsage {
    last_used: Option<Timestamp>,
    admin_used: Option<Timestamp>,
    counts: Vec<(i64, Decision, u64)>,
    clients: Vec<ClientUsage>,
}

impl UsageRecorder {
    /// Records that a request with this key was accepted, and whether its scope `admin` was needed for that. Times only
    /// move forward.
    pub(crate) fn record_accepted(&self, key: &KeyId, from: ClientAddress<'_>, at: Timestamp, needed_admin: bool) {
        let mut pending = self.lock_pending();
        match pending.unpublished.get_mut(key) {
            Some(known) => *known = at.max(*known),
            None => {
                pending.unpublished.insert(*key, at);
                self.publish_needed.notify_one();
            }
        }
        let has_capacity = pending.has_capacity();
        let key_usage = self.entry_for_key(&mut pending, key);
        key_usage.last_used = key_usage.last_used.max(Some(at));
        if needed_admin {
            key_usage.admin_used = key_usage.admin_used.max(Some(at));
        }
        let added = key_usage.count_outcome(Decision::Accepted, at, has_capacity)
            + key_usage.count_client(key, from, at, has_capacity);
        pending.entries += added;
    }

    /// Records that a request was rejected; `key` is the one that it presented, where there is such a key.
    pub(crate) fn record_rejected(
        &self,
        key: Option<&KeyId>,
        outcome: Decision,
        from: ClientAddress<'_>,
        at: Timestamp,
    ) {
        let mut pending = self.lock_pending();
        let has_capacity = pending.has_capacity();
        if let Some(key) = key {
            let added = self.entry_for_key(&mut pending, key).count_outcome(outcome, at, has_capacity);
            pending.entries += added;
        }
        let (key, hour) = (key.copied(), hour_index(at));
        let peer = pending.bucket_address(key, outcome, from.peer, hour);
        match pending.rejections.entry((key, outcome, peer, hour)) {
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
                pending.entries += 1;
                self.flush_needed.notify_one();
            }
            Entry::Vacant(_) => {}
        }
    }

    /// The last uses that are not written yet. Take this snapshot before reading the store; otherwise a batch written
    /// in between is in neither.
    pub(crate) fn pending_times(&self) -> PendingUseTimes {
        let pending = self.lock_pending();
        let mut times = PendingUseTimes::default();
        if let Some(batch) = &pending.in_flight {
            times.last_used.extend(batch.last_used.iter().copied());
            times.admin_used.extend(batch.admin_used.iter().copied());
        }
        times.last_used.extend(pending.keys.iter().filter_map(|(key, key_usage)| Some((*key, key_usage.last_used?))));
        times.admin_used.extend(pending.keys.iter().filter_map(|(key, key_usage)| Some((*key, key_usage.admin_used?))));
        times
    }

    /// How many keys and kinds of rejections are not written yet.
    pub(crate) fn backlog(&self) -> usize {
        let pending = self.lock_pending();
        pending.keys.len() + pending.rejections.len() + pending.in_flight.as_ref().map_or(0, |batch| batch.counts.len())
    }

    /// Publishes, flushes and purges until `shutdown`. A flush that is under way is finished; what is then left is for
    /// a last [`Self::flush`].
    pub(crate) async fn run_until_shutdown(
        &self,
        store: &dyn KeyStore,
        events: &broadcast::Sender<KeyEvent>,
        config: &Config,
        shutdown: &CancellationToken,
    ) {
        // After a panic, what was noted before has been notified already.
        self.publish_needed.notify_one();
        self.flush_needed.notify_one();
        let publish = async {
            loop {
                self.publish_needed.notified().await;
                let uses = std::mem::take(&mut self.lock_pending().unpublished);
                let uses = uses.into_iter().map(|(key_id, last_used_at)| KeyUse { key_id, last_used_at }).collect();
                // An error means that there are no subscribers.
                let _ = events.send(KeyEvent::Used { uses });
                tokio::time::sleep(PUBLISH_INTERVAL).await;
            }
        };
        // Never interrupted while it writes: the same batch would be written, and counted, twice.
        let flush = async {
            let pause = || shutdown.run_until_cancelled(tokio::time::sleep(config.timing.usage_flush_interval));
            while shutdown.run_until_cancelled(self.flush_needed.notified()).await.is_some() {
                while pause().await.is_some() && !self.flush(store, (config.clock)()).await {}
            }
        };
        let purge = async {
            loop {
                match store.purge_old_entries((config.clock)(), USAGE_RETENTION).await {
                    Err(error) if error.problem != DatabaseProblem::Full => {
                        tracing::warn!(%error, "old usage is not removed yet");
                    }
                    _ => {}
                }
                tokio::time::sleep(PURGE_INTERVAL).await;
            }
        };
        let rest = shutdown.run_until_cancelled(async { tokio::join!(publish, purge) });
        tokio::join!(flush, rest);
    }

    /// Writes what is pending. `false` when the store failed; then everything is kept for the next time.
    pub(crate) async fn flush(&self, store: &dyn KeyStore, now: Timestamp) -> bool {
        // Twice where a batch was left from the last time: it, and what was noted since.
        loop {
            let (batch, is_old) = self.lock_pending().next_batch(now);
            if batch.is_empty() {
                self.lock_pending().in_flight = None;
                return true;
            }
            if let Err(error) = store.record_usage(batch.clone()).await {
                // A store that takes nothing is asked every second, for as long as it takes nothing. It reports a full
                // disk itself.
                if error.problem != DatabaseProblem::Full && !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "usage is not written yet");
                }
                return false;
            }
            if self.is_failing.swap(false, Ordering::Relaxed) {
                tracing::info!("usage is written again");
            }
            self.lock_pending().in_flight = None;
            if !is_old {
                return true;
            }
        }
    }

    /// The pending usage of a key. The first entry of a batch wakes the flush.
    fn entry_for_key<'a>(&self, pending: &'a mut PendingUsage, key: &KeyId) -> &'a mut PendingKeyUsage {
        if pending.keys.is_empty() {
            self.flush_needed.notify_one();
        }
        pending.keys.entry(*key).or_default()
    }

    fn lock_pending(&self) -> MutexGuard<'_, PendingUsage> {
        self.pending.lock()
    }
}

/// Last uses by key: see [`UsageRecorder::pending_times`].
#[derive(Default)]
pub(crate) struct PendingUseTimes {
    last_used: FxHashMap<KeyId, Timestamp>,
    admin_used: FxHashMap<KeyId, Timestamp>,
}

impl PendingUseTimes {
    /// Brings a key from the store to what it will be there when all is written. A stored use after `latest` is of a
    /// clock that was wrong.
    pub(crate) fn overlay_on_record(&self, record: &mut KeyRecord, latest: Timestamp) {
        record.remove_uses_after(latest);
        let counts = |at: &Timestamp| record.revoked_at.is_none_or(|revoked| *at <= revoked);
        record.last_used_at = record.last_used_at.max(self.last_used.get(&record.id).copied().filter(counts));
        record.admin_used_at = record.admin_used_at.max(self.admin_used.get(&record.id).copied().filter(counts));
    }
}

impl PendingUsage {
    /// Whether one more entry may be held.
    fn has_capacity(&mut self) -> bool {
        let has_capacity = self.entries < MAX_PENDING_ENTRIES;
        if !has_capacity && !self.is_full {
            tracing::warn!(
                "usage cannot be written for so long that what is new is counted for a former hour, or not at all"
            );
            self.is_full = true;
        }
        has_capacity
    }

    /// The address by which a rejection is recorded.
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

    /// The batch that the store did not take (`true`), or else all that was noted since. It stays in `in_flight` until
    /// it is written.
    fn next_batch(&mut self, now: Timestamp) -> (Arc<UsageBatch>, bool) {
        if let Some(kept) = &self.in_flight {
            return (kept.clone(), true);
        }
        let mut batch = UsageBatch { at: Some(now), ..UsageBatch::default() };
        for (key, key_usage) in self.keys.drain() {
            batch.last_used.extend(key_usage.last_used.map(|at| (key, at)));
            batch.admin_used.extend(key_usage.admin_used.map(|at| (key, at)));
            let counts = key_usage.counts.into_iter();
            batch.counts.extend(counts.map(|(hour, outcome, requests)| HourlyCount { key, hour, outcome, requests }));
            batch.clients.extend(key_usage.clients);
        }
        batch.rejected.extend(self.rejections.drain().map(|(_, refusals)| refusals));
        (self.entries, self.is_full) = (0, false);
        let batch = Arc::new(batch);
        self.in_flight = Some(batch.clone());
        (batch, false)
    }
}

impl PendingKeyUsage {
    /// How many entries were added.
    fn count_outcome(&mut self, outcome: Decision, at: Timestamp, has_capacity: bool) -> usize {
        let hour = hour_index(at);
        let is_same = |count: &(i64, Decision, u64)| count.1 == outcome && (count.0 == hour || !has_capacity);
        match self.counts.iter_mut().rfind(|count| is_same(count)) {
            Some(count) => count.2 += 1,
            None if has_capacity => {
                self.counts.push((hour, outcome, 1));
                return 1;
            }
            None => {}
        }
        0
    }

    /// How many entries were added.
    fn count_client(&mut self, key: &KeyId, from: ClientAddress<'_>, at: Timestamp, has_capacity: bool) -> usize {
        let is_same_client =
            |client: &&mut ClientUsage| client.peer == from.peer && *client.user_agent == *from.user_agent;
        if let Some(client) = self.clients.iter_mut().find(is_same_client) {
            client.last = at.max(client.last);
            client.requests += 1;
        } else if has_capacity && self.clients.len() < MAX_CLIENTS_PER_KEY as usize {
            let user_agent = from.user_agent.into();
            self.clients.push(ClientUsage { key: *key, peer: from.peer, user_agent, first: at, last: at, requests: 1 });
            return 1;
        }
        0
    }
}

fn hour_index(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MILLIS_PER_HOUR)
}

#[cfg(test)]
mod tests {
    use ulkeys_domain::{KeyName, Scope, Scopes, Secret};

    use super::*;

    fn timestamp_from_millis(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    #[test]
    fn overlay_pending_times_moves_last_used_forward_up_to_revocation() {
        let mut rng = rand::rngs::SysRng;
        let scopes = Scopes::new([Scope::Admin]).expect("not empty");
        let name = KeyName::parse("key").expect("valid");
        let prefix = Secret::generate(&mut rng).expect("randomness").prefix();
        let stored = KeyRecord {
            last_used_at: Some(timestamp_from_millis(20)),
            admin_used_at: Some(timestamp_from_millis(10)),
            ..KeyRecord::new(
                KeyId::generate(&mut rng).expect("randomness"),
                name,
                prefix,
                scopes,
                timestamp_from_millis(1),
            )
        };
        let seen = |used: i64, revoked: Option<i64>| {
            let recorder = UsageRecorder::default();
            recorder.record_accepted(
                &stored.id,
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
        let mut rng = rand::rngs::SysRng;
        let recorder = UsageRecorder::default();
        let ids: Vec<_> = (0..400).map(|_| KeyId::generate(&mut rng).expect("randomness")).collect();
        for hour in 0..300 {
            for id in &ids {
                recorder.record_accepted(
                    id,
                    ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
                    timestamp_from_millis(hour * MILLIS_PER_HOUR),
                    false,
                );
                recorder.record_rejected(
                    Some(id),
                    Decision::Scope,
                    ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
                    timestamp_from_millis(hour * MILLIS_PER_HOUR),
                );
            }
        }
        let (batch, _) = recorder.lock_pending().next_batch(timestamp_from_millis(1));
        assert!(
            batch.counts.len() + batch.clients.len() + batch.rejected.len() <= MAX_PENDING_ENTRIES,
            "{}",
            batch.counts.len()
        );
        let accepted = batch.counts.iter().filter(|count| count.outcome == Decision::Accepted);
        assert_eq!(accepted.map(|count| count.requests).sum::<u64>(), 120_000, "each is counted");
        let latest = timestamp_from_millis(299 * MILLIS_PER_HOUR);
        assert!(batch.last_used.len() == 400 && batch.last_used.iter().all(|(_, used)| *used == latest));
        recorder.lock_pending().in_flight = None;
        recorder.record_accepted(
            &ids[0],
            ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
            timestamp_from_millis(5),
            false,
        );
        assert_eq!(
            recorder.lock_pending().next_batch(timestamp_from_millis(1)).0.counts.len(),
            1,
            "there is room again"
        );
    }

    #[test]
    fn overlay_stored_time_in_the_future_is_replaced() {
        let mut rng = rand::rngs::SysRng;
        let scopes = Scopes::new([Scope::Admin]).expect("not empty");
        let prefix = Secret::generate(&mut rng).expect("randomness").prefix();
        let id = KeyId::generate(&mut rng).expect("randomness");
        let mut record =
            KeyRecord::new(id, KeyName::parse("key").expect("valid"), prefix, scopes, timestamp_from_millis(1));
        record.last_used_at = Some(timestamp_from_millis(5_000));
        let recorder = UsageRecorder::default();
        recorder.record_accepted(
            &id,
            ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
            timestamp_from_millis(900),
            false,
        );
        recorder.pending_times().overlay_on_record(&mut record, timestamp_from_millis(1_000));
        assert_eq!(record.last_used_at, Some(timestamp_from_millis(900)));
    }

    #[test]
    fn record_rejected_from_many_addresses_is_bounded() {
        let recorder = UsageRecorder::default();
        for number in 1..=10_000_u32 {
            let from = ClientAddress { peer: IpAddr::V4(number.into()), user_agent: "" };
            recorder.record_rejected(None, Decision::NoCredential, from, timestamp_from_millis(1));
            recorder.record_rejected(None, Decision::Unknown, from, timestamp_from_millis(1));
        }
        let rejected_requests =
            |batch: &UsageBatch| batch.rejected.iter().map(|refusals| refusals.requests).sum::<u64>();
        let (batch, _) = recorder.lock_pending().next_batch(timestamp_from_millis(1));
        assert_eq!((batch.rejected.len(), rejected_requests(&batch)), (2 * (MAX_REJECTED_ADDRESSES + 1), 20_000));
        recorder.lock_pending().in_flight = None;

        // The next batch of the same hour has no new addresses either; the next hour has.
        let from = ClientAddress { peer: IpAddr::V4(0xffff_0000_u32.into()), user_agent: "" };
        recorder.record_rejected(None, Decision::Unknown, from, timestamp_from_millis(2));
        recorder.record_rejected(None, Decision::Unknown, from, timestamp_from_millis(MILLIS_PER_HOUR));
        let (batch, _) = recorder.lock_pending().next_batch(timestamp_from_millis(1));
        let mut peers: Vec<_> = batch.rejected.iter().map(|refusals| refusals.peer).collect();
        peers.sort();
        assert_eq!(peers, [OTHER_ADDRESSES, from.peer]);
    }
}
