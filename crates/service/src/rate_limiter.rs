//! Counts the requests of each key, training run and peer against the limits of [`ulkeys_domain::rate_limit`].
//!
//! A run's requests are counted separately for each key that reports for the run. A key that reports for another key's
//! run, by mistake or on purpose, uses up only its own limit.
//!
//! A peer that presents many different invalid credentials is also limited, so that guessing a key is slow. Clients can
//! share an address: all clients on one computer have the same address. Therefore repeated attempts with the same wrong
//! key count once, and a blocked peer may continue to use the keys that it has used recently, but no others. An
//! attacker learns nothing from being blocked, and affects only clients on the same address that switch to a new key.

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

use crate::setting::Setting;

/// The number of shards, each with its own lock, so that removing expired state blocks only a few requests at a time.
const SHARD_COUNT: usize = 64;
/// The time for which the state of a key, including its recent peers, is stored after the key's last request.
const KEY_STATE_RETENTION: Duration = Duration::from_hours(1);
/// The maximum number of peers stored per key.
const MAX_PEERS_PER_KEY: usize = 16;
/// The maximum number of peers that have their own counter of failed attempts. All further peers share one counter.
const MAX_FAILING_PEERS: usize = 4_096;

pub(crate) struct RateLimiter {
    limits: Setting<RateLimits>,
    start: Instant,
    /// State by key. A fast hash that does not resist deliberate collisions is safe here, because the service itself
    /// generates the identifiers at random.
    key_states: [Mutex<FxHashMap<KeyId, KeyState>>; SHARD_COUNT],
    /// Failed attempts by peer. The entry `None` is shared by all peers beyond [`MAX_FAILING_PEERS`].
    failures: Mutex<HashMap<Option<IpAddr>, FailedAttempts>>,
    failing_peers: AtomicUsize,
}

struct KeyState {
    windows: Vec<(RateLimitClass, SlidingWindow)>,
    /// Counts the results that live runs report, which are not counted in `windows`.
    results: SlidingWindow,
    /// Counters of existing runs only. An entry is created only when a request is admitted, so the key's limits also
    /// bound the number of entries.
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
    fn window_mut(&mut self, class: RunRateLimitClass) -> &mut SlidingWindow {
        match class {
            RunRateLimitClass::Event => &mut self.events,
            RunRateLimitClass::Result => &mut self.results,
            RunRateLimitClass::Checkpoint => &mut self.checkpoints,
        }
    }

    fn is_expired(&self, now: Duration) -> bool {
        [&self.events, &self.results, &self.checkpoints].iter().all(|window| window.is_expired(now))
    }
}

impl KeyState {
    fn window_mut(&mut self, class: RateLimitClass) -> &mut SlidingWindow {
        let position = self.windows.iter().position(|(known, _)| *known == class).unwrap_or_else(|| {
            self.windows.push((class, SlidingWindow::default()));
            self.windows.len() - 1
        });
        &mut self.windows[position].1
    }
}

/// The purpose of a training process's request, which determines how the request is counted. It is known only after the
/// body has been parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunRequest {
    /// The request names no existing run, or its body is invalid.
    NoRun(RateLimitClass),
    /// The request starts a run.
    Start,
    /// The request reports an event of a run.
    Event(RunId),
    /// The request reports a result of a run. While the run is live, the result counts against a limit that all live
    /// runs of the key share. No real training run reaches this limit, and other events do not count against it. After
    /// the run has ended, the key's ordinary limit applies.
    Result { run: RunId, is_live: bool },
    /// The request is for a checkpoint upload URL.
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
            Self::NoRun(class) => Some(class),
            Self::Start => Some(RateLimitClass::RunStart),
            Self::Event(_) | Self::Result { is_live: false, .. } => Some(RateLimitClass::Stream),
            Self::Result { is_live: true, .. } => None,
            Self::Checkpoint(_) => Some(RateLimitClass::Checkpoint),
        }
    }
}

/// The distinct invalid credentials that a peer has presented within the last rate-limit window. Each entry has the
/// time of the first attempt and the fingerprint of the credential.
#[derive(Default)]
struct FailedAttempts(VecDeque<(Duration, u64)>);

impl FailedAttempts {
    fn record(&mut self, now: Duration, fingerprint: u64, limit: u32) {
        self.remove_expired_attempts(now);
        if self.0.len() < limit as usize && !self.0.iter().any(|(_, known)| *known == fingerprint) {
            self.0.push_back((now, fingerprint));
        }
    }

    /// Returns the status of the limit if the peer is blocked, otherwise `None`.
    fn status_if_blocked(&mut self, now: Duration, limit: u32) -> Option<RateLimitStatus> {
        self.remove_expired_attempts(now);
        let oldest = self.0.front().map_or(now, |(first, _)| *first);
        let reset_after = (oldest + WINDOW).saturating_sub(now);
        (self.0.len() >= limit as usize).then_some(RateLimitStatus { limit, remaining: 0, reset_after })
    }

    fn remove_expired_attempts(&mut self, now: Duration) {
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

    /// Counts a request with a valid key, or rejects it if the key's limit is reached.
    pub(crate) fn admit(
        &self,
        key: &KeyId,
        class: RateLimitClass,
        peer: IpAddr,
    ) -> Result<RateLimitStatus, RateLimitStatus> {
        let (now, limit) = (self.start.elapsed(), self.limits.get().of(class));
        self.with_key_state(key, peer, now, |key_state| key_state.window_mut(class).admit(now, limit))
    }

    /// Counts a request from a training process against the limits of its run and its key. A rejected request is not
    /// counted. Returns the status of the run's limit. If the request names no run, or if it is rejected because of the
    /// key's limit, returns the status of the key's limit instead.
    pub(crate) fn admit_for_run(
        &self,
        key: &KeyId,
        request: RunRequest,
        peer: IpAddr,
    ) -> Result<Option<RateLimitStatus>, RateLimitStatus> {
        let (now, limits) = (self.start.elapsed(), self.limits.get());
        self.with_key_state(key, peer, now, |key_state| {
            if let Some((run, class)) = request.run_class() {
                let limit = limits.for_run(class);
                // The counters of a new run are created below, after the key's limit has admitted the request.
                let limit_status = match key_state.runs.get_mut(&run) {
                    Some(known) => known.window_mut(class).status(now, limit),
                    None => SlidingWindow::default().status(now, limit),
                };
                if limit_status.remaining == 0 {
                    return Err(limit_status);
                }
            }
            let of_key = request.key_class();
            let of_key = of_key.map(|class| key_state.window_mut(class).admit(now, limits.of(class)));
            let of_key = of_key.transpose()?;
            if matches!(request, RunRequest::Result { is_live: true, .. }) {
                key_state.results.admit(now, limits.of(RateLimitClass::Stream))?;
            }
            let of_run = request.run_class().map(|(run, class)| {
                let window = key_state.runs.entry(run).or_default().window_mut(class);
                window.admit(now, limits.for_run(class))
            });
            Ok(of_run.transpose()?.or(of_key))
        })
    }

    fn with_key_state<T>(&self, key: &KeyId, peer: IpAddr, now: Duration, count: impl FnOnce(&mut KeyState) -> T) -> T {
        let mut shard = self.lock_shard(key);
        let key_state = shard.entry(*key).or_insert_with(|| KeyState {
            windows: Vec::new(),
            results: SlidingWindow::default(),
            runs: FxHashMap::default(),
            peers: Vec::new(),
            last: now,
        });
        key_state.last = now.max(key_state.last);
        if !key_state.peers.contains(&peer) {
            key_state.peers.truncate(MAX_PEERS_PER_KEY - 1);
            key_state.peers.insert(0, peer);
        }
        count(key_state)
    }

    /// Returns the status of a key's limit without counting a request. If one of the key's runs has used up its own
    /// limit, returns the status of that limit instead: the diagnosis of a rejected key uses this function and must
    /// show the limit that causes the rejection.
    pub(crate) fn limit_status(&self, key: &KeyId, class: RateLimitClass) -> RateLimitStatus {
        let (now, limits) = (self.start.elapsed(), self.limits.get());
        let limit = limits.of(class);
        let mut shard = self.lock_shard(key);
        let Some(key_state) = shard.get_mut(key) else {
            return SlidingWindow::default().status(now, limit);
        };
        let of_run = match class {
            RateLimitClass::Stream => Some(RunRateLimitClass::Event),
            RateLimitClass::Checkpoint => Some(RunRateLimitClass::Checkpoint),
            _ => None,
        };
        let used_up = of_run.and_then(|class| {
            let limit_statuses =
                key_state.runs.values_mut().map(|run| run.window_mut(class).status(now, limits.for_run(class)));
            limit_statuses
                .filter(|limit_status| limit_status.remaining == 0)
                .max_by_key(|limit_status| limit_status.reset_after)
        });
        used_up.unwrap_or_else(|| {
            let window = key_state.windows.iter_mut().find(|(known, _)| *known == class);
            window.map_or_else(|| SlidingWindow::default().status(now, limit), |(_, window)| window.status(now, limit))
        })
    }

    /// Records an invalid credential, identified by its fingerprint.
    pub(crate) fn record_failure(&self, peer: IpAddr, fingerprint: u64) {
        let now = self.start.elapsed();
        let mut failures = self.lock_failed_attempts();
        let mut peer = Some(network_prefix(peer));
        if failures.len() >= MAX_FAILING_PEERS && !failures.contains_key(&peer) {
            failures.retain(|_, failures| {
                failures.remove_expired_attempts(now);
                !failures.0.is_empty()
            });
            if failures.len() >= MAX_FAILING_PEERS {
                peer = None;
            }
        }
        failures.entry(peer).or_default().record(now, fingerprint, self.limits.get().invalid_credentials);
        self.failing_peers.store(failures.len(), Ordering::Relaxed);
    }

    /// Returns the status of the limit if the peer is blocked, so that it may use only keys that it has used recently;
    /// otherwise returns `None`.
    pub(crate) fn rate_limit_status_if_blocked(&self, peer: IpAddr) -> Option<RateLimitStatus> {
        if self.failing_peers.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let now = self.start.elapsed();
        let mut failures = self.lock_failed_attempts();
        let known = Some(network_prefix(peer)).filter(|peer| failures.contains_key(&Some(*peer)));
        failures.get_mut(&known)?.status_if_blocked(now, self.limits.get().invalid_credentials)
    }

    /// Returns whether the peer has used this key recently.
    pub(crate) fn is_known_peer(&self, peer: IpAddr, key: &KeyId) -> bool {
        self.lock_shard(key).get(key).is_some_and(|key_state| key_state.peers.contains(&peer))
    }

    /// Removes expired counters, one shard at a time.
    pub(crate) fn remove_expired(&self) {
        let now = self.start.elapsed();
        for shard in &self.key_states {
            let mut shard = shard.lock();
            shard.retain(|_, key_state| {
                key_state.windows.retain(|(_, window)| !window.is_expired(now));
                key_state.runs.retain(|_, run| !run.is_expired(now));
                key_state.last + KEY_STATE_RETENTION > now
            });
        }
        let mut failures = self.lock_failed_attempts();
        failures.retain(|_, failures| {
            failures.remove_expired_attempts(now);
            !failures.0.is_empty()
        });
        self.failing_peers.store(failures.len(), Ordering::Relaxed);
    }

    fn lock_shard(&self, key: &KeyId) -> MutexGuard<'_, FxHashMap<KeyId, KeyState>> {
        // Use the upper bits of the hash, because the hash map itself uses the lower ones.
        let index = (FxBuildHasher.hash_one(key) >> 32) as usize % SHARD_COUNT;
        self.key_states[index].lock()
    }

    fn lock_failed_attempts(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, FailedAttempts>> {
        self.failures.lock()
    }
}

/// Returns the address by which a peer is counted. A /64 network counts as one peer, because a host with one IPv6
/// address can use any other address of its /64 (RFC 4291, section 2.5.4).
fn network_prefix(peer: IpAddr) -> IpAddr {
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

    fn limiter_with_three_attempts() -> RateLimiter {
        RateLimiter::new(RateLimits { invalid_credentials: 3, ..RateLimits::default() }.into())
    }

    fn random_key_id() -> KeyId {
        KeyId::generate(&mut SysRng).expect("randomness")
    }

    #[test]
    fn admit_counts_each_key_and_class_separately() {
        let limiter = RateLimiter::new(RateLimits::uniform(2).into());
        let (one, two) = (random_key_id(), random_key_id());
        let of_one_window = RateLimitClass::ALL.into_iter().filter(|class| limiter.limits.get().of(*class) == 2);
        for key in [one, two] {
            for class in of_one_window.clone() {
                assert_eq!(limiter.admit(&key, class, PEER).map(|limit_status| limit_status.remaining), Ok(1));
                assert_eq!(limiter.admit(&key, class, PEER).map(|limit_status| limit_status.remaining), Ok(0));
                assert!(limiter.admit(&key, class, PEER).is_err());
                assert_eq!(limiter.limit_status(&key, class).remaining, 0);
            }
        }
        assert_eq!(
            limiter.limit_status(&random_key_id(), RateLimitClass::Default).remaining,
            2,
            "a key without requests has its full limit"
        );
    }

    fn run_id(number: i64) -> RunId {
        RunId::new(number).expect("positive")
    }

    #[test]
    fn admit_for_run_above_limit_of_run_admits_other_runs_and_results() {
        let limiter = RateLimiter::new(RateLimits { stream: 3, upload: 2, ..RateLimits::default() }.into());
        let (one, two) = (random_key_id(), random_key_id());
        let admit = |key: &KeyId, request| limiter.admit_for_run(key, request, PEER);
        for remaining in [2, 1, 0] {
            let limit_status = admit(&one, RunRequest::Event(run_id(1))).expect("admitted").expect("counted");
            assert_eq!((limit_status.limit, limit_status.remaining), (3, remaining));
        }
        assert_eq!(admit(&one, RunRequest::Event(run_id(1))).map_err(|limit_status| limit_status.limit), Err(3));
        assert_eq!(
            limiter.limit_status(&one, RateLimitClass::Stream).limit,
            3,
            "the status is that of the run that has used up its limit"
        );
        assert!(admit(&one, RunRequest::Event(run_id(2))).is_ok() && admit(&two, RunRequest::Event(run_id(1))).is_ok());
        for _ in 0..2 {
            assert!(admit(&one, RunRequest::Checkpoint(run_id(1))).is_ok());
        }
        assert!(admit(&one, RunRequest::Checkpoint(run_id(1))).is_err());
        assert!(admit(&one, RunRequest::Checkpoint(run_id(2))).is_ok());
        let ending = RunRequest::Result { run: run_id(1), is_live: true };
        for _ in 0..ulkeys_domain::rate_limit::RUN_RESULTS_PER_MINUTE {
            assert!(admit(&one, ending).is_ok());
        }
        assert!(admit(&one, ending).is_err(), "results have a limit of their own");
    }

    #[test]
    fn admit_for_run_above_limit_of_key_admits_results_of_live_runs_only() {
        let limiter = RateLimiter::new(RateLimits { stream: 2, ..RateLimits::default() }.into());
        let key = random_key_id();
        let admit = |request| limiter.admit_for_run(&key, request, PEER);
        let of_key = 2 * ulkeys_domain::rate_limit::MAX_RUNS_AT_FULL_RATE;
        for _ in 0..of_key / 2 {
            assert!(admit(RunRequest::NoRun(RateLimitClass::Stream)).is_ok());
        }
        for number in 1..=i64::from(of_key / 2) {
            assert!(admit(RunRequest::Event(run_id(number))).is_ok());
        }
        for rejected in [
            RunRequest::NoRun(RateLimitClass::Stream),
            RunRequest::Event(run_id(99)),
            RunRequest::Result { run: run_id(1), is_live: false },
        ] {
            assert_eq!(admit(rejected).map_err(|limit_status| limit_status.limit), Err(of_key), "{rejected:?}");
        }
        assert!(admit(RunRequest::Result { run: run_id(99), is_live: true }).is_ok());
        for _ in 0..2 {
            assert!(admit(RunRequest::Start).is_ok());
        }
        assert_eq!(admit(RunRequest::Start).map_err(|limit_status| limit_status.limit), Err(2));
        let rejected =
            limiter.lock_shard(&key).get(&key).is_some_and(|key_state| key_state.runs.contains_key(&run_id(100)));
        assert!(!rejected, "a rejected request creates no state of a run");
    }

    #[test]
    fn remove_expired_drops_state_of_inactive_runs() {
        let mut limiter = RateLimiter::new(RateLimits::default().into());
        let key = random_key_id();
        limiter.admit_for_run(&key, RunRequest::Event(run_id(1)), PEER).expect("admitted");
        limiter.remove_expired();
        assert_eq!(limiter.lock_shard(&key)[&key].runs.len(), 1, "the state was removed too early");
        limiter.start = limiter.start.checked_sub(WINDOW).expect("the clock has run for longer");
        limiter.remove_expired();
        let shard = limiter.lock_shard(&key);
        assert_eq!((shard[&key].runs.len(), shard[&key].windows.len()), (0, 0));
    }

    #[test]
    fn blocked_peer_may_use_known_keys() {
        let limiter = limiter_with_three_attempts();
        let (used, other) = (random_key_id(), random_key_id());
        limiter.admit(&used, RateLimitClass::Default, PEER).expect("admitted");
        for guess in 0..3 {
            assert!(limiter.rate_limit_status_if_blocked(PEER).is_none());
            for _ in 0..100 {
                limiter.record_failure(PEER, guess);
            }
        }
        assert!(
            limiter
                .rate_limit_status_if_blocked(PEER)
                .is_some_and(|limit_status| limit_status.reset_after > Duration::from_secs(50))
        );
        assert!(limiter.is_known_peer(PEER, &used) && !limiter.is_known_peer(PEER, &other));
        let elsewhere = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert!(limiter.rate_limit_status_if_blocked(elsewhere).is_none() && !limiter.is_known_peer(elsewhere, &used));
        limiter.remove_expired();
        assert!(
            limiter.rate_limit_status_if_blocked(PEER).is_some() && limiter.is_known_peer(PEER, &used),
            "the state was removed too early"
        );
    }

    #[test]
    fn failures_from_many_addresses_share_a_limit() {
        let limiter = limiter_with_three_attempts();
        for number in 0..20_000_u32 {
            limiter.record_failure(IpAddr::V4(number.into()), number.into());
        }
        assert!(limiter.lock_failed_attempts().len() <= MAX_FAILING_PEERS + 1);
        assert!(
            limiter.rate_limit_status_if_blocked(IpAddr::V4(0xffff_u32.into())).is_some(),
            "all further peers share one counter"
        );
        let neighbor = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        let limiter = limiter_with_three_attempts();
        (1..4).for_each(|last| limiter.record_failure(neighbor(last), last.into()));
        assert!(limiter.rate_limit_status_if_blocked(neighbor(9)).is_some());
        let limiter = limiter_with_three_attempts();
        (1..4).for_each(|guess| limiter.record_failure(IpAddr::V6(Ipv6Addr::LOCALHOST), guess));
        assert!(
            limiter.rate_limit_status_if_blocked(IpAddr::V6(Ipv6Addr::LOCALHOST)).is_some()
                && limiter.rate_limit_status_if_blocked(PEER).is_none()
        );
    }
}
