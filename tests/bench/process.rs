//! Reads what the system reports about server processes: processor time and memory.

use std::collections::HashMap;
use std::time::Duration;

/// The processor time that each thread of some processes had used at one moment.
pub struct CpuSample(HashMap<u32, Duration>);

impl CpuSample {
    /// Reads the processor time of all threads of these processes. Returns `None` if the system does not report it;
    /// Linux does, in nanoseconds.
    pub fn take(processes: &[u32]) -> Option<Self> {
        let mut threads = HashMap::new();
        for process in processes {
            for thread in std::fs::read_dir(format!("/proc/{process}/task")).ok()? {
                let folder = thread.ok()?.path();
                // A thread can exit while the threads are listed. The first field of `schedstat` is the time on a
                // processor.
                let Ok(statistics) = std::fs::read_to_string(folder.join("schedstat")) else { continue };
                let nanoseconds = statistics.split(' ').next()?.parse().ok()?;
                threads.insert(folder.file_name()?.to_str()?.parse().ok()?, Duration::from_nanos(nanoseconds));
            }
        }
        Some(Self(threads))
    }

    /// Returns the processor time used since `earlier`. Does not include threads that have exited since then. In the
    /// measured servers, only threads exit that have been idle for longer than a measurement takes.
    pub fn since(&self, earlier: &Self) -> Duration {
        let used =
            |(thread, now): (&u32, &Duration)| now.saturating_sub(earlier.0.get(thread).copied().unwrap_or_default());
        self.0.iter().map(used).sum()
    }
}

/// Returns the resident memory of a process in KiB, if the system reports it; Linux does.
pub fn read_resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
