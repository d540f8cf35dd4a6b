//! Limits the invalid credentials that a peer may present, so that guessing a key is slow.
//!
//! Clients can share an address: all clients on one computer have the same address. Therefore repeated attempts with
//! the same wrong key count once, and a blocked peer may continue to use the keys that it has used recently, but no
//! others. An attacker learns nothing from being blocked, and affects only clients on the same address that switch to a
//! new key.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use ulkeys_domain::rate_limit::{RateLimitStatus, WINDOW};

/// The maximum number of peers that have their own counter of failed attempts. All further peers share one counter.
const MAX_FAILING_PEERS: usize = 4_096;

/// Counts failed attempts by peer. All methods take the uptime of the service as `now`.
#[derive(Default)]
pub(crate) struct PeerLimiter {
    /// The entry `None` is shared by all peers beyond [`MAX_FAILING_PEERS`].
    failures: Mutex<HashMap<Option<IpAddr>, FailedAttempts>>,
    failing_peers: AtomicUsize,
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

impl PeerLimiter {
    /// Records an invalid credential, identified by its fingerprint. At most `limit` are counted.
    pub(crate) fn record_failure(&self, peer: IpAddr, fingerprint: u64, limit: u32, now: Duration) {
        let mut failures = self.failures.lock();
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
        failures.entry(peer).or_default().record(now, fingerprint, limit);
        self.failing_peers.store(failures.len(), Ordering::Relaxed);
    }

    /// Returns the status of the limit if the peer is blocked, so that it may use only keys that it has used recently;
    /// otherwise returns `None`.
    pub(crate) fn status_if_blocked(&self, peer: IpAddr, limit: u32, now: Duration) -> Option<RateLimitStatus> {
        if self.failing_peers.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut failures = self.failures.lock();
        let known = Some(network_prefix(peer)).filter(|peer| failures.contains_key(&Some(*peer)));
        failures.get_mut(&known)?.status_if_blocked(now, limit)
    }

    /// Removes expired attempts.
    pub(crate) fn remove_expired(&self, now: Duration) {
        let mut failures = self.failures.lock();
        failures.retain(|_, failures| {
            failures.remove_expired_attempts(now);
            !failures.0.is_empty()
        });
        self.failing_peers.store(failures.len(), Ordering::Relaxed);
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

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const LIMIT: u32 = 3;
    const NOW: Duration = Duration::from_secs(100);

    fn is_blocked(limiter: &PeerLimiter, peer: IpAddr) -> bool {
        limiter.status_if_blocked(peer, LIMIT, NOW).is_some()
    }

    #[test]
    fn peer_with_three_different_failures_is_blocked_for_a_minute() {
        let limiter = PeerLimiter::default();
        for guess in 0..3 {
            assert!(!is_blocked(&limiter, PEER));
            for _ in 0..100 {
                limiter.record_failure(PEER, guess, LIMIT, NOW);
            }
        }
        let status = limiter.status_if_blocked(PEER, LIMIT, NOW).expect("blocked");
        assert_eq!(status.reset_after, WINDOW);
        assert!(!is_blocked(&limiter, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))), "another peer");
        limiter.remove_expired(NOW);
        assert!(is_blocked(&limiter, PEER), "the state was removed too early");
        assert_eq!(limiter.status_if_blocked(PEER, LIMIT, NOW + WINDOW), None);
    }

    #[test]
    fn failures_from_many_addresses_share_a_limit() {
        let limiter = PeerLimiter::default();
        for number in 0..20_000_u32 {
            limiter.record_failure(IpAddr::V4(number.into()), number.into(), LIMIT, NOW);
        }
        assert!(limiter.failures.lock().len() <= MAX_FAILING_PEERS + 1);
        assert!(is_blocked(&limiter, IpAddr::V4(0xffff_u32.into())), "all further peers share one counter");
        let neighbor = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        let limiter = PeerLimiter::default();
        (1..4).for_each(|last| limiter.record_failure(neighbor(last), last.into(), LIMIT, NOW));
        assert!(is_blocked(&limiter, neighbor(9)));
        let limiter = PeerLimiter::default();
        (1..4).for_each(|guess| limiter.record_failure(IpAddr::V6(Ipv6Addr::LOCALHOST), guess, LIMIT, NOW));
        assert!(is_blocked(&limiter, IpAddr::V6(Ipv6Addr::LOCALHOST)) && !is_blocked(&limiter, PEER));
    }
}
