//! What becomes of requests: known from memory at once, announced and written in batches.
//!
//! Announcing and writing keep their own books, so that a slow or locked store delays no announcement. A batch that the
//! store did not take is kept and tried again, whole, before the next.

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

/// How long uses are gathered after an announcement before the next one.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// How long uses are gathered before they are written.
const FLUSH_INTERVAL: Duration = Duration::from_millis(900);
/// How long usage and activity are kept.
const RETENTION: Duration = Duration::from_hours(90 * 24);
/// How often what is older is removed.
const PURGE_INTERVAL: Duration = Duration::from_hours(1);
/// Addresses that are told apart among the refusals of one key (or of none) for one cause within one hour. Behind a
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

/// Requests that are not announced, or not in the store, yet.
#[derive(Default)]
pub(crate) struct UsageRecorder {
    book: Mutex<PendingUsage>,
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
    /// The addresses behind the refusals of this hour.
    rejected_addresses: HashMap<(Option<KeyId>, Decision), HashSet<IpAddr>>,
    hour: i64,
    /// How many entries there are in `keys` and `refusals`.
    entries: usize,
    /// Whether it was reported that no more are held.
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
    /// Notes that a request with this key was accepted, and whether its scope `admin` was needed for that. Times only move
    /// forward.
    pub(crate) fn record_accepted(&self, key: &KeyId, from: ClientAddress<'_>, at: Timestamp, needed_admin: bool) {
        let mut book = self.pending();
        match book.unpublished.get_mut(key) {
            Some(known) => *known = at.max(*known),
            None => {
                book.unpublished.insert(*key, at);
                self.publish_needed.notify_one();
            }
        }
        let has_room = book.has_room();
        let page = self.entry(&mut book, key);
        page.last_used = page.last_used.max(Some(at));
        if needed_admin {
            page.admin_used = page.admin_used.max(Some(at));
        }
        let added = page.count(Decision::Accepted, at, has_room) + page.count_client(key, from, at, has_room);
        book.entries += added;
    }

    /// Notes that a request was refused; `key` is the one that it presented, where there is such a key.
    pub(crate) fn record_rejected(
        &self,
        key: Option<&KeyId>,
        outcome: Decision,
        from: ClientAddress<'_>,
        at: Timestamp,
    ) {
        let mut book = self.pending();
        let has_room = book.has_room();
        if let Some(key) = key {
            let added = self.entry(&mut book, key).count(outcome, at, has_room);
            book.entries += added;
        }
        let (key, hour) = (key.copied(), hour(at));
        let peer = book.bucket_address(key, outcome, from.peer, hour);
        match book.rejections.entry((key, outcome, peer, hour)) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.requests += 1;
                known.last = at.max(known.last);
                if *known.user_agent != *from.user_agent {
                    known.user_agent = from.user_agent.into();
                }
            }
            Entry::Vacant(place) if has_room => {
                let user_agent = from.user_agent.into();
                place.insert(RejectedRequests { key, outcome, peer, user_agent, first: at, last: at, requests: 1 });
                book.entries += 1;
                self.flush_needed.notify_one();
            }
            Entry::Vacant(_) => {}
        }
    }

    /// The last uses that are not written yet. Taken before the store is read, it lacks nothing that the store lacks too.
    pub(crate) fn pending_times(&self) -> PendingTimes {
        let book = self.pending();
        let mut unsaved = PendingTimes::default();
        if let Some(batch) = &book.in_flight {
            unsaved.last_used.extend(batch.last_used.iter().copied());
            unsaved.admin_used.extend(batch.admin_used.iter().copied());
        }
        unsaved.last_used.extend(book.keys.iter().filter_map(|(key, page)| Some((*key, page.last_used?))));
        unsaved.admin_used.extend(book.keys.iter().filter_map(|(key, page)| Some((*key, page.admin_used?))));
        unsaved
    }

    /// How many keys and kinds of refusals are not written yet.
    pub(crate) fn backlog(&self) -> usize {
        let book = self.pending();
        book.keys.len() + book.rejections.len() + book.in_flight.as_ref().map_or(0, |batch| batch.counts.len())
    }

    /// Announces, writes and tidies until `shutdown`. A write that is under way is finished; what is then left is for a
    /// last [`Self::flush`].
    pub(crate) async fn run(
        &self,
        store: &dyn KeyStore,
        events: &broadcast::Sender<KeyEvent>,
        clock: fn() -> Timestamp,
        shutdown: &CancellationToken,
    ) {
        // After a panic, what was noted before has been notified already.
        self.publish_needed.notify_one();
        self.flush_needed.notify_one();
        let announce = async {
            loop {
                self.publish_needed.notified().await;
                let uses = std::mem::take(&mut self.pending().unpublished);
                let uses = uses.into_iter().map(|(key_id, last_used_at)| KeyUse { key_id, last_used_at }).collect();
                // Nobody listens: fine.
                let _ = events.send(KeyEvent::Used { uses });
                tokio::time::sleep(PUBLISH_INTERVAL).await;
            }
        };
        // Never interrupted while it writes: the same batch would be written, and counted, twice.
        let write = async {
            let pause = || shutdown.run_until_cancelled(tokio::time::sleep(FLUSH_INTERVAL));
            while shutdown.run_until_cancelled(self.flush_needed.notified()).await.is_some() {
                while pause().await.is_some() && !self.flush(store, clock()).await {}
            }
        };
        let tidy = async {
            loop {
                match store.purge(clock(), RETENTION).await {
                    Err(error) if error.problem != DatabaseProblem::Full => {
                        tracing::warn!(%error, "old usage is not removed yet");
                    }
                    _ => {}
                }
                tokio::time::sleep(PURGE_INTERVAL).await;
            }
        };
        let rest = shutdown.run_until_cancelled(async { tokio::join!(announce, tidy) });
        tokio::join!(write, rest);
    }

    /// Writes what is pending. `false` when the store failed; then everything is kept for the next time.
    pub(crate) async fn flush(&self, store: &dyn KeyStore, now: Timestamp) -> bool {
        // Twice where a batch was left from the last time: it, and what was noted since.
        loop {
            let (batch, is_old) = self.pending().next_batch(now);
            if batch.is_empty() {
                self.pending().in_flight = None;
                return true;
            }
            if let Err(error) = store.record_usage(batch.clone()).await {
                // A store that takes nothing is asked every second, for as long as it takes nothing. It reports a full disk
                // itself.
                if error.problem != DatabaseProblem::Full && !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "usage is not written yet");
                }
                return false;
            }
            if self.is_failing.swap(false, Ordering::Relaxed) {
                tracing::info!("usage is written again");
            }
            self.pending().in_flight = None;
            if !is_old {
                return true;
            }
        }
    }

    /// A key's page; the writer is called for the first one of a batch.
    fn entry<'a>(&self, book: &'a mut PendingUsage, key: &KeyId) -> &'a mut PendingKeyUsage {
        if book.keys.is_empty() {
            self.flush_needed.notify_one();
        }
        book.keys.entry(*key).or_default()
    }

    fn pending(&self) -> MutexGuard<'_, PendingUsage> {
        self.book.lock()
    }
}

/// Last uses by key: see [`UsageRecorder::pending_times`].
#[derive(Default)]
pub(crate) struct PendingTimes {
    last_used: FxHashMap<KeyId, Timestamp>,
    admin_used: FxHashMap<KeyId, Timestamp>,
}

impl PendingTimes {
    /// Brings a key from the store to what it will be there when all is written. A stored use after `latest` is of a clock
    /// that was wrong.
    pub(crate) fn overlay(&self, record: &mut KeyRecord, latest: Timestamp) {
        record.remove_uses_after(latest);
        let counts = |at: &Timestamp| record.revoked_at.is_none_or(|revoked| *at <= revoked);
        record.last_used_at = record.last_used_at.max(self.last_used.get(&record.id).copied().filter(counts));
        record.admin_used_at = record.admin_used_at.max(self.admin_used.get(&record.id).copied().filter(counts));
    }
}

impl PendingUsage {
    /// Whether one more entry may be held.
    fn has_room(&mut self) -> bool {
        let has_room = self.entries < MAX_PENDING_ENTRIES;
        if !has_room && !self.is_full {
            tracing::warn!(
                "usage cannot be written for so long that what is new is counted for a former hour, or not at all"
            );
            self.is_full = true;
        }
        has_room
    }

    /// The address by which a refusal is kept.
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

    /// The batch that the store did not take (`true`), or else all that was noted since. It stays in `writing` until it is
    /// written.
    fn next_batch(&mut self, now: Timestamp) -> (Arc<UsageBatch>, bool) {
        if let Some(kept) = &self.in_flight {
            return (kept.clone(), true);
        }
        let mut batch = UsageBatch { at: Some(now), ..UsageBatch::default() };
        for (key, page) in self.keys.drain() {
            batch.last_used.extend(page.last_used.map(|at| (key, at)));
            batch.admin_used.extend(page.admin_used.map(|at| (key, at)));
            let counts = page.counts.into_iter();
            batch.counts.extend(counts.map(|(hour, outcome, requests)| HourlyCount { key, hour, outcome, requests }));
            batch.clients.extend(page.clients);
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
    fn count(&mut self, outcome: Decision, at: Timestamp, has_room: bool) -> usize {
        let hour = hour(at);
        let is_same = |count: &(i64, Decision, u64)| count.1 == outcome && (count.0 == hour || !has_room);
        match self.counts.iter_mut().rfind(|count| is_same(count)) {
            Some(count) => count.2 += 1,
            None if has_room => {
                self.counts.push((hour, outcome, 1));
                return 1;
            }
            None => {}
        }
        0
    }

    /// How many entries were added.
    fn count_client(&mut self, key: &KeyId, from: ClientAddress<'_>, at: Timestamp, has_room: bool) -> usize {
        let same = |source: &&mut ClientUsage| source.peer == from.peer && *source.user_agent == *from.user_agent;
        if let Some(source) = self.clients.iter_mut().find(same) {
            source.last = at.max(source.last);
            source.requests += 1;
        } else if has_room && self.clients.len() < MAX_CLIENTS_PER_KEY as usize {
            let user_agent = from.user_agent.into();
            self.clients.push(ClientUsage { key: *key, peer: from.peer, user_agent, first: at, last: at, requests: 1 });
            return 1;
        }
        0
    }
}

fn hour(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MILLIS_PER_HOUR)
}

#[cfg(test)]
mod tests {
    use ulkeys_domain::{KeyName, Scope, Scopes, Secret};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    #[test]
    fn what_is_not_written_only_moves_a_key_forward_and_not_past_its_revocation() {
        let mut rng = rand::rngs::SysRng;
        let scopes = Scopes::new([Scope::Admin]).expect("not empty");
        let name = KeyName::parse("key").expect("valid");
        let prefix = Secret::generate(&mut rng).expect("randomness").prefix();
        let stored = KeyRecord {
            last_used_at: Some(at(20)),
            admin_used_at: Some(at(10)),
            ..KeyRecord::new(KeyId::generate(&mut rng).expect("randomness"), name, prefix, scopes, at(1))
        };
        let seen = |used: i64, revoked: Option<i64>| {
            let uses = UsageRecorder::default();
            uses.record_accepted(&stored.id, ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" }, at(used), true);
            let mut record = KeyRecord { revoked_at: revoked.map(at), ..stored.clone() };
            uses.pending_times().overlay(&mut record, at(1_000));
            (record.last_used_at, record.admin_used_at)
        };
        assert_eq!(seen(15, None), (Some(at(20)), Some(at(15))));
        assert_eq!(seen(30, None), (Some(at(30)), Some(at(30))));
        assert_eq!(seen(30, Some(30)), (Some(at(30)), Some(at(30))));
        assert_eq!(seen(30, Some(29)), (Some(at(20)), Some(at(10))));
    }

    #[test]
    fn accepted_store_accepts_nothing_holds_a_bounded_number_and_each_last_use() {
        let mut rng = rand::rngs::SysRng;
        let uses = UsageRecorder::default();
        let ids: Vec<_> = (0..400).map(|_| KeyId::generate(&mut rng).expect("randomness")).collect();
        for hour in 0..300 {
            for id in &ids {
                uses.record_accepted(
                    id,
                    ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
                    at(hour * MILLIS_PER_HOUR),
                    false,
                );
                uses.record_rejected(
                    Some(id),
                    Decision::Scope,
                    ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" },
                    at(hour * MILLIS_PER_HOUR),
                );
            }
        }
        let (batch, _) = uses.pending().next_batch(at(1));
        assert!(
            batch.counts.len() + batch.clients.len() + batch.rejected.len() <= MAX_PENDING_ENTRIES,
            "{}",
            batch.counts.len()
        );
        let accepted = batch.counts.iter().filter(|count| count.outcome == Decision::Accepted);
        assert_eq!(accepted.map(|count| count.requests).sum::<u64>(), 120_000, "each is counted");
        let latest = at(299 * MILLIS_PER_HOUR);
        assert!(batch.last_used.len() == 400 && batch.last_used.iter().all(|(_, used)| *used == latest));
        uses.pending().in_flight = None;
        uses.record_accepted(&ids[0], ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" }, at(5), false);
        assert_eq!(uses.pending().next_batch(at(1)).0.counts.len(), 1, "there is room again");
    }

    #[test]
    fn add_to_stored_use_in_the_future_shows_the_real_one() {
        let mut rng = rand::rngs::SysRng;
        let scopes = Scopes::new([Scope::Admin]).expect("not empty");
        let prefix = Secret::generate(&mut rng).expect("randomness").prefix();
        let id = KeyId::generate(&mut rng).expect("randomness");
        let mut record = KeyRecord::new(id, KeyName::parse("key").expect("valid"), prefix, scopes, at(1));
        record.last_used_at = Some(at(5_000));
        let uses = UsageRecorder::default();
        uses.record_accepted(&id, ClientAddress { peer: OTHER_ADDRESSES, user_agent: "" }, at(900), false);
        uses.pending_times().overlay(&mut record, at(1_000));
        assert_eq!(record.last_used_at, Some(at(900)));
    }

    #[test]
    fn no_number_of_addresses_fills_the_record() {
        let uses = UsageRecorder::default();
        for number in 1..=10_000_u32 {
            let from = ClientAddress { peer: IpAddr::V4(number.into()), user_agent: "" };
            uses.record_rejected(None, Decision::NoCredential, from, at(1));
            uses.record_rejected(None, Decision::Unknown, from, at(1));
        }
        let refused = |batch: &UsageBatch| batch.rejected.iter().map(|refusals| refusals.requests).sum::<u64>();
        let (batch, _) = uses.pending().next_batch(at(1));
        assert_eq!((batch.rejected.len(), refused(&batch)), (2 * (MAX_REJECTED_ADDRESSES + 1), 20_000));
        uses.pending().in_flight = None;

        // The next batch of the same hour has no new addresses either; the next hour has.
        let from = ClientAddress { peer: IpAddr::V4(0xffff_0000_u32.into()), user_agent: "" };
        uses.record_rejected(None, Decision::Unknown, from, at(2));
        uses.record_rejected(None, Decision::Unknown, from, at(MILLIS_PER_HOUR));
        let (batch, _) = uses.pending().next_batch(at(1));
        let mut peers: Vec<_> = batch.rejected.iter().map(|refusals| refusals.peer).collect();
        peers.sort();
        assert_eq!(peers, [OTHER_ADDRESSES, from.peer]);
    }
}
