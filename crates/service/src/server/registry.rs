//! The registry of open connections. It knows what each connection is doing and since when, and decides which
//! connections to close: those that have been idle for too long and, to make room, the one that has been idle longest.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;

use super::limits::ConnectionLimits;
use crate::clock::coarse_time;

pub(super) struct ConnectionRegistry {
    limits: ConnectionLimits,
    /// The number of open connections, for `/metrics`.
    gauge: Gauge,
    next_id: AtomicU64,
    connections: Mutex<ConnectionsById>,
}

type ConnectionsById = HashMap<u64, Arc<ConnectionState>>;

impl ConnectionRegistry {
    pub(super) fn new(limits: ConnectionLimits, gauge: Gauge) -> Self {
        Self { limits, gauge, next_id: AtomicU64::new(0), connections: Mutex::default() }
    }

    /// Registers a new connection, which is idle. The registry cancels `close_token` to close it.
    pub(super) fn register(self: &Arc<Self>, close_token: CancellationToken) -> ConnectionGuard {
        let state = Arc::new(ConnectionState { phase: AtomicU64::new(0), close_token });
        state.set_phase(ConnectionPhase::Idle);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.lock_connections().insert(id, state.clone());
        self.gauge.inc();
        ConnectionGuard { registry: self.clone(), id, state }
    }

    pub(super) fn has_room(&self) -> bool {
        self.lock_connections().len() < self.limits.max_connections
    }

    /// Closes the connection that has been idle for longest; if none is idle, the one that has streamed for longest.
    pub(super) fn evict_oldest_idle(&self) {
        let connections = self.lock_connections();
        let evictable = || connections.iter().filter(|(_, state)| state.phase() != ConnectionPhase::Busy);
        // Close only one connection at a time. A connection that is already being closed will make room.
        if evictable().any(|(_, state)| state.close_token.is_cancelled()) {
            return;
        }
        // Of connections whose phases started at the same time, the older one is closed.
        if let Some((_, oldest)) = evictable().min_by_key(|(id, state)| (state.phase_and_start(), **id)) {
            oldest.close_token.cancel();
        }
    }

    /// Closes the connections that have been idle for the idle timeout or longer.
    pub(super) fn close_idle_connections(&self) {
        let (timeout, now) = (self.limits.idle_timeout, coarse_time());
        let connections = self.lock_connections();
        let is_timed_out = |state: &&Arc<ConnectionState>| {
            let (phase, start) = state.phase_and_start();
            phase == ConnectionPhase::Idle && now.saturating_sub(start) >= timeout
        };
        let timed_out = connections.values().filter(is_timed_out);
        timed_out.for_each(|state| state.close_token.cancel());
    }

    fn lock_connections(&self) -> MutexGuard<'_, ConnectionsById> {
        self.connections.lock()
    }
}

/// Registers a connection while it is open. Dropping the guard removes the connection from the registry.
pub(super) struct ConnectionGuard {
    registry: Arc<ConnectionRegistry>,
    id: u64,
    state: Arc<ConnectionState>,
}

impl ConnectionGuard {
    pub(super) fn state(&self) -> &ConnectionState {
        &self.state
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.registry.lock_connections().remove(&self.id);
        self.registry.gauge.dec();
    }
}

/// What a connection is doing. The variants are ordered by eviction priority: idle connections are evicted first, and
/// busy ones never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConnectionPhase {
    /// The connection is waiting for a request.
    Idle,
    /// The service is sending a response of unknown length.
    Streaming,
    /// The service is handling a request.
    Busy,
}

pub(super) struct ConnectionState {
    /// The [`ConnectionPhase`] in the lower two bits, and above them the [`coarse_time`] in milliseconds at which the
    /// phase started (0 for a busy connection).
    phase: AtomicU64,
    /// Cancelling this token closes the connection. The token is also cancelled when the service stops.
    close_token: CancellationToken,
}

impl ConnectionState {
    pub(super) fn set_phase(&self, phase: ConnectionPhase) {
        // The start time is not needed while a request is in progress.
        let start = if phase == ConnectionPhase::Busy { Duration::ZERO } else { coarse_time() };
        let millis = start.as_secs() * 1_000 + u64::from(start.subsec_millis());
        self.phase.store(millis << 2 | phase as u64, Ordering::Relaxed);
    }

    pub(super) fn phase(&self) -> ConnectionPhase {
        self.phase_and_start().0
    }

    /// Returns the phase and its start, which belong together even if a request starts at the same time.
    fn phase_and_start(&self) -> (ConnectionPhase, Duration) {
        let value = self.phase.load(Ordering::Relaxed);
        let phase = match value & 3 {
            0 => ConnectionPhase::Idle,
            1 => ConnectionPhase::Streaming,
            _ => ConnectionPhase::Busy,
        };
        (phase, Duration::from_millis(value >> 2))
    }

    /// Waits until the connection must be closed.
    pub(super) async fn close_requested(&self) {
        self.close_token.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry_with(max_connections: usize, idle_timeout: Duration) -> Arc<ConnectionRegistry> {
        Arc::new(ConnectionRegistry::new(ConnectionLimits { max_connections, idle_timeout }, Gauge::default()))
    }

    fn register_in(registry: &Arc<ConnectionRegistry>, phase: ConnectionPhase) -> ConnectionGuard {
        let guard = registry.register(CancellationToken::new());
        guard.state.set_phase(phase);
        guard
    }

    impl ConnectionGuard {
        fn is_closing(&self) -> bool {
            self.state.close_token.is_cancelled()
        }
    }

    #[test]
    fn dropped_guard_makes_room() {
        let registry = registry_with(2, Duration::MAX);
        let first = registry.register(CancellationToken::new());
        assert!(registry.has_room());
        let _second = registry.register(CancellationToken::new());
        assert!(!registry.has_room());
        assert_eq!(registry.gauge.get(), 2);
        drop(first);
        assert!(registry.has_room());
        assert_eq!(registry.gauge.get(), 1);
    }

    #[test]
    fn evict_oldest_idle_closes_longest_idle() {
        let registry = registry_with(2, Duration::MAX);
        let (older, newer) = (registry.register(CancellationToken::new()), registry.register(CancellationToken::new()));
        registry.evict_oldest_idle();
        assert!(older.is_closing() && !newer.is_closing());
        drop(older);
        registry.evict_oldest_idle();
        assert!(newer.is_closing());
    }

    #[test]
    fn evict_oldest_idle_while_another_is_closing_closes_none() {
        let registry = registry_with(2, Duration::MAX);
        let streaming = register_in(&registry, ConnectionPhase::Streaming);
        registry.evict_oldest_idle();
        assert!(streaming.is_closing());
        let idle = registry.register(CancellationToken::new());
        registry.evict_oldest_idle();
        assert!(!idle.is_closing());
    }

    #[test]
    fn evict_oldest_idle_without_idle_closes_streaming_but_not_busy() {
        let registry = registry_with(3, Duration::MAX);
        let busy = register_in(&registry, ConnectionPhase::Busy);
        let streaming = register_in(&registry, ConnectionPhase::Streaming);
        let idle = register_in(&registry, ConnectionPhase::Idle);
        registry.evict_oldest_idle();
        assert!(idle.is_closing() && !streaming.is_closing() && !busy.is_closing());
        drop(idle);
        registry.evict_oldest_idle();
        assert!(streaming.is_closing() && !busy.is_closing());
        drop(streaming);
        registry.evict_oldest_idle();
        assert!(!busy.is_closing());
    }

    #[test]
    fn close_idle_connections_spares_active_and_recent_ones() {
        for (idle_timeout, closes) in [(Duration::ZERO, true), (Duration::from_secs(3_600), false)] {
            let registry = registry_with(3, idle_timeout);
            let idle = registry.register(CancellationToken::new());
            let streaming = register_in(&registry, ConnectionPhase::Streaming);
            let busy = register_in(&registry, ConnectionPhase::Busy);
            registry.close_idle_connections();
            assert_eq!(idle.is_closing(), closes, "{idle_timeout:?}");
            assert!(!streaming.is_closing() && !busy.is_closing());
        }
    }
}
