//! Reports the state of the service to systemd (`sd_notify(3)`). Without systemd, nothing is reported.

#[cfg(target_os = "linux")]
pub(super) use linux::{report_ready, report_reloading, report_stopping, spawn_watchdog};
#[cfg(not(target_os = "linux"))]
pub(super) use other::{report_ready, report_reloading, report_stopping, spawn_watchdog};

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use sd_notify::NotifyState;
    use tokio_util::sync::CancellationToken;

    pub(in crate::serve) fn report_ready() {
        notify(&[NotifyState::Ready]);
    }

    pub(in crate::serve) fn report_reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(_) => notify(&[NotifyState::Reloading]),
        }
    }

    pub(in crate::serve) fn report_stopping() {
        notify(&[NotifyState::Stopping]);
    }

    /// Reports that the process is alive, twice in each interval that the unit's `WatchdogSec=` specifies. If the tasks
    /// of the service cannot run, the reports stop, and systemd restarts the service.
    pub(in crate::serve) fn spawn_watchdog(shutdown: CancellationToken) {
        let Some(interval) = sd_notify::watchdog_enabled() else {
            return;
        };
        let pause = Duration::max(interval / 2, Duration::from_millis(1));
        tokio::spawn(async move {
            while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
                notify(&[NotifyState::Watchdog]);
            }
        });
    }

    fn notify(state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state) {
            tracing::warn!(%error, "cannot report the state of the service to systemd");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    pub(in crate::serve) fn report_ready() {}

    pub(in crate::serve) fn report_reloading() {}

    pub(in crate::serve) fn report_stopping() {}

    pub(in crate::serve) fn spawn_watchdog(_shutdown: tokio_util::sync::CancellationToken) {}
}
