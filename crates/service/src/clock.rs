//! The clocks of the service: one for the times that it stores and shows, and one for durations.

use std::time::Duration;

use ulkeys_domain::Timestamp;

/// A moment, according to both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The wall-clock time, which can be changed at any time.
    pub(crate) at: Timestamp,
    /// The time since the service started, including (on Linux) the time the computer was asleep. Expiry and rate
    /// limits are measured with this clock, because it never goes back.
    pub(crate) uptime: Duration,
}

/// Both clocks of a service.
pub(crate) struct Clock {
    wall: fn() -> Timestamp,
    start: Duration,
}

impl Clock {
    /// Starts the clock of durations. `wall` returns the current wall-clock time.
    pub(crate) fn start(wall: fn() -> Timestamp) -> Self {
        Self { wall, start: time_since_boot() }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment { at: (self.wall)(), uptime: self.uptime() }
    }

    pub(crate) fn wall(&self) -> Timestamp {
        (self.wall)()
    }

    pub(crate) fn uptime(&self) -> Duration {
        time_since_boot().saturating_sub(self.start)
    }
}

/// Returns the time since boot, measured by a monotonic clock that also advances while the computer sleeps
/// (`clock_gettime(2)`, `CLOCK_BOOTTIME`).
#[cfg(target_os = "linux")]
fn time_since_boot() -> Duration {
    read_clock(rustix::time::ClockId::Boottime)
}

/// Returns the time of a monotonic clock with a resolution of a few milliseconds. Reading it is several times faster
/// than reading the other clocks (`clock_gettime(2)`, `CLOCK_MONOTONIC_COARSE`).
#[cfg(target_os = "linux")]
pub(crate) fn coarse_time() -> Duration {
    read_clock(rustix::time::ClockId::MonotonicCoarse)
}

#[cfg(target_os = "linux")]
fn read_clock(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Returns the time of a monotonic clock.
#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_time() -> Duration {
    time_since_boot()
}

/// Returns the time since the first call, measured by a monotonic clock. Whether that clock advances while the computer
/// sleeps depends on the operating system.
#[cfg(not(target_os = "linux"))]
fn time_since_boot() -> Duration {
    static PROCESS_START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    PROCESS_START.elapsed()
}
