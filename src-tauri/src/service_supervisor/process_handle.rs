//! A handle to the process of the background service. On Linux, it is a process file descriptor (pidfd_open(2)), which
//! never refers to a later process with the same ID.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// The maximum time for the background service to write pending data and stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A signal that the background service handles.
#[derive(Debug, Clone, Copy)]
pub(super) enum ProcessSignal {
    /// Write pending data and stop.
    Stop,
    /// Read the settings again.
    Reload,
}

/// A handle to a process. Clones refer to the same process.
#[derive(Debug, Clone)]
pub(super) struct ProcessHandle {
    pid: u32,
    #[cfg(target_os = "linux")]
    descriptor: Arc<std::os::fd::OwnedFd>,
    #[cfg(not(target_os = "linux"))]
    _descriptor: Arc<()>,
}

impl ProcessHandle {
    /// Opens a handle to a running process. Returns `None` if there is no such process.
    pub(super) fn open(pid: u32) -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            let raw = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
            let descriptor = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty()).ok()?;
            Some(Self { pid, descriptor: Arc::new(descriptor) })
        }
        #[cfg(not(target_os = "linux"))]
        Some(Self { pid, _descriptor: Arc::default() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn send_signal(&self, signal: ProcessSignal) {
        #[cfg(unix)]
        {
            use rustix::process::Signal;
            let number = match signal {
                ProcessSignal::Stop => Signal::TERM,
                ProcessSignal::Reload => Signal::HUP,
            };
            #[cfg(target_os = "linux")]
            let sent = rustix::process::pidfd_send_signal(&self.descriptor, number);
            #[cfg(not(target_os = "linux"))]
            let sent = match i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw) {
                Some(pid) => rustix::process::kill_process(pid, number),
                None => return,
            };
            if let Err(error) = sent {
                tracing::warn!(%error, ?signal, "could not signal the background service");
            }
        }
        #[cfg(not(unix))]
        let _ = signal;
    }

    /// Waits until the process has ended, but not longer than [`STOP_TIMEOUT`].
    pub(super) async fn wait_for_end(&self) {
        let start = Instant::now();
        while self.is_running() {
            if start.elapsed() > STOP_TIMEOUT {
                return tracing::warn!("the background service did not stop in time");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn is_running(&self) -> bool {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, poll};
            // The descriptor becomes readable when the process ends.
            let mut ended = [PollFd::new(&*self.descriptor, PollFlags::IN)];
            matches!(poll(&mut ended, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
        }
        #[cfg(all(unix, not(target_os = "linux")))]
        {
            let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
            pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
        }
        #[cfg(not(unix))]
        false
    }
}
