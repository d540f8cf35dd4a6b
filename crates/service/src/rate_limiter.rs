//! How often each key, each run and each peer has asked: the counters behind [`ulkeys_domain::limit`].
//!
//! A run's counters belong to the key that reports: another key that reports for the same run, by mistake or to harm it,
//! uses up its own.
//!
//! A peer that presents many different invalid credentials is limited too, so that guessing is slow. Programs share
//! addresses: on one computer all of them have the same. So a program that repeats one wrong key, however often, counts
//! once; and a peer over its limit may go on with the keys that it has used lately, and no others: a guesser learns
//! nothing, and harms only those who start with a new key beside him.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rustc_hash::{FxBuildHasher, FxHashMap};
use ulkeys_domain::rate_limit::{RateLimitStatus, RunRateLimitClass, SlidingWindow, WINDOW};
use ulkeys_domain::training::RunId;
use ulkeys_domain::{KeyId, RateLimitClass, RateLimits};

use crate::state::Setting;

/// Parts with a lock of their own, so that a sweep holds up few.
const SHARDS: usize = 64;
/// How long a key's peers are remembered after its last request from any of them.
const IDLE_RETENTION: Duration = Duration::from_hours(1);
/// Peers remembered for each key.
const MAX_PEERS: usize = 16;
/// Peers with invalid credentials that are told apart; beyond, all others count as one.
const MAX_FAILING_PEERS: usize = 4_096;

pub(crate) struct RateLimiter {
    limits: Setting<RateLimits>,
    start: Instant,
    /// By a quick hash: identifiers of keys are random, and the service's own choice.
    key_states: [Mutex<FxHashMap<KeyId, KeyState>>; SHARDS],
    /// By peer; `None` for all those that there is no room to tell apart.
    failures: Mutex<HashMap<Option<IpAddr>, FailedAttempts>>,
    failing_peers: AtomicUsize,
}

struct KeyState {
    windows: Vec<(RateLimitClass, SlidingWindow)>,
    /// Results of live runs, which the windows above do not count.
    results: SlidingWindow,
    /// Only of runs that there are. Each begins with an admitted request, so the key's limits bound how many are here.
    runs: FxHashMap<RunId, RunState>,
    peers: Vec<IpAddr>,
    last: Duration,
}

#[derive(Default)]
struct RunState {
    events: SlidingWindow,
    results: SlidingWindow,
    checkpoints: SlidingWindow,
}

impl RunState {
    fn window(&mut self, category: RunRateLimitClass) -> &mut SlidingWindow {
        match category {
            RunRateLimitClass::Event => &mut self.events,
            RunRateLimitClass::Result => &mut self.results,
            RunRateLimitClass::Checkpoint => &mut self.checkpoints,
        }
    }

    fn are_expired(&self, now: Duration) -> bool {
        [&self.events, &self.results, &self.checkpoints].iter().all(|window| window.is_expired(now))
    }
}

impl KeyState {
    fn window(&mut self, category: RateLimitClass) -> &mut SlidingWindow {
        let position = self.windows.iter().position(|(known, _)| *known == category).unwrap_or_else(|| {
            self.windows.push((category, SlidingWindow::default()));
            self.windows.len() - 1
        });
        &mut self.windows[position].1
    }
}

/// What a request of a training process counts as, once its body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunRequest {
    /// It names no run that there is, or cannot be read.
    NoRun(RateLimitClass),
    /// It begins a run.
    Start,
    /// A report of a run.
    Event(RunId),
    /// A result of a run. While the run is live, events of the key's other runs do not count against it, only their results,
    /// which no real training sends so often. After the run has ended, the key's limit applies.
    Result { run: RunId, is_live: bool },
    /// It asks where to upload a checkpoint to.
    Checkpoint(RunId),
}

impl RunRequest {
    fn run_class(self) -> Option<(RunId, RunRateLimitClass)> {
        match self {
            Self::NoRun(_) | Self::Start => None,
            Self::Event(run) => Some((run, RunRateLimitClass::Event)),
            Self::Result { run, .. } => Some((run, RunRateLimitClass::Result)),
            Self::Checkpoint(run) => Some((run, RunRateLimitClass::Checkpoint)),
        }
    }

    fn key_class(self) -> Option<RateLimitClass> {
        match self {
            Self::NoRun(category) => Some(category),
            Self::Start => Some(RateLimitClass::RunStart),
            Self::Event(_) | Self::Result { is_live: false, .. } => Some(RateLimitClass::Stream),
            Self::Result { is_live: true, .. } => None,
            Self::Checkpoint(_) => Some(RateLimitClass::Checkpoint),
        }
    }
}

/// Different invalid credentials of the last window: when each was first presented, and its fingerprint.
#[derive(Default)]
struct FailedAttempts(VecDeque<(Duration, u64)>);

impl FailedAttempts {
    fn add(&mut self, now: Duration, fingerprint: u64, limit: u32) {
        self.forget(now);
        if self.0.len() < limit as usize && !self.0.iter().any(|(_, known)| *known == fingerprint) {
            self.0.push_back((now, fingerprint));
        }
    }

    /// The standing, when no more are looked at.
    fn blocked(&mut self, now: Duration, limit: u32) -> Option<RateLimitStatus> {
        self.forget(now);
        let oldest = self.0.front().map_or(now, |(first, _)| *first);
        let reset_after = (oldest + WINDOW).saturating_sub(now);
        (self.0.len() >= limit as usize).then_some(RateLimitStatus { limit, remaining: 0, reset_after })
    }

    fn forget(&mut self, now: Duration) {
        while self.0.front().is_some_and(|(first, _)| *first + WINDOW <= now) {
            self.0.pop_front();
        }
    }
}

impl RateLimiter {
    pub(crate) fn new(limits: Setting<RateLimits>) -> Self {
        Self {
            limits,
            start: Instant::now(),
            key_states: std::array::from_fn(|_| Mutex::default()),
            failures: Mutex::default(),
            failing_peers: AtomicUsize::new(0),
        }
    }

    /// Counts one more request with a valid key, or refuses it.
    pub(crate) fn admit(
        &self,
        key: &KeyId,
        category: RateLimitClass,
        peer: IpAddr,
    ) -> Result<RateLimitStatus, RateLimitStatus> {
        let (now, limit) = (self.start.elapsed(), self.limits.get().of(category));
        self.with_counters(key, peer, now, |counters| counters.window(category).admit(now, limit))
    }

    /// Counts one more request of a training process, against its run and its key, or rejects it and counts nothing. The
    /// standing is the run's where there is one, unless the key's own limit is what rejects the request.
    pub(crate) fn admit_for_run(
        &self,
        key: &KeyId,
        request: RunRequest,
        peer: IpAddr,
    ) -> Result<Option<RateLimitStatus>, RateLimitStatus> {
        let (now, limits) = (self.start.elapsed(), self.limits.get());
        self.with_counters(key, peer, now, |counters| {
            if let Some((run, category)) = request.run_class() {
                let limit = limits.for_run(category);
                // A run gets its counters below, once the key admits the request.
                let standing = match counters.runs.get_mut(&run) {
                    Some(known) => known.window(category).status(now, limit),
                    None => SlidingWindow::default().status(now, limit),
                };
                if standing.remaining == 0 {
                    return Err(standing);
                }
            }
            let of_key = request.key_class();
            let of_key = of_key.map(|category| counters.window(category).admit(now, limits.of(category)));
            let of_key = of_key.transpose()?;
            if matches!(request, RunRequest::Result { is_live: true, .. }) {
                counters.results.admit(now, limits.of(RateLimitClass::Stream))?;
            }
            let of_run = request.run_class().map(|(run, category)| {
                let window = counters.runs.entry(run).or_default().window(category);
                window.admit(now, limits.for_run(category))
            });
            Ok(of_run.transpose()?.or(of_key))
        })
    }

    fn with_counters<T>(&self, key: &KeyId, peer: IpAddr, now: Duration, count: impl FnOnce(&mut KeyState) -> T) -> T {
        let mut shard = self.shard(key);
        let counters = shard.entry(*key).or_insert_with(|| KeyState {
            windows: Vec::new(),
            results: SlidingWindow::default(),
            runs: FxHashMap::default(),
            peers: Vec::new(),
            last: now,
        });
        counters.last = now.max(counters.last);
        if !counters.peers.contains(&peer) {
            counters.peers.truncate(MAX_PEERS - 1);
            counters.peers.insert(0, peer);
        }
        count(counters)
    }

    /// How the key's counter stands, without counting. Where runs have limits of their own, a run that has used its up
    /// stands for the key, because a question about a rejection is about that run.
    pub(crate) fn standing(&self, key: &KeyId, category: RateLimitClass) -> RateLimitStatus {
        let (now, limits) = (self.start.elapsed(), self.limits.get());
        let limit = limits.of(category);
        let mut shard = self.shard(key);
        let Some(counters) = shard.get_mut(key) else {
            return SlidingWindow::default().status(now, limit);
        };
        let of_run = match category {
            RateLimitClass::Stream => Some(RunRateLimitClass::Event),
            RateLimitClass::Checkpoint => Some(RunRateLimitClass::Checkpoint),
            _ => None,
        };
        let used_up = of_run.and_then(|category| {
            let standings =
                counters.runs.values_mut().map(|run| run.window(category).status(now, limits.for_run(category)));
            standings.filter(|standing| standing.remaining == 0).max_by_key(|standing| standing.reset_after)
        });
        used_up.unwrap_or_else(|| {
            let window = counters.windows.iter_mut().find(|(known, _)| *known == category);
            window.map_or_else(|| SlidingWindow::default().status(now, limit), |(_, window)| window.status(now, limit))
        })
    }

    /// Counts an invalid credential, by a fingerprint of it.
    pub(crate) fn record_failure(&self, peer: IpAddr, fingerprint: u64) {
        let now = self.start.elapsed();
        let mut failures = self.failed_attempts();
        let mut peer = Some(network(peer));
        if failures.len() >= MAX_FAILING_PEERS && !failures.contains_key(&peer) {
            failures.retain(|_, failures| {
                failures.forget(now);
                !failures.0.is_empty()
            });
            if failures.len() >= MAX_FAILING_PEERS {
                peer = None;
            }
        }
        failures.entry(peer).or_default().add(now, fingerprint, self.limits.get().invalid_credentials);
        self.failing_peers.store(failures.len(), Ordering::Relaxed);
    }

    /// The standing of a peer that may present no other keys than those it uses.
    pub(crate) fn is_over(&self, peer: IpAddr) -> Option<RateLimitStatus> {
        if self.failing_peers.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let now = self.start.elapsed();
        let mut failures = self.failed_attempts();
        let known = Some(network(peer)).filter(|peer| failures.contains_key(&Some(*peer)));
        failures.get_mut(&known)?.blocked(now, self.limits.get().invalid_credentials)
    }

    /// Whether the peer has lately used this key.
    pub(crate) fn is_known_peer(&self, peer: IpAddr, key: &KeyId) -> bool {
        self.shard(key).get(key).is_some_and(|counters| counters.peers.contains(&peer))
    }

    /// Forgets what no longer counts, one part after the other.
    pub(crate) fn remove_expired(&self) {
        let now = self.start.elapsed();
        for shard in &self.key_states {
            let mut shard = shard.lock();
            shard.retain(|_, counters| {
                counters.windows.retain(|(_, window)| !window.is_expired(now));
                counters.runs.retain(|_, run| !run.are_expired(now));
                counters.last + IDLE_RETENTION > now
            });
        }
        let mut failures = self.failed_attempts();
        failures.retain(|_, failures| {
            failures.forget(now);
            !failures.0.is_empty()
        });
        self.failing_peers.store(failures.len(), Ordering::Relaxed);
    }

    fn shard(&self, key: &KeyId) -> MutexGuard<'_, FxHashMap<KeyId, KeyState>> {
        // The upper bits, as the map itself uses the lower ones.
        let index = (FxBuildHasher.hash_one(key) >> 32) as usize % SHARDS;
        self.key_states[index].lock()
    }

    fn failed_attempts(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, FailedAttempts>> {
        self.failures.lock()
    }
}

/// Whoever has one IPv6 address has as many as they like of the same /64 (RFC 4291, section 2.5.4).
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rand::rngs::SysRng;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn three_invalid() -> RateLimiter {
        RateLimiter::new(RateLimits { invalid_credentials: 3, ..RateLimits::default() }.into())
    }

    fn key() -> KeyId {
        KeyId::generate(&mut SysRng).expect("randomness")
    }

    #[test]
    fn counters_are_independent() {
        let limits = RateLimiter::new(RateLimits::uniform(2).into());
        let (one, two) = (key(), key());
        let of_one_window = RateLimitClass::ALL.into_iter().filter(|category| limits.limits.get().of(*category) == 2);
        for key in [one, two] {
            for category in of_one_window.clone() {
                assert_eq!(limits.admit(&key, category, PEER).map(|standing| standing.remaining), Ok(1));
                assert_eq!(limits.admit(&key, category, PEER).map(|standing| standing.remaining), Ok(0));
                assert!(limits.admit(&key, category, PEER).is_err());
                assert_eq!(limits.standing(&key, category).remaining, 0);
            }
        }
        assert_eq!(limits.standing(&key(), RateLimitClass::Default).remaining, 2, "a key that has asked nothing");
    }

    fn run(number: i64) -> RunId {
        RunId::new(number).expect("positive")
    }

    #[test]
    fn admit_for_run_limit_of_run_used_up_leaves_other_runs_keys_and_the_ending() {
        let limits = RateLimiter::new(RateLimits { stream: 3, upload: 2, ..RateLimits::default() }.into());
        let (one, two) = (key(), key());
        let admit = |key: &KeyId, request| limits.admit_for_run(key, request, PEER);
        for remaining in [2, 1, 0] {
            let standing = admit(&one, RunRequest::Event(run(1))).expect("admitted").expect("counted");
            assert_eq!((standing.limit, standing.remaining), (3, remaining));
        }
        assert_eq!(admit(&one, RunRequest::Event(run(1))).map_err(|standing| standing.limit), Err(3));
        assert_eq!(limits.standing(&one, RateLimitClass::Stream).limit, 3, "the run that has used up its limit");
        assert!(admit(&one, RunRequest::Event(run(2))).is_ok() && admit(&two, RunRequest::Event(run(1))).is_ok());
        for _ in 0..2 {
            assert!(admit(&one, RunRequest::Checkpoint(run(1))).is_ok());
        }
        assert!(admit(&one, RunRequest::Checkpoint(run(1))).is_err());
        assert!(admit(&one, RunRequest::Checkpoint(run(2))).is_ok());
        let ending = RunRequest::Result { run: run(1), is_live: true };
        for _ in 0..ulkeys_domain::rate_limit::RUN_RESULTS_PER_MINUTE {
            assert!(admit(&one, ending).is_ok());
        }
        assert!(admit(&one, ending).is_err(), "endings have a limit of their own");
    }

    #[test]
    fn admit_for_run_limit_of_key_used_up_admits_endings_of_live_runs_only() {
        let limits = RateLimiter::new(RateLimits { stream: 2, ..RateLimits::default() }.into());
        let key = key();
        let admit = |request| limits.admit_for_run(&key, request, PEER);
        let of_key = 2 * ulkeys_domain::rate_limit::MAX_RUNS_AT_FULL_RATE;
        for _ in 0..of_key / 2 {
            assert!(admit(RunRequest::NoRun(RateLimitClass::Stream)).is_ok());
        }
        for number in 1..=i64::from(of_key / 2) {
            assert!(admit(RunRequest::Event(run(number))).is_ok());
        }
        for rejected in [
            RunRequest::NoRun(RateLimitClass::Stream),
            RunRequest::Event(run(99)),
            RunRequest::Result { run: run(1), is_live: false },
        ] {
            assert_eq!(admit(rejected).map_err(|standing| standing.limit), Err(of_key), "{rejected:?}");
        }
        assert!(admit(RunRequest::Result { run: run(99), is_live: true }).is_ok());
        for _ in 0..2 {
            assert!(admit(RunRequest::Start).is_ok());
        }
        assert_eq!(admit(RunRequest::Start).map_err(|standing| standing.limit), Err(2));
        let rejected = limits.shard(&key).get(&key).is_some_and(|counters| counters.runs.contains_key(&run(100)));
        assert!(!rejected, "a rejected request leaves no counters");
    }

    #[test]
    fn sweep_run_over_forgets_its_counters() {
        let mut limits = RateLimiter::new(RateLimits::default().into());
        let key = key();
        limits.admit_for_run(&key, RunRequest::Event(run(1)), PEER).expect("admitted");
        limits.remove_expired();
        assert_eq!(limits.shard(&key)[&key].runs.len(), 1, "swept too early");
        limits.start = limits.start.checked_sub(WINDOW).expect("the clock has run for longer");
        limits.remove_expired();
        let shard = limits.shard(&key);
        assert_eq!((shard[&key].runs.len(), shard[&key].windows.len()), (0, 0));
    }

    #[test]
    fn a_failing_peer_keeps_the_keys_that_it_uses() {
        let limits = three_invalid();
        let (used, other) = (key(), key());
        limits.admit(&used, RateLimitClass::Default, PEER).expect("admitted");
        for guess in 0..3 {
            assert!(limits.is_over(PEER).is_none());
            for _ in 0..100 {
                limits.record_failure(PEER, guess);
            }
        }
        assert!(limits.is_over(PEER).is_some_and(|standing| standing.reset_after > Duration::from_secs(50)));
        assert!(limits.is_known_peer(PEER, &used) && !limits.is_known_peer(PEER, &other));
        let elsewhere = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert!(limits.is_over(elsewhere).is_none() && !limits.is_known_peer(elsewhere, &used));
        limits.remove_expired();
        assert!(limits.is_over(PEER).is_some() && limits.is_known_peer(PEER, &used), "swept too early");
    }

    #[test]
    fn no_number_of_addresses_gets_around_the_limit() {
        let limits = three_invalid();
        for number in 0..20_000_u32 {
            limits.record_failure(IpAddr::V4(number.into()), number.into());
        }
        assert!(limits.failed_attempts().len() <= MAX_FAILING_PEERS + 1);
        assert!(limits.is_over(IpAddr::V4(0xffff_u32.into())).is_some(), "the others count as one");
        let neighbour = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        let limits = three_invalid();
        (1..4).for_each(|last| limits.record_failure(neighbour(last), last.into()));
        assert!(limits.is_over(neighbour(9)).is_some());
        let limits = three_invalid();
        (1..4).for_each(|guess| limits.record_failure(IpAddr::V6(Ipv6Addr::LOCALHOST), guess));
        assert!(limits.is_over(IpAddr::V6(Ipv6Addr::LOCALHOST)).is_some() && limits.is_over(PEER).is_none());
    }
}
