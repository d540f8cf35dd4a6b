//! Records the outcome of each request in memory, and publishes and persists it in batches.
//!
//! Publishing and persisting use separate queues, so a slow or locked store does not delay events. If the store rejects
//! a batch, the same batch is written again before the next one.

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
use ulkeys_api::{DatabaseProblem, KeyEvent, KeyUse, MAX_CLIENTS_PER_KEY};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{KeyId, KeyRecord, Timestamp};
use ulkeys_store::{ClientUsage, HourlyCount, KeyStore, MILLIS_PER_HOUR, RejectedRequests, UsageBatch};

use crate::config::Config;

/// The time for which usage is collected before it is published.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
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

/// The client that sent a request: its address and user agent.
#[derive(Clone, Copy)]
pub(crate) struct ClientAddress<'a> {
    pub(crate) peer: IpAddr,
    /// The client's `User-Agent`; see [`crate::user_agent`].
    pub(crate) user_agent: &'a str,
}

/// Records usage, and holds it until it is published and written to the store.
#[derive(Default)]
pub(crate) struct UsageRecorder {
    pending: Mutex<PendingUsage>,
    publish_needed: Notify,
    flush_needed: Notify,
    /// Whether the store rejected the last batch.
    is_failing: AtomicBool,
}

#[derive(Default)]
struct PendingUsage {
    unpublished: FxHashMap<KeyId, Timestamp>,
    keys: FxHashMap<KeyId, PendingKeyUsage>,
    rejections: HashMap<(Option<KeyId>, Decision, IpAddr, i64), RejectedRequests>,
    /// The addresses recorded for rejections in the current hour.
    rejected_addresses: HashMap<(Option<KeyId>, Decision), HashSet<IpAddr>>,
    hour: i64,
    /// The total number of stored entries: the counts and clients in `keys`, and the entries in `rejections`.
    entries: usize,
    /// Whether reaching [`MAX_PENDING_ENTRIES`] has been logged.
    is_full: bool,
    /// The batch that is being written, or that the store rejected.
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
    /// Records that a request with this key was accepted, and whether acceptance required the `admin` scope. The
    /// recorded time of the last use never moves back.
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

    /// Records that a request was rejected. `key` is the key that the request presented, if that key exists.
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

    /// Returns a snapshot of the last-use times that are not yet written to the store. Take this snapshot *before*
    /// reading the store; otherwise a batch that is written in between is missing from both.
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

    /// Returns how many entries are not yet written, for the metrics: pending keys and rejections, and the counts of
    /// the batch being written.
    pub(crate) fn backlog(&self) -> usize {
        let pending = self.lock_pending();
        pending.keys.len() + pending.rejections.len() + pending.in_flight.as_ref().map_or(0, |batch| batch.counts.len())
    }

    /// Publishes usage, writes it to the store, and purges old entries until `shutdown` is cancelled. A write in
    /// progress is finished; the caller writes the remaining usage with a final [`Self::flush`].
    pub(crate) async fn run_until_shutdown(
        &self,
        store: &dyn KeyStore,
        events: &broadcast::Sender<KeyEvent>,
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
                let uses = std::mem::take(&mut self.lock_pending().unpublished);
                let uses = uses.into_iter().map(|(key_id, last_used_at)| KeyUse { key_id, last_used_at }).collect();
                // Sending fails only if there are no subscribers.
                let _ = events.send(KeyEvent::Used { uses });
                tokio::time::sleep(PUBLISH_INTERVAL).await;
            }
        };
        // A write is never interrupted; otherwise the same batch would be written and counted twice.
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

    /// Writes the pending usage. Returns `false` if the store fails; the usage then stays pending.
    pub(crate) async fn flush(&self, store: &dyn KeyStore, now: Timestamp) -> bool {
        // The loop runs twice if a rejected batch is left over: once for that batch, and once for the usage recorded
        // since then.
        loop {
            let (batch, is_old) = self.lock_pending().next_batch(now);
            if batch.is_empty() {
                self.lock_pending().in_flight = None;
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
            self.lock_pending().in_flight = None;
            if !is_old {
                return true;
            }
        }
    }

    /// Returns the pending usage of a key, creating it if necessary. The first entry of a batch wakes the flush loop.
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

impl PendingUsage {
    /// Returns whether another entry may be added. If not, logs a warning once.
    fn has_capacity(&mut self) -> bool {
        let has_capacity = self.entries < MAX_PENDING_ENTRIES;
        if !has_capacity && !self.is_full {
            tracing::warn!(
                "too much usage is pending because the database cannot be written; new usage is counted less exactly"
            );
            self.is_full = true;
        }
        has_capacity
    }

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

    /// If the store rejected the last batch, returns that batch and `true`; otherwise returns all usage recorded since
    /// the last batch and `false`. The batch stays in `in_flight` until it is written.
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
    /// Counts a request by hour and decision. Returns the number of entries added.
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

    /// Counts a request by client. Returns the number of entries added.
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
        assert_eq!(accepted.map(|count| count.requests).sum::<u64>(), 120_000, "every accepted request is counted");
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
            "new counts are accepted again"
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

        // In the same hour, the next batch still records a new address as `OTHER_ADDRESSES`; in the next hour, new
        // addresses are recorded again.
        let from = ClientAddress { peer: IpAddr::V4(0xffff_0000_u32.into()), user_agent: "" };
        recorder.record_rejected(None, Decision::Unknown, from, timestamp_from_millis(2));
        recorder.record_rejected(None, Decision::Unknown, from, timestamp_from_millis(MILLIS_PER_HOUR));
        let (batch, _) = recorder.lock_pending().next_batch(timestamp_from_millis(1));
        let mut peers: Vec<_> = batch.rejected.iter().map(|refusals| refusals.peer).collect();
        peers.sort();
        assert_eq!(peers, [OTHER_ADDRESSES, from.peer]);
    }
}
